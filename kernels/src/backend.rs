//! The operations, with their shapes, that a device has to provide.

use std::ops::Range;

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

/// The scalars of one AdamW step.
///
/// Source: Loshchilov and Hutter 2019, <https://arxiv.org/abs/1711.05101>, algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay, on matrices only.
    pub weight_decay: f64,
    /// Factor that clipping puts on the gradient.
    pub clip_factor: f64,
    /// Steps taken before this one.
    pub step: u64,
}

/// A device that can train and price.
///
/// `N` is the number of token positions of a pass, in one flat order in which every document's run is
/// contiguous; `C` channels, `V` vocabulary, `P` parameters. Buffers are sized by their maker; an
/// operation panics if one is too small. Every operation sums in a fixed order: the same inputs give
/// the same bits whatever the number of threads.
pub trait Backend: Send + Sync {
    /// Activations and their gradients (bf16 on accelerators).
    type Activation: Send + Sync;
    /// Gradients of parameters, summed in full precision.
    type Gradient: Send + Sync;
    /// Parameters, moments and everything that is priced.
    type Master: Send + Sync + Clone;

    /// Zeroed activations.
    fn activation(&self, len: usize) -> Self::Activation;
    /// Zeroed gradients.
    fn gradient(&self, len: usize) -> Self::Gradient;
    /// Master values copied from the host.
    fn master(&self, values: &[f64]) -> Self::Master;
    /// Zeroed master values.
    fn master_zeros(&self, len: usize) -> Self::Master;
    /// Sets every element to zero.
    fn clear_activation(&self, dst: &mut Self::Activation);
    /// Master values as little-endian bytes of [`Backend::dtype`].
    fn master_to_bytes(&self, src: &Self::Master) -> Vec<u8>;
    /// The inverse of [`Backend::master_to_bytes`]; `bytes` has the buffer's exact size.
    fn master_from_bytes(&self, bytes: &[u8]) -> Self::Master;
    /// A gradient on the host, for checks.
    fn gradient_to_host(&self, src: &Self::Gradient) -> Vec<f64>;
    /// `"f32"` or `"f64"`: the type of master values.
    fn dtype(&self) -> &'static str;

    /// `y = x Wᵀ`, or `y += x Wᵀ`; `x (N, w.cols)`, `y (N, w.rows)`.
    fn matmul(&self, y: &mut Self::Activation, x: &Self::Activation, weights: &Self::Master, w: Matrix, n: usize, accumulate: bool);
    /// `dx = dy W`, or `dx += dy W`; `dy (N, w.rows)`, `dx (N, w.cols)`.
    fn matmul_backward_input(
        &self,
        dx: &mut Self::Activation,
        dy: &Self::Activation,
        weights: &Self::Master,
        w: Matrix,
        n: usize,
        accumulate: bool,
    );
    /// `dW += dyᵀ x` over the token positions `rows`; `dy (N, w.rows)`, `x (N, w.cols)`.
    fn matmul_backward_weight(&self, dw: &mut Self::Gradient, w: Matrix, dy: &Self::Activation, x: &Self::Activation, rows: Range<usize>);

    /// `x[i] = E[tokens[i]]`; `x (N, table.cols)`.
    fn embedding(&self, x: &mut Self::Activation, tokens: &[u32], weights: &Self::Master, table: Matrix);
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
        weights: &Self::Master,
        gain: Matrix,
        n: usize,
        eps: f64,
    );
    /// `dx += ` the gradient through [`Backend::rmsnorm`] of `dy`.
    #[allow(clippy::too_many_arguments)]
    fn rmsnorm_backward(
        &self,
        dx: &mut Self::Activation,
        dy: &Self::Activation,
        x: &Self::Activation,
        rstd: &Self::Activation,
        weights: &Self::Master,
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

    /// Sets elements of a gradient to zero.
    fn clear_gradient(&self, dst: &mut Self::Gradient, range: Range<usize>);
    /// `total = sum of parts` in their order; returns the squared norm of the sum.
    fn sum_gradients(&self, total: &mut Self::Gradient, parts: &[&Self::Gradient]) -> f64;
    /// One AdamW step whose first moment is the sum of the buckets' moments.
    ///
    /// For every bucket `b`: `moments[b] = beta1 moments[b] + (1 - beta1) clip gradients[b]` (an absent
    /// gradient is zero), and `parts[b] += lr / bc1 * precondition * moments[b]`, where the
    /// preconditioner `1 / (sqrt(v / bc2) + eps)` is the one after this step's `v`. The step is the sum
    /// of what was added to `parts`, and `lr * weight_decay * theta` on `decayed` ranges, which is added
    /// to `decay_part`. `total` is the sum of the gradients.
    #[allow(clippy::too_many_arguments)]
    fn adamw(
        &self,
        hyper: AdamW,
        theta: &mut Self::Master,
        second: &mut Self::Master,
        total: &Self::Gradient,
        gradients: &[Option<&Self::Gradient>],
        moments: &mut [Self::Master],
        parts: &mut [Self::Master],
        decay_part: &mut Self::Master,
        decayed: &[Range<usize>],
    );
    /// `out = (1 - t) a + t b`.
    fn mix(&self, out: &mut Self::Master, a: &Self::Master, b: &Self::Master, t: f64);
    /// `out = sum of factors[i] * parts[i]`, as a master buffer.
    fn mean(&self, out: &mut Self::Master, parts: &[(f64, &Self::Gradient)]);
    /// `out = factor out + by x`.
    fn scale_add(&self, out: &mut Self::Master, factor: f64, x: &Self::Master, by: f64);
    /// `<gradient, part>` in f64.
    fn dot(&self, gradient: &Self::Gradient, part: &Self::Master) -> f64;
    /// `out = sum of factors[i] * parts[i]`, for the mean of several gradients.
    fn combine(&self, out: &mut Self::Gradient, parts: &[(f64, &Self::Gradient)]);

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
    /// Activations copied from the host.
    fn activation_from(&self, values: &[f64]) -> Self::Activation;
    /// Activations on the host.
    fn activation_to_host(&self, src: &Self::Activation) -> Vec<f64>;
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
    /// A gradient as little-endian bytes of [`Backend::dtype`].
    fn gradient_to_bytes(&self, src: &Self::Gradient) -> Vec<u8>;
    /// The inverse of [`Backend::gradient_to_bytes`].
    fn gradient_from_bytes(&self, bytes: &[u8]) -> Self::Gradient;
}
