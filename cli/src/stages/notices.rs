//! What somebody gives notice of: claims and their resolutions, policies to come, other witnesses.

use anyhow::{Context, Result};
use corpus::{DocumentRef, canonical};
use ledger::entry::{Claim, PolicyChange, Resolution, WitnessChange};
use ledger::{SecretKey, WitnessPolicy};
use store::Class;

use crate::failure::{Kind, failure, usage};
use crate::home::Home;
use crate::rules::Policy;
use crate::withdrawn::DocumentList;

/// Claims documents of others for the contributor `name`; returns the entry.
pub async fn claim(
    home: &mut Home,
    name: &str,
    documents: &[DocumentRef],
    evidence: &[u8],
    kind: String,
    key: Option<&SecretKey>,
) -> Result<u64> {
    let claimant = home.contributor_id(name)?;
    let mut documents = documents.to_vec();
    documents.sort();
    documents.dedup();
    for d in &documents {
        let submitted = home.state.submission(d.submission).filter(|s| u64::from(d.number) < s.submission.1.documents);
        let submitted = submitted.ok_or_else(|| usage(format!("document {d}: no submission has it")))?;
        if submitted.submission.1.contributor == claimant {
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

/// Says what became of a claim; returns the entry.
pub async fn resolve(home: &mut Home, claim: u64, outcome: String, reasons: &[u8]) -> Result<u64> {
    let reasons = home.objects.put(Class::Party, reasons)?;
    let entry = Resolution { claim, outcome, reasons, time: home.now };
    home.append(vec![entry.into()]).await
}

/// Announces a policy; returns the entry and the first epoch that it holds for.
pub async fn change_policy(home: &mut Home, policy: &[u8], from_epoch: Option<u32>, announcement: &[u8]) -> Result<(u64, u32)> {
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
    let Some((_, announced)) = home.state.policies.iter().rfind(|(_, p)| p.from_epoch <= next) else { return Ok(None) };
    Ok(Some(canonical::from_slice(&home.objects.get(Class::Public, &announced.policy)?)?))
}

/// Lets other witnesses cosign: `rest` are the lines of a policy beside the log's and the home's own witness; returns the entry.
pub async fn change_witnesses(home: &mut Home, rest: &str) -> Result<u64> {
    let current = home.state.witnesses.last().map(|(_, policy)| policy).context("a log that was read has witnesses")?;
    let own = current.witnesses.first().ok_or_else(|| failure(Kind::Check, "the policy in force has no witness"))?;
    let text = format!("log {}\nwitness home {}\n{rest}", current.log.to_vkey(), own.verifier.to_vkey());
    WitnessPolicy::from_text(&text).map_err(|e| usage(e.to_string()))?;
    let entry = WitnessChange { witness_policy: text, time: home.now };
    home.append(vec![entry.into()]).await
}
