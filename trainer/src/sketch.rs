//! Sketches of documents' gradients: some thousand numbers whose products stand for the gradients' products.
//!
//! What prices a document, `q = P G`, is nearly of low rank in every matrix, and its right singular vectors, those on the side
//! of the map's input, hardly change from window to window; the left ones do. So a sketch keeps the output
//! side whole and projects the input side onto the first right singular vectors of what priced the window before:
//! of `sum_t dy_t x_t^T` it keeps `sum_t dy_t (W x_t)^T`. Only the rows of maps with very many outputs, the head and the
//! embedding, are folded. Which other sketches were tried, and why they fail: `docs/experiments.md`.

use std::collections::BTreeMap;
use std::ops::Range;

use kernels::{AttributionOperations, Matrix, Memory, ModelOperations, Region};
use sha2::{Digest, Sha256};

use crate::model::Layout;

/// What the sketches of a window are made with, derived from what priced the window before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Basis {
    /// Of each matrix, `(rank, cols)` orthonormal rows; empty for gains.
    directions: Vec<Vec<f64>>,
    /// Of each matrix, the factor of each row before it is folded, signs included; ones where nothing is folded.
    scales: Vec<Vec<f64>>,
}

impl Basis {
    /// All numbers, matrix by matrix.
    pub(crate) fn flat(&self) -> impl Iterator<Item = f64> + '_ {
        self.directions.iter().zip(&self.scales).flat_map(|(d, s)| d.iter().chain(s)).copied()
    }
}

/// Where a run's sketches keep what, and room to project.
pub(crate) struct Sketcher<B: Memory> {
    matrices: Vec<(Matrix, Region)>,
    /// Of folded matrices, a sign a row.
    signs: Vec<Vec<f64>>,
    total: usize,
    /// What is being folded with, by the matrix' offset.
    current: BTreeMap<usize, Current<B>>,
    room: Option<(usize, B::Activation)>,
}

struct Current<B: Memory> {
    region: Region,
    /// `(rank, cols)`.
    directions: B::Master,
    scale: B::Activation,
}

/// `count` signs from a generator of its own.
fn signs(seed: &[u8; 32], name: &str, count: usize) -> Vec<f64> {
    let mut values = Vec::with_capacity(count);
    for block in 0u64.. {
        let bits = Sha256::new().chain_update(b"assay sketch v1").chain_update(seed).chain_update(name).chain_update(block.to_le_bytes());
        for byte in bits.finalize() {
            for bit in 0..8 {
                if values.len() == count {
                    return values;
                }
                values.push(if byte >> bit & 1 == 1 { 1.0 } else { -1.0 });
            }
        }
    }
    values
}

/// Orthonormal rows that span those of `(rank, cols)`; a row that adds nothing becomes zero.
///
/// Source: modified Gram-Schmidt, twice (Giraud et al. 2005).
fn orthonormal(rows: &mut [f64], cols: usize) {
    for i in 0..rows.len() / cols {
        let (before, row) = rows.split_at_mut(i * cols);
        let row = &mut row[..cols];
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        for _ in 0..2 {
            for other in before.chunks_exact(cols) {
                let dot: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let rest = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        let factor = if rest > 1e-9 * length && rest > 0.0 { 1.0 / rest } else { 0.0 };
        row.iter_mut().for_each(|x| *x *= factor);
    }
}

/// Rounds of subspace iteration; the spectrum falls quickly, and the start is the last window's basis.
const ROUNDS: usize = 3;

impl<B: Memory> Sketcher<B> {
    /// Regions for every matrix of `layout`; joined maps are one.
    pub fn new(layout: &Layout, rank: usize, most_rows: usize, seed: &[u8; 32]) -> Sketcher<B> {
        let (mut matrices, mut all_signs, mut total) = (Vec::new(), Vec::new(), 0);
        for w in layout.joined() {
            let (rows, rank) = if w.rows == 1 { (w.cols, 1) } else { (w.rows.min(most_rows), rank) };
            matrices.push((w, Region { offset: total, rows, rank, total: 0 }));
            let folded = w.rows > rows;
            all_signs.push(if folded { signs(seed, &format!("rows {}", w.offset), w.rows) } else { vec![1.0; w.rows] });
            total += rows * rank;
        }
        matrices.iter_mut().for_each(|(_, region)| region.total = total);
        Sketcher { matrices, signs: all_signs, total, current: BTreeMap::new(), room: None }
    }

    /// Numbers of one sketch.
    pub fn len(&self) -> usize {
        self.total
    }

    /// Numbers of one basis.
    pub(crate) fn basis_len(&self) -> usize {
        let of = |(w, region): &(Matrix, Region)| if w.rows == 1 { 0 } else { region.rank * w.cols + w.rows };
        self.matrices.iter().map(of).sum()
    }

    /// Whether a basis of these numbers is one of this sketcher's.
    pub(crate) fn basis_from_flat(&self, mut values: &[f64]) -> Option<Basis> {
        let mut basis = Basis { directions: Vec::new(), scales: Vec::new() };
        for (w, region) in &self.matrices {
            let (directions, scales) = if w.rows == 1 { (0, 0) } else { (region.rank * w.cols, w.rows) };
            let (d, rest) = values.split_at_checked(directions)?;
            let (s, rest) = rest.split_at_checked(scales)?;
            basis.directions.push(d.to_vec());
            basis.scales.push(s.to_vec());
            values = rest;
        }
        values.is_empty().then_some(basis)
    }

    /// From now on gradients are projected onto `basis`.
    pub(crate) fn use_basis(&mut self, b: &B, basis: &Basis) {
        self.current.clear();
        for (i, (w, region)) in self.matrices.iter().enumerate() {
            let (directions, scale) = (b.master(&basis.directions[i]), b.activation_from(&basis.scales[i]));
            self.current.insert(w.offset, Current { region: *region, directions, scale });
        }
    }
}

impl<B: ModelOperations + AttributionOperations> Sketcher<B> {
    /// The basis that suits prices like `price`, and gradients of the size of `second`'s root where there is one.
    ///
    /// Directions are the first right singular vectors of each matrix of `price`, by subspace iteration from `start`.
    /// A folded row is scaled by the root of the length of its price over the root of its second moments: a
    /// sketch's error grows with the product of both sides' lengths.
    pub fn basis(&self, b: &B, price: &B::Master, second: Option<&B::Master>, start: Option<&Basis>) -> Basis {
        let (mut directions, mut scales) = (Vec::new(), Vec::new());
        for (i, (w, region)) in self.matrices.iter().enumerate() {
            if w.rows == 1 {
                directions.push(Vec::new());
                scales.push(Vec::new());
                continue;
            }
            let scale = match second {
                Some(second) if w.rows > region.rows => balance(&b.row_sums(price, *w, true), &b.row_sums(second, *w, false)),
                _ => vec![1.0; w.rows],
            };
            let mut rows = start.map_or_else(|| signs(&[0; 32], "start", region.rank * w.cols), |s| s.directions[i].clone());
            orthonormal(&mut rows, w.cols);
            let (mut left, mut right) = (b.activation(region.rank * w.rows), b.activation(0));
            for _ in 0..ROUNDS {
                right = b.activation_from(&rows);
                b.matmul(&mut left, &right, price, *w, region.rank, false);
                // In the scaled matrix: its left side is divided by the scale once in the product and once on the way back.
                let mut host = b.activation_to_host(&left);
                for row in host.chunks_exact_mut(w.rows) {
                    row.iter_mut().zip(&scale).for_each(|(x, s)| *x /= s * s);
                }
                b.matmul_backward_input(&mut right, &b.activation_from(&host), price, *w, region.rank, false);
                rows = b.activation_to_host(&right);
                orthonormal(&mut rows, w.cols);
            }
            drop(right);
            directions.push(rows);
            scales.push(scale.iter().zip(&self.signs[i]).map(|(s, sign)| s * sign).collect());
        }
        Basis { directions, scales }
    }

    /// `x` projected: `(n, rank)`.
    fn project(&mut self, b: &B, w: Matrix, x: &B::Activation, n: usize) -> B::Activation {
        let current = &self.current[&w.offset];
        let rank = current.region.rank;
        let mut projected = match self.room.take() {
            Some((len, room)) if len >= n * rank => room,
            _ => b.activation(n * rank),
        };
        b.matmul(&mut projected, x, &current.directions, Matrix { offset: 0, rows: rank, cols: w.cols }, n, false);
        projected
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn linear(
        &mut self,
        b: &B,
        sketches: &mut B::Gradient,
        runs: &[(usize, Range<usize>)],
        w: Matrix,
        dy: &B::Activation,
        x: &B::Activation,
        n: usize,
    ) {
        let projected = self.project(b, w, x, n);
        let current = &self.current[&w.offset];
        b.sketch_linear(sketches, current.region, runs, &current.scale, dy, &projected);
        self.room = Some((n * current.region.rank, projected));
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn gain(
        &self,
        b: &B,
        sketches: &mut B::Gradient,
        runs: &[(usize, Range<usize>)],
        w: Matrix,
        dy: &B::Activation,
        x: &B::Activation,
        rstd: &B::Activation,
    ) {
        b.sketch_gain(sketches, self.current[&w.offset].region, runs, dy, x, rstd);
    }

    pub(crate) fn embedding(
        &mut self,
        b: &B,
        sketches: &mut B::Gradient,
        runs: &[(usize, Range<usize>)],
        w: Matrix,
        tokens: &[u32],
        dx: &B::Activation,
    ) {
        let projected = self.project(b, w, dx, tokens.len());
        let current = &self.current[&w.offset];
        b.sketch_tokens(sketches, current.region, runs, tokens, &current.scale, &projected);
        self.room = Some((tokens.len() * current.region.rank, projected));
    }

    /// The numbers that a sketch made with `basis` is multiplied with to price it by `price`.
    pub fn of(&self, b: &B, price: &B::Master, basis: &Basis) -> Vec<f64> {
        let mut out = vec![0.0; self.total];
        for (i, (w, region)) in self.matrices.iter().enumerate() {
            let part = &mut out[region.offset..][..region.rows * region.rank];
            if w.rows == 1 {
                let (mut whole, ones) = (b.activation(w.cols), b.activation_from(&[1.0]));
                b.matmul_backward_input(&mut whole, &ones, price, *w, 1, false);
                part.copy_from_slice(&b.activation_to_host(&whole));
                continue;
            }
            let mut left = b.activation(region.rank * w.rows);
            b.matmul(&mut left, &b.activation_from(&basis.directions[i]), price, *w, region.rank, false);
            let host = b.activation_to_host(&left);
            for (part, row) in part.chunks_exact_mut(region.rows).zip(host.chunks_exact(w.rows)) {
                for (o, (x, scale)) in row.iter().zip(&basis.scales[i]).enumerate() {
                    part[o % region.rows] += x / scale;
                }
            }
        }
        out
    }
}

/// The factor of each row: `(|price|^2 / second)^(1/4)`.
fn balance(price: &[f64], second: &[f64]) -> Vec<f64> {
    let ratios: Vec<f64> = price.iter().zip(second).map(|(p, s)| (p / s.max(1e-30)).powf(0.25)).collect();
    let known = ratios.iter().copied().filter(|r| *r > 0.0 && r.is_finite());
    let (count, sum) = known.fold((0u32, 0.0), |(n, sum), r| (n + 1, sum + r.ln()));
    // Rows that neither side has touched say nothing of their size.
    let usual = if count > 0 { (sum / f64::from(count)).exp() } else { 1.0 };
    ratios.into_iter().map(|r| if r.is_finite() { r.clamp(usual * 1e-3, usual * 1e3) } else { usual }).collect()
}
