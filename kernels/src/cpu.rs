//! The CPU backend: products through `gemm`, everything else in loops that vectorise.

use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

use crate::attention;
use crate::backend::{AdamW, Backend, Matrix, Region, Segment, Shape};
use crate::buffer::Buffer;
use crate::loops::{LANES, View, exp_row, lane_dot, max_row, product, scale_row};
use crate::optimizer;
use crate::real::Real;
use crate::simd::vectorised;
use crate::sketch;

/// Rows of a forward product that one thread computes at a time; fixed, so that results do not depend on threads.
const ROWS: usize = 256;

/// The reference backend, on all threads of the current rayon pool.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu<T>(PhantomData<T>);

impl<T> Cpu<T> {
    /// A backend; it holds no state.
    pub fn new() -> Cpu<T> {
        Cpu(PhantomData)
    }
}

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

impl<T: Real> Backend for Cpu<T> {
    type Activation = Buffer<T>;
    type Gradient = Buffer<T>;
    type Master = Buffer<T>;

    fn activation(&self, len: usize) -> Buffer<T> {
        Buffer(vec![T::default(); len])
    }
    fn gradient(&self, len: usize) -> Buffer<T> {
        Buffer(vec![T::default(); len])
    }
    fn master(&self, values: &[f64]) -> Buffer<T> {
        Buffer::from_f64(values)
    }
    fn master_zeros(&self, len: usize) -> Buffer<T> {
        Buffer(vec![T::default(); len])
    }
    fn clear_activation(&self, dst: &mut Buffer<T>) {
        dst.0.fill(T::default());
    }
    fn master_to_bytes(&self, src: &Buffer<T>) -> Vec<u8> {
        if T::NAME == "f32" {
            src.0.iter().flat_map(|x| (x.to_f64() as f32).to_le_bytes()).collect()
        } else {
            src.0.iter().flat_map(|x| x.to_f64().to_le_bytes()).collect()
        }
    }
    fn master_from_bytes(&self, bytes: &[u8]) -> Buffer<T> {
        if T::NAME == "f32" {
            Buffer(bytes.chunks_exact(4).map(|b| T::from_f64(f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))).collect())
        } else {
            Buffer(
                bytes.chunks_exact(8).map(|b| T::from_f64(f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))).collect(),
            )
        }
    }
    fn gradient_to_host(&self, src: &Buffer<T>) -> Vec<f64> {
        src.0.iter().map(|x| x.to_f64()).collect()
    }
    fn dtype(&self) -> &'static str {
        T::NAME
    }

    fn matmul(&self, y: &mut Buffer<T>, x: &Buffer<T>, weights: &Buffer<T>, w: Matrix, n: usize, accumulate: bool) {
        let weight = &weights.0[w.range()];
        y.0[..n * w.rows].par_chunks_mut(ROWS * w.rows).zip(x.0[..n * w.cols].par_chunks(ROWS * w.cols)).for_each(|(y, x)| {
            let m = y.len() / w.rows;
            let (lhs, rhs) = (View { data: x, rs: w.cols, cs: 1 }, View { data: weight, rs: 1, cs: w.cols });
            product(y, w.rows, m, w.rows, w.cols, lhs, rhs, accumulate, T::from_f64(1.0));
        });
    }

    fn matmul_backward_input(&self, dx: &mut Buffer<T>, dy: &Buffer<T>, weights: &Buffer<T>, w: Matrix, n: usize, accumulate: bool) {
        let weight = &weights.0[w.range()];
        dx.0[..n * w.cols].par_chunks_mut(ROWS * w.cols).zip(dy.0[..n * w.rows].par_chunks(ROWS * w.rows)).for_each(|(dx, dy)| {
            let m = dx.len() / w.cols;
            let (lhs, rhs) = (View { data: dy, rs: w.rows, cs: 1 }, View { data: weight, rs: w.cols, cs: 1 });
            product(dx, w.cols, m, w.cols, w.rows, lhs, rhs, accumulate, T::from_f64(1.0));
        });
    }

    fn matmul_backward_weight(&self, dw: &mut Buffer<T>, w: Matrix, dy: &Buffer<T>, x: &Buffer<T>, rows: Range<usize>) {
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

    fn embedding(&self, x: &mut Buffer<T>, tokens: &[u32], weights: &Buffer<T>, table: Matrix) {
        let table_rows = &weights.0[table.range()];
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
        weights: &Buffer<T>,
        gain: Matrix,
        n: usize,
        eps: f64,
    ) {
        let c = gain.cols;
        let gain = &weights.0[gain.range()];
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
        weights: &Buffer<T>,
        gain: Matrix,
        n: usize,
    ) {
        let c = gain.cols;
        let gain = &weights.0[gain.range()];
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

    fn clear_gradient(&self, dst: &mut Buffer<T>, range: Range<usize>) {
        dst.0[range].fill(T::default());
    }
    fn sum_gradients(&self, total: &mut Buffer<T>, parts: &[&Buffer<T>]) -> f64 {
        let parts: Vec<&[T]> = parts.iter().map(|p| p.0.as_slice()).collect();
        optimizer::sum(&mut total.0, &parts)
    }
    fn adamw(
        &self,
        hyper: AdamW,
        theta: &mut Buffer<T>,
        second: &mut Buffer<T>,
        total: &Buffer<T>,
        gradients: &[Option<&Buffer<T>>],
        moments: &mut [Buffer<T>],
        parts: &mut [Buffer<T>],
        decay_part: &mut Buffer<T>,
        decayed: &[Range<usize>],
    ) {
        optimizer::adamw(hyper, theta, second, total, gradients, moments, parts, decay_part, decayed);
    }
    fn mix(&self, out: &mut Buffer<T>, a: &Buffer<T>, b: &Buffer<T>, t: f64) {
        let (one_minus, t) = (T::from_f64(1.0 - t), T::from_f64(t));
        for ((out, &a), &b) in out.0.iter_mut().zip(&a.0).zip(&b.0) {
            *out = one_minus * a + t * b;
        }
    }
    fn mean(&self, out: &mut Buffer<T>, parts: &[(f64, &Buffer<T>)]) {
        self.combine(out, parts);
    }
    fn scale_add(&self, out: &mut Buffer<T>, factor: f64, x: &Buffer<T>, by: f64) {
        let (factor, by) = (T::from_f64(factor), T::from_f64(by));
        out.0.par_chunks_mut(optimizer::PIECE).zip(x.0.par_chunks(optimizer::PIECE)).for_each(|(out, x)| {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = factor * *out + by * x;
            }
        });
    }
    fn dot(&self, gradient: &Buffer<T>, part: &Buffer<T>) -> f64 {
        optimizer::dot(&gradient.0, &part.0)
    }
    fn combine(&self, out: &mut Buffer<T>, parts: &[(f64, &Buffer<T>)]) {
        out.0.fill(T::default());
        for (factor, part) in parts {
            let factor = T::from_f64(*factor);
            for (out, &x) in out.0.iter_mut().zip(&part.0) {
                *out += factor * x;
            }
        }
    }

    fn row_dot(&self, out: &mut [f64], a: &Buffer<T>, b: &Buffer<T>, width: usize) {
        sketch::row_dot(out, &a.0, &b.0, width);
    }
    fn rmsnorm_gain_dot(&self, out: &mut [f64], v: &Buffer<T>, gain: Matrix, dy: &Buffer<T>, x: &Buffer<T>, rstd: &Buffer<T>) {
        sketch::gain_dot(out, &v.0[gain.range()], &dy.0, &x.0, &rstd.0);
    }
    fn embedding_dot(&self, out: &mut [f64], v: &Buffer<T>, table: Matrix, tokens: &[u32], dx: &Buffer<T>) {
        sketch::embedding_dot(out, &v.0[table.range()], tokens, &dx.0, table.cols);
    }
    fn precondition(&self, out: &mut Buffer<T>, gradient: &Buffer<T>, second: &Buffer<T>, bias2: f64, eps: f64) {
        let (inverse, eps) = (T::from_f64(1.0 / bias2), T::from_f64(eps));
        let rows = out.0.par_chunks_mut(optimizer::PIECE).zip(gradient.0.par_chunks(optimizer::PIECE));
        rows.zip(second.0.par_chunks(optimizer::PIECE)).for_each(|((out, g), v)| sketch::precondition_row(out, g, v, inverse, eps));
    }
    fn activation_from(&self, values: &[f64]) -> Buffer<T> {
        Buffer::from_f64(values)
    }
    fn activation_to_host(&self, src: &Buffer<T>) -> Vec<f64> {
        src.0.iter().map(|x| x.to_f64()).collect()
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
        sketch::linear(&mut sketches.0, region, runs, &scale.0, &dy.0, &x.0);
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
        sketch::tokens(&mut sketches.0, region, runs, tokens, &scale.0, &x.0);
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
        sketch::gain(&mut sketches.0, region, runs, &dy.0, &x.0, &rstd.0);
    }
    fn row_sums(&self, v: &Buffer<T>, w: Matrix, squared: bool) -> Vec<f64> {
        sketch::row_sums(&v.0[w.range()], w, squared)
    }
    fn sketch_dots(&self, sketches: &Buffer<T>, v: &[f64]) -> Vec<f64> {
        sketch::dots(&sketches.0, v)
    }
    fn gradient_to_bytes(&self, src: &Buffer<T>) -> Vec<u8> {
        self.master_to_bytes(src)
    }
    fn gradient_from_bytes(&self, bytes: &[u8]) -> Buffer<T> {
        self.master_from_bytes(bytes)
    }
}
