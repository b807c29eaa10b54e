//! What keeps an amount from being paid: the dispute period, disputes and claims, work that somebody has to look at, and measurements
//! that do not agree with each other.

use std::collections::BTreeMap;

use corpus::objects::Class;
use corpus::{ContributorId, EntryIndex, canonical};
use ledger::entry::{ReplayOutcome, Statements};
use ledger::history::{Logged, Run};

use crate::accounting::{Accounting, disputed_contributor};
use crate::archive::Archive;
use crate::draws::drawn;
use crate::epoch::EpochView;
use crate::error::{Context, Result};
use crate::lines::Amount;
use crate::policy::Policy;
use crate::rewards::Rewards;
use crate::withdrawn::DocumentList;

const DAY: u64 = 24 * 60 * 60;

/// Why amounts of one statements entry are on hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// What holds all of them.
    pub all: Vec<String>,
    /// What holds one contributor's.
    pub by: BTreeMap<ContributorId, Vec<String>>,
}

/// What holds amounts of a settled run of an epoch before entry `at`, at the time `now`.
pub fn holds(view: &EpochView<'_>, run: &Run, statements: &Statements, at: EntryIndex, now: u64) -> Result<Holds> {
    let (archive, e, policy) = (view.archive, view.epoch, view.policy()?);
    let state = &archive.state;
    let mut holds = Holds::default();
    let due = statements.time.saturating_add(u64::from(policy.hold_days) * DAY);
    if now < due {
        let left = (due - now).div_ceil(DAY);
        holds.all.push(format!("dispute period: {left} of {} days left", policy.hold_days));
    }
    holds.all.extend(measurement(archive, run, policy, at)?);
    let resolved = |d: &ledger::history::Disputed| d.resolution.as_ref().is_some_and(|Logged { index: r, .. }| *r < at);
    let mut reviewed = Vec::new();
    for d in state.disputes.iter().filter(|d| d.dispute.index < at) {
        let Logged { index: opened, entry: dispute } = &d.dispute;
        if resolved(d) {
            reviewed.extend(dispute.submission);
            continue;
        }
        if dispute.run == Some(run.intent.entry.run) {
            holds.all.push(format!("dispute {opened}: {}", dispute.code));
        } else if let Some(id) = disputed_contributor(state, dispute) {
            holds.by.entry(id).or_default().push(format!("dispute {opened}: {}", dispute.code));
        }
    }
    // Somebody says that it is his: nobody is paid for it until that is decided.
    for claimed in
        state.claims.iter().filter(|c| c.claim.index < at && c.resolution.as_ref().is_none_or(|Logged { index: r, .. }| *r >= at))
    {
        let list: DocumentList = canonical::from_slice(&archive.objects.get(Class::Public, &claimed.claim.entry.list)?)?;
        let of = list.documents.iter().filter_map(|d| e.submission(d.submission)).map(|s| s.submission.entry.contributor);
        for id in of.collect::<std::collections::BTreeSet<_>>() {
            holds.by.entry(id).or_default().push(format!("claim {}: disputed rights", claimed.claim.index));
        }
    }
    // Who licenses its own documents is easier to pay later than to ask back.
    let due = statements.time.saturating_add(u64::from(policy.grant_hold_days) * DAY);
    for s in e.submissions.iter().filter(|s| now < due && s.grants.iter().any(|Logged { index: granted, .. }| *granted < at)) {
        let left = (due - now).div_ceil(DAY);
        let reason = format!("grant {}: {left} of {} days left", s.grants[0].index, policy.grant_hold_days);
        holds.by.entry(s.submission.entry.contributor).or_default().push(reason);
    }
    for s in &e.submissions {
        let waits =
            s.acceptance.as_ref().is_some_and(|Logged { entry: a, .. }| a.on_hold_for_review) && !reviewed.contains(&s.submission.index);
        if waits {
            let reason = format!("submission {}: on hold for review", s.submission.index);
            holds.by.entry(s.submission.entry.contributor).or_default().push(reason);
        }
    }
    Ok(holds)
}

/// Windows that were drawn and not replayed, and targets that price and control apart from each other.
fn measurement(archive: &Archive, run: &Run, policy: &Policy, at: EntryIndex) -> Result<Vec<String>> {
    let mut held = Vec::new();
    let replays = || run.replays.iter().filter(|Logged { index, entry: r }| *index < at && r.outcome != ReplayOutcome::Differs);
    let drawn = drawn(archive, run)?;
    if !drawn.iter().any(|w| replays().any(|Logged { entry: r, .. }| r.windows.contains(w))) {
        held.push(format!("windows {drawn:?} of run {} were drawn and none is replayed", run.intent.entry.run));
    }
    let about_run = |d: &ledger::history::Disputed| d.dispute.entry.run == Some(run.intent.entry.run);
    let looked_at =
        archive.state.disputes.iter().any(|d| about_run(d) && d.resolution.as_ref().is_some_and(|Logged { index: r, .. }| *r < at));
    let Logged { entry: close, .. } = run.close.as_ref().context("a settled run is closed")?;
    let fell = |from: i64, to: i64| i128::from(from) - i128::from(to);
    let (priced, controlled) = (fell(close.loss_start, close.loss_end), fell(close.control_start, close.control_end));
    let gap = (priced - controlled).unsigned_abs() * 1_000_000;
    if !looked_at && gap > u128::from(policy.pay.control_gap_ppm) * priced.unsigned_abs() {
        held.push(format!(
            "run {}: pricing targets fell by {:.4} nats and control targets by {:.4}; a dispute about the run has to be resolved",
            run.intent.entry.run,
            priced as f64 / 1e9,
            controlled as f64 / 1e9
        ));
    }
    Ok(held)
}

/// Whom no payout may name before entry `at`, and why: somebody disputes what it has, or a run that it has something from.
pub fn disputed(archive: &Archive, at: EntryIndex) -> Result<BTreeMap<ContributorId, String>> {
    let state = &archive.state;
    let mut disputed = BTreeMap::new();
    let open =
        |d: &&ledger::history::Disputed| d.dispute.index < at && d.resolution.as_ref().is_none_or(|Logged { index: r, .. }| *r >= at);
    for d in state.disputes.iter().filter(open) {
        let Logged { index: opened, entry: dispute } = &d.dispute;
        let why = || format!("dispute {opened} is open: {}", dispute.code);
        disputed.extend(disputed_contributor(state, dispute).map(|id| (id, why())));
        let run = dispute.run.and_then(|run| state.runs.iter().find(|r| r.intent.entry.run == run));
        if let Some(Logged { entry: s, .. }) = run.and_then(|r| r.statements.as_ref()) {
            let rewards = Rewards::from_bytes(&archive.objects.get(Class::Public, &s.rewards)?)?;
            let accounts = rewards.settlement.accounts.iter().filter(|a| a.payable_minor > 0);
            disputed.extend(accounts.map(|a| (a.contributor, why())));
        }
    }
    Ok(disputed)
}

/// What of a settled run may be released before entry `at`, at the time `now`: all that nothing holds.
pub fn releasable(view: &EpochView<'_>, accounting: &Accounting, run: &Run, at: EntryIndex, now: u64) -> Result<Vec<Amount>> {
    let Logged { index, entry: statements } = run.statements.as_ref().context("a run that is settled")?;
    let Some(on_hold) = accounting.on_hold.get(index) else { return Ok(Vec::new()) };
    let holds = holds(view, run, statements, at, now)?;
    if !holds.all.is_empty() {
        return Ok(Vec::new());
    }
    let free = on_hold.iter().filter(|(id, _)| !holds.by.contains_key(id));
    Ok(free.map(|(contributor, amount_minor)| Amount { contributor: *contributor, amount_minor: *amount_minor, reference: None }).collect())
}
