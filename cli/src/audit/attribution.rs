//! Drawn windows of every completed run, replayed.

use anyhow::Result;

use super::Report;
use crate::home::Archive;
use crate::stages::replay::replay;

/// Windows replayed and windows in all; `None` if no run has an attribution.
pub fn check(archive: &Archive, sample: usize, report: &mut Report) -> Result<Option<(usize, u64)>> {
    let before = report.findings.len();
    let (mut replayed, mut of, mut any) = (0, 0, false);
    for run in archive.state.runs.iter().filter(|r| r.attribution.is_some()) {
        any = true;
        let result = replay(archive, run, sample, None)?;
        replayed += result.windows.len();
        of += result.of;
        let at = run.attribution.as_ref().expect("filtered").0;
        for text in &result.differences {
            report.find("attribution-replay", at, text.clone());
        }
    }
    if any {
        report.check("attribution", format!("{replayed} of {of} windows replayed"), before);
    }
    Ok(any.then_some((replayed, of)))
}
