//! Money: `assay reward`, `payout propose`, `dispute open`, `books close`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use corpus::{EntryIndex, RunNumber};
use ledger::entry::DisputeCode;

/// Turn credit into amounts, book them, write statements, reveal the epoch's key.
#[derive(Debug, Args)]
pub struct Reward {
    /// The run.
    #[arg(long, default_value_t = RunNumber(0))]
    pub run: RunNumber,
    /// Only print what everybody would get.
    #[arg(long)]
    pub dry_run: bool,
}

/// Statements.
#[derive(Debug, Subcommand)]
pub enum Statement {
    Verify(Verify),
}

/// Recompute a statement from public files.
#[derive(Debug, Args)]
pub struct Verify {
    /// The statement.
    pub file: PathBuf,
}

/// Payouts.
#[derive(Debug, Subcommand)]
pub enum Payout {
    Propose(Propose),
    Approve(Approve),
    Export(Export),
    Reconcile(Reconcile),
    /// All payouts, and what holds what is not paid yet.
    List,
}

/// Release what nothing holds any more, and propose to pay everybody whom a rail reaches.
#[derive(Debug, Args)]
pub struct Propose {
    /// A TOML file that says which rail, and what it has to know; as in docs/money.md.
    pub rail: PathBuf,
    /// Only print what would be paid now.
    #[arg(long)]
    pub dry_run: bool,
}

/// Approve a proposal with the second key, or reject it.
#[derive(Debug, Args)]
pub struct Approve {
    /// The proposal's entry.
    pub payout: EntryIndex,
    /// Reject it: nothing is paid, and all of it is payable again.
    #[arg(long)]
    pub reject: bool,
    /// The approver's key file; default: the home's, which belongs to another person than the operator's.
    #[arg(long)]
    pub key: Option<PathBuf>,
}

/// Write the file of an approved payout; the same bytes each time.
#[derive(Debug, Args)]
pub struct Export {
    /// The proposal's entry.
    pub payout: EntryIndex,
    /// Where to.
    #[arg(long)]
    pub out: PathBuf,
}

/// Book what a rail reports: a bank's pain.002, or a CSV file with reference, status, amount and reason.
#[derive(Debug, Args)]
pub struct Reconcile {
    /// The proposal's entry.
    pub payout: EntryIndex,
    /// The report.
    pub report: PathBuf,
}

/// Disputes.
#[derive(Debug, Subcommand)]
pub enum Dispute {
    Open(Open),
    Resolve(Resolve),
}

/// Hold amounts until it is resolved.
#[derive(Debug, Args)]
pub struct Open {
    /// Everything of this contributor.
    #[arg(long, group = "subject", required_unless_present_any = ["submission", "run"])]
    pub contributor: Option<String>,
    /// The contributor of this submission's entry.
    #[arg(long, group = "subject")]
    pub submission: Option<EntryIndex>,
    /// Everybody's amounts of this run.
    #[arg(long, group = "subject")]
    pub run: Option<RunNumber>,
    /// rights, review, measurement, identity or other.
    #[arg(long)]
    pub code: DisputeCode,
    /// A file with the evidence, for auditors.
    #[arg(long)]
    pub evidence: PathBuf,
}

/// Release what it holds, or claw something back.
#[derive(Debug, Args)]
pub struct Resolve {
    /// The dispute's entry.
    pub dispute: EntryIndex,
    /// Take so many minor units back: of what is on hold, and the rest of what is earned later.
    #[arg(long, value_name = "MINOR")]
    pub clawback_minor: Option<i128>,
    /// A file with the reasons, for both sides.
    #[arg(long)]
    pub reasons: PathBuf,
}

/// The books.
#[derive(Debug, Subcommand)]
pub enum Books {
    /// Balances of all accounts, and their sum.
    Show,
    Close(Close),
}

/// End an accounting period; refused while a payment is not reconciled.
#[derive(Debug, Args)]
pub struct Close {
    /// Its number, from 0.
    pub period: u32,
}
