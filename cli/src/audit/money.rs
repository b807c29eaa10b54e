//! Everything that moves money: what was released, proposed, reported, clawed back and closed is what the log and its lists give.

use anyhow::Result;
use store::Class;

use super::Report;
use crate::home::Archive;
use crate::money::accounting::{Accounting, disputed_contributor};
use crate::money::disputes::{cap, expected_balances};
use crate::money::holds::releasable;
use crate::money::lines::{self, Amount};

/// Checks the books from the first settlement to the last close.
pub fn check(archive: &Archive, report: &mut Report) -> Result<()> {
    let before = report.findings.len();
    let state = &archive.state;
    let accounting = match Accounting::of(archive, state.size) {
        Ok(accounting) => accounting,
        Err(e) => {
            report.find("books", 0, format!("{e:#}"));
            report.check("books", "the books do not follow from the log".to_string(), before);
            return Ok(());
        }
    };
    let trial = accounting.books.trial_balance();
    report.expect(trial == 0, "books", 0, || format!("a trial balance of {trial}, expected 0"));
    for run in &state.runs {
        for (at, release) in &run.releases {
            let list: Vec<Amount> = lines::read(&archive.objects.get(Class::Public, &release.list)?)?;
            let expected = releasable(archive, &Accounting::of(archive, *at)?, run, *at, release.time)?;
            report.expect(list == expected, "release-list", *at, || {
                format!("{} contributors are released, {} had nothing that holds them", list.len(), expected.len())
            });
            let sum: i128 = list.iter().map(|a| a.amount_minor).sum();
            report.expect((sum, list.len() as u64) == (release.total_minor, release.contributors), "release-list", *at, || {
                format!("{} for {} contributors, the list gives {sum} for {}", release.total_minor, release.contributors, list.len())
            });
        }
    }
    for payout in &state.payouts {
        let (at, proposal) = &payout.proposal;
        let bytes = archive.objects.get(Class::Public, &proposal.list)?;
        let list: Vec<Amount> = lines::read(&bytes)?;
        let references: std::collections::BTreeSet<_> = list.iter().map(|a| &a.reference).collect();
        let found = (lines::root(&bytes), list.iter().map(|a| a.amount_minor).sum::<i128>(), references.len() as u64);
        let expected = (proposal.root, proposal.total_minor, proposal.transfers);
        report.expect(found == expected, "payout-list", *at, || format!("root, total and payments {expected:?}, the list gives {found:?}"));
        for (at, s) in &payout.settlements {
            let returned: Vec<Amount> = lines::read(&archive.objects.get(Class::Public, &s.returned)?)?;
            let sum: i128 = returned.iter().map(|a| a.amount_minor).sum();
            report.expect(sum == s.returned_minor, "settlement-returned", *at, || {
                format!("{} came back, the list gives {sum}", s.returned_minor)
            });
            let known = returned.iter().all(|r| list.contains(r));
            report.expect(known, "settlement-returned", *at, || "what came back is not of the payout".into());
        }
    }
    for disputed in &state.disputes {
        let Some((at, r)) = disputed.resolution.as_ref().filter(|(_, r)| r.outcome == "clawback") else { continue };
        let cap = disputed_contributor(state, &disputed.dispute.1).map(|id| cap(archive, &id, *at)).transpose()?.unwrap_or(0);
        report
            .expect(r.amount_minor <= cap, "clawback-cap", *at, || format!("{} are clawed back, the policy allows {cap}", r.amount_minor));
    }
    for (at, close) in &state.closes {
        let (bytes, accounts) = expected_balances(archive, *at)?;
        let same = archive.objects.get(Class::Public, &close.balances)? == bytes && accounts == close.accounts;
        report.expect(same, "close-balances", *at, || "the balances are not those that the log gives".into());
    }
    let payouts = state.payouts.len();
    report.check(
        "books",
        format!("{} accounts, {payouts} payouts, {} closes", accounting.books.balances().count(), state.closes.len()),
        before,
    );
    Ok(())
}
