//! Causal attention inside segments, forward and backward, and rotary positions.
//!
//! A segment is a run of one document, so the mask by document is the segment itself. Queries are taken
//! [`BLOCK`] at a time, so that nothing right of the diagonal block is computed, and the scores are
//! computed again on the way back from the saved log-sum-exp instead of being kept.
//!
//! Source: Dao et al. 2022, <https://arxiv.org/abs/2205.14135>, algorithms 1 and 4.

use rayon::prelude::*;

use super::loops::{LANES, View, exp_row, lane_dot, max_row, product, scale_row};
use super::real::Real;
use crate::simd::vectorised;
use crate::training::model::{Segment, Shape};

/// Queries whose scores are held at a time.
const BLOCK: usize = 64;

/// Rotates queries and keys of `qkv` in place.
pub(crate) fn rope<T: Real>(qkv: &mut [T], positions: &[u32], shape: Shape, base: f64, inverse: bool) {
    let (width, size) = (shape.qkv(), shape.head_size);
    let half = size / 2;
    let longest = positions.iter().copied().max().unwrap_or(0) as usize + 1;
    // One table for all heads: angles depend on position and pair alone.
    let mut table = Vec::with_capacity(longest * half);
    for position in 0..longest {
        for i in 0..half {
            let angle = position as f64 * base.powf(-2.0 * i as f64 / size as f64);
            let sin = if inverse { -angle.sin() } else { angle.sin() };
            table.push((T::from_f64(angle.cos()), T::from_f64(sin)));
        }
    }
    qkv[..positions.len() * width].par_chunks_mut(width).zip(positions.par_iter()).with_min_len(64).for_each(|(row, &position)| {
        let angles = &table[position as usize * half..][..half];
        for head in row[..(shape.heads + shape.kv_heads) * size].chunks_exact_mut(size) {
            let (a, b) = head.split_at_mut(half);
            for ((a, b), &(cos, sin)) in a.iter_mut().zip(b).zip(angles) {
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
    });
}

/// Cuts a flat buffer of rows of `width` at the segments; what lies between segments is left out.
fn split<'a, T>(mut data: &'a mut [T], segments: &[Segment], width: usize) -> Vec<&'a mut [T]> {
    let mut start = 0;
    let mut pieces = Vec::with_capacity(segments.len());
    for segment in segments {
        assert!(segment.range.start >= start, "attention: segments overlap or are out of order");
        let (_, rest) = data.split_at_mut((segment.range.start - start) * width);
        let (piece, rest) = rest.split_at_mut(segment.range.len() * width);
        pieces.push(piece);
        data = rest;
        start = segment.range.end;
    }
    pieces
}

pub(crate) fn forward<T: Real>(out: &mut [T], lse: &mut [T], qkv: &[T], segments: &[Segment], shape: Shape) {
    let (width, size, group) = (shape.qkv(), shape.head_size, shape.heads / shape.kv_heads);
    let scale = T::from_f64(1.0 / (size as f64).sqrt());
    let pieces = split(out, segments, shape.out()).into_par_iter().zip(split(lse, segments, shape.heads)).zip(segments);
    pieces.for_each(|((out, lse), segment)| {
        let n = segment.range.len();
        let rows = &qkv[segment.range.start * width..segment.range.end * width];
        let mut scores = vec![T::default(); BLOCK * n];
        for head in 0..shape.heads {
            let key = &rows[(shape.heads + head / group) * size..];
            let value = &rows[(shape.heads + shape.kv_heads + head / group) * size..];
            for block in (0..n).step_by(BLOCK) {
                let (m, keys) = (BLOCK.min(n - block), (block + BLOCK).min(n));
                let query = View { data: &rows[block * width + head * size..], rs: width, cs: 1 };
                product(&mut scores, keys, m, keys, size, query, View { data: key, rs: 1, cs: width }, false, scale);
                for i in 0..m {
                    let row = &mut scores[i * keys..][..keys];
                    let (seen, masked) = row.split_at_mut(block + i + 1);
                    masked.fill(T::default());
                    let max = max_row(seen);
                    let sum = exp_row(seen, max);
                    scale_row(seen, T::from_f64(1.0) / sum);
                    lse[(block + i) * shape.heads + head] = T::from_f64(max.to_f64() + sum.to_f64().ln());
                }
                let probabilities = View { data: &scores, rs: keys, cs: 1 };
                product(
                    &mut out[block * shape.out() + head * size..],
                    shape.out(),
                    m,
                    size,
                    keys,
                    probabilities,
                    View { data: value, rs: width, cs: 1 },
                    false,
                    T::from_f64(1.0),
                );
            }
        }
    });
}

vectorised! {
    /// `d = p * (d - delta)`, the gradient through a row of the softmax.
    fn softmax_backward_row<T: Real>(d: &mut [T], p: &[T], delta: T) {
        for (d, &p) in d.iter_mut().zip(p) {
            *d = p * (*d - delta);
        }
    }
}

pub(crate) fn backward<T: Real>(dqkv: &mut [T], dout: &[T], out: &[T], lse: &[T], qkv: &[T], segments: &[Segment], shape: Shape) {
    const { assert!(BLOCK.is_multiple_of(LANES)) };
    let (width, size, group) = (shape.qkv(), shape.head_size, shape.heads / shape.kv_heads);
    let one = T::from_f64(1.0);
    let scale = T::from_f64(1.0 / (size as f64).sqrt());
    split(dqkv, segments, width).into_par_iter().zip(segments).for_each(|(d, segment)| {
        let n = segment.range.len();
        let rows = &qkv[segment.range.start * width..segment.range.end * width];
        let outs = segment.range.start * shape.out()..segment.range.end * shape.out();
        let (dout, out) = (&dout[outs.clone()], &out[outs]);
        let lse = &lse[segment.range.start * shape.heads..];
        d.fill(T::default());
        let mut p = vec![T::default(); BLOCK * n];
        let mut dp = vec![T::default(); BLOCK * n];
        for head in 0..shape.heads {
            let key_at = (shape.heads + head / group) * size;
            let value_at = (shape.heads + shape.kv_heads + head / group) * size;
            for block in (0..n).step_by(BLOCK) {
                let (m, keys) = (BLOCK.min(n - block), (block + BLOCK).min(n));
                let query = View { data: &rows[block * width + head * size..], rs: width, cs: 1 };
                let dout_at = block * shape.out() + head * size;
                let dout_block = View { data: &dout[dout_at..], rs: shape.out(), cs: 1 };
                product(&mut p, keys, m, keys, size, query, View { data: &rows[key_at..], rs: 1, cs: width }, false, scale);
                product(&mut dp, keys, m, keys, size, dout_block, View { data: &rows[value_at..], rs: 1, cs: width }, false, one);
                for i in 0..m {
                    let seen = block + i + 1;
                    let at = dout_at + i * shape.out();
                    let delta = lane_dot(&dout[at..][..size], &out[at..][..size]);
                    let (p, dp) = (&mut p[i * keys..][..keys], &mut dp[i * keys..][..keys]);
                    exp_row(&mut p[..seen], lse[(block + i) * shape.heads + head]);
                    p[seen..].fill(T::default());
                    softmax_backward_row(dp, p, delta);
                }
                let (p_t, dp_t) = (View { data: &p, rs: 1, cs: keys }, View { data: &dp, rs: 1, cs: keys });
                product(&mut d[value_at..], width, keys, size, m, p_t, dout_block, true, one);
                product(&mut d[key_at..], width, keys, size, m, dp_t, query, true, scale);
                let dp_rows = View { data: &dp, rs: keys, cs: 1 };
                product(
                    &mut d[block * width + head * size..],
                    width,
                    m,
                    size,
                    keys,
                    dp_rows,
                    View { data: &rows[key_at..], rs: width, cs: 1 },
                    true,
                    scale,
                );
            }
        }
    });
}
