//! What the log and its objects say of an epoch, read once and handed on.

use std::sync::{Arc, OnceLock};

#[cfg(feature = "tables")]
use corpus::bundle::Bundle;
use corpus::canonical;
use corpus::objects::Class;
use ledger::Epoch;
use ledger::history::Run;

use crate::archive::Archive;
use crate::error::Result;
use crate::policy::Policy;
use crate::withdrawn::Withdrawn;

/// An epoch with what its objects hold: each is read when it is first asked for, and never again.
///
/// The books are not in it: they are of a place in the log, and [`crate::accounting::Accounting`] goes on from one to the next.
pub struct EpochView<'a> {
    /// Log and objects.
    pub archive: &'a Archive,
    /// What the log says of it.
    pub epoch: &'a Epoch,
    policy: OnceLock<Policy>,
    withdrawn: Arc<OnceLock<Withdrawn>>,
}

impl<'a> EpochView<'a> {
    /// The view of an epoch of `archive`.
    pub fn of(archive: &'a Archive, epoch: &'a Epoch) -> EpochView<'a> {
        EpochView { archive, epoch, policy: OnceLock::new(), withdrawn: Arc::default() }
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.epoch.open.entry.epoch
    }

    /// What it binds the operator to.
    ///
    /// # Errors
    /// If the object cannot be read, or is no policy.
    pub fn policy(&self) -> Result<&Policy> {
        once(&self.policy, || Ok(canonical::from_slice(&self.archive.objects.get(Class::Public, &self.epoch.open.entry.policy)?)?))
    }

    /// All withdrawals of the log, of which [`Withdrawn::before`] gives those before an entry.
    ///
    /// # Errors
    /// If a list that the log names cannot be read.
    pub fn withdrawn(&self) -> Result<&Withdrawn> {
        once(&self.withdrawn, || Withdrawn::of(self.archive))
    }

    /// Its pool of held-out documents. The view does not keep it, since it is as large as its texts: who asks hands it on.
    ///
    /// # Errors
    /// If the object cannot be read, or is no bundle.
    #[cfg(feature = "tables")]
    pub fn pool(&self) -> Result<Bundle> {
        Ok(Bundle::decode(&self.archive.objects.get(Class::Sealed, &self.epoch.open.entry.pool)?)?)
    }
}

/// The epochs of an archive; withdrawals are read once for all of them.
pub struct EpochViews<'a> {
    /// Log and objects.
    pub archive: &'a Archive,
    all: Vec<EpochView<'a>>,
    withdrawn: Arc<OnceLock<Withdrawn>>,
}

impl<'a> EpochViews<'a> {
    /// The views of all epochs of `archive`.
    pub fn of(archive: &'a Archive) -> EpochViews<'a> {
        let withdrawn = Arc::default();
        let view = |epoch| EpochView { withdrawn: Arc::clone(&withdrawn), ..EpochView::of(archive, epoch) };
        EpochViews { archive, all: archive.state.epochs.iter().map(view).collect(), withdrawn }
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &EpochView<'a>> {
        self.all.iter()
    }

    /// The view of epoch `number`.
    ///
    /// # Panics
    /// If there is none; a log whose rules hold names no such epoch.
    pub fn number(&self, number: u32) -> &EpochView<'a> {
        &self.all[number as usize]
    }

    /// The view of a run's epoch.
    ///
    /// # Panics
    /// If it is of another log.
    pub fn of_run(&self, run: &Run) -> &EpochView<'a> {
        self.number(run.intent.entry.epoch)
    }

    /// All withdrawals of the log.
    ///
    /// # Errors
    /// As [`EpochView::withdrawn`].
    pub fn withdrawn(&self) -> Result<&Withdrawn> {
        once(&self.withdrawn, || Withdrawn::of(self.archive))
    }
}

impl Archive {
    /// The view of epoch `number`, or of the last one.
    ///
    /// # Errors
    /// As [`Archive::epoch`].
    pub fn view(&self, number: Option<u32>) -> Result<EpochView<'_>> {
        Ok(EpochView::of(self, self.epoch(number)?))
    }

    /// The view of a run's epoch.
    ///
    /// # Panics
    /// If the run is of another log.
    pub fn view_of(&self, run: &Run) -> EpochView<'_> {
        EpochView::of(self, &self.state.epochs[run.intent.entry.epoch as usize])
    }
}

/// What a cell holds; `read` fills it first if it is empty.
fn once<T>(cell: &OnceLock<T>, read: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(known) = cell.get() {
        return Ok(known);
    }
    let found = read()?;
    Ok(cell.get_or_init(|| found))
}
