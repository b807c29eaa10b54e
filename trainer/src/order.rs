//! Which tokens a step sees: a pure function of (seed, step, shares in force), blind to contributor and bucket.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use corpus::random::SplitMix64;
use sha2::{Digest, Sha256};

use crate::batch::{Batch, Corpus, Piece, passes};
use crate::error::TrainError;

/// How often groups' documents are seen from a step on.
///
/// Groups are what the operator made before anybody trained, never accounts: an account that is split stays in its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    /// The first step that they hold for.
    pub from_step: u64,
    /// Of each group, how often its documents are in a pass over the corpus, on average, in millionths; 0 leaves them out.
    pub ppm: Vec<u64>,
}

impl Shares {
    /// Those of `all`, ascending, that are in force at `step`.
    pub fn at(all: &[Shares], step: u64) -> Option<&Shares> {
        all[..all.partition_point(|w| w.from_step <= step)].last()
    }
}

/// The order of all steps: documents by a hash of seed, pass and key, laid end to end and cut into rows, and the rows shuffled.
///
/// So a step sees pieces of many documents, and those of a contributor are spread over the whole pass.
///
/// With sampling shares a document is in a pass as often as its group's share says: the whole part of it, and once more where a hash of
/// seed, pass and key, as a number below 1, is below the rest. New shares begin a new pass, in an order of its own.
pub struct Order<'a> {
    corpus: &'a Corpus,
    seed: [u8; 32],
    context: usize,
    rows_per_step: usize,
    total: usize,
    known: Mutex<Known>,
}

/// The shares' first step, the shares, and the pass' own number.
type Key = (u64, Vec<u64>, u64);

/// What was laid out before.
#[derive(Default)]
struct Known {
    passes: BTreeMap<Key, Arc<Pass>>,
    /// Rows of every pass so far, so that those before a step's are not laid out again for it.
    rows: BTreeMap<Key, u64>,
}

/// A pass over the corpus: documents with the position of their first token, and all tokens.
struct Pass {
    order: Vec<(usize, usize)>,
    tokens: usize,
    /// Which row comes when.
    rows: Vec<u32>,
}

/// Millionths of a share of 1.
pub(crate) const WHOLE: u64 = 1_000_000;

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
        Ok(Order { corpus, seed, context, rows_per_step, total, known: Mutex::default() })
    }

    /// Checks shares before they are used.
    ///
    /// # Errors
    /// [`TrainError::Config`] if they are not ascending by step, of fewer groups than the corpus has, or leave nothing to train on, or
    /// draw far more tokens than the corpus has.
    pub fn check(&self, shares: &[Shares]) -> Result<(), TrainError> {
        let groups = self.corpus.group_tokens();
        for w in shares {
            if w.ppm.len() < groups.len() {
                return Err(TrainError::Config(format!("sampling shares of {} groups, expected {}", w.ppm.len(), groups.len())));
            }
            if w.ppm.iter().zip(&groups).all(|(w, tokens)| *w == 0 || *tokens == 0) {
                return Err(TrainError::Config(format!("sampling shares from step {}: they leave no document to train on", w.from_step)));
            }
            // Rules scale shares to a mean of 1; what is far above that would make a pass of any length.
            let drawn: u128 = w.ppm.iter().zip(&groups).map(|(w, tokens)| u128::from(*w) * u128::from(*tokens)).sum();
            if drawn > 2 * u128::from(WHOLE) * self.total as u128 {
                return Err(TrainError::Config(format!("sampling shares from step {}: their mean is above 2, expected 1", w.from_step)));
            }
        }
        if shares.windows(2).any(|w| w[0].from_step >= w[1].from_step) {
            return Err(TrainError::Config("sampling shares: expected ascending first steps".into()));
        }
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

    /// Rows of a pass.
    fn rows(&self, number: u64, shares: Option<&Shares>) -> u64 {
        let known = self.known.lock().expect("no thread panicked").rows.get(&key(number, shares)).copied();
        known.unwrap_or_else(|| self.pass(number, shares).rows.len() as u64)
    }

    fn pass(&self, number: u64, shares: Option<&Shares>) -> Arc<Pass> {
        let mut known = self.known.lock().expect("no thread panicked");
        let key = key(number, shares);
        let from_step = key.0;
        if let Some(pass) = known.passes.get(&key) {
            return pass.clone();
        }
        // Shares from a later step have passes of their own: otherwise the documents that come first in a pass would be
        // seen after every change, and the last ones never.
        let seed: [u8; 32] = match from_step {
            0 => self.seed,
            from => {
                Sha256::new().chain_update(b"assay weights v1").chain_update(self.seed).chain_update(from.to_le_bytes()).finalize().into()
            }
        };
        let mut order: Vec<([u8; 32], usize)> = Vec::new();
        for (i, document) in self.corpus.documents.iter().enumerate() {
            let hash = |copy: Option<u64>| -> [u8; 32] {
                let hash = Sha256::new().chain_update(seed).chain_update(number.to_le_bytes()).chain_update(document.key);
                copy.map_or(hash.clone(), |c| hash.chain_update(c.to_le_bytes())).finalize().into()
            };
            let first = hash(None);
            let ppm = shares.map_or(WHOLE, |w| w.ppm[document.group]);
            // The hash orders by its first bytes, so the sample takes its last.
            let sample = u64::from_le_bytes(first[24..].try_into().expect("eight bytes")) % WHOLE;
            let copies = ppm / WHOLE + u64::from(sample < ppm % WHOLE);
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
        let start = Sha256::new().chain_update(b"rows").chain_update(seed).chain_update(number.to_le_bytes()).finalize();
        shuffle(&mut rows, u64::from_le_bytes(start[..8].try_into().expect("eight bytes")));
        let pass = Arc::new(Pass { order, tokens: at, rows });
        known.rows.insert(key.clone(), pass.rows.len() as u64);
        if known.passes.len() >= KNOWN {
            known.passes.pop_first();
        }
        known.passes.insert(key, pass.clone());
        pass
    }

    /// The pieces of `step`, row by row, under the shares that were given so far.
    pub fn step(&self, step: u64, shares: &[Shares]) -> Vec<Piece> {
        let shares = Shares::at(shares, step);
        let since = step - shares.map_or(0, |w| w.from_step);
        let mut row = since * self.rows_per_step as u64;
        let mut left = self.rows_per_step;
        let mut pieces = Vec::new();
        let mut number = 0;
        // Without shares every pass has the same number of rows.
        if shares.is_none() {
            (number, row) = (row / self.rows_per_epoch() as u64, row % self.rows_per_epoch() as u64);
        }
        let mut empty = 0;
        while left > 0 {
            let rows = self.rows(number, shares);
            // With small shares a pass may sample nobody; the next will.
            empty = if rows == 0 { empty + 1 } else { 0 };
            assert!(empty < 1_000_000, "order: shares so small that no pass samples a document");
            if row >= rows {
                row -= rows;
                number += 1;
                continue;
            }
            let pass = self.pass(number, shares);
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
    pub fn batches(&self, step: u64, shares: &[Shares], rows: usize) -> Vec<Batch> {
        passes(&self.step(step, shares), self.context, rows).into_iter().map(|p| Batch::new(self.corpus, p)).collect()
    }
}

fn key(number: u64, shares: Option<&Shares>) -> Key {
    (shares.map_or(0, |w| w.from_step), shares.map_or_else(Vec::new, |w| w.ppm.clone()), number)
}

/// Puts `rows` into an order that `state` gives.
///
/// Source: Durstenfeld 1964; numbers from SplitMix64.
fn shuffle(rows: &mut [u32], state: u64) {
    let mut random = SplitMix64(state);
    for i in (1..rows.len()).rev() {
        // The bias of a 64-bit number modulo a row count is below 2^-32.
        rows.swap(i, random.below(i as u64 + 1) as usize);
    }
}
