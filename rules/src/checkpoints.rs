//! A run's checkpoints: which of them hold the whole state, and how they are read.
//!
//! A progress entry names two things. `state` is the digest of the whole state's file, before it is packed; it is there whether that file
//! is kept or not. `checkpoint` is the digest of the object that is kept, by its packed bytes: the whole state, or its parameters alone.

use corpus::Digest;
use corpus::objects::Class;
use ledger::entry::{RunIntent, RunProgress};
use ledger::history::{Logged, Run};
use trainer::{Order, Parameters, RunConfig, State, Trainer};

use crate::archive::Archive;
use crate::error::{Result, RulesError};
use crate::run_data::Engine;

/// Whether the checkpoint of a run's progress entry number `place`, from 0, holds the whole state after `step`.
///
/// The last one never does: nothing is replayed from there.
pub fn is_whole(config: &RunConfig, intent: &RunIntent, place: usize, step: u64) -> bool {
    (place as u64 + 1).is_multiple_of(config.attribution.whole_every) && step < intent.steps
}

/// The last progress entry of those that `holds` is true for from which a replay can begin, and its place.
pub fn whole_before<'r>(run: &'r Run, config: &RunConfig, holds: impl Fn(&RunProgress) -> bool) -> Option<(usize, &'r RunProgress)> {
    let mut all = run.progress.iter().enumerate().map(|(place, Logged { entry, .. })| (place, entry));
    all.rfind(|(place, p)| holds(p) && is_whole(config, &run.intent.entry, *place, p.step))
}

/// Reads a run's checkpoints.
pub struct Checkpoints<'a> {
    /// Where they are.
    pub archive: &'a Archive,
    /// What computes the run.
    pub backend: &'a Engine,
    /// The order of its documents.
    pub order: &'a Order<'a>,
    /// Digest of its config.
    pub config: Digest,
}

impl Checkpoints<'_> {
    /// The file of a checkpoint, unpacked.
    fn file(&self, trainer: &Trainer<'_, Engine>, progress: &RunProgress) -> Result<Vec<u8>> {
        let packed = self.archive.objects.get(Class::Sealed, &progress.checkpoint)?;
        let check = |shares: &[trainer::Shares]| self.order.check(shares);
        Ok(trainer.unpack(self.backend, &packed, &self.config.to_string(), check)?)
    }

    /// The state at a progress entry whose checkpoint holds it.
    ///
    /// # Errors
    /// [`RulesError::Verification`] if it is not the state that the entry names.
    pub fn state(&self, trainer: &Trainer<'_, Engine>, progress: &RunProgress) -> Result<State<Engine>> {
        let file = self.file(trainer, progress)?;
        let found = Digest::of(&file);
        if found != progress.state {
            let (checkpoint, expected) = (progress.checkpoint, progress.state);
            return Err(RulesError::Verification(format!("checkpoint {checkpoint}: expected the state {expected}, found {found}")));
        }
        Ok(trainer.load(self.backend, &file, &self.config.to_string())?)
    }

    /// The parameters at any progress entry.
    ///
    /// # Errors
    /// As the object's and the file's.
    pub fn parameters(&self, trainer: &Trainer<'_, Engine>, progress: &RunProgress) -> Result<Parameters<Engine>> {
        Ok(trainer.load_parameters(self.backend, &self.file(trainer, progress)?, &self.config.to_string())?)
    }

    /// What is wrong with the entry and its checkpoint, if steps that were taken again led to `state` there.
    ///
    /// # Errors
    /// As the object's and the file's.
    pub fn difference(
        &self,
        trainer: &Trainer<'_, Engine>,
        progress: &RunProgress,
        whole: bool,
        state: &State<Engine>,
    ) -> Result<Option<String>> {
        let config = self.config.to_string();
        if Digest::of(&trainer.save(self.backend, state, &config)?) != progress.state {
            return Ok(Some(format!("state {}: is not the one that replay leads to", progress.state)));
        }
        let (held, expected) = match whole {
            true => ("the state", progress.state),
            false => ("the parameters", Digest::of(&trainer.save_parameters(self.backend, &state.parameters(), &config)?)),
        };
        let same = Digest::of(&self.file(trainer, progress)?) == expected;
        Ok((!same).then(|| format!("checkpoint {}: does not hold {held} that replay leads to", progress.checkpoint)))
    }
}
