//! Runs: `assay train`, `replay`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use corpus::RunNumber;

/// Train and attribute; the same command goes on after a crash.
#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true)]
pub struct Train {
    /// Look at a run instead.
    #[command(subcommand)]
    pub look: Option<TrainLook>,
    /// A RUN.toml.
    #[arg(required_unless_present = "abort")]
    pub run: Option<PathBuf>,
    /// The epoch; default: the last.
    #[arg(long)]
    pub epoch: Option<u32>,
    /// Only print parameters, tokens, memory and time.
    #[arg(long)]
    pub dry_run: bool,
    /// Start from the parameters of a Hugging Face Llama folder; RUN.toml then names their digest.
    #[arg(long, alias = "weights", value_name = "DIR")]
    pub parameters: Option<PathBuf>,
    /// First a pilot of a quarter of the steps, then the run that samples strata by what they are credited with per token.
    #[arg(long, conflicts_with = "shares_from_run")]
    pub pilot: bool,
    /// Sample strata by what they are credited with per token in this run.
    #[arg(long, alias = "weights-from-run", value_name = "RUN")]
    pub shares_from_run: Option<u32>,
    /// End an unfinished run with this reason.
    #[arg(long, value_name = "REASON")]
    pub abort: Option<String>,
}

impl Train {
    /// Whether anything says how to train. Beside a look it contradicts it; `Args::checked` refuses that, since for clap a global flag would too.
    pub fn says_how(&self) -> bool {
        let Train { look: _, run, epoch, dry_run, parameters, pilot, shares_from_run, abort } = self;
        *dry_run || *pilot || run.is_some() || epoch.is_some() || parameters.is_some() || shares_from_run.is_some() || abort.is_some()
    }
}

/// Looks at a run.
#[derive(Debug, Subcommand)]
pub enum TrainLook {
    Inspect(Inspect),
    #[command(alias = "draws")]
    Sampled(Sampled),
}

/// The documents of a step.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The step, from 0.
    #[arg(long)]
    pub step: u64,
    /// The run.
    #[arg(long, default_value_t = RunNumber(0))]
    pub run: RunNumber,
}

/// How often strata were sampled, beside what their sampling shares planned.
#[derive(Debug, Args)]
pub struct Sampled {
    /// The run.
    #[arg(long, default_value_t = RunNumber(0))]
    pub run: RunNumber,
}

/// Compute windows of a run again and compare them with its table.
#[derive(Debug, Args)]
pub struct Replay {
    /// The run.
    #[arg(long, default_value_t = RunNumber(0))]
    pub run: RunNumber,
    /// One window, instead of drawn ones.
    #[arg(long)]
    pub window: Option<u64>,
    /// How many drawn windows; the first time they are logged.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub sample: usize,
    /// Beside the table's estimates, each document's exact credit in these windows.
    #[arg(long)]
    pub documents: bool,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "expected a number from 1".to_string())
}
