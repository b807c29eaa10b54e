//! A run's model, and a dataset for others: `assay generate`, `eval`, `export`.

use std::path::PathBuf;

use clap::Args;
use corpus::RunNumber;

/// Text from a run's model.
#[derive(Debug, Args)]
pub struct Generate {
    /// What the text begins with.
    pub prompt: String,
    /// The run.
    #[arg(long, default_value_t = RunNumber(0))]
    pub run: RunNumber,
    /// Tokens.
    #[arg(long, default_value_t = 64)]
    pub tokens: usize,
    /// 0 takes the likeliest token.
    #[arg(long, default_value_t = 0.8)]
    pub temperature: f64,
    /// Choose from so many of the likeliest tokens; 0 for all.
    #[arg(long, default_value_t = 40)]
    pub top: usize,
    /// What the choices derive from.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Loss and bits a byte of a run's model, by target or of a file.
#[derive(Debug, Args)]
pub struct Eval {
    /// A file or folder, instead of the targets.
    pub file: Option<PathBuf>,
    /// The run.
    #[arg(long, default_value_t = RunNumber(0))]
    pub run: RunNumber,
}

/// Write a run's model as a Hugging Face Llama folder, or Croissant metadata or a draft of the EU's training-content summary.
#[derive(Debug, Args)]
pub struct Export {
    /// What is written: a run's model, or what the log says of an epoch's corpus.
    #[arg(long, value_enum, default_value_t = Format::Llama)]
    pub format: Format,
    /// The folder, or for `croissant` and `eu-summary` the file; links in Croissant are relative to the home.
    #[arg(long)]
    pub out: PathBuf,
    /// The run, for `llama`.
    #[arg(long, default_value_t = RunNumber(0))]
    pub run: RunNumber,
    /// The epoch, for the others; default: the last.
    #[arg(long)]
    pub epoch: Option<u32>,
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
