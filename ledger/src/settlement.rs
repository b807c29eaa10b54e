//! From accruals to what is payable: accounts of one payee are netted, and what negative credit leaves uncovered is shared by all.
//!
//! A payee whose accounts sum to less than nothing owes nothing. Its stake covers what it can; of the rest, what is beyond noise is
//! an offset against what it earns later, until it expires. What offsets and noise leave uncovered is one haircut on all payees above
//! zero, in proportion. As much of the haircut as the offsets may bring back is owed to them: whatever an offset recovers is paid to
//! those who bore the haircut of its period.

use std::collections::BTreeMap;

use corpus::ContributorId;
use serde::{Deserialize, Serialize};

use crate::amount;
use crate::payee::PayeeId;
use crate::reward::{RewardError, largest_remainder};

/// What a policy says of negative credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Negative accruals count as an offset beyond so many thousandths of their spread.
    pub noise_permille: u64,
    /// Periods after its own in which an offset is in force.
    pub offset_periods: u32,
    /// What is kept of a payee's earnings to cover what it may lose later.
    pub stake_minor: i128,
}

/// An account before netting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accrual {
    /// Whose account.
    pub contributor: ContributorId,
    /// Who is paid for it.
    pub payee: PayeeId,
    /// Signed.
    pub accrued_minor: i128,
    /// Half the difference of what the two halves of the pricing text give, signed.
    pub spread_minor: i128,
}

/// What one period left open; offsets and receivables have the same sum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vintage {
    /// The period.
    pub period: u32,
    /// The last one in which it is in force: what was promised then, whatever later policies say.
    pub until: u32,
    /// By payee, what later earnings are reduced by.
    pub offsets: BTreeMap<PayeeId, i128>,
    /// By payee, what is owed to it if it comes back.
    pub receivables: BTreeMap<PayeeId, i128>,
}

/// What earlier periods left, all of it above zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// In the order of periods.
    pub vintages: Vec<Vintage>,
    /// Kept of earlier earnings, by payee.
    pub stakes: BTreeMap<PayeeId, i128>,
}

/// A payee's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayeeLine {
    /// Who.
    pub payee: PayeeId,
    /// Sum of its accounts' accruals, signed.
    #[serde(with = "amount")]
    pub net_minor: i128,
    /// Its part of what is uncovered.
    #[serde(with = "amount")]
    pub haircut_minor: i128,
    /// As much of the haircut as is owed to it.
    #[serde(with = "amount")]
    pub receivable_minor: i128,
    /// What its stake covered of a net below zero.
    #[serde(with = "amount")]
    pub from_stake_minor: i128,
    /// The offset that a net below zero leaves.
    #[serde(with = "amount")]
    pub offset_minor: i128,
    /// Taken for offsets of earlier periods.
    #[serde(with = "amount")]
    pub recovered_minor: i128,
    /// Paid back of earlier haircuts.
    #[serde(with = "amount")]
    pub repaid_minor: i128,
    /// Kept as stake; below zero if some of it is given back.
    #[serde(with = "amount")]
    pub to_stake_minor: i128,
    /// Its offsets that ended unrecovered.
    #[serde(with = "amount")]
    pub expired_minor: i128,
    /// What is left to pay; never below zero.
    #[serde(with = "amount")]
    pub payable_minor: i128,
}

/// An account's part of its payee's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountLine {
    /// Whose account.
    pub contributor: ContributorId,
    /// Its payee.
    pub payee: PayeeId,
    /// Accrued over all pools, signed.
    #[serde(with = "amount")]
    pub accrued_minor: i128,
    /// Its spread.
    #[serde(with = "amount")]
    pub spread_minor: i128,
    /// In proportion to what the payee's accounts accrued above zero; never below zero.
    #[serde(with = "amount")]
    pub payable_minor: i128,
}

/// A settled period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// In the order of payees.
    pub payees: Vec<PayeeLine>,
    /// In the order of accounts.
    pub accounts: Vec<AccountLine>,
    /// Paid back to the operator, whose receivables come from what it clawed back.
    pub operator_repaid_minor: i128,
    /// What is left open for later periods.
    pub carried: Carried,
}

/// Accruals that cannot be settled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettlementError {
    /// A sum beyond 128 bits.
    #[error(transparent)]
    Reward(#[from] RewardError),
    /// Somebody is owed something and has no account among those given.
    #[error("payee {0}: no account among those that are settled")]
    Account(PayeeId),
}

/// Distributes `amount` over `weights`, of which some is above zero if `amount` is.
fn distribute<K: Ord + Copy>(amount: i128, weights: &[(K, i128)]) -> Result<Vec<i128>, RewardError> {
    if amount == 0 {
        return Ok(vec![0; weights.len()]);
    }
    Ok(largest_remainder(amount, weights)?.into_iter().map(|s| s.amount).collect())
}

/// Adds up accounts by payee: net and spread.
fn nets(accruals: &[Accrual]) -> Result<BTreeMap<PayeeId, (i128, i128)>, RewardError> {
    let mut nets: BTreeMap<PayeeId, (i128, i128)> = BTreeMap::new();
    for a in accruals {
        let (net, spread) = nets.entry(a.payee).or_default();
        let sum = net.checked_add(a.accrued_minor).zip(spread.checked_add(a.spread_minor));
        (*net, *spread) = sum.ok_or(RewardError::Overflow { pool: a.accrued_minor })?;
    }
    Ok(nets)
}

/// Settles `accruals` of `period`, which sum to zero or more; the accounts of everybody in `carried` are among them.
///
/// `payable_minor` sums to the accruals' sum and what stakes gave, less what goes to stakes and to the operator.
///
/// # Errors
/// [`SettlementError`].
pub fn settle(period: u32, accruals: &[Accrual], carried: Carried, terms: &Terms) -> Result<Settlement, SettlementError> {
    let Carried { mut vintages, mut stakes } = carried;
    let nets = nets(accruals)?;
    let line = |(payee, (net, _)): (&PayeeId, &(i128, i128))| PayeeLine {
        payee: *payee,
        net_minor: *net,
        haircut_minor: 0,
        receivable_minor: 0,
        from_stake_minor: 0,
        offset_minor: 0,
        recovered_minor: 0,
        repaid_minor: 0,
        to_stake_minor: 0,
        expired_minor: 0,
        payable_minor: (*net).max(0),
    };
    let mut lines: Vec<PayeeLine> = nets.iter().map(line).collect();
    let place: BTreeMap<PayeeId, usize> = lines.iter().enumerate().map(|(i, l)| (l.payee, i)).collect();
    let find = |payee: &PayeeId| place.get(payee).copied().ok_or(SettlementError::Account(*payee));

    for old in vintages.extract_if(.., |v| period > v.until) {
        for (payee, open) in &old.offsets {
            lines[find(payee)?].expired_minor += open;
        }
    }

    // What is below zero: stake first, then the offset, and noise is nobody's fault.
    let (mut uncovered, mut offsets) = (0i128, 0i128);
    for (l, (net, spread)) in lines.iter_mut().zip(nets.values()).filter(|(_, (net, _))| *net < 0) {
        let stake = stakes.get(&l.payee).copied().unwrap_or(0);
        l.from_stake_minor = stake.min(-net);
        let short = -net - l.from_stake_minor;
        let noise = spread.unsigned_abs().saturating_mul(u128::from(terms.noise_permille)) / 1000;
        l.offset_minor = (short - i128::try_from(noise).unwrap_or(i128::MAX).min(short)).max(0);
        uncovered += short;
        offsets += l.offset_minor;
        if l.from_stake_minor > 0 {
            stakes.insert(l.payee, stake - l.from_stake_minor);
        }
    }
    if uncovered > 0 {
        let above: Vec<(PayeeId, i128)> = lines.iter().map(|l| (l.payee, l.payable_minor)).collect();
        let haircuts = distribute(uncovered, &above)?;
        let owed = distribute(offsets, &above.iter().zip(&haircuts).map(|((p, _), h)| (*p, *h)).collect::<Vec<_>>())?;
        for ((l, haircut), owed) in lines.iter_mut().zip(haircuts).zip(owed) {
            (l.haircut_minor, l.receivable_minor) = (haircut, owed);
            l.payable_minor -= haircut;
        }
    }

    let mut operator_repaid_minor = 0;
    for v in &mut vintages {
        let mut recovered = 0;
        for (payee, open) in &mut v.offsets {
            let l = &mut lines[find(payee)?];
            let taken = l.payable_minor.min(*open);
            *open -= taken;
            l.recovered_minor += taken;
            l.payable_minor -= taken;
            recovered += taken;
        }
        let owed: Vec<(PayeeId, i128)> = v.receivables.iter().map(|(p, r)| (*p, *r)).collect();
        for ((payee, _), back) in owed.iter().zip(distribute(recovered, &owed)?).filter(|(_, back)| *back > 0) {
            *v.receivables.get_mut(payee).expect("it is one of them") -= back;
            if *payee == PayeeId::Operator {
                operator_repaid_minor += back;
                continue;
            }
            let l = &mut lines[find(payee)?];
            l.repaid_minor += back;
            l.payable_minor += back;
        }
        v.offsets.retain(|_, open| *open > 0);
        v.receivables.retain(|_, open| *open > 0);
    }
    vintages.retain(|v| !v.offsets.is_empty());

    for l in &mut lines {
        let stake = stakes.get(&l.payee).copied().unwrap_or(0);
        // Below zero where the policy asks for less than is kept: the rest is given back.
        l.to_stake_minor = (terms.stake_minor - stake).min(l.payable_minor);
        l.payable_minor -= l.to_stake_minor;
        if l.to_stake_minor != 0 {
            stakes.insert(l.payee, stake + l.to_stake_minor);
        }
    }
    stakes.retain(|_, stake| *stake > 0);

    let of = |pick: fn(&PayeeLine) -> i128| lines.iter().filter(|l| pick(l) > 0).map(|l| (l.payee, pick(l))).collect::<BTreeMap<_, _>>();
    if offsets > 0 {
        let until = period.saturating_add(terms.offset_periods);
        add_vintage(&mut vintages, (period, until), of(|l| l.offset_minor), of(|l| l.receivable_minor));
    }
    let accounts = accounts(accruals, &lines)?;
    Ok(Settlement { payees: lines, accounts, operator_repaid_minor, carried: Carried { vintages, stakes } })
}

/// Adds to what a period left open, which is in force until another one.
pub fn add_vintage(
    vintages: &mut Vec<Vintage>,
    (period, until): (u32, u32),
    offsets: impl IntoIterator<Item = (PayeeId, i128)>,
    receivables: impl IntoIterator<Item = (PayeeId, i128)>,
) {
    let place = vintages.partition_point(|v| v.period < period);
    if vintages.get(place).is_none_or(|v| v.period != period) {
        vintages.insert(place, Vintage { period, ..Vintage::default() });
    }
    let vintage = &mut vintages[place];
    vintage.until = vintage.until.max(until);
    offsets.into_iter().for_each(|(payee, amount)| *vintage.offsets.entry(payee).or_default() += amount);
    receivables.into_iter().for_each(|(payee, amount)| *vintage.receivables.entry(payee).or_default() += amount);
}

/// What each account has of its payee's amount; a payee that accrued nothing above zero is paid through its first account.
fn accounts(accruals: &[Accrual], lines: &[PayeeLine]) -> Result<Vec<AccountLine>, SettlementError> {
    let mut of: BTreeMap<PayeeId, Vec<usize>> = BTreeMap::new();
    for (i, a) in accruals.iter().enumerate() {
        of.entry(a.payee).or_default().push(i);
    }
    let account = |a: &Accrual| AccountLine {
        contributor: a.contributor,
        payee: a.payee,
        accrued_minor: a.accrued_minor,
        spread_minor: a.spread_minor,
        payable_minor: 0,
    };
    let mut accounts: Vec<AccountLine> = accruals.iter().map(account).collect();
    for (line, own) in lines.iter().zip(of.values()) {
        let mut weights: Vec<(ContributorId, i128)> =
            own.iter().map(|i| (accruals[*i].contributor, accruals[*i].accrued_minor.max(0))).collect();
        if weights.iter().all(|(_, w)| *w == 0) {
            weights.iter_mut().min_by_key(|(id, _)| *id).expect("a payee has accounts").1 = 1;
        }
        for (i, amount) in own.iter().zip(distribute(line.payable_minor, &weights)?) {
            accounts[*i].payable_minor = amount;
        }
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { noise_permille: 2000, offset_periods: 2, stake_minor: 0 };

    fn account(n: u8, payee: u8, accrued_minor: i128, spread_minor: i128) -> Accrual {
        let contributor = ContributorId([n; 16]);
        let payee = if payee == 0 { PayeeId::Account(contributor) } else { PayeeId::Shared(corpus::Digest([payee; 32])) };
        Accrual { contributor, payee, accrued_minor, spread_minor }
    }

    #[test]
    fn an_offset_comes_back_to_those_who_bore_the_haircut_and_then_expires() {
        let settled =
            settle(0, &[account(1, 0, 1000, 0), account(2, 0, 300, 0), account(3, 0, -300, 50)], Carried::default(), &TERMS).unwrap();
        // 300 are uncovered, 100 of them by noise.
        assert_eq!(settled.payees.iter().map(|l| l.haircut_minor).collect::<Vec<_>>(), [231, 69, 0]);
        assert_eq!(settled.payees.iter().map(|l| l.receivable_minor).collect::<Vec<_>>(), [154, 46, 0]);
        assert_eq!(settled.payees[2].offset_minor, 200);
        assert_eq!(settled.accounts.iter().map(|l| l.payable_minor).sum::<i128>(), 1000);
        // It earns 150 later, and all of it goes to the others.
        let accruals = [account(1, 0, 0, 0), account(2, 0, 850, 0), account(3, 0, 150, 0)];
        let next = settle(1, &accruals, settled.carried.clone(), &TERMS).unwrap();
        assert_eq!((next.payees[2].recovered_minor, next.payees[2].payable_minor), (150, 0));
        assert_eq!(next.payees.iter().map(|l| l.repaid_minor).collect::<Vec<_>>(), [116, 34, 0]);
        assert_eq!(next.carried.vintages[0].offsets.values().sum::<i128>(), 50);
        // Two periods after its own it is still in force, then no more.
        let last = settle(2, &accruals, next.carried.clone(), &TERMS).unwrap();
        assert_eq!(last.payees[2].recovered_minor, 50);
        let late = settle(3, &accruals, next.carried, &TERMS).unwrap();
        assert_eq!((late.payees[2].recovered_minor, late.payees[2].expired_minor, late.payees[2].payable_minor), (0, 50, 150));
        assert_eq!(late.carried, Carried::default());
    }

    #[test]
    fn accounts_of_a_payee_are_netted_before_anything_is_payable() {
        let accruals = [account(1, 9, 700, 0), account(2, 9, -400, 0), account(3, 0, 700, 0)];
        let settled = settle(0, &accruals, Carried::default(), &TERMS).unwrap();
        assert_eq!(settled.accounts.iter().map(|l| l.payable_minor).collect::<Vec<_>>(), [300, 0, 700]);
        assert!(settled.payees.iter().all(|l| l.haircut_minor == 0));
    }

    #[test]
    fn a_stake_covers_what_is_lost_before_anybody_else_does() {
        let terms = Terms { stake_minor: 80, ..TERMS };
        let first = settle(0, &[account(1, 0, 500, 0), account(2, 0, 500, 0)], Carried::default(), &terms).unwrap();
        assert_eq!(first.payees.iter().map(|l| (l.to_stake_minor, l.payable_minor)).collect::<Vec<_>>(), [(80, 420), (80, 420)]);
        let second = settle(1, &[account(1, 0, 1100, 0), account(2, 0, -100, 0)], first.carried, &terms).unwrap();
        assert_eq!((second.payees[1].from_stake_minor, second.payees[1].offset_minor), (80, 20));
        assert_eq!((second.payees[0].haircut_minor, second.payees[0].payable_minor), (20, 1080));
    }
}
