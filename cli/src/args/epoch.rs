//! Epochs: `assay epoch open`, `ingest`, `compact`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use corpus::licence::Purpose;

use super::dedup::DeviceChoice;

/// Epochs.
#[derive(Debug, Subcommand)]
pub enum Epoch {
    Open(Open),
    /// Close it, and draw seed and targets from the cosigned tree head.
    Close,
}

/// Commit to policy, purpose and target pool.
#[derive(Debug, Args)]
pub struct Open {
    /// Held-out files or folders, each a source, as PATH or NAME=PATH; sources of one name are one target.
    #[arg(long, required = true)]
    pub target: Vec<String>,
    /// What a target counts for, as NAME=WEIGHT; 1 for those that are not named.
    #[arg(long, value_name = "NAME=WEIGHT")]
    pub target_weight: Vec<String>,
    /// A TOML file of strata: groups of documents that runs may weigh, and what floors they have.
    #[arg(long, value_name = "FILE")]
    pub strata: Option<PathBuf>,
    /// A file of sampling shares that a settled run of the epoch may be sampled with.
    #[arg(long, alias = "weights", value_name = "FILE")]
    pub shares: Vec<PathBuf>,
    /// A TOML file of filters, as in docs/ingest.md; none is on by default.
    #[arg(long, value_name = "FILE")]
    pub filters: Option<PathBuf>,
    /// A TOML file of how pools become amounts, as in docs/money.md.
    #[arg(long, value_name = "FILE")]
    pub pay: Option<PathBuf>,
    /// The pool in minor units.
    #[arg(long)]
    pub pool_minor: i128,
    /// Days between settlement and payment, for disputes.
    #[arg(long, default_value_t = 30)]
    pub hold_days: u32,
    /// The same for contributors whose documents are used under a grant, if these are more days.
    #[arg(long, default_value_t = 0)]
    pub grant_hold_days: u32,
    /// Verdict on a page whose publisher's word on training is not known; default: accept for research, exclude otherwise.
    #[arg(long, value_name = "WHAT")]
    pub unknown_reservations: Option<UnknownReservations>,
    /// research, commercial or weights-released.
    #[arg(long, default_value = "research")]
    pub purpose: Purpose,
}

/// Judge what was submitted, fix the tokenizer, write shards.
#[derive(Debug, Args)]
pub struct Ingest {
    /// A Hugging Face `tokenizer.json`, instead of training one.
    #[arg(long)]
    pub tokenizer: Option<PathBuf>,
    /// Vocabulary of a trained tokenizer.
    #[arg(long, default_value_t = 4096)]
    pub vocabulary: usize,
    /// Where documents are compared.
    #[arg(long, value_enum, default_value = "cpu")]
    pub device: DeviceChoice,
}

/// Put consecutive shards of an epoch into one file each, up to a size.
#[derive(Debug, Args)]
pub struct Compact {
    /// The epoch; default: the last.
    #[arg(long)]
    pub epoch: Option<u32>,
    /// Bytes of shards that go into one file.
    #[arg(long = "bytes", value_name = "BYTES", default_value_t = 512 << 20)]
    pub documents_bytes: u64,
}

/// The verdict on a page whose publisher's word on training is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum UnknownReservations {
    /// It is left out.
    Exclude,
    /// It is used.
    Accept,
}

impl From<UnknownReservations> for rules::policy::UnknownReservations {
    fn from(given: UnknownReservations) -> rules::policy::UnknownReservations {
        match given {
            UnknownReservations::Exclude => rules::policy::UnknownReservations::Exclude,
            UnknownReservations::Accept => rules::policy::UnknownReservations::Accept,
        }
    }
}
