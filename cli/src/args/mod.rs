//! What people type: the commands; `groups` has the commands of groups, `money` those about money.

mod groups;
mod money;
mod reading;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use corpus::licence::Purpose;
use corpus::{ContributorId, DocumentRef};
use ledger::entry::{ClaimOutcome, EvidenceKind};
use pipeline::jobs::LEASE_MS;

use crate::deduplicate::DeviceChoice;

pub use reading::{Columned, Reading};

pub use groups::{Attribution, Contributor, Epoch, Format, Index, Key, SubmissionCommand, TrainLook, Witness};
pub use money::{Books, Dispute, Payout, Statement};

/// Provenance and payment for training data: submissions under signature, a model, credit, statements, an audit.
///
/// Exit codes: 0 ok, 1 a check failed, 2 usage, 3 verification failed, 4 I/O.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Args {
    /// Print one JSON object on stdout.
    #[arg(long, global = true)]
    pub json: bool,
    /// Threads; default: all cores.
    #[arg(long, global = true)]
    pub threads: Option<usize>,
    /// Seconds since 1970 that entries are dated with; default: the clock.
    #[arg(long, global = true)]
    pub now: Option<u64>,
    /// A file with the passphrase of encrypted keys, for example /dev/fd/3; default: ask on the terminal.
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where a worker finds jobs and objects.
#[derive(Debug, clap::Args)]
pub struct WorkerPlace {
    /// A home on this machine, whose config names both.
    #[arg(long, required_unless_present_all = ["database", "storage"], conflicts_with_all = ["database", "storage"])]
    pub home: Option<PathBuf>,
    /// The database: a Postgres URL.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// The objects: the URL of a bucket, or a folder that several machines see.
    #[arg(long, value_name = "URL")]
    pub storage: Option<String>,
}

/// The home that a command works on.
#[derive(Debug, clap::Args)]
pub struct HomeArg {
    /// The home's folder.
    #[arg(long, default_value = "assay-home")]
    pub home: PathBuf,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Everything on real text, from submission to audit; the same command goes on after a crash.
    Quickstart {
        #[command(flatten)]
        home: HomeArg,
        /// A dozen small crates and 200 steps.
        #[arg(long)]
        small: bool,
        /// Derive all secrets from this number: a demonstration that anybody can repeat.
        #[arg(long)]
        seed: Option<u64>,
        /// One folder a contributor, instead of crates.
        #[arg(long)]
        contributors: Option<PathBuf>,
        /// Held-out files, instead of crates.
        #[arg(long)]
        target: Option<PathBuf>,
        /// Licence of contributors that have none.
        #[arg(long, visible_alias = "license")]
        licence: Option<String>,
        /// A Hugging Face `tokenizer.json`, instead of training one.
        #[arg(long)]
        tokenizer: Option<PathBuf>,
        /// A RUN.toml, instead of the built-in one.
        #[arg(long)]
        run: Option<PathBuf>,
        /// research, commercial or weights-released.
        #[arg(long, default_value = "research")]
        purpose: Purpose,
        /// Windows that the audit replays.
        #[arg(long, default_value_t = 1)]
        replay: usize,
    },
    /// Make a home: config, keys, an empty log with its genesis.
    Init {
        #[command(flatten)]
        home: HomeArg,
        /// The log's name, for example `example.org/corpus`.
        #[arg(long)]
        origin: String,
        /// A Postgres URL, instead of SQLite in the home.
        #[arg(long)]
        database: Option<String>,
        /// Where objects are: `s3://bucket/prefix`, `gs://…` or `az://…`; default: in the home. Credentials come from the environment.
        #[arg(long, value_name = "URL")]
        storage: Option<String>,
        /// ISO 4217 code of the pools.
        #[arg(long, default_value = "XTS")]
        currency: String,
        /// Decimals of its minor unit, at most 24.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(..=24))]
        exponent: u8,
        /// A witness that has to cosign every tree head: where it answers `add-checkpoint`, and its verifier key or the file that holds it.
        #[arg(long, value_name = "URL=VKEY")]
        witness: Vec<String>,
        /// Witnesses, groups and quorum as lines of a C2SP `tlog-policy`, without the log's; `home` is the home's own witness. One
        /// without a URL is asked by files.
        #[arg(long, value_name = "FILE", conflicts_with = "witness")]
        witness_policy: Option<PathBuf>,
    },
    /// Contributors.
    #[command(subcommand)]
    Contributor(Contributor),
    /// Keys.
    #[command(subcommand)]
    Key(Key),
    /// Epochs.
    #[command(subcommand)]
    Epoch(Epoch),
    /// Commit to files and submit them.
    Submit {
        #[command(flatten)]
        home: HomeArg,
        /// The contributor's name.
        contributor: String,
        #[command(flatten)]
        reading: Reading,
        /// The contributor's secret key, if it is not in the home.
        #[arg(long)]
        key: Option<PathBuf>,
        /// Only the first half: the salted root.
        #[arg(long)]
        commit_only: bool,
        /// The commitment's entry that the files have to match.
        #[arg(long)]
        commitment: Option<u64>,
        /// Only say what would become of every record.
        #[arg(long)]
        dry_run: bool,
    },
    /// Submit a corpus with known origins under a key that the operator holds.
    #[command(group(clap::ArgGroup::new("owner").required(true)))]
    Import {
        #[command(flatten)]
        home: HomeArg,
        #[command(flatten)]
        reading: Reading,
        /// A name for where it comes from, which every document's source begins with.
        #[arg(long, value_name = "NAME")]
        source: String,
        /// For everybody: it outranks who commits to the same texts later, and is paid to nobody.
        #[arg(long = "as", value_name = "commons", value_parser = ["commons"], group = "owner")]
        commons: Option<String>,
        /// For this contributor, who is registered if it is not yet.
        #[arg(long = "for", value_name = "CONTRIBUTOR", group = "owner")]
        contributor: Option<String>,
        /// Only say what would become of every record.
        #[arg(long)]
        dry_run: bool,
    },
    /// Judge what was submitted, fix the tokenizer, write shards.
    Ingest {
        #[command(flatten)]
        home: HomeArg,
        /// A Hugging Face `tokenizer.json`, instead of training one.
        #[arg(long)]
        tokenizer: Option<PathBuf>,
        /// Vocabulary of a trained tokenizer.
        #[arg(long, default_value_t = 4096)]
        vocabulary: usize,
        /// Where documents are compared.
        #[arg(long, value_enum, default_value = "cpu")]
        device: DeviceChoice,
    },
    /// What became of a submission's documents.
    #[command(subcommand)]
    Submission(SubmissionCommand),
    /// Find the duplicates in files, without a home.
    Dedup {
        /// A file or a folder, of any form that `assay submit` reads.
        #[arg(long)]
        input: PathBuf,
        #[command(flatten)]
        columned: Columned,
        /// Write one line a document: the id of the document that it duplicates, or its own.
        #[arg(long, value_name = "FILE")]
        clusters: Option<PathBuf>,
        /// Write a table with the evidence.
        #[arg(long, value_name = "FILE.parquet")]
        verdicts: Option<PathBuf>,
        /// Documents that nothing may hold: what has a fifth of its 13-word n-grams in them is taken out.
        #[arg(long, value_name = "PATH")]
        held_out: Option<PathBuf>,
        /// Jaccard similarity of 5-word shingles from which on a pair is near, and share of words from which on a document is contained.
        #[arg(long, default_value = "0.8")]
        threshold: String,
        /// Take what shares a band for a duplicate, without proof.
        #[arg(long)]
        no_verify: bool,
        /// Do not look for runs of words in common.
        #[arg(long)]
        no_spans: bool,
        /// Where to compute.
        #[arg(long, value_enum, default_value = "cpu")]
        device: DeviceChoice,
        /// The key of the hashes, 64 hexadecimal digits, if somebody may look for edits that slip through.
        #[arg(long)]
        key: Option<String>,
    },
    /// Train and attribute; the same command goes on after a crash.
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Train {
        /// Look at a run instead.
        #[command(subcommand)]
        look: Option<TrainLook>,
        #[command(flatten)]
        home: HomeArg,
        /// A RUN.toml.
        #[arg(required_unless_present = "abort")]
        run: Option<PathBuf>,
        /// The epoch; default: the last.
        #[arg(long)]
        epoch: Option<u32>,
        /// Only print parameters, tokens, memory and time.
        #[arg(long)]
        dry_run: bool,
        /// Start from the weights of a Hugging Face Llama folder; RUN.toml then names their digest.
        #[arg(long, value_name = "DIR")]
        weights: Option<PathBuf>,
        /// First a pilot of a quarter of the steps, then the run with strata weighted by what they are credited with a token.
        #[arg(long, conflicts_with = "weights_from_run")]
        pilot: bool,
        /// Weigh strata by what they are credited with a token in this run.
        #[arg(long, value_name = "RUN")]
        weights_from_run: Option<u32>,
        /// End an unfinished run with this reason.
        #[arg(long, value_name = "REASON")]
        abort: Option<String>,
    },
    /// Who and what a run's loss drop is credited to.
    #[command(subcommand)]
    Attribution(Attribution),
    /// Which tokens of a document carry its credit; an explanation, never what is paid.
    Explain {
        #[command(flatten)]
        home: HomeArg,
        /// The document, as in `attribution show --by document`.
        document: String,
        /// The run.
        #[arg(long, default_value_t = 0)]
        run: u32,
    },
    /// Text from a run's model.
    Generate {
        #[command(flatten)]
        home: HomeArg,
        /// What the text begins with.
        prompt: String,
        /// The run.
        #[arg(long, default_value_t = 0)]
        run: u32,
        /// Tokens.
        #[arg(long, default_value_t = 64)]
        tokens: usize,
        /// 0 takes the likeliest token.
        #[arg(long, default_value_t = 0.8)]
        temperature: f64,
        /// Draw from so many of the likeliest tokens; 0 for all.
        #[arg(long, default_value_t = 40)]
        top: usize,
        /// What the draws derive from.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Loss and bits a byte of a run's model, by target or of a file.
    Eval {
        #[command(flatten)]
        home: HomeArg,
        /// A file or folder, instead of the targets.
        file: Option<PathBuf>,
        /// The run.
        #[arg(long, default_value_t = 0)]
        run: u32,
    },
    /// Write a run's model as a Hugging Face Llama folder, or Croissant metadata or a draft of the EU's training-content summary.
    Export {
        #[command(flatten)]
        home: HomeArg,
        /// What is written: a run's model, or what the log says of an epoch's corpus.
        #[arg(long, value_enum, default_value_t = Format::Llama)]
        format: Format,
        /// The folder, or for `croissant` and `eu-summary` the file; links in Croissant are relative to the home.
        #[arg(long)]
        out: PathBuf,
        /// The run, for `llama`.
        #[arg(long, default_value_t = 0)]
        run: u32,
        /// The epoch, for the others; default: the last.
        #[arg(long)]
        epoch: Option<u32>,
    },
    /// Compute windows of a run again and compare them with its table.
    Replay {
        #[command(flatten)]
        home: HomeArg,
        /// The run.
        #[arg(long, default_value_t = 0)]
        run: u32,
        /// One window, instead of drawn ones.
        #[arg(long)]
        window: Option<u64>,
        /// How many drawn windows; the first time they are logged.
        #[arg(long, default_value_t = 1, value_parser = at_least_one)]
        sample: usize,
        /// Beside the table's estimates, each document's exact credit in these windows.
        #[arg(long)]
        documents: bool,
    },
    /// Turn credit into amounts, book them, write statements, reveal the epoch's key.
    Reward {
        #[command(flatten)]
        home: HomeArg,
        /// The run.
        #[arg(long, default_value_t = 0)]
        run: u32,
        /// Only print what everybody would get.
        #[arg(long)]
        dry_run: bool,
    },
    /// Accepted, duplicate of, earned, why, paid when.
    Status {
        #[command(flatten)]
        home: HomeArg,
        /// A contributor's name or id.
        contributor: Option<String>,
    },
    /// Check everything again from files and public keys.
    Audit {
        #[command(flatten)]
        home: HomeArg,
        /// Audit the home that a static file server gives at this address, instead of a folder.
        #[arg(long, value_name = "BASE", conflicts_with = "home")]
        url: Option<String>,
        /// Where the copy of it is kept, so that the next audit fetches what is new; default: nowhere.
        #[arg(long, value_name = "DIR", requires = "url")]
        mirror: Option<PathBuf>,
        /// The `log/checkpoint` that an earlier audit ended with: what is under it is not checked again.
        #[arg(long, value_name = "CHECKPOINT")]
        from: Option<PathBuf>,
        /// The share of submissions whose verdicts and tokens are computed again, from 0 to 1.
        #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
        replay_verdicts: f64,
        /// Drawn windows to replay of each run.
        #[arg(long, default_value_t = 1)]
        replay: usize,
        /// Other people's receipts, files in the form of C2SP tlog-proof: what they were shown has to be in this log.
        #[arg(long, value_name = "DIR")]
        receipts: Option<PathBuf>,
    },
    /// From a document, a text, a token or a statement to everything it came from and that came of it, entry by entry.
    Trace {
        /// A home, or a copy of its log and objects.
        #[command(flatten)]
        home: HomeArg,
        /// The document, as SUBMISSION/NUMBER.
        #[arg(required_unless_present_any = ["text", "shard", "statement"], conflicts_with_all = ["text", "shard", "statement"])]
        document: Option<DocumentRef>,
        /// Documents that hold this text.
        #[arg(long, conflicts_with_all = ["shard", "statement"])]
        text: Option<String>,
        /// Entry of a shard.
        #[arg(long, requires = "row", conflicts_with = "statement")]
        shard: Option<u64>,
        /// Its row, from 0.
        #[arg(long, requires = "shard")]
        row: Option<usize>,
        /// A token of the row, from 0.
        #[arg(long, default_value_t = 0, requires = "shard")]
        token: usize,
        /// A contributor's id: its statement.
        #[arg(long, value_name = "ID")]
        statement: Option<ContributorId>,
        /// The run of the statement.
        #[arg(long, default_value_t = 0)]
        run: u32,
        /// Its document with the Nth most weight, from 1; default: the first twenty.
        #[arg(long, requires = "statement")]
        line: Option<usize>,
        /// Write every entry that is named and its proof to this folder.
        #[arg(long, value_name = "DIR")]
        proofs: Option<PathBuf>,
    },
    /// Serve the log and its public objects over HTTP, and take entries that contributors signed.
    Serve {
        #[command(flatten)]
        home: HomeArg,
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8787")]
        listen: std::net::SocketAddr,
        /// Give sealed and party objects too: for auditors, on a network that only they reach.
        #[arg(long)]
        sealed: bool,
    },
    /// Claim documents that somebody else submitted first.
    Claim {
        #[command(flatten)]
        home: HomeArg,
        /// The claimant's name.
        contributor: String,
        /// The documents, as SUBMISSION/NUMBER.
        #[arg(required = true)]
        document: Vec<DocumentRef>,
        /// A file with the evidence, for the operator and auditors.
        #[arg(long)]
        evidence: PathBuf,
        /// prior-publication, domain, repository, contract or other.
        #[arg(long, default_value = "other")]
        kind: EvidenceKind,
        /// The claimant's secret key, if it is not in the home.
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// License your documents for more than their public licence permits: "I hold the rights in these documents and license PURPOSE under TERMS".
    ///
    /// It is signed with a key of your own, stands beside the public licence, and can be disputed. Before the epoch closes.
    Grant {
        #[command(flatten)]
        home: HomeArg,
        /// The contributor's name.
        contributor: String,
        /// Entry of the submission.
        submission: u64,
        /// Numbers of the documents; all if none is given.
        document: Vec<u32>,
        /// Permitted use: research, commercial or weights-released. Several are given one by one.
        #[arg(long, required = true)]
        purpose: Vec<Purpose>,
        /// A file with the terms, which are public.
        #[arg(long)]
        terms: PathBuf,
        /// The contributor's secret key, if it is not in the home.
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Say what became of a claim.
    Resolve {
        #[command(flatten)]
        home: HomeArg,
        /// Entry of the claim.
        claim: u64,
        /// upheld, rejected or withdrawn.
        #[arg(long)]
        outcome: ClaimOutcome,
        /// A file with the reasons, for both sides.
        #[arg(long)]
        reasons: PathBuf,
    },
    /// Announce the policy of epochs to come; never of one that is open.
    Policy {
        #[command(flatten)]
        home: HomeArg,
        /// A policy as JSON: `objects/public` has those of earlier epochs.
        policy: PathBuf,
        /// The first epoch that it holds for; default: the next.
        #[arg(long)]
        from_epoch: Option<u32>,
        /// What is announced.
        #[arg(long)]
        announcement: PathBuf,
    },
    /// Take documents back: not used from now on, or with --consent destroyed wherever the home has them.
    Withdraw {
        #[command(flatten)]
        home: HomeArg,
        /// Entry of the submission.
        submission: u64,
        /// Documents of it, as SUBMISSION/NUMBER; default: all.
        document: Vec<DocumentRef>,
        /// Consent to the personal data in them is withdrawn: text and salt are destroyed, and only commitments stay.
        #[arg(long)]
        consent: bool,
        /// The contributor's secret key, if it is not in the home.
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Write the proof of what became of a document, for anybody who has the log's key.
    Prove {
        #[command(flatten)]
        home: HomeArg,
        /// The document: submission and number, as in `attribution show --by document`.
        document: DocumentRef,
        /// With its salt and text: whoever sees the proof can read it then.
        #[arg(long)]
        open: bool,
        /// Where to write it.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Check a proof or a receipt with nothing else at hand but keys.
    VerifyProof {
        /// The file.
        file: PathBuf,
        /// The log's verifier key, or the file that holds it.
        #[arg(long)]
        vkey: String,
        /// Verifier keys of witnesses, or files that hold them.
        #[arg(long)]
        witness: Vec<String>,
        /// For a receipt: the entry's bytes.
        #[arg(long)]
        entry: Option<PathBuf>,
    },
    /// Witness other people's logs.
    #[command(subcommand)]
    Witness(Witness),
    /// Statements.
    #[command(subcommand)]
    Statement(Statement),
    /// Payouts: one key proposes, another approves, the rail's file is exported, and its report is booked.
    #[command(subcommand)]
    Payout(Payout),
    /// Disputes: what they hold, and what comes of them.
    #[command(subcommand)]
    Dispute(Dispute),
    /// The books.
    #[command(subcommand)]
    Books(Books),
    /// Write report.html for a run.
    Report {
        #[command(flatten)]
        home: HomeArg,
        /// The run.
        #[arg(long, default_value_t = 0)]
        run: u32,
    },
    /// The index.
    #[command(subcommand)]
    Index(Index),
    /// The job queue: counts, rates, time left, who does what, and what nobody could do.
    Jobs {
        #[command(flatten)]
        home: HomeArg,
        /// Show it again every second until nothing is left.
        #[arg(long)]
        watch: bool,
        /// Let jobs be tried again that nobody could do.
        #[arg(long)]
        retry: bool,
        /// Each job, those that are done too.
        #[arg(long)]
        all: bool,
    },
    /// Do jobs for a home whose database is Postgres, until it is told to stop; it then ends the job that it has.
    Worker {
        #[command(flatten)]
        place: WorkerPlace,
        /// Milliseconds without a sign of life after which others may take its job.
        #[arg(long, default_value_t = LEASE_MS, value_parser = clap::value_parser!(i64).range(100..))]
        lease_ms: i64,
        /// End once there is nothing to do.
        #[arg(long)]
        exit_when_idle: bool,
    },
    /// Put consecutive shards of an epoch into one file each, up to a size.
    Compact {
        #[command(flatten)]
        home: HomeArg,
        /// The epoch; default: the last.
        #[arg(long)]
        epoch: Option<u32>,
        /// Bytes of shards that go into one file.
        #[arg(long = "bytes", value_name = "BYTES", default_value_t = 512 << 20)]
        documents_bytes: u64,
    },
}

impl Command {
    /// The command's name in output.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Quickstart { .. } => "quickstart",
            Command::Init { .. } => "init",
            Command::Contributor(_) => "contributor",
            Command::Key(_) => "key",
            Command::Epoch(_) => "epoch",
            Command::Submit { .. } => "submit",
            Command::Import { .. } => "import",
            Command::Ingest { .. } => "ingest",
            Command::Submission(_) => "submission",
            Command::Dedup { .. } => "dedup",
            Command::Train { .. } => "train",
            Command::Attribution(_) => "attribution",
            Command::Explain { .. } => "explain",
            Command::Generate { .. } => "generate",
            Command::Eval { .. } => "eval",
            Command::Export { .. } => "export",
            Command::Replay { .. } => "replay",
            Command::Reward { .. } => "reward",
            Command::Status { .. } => "status",
            Command::Audit { .. } => "audit",
            Command::Claim { .. } => "claim",
            Command::Grant { .. } => "grant",
            Command::Resolve { .. } => "resolve",
            Command::Policy { .. } => "policy",
            Command::Trace { .. } => "trace",
            Command::Serve { .. } => "serve",
            Command::Withdraw { .. } => "withdraw",
            Command::Prove { .. } => "prove",
            Command::VerifyProof { .. } => "verify-proof",
            Command::Witness(_) => "witness",
            Command::Statement(_) => "statement",
            Command::Payout(_) => "payout",
            Command::Dispute(_) => "dispute",
            Command::Books(_) => "books",
            Command::Report { .. } => "report",
            Command::Index(_) => "index",
            Command::Jobs { .. } => "jobs",
            Command::Worker { .. } => "worker",
            Command::Compact { .. } => "compact",
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "expected a number from 1".to_string())
}
