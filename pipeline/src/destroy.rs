//! Removal of objects that the log says were destroyed.

use rules::Archive;
use rules::withdrawn::Withdrawn;
use store::{Class, Objects};

use crate::error::Result;
use crate::secrets::Secrets;

/// Removes what the log says was destroyed and a crash left.
pub fn destroy(archive: &Archive, objects: &Objects, secrets: &Secrets) -> Result<()> {
    let withdrawn = Withdrawn::of(archive)?;
    for digest in withdrawn.destroyed.iter().chain(&withdrawn.words) {
        for class in Class::ALL {
            objects.remove(class, digest)?;
        }
    }
    for s in archive.state.epochs.iter().flat_map(|e| &e.submissions).filter(|s| s.bundle() != s.submission.entry.bundle) {
        secrets.destroy(&s.submission.entry.bundle)?;
    }
    Ok(())
}
