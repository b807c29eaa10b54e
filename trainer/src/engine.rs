//! Forward and backward passes of the model, written out over [`ModelOperations`].

use kernels::{AttributionOperations, Memory, ModelOperations, Segment};

use crate::batch::Batch;
use crate::config::ModelConfig;
use crate::model::Layout;
use crate::sink::{Ghost, Gradients, Sink};

/// Positions whose logits are held at a time: `(HEAD_ROWS, V)` instead of `(N, V)`.
const HEAD_ROWS: usize = 1024;

struct LayerActivations<B: Memory> {
    x: B::Activation,
    h1: B::Activation,
    rstd1: B::Activation,
    qkv: B::Activation,
    out: B::Activation,
    lse: B::Activation,
    x2: B::Activation,
    h2: B::Activation,
    rstd2: B::Activation,
    gate_up: B::Activation,
    s: B::Activation,
}

struct Arena<B: Memory> {
    capacity: usize,
    layers: Vec<LayerActivations<B>>,
    x: B::Activation,
    h: B::Activation,
    rstd: B::Activation,
    /// `(N, C)`: a map's output on the way forward; gradients on the way back.
    y: B::Activation,
    dx: B::Activation,
    dh: B::Activation,
    dqkv: B::Activation,
    dgate_up: B::Activation,
    ds: B::Activation,
    logits: B::Activation,
    head_in: B::Activation,
    dhead: B::Activation,
}

/// A model of fixed sizes with room for its activations.
pub struct Engine<'b, B: Memory> {
    backend: &'b B,
    config: ModelConfig,
    /// Where parameters lie.
    pub layout: Layout,
    arena: Option<Arena<B>>,
}

impl<'b, B: Memory> Engine<'b, B> {
    /// An engine without activations; the first pass makes room.
    pub fn new(backend: &'b B, config: &ModelConfig, vocabulary: usize) -> Engine<'b, B> {
        Engine { backend, config: config.clone(), layout: Layout::new(config, vocabulary), arena: None }
    }

    /// Floats that the activations of a pass over `n` positions take.
    pub fn activation_floats(&self, n: usize) -> usize {
        let (c, f, s) = (self.config.channels, self.config.hidden, self.layout.shape);
        let layer = 4 * c + 2 + s.qkv() + s.out() + s.heads + 3 * f;
        let shared = 5 * c + 1 + s.qkv() + 3 * f;
        n * (self.config.layers * layer + shared) + HEAD_ROWS.min(n) * (self.layout.head.rows + 2 * c)
    }

    fn room(&mut self, n: usize) -> Arena<B> {
        match self.arena.take() {
            Some(arena) if arena.capacity >= n => arena,
            _ => {
                let b = self.backend;
                let (c, f, s) = (self.config.channels, self.config.hidden, self.layout.shape);
                let head_rows = HEAD_ROWS.min(n);
                let layers = (0..self.config.layers).map(|_| LayerActivations {
                    x: b.activation(n * c),
                    h1: b.activation(n * c),
                    rstd1: b.activation(n),
                    qkv: b.activation(n * s.qkv()),
                    out: b.activation(n * s.out()),
                    lse: b.activation(n * s.heads),
                    x2: b.activation(n * c),
                    h2: b.activation(n * c),
                    rstd2: b.activation(n),
                    gate_up: b.activation(n * 2 * f),
                    s: b.activation(n * f),
                });
                Arena {
                    capacity: n,
                    layers: layers.collect(),
                    x: b.activation(n * c),
                    h: b.activation(n * c),
                    rstd: b.activation(n),
                    y: b.activation(n * c),
                    dx: b.activation(n * c),
                    dh: b.activation(n * c),
                    dqkv: b.activation(n * s.qkv()),
                    dgate_up: b.activation(n * 2 * f),
                    ds: b.activation(n * f),
                    logits: b.activation(head_rows * self.layout.head.rows),
                    head_in: b.activation(head_rows * c),
                    dhead: b.activation(head_rows * c),
                }
            }
        }
    }
}

impl<B: ModelOperations> Engine<'_, B> {
    /// Loss in nats at every position, 0 where nothing is predicted.
    pub fn losses(&mut self, theta: &B::Master, batch: &Batch) -> Vec<f64> {
        let mut a = self.room(batch.tokens.len());
        self.forward(&mut a, theta, batch);
        let losses = self.head(&mut a, theta, batch, 0.0, None);
        self.arena = Some(a);
        losses
    }

    /// Logits of the token after the batch's last position.
    pub fn last_logits(&mut self, theta: &B::Master, batch: &Batch) -> Vec<f64> {
        let n = batch.tokens.len();
        assert!(n > 0, "logits: the batch is empty");
        let mut a = self.room(n);
        self.forward(&mut a, theta, batch);
        let (b, head) = (self.backend, self.layout.head);
        b.take_rows(&mut a.head_in, &a.h, n - 1..n, head.cols);
        b.matmul(&mut a.logits, &a.head_in, theta, head, 1, false);
        let mut logits = b.activation_to_host(&a.logits);
        logits.truncate(head.rows);
        self.arena = Some(a);
        logits
    }

    /// Losses as in [`Engine::losses`]; adds the gradient of `scale * sum of losses` of each bucket to `gradients[bucket]`.
    ///
    /// A gradient is as long as the layout; buckets without positions are left as they are.
    pub fn backward(&mut self, theta: &B::Master, batch: &Batch, scale: f64, gradients: &mut [B::Gradient]) -> Vec<f64> {
        self.pass(theta, batch, scale, &mut Gradients { gradients, buckets: &batch.buckets })
    }

    /// One pass forward and back; what comes forth on the way back goes to `sink`.
    pub(crate) fn pass(&mut self, theta: &B::Master, batch: &Batch, scale: f64, sink: &mut dyn Sink<B>) -> Vec<f64> {
        let mut a = self.room(batch.tokens.len());
        self.forward(&mut a, theta, batch);
        let losses = self.head(&mut a, theta, batch, scale, Some(sink));
        self.body_backward(&mut a, theta, batch, sink);
        self.arena = Some(a);
        losses
    }

    fn forward(&self, a: &mut Arena<B>, theta: &B::Master, batch: &Batch) {
        let (b, layout, n, eps) = (self.backend, &self.layout, batch.tokens.len(), self.config.norm_eps);
        let segments: &[Segment] = &batch.segments;
        let y = &mut a.y;
        let mut previous: Option<&mut LayerActivations<B>> = None;
        for (layer, m) in a.layers.iter_mut().zip(&layout.layers) {
            match &previous {
                None => {
                    b.embedding(&mut layer.x, &batch.tokens, theta, layout.embed);
                    b.rmsnorm(&mut layer.h1, &mut layer.rstd1, &mut layer.x, None, theta, m.attn_norm, n, eps);
                }
                Some(p) => b.rmsnorm(&mut layer.h1, &mut layer.rstd1, &mut layer.x, Some((&p.x2, y)), theta, m.attn_norm, n, eps),
            }
            b.matmul(&mut layer.qkv, &layer.h1, theta, m.qkv, n, false);
            b.rope(&mut layer.qkv, &batch.positions, layout.shape, self.config.rope_base, false);
            b.attention(&mut layer.out, &mut layer.lse, &layer.qkv, segments, layout.shape);
            b.matmul(y, &layer.out, theta, m.wo, n, false);
            b.rmsnorm(&mut layer.h2, &mut layer.rstd2, &mut layer.x2, Some((&layer.x, y)), theta, m.ffn_norm, n, eps);
            b.matmul(&mut layer.gate_up, &layer.h2, theta, m.gate_up, n, false);
            b.swiglu(&mut layer.s, &layer.gate_up, n, self.config.hidden);
            b.matmul(y, &layer.s, theta, m.down, n, false);
            previous = Some(layer);
        }
        let last = previous.expect("a model has at least one layer");
        b.rmsnorm(&mut a.h, &mut a.rstd, &mut a.x, Some((&last.x2, y)), theta, layout.final_norm, n, eps);
    }

    /// Logits, losses and, where gradients are wanted, `dh` of the final norm's output and what the head's map brings forth.
    fn head(&self, a: &mut Arena<B>, theta: &B::Master, batch: &Batch, scale: f64, mut sink: Option<&mut dyn Sink<B>>) -> Vec<f64> {
        let (b, head) = (self.backend, self.layout.head);
        let mut losses = Vec::with_capacity(batch.tokens.len());
        for start in (0..batch.tokens.len()).step_by(HEAD_ROWS) {
            let at = start..(start + HEAD_ROWS).min(batch.tokens.len());
            let n = at.len();
            b.take_rows(&mut a.head_in, &a.h, at.clone(), head.cols);
            b.matmul(&mut a.logits, &a.head_in, theta, head, n, false);
            losses.extend(b.cross_entropy(&mut a.logits, &batch.targets[at.clone()], head.rows, scale));
            if let Some(sink) = sink.as_deref_mut() {
                b.matmul_backward_input(&mut a.dhead, &a.logits, theta, head, n, false);
                b.put_rows(&mut a.dh, &a.dhead, at.clone(), head.cols);
                sink.linear(b, head, &a.logits, &a.head_in, at);
            }
        }
        losses
    }

    fn body_backward(&self, a: &mut Arena<B>, theta: &B::Master, batch: &Batch, sink: &mut dyn Sink<B>) {
        let (b, layout, n, width) = (self.backend, &self.layout, batch.tokens.len(), self.config.hidden);
        // The stream's gradient starts at zero: its last use is the final norm.
        b.clear_activation(&mut a.dx);
        b.rmsnorm_backward(&mut a.dx, &a.dh, &a.x, &a.rstd, theta, layout.final_norm, n);
        sink.gain(b, layout.final_norm, &a.dh, &a.x, &a.rstd, n);
        for (layer, m) in a.layers.iter().zip(&layout.layers).rev() {
            b.matmul_backward_input(&mut a.ds, &a.dx, theta, m.down, n, false);
            sink.linear(b, m.down, &a.dx, &layer.s, 0..n);
            b.swiglu_backward(&mut a.dgate_up, &a.ds, &layer.gate_up, n, width);
            b.matmul_backward_input(&mut a.dh, &a.dgate_up, theta, m.gate_up, n, false);
            sink.linear(b, m.gate_up, &a.dgate_up, &layer.h2, 0..n);
            sink.gain(b, m.ffn_norm, &a.dh, &layer.x2, &layer.rstd2, n);
            b.rmsnorm_backward(&mut a.dx, &a.dh, &layer.x2, &layer.rstd2, theta, m.ffn_norm, n);
            b.matmul_backward_input(&mut a.y, &a.dx, theta, m.wo, n, false);
            sink.linear(b, m.wo, &a.dx, &layer.out, 0..n);
            b.attention_backward(&mut a.dqkv, &a.y, &layer.out, &layer.lse, &layer.qkv, &batch.segments, layout.shape);
            b.rope(&mut a.dqkv, &batch.positions, layout.shape, self.config.rope_base, true);
            b.matmul_backward_input(&mut a.dh, &a.dqkv, theta, m.qkv, n, false);
            sink.linear(b, m.qkv, &a.dqkv, &layer.h1, 0..n);
            sink.gain(b, m.attn_norm, &a.dh, &layer.x, &layer.rstd1, n);
            b.rmsnorm_backward(&mut a.dx, &a.dh, &layer.x, &layer.rstd1, theta, m.attn_norm, n);
        }
        sink.embedding(b, layout.embed, &batch.tokens, &a.dx);
    }
}

impl<B: ModelOperations + AttributionOperations> Engine<'_, B> {
    /// Products of every position's gradient of `scale * sum of losses` with each of `vectors`, positions in the pass' order.
    ///
    /// Over a document's positions they add up to `<vector, its gradient>`.
    pub fn ghost(&mut self, theta: &B::Master, batch: &Batch, scale: f64, vectors: &[B::Master]) -> Vec<Vec<f64>> {
        let n = batch.tokens.len();
        let widest = self.layout.joined().iter().map(|w| w.rows).filter(|r| *r != self.layout.head.rows).max().unwrap_or(1);
        let scratch = self.backend.activation((n * widest).max(HEAD_ROWS.min(n) * self.layout.head.rows));
        let mut out = vec![vec![0.0; n]; vectors.len()];
        self.pass(theta, batch, scale, &mut Ghost { vectors, out: &mut out, scratch });
        out
    }
}
