//! Credit by document without estimates: the steps are taken again, and every document's gradient is multiplied
//! with the vector that the later steps make of it.
//!
//! A document `d` of step `s` moves every later step `t` through the first moment, so its credit in window `W` is
//! `<q, g_d>` with `q = c_s (1 - beta1) Q_s` and `Q_t = (lr_t / bias1_t) P_t G_W + beta1 Q_{t+1}` over the steps of `W`,
//! `Q_t = beta1 Q_{t+1}` before it (the adjoint of the first moment). The product with one document's gradient needs
//! no gradient by document: see [`Engine::ghost`](crate::Engine::ghost).

use kernels::{Backend, Memory};

use crate::batch::Batch;
use crate::documents;
use crate::state::State;
use crate::trace::Trace;
use crate::trainer::Trainer;

/// What the gradient of a document in one step is credited with in one window.
#[derive(Clone, Debug, PartialEq)]
pub struct ExactCredit {
    /// The step whose batch held the document.
    pub step: u64,
    /// Index of the document in the corpus.
    pub document: u32,
    /// The window.
    pub window: u64,
    /// By pricing part, in nats a token of held-out text.
    pub credit: Vec<f64>,
}

/// Products of each position of a step: its batches, and by vector and pass a number a position.
pub type Positions = (Vec<Batch>, Vec<Vec<Vec<f64>>>);

struct Active<B: Memory> {
    window: usize,
    adjoint: Vec<B::Master>,
    /// `beta1` to the number of steps since the window's first.
    age: f64,
}

impl<B: Backend> Trainer<'_, B> {
    /// From now on every step and window is recorded.
    pub fn record(&mut self) {
        self.trace = Some(Trace { steps: Vec::new(), windows: Vec::new(), shares: Vec::new() });
    }

    /// Exact credit of the documents of the recorded steps in the recorded windows, later steps first.
    ///
    /// What a document still moves after `forgotten` of its first share is left out (0 leaves nothing out), and so is
    /// what steps before the first recorded one move.
    pub fn exact(&mut self, forgotten: f64) -> Vec<ExactCredit> {
        let mut found = Vec::new();
        self.adjoint_passes(forgotten, |step, window, (batches, products)| {
            let slots = documents::slots(&batches);
            let mut credit = vec![vec![0.0; products.len()]; slots.len()];
            for (part, passes) in products.iter().enumerate() {
                for (batch, values) in batches.iter().zip(passes) {
                    for (slot, rows) in documents::runs(batch, &slots) {
                        credit[slot][part] += values[rows].iter().sum::<f64>();
                    }
                }
            }
            found.extend(slots.iter().zip(credit).map(|(s, credit)| ExactCredit { step, document: s.document, window, credit }));
        });
        found
    }

    /// Calls `each` with step, window and the products of the step's positions with the window's adjoint, by part.
    pub fn adjoint_passes(&mut self, forgotten: f64, mut each: impl FnMut(u64, u64, Positions)) {
        let Some(trace) = self.trace.take() else { return };
        let (b, o) = (self.backend, self.config.optimizer.clone());
        let len = self.engine.layout.len;
        let mut active: Vec<Active<B>> = Vec::new();
        let mut scratch = b.master_zeros(len);
        let mut ahead = trace.windows.len();
        for traced in trace.steps.iter().rev() {
            // A window begins with its last step.
            while ahead > 0 && traced.step < trace.windows[ahead - 1].end_step {
                ahead -= 1;
                let parts = trace.windows[ahead].chords.len();
                active.push(Active { window: ahead, adjoint: (0..parts).map(|_| b.master_zeros(len)).collect(), age: 1.0 });
            }
            let bias2 = 1.0 - o.beta2.powi(traced.step as i32 + 1);
            for a in &mut active {
                let inside = a.window == ahead;
                for (adjoint, chord) in a.adjoint.iter_mut().zip(&trace.windows[a.window].chords) {
                    if inside {
                        b.precondition(&mut scratch, chord, &traced.second, bias2, o.eps);
                    }
                    b.scale_add(adjoint, o.beta1, &scratch, if inside { traced.rate } else { 0.0 });
                }
                a.age *= if inside { 1.0 } else { o.beta1 };
            }
            active.retain(|a| a.age > forgotten);
            let batches = (self.batches)(traced.step, &trace.shares);
            let scale = traced.clip_factor * (1.0 - o.beta1) / batches.iter().map(Batch::target_count).sum::<usize>().max(1) as f64;
            for a in &active {
                let mut products = vec![Vec::new(); a.adjoint.len()];
                for batch in &batches {
                    for (part, values) in self.engine.ghost(&traced.theta, batch, scale, &a.adjoint).into_iter().enumerate() {
                        products[part].push(values);
                    }
                }
                each(traced.step, trace.windows[a.window].index, (batches.clone(), products));
            }
        }
        self.trace = Some(trace);
    }

    /// Takes the steps up to the end of window `last` again, recording them.
    pub fn record_until(&mut self, state: &mut State<B>, last: u64) {
        self.record();
        while (state.windows.len() as u64) <= last && self.window(state, &mut |_| {}) {}
    }
}
