//! Steps, windows and their price.

use std::ops::Range;

use kernels::{AdamW, Backend};

use crate::account::{Accounts, Rule, Window};
use crate::batch::Batch;
use crate::config::RunConfig;
use crate::engine::Engine;
use crate::error::TrainError;

/// Held-out tokens that price: in parts (halves), each with its share of the tokens.
#[derive(Clone, Debug, Default)]
pub struct Pricing {
    /// Share of all pricing targets, and the positions.
    pub parts: Vec<(f64, Batch)>,
}

impl Pricing {
    /// Shares follow from the number of targets in each part.
    ///
    /// # Errors
    /// [`TrainError::TooFewTokens`] if a part predicts nothing.
    pub fn new(batches: Vec<Batch>) -> Result<Pricing, TrainError> {
        if let Some(empty) = batches.iter().find(|b| b.target_count() == 0) {
            return Err(TrainError::TooFewTokens { thing: "a half of the pricing targets", expected: 2, found: empty.tokens.len() });
        }
        let total: usize = batches.iter().map(Batch::target_count).sum();
        Ok(Pricing { parts: batches.into_iter().map(|b| (b.target_count() as f64 / total as f64, b)).collect() })
    }

    /// The parts' shares.
    pub fn shares(&self) -> Vec<f64> {
        self.parts.iter().map(|(share, _)| *share).collect()
    }
}

/// Everything a run needs to go on, to the last bit.
pub struct State<B: Backend> {
    /// Steps taken.
    pub step: u64,
    /// Parameters.
    pub theta: B::Master,
    /// Second moment.
    pub second: B::Master,
    /// First moment of each bucket; the optimizer's is their sum.
    pub moments: Vec<B::Master>,
    /// Length of the next window.
    pub next_window: u64,
    /// Windows priced so far.
    pub windows: Vec<Window>,
    /// Training loss of each step; not a number where a step was skipped.
    pub losses: Vec<f64>,
}

/// What a step did.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Its index.
    pub step: u64,
    /// Mean training loss in nats.
    pub loss: f64,
    /// Norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Factor that clipping put on it.
    pub clip_factor: f64,
    /// Tokens it saw.
    pub tokens: u64,
}

/// Told of every step, for progress bars and metrics.
pub type Observer<'o> = &'o mut dyn FnMut(&StepReport);

struct HeldOut<B: Backend> {
    losses: Vec<f64>,
    gradients: Vec<B::Gradient>,
}

/// A run: an order of batches, held-out tokens that price, and the buffers for both.
pub struct Trainer<'a, B: Backend> {
    backend: &'a B,
    engine: Engine<'a, B>,
    config: &'a RunConfig,
    batches: Box<dyn Fn(u64) -> Vec<Batch> + 'a>,
    steps: u64,
    pricing: &'a Pricing,
    buckets: usize,
    decayed: Vec<Range<usize>>,
    gradients: Vec<B::Gradient>,
    total: B::Gradient,
    parts: Vec<B::Master>,
    decay_part: B::Master,
    /// Held-out gradient at the last window's end, which is the next one's beginning.
    end: Option<(u64, HeldOut<B>)>,
}

impl<'a, B: Backend> Trainer<'a, B> {
    /// A run of `steps` steps; `batches` gives a step's micro-batches.
    ///
    /// # Errors
    /// [`TrainError::TooManyBuckets`] if `buckets` is above the config's limit.
    pub fn new(
        backend: &'a B,
        config: &'a RunConfig,
        vocabulary: usize,
        buckets: usize,
        steps: u64,
        pricing: &'a Pricing,
        batches: impl Fn(u64) -> Vec<Batch> + 'a,
    ) -> Result<Self, TrainError> {
        let engine = Engine::new(backend, &config.model, vocabulary);
        let len = engine.layout.len;
        let limit = config.attribution.max_buckets;
        if buckets > limit {
            return Err(TrainError::TooManyBuckets { found: buckets, limit, bytes_per_bucket: 3 * 4 * len });
        }
        Ok(Trainer {
            decayed: engine.layout.decayed(),
            engine,
            backend,
            config,
            batches: Box::new(batches),
            steps,
            pricing,
            buckets,
            gradients: (0..buckets).map(|_| backend.gradient(len)).collect(),
            total: backend.gradient(len),
            parts: (0..buckets).map(|_| backend.master_zeros(len)).collect(),
            decay_part: backend.master_zeros(len),
            end: None,
        })
    }

    /// The model's layout.
    pub fn layout(&self) -> &crate::model::Layout {
        &self.engine.layout
    }

    /// Parts of the pricing tokens.
    pub(crate) fn halves(&self) -> usize {
        self.pricing.parts.len()
    }

    /// Number of buckets.
    pub fn buckets(&self) -> usize {
        self.buckets
    }

    /// Steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The state before step 0 with the given weights.
    pub fn start(&self, theta: &[f64]) -> State<B> {
        let len = self.engine.layout.len;
        assert_eq!(theta.len(), len, "initial weights: another number of parameters than the model has");
        State {
            step: 0,
            theta: self.backend.master(theta),
            second: self.backend.master_zeros(len),
            moments: (0..self.buckets).map(|_| self.backend.master_zeros(len)).collect(),
            next_window: self.config.attribution.first_window,
            windows: Vec::new(),
            losses: Vec::new(),
        }
    }

    /// The accounts of `state`.
    pub fn accounts(&self, state: &State<B>) -> Accounts {
        Accounts { shares: self.pricing.shares(), windows: state.windows.clone() }
    }

    /// Mean loss over `batch` at the state's weights, in nats a target.
    pub fn loss(&mut self, state: &State<B>, batch: &Batch) -> f64 {
        mean(&self.engine.losses(&state.theta, batch), batch)
    }

    /// Takes the steps of one window and prices them; `false` if the run is over.
    pub fn window(&mut self, state: &mut State<B>, observer: Observer<'_>) -> bool {
        if state.step >= self.steps {
            return false;
        }
        let length = state.next_window.min(self.steps - state.step);
        let before = match self.end.take() {
            Some((step, held_out)) if step == state.step => held_out,
            _ => self.held_out(&state.theta),
        };
        let first_theta = state.theta.clone();
        for part in &mut self.parts {
            self.backend.clear(part);
        }
        self.backend.clear(&mut self.decay_part);
        let first_step = state.step;
        let mut tokens = vec![0; self.buckets];
        for _ in 0..length {
            let report = self.step(state, &mut tokens);
            observer(&report);
        }
        let after = self.held_out(&state.theta);
        let window = self.price(state, first_step, &first_theta, &before, &after, tokens);
        state.next_window = self.next_length(length, &window, state);
        state.windows.push(window);
        self.end = Some((state.step, after));
        true
    }

    fn step(&mut self, state: &mut State<B>, tokens: &mut [u64]) -> StepReport {
        let batches = (self.batches)(state.step);
        let targets: usize = batches.iter().map(Batch::target_count).sum();
        let mut present = vec![false; self.buckets];
        for batch in &batches {
            for (bucket, rows) in &batch.buckets {
                present[*bucket] = true;
                tokens[*bucket] += rows.len() as u64;
            }
        }
        for (gradient, _) in self.gradients.iter_mut().zip(&present).filter(|(_, p)| **p) {
            self.backend.clear_gradient(gradient);
        }
        let scale = 1.0 / targets.max(1) as f64;
        let mut loss = 0.0;
        for batch in &batches {
            loss += self.engine.backward(&state.theta, batch, scale, &mut self.gradients).iter().sum::<f64>() * scale;
        }
        let seen: Vec<&B::Gradient> = self.gradients.iter().zip(&present).filter(|(_, p)| **p).map(|(g, _)| g).collect();
        let grad_norm = self.backend.sum_gradients(&mut self.total, &seen).sqrt();
        let o = &self.config.optimizer;
        let clip_factor = (o.clip_norm / (grad_norm + 1e-12)).min(1.0);
        // A step whose gradient is not finite changes nothing and so credits nothing.
        if loss.is_finite() && grad_norm.is_finite() {
            let hyper = AdamW {
                lr: o.lr_at(state.step, self.steps),
                beta1: o.beta1,
                beta2: o.beta2,
                eps: o.eps,
                weight_decay: o.weight_decay,
                clip_factor,
                step: state.step,
            };
            let gradients: Vec<Option<&B::Gradient>> = self.gradients.iter().zip(&present).map(|(g, p)| p.then_some(g)).collect();
            self.backend.adamw(
                hyper,
                &mut state.theta,
                &mut state.second,
                &self.total,
                &gradients,
                &mut state.moments,
                &mut self.parts,
                &mut self.decay_part,
                &self.decayed,
            );
        } else {
            loss = f64::NAN;
        }
        let report =
            StepReport { step: state.step, loss, grad_norm, clip_factor, tokens: batches.iter().map(|b| b.tokens.len() as u64).sum() };
        state.losses.push(loss);
        state.step += 1;
        report
    }

    fn held_out(&mut self, theta: &B::Master) -> HeldOut<B> {
        let mut held_out = HeldOut { losses: Vec::new(), gradients: Vec::new() };
        for (_, batch) in &self.pricing.parts {
            let mut gradient = [self.backend.gradient(self.engine.layout.len)];
            let losses = self.engine.backward(theta, batch, 1.0 / batch.target_count() as f64, &mut gradient);
            held_out.losses.push(mean(&losses, batch));
            held_out.gradients.extend(gradient);
        }
        held_out
    }

    fn between(&mut self, first: &B::Master, last: &B::Master, at: f64) -> HeldOut<B> {
        let mut theta = self.backend.master_zeros(self.engine.layout.len);
        self.backend.mix(&mut theta, first, last, at);
        self.held_out(&theta)
    }

    fn price(
        &mut self,
        state: &State<B>,
        first_step: u64,
        first: &B::Master,
        before: &HeldOut<B>,
        after: &HeldOut<B>,
        tokens: Vec<u64>,
    ) -> Window {
        let shares = self.pricing.shares();
        let mut window = Window {
            index: state.windows.len() as u64,
            first_step,
            end_step: state.step,
            rule: self.config.attribution.rule,
            marked: false,
            loss_before: before.losses.clone(),
            loss_after: after.losses.clone(),
            credit: Vec::new(),
            decay: Vec::new(),
            tokens,
        };
        // Points on the chord are computed once, whichever rules ask for them.
        let mut inner: Vec<(f64, HeldOut<B>)> = Vec::new();
        let acceptable = self.acceptable(&window, state);
        for rule in [self.config.attribution.rule, Rule::Boole] {
            window.rule = rule;
            for &(at, _) in rule.points() {
                if at > 0.0 && at < 1.0 && inner.iter().all(|(known, _)| *known != at) {
                    inner.push((at, self.between(first, &state.theta, at)));
                }
            }
            let point = |at: f64| match at {
                0.0 => before,
                1.0 => after,
                _ => &inner.iter().find(|(known, _)| *known == at).expect("computed above").1,
            };
            let points: Vec<&HeldOut<B>> = rule.points().iter().map(|&(at, _)| point(at)).collect();
            self.credit(&mut window, &points);
            // If it stays so: the gradient along the chord is rougher than four intervals resolve.
            window.marked = window.residual(&shares).abs() > acceptable;
            if !window.marked {
                break;
            }
        }
        window
    }

    /// Prices the window's parts with the held-out gradients at its rule's points.
    fn credit(&self, window: &mut Window, points: &[&HeldOut<B>]) {
        let halves = self.pricing.parts.len();
        window.credit = vec![0.0; self.buckets * halves];
        window.decay = vec![0.0; halves];
        let mut chord = self.backend.gradient(self.engine.layout.len);
        for half in 0..halves {
            let weighted: Vec<(f64, &B::Gradient)> =
                window.rule.points().iter().zip(points).map(|((_, weight), point)| (*weight, &point.gradients[half])).collect();
            self.backend.combine(&mut chord, &weighted);
            for (bucket, part) in self.parts.iter().enumerate() {
                window.credit[bucket * halves + half] = self.backend.dot(&chord, part);
            }
            window.decay[half] = self.backend.dot(&chord, &self.decay_part);
        }
    }

    /// The residual that a window may leave: a share of its drop, or of what such a window drops on the run's average so far.
    ///
    /// Late windows hardly drop; a share of that alone would be noise.
    fn acceptable(&self, window: &Window, state: &State<B>) -> f64 {
        let shares = self.pricing.shares();
        let so_far: f64 = state.windows.iter().map(|w| w.drop(&shares)).sum::<f64>() + window.drop(&shares);
        let length = (window.end_step - window.first_step) as f64;
        let average = so_far.abs() * length / self.steps as f64;
        self.config.attribution.residual_limit * window.drop(&shares).abs().max(average)
    }

    fn next_length(&self, length: u64, window: &Window, state: &State<B>) -> u64 {
        let a = &self.config.attribution;
        let residual = window.residual(&self.pricing.shares()).abs();
        let acceptable = self.acceptable(window, state);
        if window.rule == Rule::Boole {
            (length / 2).max(1)
        } else if residual < acceptable / 4.0 {
            (length * 2).min(a.max_window)
        } else {
            length
        }
    }
}

fn mean(losses: &[f64], batch: &Batch) -> f64 {
    losses.iter().sum::<f64>() / batch.target_count().max(1) as f64
}
