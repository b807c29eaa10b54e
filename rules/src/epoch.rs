//! What the log and its objects say of an epoch.

use corpus::bundle::Bundle;
use corpus::canonical;
use corpus::objects::Class;
use ledger::Epoch;

use crate::archive::Archive;
use crate::error::{Context, Result};
use crate::policy::Policy;
use crate::verdicts::JudgeParameters;

/// The policy of an epoch.
pub fn policy(archive: &Archive, epoch: &Epoch) -> Result<Policy> {
    Ok(canonical::from_slice(&archive.objects.get(Class::Public, &epoch.open.entry.policy)?)?)
}

/// How documents of an epoch that is drawn are judged.
pub fn judge_parameters(archive: &Archive, epoch: &Epoch) -> Result<JudgeParameters> {
    let (open, draw) = (&epoch.open.entry, epoch.draw.as_ref().context("verdicts come after the draw")?);
    Ok(JudgeParameters::new(&policy(archive, epoch)?, open.purpose, open.dedup_key, draw.entry.seed))
}

/// The pool of an epoch.
pub fn pool(archive: &Archive, epoch: &Epoch) -> Result<Bundle> {
    Ok(Bundle::decode(&archive.objects.get(Class::Sealed, &epoch.open.entry.pool)?)?)
}
