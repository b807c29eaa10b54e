//! How much a dispute may take back, and the balances that a close of the books lists.

use corpus::objects::Class;
use corpus::{ContributorId, EntryIndex};
use ledger::amount;
use ledger::history::Logged;
use serde::Serialize;

use crate::accounting::{Accounting, disputed_contributor};
use crate::epoch::EpochViews;
use crate::error::Result;
use crate::lines;
use crate::rewards::Rewards;

/// The most that may still be clawed back of a contributor: of what each statement before entry `at` gave it the part that its policy says,
/// less what was clawed back before.
pub fn cap(epochs: &EpochViews<'_>, id: &ContributorId, at: EntryIndex) -> Result<i128> {
    let archive = epochs.archive;
    let mut cap = 0i128;
    for run in &archive.state.runs {
        let Some(Logged { entry: s, .. }) = run.statements.as_ref().filter(|Logged { index, .. }| *index < at) else { continue };
        let rewards = Rewards::from_bytes(&archive.objects.get(Class::Public, &s.rewards)?)?;
        let given: i128 = rewards.settlement.accounts.iter().filter(|a| a.contributor == *id).map(|a| a.payable_minor).sum();
        let ppm = i128::from(epochs.number(s.epoch).policy()?.pay.clawback_cap_ppm);
        cap += given / 1_000_000 * ppm + given % 1_000_000 * ppm / 1_000_000;
    }
    let state = &archive.state;
    let earlier =
        state.disputes.iter().filter(|d| disputed_contributor(state, &d.dispute.entry) == Some(*id)).filter_map(|d| d.resolution.as_ref());
    Ok(cap - earlier.filter(|Logged { index, .. }| *index < at).map(|Logged { entry: r, .. }| r.amount_minor).sum::<i128>())
}

/// The balance of an account, as the books' close has it.
#[derive(Serialize)]
struct Balance {
    account: String,
    #[serde(with = "amount")]
    balance_minor: i128,
}

/// The balances of all accounts before a close, as it lists them; what is left of pools on hold goes back with it.
pub fn balances(accounting: &Accounting) -> Result<(Vec<u8>, u64)> {
    let all: Vec<Balance> =
        accounting.books.balances().map(|(account, balance_minor)| Balance { account: account.to_string(), balance_minor }).collect();
    Ok((lines::write(&all)?, all.len() as u64))
}
