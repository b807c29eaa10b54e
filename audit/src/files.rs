//! Tiles, tree head, cosignatures, entries and the rules between them, and every object's name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use corpus::{Digest, EntryIndex};
use ledger::{Entry, EntryProof, Note, State, TreeHead, Verifier, Violation};
use rayon::prelude::*;
use rules::listener::Listener;
use rules::parts::read_parts;
use rules::{Archive, Kind};
use store::follow::follow;
use store::log::ReadLog;
use store::{LogFiles, Objects, StoreError};

use super::{AuditError, Files, Options, Report, Result, Verified};

/// What the list of a submission's bundles is called in entries.
pub(crate) const BUNDLES: &str = "sealed/bundles.json";

/// How often the log is read again if it grew while its files were looked at.
const LOOKS: usize = 8;

/// An object that an entry names.
struct Named {
    at: EntryIndex,
    name: &'static str,
    digest: Digest,
}

/// Checks the log's files and all objects' names; returns what later levels read, and the number of witnesses.
pub fn check(home: &Files, options: &Options, listener: &dyn Listener, report: &mut Report) -> Result<Option<Verified>> {
    let dir = &home.dir;
    let path = dir.join("log.vkey");
    let verifier = Verifier::from_vkey(&String::from_utf8_lossy(&store::files::read(&path)?)).map_err(given(&path, Kind::Check))?;
    let log = LogFiles::new(&dir.join("log"));
    let before = report.findings.len();
    let bar = listener.task("log files", 0);
    let mut read = match log.read(&verifier) {
        Ok(Some(read)) => read,
        Ok(None) => {
            report.find("log-files", None, format!("{}: missing", dir.join("log/checkpoint").display()));
            return Ok(None);
        }
        Err(e @ StoreError::Log { .. }) => {
            report.find("log-files", None, e.to_string());
            return Ok(None);
        }
        Err(StoreError::Io { path, source }) if source.kind() == std::io::ErrorKind::NotFound => {
            report.find("log-files", None, format!("{}: missing", path.display()));
            return Ok(None);
        }
        Err(e) => return Err(e.into()),
    };
    let mut wrong = log.check_tiles(&read)?;
    for _ in 0..LOOKS {
        if wrong.is_empty() {
            break;
        }
        // Somebody appends meanwhile: files that are not of the tree head that was read are of a newer one.
        let grown = |newer: &ReadLog| newer.head.size > read.head.size && newer.tree.root(read.head.size) == read.head.root;
        let Some(newer) = log.read(&verifier).ok().flatten().filter(grown) else { break };
        wrong = log.check_tiles(&newer)?;
        read = newer;
    }
    for (path, reason) in wrong.into_iter().filter(|(path, _)| !is_unfinished(path)) {
        report.find("log-files", None, format!("{}: {reason}", dir.join("log").join(path).display()));
    }
    drop(bar);
    report.from = trusted(options, &verifier, &read, report)?;
    let (state, objects) = replay(&log, &read, listener, report)?;
    let witnesses = check_witnesses(&read, &state, report);
    let named = state.genesis.as_ref().map(|g| g.log.as_str());
    report.expect(named.is_none_or(|key| key == verifier.to_vkey()), "log-key", EntryIndex(0), || {
        format!("the log's key {}, the tree head is signed with {}", named.unwrap_or_default(), verifier.to_vkey())
    });
    let after = if report.from > EntryIndex(0) { format!(", {} of them audited before", report.from) } else { String::new() };
    report.check("log", format!("{} entries{after}, root {}", read.head.size, read.head.root), before);
    if let Some(folder) = &options.receipts {
        check_receipts(folder, &verifier, &read, listener, report)?;
    }
    let archive = Archive { objects: Arc::new(home.objects.clone()), state };
    check_objects(&archive, &home.objects, &objects, listener, report)?;
    Ok(archive.state.genesis.is_some().then(|| Verified { archive, head: read.head, witnesses }))
}

/// The error of a file that the audit was given.
fn given<E: std::fmt::Display>(path: &Path, kind: Kind) -> impl FnOnce(E) -> AuditError {
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
fn check_receipts(folder: &Path, log: &Verifier, read: &ReadLog, listener: &dyn Listener, report: &mut Report) -> Result<()> {
    let (before, mut count) = (report.findings.len(), 0);
    let refused = |source| StoreError::Io { path: folder.to_path_buf(), source };
    let entries = std::fs::read_dir(folder).map_err(refused)?;
    let mut paths: Vec<PathBuf> = entries.map(|e| Ok(e.map_err(refused)?.path())).collect::<Result<_>>()?;
    paths.retain(|p| p.extension().is_some_and(|e| e == "tlog-proof"));
    paths.sort();
    let bar = listener.task("receipts", paths.len() as u64);
    for path in paths {
        count += 1;
        bar.advance(1);
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
fn replay(log: &LogFiles, read: &ReadLog, listener: &dyn Listener, report: &mut Report) -> Result<(State, Vec<Named>)> {
    enum Stop {
        Rule(Violation),
        File(StoreError),
    }
    impl From<StoreError> for Stop {
        fn from(e: StoreError) -> Stop {
            Stop::File(e)
        }
    }
    let (mut state, mut named) = (State::default(), Vec::new());
    let bar = listener.task("entries", read.head.size);
    let followed = log.entries(read.head.size, 0..read.head.size, |_, entries| {
        let trusted = report.from;
        follow(&mut state, &entries, trusted.0, |at, entry| {
            named.extend(entry.objects().into_iter().map(|(name, digest)| Named { at, name, digest }));
            check_tree_head(at, entry, read, report);
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

/// Whether a file is what a write that goes on, or was ended by a crash, has made so far: no entry and no tree head names it.
fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once(".tmp.").is_some_and(|(_, pid)| !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()))
}

/// Every object's bytes have the digest that its name says, and every object that an entry names is there.
fn check_objects(archive: &Archive, objects: &Objects, named: &[Named], listener: &dyn Listener, report: &mut Report) -> Result<()> {
    let before = report.findings.len();
    let paths = objects.list()?;
    // An object that an earlier audit read is read again where something needs it.
    let known: BTreeSet<Digest> = named.iter().filter(|n| n.at < report.from).map(|n| n.digest).collect();
    let skipped = |path: &Path| path.file_name().and_then(|n| n.to_str()?.parse().ok()).is_some_and(|d| known.contains(&d));
    let wanted: Vec<&PathBuf> = paths.iter().filter(|p| !skipped(p) && !is_unfinished(p)).collect();
    let bar = listener.task("objects", wanted.len() as u64);
    let wrong: Vec<Result<Option<String>, StoreError>> = wanted
        .par_iter()
        .map(|path| {
            let (shown, bytes) = objects.listed(path)?;
            let found = Digest::of(&bytes).to_string();
            bar.advance(1);
            let named = path.file_name().is_some_and(|n| n.to_string_lossy() == found) && path.components().count() == 2;
            Ok((!named).then(|| format!("{}: its bytes have the digest {found}", shown.display())))
        })
        .collect();
    drop(bar);
    for finding in wrong {
        if let Some(text) = finding? {
            report.find("object-digest", None, text);
        }
    }
    let listed: BTreeSet<PathBuf> = paths.iter().cloned().collect();
    let there = |n: &Named| {
        let class = n.name.split('/').next().unwrap_or(n.name);
        listed.contains(&Path::new(class).join(n.digest.to_string()))
    };
    // A list of bundles names them in the entry's stead.
    let lists = named.iter().filter(|n| n.name == BUNDLES);
    let bundles = lists.flat_map(|n| {
        let parts = read_parts(&*archive.objects, &n.digest).map(|p| p.parts).unwrap_or_default();
        parts.into_iter().map(|p| Named { at: n.at, name: "sealed/bundle.parquet", digest: p.file })
    });
    let bundles: Vec<Named> = bundles.collect();
    let missing: Vec<&Named> = named.iter().chain(&bundles).filter(|n| !there(n)).collect();
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
        let kept = paths.iter().find(|p| p.file_name().is_some_and(|n| n.to_string_lossy() == digest.to_string()));
        if let Some(path) = kept {
            report.find("withdrawn-kept", None, format!("{}: the log says that it was destroyed", path.display()));
        }
    }
    report.check("objects", format!("{} files, {} named by entries", wanted.len(), named.len()), before);
    Ok(())
}
