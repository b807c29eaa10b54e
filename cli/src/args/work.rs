//! The job queue: `assay jobs`, `worker`.

use clap::Args;
use pipeline::jobs::LEASE_MS;

/// The job queue: counts, rates, time left, who does what, and what nobody could do.
#[derive(Debug, Args)]
pub struct Jobs {
    /// Show it again every second until nothing is left.
    #[arg(long)]
    pub watch: bool,
    /// Let jobs be tried again that nobody could do.
    #[arg(long)]
    pub retry: bool,
    /// Each job, those that are done too.
    #[arg(long)]
    pub all: bool,
}

/// Do jobs for a home whose database is Postgres, until it is told to stop; it then ends the job that it has.
#[derive(Debug, Args)]
pub struct Worker {
    /// The database: a Postgres URL.
    #[arg(long, value_name = "URL", requires = "storage")]
    pub database: Option<String>,
    /// The objects: the URL of an object store, or a folder that several machines see.
    #[arg(long, value_name = "URL", requires = "database")]
    pub storage: Option<String>,
    /// Milliseconds without a sign of life after which others may take its job.
    #[arg(long, default_value_t = LEASE_MS, value_parser = clap::value_parser!(i64).range(100..))]
    pub lease_ms: i64,
    /// End once there is nothing to do.
    #[arg(long)]
    pub exit_when_idle: bool,
}
