//! A log and what its entries name, wherever they were read from: the rules between entries, tree heads, witnesses, and which objects are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use corpus::objects::Class;
use corpus::{Digest, EntryIndex};
use ledger::{Entry, EntryProof, Note, State, TreeHead, Verifier, Violation};
use rules::listener::Listener;
use rules::parts::read_parts;
use rules::{Archive, Kind};
use store::StoreError;
use store::follow::follow;
use store::log::ReadLog;

use super::{AuditError, Options, Report, Result};

/// What the list of a submission's bundles is called in entries.
pub(crate) const BUNDLES: &str = "sealed/bundles.json";

/// An object that an entry names.
pub(crate) struct Named {
    pub at: EntryIndex,
    name: &'static str,
    pub digest: Digest,
}

impl Named {
    /// Who may read it, and its digest.
    fn object(&self) -> Option<(Class, Digest)> {
        let class = self.name.split('/').next().unwrap_or(self.name);
        Class::ALL.into_iter().find(|c| c.name() == class).map(|c| (c, self.digest))
    }
}

/// Why the entries of a log are not read to their end.
pub(crate) enum Stop {
    /// A rule forbids an entry.
    Rule(Violation),
    /// A file cannot be read.
    File(StoreError),
}

impl From<StoreError> for Stop {
    fn from(e: StoreError) -> Stop {
        Stop::File(e)
    }
}

/// Takes entries that follow each other, some at a time.
pub(crate) type Each<'e> = &'e mut dyn FnMut(Vec<Vec<u8>>) -> Result<(), Stop>;

/// A log whose tree head is verified and whose entries have its root.
pub(crate) struct Log<'a> {
    /// Its key.
    pub verifier: &'a Verifier,
    /// The signed tree head, and the tree that the entries have.
    pub read: &'a ReadLog,
    /// Gives the entries in order.
    pub entries: &'a dyn Fn(Each<'_>) -> Result<(), Stop>,
}

/// Checks the rules between entries, the tree heads in them, the witnesses and the log's key.
///
/// Returns what the log says, the objects that its entries name, and how many witnesses cosigned its tree head. `before` are the
/// findings that the group of checks began with.
pub(crate) fn check(
    log: &Log<'_>,
    options: &Options,
    listener: &dyn Listener,
    before: usize,
    report: &mut Report,
) -> Result<(State, Vec<Named>, usize)> {
    let Log { verifier, read, .. } = log;
    report.from = trusted(options, verifier, read, report)?;
    let (state, named) = replay(log, listener, report)?;
    let witnesses = check_witnesses(read, &state, report);
    let key = state.genesis.as_ref().map(|g| g.log.as_str());
    report.expect(key.is_none_or(|key| key == verifier.to_vkey()), "log-key", EntryIndex(0), || {
        format!("the log's key {}, the tree head is signed with {}", key.unwrap_or_default(), verifier.to_vkey())
    });
    let after = if report.from > EntryIndex(0) { format!(", {} of them audited before", report.from) } else { String::new() };
    report.check("log", format!("{} entries{after}, root {}", read.head.size, read.head.root), before);
    if let Some(folder) = &options.receipts {
        check_receipts(folder, verifier, read, report)?;
    }
    Ok((state, named, witnesses))
}

/// The error of a file that the audit was given.
pub(crate) fn given<E: std::fmt::Display>(path: &Path, kind: Kind) -> impl FnOnce(E) -> AuditError {
    let path = path.to_path_buf();
    move |e| AuditError::Given { path, text: e.to_string(), kind }
}

/// The first entry after the tree head that an earlier audit ended with: entries before it are not checked again.
fn trusted(options: &Options, log: &Verifier, read: &ReadLog, report: &mut Report) -> Result<EntryIndex> {
    let Some(path) = &options.from else { return Ok(EntryIndex(0)) };
    let text = store::files::read_text(path)?;
    let note = Note::from_text(&text).map_err(given(path, Kind::Verification))?;
    let head = TreeHead::verify(&note, log).map_err(given(path, Kind::Verification))?;
    match under(&head, read) {
        Ok(()) => Ok(EntryIndex(head.size)),
        Err(text) => {
            report.find("from", None, format!("{}: {text}", path.display()));
            Ok(EntryIndex(0))
        }
    }
}

/// Whether the log grew from `head`.
fn under(head: &TreeHead, read: &ReadLog) -> Result<(), String> {
    if head.size > read.head.size {
        return Err(format!("a tree of {} entries was signed, the log has {}", head.size, read.head.size));
    }
    let root = read.tree.root(head.size);
    if head.root != root {
        return Err(format!("a tree of {} entries with root {} was signed, the log's has {root}", head.size, head.root));
    }
    Ok(())
}

/// What others were shown and signed has to be in this log, at its place: otherwise it showed them another one.
fn check_receipts(folder: &Path, log: &Verifier, read: &ReadLog, report: &mut Report) -> Result<()> {
    let (before, mut count) = (report.findings.len(), 0);
    let refused = |source| StoreError::Io { path: folder.to_path_buf(), source };
    let entries = std::fs::read_dir(folder).map_err(refused)?;
    let mut paths: Vec<PathBuf> = entries.map(|e| Ok(e.map_err(refused)?.path())).collect::<Result<_>>()?;
    paths.sort();
    for path in paths.into_iter().filter(|p| p.extension().is_some_and(|e| e == "tlog-proof")) {
        count += 1;
        let checked =
            EntryProof::from_text(&String::from_utf8_lossy(&store::files::read(&path)?)).map_err(|e| e.to_string()).and_then(|p| {
                under(&TreeHead::verify(&p.note, log).map_err(|e| e.to_string())?, read)?;
                let leaf = read.tree.level(0).get(p.index as usize).ok_or("no such entry")?;
                p.verify_leaf(leaf, log).map(|_| ()).map_err(|e| e.to_string())
            });
        if let Err(text) = checked {
            report.find("receipt", None, format!("{}: {text}", path.display()));
        }
    }
    report.check("receipts", format!("{count} in {}", folder.display()), before);
    Ok(())
}

/// Applies every entry; stops at the first that a rule forbids, since later ones refer to it.
fn replay(log: &Log<'_>, listener: &dyn Listener, report: &mut Report) -> Result<(State, Vec<Named>)> {
    let (mut state, mut named) = (State::default(), Vec::new());
    let bar = listener.task("entries", log.read.head.size);
    let followed = (log.entries)(&mut |entries| {
        let trusted = report.from;
        follow(&mut state, &entries, trusted.0, |at, entry| {
            named.extend(entry.objects().into_iter().map(|(name, digest)| Named { at, name, digest }));
            check_tree_head(at, entry, log.read, report);
        })
        .map_err(Stop::Rule)?;
        bar.advance(entries.len() as u64);
        Ok(())
    });
    drop(bar);
    match followed {
        Ok(()) => {}
        Err(Stop::Rule(v)) => report.find(v.rule, v.index, v.text),
        Err(Stop::File(e)) => return Err(e.into()),
    }
    Ok((state, named))
}

/// A tree head inside an entry is one of this log.
fn check_tree_head(index: EntryIndex, entry: &Entry, read: &ReadLog, report: &mut Report) {
    let note = match entry {
        Entry::Draw(e) => Some(&e.tree_head),
        Entry::RunProgress(e) => e.drawn_from.as_ref(),
        Entry::RunClose(e) => e.drawn_from.as_ref(),
        _ => None,
    };
    let Some(head) = note.and_then(|n| Note::from_text(n).ok()).and_then(|n| TreeHead::from_text(&n.text).ok()) else { return };
    let root = read.tree.root(head.size.min(index.0));
    report.expect(head.root == root, "drawn-tree-head", index, || {
        format!("tree head of size {} with root {}, the log has {root}", head.size, head.root)
    });
}

/// A quorum of the witnesses has to have cosigned the tree head; returns how many did.
fn check_witnesses(read: &ReadLog, state: &State, report: &mut Report) -> usize {
    let Some(policy) = state.witnesses_of(read.head.size) else { return 0 };
    if let Err(e) = policy.check(&read.note) {
        report.find("witness", None, format!("log/checkpoint: {e}"));
    }
    policy.cosigned(&read.note).iter().filter(|signed| **signed).count()
}

/// Every object that an entry names is among those that are `there`, and none that the log says was destroyed; `kept` says where one lies.
pub(crate) fn check_there(
    archive: &Archive,
    named: &[Named],
    there: &BTreeSet<(Class, Digest)>,
    kept: impl Fn(&Digest) -> Option<String>,
    report: &mut Report,
) {
    let is_there = |n: &Named| n.object().is_some_and(|object| there.contains(&object));
    // A list of bundles names them in the entry's stead.
    let lists = named.iter().filter(|n| n.name == BUNDLES);
    let bundles = lists.flat_map(|n| {
        let parts = read_parts(&*archive.objects, &n.digest).map(|p| p.parts).unwrap_or_default();
        parts.into_iter().map(|p| Named { at: n.at, name: "sealed/bundle.parquet", digest: p.file })
    });
    let bundles: Vec<Named> = bundles.collect();
    let missing: Vec<&Named> = named.iter().chain(&bundles).filter(|n| !is_there(n)).collect();
    // What the log says was destroyed is neither there nor missing. The lists that say so are objects themselves.
    let destroyed = rules::withdrawn::Withdrawn::of(archive).map(|w| w.destroyed).unwrap_or_default();
    for n in missing {
        if destroyed.contains(&n.digest) {
            report.unverifiable(n.at, format!("{} {}: withdrawn", n.name, n.digest));
        } else {
            report.find("object-there", n.at, format!("{} {}: missing", n.name, n.digest));
        }
    }
    for digest in &destroyed {
        if let Some(place) = kept(digest) {
            report.find("withdrawn-kept", None, format!("{place}: the log says that it was destroyed"));
        }
    }
}
