//! The operations of attribution: products that credit buckets, positions and documents.

use std::ops::Range;

use super::memory::Memory;
use super::model::Matrix;

/// Where a matrix' numbers lie inside a sketch of `total` numbers: `rank` projections of `rows` numbers each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Index of the first number.
    pub offset: usize,
    /// Numbers of one projection: the matrix' rows, or what they are folded to.
    pub rows: usize,
    /// Projections of the map's input.
    pub rank: usize,
    /// Numbers of the whole sketch.
    pub total: usize,
}

/// Products of gradients with what prices them: whole, position by position, and by document through sketches.
///
/// They read what a pass or a step left in its buffers and change none of it. Products for the host are f64. Products by position and
/// sketches are added to what is there, so that the uses of one parameter, and the passes of one step, add up. A sketch lasts until the
/// first moment has forgotten its document, so checkpoints keep it, as a gradient. Only what has a gradient has a product: parameters that
/// are not trained are asked for nowhere here.
pub trait AttributionOperations: Memory {
    /// `<gradient, part>` in f64.
    fn dot(&self, gradient: &Self::Gradient, part: &Self::Master) -> f64;
    /// `out[i] += <a[i], b[i]>` in f64, over `out.len()` rows of `width`.
    fn row_dot(&self, out: &mut [f64], a: &Self::Activation, b: &Self::Activation, width: usize);
    /// `out[i] += rstd[i] * sum of dy[i] x[i] v`: what a norm's gain `v (1, C)` is moved by, position by position.
    fn rmsnorm_gain_dot(
        &self,
        out: &mut [f64],
        v: &Self::Master,
        gain: Matrix,
        dy: &Self::Activation,
        x: &Self::Activation,
        rstd: &Self::Activation,
    );
    /// `out[i] += <dx[i], v[tokens[i]]>`.
    fn embedding_dot(&self, out: &mut [f64], v: &Self::Master, table: Matrix, tokens: &[u32], dx: &Self::Activation);

    /// `out = gradient / (sqrt(second / bias2) + eps)`, AdamW's preconditioner on a gradient.
    fn precondition(&self, out: &mut Self::Master, gradient: &Self::Gradient, second: &Self::Master, bias2: f64, eps: f64);
    /// Adds `sum over positions of scale[o] dy[i][o] x[i][r]` to `sketches[slot]` at projection `r` and row `o mod rows`, for every run.
    ///
    /// `dy (N, width)`, `x (N, rank)`, `scale (width)`; runs of one slot are neighbours, slots ascend.
    #[allow(clippy::too_many_arguments)]
    fn sketch_linear(
        &self,
        sketches: &mut Self::Gradient,
        region: Region,
        runs: &[(usize, Range<usize>)],
        scale: &Self::Activation,
        dy: &Self::Activation,
        x: &Self::Activation,
    );
    /// The same for an embedding, whose output's gradient was projected: row `tokens[i] mod rows` takes `scale[tokens[i]] x[i]`.
    #[allow(clippy::too_many_arguments)]
    fn sketch_tokens(
        &self,
        sketches: &mut Self::Gradient,
        region: Region,
        runs: &[(usize, Range<usize>)],
        tokens: &[u32],
        scale: &Self::Activation,
        x: &Self::Activation,
    );
    /// The same for a norm's gain, whole: `sketches[slot][j] += dy[i][j] x[i][j] rstd[i]`.
    fn sketch_gain(
        &self,
        sketches: &mut Self::Gradient,
        region: Region,
        runs: &[(usize, Range<usize>)],
        dy: &Self::Activation,
        x: &Self::Activation,
        rstd: &Self::Activation,
    );
    /// Sums of the rows of the matrix `w` of `v`, or of their squares.
    fn row_sums(&self, v: &Self::Master, w: Matrix, squared: bool) -> Vec<f64>;
    /// `<sketch, v>` of each sketch, in f64.
    fn sketch_dots(&self, sketches: &Self::Gradient, v: &[f64]) -> Vec<f64>;
}
