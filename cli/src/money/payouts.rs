//! Payouts: one key proposes, another approves, what was approved is exported, and what the rail reports is booked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Context, Result};
use corpus::ContributorId;
use ledger::books::Account;
use ledger::entry::{PayoutApproval, PayoutProposal, Release, Settlement};
use ledger::history::Payout;
use ledger::payee::PayeeId;
use ledger::payout::{Payee, Payment};
use ledger::statement::statement_id;
use ledger::{Envelope, SecretKey};
use serde_json::json;
use store::{Class, files};

use super::accounting::{Accounting, payee_of};
use super::holds::{disputed, holds, releasable};
use super::lines::{self, Amount};
use super::rails::{Batch, Fate, Kept, Rail};
use super::{payees, vault};
use crate::failure::{Kind, failure, usage};
use crate::home::{Archive, Home};
use crate::output::{Output, money};
use crate::stages::epoch;

/// Releases what nothing holds any more; returns how much.
pub async fn release(home: &mut Home) -> Result<i128> {
    let mut total = 0;
    for number in 0..home.state.runs.len() {
        let at = home.state.size;
        let run = home.state.runs[number].clone();
        let Some((statements, _)) = run.statements.as_ref().filter(|(_, s)| s.outcome == "settled") else { continue };
        let list = releasable(home, &Accounting::of(home, at)?, &run, at, home.now)?;
        if list.is_empty() {
            continue;
        }
        let sum = list.iter().map(|a| a.amount_minor).sum();
        let entry = Release {
            statements: *statements,
            contributors: list.len() as u64,
            total_minor: sum,
            list: home.objects.put(Class::Public, &lines::write(&list)?)?,
            time: home.now,
        };
        home.append(vec![entry.into()]).await?;
        total += sum;
    }
    Ok(total)
}

/// Somebody's amount that is not paid now, and why.
struct Skipped {
    contributor: ContributorId,
    amount_minor: i128,
    why: String,
}

/// What a proposal would pay.
struct Proposed {
    payments: Vec<(Payment, String)>,
    list: Vec<Amount>,
    skipped: Vec<Skipped>,
}

/// The name of a payment by the proposal of entry `at`: the newest statement of the payee's first account, and the entry.
fn reference(home: &Home, contributor: &ContributorId, at: u64) -> String {
    let settled = home.state.runs.iter().rfind(|r| r.statements.is_some()).map_or(0, |r| r.intent.1.run);
    format!("{}-{at}", statement_id(&home.genesis().origin, settled, contributor))
}

/// Payees above the threshold that the rail reaches; their accounts are paid together.
fn collect(home: &Home, rail: &Rail, at: u64) -> Result<Proposed> {
    let accounting = Accounting::of(home, at)?;
    let threshold = match home.state.runs.iter().rfind(|r| r.statements.is_some()) {
        Some(run) => epoch::policy(home, &home.state.epochs[run.intent.1.epoch as usize])?.pay.threshold_minor,
        None => 0,
    };
    let mut by_payee: BTreeMap<PayeeId, Vec<(ContributorId, i128)>> = BTreeMap::new();
    for (account, _) in accounting.books.balances() {
        let available = accounting.books.available(account);
        if let (Account::Payable(id), true) = (account, available > 0) {
            by_payee.entry(payee_of(&home.state, &id)).or_default().push((id, available));
        }
    }
    let disputed = disputed(home, at)?;
    let mut proposed = Proposed { payments: Vec::new(), list: Vec::new(), skipped: Vec::new() };
    for (id, accounts) in by_payee {
        let (stopped, accounts): (Vec<_>, Vec<_>) = accounts.into_iter().partition(|(c, _)| disputed.contains_key(c));
        let skip =
            |(contributor, amount_minor): (ContributorId, i128)| Skipped { contributor, amount_minor, why: disputed[&contributor].clone() };
        proposed.skipped.extend(stopped.into_iter().map(skip));
        if accounts.is_empty() {
            continue;
        }
        let (first, total) = (accounts[0].0, accounts.iter().map(|(_, a)| a).sum::<i128>());
        let file = payees::source(home, &first)?;
        let payee = file.as_deref().map(payees::parse).transpose()?;
        if let Some(payee) = &payee {
            payees::check(home, &id, payee)?;
        }
        let why = match &payee {
            _ if total < threshold => Some(format!("below the threshold of {threshold} minor units")),
            None => Some("where it is paid is not known".to_string()),
            Some(payee) if !rail.reaches(payee) => Some(format!("is not paid by {}", rail.name())),
            Some(_) => None,
        };
        if let Some(why) = why {
            let skipped = |(contributor, amount_minor)| Skipped { contributor, amount_minor, why: why.clone() };
            proposed.skipped.extend(accounts.into_iter().map(skipped));
            continue;
        }
        let reference = reference(home, &first, at);
        let payee = payee.context("it was looked at just now")?;
        proposed.payments.push((Payment { reference: reference.clone(), amount_minor: total, payee }, file.unwrap_or_default()));
        let line = |(contributor, amount_minor)| Amount { contributor, amount_minor, reference: Some(reference.clone()) };
        proposed.list.extend(accounts.into_iter().map(line));
    }
    Ok(proposed)
}

/// Proposes to pay everybody whom the rail reaches, after releasing what is due.
pub async fn propose(home: &mut Home, rail_file: &Path, dry_run: bool) -> Result<Output> {
    let rail = Rail::parse(&String::from_utf8(files::read(rail_file)?).with_context(|| rail_file.display().to_string())?)?;
    let released = if dry_run { 0 } else { release(home).await? };
    let at = home.state.size;
    let Proposed { payments, list, skipped } = collect(home, &rail, at)?;
    let genesis = home.genesis();
    let (currency, exponent) = (genesis.currency.clone(), genesis.currency_exponent);
    let amount = |minor| money(minor, exponent, &currency);
    let total: i128 = list.iter().map(|a| a.amount_minor).sum();
    let mut text = String::new();
    for s in &skipped {
        text += &format!("  {:<24} {:>16}  not paid now: {}\n", home.name_of(&s.contributor), amount(s.amount_minor), s.why);
    }
    let skipped_json: Vec<_> =
        skipped.iter().map(|s| json!({ "contributor": s.contributor, "amount_minor": s.amount_minor.to_string(), "why": s.why })).collect();
    if list.is_empty() {
        let waiting = waiting(home, home.now)?;
        return Err(failure(Kind::Check, format!("payout: nothing to pay by {}\n{text}{waiting}", rail.name()).trim_end().to_string()));
    }
    if let Some(earlier) = same_distributor(home, &rail)? {
        return Err(usage(format!("payout: the distributor is that of payout {earlier}; a contract is started once, deploy another")));
    }
    let batch = Batch { id: format!("P{at}-{}", &home.root().to_string()[..12]), currency: currency.clone(), exponent, time: home.now };
    let kept = Kept {
        payments: payments.iter().map(|(p, file)| (p.reference.clone(), p.amount_minor.to_string(), file.clone())).collect(),
        rail,
        batch,
    };
    let payments: Vec<Payment> = payments.into_iter().map(|(p, _)| p).collect();
    let file = kept.rail.file(&kept.batch, &payments)?;
    for (a, name) in list.iter().map(|a| (a, home.name_of(&a.contributor))) {
        text += &format!("  {name:<24} {:>16}  {}\n", amount(a.amount_minor), a.reference.as_deref().unwrap_or(""));
    }
    let what = format!("{} by {} payments over {}", amount(total), payments.len(), kept.rail.name());
    let mut json = json!({
        "rail": kept.rail.name(), "total_minor": total.to_string(), "payments": payments.len(), "released_minor": released.to_string(),
        "not_paid": skipped_json,
    });
    if dry_run {
        return Ok(Output::new(format!("would propose {what}\n{text}"), json));
    }
    let list_bytes = lines::write(&list)?;
    let digest = vault::keep_file(home, &file)?;
    vault::keep(home, &format!("{digest}.batch"), &serde_json::to_vec(&kept)?)?;
    let entry = PayoutProposal {
        rail: kept.rail.name().into(),
        total_minor: total,
        currency,
        transfers: payments.len() as u64,
        root: lines::root(&list_bytes),
        list: home.objects.put(Class::Public, &list_bytes)?,
        file: digest,
        time: home.now,
    };
    let index = home.append(vec![entry.into()]).await?;
    json["payout"] = index.into();
    Ok(Output::new(format!("payout {index}: proposes {what}; the approver approves it with `assay payout approve {index}`\n{text}"), json))
}

/// An earlier payout, not rejected, over the same contract.
fn same_distributor(home: &Home, rail: &Rail) -> Result<Option<u64>> {
    let Some(contract) = rail.distributor() else { return Ok(None) };
    for p in home.state.payouts.iter().filter(|p| !p.is_rejected() && p.proposal.1.rail == rail.name()) {
        if kept(home, &p.proposal.1)?.rail.distributor() == Some(contract.clone()) {
            return Ok(Some(p.proposal.0));
        }
    }
    Ok(None)
}

/// What is still held, by the reason that holds it.
fn waiting(archive: &Archive, now: u64) -> Result<String> {
    let at = archive.state.size;
    let mut text = String::new();
    for run in archive.state.runs.iter() {
        let Some((_, s)) = run.statements.as_ref().filter(|(_, s)| s.outcome == "settled") else { continue };
        let holds = holds(archive, run, s, at, now)?;
        let by = holds.by.values().flatten();
        text.extend(holds.all.iter().chain(by).map(|why| format!("  run {} held: {why}\n", run.intent.1.run)));
    }
    Ok(text)
}

fn find(home: &Home, payout: u64) -> Result<&Payout> {
    let found = home.state.payouts.iter().find(|p| p.proposal.0 == payout);
    found.ok_or_else(|| {
        let all: Vec<u64> = home.state.payouts.iter().map(|p| p.proposal.0).collect();
        usage(format!("payout {payout}: no entry proposes it; those of {all:?} do"))
    })
}

/// The second key's word on a proposal.
pub async fn approve(home: &mut Home, payout: u64, reject: bool, key: Option<&SecretKey>) -> Result<Output> {
    let found = find(home, payout)?;
    let proposal = found.proposal.1.clone();
    if !reject {
        // What is signed is what will be exported, byte by byte.
        let (_, _, list) = check(home, found, &vault::file(home, &proposal.file)?)?;
        let disputed = disputed(home, home.state.size)?;
        if let Some(why) = list.iter().find_map(|a| disputed.get(&a.contributor)) {
            return Err(failure(Kind::Check, format!("payout {payout}: {why}; reject it, and propose it without")));
        }
    }
    let held;
    let key = match key {
        Some(key) => key,
        None => {
            held = crate::keys::read(&home.role_path("approver"))?;
            &held
        }
    };
    let outcome = if reject { "rejected" } else { "approved" }.to_string();
    let entry = PayoutApproval {
        proposal: payout,
        outcome: outcome.clone(),
        root: proposal.root,
        file: proposal.file,
        total_minor: proposal.total_minor,
        time: home.now,
    };
    let payload = ledger::Entry::from(entry).to_payload()?;
    let index = home.append_envelopes(vec![Envelope::sign(payload, &[key])]).await?;
    Ok(Output::new(format!("payout {payout}: {outcome} by entry {index}"), json!({ "payout": payout, "outcome": outcome, "entry": index })))
}

fn kept(home: &Home, proposal: &PayoutProposal) -> Result<Kept> {
    let bytes = vault::find(home, &format!("{}.batch", proposal.file))?;
    Ok(serde_json::from_slice(&bytes.with_context(|| format!("payout file {}: its batch is not in this home", proposal.file))?)?)
}

/// The file is what its batch gives, and its payments are those of the list in the log.
fn check(home: &Home, payout: &Payout, bytes: &[u8]) -> Result<(Kept, Vec<Payment>, Vec<Amount>)> {
    let (index, proposal) = &payout.proposal;
    let refused = |what: String| failure(Kind::Verification, format!("payout {index}: {what}"));
    let kept = kept(home, proposal)?;
    let payments = kept.payments()?;
    if kept.rail.file(&kept.batch, &payments)? != bytes {
        return Err(refused("the batch was changed after it was proposed: it gives another file".into()));
    }
    let list_bytes = home.objects.get(Class::Public, &proposal.list)?;
    let list: Vec<Amount> = lines::read(&list_bytes)?;
    let payees: HashMap<&str, &Payee> = payments.iter().map(|p| (p.reference.as_str(), &p.payee)).collect();
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for a in &list {
        let reference = a.reference.as_deref().unwrap_or("");
        if let Some(payee) = payees.get(reference) {
            payees::check(home, &payee_of(&home.state, &a.contributor), payee)?;
        }
        *sums.entry(reference).or_default() += a.amount_minor;
    }
    let paid: BTreeMap<&str, i128> = payments.iter().map(|p| (p.reference.as_str(), p.amount_minor)).collect();
    if sums != paid || lines::root(&list_bytes) != proposal.root || sums.values().sum::<i128>() != proposal.total_minor {
        return Err(refused("its payments are not those of the list in the log".into()));
    }
    Ok((kept, payments, list))
}

/// Writes the file of an approved payout, the same bytes each time, and for claims on a chain each payee's proof.
pub fn export(home: &Home, payout: u64, out: &Path) -> Result<Output> {
    let found = find(home, payout)?;
    if found.approval.as_ref().is_none_or(|(_, a)| a.outcome != "approved") {
        return Err(failure(Kind::Check, format!("payout {payout}: it is not approved; the approver's key does that")));
    }
    let bytes = vault::file(home, &found.proposal.1.file)?;
    let (kept, payments, list) = check(home, found, &bytes)?;
    files::write(out, &bytes, 0o600)?;
    let claims: BTreeMap<String, _> = kept.rail.claims(&payments)?.into_iter().collect();
    let mut written = 0;
    for a in &list {
        if let Some(proof) = a.reference.as_ref().and_then(|r| claims.get(r)) {
            let folder = home.dir.join(format!("statements/payout-{payout}"));
            let path = folder.join(format!("{}.claim.json", home.name_of(&a.contributor)));
            files::write(&path, &serde_json::to_vec_pretty(proof)?, 0o600)?;
            written += 1;
        }
    }
    let mut text = format!("{}: {} bytes, {} payments", out.display(), bytes.len(), payments.len());
    if written > 0 {
        text += &format!("; {written} claims with their proofs below statements/payout-{payout}");
    }
    Ok(Output::new(
        text,
        json!({ "payout": payout, "file": out.display().to_string(), "sha256": found.proposal.1.file, "claims": written }),
    ))
}

/// Books what the rail reports: what arrived is paid, what came back is payable again.
pub async fn reconcile(home: &mut Home, payout: u64, report: &Path) -> Result<Output> {
    let bytes = files::read(report)?;
    let found = find(home, payout)?;
    let (kept, payments, list) = check(home, found, &vault::file(home, &found.proposal.1.file)?)?;
    let mut fates = kept.rail.report(&kept.batch, &payments, &bytes)?;
    // A rail reports again what it said before; what had arrived may come back after all, and never the other way round.
    let known = reported(home, found)?;
    let mut text = String::new();
    let mut came_back = BTreeSet::new();
    for (reference, arrived) in &known {
        match (arrived, fates.get(reference)) {
            (true, Some(Fate::Returned(_))) => {
                came_back.insert(reference.clone());
                continue;
            }
            (false, Some(Fate::Settled)) => text += &format!("  {reference}: came back before, and is payable; not booked as paid\n"),
            _ => {}
        }
        fates.remove(reference);
    }
    if fates.is_empty() {
        let text = format!("payout {payout}: nothing new in the report\n{text}");
        return Ok(Output::new(text, json!({ "payout": payout, "new": 0 })));
    }
    let fate = |a: &Amount| a.reference.as_ref().and_then(|r| fates.get_key_value(r));
    let of = |settled: bool, reversed: bool| {
        let fits = |a: &&Amount| fate(a).is_some_and(|(r, f)| (*f == Fate::Settled) == settled && came_back.contains(r) == reversed);
        list.iter().filter(fits).cloned().collect::<Vec<Amount>>()
    };
    let (settled, returned, reversed) = (of(true, false), of(false, false), of(false, true));
    let sum = |amounts: &[Amount]| amounts.iter().map(|a| a.amount_minor).sum::<i128>();
    let reasons: BTreeMap<&String, &String> =
        fates.iter().filter_map(|(r, f)| if let Fate::Returned(why) = f { Some((r, why)) } else { None }).collect();
    let references: Vec<&String> = fates.keys().collect();
    let arrived: Vec<&String> = settled.iter().filter_map(|a| a.reference.as_ref()).collect();
    let bank = vault::keep_file(home, &bytes)?;
    let kept_report = json!({ "references": references, "settled": arrived, "reasons": reasons, "file": bank });
    let settlement = Settlement {
        proposal: payout,
        settled_minor: sum(&settled),
        returned_minor: sum(&returned),
        reversed_minor: sum(&reversed),
        transfers: fates.len() as u64,
        returned: home.objects.put(Class::Public, &lines::write(&returned)?)?,
        reversed: home.objects.put(Class::Public, &lines::write(&reversed)?)?,
        report: vault::keep_file(home, &serde_json::to_vec(&kept_report)?)?,
        time: home.now,
    };
    let genesis = home.genesis();
    let amount = |minor| money(minor, genesis.currency_exponent, &genesis.currency);
    let back = settlement.returned_minor + settlement.reversed_minor;
    text = format!("payout {payout}: {} arrived, {} came back\n{text}", amount(settlement.settled_minor), amount(back));
    for a in returned.iter().chain(&reversed) {
        let why = a.reference.as_ref().and_then(|r| reasons.get(r)).map_or("", |w| w.as_str());
        text += &format!("  {:<24} {:>16}  payable again: {why}\n", home.name_of(&a.contributor), amount(a.amount_minor));
    }
    let json = json!({
        "payout": payout, "new": fates.len(), "settled_minor": settlement.settled_minor.to_string(),
        "returned_minor": back.to_string(),
    });
    home.append(vec![settlement.into()]).await?;
    Ok(Output::new(text, json))
}

/// What earlier reports said, by reference: whether it arrived.
fn reported(home: &Home, payout: &Payout) -> Result<BTreeMap<String, bool>> {
    let mut known = BTreeMap::new();
    for (_, s) in &payout.settlements {
        let report: serde_json::Value = serde_json::from_slice(&vault::file(home, &s.report)?)?;
        let names =
            |key: &str| report[key].as_array().into_iter().flatten().filter_map(|r| r.as_str().map(str::to_string)).collect::<Vec<_>>();
        let settled = names("settled");
        known.extend(names("references").into_iter().map(|r| (r.clone(), settled.contains(&r))));
    }
    Ok(known)
}

/// All payouts, and what is payable or held.
pub fn list(home: &Home) -> Result<Output> {
    let accounting = Accounting::of(home, home.state.size)?;
    let genesis = home.genesis();
    let amount = |minor| money(minor, genesis.currency_exponent, &genesis.currency);
    let (mut text, mut rows) = (String::new(), Vec::new());
    for p in &home.state.payouts {
        let state = match &p.approval {
            None => "proposed",
            Some((_, a)) if a.outcome != "approved" => "rejected",
            Some(_) if p.is_reconciled() => "reconciled",
            Some(_) => "approved",
        };
        let (index, proposal) = &p.proposal;
        text += &format!(
            "payout {index:<8} {:>16}  {:>6} payments over {:<20} {state}, {} reported\n",
            amount(proposal.total_minor),
            proposal.transfers,
            proposal.rail,
            amount(p.reported())
        );
        rows.push(json!({
            "payout": index, "rail": proposal.rail, "total_minor": proposal.total_minor.to_string(), "payments": proposal.transfers,
            "state": state, "reported_minor": p.reported().to_string(),
        }));
    }
    let of = |pick: fn(&Account) -> bool| accounting.books.balances().filter(|(a, _)| pick(a)).map(|(_, b)| b).sum::<i128>();
    let (held, payable) = (of(|a| matches!(a, Account::Held(_))), of(|a| matches!(a, Account::Payable(_))));
    text += &format!("held {}, payable {}\n{}", amount(held), amount(payable), waiting(home, home.now)?);
    Ok(Output::new(text, json!({ "payouts": rows, "held_minor": held.to_string(), "payable_minor": payable.to_string() })))
}
