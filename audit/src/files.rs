//! A log in files: its tiles and tree head, and every object's name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use corpus::Digest;
use corpus::objects::Class;
use ledger::Verifier;
use rayon::prelude::*;
use rules::listener::Listener;
use rules::{Archive, Kind};
use store::log::ReadLog;
use store::{LogFiles, Objects, StoreError};

use super::record::{self, Log, Named, given};
use super::{Files, Options, Report, Result, Verified};

/// How often the log is read again if it grew while its files were looked at.
const LOOKS: usize = 8;

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
    let entries = |each: record::Each<'_>| log.entries(read.head.size, 0..read.head.size, |_, some| each(some));
    let (state, named, witnesses) =
        record::check(&Log { verifier: &verifier, read: &read, entries: &entries }, options, listener, before, report)?;
    let archive = Archive { objects: Arc::new(home.objects.clone()), state };
    check_objects(&archive, &home.objects, &named, listener, report)?;
    Ok(archive.state.genesis.is_some().then(|| Verified { archive, head: read.head, witnesses }))
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
    let there = paths.iter().filter_map(|p| object(p)).collect();
    let kept = |digest: &Digest| {
        let name = digest.to_string();
        paths.iter().find(|p| p.file_name().is_some_and(|n| n.to_string_lossy() == name)).map(|p| p.display().to_string())
    };
    record::check_there(archive, named, &there, kept, report);
    report.check("objects", format!("{} files, {} named by entries", wanted.len(), named.len()), before);
    Ok(())
}

/// The object that a file is, by its path.
fn object(path: &Path) -> Option<(Class, Digest)> {
    let class = path.parent()?.to_str()?;
    Some((Class::ALL.into_iter().find(|c| c.name() == class)?, path.file_name()?.to_str()?.parse().ok()?))
}
