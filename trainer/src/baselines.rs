//! Scores that others publish for the contribution of a document to a run, for comparison: none of them is paid.
//!
//! - gradient dot: `lr_s c_s <G_s, g_d>`, the held-out gradient at the step's own parameters
//!   (Pruthi et al. 2020, TracIn, <https://arxiv.org/abs/2002.08484>, equation 1)
//! - no momentum: `lr_s c_s <P_s G_s, g_d>`, with AdamW's preconditioner
//! - at once: `h_s c_s <P_s G_s, g_d>`, with all that the first moment will ever make of the step
//!   (in the manner of Wang et al. 2024, in-run data Shapley, <https://arxiv.org/abs/2406.11011>, for AdamW)

use kernels::Backend;

use crate::batch::Batch;
use crate::documents;
use crate::trainer::Trainer;

/// The scores of one document in one step, over all pricing parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// The step.
    pub step: u64,
    /// Index of the document in the corpus.
    pub document: u32,
    /// Gradient dot.
    pub dot: f64,
    /// Preconditioned, without momentum.
    pub no_momentum: f64,
    /// Preconditioned, with momentum credited at once.
    pub at_once: f64,
}

impl<B: Backend> Trainer<'_, B> {
    /// The scores of every document in every recorded step, steps in order.
    pub fn baselines(&mut self) -> Vec<Baseline> {
        let Some(trace) = self.trace.take() else { return Vec::new() };
        let o = self.config.optimizer.clone();
        let beta1 = o.beta1;
        let mut found = Vec::new();
        for (i, traced) in trace.steps.iter().enumerate() {
            let held_out = self.held_out(&traced.theta);
            let plain = self.mean(&held_out);
            let preconditioned = self.preconditioned_mean(&held_out, &traced.second, traced.step + 1);
            let batches = (self.batches)(traced.step, &trace.shares);
            let slots = documents::slots(&batches);
            let scale = traced.clip_factor / batches.iter().map(Batch::target_count).sum::<usize>().max(1) as f64;
            let vectors = [plain, preconditioned];
            let mut sums = vec![[0.0; 2]; slots.len()];
            for batch in &batches {
                let products = self.engine.ghost(&traced.theta, batch, scale, &vectors);
                for (slot, rows) in documents::runs(batch, &slots) {
                    for (sum, values) in sums[slot].iter_mut().zip(&products) {
                        *sum += values[rows.clone()].iter().sum::<f64>();
                    }
                }
            }
            let lr = o.lr_at(traced.step, self.steps());
            let later = trace.steps[i..].iter().zip(0..);
            let momentum: f64 = later.map(|(t, age)| t.rate * (1.0 - beta1) * beta1.powi(age)).sum();
            found.extend(slots.iter().zip(sums).map(|(slot, [dot, conditioned])| Baseline {
                step: traced.step,
                document: slot.document,
                dot: lr * dot,
                no_momentum: lr * conditioned,
                at_once: momentum * conditioned,
            }));
        }
        self.trace = Some(trace);
        found
    }
}
