//! What became of a submission's documents, for people.

use anyhow::Result;
use pipeline::submission::{Row, Shown, show as known};
use polars::prelude::*;

use super::preview::evidence;
use crate::args::submit::Show;
use crate::output::Output;
use crate::place::Place;
use crate::tables::render;

/// Shows a submission.
pub async fn show(place: &Place, a: Show) -> Result<Output> {
    let shown = known(&place.look()?, a.submission, a.documents, a.replay).await?;
    let j = match &shown {
        Shown::Judged(judged) => judged,
        Shown::Waiting(w) => {
            let text = format!("submission {} of {}: {} documents, not judged yet", w.submission, w.contributor, w.documents);
            return Output::of(text, &shown);
        }
    };
    let percent = |part: u64, all: u64| format!("{:.1} %", 100.0 * part as f64 / all.max(1) as f64);
    let mut text = format!("submission {} of {}, judged by entry {}\n", j.submission, j.contributor, j.entry);
    text += &format!("  documents        {}\n", j.documents);
    for (reason, n) in &j.counts {
        text += &format!("  {reason:<15}  {n}\n");
    }
    text += &format!("  removed          {} as duplicates, {}\n", j.removed, percent(j.removed, j.documents));
    text += &format!("  novel words      {} of {}, {}\n", j.novel_words, j.words, percent(j.novel_words, j.words));
    if let Some(of) = j.largest_cluster_of.filter(|_| j.largest_cluster > 1) {
        text += &format!("  largest cluster  {} documents, of {of}\n", j.largest_cluster);
    }
    for m in &j.matched {
        text += &format!("  duplicates       {} of submission {} of {}\n", m.documents, m.submission, m.contributor);
    }
    if j.on_hold_for_review {
        text += "  on hold          more than half of it is one cluster; somebody has to look at it\n";
    }
    if let Some(size) = j.as_of {
        text += &format!("  judged again     as of log size {size}: the same {} verdicts\n", j.documents);
    }
    if let Some(rows) = &j.rows {
        text += &format!("\n{}", table(rows)?);
    }
    Output::of(text, &shown)
}

fn table(rows: &[Row]) -> Result<String> {
    let strings = |f: &dyn Fn(&Row) -> String| rows.iter().map(f).collect::<Vec<_>>();
    let covered = |r: &Row| match &r.covered_by[..] {
        [] => String::new(),
        [first] => format!("{} {}", first.document, first.words),
        [first, rest @ ..] => format!("{} {}, +{}", first.document, first.words, rest.len()),
    };
    let frame = df!(
        "document" => strings(&|r| r.document.to_string()),
        "verdict" => strings(&|r| r.evidence.verdict.to_string()),
        "of" => strings(&|r| r.of.map_or(String::new(), |of| of.to_string())),
        "evidence" => strings(&|r| evidence(&r.row)),
        "words" => rows.iter().map(|r| r.evidence.words).collect::<Vec<_>>(),
        "novel" => rows.iter().map(|r| r.evidence.novel_words).collect::<Vec<_>>(),
        "covered by" => strings(&covered),
    )?;
    render(&frame, None)
}
