//! Which bundles a submission has.

use corpus::objects::{Class, ReadObjects};
use corpus::parts::Parts;
use corpus::{Digest, canonical};
use ledger::Submitted;

use crate::archive::Archive;
use crate::error::{Context, Result, RulesError};

/// The list of a submission's bundles.
pub fn read_parts(objects: &dyn ReadObjects, digest: &Digest) -> Result<Parts> {
    let parts: Parts = canonical::from_slice(&objects.get(Class::Sealed, digest)?).with_context(|| format!("list of bundles {digest}"))?;
    parts.check().map_err(RulesError::Check)?;
    Ok(parts)
}

/// The bundles of a submission, without texts that are destroyed.
pub fn parts(archive: &Archive, submitted: &Submitted) -> Result<Parts> {
    read_parts(&*archive.objects, &submitted.bundle()).with_context(|| format!("submission {}", submitted.submission.index))
}
