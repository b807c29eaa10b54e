//! Where a run's shares of strata come from: a file, or what an earlier run credits them with.

use std::collections::BTreeMap;
use std::path::Path;

use corpus::{Digest, RunNumber, canonical};
use rules::earned::table_of_run;
use rules::shares::ShareTable;
use store::Class;
use trainer::{Sampling, SamplingRule};

use crate::error::{Context, Result, usage};
use crate::home::Home;
use crate::snapshot::Snapshot;

/// The table of a file.
pub fn table_of_file(path: &Path) -> Result<ShareTable> {
    let text = store::files::read_text(path)?;
    let shares: BTreeMap<String, f64> = toml::from_str(&text).with_context(|| path.display().to_string())?;
    if let Some((name, w)) = shares.iter().find(|(_, w)| !(0.0..=1e6).contains(*w)) {
        return Err(usage(format!("{}: {name} = {w}, expected a sampling share from 0 to a million", path.display())));
    }
    let shares_ppm = shares.into_iter().map(|(name, w)| (name, (w * 1e6).round() as u64)).collect();
    Ok(ShareTable { version: 2, from_run: None, shares_ppm })
}

/// Puts the digest of the table that `sampling` asks for in its place, so that the config decides the run by itself.
pub fn resolve(home: &Home, sampling: &mut Sampling) -> Result<()> {
    keep(home, sampling, |bytes| Ok(home.objects.put(Class::Public, bytes)?))
}

/// The same for a run that is only estimated: the table lies beside the home's objects, as long as the snapshot does.
pub fn resolve_looking(home: &Snapshot, sampling: &mut Sampling) -> Result<()> {
    keep(home, sampling, |bytes| home.make(Class::Public, bytes))
}

fn keep(home: &Snapshot, sampling: &mut Sampling, put: impl FnOnce(&[u8]) -> Result<Digest>) -> Result<()> {
    let table = match (sampling.rule, sampling.run, sampling.file.take()) {
        (SamplingRule::FromRun, Some(run), _) => table_of_run(home, RunNumber(run), sampling.cap)?,
        (SamplingRule::File, _, Some(path)) => table_of_file(&path)?,
        _ => return Ok(()),
    };
    sampling.table = Some(put(&canonical::to_vec(&table)?)?.to_string());
    Ok(())
}
