//! The audit: every link checked again from `log/`, `objects/` and `log.vkey`, without keys, database, server or clock.
//!
//! - `mirror`: the same files from a static file server
//! - `files`, `memory`: a log in files with every object's name, and one in memory
//! - `record`: entries and the rules between them, tree heads, cosignatures, and which objects are there, for both
//! - `arithmetic`: bundles, verdict tables, shards, draws, totals, rewards, statements
//! - `money`: releases, payouts, clawbacks, closes
//! - `verdicts`: every verdict and every token again, once the epoch's key is revealed
//! - `attribution`: drawn windows replayed
//!
//! It says how far it got and who witnessed, never a bare "clean".

mod arithmetic;
mod attribution;
mod error;
mod files;
mod memory;
pub mod mirror;
mod money;
mod record;
mod verdicts;

pub use error::{AuditError, Result};
pub use memory::Memory;

use std::path::PathBuf;

use corpus::EntryIndex;
use ledger::TreeHead;
use rules::listener::Listener;
use rules::{Archive, EpochViews, Kind};
use serde::Serialize;
use store::{Class, Objects};

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// The entry that it is about, if it is about one.
    pub index: Option<EntryIndex>,
    /// The thing, the expected and the found.
    pub text: String,
}

/// A group of checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What was looked at, in numbers.
    pub looked_at: String,
    /// Findings in it.
    pub findings: usize,
}

/// The files of a home, or of a copy of one.
#[derive(Clone, Debug)]
pub struct Files {
    /// The folder with `log/` and `log.vkey`.
    pub dir: PathBuf,
    /// The objects, which may be in a bucket.
    pub objects: Objects,
}

/// What is audited, beside a home's files.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seconds since 1970: nothing may have been released later.
    pub now: u64,
    /// Drawn windows of each run that are replayed.
    pub replay: usize,
    /// The share of submissions whose verdicts are computed again, from 0 to 1.
    pub verdicts: f64,
    /// A folder of other people's receipts.
    pub receipts: Option<PathBuf>,
    /// A tree head that an earlier audit ended with.
    pub from: Option<PathBuf>,
}

impl Options {
    /// An audit at the time `now`, of everything and one drawn window of each run.
    pub fn new(now: u64) -> Options {
        Options { now, replay: 1, verdicts: 1.0, receipts: None, from: None }
    }
}

/// What an audit found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// No findings.
    pub ok: bool,
    /// How far the checks got, and who witnessed.
    pub level: String,
    /// Groups of checks.
    pub checks: Vec<Check>,
    /// What does not hold.
    pub findings: Vec<Finding>,
    /// What nobody can check any more, since it was withdrawn; neither passed nor failed.
    pub unverifiable: Vec<Finding>,
    /// Entries below this one were audited before.
    pub from: EntryIndex,
}

impl Report {
    fn find(&mut self, rule: &str, index: impl Into<Option<EntryIndex>>, text: impl Into<String>) {
        self.findings.push(Finding { rule: rule.to_string(), index: index.into(), text: text.into() });
    }

    /// Records something that was withdrawn.
    fn unverifiable(&mut self, index: EntryIndex, text: impl Into<String>) {
        self.unverifiable.push(Finding { rule: "withdrawn".into(), index: Some(index), text: text.into() });
    }

    /// Records a finding unless `holds`.
    fn expect(&mut self, holds: bool, rule: &str, index: EntryIndex, text: impl FnOnce() -> String) {
        if !holds {
            self.find(rule, index, text());
        }
    }

    /// Closes a group of checks that began with `before` findings.
    fn check(&mut self, name: &str, looked_at: String, before: usize) {
        self.checks.push(Check { name: name.to_string(), looked_at, findings: self.findings.len() - before });
    }
}

/// Audits a home's files; what does not hold is in the report.
///
/// # Errors
/// If files cannot be read, or what was given beside them is not what it should be.
pub fn run(home: &Files, options: &Options, listener: &dyn Listener) -> Result<Report> {
    let mut report = Report::default();
    let verified = files::check(home, options, listener, &mut report)?;
    finish(verified, options, listener, report)
}

/// Audits a log and its objects in memory; what does not hold is in the report.
///
/// # Errors
/// As [`run`].
pub fn run_in_memory(memory: &Memory, options: &Options, listener: &dyn Listener) -> Result<Report> {
    let mut report = Report::default();
    let verified = memory::check(memory, options, listener, &mut report)?;
    finish(verified, options, listener, report)
}

/// Goes through the levels over a log whose own rules were checked, and says how far that got.
fn finish(verified: Option<Verified>, options: &Options, listener: &dyn Listener, mut report: Report) -> Result<Report> {
    let mut reached = Vec::new();
    let mut witnessed = 0;
    if let Some(verified) = verified {
        witnessed = verified.witnesses;
        reached.push("log".to_string());
        // Later levels read what earlier ones checked; a broken log has none.
        if report.findings.is_empty() {
            levels(&verified.archive, options, listener, &mut report, &mut reached)?;
        }
    }
    if !report.unverifiable.is_empty() {
        reached.push(format!("{} unverifiable: withdrawn", report.unverifiable.len()));
    }
    if !report.findings.is_empty() {
        reached.push(format!("{} findings", report.findings.len()));
    }
    report.ok = report.findings.is_empty();
    report.level =
        format!("{}; {}", reached.join(", "), if witnessed > 0 { format!("witnessed by {witnessed}") } else { "unwitnessed".to_string() });
    Ok(report)
}

/// A log whose rules hold, and its objects.
pub struct Verified {
    /// Log and objects.
    pub archive: Archive,
    /// The signed tree head.
    pub head: TreeHead,
    /// How many witnesses cosigned it.
    pub witnesses: usize,
}

impl std::ops::Deref for Verified {
    type Target = Archive;
    fn deref(&self) -> &Archive {
        &self.archive
    }
}

/// A home's log and objects, with every rule of the log checked. Another process may append meanwhile: tiles right of the tree head that was
/// read are no fault of what is under it.
///
/// # Errors
/// [`AuditError::Verification`] with the first thing that does not hold.
pub fn archive(home: &Files, listener: &dyn Listener) -> Result<Verified> {
    archive_with(home, listener, |_| false)
}

/// As [`archive`], of somebody who has what is public and not what is sealed.
///
/// # Errors
/// As [`archive`].
pub fn public_archive(home: &Files, listener: &dyn Listener) -> Result<Verified> {
    let not_public = |f: &Finding| f.rule == "object-there" && !f.text.starts_with(Class::Public.name());
    archive_with(home, listener, not_public)
}

fn archive_with(home: &Files, listener: &dyn Listener, excused: impl Fn(&Finding) -> bool) -> Result<Verified> {
    let mut report = Report::default();
    let found = files::check(home, &Options::new(0), listener, &mut report)?;
    let appended = |f: &Finding| f.rule == "log-files" && f.text.ends_with("no file of this log");
    match (found, report.findings.iter().find(|f| !appended(f) && !excused(f))) {
        (Some(verified), None) => Ok(verified),
        (_, finding) => Err(AuditError::Verification(finding.map_or_else(|| "no log".to_string(), |f| f.text.clone()))),
    }
}

fn levels(archive: &Archive, options: &Options, listener: &dyn Listener, report: &mut Report, reached: &mut Vec<String>) -> Result<()> {
    let epochs = &EpochViews::of(archive);
    let arithmetic = arithmetic::check(epochs, listener, report).and_then(|()| money::check(epochs, options.now, listener, report));
    if readable("arithmetic", arithmetic, report)?.is_some() {
        reached.push("arithmetic".to_string());
    }
    let verdicts = verdicts::check(epochs, options.verdicts, listener, report);
    match readable("verdicts", verdicts, report)? {
        Some((n, of)) if n == of && n > 0 => reached.push("verdicts".to_string()),
        Some((n, of)) if n > 0 => reached.push(format!("verdicts ({n} of {of} submissions)")),
        _ => {}
    }
    let replayed = attribution::check(epochs, options.replay, listener, report);
    if let Some(Some((n, of))) = readable("attribution", replayed, report)? {
        reached.push(format!("attribution ({n} of {of} windows replayed)"));
    }
    Ok(())
}

/// An object whose bytes have their digest and still cannot be read is a finding about whoever wrote it, and no
/// reason to stop; only the operating system's refusals are.
fn readable<T>(level: &str, result: Result<T>, report: &mut Report) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == Kind::Io => Err(e),
        Err(e) => {
            report.find("unreadable", None, format!("{level}: {e}"));
            Ok(None)
        }
    }
}
