//! What became of a submission's documents: counts, clusters, whose documents they duplicate.

use std::collections::BTreeMap;

use corpus::verdict::{Cover, Measure, VerdictRow};
use corpus::{DocumentRef, EntryIndex};
use ledger::history::Logged;
use rules::bundles::verdicts;
use rules::verdicts::Clusters;
use serde::Serialize;

use crate::error::{Context, Kind, Result, failure, usage};
use crate::ingest;
use crate::snapshot::Snapshot;

/// Another submission, and how many documents of this one duplicate documents of it.
#[derive(Clone, Debug, Serialize)]
pub struct Matched {
    /// Its entry.
    pub submission: EntryIndex,
    /// Its contributor's name.
    pub contributor: String,
    /// Documents.
    pub documents: u64,
}

/// A verdict and its measures, as people see them before and after a submission.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// The verdict's code.
    pub verdict: &'static str,
    /// Shingles in common, or words that are covered.
    pub intersection: u64,
    /// Shingles of both, or words.
    pub union: u64,
    /// Words.
    pub words: u64,
    /// Words that no earlier document has.
    pub novel_words: u64,
    /// The filter that leaves it out, with its measure.
    pub filtered: Option<Measure>,
}

impl Evidence {
    pub(crate) fn of(row: &VerdictRow) -> Evidence {
        Evidence {
            verdict: row.verdict.code(),
            intersection: row.intersection,
            union: row.union,
            words: row.words,
            novel_words: row.novel_words,
            filtered: row.filtered.clone(),
        }
    }
}

/// A document of a submission after its verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The document.
    pub document: DocumentRef,
    /// The verdict and its measures.
    #[serde(flatten)]
    pub evidence: Evidence,
    /// The document that it duplicates.
    pub of: Option<DocumentRef>,
    /// Documents that cover its words.
    pub covered_by: Vec<Cover>,
    /// The row of the verdict table.
    #[serde(skip)]
    pub row: VerdictRow,
}

/// A submission that waits for its verdicts.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// Its entry.
    pub submission: EntryIndex,
    /// Its contributor's name.
    pub contributor: String,
    /// Documents.
    pub documents: u64,
    /// `false`.
    pub judged: bool,
}

/// A submission with its verdicts.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// Its entry.
    pub submission: EntryIndex,
    /// Its contributor's name.
    pub contributor: String,
    /// `true`.
    pub judged: bool,
    /// The acceptance entry.
    pub entry: EntryIndex,
    /// Documents.
    pub documents: u64,
    /// Records by reason.
    pub counts: BTreeMap<String, u64>,
    /// Duplicates.
    pub removed: u64,
    /// Words.
    pub words: u64,
    /// Words of accepted documents that no earlier one has.
    pub novel_words: u64,
    /// The most documents of it that are, or duplicate, one document.
    pub largest_cluster: u64,
    /// Of which document.
    pub largest_cluster_of: Option<DocumentRef>,
    /// Whether that is more than half of it.
    #[serde(rename = "held_for_review")]
    pub on_hold_for_review: bool,
    /// Whose documents it duplicates, most first.
    pub matched: Vec<Matched>,
    /// Whether its documents were judged again, with the same verdicts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// The size of the log that they were judged as of, if they were.
    #[serde(skip)]
    pub as_of: Option<u64>,
    /// Each document, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Row>>,
}

/// What is known of a submission.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// Not judged yet.
    Waiting(Waiting),
    /// Judged.
    Judged(Box<Judged>),
}

/// Shows the submission of entry `index`, or the one that the commitment of that entry led to.
///
/// With `documents` each of its documents is listed; with `replay` they are judged again first.
///
/// # Errors
/// `Verification` if judging again gives another verdict.
pub async fn show(home: &Snapshot, index: EntryIndex, documents: bool, replay: bool) -> Result<Shown> {
    let committed = || home.state.epochs.iter().flat_map(|e| &e.submissions).find(|s| s.submission.entry.commitment == index);
    let submitted = home.state.submission(index).or_else(committed);
    let submitted = submitted.ok_or_else(|| usage(format!("entry {index}: is no submission, and no commitment that led to one")))?;
    let index = submitted.submission.index;
    let contributor = home.name_of(&submitted.submission.entry.contributor);
    let Some(Logged { index: at, entry: acceptance }) = &submitted.acceptance else {
        let documents = submitted.submission.entry.documents;
        return Ok(Shown::Waiting(Waiting { submission: index, contributor, documents, judged: false }));
    };
    let table = verdicts(&*home.objects, submitted)?;
    let clusters = Clusters::of(&table);
    let owner = |submission: EntryIndex| {
        home.state.submission(submission).map(|s| home.name_of(&s.submission.entry.contributor)).unwrap_or_default()
    };
    let matched = |(submission, n): &(EntryIndex, u64)| Matched { submission: *submission, contributor: owner(*submission), documents: *n };
    let mut judged = Judged {
        submission: index,
        contributor,
        judged: true,
        entry: *at,
        documents: table.rows.len() as u64,
        counts: acceptance.counts.clone(),
        removed: table.rows.iter().filter(|r| r.verdict.is_duplicate()).count() as u64,
        words: table.rows.iter().map(|r| r.words).sum(),
        novel_words: clusters.novel_words,
        largest_cluster: clusters.largest,
        largest_cluster_of: clusters.of,
        on_hold_for_review: acceptance.on_hold_for_review,
        matched: clusters.matched.iter().map(matched).collect(),
        replayed: false,
        as_of: None,
        rows: None,
    };
    if replay {
        let epoch = home.state.epoch_at(index).context("a submission lies in an epoch")?;
        let again = ingest::judge_looking(home, epoch.open.entry.epoch).await?;
        let again = again.iter().find(|t| t.submission == index).context("a table for each submission")?;
        if let Some((logged, found)) = table.rows.iter().zip(again.iter()).find(|(a, b)| **a != *b) {
            let text = format!(
                "document {index}/{}: the log says {} of {:?}, judged again {} of {:?}",
                logged.number,
                logged.verdict.code(),
                logged.of,
                found.verdict.code(),
                found.of
            );
            return Err(failure(Kind::Verification, text));
        }
        (judged.replayed, judged.as_of) = (true, Some(rules::seen::judged_at(home, epoch)));
    }
    judged.rows = documents.then(|| table.rows.into_iter().map(|row| row_of(index, row)).collect());
    Ok(Shown::Judged(Box::new(judged)))
}

fn row_of(submission: EntryIndex, row: VerdictRow) -> Row {
    Row {
        document: DocumentRef { submission, number: row.number },
        evidence: Evidence::of(&row),
        of: row.of,
        covered_by: row.covered_by.clone(),
        row,
    }
}
