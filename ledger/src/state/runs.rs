//! Runs and their attribution.

use corpus::{EntryIndex, RunNumber};

use super::{State, Violation, rule, some};
use crate::entry::{Attribution, Replay, RunClose, RunIntent, RunOutcome, RunProgress};
use crate::history::{Logged, Run};

impl State {
    pub(super) fn intend(&mut self, index: EntryIndex, e: RunIntent) -> Result<(), Violation> {
        rule!(index, "run-order", e.run.0 as usize == self.runs.len(), "run {}, expected {}", e.run, self.runs.len());
        let epoch = some!(index, "run-epoch", self.epochs.get(e.epoch as usize), "epoch {} is unknown", e.epoch);
        let draw = some!(index, "run-epoch", epoch.draw.as_ref(), "epoch {} is not drawn", e.epoch);
        rule!(index, "run-seed", e.seed == draw.entry.seed, "seed {}, the draw says {}", e.seed, draw.entry.seed);
        let missing = epoch.submissions.iter().find(|s| !s.is_sharded());
        rule!(
            index,
            "run-corpus",
            missing.is_none(),
            "submission {} has no verdicts or no shard",
            missing.map_or(EntryIndex(0), |m| m.submission.index)
        );
        let waiting = epoch.submissions.iter().find(|s| s.withdrawing()).map(|s| s.submission.index);
        rule!(
            index,
            "run-withdrawn",
            waiting.is_none(),
            "submission {}: a withdrawal waits for its effect",
            waiting.unwrap_or(EntryIndex(0))
        );
        let (root, documents, tokens) = epoch.corpus(index);
        rule!(
            index,
            "run-corpus",
            (e.corpus_root, e.documents, e.tokens) == (root, documents, tokens),
            "corpus {} of {} documents and {} tokens, the shards give {root} of {documents} and {tokens}",
            e.corpus_root,
            e.documents,
            e.tokens
        );
        let contributors = epoch.accepted_contributors(index).len() as u64;
        rule!(
            index,
            "run-buckets",
            e.contributors == contributors && (1..=contributors).contains(&e.buckets),
            "{} contributors in {} buckets, {contributors} have shards",
            e.contributors,
            e.buckets
        );
        self.runs.push(Run {
            intent: Logged { index, entry: e },
            progress: Vec::new(),
            close: None,
            attribution: None,
            replays: Vec::new(),
            statements: None,
            releases: Vec::new(),
        });
        Ok(())
    }

    /// The tree head that drew at the last progress of an open run, which the next entry of the run brings.
    fn check_drawn(&self, index: EntryIndex, run: &Run, drawn_from: Option<&String>) -> Result<(), Violation> {
        match (run.progress.last(), drawn_from) {
            (None, None) => Ok(()),
            (Some(Logged { index: at, .. }), Some(note)) => self.cosigned(index, note, at.0 + 1).map(|_| ()),
            (last, note) => {
                rule!(index, "progress-draw", false, "a drawn tree head {}, expected {}", note.is_some(), last.is_some());
                Ok(())
            }
        }
    }

    pub(super) fn progress(&mut self, index: EntryIndex, e: RunProgress) -> Result<(), Violation> {
        let run = self.running(index, e.run)?;
        let last = run.progress.last();
        rule!(
            index,
            "progress-order",
            last.is_none_or(|Logged { entry: l, .. }| l.step < e.step && l.windows < e.windows) && e.step <= run.intent.entry.steps,
            "step {} of run {} is not after the last progress, or beyond its {} steps",
            e.step,
            e.run,
            run.intent.entry.steps
        );
        let retired = self.epochs[run.intent.entry.epoch as usize].retired.unwrap_or(EntryIndex(0));
        rule!(
            index,
            "progress-withdrawn",
            run.intent.index > retired,
            "run {}: entry {retired} took a shard out of use; abort it and begin another",
            e.run
        );
        self.check_drawn(index, run, e.drawn_from.as_ref())?;
        let run = self.run_mut(index, e.run)?;
        run.progress.push(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn close_run(&mut self, index: EntryIndex, e: RunClose) -> Result<(), Violation> {
        let run = self.running(index, e.run)?;
        let aborted = e.outcome != RunOutcome::Completed;
        let (step, checkpoint) = run.progress.last().map_or((0, None), |Logged { entry: p, .. }| (p.step, Some(p.checkpoint)));
        rule!(
            index,
            "close-progress",
            (e.steps, e.checkpoint) == (step, checkpoint),
            "run {}: closed at step {}, the last progress is at {step}",
            e.run,
            e.steps
        );
        // A run may have to be given up because a witness does not answer.
        if !aborted || e.drawn_from.is_some() {
            self.check_drawn(index, run, e.drawn_from.as_ref())?;
        }
        let planned = run.intent.entry.steps;
        rule!(
            index,
            "close-steps",
            aborted || checkpoint.is_some() && e.steps == planned,
            "run {}: completed after {} steps of {planned}",
            e.run,
            e.steps
        );
        let run = self.run_mut(index, e.run)?;
        run.close = Some(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn attribute(&mut self, index: EntryIndex, e: Attribution) -> Result<(), Violation> {
        let run = self.run_mut(index, e.run)?;
        let closed = run.close.as_ref().is_some_and(|Logged { entry: c, .. }| c.outcome == RunOutcome::Completed);
        rule!(index, "attribution-once", closed && run.attribution.is_none(), "run {}: attributed before its completion, or twice", e.run);
        let last = &run.progress.last().expect("a closed run has progress").entry;
        rule!(
            index,
            "attribution-table",
            last.credit == e.credit,
            "run {}: credit table {}, the last progress says {}",
            e.run,
            e.credit,
            last.credit
        );
        run.attribution = Some(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn replay(&mut self, index: EntryIndex, e: Replay) -> Result<(), Violation> {
        let run = self.run_mut(index, e.run)?;
        rule!(index, "replay-after", run.attribution.is_some(), "run {}: replayed before its attribution", e.run);
        let of = run.progress.last().map_or(0, |Logged { entry: p, .. }| p.windows);
        rule!(index, "replay-windows", !e.windows.is_empty() && e.windows.iter().all(|w| *w < of), "windows {:?} of {of}", e.windows);
        run.replays.push(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn run_mut(&mut self, index: EntryIndex, number: RunNumber) -> Result<&mut Run, Violation> {
        Ok(some!(index, "run-known", self.runs.get_mut(number.0 as usize), "run {number} is unknown"))
    }

    fn running(&self, index: EntryIndex, number: RunNumber) -> Result<&Run, Violation> {
        let run = some!(index, "run-known", self.runs.get(number.0 as usize), "run {number} is unknown");
        rule!(index, "run-open", run.close.is_none(), "run {number} is closed");
        Ok(run)
    }
}
