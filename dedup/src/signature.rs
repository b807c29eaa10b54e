//! One-permutation MinHash with fast densification: one update a shingle, 112 slots, 14 bands of 8.
//!
//! Sources: Li, Owen and Zhang 2012 (one permutation hashing), <https://arxiv.org/abs/1208.1259>; Mai et al. 2020,
//! "On densification for minwise hashing" (fast densification), algorithm 2.

use std::sync::OnceLock;

use kernels::dedup::signature::{BAND_MULTIPLIER, EMPTY, KEY_BITS};
pub use kernels::dedup::signature::{BANDS, ROWS, SLOTS};
use kernels::vectorised;

use crate::hash::{Constants, hash_run, mix};

/// Slots that each refinement of a heavy band adds to its key.
pub(crate) const REFINE: usize = 4;
/// Refinements until a key covers every slot.
pub(crate) const LEVELS: usize = (SLOTS - ROWS) / REFINE;

/// Rounds of densification that the table of throws holds.
const ROUNDS: usize = 64;

/// The signature of a word stream under one key, or nothing if it has no words.
pub fn sign(words: &[u32], constants: &Constants) -> Option<[u32; SLOTS]> {
    if words.is_empty() {
        return None;
    }
    // 128, so that no index needs a check.
    let mut slots = [EMPTY; 128];
    constants.shingles(words, |hashes| {
        for &hash in hashes {
            // The high half chooses the slot, the low half is the value.
            let slot = ((hash >> 32) * SLOTS as u64) >> 32;
            let slot = &mut slots[slot as usize & 127];
            *slot = (*slot).min((hash as u32) >> 1);
        }
    });
    let mut slots: [u32; SLOTS] = slots[..SLOTS].try_into().expect("as many");
    densify(&mut slots);
    Some(slots)
}

/// Where slot `source` throws its value in a round.
const fn target(source: usize, round: usize) -> usize {
    (mix(((source as u64) << 32) | round as u64) % SLOTS as u64) as usize
}

/// For each slot, the slots that throw at it, in the order of rounds and then of slots.
fn throws() -> &'static [Vec<u8>; SLOTS] {
    static THROWS: OnceLock<[Vec<u8>; SLOTS]> = OnceLock::new();
    THROWS.get_or_init(|| {
        let mut throws = [const { Vec::new() }; SLOTS];
        for round in 1..=ROUNDS {
            for source in 0..SLOTS {
                throws[target(source, round)].push(source as u8);
            }
        }
        throws
    })
}

/// Fills empty slots: in rounds, each filled slot throws its value at a slot that a hash of slot and round picks.
///
/// An empty slot takes the first value that is thrown at it, so it asks who throws at it rather than all throwing.
fn densify(slots: &mut [u32; SLOTS]) {
    let filled = *slots;
    let throws = throws();
    for (t, slot) in slots.iter_mut().enumerate() {
        if *slot != EMPTY {
            continue;
        }
        *slot = match throws[t].iter().find(|s| filled[**s as usize] != EMPTY) {
            Some(s) => filled[*s as usize],
            // Few filled slots and bad luck: the rounds that the table leaves out.
            None => (ROUNDS + 1..)
                .flat_map(|round| (0..SLOTS).map(move |s| (round, s)))
                .find(|(round, s)| filled[*s] != EMPTY && target(*s, *round) == t)
                .map(|(_, s)| filled[s])
                .expect("a stream of words fills a slot"),
        };
    }
}

/// The 48-bit key of a band.
#[inline]
pub fn band_key(slots: &[u32], band: usize) -> u64 {
    hash_run(band as u64 + 1, BAND_MULTIPLIER, &slots[band * ROWS..(band + 1) * ROWS]) >> (64 - KEY_BITS)
}

/// The key of a heavy band's refinement: of the key before and of the next slots, cyclically.
///
/// `level` counts from 1 to [`LEVELS`].
pub(crate) fn refined_key(slots: &[u32], band: usize, level: usize, before: u64) -> u64 {
    let first = band * ROWS + ROWS + (level - 1) * REFINE;
    let next: [u32; REFINE] = std::array::from_fn(|i| slots[(first + i) % SLOTS]);
    hash_run(before, BAND_MULTIPLIER, &next) >> (64 - KEY_BITS)
}

vectorised! {
    /// Slots that agree: an estimate of the Jaccard similarity, times their number.
    pub fn matches(a: &[u32], b: &[u32]) -> u32 {
        a.iter().zip(b).map(|(a, b)| u32::from(a == b)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(set: &[u64]) -> [u32; SLOTS] {
        let mut slots = [EMPTY; SLOTS];
        for hash in set {
            let slot = &mut slots[(((hash >> 32) * SLOTS as u64) >> 32) as usize];
            *slot = (*slot).min((*hash as u32) >> 1);
        }
        densify(&mut slots);
        slots
    }

    /// The rule as the paper states it.
    fn thrown(mut slots: [u32; SLOTS]) -> [u32; SLOTS] {
        let sources: Vec<usize> = (0..SLOTS).filter(|&i| slots[i] != EMPTY).collect();
        let values = slots;
        for round in 1.. {
            if slots.iter().all(|s| *s != EMPTY) {
                break;
            }
            for &source in &sources {
                let t = target(source, round);
                if slots[t] == EMPTY {
                    slots[t] = values[source];
                }
            }
        }
        slots
    }

    #[test]
    fn asking_who_throws_is_throwing() {
        for filled in (1..SLOTS).step_by(3) {
            let mut slots = [EMPTY; SLOTS];
            for i in 0..filled {
                slots[(mix((filled * 1000 + i) as u64) % SLOTS as u64) as usize] = i as u32;
            }
            let mut asked = slots;
            densify(&mut asked);
            assert_eq!(asked, thrown(slots), "{filled} values");
        }
        // One slot alone, whichever.
        for only in 0..SLOTS {
            let mut slots = [EMPTY; SLOTS];
            slots[only] = 7;
            densify(&mut slots);
            assert_eq!(slots, [7; SLOTS]);
        }
    }

    /// From `tests/reference.py`.
    #[test]
    fn known_answer_of_a_refinement() {
        let slots = sign(&(0..400).collect::<Vec<u32>>(), &Constants::new(&[7; 32])).unwrap();
        let key = band_key(&slots, 0);
        assert_eq!((key, refined_key(&slots, 0, 1, key)), (86_338_404_823_935, 176_670_944_477_861));
        // The last one has the slots before the band's own.
        assert_eq!(refined_key(&slots, 1, LEVELS, 5), hash_run(5, BAND_MULTIPLIER, &slots[4..8]) >> 16);
    }

    #[test]
    fn estimate_is_unbiased_for_large_and_small_sets() {
        for (size, shared) in [(2000usize, 1800usize), (60, 50), (20, 18)] {
            let (mut sum, runs) = (0.0, 400u64);
            for run in 0..runs {
                let element = |i: usize| mix((run << 32) | (i as u64 + 1));
                let a: Vec<u64> = (0..size).map(element).collect();
                let b: Vec<u64> = (size - shared..2 * size - shared).map(element).collect();
                sum += f64::from(matches(&signature(&a), &signature(&b))) / SLOTS as f64;
            }
            let jaccard = shared as f64 / (2 * size - shared) as f64;
            let found = sum / runs as f64;
            assert!((found - jaccard).abs() < 0.02, "{size} {shared}: {found} for {jaccard}");
        }
    }
}
