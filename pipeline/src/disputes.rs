//! Disputes and what comes of them, and the close of the books.

use std::collections::BTreeMap;
use std::path::Path;

use corpus::{EntryIndex, RunNumber};
use ledger::books::Account;
use ledger::entry::{BooksClose, Dispute, DisputeCode, DisputeOutcome, DisputeResolution};
use rules::EpochViews;
use rules::accounting::disputed_contributor;
use rules::clawback::{balances, cap};
use store::{Class, files};

use crate::error::{Kind, Result, failure, usage};
use crate::home::Home;
use crate::snapshot::Snapshot;

/// What a dispute is about.
pub enum Subject {
    /// Everything of a contributor.
    Contributor(String),
    /// The contributor of a submission.
    Submission(EntryIndex),
    /// Everybody's amounts of a run.
    Run(RunNumber),
}

/// Opens a dispute; returns its entry.
pub async fn open(home: &mut Home, subject: Subject, code: DisputeCode, evidence: &Path) -> Result<EntryIndex> {
    let evidence = home.objects.put(Class::Sealed, &files::read(evidence)?)?;
    let mut entry = Dispute { contributor: None, submission: None, run: None, code, evidence, time: home.now };
    match subject {
        Subject::Contributor(name) => entry.contributor = Some(home.contributor_id(&name)?),
        Subject::Submission(at) => entry.submission = Some(at),
        Subject::Run(run) => entry.run = Some(run),
    }
    home.append(vec![entry.into()]).await
}

/// What became of a dispute.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The entry that says so.
    pub entry: EntryIndex,
    /// Whether the amount is due.
    pub outcome: DisputeOutcome,
}

/// Resolves a dispute: what it put on hold is released, or `clawback_minor` of it is taken back.
pub async fn resolve(home: &mut Home, dispute: EntryIndex, clawback_minor: Option<i128>, reasons: &Path) -> Result<Resolved> {
    let disputed = home.state.disputes.iter().find(|d| d.dispute.index == dispute);
    let disputed = disputed.ok_or_else(|| usage(format!("dispute {dispute}: no entry opened one")))?;
    if let Some(amount) = clawback_minor {
        let id = disputed_contributor(&home.state, &disputed.dispute.entry);
        let id = id.ok_or_else(|| usage(format!("dispute {dispute}: is about a run, and a clawback is about somebody")))?;
        let cap = cap(&EpochViews::of(home), &id, home.state.next_index())?;
        if amount > cap {
            return Err(failure(Kind::Check, format!("dispute {dispute}: {amount} minor units to claw back, the policy allows {cap}")));
        }
    }
    let reasons = home.objects.put(Class::Party, &files::read(reasons)?)?;
    let outcome = if clawback_minor.is_some() { DisputeOutcome::Clawback } else { DisputeOutcome::Released };
    let entry = DisputeResolution { dispute, outcome, amount_minor: clawback_minor.unwrap_or(0), reasons, time: home.now };
    let at = home.append(vec![entry.into()]).await?;
    Ok(Resolved { entry: at, outcome })
}

/// A period's close.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// The entry.
    pub entry: EntryIndex,
    /// Accounts with a balance.
    pub accounts: u64,
    /// What the operator put in, minor units.
    pub put_in_minor: i128,
    /// What was paid, minor units.
    pub paid_minor: i128,
}

/// Closes the period: what was not known yet is of the next one.
pub async fn close(home: &mut Home, period: u32) -> Result<Closed> {
    let open: Vec<EntryIndex> = home.state.payouts.iter().filter(|p| !p.is_reconciled()).map(|p| p.proposal.index).collect();
    if !open.is_empty() {
        return Err(failure(Kind::Check, format!("books: payouts {open:?} are not reconciled; expected a report on every payment")));
    }
    let accounting = home.books()?;
    let (bytes, accounts) = balances(accounting)?;
    let of = |account| accounting.books.balance(account);
    let (put_in_minor, paid_minor) = (-of(Account::Operator), of(Account::Paid));
    let entry = BooksClose { period, balances: home.objects.put(Class::Public, &bytes)?, accounts, time: home.now };
    let entry = home.append(vec![entry.into()]).await?;
    Ok(Closed { entry, accounts, put_in_minor, paid_minor })
}

/// The books.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Balances by account, in minor units.
    pub balances: BTreeMap<String, i128>,
    /// Their sum.
    pub trial_balance_minor: i128,
}

/// All balances as the log gives them, and their sum, which is zero.
pub fn show(home: &Snapshot) -> Result<Shown> {
    let accounting = home.books()?;
    let balances: BTreeMap<String, i128> = accounting.books.balances().map(|(a, b)| (a.to_string(), b)).collect();
    Ok(Shown { balances, trial_balance_minor: accounting.books.trial_balance() })
}
