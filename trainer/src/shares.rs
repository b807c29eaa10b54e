//! How often groups are seen, after what they are credited with.
//!
//! Shares follow credit *a token*, and every group keeps a floor in proportion to its tokens. Groups are the operator's,
//! made before anybody trained, never accounts: an account that is split stays in its groups, and the batches stay as they are.

use crate::batch::Corpus;
use crate::error::TrainError;
use crate::order::{Shares, WHOLE};

/// What shares may do, and to which groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Tokens of each group in the corpus.
    tokens: Vec<u64>,
    /// Of each group, the least part of its share of the tokens that it keeps.
    floors: Vec<f64>,
    /// Largest ratio to the mean that counts, before shares are scaled.
    cap: f64,
}

/// What a group was credited with, and for how many tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Earned {
    /// Credit in nats.
    pub nats: f64,
    /// Tokens trained on.
    pub tokens: u64,
}

/// Each group's credit a token over the mean of all, from `least` to `most`; 1 where nothing is known.
pub fn ratios(earned: &[Earned], least: f64, most: f64) -> Vec<f64> {
    let (nats, tokens) = earned.iter().fold((0.0, 0), |(n, t), e| (n + e.nats, t + e.tokens));
    let mean = nats / tokens.max(1) as f64;
    let ratio = |e: &Earned| if e.tokens == 0 || mean <= 0.0 { 1.0 } else { (e.nats / e.tokens as f64 / mean).clamp(least, most) };
    earned.iter().map(ratio).collect()
}

impl Rule {
    /// Floors by group from 0 to 1, for the groups of `corpus`, and the cap.
    ///
    /// # Errors
    /// [`TrainError::Config`] if a group has no floor, or a number is out of its range.
    pub fn new(corpus: &Corpus, floors: &[f64], cap: f64) -> Result<Rule, TrainError> {
        let mut tokens = corpus.group_tokens();
        if tokens.len() > floors.len() {
            return Err(TrainError::Config(format!("floors of {} groups, expected {}", floors.len(), tokens.len())));
        }
        tokens.resize(floors.len(), 0);
        if !(floors.iter().all(|f| (0.0..=1.0).contains(f)) && cap >= 1.0 && cap.is_finite()) {
            return Err(TrainError::Config("sampling shares: floors are from 0 to 1, the cap is at least 1".into()));
        }
        Ok(Rule { tokens, floors: floors.to_vec(), cap })
    }

    /// The mean of `values` over the corpus' tokens.
    fn mean(&self, values: &[f64]) -> f64 {
        let all: u64 = self.tokens.iter().sum();
        values.iter().zip(&self.tokens).map(|(v, t)| v * *t as f64).sum::<f64>() / all.max(1) as f64
    }

    /// Shares in millionths: `wanted`, scaled to a mean of 1 over the corpus' tokens, above the floors.
    ///
    /// `floor + (1 - mean floor) wanted`, so that a group's share is at least its floor times its tokens' share, and all
    /// shares add up to 1.
    pub fn floored(&self, wanted: &[f64]) -> Vec<u64> {
        let mean = self.mean(wanted);
        let rest = 1.0 - self.mean(&self.floors);
        let share = |(w, floor): (&f64, &f64)| {
            let wanted = if mean > 0.0 { w / mean } else { 1.0 };
            ((floor + rest * wanted) * WHOLE as f64).round() as u64
        };
        wanted.iter().zip(&self.floors).map(share).collect()
    }

    /// Every group the same part of the tokens, times its share.
    pub fn stratified(&self, shares: &[u64]) -> Vec<u64> {
        let density = |(share, tokens): (&u64, &u64)| if *tokens == 0 { 0.0 } else { *share as f64 / *tokens as f64 };
        let shares: Vec<f64> = shares.iter().zip(&self.tokens).map(density).collect();
        let mean = self.mean(&shares);
        shares.iter().map(|w| (w / mean * WHOLE as f64).round() as u64).collect()
    }

    /// Shares after a pilot: in proportion to credit a token, none below 0.
    pub fn fixed(&self, earned: &[Earned]) -> Vec<u64> {
        self.floored(&ratios(earned, 0.0, self.cap))
    }

    /// The next shares of an online run: those in force times `exp(rate (credit a token / mean - 1))`.
    ///
    /// Source: the multiplicative update of Kivinen and Warmuth 1997 (exponentiated gradient).
    pub fn multiplied(&self, in_force: &[u64], earned: &[Earned], rate: f64) -> Vec<u64> {
        let rest = (1.0 - self.mean(&self.floors)).max(1e-9);
        // A group at its floor has to have something left that can grow again.
        let above = in_force.iter().zip(&self.floors).map(|(w, f)| ((*w as f64 / WHOLE as f64 - f) / rest).max(1e-3));
        let next: Vec<f64> = above.zip(ratios(earned, -3.0, self.cap)).map(|(w, r)| w * (rate * (r - 1.0)).exp()).collect();
        let mean = self.mean(&next);
        self.floored(&next.iter().map(|w| (w / mean).min(self.cap)).collect::<Vec<_>>())
    }
}

/// Shares that follow credit during a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Online {
    rule: Rule,
    /// Of each document, its group.
    groups: Vec<usize>,
    rate: f64,
    every: u64,
}

impl Online {
    /// Shares by `rule`, changed at the end of the first window that is at least `every` steps after the last change.
    pub fn new(corpus: &Corpus, rule: Rule, rate: f64, every: u64) -> Online {
        Online { rule, groups: corpus.documents.iter().map(|d| d.group).collect(), rate, every }
    }

    /// Adds what a document was credited with to its group's account.
    pub(crate) fn add(&self, earned: &mut Vec<Earned>, document: u32, nats: f64, tokens: u32) {
        earned.resize(self.rule.floors.len(), Earned::default());
        let group = &mut earned[self.groups[document as usize]];
        group.nats += nats;
        group.tokens += u64::from(tokens);
    }

    /// The shares from `step` on, if it is time; `earned` begins anew then.
    pub(crate) fn change(&self, shares: &[Shares], step: u64, earned: &mut Vec<Earned>) -> Option<Shares> {
        let last = shares.last();
        if step - last.map_or(0, |w| w.from_step) < self.every || earned.is_empty() {
            return None;
        }
        let equal = vec![WHOLE; self.rule.floors.len()];
        let ppm = self.rule.multiplied(last.map_or(&equal, |w| &w.ppm), &std::mem::take(earned), self.rate);
        Some(Shares { from_step: step, ppm })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Document;

    fn rule(tokens: &[usize], floors: &[f64]) -> Rule {
        let documents = tokens.iter().enumerate().map(|(group, n)| Document { group, ..Document::answering(vec![0; *n], [0; 32], None) });
        Rule::new(&Corpus { documents: documents.collect(), buckets: 1 }, floors, 4.0).unwrap()
    }

    fn earned(pairs: &[(f64, u64)]) -> Vec<Earned> {
        pairs.iter().map(|&(nats, tokens)| Earned { nats, tokens }).collect()
    }

    #[test]
    fn every_group_keeps_its_floor_in_proportion_to_its_tokens() {
        let tokens = [300, 100, 600];
        let rule = rule(&tokens, &[0.5, 0.1, 0.2]);
        let shares = rule.fixed(&earned(&[(-4.0, 300), (9.0, 100), (1.0, 600)]));
        let sampled: Vec<f64> = shares.iter().zip(tokens).map(|(w, t)| *w as f64 * t as f64).collect();
        let all: f64 = sampled.iter().sum();
        assert!((all / 1e9 - 1.0).abs() < 1e-5);
        assert!((sampled[0] / all - 0.5 * 0.3).abs() < 1e-5, "a group without worth has its floor, {}", sampled[0] / all);
        assert!(sampled[1] / all > 0.1 && sampled[2] / all >= 0.2 * 0.6);
    }

    #[test]
    fn credit_a_token_decides_and_nothing_known_means_equal() {
        let rule = rule(&[100, 100], &[0.0, 0.0]);
        let shares = rule.fixed(&earned(&[(3.0, 300), (1.0, 100)]));
        assert_eq!(shares, [WHOLE, WHOLE]);
        assert_eq!(rule.fixed(&earned(&[(-1.0, 10), (0.5, 10)])), [WHOLE, WHOLE], "no drop, no preference");
        assert_eq!(rule.fixed(&earned(&[(3.0, 100), (1.0, 100)])), [1_500_000, 500_000]);
        let next = rule.multiplied(&[WHOLE, WHOLE], &earned(&[(3.0, 100), (1.0, 100)]), 0.5);
        assert!(next[0] > next[1] && (next[0] + next[1]).abs_diff(2 * WHOLE) <= 1);
    }

    #[test]
    fn strata_have_the_shares_that_were_declared() {
        let rule = rule(&[300, 100, 0], &[0.0; 3]);
        let shares = rule.stratified(&[1, 3, 1]);
        assert_eq!((shares[0] * 300 * 3).abs_diff(shares[1] * 100) / 1000, 0);
        assert_eq!(shares[2], 0);
    }

    #[test]
    fn what_was_at_its_floor_can_come_back() {
        let rule = rule(&[100, 100], &[0.05, 0.05]);
        let mut shares = vec![WHOLE, WHOLE];
        for _ in 0..100 {
            shares = rule.multiplied(&shares, &earned(&[(2.0, 100), (-1.0, 100)]), 0.5);
        }
        assert!(shares[1] < 60_000 && shares[1] >= 50_000);
        for _ in 0..30 {
            shares = rule.multiplied(&shares, &earned(&[(-1.0, 100), (2.0, 100)]), 0.5);
        }
        assert!(shares[1] > WHOLE);
    }
}
