//! Double entry: every transfer debits one account and credits another, so all balances sum to zero.

use std::collections::BTreeMap;

use corpus::ContributorId;

use crate::reward::Reward;

/// Accounts; a name is an account's identity in the database and on statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// What the operator puts in.
    Operator,
    /// A run's pool.
    Pool(u32),
    /// What a contributor accrued; negative where its credit is.
    Accrued(ContributorId),
    /// Payable after the dispute window.
    Held(ContributorId),
    /// What negative accruals leave uncovered, owed to everybody in proportion.
    Haircut,
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Account::Operator => f.write_str("operator"),
            Account::Pool(run) => write!(f, "pool:{run}"),
            Account::Accrued(id) => write!(f, "accrued:{id}"),
            Account::Held(id) => write!(f, "held:{id}"),
            Account::Haircut => f.write_str("haircut"),
        }
    }
}

/// An amount that moves; always positive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Where it comes from.
    pub debit: Account,
    /// Where it goes.
    pub credit: Account,
    /// Minor units.
    pub amount_minor: i128,
}

/// The transfers that a settled pool makes, in the order of `rewards`.
///
/// Pool and accruals: positive accruals come from the pool, negative ones go back to it. What is payable is
/// held; the rest of a positive accrual is the haircut, which equals the negative accruals.
pub fn transfers(run: u32, pool_minor: i128, rewards: &[Reward]) -> Vec<Transfer> {
    let mut out = Vec::new();
    let mut transfer = |debit, credit, amount_minor: i128| {
        if amount_minor > 0 {
            out.push(Transfer { debit, credit, amount_minor });
        }
    };
    transfer(Account::Operator, Account::Pool(run), pool_minor);
    for r in rewards {
        let (pool, accrued) = (Account::Pool(run), Account::Accrued(r.contributor));
        transfer(pool, accrued, r.accrued_minor);
        transfer(accrued, pool, -r.accrued_minor);
        transfer(accrued, Account::Held(r.contributor), r.payable_minor);
        transfer(accrued, Account::Haircut, r.accrued_minor - r.payable_minor);
    }
    out
}

/// Credits minus debits of every account.
pub fn balances<'a>(transfers: impl IntoIterator<Item = &'a Transfer>) -> BTreeMap<Account, i128> {
    let mut balances = BTreeMap::new();
    for t in transfers {
        *balances.entry(t.debit).or_insert(0) -= t.amount_minor;
        *balances.entry(t.credit).or_insert(0) += t.amount_minor;
    }
    balances
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reward::allocate;

    #[test]
    fn a_settled_pool_is_empty_and_the_haircut_is_what_is_not_covered() {
        let id = |n| ContributorId([n; 16]);
        let rewards = allocate(1000, &[(id(1), 3), (id(2), 1), (id(3), -1)]).unwrap();
        let balances = balances(&transfers(7, 1000, &rewards));
        assert_eq!(balances.values().sum::<i128>(), 0);
        assert_eq!(balances[&Account::Pool(7)], 0);
        assert_eq!(balances[&Account::Held(id(1))], 750);
        assert_eq!(balances[&Account::Accrued(id(3))], -333);
        assert_eq!(balances[&Account::Haircut], 333);
        assert_eq!(balances[&Account::Accrued(id(1))], 0);
    }
}
