//! A log and its objects in memory, as whoever holds them in another way than in files has them.

use std::collections::BTreeSet;
use std::sync::Arc;

use corpus::Digest;
use corpus::merkle::{Tree, leaf_hash};
use corpus::objects::{Class, ReadObjects};
use ledger::{Note, TreeHead, Verifier};
use rules::Archive;
use rules::listener::Listener;
use store::log::ReadLog;

use super::record::{self, Log};
use super::{Options, Report, Result, Verified};

/// A log and its objects in memory.
#[derive(Clone)]
pub struct Memory {
    /// The log's key.
    pub log: Verifier,
    /// The signed tree head.
    pub head: Note,
    /// The entries' envelopes, in order.
    pub entries: Vec<Vec<u8>>,
    /// The objects that they name.
    pub objects: Arc<dyn ReadObjects>,
}

/// Checks the log and that all objects are there; returns what later levels read, if the tree head is signed and there is a first entry.
pub(crate) fn check(memory: &Memory, options: &Options, listener: &dyn Listener, report: &mut Report) -> Result<Option<Verified>> {
    let mut tree = Tree::default();
    memory.entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
    let head = match TreeHead::verify(&memory.head, &memory.log) {
        Ok(head) => head,
        Err(e) => {
            report.find("log-files", None, format!("tree head: {e}"));
            return Ok(None);
        }
    };
    let size = memory.entries.len() as u64;
    let root = tree.root(size);
    if (head.size, head.root) != (size, root) {
        report.find("log-files", None, format!("signed: {} entries with root {}, found {size} with {root}", head.size, head.root));
        return Ok(None);
    }
    let read = ReadLog { note: memory.head.clone(), head, tree };
    let entries = |each: record::Each<'_>| each(memory.entries.clone());
    let log = Log { verifier: &memory.log, read: &read, entries: &entries };
    let (state, named, witnesses) = record::check(&log, options, listener, 0, report)?;
    let archive = Archive { objects: Arc::clone(&memory.objects), state };
    let before = report.findings.len();
    let there = there(&*memory.objects, report)?;
    let kept = |digest: &Digest| there.iter().find(|(_, d)| d == digest).map(|(class, d)| format!("{}/{d}", class.name()));
    record::check_there(&archive, &named, &there, kept, report);
    report.check("objects", format!("{} objects, {} named by entries", there.len(), named.len()), before);
    Ok(archive.state.genesis.is_some().then(|| Verified { archive, head: read.head, witnesses }))
}

/// All objects; each has to have the digest that its name says.
fn there(objects: &dyn ReadObjects, report: &mut Report) -> Result<BTreeSet<(Class, Digest)>> {
    let mut there = BTreeSet::new();
    for class in Class::ALL {
        for digest in objects.list(class)? {
            let found = Digest::of(&objects.get(class, &digest)?);
            if found != digest {
                report.find("object-digest", None, format!("{}/{digest}: its bytes have the digest {found}", class.name()));
            }
            there.insert((class, digest));
        }
    }
    Ok(there)
}
