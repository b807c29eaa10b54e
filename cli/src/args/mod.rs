//! What people type: one file a group of commands, each with the arguments of its commands.

pub mod attribution;
pub mod audit;
pub mod dedup;
pub mod epoch;
pub mod home;
pub mod keys;
pub mod model;
pub mod money;
pub mod notices;
pub mod proof;
pub mod quickstart;
pub mod reading;
pub mod submit;
pub mod train;
pub mod witness;
pub mod work;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use self::audit::{Audit, Report, Trace};
use self::dedup::Dedup;
use attribution::{Attribution, Explain};
use epoch::{Compact, Epoch, Ingest};
use home::{Catalog, Init, Serve, Status};
use keys::{Contributor, Key};
use model::{Eval, Export, Generate};
use money::{Books, Dispute, Payout, Reward, Statement};
use notices::{Claim, Grant, Policy, Resolve, Withdraw};
use proof::{Prove, VerifyProof};
use quickstart::Quickstart;
use submit::{Import, Submission, Submit};
use train::{Replay, Train};
use witness::Witness;
use work::{Jobs, Worker};

/// Provenance and payment for training data: submissions under signature, a model, credit, statements, an audit.
///
/// Exit codes: 0 ok, 1 a check failed, 2 usage, 3 verification failed, 4 I/O.
#[derive(Debug, Parser)]
#[command(name = "assay", version)]
pub struct Args {
    /// The home's folder [default: assay-home].
    #[arg(long, global = true)]
    home: Option<PathBuf>,
    /// Print one JSON object on stdout.
    #[arg(long, global = true)]
    pub json: bool,
    /// Threads; default: all cores.
    #[arg(long, global = true)]
    pub threads: Option<usize>,
    /// Where stderr is no terminal: seconds between lines on it that say how far something got; 0 for a line at every change.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = crate::progress::EVERY_SECONDS)]
    pub progress_every: u64,
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

impl Args {
    /// What was typed.
    pub fn read() -> Result<Args, clap::Error> {
        Args::checked(Args::try_parse()?)
    }

    /// The name of the command in arguments that are not understood; empty if there is none.
    pub fn command_of(typed: impl IntoIterator<Item = OsString>) -> String {
        let matches = Args::command().ignore_errors(true).try_get_matches_from(typed);
        matches.ok().and_then(|m| m.subcommand_name().map(str::to_owned)).unwrap_or_default()
    }

    /// Refuses what contradicts `--home`: clap compares a flag with those beside it alone, and this one may stand before the command.
    /// Refuses what says how to train beside a look at a run too.
    fn checked(self) -> Result<Args, clap::Error> {
        use ErrorKind::{ArgumentConflict, MissingRequiredArgument};
        let (kind, text) = match (&self.command, &self.home) {
            (Command::Audit(a), Some(_)) if a.url.is_some() => (ArgumentConflict, "--home cannot be used with --url"),
            (Command::Worker(w), Some(_)) if w.database.is_some() => {
                (ArgumentConflict, "--home cannot be used with --database and --storage")
            }
            (Command::Worker(w), None) if w.database.is_none() => {
                (MissingRequiredArgument, "worker: expected --home, or --database and --storage")
            }
            (Command::Key(Key::Show(s)), None) if s.file.is_none() => (MissingRequiredArgument, "key show: expected a file, or --home"),
            (Command::Train(t), _) if t.look.is_some() && t.says_how() => {
                (ArgumentConflict, "train inspect and train sampled look at a run that there is: expected nothing that says how to train")
            }
            _ => return Ok(self),
        };
        Err(Args::command().error(kind, text))
    }

    /// The folder of the home that the command works on.
    pub fn home(&self) -> &Path {
        self.home.as_deref().unwrap_or(Path::new("assay-home"))
    }
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Quickstart(Quickstart),
    Init(Init),
    /// Contributors.
    #[command(subcommand)]
    Contributor(Contributor),
    /// Keys.
    #[command(subcommand)]
    Key(Key),
    /// Epochs.
    #[command(subcommand)]
    Epoch(Epoch),
    Submit(Submit),
    Import(Import),
    Ingest(Ingest),
    /// What became of a submission's documents.
    #[command(subcommand)]
    Submission(Submission),
    Dedup(Dedup),
    Train(Train),
    /// Who and what a run's loss drop is credited to.
    #[command(subcommand)]
    Attribution(Attribution),
    Explain(Explain),
    Generate(Generate),
    Eval(Eval),
    Export(Export),
    Replay(Replay),
    Reward(Reward),
    Status(Status),
    Audit(Audit),
    Trace(Trace),
    Serve(Serve),
    Claim(Claim),
    Grant(Grant),
    Resolve(Resolve),
    Policy(Policy),
    Withdraw(Withdraw),
    Prove(Prove),
    VerifyProof(VerifyProof),
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
    Report(Report),
    /// The catalog.
    #[command(subcommand, alias = "index")]
    Catalog(Catalog),
    Jobs(Jobs),
    Worker(Worker),
    Compact(Compact),
}

impl Command {
    /// The command's name in output.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Quickstart(_) => "quickstart",
            Command::Init(_) => "init",
            Command::Contributor(_) => "contributor",
            Command::Key(_) => "key",
            Command::Epoch(_) => "epoch",
            Command::Submit(_) => "submit",
            Command::Import(_) => "import",
            Command::Ingest(_) => "ingest",
            Command::Submission(_) => "submission",
            Command::Dedup(_) => "dedup",
            Command::Train(_) => "train",
            Command::Attribution(_) => "attribution",
            Command::Explain(_) => "explain",
            Command::Generate(_) => "generate",
            Command::Eval(_) => "eval",
            Command::Export(_) => "export",
            Command::Replay(_) => "replay",
            Command::Reward(_) => "reward",
            Command::Status(_) => "status",
            Command::Audit(_) => "audit",
            Command::Trace(_) => "trace",
            Command::Serve(_) => "serve",
            Command::Claim(_) => "claim",
            Command::Grant(_) => "grant",
            Command::Resolve(_) => "resolve",
            Command::Policy(_) => "policy",
            Command::Withdraw(_) => "withdraw",
            Command::Prove(_) => "prove",
            Command::VerifyProof(_) => "verify-proof",
            Command::Witness(_) => "witness",
            Command::Statement(_) => "statement",
            Command::Payout(_) => "payout",
            Command::Dispute(_) => "dispute",
            Command::Books(_) => "books",
            Command::Report(_) => "report",
            Command::Catalog(_) => "catalog",
            Command::Jobs(_) => "jobs",
            Command::Worker(_) => "worker",
            Command::Compact(_) => "compact",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Args, clap::Error> {
        Args::checked(Args::try_parse_from(line.split(' '))?)
    }

    #[test]
    fn arguments_are_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn home_stands_before_or_after_the_command() {
        for line in [
            "assay --home h status",
            "assay status --home h",
            "assay epoch --home h close",
            "assay epoch close --home h",
            "assay --home h train inspect --step 1",
            "assay train --home h inspect --step 1",
            "assay train inspect --step 1 --home h",
        ] {
            assert_eq!(read(line).unwrap().home(), Path::new("h"), "{line}");
        }
        assert_eq!(read("assay status").unwrap().home(), Path::new("assay-home"));
    }

    #[test]
    fn names_of_before_mean_the_same() {
        for (old, new) in [
            ("assay index rebuild", "assay catalog rebuild"),
            ("assay train draws", "assay train sampled"),
            ("assay train r.toml --weights d", "assay train r.toml --parameters d"),
            ("assay train r.toml --weights-from-run 2", "assay train r.toml --shares-from-run 2"),
            ("assay epoch open --target t --pool-minor 1 --weights f", "assay epoch open --target t --pool-minor 1 --shares f"),
        ] {
            let parsed = |line| format!("{:?}", read(line).unwrap_or_else(|e| panic!("{line}: {e}")));
            assert_eq!(parsed(old), parsed(new));
        }
    }

    #[test]
    fn a_look_at_a_run_takes_nothing_that_says_how_to_train() {
        for line in [
            "assay train r.toml inspect --step 1",
            "assay train --epoch 1 sampled",
            "assay train --dry-run sampled",
            "assay train --parameters d sampled",
            "assay train --pilot sampled",
            "assay train --shares-from-run 1 sampled",
            "assay train --abort no sampled",
        ] {
            assert_eq!(read(line).unwrap_err().kind(), ErrorKind::ArgumentConflict, "{line}");
        }
    }

    #[test]
    fn arguments_that_are_not_understood_have_a_command() {
        for (line, command) in [
            ("assay train", "train"),
            ("assay --home status audit --no-such-flag", "audit"),
            ("assay --json epoch open --pool-minor many", "epoch"),
            ("assay index no-such-command", "catalog"),
            ("assay no-such-command", ""),
            ("assay", ""),
        ] {
            assert!(read(line).is_err(), "{line}");
            assert_eq!(Args::command_of(line.split(' ').map(OsString::from)), command, "{line}");
        }
    }

    #[test]
    fn errors_of_usage_name_the_program() {
        let said = read("assay key show").unwrap_err().to_string();
        assert!(said.contains("Usage: assay") && !said.contains("cli"), "{said}");
    }

    #[test]
    fn a_home_and_another_place_contradict_each_other() {
        for line in [
            "assay audit --url http://a --home h",
            "assay --home h audit --url http://a",
            "assay --home h worker --database d --storage s",
            "assay worker",
            "assay worker --database d",
            "assay key show",
        ] {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
        for line in ["assay worker --database d --storage s", "assay --home h worker", "assay key show --home h", "assay key show file"] {
            assert!(read(line).is_ok(), "{line}");
        }
    }
}
