//! A home: `assay init`, `status`, `serve`, `catalog rebuild`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Make a home: config, keys, an empty log with its genesis.
#[derive(Debug, Args)]
pub struct Init {
    /// The log's name, for example `example.org/corpus`.
    #[arg(long)]
    pub origin: String,
    /// A Postgres URL, instead of SQLite in the home.
    #[arg(long)]
    pub database: Option<String>,
    /// Where objects are: `s3://bucket/prefix`, `gs://…` or `az://…`; default: in the home. Credentials come from the environment.
    #[arg(long, value_name = "URL")]
    pub storage: Option<String>,
    /// Currency of the pools: a code of ISO 4217, or 3 to 12 capital letters of your own.
    #[arg(long, default_value = "XTS")]
    pub currency: String,
    /// Decimals of its minor unit: those of ISO 4217, which have to be given where they are not 2; for other codes at most 24, and 2 by default.
    #[arg(long, value_parser = clap::value_parser!(u8).range(..=24))]
    pub exponent: Option<u8>,
    /// A witness that has to cosign every tree head: where it answers `add-checkpoint`, and its verifier key or the file that holds it.
    #[arg(long, value_name = "URL=VKEY")]
    pub witness: Vec<String>,
    /// Witnesses, groups and quorum as lines of a C2SP `tlog-policy`, without the log's; `home` is the home's own witness. One
    /// without a URL is asked by files.
    #[arg(long, value_name = "FILE", conflicts_with = "witness")]
    pub witness_policy: Option<PathBuf>,
}

/// Accepted, duplicate of, earned, why, paid when.
#[derive(Debug, Args)]
pub struct Status {
    /// A contributor's name or id.
    pub contributor: Option<String>,
}

/// Serve the log and its public objects over HTTP, and take entries that contributors signed.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8787")]
    pub listen: std::net::SocketAddr,
    /// Give sealed and party objects too: for auditors, on a network that only they reach.
    #[arg(long)]
    pub sealed: bool,
}

/// The catalog: what the database knows of the log.
#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Make it again from log and objects, and compare.
    Rebuild,
}
