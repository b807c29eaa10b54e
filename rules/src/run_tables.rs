//! The tables of a run's attribution, read from its objects.

use corpus::objects::Class;
use corpus::run_tables::{read_credit, read_windows};
use ledger::history::{Logged, Run};

use crate::archive::Archive;
use crate::error::{Result, RulesError};
use crate::tables::Tables;

/// The tables of a run's attribution.
///
/// # Errors
/// If the run has none, or they are no such tables.
pub fn of_run(archive: &Archive, run: &Run) -> Result<Tables> {
    let Logged { entry: a, .. } =
        run.attribution.as_ref().ok_or_else(|| RulesError::Check(format!("run {}: no attribution yet", run.intent.entry.run)))?;
    let credit = read_credit(&archive.objects.get(Class::Public, &a.credit)?)?;
    let (accounts, targets) = read_windows(&archive.objects.get(Class::Public, &a.windows)?, &credit, run.intent.entry.buckets as usize)?;
    Ok(Tables { accounts, targets, credit })
}
