//! Double entry: every transfer debits one account and credits another, so all balances sum to zero at every entry of the log.
//!
//! A contributor's money goes accrued → due → on hold → payable → in flight → paid; what is returned is payable again. A transfer that
//! waits for somebody's word is pending: it is reserved, and posted or voided by a later entry. Nothing is changed or deleted.

use std::collections::BTreeMap;

use corpus::{ContributorId, EntryIndex, RunNumber};
use serde::{Deserialize, Serialize};

use crate::payee::PayeeId;
use crate::reward::Reward;
use crate::settlement::Settlement;

/// Accounts; a name is an account's identity in the database and on statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Account {
    /// What the operator puts in, and what it gets back.
    Operator,
    /// A run's pool.
    Pool(RunNumber),
    /// What an account accrued, on its way to its payee.
    Accrued(ContributorId),
    /// A payee's net; below zero it is what later earnings are offset by.
    Due(PayeeId),
    /// What offsets may bring back, owed to those who bore it.
    Haircut,
    /// What is kept of a payee's earnings.
    Stake(PayeeId),
    /// What passes through here is given up.
    WriteOff,
    /// Payable after the dispute period.
    OnHold(ContributorId),
    /// May be paid.
    Payable(ContributorId),
    /// Handed to a rail by the proposal of this entry.
    InFlight(EntryIndex),
    /// Arrived.
    Paid,
}

impl Account {
    /// Whether it may be overdrawn.
    fn may_be_negative(self) -> bool {
        matches!(self, Account::Operator | Account::Due(_) | Account::Accrued(_) | Account::WriteOff)
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Account::Operator => f.write_str("operator"),
            Account::Pool(run) => write!(f, "pool:{run}"),
            Account::Accrued(id) => write!(f, "accrued:{id}"),
            Account::Due(payee) => write!(f, "due:{payee}"),
            Account::Haircut => f.write_str("haircut"),
            Account::Stake(payee) => write!(f, "stake:{payee}"),
            Account::WriteOff => f.write_str("write-off"),
            Account::OnHold(id) => write!(f, "held:{id}"),
            Account::Payable(id) => write!(f, "payable:{id}"),
            Account::InFlight(proposal) => write!(f, "in-flight:{proposal}"),
            Account::Paid => f.write_str("paid"),
        }
    }
}

/// An amount that moves; always above zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Where it comes from.
    pub debit: Account,
    /// Where it goes.
    pub credit: Account,
    /// Minor units.
    pub amount_minor: i128,
}

/// What an entry of the log does to the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Movement {
    /// Moves at once.
    Post(Vec<Transfer>),
    /// Reserves, until a later entry posts or voids it.
    Reserve(Vec<Transfer>),
    /// Posts what the entry with this index reserved.
    Confirm(EntryIndex),
    /// Gives back what the entry with this index reserved.
    Void(EntryIndex),
}

/// Transfers that the books refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BooksError {
    /// More than there is.
    #[error("account {account}: {amount_minor} asked for, {available_minor} are available")]
    Overdrawn {
        /// Which.
        account: Account,
        /// Asked for.
        amount_minor: i128,
        /// Balance less what is reserved.
        available_minor: i128,
    },
    /// Nothing waits under this entry.
    #[error("entry {0}: reserved nothing, or it ended already")]
    NotPending(EntryIndex),
    /// Not above zero, or beyond 128 bits.
    #[error("transfer from {debit} to {credit}: {amount_minor} minor units, expected more than 0 and sums within 128 bits")]
    Amount {
        /// From.
        debit: Account,
        /// To.
        credit: Account,
        /// How much.
        amount_minor: i128,
    },
}

/// Balances of all accounts, as far as the log was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    balances: BTreeMap<Account, i128>,
    reserved: BTreeMap<Account, i128>,
    pending: BTreeMap<EntryIndex, Vec<Transfer>>,
}

impl Books {
    /// Credits less debits that were posted.
    pub fn balance(&self, account: Account) -> i128 {
        self.balances.get(&account).copied().unwrap_or(0)
    }

    /// The balance less what is reserved of it.
    pub fn available(&self, account: Account) -> i128 {
        self.balance(account) - self.reserved.get(&account).copied().unwrap_or(0)
    }

    /// Accounts with a balance, in their order.
    pub fn balances(&self) -> impl Iterator<Item = (Account, i128)> {
        self.balances.iter().map(|(account, balance)| (*account, *balance))
    }

    /// What waits, by the entry that reserved it.
    pub fn pending(&self) -> &BTreeMap<EntryIndex, Vec<Transfer>> {
        &self.pending
    }

    /// Sum of all balances: zero.
    pub fn trial_balance(&self) -> i128 {
        self.balances.values().sum()
    }

    /// Applies what entry `index` moves, all of it or nothing.
    ///
    /// # Errors
    /// [`BooksError`]; the books are as they were.
    pub fn apply(&mut self, index: EntryIndex, movement: &Movement) -> Result<(), BooksError> {
        match movement {
            Movement::Post(transfers) => self.all(transfers, Books::post),
            Movement::Reserve(transfers) => {
                self.all(transfers, Books::reserve)?;
                self.pending.insert(index, transfers.clone());
                Ok(())
            }
            Movement::Confirm(at) => {
                let transfers = self.release(*at)?;
                let posted = self.all(&transfers, Books::post);
                if posted.is_err() {
                    transfers.iter().for_each(|t| self.reserve(t, 1));
                    self.pending.insert(*at, transfers);
                }
                posted
            }
            Movement::Void(at) => self.release(*at).map(drop),
        }
    }

    /// Does `one` with each transfer, or undoes what it did.
    fn all(&mut self, transfers: &[Transfer], one: fn(&mut Books, &Transfer, i128)) -> Result<(), BooksError> {
        for (done, t) in transfers.iter().enumerate() {
            if let Err(e) = self.check(t) {
                transfers[..done].iter().for_each(|t| one(self, t, -1));
                return Err(e);
            }
            one(self, t, 1);
        }
        Ok(())
    }

    fn check(&self, t: &Transfer) -> Result<(), BooksError> {
        let fits = self.balance(t.credit).checked_add(t.amount_minor).and(self.available(t.debit).checked_sub(t.amount_minor));
        match fits {
            Some(left) if t.amount_minor > 0 => {
                if left >= 0 || t.debit.may_be_negative() {
                    return Ok(());
                }
                let available_minor = self.available(t.debit);
                Err(BooksError::Overdrawn { account: t.debit, amount_minor: t.amount_minor, available_minor })
            }
            _ => Err(BooksError::Amount { debit: t.debit, credit: t.credit, amount_minor: t.amount_minor }),
        }
    }

    fn post(&mut self, t: &Transfer, sign: i128) {
        add(&mut self.balances, t.debit, -sign * t.amount_minor);
        add(&mut self.balances, t.credit, sign * t.amount_minor);
    }

    fn reserve(&mut self, t: &Transfer, sign: i128) {
        add(&mut self.reserved, t.debit, sign * t.amount_minor);
    }

    fn release(&mut self, at: EntryIndex) -> Result<Vec<Transfer>, BooksError> {
        let transfers = self.pending.remove(&at).ok_or(BooksError::NotPending(at))?;
        transfers.iter().for_each(|t| self.reserve(t, -1));
        Ok(transfers)
    }
}

/// Accounts without a balance are left out, so that books with the same balances are equal.
fn add(balances: &mut BTreeMap<Account, i128>, account: Account, amount: i128) {
    let balance = balances.entry(account).or_insert(0);
    *balance += amount;
    if *balance == 0 {
        balances.remove(&account);
    }
}

/// Collects transfers, and leaves out those of nothing.
#[derive(Default)]
struct Lines(Vec<Transfer>);

impl Lines {
    fn add(&mut self, debit: Account, credit: Account, amount_minor: i128) {
        if amount_minor > 0 {
            self.0.push(Transfer { debit, credit, amount_minor });
        }
    }

    /// Forth if the amount is above zero, back if it is below.
    fn signed(&mut self, debit: Account, credit: Account, amount_minor: i128) {
        self.add(debit, credit, amount_minor);
        self.add(credit, debit, -amount_minor);
    }
}

/// What a settled period moves: the pools of `run` to accounts, from these to payees, and what is payable to the dispute period.
///
/// A pool that is on hold stays where it is.
pub fn settlement(run: RunNumber, pool_minor: i128, pools: &[Vec<Reward>], settled: &Settlement) -> Vec<Transfer> {
    let mut lines = Lines::default();
    lines.add(Account::Operator, Account::Pool(run), pool_minor);
    // What is below zero first: it is part of what the others get.
    for reward in pools.iter().flatten() {
        lines.add(Account::Accrued(reward.contributor), Account::Pool(run), -reward.accrued_minor);
    }
    for reward in pools.iter().flatten() {
        lines.add(Account::Pool(run), Account::Accrued(reward.contributor), reward.accrued_minor);
    }
    for a in &settled.accounts {
        lines.signed(Account::Accrued(a.contributor), Account::Due(a.payee), a.accrued_minor);
    }
    for p in &settled.payees {
        let due = Account::Due(p.payee);
        lines.add(Account::Stake(p.payee), due, p.from_stake_minor);
        lines.add(due, Account::Haircut, p.haircut_minor);
        lines.signed(due, Account::Stake(p.payee), p.to_stake_minor);
    }
    for p in &settled.payees {
        let due = Account::Due(p.payee);
        // What is given up passes through an account of its own, so that its sum is known.
        lines.add(Account::Haircut, Account::WriteOff, p.expired_minor);
        lines.add(Account::WriteOff, due, p.expired_minor);
        let short = (-p.net_minor).max(0) - p.from_stake_minor;
        lines.add(Account::Haircut, due, short - p.offset_minor);
        lines.add(Account::Haircut, due, p.repaid_minor);
    }
    lines.add(Account::Haircut, Account::Operator, settled.operator_repaid_minor);
    for a in &settled.accounts {
        lines.add(Account::Due(a.payee), Account::OnHold(a.contributor), a.payable_minor);
    }
    lines.0
}

/// What is left of a pool on hold goes back to who put it in.
pub fn return_pool(run: RunNumber, amount_minor: i128) -> Vec<Transfer> {
    let mut lines = Lines::default();
    lines.add(Account::Pool(run), Account::Operator, amount_minor);
    lines.0
}

/// Amounts whose dispute period is over become payable.
pub fn release(amounts: &[(ContributorId, i128)]) -> Vec<Transfer> {
    let mut lines = Lines::default();
    for (id, amount_minor) in amounts {
        lines.add(Account::OnHold(*id), Account::Payable(*id), *amount_minor);
    }
    lines.0
}

/// What a proposal reserves: from each account what it is paid, by the proposal of entry `proposal`.
pub fn propose(proposal: EntryIndex, amounts: &[(ContributorId, i128)]) -> Vec<Transfer> {
    let mut lines = Lines::default();
    for (id, amount_minor) in amounts {
        lines.add(Account::Payable(*id), Account::InFlight(proposal), *amount_minor);
    }
    lines.0
}

/// What a rail's report says: what arrived, what is payable again, and what is payable again after it had arrived.
pub fn report(
    proposal: EntryIndex,
    paid_minor: i128,
    returned: &[(ContributorId, i128)],
    reversed: &[(ContributorId, i128)],
) -> Vec<Transfer> {
    let mut lines = Lines::default();
    lines.add(Account::InFlight(proposal), Account::Paid, paid_minor);
    for (id, amount_minor) in returned {
        lines.add(Account::InFlight(proposal), Account::Payable(*id), *amount_minor);
    }
    for (id, amount_minor) in reversed {
        lines.add(Account::Paid, Account::Payable(*id), *amount_minor);
    }
    lines.0
}

/// A dispute stops what is not yet on its way.
pub fn stop(contributor: ContributorId, payable_minor: i128) -> Vec<Transfer> {
    let mut lines = Lines::default();
    lines.add(Account::Payable(contributor), Account::OnHold(contributor), payable_minor);
    lines.0
}

/// A clawback: what is on hold, and the rest as an offset against what the payee earns later, which belongs to the operator.
pub fn claw_back(contributor: ContributorId, payee: PayeeId, from_on_hold_minor: i128, offset_minor: i128) -> Vec<Transfer> {
    let mut lines = Lines::default();
    lines.add(Account::OnHold(contributor), Account::Operator, from_on_hold_minor);
    lines.add(Account::Due(payee), Account::Haircut, offset_minor);
    lines.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reward::allocate;
    use crate::settlement::{Accrual, Carried, Terms, settle};

    #[test]
    fn a_settled_pool_is_empty_and_what_is_open_is_due_and_owed() {
        let id = |n| ContributorId([n; 16]);
        let rewards = allocate(1000, &[(id(1), 3, 0), (id(2), 1, 0), (id(3), -1, 0)]).unwrap();
        let accrual = |r: &Reward| Accrual {
            contributor: r.contributor,
            payee: PayeeId::Account(r.contributor),
            accrued_minor: r.accrued_minor,
            spread_minor: 0,
        };
        let accruals: Vec<Accrual> = rewards.iter().map(accrual).collect();
        let terms = Terms { noise_permille: 0, offset_periods: 1, stake_minor: 0 };
        let settled = settle(0, &accruals, Carried::default(), &terms).unwrap();
        let mut books = Books::default();
        books.apply(EntryIndex(5), &Movement::Post(settlement(RunNumber(7), 1000, &[rewards], &settled))).unwrap();
        assert_eq!(books.trial_balance(), 0);
        let of = |account| books.balance(account);
        assert_eq!((of(Account::Pool(RunNumber(7))), of(Account::Accrued(id(1))), of(Account::Operator)), (0, 0, -1000));
        assert_eq!((of(Account::OnHold(id(1))), of(Account::OnHold(id(2)))), (750, 250));
        assert_eq!((of(Account::Due(PayeeId::Account(id(3)))), of(Account::Haircut)), (-333, 333));
    }

    #[test]
    fn what_is_reserved_cannot_be_spent_twice_and_a_refused_movement_changes_nothing() {
        let id = ContributorId([1; 16]);
        let mut books = Books::default();
        let fund = Transfer { debit: Account::Operator, credit: Account::Payable(id), amount_minor: 100 };
        books.apply(EntryIndex(0), &Movement::Post(vec![fund])).unwrap();
        books.apply(EntryIndex(1), &Movement::Reserve(propose(EntryIndex(1), &[(id, 70)]))).unwrap();
        assert_eq!((books.balance(Account::Payable(id)), books.available(Account::Payable(id))), (100, 30));
        let before = books.clone();
        let twice = propose(EntryIndex(2), &[(id, 20), (id, 20)]);
        assert!(matches!(
            books.apply(EntryIndex(2), &Movement::Reserve(twice.clone())),
            Err(BooksError::Overdrawn { amount_minor: 20, .. })
        ));
        assert!(matches!(books.apply(EntryIndex(2), &Movement::Post(twice)), Err(BooksError::Overdrawn { available_minor: 10, .. })));
        assert_eq!(books, before);
        books.apply(EntryIndex(3), &Movement::Confirm(EntryIndex(1))).unwrap();
        assert_eq!(books.apply(EntryIndex(3), &Movement::Confirm(EntryIndex(1))), Err(BooksError::NotPending(EntryIndex(1))));
        books.apply(EntryIndex(4), &Movement::Post(report(EntryIndex(1), 50, &[(id, 20)], &[]))).unwrap();
        assert_eq!(
            (books.balance(Account::Paid), books.balance(Account::Payable(id)), books.balance(Account::InFlight(EntryIndex(1)))),
            (50, 50, 0)
        );
        books.apply(EntryIndex(5), &Movement::Reserve(propose(EntryIndex(5), &[(id, 50)]))).unwrap();
        books.apply(EntryIndex(6), &Movement::Void(EntryIndex(5))).unwrap();
        assert_eq!((books.available(Account::Payable(id)), books.trial_balance()), (50, 0));
    }
}
