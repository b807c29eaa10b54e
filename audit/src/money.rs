//! Everything that moves money: what was released, proposed, reported, clawed back and closed is what the log and its lists give.

use std::collections::BTreeMap;

use corpus::EntryIndex;
use ledger::books::Account;
use ledger::entry::{ApprovalOutcome, BooksClose, DisputeOutcome, Release};
use ledger::history::{Logged, Run};
use rules::accounting::{Accounting, disputed_contributor};
use rules::clawback::{balances, cap};
use rules::holds::{disputed, releasable};
use rules::lines::{self, Amount};
use rules::listener::Listener;
use rules::{EpochViews, Kind};
use store::Class;

use super::{Report, Result};

/// Checks the books from the first settlement to the last close.
pub fn check(epochs: &EpochViews<'_>, now: u64, listener: &dyn Listener, report: &mut Report) -> Result<()> {
    let before = report.findings.len();
    let archive = epochs.archive;
    let state = &archive.state;
    // What releases and closes have to list, from one pass over the log.
    let releases: BTreeMap<EntryIndex, (&Run, &Release)> =
        state.runs.iter().flat_map(|run| run.releases.iter().map(move |r| (r.index, (run, &r.entry)))).collect();
    let closes: BTreeMap<EntryIndex, &BooksClose> = state.closes.iter().map(|c| (c.index, &c.entry)).collect();
    let (mut free, mut closed) = (BTreeMap::new(), BTreeMap::new());
    let bar = listener.task("releases and closes", (releases.len() + closes.len()) as u64);
    let folded = Accounting::before_each(archive, &releases.keys().chain(closes.keys()).copied().collect(), |at, accounting| {
        bar.advance(1);
        if let Some((run, release)) = releases.get(&at) {
            let expected = releasable(epochs.of_run(run), accounting, run, at, release.time)?;
            free.insert(at, (lines::amounts(archive, &release.list)? == expected, expected.len()));
        }
        if let Some(close) = closes.get(&at) {
            let (bytes, accounts) = balances(accounting)?;
            closed.insert(at, archive.objects.get(Class::Public, &close.balances)? == bytes && accounts == close.accounts);
        }
        Ok(())
    });
    drop(bar);
    let accounting = match folded {
        Ok(accounting) => accounting,
        Err(e) if e.kind() == Kind::Io => return Err(e.into()),
        Err(e) => {
            report.find("books", EntryIndex(0), e.to_string());
            report.check("books", "the books do not follow from the log".to_string(), before);
            return Ok(());
        }
    };
    let trial = accounting.books.trial_balance();
    report.expect(trial == 0, "books", EntryIndex(0), || format!("a trial balance of {trial}, expected 0"));
    for view in epochs.iter() {
        let fault = view.policy()?.fault();
        report.expect(fault.is_none(), "policy", view.epoch.open.index, || fault.clone().unwrap_or_default());
    }
    for run in &state.runs {
        for Logged { index: at, entry: release } in &run.releases {
            let list = lines::amounts(archive, &release.list)?;
            let (same, expected) = free[at];
            report.expect(same, "release-list", *at, || {
                format!("{} contributors are released, {expected} had nothing that holds them", list.len())
            });
            report.expect(release.time <= now, "release-list", *at, || "released at a time that has not come".into());
            let sum: i128 = list.iter().map(|a| a.amount_minor).sum();
            report.expect((sum, list.len() as u64) == (release.total_minor, release.contributors), "release-list", *at, || {
                format!("{} for {} contributors, the list gives {sum} for {}", release.total_minor, release.contributors, list.len())
            });
        }
    }
    let bar = listener.task("payouts", state.payouts.len() as u64);
    for payout in &state.payouts {
        bar.advance(1);
        let Logged { index: at, entry: proposal } = &payout.proposal;
        let bytes = archive.objects.get(Class::Public, &proposal.list)?;
        let list: Vec<Amount> = lines::read(&bytes)?;
        let references: std::collections::BTreeSet<_> = list.iter().map(|a| &a.reference).collect();
        let found = (lines::root(&bytes), list.iter().map(|a| a.amount_minor).sum::<i128>(), references.len() as u64);
        let expected = (proposal.root, proposal.total_minor, proposal.transfers);
        report.expect(found == expected, "payout-list", *at, || format!("root, total and payments {expected:?}, the list gives {found:?}"));
        let approved = payout.approval.as_ref().filter(|Logged { entry: a, .. }| a.outcome == ApprovalOutcome::Approved);
        for index in [Some(*at), approved.map(|Logged { index, .. }| *index)].into_iter().flatten() {
            let disputed = disputed(archive, index)?;
            let named = list.iter().find_map(|a| Some((a.contributor, disputed.get(&a.contributor)?)));
            report.expect(named.is_none(), "payout-disputed", index, || format!("{named:?}: somebody is paid what is disputed"));
        }
        // Each payment comes back once, whatever reports say.
        let mut open: std::collections::HashSet<&Amount> = list.iter().collect();
        let read = |list| lines::amounts(archive, list);
        let reports: Vec<(Vec<Amount>, Vec<Amount>)> =
            payout.reports.iter().map(|Logged { entry: s, .. }| Ok((read(&s.returned)?, read(&s.reversed)?))).collect::<Result<_>>()?;
        for ((returned, reversed), Logged { index: at, entry: s }) in reports.iter().zip(&payout.reports) {
            let sum = |all: &[Amount]| all.iter().map(|a| a.amount_minor).fold(0, i128::saturating_add);
            let (found, expected) = ((sum(returned), sum(reversed)), (s.returned_minor, s.reversed_minor));
            report.expect(found == expected, "settlement-returned", *at, || format!("{expected:?} came back, the lists give {found:?}"));
            let known = returned.iter().chain(reversed).filter(|r| open.remove(r)).count() == returned.len() + reversed.len();
            report.expect(known, "settlement-returned", *at, || "what came back is not of the payout, or came back before".into());
        }
        let left = accounting.books.balance(Account::InFlight(*at));
        report.expect(left == 0 || !payout.is_reconciled(), "payout-list", *at, || {
            format!("{left} are left of a payout that is reported in full")
        });
    }
    for disputed in &state.disputes {
        let Some(Logged { index: at, entry: r }) =
            disputed.resolution.as_ref().filter(|Logged { entry: r, .. }| r.outcome == DisputeOutcome::Clawback)
        else {
            continue;
        };
        let cap = disputed_contributor(state, &disputed.dispute.entry).map(|id| cap(epochs, &id, *at)).transpose()?.unwrap_or(0);
        report
            .expect(r.amount_minor <= cap, "clawback-cap", *at, || format!("{} are clawed back, the policy allows {cap}", r.amount_minor));
    }
    for (at, same) in closed {
        report.expect(same, "close-balances", at, || "the balances are not those that the log gives".into());
    }
    let payouts = state.payouts.len();
    report.check(
        "books",
        format!("{} accounts, {payouts} payouts, {} closes", accounting.books.balances().count(), state.closes.len()),
        before,
    );
    Ok(())
}
