//! "Accepted, duplicate of, earned, why, paid when", at any time.

use anyhow::Result;
use corpus::RunNumber;
use ledger::books::Account;
use pipeline::Snapshot;
use pipeline::status::{ContributorRow, Stage, contributors, stage};
use serde_json::json;

use crate::args::home::Status;
use crate::failure::usage;
use crate::output::{Output, money};
use crate::place::Place;
use crate::tables::{contributor_table, number_value};

/// The state of the home, or of one contributor.
pub fn status(place: &Place, a: Status) -> Result<Output> {
    of(&place.look()?, a.contributor.as_deref())
}

/// The same of a home that is read or open.
pub fn of(home: &Snapshot, contributor: Option<&str>) -> Result<Output> {
    let genesis = home.genesis();
    let (currency, exponent) = (genesis.currency.clone(), genesis.currency_exponent);
    let Some(last) = home.state.epochs.last() else {
        return Ok(Output::new(
            format!("{}: {} entries, no epoch yet", home.config.origin, home.state.size),
            json!({ "log_size": home.state.size, "contributors": [] }),
        ));
    };
    let number = last.open.entry.epoch;
    let run = home.state.runs.iter().rev().find(|r| r.intent.entry.epoch == number).map(|r| r.intent.entry.run);
    let mut rows = contributors(home, number, run, |id| home.name_of(id))?;
    let stage = stage(home, number);
    if let Some(name) = contributor {
        rows.retain(|r| r.name == name || r.id.to_string() == name);
        let row = rows
            .first()
            .ok_or_else(|| usage(format!("contributor {name:?}: nothing was submitted under this name or id in epoch {number}")))?;
        let held = home.books()?.books.balance(Account::OnHold(row.id));
        let text = contributor_text(home, row, run, held, stage, &currency, exponent)?;
        return Ok(Output::new(
            text,
            json!({ "log_size": home.state.size, "stage": stage, "contributor": row, "held_minor": number_value(held) }),
        ));
    }
    let books = &home.books()?.books;
    let (balances, trial) = (books.balances().map(|(account, b)| (account.to_string(), b)).collect::<Vec<_>>(), books.trial_balance());
    let submissions: usize = home.state.epochs.iter().map(|e| e.submissions.len()).sum();
    let mut text =
        format!("{}: {} entries, {submissions} submissions, epoch {number} is {}\n\n", home.config.origin, home.state.size, stage.name());
    text += &contributor_table(&rows, &currency, exponent)?;
    text += &format!("\nbooks: {} accounts, trial balance {}\n", balances.len(), money(trial, exponent, &currency));
    let balances: serde_json::Map<String, serde_json::Value> = balances.into_iter().map(|(name, b)| (name, number_value(b))).collect();
    Ok(Output::new(text, json!({ "log_size": home.state.size, "stage": stage, "contributors": rows, "balances_minor": balances })))
}

fn contributor_text(
    home: &Snapshot,
    row: &ContributorRow,
    run: Option<RunNumber>,
    held: i128,
    stage: Stage,
    currency: &str,
    exponent: u8,
) -> Result<String> {
    let of: Vec<String> = row.duplicate_of.iter().map(|(name, n)| format!("{n} of {name}")).collect();
    let mut text = format!("{} ({})\n", row.name, row.id);
    text += &format!("  submitted     {} documents under {}\n", row.documents, row.licence);
    text += &format!("  accepted      {} documents, {} tokens\n", row.accepted, row.tokens);
    text += &format!("  duplicate of  {}\n", if of.is_empty() { "none".into() } else { of.join(", ") });
    text += &format!("  kept out      {} documents\n", row.rejected);
    text += &format!(
        "  credit        {:+.4} ±{:.4} nats of held-out loss in run {}\n",
        row.credit_nats,
        row.credit_spread_nats,
        run.map_or("(none yet)".into(), |r| r.to_string())
    );
    text += &format!(
        "  why           weight {} (credit times window weights, 10^-9 nats) of the run's sum; see its statement\n",
        row.pay_weight
    );
    text += &format!("  accrued       {}\n", money(row.accrued_minor, exponent, currency));
    text += &format!(
        "  payable       {}, of which on hold {}\n",
        money(row.payable_minor, exponent, currency),
        money(held, exponent, currency)
    );
    let days = home.view(None)?.policy()?.hold_days;
    let when = if stage == Stage::Settled {
        format!("after a dispute period of {days} days from settlement")
    } else {
        format!("not yet: the epoch is {}", stage.name())
    };
    text += &format!("  paid when     {when}\n");
    if home.genesis().currency == "XTS" {
        text += "  XTS is the code for tests: nobody is owed anything\n";
    }
    Ok(text)
}
