//! Steps, windows and their price.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use kernels::{AdamW, Backend};

use crate::account::{Accounts, Window};
use crate::batch::Batch;
use crate::config::RunConfig;
use crate::documents::{self, DocumentCredit, Held, Slot};
use crate::engine::Engine;
use crate::error::TrainError;
use crate::exact::{Trace, TracedStep};
use crate::order::Weights;
use crate::price::{HeldOut, Pricing, target_count};
use crate::sink::{Documents, Gradients};
use crate::sketch::{Basis, Sketcher};
use crate::weights::{Earned, Online};

/// Everything a run needs to go on, to the last bit, in mid-window too.
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
    /// The window that is not priced yet.
    pub open: Option<Open<B>>,
    /// Documents whose gradients are still in the first moment.
    pub held: Vec<Held<B>>,
    /// What the sketches of the held documents were made with, by the first step of their window.
    pub bases: BTreeMap<u64, Basis>,
    /// Of each bucket, the documents of the last step that had any.
    pub last: Vec<Vec<Slot>>,
    /// Credit by document of the windows priced since the caller took it.
    pub rows: Vec<DocumentCredit>,
    /// How often groups are seen, ascending by first step; empty for every document once a pass.
    pub weights: Vec<Weights>,
    /// What groups were credited with since the weights changed, where they follow credit.
    pub earned: Vec<Earned>,
}

/// A window that is not priced yet.
pub struct Open<B: Backend> {
    /// Its first step.
    pub first_step: u64,
    /// Its number of steps.
    pub length: u64,
    /// Its first weights.
    pub first_theta: B::Master,
    /// The second moment before its first step.
    pub first_second: B::Master,
    /// What each bucket has moved.
    pub parts: Vec<B::Master>,
    /// What weight decay has moved.
    pub decay_part: B::Master,
    /// Tokens trained on, by bucket.
    pub tokens: Vec<u64>,
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

/// What a run is of, besides its config.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Buckets that gradients are kept in.
    pub buckets: usize,
    /// Steps of the whole run.
    pub steps: u64,
    /// What the sketches' signs derive from.
    pub seed: [u8; 32],
}

/// A step's passes, under the weights that were given so far.
type Batches<'a> = Box<dyn Fn(u64, &[Weights]) -> Vec<Batch> + 'a>;

/// A run: an order of batches, held-out tokens that price, and the buffers for both.
pub struct Trainer<'a, B: Backend> {
    pub(crate) backend: &'a B,
    pub(crate) engine: Engine<'a, B>,
    pub(crate) config: &'a RunConfig,
    pub(crate) batches: Batches<'a>,
    pub(crate) setup: Setup,
    pub(crate) pricing: &'a Pricing,
    decayed: Vec<Range<usize>>,
    pub(crate) frozen: Vec<Range<usize>>,
    gradients: Vec<B::Gradient>,
    total: B::Gradient,
    pub(crate) sketcher: Option<Sketcher<B>>,
    /// Held-out gradient at the last window's end, which is the next one's beginning.
    pub(crate) end: Option<(u64, HeldOut<B>)>,
    /// The window whose basis the sketcher uses.
    pub(crate) basis: Option<u64>,
    pub(crate) online: Option<Online>,
    pub(crate) trace: Option<Trace<B>>,
}

impl<'a, B: Backend> Trainer<'a, B> {
    /// A run of `setup.steps` steps; `batches` gives a step's passes, from its index and the weights so far.
    ///
    /// # Errors
    /// [`TrainError::TooManyBuckets`] if there are more buckets than the config's limit, [`TrainError::Config`] if it freezes what the
    /// model does not have.
    pub fn new(
        backend: &'a B,
        config: &'a RunConfig,
        setup: Setup,
        pricing: &'a Pricing,
        batches: impl Fn(u64, &[Weights]) -> Vec<Batch> + 'a,
    ) -> Result<Self, TrainError> {
        let engine = Engine::new(backend, &config.model, setup.vocabulary);
        let len = engine.layout.len;
        let limit = config.attribution.max_buckets;
        if setup.buckets > limit {
            return Err(TrainError::TooManyBuckets { found: setup.buckets, limit, bytes_per_bucket: 3 * 4 * len });
        }
        let (rank, rows) = (config.attribution.sketch_rank, config.attribution.sketch_rows);
        let frozen = engine.layout.frozen(&config.optimizer.frozen)?;
        Ok(Trainer {
            decayed: engine.layout.decayed().into_iter().filter(|r| !frozen.contains(r)).collect(),
            frozen,
            sketcher: (rank > 0).then(|| Sketcher::new(&engine.layout, rank, rows, &setup.seed)),
            engine,
            backend,
            config,
            batches: Box::new(batches),
            setup,
            pricing,
            gradients: (0..setup.buckets).map(|_| backend.gradient(len)).collect(),
            total: backend.gradient(len),
            end: None,
            basis: None,
            online: None,
            trace: None,
        })
    }

    /// From now on the groups' weights follow what their documents are credited with.
    ///
    /// # Errors
    /// [`TrainError::Config`] if the run credits no documents.
    pub fn follow(&mut self, online: Online) -> Result<(), TrainError> {
        if self.sketcher.is_none() {
            return Err(TrainError::Config("weights that follow credit need credit by document: sketch_rank at least 1".into()));
        }
        self.online = Some(online);
        Ok(())
    }

    /// The model's layout.
    pub fn layout(&self) -> &crate::model::Layout {
        &self.engine.layout
    }

    /// Parts of the pricing tokens.
    pub(crate) fn part_count(&self) -> usize {
        self.pricing.parts.len()
    }

    /// Numbers of a sketch; none without credit by document.
    pub(crate) fn sketch_len(&self) -> usize {
        self.sketcher.as_ref().map_or(0, Sketcher::len)
    }

    /// The basis that `values` are the numbers of.
    pub(crate) fn basis_from_flat(&self, values: &[f64]) -> Option<Basis> {
        self.sketcher.as_ref()?.basis_from_flat(values)
    }

    /// Number of buckets.
    pub fn buckets(&self) -> usize {
        self.setup.buckets
    }

    /// Steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.setup.steps
    }

    /// The state before step 0 with the given weights.
    pub fn start(&self, theta: &[f64]) -> State<B> {
        let len = self.engine.layout.len;
        assert_eq!(theta.len(), len, "initial weights: another number of parameters than the model has");
        State {
            step: 0,
            theta: self.backend.master(theta),
            second: self.backend.master_zeros(len),
            moments: (0..self.setup.buckets).map(|_| self.backend.master_zeros(len)).collect(),
            next_window: self.config.attribution.first_window,
            windows: Vec::new(),
            losses: Vec::new(),
            open: None,
            held: Vec::new(),
            bases: BTreeMap::new(),
            last: vec![Vec::new(); self.setup.buckets],
            rows: Vec::new(),
            weights: Vec::new(),
            earned: Vec::new(),
        }
    }

    /// The accounts of `state`.
    pub fn accounts(&self, state: &State<B>) -> Accounts {
        Accounts { parts: self.pricing.of(), windows: state.windows.clone() }
    }

    /// Mean loss over `batches` at the state's weights, in nats a target.
    pub fn loss(&mut self, state: &State<B>, batches: &[Batch]) -> f64 {
        let losses: f64 = batches.iter().map(|b| self.engine.losses(&state.theta, b).iter().sum::<f64>()).sum();
        losses / target_count(batches).max(1) as f64
    }

    /// Takes the steps of one window, or of what is left of it, and prices them; `false` if the run is over.
    pub fn window(&mut self, state: &mut State<B>, observer: Observer<'_>) -> bool {
        if state.step >= self.setup.steps {
            return false;
        }
        loop {
            let report = self.step(state);
            observer(&report);
            if self.is_full(state) {
                self.price(state);
                return true;
            }
        }
    }

    /// Whether the open window has all its steps and waits for [`Trainer::price`].
    pub fn is_full(&self, state: &State<B>) -> bool {
        state.open.as_ref().is_some_and(|w| state.step >= w.first_step + w.length)
    }

    /// The open window; its held-out gradient at the beginning is computed unless the last window's end gave it.
    fn open(&mut self, state: &mut State<B>) -> Open<B> {
        if let Some(open) = state.open.take() {
            self.use_basis(state, open.first_step);
            return open;
        }
        let len = self.engine.layout.len;
        if self.sketcher.is_some() && !state.bases.contains_key(&state.step) {
            // Nothing has priced a window yet: the held-out gradient has to do, which the window needs anyway.
            let held_out = self.held_out(&state.theta);
            let mean = self.mean(&held_out);
            let basis = self.sketcher.as_ref().map(|s| s.basis(self.backend, &mean, None, None));
            state.bases.extend(basis.map(|basis| (state.step, basis)));
            self.end = Some((state.step, held_out));
        }
        self.use_basis(state, state.step);
        Open {
            first_step: state.step,
            length: state.next_window.min(self.setup.steps - state.step),
            first_theta: state.theta.clone(),
            first_second: state.second.clone(),
            parts: (0..self.setup.buckets).map(|_| self.backend.master_zeros(len)).collect(),
            decay_part: self.backend.master_zeros(len),
            tokens: vec![0; self.setup.buckets],
        }
    }

    fn use_basis(&mut self, state: &State<B>, window: u64) {
        if let (Some(sketcher), false) = (&mut self.sketcher, self.basis == Some(window)) {
            sketcher.use_basis(self.backend, &state.bases[&window]);
        }
        self.basis = Some(window);
    }

    /// Takes one step; a window that is full has to be priced first.
    pub fn step(&mut self, state: &mut State<B>) -> StepReport {
        assert!(state.step < self.setup.steps && !self.is_full(state), "step: the run is over or its window waits for its price");
        let mut open = self.open(state);
        let batches = (self.batches)(state.step, &state.weights);
        let scale = 1.0 / target_count(&batches).max(1) as f64;
        let mut present = vec![false; self.setup.buckets];
        for (bucket, _) in batches.iter().flat_map(|b| &b.buckets) {
            present[*bucket] = true;
        }
        for (gradient, _) in self.gradients.iter_mut().zip(&present).filter(|(_, p)| **p) {
            self.backend.clear_gradient(gradient, 0..self.engine.layout.len);
        }
        let slots = if self.sketcher.is_some() { documents::slots(&batches) } else { Vec::new() };
        let mut sketches = self.backend.gradient(slots.len() * self.sketch_len());
        let mut loss = 0.0;
        for batch in &batches {
            let documents = self.sketcher.as_mut().map(|sketcher| Documents {
                sketcher,
                sketches: &mut sketches,
                runs: documents::runs(batch, &slots),
            });
            let mut sink = Gradients { gradients: &mut self.gradients, buckets: &batch.buckets, documents };
            loss += self.engine.pass(&state.theta, batch, scale, &mut sink).iter().sum::<f64>() * scale;
        }
        for (gradient, _) in self.gradients.iter_mut().zip(&present).filter(|(_, p)| **p) {
            self.frozen.iter().for_each(|range| self.backend.clear_gradient(gradient, range.clone()));
        }
        let seen: Vec<&B::Gradient> = self.gradients.iter().zip(&present).filter(|(_, p)| **p).map(|(g, _)| g).collect();
        let grad_norm = self.backend.sum_gradients(&mut self.total, &seen).sqrt();
        let o = &self.config.optimizer;
        let clip_factor = (o.clip_norm / (grad_norm + 1e-12)).min(1.0);
        // A step whose gradient is not finite changes nothing and so credits nothing.
        if loss.is_finite() && grad_norm.is_finite() {
            for (bucket, rows) in batches.iter().flat_map(|b| &b.buckets) {
                open.tokens[*bucket] += rows.len() as u64;
            }
            let hyper = AdamW {
                lr: o.lr_at(state.step, self.setup.steps),
                beta1: o.beta1,
                beta2: o.beta2,
                eps: o.eps,
                weight_decay: o.weight_decay,
                clip_factor,
                step: state.step,
            };
            let before = self.trace.is_some().then(|| state.theta.clone());
            let gradients: Vec<Option<&B::Gradient>> = self.gradients.iter().zip(&present).map(|(g, p)| p.then_some(g)).collect();
            self.backend.adamw(
                hyper,
                &mut state.theta,
                &mut state.second,
                &self.total,
                &gradients,
                &mut state.moments,
                &mut open.parts,
                &mut open.decay_part,
                &self.decayed,
            );
            let rate = hyper.lr / (1.0 - o.beta1.powi(state.step as i32 + 1));
            self.hold(state, open.first_step, slots, sketches, clip_factor);
            if let (Some(trace), Some(theta)) = (&mut self.trace, before) {
                trace.weights.clone_from(&state.weights);
                trace.steps.push(TracedStep { step: state.step, theta, second: state.second.clone(), clip_factor, rate });
            }
        } else {
            loss = f64::NAN;
        }
        let report =
            StepReport { step: state.step, loss, grad_norm, clip_factor, tokens: batches.iter().map(|b| b.tokens.len() as u64).sum() };
        state.losses.push(loss);
        state.step += 1;
        state.open = Some(open);
        report
    }

    /// Adds the step's documents to those held.
    fn hold(&self, state: &mut State<B>, basis: u64, slots: Vec<Slot>, sketches: B::Gradient, clip_factor: f64) {
        if self.sketcher.is_some() {
            for bucket in slots.iter().map(|s| s.bucket).collect::<BTreeSet<u32>>() {
                state.last[bucket as usize] = slots.iter().filter(|s| s.bucket == bucket).copied().collect();
            }
            let factor = (1.0 - self.config.optimizer.beta1) * clip_factor;
            state.held.push(Held { step: state.step, basis, slots, sketches, factor });
        }
    }
}
