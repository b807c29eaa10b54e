//! How often a run sees the strata, as public objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Sampling shares by stratum, as a public object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareTable {
    /// `2`.
    pub version: u32,
    /// The run whose credit gave them, if one did.
    pub from_run: Option<u32>,
    /// Sampling share by stratum in millionths, before floors; 1,000,000 for those that are not named.
    #[serde(rename = "weights_ppm")]
    pub shares_ppm: BTreeMap<String, u64>,
}

/// The strata of a run and all sampling shares that were in force, as a public object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareLog {
    /// `1`.
    pub version: u32,
    /// Their names.
    pub strata: Vec<String>,
    /// Their tokens in the corpus.
    pub tokens: Vec<u64>,
    /// First step and shares in millionths; none for every document once a pass.
    pub changes: Vec<Change>,
}

/// Sampling shares from a step on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The first step that they hold for.
    pub from_step: u64,
    /// By stratum, in millionths.
    #[serde(rename = "weights_ppm")]
    pub shares_ppm: Vec<u64>,
}

impl ShareLog {
    /// Each stratum's share of the tokens that the shares plan for, over `steps` steps.
    pub fn planned(&self, steps: u64) -> Vec<f64> {
        let mut planned = vec![0.0; self.strata.len()];
        let equal = Change { from_step: 0, shares_ppm: vec![1_000_000; self.strata.len()] };
        let first = (self.changes.first().is_none_or(|c| c.from_step > 0)).then_some(&equal);
        let changes: Vec<&Change> = first.into_iter().chain(&self.changes).collect();
        for (i, change) in changes.iter().enumerate() {
            let end = changes.get(i + 1).map_or(steps, |c| c.from_step).min(steps);
            let sampled = |(w, t): (&u64, &u64)| *w as f64 * *t as f64;
            let all: f64 = change.shares_ppm.iter().zip(&self.tokens).map(sampled).sum();
            let part = end.saturating_sub(change.from_step) as f64 / steps.max(1) as f64;
            for (sum, pair) in planned.iter_mut().zip(change.shares_ppm.iter().zip(&self.tokens)) {
                *sum += part * sampled(pair) / all;
            }
        }
        planned
    }
}
