//! What the log and its objects say of an epoch.

#[cfg(feature = "tables")]
use corpus::bundle::Bundle;
use corpus::canonical;
use corpus::objects::Class;
use ledger::Epoch;

use crate::archive::Archive;
use crate::error::Result;
use crate::policy::Policy;

/// The policy of an epoch.
pub fn policy(archive: &Archive, epoch: &Epoch) -> Result<Policy> {
    Ok(canonical::from_slice(&archive.objects.get(Class::Public, &epoch.open.entry.policy)?)?)
}

/// The pool of an epoch.
#[cfg(feature = "tables")]
pub fn pool(archive: &Archive, epoch: &Epoch) -> Result<Bundle> {
    Ok(Bundle::decode(&archive.objects.get(Class::Sealed, &epoch.open.entry.pool)?)?)
}
