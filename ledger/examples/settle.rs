//! From credit to a balanced set of books: what a pool gives three contributors, one of whom did harm.
//!
//! `cargo run --release -p ledger --example settle`

use corpus::{ContributorId, Digest, EntryIndex, RunNumber};
use ledger::amount::with_currency;
use ledger::books::{self, Account, Books, Movement};
use ledger::payee::PayeeId;
use ledger::reward::{allocate, pay_weight};
use ledger::settlement::{Accrual, Carried, Terms, settle};

/// 1,000.00 in a currency of two decimals.
const POOL_MINOR: i128 = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Nats of held-out loss that a run credits each contributor with, and how far two halves of the held-out text differ on it.
    let credit = [("ada", 0.42, 0.01), ("ben", 0.18, 0.02), ("cem", -0.05, 0.01)];
    // Ids come from public keys; here bytes stand for them.
    let id = |name: &str| ContributorId::of_key(&Digest::of(name.as_bytes()).0);
    let mut weights = Vec::new();
    for (name, nats, spread) in credit {
        weights.push((id(name), pay_weight(nats)?, pay_weight(spread)?));
    }
    weights.sort_unstable();

    // Shares are signed and sum to the pool: what harm costs is what the others have more.
    let rewards = allocate(POOL_MINOR, &weights)?;
    assert_eq!(rewards.iter().map(|r| r.accrued_minor).sum::<i128>(), POOL_MINOR);

    // Nobody is asked for money: a payee below zero carries an offset into later epochs.
    let sum = weights.iter().map(|(_, weight, _)| weight).sum();
    let mut accruals = Vec::new();
    for r in &rewards {
        accruals.push(Accrual {
            contributor: r.contributor,
            payee: PayeeId::Account(r.contributor),
            accrued_minor: r.accrued_minor,
            spread_minor: r.spread_minor(POOL_MINOR, sum)?,
        });
    }
    let terms = Terms { noise_permille: 2000, offset_periods: 4, stake_minor: 0 };
    let settled = settle(0, &accruals, Carried::default(), &terms)?;
    for (name, ..) in credit {
        let account = settled.accounts.iter().find(|a| a.contributor == id(name)).expect("everybody has an account");
        println!(
            "{name}: accrued {:>12}, payable {:>12}",
            with_currency(account.accrued_minor, 2, "XTS"),
            with_currency(account.payable_minor, 2, "XTS")
        );
    }

    // Double entry: every transfer leaves one account and reaches another.
    let mut ledger = Books::default();
    ledger.apply(EntryIndex(0), &Movement::Post(books::settlement(RunNumber(0), POOL_MINOR, &[rewards], &settled)))?;
    println!("the operator put in {}", with_currency(-ledger.balance(Account::Operator), 2, "XTS"));
    println!("trial balance {}", ledger.trial_balance());
    assert_eq!(ledger.trial_balance(), 0);
    Ok(())
}
