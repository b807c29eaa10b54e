//! Witnesses: `assay witness serve`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// A witness: it cosigns tree heads that grew from the last one it saw, and remembers that one.
#[derive(Debug, Subcommand)]
pub enum Witness {
    Change(Change),
    Key(Key),
    Serve(Serve),
    Cosign(Cosign),
}

/// Let other witnesses cosign a home's log from the next entry on.
#[derive(Debug, Args)]
pub struct Change {
    /// Witnesses, groups and quorum as lines of a C2SP `tlog-policy`, as for `init --witness-policy`.
    pub policy: PathBuf,
}

/// Make its key, and print the verifier key for the logs that will name it.
#[derive(Debug, Args)]
pub struct Key {
    /// Its name, for example `witness.example.org`.
    pub name: String,
    /// Where to write it.
    #[arg(long)]
    pub out: PathBuf,
}

/// Answer `POST /add-checkpoint` over HTTP.
#[derive(Debug, Args)]
pub struct Serve {
    /// Address and port.
    #[arg(long, default_value = "127.0.0.1:8420")]
    pub listen: std::net::SocketAddr,
    #[command(flatten)]
    pub what: Witnessing,
}

/// Answer one request from a file, on a machine without a network.
#[derive(Debug, Args)]
pub struct Cosign {
    /// The request, as it would be posted.
    pub request: PathBuf,
    /// Where to write the cosignature line.
    #[arg(long)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub what: Witnessing,
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
