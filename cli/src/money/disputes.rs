//! Disputes and what comes of them, and the close of the books.

use std::path::Path;

use anyhow::Result;
use corpus::ContributorId;
use ledger::books::Account;
use ledger::entry::{BooksClose, Dispute, DisputeResolution, amount};
use serde::Serialize;
use serde_json::json;
use store::{Class, files};

use super::accounting::{Accounting, disputed_contributor};
use super::lines;
use crate::failure::{Kind, failure, usage};
use crate::home::{Archive, Home};
use crate::output::{Output, money};
use crate::rules::Rewards;
use crate::stages::epoch;

/// What a dispute is about.
pub enum Subject {
    /// Everything of a contributor.
    Contributor(String),
    /// The contributor of a submission.
    Submission(u64),
    /// Everybody's amounts of a run.
    Run(u32),
}

/// Opens a dispute; returns its entry.
pub async fn open(home: &mut Home, subject: Subject, code: String, evidence: &Path) -> Result<Output> {
    let evidence = home.objects.put(Class::Sealed, &files::read(evidence)?)?;
    let mut entry = Dispute { contributor: None, submission: None, run: None, code, evidence, time: home.now };
    match subject {
        Subject::Contributor(name) => entry.contributor = Some(home.contributor_id(&name)?),
        Subject::Submission(at) => entry.submission = Some(at),
        Subject::Run(run) => entry.run = Some(run),
    }
    let at = home.append(vec![entry.into()]).await?;
    Ok(Output::new(format!("dispute {at} is open: amounts are held until it is resolved"), json!({ "dispute": at })))
}

/// The most that may still be clawed back of a contributor: of what each statement before entry `at` gave it the part that its policy says,
/// less what was clawed back before.
pub fn cap(archive: &Archive, id: &ContributorId, at: u64) -> Result<i128> {
    let mut cap = 0i128;
    for run in &archive.state.runs {
        let Some((_, s)) = run.statements.as_ref().filter(|(index, _)| *index < at) else { continue };
        let rewards = Rewards::from_bytes(&archive.objects.get(Class::Public, &s.rewards)?)?;
        let given: i128 = rewards.settlement.accounts.iter().filter(|a| a.contributor == *id).map(|a| a.payable_minor).sum();
        let ppm = i128::from(epoch::policy(archive, &archive.state.epochs[s.epoch as usize])?.pay.clawback_cap_ppm);
        cap += given / 1_000_000 * ppm + given % 1_000_000 * ppm / 1_000_000;
    }
    let state = &archive.state;
    let earlier =
        state.disputes.iter().filter(|d| disputed_contributor(state, &d.dispute.1) == Some(*id)).filter_map(|d| d.resolution.as_ref());
    Ok(cap - earlier.filter(|(index, _)| *index < at).map(|(_, r)| r.amount_minor).sum::<i128>())
}

/// Resolves a dispute: what it held is released, or `clawback_minor` of it is taken back.
pub async fn resolve(home: &mut Home, dispute: u64, clawback_minor: Option<i128>, reasons: &Path) -> Result<Output> {
    let disputed = home.state.disputes.iter().find(|d| d.dispute.0 == dispute);
    let disputed = disputed.ok_or_else(|| usage(format!("dispute {dispute}: no entry opened one")))?;
    if let Some(amount) = clawback_minor {
        let id = disputed_contributor(&home.state, &disputed.dispute.1);
        let id = id.ok_or_else(|| usage(format!("dispute {dispute}: is about a run, and a clawback is about somebody")))?;
        let cap = cap(home, &id, home.state.size)?;
        if amount > cap {
            return Err(failure(Kind::Check, format!("dispute {dispute}: {amount} minor units to claw back, the policy allows {cap}")));
        }
    }
    let reasons = home.objects.put(Class::Party, &files::read(reasons)?)?;
    let outcome = if clawback_minor.is_some() { "clawback" } else { "released" }.to_string();
    let entry = DisputeResolution { dispute, outcome: outcome.clone(), amount_minor: clawback_minor.unwrap_or(0), reasons, time: home.now };
    let at = home.append(vec![entry.into()]).await?;
    Ok(Output::new(format!("dispute {dispute}: {outcome}, entry {at}"), json!({ "resolution": at, "outcome": outcome })))
}

/// The balance of an account, as the books' close has it.
#[derive(Serialize)]
struct Balance {
    account: String,
    #[serde(with = "amount")]
    balance_minor: i128,
}

/// The balances of all accounts before a close, as it lists them; what is left of held pools goes back with it.
pub fn balances(accounting: &Accounting) -> Result<(Vec<u8>, u64)> {
    let all: Vec<Balance> =
        accounting.books.balances().map(|(account, balance_minor)| Balance { account: account.to_string(), balance_minor }).collect();
    Ok((lines::write(&all)?, all.len() as u64))
}

/// Closes the period: what was not known yet is of the next one.
pub async fn close(home: &mut Home, period: u32) -> Result<Output> {
    let open: Vec<u64> = home.state.payouts.iter().filter(|p| !p.is_reconciled()).map(|p| p.proposal.0).collect();
    if !open.is_empty() {
        return Err(failure(Kind::Check, format!("books: payouts {open:?} are not reconciled; expected a report on every payment")));
    }
    let accounting = Accounting::of(home, home.state.size)?;
    let (bytes, accounts) = balances(&accounting)?;
    let entry = BooksClose { period, balances: home.objects.put(Class::Public, &bytes)?, accounts, time: home.now };
    let at = home.append(vec![entry.into()]).await?;
    let genesis = home.genesis();
    let of = |account| money(accounting.books.balance(account), genesis.currency_exponent, &genesis.currency);
    let text = format!(
        "period {period} is closed by entry {at}: {accounts} accounts, put in {}, paid {}",
        of(Account::Operator).replace('-', ""),
        of(Account::Paid)
    );
    Ok(Output::new(text, json!({ "period": period, "entry": at, "accounts": accounts })))
}

/// All balances, and their sum, which is zero.
pub async fn show(home: &Home) -> Result<Output> {
    let accounting = Accounting::of(home, home.state.size)?;
    let genesis = home.genesis();
    let amount = |minor| money(minor, genesis.currency_exponent, &genesis.currency);
    let indexed: std::collections::BTreeMap<String, i128> = home.index.balances(&genesis.currency).await?.into_iter().collect();
    let logged: std::collections::BTreeMap<String, i128> = accounting.books.balances().map(|(a, b)| (a.to_string(), b)).collect();
    if indexed != logged {
        return Err(failure(Kind::Verification, "books: the index has other balances than the log gives; run `assay index rebuild`"));
    }
    let mut text = String::new();
    for (account, balance) in &logged {
        text += &format!("{account:<72} {:>20}\n", amount(*balance));
    }
    text += &format!("{:<72} {:>20}\n", "trial balance", amount(accounting.books.trial_balance()));
    let balances: serde_json::Map<String, serde_json::Value> =
        logged.into_iter().map(|(account, balance)| (account, balance.to_string().into())).collect();
    Ok(Output::new(text, json!({ "balances_minor": balances, "trial_balance_minor": accounting.books.trial_balance().to_string() })))
}
