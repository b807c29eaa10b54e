//! Steps and windows.

use std::collections::BTreeSet;

use kernels::{AdamW, Backend};

use crate::documents::{self, Held, Slot};
use crate::pricing::target_count;
use crate::sink::{Documents, Gradients, Step};
use crate::state::{Open, State};
use crate::trace::TracedStep;
use crate::trainer::Trainer;

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

impl<B: Backend> Trainer<'_, B> {
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

    /// Takes one step; a window that is full has to be priced first.
    pub fn step(&mut self, state: &mut State<B>) -> StepReport {
        assert!(state.step < self.setup.steps && !self.is_full(state), "step: the run is over or its window waits for its price");
        let mut open = self.open(state);
        let batches = (self.batches)(state.step, &state.shares);
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
            let gradients = Gradients { gradients: &mut self.gradients, buckets: &batch.buckets };
            let mut sink = Step { gradients, documents };
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
                trace.shares.clone_from(&state.shares);
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
