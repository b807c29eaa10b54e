//! What is done on the way back with every map's input and output gradient: weight gradients by bucket,
//! sketches by document, or products with a given vector, position by position.

use std::ops::Range;

use kernels::{AttributionOperations, Matrix, Memory, ModelOperations};

use crate::sketch::Sketcher;

/// Takes what the backward pass brings forth; rows of `dy` and `x` are the positions `at`.
pub(crate) trait Sink<B: Memory> {
    /// A linear map `y = x Wᵀ`.
    fn linear(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, at: Range<usize>);
    /// A norm's gain; `dy` is the gradient at the norm's output.
    fn gain(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, rstd: &B::Activation, n: usize);
    /// The embedding; `dx` is the gradient at its output.
    fn embedding(&mut self, b: &B, w: Matrix, tokens: &[u32], dx: &B::Activation);
}

/// Weight gradients by bucket.
pub(crate) struct Gradients<'s, B: Memory> {
    /// One a bucket.
    pub gradients: &'s mut [B::Gradient],
    /// Positions of each bucket in the pass.
    pub buckets: &'s [(usize, Range<usize>)],
}

/// Sketches by document.
pub(crate) struct Documents<'s, B: Memory> {
    pub sketcher: &'s mut Sketcher<B>,
    /// Where the sketches of a pass go.
    pub sketches: &'s mut B::Gradient,
    /// Slot and positions, sorted by slot.
    pub runs: Vec<(usize, Range<usize>)>,
}

/// The sinks of a step: weight gradients by bucket and, where documents are credited, their sketches.
pub(crate) struct Step<'s, B: Memory> {
    pub gradients: Gradients<'s, B>,
    pub documents: Option<Documents<'s, B>>,
}

/// The part of `rows` that lies in `at`, counted from its beginning.
fn overlap(rows: &Range<usize>, at: &Range<usize>) -> Range<usize> {
    let (start, end) = (rows.start.max(at.start), rows.end.min(at.end));
    if start < end { start - at.start..end - at.start } else { 0..0 }
}

impl<B: ModelOperations> Sink<B> for Gradients<'_, B> {
    fn linear(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, at: Range<usize>) {
        for (bucket, rows) in self.buckets {
            let rows = overlap(rows, &at);
            if !rows.is_empty() {
                b.matmul_backward_parameters(&mut self.gradients[*bucket], w, dy, x, rows);
            }
        }
    }
    fn gain(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, rstd: &B::Activation, _n: usize) {
        for (bucket, rows) in self.buckets {
            b.rmsnorm_backward_gain(&mut self.gradients[*bucket], w, dy, x, rstd, rows.clone());
        }
    }
    fn embedding(&mut self, b: &B, w: Matrix, tokens: &[u32], dx: &B::Activation) {
        for (bucket, rows) in self.buckets {
            b.embedding_backward(&mut self.gradients[*bucket], w, tokens, dx, rows.clone());
        }
    }
}

impl<B: ModelOperations + AttributionOperations> Sink<B> for Documents<'_, B> {
    fn linear(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, at: Range<usize>) {
        let runs = self.runs.iter().map(|(slot, rows)| (*slot, overlap(rows, &at)));
        let runs: Vec<(usize, Range<usize>)> = runs.filter(|(_, rows)| !rows.is_empty()).collect();
        self.sketcher.linear(b, self.sketches, &runs, w, dy, x, at.len());
    }
    fn gain(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, rstd: &B::Activation, _n: usize) {
        self.sketcher.gain(b, self.sketches, &self.runs, w, dy, x, rstd);
    }
    fn embedding(&mut self, b: &B, w: Matrix, tokens: &[u32], dx: &B::Activation) {
        self.sketcher.embedding(b, self.sketches, &self.runs, w, tokens, dx);
    }
}

impl<B: ModelOperations + AttributionOperations> Sink<B> for Step<'_, B> {
    fn linear(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, at: Range<usize>) {
        self.gradients.linear(b, w, dy, x, at.clone());
        self.documents.iter_mut().for_each(|d| d.linear(b, w, dy, x, at.clone()));
    }
    fn gain(&mut self, b: &B, w: Matrix, dy: &B::Activation, x: &B::Activation, rstd: &B::Activation, n: usize) {
        self.gradients.gain(b, w, dy, x, rstd, n);
        self.documents.iter_mut().for_each(|d| d.gain(b, w, dy, x, rstd, n));
    }
    fn embedding(&mut self, b: &B, w: Matrix, tokens: &[u32], dx: &B::Activation) {
        self.gradients.embedding(b, w, tokens, dx);
        self.documents.iter_mut().for_each(|d| d.embedding(b, w, tokens, dx));
    }
}

/// Products of every position's gradient with some vectors, summed over all uses of all parameters.
///
/// Linear `dy . (V x)`, embedding `dx . V[token]`, norm gain `sum of dy x rstd V`; over a document's
/// positions they add up to `<V, its gradient>` exactly, since attention never crosses documents.
pub(crate) struct Ghost<'s, B: Memory> {
    /// The vectors, shaped as the parameters.
    pub vectors: &'s [B::Master],
    /// Of each vector, a number a position.
    pub out: &'s mut [Vec<f64>],
    /// Room for `V x`.
    pub scratch: B::Activation,
}

impl<B: ModelOperations + AttributionOperations> Sink<B> for Ghost<'_, B> {
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
