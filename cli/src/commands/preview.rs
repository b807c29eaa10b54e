//! `assay submit --dry-run`: what would become of every record, for people.

use anyhow::Result;
use corpus::verdict::{Verdict, VerdictRow};
use pipeline::Snapshot;
use pipeline::gather::Source;
use pipeline::preview::preview;
use polars::prelude::*;

use crate::output::Output;
use crate::tables::render;

/// Rows that are shown; `--json` has all.
const SHOWN: usize = 100;

/// Says what would become of what the contributor `name` would submit.
pub async fn show(home: &Snapshot, name: &str, source: &Source) -> Result<Output> {
    let p = preview(home, name, source).await?;
    let mut text = format!(
        "{name}: {} records: {} documents, {} bytes, under {} ({}); nothing was sent\n",
        p.records, p.documents, p.bytes, p.licence, p.licence_evidence
    );
    let width = p.counts.keys().map(String::len).max().unwrap_or(0);
    for (reason, n) in &p.counts {
        text += &format!("  {reason:<width$}  {n}\n");
    }
    text += &format!("  novel words: {} of {}\n", p.novel_words, p.words);
    if p.masked > 0 {
        text += &format!("  {} pieces of personal data are masked\n", p.masked);
    }
    if !p.personal_data.is_empty() {
        let kinds: Vec<String> = p.personal_data.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        text += &format!(
            "  personal data was found: {}; the epoch's policy says whether it is accepted, redacted or excluded\n",
            kinds.join(", ")
        );
    }
    if !p.fields_not_read.is_empty() {
        text += &format!("  fields that are not read: {}\n", p.fields_not_read.join(", "));
    }
    for (one, other) in &p.licence_conflicts {
        text += &format!("  licences differ, and both count: {one}; {other}\n");
    }
    for s in &p.opt_out_signals {
        let counts = format!("{} reserved, {} unknown of {} documents", s.reserved, s.unknown, s.documents);
        text += &format!("  {} ({}): {counts}\n", s.signal, s.revision);
    }
    text += "  held-out text is not compared before the close\n";
    let unread = p.problems.iter().map(|p| [p.place.clone(), format!("unread/{}", p.code.name()), String::new(), p.reason.clone()]);
    let left_out: Vec<[String; 4]> = p
        .rows
        .iter()
        .filter(|r| r.row.verdict != Verdict::Accepted)
        .map(|r| [r.source.clone(), r.evidence.verdict.to_string(), r.of.clone().unwrap_or_default(), evidence(&r.row)])
        .chain(unread)
        .collect();
    if !left_out.is_empty() {
        let column = |i: usize| left_out.iter().take(SHOWN).map(|r| r[i].chars().take(90).collect::<String>()).collect::<Vec<_>>();
        let frame = df!("record" => column(0), "verdict" => column(1), "of" => column(2), "evidence" => column(3))?;
        text += &format!("\n{}", render(&frame, None)?);
        if left_out.len() > SHOWN {
            text += &format!("{} more, which --json lists\n", left_out.len() - SHOWN);
        }
    }
    Output::of(text, &p)
}

/// What a row's verdict rests on.
pub fn evidence(row: &VerdictRow) -> String {
    match (row.verdict, &row.filtered) {
        (Verdict::Near, _) => format!("{} of {} shingles", row.intersection, row.union),
        (Verdict::Reserved | Verdict::ReservationUnknown, Some(measure)) => measure.rule.clone(),
        (Verdict::Contained, _) => format!("{} of {} words", row.intersection, row.union),
        (_, Some(measure)) => measure.to_string(),
        _ => String::new(),
    }
}
