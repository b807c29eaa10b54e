//! `assay quickstart`.

use std::path::PathBuf;

use clap::Args;
use corpus::licence::Purpose;

/// Everything on real text, from submission to audit; the same command goes on after a crash.
#[derive(Debug, Args)]
pub struct Quickstart {
    /// A dozen small crates and 200 steps.
    #[arg(long)]
    pub small: bool,
    /// Derive all secrets from this number: a demonstration that anybody can repeat.
    #[arg(long)]
    pub seed: Option<u64>,
    /// One folder a contributor, instead of crates.
    #[arg(long)]
    pub contributors: Option<PathBuf>,
    /// Held-out files, instead of crates.
    #[arg(long)]
    pub target: Option<PathBuf>,
    /// Licence of contributors that have none.
    #[arg(long, visible_alias = "license")]
    pub licence: Option<String>,
    /// A Hugging Face `tokenizer.json`, instead of training one.
    #[arg(long)]
    pub tokenizer: Option<PathBuf>,
    /// A RUN.toml, instead of the built-in one.
    #[arg(long)]
    pub run: Option<PathBuf>,
    /// research, commercial or weights-released.
    #[arg(long, default_value = "research")]
    pub purpose: Purpose,
    /// Windows that the audit replays.
    #[arg(long, default_value_t = 1)]
    pub replay: usize,
}
