//! Policies, statements and payouts.

use super::{State, Violation, rule, some};
use crate::entry::{PayoutApproval, PayoutProposal, PolicyChange, Settlement, Statements};
use crate::history::Payout;

const RAILS: [&str; 4] = ["pain.001", "merkle-distributor", "nep-141", "csv"];

impl State {
    pub(super) fn change_policy(&mut self, index: u64, e: PolicyChange) -> Result<(), Violation> {
        let next = self.epochs.len();
        rule!(index, "policy-future", e.from_epoch as usize >= next, "from epoch {}, expected {next} or later", e.from_epoch);
        let last = self.policies.last().map_or(0, |(_, p)| p.from_epoch);
        rule!(index, "policy-future", e.from_epoch >= last, "from epoch {}, one from epoch {last} is announced already", e.from_epoch);
        self.policies.push((index, e));
        Ok(())
    }

    pub(super) fn reward(&mut self, index: u64, e: Statements) -> Result<(), Violation> {
        let epoch = self.run(index, e.run)?.intent.1.epoch;
        rule!(index, "statements-epoch", e.epoch == epoch, "epoch {}, run {} is of epoch {epoch}", e.epoch, e.run);
        let settled = self.runs.iter().find(|r| r.intent.1.epoch == epoch && r.statements.is_some()).map(|r| r.intent.1.run);
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
        let run = self.run(index, e.run)?;
        rule!(index, "statements-pilot", !run.intent.1.pilot, "run {}: is a pilot, which is never settled", e.run);
        let replayed = run.replays.iter().any(|(_, r)| r.outcome != "differs");
        rule!(index, "statements-replayed", replayed, "run {}: statements before a replay", e.run);
        run.statements = Some((index, e));
        Ok(())
    }

    pub(super) fn propose(&mut self, index: u64, e: PayoutProposal) -> Result<(), Violation> {
        let statements = self.runs.iter().filter_map(|r| r.statements.as_ref()).find(|(at, _)| *at == e.statements);
        let (_, s) = some!(index, "payout-statements", statements, "statements {} are unknown", e.statements);
        rule!(index, "payout-statements", s.outcome == "settled", "statements {}: {}", e.statements, s.outcome);
        rule!(index, "payout-currency", s.currency == e.currency, "currency {}, the statements say {}", e.currency, s.currency);
        rule!(index, "payout-rail", RAILS.contains(&e.rail.as_str()), "rail {:?}, expected one of {}", e.rail, RAILS.join(", "));
        let (pool, earlier) = (s.pool_minor, self.payouts.iter().filter(|p| p.proposal.1.statements == e.statements));
        // What came back may be proposed again.
        let returned = |p: &Payout| p.settlements.iter().map(|(_, s)| s.returned_minor).fold(0, i128::saturating_add);
        let standing = earlier.filter(|p| p.approval.as_ref().is_none_or(|(_, a)| a.outcome == "approved"));
        let paid = standing.map(|p| p.proposal.1.total_minor.saturating_sub(returned(p))).fold(0, i128::saturating_add);
        rule!(
            index,
            "payout-total",
            e.total_minor > 0 && e.transfers > 0 && e.total_minor <= pool.saturating_sub(paid),
            "{} in {} transfers, {} of the pool of {pool} are left",
            e.total_minor,
            e.transfers,
            pool.saturating_sub(paid)
        );
        self.payouts.push(Payout { proposal: (index, e), approval: None, settlements: Vec::new() });
        Ok(())
    }

    fn payout(&mut self, index: u64, proposal: u64) -> Result<&mut Payout, Violation> {
        let place = self.payouts.binary_search_by_key(&proposal, |p| p.proposal.0).ok();
        let place = some!(index, "payout-proposal", place, "proposal {proposal} is unknown");
        Ok(&mut self.payouts[place])
    }

    pub(super) fn approve(&mut self, index: u64, e: PayoutApproval) -> Result<(), Violation> {
        let payout = self.payout(index, e.proposal)?;
        rule!(index, "approval-once", payout.approval.is_none(), "proposal {} is approved or rejected already", e.proposal);
        let known = ["approved", "rejected"].contains(&e.outcome.as_str());
        rule!(index, "approval-outcome", known, "outcome {:?}, expected approved or rejected", e.outcome);
        let proposal = &payout.proposal.1;
        rule!(
            index,
            "approval-same",
            (e.root, e.total_minor) == (proposal.root, proposal.total_minor),
            "root {} and total {}, the proposal says {} and {}",
            e.root,
            e.total_minor,
            proposal.root,
            proposal.total_minor
        );
        payout.approval = Some((index, e));
        Ok(())
    }

    pub(super) fn settle(&mut self, index: u64, e: Settlement) -> Result<(), Violation> {
        let payout = self.payout(index, e.proposal)?;
        let approved = payout.approval.as_ref().is_some_and(|(_, a)| a.outcome == "approved");
        rule!(index, "settlement-approved", approved, "proposal {} is not approved", e.proposal);
        let total = payout.proposal.1.total_minor;
        let sum = e.settled_minor.checked_add(e.returned_minor).filter(|s| *s > 0 && e.settled_minor >= 0 && e.returned_minor >= 0);
        let sum = some!(index, "settlement-amounts", sum, "{} settled, {} returned", e.settled_minor, e.returned_minor);
        let left = total.saturating_sub(payout.reported());
        rule!(index, "settlement-amounts", sum <= left, "{sum} reported, {left} of {total} are open");
        payout.settlements.push((index, e));
        Ok(())
    }
}
