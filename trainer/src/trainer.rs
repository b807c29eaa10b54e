//! A run: its batches, its pricing tokens, and the buffers for both.

use std::collections::BTreeMap;
use std::ops::Range;

use corpus::credit::Accounts;
use kernels::{Memory, ModelOperations, OptimizerOperations};

use crate::batch::Batch;
use crate::config::RunConfig;
use crate::engine::Engine;
use crate::error::TrainError;
use crate::model::Layout;
use crate::order::Shares;
use crate::pricing::{Pricing, target_count};
use crate::shares::Online;
use crate::sketch::{Basis, Sketcher};
use crate::state::State;
use crate::trace::Trace;

/// Losses and gradients of the held-out tokens, by part.
pub(crate) struct HeldOut<B: Memory> {
    pub losses: Vec<f64>,
    pub gradients: Vec<B::Gradient>,
}

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

/// A step's passes, under the shares that were given so far.
type Batches<'a> = Box<dyn Fn(u64, &[Shares]) -> Vec<Batch> + 'a>;

/// A run: an order of batches, held-out tokens that price, and the buffers for both.
pub struct Trainer<'a, B: Memory> {
    pub(crate) backend: &'a B,
    pub(crate) engine: Engine<'a, B>,
    pub(crate) config: &'a RunConfig,
    pub(crate) batches: Batches<'a>,
    pub(crate) setup: Setup,
    pub(crate) pricing: &'a Pricing,
    pub(crate) decayed: Vec<Range<usize>>,
    pub(crate) frozen: Vec<Range<usize>>,
    pub(crate) gradients: Vec<B::Gradient>,
    pub(crate) total: B::Gradient,
    pub(crate) sketcher: Option<Sketcher<B>>,
    /// Held-out gradient at the last window's end, which is the next one's beginning.
    pub(crate) end: Option<(u64, HeldOut<B>)>,
    /// The window whose basis the sketcher uses.
    pub(crate) basis: Option<u64>,
    pub(crate) online: Option<Online>,
    pub(crate) trace: Option<Trace<B>>,
}

impl<'a, B: Memory> Trainer<'a, B> {
    /// A run of `setup.steps` steps; `batches` gives a step's passes, from its index and the shares so far.
    ///
    /// # Errors
    /// [`TrainError::TooManyBuckets`] if there are more buckets than the config's limit, [`TrainError::Config`] if it freezes what the
    /// model does not have.
    pub fn new(
        backend: &'a B,
        config: &'a RunConfig,
        setup: Setup,
        pricing: &'a Pricing,
        batches: impl Fn(u64, &[Shares]) -> Vec<Batch> + 'a,
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

    /// From now on the groups' shares follow what their documents are credited with.
    ///
    /// # Errors
    /// [`TrainError::Config`] if the run credits no documents.
    pub fn follow(&mut self, online: Online) -> Result<(), TrainError> {
        if self.sketcher.is_none() {
            return Err(TrainError::Config("sampling shares that follow credit need credit by document: sketch_rank at least 1".into()));
        }
        self.online = Some(online);
        Ok(())
    }

    /// The model's layout.
    pub fn layout(&self) -> &Layout {
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

    /// Numbers of a basis; none without credit by document.
    pub(crate) fn basis_len(&self) -> usize {
        self.sketcher.as_ref().map_or(0, Sketcher::basis_len)
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

    /// The state before step 0 with the given parameters.
    pub fn start(&self, theta: &[f64]) -> State<B> {
        let len = self.engine.layout.len;
        assert_eq!(theta.len(), len, "initial parameters: another number of parameters than the model has");
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
            shares: Vec::new(),
            earned: Vec::new(),
        }
    }

    /// The accounts of `state`.
    pub fn accounts(&self, state: &State<B>) -> Accounts {
        Accounts { parts: self.pricing.of(), windows: state.windows.clone() }
    }

    /// Whether the open window has all its steps and waits for [`Trainer::price`].
    pub fn is_full(&self, state: &State<B>) -> bool {
        state.open.as_ref().is_some_and(|w| state.step >= w.first_step + w.length)
    }

    /// Sketches are made with the basis of the window that begins at step `window` from now on.
    pub(crate) fn use_basis(&mut self, state: &State<B>, window: u64) {
        if let (Some(sketcher), false) = (&mut self.sketcher, self.basis == Some(window)) {
            sketcher.use_basis(self.backend, &state.bases[&window]);
        }
        self.basis = Some(window);
    }
}

impl<B: ModelOperations> Trainer<'_, B> {
    /// Mean loss over `batches` at the state's parameters, in nats a target.
    pub fn loss(&mut self, state: &State<B>, batches: &[Batch]) -> f64 {
        let losses: f64 = batches.iter().map(|b| self.engine.losses(&state.theta, b).iter().sum::<f64>()).sum();
        losses / target_count(batches).max(1) as f64
    }

    /// Losses and gradients of the held-out tokens at `theta`, by part.
    pub(crate) fn held_out(&mut self, theta: &B::Master) -> HeldOut<B> {
        let mut held_out = HeldOut { losses: Vec::new(), gradients: Vec::new() };
        for (_, batches) in &self.pricing.parts {
            let mut gradient = [self.backend.gradient(self.engine.layout.len)];
            let scale = 1.0 / target_count(batches) as f64;
            let mut loss = 0.0;
            for batch in batches {
                loss += self.engine.backward(theta, batch, scale, &mut gradient).iter().sum::<f64>();
            }
            // What does not move has no price; its second moment is zero, so a preconditioner would make it large.
            self.frozen.iter().for_each(|range| self.backend.clear_gradient(&mut gradient[0], range.clone()));
            held_out.losses.push(loss * scale);
            held_out.gradients.extend(gradient);
        }
        held_out
    }
}

impl<B: OptimizerOperations> Trainer<'_, B> {
    /// The mean held-out gradient over all parts.
    pub(crate) fn mean(&self, held_out: &HeldOut<B>) -> B::Master {
        let mut mean = self.backend.master_zeros(self.engine.layout.len);
        let factors = self.pricing.parts.iter().map(|(part, _)| part.factor());
        self.backend.mean(&mut mean, &factors.zip(&held_out.gradients).collect::<Vec<_>>());
        mean
    }
}
