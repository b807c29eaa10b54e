//! What draws decide about a run: which windows are computed again.

use corpus::Digest;
use ledger::history::{Logged, Run};

use crate::archive::Archive;
use crate::error::{Context, Result, RulesError};

/// Of the windows `[from, to)`, the one that a drawn seed names.
pub(crate) fn drawn_window(seed: &Digest, from: u64, to: u64) -> u64 {
    let number = u64::from_be_bytes(seed.0[..8].try_into().expect("eight bytes"));
    from + number % (to - from).max(1)
}

/// Which of `intervals` intervals are replayed when `count` are asked for: the first in the order of a hash of the last draw.
pub fn drawn_intervals(seed: &Digest, intervals: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..intervals).collect();
    order.sort_by_key(|&i| Digest::of_parts(&[b"assay replay draw v1", &seed.0, &(i as u64).to_be_bytes()]));
    order.truncate(count);
    order.sort_unstable();
    order
}

/// An interval of a run: what there is between two progress entries, and the window of it that is drawn.
pub struct Interval {
    /// Windows before it.
    pub from: u64,
    /// Windows up to its end.
    pub to: u64,
    /// The document table of its windows.
    pub documents: Digest,
    /// The order log of its steps.
    pub order: Digest,
    /// The strata's shares at its end.
    pub shares: Digest,
    /// The window that is drawn.
    pub drawn: u64,
}

/// The intervals of a run that is closed, in order: one ends at each progress entry.
pub fn intervals(archive: &Archive, run: &Run) -> Result<Vec<Interval>> {
    let close = &run.close.as_ref().ok_or_else(|| RulesError::Check(format!("run {}: not closed yet", run.intent.entry.run)))?.entry;
    // The tree head at a progress entry stands in the next one, the last one's in the close.
    let notes = run.progress.iter().skip(1).map(|Logged { entry: p, .. }| p.drawn_from.as_deref()).chain([close.drawn_from.as_deref()]);
    let mut found = Vec::new();
    let mut from = 0;
    for (Logged { entry: progress, .. }, note) in run.progress.iter().zip(notes) {
        let note = note.context("a later progress entry has the tree head of the one before")?;
        let drawn = drawn_window(&archive.draw_seed(note)?, from, progress.windows);
        found.push(Interval {
            from,
            to: progress.windows,
            documents: progress.documents,
            order: progress.order,
            shares: progress.shares,
            drawn,
        });
        from = progress.windows;
    }
    Ok(found)
}

/// The windows of a run that its cosigned tree heads draw, one an interval.
pub fn drawn(archive: &Archive, run: &Run) -> Result<Vec<u64>> {
    Ok(intervals(archive, run)?.iter().map(|i| i.drawn).collect())
}
