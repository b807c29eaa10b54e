//! Payouts: one key proposes, another approves, what was approved is exported, and what the rail reports is booked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use corpus::{ContributorId, Digest, EntryIndex, RunNumber};
use ledger::amount::with_currency;
use ledger::books::Account;
use ledger::entry::{ApprovalOutcome, PayoutApproval, PayoutProposal, PayoutReport, PoolOutcome, RailName, Release};
use ledger::history::{Logged, Payout};
use ledger::payee::PayeeId;
use ledger::statement::statement_id;
use ledger::{Envelope, SecretKey};
use rails::{Payee, Payment};
use rules::Archive;
use rules::accounting::payee_of;
use rules::holds::{disputed, holds, releasable};
use rules::lines::{self, Amount};
use serde_json::json;
use store::{Class, files};

use crate::batch::{Batch, Fate, Kept, Rail};
use crate::error::{Context, Kind, Result, failure, usage};
use crate::home::Home;
use crate::names::file_name;
use crate::payees::Spelled;
use crate::snapshot::Snapshot;
use crate::{payees, vault};

/// Releases what nothing holds any more; returns how much.
pub async fn release(home: &mut Home) -> Result<i128> {
    let mut total = 0;
    for number in 0..home.state.runs.len() {
        let at = home.state.size;
        let run = home.state.runs[number].clone();
        let Some(Logged { index: statements, .. }) =
            run.statements.as_ref().filter(|Logged { entry: s, .. }| s.outcome == PoolOutcome::Settled)
        else {
            continue;
        };
        let list = releasable(&home.view_of(&run), home.books()?, &run, EntryIndex(at), home.now)?;
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

/// Somebody's amount that is not paid now.
#[derive(Clone, Debug)]
pub struct NotPaid {
    /// Whose.
    pub contributor: ContributorId,
    /// Minor units.
    pub amount_minor: i128,
    /// Why not.
    pub why: String,
}

/// What a proposal would pay.
struct Collected {
    payments: Vec<(Payment, String)>,
    list: Vec<Amount>,
    not_paid: Vec<NotPaid>,
}

/// What is proposed, or would be.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// Its entry; none if it would be proposed.
    pub payout: Option<EntryIndex>,
    /// How it is paid.
    pub rail: RailName,
    /// The sum.
    pub total_minor: i128,
    /// Payments; accounts of one payee are paid by one.
    pub payments: usize,
    /// What was released before.
    pub released_minor: i128,
    /// Accounts with their amounts.
    pub list: Vec<Amount>,
    /// Accounts that have something and are not paid now.
    pub not_paid: Vec<NotPaid>,
    /// Names and other texts that a bank's file has in other letters.
    pub spelled: Vec<Spelled>,
}

/// What became of a proposal.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Whether it may be paid.
    pub outcome: ApprovalOutcome,
    /// The entry that says so.
    pub entry: EntryIndex,
}

/// A payout's file, written.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Bytes of the file.
    pub bytes: usize,
    /// Payments in it.
    pub payments: usize,
    /// Its digest, behind a salt.
    pub digest: Digest,
    /// Proofs of claims that were written beside it.
    pub claims: usize,
}

/// What a report says that was not known.
#[derive(Clone, Debug, Default)]
pub struct Reported {
    /// Payments that it says something new of.
    pub new: usize,
    /// What arrived.
    pub paid_minor: i128,
    /// What came back, and is payable again.
    pub returned_minor: i128,
    /// Accounts whose amount came back, and why.
    pub returned: Vec<NotPaid>,
    /// References that the report says arrived and that came back before: they are not booked as paid.
    pub contradicted: Vec<String>,
}

/// Something that holds amounts of a run.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The run.
    pub run: RunNumber,
    /// Why.
    pub why: String,
}

/// All payouts, and what is payable or on hold.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What is on hold.
    pub on_hold_minor: i128,
    /// What is payable.
    pub payable_minor: i128,
    /// Why something is on hold.
    pub waiting: Vec<Waiting>,
}

/// The name of a payment by the proposal of entry `at`: the newest statement of the payee's first account, and the entry.
fn reference(home: &Snapshot, contributor: &ContributorId, at: EntryIndex) -> String {
    let settled = home.state.runs.iter().rfind(|r| r.statements.is_some()).map_or(RunNumber(0), |r| r.intent.entry.run);
    format!("{}-{at}", statement_id(&home.genesis().origin, settled, contributor))
}

/// Payees above the threshold that the rail reaches; their accounts are paid together.
fn collect(home: &Snapshot, rail: &Rail, at: EntryIndex) -> Result<Collected> {
    let accounting = home.books()?;
    let threshold = match home.state.runs.iter().rfind(|r| r.statements.is_some()) {
        Some(run) => home.view_of(run).policy()?.pay.threshold_minor,
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
    let mut proposed = Collected { payments: Vec::new(), list: Vec::new(), not_paid: Vec::new() };
    for (id, accounts) in by_payee {
        let (stopped, accounts): (Vec<_>, Vec<_>) = accounts.into_iter().partition(|(c, _)| disputed.contains_key(c));
        let skip =
            |(contributor, amount_minor): (ContributorId, i128)| NotPaid { contributor, amount_minor, why: disputed[&contributor].clone() };
        proposed.not_paid.extend(stopped.into_iter().map(skip));
        if accounts.is_empty() {
            continue;
        }
        let (first, total) = (accounts[0].0, accounts.iter().map(|(_, a)| a).sum::<i128>());
        let file = payees::source(home, &first)?;
        // One that is refused by now must not keep the others from being paid.
        let (payee, refused) = match file.as_deref().map(payees::parse).transpose() {
            Ok(payee) => (payee, None),
            Err(e) => (None, Some(e.to_string())),
        };
        if let Some(payee) = &payee {
            payees::check(home, &id, payee)?;
        }
        let why = match &payee {
            _ if total < threshold => Some(format!("below the threshold of {threshold} minor units")),
            None if refused.is_some() => refused,
            None => Some("where it is paid is not known".to_string()),
            Some(payee) if !rail.reaches(payee) => Some(format!("is not paid by {}", rail.name())),
            Some(_) => None,
        };
        if let Some(why) = why {
            let skipped = |(contributor, amount_minor)| NotPaid { contributor, amount_minor, why: why.clone() };
            proposed.not_paid.extend(accounts.into_iter().map(skipped));
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

/// A proposal, before it is made.
struct Draft {
    proposed: Proposed,
    kept: Kept,
    /// What the rail would be given.
    file: Vec<u8>,
}

/// What would be proposed now, without releasing anything first.
pub fn would_propose(home: &Snapshot, rail_file: &Path) -> Result<Proposed> {
    Ok(draft(home, Rail::parse(&files::read_text(rail_file)?)?)?.proposed)
}

fn draft(home: &Snapshot, rail: Rail) -> Result<Draft> {
    let at = home.state.size;
    let Collected { payments, list, not_paid } = collect(home, &rail, EntryIndex(at))?;
    let (currency, exponent) = (home.genesis().currency.clone(), home.genesis().currency_exponent);
    let total_minor: i128 = list.iter().map(|a| a.amount_minor).sum();
    if list.is_empty() {
        let mut text = format!("payout: nothing to pay by {}\n", rail.name());
        for n in &not_paid {
            let amount = with_currency(n.amount_minor, exponent, &currency);
            text += &format!("  {:<24} {amount:>16}  not paid now: {}\n", home.name_of(&n.contributor), n.why);
        }
        text.extend(waiting(home, home.now)?.iter().map(|w| format!("  run {} on hold: {}\n", w.run, w.why)));
        return Err(failure(Kind::Check, text.trim_end().to_string()));
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
    let spelled = kept.rail.spelled(&payments);
    let proposed = Proposed {
        payout: None,
        rail: kept.rail.name(),
        total_minor,
        payments: payments.len(),
        released_minor: 0,
        list,
        not_paid,
        spelled,
    };
    Ok(Draft { proposed, kept, file })
}

/// Proposes to pay everybody whom the rail reaches, after releasing what is due.
pub async fn propose(home: &mut Home, rail_file: &Path) -> Result<Proposed> {
    let rail = Rail::parse(&files::read_text(rail_file)?)?;
    let released_minor = release(home).await?;
    let Draft { mut proposed, kept, file } = draft(home, rail)?;
    proposed.released_minor = released_minor;
    let list_bytes = lines::write(&proposed.list)?;
    let digest = vault::keep_file(home, &file)?;
    vault::keep(home, &format!("{digest}.batch"), &serde_json::to_vec(&kept)?)?;
    let entry = PayoutProposal {
        rail: kept.rail.name(),
        total_minor: proposed.total_minor,
        currency: kept.batch.currency.clone(),
        transfers: proposed.payments as u64,
        root: lines::root(&list_bytes),
        list: home.objects.put(Class::Public, &list_bytes)?,
        file: digest,
        time: home.now,
    };
    proposed.payout = Some(home.append(vec![entry.into()]).await?);
    Ok(proposed)
}

/// An earlier payout, not rejected, over the same contract.
fn same_distributor(home: &Snapshot, rail: &Rail) -> Result<Option<EntryIndex>> {
    let Some(contract) = rail.distributor() else { return Ok(None) };
    for p in home.state.payouts.iter().filter(|p| !p.is_rejected() && p.proposal.entry.rail == rail.name()) {
        if kept(home, &p.proposal.entry)?.rail.distributor() == Some(contract.clone()) {
            return Ok(Some(p.proposal.index));
        }
    }
    Ok(None)
}

/// What is still on hold, by the reason that holds it.
fn waiting(archive: &Archive, now: u64) -> Result<Vec<Waiting>> {
    let at = archive.state.size;
    let mut waiting = Vec::new();
    for run in archive.state.runs.iter() {
        let Some(Logged { entry: s, .. }) = run.statements.as_ref().filter(|Logged { entry: s, .. }| s.outcome == PoolOutcome::Settled)
        else {
            continue;
        };
        let holds = holds(&archive.view_of(run), run, s, EntryIndex(at), now)?;
        let all = holds.all.iter().chain(holds.by.values().flatten());
        waiting.extend(all.map(|why| Waiting { run: run.intent.entry.run, why: why.clone() }));
    }
    Ok(waiting)
}

fn find(home: &Home, payout: EntryIndex) -> Result<&Payout> {
    let found = home.state.payouts.iter().find(|p| p.proposal.index == payout);
    found.ok_or_else(|| {
        let all: Vec<EntryIndex> = home.state.payouts.iter().map(|p| p.proposal.index).collect();
        usage(format!("payout {payout}: no entry proposes it; those of {all:?} do"))
    })
}

/// The second key's word on a proposal.
pub async fn approve(home: &mut Home, payout: EntryIndex, reject: bool, key: Option<&SecretKey>) -> Result<Decided> {
    let found = find(home, payout)?;
    let proposal = found.proposal.entry.clone();
    if !reject {
        // What is signed is what will be exported, byte by byte.
        let (_, _, list) = check(home, found, &vault::file(home, &proposal.file)?)?;
        let disputed = disputed(home, home.state.next_index())?;
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
    let outcome = if reject { ApprovalOutcome::Rejected } else { ApprovalOutcome::Approved };
    let entry = PayoutApproval {
        proposal: payout,
        outcome,
        root: proposal.root,
        file: proposal.file,
        total_minor: proposal.total_minor,
        time: home.now,
    };
    let payload = ledger::Entry::from(entry).to_payload()?;
    let index = home.append_envelopes(vec![Envelope::sign(payload, &[key])]).await?;
    Ok(Decided { outcome, entry: index })
}

fn kept(home: &Snapshot, proposal: &PayoutProposal) -> Result<Kept> {
    let bytes = vault::find(home, &format!("{}.batch", proposal.file))?;
    Ok(serde_json::from_slice(&bytes.with_context(|| format!("payout file {}: its batch is not in this home", proposal.file))?)?)
}

/// The file is what its batch gives, and its payments are those of the list in the log.
fn check(home: &Home, payout: &Payout, bytes: &[u8]) -> Result<(Kept, Vec<Payment>, Vec<Amount>)> {
    let Logged { index, entry: proposal } = &payout.proposal;
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
pub fn export(home: &Home, payout: EntryIndex, out: &Path) -> Result<Exported> {
    let found = find(home, payout)?;
    if found.approval.as_ref().is_none_or(|Logged { entry: a, .. }| a.outcome != ApprovalOutcome::Approved) {
        return Err(failure(Kind::Check, format!("payout {payout}: it is not approved; the approver's key does that")));
    }
    let bytes = vault::file(home, &found.proposal.entry.file)?;
    let (kept, payments, list) = check(home, found, &bytes)?;
    files::write_to(out, &bytes, 0o600)?;
    let claims: BTreeMap<String, _> = kept.rail.claims(&payments)?.into_iter().collect();
    let mut written = 0;
    for a in &list {
        if let Some(proof) = a.reference.as_ref().and_then(|r| claims.get(r)) {
            let folder = home.dir.join(format!("statements/payout-{payout}"));
            let path = folder.join(format!("{}.claim.json", file_name(&home.name_of(&a.contributor))));
            files::write_copy(&path, &serde_json::to_vec_pretty(proof)?, 0o600)?;
            written += 1;
        }
    }
    Ok(Exported { bytes: bytes.len(), payments: payments.len(), digest: found.proposal.entry.file, claims: written })
}

/// Books what the rail reports: what arrived is paid, what came back is payable again.
pub async fn reconcile(home: &mut Home, payout: EntryIndex, report: &Path) -> Result<Reported> {
    let bytes = files::read(report)?;
    let found = find(home, payout)?;
    let (kept, payments, list) = check(home, found, &vault::file(home, &found.proposal.entry.file)?)?;
    let mut fates = kept.rail.report(&kept.batch, &payments, &bytes)?;
    // A rail reports again what it said before; what had arrived may come back after all, and never the other way round.
    let known = reported(home, found)?;
    let mut contradicted = Vec::new();
    let mut came_back = BTreeSet::new();
    for (reference, arrived) in &known {
        match (arrived, fates.get(reference)) {
            (true, Some(Fate::Returned(_))) => {
                came_back.insert(reference.clone());
                continue;
            }
            (false, Some(Fate::Paid)) => contradicted.push(reference.clone()),
            _ => {}
        }
        fates.remove(reference);
    }
    if fates.is_empty() {
        return Ok(Reported { contradicted, ..Reported::default() });
    }
    let fate = |a: &Amount| a.reference.as_ref().and_then(|r| fates.get_key_value(r));
    let of = |paid: bool, reversed: bool| {
        let fits = |a: &&Amount| fate(a).is_some_and(|(r, f)| (*f == Fate::Paid) == paid && came_back.contains(r) == reversed);
        list.iter().filter(fits).cloned().collect::<Vec<Amount>>()
    };
    let (paid, returned, reversed) = (of(true, false), of(false, false), of(false, true));
    let sum = |amounts: &[Amount]| amounts.iter().map(|a| a.amount_minor).sum::<i128>();
    let reasons: BTreeMap<&String, &String> =
        fates.iter().filter_map(|(r, f)| if let Fate::Returned(why) = f { Some((r, why)) } else { None }).collect();
    let references: Vec<&String> = fates.keys().collect();
    let arrived: Vec<&String> = paid.iter().filter_map(|a| a.reference.as_ref()).collect();
    let bank = vault::keep_file(home, &bytes)?;
    let kept_report = json!({ "references": references, "settled": arrived, "reasons": reasons, "file": bank });
    let report = PayoutReport {
        proposal: payout,
        paid_minor: sum(&paid),
        returned_minor: sum(&returned),
        reversed_minor: sum(&reversed),
        transfers: fates.len() as u64,
        returned: home.objects.put(Class::Public, &lines::write(&returned)?)?,
        reversed: home.objects.put(Class::Public, &lines::write(&reversed)?)?,
        report: vault::keep_file(home, &serde_json::to_vec(&kept_report)?)?,
        time: home.now,
    };
    let why = |a: &Amount| a.reference.as_ref().and_then(|r| reasons.get(r)).map_or(String::new(), |why| why.to_string());
    let back = |a: &Amount| NotPaid { contributor: a.contributor, amount_minor: a.amount_minor, why: why(a) };
    let reported = Reported {
        new: fates.len(),
        paid_minor: report.paid_minor,
        returned_minor: report.returned_minor + report.reversed_minor,
        returned: returned.iter().chain(&reversed).map(back).collect(),
        contradicted,
    };
    home.append(vec![report.into()]).await?;
    Ok(reported)
}

/// What earlier reports said, by reference: whether it arrived.
fn reported(home: &Home, payout: &Payout) -> Result<BTreeMap<String, bool>> {
    let mut known = BTreeMap::new();
    for Logged { entry: s, .. } in &payout.reports {
        let report: serde_json::Value = serde_json::from_slice(&vault::file(home, &s.report)?)?;
        let names =
            |key: &str| report[key].as_array().into_iter().flatten().filter_map(|r| r.as_str().map(str::to_string)).collect::<Vec<_>>();
        let paid = names("settled");
        known.extend(names("references").into_iter().map(|r| (r.clone(), paid.contains(&r))));
    }
    Ok(known)
}

/// What is payable or on hold, and why; the payouts themselves are in the log's state.
pub fn list(home: &Snapshot) -> Result<Listed> {
    let accounting = home.books()?;
    let of = |pick: fn(&Account) -> bool| accounting.books.balances().filter(|(a, _)| pick(a)).map(|(_, b)| b).sum::<i128>();
    Ok(Listed {
        on_hold_minor: of(|a| matches!(a, Account::OnHold(_))),
        payable_minor: of(|a| matches!(a, Account::Payable(_))),
        waiting: waiting(home, home.now)?,
    })
}
