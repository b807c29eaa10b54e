//! The size of a batch, and the offsets that a caller may give.

use super::signature::SHINGLE;

/// Words from which a document gets a block rather than a warp.
const LONG_WORDS: usize = 16 << 10;

/// Largest sizes of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) words: usize,
    pub(super) documents: usize,
    pub(super) pairs: usize,
    pub(super) scratch_entries: u64,
    pub(super) long_words: usize,
}

impl Limits {
    pub(super) fn new(words: usize) -> Limits {
        let items = (words / 64).max(1);
        // Two tables of at most 3n entries each, rarely both so large: four entries a word.
        Limits {
            words,
            documents: items,
            pairs: items,
            scratch_entries: 4 * words as u64,
            long_words: LONG_WORDS.min(words / 8).max(SHINGLE),
        }
    }
}

/// The number of documents.
///
/// # Panics
/// If the offsets are not ascending positions in the words, or a document has 2^31 words or more.
pub(super) fn check_offsets(words: &[u32], offsets: &[u64]) -> usize {
    assert!(!offsets.is_empty(), "offsets hold one more than there are documents");
    assert!(offsets[offsets.len() - 1] <= words.len() as u64, "offsets end behind the words");
    assert!(offsets.windows(2).all(|pair| pair[0] <= pair[1] && pair[1] - pair[0] < 1 << 31), "offsets ascend by less than 2^31");
    offsets.len() - 1
}

/// The number that every hash begins with, and the odd one that it is multiplied with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) seed: u64,
    pub(super) mult: u64,
}
