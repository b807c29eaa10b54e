//! What somebody gives notice of: claims and their resolutions, policies to come, other witnesses.

use corpus::licence::Purpose;
use corpus::{DocumentRef, EntryIndex, canonical};
use ledger::entry::rights::grant_sentence;
use ledger::entry::{Claim, ClaimOutcome, EvidenceKind, Grant, PolicyChange, Resolution, WitnessChange};
use ledger::history::Logged;
use ledger::{SecretKey, WitnessPolicy};
use rules::policy::Policy;
use rules::withdrawn::DocumentList;
use store::Class;

use crate::error::{Context, Kind, Result, failure, usage};
use crate::home::{ContributorKey, Home};

/// Claims documents of others for the contributor `name`; returns the entry.
pub async fn claim(
    home: &mut Home,
    name: &str,
    documents: &[DocumentRef],
    evidence: &[u8],
    kind: EvidenceKind,
    key: Option<&SecretKey>,
) -> Result<EntryIndex> {
    let claimant = home.contributor_id(name)?;
    let mut documents = documents.to_vec();
    documents.sort();
    documents.dedup();
    for d in &documents {
        let submitted = home.state.submission(d.submission).filter(|s| u64::from(d.number) < s.submission.entry.documents);
        let submitted = submitted.ok_or_else(|| usage(format!("document {d}: no submission has it")))?;
        if submitted.submission.entry.contributor == claimant {
            return Err(usage(format!("document {d}: is {name}'s own already")));
        }
    }
    let list = DocumentList { documents };
    let entry = Claim {
        claimant,
        documents: list.documents.len() as u64,
        list: home.objects.put(Class::Public, &canonical::to_vec(&list)?)?,
        evidence_kind: kind,
        evidence: home.objects.put(Class::Sealed, evidence)?,
        time: home.now,
    };
    home.append_for(name, key, entry.into()).await
}

/// Licenses documents of a submission of the contributor `name` for more than their public licence permits; returns the entry.
///
/// No numbers mean all of its documents.
pub async fn grant(
    home: &mut Home,
    name: &str,
    submission: EntryIndex,
    numbers: &[u32],
    mut purposes: Vec<Purpose>,
    terms: &[u8],
    key: Option<&SecretKey>,
) -> Result<EntryIndex> {
    let contributor = home.contributor_id(name)?;
    if matches!(home.contributor_key(name)?, ContributorKey::Custodial(_)) {
        let text = format!("{name}: a grant is signed with a key of the contributor's own; the operator holds the key of what it imports");
        return Err(failure(Kind::Check, text));
    }
    let submitted = home.state.submission(submission).ok_or_else(|| usage(format!("submission {submission}: there is none")))?;
    let all = submitted.submission.entry.documents;
    if let Some(number) = numbers.iter().find(|n| u64::from(**n) >= all) {
        return Err(usage(format!("document {submission}/{number}: the submission has {all} documents, from 0 on")));
    }
    let mut documents: Vec<DocumentRef> = numbers.iter().map(|number| DocumentRef { submission, number: *number }).collect();
    documents.sort();
    documents.dedup();
    purposes.sort();
    purposes.dedup();
    let count = if documents.is_empty() { all } else { documents.len() as u64 };
    let list = DocumentList { documents };
    let list = (!list.documents.is_empty()).then(|| -> Result<_> { Ok(home.objects.put(Class::Public, &canonical::to_vec(&list)?)?) });
    let terms = home.objects.put(Class::Public, terms)?;
    let statement = grant_sentence(&purposes, &terms);
    let entry = Grant { contributor, submission, documents: count, list: list.transpose()?, purposes, terms, statement, time: home.now };
    home.append_for(name, key, entry.into()).await
}

/// Says what became of a claim; returns the entry.
pub async fn resolve(home: &mut Home, claim: EntryIndex, outcome: ClaimOutcome, reasons: &[u8]) -> Result<EntryIndex> {
    let reasons = home.objects.put(Class::Party, reasons)?;
    let entry = Resolution { claim, outcome, reasons, time: home.now };
    home.append(vec![entry.into()]).await
}

/// Announces a policy; returns the entry and the first epoch that it holds for.
pub async fn change_policy(home: &mut Home, policy: &[u8], from_epoch: Option<u32>, announcement: &[u8]) -> Result<(EntryIndex, u32)> {
    let policy: Policy = serde_json::from_slice(policy).map_err(|e| usage(format!("policy: {e}")))?;
    let genesis = home.genesis();
    if (policy.currency.as_str(), policy.currency_exponent) != (genesis.currency.as_str(), genesis.currency_exponent) {
        return Err(usage(format!("policy: currency {}, the log's is {}", policy.currency, genesis.currency)));
    }
    if let Some(fault) = policy.fault() {
        return Err(usage(format!("policy: {fault}")));
    }
    let from_epoch = from_epoch.unwrap_or(u32::try_from(home.state.epochs.len())?);
    let entry = PolicyChange {
        policy: home.objects.put(Class::Public, &canonical::to_vec(&policy)?)?,
        from_epoch,
        announcement: home.objects.put(Class::Public, announcement)?,
        time: home.now,
    };
    Ok((home.append(vec![entry.into()]).await?, from_epoch))
}

/// The policy that was announced for the next epoch.
pub fn announced_policy(home: &Home) -> Result<Option<Policy>> {
    let next = u32::try_from(home.state.epochs.len())?;
    let Some(Logged { entry: announced, .. }) = home.state.policies.iter().rfind(|Logged { entry: p, .. }| p.from_epoch <= next) else {
        return Ok(None);
    };
    Ok(Some(canonical::from_slice(&home.objects.get(Class::Public, &announced.policy)?)?))
}

/// Lets other witnesses cosign: `rest` are the lines of a policy beside the log's and the home's own witness; returns the entry.
pub async fn change_witnesses(home: &mut Home, rest: &str) -> Result<EntryIndex> {
    let current = home.state.witnesses.last().map(|Logged { entry: policy, .. }| policy).context("a log that was read has witnesses")?;
    let own = current.witnesses.first().ok_or_else(|| failure(Kind::Check, "the policy in force has no witness"))?;
    let text = format!("log {}\nwitness home {}\n{rest}", current.log.to_vkey(), own.verifier.to_vkey());
    WitnessPolicy::from_text(&text).map_err(|e| usage(e.to_string()))?;
    let entry = WitnessChange { witness_policy: text, time: home.now };
    home.append(vec![entry.into()]).await
}
