//! The commands about payouts.

use std::path::Path;

use anyhow::Result;
use ledger::SecretKey;
use ledger::entry::ApprovalOutcome;
use ledger::history::Logged;
use pipeline::Home;
use pipeline::payouts;
use serde_json::json;

use crate::output::{Output, money};

fn amount(home: &Home, minor: i128) -> String {
    let genesis = home.genesis();
    money(minor, genesis.currency_exponent, &genesis.currency)
}

/// Proposes to pay everybody whom the rail reaches.
pub async fn propose(home: &mut Home, rail_file: &Path, dry_run: bool) -> Result<Output> {
    let p = payouts::propose(home, rail_file, dry_run).await?;
    let mut text = String::new();
    for n in &p.not_paid {
        text += &format!("  {:<24} {:>16}  not paid now: {}\n", home.name_of(&n.contributor), amount(home, n.amount_minor), n.why);
    }
    for a in &p.list {
        let (name, reference) = (home.name_of(&a.contributor), a.reference.as_deref().unwrap_or(""));
        text += &format!("  {name:<24} {:>16}  {reference}\n", amount(home, a.amount_minor));
    }
    let what = format!("{} by {} payments over {}", amount(home, p.total_minor), p.payments, p.rail);
    let not_paid: Vec<_> = p
        .not_paid
        .iter()
        .map(|n| json!({ "contributor": n.contributor, "amount_minor": n.amount_minor.to_string(), "why": n.why }))
        .collect();
    let mut json = json!({
        "rail": p.rail, "total_minor": p.total_minor.to_string(), "payments": p.payments, "released_minor": p.released_minor.to_string(),
        "not_paid": not_paid,
    });
    let Some(payout) = p.payout else { return Ok(Output::new(format!("would propose {what}\n{text}"), json)) };
    json["payout"] = payout.into();
    Ok(Output::new(
        format!("payout {payout}: proposes {what}; the approver approves it with `assay payout approve {payout}`\n{text}"),
        json,
    ))
}

/// The second key's word on a proposal.
pub async fn approve(home: &mut Home, payout: u64, reject: bool, key: Option<&SecretKey>) -> Result<Output> {
    let payouts::Decided { outcome, entry } = payouts::approve(home, payout, reject, key).await?;
    Ok(Output::new(format!("payout {payout}: {outcome} by entry {entry}"), json!({ "payout": payout, "outcome": outcome, "entry": entry })))
}

/// Writes the file of an approved payout.
pub fn export(home: &Home, payout: u64, out: &Path) -> Result<Output> {
    let e = payouts::export(home, payout, out)?;
    let mut text = format!("{}: {} bytes, {} payments", out.display(), e.bytes, e.payments);
    if e.claims > 0 {
        text += &format!("; {} claims with their proofs below statements/payout-{payout}", e.claims);
    }
    Ok(Output::new(text, json!({ "payout": payout, "file": out.display().to_string(), "sha256": e.digest, "claims": e.claims })))
}

/// Books what the rail reports.
pub async fn reconcile(home: &mut Home, payout: u64, report: &Path) -> Result<Output> {
    let r = payouts::reconcile(home, payout, report).await?;
    let told = |reference: &String| format!("  {reference}: came back before, and is payable; not booked as paid\n");
    let contradicted: String = r.contradicted.iter().map(told).collect();
    if r.new == 0 {
        let text = format!("payout {payout}: nothing new in the report\n{contradicted}");
        return Ok(Output::new(text, json!({ "payout": payout, "new": 0 })));
    }
    let (arrived, back) = (amount(home, r.settled_minor), amount(home, r.returned_minor));
    let mut text = format!("payout {payout}: {arrived} arrived, {back} came back\n{contradicted}");
    for n in &r.returned {
        text += &format!("  {:<24} {:>16}  payable again: {}\n", home.name_of(&n.contributor), amount(home, n.amount_minor), n.why);
    }
    let json = json!({
        "payout": payout, "new": r.new, "settled_minor": r.settled_minor.to_string(), "returned_minor": r.returned_minor.to_string(),
    });
    Ok(Output::new(text, json))
}

/// All payouts, and what is payable or held.
pub fn list(home: &Home) -> Result<Output> {
    let listed = payouts::list(home)?;
    let (mut text, mut rows) = (String::new(), Vec::new());
    for p in &home.state.payouts {
        let state = match &p.approval {
            None => "proposed",
            Some(Logged { entry: a, .. }) if a.outcome != ApprovalOutcome::Approved => "rejected",
            Some(_) if p.is_reconciled() => "reconciled",
            Some(_) => "approved",
        };
        let Logged { index, entry: proposal } = &p.proposal;
        text += &format!(
            "payout {index:<8} {:>16}  {:>6} payments over {:<20} {state}, {} reported\n",
            amount(home, proposal.total_minor),
            proposal.transfers,
            proposal.rail,
            amount(home, p.reported())
        );
        rows.push(json!({
            "payout": index, "rail": proposal.rail, "total_minor": proposal.total_minor.to_string(), "payments": proposal.transfers,
            "state": state, "reported_minor": p.reported().to_string(),
        }));
    }
    let (held, payable) = (listed.held_minor, listed.payable_minor);
    text += &format!("held {}, payable {}\n", amount(home, held), amount(home, payable));
    text.extend(listed.waiting.iter().map(|w| format!("  run {} held: {}\n", w.run, w.why)));
    Ok(Output::new(text, json!({ "payouts": rows, "held_minor": held.to_string(), "payable_minor": payable.to_string() })))
}
