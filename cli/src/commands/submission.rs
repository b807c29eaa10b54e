//! What became of a submission's documents: counts, clusters, whose documents they duplicate.

use anyhow::{Context, Result};
use corpus::DocumentRef;
use corpus::verdict::VerdictRow;
use ledger::history::Logged;
use pipeline::ingest;
use polars::prelude::*;
use rules::verdicts::Clusters;
use serde_json::{Value, json};

use super::Place;
use super::preview::evidence;
use crate::args::submit::Show;
use crate::failure::{Kind, failure, usage};
use crate::output::Output;
use crate::tables::render;

/// Shows a submission.
pub async fn show(place: &Place, a: Show) -> Result<Output> {
    let (home, index) = (&place.open().await?, a.submission);
    let submitted = home.state.submission(index).ok_or_else(|| usage(format!("entry {index}: is no submission")))?;
    let contributor = home.name_of(&submitted.submission.entry.contributor);
    let Some(Logged { index: at, entry: acceptance }) = &submitted.acceptance else {
        let documents = submitted.submission.entry.documents;
        return Ok(Output::new(
            format!("submission {index} of {contributor}: {documents} documents, not judged yet"),
            json!({ "submission": index, "contributor": contributor, "documents": documents, "judged": false }),
        ));
    };
    let table = rules::bundles::verdicts(&home.objects, submitted)?;
    let clusters = Clusters::of(&table);
    let documents = table.rows.len() as u64;
    let removed = table.rows.iter().filter(|r| r.verdict.is_duplicate()).count() as u64;
    let words: u64 = table.rows.iter().map(|r| r.words).sum();
    let percent = |part: u64, all: u64| format!("{:.1} %", 100.0 * part as f64 / all.max(1) as f64);

    let mut text = format!("submission {index} of {contributor}, judged by entry {at}\n");
    text += &format!("  documents        {documents}\n");
    for (reason, n) in &acceptance.counts {
        text += &format!("  {reason:<15}  {n}\n");
    }
    text += &format!("  removed          {removed} as duplicates, {}\n", percent(removed, documents));
    text += &format!("  novel words      {} of {words}, {}\n", clusters.novel_words, percent(clusters.novel_words, words));
    if let Some(of) = clusters.of.filter(|_| clusters.largest > 1) {
        text += &format!("  largest cluster  {} documents, of {of}\n", clusters.largest);
    }
    let owner =
        |submission: u64| home.state.submission(submission).map(|s| home.name_of(&s.submission.entry.contributor)).unwrap_or_default();
    for (submission, n) in &clusters.matched {
        text += &format!("  duplicates       {n} of submission {submission} of {}\n", owner(*submission));
    }
    if acceptance.held_for_review {
        text += "  held for review  more than half of it is one cluster\n";
    }
    let matched: Vec<Value> = clusters
        .matched
        .iter()
        .map(|(submission, n)| json!({ "submission": submission, "contributor": owner(*submission), "documents": n }))
        .collect();
    let mut json = json!({
        "submission": index, "contributor": contributor, "judged": true, "entry": at, "documents": documents, "counts": acceptance.counts,
        "removed": removed, "words": words, "novel_words": clusters.novel_words, "largest_cluster": clusters.largest,
        "largest_cluster_of": clusters.of, "held_for_review": acceptance.held_for_review, "matched": matched,
    });
    if a.replay {
        let epoch = home.state.epoch_at(index).context("a submission lies in an epoch")?;
        let again = ingest::judge_epoch(home, epoch.open.entry.epoch, dedup::Device::Cpu).await?.tables;
        let again = again.iter().find(|t| t.submission == index).context("a table for each submission")?;
        let other = table.rows.iter().zip(&again.rows).find(|(a, b)| a != b);
        if let Some((logged, found)) = other {
            return Err(failure(
                Kind::Verification,
                format!(
                    "document {index}/{}: the log says {} of {:?}, judged again {} of {:?}",
                    logged.number,
                    logged.verdict.code(),
                    logged.of,
                    found.verdict.code(),
                    found.of
                ),
            ));
        }
        text += &format!("  judged again     as of log size {}: the same {documents} verdicts\n", rules::seen::judged_at(home, epoch));
        json["replayed"] = true.into();
    }
    if a.documents {
        text += &format!("\n{}", documents_table(index, &table.rows)?);
        json["rows"] = table.rows.iter().map(|r| row_json(index, r)).collect();
    }
    Ok(Output::new(text, json))
}

fn documents_table(submission: u64, rows: &[VerdictRow]) -> Result<String> {
    let strings = |f: &dyn Fn(&VerdictRow) -> String| rows.iter().map(f).collect::<Vec<_>>();
    let covered = |r: &VerdictRow| match &r.covered_by[..] {
        [] => String::new(),
        [first] => format!("{} {}", first.document, first.words),
        [first, rest @ ..] => format!("{} {}, +{}", first.document, first.words, rest.len()),
    };
    let frame = df!(
        "document" => strings(&|r| DocumentRef { submission, number: r.number }.to_string()),
        "verdict" => strings(&|r| r.verdict.code().to_string()),
        "of" => strings(&|r| r.of.map_or(String::new(), |of| of.to_string())),
        "evidence" => strings(&evidence),
        "words" => rows.iter().map(|r| r.words).collect::<Vec<_>>(),
        "novel" => rows.iter().map(|r| r.novel_words).collect::<Vec<_>>(),
        "covered by" => strings(&covered),
    )?;
    render(&frame, None)
}

fn row_json(submission: u64, r: &VerdictRow) -> Value {
    json!({
        "document": DocumentRef { submission, number: r.number }, "verdict": r.verdict.code(), "of": r.of,
        "intersection": r.intersection, "union": r.union, "words": r.words, "novel_words": r.novel_words, "covered_by": r.covered_by,
        "filtered": r.filtered,
    })
}
