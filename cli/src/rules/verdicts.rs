//! Which documents are accepted: rights, the held-out guard, duplicates.

use std::collections::{BTreeMap, BTreeSet};

use corpus::bundle::{Bundle, Prepared};
use corpus::licence::{Permission, Purpose, permission};
use corpus::streams::WordStreams;
use corpus::verdict::{Cover, Verdict, VerdictRow, VerdictTable};
use corpus::{Digest, DocumentRef};
use dedup::{Decision, DedupError, Features, Guard, Judge, Key, Name, Options, Ruling, Threshold};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Policy;

/// How verdicts come about, as a public object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeParameters {
    /// [`dedup::PROCEDURE`].
    pub procedure: String,
    /// The epoch's purpose.
    pub purpose: Purpose,
    /// Digest of the epoch's key.
    pub dedup_key: Digest,
    /// What the close drew, from which the second key comes.
    pub drawn_seed: Digest,
    /// The threshold.
    pub jaccard_numerator: u64,
    /// The threshold.
    pub jaccard_denominator: u64,
}

impl JudgeParameters {
    /// The parameters of an epoch that is drawn.
    pub fn new(policy: &Policy, purpose: Purpose, dedup_key: Digest, drawn_seed: Digest) -> JudgeParameters {
        JudgeParameters {
            procedure: dedup::PROCEDURE.into(),
            purpose,
            dedup_key,
            drawn_seed,
            jaccard_numerator: policy.jaccard_numerator,
            jaccard_denominator: policy.jaccard_denominator,
        }
    }

    /// How documents are compared: under the epoch's key, which was fixed before anybody submitted, and under one that nobody
    /// could know before the close.
    pub fn options(&self, key: &Key) -> Options {
        let drawn = Digest::of_parts(&[b"assay drawn dedup key v1", &self.drawn_seed.0]);
        let threshold = Threshold { numerator: self.jaccard_numerator, denominator: self.jaccard_denominator };
        Options { threshold, ..Options::new(&[*key, drawn.0]) }
    }
}

/// The word streams of a bundle.
pub fn word_streams(bundle: &Bundle) -> WordStreams {
    let prepared: Vec<Prepared> = bundle.prepare().collect();
    WordStreams { documents: prepared.par_iter().map(|p| (Digest::of(p.text.as_bytes()), dedup::word_stream(&p.text))).collect() }
}

/// One submission for [`judge`].
pub struct ToJudge {
    /// Its log index.
    pub index: u64,
    /// The index of its commitment, which is its priority.
    pub commitment: u64,
    /// Its documents.
    pub bundle: Bundle,
    /// Their words.
    pub streams: WordStreams,
    /// Documents that others proved to be theirs: they come after the commitment that is given.
    pub yields: BTreeMap<u32, u64>,
    /// Whether the manifest's rights permit the epoch's purpose.
    pub permitted: bool,
    /// Documents that were taken back before.
    pub withdrawn: BTreeSet<u32>,
    /// What the log says of documents that cannot be judged again, since their text or that of what they have in common with is destroyed.
    pub given: BTreeMap<u32, VerdictRow>,
    /// Documents whose text is destroyed.
    pub gone: BTreeSet<u32>,
}

/// Documents that are judged at once.
const BATCH: usize = 4096;

/// Lets a judge keep documents whatever they are like: what earlier epochs accepted.
pub fn keep<'a>(judge: &mut Judge, documents: impl Iterator<Item = (DocumentRef, &'a (Digest, Vec<u32>))>) -> Result<(), DedupError> {
    let mut documents = documents.peekable();
    while documents.peek().is_some() {
        let (names, mut features): (Vec<Name>, Vec<Features>) =
            documents.by_ref().take(BATCH).map(|(d, (digest, words))| (name(d), Features::unsigned(words.clone(), digest.0))).unzip();
        judge.prepare(&mut features)?;
        for (name, features) in names.into_iter().zip(&features) {
            judge.keep(name, features)?;
        }
    }
    Ok(())
}

/// A document's name in dedup.
pub fn name(document: DocumentRef) -> Name {
    (document.submission, document.number)
}

fn document((submission, number): Name) -> DocumentRef {
    DocumentRef { submission, number }
}

/// The counts behind a held-out hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Which document.
    pub document: DocumentRef,
    /// The commitment's salt.
    pub salt: Digest,
    /// N-grams that are in the pool.
    pub matched: u64,
    /// All of its n-grams.
    pub total: u64,
}

impl Opening {
    /// What the verdict table holds before the reveal.
    pub fn commitment(&self) -> Digest {
        Digest::of_parts(&[b"assay held-out hit v1", &self.salt.0, &self.matched.to_be_bytes(), &self.total.to_be_bytes()])
    }
}

/// The salt of a hit, from the epoch's secret for hits.
pub fn hit_salt(secret: &[u8; 32], document: DocumentRef) -> Digest {
    Digest::of_parts(&[b"assay held-out salt v1", secret, &document.submission.to_be_bytes(), &document.number.to_be_bytes()])
}

/// Judges submissions: rights, held-out guard, then duplicates of what `judge` keeps and of each other.
///
/// They come in the order of commitments; a document that somebody else proved to be theirs comes after what they committed to.
/// Returns a table for each submission, in the given order, and the openings of held-out hits.
/// `hit_salts` gives the salt of a hit's commitment.
///
/// # Errors
/// If the judge's device or temporary files fail.
pub fn judge(
    duplicates: &mut Judge,
    submissions: &[ToJudge],
    pool: &WordStreams,
    key: &Key,
    parameters: &JudgeParameters,
    hit_salts: impl Fn(DocumentRef) -> Digest,
) -> Result<(Vec<VerdictTable>, Vec<Opening>), DedupError> {
    let guard = Guard::new(pool.documents.iter().map(|(_, words)| words.as_slice()), key);
    let mut openings = Vec::new();
    let mut tables: Vec<VerdictTable> = Vec::with_capacity(submissions.len());
    // What is left to dedup, by priority: commitment, whether it yields, its own commitment, number, submission, whether it is judged.
    let mut order: Vec<(u64, bool, u64, u32, usize, bool)> = Vec::new();
    for (i, s) in submissions.iter().enumerate() {
        let hits: Vec<(u64, u64)> = s.streams.documents.par_iter().map(|(_, words)| guard.hits(words)).collect();
        let mut rows = Vec::new();
        for ((prepared, (_, words)), (matched, total)) in s.bundle.prepare().zip(&s.streams.documents).zip(hits) {
            let document = DocumentRef { submission: s.index, number: prepared.number };
            let after = s.yields.get(&prepared.number).filter(|after| **after > s.commitment);
            let place = |judged: bool| (*after.unwrap_or(&s.commitment), after.is_some(), s.commitment, prepared.number, i, judged);
            if let Some(given) = s.given.get(&prepared.number) {
                if matched > 0 && !s.gone.contains(&prepared.number) {
                    openings.push(Opening { document, salt: hit_salts(document), matched, total });
                }
                // It was accepted, so later ones were compared with it.
                if given.verdict == Verdict::Accepted && !s.gone.contains(&prepared.number) {
                    order.push(place(false));
                }
                rows.push(given.clone());
                continue;
            }
            let mut row = VerdictRow {
                number: prepared.number,
                commitment: prepared.commitment,
                verdict: Verdict::Accepted,
                of: None,
                intersection: 0,
                union: 0,
                words: words.len() as u64,
                novel_words: words.len() as u64,
                covered_by: Vec::new(),
                hit: None,
            };
            if matched > 0 {
                let opening = Opening { document, salt: hit_salts(document), matched, total };
                row.hit = Some(opening.commitment());
                openings.push(opening);
            }
            row.verdict = match permission(&prepared.licence, parameters.purpose) {
                _ if s.withdrawn.contains(&prepared.number) => Verdict::Withdrawn,
                Permission::Permitted if !s.permitted => Verdict::Forbidden,
                Permission::Forbidden => Verdict::Forbidden,
                Permission::Unknown => Verdict::UnknownLicence,
                // Neither a held-out document nor one without rights stands in the way of others.
                Permission::Permitted if Guard::excludes(matched, total) => Verdict::HeldOut,
                Permission::Permitted => {
                    order.push(place(true));
                    Verdict::Accepted
                }
            };
            rows.push(row);
        }
        tables.push(VerdictTable { submission: s.index, rows });
    }
    order.sort_unstable();
    for batch in order.chunk_by(|a, b| a.5 == b.5).flat_map(|same| same.chunks(BATCH)) {
        let places: Vec<(usize, u32)> = batch.iter().map(|(.., number, i, _)| (*i, *number)).collect();
        let stream = |(i, number): &(usize, u32)| &submissions[*i].streams.documents[*number as usize];
        let mut features: Vec<Features> = places.par_iter().map(stream).map(|(d, words)| Features::unsigned(words.clone(), d.0)).collect();
        duplicates.prepare(&mut features)?;
        let named: Vec<(Name, Features)> = places.iter().map(|(i, number)| (submissions[*i].index, *number)).zip(features).collect();
        if !batch[0].5 {
            for (name, features) in &named {
                duplicates.keep(*name, features)?;
            }
            continue;
        }
        for ((i, number), ruling) in places.into_iter().zip(duplicates.judge(&named)?) {
            write_ruling(&mut tables[i].rows[number as usize], ruling, duplicates);
        }
    }
    openings.sort_by_key(|o| o.document);
    Ok((tables, openings))
}

fn write_ruling(row: &mut VerdictRow, ruling: Ruling, judge: &Judge) {
    let of = |ordinal: u32| document(judge.name(ordinal));
    row.verdict = match ruling.decision {
        Decision::Kept(_) => Verdict::Accepted,
        Decision::Exact(_) => Verdict::Exact,
        Decision::Formatting(_) => Verdict::Formatting,
        Decision::Near(..) => Verdict::Near,
        Decision::Contained(_) => Verdict::Contained,
    };
    row.of = ruling.decision.of().map(of);
    row.novel_words = row.words - ruling.coverage.words;
    row.covered_by = ruling.coverage.by.iter().map(|(ordinal, words)| Cover { document: of(*ordinal), words: *words }).collect();
    (row.intersection, row.union) = match ruling.decision {
        Decision::Near(_, overlap) => (overlap.intersection, overlap.union),
        Decision::Contained(_) => (ruling.coverage.words, row.words),
        _ => (0, 0),
    };
}

/// What a submission's verdicts come to, beside their counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters {
    /// The most documents of it that are, or duplicate, one document.
    pub largest: u64,
    /// Of which document.
    pub of: Option<DocumentRef>,
    /// Words of accepted documents that no earlier one has.
    pub novel_words: u64,
    /// Whose documents it duplicates: how many of its own each submission has, most first.
    pub matched: Vec<(u64, u64)>,
}

impl Clusters {
    /// The clusters of a table.
    pub fn of(table: &VerdictTable) -> Clusters {
        let mut clusters: BTreeMap<DocumentRef, u64> = BTreeMap::new();
        let mut matched: BTreeMap<u64, u64> = BTreeMap::new();
        for row in &table.rows {
            match row.of {
                Some(of) => {
                    *clusters.entry(of).or_default() += 1;
                    *matched.entry(of.submission).or_default() += 1;
                }
                None if row.verdict == Verdict::Accepted => {
                    *clusters.entry(DocumentRef { submission: table.submission, number: row.number }).or_default() += 1;
                }
                None => {}
            }
        }
        let largest = clusters.into_iter().max_by_key(|(of, n)| (*n, std::cmp::Reverse(*of)));
        let mut matched: Vec<(u64, u64)> = matched.into_iter().collect();
        matched.sort_by_key(|(submission, n)| (std::cmp::Reverse(*n), *submission));
        let accepted = table.rows.iter().filter(|r| r.verdict == Verdict::Accepted);
        Clusters {
            largest: largest.map_or(0, |(_, n)| n),
            of: largest.map(|(of, _)| of),
            novel_words: accepted.map(|r| r.novel_words).sum(),
            matched,
        }
    }
}
