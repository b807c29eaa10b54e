//! Which documents are accepted: rights, the held-out guard, duplicates.

use std::collections::{BTreeMap, BTreeSet};

use corpus::bundle::{Bundle, Part};
use corpus::licence::{Permission, Purpose, permission};
use corpus::outline::{Outline, Outlines};
use corpus::verdict::{Cover, Measure, Verdict, VerdictRow, VerdictTable};
use corpus::{Digest, DocumentRef, EntryIndex};
use dedup::{Decision, Device, Features, Guard, Index, Judge, Key, Name, Options, Ruling, Threshold};
use filters::Filters;
use ledger::entry::rights::Exclusion;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::epoch::EpochView;
use crate::error::{Context, Result};
use crate::listener::Listener;
use crate::policy::Policy;

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
    /// What is left out for what it is like.
    #[serde(default, skip_serializing_if = "Filters::is_empty")]
    pub filters: Filters,
    /// Whether documents are left out whose publisher's word on training is not known.
    pub exclude_unknown_reservations: bool,
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
            filters: policy.filters.clone(),
            exclude_unknown_reservations: policy.excludes_unknown_reservations(purpose),
        }
    }

    /// The parameters of an epoch.
    ///
    /// # Errors
    /// If it is not drawn yet.
    pub fn of(view: &EpochView<'_>) -> Result<JudgeParameters> {
        let (open, draw) = (&view.epoch.open.entry, view.epoch.draw.as_ref().context("verdicts come after the draw")?);
        Ok(JudgeParameters::new(view.policy()?, open.purpose, open.dedup_key, draw.entry.seed))
    }

    /// How documents are compared: under the epoch's key, which was fixed before anybody submitted, and under one that nobody
    /// could know before the close.
    pub fn options(&self, key: &Key) -> Options {
        let drawn = Digest::of_parts(&[b"assay drawn dedup key v1", &self.drawn_seed.0]);
        let threshold = Threshold { numerator: self.jaccard_numerator, denominator: self.jaccard_denominator };
        Options { threshold, ..Options::new(&[*key, drawn.0]) }
    }
}

/// What judging needs of a bundle's documents: made from their texts, once.
pub fn outlines(bundle: &Bundle, filters: &Filters) -> Outlines {
    let one = |place: usize| -> Outline {
        let p = bundle.prepare_one(place);
        // A destroyed text says nothing, not even that it is empty.
        let filtered = if p.withdrawn { None } else { filters.check(&p.text) };
        Outline {
            commitment: p.commitment,
            licence: p.licence,
            reservation: p.reservation,
            text_digest: Digest::of(p.text.as_bytes()),
            text_bytes: p.text.len() as u64,
            withdrawn: p.withdrawn,
            filtered,
            words: dedup::word_stream(&p.text),
        }
    };
    Outlines { first: bundle.first, documents: (0..bundle.documents.len()).into_par_iter().with_min_len(4).map(one).collect() }
}

/// One submission for [`judge`].
pub struct ToJudge<'a> {
    /// Its log index.
    pub index: EntryIndex,
    /// The index of its commitment, which is its priority.
    pub commitment: EntryIndex,
    /// Its bundles, in order.
    pub parts: Vec<Part>,
    /// What judging needs of the documents of one of them, by its place; asked for twice.
    pub outlines: Box<dyn Fn(usize) -> Result<Outlines> + 'a>,
    /// Documents that others proved to be theirs: they come after the commitment that is given.
    pub yields: BTreeMap<u32, EntryIndex>,
    /// Why the manifest's rights keep it out of the epoch.
    pub exclusion: Option<Exclusion>,
    /// Documents that their contributor licensed for the epoch's purpose, whatever their public licence says.
    pub granted: Granted,
    /// Documents that were taken back before.
    pub withdrawn: BTreeSet<u32>,
    /// What the log says of documents that cannot be judged again, since their text or that of what they have in common with is destroyed.
    pub given: BTreeMap<u32, VerdictRow>,
    /// Documents whose text is destroyed.
    pub gone: BTreeSet<u32>,
}

/// Documents that grants are about.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// Whether all are.
    pub all: bool,
    /// Otherwise which.
    pub documents: BTreeSet<u32>,
}

/// Documents that are judged at once.
const BATCH: usize = 4096;
/// Documents that are kept in memory before they are written to the index.
const KEPT: u32 = 1 << 17;
/// Words of theirs: long documents fill the memory before they are many.
const KEPT_WORDS: u64 = 1 << 25;

/// A judge whose kept documents move to an index on disk as they become many.
pub struct Keeper {
    judge: Judge,
    /// The index under the judge and the log size from which on what is added counts; none if all is kept in memory.
    index: Option<(Index, u64)>,
    options: Options,
    /// Documents that the index held when the judge was put on it.
    base: u32,
    /// Words of documents that were judged or kept since.
    words: u64,
}

impl Keeper {
    /// A judge over what an index holds.
    pub fn over(judge: Judge, index: Option<(Index, u64)>, options: Options) -> Keeper {
        Keeper { base: judge.len(), judge, index, options, words: 0 }
    }

    /// The same, computing on `device`.
    pub fn on_device(self, device: Device) -> Keeper {
        Keeper { judge: self.judge.on_device(device), ..self }
    }

    /// The name of a kept document.
    fn name(&self, ordinal: u32) -> Name {
        self.judge.name(ordinal)
    }

    /// Writes what is in memory to the index, once it is much, or if it is `all`.
    fn flush(&mut self, all: bool) -> Result<()> {
        let Some((index, at)) = &mut self.index else { return Ok(()) };
        if !all && self.judge.len() - self.base < KEPT && self.words < KEPT_WORDS {
            return Ok(());
        }
        self.words = 0;
        let judge = std::mem::replace(&mut self.judge, Judge::new(self.options.clone()));
        let delta = judge.into_delta();
        index.append(&delta, *at)?;
        self.judge = Judge::with_base(index.view(), self.options.clone())?.on_device(delta.into_device());
        self.base = self.judge.len();
        Ok(())
    }

    /// Writes all that is kept to the index.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> Result<()> {
        self.flush(true)
    }

    /// Keeps documents whatever they are like: what earlier epochs accepted.
    ///
    /// # Errors
    /// If the judge's device or files fail.
    pub fn keep<'a>(&mut self, documents: impl Iterator<Item = (DocumentRef, &'a Outline)>) -> Result<()> {
        let mut documents = documents.peekable();
        while documents.peek().is_some() {
            let batch = documents.by_ref().take(BATCH);
            let (names, mut features): (Vec<Name>, Vec<Features>) = batch.map(|(d, outline)| (name(d), features(outline))).unzip();
            self.words += features.iter().map(|f| f.words.len() as u64).sum::<u64>();
            self.judge.prepare(&mut features)?;
            for (name, features) in names.into_iter().zip(&features) {
                self.judge.keep(name, features)?;
            }
            self.flush(false)?;
        }
        Ok(())
    }
}

fn features(outline: &Outline) -> Features {
    Features::unsigned(outline.words.clone(), outline.text_digest.0)
}

/// A document's name in dedup.
pub fn name(document: DocumentRef) -> Name {
    (document.submission.0, document.number)
}

fn document((submission, number): Name) -> DocumentRef {
    DocumentRef { submission: EntryIndex(submission), number }
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
    Digest::of_parts(&[b"assay held-out salt v1", secret, &document.submission.0.to_be_bytes(), &document.number.to_be_bytes()])
}

/// A document that is left to dedup, in the order of priority: commitment, whether it yields, its own commitment, number, place of its
/// submission, whether it is judged.
type Due = (EntryIndex, bool, EntryIndex, u32, usize, bool);

/// Judges submissions: rights, held-out guard, filters, then duplicates of what `keeper` keeps and of each other.
///
/// They come in the order of commitments; a document that somebody else proved to be theirs comes after what they committed to.
/// Returns a table for each submission, in the given order, and the openings of held-out hits.
/// `hit_salts` gives the salt of a hit's commitment.
///
/// Memory is for the rows and for a few bundles' words, whatever the texts' sizes.
///
/// # Errors
/// If outlines cannot be had, or the judge's device or files fail.
pub fn judge(
    keeper: &mut Keeper,
    submissions: &[ToJudge<'_>],
    pool: &[Outline],
    key: &Key,
    parameters: &JudgeParameters,
    hit_salts: impl Fn(DocumentRef) -> Digest,
    listener: &dyn Listener,
) -> Result<(Vec<VerdictTable>, Vec<Opening>)> {
    let guard = Guard::new(pool.iter().map(|o| o.words.as_slice()), key);
    let mut openings = Vec::new();
    let mut tables: Vec<VerdictTable> = Vec::with_capacity(submissions.len());
    let mut order: Vec<Due> = Vec::new();
    let bar = listener.task("bundles outlined", submissions.iter().map(|s| s.parts.len() as u64).sum());
    for (i, s) in submissions.iter().enumerate() {
        let mut rows = Vec::new();
        for part in 0..s.parts.len() {
            let outlines = (s.outlines)(part)?;
            bar.advance(1);
            let hits: Vec<(u64, u64)> = outlines.documents.par_iter().map(|o| guard.hits(&o.words)).collect();
            for ((number, outline), (matched, total)) in (s.parts[part].first..).zip(&outlines.documents).zip(hits) {
                let document = DocumentRef { submission: s.index, number };
                let hit = (matched > 0).then(|| Opening { document, salt: hit_salts(document), matched, total });
                let after = s.yields.get(&number).filter(|after| **after > s.commitment);
                let due = |judged: bool| (*after.unwrap_or(&s.commitment), after.is_some(), s.commitment, number, i, judged);
                if let Some(given) = s.given.get(&number) {
                    let gone = s.gone.contains(&number);
                    openings.extend(hit.filter(|_| !gone));
                    // It was accepted, so later ones were compared with it.
                    order.extend((given.verdict == Verdict::Accepted && !gone).then(|| due(false)));
                    rows.push(given.clone());
                    continue;
                }
                let row = first_row(s, number, outline, hit.as_ref(), parameters);
                order.extend((row.verdict == Verdict::Accepted).then(|| due(true)));
                openings.extend(hit);
                rows.push(row);
            }
        }
        tables.push(VerdictTable { submission: s.index, rows });
    }
    drop(bar);
    order.sort_unstable();
    let bar = listener.task("documents judged", order.len() as u64);
    let mut words = Recent::default();
    for batch in order.chunk_by(|a, b| a.5 == b.5).flat_map(|same| same.chunks(BATCH)) {
        let mut named = Vec::with_capacity(batch.len());
        for (.., number, i, _) in batch {
            named.push((submissions[*i].index.0, *number));
            words.load(submissions, *i, *number)?;
        }
        let mut all: Vec<Features> = batch.par_iter().map(|(.., number, i, _)| features(words.outline(*i, *number))).collect();
        words.forget();
        keeper.words += all.iter().map(|f| f.words.len() as u64).sum::<u64>();
        keeper.judge.prepare(&mut all)?;
        let named: Vec<(Name, Features)> = named.into_iter().zip(all).collect();
        if batch[0].5 {
            for ((.., number, i, _), ruling) in batch.iter().zip(keeper.judge.judge(&named)?) {
                write_ruling(&mut tables[*i].rows[*number as usize], ruling, keeper);
            }
        } else {
            for (name, features) in &named {
                keeper.judge.keep(*name, features)?;
            }
        }
        keeper.flush(false)?;
        bar.advance(batch.len() as u64);
    }
    openings.sort_by_key(|o| o.document);
    Ok((tables, openings))
}

/// The row of a document before it is compared with others.
fn first_row(s: &ToJudge<'_>, number: u32, outline: &Outline, hit: Option<&Opening>, parameters: &JudgeParameters) -> VerdictRow {
    let words = outline.words.len() as u64;
    let mut row = VerdictRow {
        number,
        commitment: outline.commitment,
        decision: corpus::verdict::Decision {
            verdict: Verdict::Accepted,
            of: None,
            intersection: 0,
            union: 0,
            words,
            novel_words: words,
            covered_by: Vec::new(),
            hit: hit.map(Opening::commitment),
            filtered: None,
        },
    };
    // Neither a document without rights nor a held-out or filtered one stands in the way of others.
    let granted = s.granted.all || s.granted.documents.contains(&number);
    let permission = if granted { Permission::Permitted } else { permission(&outline.licence, parameters.purpose) };
    let (reservation, protocol) = outline.reservation.as_deref().and_then(|r| r.split_once('/')).unwrap_or_default();
    row.decision.verdict = match (permission, s.exclusion) {
        _ if s.withdrawn.contains(&number) => Verdict::Withdrawn,
        (Permission::Forbidden, _) => Verdict::Forbidden,
        (Permission::Unknown, _) => Verdict::UnknownLicence,
        (Permission::Permitted, Some(Exclusion::Expired)) => Verdict::Expired,
        (Permission::Permitted, Some(Exclusion::Purpose)) => Verdict::PurposeNotPermitted,
        (Permission::Permitted, Some(Exclusion::UnknownRights)) => Verdict::UnknownRights,
        // A grant is about a licence. What a publisher reserves stays reserved: who holds the rights can submit the text itself.
        _ if reservation == "reserves" => Verdict::Reserved,
        _ if reservation == "unknown" && parameters.exclude_unknown_reservations => Verdict::ReservationUnknown,
        _ if hit.is_some_and(|h| Guard::excludes(h.matched, h.total)) => Verdict::HeldOut,
        _ if outline.filtered.is_some() => Verdict::Filtered,
        _ => Verdict::Accepted,
    };
    if row.verdict == Verdict::Filtered {
        row.decision.filtered = outline.filtered.clone();
    }
    if matches!(row.verdict, Verdict::Reserved | Verdict::ReservationUnknown) {
        row.decision.filtered = Some(Measure { rule: protocol.to_string(), measured: 0, limit: 0 });
    }
    row
}

/// The outlines of bundles that a batch has documents of.
#[derive(Default)]
struct Recent {
    /// By the place of the submission and of the bundle, with whether the batch asked for it.
    loaded: BTreeMap<(usize, usize), (Outlines, bool)>,
    /// Of a document's submission, the places of its bundles.
    places: BTreeMap<usize, Vec<u32>>,
}

impl Recent {
    fn place(&self, i: usize, number: u32) -> usize {
        self.places[&i].partition_point(|first| *first <= number) - 1
    }

    fn load(&mut self, submissions: &[ToJudge<'_>], i: usize, number: u32) -> Result<()> {
        self.places.entry(i).or_insert_with(|| submissions[i].parts.iter().map(|p| p.first).collect());
        let part = self.place(i, number);
        match self.loaded.get_mut(&(i, part)) {
            Some((_, asked)) => *asked = true,
            None => drop(self.loaded.insert((i, part), ((submissions[i].outlines)(part)?, true))),
        }
        Ok(())
    }

    fn outline(&self, i: usize, number: u32) -> &Outline {
        let (outlines, _) = &self.loaded[&(i, self.place(i, number))];
        &outlines.documents[(number - outlines.first) as usize]
    }

    /// Keeps what the last batch asked for: the next one goes on in the last of it.
    fn forget(&mut self) {
        self.loaded.retain(|_, (_, asked)| std::mem::take(asked));
    }
}

fn write_ruling(row: &mut VerdictRow, ruling: Ruling, keeper: &Keeper) {
    let of = |ordinal: u32| document(keeper.name(ordinal));
    row.decision.verdict = match ruling.decision {
        Decision::Kept(_) => Verdict::Accepted,
        Decision::Exact(_) => Verdict::Exact,
        Decision::Formatting(_) => Verdict::Formatting,
        Decision::Near(..) => Verdict::Near,
        Decision::Contained(_) => Verdict::Contained,
    };
    row.decision.of = ruling.decision.of().map(of);
    row.decision.novel_words = row.words - ruling.coverage.words;
    row.decision.covered_by = ruling.coverage.by.iter().map(|(ordinal, words)| Cover { document: of(*ordinal), words: *words }).collect();
    (row.decision.intersection, row.decision.union) = match ruling.decision {
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
    pub matched: Vec<(EntryIndex, u64)>,
}

impl Clusters {
    /// The clusters of a table.
    pub fn of(table: &VerdictTable) -> Clusters {
        let mut clusters: BTreeMap<DocumentRef, u64> = BTreeMap::new();
        let mut matched: BTreeMap<EntryIndex, u64> = BTreeMap::new();
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
        let mut matched: Vec<(EntryIndex, u64)> = matched.into_iter().collect();
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
