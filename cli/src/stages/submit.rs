//! Committing to files, and submitting them.

use anyhow::Result;
use corpus::Digest;
use corpus::bundle::{Bundle, Submitted};
use ingest::{Evidence, Problem};
use ledger::SecretKey;
use ledger::entry::{Commitment, Rights, Submission};
use store::Class;

use crate::failure::usage;
use crate::home::{ContributorKey, Home};
use crate::rights::StatedRights;
use crate::stages::epoch;

/// Documents with their rights, ready to be committed to.
pub struct Dataset {
    /// In their order.
    pub documents: Vec<Submitted>,
    /// What was not read.
    pub problems: Vec<Problem>,
    /// The licence of the whole.
    pub evidence: Evidence,
    /// What else is said of its rights.
    pub stated: StatedRights,
}

/// Reads `path` and resolves its licence.
pub fn read_dataset(name: &str, path: &std::path::Path, manifest: Option<(&str, &[u8])>, declared: Option<&str>) -> Result<Dataset> {
    let dataset = ingest::read(path, manifest.is_none())?;
    if dataset.records.is_empty() {
        let found = dataset.problems.iter().map(|p| format!("{}: {}", p.place, p.reason)).take(5).collect::<Vec<_>>().join("; ");
        return Err(usage(format!(
            "{}: expected at least one readable document, found none{}{found}",
            path.display(),
            if found.is_empty() { "" } else { ": " }
        )));
    }
    let (documents, evidence) = ingest::resolve(name, &dataset, manifest, declared)?;
    Ok(Dataset { documents, problems: dataset.problems, evidence, stated: StatedRights::default() })
}

/// What became of a submission.
pub enum Submitting {
    /// Entry of the commitment; the second half is left to do.
    Committed(u64),
    /// Entry of the submission.
    Submitted(u64),
    /// It was submitted before, as this entry.
    Already(u64),
}

/// Commits to a dataset and submits it; each half only if it is not in the log yet.
///
/// `commitment` names the commitment that the files must match; without it one is found or made.
pub async fn submit(
    home: &mut Home,
    name: &str,
    key: Option<&SecretKey>,
    dataset: &Dataset,
    commitment: Option<u64>,
    commit_only: bool,
) -> Result<Submitting> {
    let (bundle, label) = bundle(home, name, dataset)?;
    let (root, documents) = (bundle.root(), bundle.documents.len() as u64);
    let contributor = home.contributor_id(name)?;
    let epoch = epoch::find(home, None)?;
    let number = epoch.open.1.epoch;
    let found = commitment.or_else(|| epoch.commitments.iter().find(|(_, c)| c.root == root).map(|(at, _)| *at));
    let at = match found {
        Some(at) => at,
        None => {
            let entry = Commitment { epoch: number, contributor, root, documents };
            home.append_for(name, key, entry.into()).await?
        }
    };
    if let Some(submitted) = epoch::find(home, None)?.submission_of(at) {
        return Ok(Submitting::Already(submitted.submission.0));
    }
    if commit_only {
        return Ok(Submitting::Committed(at));
    }
    let custodial = matches!(home.contributor_key(name)?, ContributorKey::Custodial(_));
    let sequence = home.state.contributors.get(&contributor).map_or(0, |c| c.submissions);
    let object = home.objects.put(Class::Sealed, &bundle.encode()?)?;
    home.remember_secret(&object, &label)?;
    let entry = Submission {
        epoch: number,
        contributor,
        sequence,
        commitment: at,
        root,
        documents,
        bytes: bundle.text_bytes(),
        bundle: object,
        rights: rights(dataset, custodial)?,
        time: home.now,
    };
    Ok(Submitting::Submitted(home.append_for(name, key, entry.into()).await?))
}

/// The manifest's rights: the licence that was read, and what the submitter states.
fn rights(dataset: &Dataset, custodial: bool) -> Result<Rights> {
    let evidence = &dataset.evidence;
    let verified_by = if custodial { "importer" } else { "contributor" };
    let rights = dataset.stated.apply(Rights::of_license(&evidence.licence, &evidence.kind, evidence.digest, verified_by));
    rights.check().map_err(usage)?;
    Ok(rights)
}

/// The bundle of a dataset, and the label of its secret, which is drawn once for these files of this contributor.
fn bundle(home: &Home, name: &str, dataset: &Dataset) -> Result<(Bundle, String)> {
    let mut bundle = Bundle { secret: [0; 32], documents: dataset.documents.clone(), redaction: None };
    let content = Digest::of(&bundle.encode()?);
    let label = format!("bundle {name} {content}");
    bundle.secret = home.secret(&label)?;
    Ok((bundle, label))
}
