//! Commands of groups: `assay epoch open`, `assay key new`, `assay attribution show`.

use std::path::PathBuf;

use clap::Subcommand;
use corpus::licence::Purpose;
use ledger::entry::RevocationReason;

use super::HomeArg;
use crate::attribution::{By, Sort};

/// What is done with submissions.
#[derive(Debug, Subcommand)]
pub enum SubmissionCommand {
    /// Counts by verdict, clusters, and whose documents it duplicates.
    Show {
        #[command(flatten)]
        home: HomeArg,
        /// The submission's log entry.
        submission: u64,
        /// Each document with its evidence.
        #[arg(long)]
        documents: bool,
        /// Judge it again, as of the size that the log had then.
        #[arg(long)]
        replay: bool,
    },
}

/// Looks at a run.
#[derive(Debug, Subcommand)]
pub enum TrainLook {
    /// The documents of a step.
    Inspect {
        #[command(flatten)]
        home: HomeArg,
        /// The step, from 0.
        #[arg(long)]
        step: u64,
        /// The run.
        #[arg(long, default_value_t = 0)]
        run: u32,
    },
    /// How often strata were drawn, beside what their weights planned.
    Draws {
        #[command(flatten)]
        home: HomeArg,
        /// The run.
        #[arg(long, default_value_t = 0)]
        run: u32,
    },
}

/// The tables of an attribution.
#[derive(Debug, Subcommand)]
pub enum Attribution {
    /// Sums by contributor, document, target or window.
    Show {
        #[command(flatten)]
        home: HomeArg,
        /// The run.
        #[arg(long, default_value_t = 0)]
        run: u32,
        /// What a row is about.
        #[arg(long, value_enum, default_value_t = By::Contributor)]
        by: By,
        /// What comes first.
        #[arg(long, value_enum, default_value_t = Sort::Nats)]
        sort: Sort,
        /// Most rows; 0 for all.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Documents of different contributors whose gradients are alike: reasons to look, never verdicts.
    Alike {
        #[command(flatten)]
        home: HomeArg,
        /// The run.
        #[arg(long, default_value_t = 0)]
        run: u32,
        /// Least cosine of two documents' sketches.
        #[arg(long, default_value_t = 0.5)]
        least: f64,
        /// Compare so many documents, those with the most credit.
        #[arg(long, default_value_t = 2000)]
        documents: usize,
        /// First tokens of each that are compared.
        #[arg(long, default_value_t = 4096)]
        tokens: usize,
    },
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

/// What `export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A Hugging Face Llama folder.
    Llama,
    /// The documents as a Hugging Face dataset folder with its card.
    HuggingFace,
    /// Croissant 1.1 with RAI, as JSON-LD.
    Croissant,
    /// A draft of the EU's public summary of training content, as Markdown.
    EuSummary,
}

/// Contributors.
#[derive(Debug, Subcommand)]
pub enum Contributor {
    /// Register a contributor.
    Add {
        #[command(flatten)]
        home: HomeArg,
        /// A name in this home; it is not in the log.
        name: String,
        /// Its secret key file, which is used once and not kept; without it the operator holds a new key.
        #[arg(long)]
        key: Option<PathBuf>,
        /// A file that says where it is paid; the log has only a keyed digest of it, which is the same for accounts of one payee.
        #[arg(long, value_name = "FILE")]
        payee: Option<PathBuf>,
    },
}

/// Keys.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key.
    New {
        /// Its name.
        name: String,
        /// Where to write it.
        #[arg(long)]
        out: PathBuf,
        /// Encrypt the file with a passphrase.
        #[arg(long)]
        encrypt: bool,
    },
    /// Say what a key file holds, or whose keys are in force in a home.
    Show {
        /// A file: a key of ours, secret or public, or an OpenSSH ed25519 key.
        #[arg(required_unless_present = "home")]
        file: Option<PathBuf>,
        /// A home, instead of a file.
        #[arg(long)]
        home: Option<PathBuf>,
    },
    /// Make a key file of an OpenSSH ed25519 key: a secret one of a private key, a verifier key of a public one.
    Import {
        /// The OpenSSH file.
        file: PathBuf,
        /// Its name; default: the comment in the file.
        #[arg(long)]
        name: Option<String>,
        /// Where to write it.
        #[arg(long)]
        out: PathBuf,
        /// Encrypt the file with a passphrase.
        #[arg(long)]
        encrypt: bool,
    },
    /// Encrypt a key file with a passphrase, or with --decrypt take it off.
    Protect {
        /// The key file.
        file: PathBuf,
        /// Take the passphrase off.
        #[arg(long)]
        decrypt: bool,
    },
    /// Put a new key in the place of one, from the next entry on; both sign.
    Rotate {
        #[command(flatten)]
        home: HomeArg,
        /// `operator`, `approver`, or a contributor's name or id.
        holder: String,
        /// The new key; default: one that is made for those whose key the home holds.
        #[arg(long, value_name = "FILE")]
        new: Option<PathBuf>,
        /// The old key, if the home does not hold it.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// The old key is revoked: the operator signs instead, and for the operator the approver.
        #[arg(long)]
        recover: bool,
    },
    /// Let a key sign nothing more.
    Revoke {
        #[command(flatten)]
        home: HomeArg,
        /// `operator`, `approver`, or a contributor's name or id.
        holder: String,
        /// compromised, lost or retired.
        #[arg(long)]
        reason: RevocationReason,
        /// The first entry that the holder disputes, for a compromised key.
        #[arg(long, value_name = "ENTRY")]
        disputed_from: Option<u64>,
        /// The key itself signs, from this file; without it the home's, and for a lost key the operator's (for the operator the approver's).
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

/// Epochs.
#[derive(Debug, Subcommand)]
pub enum Epoch {
    /// Commit to policy, purpose and target pool.
    Open {
        #[command(flatten)]
        home: HomeArg,
        /// Held-out files or folders, each a source, as PATH or NAME=PATH; sources of one name are one target.
        #[arg(long, required = true)]
        target: Vec<String>,
        /// What a target counts for, as NAME=WEIGHT; 1 for those that are not named.
        #[arg(long, value_name = "NAME=WEIGHT")]
        target_weight: Vec<String>,
        /// A TOML file of strata: groups of documents that runs may weigh, and what floors they have.
        #[arg(long, value_name = "FILE")]
        strata: Option<PathBuf>,
        /// A file of weights that a settled run of the epoch may be sampled with.
        #[arg(long, value_name = "FILE")]
        weights: Vec<PathBuf>,
        /// A TOML file of filters, as in docs/ingest.md; none is on by default.
        #[arg(long, value_name = "FILE")]
        filters: Option<PathBuf>,
        /// A TOML file of how pools become amounts, as in docs/money.md.
        #[arg(long, value_name = "FILE")]
        pay: Option<PathBuf>,
        /// The pool in minor units.
        #[arg(long)]
        pool_minor: i128,
        /// Days between settlement and payment, for disputes.
        #[arg(long, default_value_t = 30)]
        hold_days: u32,
        /// The same for contributors whose documents are used under a grant, if these are more days.
        #[arg(long, default_value_t = 0)]
        grant_hold_days: u32,
        /// Verdict on a page whose publisher's word on training is not known; default: accept for research, exclude otherwise.
        #[arg(long, value_name = "WHAT")]
        unknown_reservations: Option<UnknownReservations>,
        /// research, commercial or weights-released.
        #[arg(long, default_value = "research")]
        purpose: Purpose,
    },
    /// Close it, and draw seed and targets from the cosigned tree head.
    Close {
        #[command(flatten)]
        home: HomeArg,
    },
}

/// A witness: it cosigns tree heads that grew from the last one it saw, and remembers that one.
#[derive(Debug, Subcommand)]
pub enum Witness {
    /// Let other witnesses cosign a home's log from the next entry on.
    Change {
        #[command(flatten)]
        home: HomeArg,
        /// Witnesses, groups and quorum as lines of a C2SP `tlog-policy`, as for `init --witness-policy`.
        policy: PathBuf,
    },
    /// Make its key, and print the verifier key for the logs that will name it.
    Key {
        /// Its name, for example `witness.example.org`.
        name: String,
        /// Where to write it.
        #[arg(long)]
        out: PathBuf,
    },
    /// Answer `POST /add-checkpoint` over HTTP.
    Serve {
        /// Address and port.
        #[arg(long, default_value = "127.0.0.1:8420")]
        listen: std::net::SocketAddr,
        #[command(flatten)]
        what: Witnessing,
    },
    /// Answer one request from a file, on a machine without a network.
    Cosign {
        /// The request, as it would be posted.
        request: PathBuf,
        /// Where to write the cosignature line.
        #[arg(long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        what: Witnessing,
    },
}

/// What a witness needs.
#[derive(Debug, clap::Args)]
pub struct Witnessing {
    /// Its key.
    #[arg(long)]
    pub key: PathBuf,
    /// Verifier keys of the logs that it follows, or files that hold them.
    #[arg(long, required = true)]
    pub log: Vec<String>,
    /// The folder of its memory; contradictions of a log are written there too.
    #[arg(long)]
    pub state: PathBuf,
}

/// The index.
#[derive(Debug, Subcommand)]
pub enum Index {
    /// Make it again from log and objects, and compare.
    Rebuild {
        #[command(flatten)]
        home: HomeArg,
    },
}
