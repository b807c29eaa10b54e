//! Contributors: a key, registered with proof of possession.

use corpus::{ContributorId, Digest};
use ledger::entry::Registration;
use ledger::payee::PayeeId;
use ledger::{SecretKey, Verifier};

use crate::error::{PipelineError, Result, usage};
use crate::home::Home;
use crate::payees;

/// What a contributor agrees to; its digest is in the registration.
pub const TERMS: &str = "Assay terms, version 1: documents are used for the purposes that their licences permit, under the policy of the epoch that they are submitted in; credit says what they account for in a run; amounts follow from it by that policy.\n";

/// The contributor that corpora of known origin are imported for, so that the first to submit somebody else's work is not its owner.
pub const COMMONS: &str = "commons";

/// Registers `name`: under `own` key, which stays with the contributor, or under a new one that the operator holds.
///
/// `payee` is where it is paid, which stays outside the log. The name [`COMMONS`] stands for what belongs to everybody, which is paid to
/// nobody.
pub async fn add(home: &mut Home, name: &str, own: Option<&SecretKey>, payee: Option<&str>) -> Result<ContributorId> {
    let commons = name == COMMONS;
    if commons && (own.is_some() || payee.is_some()) {
        return Err(usage(format!(
            "contributor {COMMONS}: stands for what belongs to everybody, and has neither a key of its own nor a payee"
        )));
    }
    let source = payee;
    let payee = source.map(|p| Ok::<_, PipelineError>(payees::reference(&home.secret(payees::PAYEES)?, &payees::parse(p)?))).transpose()?;
    let verifier = own.map(|key| Verifier { name: key.name.clone(), algorithm: key.algorithm, public: key.public() });
    let key = home.add_contributor_key(name, verifier)?;
    let id = home.id_of(&key);
    if let Some(known) = home.state.contributors.get(&id) {
        if payee.is_some() && known.registration.entry.payee != payee {
            return Err(usage(format!(
                "contributor {name}: is registered with another payee, which cannot be changed; register another account"
            )));
        }
        return Ok(id);
    }
    if let (Some(digest), Some(source)) = (payee, source) {
        payees::keep(home, &PayeeId::Shared(digest), source)?;
    }
    let entry =
        Registration { contributor: id, key: key.public(), terms: Digest::of(TERMS.as_bytes()), custodial: own.is_none(), payee, commons };
    home.append_for(name, own, entry.into()).await?;
    Ok(id)
}
