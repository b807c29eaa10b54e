//! Which tokens a step sees: a pure function of (seed, step, weights in force), blind to contributor and bucket.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use kernels::Segment;
use sha2::{Digest, Sha256};

use crate::error::TrainError;

/// A document to train on.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// What orders it: its commitment, so that neither its contributor nor its index has a say.
    pub key: [u8; 32],
    /// The account that its gradient goes to.
    pub bucket: usize,
    /// Which tokens are learned, as ascending ranges; none means all. The others are read as context only.
    pub learned: Option<Vec<Range<usize>>>,
}

impl Document {
    /// A document whose tokens from `first` on are learned, or all of them; its bucket is 0.
    pub fn answering(tokens: Vec<u32>, key: [u8; 32], first: Option<u32>) -> Document {
        let learned = first.map(|first| std::iter::once(first as usize..tokens.len()).collect());
        Document { tokens, key, bucket: 0, learned }
    }

    /// Whether the token after position `i` is learned.
    pub fn predicts(&self, i: usize) -> bool {
        self.target(i) >= 0
    }

    /// The token after position `i`, or -1 where there is none or it is not to be learned.
    fn target(&self, i: usize) -> i32 {
        let learned = |at: usize| {
            self.learned.as_ref().is_none_or(|ranges| {
                let next = ranges.partition_point(|r| r.end <= at);
                ranges.get(next).is_some_and(|r| r.contains(&at))
            })
        };
        match self.tokens.get(i + 1) {
            Some(&token) if learned(i + 1) => token as i32,
            _ => -1,
        }
    }
}

/// The documents of a run.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    /// In any order; the run's order does not depend on it unless two keys are equal.
    pub documents: Vec<Document>,
    /// Number of buckets; a bucket may be empty.
    pub buckets: usize,
}

impl Corpus {
    /// Tokens in all documents.
    pub fn tokens(&self) -> usize {
        self.documents.iter().map(|d| d.tokens.len()).sum()
    }

    /// Checks that every token has a row in the embedding.
    ///
    /// # Errors
    /// [`TrainError::Token`] names the first that has none.
    pub fn check(&self, vocabulary: usize) -> Result<(), TrainError> {
        for (document, d) in self.documents.iter().enumerate() {
            if let Some(&token) = d.tokens.iter().find(|&&t| t as usize >= vocabulary) {
                return Err(TrainError::Token { document, token, vocabulary });
            }
        }
        Ok(())
    }
}

/// A run of one document's tokens inside one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Index of the document.
    pub document: usize,
    /// Which of its tokens.
    pub range: Range<usize>,
}

/// How often documents are seen from a step on, compared with each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The first step that they hold for.
    pub from_step: u64,
    /// Of each document, how often it is in a pass over the corpus, on average; 0 leaves it out.
    pub by_document: Vec<f64>,
}

/// The order of all steps: documents by a hash of seed, pass and key, laid end to end and cut into rows, and the rows shuffled.
///
/// So a step sees pieces of many documents, and those of a contributor are spread over the whole pass.
///
/// With weights a document is in a pass as often as its weight says: the whole part of it, and once more where a hash of seed,
/// pass and key, as a number below 1, is below the rest. New weights begin a new pass.
pub struct Order<'a> {
    corpus: &'a Corpus,
    seed: [u8; 32],
    context: usize,
    rows_per_step: usize,
    total: usize,
    weights: Mutex<Vec<Weights>>,
    /// Passes that were laid out, by the number of their weights and their own.
    known: Mutex<BTreeMap<(usize, u64), Arc<Pass>>>,
}

/// A pass over the corpus: documents with the position of their first token, and all tokens.
struct Pass {
    order: Vec<(usize, usize)>,
    tokens: usize,
    /// Which row comes when.
    rows: Vec<u32>,
}

/// Most passes that are kept laid out.
const KNOWN: usize = 4;

impl<'a> Order<'a> {
    /// The order of `corpus` under `seed`, every document once a pass.
    ///
    /// # Errors
    /// [`TrainError::TooFewTokens`] if there is nothing to predict.
    pub fn new(corpus: &'a Corpus, seed: [u8; 32], context: usize, rows_per_step: usize) -> Result<Order<'a>, TrainError> {
        let total = corpus.tokens();
        if total < 2 {
            return Err(TrainError::TooFewTokens { thing: "accepted documents", expected: 2, found: total });
        }
        Ok(Order { corpus, seed, context, rows_per_step, total, weights: Mutex::default(), known: Mutex::default() })
    }

    /// Weights from a step on; later ones replace them from theirs on.
    ///
    /// # Errors
    /// [`TrainError::Config`] if they are of another number of documents, negative, not finite, or leave nothing to train on.
    pub fn weigh(&self, weights: Weights) -> Result<(), TrainError> {
        let found = weights.by_document.len();
        if found != self.corpus.documents.len() {
            return Err(TrainError::Config(format!("weights of {found} documents, expected {}", self.corpus.documents.len())));
        }
        if weights.by_document.iter().any(|w| !(*w >= 0.0 && w.is_finite())) || weights.by_document.iter().all(|w| *w == 0.0) {
            return Err(TrainError::Config("weights: expected finite numbers from 0, not all 0".into()));
        }
        let mut all = self.weights.lock().expect("no thread panicked");
        all.retain(|w| w.from_step < weights.from_step);
        all.push(weights);
        self.known.lock().expect("no thread panicked").clear();
        Ok(())
    }

    /// Rows of one pass over the corpus, every document once; the last may be shorter.
    pub fn rows_per_epoch(&self) -> usize {
        self.total.div_ceil(self.context)
    }

    /// Steps of one pass over the corpus.
    pub fn steps_per_epoch(&self) -> u64 {
        self.rows_per_epoch().div_ceil(self.rows_per_step) as u64
    }

    fn pass(&self, table: usize, number: u64, weights: Option<&Weights>) -> Arc<Pass> {
        let mut known = self.known.lock().expect("no thread panicked");
        if let Some(pass) = known.get(&(table, number)) {
            return pass.clone();
        }
        let mut order: Vec<([u8; 32], usize)> = Vec::new();
        for (i, document) in self.corpus.documents.iter().enumerate() {
            let hash = |copy: Option<u64>| -> [u8; 32] {
                let hash = Sha256::new().chain_update(self.seed).chain_update(number.to_le_bytes()).chain_update(document.key);
                copy.map_or(hash.clone(), |c| hash.chain_update(c.to_le_bytes())).finalize().into()
            };
            let first = hash(None);
            let weight = weights.map_or(1.0, |w| w.by_document[i]);
            // The hash orders by its first bytes, so the draw takes its last.
            let draw = u64::from_le_bytes(first[24..].try_into().expect("eight bytes")) as f64 / 2f64.powi(64);
            let copies = weight.floor() as u64 + u64::from(draw < weight.fract());
            order.extend((0..copies).map(|copy| (if copy == 0 { first } else { hash(Some(copy)) }, i)));
        }
        order.sort_unstable();
        let mut at = 0;
        let place = |(_, i): ([u8; 32], usize)| {
            let start = at;
            at += self.corpus.documents[i].tokens.len();
            (i, start)
        };
        let order: Vec<(usize, usize)> = order.into_iter().map(place).collect();
        let mut rows: Vec<u32> = (0..at.div_ceil(self.context) as u32).collect();
        let start = Sha256::new().chain_update(b"rows").chain_update(self.seed).chain_update(number.to_le_bytes()).finalize();
        shuffle(&mut rows, u64::from_le_bytes(start[..8].try_into().expect("eight bytes")));
        let pass = Arc::new(Pass { order, tokens: at, rows });
        if known.len() >= KNOWN {
            known.pop_first();
        }
        known.insert((table, number), pass.clone());
        pass
    }

    /// The pieces of `step`, row by row.
    pub fn step(&self, step: u64) -> Vec<Piece> {
        let all = self.weights.lock().expect("no thread panicked").clone();
        let table = all.iter().take_while(|w| w.from_step <= step).count();
        let weights = table.checked_sub(1).map(|t| &all[t]);
        let since = step - weights.map_or(0, |w| w.from_step);
        let mut row = since * self.rows_per_step as u64;
        let mut left = self.rows_per_step;
        let mut pieces = Vec::new();
        let mut number = 0;
        // Without weights every pass has the same number of rows.
        if weights.is_none() {
            (number, row) = (row / self.rows_per_epoch() as u64, row % self.rows_per_epoch() as u64);
        }
        let mut empty = 0;
        while left > 0 {
            let pass = self.pass(table, number, weights);
            let rows = pass.rows.len() as u64;
            // With small weights a pass may draw nobody; the next will.
            empty = if rows == 0 { empty + 1 } else { 0 };
            assert!(empty < 1_000_000, "order: weights so small that no pass draws a document");
            if row >= rows {
                row -= rows;
                number += 1;
                continue;
            }
            self.row(&pass, pass.rows[row as usize] as usize, &mut pieces);
            (row, left) = (row + 1, left - 1);
        }
        pieces
    }

    /// The pieces of one row of a pass.
    fn row(&self, pass: &Pass, row: usize, pieces: &mut Vec<Piece>) {
        let (start, end) = (row * self.context, ((row + 1) * self.context).min(pass.tokens));
        let mut i = pass.order.partition_point(|&(_, first)| first <= start) - 1;
        let mut at = start;
        while at < end {
            let (document, first) = pass.order[i];
            let len = self.corpus.documents[document].tokens.len();
            let stop = (first + len).min(end);
            if stop > at {
                pieces.push(Piece { document, range: at - first..stop - first });
            }
            at = stop.max(at);
            i += 1;
        }
    }

    /// The step as the engine takes it: passes of at most `rows` rows each, 0 for one pass.
    pub fn batches(&self, step: u64, rows: usize) -> Vec<Batch> {
        passes(&self.step(step), self.context, rows).into_iter().map(|p| Batch::new(self.corpus, p)).collect()
    }
}

/// Cuts pieces into passes of at most `rows` times `context` positions; 0 rows for one pass.
pub(crate) fn passes(pieces: &[Piece], context: usize, rows: usize) -> Vec<&[Piece]> {
    if rows == 0 {
        return vec![pieces];
    }
    let (mut passes, mut start, mut taken) = (Vec::new(), 0, 0);
    for (i, piece) in pieces.iter().enumerate() {
        if taken > 0 && taken + piece.range.len() > rows * context {
            passes.push(&pieces[start..i]);
            (start, taken) = (i, 0);
        }
        taken += piece.range.len();
    }
    passes.push(&pieces[start..]);
    passes
}

/// Puts `rows` into an order that `state` draws.
///
/// Source: Durstenfeld 1964; numbers from SplitMix64 (Steele et al. 2014, figure 12).
fn shuffle(rows: &mut [u32], mut state: u64) {
    for i in (1..rows.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The bias of a 64-bit number modulo a row count is below 2^-32.
        rows.swap(i, ((z ^ (z >> 31)) % (i as u64 + 1)) as usize);
    }
}

/// Token positions of one pass, documents' runs contiguous and sorted by bucket.
///
/// Packing is blind to buckets; the order inside a pass has no say in what is computed except for
/// rounding, and makes a bucket's positions one range, so that its weight gradient is one product.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Inputs `(N)`.
    pub tokens: Vec<u32>,
    /// Next token, or -1 where there is none to predict.
    pub targets: Vec<i32>,
    /// Position in the run.
    pub positions: Vec<u32>,
    /// The runs.
    pub segments: Vec<Segment>,
    /// Each run's document, an index into the corpus.
    pub documents: Vec<u32>,
    /// Buckets with positions here, ascending.
    pub buckets: Vec<(usize, Range<usize>)>,
}

impl Batch {
    /// Lays out `pieces`; a piece predicts the token after it if its document has one.
    pub fn new(corpus: &Corpus, pieces: &[Piece]) -> Batch {
        let mut order: Vec<&Piece> = pieces.iter().collect();
        order.sort_by_key(|p| corpus.documents[p.document].bucket);
        let mut batch = Batch::default();
        for piece in order {
            let document = &corpus.documents[piece.document];
            let targets = piece.range.clone().map(|i| document.target(i));
            let positions = 0..piece.range.len() as u32;
            batch.push(document.bucket, piece.document as u32, &document.tokens[piece.range.clone()], targets, positions);
        }
        batch
    }

    /// Adds one run; buckets come ascending.
    pub fn push(
        &mut self,
        bucket: usize,
        document: u32,
        tokens: &[u32],
        targets: impl Iterator<Item = i32>,
        positions: impl Iterator<Item = u32>,
    ) {
        let start = self.tokens.len();
        self.documents.push(document);
        self.tokens.extend_from_slice(tokens);
        self.targets.extend(targets);
        self.positions.extend(positions);
        let range = start..self.tokens.len();
        self.segments.push(Segment { range: range.clone() });
        match self.buckets.last_mut() {
            Some((last, rows)) if *last == bucket => rows.end = range.end,
            last => {
                assert!(last.is_none_or(|(l, _)| *l < bucket), "batch: buckets come ascending");
                self.buckets.push((bucket, range));
            }
        }
    }

    /// Positions with something to predict.
    pub fn target_count(&self) -> usize {
        self.targets.iter().filter(|&&t| t >= 0).count()
    }
}

/// Runs of at most `context` tokens, one of each document in turn, until `budget` tokens are taken.
///
/// A document that is left gives its next run in the next turn, so that a few long documents do not
/// take the place of many. Runs with nothing to predict are left out.
pub fn pieces_of(corpus: &Corpus, context: usize, budget: usize) -> Vec<Piece> {
    let (mut pieces, mut taken, mut turn) = (Vec::new(), 0, 0);
    loop {
        let before = pieces.len();
        for (document, d) in corpus.documents.iter().enumerate() {
            let start = turn * context;
            if taken >= budget || start + 1 >= d.tokens.len() {
                continue;
            }
            let range = start..(start + context.min(budget - taken)).min(d.tokens.len());
            taken += range.len();
            pieces.push(Piece { document, range });
        }
        if pieces.len() == before {
            return pieces;
        }
        turn += 1;
    }
}

/// A batch of held-out runs: one bucket, nothing is credited to it.
pub fn pricing_batch(corpus: &Corpus, pieces: &[Piece]) -> Batch {
    let mut batch = Batch::default();
    for piece in pieces {
        let document = &corpus.documents[piece.document];
        let targets = piece.range.clone().map(|i| document.target(i));
        batch.push(0, piece.document as u32, &document.tokens[piece.range.clone()], targets, 0..piece.range.len() as u32);
    }
    batch
}

/// Held-out runs in passes of at most `rows` times `context` positions; 0 rows for one pass.
pub fn pricing_passes(corpus: &Corpus, pieces: &[Piece], context: usize, rows: usize) -> Vec<Batch> {
    passes(pieces, context, rows).into_iter().map(|p| pricing_batch(corpus, p)).collect()
}
