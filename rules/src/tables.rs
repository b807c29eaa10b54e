//! The tables of a run's attribution, and what is added up from them.

use std::collections::HashMap;

use corpus::credit::{Accounts, CreditRow, Window};
use corpus::{ContributorId, Digest, merkle};
use ledger::reward;

/// The tables of a run's attribution, as the log has them.
pub struct Tables {
    /// Windows, with the credit of buckets.
    pub accounts: Accounts,
    /// Names of the targets.
    pub targets: Vec<String>,
    /// Rows of the credit table.
    pub credit: Vec<CreditRow>,
}

/// What each window counts for in pay, as a share of the one that counts most.
pub struct WindowWeights(Vec<f64>);

impl WindowWeights {
    /// The weight of a window; a window that is not there counts for nothing.
    pub fn of(&self, window: u64) -> f64 {
        self.0.get(window as usize).copied().unwrap_or(0.0)
    }
}

impl Tables {
    /// Weight of a target.
    pub fn weight(&self, target: &str) -> f64 {
        let index = self.targets.iter().position(|t| t == target);
        self.accounts.parts.iter().find(|p| Some(p.target as usize) == index).map_or(0.0, |p| p.weight)
    }

    /// What each window counts for in pay.
    pub fn window_weights(&self, steps: u64, cap_permille: u64) -> WindowWeights {
        let weight = |w: &Window| reward::window_weight(w.first_step, w.end_step, steps, cap_permille) as f64;
        let weights: Vec<f64> = self.accounts.windows.iter().map(weight).collect();
        let largest = weights.iter().copied().fold(1.0, f64::max);
        WindowWeights(weights.into_iter().map(|w| w / largest).collect())
    }

    /// What a row of credit counts for in pay under the run's own weights: its target's weight times its window's.
    pub fn factor(&self, windows: &WindowWeights, target: &str, window: u64) -> f64 {
        self.weight(target) * windows.of(window)
    }

    /// Of each contributor its credit in nats, and half the difference of the two halves' attributions, over all targets by their weights.
    pub fn credits(&self) -> HashMap<ContributorId, (f64, f64)> {
        let weights: HashMap<&str, f64> = self.targets.iter().map(|target| (target.as_str(), self.weight(target))).collect();
        let mut sums: HashMap<&str, (f64, f64)> = HashMap::new();
        for row in &self.credit {
            let weight = weights.get(row.target.as_str()).copied().unwrap_or(0.0);
            let sum = sums.entry(&row.contributor).or_default();
            *sum = (sum.0 + weight * row.nats, sum.1 + weight * (row.half(0) - row.half(1)));
        }
        sums.into_iter().filter_map(|(id, (nats, halves))| Some((id.parse().ok()?, (nats, halves.abs() / 2.0)))).collect()
    }
}

/// Nats as an integer of 10⁻⁹.
pub fn nano(nats: f64) -> i64 {
    (nats * 1e9).round_ties_even() as i64
}

/// The root over statements' envelopes.
pub fn statements_root(envelopes: &[Vec<u8>]) -> Digest {
    merkle::root(&envelopes.iter().map(|e| merkle::leaf_hash(e)).collect::<Vec<_>>())
}
