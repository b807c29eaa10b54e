//! Committing to files, and submitting them.

use std::collections::HashMap;

use corpus::{ContributorId, Digest, EntryIndex, canonical};
use ingest::Problem;
use ledger::SecretKey;
use ledger::entry::rights::LicenseStatement;
use ledger::entry::{Commitment, LicenseSource, Rights, Submission, VerifiedBy};
use rights::licence;
use store::Class;

use crate::contributor::{self, BATCH, New};
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
    let name = home.name_of(&home.contributor_id(name)?);
    gather(&name, source, &home.secret(&salts_label(&name, view.number()))?, filters, &home.objects, &*home.listener)
}

/// What one contributor submits.
pub struct Offer<'a> {
    /// The contributor's name.
    pub name: &'a str,
    /// Its key, if the home does not hold it.
    pub key: Option<&'a SecretKey>,
    /// What was read.
    pub gathered: &'a Gathered,
    /// The commitment that the files must match; without it one is found or made.
    pub commitment: Option<EntryIndex>,
}

/// Commits to a dataset and submits it; each half only if it is not in the log yet.
///
/// # Errors
/// As [`submit_all`].
pub async fn submit(home: &mut Home, offer: Offer<'_>, commit_only: bool) -> Result<Submitting> {
    let submitted = submit_all(home, std::slice::from_ref(&offer), commit_only).await?;
    Ok(submitted.into_iter().next().expect("one of one"))
}

/// Commits to datasets in one batch of the log and submits them in another; each half only where it is not in the log yet.
///
/// # Errors
/// If a contributor or its key is unknown, or a rule of the log forbids an entry; what was committed to before stays.
pub async fn submit_all(home: &mut Home, offers: &[Offer<'_>], commit_only: bool) -> Result<Vec<Submitting>> {
    let epoch = home.epoch(None)?;
    let number = epoch.open.entry.epoch;
    let mut known: Vec<(ContributorId, ContributorKey)> = Vec::new();
    for offer in offers {
        let id = home.contributor_id(offer.name)?;
        known.push((id, home.contributor_key(offer.name)?));
    }
    let (mut places, mut commitments) = (Vec::new(), Vec::new());
    let next = home.state.next_index();
    let mut new: HashMap<Digest, EntryIndex> = HashMap::new();
    for (offer, (contributor, key)) in offers.iter().zip(&known) {
        let (root, documents) = (offer.gathered.root, offer.gathered.documents);
        let found = offer.commitment.or_else(|| epoch.commitment_to(&root)).or_else(|| new.get(&root).copied());
        places.push(found.unwrap_or(next + commitments.len() as u64));
        if found.is_none() {
            new.insert(root, next + commitments.len() as u64);
            let entry = Commitment { epoch: number, contributor: *contributor, root, documents };
            commitments.push(home.signed_for(offer.name, key, offer.key, &entry.into())?);
        }
    }
    if !commitments.is_empty() {
        home.append_envelopes(commitments).await?;
    }
    if commit_only {
        let epoch = home.epoch(None)?;
        let stage =
            |at: &EntryIndex| epoch.submission_of(*at).map_or(Submitting::Committed(*at), |s| Submitting::Already(s.submission.index));
        return Ok(places.iter().map(stage).collect());
    }
    let (mut done, mut submissions) = (Vec::new(), Vec::new());
    let mut sequences: HashMap<ContributorId, u64> = HashMap::new();
    let next = home.state.next_index();
    for ((offer, (contributor, key)), at) in offers.iter().zip(&known).zip(places) {
        if let Some(submitted) = home.epoch(None)?.submission_of(at) {
            done.push(Submitting::Already(submitted.submission.index));
            continue;
        }
        let gathered = offer.gathered;
        let custodial = matches!(key, ContributorKey::Custodial(_));
        let registered = home.state.contributors.get(contributor).map_or(0, |c| c.submissions);
        let sequence = sequences.entry(*contributor).or_insert(registered);
        let bundle = home.objects.put(Class::Sealed, &canonical::to_vec(&gathered.parts)?)?;
        home.secrets.remember(&bundle, &salts_label(&home.name_of(contributor), number))?;
        // What the signals' digests name; a crash here leaves an object that nothing refers to.
        gathered.signals.object()?.map(|list| home.objects.put(Class::Party, &list)).transpose()?;
        let problems = gathered.problems_object()?.map(|list| home.objects.put(Class::Party, &list)).transpose()?;
        let entry = Submission {
            epoch: number,
            contributor: *contributor,
            sequence: *sequence,
            commitment: at,
            root: gathered.root,
            documents: gathered.documents,
            bytes: gathered.bytes,
            bundle,
            unread: gathered.unread(),
            problems,
            origin: gathered.origin.clone(),
            rights: rights(gathered, custodial)?,
            time: home.now,
        };
        *sequence += 1;
        done.push(Submitting::Submitted(next + submissions.len() as u64));
        submissions.push(home.signed_for(offer.name, key, offer.key, &entry.into())?);
    }
    if !submissions.is_empty() {
        home.append_envelopes(submissions).await?;
    }
    Ok(done)
}

/// What became of one of many.
#[derive(Debug)]
pub struct SubmittedEach {
    /// The contributor's name.
    pub name: String,
    /// Entry of the submission.
    pub entry: EntryIndex,
    /// Its documents.
    pub documents: u64,
    /// Records that are no documents.
    pub problems: Vec<Problem>,
}

/// Submits what each source has for the contributor beside it, who is registered if it is not yet; the operator holds their keys.
///
/// It goes by batches of [`BATCH`], each registered, committed to and submitted; after a crash the same call goes on.
///
/// # Errors
/// If a source cannot be read, or a rule of the log forbids an entry; batches before it stay.
pub async fn submit_each(home: &mut Home, each: &[(String, Source)]) -> Result<Vec<SubmittedEach>> {
    let task = home.listener.clone().task("submissions", each.len() as u64);
    let mut done = Vec::new();
    for batch in each.chunks(BATCH) {
        let new: Vec<New> = batch.iter().map(|(name, _)| New { name, own: None, payee: None }).collect();
        contributor::add_all(home, &new).await?;
        let gathered = batch.iter().map(|(name, source)| read(home, name, source)).collect::<Result<Vec<_>>>()?;
        let names = batch.iter().map(|(name, _)| name);
        let offers: Vec<Offer> =
            names.zip(&gathered).map(|(name, gathered)| Offer { name, key: None, gathered, commitment: None }).collect();
        let submitted = submit_all(home, &offers, false).await?;
        for (((name, _), gathered), submitted) in batch.iter().zip(gathered).zip(submitted) {
            let (Submitting::Submitted(entry) | Submitting::Already(entry) | Submitting::Committed(entry)) = submitted;
            done.push(SubmittedEach { name: name.clone(), entry, documents: gathered.documents, problems: gathered.problems });
        }
        task.set(done.len() as u64);
    }
    Ok(done)
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
