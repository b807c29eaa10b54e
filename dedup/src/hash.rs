//! Keyed hashing of words, shingles and slots: wrapping 64-bit arithmetic alone, so that every path gives the same bytes.

use kernels::dedup::signature::{MIX_FACTORS, MIX_SHIFT, ROTATION, SHINGLE};
use kernels::vectorised;

/// What the hash constants derive from; secret until the epoch is settled, so that nobody can search for edits
/// that slip through.
pub type Key = [u8; 32];

/// The finalizer of MurmurHash3 with 64 bits (Appleby 2011).
#[inline(always)]
pub const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> MIX_SHIFT)).wrapping_mul(MIX_FACTORS[0]);
    x = (x ^ (x >> MIX_SHIFT)).wrapping_mul(MIX_FACTORS[1]);
    x ^ (x >> MIX_SHIFT)
}

/// Both halves of the 128-bit product, xored.
#[inline(always)]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The lowest bits of 64 bytes that are 0 or 1.
#[inline(always)]
pub(crate) fn bits(flags: &[u8; 64]) -> u64 {
    // Eight at a time: the product brings each byte's lowest bit to the top byte.
    flags
        .as_chunks::<8>()
        .0
        .iter()
        .enumerate()
        .fold(0, |mask, (i, eight)| mask | (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i))
}

/// One word more.
#[inline(always)]
fn step(h: u64, word: u32, multiplier: u64) -> u64 {
    (h ^ u64::from(word)).wrapping_mul(multiplier).rotate_left(ROTATION)
}

/// A keyed hash of a run of words.
#[inline(always)]
pub(crate) fn hash_run(seed: u64, multiplier: u64, run: &[u32]) -> u64 {
    mix(run.iter().fold(seed, |h, &w| step(h, w, multiplier)))
}

/// The constants that a key gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constants {
    /// What every hash begins with.
    pub seed: u64,
    /// Odd.
    pub multiplier: u64,
}

impl Constants {
    /// From the key's four little-endian words.
    pub fn new(key: &Key) -> Constants {
        let word = |i: usize| u64::from_le_bytes(key[8 * i..8 * i + 8].try_into().expect("eight bytes"));
        Constants { seed: word(0) ^ mix(word(2)), multiplier: (word(1) ^ mix(word(3))) | 1 }
    }

    /// Calls `each` with the hashes of all shingles of a stream, in order and with repetitions, in pieces.
    ///
    /// A stream of fewer than five words is one shingle; an empty one has none.
    #[inline]
    pub fn shingles(&self, words: &[u32], mut each: impl FnMut(&[u64])) {
        if words.len() < SHINGLE {
            if !words.is_empty() {
                each(&[hash_run(self.seed, self.multiplier, words)]);
            }
            return;
        }
        let mut hashes = [0u64; 256];
        let shingles = words.len() - (SHINGLE - 1);
        for begin in (0..shingles).step_by(hashes.len()) {
            let n = hashes.len().min(shingles - begin);
            hash_shingles(&words[begin..begin + n + SHINGLE - 1], self.seed, self.multiplier, &mut hashes[..n]);
            each(&hashes[..n]);
        }
    }
}

vectorised! {
    /// Hashes of the shingles of five words; `words` has four more than `hashes`.
    fn hash_shingles(words: &[u32], seed: u64, multiplier: u64, hashes: &mut [u64]) {
        let n = hashes.len();
        let shingles = words[..n].iter().zip(&words[1..n + 1]).zip(&words[2..n + 2]).zip(&words[3..n + 3]).zip(&words[4..n + 4]);
        for (hash, ((((a, b), c), d), e)) in hashes.iter_mut().zip(shingles) {
            let h = step(step(seed, *a, multiplier), *b, multiplier);
            *hash = mix(step(step(step(h, *c, multiplier), *d, multiplier), *e, multiplier));
        }
    }
}

vectorised! {
    /// A keyed hash of each word by itself.
    pub(crate) fn hash_words(words: &[u32], seed: u64, hashes: &mut [u64]) {
        for (hash, word) in hashes.iter_mut().zip(words) {
            *hash = mix(seed ^ u64::from(*word));
        }
    }
}
