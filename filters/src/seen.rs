//! Which things of a list were there before: hashed to be found, compared to be sure.

use std::hash::{BuildHasher, RandomState};

/// Places of different things, by their hashes: open addressing, at most a quarter full.
///
/// Hashes are keyed anew each time, so that no text can be made to fill one corner of the table. What is found does not depend on the key,
/// since things with the same hash are compared.
pub(super) struct Seen {
    /// Lower half of a hash, and one more than the place.
    slots: Vec<(u32, u32)>,
    shift: u32,
    key: u64,
}

impl Seen {
    /// A table without room.
    pub(super) fn new() -> Seen {
        Seen { slots: Vec::new(), shift: 0, key: RandomState::new().hash_one(0) }
    }

    /// Forgets everything and makes room for `count` things.
    pub(super) fn clear(&mut self, count: usize) {
        let bits = (4 * count.max(8)).next_power_of_two().trailing_zeros();
        self.slots.clear();
        self.slots.resize(1 << bits, (0, 0));
        self.shift = 64 - bits;
    }

    /// The first place with the same thing as at `place`, which is remembered if there is none before.
    ///
    /// `same` compares with an earlier place.
    pub(super) fn first(&mut self, place: usize, hash: u64, same: impl Fn(usize) -> bool) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = (hash >> self.shift) as usize;
        loop {
            match self.slots[slot] {
                (_, 0) => {
                    self.slots[slot] = (hash as u32, place as u32 + 1);
                    return place;
                }
                (half, there) if half == hash as u32 && same(there as usize - 1) => return there as usize - 1,
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// Hash of a number.
    pub(super) fn hash(&self, number: u64) -> u64 {
        mix(number ^ self.key, SPREAD)
    }

    /// Hash of bytes: of pieces of sixteen, the last of which may begin within the one before.
    pub(super) fn hash_bytes(&self, bytes: &[u8]) -> u64 {
        let key = self.key ^ bytes.len() as u64;
        if bytes.len() < 16 {
            let (low, high) = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
                (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
                _ => match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
                    (Some(first), Some(last)) => (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last))),
                    _ => (bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
                },
            };
            return mix(low ^ key, high ^ SPREAD);
        }
        let (pieces, _) = bytes.as_chunks::<16>();
        let last = bytes.last_chunk::<16>();
        let mut hash = key;
        for piece in pieces.iter().chain(last) {
            let both = u128::from_le_bytes(*piece);
            hash = hash.rotate_left(23) ^ mix(both as u64 ^ key, (both >> 64) as u64 ^ SPREAD);
        }
        mix(hash, SPREAD)
    }
}

/// The golden ratio's bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The halves of a product, folded.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_place_of_a_thing_is_found() {
        let things: Vec<String> = (0..500).map(|i| format!("{:width$}", i * 7 % 100, width = i % 5 + 2)).collect();
        let mut seen = Seen::new();
        for _ in 0..2 {
            seen.clear(things.len());
            for (place, thing) in things.iter().enumerate() {
                let hash = seen.hash_bytes(thing.as_bytes());
                let expected = things.iter().position(|t| t == thing);
                assert_eq!(Some(seen.first(place, hash, |before| things[before] == *thing)), expected);
            }
        }
    }

    #[test]
    fn things_with_one_hash_are_told_apart() {
        let mut seen = Seen::new();
        seen.clear(100);
        let first: Vec<usize> = (0..100).map(|place| seen.first(place, 7, |before| before % 10 == place % 10)).collect();
        assert_eq!(first, (0..100).map(|place| place % 10).collect::<Vec<_>>());
    }
}
