//! What draws decide about a run: which windows are computed again.

use corpus::Digest;

/// Of the windows `[from, to)`, the one that a drawn seed names.
pub fn drawn_window(seed: &Digest, from: u64, to: u64) -> u64 {
    let number = u64::from_be_bytes(seed.0[..8].try_into().expect("eight bytes"));
    from + number % (to - from).max(1)
}

/// Which of `intervals` intervals are replayed when `count` are asked for: the first in the order of a hash of the last draw.
pub fn drawn_intervals(seed: &Digest, intervals: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..intervals).collect();
    order.sort_by_key(|&i| Digest::of_parts(&[b"assay replay draw v1", &seed.0, &(i as u64).to_be_bytes()]));
    order.truncate(count);
    order.sort_unstable();
    order
}
