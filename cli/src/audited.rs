//! An audit's report for people.

use std::path::Path;

use anyhow::Result;
use audit::{Check, Files, Report, Verified};
use corpus::EntryIndex;
use pipeline::config::objects_of;
use polars::prelude::df;

use crate::output::Bars;
use crate::tables::render;

/// The files of the home in `dir`.
pub fn files(dir: &Path) -> Result<Files> {
    Ok(Files { dir: dir.to_path_buf(), objects: objects_of(dir)? })
}

/// Log and objects of `dir`, with every rule of the log checked.
pub fn archive(dir: &Path) -> Result<Verified> {
    Ok(audit::archive(&files(dir)?, &Bars)?)
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
        out += &format!("unverifiable: withdrawn: entry {}: {}\n", withdrawn.index.unwrap_or(EntryIndex(0)), withdrawn.text);
    }
    for finding in &report.findings {
        let place = finding.index.map_or(String::new(), |i| format!("entry {i}: "));
        out += &format!("FINDING [{}] {place}{}\n", finding.rule, finding.text);
    }
    Ok(out)
}
