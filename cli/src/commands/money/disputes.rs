//! The commands about disputes and the books.

use anyhow::{Context, Result};
use pipeline::disputes::{self, Subject};
use serde_json::json;

use crate::args::money::{Close, Open, Resolve};
use crate::output::{Output, money};
use crate::place::Place;

/// Opens a dispute.
pub async fn open(place: &Place, a: Open) -> Result<Output> {
    let subject = match (a.contributor, a.submission, a.run) {
        (Some(name), _, _) => Subject::Contributor(name),
        (_, Some(at), _) => Subject::Submission(at),
        (_, _, run) => Subject::Run(run.context("one of the three is required")?),
    };
    let at = disputes::open(&mut place.open().await?, subject, a.code, &a.evidence).await?;
    Ok(Output::new(format!("dispute {at} is open: amounts are on hold until it is resolved"), json!({ "dispute": at })))
}

/// Resolves a dispute.
pub async fn resolve(place: &Place, a: Resolve) -> Result<Output> {
    let (mut home, dispute) = (place.open().await?, a.dispute);
    let disputes::Resolved { entry, outcome } = disputes::resolve(&mut home, dispute, a.clawback_minor, &a.reasons).await?;
    Ok(Output::new(format!("dispute {dispute}: {outcome}, entry {entry}"), json!({ "resolution": entry, "outcome": outcome })))
}

/// Closes the period.
pub async fn close(place: &Place, a: Close) -> Result<Output> {
    let (mut home, period) = (place.open().await?, a.period);
    let closed = disputes::close(&mut home, period).await?;
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
pub fn show(place: &Place) -> Result<Output> {
    let home = place.look()?;
    let shown = disputes::show(&home)?;
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
