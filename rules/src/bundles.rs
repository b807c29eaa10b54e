//! A submission's bundles and verdicts.

use std::collections::BTreeMap;

use corpus::bundle::{Bundle, Part};
use corpus::objects::{Class, ReadObjects};
use corpus::verdict::VerdictTable;
use ledger::Submitted;
use ledger::history::Logged;

use crate::archive::Archive;
use crate::error::{Context, Result, RulesError};
use crate::parts::parts;
use crate::targets::PoolDocument;

/// A bundle of a submission, which has to be what its list says.
pub fn read_part(objects: &dyn ReadObjects, part: &Part) -> Result<Bundle> {
    let bundle = Bundle::decode(&objects.get(Class::Sealed, &part.file)?)?;
    let found = (bundle.first, bundle.documents.len());
    if found != (part.first, part.documents as usize) {
        return Err(RulesError::Check(format!(
            "bundle {}: {} documents from {}, its list says {} from {}",
            part.file, found.1, found.0, part.documents, part.first
        )));
    }
    Ok(bundle)
}

/// A verdict table of the log.
pub fn verdicts(objects: &dyn ReadObjects, submitted: &Submitted) -> Result<VerdictTable> {
    let Logged { entry: acceptance, .. } =
        submitted.acceptance.as_ref().with_context(|| format!("submission {}: not judged yet", submitted.submission.index))?;
    Ok(VerdictTable::decode(&objects.get(Class::Public, &acceptance.verdicts)?)?)
}

/// The bundle that holds document `number` of a submission, and its place in it.
pub fn bundle_of(archive: &Archive, submitted: &Submitted, number: u32) -> Result<(Bundle, usize)> {
    let parts = parts(archive, submitted)?;
    let place = parts.place_of(number).with_context(|| format!("document {}/{number}: is in no bundle", submitted.submission.index))?;
    let part = &parts.parts[place];
    Ok((read_part(&*archive.objects, part)?, (number - part.first) as usize))
}

/// What was submitted by reason: documents by verdict, and what was no document.
pub fn counts(table: &VerdictTable, unread: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut counts = table.counts();
    counts.extend(unread_counts(unread));
    counts
}

/// What was no document, by reason.
pub fn unread_counts(unread: &BTreeMap<String, u64>) -> impl Iterator<Item = (String, u64)> + '_ {
    unread.iter().map(|(code, n)| (format!("unread/{code}"), *n))
}

/// What the draw of targets looks at.
pub fn pool_documents(pool: &Bundle) -> Vec<PoolDocument> {
    pool.prepare().map(|p| PoolDocument { source: p.source, commitment: p.commitment }).collect()
}
