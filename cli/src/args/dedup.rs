//! `assay dedup`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use dedup::Device;

use super::reading::Columned;

/// Find the duplicates in files, without a home.
#[derive(Debug, Args)]
pub struct Dedup {
    /// A file or a folder, of any form that `assay submit` reads.
    #[arg(long)]
    pub input: PathBuf,
    #[command(flatten)]
    pub columned: Columned,
    /// Write one line a document: the id of the document that it duplicates, or its own.
    #[arg(long, value_name = "FILE")]
    pub clusters: Option<PathBuf>,
    /// Write a table with the evidence.
    #[arg(long, value_name = "FILE.parquet")]
    pub verdicts: Option<PathBuf>,
    /// Documents that nothing may hold: what has a fifth of its 13-word n-grams in them is taken out.
    #[arg(long, value_name = "PATH")]
    pub held_out: Option<PathBuf>,
    /// Jaccard similarity of 5-word shingles from which on a pair is near, and share of words from which on a document is contained.
    #[arg(long, default_value = "0.8")]
    pub threshold: String,
    /// Take what shares a band for a duplicate, without proof.
    #[arg(long)]
    pub no_verify: bool,
    /// Do not look for runs of words in common.
    #[arg(long)]
    pub no_spans: bool,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "cpu")]
    pub device: DeviceChoice,
    /// The key of the hashes, 64 hexadecimal digits, if somebody may look for edits that slip through.
    #[arg(long)]
    pub key: Option<String>,
}

/// Where to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DeviceChoice {
    /// This machine's threads.
    Cpu,
    /// A CUDA device, or an error.
    Cuda,
    /// A CUDA device if there is one.
    Auto,
}

impl DeviceChoice {
    /// The device, and what to say of it.
    pub fn open(self) -> Result<(Device, String)> {
        match self {
            DeviceChoice::Cpu => Ok((Device::Cpu, "cpu".into())),
            DeviceChoice::Cuda => Ok((Device::cuda(0)?, "cuda".into())),
            DeviceChoice::Auto => Ok(match Device::cuda(0) {
                Ok(device) => (device, "cuda".into()),
                Err(e) => (Device::Cpu, format!("cpu ({e})")),
            }),
        }
    }
}
