//! The operations of a model's forward and backward passes, with their shapes.

use std::ops::Range;

use super::memory::Memory;

/// A run of tokens of one document inside one row: attention looks back inside it and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Token positions `[start, end)` in the step's flat order.
    pub range: Range<usize>,
}

/// Sizes of attention: query heads, key/value heads and the size of one head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Query heads `NH`.
    pub heads: usize,
    /// Key and value heads; query head `j` reads `j / (heads / kv_heads)`.
    pub kv_heads: usize,
    /// Head size `HS`, even.
    pub head_size: usize,
}

impl Shape {
    /// Width of the joined query, key and value row: `(NH + 2 KV) HS`.
    pub fn qkv(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_size
    }
    /// Width of the attention output: `NH HS`.
    pub fn out(&self) -> usize {
        self.heads * self.head_size
    }
}

/// Where a matrix `(rows, cols)`, row-major, starts inside a flat buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Index of the first element.
    pub offset: usize,
    /// Rows: the output size of a linear map.
    pub rows: usize,
    /// Columns: the input size of a linear map.
    pub cols: usize,
}

impl Matrix {
    /// Its elements in the flat buffer.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.rows * self.cols
    }
}

/// Forward and backward passes of a model.
///
/// Nothing is kept between two calls: whatever an operation leaves is in the buffers that it writes to, so a pass can be taken again, and
/// two passes over the same numbers are equal to the last bit. A position's output depends on its own row, and in attention on earlier
/// rows of its segment; so a document's share of a gradient is the sum over its own positions.
///
/// Parameters are read where they lie: `parameters` is a flat buffer and a [`Matrix`] a place in it. No operation asks whether they are
/// trained. Gradients are taken by operations of their own (`_backward_weight`, `_backward_gain`, [`embedding_backward`]), which a
/// parameter that is not trained does without. Parameters that no optimizer moves need not be [`Memory::Master`] therefore: another type
/// of them takes an associated type here, with a `matmul` and a `matmul_backward_input` that read it, and the other two contracts stay as
/// they are. A sum of maps, such as a frozen matrix and one of low rank beside it, is what `accumulate` is for.
///
/// [`embedding_backward`]: ModelOperations::embedding_backward
pub trait ModelOperations: Memory {
    /// `y = x Wᵀ`, or `y += x Wᵀ`; `x (N, w.cols)`, `y (N, w.rows)`.
    fn matmul(&self, y: &mut Self::Activation, x: &Self::Activation, parameters: &Self::Master, w: Matrix, n: usize, accumulate: bool);
    /// `dx = dy W`, or `dx += dy W`; `dy (N, w.rows)`, `dx (N, w.cols)`.
    fn matmul_backward_input(
        &self,
        dx: &mut Self::Activation,
        dy: &Self::Activation,
        parameters: &Self::Master,
        w: Matrix,
        n: usize,
        accumulate: bool,
    );
    /// `dW += dyᵀ x` over the token positions `rows`; `dy (N, w.rows)`, `x (N, w.cols)`.
    fn matmul_backward_parameters(
        &self,
        dw: &mut Self::Gradient,
        w: Matrix,
        dy: &Self::Activation,
        x: &Self::Activation,
        rows: Range<usize>,
    );

    /// `x[i] = E[tokens[i]]`; `x (N, table.cols)`.
    fn embedding(&self, x: &mut Self::Activation, tokens: &[u32], parameters: &Self::Master, table: Matrix);
    /// `dE[tokens[i]] += dx[i]` over `rows`, in the order of positions.
    fn embedding_backward(&self, dw: &mut Self::Gradient, table: Matrix, tokens: &[u32], dx: &Self::Activation, rows: Range<usize>);

    /// `y = x / sqrt(mean(x²) + eps) * gain`, and `rstd (N)` for the way back; where there is a `sum`, `x` becomes it first.
    ///
    /// `x`, both terms of `sum` and `y` are `(N, C)`, `gain` is `(1, C)`.
    /// Source: Zhang and Sennrich 2019, <https://arxiv.org/abs/1910.07467>, equation 4.
    #[allow(clippy::too_many_arguments)]
    fn rmsnorm(
        &self,
        y: &mut Self::Activation,
        rstd: &mut Self::Activation,
        x: &mut Self::Activation,
        sum: Option<(&Self::Activation, &Self::Activation)>,
        parameters: &Self::Master,
        gain: Matrix,
        n: usize,
        eps: f64,
    );
    /// `dx += ` the gradient through [`ModelOperations::rmsnorm`] of `dy`.
    #[allow(clippy::too_many_arguments)]
    fn rmsnorm_backward(
        &self,
        dx: &mut Self::Activation,
        dy: &Self::Activation,
        x: &Self::Activation,
        rstd: &Self::Activation,
        parameters: &Self::Master,
        gain: Matrix,
        n: usize,
    );
    /// `dgain += sum over rows of dy * x * rstd`.
    fn rmsnorm_backward_gain(
        &self,
        dw: &mut Self::Gradient,
        gain: Matrix,
        dy: &Self::Activation,
        x: &Self::Activation,
        rstd: &Self::Activation,
        rows: Range<usize>,
    );

    /// Rotates queries and keys of `qkv (N, shape.qkv())` in place by their positions; `inverse` is the way back.
    ///
    /// Pairs element `i` with `i + HS/2`, angle `position * base^(-2i/HS)`.
    /// Source: Su et al. 2021, <https://arxiv.org/abs/2104.09864>, section 3.2.2, in the half-split layout of Llama.
    fn rope(&self, qkv: &mut Self::Activation, positions: &[u32], shape: Shape, base: f64, inverse: bool);
    /// Causal attention inside each segment; `out (N, NH HS)`, and `lse (N, NH)` for the way back.
    ///
    /// Segments are ascending and do not overlap.
    fn attention(&self, out: &mut Self::Activation, lse: &mut Self::Activation, qkv: &Self::Activation, segments: &[Segment], shape: Shape);
    /// `dqkv` (written over) from `dout`, with `out` and `lse` of the forward pass.
    #[allow(clippy::too_many_arguments)]
    fn attention_backward(
        &self,
        dqkv: &mut Self::Activation,
        dout: &Self::Activation,
        out: &Self::Activation,
        lse: &Self::Activation,
        qkv: &Self::Activation,
        segments: &[Segment],
        shape: Shape,
    );

    /// `h = silu(gate) * up`, where a row of `gate_up (N, 2F)` holds `gate` and then `up`; `h (N, F)`.
    ///
    /// Source: Shazeer 2020, <https://arxiv.org/abs/2002.05202>, equation 6.
    fn swiglu(&self, h: &mut Self::Activation, gate_up: &Self::Activation, n: usize, width: usize);
    /// `dgate_up` (written over) from `dh`.
    fn swiglu_backward(&self, dgate_up: &mut Self::Activation, dh: &Self::Activation, gate_up: &Self::Activation, n: usize, width: usize);

    /// Turns `logits (n, V)` into the gradient `scale * (softmax - onehot)` in place.
    ///
    /// Returns for each row `logsumexp - logit[target]` in nats; a negative target gives zero loss and zero gradient.
    fn cross_entropy(&self, logits: &mut Self::Activation, targets: &[i32], vocabulary: usize, scale: f64) -> Vec<f64>;

    /// Copies rows `from` of `src (.., width)` to the beginning of `dst`.
    fn take_rows(&self, dst: &mut Self::Activation, src: &Self::Activation, from: Range<usize>, width: usize);
    /// Copies the first `to.len()` rows of `src (.., width)` to rows `to` of `dst`.
    fn put_rows(&self, dst: &mut Self::Activation, src: &Self::Activation, to: Range<usize>, width: usize);
}
