//! What somebody gives notice of: claims and their resolutions, grants, policies to come, withdrawals.

use anyhow::Result;
use pipeline::keys::read_given;
use pipeline::notices;
use serde_json::json;
use store::files;

use crate::args::notices::{Claim, Grant, Policy, Resolve, Withdraw};
use crate::output::Output;
use crate::place::Place;

/// Claims documents of others.
pub async fn claim(place: &Place, a: Claim) -> Result<Output> {
    let key = read_given(a.key.as_deref())?;
    let mut home = place.open().await?;
    let at = notices::claim(&mut home, &a.contributor, &a.document, &files::read(&a.evidence)?, a.kind, key.as_ref()).await?;
    Ok(Output::new(format!("claim of {} documents, entry {at}", a.document.len()), json!({ "claim": at })))
}

/// Licenses documents for more than their public licence permits.
pub async fn grant(place: &Place, a: Grant) -> Result<Output> {
    let key = read_given(a.key.as_deref())?;
    let (mut home, submission) = (place.open().await?, a.submission);
    let terms = files::read(&a.terms)?;
    let at = notices::grant(&mut home, &a.contributor, submission, &a.document, a.purpose, &terms, key.as_ref()).await?;
    Ok(Output::new(format!("grant for submission {submission}, entry {at}"), json!({ "grant": at })))
}

/// Says what became of a claim.
pub async fn resolve(place: &Place, a: Resolve) -> Result<Output> {
    let (claim, outcome) = (a.claim, a.outcome);
    let at = notices::resolve(&mut place.open().await?, claim, outcome, &files::read(&a.reasons)?).await?;
    Ok(Output::new(format!("claim {claim}: {outcome}, entry {at}"), json!({ "resolution": at, "outcome": outcome })))
}

/// Announces a policy.
pub async fn policy(place: &Place, a: Policy) -> Result<Output> {
    let mut home = place.open().await?;
    let (policy, announcement) = (files::read(&a.policy)?, files::read(&a.announcement)?);
    let (at, from) = notices::change_policy(&mut home, &policy, a.from_epoch, &announcement).await?;
    Ok(Output::new(format!("policy from epoch {from} on, entry {at}"), json!({ "policy_change": at, "from_epoch": from })))
}

/// Takes documents back, and lists what is destroyed and what remains.
pub async fn withdraw(place: &Place, a: Withdraw) -> Result<Output> {
    let key = read_given(a.key.as_deref())?;
    let (mut home, submission) = (place.open().await?, a.submission);
    let done = pipeline::withdraw::withdraw(&mut home, submission, &a.document, a.consent, key.as_ref()).await?;
    let runs = &done.consequences.runs;
    let mut text = format!("entry {}: {} documents of submission {submission} are taken back\n", done.withdrawal, done.documents);
    for thing in &done.consequences.destroyed {
        text += &format!("  destroyed  {} {}\n", thing.name, thing.digest.map_or_else(String::new, |d| d.to_string()));
    }
    for thing in &done.consequences.remains {
        text += &format!("  remains    {} {}: {}\n", thing.name, thing.digest.map_or_else(String::new, |d| d.to_string()), thing.holds);
    }
    text += &match runs.is_empty() {
        true => "no run used them\n".to_string(),
        false => {
            format!("runs {runs:?} used them: parameters that are trained already are not undone; money for permitted use still flows\n")
        }
    };
    Output::of(text, &done)
}
