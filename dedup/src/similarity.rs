//! Exact Jaccard similarity of two documents' sets of shingles.

use corpus::Threshold;

use crate::hash::Constants;

/// Sizes of intersection and union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Shingles in both.
    pub intersection: u64,
    /// Shingles in either.
    pub union: u64,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    hash: u64,
    /// The set that the slot belongs to; any other number means empty.
    set: u32,
    /// The last comparison that met it.
    met: u32,
}

/// A set of hashes in open addressing; emptied by counting on.
#[derive(Default)]
struct HashSet {
    slots: Vec<Slot>,
    shift: u32,
    set: u32,
    len: usize,
}

impl HashSet {
    /// Empties the set and makes room for `most` members at half load.
    fn clear(&mut self, most: usize) {
        let slots = (2 * most).next_power_of_two().max(16);
        if slots > self.slots.len() || self.set == u32::MAX {
            self.slots.clear();
            self.slots.resize(slots, Slot::default());
            self.set = 0;
        }
        // The whole table is not used for a small set, so that it stays in the nearest cache.
        self.shift = 64 - slots.trailing_zeros();
        self.set += 1;
        self.len = 0;
    }

    /// The slot of a hash, or the empty one where it would be.
    #[inline]
    fn find(&mut self, hash: u64) -> (&mut Slot, bool) {
        let mask = (1usize << (64 - self.shift)) - 1;
        let mut at = (hash >> self.shift) as usize;
        loop {
            let slot = &self.slots[at & mask];
            if slot.set != self.set || slot.hash == hash {
                let is_there = slot.set == self.set;
                return (&mut self.slots[at & mask], is_there);
            }
            at += 1;
        }
    }

    #[inline]
    fn insert(&mut self, hash: u64) {
        let set = self.set;
        let (slot, is_there) = self.find(hash);
        if !is_there {
            *slot = Slot { hash, set, met: 0 };
            self.len += 1;
        }
    }
}

/// Compares one document with others: its set is made once.
#[derive(Default)]
pub struct Comparer {
    own: HashSet,
    /// Shingles of the other that the own set does not have.
    missed: HashSet,
    comparison: u32,
}

impl Comparer {
    /// Takes the document that is compared.
    pub fn begin(&mut self, words: &[u32], constants: &Constants) {
        self.own.clear(words.len());
        constants.shingles(words, |hashes| hashes.iter().for_each(|h| self.own.insert(*h)));
        self.comparison = 0;
    }

    /// The overlap with another document if it reaches the threshold.
    pub fn compare(&mut self, other: &[u32], constants: &Constants, threshold: &Threshold) -> Option<Overlap> {
        self.missed.clear(other.len());
        self.comparison += 1;
        let (own_len, comparison) = (self.own.len as u64, self.comparison);
        let (mut intersection, mut hopeless) = (0u64, false);
        constants.shingles(other, |hashes| {
            if hopeless {
                return;
            }
            for hash in hashes {
                let (slot, is_there) = self.own.find(*hash);
                if !is_there {
                    self.missed.insert(*hash);
                } else if slot.met != comparison {
                    slot.met = comparison;
                    intersection += 1;
                }
            }
            // The intersection is at most the own set, the union has at least what was missed besides.
            hopeless = !threshold.reached(own_len, own_len + self.missed.len as u64);
        });
        let overlap = Overlap { intersection, union: own_len + self.missed.len as u64 };
        (!hopeless && threshold.reached(overlap.intersection, overlap.union)).then_some(overlap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;
    use std::collections::BTreeSet;

    #[test]
    fn overlaps_are_those_of_sets() {
        let constants = Constants::new(&[5; 32]);
        let mut comparer = Comparer::default();
        let everything = Threshold { numerator: 0, denominator: 1 };
        for seed in 0..200u64 {
            let stream = |salt: u64, n: u64| -> Vec<u32> { (0..n).map(|i| (mix(seed ^ (salt << 40) ^ (i << 8)) % 7) as u32).collect() };
            let a = stream(1, 1 + seed * 7 % 900);
            let b = if seed % 3 == 0 { [&a[a.len() / 5..], &stream(2, 30)].concat() } else { stream(2, 1 + seed * 13 % 700) };
            let set = |w: &[u32]| -> BTreeSet<Vec<u32>> {
                if w.len() < 5 { BTreeSet::from([w.to_vec()]) } else { w.windows(5).map(<[u32]>::to_vec).collect() }
            };
            let (x, y) = (set(&a), set(&b));
            let expected = Overlap { intersection: x.intersection(&y).count() as u64, union: x.union(&y).count() as u64 };
            comparer.begin(&a, &constants);
            for _ in 0..2 {
                assert_eq!(comparer.compare(&b, &constants, &everything), Some(expected), "seed {seed}");
                let found = comparer.compare(&b, &constants, &Threshold::default());
                assert_eq!(found, (5 * expected.intersection >= 4 * expected.union).then_some(expected));
            }
        }
    }
}
