//! Submissions: `assay submit`, `import`, `submission show`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use corpus::EntryIndex;

use super::reading::Reading;

/// Commit to files and submit them.
#[derive(Debug, Args)]
pub struct Submit {
    /// The contributor's name.
    pub contributor: String,
    #[command(flatten)]
    pub reading: Reading,
    /// The contributor's secret key, if it is not in the home.
    #[arg(long)]
    pub key: Option<PathBuf>,
    /// Only the first half: the salted root.
    #[arg(long)]
    pub commit_only: bool,
    /// The commitment's entry that the files have to match.
    #[arg(long)]
    pub commitment: Option<EntryIndex>,
    /// Only say what would become of every record.
    #[arg(long)]
    pub dry_run: bool,
}

/// Submit a corpus with known origins under a key that the operator holds.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("owner").required(true)))]
pub struct Import {
    #[command(flatten)]
    pub reading: Reading,
    /// A name for where it comes from, which every document's source begins with.
    #[arg(long, value_name = "NAME")]
    pub source: String,
    /// For everybody: it outranks who commits to the same texts later, and is paid to nobody.
    #[arg(long = "as", value_name = "commons", value_parser = ["commons"], group = "owner")]
    pub commons: Option<String>,
    /// For this contributor, who is registered if it is not yet.
    #[arg(long = "for", value_name = "CONTRIBUTOR", group = "owner")]
    pub contributor: Option<String>,
    /// One contributor per folder below PATH, with the folder's name, who is registered if it is not yet.
    #[arg(long, group = "owner", conflicts_with = "dry_run")]
    pub each: bool,
    /// Only say what would become of every record.
    #[arg(long)]
    pub dry_run: bool,
}

/// What is done with submissions.
#[derive(Debug, Subcommand)]
pub enum Submission {
    Show(Show),
}

/// Counts by verdict, clusters, and whose documents it duplicates.
#[derive(Debug, Args)]
pub struct Show {
    /// The log entry of the submission, or of its commitment.
    pub submission: EntryIndex,
    /// Each document with its evidence.
    #[arg(long)]
    pub documents: bool,
    /// Judge it again, as of the size that the log had then.
    #[arg(long)]
    pub replay: bool,
}
