//! The home that a command works on, and when.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use pipeline::{Home, Snapshot};

use crate::output::Bars;

/// Where and when a command works.
pub struct Place {
    /// The home's folder.
    pub home: PathBuf,
    /// Seconds since 1970 that entries are dated with.
    pub now: u64,
    /// The same, if it was given; commands that last read the clock again without.
    pub dated: Option<u64>,
}

impl Place {
    /// Opens the home; its progress is shown on stderr.
    pub async fn open(&self) -> Result<Home> {
        Ok(Home::open_with(&self.home, self.now, Arc::new(Bars)).await?)
    }

    /// Reads what the home says now, for commands that only look: no lock is taken and nothing in it is written.
    pub fn look(&self) -> Result<Snapshot> {
        Ok(Snapshot::open(&self.home, self.now)?.listening(Bars))
    }
}
