//! One-permutation MinHash with fast densification: one update a shingle, 112 slots, 14 bands of 8.
//!
//! Sources: Li, Owen and Zhang 2012 (one permutation hashing), <https://arxiv.org/abs/1208.1259>; Mai et al. 2020,
//! "On densification for minwise hashing" (fast densification), algorithm 2.

/// Slots of a signature.
pub const SLOTS: usize = 112;
/// Bands.
pub const BANDS: usize = 14;
/// Words of a shingle.
const SHINGLE: usize = 5;
const ROWS: usize = SLOTS / BANDS;

/// What the hash constants derive from; secret until the epoch is settled, so that nobody can search for edits
/// that slip through.
pub type Key = [u8; 32];

/// The finalizer of MurmurHash3 with 64 bits (Appleby 2011).
#[inline]
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// A keyed hash of a window of words.
#[inline]
pub(crate) fn hash_window(seed: u64, multiplier: u64, window: &[u32]) -> u64 {
    let h = window.iter().fold(seed, |h, &w| (h ^ u64::from(w)).wrapping_mul(multiplier).rotate_left(29));
    mix(h)
}

/// Seed and odd multiplier from a key.
pub(crate) fn constants(key: &Key) -> (u64, u64) {
    let word = |i: usize| u64::from_le_bytes(key[8 * i..8 * i + 8].try_into().expect("eight bytes"));
    (word(0) ^ mix(word(2)), (word(1) ^ mix(word(3))) | 1)
}

/// The distinct shingle hashes of a word stream, ascending; a document of fewer than five words is one shingle.
pub fn shingles(words: &[u32], key: &Key) -> Vec<u64> {
    let (seed, multiplier) = constants(key);
    let mut hashes: Vec<u64> = if words.len() < SHINGLE {
        if words.is_empty() { Vec::new() } else { vec![hash_window(seed, multiplier, words)] }
    } else {
        words.windows(SHINGLE).map(|w| hash_window(seed, multiplier, w)).collect()
    };
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

/// A document's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    slots: [u32; SLOTS],
}

impl Signature {
    /// The signature of a set of shingles that is not empty.
    ///
    /// # Panics
    /// If there are no shingles.
    pub fn of(shingles: &[u64]) -> Signature {
        assert!(!shingles.is_empty(), "signature of an empty set");
        let mut slots = [u32::MAX; SLOTS];
        let mut filled = [false; SLOTS];
        for &hash in shingles {
            // The high half chooses the slot, the low half is the value.
            let slot = (((hash >> 32) * SLOTS as u64) >> 32) as usize;
            slots[slot] = slots[slot].min(hash as u32);
            filled[slot] = true;
        }
        let sources: Vec<usize> = (0..SLOTS).filter(|&i| filled[i]).collect();
        let mut empty = SLOTS - sources.len();
        let mut round = 1u64;
        // Filled slots throw their value at slots that a hash of slot and round picks, until none is empty.
        while empty > 0 {
            for &source in &sources {
                let target = (mix(((source as u64) << 32) | round) % SLOTS as u64) as usize;
                if !filled[target] {
                    slots[target] = slots[source];
                    filled[target] = true;
                    empty -= 1;
                }
            }
            round += 1;
        }
        Signature { slots }
    }

    /// The key of each band.
    pub fn bands(&self) -> [u64; BANDS] {
        std::array::from_fn(|b| hash_window(b as u64 + 1, 0x9e37_79b9_7f4a_7c15, &self.slots[b * ROWS..(b + 1) * ROWS]))
    }

    /// Slots that agree: `SLOTS` times an estimate of the Jaccard similarity.
    pub fn matches(&self, other: &Signature) -> usize {
        self.slots.iter().zip(&other.slots).filter(|(a, b)| a == b).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimate_is_unbiased_for_large_and_small_sets() {
        for (size, shared) in [(2000usize, 1800usize), (60, 50), (20, 18)] {
            let (mut sum, runs) = (0.0, 400u64);
            for run in 0..runs {
                let element = |i: usize| mix((run << 32) | (i as u64 + 1));
                let a: Vec<u64> = (0..size).map(element).collect();
                let b: Vec<u64> = (size - shared..2 * size - shared).map(element).collect();
                sum += Signature::of(&a).matches(&Signature::of(&b)) as f64 / SLOTS as f64;
            }
            let jaccard = shared as f64 / (2 * size - shared) as f64;
            let found = sum / runs as f64;
            assert!((found - jaccard).abs() < 0.02, "{size} {shared}: {found} for {jaccard}");
        }
    }

    #[test]
    fn known_answers() {
        let words: Vec<u32> = (0..40).collect();
        let shingles = shingles(&words, &[7; 32]);
        assert_eq!(shingles.len(), 36);
        let signature = Signature::of(&shingles);
        let digest = signature.slots.iter().fold(0u64, |h, &s| mix(h ^ u64::from(s)));
        assert_eq!(
            (shingles[0], signature.bands()[0], digest),
            (615_591_325_361_566_075, 13_970_787_055_668_156_540, 960_281_807_156_239_635)
        );
    }
}
