//! Which documents are accepted: rights, the held-out guard, duplicates.

use std::collections::{BTreeMap, BTreeSet};

use corpus::bundle::{Bundle, Part};
use corpus::licence::{Permission, Purpose, permission};
use corpus::outline::{Outline, Outlines};
use corpus::verdict::{Cover, Measure, Verdict, VerdictRow, VerdictTable};
use corpus::{Digest, DocumentRef, EntryIndex, RowWriter, VerdictRows};
use dedup::{Decision, DedupError, Device, Features, Guard, Index, Judge, Key, Name, Options, Preparer, Ruling, Threshold};
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
    /// What judging needs of the documents of one of them, by its place; asked for again if one of them yields.
    pub outlines: Box<dyn Fn(usize) -> Result<Outlines> + Send + Sync + 'a>,
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

/// Judges submissions: rights, held-out guard, filters, then duplicates of what `keeper` keeps and of each other.
///
/// They come in the order of commitments; a document that somebody else proved to be theirs comes after what they committed to.
/// Returns the rows of each submission, in the given order, and the openings of held-out hits.
/// `hit_salts` gives the salt of a hit's commitment.
///
/// Memory is for a few bundles' words and for what `keeper` has in memory, whatever the number of documents: rows go to temporary files.
/// While some documents are judged, the next ones are read and signed.
///
/// # Errors
/// If outlines cannot be had, or the judge's device or files fail.
pub fn judge(
    keeper: &mut Keeper,
    submissions: &[ToJudge<'_>],
    pool: &[Outline],
    key: &Key,
    parameters: &JudgeParameters,
    hit_salts: impl Fn(DocumentRef) -> Digest + Sync,
    listener: &dyn Listener,
) -> Result<(Vec<VerdictRows>, Vec<Opening>)> {
    let guard = Guard::new(pool.iter().map(|o| o.words.as_slice()), key);
    let reader = Reader { submissions, guard, parameters, hit_salts: &hit_salts, preparer: keeper.judge.preparer() };
    let mut order: Vec<usize> = (0..submissions.len()).collect();
    order.sort_by_key(|i| submissions[*i].commitment);
    let mut judging = Judging {
        keeper,
        submissions,
        rows: RowWriter::new(submissions.iter().map(|s| s.index)).map_err(DedupError::Spill)?,
        openings: Vec::new(),
        later: BTreeMap::new(),
    };
    let bar = listener.task("bundles judged", submissions.iter().map(|s| s.parts.len() as u64).sum());
    let mut bundles = order.iter().flat_map(|i| (0..submissions[*i].parts.len()).map(move |part| (*i, part)));
    let mut next = reader.read_blocks(&mut bundles)?;
    while !next.is_empty() {
        let blocks = std::mem::take(&mut next);
        let count = blocks.len() as u64;
        let (judged, read) = rayon::join(|| judging.judge_blocks(&reader, blocks), || reader.read_blocks(&mut bundles));
        judged?;
        next = read?;
        bar.advance(count);
    }
    judging.judge_later(&reader, None)?;
    let Judging { rows, mut openings, .. } = judging;
    openings.sort_by_key(|o| o.document);
    Ok((rows.finish().map_err(DedupError::Spill)?, openings))
}

/// Words of documents that are read ahead, about: those of a few bundles.
const AHEAD_WORDS: usize = 1 << 20;

/// What comparing a document with others needs of it.
struct Due {
    features: Features,
    /// Whether it is judged; otherwise it was accepted, and later ones are compared with it.
    judged: bool,
}

/// A document that was read.
struct Read {
    row: VerdictRow,
    opening: Option<Opening>,
    due: Option<Due>,
    /// The commitment that it yields to.
    after: Option<EntryIndex>,
}

/// A bundle that was read: the place of its submission, and its documents.
struct Block {
    submission: usize,
    documents: Vec<Read>,
}

/// Reads what was submitted: all that can be said about a document without comparing it with others.
struct Reader<'a, 'b, F> {
    submissions: &'a [ToJudge<'b>],
    guard: Guard,
    parameters: &'a JudgeParameters,
    hit_salts: &'a F,
    preparer: Preparer,
}

impl<F: Fn(DocumentRef) -> Digest + Sync> Reader<'_, '_, F> {
    /// The documents of the next bundles, which are named by the places of their submissions and their own; none if there are no more.
    fn read_blocks(&self, bundles: &mut (impl Iterator<Item = (usize, usize)> + Send)) -> Result<Vec<Block>> {
        let (mut blocks, mut documents, mut words) = (Vec::new(), 0, 0);
        while documents < BATCH && words < AHEAD_WORDS {
            // As many as can be read at once: how much is in them is known once they are.
            let taken: Vec<(usize, usize)> = bundles.take(rayon::current_num_threads()).collect();
            if taken.is_empty() {
                break;
            }
            for block in self.read(&taken)? {
                documents += block.documents.len();
                words += block.documents.iter().filter_map(|d| d.due.as_ref()).map(|due| due.features.words.len()).sum::<usize>();
                blocks.push(block);
            }
        }
        self.prepare(&mut blocks)?;
        Ok(blocks)
    }

    /// The documents of some bundles.
    fn read(&self, bundles: &[(usize, usize)]) -> Result<Vec<Block>> {
        let one = |(i, part): &(usize, usize)| -> Result<Block> {
            let s = &self.submissions[*i];
            let Outlines { documents, .. } = (s.outlines)(*part)?;
            let numbered: Vec<(u32, Outline)> = (s.parts[*part].first..).zip(documents).collect();
            Ok(Block {
                submission: *i,
                documents: numbered.into_par_iter().map(|(number, outline)| self.document(s, number, outline)).collect(),
            })
        };
        bundles.par_iter().map(one).collect()
    }

    /// Makes documents ready to be compared.
    fn prepare(&self, blocks: &mut [Block]) -> Result<()> {
        let mut due: Vec<&mut Due> = blocks.iter_mut().flat_map(|b| &mut b.documents).filter_map(|d| d.due.as_mut()).collect();
        let mut features: Vec<Features> = due.iter_mut().map(|d| std::mem::take(&mut d.features)).collect();
        self.preparer.prepare(&mut features)?;
        due.into_iter().zip(features).for_each(|(due, features)| due.features = features);
        Ok(())
    }

    fn document(&self, s: &ToJudge<'_>, number: u32, outline: Outline) -> Read {
        let (matched, total) = self.guard.hits(&outline.words);
        let document = DocumentRef { submission: s.index, number };
        let opening = (matched > 0).then(|| Opening { document, salt: (self.hit_salts)(document), matched, total });
        let after = s.yields.get(&number).filter(|after| **after > s.commitment).copied();
        let due = |outline: Outline, judged: bool| Due { features: Features::unsigned(outline.words, outline.text_digest.0), judged };
        if let Some(given) = s.given.get(&number) {
            let gone = s.gone.contains(&number);
            // It was accepted, so later ones were compared with it.
            let kept = given.verdict == Verdict::Accepted && !gone;
            return Read { row: given.clone(), opening: opening.filter(|_| !gone), due: kept.then(|| due(outline, false)), after };
        }
        let row = first_row(s, number, &outline, opening.as_ref(), self.parameters);
        let accepted = row.verdict == Verdict::Accepted;
        Read { row, opening, due: accepted.then(|| due(outline, true)), after }
    }
}

/// A document that yields, in the order of priority: the commitment that it comes after, its own, its number.
type Later = (EntryIndex, EntryIndex, u32);

/// What was judged, and what waits.
struct Judging<'a, 'b> {
    keeper: &'a mut Keeper,
    submissions: &'a [ToJudge<'b>],
    rows: RowWriter,
    openings: Vec<Opening>,
    /// Documents that yield, with the place of their submission.
    later: BTreeMap<Later, usize>,
}

impl Judging<'_, '_> {
    /// Judges bundles, and between submissions the documents that yield to those before.
    fn judge_blocks<F: Fn(DocumentRef) -> Digest + Sync>(&mut self, reader: &Reader<'_, '_, F>, blocks: Vec<Block>) -> Result<()> {
        let mut waiting: Vec<(usize, Read)> = Vec::new();
        for Block { submission, documents } in blocks {
            let commitment = self.submissions[submission].commitment;
            if self.later.first_key_value().is_some_and(|((after, ..), _)| *after < commitment) {
                self.judge_documents(std::mem::take(&mut waiting), RowWriter::push)?;
                self.judge_later(reader, Some(commitment))?;
            }
            for mut document in documents {
                self.openings.extend(document.opening.take());
                match document.after.filter(|_| document.due.is_some()) {
                    Some(after) => drop(self.later.insert((after, commitment, document.row.number), submission)),
                    None => waiting.push((submission, document)),
                }
            }
        }
        self.judge_documents(waiting, RowWriter::push)
    }

    /// Judges the documents that come after a commitment before `end`; all that are left if there is none.
    fn judge_later<F: Fn(DocumentRef) -> Digest + Sync>(&mut self, reader: &Reader<'_, '_, F>, end: Option<EntryIndex>) -> Result<()> {
        let rest = end.map_or_else(BTreeMap::new, |end| self.later.split_off(&(end, EntryIndex(0), 0)));
        let due: Vec<(Later, usize)> = std::mem::replace(&mut self.later, rest).into_iter().collect();
        let submissions = self.submissions;
        let part_of = |i: usize, number: u32| submissions[i].parts.partition_point(|p| p.end() <= number);
        // Those of one bundle that yield to one commitment follow each other, by number.
        for same in due.chunk_by(|(a, i), (b, j)| a.0 == b.0 && i == j && part_of(*i, a.2) == part_of(*j, b.2)) {
            let ((_, _, first), submission) = same[0];
            let part = part_of(submission, first);
            let numbers: BTreeSet<u32> = same.iter().map(|((_, _, number), _)| *number).collect();
            let mut blocks = reader.read(&[(submission, part)])?;
            blocks.iter_mut().for_each(|b| b.documents.retain(|d| numbers.contains(&d.row.number)));
            reader.prepare(&mut blocks)?;
            let documents = blocks.into_iter().flat_map(|b| b.documents).map(|d| (submission, d)).collect();
            self.judge_documents(documents, |rows, table, row| {
                rows.insert(table, row);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Judges documents in the given order, and hands their rows on.
    fn judge_documents(
        &mut self,
        documents: Vec<(usize, Read)>,
        mut each: impl FnMut(&mut RowWriter, usize, VerdictRow) -> std::io::Result<()>,
    ) -> Result<()> {
        let mut rows: Vec<(usize, VerdictRow)> = Vec::with_capacity(documents.len());
        let mut due: Vec<(usize, Due)> = Vec::new();
        for (place, (submission, document)) in documents.into_iter().enumerate() {
            due.extend(document.due.map(|due| (place, due)));
            rows.push((submission, document.row));
        }
        let mut due = due.into_iter().peekable();
        while let Some(judged) = due.peek().map(|(_, due)| due.judged) {
            let (mut places, mut named) = (Vec::new(), Vec::new());
            while let Some((place, Due { features, .. })) = due.next_if(|(_, due)| due.judged == judged && named.len() < BATCH) {
                let (submission, row) = &rows[place];
                self.keeper.words += features.words.len() as u64;
                named.push(((self.submissions[*submission].index.0, row.number), features));
                places.push(place);
            }
            if judged {
                for (place, ruling) in places.into_iter().zip(self.keeper.judge.judge(&named)?) {
                    write_ruling(&mut rows[place].1, ruling, self.keeper);
                }
            } else {
                for (name, features) in &named {
                    self.keeper.judge.keep(*name, features)?;
                }
            }
            self.keeper.flush(false)?;
        }
        for (submission, row) in rows {
            each(&mut self.rows, submission, row).map_err(DedupError::Spill)?;
        }
        Ok(())
    }
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
        let mut tally = ClusterTally::of(table.submission);
        table.rows.iter().for_each(|row| tally.push(row));
        tally.clusters()
    }
}

/// Counts the clusters of a table, row by row. It has a bit of every document, and what duplicates were found of.
pub struct ClusterTally {
    submission: EntryIndex,
    /// How many documents duplicate one.
    of: BTreeMap<DocumentRef, u64>,
    matched: BTreeMap<EntryIndex, u64>,
    novel_words: u64,
    /// Whether the document of a row is accepted, 64 rows a word.
    accepted: Vec<u64>,
    rows: u32,
}

impl ClusterTally {
    /// No rows of a submission yet.
    pub fn of(submission: EntryIndex) -> ClusterTally {
        ClusterTally { submission, of: BTreeMap::new(), matched: BTreeMap::new(), novel_words: 0, accepted: Vec::new(), rows: 0 }
    }

    /// Adds a row.
    pub fn push(&mut self, row: &VerdictRow) {
        if row.verdict == Verdict::Accepted {
            self.novel_words += row.novel_words;
        }
        if self.rows.is_multiple_of(64) {
            self.accepted.push(0);
        }
        match row.of {
            Some(of) => {
                *self.of.entry(of).or_default() += 1;
                *self.matched.entry(of.submission).or_default() += 1;
            }
            None if row.verdict != Verdict::Accepted => {}
            None if row.number == self.rows => *self.accepted.last_mut().expect("pushed before") |= 1 << (row.number % 64),
            // A table whose numbers are not the places of its rows is none of ours, and is counted like one.
            None => *self.of.entry(DocumentRef { submission: self.submission, number: row.number }).or_default() += 1,
        }
        self.rows += 1;
    }

    /// What all rows come to.
    pub fn clusters(self) -> Clusters {
        let own = |number: u32| self.accepted.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1);
        // Each document that is duplicated, with itself if it is of this submission.
        let size = |(of, n): (&DocumentRef, &u64)| (*n + u64::from(of.submission == self.submission && own(of.number)), *of);
        // Documents that nothing duplicates are clusters of one, and the first of them stands for all.
        let alone = (0u32..)
            .zip(&self.accepted)
            .flat_map(|(word, bits)| (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| 64 * word + bit));
        let alone = alone.map(|number| DocumentRef { submission: self.submission, number }).find(|d| !self.of.contains_key(d));
        let largest = self.of.iter().map(size).chain(alone.map(|d| (1, d))).max_by_key(|(n, of)| (*n, std::cmp::Reverse(*of)));
        let mut matched: Vec<(EntryIndex, u64)> = self.matched.iter().map(|(submission, n)| (*submission, *n)).collect();
        matched.sort_by_key(|(submission, n)| (std::cmp::Reverse(*n), *submission));
        Clusters { largest: largest.map_or(0, |(n, _)| n), of: largest.map(|(_, of)| of), novel_words: self.novel_words, matched }
    }
}

#[cfg(test)]
mod tests {
    use corpus::random::SplitMix64;

    use super::*;

    const SUBMISSION: EntryIndex = EntryIndex(2);

    fn row(number: u32, verdict: Verdict, of: Option<DocumentRef>) -> VerdictRow {
        let (covered_by, hit, filtered) = (Vec::new(), None, None);
        let decision =
            corpus::verdict::Decision { verdict, of, intersection: 0, union: 0, words: 10, novel_words: 3, covered_by, hit, filtered };
        VerdictRow { number, commitment: Digest::default(), decision }
    }

    /// Every cluster in one map: what [`Clusters`] are by definition.
    fn defined(table: &VerdictTable) -> (u64, Option<DocumentRef>) {
        let mut clusters: BTreeMap<DocumentRef, u64> = BTreeMap::new();
        for row in &table.rows {
            let own = DocumentRef { submission: table.submission, number: row.number };
            let of = row.of.or((row.verdict == Verdict::Accepted).then_some(own));
            of.into_iter().for_each(|of| *clusters.entry(of).or_default() += 1);
        }
        let largest = clusters.into_iter().max_by_key(|(of, n)| (*n, std::cmp::Reverse(*of)));
        (largest.map_or(0, |(_, n)| n), largest.map(|(of, _)| of))
    }

    #[test]
    fn clusters_that_are_counted_row_by_row_are_those_of_one_map() {
        let mut random = SplitMix64(7);
        let mut sizes = BTreeSet::new();
        for turn in 0..400u64 {
            let documents = random.below(200) as u32;
            // Few originals make large clusters, many make pairs; in every fourth table numbers are not the places of rows.
            let (originals, odd) = (1 + random.below(1 << (turn % 9)), turn % 4 == 0);
            let mut rows = Vec::new();
            for place in 0..documents {
                let number = if odd { random.below(300) as u32 } else { place };
                let of = DocumentRef { submission: EntryIndex(1 + random.below(2)), number: random.below(originals) as u32 };
                rows.push(match random.below(3) {
                    0 => row(number, Verdict::Near, Some(of)),
                    1 => row(number, Verdict::Filtered, None),
                    _ => row(number, Verdict::Accepted, None),
                });
            }
            let table = VerdictTable { submission: SUBMISSION, rows };
            let found = Clusters::of(&table);
            assert_eq!((found.largest, found.of), defined(&table), "table {turn}");
            assert_eq!(found.novel_words, 3 * table.count(Verdict::Accepted));
            assert_eq!(found.matched.iter().map(|(_, n)| n).sum::<u64>(), table.count(Verdict::Near));
            sizes.insert(found.largest);
        }
        assert!(sizes.len() > 20 && sizes.contains(&0) && sizes.contains(&1), "{sizes:?}");
    }
}
