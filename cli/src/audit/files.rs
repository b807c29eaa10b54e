//! Tiles, tree head, cosignatures, entries and the rules between them, and every object's name.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use corpus::Digest;
use ledger::{Entry, EntryProof, Envelope, Note, State, TreeHead, Verifier};
use rayon::prelude::*;
use store::log::ReadLog;
use store::{LogFiles, Objects, StoreError};

use super::Report;
use crate::home::Archive;

/// Checks the log's files and all objects' names; returns what later levels read, and the number of witnesses.
pub fn check(dir: &Path, receipts: Option<&Path>, report: &mut Report) -> Result<Option<(Archive, usize)>> {
    let path = dir.join("log.vkey");
    let verifier =
        Verifier::from_vkey(&String::from_utf8_lossy(&store::files::read(&path)?)).with_context(|| path.display().to_string())?;
    let log = LogFiles::new(&dir.join("log"));
    let before = report.findings.len();
    let read = match log.read(&verifier) {
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
    for (path, reason) in log.check_tiles(&read)? {
        report.find("log-files", None, format!("{}: {reason}", dir.join("log").join(path).display()));
    }
    let state = replay(&read, report);
    let witnesses = check_witnesses(&read, &state, report);
    report.check("log", format!("{} entries, root {}", read.head.size, read.head.root), before);
    if let Some(folder) = receipts {
        check_receipts(folder, &verifier, &read, report)?;
    }
    let objects = Objects::new(&dir.join("objects"));
    check_objects(dir, &objects, &read, report)?;
    Ok(state.genesis.is_some().then_some((Archive { objects, state }, witnesses)))
}

/// What others were shown and signed has to be in this log, at its place: otherwise it showed them another one.
fn check_receipts(folder: &Path, log: &Verifier, read: &ReadLog, report: &mut Report) -> Result<()> {
    let (before, mut count) = (report.findings.len(), 0);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).with_context(|| folder.display().to_string())?.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    paths.sort();
    for path in paths.into_iter().filter(|p| p.extension().is_some_and(|e| e == "tlog-proof")) {
        count += 1;
        let checked =
            EntryProof::from_text(&String::from_utf8_lossy(&store::files::read(&path)?)).map_err(|e| e.to_string()).and_then(|p| {
                let head = TreeHead::verify(&p.note, log).map_err(|e| e.to_string())?;
                if head.size > read.head.size {
                    return Err(format!("a tree of {} entries was signed, the log has {}", head.size, read.head.size));
                }
                let root = read.tree.root(head.size);
                if head.root != root {
                    return Err(format!("a tree of {} entries with root {} was signed, the log's has {root}", head.size, head.root));
                }
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
fn replay(read: &ReadLog, report: &mut Report) -> State {
    let mut state = State::default();
    for (index, bytes) in (0u64..).zip(&read.entries) {
        let applied = Envelope::from_bytes(bytes)
            .map_err(|e| ("entry-form", e.to_string()))
            .and_then(|e| state.apply(&e).map_err(|v| (v.rule, v.text)));
        match applied {
            Ok(entry) => check_tree_head(index, &entry, read, report),
            Err((rule, text)) => {
                report.find(rule, index, text);
                break;
            }
        }
    }
    state
}

/// A tree head inside an entry is one of this log.
fn check_tree_head(index: u64, entry: &Entry, read: &ReadLog, report: &mut Report) {
    let note = match entry {
        Entry::Draw(e) => Some(&e.tree_head),
        Entry::RunProgress(e) => e.drawn_from.as_ref(),
        Entry::RunClose(e) => e.drawn_from.as_ref(),
        _ => None,
    };
    let Some(head) = note.and_then(|n| Note::from_text(n).ok()).and_then(|n| TreeHead::from_text(&n.text).ok()) else { return };
    let root = read.tree.root(head.size.min(index));
    report.expect(head.root == root, "drawn-tree-head", index, || {
        format!("tree head of size {} with root {}, the log has {root}", head.size, head.root)
    });
}

/// Every witness that genesis names has to have cosigned the tree head; returns how many did.
fn check_witnesses(read: &ReadLog, state: &State, report: &mut Report) -> usize {
    let Some(genesis) = &state.genesis else { return 0 };
    let mut count = 0;
    for witness in genesis.witnesses.iter().filter_map(|w| Verifier::from_vkey(w).ok()) {
        match read.note.signature_by(&witness) {
            Ok(_) => count += 1,
            Err(e) => report.find("witness", None, format!("log/checkpoint: {e}")),
        }
    }
    count
}

/// Every object's bytes have the digest that its name says, and every object that an entry names is there.
fn check_objects(dir: &Path, objects: &Objects, read: &ReadLog, report: &mut Report) -> Result<()> {
    let before = report.findings.len();
    let paths = objects.list()?;
    let wrong: Vec<Result<Option<String>, StoreError>> = paths
        .par_iter()
        .map(|path| {
            let bytes = store::files::read(&dir.join("objects").join(path))?;
            let found = Digest::of(&bytes).to_string();
            let named = path.file_name().is_some_and(|n| n.to_string_lossy() == found) && path.components().count() == 2;
            Ok((!named).then(|| format!("{}: its bytes have the digest {found}", dir.join("objects").join(path).display())))
        })
        .collect();
    for finding in wrong {
        if let Some(text) = finding? {
            report.find("object-digest", None, text);
        }
    }
    let mut named = 0;
    for (index, bytes) in (0u64..).zip(&read.entries) {
        let Some(entry) = Envelope::from_bytes(bytes).ok().and_then(|e| Entry::from_payload(&e.payload).ok()) else { continue };
        for (name, digest) in entry.objects() {
            named += 1;
            let class = name.split('/').next().unwrap_or(name);
            let there = dir.join("objects").join(class).join(digest.to_string()).is_file();
            report.expect(there, "object-there", index, || format!("{name} {digest}: missing"));
        }
    }
    report.check("objects", format!("{} files, {named} named by entries", paths.len()), before);
    Ok(())
}
