//! Committing to files, and submitting them.

use corpus::{EntryIndex, canonical};
use ledger::SecretKey;
use ledger::entry::rights::LicenseStatement;
use ledger::entry::{Commitment, LicenseSource, Rights, Submission, VerifiedBy};
use ledger::history::Logged;
use rights::licence;
use store::Class;

use crate::error::{Result, usage};
use crate::gather::{Gathered, Source, gather};
use crate::home::{ContributorKey, Home};

/// What became of a submission.
pub enum Submitting {
    /// Entry of the commitment; the second half is left to do.
    Committed(EntryIndex),
    /// Entry of the submission.
    Submitted(EntryIndex),
    /// It was submitted before, as this entry.
    Already(EntryIndex),
}

/// The name of the secret that a contributor's salts of an epoch come from: made once, and again after a withdrawal of consent has destroyed
/// it. The same documents in another epoch have other salts, and lie in other files.
pub(crate) fn salts_label(name: &str, epoch: u32) -> String {
    format!("salts {name} {epoch}")
}

/// Reads what the contributor `name` submits into bundles; they lie in the home's objects then, and nothing refers to them yet.
pub fn read(home: &Home, name: &str, source: &Source) -> Result<Gathered> {
    let view = home.view(None)?;
    let filters = &view.policy()?.filters;
    gather(name, source, &home.secret(&salts_label(name, view.number()))?, filters, &home.objects, &*home.listener)
}

/// Commits to a dataset and submits it; each half only if it is not in the log yet.
///
/// `commitment` names the commitment that the files must match; without it one is found or made.
pub async fn submit(
    home: &mut Home,
    name: &str,
    key: Option<&SecretKey>,
    gathered: &Gathered,
    commitment: Option<EntryIndex>,
    commit_only: bool,
) -> Result<Submitting> {
    let (root, documents) = (gathered.root, gathered.documents);
    let contributor = home.contributor_id(name)?;
    let epoch = home.epoch(None)?;
    let number = epoch.open.entry.epoch;
    let found =
        commitment.or_else(|| epoch.commitments.iter().find(|Logged { entry: c, .. }| c.root == root).map(|Logged { index: at, .. }| *at));
    let at = match found {
        Some(at) => at,
        None => {
            let entry = Commitment { epoch: number, contributor, root, documents };
            home.append_for(name, key, entry.into()).await?
        }
    };
    if let Some(submitted) = home.epoch(None)?.submission_of(at) {
        return Ok(Submitting::Already(submitted.submission.index));
    }
    if commit_only {
        return Ok(Submitting::Committed(at));
    }
    let custodial = matches!(home.contributor_key(name)?, ContributorKey::Custodial(_));
    let sequence = home.state.contributors.get(&contributor).map_or(0, |c| c.submissions);
    let bundle = home.objects.put(Class::Sealed, &canonical::to_vec(&gathered.parts)?)?;
    home.secrets.remember(&bundle, &salts_label(name, number))?;
    // What the signals' digests name; a crash here leaves an object that nothing refers to.
    gathered.signals.object()?.map(|list| home.objects.put(Class::Party, &list)).transpose()?;
    let problems = gathered.problems_object()?.map(|list| home.objects.put(Class::Party, &list)).transpose()?;
    let entry = Submission {
        epoch: number,
        contributor,
        sequence,
        commitment: at,
        root,
        documents,
        bytes: gathered.bytes,
        bundle,
        unread: gathered.unread(),
        problems,
        origin: gathered.origin.clone(),
        rights: rights(gathered, custodial)?,
        time: home.now,
    };
    Ok(Submitting::Submitted(home.append_for(name, key, entry.into()).await?))
}

/// The manifest's term for where a licence was found.
fn license_source(source: licence::Source) -> LicenseSource {
    match source {
        licence::Source::RowField => LicenseSource::RowField,
        licence::Source::File => LicenseSource::File,
        licence::Source::LicenceFile => LicenseSource::LicenceFile,
        licence::Source::DatasetCard => LicenseSource::DatasetCard,
        licence::Source::CargoManifest => LicenseSource::CargoManifest,
        licence::Source::Declared => LicenseSource::Declared,
    }
}

/// The manifest's rights: what was read, and what the submitter states.
pub fn rights(gathered: &Gathered, custodial: bool) -> Result<Rights> {
    let verified_by = if custodial { VerifiedBy::Importer } else { VerifiedBy::Contributor };
    let statement =
        |s: &licence::Statement| LicenseStatement { source: license_source(s.source), license: s.expression.clone(), digest: s.digest };
    let statements = gathered.licence.statements.iter().map(statement).collect();
    let read = Rights::of_license(&gathered.licence.expression, statements, verified_by);
    let rights = Rights { opt_out_signals: gathered.signals.summary()?, ..gathered.stated.apply(read) };
    rights.check().map_err(usage)?;
    Ok(rights)
}
