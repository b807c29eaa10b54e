//! The model on the CPU: products through `gemm`, norms, activations and the loss in loops that vectorise.

use std::ops::Range;

use rayon::prelude::*;

use super::attention;
use super::loops::{LANES, View, exp_row, lane_dot, max_row, product, scale_row};
use super::memory::{Buffer, Cpu};
use super::real::Real;
use crate::simd::vectorised;
use crate::training::model::{Matrix, ModelOperations, Segment, Shape};

/// Rows of a forward product that one thread computes at a time; fixed, so that results do not depend on threads.
const ROWS: usize = 256;

vectorised! {
    fn rmsnorm_row<T: Real>(y: &mut [T], x: &[T], gain: &[T], eps: T) -> T {
        let rstd = T::from_f64(1.0) / (lane_dot(x, x) / T::from_f64(x.len() as f64) + eps).sqrt();
        for ((y, &x), &g) in y.iter_mut().zip(x).zip(gain) {
            *y = x * rstd * g;
        }
        rstd
    }
}

vectorised! {
    fn rmsnorm_backward_row<T: Real>(dx: &mut [T], dy: &[T], x: &[T], gain: &[T], rstd: T) {
        let mut lanes = [T::default(); LANES];
        let mut rest = T::default();
        let whole = x.len() / LANES * LANES;
        for i in (0..whole).step_by(LANES) {
            for (l, lane) in lanes.iter_mut().enumerate() {
                *lane += dy[i + l] * gain[i + l] * x[i + l];
            }
        }
        for i in whole..x.len() {
            rest += dy[i] * gain[i] * x[i];
        }
        let sum = lanes.into_iter().sum::<T>() + rest;
        let k = sum * rstd * rstd * rstd / T::from_f64(x.len() as f64);
        for (((dx, &dy), &x), &g) in dx.iter_mut().zip(dy).zip(x).zip(gain) {
            *dx += dy * g * rstd - x * k;
        }
    }
}

vectorised! {
    fn add_row<T: Real>(x: &mut [T], y: &[T]) {
        for (x, &y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }
}

vectorised! {
    fn swiglu_row<T: Real>(h: &mut [T], gate: &[T], up: &[T]) {
        let one = T::from_f64(1.0);
        for ((h, &g), &u) in h.iter_mut().zip(gate).zip(up) {
            *h = g / (one + (-g).exp()) * u;
        }
    }
}

vectorised! {
    fn swiglu_backward_row<T: Real>(dgate: &mut [T], dup: &mut [T], dh: &[T], gate: &[T], up: &[T]) {
        let one = T::from_f64(1.0);
        for ((((dg, du), &dh), &g), &u) in dgate.iter_mut().zip(dup).zip(dh).zip(gate).zip(up) {
            let s = one / (one + (-g).exp());
            *du = dh * g * s;
            *dg = dh * u * s * (one + g * (one - s));
        }
    }
}

/// Rows of one thread's piece of a weight gradient; a function of the size alone.
fn weight_rows(rows: usize) -> usize {
    (rows.div_ceil(8).div_ceil(16) * 16).clamp(32, 256)
}

impl<T: Real> ModelOperations for Cpu<T> {
    fn matmul(&self, y: &mut Buffer<T>, x: &Buffer<T>, parameters: &Buffer<T>, w: Matrix, n: usize, accumulate: bool) {
        let weight = &parameters.0[w.range()];
        y.0[..n * w.rows].par_chunks_mut(ROWS * w.rows).zip(x.0[..n * w.cols].par_chunks(ROWS * w.cols)).for_each(|(y, x)| {
            let m = y.len() / w.rows;
            let (lhs, rhs) = (View { data: x, rs: w.cols, cs: 1 }, View { data: weight, rs: 1, cs: w.cols });
            product(y, w.rows, m, w.rows, w.cols, lhs, rhs, accumulate, T::from_f64(1.0));
        });
    }

    fn matmul_backward_input(&self, dx: &mut Buffer<T>, dy: &Buffer<T>, parameters: &Buffer<T>, w: Matrix, n: usize, accumulate: bool) {
        let weight = &parameters.0[w.range()];
        dx.0[..n * w.cols].par_chunks_mut(ROWS * w.cols).zip(dy.0[..n * w.rows].par_chunks(ROWS * w.rows)).for_each(|(dx, dy)| {
            let m = dx.len() / w.cols;
            let (lhs, rhs) = (View { data: dy, rs: w.rows, cs: 1 }, View { data: weight, rs: w.cols, cs: 1 });
            product(dx, w.cols, m, w.cols, w.rows, lhs, rhs, accumulate, T::from_f64(1.0));
        });
    }

    fn matmul_backward_parameters(&self, dw: &mut Buffer<T>, w: Matrix, dy: &Buffer<T>, x: &Buffer<T>, rows: Range<usize>) {
        if rows.is_empty() {
            return;
        }
        let k = rows.len();
        let dy = &dy.0[rows.start * w.rows..rows.end * w.rows];
        let x = &x.0[rows.start * w.cols..rows.end * w.cols];
        let piece = weight_rows(w.rows);
        dw.0[w.range()].par_chunks_mut(piece * w.cols).enumerate().for_each(|(i, dw)| {
            let m = dw.len() / w.cols;
            let (lhs, rhs) = (View { data: &dy[i * piece..], rs: 1, cs: w.rows }, View { data: x, rs: w.cols, cs: 1 });
            product(dw, w.cols, m, w.cols, k, lhs, rhs, true, T::from_f64(1.0));
        });
    }

    fn embedding(&self, x: &mut Buffer<T>, tokens: &[u32], parameters: &Buffer<T>, table: Matrix) {
        let table_rows = &parameters.0[table.range()];
        for (row, &token) in x.0.chunks_exact_mut(table.cols).zip(tokens) {
            row.copy_from_slice(&table_rows[token as usize * table.cols..][..table.cols]);
        }
    }

    fn embedding_backward(&self, dw: &mut Buffer<T>, table: Matrix, tokens: &[u32], dx: &Buffer<T>, rows: Range<usize>) {
        let table_rows = &mut dw.0[table.range()];
        for i in rows {
            add_row(&mut table_rows[tokens[i] as usize * table.cols..][..table.cols], &dx.0[i * table.cols..][..table.cols]);
        }
    }

    fn rmsnorm(
        &self,
        y: &mut Buffer<T>,
        rstd: &mut Buffer<T>,
        x: &mut Buffer<T>,
        sum: Option<(&Buffer<T>, &Buffer<T>)>,
        parameters: &Buffer<T>,
        gain: Matrix,
        n: usize,
        eps: f64,
    ) {
        let c = gain.cols;
        let gain = &parameters.0[gain.range()];
        let eps = T::from_f64(eps);
        let rows = y.0[..n * c].par_chunks_mut(ROWS * c).zip(x.0[..n * c].par_chunks_mut(ROWS * c)).zip(rstd.0[..n].par_chunks_mut(ROWS));
        rows.enumerate().for_each(|(i, ((y, x), rstd))| {
            if let Some((a, b)) = sum {
                let at = i * ROWS * c;
                x.copy_from_slice(&a.0[at..][..x.len()]);
                add_row(x, &b.0[at..][..x.len()]);
            }
            for ((y, x), rstd) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)).zip(rstd) {
                *rstd = rmsnorm_row(y, x, gain, eps);
            }
        });
    }

    fn rmsnorm_backward(
        &self,
        dx: &mut Buffer<T>,
        dy: &Buffer<T>,
        x: &Buffer<T>,
        rstd: &Buffer<T>,
        parameters: &Buffer<T>,
        gain: Matrix,
        n: usize,
    ) {
        let c = gain.cols;
        let gain = &parameters.0[gain.range()];
        dx.0[..n * c].par_chunks_mut(ROWS * c).enumerate().for_each(|(i, dx)| {
            for (j, dx) in dx.chunks_exact_mut(c).enumerate() {
                let row = i * ROWS + j;
                rmsnorm_backward_row(dx, &dy.0[row * c..][..c], &x.0[row * c..][..c], gain, rstd.0[row]);
            }
        });
    }

    fn rmsnorm_backward_gain(&self, dw: &mut Buffer<T>, gain: Matrix, dy: &Buffer<T>, x: &Buffer<T>, rstd: &Buffer<T>, rows: Range<usize>) {
        let c = gain.cols;
        let dgain = &mut dw.0[gain.range()];
        for row in rows {
            let r = rstd.0[row];
            for ((d, &dy), &x) in dgain.iter_mut().zip(&dy.0[row * c..][..c]).zip(&x.0[row * c..][..c]) {
                *d += dy * x * r;
            }
        }
    }

    fn rope(&self, qkv: &mut Buffer<T>, positions: &[u32], shape: Shape, base: f64, inverse: bool) {
        attention::rope(&mut qkv.0, positions, shape, base, inverse);
    }
    fn attention(&self, out: &mut Buffer<T>, lse: &mut Buffer<T>, qkv: &Buffer<T>, segments: &[Segment], shape: Shape) {
        attention::forward(&mut out.0, &mut lse.0, &qkv.0, segments, shape);
    }
    fn attention_backward(
        &self,
        dqkv: &mut Buffer<T>,
        dout: &Buffer<T>,
        out: &Buffer<T>,
        lse: &Buffer<T>,
        qkv: &Buffer<T>,
        segments: &[Segment],
        shape: Shape,
    ) {
        attention::backward(&mut dqkv.0, &dout.0, &out.0, &lse.0, &qkv.0, segments, shape);
    }

    fn swiglu(&self, h: &mut Buffer<T>, gate_up: &Buffer<T>, n: usize, width: usize) {
        h.0[..n * width].par_chunks_mut(ROWS * width).enumerate().for_each(|(i, h)| {
            for (j, h) in h.chunks_exact_mut(width).enumerate() {
                let (gate, up) = gate_up.0[(i * ROWS + j) * 2 * width..][..2 * width].split_at(width);
                swiglu_row(h, gate, up);
            }
        });
    }

    fn swiglu_backward(&self, dgate_up: &mut Buffer<T>, dh: &Buffer<T>, gate_up: &Buffer<T>, n: usize, width: usize) {
        dgate_up.0[..n * 2 * width].par_chunks_mut(ROWS * 2 * width).enumerate().for_each(|(i, d)| {
            for (j, d) in d.chunks_exact_mut(2 * width).enumerate() {
                let row = i * ROWS + j;
                let (gate, up) = gate_up.0[row * 2 * width..][..2 * width].split_at(width);
                let (dgate, dup) = d.split_at_mut(width);
                swiglu_backward_row(dgate, dup, &dh.0[row * width..][..width], gate, up);
            }
        });
    }

    fn cross_entropy(&self, logits: &mut Buffer<T>, targets: &[i32], vocabulary: usize, scale: f64) -> Vec<f64> {
        let mut losses = vec![0.0; targets.len()];
        let rows = logits.0[..targets.len() * vocabulary].par_chunks_mut(vocabulary);
        rows.zip(targets.par_iter()).zip(losses.par_iter_mut()).with_min_len(64).for_each(|((row, &target), loss)| {
            let Ok(target) = usize::try_from(target) else {
                row.fill(T::default());
                return;
            };
            let (max, logit) = (max_row(row), row[target]);
            let sum = exp_row(row, max);
            *loss = sum.to_f64().ln() + max.to_f64() - logit.to_f64();
            scale_row(row, T::from_f64(scale / sum.to_f64()));
            row[target] -= T::from_f64(scale);
        });
        losses
    }

    fn take_rows(&self, dst: &mut Buffer<T>, src: &Buffer<T>, from: Range<usize>, width: usize) {
        dst.0[..from.len() * width].copy_from_slice(&src.0[from.start * width..from.end * width]);
    }
    fn put_rows(&self, dst: &mut Buffer<T>, src: &Buffer<T>, to: Range<usize>, width: usize) {
        dst.0[to.start * width..to.end * width].copy_from_slice(&src.0[..to.len() * width]);
    }
}
