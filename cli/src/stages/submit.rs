//! Committing to files, and submitting them.

use anyhow::Result;
use corpus::Digest;
use corpus::bundle::{Bundle, Submitted};
use ingest::{Evidence, Problem};
use ledger::SecretKey;
use ledger::entry::{Commitment, Submission};
use store::Class;

use crate::failure::usage;
use crate::home::{ContributorKey, Home};
use crate::stages::epoch;

/// Documents with their rights, ready to be committed to.
pub struct Dataset {
    /// In their order.
    pub documents: Vec<Submitted>,
    /// What was not read.
    pub problems: Vec<Problem>,
    /// The licence of the whole.
    pub evidence: Evidence,
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
    Ok(Dataset { documents, problems: dataset.problems, evidence })
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
    let bundle = bundle(home, name, dataset)?;
    let (root, documents) = (bundle.root(), bundle.documents.len() as u64);
    let contributor = home.contributor_key(name)?.id();
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
    let sequence =
        home.state.epochs.iter().flat_map(|e| &e.submissions).filter(|s| s.submission.1.contributor == contributor).count() as u64;
    let entry = Submission {
        epoch: number,
        contributor,
        sequence,
        commitment: at,
        root,
        documents,
        bytes: bundle.text_bytes(),
        bundle: home.objects.put(Class::Sealed, &bundle.encode()?)?,
        licence: dataset.evidence.licence.clone(),
        licence_evidence: dataset.evidence.kind.clone(),
        licence_evidence_digest: dataset.evidence.digest,
        attested_by: if custodial { "importer" } else { "contributor" }.to_string(),
        time: home.now,
    };
    Ok(Submitting::Submitted(home.append_for(name, key, entry.into()).await?))
}

/// The bundle of a dataset; its secret is drawn once for these files of this contributor.
fn bundle(home: &Home, name: &str, dataset: &Dataset) -> Result<Bundle> {
    let mut bundle = Bundle { secret: [0; 32], documents: dataset.documents.clone() };
    let content = Digest::of(&bundle.encode()?);
    bundle.secret = home.secret(&format!("bundle {name} {content}"))?;
    Ok(bundle)
}
