//! Who has a bucket alone, and who shares one.

use sha2::{Digest, Sha256};

/// The bucket of each contributor, given a key and the number of tokens of each.
///
/// With at most `most` contributors each has its own, in their order. With more, those with the most tokens keep
/// one each in half of the buckets, and the others are dealt to the other half in the order of a hash of seed and key:
/// chosen anew for each run, so that nobody chooses its company.
pub fn assign(contributors: &[(&[u8], u64)], most: usize, seed: &[u8; 32]) -> Vec<usize> {
    if contributors.len() <= most {
        return (0..contributors.len()).collect();
    }
    let alone = most / 2;
    let rank = |i: usize| Sha256::new().chain_update(b"assay buckets v1").chain_update(seed).chain_update(contributors[i].0).finalize();
    let mut order: Vec<usize> = (0..contributors.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(contributors[i].1), rank(i)));
    order[alone..].sort_by_key(|&i| rank(i));
    let mut buckets = vec![0; contributors.len()];
    for (place, i) in order.into_iter().enumerate() {
        buckets[i] = if place < alone { place } else { alone + (place - alone) % (most - alone) };
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_alone_and_the_others_are_drawn() {
        let keys: Vec<[u8; 2]> = (0..100u16).map(u16::to_be_bytes).collect();
        let contributors: Vec<(&[u8], u64)> = keys.iter().zip(0..).map(|(k, i)| (&k[..], i * 10)).collect();
        let buckets = assign(&contributors, 8, &[1; 32]);
        let members = |b: usize| buckets.iter().filter(|x| **x == b).count();
        assert_eq!((0..8).map(members).collect::<Vec<_>>(), [1, 1, 1, 1, 24, 24, 24, 24]);
        assert!(buckets[96..].iter().all(|b| *b < 4));
        assert_ne!(assign(&contributors, 8, &[2; 32]), buckets);
        assert_eq!(assign(&contributors[..8], 8, &[1; 32]), (0..8).collect::<Vec<_>>());
        assert_eq!(assign(&contributors[..3], 1, &[1; 32]), [0, 0, 0]);
    }
}
