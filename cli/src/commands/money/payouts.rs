//! The commands about payouts.

use anyhow::Result;
use ledger::entry::ApprovalOutcome;
use ledger::history::Logged;
use pipeline::Snapshot;
use pipeline::keys::read_given;
use pipeline::payouts;
use serde_json::json;

use crate::args::money::{Approve, Export, Propose, Reconcile};
use crate::output::{Output, money};
use crate::place::Place;

fn amount(home: &Snapshot, minor: i128) -> String {
    let genesis = home.genesis();
    money(minor, genesis.currency_exponent, &genesis.currency)
}

/// Proposes to pay everybody whom the rail reaches.
pub async fn propose(place: &Place, a: Propose) -> Result<Output> {
    if a.dry_run {
        let home = &place.look()?;
        return Ok(proposal(home, payouts::would_propose(home, &a.rail)?));
    }
    let home = &mut place.open().await?;
    let proposed = payouts::propose(home, &a.rail).await?;
    Ok(proposal(home, proposed))
}

/// What is proposed, or would be.
fn proposal(home: &Snapshot, p: payouts::Proposed) -> Output {
    let mut text = String::new();
    for n in &p.not_paid {
        text += &format!("  {:<24} {:>16}  not paid now: {}\n", home.name_of(&n.contributor), amount(home, n.amount_minor), n.why);
    }
    for a in &p.list {
        let (name, reference) = (home.name_of(&a.contributor), a.reference.as_deref().unwrap_or(""));
        text += &format!("  {name:<24} {:>16}  {reference}\n", amount(home, a.amount_minor));
    }
    for s in &p.spelled {
        text += &format!("  {:?} is written {:?} in the bank's file\n", s.given, s.written);
    }
    let what = format!("{} by {} payments over {}", amount(home, p.total_minor), p.payments, p.rail);
    let not_paid: Vec<_> = p
        .not_paid
        .iter()
        .map(|n| json!({ "contributor": n.contributor, "amount_minor": n.amount_minor.to_string(), "why": n.why }))
        .collect();
    let mut json = json!({
        "rail": p.rail, "total_minor": p.total_minor.to_string(), "payments": p.payments, "released_minor": p.released_minor.to_string(),
        "not_paid": not_paid, "spelled": p.spelled,
    });
    let Some(payout) = p.payout else { return Output::new(format!("would propose {what}\n{text}"), json) };
    json["payout"] = json!(payout);
    Output::new(format!("payout {payout}: proposes {what}; the approver approves it with `assay payout approve {payout}`\n{text}"), json)
}

/// The second key's word on a proposal.
pub async fn approve(place: &Place, a: Approve) -> Result<Output> {
    let (key, payout) = (read_given(a.key.as_deref())?, a.payout);
    let payouts::Decided { outcome, entry } = payouts::approve(&mut place.open().await?, payout, a.reject, key.as_ref()).await?;
    Ok(Output::new(format!("payout {payout}: {outcome} by entry {entry}"), json!({ "payout": payout, "outcome": outcome, "entry": entry })))
}

/// Writes the file of an approved payout.
pub async fn export(place: &Place, a: Export) -> Result<Output> {
    let (payout, out) = (a.payout, &a.out);
    let e = payouts::export(&place.open().await?, payout, out)?;
    let mut text = format!("{}: {} bytes, {} payments", out.display(), e.bytes, e.payments);
    if e.claims > 0 {
        text += &format!("; {} claims with their proofs below statements/payout-{payout}", e.claims);
    }
    let json = json!({ "payout": payout, "file": out.display().to_string(), "sha256": e.digest, "claims": e.claims });
    Ok(Output::new(text, json).beside(out))
}

/// Books what the rail reports.
pub async fn reconcile(place: &Place, a: Reconcile) -> Result<Output> {
    let (home, payout) = (&mut place.open().await?, a.payout);
    let r = payouts::reconcile(home, payout, &a.report).await?;
    let told = |reference: &String| format!("  {reference}: came back before, and is payable; not booked as paid\n");
    let contradicted: String = r.contradicted.iter().map(told).collect();
    if r.new == 0 {
        let text = format!("payout {payout}: nothing new in the report\n{contradicted}");
        return Ok(Output::new(text, json!({ "payout": payout, "new": 0 })));
    }
    let (arrived, back) = (amount(home, r.paid_minor), amount(home, r.returned_minor));
    let mut text = format!("payout {payout}: {arrived} arrived, {back} came back\n{contradicted}");
    for n in &r.returned {
        text += &format!("  {:<24} {:>16}  payable again: {}\n", home.name_of(&n.contributor), amount(home, n.amount_minor), n.why);
    }
    let json = json!({
        "payout": payout, "new": r.new, "settled_minor": r.paid_minor.to_string(), "returned_minor": r.returned_minor.to_string(),
    });
    Ok(Output::new(text, json))
}

/// All payouts, and what is payable or on hold.
pub fn list(place: &Place) -> Result<Output> {
    let home = &place.look()?;
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
    let (on_hold, payable) = (listed.on_hold_minor, listed.payable_minor);
    text += &format!("on hold {}, payable {}\n", amount(home, on_hold), amount(home, payable));
    text.extend(listed.waiting.iter().map(|w| format!("  run {} on hold: {}\n", w.run, w.why)));
    Ok(Output::new(text, json!({ "payouts": rows, "held_minor": on_hold.to_string(), "payable_minor": payable.to_string() })))
}
