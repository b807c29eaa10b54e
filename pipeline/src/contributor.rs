//! Contributors: a key, registered with proof of possession.

use std::collections::HashSet;

use corpus::{ContributorId, Digest};
use ledger::entry::Registration;
use ledger::payee::PayeeId;
use ledger::{SecretKey, Verifier};

use crate::error::{Context, Result, usage};
use crate::home::Home;
use crate::{names, payees};

/// What a contributor agrees to; its digest is in the registration.
pub const TERMS: &str = "Assay terms, version 1: documents are used for the purposes that their licences permit, under the policy of the epoch that they are submitted in; credit says what they account for in a run; amounts follow from it by that policy.\n";

/// The contributor that corpora of known origin are imported for, so that the first to submit somebody else's work is not its owner.
pub const COMMONS: &str = "commons";

/// Contributors that are registered, or submit, in one batch of the log where there are many: more take more memory and no less time.
pub const BATCH: usize = 1024;

/// Somebody to register.
pub struct New<'a> {
    /// Its name in this home.
    pub name: &'a str,
    /// Its own key, which stays with it; without one the operator holds a new key.
    pub own: Option<&'a SecretKey>,
    /// Text of a file that says where it is paid, which stays outside the log.
    pub payee: Option<&'a str>,
}

/// Registers one contributor, as [`add_all`] does.
///
/// # Errors
/// As [`add_all`].
pub async fn add(home: &mut Home, new: New<'_>) -> Result<ContributorId> {
    Ok(add_all(home, &[new]).await?[0])
}

/// Registers contributors that are not registered yet, in one batch of the log; gives the ids of all.
///
/// The name [`COMMONS`] stands for what belongs to everybody, which is paid to nobody.
///
/// # Errors
/// If a name or a payee cannot be taken, or the contributor is registered with another payee; then nobody is registered.
pub async fn add_all(home: &mut Home, new: &[New<'_>]) -> Result<Vec<ContributorId>> {
    let mut parsed = Vec::new();
    for New { name, own, payee } in new {
        // No key is written before all names can be taken.
        names::check(name)?;
        if *name == COMMONS && (own.is_some() || payee.is_some()) {
            return Err(usage(format!(
                "contributor {COMMONS}: stands for what belongs to everybody, and has neither a key of its own nor a payee"
            )));
        }
        parsed.push(payee.map(payees::parse).transpose().with_context(|| format!("contributor {name}"))?);
    }
    let secret = if parsed.iter().any(Option::is_some) { Some(home.secret(payees::PAYEES)?) } else { None };
    let (mut ids, mut seen, mut envelopes) = (Vec::new(), HashSet::new(), Vec::new());
    for (New { name, own, payee: source }, payee) in new.iter().zip(parsed) {
        let payee = payee.zip(secret.as_ref()).map(|(payee, secret)| payees::reference(secret, &payee));
        let verifier = own.map(|key| Verifier { name: key.name.clone(), algorithm: key.algorithm, public: key.public() });
        let (id, key) = home.add_contributor_key(name, verifier)?;
        let again = !seen.insert(id);
        ids.push(id);
        if let Some(known) = home.state.contributors.get(&id) {
            if payee.is_some() && known.registration.entry.payee != payee {
                return Err(usage(format!(
                    "contributor {name}: is registered with another payee, which cannot be changed; register another account"
                )));
            }
            continue;
        }
        if again {
            return Err(usage(format!("contributor {name}: is there twice")));
        }
        if let (Some(digest), Some(source)) = (payee, source) {
            payees::keep(home, &PayeeId::Shared(digest), source)?;
        }
        let (terms, commons) = (Digest::of(TERMS.as_bytes()), *name == COMMONS);
        let entry = Registration { contributor: id, key: key.public(), terms, custodial: own.is_none(), payee, commons };
        envelopes.push(home.signed_for(name, &key, *own, &entry.into())?);
    }
    if !envelopes.is_empty() {
        home.append_envelopes(envelopes).await?;
    }
    Ok(ids)
}
