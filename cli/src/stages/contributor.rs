//! Contributors: a key, registered with proof of possession.

use anyhow::Result;
use corpus::{ContributorId, Digest};
use ledger::entry::Registration;
use ledger::{SecretKey, Verifier};

use crate::home::Home;

/// What a contributor agrees to; its digest is in the registration.
pub const TERMS: &str = "Assay terms, version 1: documents are used for the purposes that their licences permit, under the policy of the epoch that they are submitted in; credit says what they account for in a run; amounts follow from it by that policy.\n";

/// Registers `name`: under `own` key, which stays with the contributor, or under a new one that the operator holds.
pub async fn add(home: &mut Home, name: &str, own: Option<&SecretKey>) -> Result<ContributorId> {
    let verifier = own.map(|key| Verifier { name: key.name.clone(), algorithm: key.algorithm, public: key.public() });
    let key = home.add_contributor_key(name, verifier)?;
    let id = key.id();
    if home.state.contributors.contains_key(&id) {
        return Ok(id);
    }
    let public = match &key {
        crate::home::ContributorKey::Custodial(key) => key.public(),
        crate::home::ContributorKey::Own(verifier) => verifier.public,
    };
    let entry = Registration { contributor: id, key: public, terms: Digest::of(TERMS.as_bytes()), custodial: own.is_none() };
    home.append_for(name, own, entry.into()).await?;
    Ok(id)
}
