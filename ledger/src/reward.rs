//! From pay weights to amounts: everything is integers, and exact.

use corpus::ContributorId;
use serde::{Deserialize, Serialize};

use crate::amount;
use crate::wide::{mul_div, mul_div_floor};

/// Pay weights that no pool can be divided by.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RewardError {
    /// The sum is not positive.
    // The text is in the outcome of pools, and so in statements: another one is another format.
    #[error("weights sum to {0}, expected more than 0: the pool is held")]
    NoWeight(i128),
    /// Positive and negative pay weights nearly cancel, so that shares would be noise.
    // In the outcome of pools too.
    #[error("weights of size {size} sum to {sum}, expected at least a quarter of it: the pool is held")]
    Cancelling {
        /// Sum of absolute values.
        size: i128,
        /// Sum.
        sum: i128,
    },
    /// A sum or a share that 128 bits do not hold.
    #[error("pool {pool} and pay weights beyond 128 bits")]
    Overflow {
        /// The pool.
        pool: i128,
    },
    /// A credit that is not a number.
    #[error("credit {0} is not a finite number of nats")]
    NotFinite(f64),
}

/// One account's line of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reward {
    /// Who.
    pub contributor: ContributorId,
    /// Its pay weight, of what the pool follows: credit times window weights in 10⁻⁹ nats, novel tokens, or works.
    #[serde(rename = "weight", with = "amount")]
    pub pay_weight: i128,
    /// Half the difference of the pay weights that the two halves of the pricing text give, signed; 0 where nothing is measured.
    #[serde(with = "amount")]
    pub spread: i128,
    /// Pool times pay weight over the sum of pay weights, rounded down.
    #[serde(with = "amount")]
    pub floor_minor: i128,
    /// What rounding left, as a numerator over the sum of pay weights.
    #[serde(with = "amount")]
    pub remainder: i128,
    /// The floor, and one unit more for the largest remainders; signed, sums to the pool.
    #[serde(with = "amount")]
    pub accrued_minor: i128,
}

impl Reward {
    /// What the spread is in money: `pool_minor` times it over `pay_weights_sum`, signed, rounded towards zero.
    ///
    /// # Errors
    /// [`RewardError::Overflow`] beyond 128 bits, or if the pay weights sum to nothing.
    pub fn spread_minor(&self, pool_minor: i128, pay_weights_sum: i128) -> Result<i128, RewardError> {
        let parts = u128::try_from(pool_minor).ok().zip(u128::try_from(pay_weights_sum).ok());
        let size = parts.and_then(|(pool, sum)| mul_div(pool, self.spread.unsigned_abs(), sum)).map(|(size, _)| size);
        let size = size.and_then(|s| i128::try_from(s).ok()).ok_or(RewardError::Overflow { pool: pool_minor })?;
        Ok(size * self.spread.signum())
    }
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
pub fn pay_weight(nats: f64) -> Result<i128, RewardError> {
    if !nats.is_finite() {
        return Err(RewardError::NotFinite(nats));
    }
    Ok((nats * 1e9).round_ties_even() as i128)
}

/// A share of what is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Rounded down, towards minus infinity.
    pub floor: i128,
    /// What rounding left, as a numerator over the sum of pay weights.
    pub remainder: i128,
    /// The floor, or one more.
    pub amount: i128,
}

/// Sum and sum of sizes.
fn sums<K>(pool: i128, weights: &[(K, i128)]) -> Result<(i128, i128), RewardError> {
    let add = |(sum, size): (i128, i128), (_, w): &(K, i128)| Some((sum.checked_add(*w)?, size.checked_add(w.checked_abs()?)?));
    weights.iter().try_fold((0, 0), add).ok_or(RewardError::Overflow { pool })
}

/// Splits `pool` in proportion to signed pay `weights`; the amounts sum to `pool` exactly.
///
/// Shares are rounded down and the remainder goes, one unit each, to the largest fractions, ties to the smaller key. Products have 256
/// bits, so that currencies of 24 decimals divide too. Source: Hamilton's method, Balinski and Young 1982.
///
/// # Errors
/// [`RewardError::NoWeight`] if the weights' sum is not positive, [`RewardError::Overflow`] for a share or sum beyond 128 bits and for a
/// pool below zero.
pub fn largest_remainder<K: Ord + Copy>(pool: i128, weights: &[(K, i128)]) -> Result<Vec<Share>, RewardError> {
    let overflow = || RewardError::Overflow { pool };
    let (sum, _) = sums(pool, weights)?;
    if sum <= 0 {
        return Err(RewardError::NoWeight(sum));
    }
    let whole = u128::try_from(pool).map_err(|_| overflow())?;
    let mut left = pool;
    let mut shares = Vec::with_capacity(weights.len());
    for (_, weight) in weights {
        let (floor, remainder) = mul_div_floor(whole, *weight, sum as u128).ok_or_else(overflow)?;
        left = left.checked_sub(floor).ok_or_else(overflow)?;
        shares.push(Share { floor, remainder: remainder as i128, amount: floor });
    }
    let left = usize::try_from(left).map_err(|_| overflow())?;
    if left > 0 {
        let mut order: Vec<usize> = (0..shares.len()).collect();
        let key = |i: usize| (std::cmp::Reverse(shares[i].remainder), weights[i].0);
        order.select_nth_unstable_by_key(left - 1, |i| key(*i));
        order.truncate(left);
        for i in order {
            shares[i].amount += 1;
        }
    }
    Ok(shares)
}

/// The shares of a pool that is settled.
///
/// # Errors
/// As [`largest_remainder`], and [`RewardError::Cancelling`] if the weights' sizes sum to more than four times their sum.
pub fn settled_shares<K: Ord + Copy>(pool: i128, weights: &[(K, i128)]) -> Result<Vec<Share>, RewardError> {
    let (sum, size) = sums(pool, weights)?;
    if sum > 0 && size > sum.saturating_mul(4) {
        return Err(RewardError::Cancelling { size, sum });
    }
    largest_remainder(pool, weights)
}

/// The lines of a pool, in the order of `weights`: who, its pay weight, and its spread.
///
/// # Errors
/// As [`settled_shares`].
pub fn allocate(pool: i128, weights: &[(ContributorId, i128, i128)]) -> Result<Vec<Reward>, RewardError> {
    let keyed: Vec<(ContributorId, i128)> = weights.iter().map(|(id, weight, _)| (*id, *weight)).collect();
    let line = |(&(contributor, weight, spread), share): (&(ContributorId, i128, i128), Share)| Reward {
        contributor,
        pay_weight: weight,
        spread,
        floor_minor: share.floor,
        remainder: share.remainder,
        accrued_minor: share.amount,
    };
    Ok(weights.iter().zip(settled_shares(pool, &keyed)?).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ContributorId {
        ContributorId([n; 16])
    }

    #[test]
    fn why_a_pool_is_on_hold_has_the_words_that_statements_have() {
        let none = allocate(1000, &[(id(1), 0, 0)]).unwrap_err().to_string();
        assert_eq!(none, "weights sum to 0, expected more than 0: the pool is held");
        let cancelling = allocate(1000, &[(id(1), 90, 0), (id(2), -80, 0)]).unwrap_err().to_string();
        assert_eq!(cancelling, "weights of size 170 sum to 10, expected at least a quarter of it: the pool is held");
    }

    #[test]
    fn shares_sum_to_the_pool_and_are_within_a_unit_of_their_quota() {
        let mut state = 1u64;
        for _ in 0..10_000 {
            let mut next = |n: i64| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                i128::from((state >> 33) as i64 % n)
            };
            let n = 1 + next(40) as u8;
            let scale = 10i128.pow(next(22) as u32);
            let weights: Vec<_> = (0..n).map(|i| (id(i), (next(2_000_000_000) - 200_000_000) * scale, 0)).collect();
            let pool = next(1_000_000) * 10i128.pow(next(25) as u32);
            match allocate(pool, &weights) {
                Ok(lines) => {
                    assert_eq!(lines.iter().map(|l| l.accrued_minor).sum::<i128>(), pool);
                    assert!(lines.iter().all(|l| (0..=1).contains(&(l.accrued_minor - l.floor_minor))), "{lines:?}");
                    let least = lines.iter().filter(|l| l.accrued_minor > l.floor_minor).map(|l| l.remainder).min();
                    let most = lines.iter().filter(|l| l.accrued_minor == l.floor_minor).map(|l| l.remainder).max();
                    assert!(least.is_none() || most.is_none() || least >= most);
                }
                Err(RewardError::NoWeight(sum)) => assert!(sum <= 0, "{weights:?} {pool}"),
                Err(RewardError::Cancelling { size, sum }) => assert!(size > 4 * sum),
                Err(e) => panic!("{e}"),
            }
        }
    }

    #[test]
    fn a_worked_example() {
        // 1000 over 3 : 1 : -1; quotas 1000, 333.3, -333.3; floors 1000, 333, -334; the unit left goes to the larger fraction.
        let lines = allocate(1000, &[(id(1), 3, 0), (id(2), 1, 0), (id(3), -1, 0)]).unwrap();
        assert_eq!(lines.iter().map(|l| (l.floor_minor, l.remainder)).collect::<Vec<_>>(), [(1000, 0), (333, 1), (-334, 2)]);
        assert_eq!(lines.iter().map(|l| l.accrued_minor).collect::<Vec<_>>(), [1000, 333, -333]);
        assert!(matches!(allocate(1000, &[(id(1), 5, 0), (id(2), -4, 0)]), Err(RewardError::Cancelling { .. })));
        assert!(allocate(1000, &[(id(1), 5, 0), (id(2), -3, 0)]).is_ok(), "a size of four times the sum is settled");
        assert!(matches!(allocate(1000, &[(id(1), -5, 0)]), Err(RewardError::NoWeight(-5))));
        assert!(matches!(allocate(1, &[(id(1), i128::MAX, 0), (id(2), 1, 0)]), Err(RewardError::Overflow { .. })));
        let shares = largest_remainder(10, &[(id(2), 1), (id(1), 1), (id(3), 1)]).unwrap();
        assert_eq!(shares.iter().map(|s| s.amount).collect::<Vec<_>>(), [3, 4, 3], "ties go to the smaller id");
    }

    #[test]
    fn weights_round_half_to_even() {
        assert_eq!(pay_weight(2.5e-9), Ok(2));
        assert_eq!(pay_weight(-1.5e-9), Ok(-2));
        assert!(pay_weight(f64::NAN).is_err());
    }

    #[test]
    fn window_weights_grow_with_the_step_up_to_the_cap() {
        assert_eq!(window_weight(0, 4, 100, 500), 4);
        assert_eq!(window_weight(40, 48, 100, 500), 88);
        assert_eq!(window_weight(90, 100, 100, 500), 100);
        assert_eq!(window_weight(0, 0, 0, 0), 1);
    }
}
