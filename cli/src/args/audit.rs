//! Commands that check files and follow what they say: `assay audit`, `trace`, `report`.

use std::path::PathBuf;

use clap::Args;
use corpus::{ContributorId, DocumentRef, EntryIndex, RunNumber};

/// Check everything again from files and public keys.
#[derive(Debug, Args)]
pub struct Audit {
    /// Audit the home that a static file server gives at this address, instead of a folder.
    #[arg(long, value_name = "BASE")]
    pub url: Option<String>,
    /// Where the copy of it is kept, so that the next audit fetches what is new; default: nowhere.
    #[arg(long, value_name = "DIR", requires = "url")]
    pub mirror: Option<PathBuf>,
    /// The `log/checkpoint` that an earlier audit ended with: what is under it is not checked again.
    #[arg(long, value_name = "CHECKPOINT")]
    pub from: Option<PathBuf>,
    /// The share of submissions whose verdicts and tokens are computed again, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub replay_verdicts: f64,
    /// Drawn windows to replay of each run.
    #[arg(long, default_value_t = 1)]
    pub replay: usize,
    /// Other people's receipts, files in the form of C2SP tlog-proof: what they were shown has to be in this log.
    #[arg(long, value_name = "DIR")]
    pub receipts: Option<PathBuf>,
}

/// From a document, a text, a token or a statement to everything it came from and that came of it, entry by entry.
#[derive(Debug, Args)]
pub struct Trace {
    /// The document, as SUBMISSION/NUMBER.
    #[arg(required_unless_present_any = ["text", "shard", "statement"], conflicts_with_all = ["text", "shard", "statement"])]
    pub document: Option<DocumentRef>,
    /// Documents that hold this text.
    #[arg(long, conflicts_with_all = ["shard", "statement"])]
    pub text: Option<String>,
    /// Entry of a shard.
    #[arg(long, requires = "row", conflicts_with = "statement")]
    pub shard: Option<EntryIndex>,
    /// Its row, from 0.
    #[arg(long, requires = "shard")]
    pub row: Option<usize>,
    /// A token of the row, from 0.
    #[arg(long, default_value_t = 0, requires = "shard")]
    pub token: usize,
    /// A contributor's id: its statement.
    #[arg(long, value_name = "ID")]
    pub statement: Option<ContributorId>,
    /// The run of the statement.
    #[arg(long, default_value_t = RunNumber(0))]
    pub run: RunNumber,
    /// Its document with the Nth most weight, from 1; default: the first twenty.
    #[arg(long, requires = "statement")]
    pub line: Option<usize>,
    /// Write every entry that is named and its proof to this folder.
    #[arg(long, value_name = "DIR")]
    pub proofs: Option<PathBuf>,
}

/// Write the page of a run, with an audit of the home.
#[derive(Debug, Args)]
pub struct Report {
    /// The run.
    #[arg(long, default_value_t = RunNumber(0))]
    pub run: RunNumber,
    /// Where it is written; default: report.html in the home.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
