//! From credit to integer weights to amounts. After the weights everything is integers, and exact.

use corpus::ContributorId;
use serde::{Deserialize, Serialize};

use crate::entry::amount;

/// Weights that no pool can be divided by.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RewardError {
    /// The sum is not positive.
    #[error("weights sum to {0}, expected more than 0: the pool is held")]
    NoWeight(i128),
    /// Positive and negative weights nearly cancel, so that shares would be noise.
    #[error("weights of size {size} sum to {sum}, expected at least a quarter of it: the pool is held")]
    Cancelling {
        /// Sum of absolute values.
        size: i128,
        /// Sum.
        sum: i128,
    },
    /// A product that 128 bits do not hold.
    #[error("pool {pool} times weight {weight} exceeds 128 bits")]
    Overflow {
        /// The pool.
        pool: i128,
        /// The weight.
        weight: i128,
    },
    /// A credit that is not a number.
    #[error("credit {0} is not a finite number of nats")]
    NotFinite(f64),
}

/// One contributor's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reward {
    /// Who.
    pub contributor: ContributorId,
    /// Credit times window weights, in 10⁻⁹ nats.
    #[serde(with = "amount")]
    pub weight: i128,
    /// Pool times weight over the sum of weights; signed, sums to the pool.
    #[serde(with = "amount")]
    pub accrued_minor: i128,
    /// At least 0, sums to the pool: what negative accruals leave uncovered is one common haircut.
    #[serde(with = "amount")]
    pub payable_minor: i128,
}

/// Window weights that a policy fixes before the run: proportional to the step, with a cap.
///
/// A window `[first, end)` of a run of `steps` weighs `min(first + end, cap_permille * 2 steps / 1000)`, at
/// least 1. Two thirds of the drop falls in the first tenth of a run, by a power law of the step.
pub fn window_weight(first_step: u64, end_step: u64, steps: u64, cap_permille: u64) -> u64 {
    first_step.saturating_add(end_step).min(steps.saturating_mul(2).saturating_mul(cap_permille) / 1000).max(1)
}

/// Credit in nats, already summed in a fixed order, as an integer of 10⁻⁹ nats; half to even.
///
/// # Errors
/// [`RewardError::NotFinite`].
pub fn weight(nats: f64) -> Result<i128, RewardError> {
    if !nats.is_finite() {
        return Err(RewardError::NotFinite(nats));
    }
    Ok((nats * 1e9).round_ties_even() as i128)
}

/// Splits `pool` in proportion to signed `weights`; the shares sum to `pool` exactly.
///
/// Shares are rounded down (towards minus infinity) and the remainder goes, one unit each, to the largest
/// fractions, ties to the smaller [`ContributorId`]. Source: Hamilton's method, Balinski and Young 1982.
///
/// # Errors
/// [`RewardError::NoWeight`] if the weights' sum is not positive, [`RewardError::Overflow`] beyond 128 bits.
pub fn largest_remainder(pool: i128, weights: &[(ContributorId, i128)]) -> Result<Vec<i128>, RewardError> {
    let sum: i128 = weights.iter().map(|(_, w)| w).sum();
    if sum <= 0 {
        return Err(RewardError::NoWeight(sum));
    }
    let mut shares = Vec::with_capacity(weights.len());
    let mut fractions = Vec::with_capacity(weights.len());
    for (i, &(id, weight)) in weights.iter().enumerate() {
        let product = pool.checked_mul(weight).ok_or(RewardError::Overflow { pool, weight })?;
        shares.push(product.div_euclid(sum));
        fractions.push((std::cmp::Reverse(product.rem_euclid(sum)), id, i));
    }
    fractions.sort();
    let left = pool - shares.iter().sum::<i128>();
    for (_, _, i) in fractions.iter().take(usize::try_from(left).expect("fewer units than contributors are left")) {
        shares[*i] += 1;
    }
    Ok(shares)
}

/// Accrued and payable amounts of `pool`, in the order of `weights`.
///
/// # Errors
/// [`RewardError::NoWeight`] or [`RewardError::Cancelling`] if the pool has to be held.
pub fn allocate(pool: i128, weights: &[(ContributorId, i128)]) -> Result<Vec<Reward>, RewardError> {
    let (sum, size) = weights.iter().fold((0, 0), |(sum, size), (_, w)| (sum + w, size + w.abs()));
    if sum > 0 && size > 4 * sum {
        return Err(RewardError::Cancelling { size, sum });
    }
    let accrued = largest_remainder(pool, weights)?;
    let positive: Vec<(ContributorId, i128)> = weights.iter().zip(&accrued).map(|((id, _), a)| (*id, (*a).max(0))).collect();
    let payable = largest_remainder(pool, &positive)?;
    let lines = weights.iter().zip(accrued).zip(payable);
    Ok(lines
        .map(|((&(contributor, weight), accrued_minor), payable_minor)| Reward { contributor, weight, accrued_minor, payable_minor })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ContributorId {
        ContributorId([n; 16])
    }

    #[test]
    fn rewards_sum_to_the_pool() {
        let mut state = 1u64;
        for _ in 0..2000 {
            let mut next = |n: i64| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                i128::from((state >> 33) as i64 % n)
            };
            let n = 1 + next(40) as u8;
            let weights: Vec<_> = (0..n).map(|i| (id(i), next(2_000_000_000) - 200_000_000)).collect();
            let pool = next(1_000_000);
            match allocate(pool, &weights) {
                Ok(lines) => {
                    assert_eq!(lines.iter().map(|l| l.accrued_minor).sum::<i128>(), pool);
                    assert_eq!(lines.iter().map(|l| l.payable_minor).sum::<i128>(), pool);
                    assert!(lines.iter().all(|l| l.payable_minor >= 0 && (l.accrued_minor <= 0) <= (l.payable_minor == 0)), "{lines:?}");
                }
                Err(RewardError::NoWeight(sum)) => assert!(sum <= 0 || pool == 0, "{weights:?} {pool}"),
                Err(RewardError::Cancelling { size, sum }) => assert!(size > 4 * sum),
                Err(e) => panic!("{e}"),
            }
        }
    }

    #[test]
    fn a_worked_example() {
        // 1000 over 3 : 1 : -1; quotas 1000, 333.3, -333.3; floors 1000, 333, -334; the unit left goes to the larger fraction.
        let lines = allocate(1000, &[(id(1), 3), (id(2), 1), (id(3), -1)]).unwrap();
        assert_eq!(lines.iter().map(|l| l.accrued_minor).collect::<Vec<_>>(), [1000, 333, -333]);
        assert_eq!(lines.iter().map(|l| l.payable_minor).collect::<Vec<_>>(), [750, 250, 0]);
        assert!(matches!(allocate(1000, &[(id(1), 5), (id(2), -4)]), Err(RewardError::Cancelling { .. })));
        assert!(matches!(allocate(1000, &[(id(1), -5)]), Err(RewardError::NoWeight(-5))));
        assert_eq!(largest_remainder(10, &[(id(2), 1), (id(1), 1), (id(3), 1)]).unwrap(), [3, 4, 3], "ties go to the smaller id");
    }

    #[test]
    fn weights_round_half_to_even() {
        assert_eq!(weight(2.5e-9), Ok(2));
        assert_eq!(weight(-1.5e-9), Ok(-2));
        assert!(weight(f64::NAN).is_err());
    }

    #[test]
    fn window_weights_grow_with_the_step_up_to_the_cap() {
        assert_eq!(window_weight(0, 4, 100, 500), 4);
        assert_eq!(window_weight(40, 48, 100, 500), 88);
        assert_eq!(window_weight(90, 100, 100, 500), 100);
        assert_eq!(window_weight(0, 0, 0, 0), 1);
    }
}
