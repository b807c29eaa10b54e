//! Attribution on the CPU, products that tell documents apart: row dots for exact credit, projected gradients for estimates.
//!
//! A document's gradient of a linear map is `sum_t dy_t x_t^T` over its positions. Its sketch is that sum with `x_t`
//! replaced by a few projections of it, and with the rows of large maps folded: rows that are equal modulo the
//! region's rows are added up, each times a sign and a scale.
//!
//! Source: Charikar et al. 2002 (count sketch), for the folding.

use std::ops::Range;

use rayon::prelude::*;

use super::loops::{PIECE, dot_piece};
use super::memory::{Buffer, Cpu};
use super::real::Real;
use crate::simd::vectorised;
use crate::training::attribution::{AttributionOperations, Region};
use crate::training::model::Matrix;

/// Rows that one thread sums at a time; fixed, so that results do not depend on threads.
const ROWS: usize = 256;
/// Outputs whose sums are held beside each other.
const OUTPUTS: usize = 64;

/// `<a, b>`.
fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    let pieces: Vec<f64> = a.par_chunks(PIECE).zip(b.par_chunks(PIECE)).map(|(a, b)| dot_piece(a, b)).collect();
    pieces.iter().sum()
}

fn row_dot<T: Real>(out: &mut [f64], a: &[T], b: &[T], width: usize) {
    let rows = out.len() * width;
    out.par_iter_mut()
        .zip(a[..rows].par_chunks(width).zip(b[..rows].par_chunks(width)))
        .with_min_len(64)
        .for_each(|(out, (a, b))| *out += dot_piece(a, b));
}

fn gain_dot<T: Real>(out: &mut [f64], gain: &[T], dy: &[T], x: &[T], rstd: &[T]) {
    let c = gain.len();
    out.par_iter_mut().enumerate().with_min_len(64).for_each(|(i, out)| {
        let (dy, x) = (&dy[i * c..][..c], &x[i * c..][..c]);
        let sum: f64 = dy.iter().zip(x).zip(gain).map(|((&dy, &x), &g)| (dy * x).to_f64() * g.to_f64()).sum();
        *out += sum * rstd[i].to_f64();
    });
}

fn embedding_dot<T: Real>(out: &mut [f64], table: &[T], tokens: &[u32], dx: &[T], width: usize) {
    out.par_iter_mut().zip(tokens.par_iter()).enumerate().with_min_len(64).for_each(|(i, (out, &token))| {
        *out += dot_piece(&dx[i * width..][..width], &table[token as usize * width..][..width]);
    });
}

vectorised! {
    /// `sums[j] += scale[j] * sum over positions of x * dy[j]`.
    fn add_outputs<T: Real>(sums: &mut [T; OUTPUTS], scale: &[T; OUTPUTS], dy: &[T], stride: usize, x: &[T], x_stride: usize) {
        let mut held = [T::default(); OUTPUTS];
        for (dy, x) in dy.chunks(stride).zip(x.chunks(x_stride)) {
            let (dy, x): (&[T; OUTPUTS], T) = (dy[..OUTPUTS].try_into().expect("a whole piece"), x[0]);
            for j in 0..OUTPUTS {
                held[j] += x * dy[j];
            }
        }
        for j in 0..OUTPUTS {
            sums[j] += held[j] * scale[j];
        }
    }
}

vectorised! {
    /// The same for four projections at a time, so that `dy` is read once.
    fn add_four<T: Real>(sums: &mut [[T; OUTPUTS]; 4], scale: &[T; OUTPUTS], dy: &[T], stride: usize, x: &[T], x_stride: usize) {
        let mut held = [[T::default(); OUTPUTS]; 4];
        for (dy, x) in dy.chunks(stride).zip(x.chunks(x_stride)) {
            let (dy, x): (&[T; OUTPUTS], &[T; 4]) =
                (dy[..OUTPUTS].try_into().expect("a whole piece"), x[..4].try_into().expect("four projections"));
            for r in 0..4 {
                for j in 0..OUTPUTS {
                    held[r][j] += x[r] * dy[j];
                }
            }
        }
        for r in 0..4 {
            for j in 0..OUTPUTS {
                sums[r][j] += held[r][j] * scale[j];
            }
        }
    }
}

/// The runs of a slot; runs are sorted by slot.
fn of_slot(runs: &[(usize, Range<usize>)], slot: usize) -> impl Iterator<Item = &Range<usize>> + Clone {
    let first = runs.partition_point(|(s, _)| *s < slot);
    runs[first..].iter().take_while(move |(s, _)| *s == slot).map(|(_, rows)| rows)
}

fn add_linear<T: Real>(sketches: &mut [T], region: Region, runs: &[(usize, Range<usize>)], scale: &[T], dy: &[T], x: &[T]) {
    assert!(runs.windows(2).all(|w| w[0].0 <= w[1].0), "sketch: runs are sorted by slot");
    let width = scale.len();
    sketches.par_chunks_mut(region.total).enumerate().for_each(|(slot, sketch)| {
        let runs = of_slot(runs, slot);
        if runs.clone().next().is_none() {
            return;
        }
        // A projection's outputs lie side by side; a piece has the same outputs of every projection.
        let mut pieces: Vec<Vec<&mut [T]>> = (0..region.rows.div_ceil(OUTPUTS)).map(|_| Vec::with_capacity(region.rank)).collect();
        for part in sketch[region.offset..][..region.rows * region.rank].chunks_mut(region.rows) {
            part.chunks_mut(OUTPUTS).zip(&mut pieces).for_each(|(outputs, piece)| piece.push(outputs));
        }
        pieces.into_par_iter().enumerate().for_each(|(i, mut piece)| {
            for first in (i * OUTPUTS..width).step_by(region.rows) {
                let count = piece[0].len().min(width - first);
                for rows in runs.clone() {
                    let dy = &dy[rows.start * width + first..rows.end * width];
                    let x = &x[rows.start * region.rank..rows.end * region.rank];
                    let mut done = 0;
                    if count == OUTPUTS {
                        let scale = scale[first..first + OUTPUTS].try_into().expect("a whole piece");
                        for four in piece.chunks_exact_mut(4) {
                            let mut sums = [[T::default(); OUTPUTS]; 4];
                            add_four(&mut sums, scale, dy, width, &x[done..], region.rank);
                            four.iter_mut().zip(sums).for_each(|(outputs, sums)| outputs.iter_mut().zip(sums).for_each(|(o, s)| *o += s));
                            done += 4;
                        }
                    }
                    for (r, outputs) in piece.iter_mut().enumerate().skip(done) {
                        if count == OUTPUTS {
                            let outputs: &mut [T; OUTPUTS] = (&mut outputs[..]).try_into().expect("a whole piece");
                            let scale = scale[first..first + OUTPUTS].try_into().expect("a whole piece");
                            add_outputs(outputs, scale, dy, width, &x[r..], region.rank);
                            continue;
                        }
                        for (j, sum) in outputs[..count].iter_mut().enumerate() {
                            let column = dy.iter().skip(j).step_by(width).zip(x[r..].iter().step_by(region.rank));
                            *sum += scale[first + j] * column.map(|(&d, &x)| x * d).sum::<T>();
                        }
                    }
                }
            }
        });
    });
}

fn add_tokens<T: Real>(sketches: &mut [T], region: Region, runs: &[(usize, Range<usize>)], tokens: &[u32], scale: &[T], x: &[T]) {
    sketches.par_chunks_mut(region.total).enumerate().for_each(|(slot, sketch)| {
        let part = &mut sketch[region.offset..][..region.rows * region.rank];
        for rows in of_slot(runs, slot) {
            for i in rows.clone() {
                let token = tokens[i] as usize;
                for r in 0..region.rank {
                    part[r * region.rows + token % region.rows] += scale[token] * x[i * region.rank + r];
                }
            }
        }
    });
}

vectorised! {
    fn add_gain<T: Real>(dst: &mut [T], dy: &[T], x: &[T], rstd: T) {
        for ((d, &dy), &x) in dst.iter_mut().zip(dy).zip(x) {
            *d += dy * x * rstd;
        }
    }
}

fn add_gains<T: Real>(sketches: &mut [T], region: Region, runs: &[(usize, Range<usize>)], dy: &[T], x: &[T], rstd: &[T]) {
    let c = region.rows;
    sketches.par_chunks_mut(region.total).enumerate().for_each(|(slot, sketch)| {
        let part = &mut sketch[region.offset..][..c];
        for rows in of_slot(runs, slot) {
            for i in rows.clone() {
                add_gain(part, &dy[i * c..][..c], &x[i * c..][..c], rstd[i]);
            }
        }
    });
}

/// Sums over rows of the elements or of their squares.
fn row_sums<T: Real>(v: &[T], w: Matrix, squared: bool) -> Vec<f64> {
    let sum = |row: &[T]| if squared { dot_piece(row, row) } else { row.iter().map(|x| x.to_f64()).sum() };
    v.par_chunks(w.cols).with_min_len(ROWS).map(sum).collect()
}

fn dots<T: Real>(sketches: &[T], v: &[f64]) -> Vec<f64> {
    sketches.par_chunks(v.len()).map(|s| s.iter().zip(v).map(|(x, y)| x.to_f64() * y).sum()).collect()
}

vectorised! {
    fn precondition_row<T: Real>(out: &mut [T], g: &[T], v: &[T], inverse_bias2: T, eps: T) {
        for ((out, &g), &v) in out.iter_mut().zip(g).zip(v) {
            *out = g / ((v * inverse_bias2).sqrt() + eps);
        }
    }
}

impl<T: Real> AttributionOperations for Cpu<T> {
    fn dot(&self, gradient: &Buffer<T>, part: &Buffer<T>) -> f64 {
        dot(&gradient.0, &part.0)
    }
    fn row_dot(&self, out: &mut [f64], a: &Buffer<T>, b: &Buffer<T>, width: usize) {
        row_dot(out, &a.0, &b.0, width);
    }
    fn rmsnorm_gain_dot(&self, out: &mut [f64], v: &Buffer<T>, gain: Matrix, dy: &Buffer<T>, x: &Buffer<T>, rstd: &Buffer<T>) {
        gain_dot(out, &v.0[gain.range()], &dy.0, &x.0, &rstd.0);
    }
    fn embedding_dot(&self, out: &mut [f64], v: &Buffer<T>, table: Matrix, tokens: &[u32], dx: &Buffer<T>) {
        embedding_dot(out, &v.0[table.range()], tokens, &dx.0, table.cols);
    }
    fn precondition(&self, out: &mut Buffer<T>, gradient: &Buffer<T>, second: &Buffer<T>, bias2: f64, eps: f64) {
        let (inverse, eps) = (T::from_f64(1.0 / bias2), T::from_f64(eps));
        let rows = out.0.par_chunks_mut(PIECE).zip(gradient.0.par_chunks(PIECE));
        rows.zip(second.0.par_chunks(PIECE)).for_each(|((out, g), v)| precondition_row(out, g, v, inverse, eps));
    }
    fn sketch_linear(
        &self,
        sketches: &mut Buffer<T>,
        region: Region,
        runs: &[(usize, Range<usize>)],
        scale: &Buffer<T>,
        dy: &Buffer<T>,
        x: &Buffer<T>,
    ) {
        add_linear(&mut sketches.0, region, runs, &scale.0, &dy.0, &x.0);
    }
    fn sketch_tokens(
        &self,
        sketches: &mut Buffer<T>,
        region: Region,
        runs: &[(usize, Range<usize>)],
        tokens: &[u32],
        scale: &Buffer<T>,
        x: &Buffer<T>,
    ) {
        add_tokens(&mut sketches.0, region, runs, tokens, &scale.0, &x.0);
    }
    fn sketch_gain(
        &self,
        sketches: &mut Buffer<T>,
        region: Region,
        runs: &[(usize, Range<usize>)],
        dy: &Buffer<T>,
        x: &Buffer<T>,
        rstd: &Buffer<T>,
    ) {
        add_gains(&mut sketches.0, region, runs, &dy.0, &x.0, &rstd.0);
    }
    fn row_sums(&self, v: &Buffer<T>, w: Matrix, squared: bool) -> Vec<f64> {
        row_sums(&v.0[w.range()], w, squared)
    }
    fn sketch_dots(&self, sketches: &Buffer<T>, v: &[f64]) -> Vec<f64> {
        dots(&sketches.0, v)
    }
}
