//! The audit: every link checked again from `log/`, `objects/` and `log.vkey`, without keys, database or server.
//!
//! - `mirror`: the same files from a static file server
//! - `files`: tiles, tree head, cosignatures, entries and the rules between them, every object's name
//! - `arithmetic`: bundles, verdict tables, shards, draws, totals, rewards, statements
//! - `money`: releases, payouts, clawbacks, closes
//! - `verdicts`: every verdict and every token again, once the epoch's key is revealed
//! - `attribution`: drawn windows replayed
//!
//! It says how far it got and who witnessed, never a bare "clean".

mod arithmetic;
mod attribution;
mod files;
pub mod mirror;
mod money;
mod verdicts;

use std::path::{Path, PathBuf};

use anyhow::Result;
use polars::prelude::df;
use serde::Serialize;
use store::Class;

use crate::failure::{Kind, exit_code, failure};
use crate::home::Archive;
use crate::tables::render;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// The entry that it is about, if it is about one.
    pub index: Option<u64>,
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

/// What is audited, beside a home's files.
#[derive(Clone, Debug)]
pub struct Options {
    /// Drawn windows of each run that are replayed.
    pub replay: usize,
    /// The share of submissions whose verdicts are computed again, from 0 to 1.
    pub verdicts: f64,
    /// A folder of other people's receipts.
    pub receipts: Option<PathBuf>,
    /// A tree head that an earlier audit ended with.
    pub from: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options { replay: 1, verdicts: 1.0, receipts: None, from: None }
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
    pub from: u64,
}

impl Report {
    fn find(&mut self, rule: &str, index: impl Into<Option<u64>>, text: impl Into<String>) {
        self.findings.push(Finding { rule: rule.to_string(), index: index.into(), text: text.into() });
    }

    /// Records something that was withdrawn.
    fn unverifiable(&mut self, index: u64, text: impl Into<String>) {
        self.unverifiable.push(Finding { rule: "withdrawn".into(), index: Some(index), text: text.into() });
    }

    /// Records a finding unless `holds`.
    fn expect(&mut self, holds: bool, rule: &str, index: u64, text: impl FnOnce() -> String) {
        if !holds {
            self.find(rule, index, text());
        }
    }

    /// Closes a group of checks that began with `before` findings.
    fn check(&mut self, name: &str, looked_at: String, before: usize) {
        self.checks.push(Check { name: name.to_string(), looked_at, findings: self.findings.len() - before });
    }
}

/// Audits the home in `dir`.
pub fn run(dir: &Path, options: &Options) -> Result<Report> {
    let mut report = Report::default();
    let mut reached = Vec::new();
    let mut witnessed = 0;
    if let Some((archive, k)) = files::check(dir, options, &mut report)? {
        witnessed = k;
        reached.push("log".to_string());
        // Later levels read what earlier ones checked; a broken log has none.
        if report.findings.is_empty() {
            levels(&archive, options, &mut report, &mut reached)?;
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

/// Log and objects of `dir`, read-only, with every rule of the log checked.
pub fn archive(dir: &Path) -> Result<Archive> {
    archive_with(dir, |_| false)
}

/// As [`archive`], of somebody who has what is public and not what is sealed.
pub fn public_archive(dir: &Path) -> Result<Archive> {
    let not_public = |f: &Finding| f.rule == "object-there" && !f.text.starts_with(Class::Public.name());
    archive_with(dir, not_public)
}

fn archive_with(dir: &Path, excused: impl Fn(&Finding) -> bool) -> Result<Archive> {
    let mut report = Report::default();
    let found = files::check(dir, &Options::default(), &mut report)?;
    match (found, report.findings.iter().find(|f| !excused(f))) {
        (Some((archive, _)), None) => Ok(archive),
        (_, finding) => Err(failure(Kind::Verification, finding.map_or_else(|| "no log".to_string(), |f| f.text.clone()))),
    }
}

fn levels(archive: &Archive, options: &Options, report: &mut Report, reached: &mut Vec<String>) -> Result<()> {
    let arithmetic = arithmetic::check(archive, report).and_then(|()| money::check(archive, report));
    if readable("arithmetic", arithmetic, report)?.is_some() {
        reached.push("arithmetic".to_string());
    }
    let verdicts = verdicts::check(archive, options.verdicts, report);
    match readable("verdicts", verdicts, report)? {
        Some((n, of)) if n == of && n > 0 => reached.push("verdicts".to_string()),
        Some((n, of)) if n > 0 => reached.push(format!("verdicts ({n} of {of} submissions)")),
        _ => {}
    }
    let replayed = attribution::check(archive, options.replay, report);
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
        Err(e) if exit_code(&e) == Kind::Io as u8 => Err(e),
        Err(e) => {
            report.find("unreadable", None, format!("{level}: {e:#}"));
            Ok(None)
        }
    }
}

/// The report for people.
pub fn text(report: &Report) -> Result<String> {
    let column = |f: &dyn Fn(&Check) -> String| report.checks.iter().map(f).collect::<Vec<String>>();
    let table = df!(
        "check" => column(&|c| c.name.clone()),
        "looked at" => column(&|c| c.looked_at.clone()),
        "findings" => report.checks.iter().map(|c| c.findings as u64).collect::<Vec<_>>(),
    )?;
    let mut out = format!("audit: {}\n{}", report.level, render(&table, None)?);
    for withdrawn in &report.unverifiable {
        out += &format!("unverifiable: withdrawn: entry {}: {}\n", withdrawn.index.unwrap_or(0), withdrawn.text);
    }
    for finding in &report.findings {
        let place = finding.index.map_or(String::new(), |i| format!("entry {i}: "));
        out += &format!("FINDING [{}] {place}{}\n", finding.rule, finding.text);
    }
    Ok(out)
}
