//! What `reward` and `statement verify` print.

use std::collections::HashMap;

use anyhow::Result;
use corpus::{ContributorId, RunNumber};
use ledger::entry::PoolOutcome;
use ledger::payee::PayeeId;
use ledger::settlement::PayeeLine;
use pipeline::{Snapshot, reward, statements};
use serde_json::json;
use store::files;

use super::page;
use crate::args::money::{Reward, Verify};
use crate::audited;
use crate::failure::Kind;
use crate::output::{Bars, Output, money};
use crate::place::Place;
use crate::tables::number_value;

/// Settles a run, or only says what everybody would get.
pub async fn reward(place: &Place, a: Reward) -> Result<Output> {
    if a.dry_run {
        return rewards(&place.look()?, a.run);
    }
    let mut home = place.open().await?;
    let settled = reward::run(&mut home, a.run).await?;
    page::write(&home, &settled)?;
    rewards(&home, a.run)
}

/// Every pool with everybody's line, and what is payable of it.
fn rewards(home: &Snapshot, run: RunNumber) -> Result<Output> {
    let computed = rules::settlement::compute(home, run)?;
    let (policy, rewards) = (&computed.policy, &computed.rewards);
    let amount = |minor: i128| money(minor, policy.currency_exponent, &policy.currency);
    let payees: HashMap<PayeeId, &PayeeLine> = rewards.settlement.payees.iter().map(|p| (p.payee, p)).collect();
    let mut weights: HashMap<ContributorId, i128> = HashMap::new();
    computed.lines().for_each(|r| *weights.entry(r.contributor).or_default() += r.pay_weight);
    let names = home.names();
    let name = |id: &ContributorId| names.get(id).cloned().unwrap_or_else(|| id.to_string());
    let mut text = format!("run {run}: {}, {}\n", amount(policy.pool_minor), computed.outcome);
    for pool in &rewards.pools {
        let head = &pool.head;
        text += &format!(
            "\npool of {}, by {}: {}, weights sum to {}, {}\n  {:<24} {:>16} {:>14} {:>14} {:>14}\n",
            head.stratum,
            head.follows,
            amount(head.pool_minor),
            head.pay_weights_sum,
            head.outcome,
            "contributor",
            "weight",
            "floor",
            "remainder",
            "accrued"
        );
        for r in &pool.lines {
            text += &format!(
                "  {:<24} {:>16} {:>14} {:>14} {:>14}\n",
                name(&r.contributor),
                r.pay_weight,
                amount(r.floor_minor),
                r.remainder,
                amount(r.accrued_minor)
            );
        }
    }
    text += &format!("\n  {:<24} {:>14} {:>14} {:>14} {:>14}\n", "contributor", "accrued", "haircut", "recovered", "payable");
    for a in &rewards.settlement.accounts {
        let p = payees.get(&a.payee);
        text += &format!(
            "  {:<24} {:>14} {:>14} {:>14} {:>14}\n",
            name(&a.contributor),
            amount(a.accrued_minor),
            amount(p.map_or(0, |p| p.haircut_minor)),
            amount(p.map_or(0, |p| p.recovered_minor)),
            amount(a.payable_minor)
        );
    }
    let lines: Vec<_> = rewards
        .settlement
        .accounts
        .iter()
        .map(|a| {
            json!({
                "contributor": a.contributor, "payee": a.payee, "weight": number_value(weights.get(&a.contributor).copied().unwrap_or(0)),
                "accrued_minor": number_value(a.accrued_minor), "payable_minor": number_value(a.payable_minor),
            })
        })
        .collect();
    let pools: Vec<_> = rewards.pools.iter().map(|p| json!({ "pool": p.head, "lines": p.lines })).collect();
    // A pool that is on hold pays nobody: what was asked for did not happen.
    let exit = if computed.outcome == PoolOutcome::Settled { 0 } else { Kind::Check as u8 };
    let json = json!({
        "run": run, "outcome": computed.outcome, "pool_minor": policy.pool_minor.to_string(), "pools": pools, "rewards": lines,
        "payees": rewards.settlement.payees,
    });
    Ok(Output::new(text, json).exiting(exit))
}

/// Recomputes a statement from the log and public objects, and names the fields that differ.
pub fn verify(place: &Place, a: Verify) -> Result<Output> {
    let file = a.file.display().to_string();
    let archive = audit::public_archive(&audited::files(&place.home)?, &Bars)?;
    let statement = statements::verify(&archive, &files::read(&a.file)?, &file)?;
    let amount = |minor| money(minor, statement.currency_exponent, &statement.currency);
    let text = format!(
        "{file}: verified; contributor {} accrued {} in run {}, payable {}",
        statement.contributor,
        amount(statement.gross_minor),
        statement.run,
        amount(statement.net_minor)
    );
    Ok(Output::new(text, json!({ "ok": true, "statement": statement })))
}
