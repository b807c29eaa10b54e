//! Drawn windows of every completed run, replayed.

use ledger::history::Logged;
use rules::EpochViews;
use rules::listener::Listener;
use rules::replay::replay;

use super::{Report, Result};

/// Windows replayed and windows in all; `None` if no run has an attribution.
pub fn check(epochs: &EpochViews<'_>, sample: usize, listener: &dyn Listener, report: &mut Report) -> Result<Option<(usize, u64)>> {
    let before = report.findings.len();
    let archive = epochs.archive;
    let destroyed = &epochs.withdrawn()?.destroyed;
    let (mut replayed, mut of, mut any) = (0, 0, false);
    for run in archive.state.runs.iter().filter(|r| r.attribution.is_some()) {
        any = true;
        let at = run.attribution.as_ref().expect("filtered").index;
        if at < report.from {
            continue;
        }
        let epoch = epochs.of_run(run).epoch;
        let files = epoch.files_before(run.intent.index);
        if let Some(shard) = files.iter().find(|f| destroyed.contains(&f.file)).map(|f| f.entry) {
            of += run.progress.last().map_or(0, |Logged { entry: p, .. }| p.windows);
            report.unverifiable(at, format!("run {}: its windows, since the shard of entry {shard} is destroyed", run.intent.entry.run));
            continue;
        }
        let result = replay(archive, run, sample, None, listener)?;
        replayed += result.windows.len();
        of += result.of;
        for text in &result.differences {
            report.find("attribution-replay", at, text.clone());
        }
    }
    if any {
        report.check("attribution", format!("{replayed} of {of} windows replayed"), before);
    }
    Ok(any.then_some((replayed, of)))
}
