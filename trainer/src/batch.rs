//! Documents, and pieces of them laid out for the engine.

use std::ops::Range;

use kernels::Segment;

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
    /// Its group: what it is weighted with, never its account.
    pub group: usize,
    /// Which tokens are learned, as ascending ranges; none means all. The others are read as context only.
    pub learned: Option<Vec<Range<usize>>>,
}

impl Document {
    /// A document whose tokens from `first` on are learned, or all of them; its bucket and its group are 0.
    pub fn answering(tokens: Vec<u32>, key: [u8; 32], first: Option<u32>) -> Document {
        let learned = first.map(|first| std::iter::once(first as usize..tokens.len()).collect());
        Document { tokens, key, bucket: 0, group: 0, learned }
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

    /// Tokens of each group, up to the last that has a document.
    pub fn group_tokens(&self) -> Vec<u64> {
        let mut tokens = Vec::new();
        for d in &self.documents {
            if tokens.len() <= d.group {
                tokens.resize(d.group + 1, 0);
            }
            tokens[d.group] += d.tokens.len() as u64;
        }
        tokens
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
