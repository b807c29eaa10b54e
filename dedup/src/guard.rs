//! The held-out guard: how much of a document is in the pool of targets, by n-grams of 13 words.
//!
//! Source for 13 words: Brown et al. 2020, <https://arxiv.org/abs/2005.14165>, appendix C.

use rayon::prelude::*;

use crate::features::Features;
use crate::hash::{Constants, Key, hash_run};

const WORDS: usize = 13;

/// The n-grams of a pool.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Sorted.
    grams: Vec<u64>,
    /// One bit for each value of some bits of a hash: most n-grams are in no pool, and ask the list for nothing.
    filter: Vec<u64>,
    shift: u32,
    constants: Constants,
}

impl Guard {
    /// The guard of a pool's word streams.
    pub fn new<'a>(pool: impl IntoIterator<Item = &'a [u32]>, key: &Key) -> Guard {
        let Constants { seed, multiplier } = Constants::new(key);
        // Another seed than the shingles': equal runs of different widths are different things.
        let constants = Constants { seed: !seed, multiplier };
        let mut guard = Guard { grams: Vec::new(), filter: Vec::new(), shift: 0, constants };
        guard.grams = pool.into_iter().flat_map(|words| guard.grams_of(words).collect::<Vec<_>>()).collect();
        guard.grams.sort_unstable();
        guard.grams.dedup();
        let bits = (16 * guard.grams.len()).next_power_of_two().max(64);
        guard.shift = 64 - bits.trailing_zeros();
        guard.filter = vec![0; bits / 64];
        for gram in &guard.grams {
            let bit = (gram >> guard.shift) as usize;
            guard.filter[bit / 64] |= 1 << (bit % 64);
        }
        guard
    }

    fn grams_of<'a>(&self, words: &'a [u32]) -> impl Iterator<Item = u64> + use<'a> {
        let Constants { seed, multiplier } = self.constants;
        // A shorter document is one n-gram, which only an equally short one in the pool matches.
        let width = if words.is_empty() { 1 } else { WORDS.min(words.len()) };
        words.windows(width).map(move |w| hash_run(seed, multiplier, w))
    }

    fn has(&self, gram: u64) -> bool {
        let bit = (gram >> self.shift) as usize;
        self.filter[bit / 64] >> (bit % 64) & 1 == 1 && self.grams.binary_search(&gram).is_ok()
    }

    /// N-grams of a document that are in the pool, and all of its n-grams.
    pub fn hits(&self, words: &[u32]) -> (u64, u64) {
        self.grams_of(words).fold((0, 0), |(hits, all), gram| (hits + u64::from(self.has(gram)), all + 1))
    }

    /// [`Guard::hits`] of documents, in parallel.
    pub fn hits_of_all(&self, documents: &[Features]) -> Vec<(u64, u64)> {
        documents.par_iter().with_min_len(16).map(|f| self.hits(&f.words)).collect()
    }

    /// Whether a document with these counts is kept out: at least 20 % of its n-grams are in the pool. Any single
    /// hit would keep out a quarter of ordinary code.
    pub fn excludes(hits: u64, all: u64) -> bool {
        hits > 0 && 5 * hits >= all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::word_stream;

    #[test]
    fn contained_targets_are_hits_and_other_text_is_not() {
        let target: String = (0..100).map(|i| format!("target{i} ")).collect();
        let other: String = (0..100).map(|i| format!("other{i} ")).collect();
        let (t, o) = (word_stream(&target), word_stream(&other));
        let guard = Guard::new([t.as_slice(), &word_stream("only three words")], &[1; 32]);
        assert_eq!(guard.hits(&t), (88, 88));
        assert_eq!(guard.hits(&o), (0, 88));
        let (hits, all) = guard.hits(&word_stream(&format!("{other}{target}")));
        assert_eq!((hits, all), (88, 188));
        assert!(Guard::excludes(hits, all));
        assert_eq!(guard.hits(&word_stream("Only three, words.")), (1, 1));
        assert_eq!(guard.hits(&[]), (0, 0));
        assert!(!Guard::excludes(0, 0) && !Guard::excludes(1, 6) && Guard::excludes(1, 5));
        assert_eq!(Guard::new([], &[1; 32]).hits(&t), (0, 88));
    }
}
