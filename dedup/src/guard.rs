//! The held-out guard: how much of a document is in the pool of targets, by n-grams of 13 words.
//!
//! Source for 13 words: Brown et al. 2020, <https://arxiv.org/abs/2005.14165>, appendix C.

use std::collections::HashSet;

use crate::signature::{Key, constants, hash_window};

const WORDS: usize = 13;

/// The n-grams of a pool.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    grams: HashSet<u64>,
    seed: u64,
    multiplier: u64,
}

impl Guard {
    /// The guard of a pool's word streams.
    pub fn new<'a>(pool: impl IntoIterator<Item = &'a [u32]>, key: &Key) -> Guard {
        let (seed, multiplier) = constants(key);
        // Another seed than the shingles': equal windows of different widths are different things.
        let mut guard = Guard { grams: HashSet::new(), seed: !seed, multiplier };
        for words in pool {
            let grams: Vec<u64> = guard.grams_of(words).collect();
            guard.grams.extend(grams);
        }
        guard
    }

    fn grams_of<'a>(&'a self, words: &'a [u32]) -> impl Iterator<Item = u64> + 'a {
        // A shorter document is one n-gram, which only an equally short one in the pool matches.
        let width = if words.is_empty() { 1 } else { WORDS.min(words.len()) };
        words.windows(width).map(|w| hash_window(self.seed, self.multiplier, w))
    }

    /// N-grams of a document that are in the pool, and all of its n-grams.
    pub fn hits(&self, words: &[u32]) -> (u64, u64) {
        self.grams_of(words).fold((0, 0), |(hits, all), gram| (hits + u64::from(self.grams.contains(&gram)), all + 1))
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
    }
}
