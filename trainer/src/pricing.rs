//! The held-out tokens that price a run, by target and half.

use corpus::credit::Part;

use crate::batch::Batch;
use crate::error::TrainError;

/// Held-out tokens that price: parts, each half of a target, with the passes that compute it.
#[derive(Clone, Debug, Default)]
pub struct Pricing {
    /// By target, then half.
    pub parts: Vec<(Part, Vec<Batch>)>,
}

impl Pricing {
    /// Targets with their weights and halves; a half is one or more passes. Shares follow from the number of tokens to predict.
    ///
    /// # Errors
    /// [`TrainError::TooFewTokens`] if a half predicts nothing, [`TrainError::Config`] if weights are not positive.
    pub fn new(targets: Vec<(f64, Vec<Vec<Batch>>)>) -> Result<Pricing, TrainError> {
        let weights: f64 = targets.iter().map(|(w, _)| w).sum();
        let mut parts = Vec::new();
        for (target, (weight, halves)) in targets.into_iter().enumerate() {
            if !(weight > 0.0 && weight.is_finite()) {
                return Err(TrainError::Config(format!("target {target}: weight {weight}, expected a positive number")));
            }
            let counts: Vec<usize> = halves.iter().map(|h| target_count(h)).collect();
            if let Some(i) = counts.iter().position(|c| *c == 0) {
                let found = halves[i].iter().map(|b| b.tokens.len()).sum();
                return Err(TrainError::TooFewTokens { thing: "a half of the pricing targets", expected: 2, found });
            }
            let total: usize = counts.iter().sum();
            for (half, (batches, count)) in halves.into_iter().zip(counts).enumerate() {
                let share = count as f64 / total as f64;
                parts.push((Part { target: target as u32, half: half as u32, weight: weight / weights, share }, batches));
            }
        }
        Ok(Pricing { parts })
    }

    /// What the parts are.
    pub fn of(&self) -> Vec<Part> {
        self.parts.iter().map(|(part, _)| *part).collect()
    }
}

/// Positions of all passes with something to predict.
pub(crate) fn target_count(batches: &[Batch]) -> usize {
    batches.iter().map(Batch::target_count).sum()
}
