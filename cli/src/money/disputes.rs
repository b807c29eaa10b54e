//! The commands about disputes and the books.

use std::path::Path;

use anyhow::Result;
use ledger::entry::DisputeCode;
use pipeline::Home;
use pipeline::disputes::{self, Subject};
use serde_json::json;

use crate::output::{Output, money};

/// Opens a dispute.
pub async fn open(home: &mut Home, subject: Subject, code: DisputeCode, evidence: &Path) -> Result<Output> {
    let at = disputes::open(home, subject, code, evidence).await?;
    Ok(Output::new(format!("dispute {at} is open: amounts are held until it is resolved"), json!({ "dispute": at })))
}

/// Resolves a dispute.
pub async fn resolve(home: &mut Home, dispute: u64, clawback_minor: Option<i128>, reasons: &Path) -> Result<Output> {
    let disputes::Resolved { entry, outcome } = disputes::resolve(home, dispute, clawback_minor, reasons).await?;
    Ok(Output::new(format!("dispute {dispute}: {outcome}, entry {entry}"), json!({ "resolution": entry, "outcome": outcome })))
}

/// Closes the period.
pub async fn close(home: &mut Home, period: u32) -> Result<Output> {
    let closed = disputes::close(home, period).await?;
    let (entry, accounts) = (closed.entry, closed.accounts);
    let genesis = home.genesis();
    let of = |minor| money(minor, genesis.currency_exponent, &genesis.currency);
    let text = format!(
        "period {period} is closed by entry {entry}: {accounts} accounts, put in {}, paid {}",
        of(closed.put_in_minor),
        of(closed.paid_minor)
    );
    Ok(Output::new(text, json!({ "period": period, "entry": entry, "accounts": accounts })))
}

/// All balances, and their sum, which is zero.
pub async fn show(home: &Home) -> Result<Output> {
    let shown = disputes::show(home).await?;
    let genesis = home.genesis();
    let amount = |minor| money(minor, genesis.currency_exponent, &genesis.currency);
    let mut text = String::new();
    for (account, balance) in &shown.balances {
        text += &format!("{account:<72} {:>20}\n", amount(*balance));
    }
    text += &format!("{:<72} {:>20}\n", "trial balance", amount(shown.trial_balance_minor));
    let balances: serde_json::Map<String, serde_json::Value> =
        shown.balances.into_iter().map(|(account, balance)| (account, balance.to_string().into())).collect();
    Ok(Output::new(text, json!({ "balances_minor": balances, "trial_balance_minor": shown.trial_balance_minor.to_string() })))
}
