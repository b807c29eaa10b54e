//! The procedure of near-duplicate removal, one step after the other, for the tests and the benchmark.

use std::collections::BTreeSet;

use kernels::dedup::signature::{BANDS, SLOTS};

pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

fn hash_run(seed: u64, mult: u64, words: &[u32]) -> u64 {
    mix(words.iter().fold(seed, |h, &w| (h ^ u64::from(w)).wrapping_mul(mult).rotate_left(29)))
}

fn shingles(words: &[u32], seed: u64, mult: u64) -> Vec<u64> {
    match words.len() {
        0 => Vec::new(),
        1..=4 => vec![hash_run(seed, mult, words)],
        _ => words.windows(5).map(|shingle| hash_run(seed, mult, shingle)).collect(),
    }
}

pub fn sign(words: &[u32], seed: u64, mult: u64) -> ([u32; SLOTS], [u64; BANDS]) {
    let mut slots = [u32::MAX; SLOTS];
    if words.is_empty() {
        return (slots, [u64::MAX; BANDS]);
    }
    for hash in shingles(words, seed, mult) {
        let slot = (((hash >> 32) * 112) >> 32) as usize;
        slots[slot] = slots[slot].min(hash as u32 >> 1);
    }
    let filled: Vec<usize> = (0..SLOTS).filter(|&slot| slots[slot] != u32::MAX).collect();
    let mut round = 1;
    while slots.contains(&u32::MAX) {
        for &source in &filled {
            let target = (mix(((source as u64) << 32) | round) % 112) as usize;
            if slots[target] == u32::MAX {
                slots[target] = slots[source];
            }
        }
        round += 1;
    }
    let keys = std::array::from_fn(|b| hash_run(b as u64 + 1, 0x9e37_79b9_7f4a_7c15, &slots[8 * b..8 * b + 8]) >> 16);
    (slots, keys)
}

pub fn verify(a: &[u32], b: &[u32], seed: u64, mult: u64) -> [u32; 3] {
    let set = |words| shingles(words, seed, mult).into_iter().collect::<BTreeSet<u64>>();
    let (a, b) = (set(a), set(b));
    [a.len() as u32, b.len() as u32, a.intersection(&b).count() as u32]
}
