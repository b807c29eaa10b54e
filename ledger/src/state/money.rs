//! Policies, statements, payouts, disputes, and the books' close.

use corpus::EntryIndex;

use super::{State, Violation, rule, some};
use crate::entry::{
    ApprovalOutcome, BooksClose, Dispute, DisputeOutcome, DisputeResolution, PayoutApproval, PayoutProposal, PayoutReport, PolicyChange,
    PoolOutcome, Release, ReplayOutcome, Statements,
};
use crate::history::{Disputed, Logged, Payout};

impl State {
    pub(super) fn change_policy(&mut self, index: EntryIndex, e: PolicyChange) -> Result<(), Violation> {
        let next = self.epochs.len();
        rule!(index, "policy-future", e.from_epoch as usize >= next, "from epoch {}, expected {next} or later", e.from_epoch);
        let last = self.policies.last().map_or(0, |Logged { entry: p, .. }| p.from_epoch);
        rule!(index, "policy-future", e.from_epoch >= last, "from epoch {}, one from epoch {last} is announced already", e.from_epoch);
        self.policies.push(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn reward(&mut self, index: EntryIndex, e: Statements) -> Result<(), Violation> {
        let epoch = self.run_mut(index, e.run)?.intent.entry.epoch;
        rule!(index, "statements-epoch", e.epoch == epoch, "epoch {}, run {} is of epoch {epoch}", e.epoch, e.run);
        let settled = self.runs.iter().find(|r| r.intent.entry.epoch == epoch && r.statements.is_some()).map(|r| r.intent.entry.run);
        rule!(index, "statements-once", settled.is_none(), "run {}: epoch {epoch} is settled by run {settled:?} already", e.run);
        let currency = self.genesis.as_ref().map_or("", |g| &g.currency);
        rule!(
            index,
            "statements-pool",
            e.currency == currency && e.pool_minor >= 0,
            "a pool of {} {}, expected none below zero in {currency}",
            e.pool_minor,
            e.currency
        );
        // Stakes may pay more than accrued, and offsets and stakes keep some of it.
        let parts = (0..=e.pool_minor).contains(&e.accrued_minor) && e.payable_minor >= 0;
        rule!(index, "statements-pool", parts, "{} accrued and {} payable of {}", e.accrued_minor, e.payable_minor, e.pool_minor);
        let settled = e.outcome == PoolOutcome::Settled;
        rule!(
            index,
            "statements-pool",
            settled || (e.accrued_minor, e.payable_minor) == (0, 0),
            "{} accrued and {} payable: {}",
            e.accrued_minor,
            e.payable_minor,
            e.outcome
        );
        let run = self.run_mut(index, e.run)?;
        rule!(index, "statements-pilot", !run.intent.entry.pilot, "run {}: is a pilot, which is never settled", e.run);
        let replayed = run.replays.iter().any(|Logged { entry: r, .. }| r.outcome != ReplayOutcome::Differs);
        rule!(index, "statements-replayed", replayed, "run {}: statements before a replay", e.run);
        run.statements = Some(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn release(&mut self, index: EntryIndex, e: Release) -> Result<(), Violation> {
        let run = self.runs.iter_mut().find(|r| r.statements.as_ref().is_some_and(|Logged { index: at, .. }| *at == e.statements));
        let run = some!(index, "release-statements", run, "statements {} are unknown", e.statements);
        let Logged { entry: s, .. } = run.statements.as_ref().expect("it was found by them");
        rule!(index, "release-statements", s.outcome == PoolOutcome::Settled, "statements {}: {}", e.statements, s.outcome);
        let left =
            s.payable_minor.saturating_sub(run.releases.iter().map(|Logged { entry: r, .. }| r.total_minor).fold(0, i128::saturating_add));
        rule!(
            index,
            "release-total",
            e.total_minor > 0 && e.contributors > 0 && e.total_minor <= left,
            "{} for {} contributors, {left} are on hold",
            e.total_minor,
            e.contributors
        );
        run.releases.push(Logged { index, entry: e });
        Ok(())
    }

    /// What was released and is not on its way or paid, in minor units; what disputes stopped is among it.
    pub(crate) fn releasable_to_payouts(&self) -> i128 {
        let released =
            self.runs.iter().flat_map(|r| &r.releases).map(|Logged { entry: r, .. }| r.total_minor).fold(0, i128::saturating_add);
        let back = |s: &PayoutReport| s.returned_minor.saturating_add(s.reversed_minor);
        let returned = |p: &Payout| p.reports.iter().map(|Logged { entry: s, .. }| back(s)).fold(0, i128::saturating_add);
        let standing = self.payouts.iter().filter(|p| !p.is_rejected());
        let paid = standing.map(|p| p.proposal.entry.total_minor.saturating_sub(returned(p))).fold(0, i128::saturating_add);
        released.saturating_sub(paid)
    }

    pub(super) fn propose(&mut self, index: EntryIndex, e: PayoutProposal) -> Result<(), Violation> {
        let currency = self.genesis.as_ref().map_or("", |g| &g.currency);
        rule!(index, "payout-currency", e.currency == currency, "currency {}, the log's is {currency}", e.currency);
        let left = self.releasable_to_payouts();
        rule!(
            index,
            "payout-total",
            e.total_minor > 0 && e.transfers > 0 && e.total_minor <= left,
            "{} in {} transfers, {left} were released",
            e.total_minor,
            e.transfers
        );
        self.payouts.push(Payout { proposal: Logged { index, entry: e }, approval: None, reports: Vec::new() });
        Ok(())
    }

    fn payout(&mut self, index: EntryIndex, proposal: EntryIndex) -> Result<&mut Payout, Violation> {
        let place = self.payouts.binary_search_by_key(&proposal, |p| p.proposal.index).ok();
        let place = some!(index, "payout-proposal", place, "proposal {proposal} is unknown");
        Ok(&mut self.payouts[place])
    }

    pub(super) fn approve(&mut self, index: EntryIndex, e: PayoutApproval) -> Result<(), Violation> {
        let payout = self.payout(index, e.proposal)?;
        rule!(index, "approval-once", payout.approval.is_none(), "proposal {} is approved or rejected already", e.proposal);
        let proposal = &payout.proposal.entry;
        rule!(
            index,
            "approval-same",
            (e.root, e.file, e.total_minor) == (proposal.root, proposal.file, proposal.total_minor),
            "root {}, file {} and total {}, the proposal says {}, {} and {}",
            e.root,
            e.file,
            e.total_minor,
            proposal.root,
            proposal.file,
            proposal.total_minor
        );
        payout.approval = Some(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn report(&mut self, index: EntryIndex, e: PayoutReport) -> Result<(), Violation> {
        let payout = self.payout(index, e.proposal)?;
        let approved = payout.approval.as_ref().is_some_and(|Logged { entry: a, .. }| a.outcome == ApprovalOutcome::Approved);
        rule!(index, "settlement-approved", approved, "proposal {} is not approved", e.proposal);
        let total = payout.proposal.entry.total_minor;
        let none_below_zero = e.paid_minor >= 0 && e.returned_minor >= 0 && e.reversed_minor >= 0;
        let sum = e.paid_minor.checked_add(e.returned_minor).filter(|s| none_below_zero && (*s > 0 || e.reversed_minor > 0));
        let sum =
            some!(index, "settlement-amounts", sum, "{} paid, {} returned, {} reversed", e.paid_minor, e.returned_minor, e.reversed_minor);
        let left = total.saturating_sub(payout.reported());
        rule!(index, "settlement-amounts", sum <= left, "{sum} reported, {left} of {total} are open");
        let arrived = payout.arrived();
        rule!(index, "settlement-amounts", e.reversed_minor <= arrived, "{} reversed, {arrived} had arrived", e.reversed_minor);
        payout.reports.push(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn dispute(&mut self, index: EntryIndex, e: Dispute) -> Result<(), Violation> {
        let subjects = usize::from(e.contributor.is_some()) + usize::from(e.submission.is_some()) + usize::from(e.run.is_some());
        rule!(index, "dispute-subject", subjects == 1, "{subjects} subjects, expected a contributor, a submission or a run");
        let known = e.contributor.is_none_or(|id| self.contributors.contains_key(&id))
            && e.submission.is_none_or(|at| self.submission(at).is_some())
            && e.run.is_none_or(|run| self.runs.iter().any(|r| r.intent.entry.run == run));
        rule!(index, "dispute-subject", known, "contributor {:?}, submission {:?}, run {:?}: unknown", e.contributor, e.submission, e.run);
        self.disputes.push(Disputed { dispute: Logged { index, entry: e }, resolution: None });
        Ok(())
    }

    pub(super) fn resolve_dispute(&mut self, index: EntryIndex, e: DisputeResolution) -> Result<(), Violation> {
        let place = self.disputes.binary_search_by_key(&e.dispute, |d| d.dispute.index).ok();
        let place = some!(index, "dispute-known", place, "dispute {} is unknown", e.dispute);
        let disputed = &mut self.disputes[place];
        rule!(index, "dispute-once", disputed.resolution.is_none(), "dispute {} is resolved already", e.dispute);
        let about_one = disputed.dispute.entry.run.is_none();
        let fits = match e.outcome {
            DisputeOutcome::Released => e.amount_minor == 0,
            DisputeOutcome::Clawback => e.amount_minor > 0 && about_one,
        };
        rule!(
            index,
            "dispute-outcome",
            fits,
            "outcome {} of {}, expected `released` of 0, or `clawback` of more than 0 from somebody",
            e.outcome,
            e.amount_minor
        );
        disputed.resolution = Some(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn close_books(&mut self, index: EntryIndex, e: BooksClose) -> Result<(), Violation> {
        rule!(index, "close-period", e.period as usize == self.closes.len(), "period {}, expected {}", e.period, self.closes.len());
        let open = self.payouts.iter().find(|p| !p.is_reconciled());
        rule!(
            index,
            "close-reconciled",
            open.is_none(),
            "payout {:?} is not reconciled: {} of {} are reported",
            open.map(|p| p.proposal.index),
            open.map_or(0, Payout::reported),
            open.map_or(0, |p| p.proposal.entry.total_minor)
        );
        self.closes.push(Logged { index, entry: e });
        Ok(())
    }
}
