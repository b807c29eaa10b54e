//! Commands about money: `assay payout propose`, `assay dispute open`, `assay books close`.

use std::path::PathBuf;

use clap::Subcommand;
use ledger::entry::DisputeCode;

use super::HomeArg;

/// Statements.
#[derive(Debug, Subcommand)]
pub enum Statement {
    /// Recompute a statement from public files.
    Verify {
        /// The statement.
        file: PathBuf,
        #[command(flatten)]
        home: HomeArg,
    },
}

/// Payouts.
#[derive(Debug, Subcommand)]
pub enum Payout {
    /// Release what nothing holds any more, and propose to pay everybody whom a rail reaches.
    Propose {
        #[command(flatten)]
        home: HomeArg,
        /// A TOML file that says which rail, and what it has to know; as in docs/money.md.
        rail: PathBuf,
        /// Only print what would be paid now.
        #[arg(long)]
        dry_run: bool,
    },
    /// Approve a proposal with the second key, or reject it.
    Approve {
        #[command(flatten)]
        home: HomeArg,
        /// The proposal's entry.
        payout: u64,
        /// Reject it: nothing is paid, and all of it is payable again.
        #[arg(long)]
        reject: bool,
        /// The approver's key file; default: the home's, which belongs to another person than the operator's.
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Write the file of an approved payout; the same bytes each time.
    Export {
        #[command(flatten)]
        home: HomeArg,
        /// The proposal's entry.
        payout: u64,
        /// Where to.
        #[arg(long)]
        out: PathBuf,
    },
    /// Book what a rail reports: a bank's pain.002, or a CSV file with reference, status, amount and reason.
    Reconcile {
        #[command(flatten)]
        home: HomeArg,
        /// The proposal's entry.
        payout: u64,
        /// The report.
        report: PathBuf,
    },
    /// All payouts, and what holds what is not paid yet.
    List {
        #[command(flatten)]
        home: HomeArg,
    },
}

/// Disputes.
#[derive(Debug, Subcommand)]
pub enum Dispute {
    /// Hold amounts until it is resolved.
    Open {
        #[command(flatten)]
        home: HomeArg,
        /// Everything of this contributor.
        #[arg(long, group = "subject", required_unless_present_any = ["submission", "run"])]
        contributor: Option<String>,
        /// The contributor of this submission's entry.
        #[arg(long, group = "subject")]
        submission: Option<u64>,
        /// Everybody's amounts of this run.
        #[arg(long, group = "subject")]
        run: Option<u32>,
        /// rights, review, measurement, identity or other.
        #[arg(long)]
        code: DisputeCode,
        /// A file with the evidence, for auditors.
        #[arg(long)]
        evidence: PathBuf,
    },
    /// Release what it holds, or claw something back.
    Resolve {
        #[command(flatten)]
        home: HomeArg,
        /// The dispute's entry.
        dispute: u64,
        /// Take so many minor units back: of what is held, and the rest of what is earned later.
        #[arg(long, value_name = "MINOR")]
        clawback_minor: Option<i128>,
        /// A file with the reasons, for both sides.
        #[arg(long)]
        reasons: PathBuf,
    },
}

/// The books.
#[derive(Debug, Subcommand)]
pub enum Books {
    /// Balances of all accounts, and their sum.
    Show {
        #[command(flatten)]
        home: HomeArg,
    },
    /// End an accounting period; refused while a payment is not reconciled.
    Close {
        #[command(flatten)]
        home: HomeArg,
        /// Its number, from 0.
        period: u32,
    },
}
