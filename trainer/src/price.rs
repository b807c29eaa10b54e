//! The price of a window: the credit of its buckets and documents, and how long the next window is.

use std::collections::BTreeSet;

use corpus::credit::{Rule, Window};
use kernels::Backend;

use crate::documents::{self, Estimates, Moving};
use crate::state::{Open, State};
use crate::trace::TracedWindow;
use crate::trainer::{HeldOut, Trainer};

impl<B: Backend> Trainer<'_, B> {
    /// The preconditioned mean held-out gradient at the state's parameters: what prices a gradient taken here.
    pub fn price_direction(&mut self, state: &mut State<B>) -> B::Master {
        let held_out = self.held_out(&state.theta);
        // Before the first step there is no second moment: every element counts alike.
        if state.step == 0 { self.mean(&held_out) } else { self.preconditioned_mean(&held_out, &state.second, state.step) }
    }

    /// The mean held-out gradient under AdamW's preconditioner, given the second moment after `steps` steps.
    pub(crate) fn preconditioned_mean(&self, held_out: &HeldOut<B>, second: &B::Master, steps: u64) -> B::Master {
        let (b, o, len) = (self.backend, &self.config.optimizer, self.engine.layout.len);
        let mut mean = b.gradient(len);
        let factors = self.pricing.parts.iter().map(|(part, _)| part.factor());
        b.combine(&mut mean, &factors.zip(&held_out.gradients).collect::<Vec<_>>());
        let mut direction = b.master_zeros(len);
        b.precondition(&mut direction, &mean, second, 1.0 - o.beta2.powi(steps as i32), o.eps);
        direction
    }

    fn between(&mut self, first: &B::Master, last: &B::Master, at: f64) -> HeldOut<B> {
        let mut theta = self.backend.master_zeros(self.engine.layout.len);
        self.backend.mix(&mut theta, first, last, at);
        self.held_out(&theta)
    }

    /// Prices the full window and lets go of documents that the first moment has forgotten.
    pub fn price(&mut self, state: &mut State<B>) {
        assert!(self.is_full(state), "price: the window has steps left");
        let open = state.open.take().expect("a full window is open");
        let before = match self.end.take() {
            Some((step, held_out)) if step == open.first_step => held_out,
            // After a restart in mid-window the gradient at its beginning is computed again.
            _ => self.held_out(&open.first_theta),
        };
        let after = self.held_out(&state.theta);
        let parts = self.pricing.of();
        let mut window = Window {
            index: state.windows.len() as u64,
            first_step: open.first_step,
            end_step: state.step,
            rule: self.config.attribution.rule,
            marked: false,
            loss_before: before.losses.clone(),
            loss_after: after.losses.clone(),
            credit: Vec::new(),
            decay: Vec::new(),
            correction: vec![0.0; parts.len()],
            tokens: open.tokens.clone(),
        };
        // Points on the chord are computed once, whichever rules ask for them.
        let mut inner: Vec<(f64, HeldOut<B>)> = Vec::new();
        let acceptable = self.acceptable(&window, state);
        for rule in [self.config.attribution.rule, Rule::Boole] {
            window.rule = rule;
            for &(at, _) in rule.points() {
                if at > 0.0 && at < 1.0 && inner.iter().all(|(known, _)| *known != at) {
                    inner.push((at, self.between(&open.first_theta, &state.theta, at)));
                }
            }
            let point = |at: f64| match at {
                0.0 => &before,
                1.0 => &after,
                _ => &inner.iter().find(|(known, _)| *known == at).expect("computed above").1,
            };
            let points: Vec<&HeldOut<B>> = rule.points().iter().map(|&(at, _)| point(at)).collect();
            self.credit(&mut window, &open, &points);
            // If it stays so: the gradient along the chord is rougher than four intervals resolve.
            window.marked = window.residual(&parts).abs() > acceptable;
            if !window.marked || rule == Rule::Boole {
                self.credit_documents(state, &mut window, &open.first_second, &points);
                break;
            }
        }
        drop(inner);
        state.next_window = self.next_length(open.length, &window, state);
        state.windows.push(window);
        let look_ahead = self.config.attribution.look_ahead;
        state.held.retain(|h| state.step - h.step < look_ahead);
        let (now, used): (u64, BTreeSet<u64>) = (state.step, state.held.iter().map(|h| h.basis).collect());
        state.bases.retain(|step, _| *step == now || used.contains(step));
        self.end = Some((state.step, after));
    }

    /// The mean held-out gradient of a part along the chord.
    fn chord(&self, rule: Rule, points: &[&HeldOut<B>], part: usize) -> B::Gradient {
        let mut chord = self.backend.gradient(self.engine.layout.len);
        let weighted: Vec<(f64, &B::Gradient)> =
            rule.points().iter().zip(points).map(|((_, weight), point)| (*weight, &point.gradients[part])).collect();
        self.backend.combine(&mut chord, &weighted);
        chord
    }

    /// Prices the window's parts with the held-out gradients at its rule's points.
    fn credit(&self, window: &mut Window, open: &Open<B>, points: &[&HeldOut<B>]) {
        let parts = self.pricing.parts.len();
        window.credit = vec![0.0; self.setup.buckets * parts];
        window.decay = vec![0.0; parts];
        for part in 0..parts {
            let chord = self.chord(window.rule, points, part);
            for (bucket, moved) in open.parts.iter().enumerate() {
                window.credit[bucket * parts + part] = self.backend.dot(&chord, moved);
            }
            window.decay[part] = self.backend.dot(&chord, &open.decay_part);
        }
    }

    /// Splits the buckets' credit among the documents that the window's steps moved with.
    fn credit_documents(&mut self, state: &mut State<B>, window: &mut Window, first_second: &B::Master, points: &[&HeldOut<B>]) {
        if self.sketcher.is_none() && self.trace.is_none() {
            return;
        }
        let (b, o) = (self.backend, &self.config.optimizer);
        let len = self.engine.layout.len;
        // Steps that were skipped moved nothing, and the first moment has not aged in them.
        let taken: Vec<u64> = (0..state.step).filter(|s| state.losses[*s as usize].is_finite()).collect();
        let inside = &taken[taken.partition_point(|s| *s < window.first_step)..];
        let ages = |from: u64, to: u64| (taken.partition_point(|s| *s < to) - taken.partition_point(|s| *s < from)) as i32;
        let rate = |step: u64| o.lr_at(step, self.setup.steps) / (1.0 - o.beta1.powi(step as i32 + 1));
        let (mut mean, mut scratch, mut second) = (b.master_zeros(len), b.master_zeros(len), b.master_zeros(len));
        let (mut estimates, mut chords) = (Estimates::new(), Vec::new());
        let bases: BTreeSet<u64> = state.held.iter().map(|h| h.basis).collect();
        for (part, (facts, _)) in self.pricing.parts.iter().enumerate() {
            let chord = self.chord(window.rule, points, part);
            if let Some(sketcher) = &self.sketcher {
                let mut steps = Vec::new();
                for (i, &step) in inside.iter().enumerate() {
                    b.mix(&mut second, first_second, &state.second, second_at(o.beta2, i + 1, inside.len()));
                    b.precondition(&mut scratch, &chord, &second, 1.0 - o.beta2.powi(step as i32 + 1), o.eps);
                    let priced = bases.iter().map(|basis| (*basis, sketcher.of(b, &scratch, &state.bases[basis]))).collect();
                    steps.push(Moving { step, rate: rate(step), priced });
                }
                b.scale_add(&mut mean, 1.0, &scratch, facts.factor());
                let place = (part, self.pricing.parts.len());
                documents::estimate(b, &mut estimates, &state.held, &steps, ages, o.beta1, place);
            }
            if self.trace.is_some() {
                chords.push(chord);
            }
        }
        if let Some(trace) = &mut self.trace {
            trace.windows.push(TracedWindow { index: window.index, end_step: window.end_step, chords });
        }
        if let Some(sketcher) = &self.sketcher {
            if let Some(online) = &self.online {
                // Before they are made to add up by bucket: an account that is split must not change what is seen.
                let factors: Vec<f64> = self.pricing.parts.iter().map(|(part, _)| part.factor()).collect();
                for (document, (tokens, credit)) in estimates.values().flatten() {
                    let nats = credit.iter().zip(&factors).map(|(c, f)| c * f).sum();
                    online.add(&mut state.earned, *document, nats, *tokens);
                }
                state.shares.extend(online.change(&state.shares, state.step, &mut state.earned));
            }
            let (rows, correction) = documents::reconcile(estimates, &state.last, &window.credit, self.pricing.parts.len(), window.index);
            window.correction = correction;
            state.rows.extend(rows);
            let last = state.bases.last_key_value().map(|(_, basis)| basis);
            let next = sketcher.basis(b, &mean, Some(&state.second), last);
            state.bases.insert(state.step, next);
        }
    }

    /// The residual that a window may leave: a share of its drop, or of what such a window drops on the run's average so far.
    ///
    /// Late windows hardly drop; a share of that alone would be noise.
    fn acceptable(&self, window: &Window, state: &State<B>) -> f64 {
        let parts = self.pricing.of();
        let so_far: f64 = state.windows.iter().map(|w| w.drop(&parts)).sum::<f64>() + window.drop(&parts);
        let length = (window.end_step - window.first_step) as f64;
        let average = so_far.abs() * length / self.setup.steps as f64;
        self.config.attribution.residual_limit * window.drop(&parts).abs().max(average)
    }

    fn next_length(&self, length: u64, window: &Window, state: &State<B>) -> u64 {
        let a = &self.config.attribution;
        let residual = window.residual(&self.pricing.of()).abs();
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

/// How far from its first to its last value a window's second moment is after `step` of `steps` steps.
///
/// A moving average of squares that stay as they are goes from one to the other so.
fn second_at(beta2: f64, step: usize, steps: usize) -> f64 {
    (1.0 - beta2.powi(step as i32)) / (1.0 - beta2.powi(steps as i32))
}
