//! What is done on the way back with every map's input and output gradient: weight gradients by bucket,
//! sketches by document, or products with a given vector, position by position.

use std::ops::Range;

use kernels::{Backend, Matrix};

use crate::sketch::Sketcher;

/// Takes what the backward pass brings forth; rows of `dy` and `x` are the positions `at`.
pub(crate) trait Sink<B: Backend> {
    /// A linear map `y = x Wᵀ`.
    fn linear(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, at: Range<usize>);
    /// A norm's gain; `dy` is the gradient at the norm's output.
    fn gain(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, rstd: &B::Activation, n: usize);
    /// The embedding; `dx` is the gradient at its output.
    fn embedding(&mut self, b: &B, w: Matrix, tokens: &[u32], dx: &B::Activation);
}

/// Weight gradients by bucket and, where there is room for them, sketches by document.
pub(crate) struct Gradients<'s, B: Backend> {
    /// One a bucket.
    pub gradients: &'s mut [B::Gradient],
    /// Positions of each bucket in the pass.
    pub buckets: &'s [(usize, Range<usize>)],
    /// Runs of documents by slot, and where their sketches go.
    pub documents: Option<Documents<'s, B>>,
}

/// Where the sketches of a pass go.
pub(crate) struct Documents<'s, B: Backend> {
    pub sketcher: &'s mut Sketcher<B>,
    pub sketches: &'s mut B::Gradient,
    /// Slot and positions, sorted by slot.
    pub runs: Vec<(usize, Range<usize>)>,
}

/// The part of `rows` that lies in `at`, counted from its beginning.
fn overlap(rows: &Range<usize>, at: &Range<usize>) -> Range<usize> {
    let (start, end) = (rows.start.max(at.start), rows.end.min(at.end));
    if start < end { start - at.start..end - at.start } else { 0..0 }
}

impl<B: Backend> Sink<B> for Gradients<'_, B> {
    fn linear(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, at: Range<usize>) {
        for (bucket, rows) in self.buckets {
            let rows = overlap(rows, &at);
            if !rows.is_empty() {
                b.matmul_backward_weight(&mut self.gradients[*bucket], w, dy, x, rows);
            }
        }
        if let Some(d) = &mut self.documents {
            let runs: Vec<(usize, Range<usize>)> =
                d.runs.iter().map(|(slot, rows)| (*slot, overlap(rows, &at))).filter(|(_, rows)| !rows.is_empty()).collect();
            d.sketcher.linear(b, d.sketches, &runs, w, dy, x, at.len());
        }
    }
    fn gain(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, rstd: &B::Activation, _n: usize) {
        for (bucket, rows) in self.buckets {
            b.rmsnorm_backward_gain(&mut self.gradients[*bucket], w, dy, x, rstd, rows.clone());
        }
        if let Some(d) = &mut self.documents {
            d.sketcher.gain(b, d.sketches, &d.runs, w, dy, x, rstd);
        }
    }
    fn embedding(&mut self, b: &B, w: Matrix, tokens: &[u32], dx: &B::Activation) {
        for (bucket, rows) in self.buckets {
            b.embedding_backward(&mut self.gradients[*bucket], w, tokens, dx, rows.clone());
        }
        if let Some(d) = &mut self.documents {
            d.sketcher.embedding(b, d.sketches, &d.runs, w, tokens, dx);
        }
    }
}

/// Products of every position's gradient with some vectors, summed over all uses of all parameters.
///
/// Linear `dy . (V x)`, embedding `dx . V[token]`, norm gain `sum of dy x rstd V`; over a document's
/// positions they add up to `<V, its gradient>` exactly, since attention never crosses documents.
pub(crate) struct Ghost<'s, B: Backend> {
    /// The vectors, shaped as the parameters.
    pub vectors: &'s [B::Master],
    /// Of each vector, a number a position.
    pub out: &'s mut [Vec<f64>],
    /// Room for `V x`.
    pub scratch: B::Activation,
}

impl<B: Backend> Sink<B> for Ghost<'_, B> {
    fn linear(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, at: Range<usize>) {
        for (v, out) in self.vectors.iter().zip(self.out.iter_mut()) {
            b.matmul(&mut self.scratch, x, v, w, at.len(), false);
            b.row_dot(&mut out[at.clone()], dy, &self.scratch, w.rows);
        }
    }
    fn gain(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, rstd: &B::Activation, n: usize) {
        for (v, out) in self.vectors.iter().zip(self.out.iter_mut()) {
            b.rmsnorm_gain_dot(&mut out[..n], v, w, dy, x, rstd);
        }
    }
    fn embedding(&mut self, b: &B, w: Matrix, tokens: &[u32], dx: &B::Activation) {
        for (v, out) in self.vectors.iter().zip(self.out.iter_mut()) {
            b.embedding_dot(&mut out[..tokens.len()], v, w, tokens, dx);
        }
    }
}
