//! Keys that others take the place of, and keys that are revoked.

use std::path::Path;

use corpus::EntryIndex;
use ledger::entry::{Holder, KeyRevocation, KeyRotation, RevocationReason};
use ledger::key::Algorithm;
use ledger::{Entry, Envelope, PublicKey, SecretKey, Verifier};
use store::files;

use crate::error::{Context, Result, usage};
use crate::home::{ContributorKey, Home};
use crate::keys::{contributor_path, generate, read, write_like};

/// A key that is in force, or not any more, from an entry on.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Whose.
    pub holder: Holder,
    /// Its name in the home.
    pub name: String,
    /// The key.
    pub key: PublicKey,
    /// The entry.
    pub entry: EntryIndex,
}

fn holder_of(home: &Home, text: &str) -> Result<(Holder, String)> {
    let holder = match text.parse() {
        Ok(holder) => holder,
        Err(_) => Holder::Contributor(home.contributor_id(text)?),
    };
    let name = match holder {
        Holder::Contributor(id) => home.name_of(&id),
        other => other.to_string(),
    };
    home.state.key_of(&holder).ok_or_else(|| usage(format!("{text}: is not registered")))?;
    Ok((holder, name))
}

/// The key that the home holds for somebody.
fn held(home: &Home, holder: &Holder, name: &str) -> Result<Option<SecretKey>> {
    Ok(match holder {
        Holder::Operator | Holder::Approver => Some(read(&home.role_path(name))?),
        Holder::Contributor(id) => match home.key_of(id)? {
            Some(ContributorKey::Custodial(key)) => Some(key),
            _ => None,
        },
    })
}

fn second(holder: &Holder) -> &'static str {
    if *holder == Holder::Operator { "approver" } else { "operator" }
}

/// Puts another key in the place of somebody's: `new`, or one that is made where the home holds the old one.
pub async fn rotate(home: &mut Home, text: &str, new: Option<&Path>, old: Option<&Path>, recover: bool) -> Result<Changed> {
    let (holder, name) = holder_of(home, text)?;
    let in_home = held(home, &holder, &name)?;
    // A rotation that a crash cut off between the log and the file goes on with the key that it logged.
    let begun = home.dir.join("state").join(format!("rotation-{holder}.key"));
    let new = match new {
        Some(path) => read(path)?,
        None if begun.exists() => read(&begun)?,
        None if in_home.is_some() => {
            let key = generate(in_home.as_ref().map_or(&name, |k| &k.name), Algorithm::Ed25519)?;
            let path = match holder {
                Holder::Contributor(id) => contributor_path(&home.dir, &id, "key"),
                _ => home.role_path(&name),
            };
            write_like(&path, &begun, &key)?;
            key
        }
        None => return Err(usage(format!("{name}: the home does not hold its key; give the new one with --new FILE"))),
    };
    let old_key = home.state.key_of(&holder).context("looked up above")?.key;
    if old_key != new.public() {
        let signer = match (recover, old) {
            (true, _) => read(&home.role_path(second(&holder)))?,
            (false, Some(path)) => read(path)?,
            (false, None) => in_home.clone().ok_or_else(|| usage(format!("{name}: give the old key with --key FILE")))?,
        };
        let entry: Entry = KeyRotation { holder, old_key, key: new.public(), recovery: recover, time: home.now }.into();
        home.append_envelopes(vec![Envelope::sign(entry.to_payload()?, &[&signer, &new])]).await?;
    }
    let public = new.public();
    match holder {
        Holder::Operator | Holder::Approver => home.replace_role_key(&name, new)?,
        Holder::Contributor(id) if in_home.is_some() => home.replace_contributor_key(&id, &ContributorKey::Custodial(new))?,
        Holder::Contributor(id) => home.replace_contributor_key(&id, &ContributorKey::Own(Verifier::of(&new)))?,
    }
    files::remove(&begun)?;
    let since = home.state.key_of(&holder).context("just rotated")?.since;
    Ok(Changed { holder, name, key: public, entry: since })
}

/// Revokes somebody's key.
pub async fn revoke(
    home: &mut Home,
    text: &str,
    reason: RevocationReason,
    disputed_from: Option<EntryIndex>,
    key: Option<&Path>,
) -> Result<Changed> {
    let (holder, name) = holder_of(home, text)?;
    let own = match key {
        Some(path) => Some(read(path)?),
        None if reason == RevocationReason::Lost => None,
        None => held(home, &holder, &name)?,
    };
    let by_holder = own.is_some();
    let signer = match own {
        Some(key) => key,
        None => read(&home.role_path(second(&holder)))?,
    };
    let revoked = home.state.key_of(&holder).context("looked up above")?.key;
    let entry: Entry = KeyRevocation { holder, key: revoked, reason, disputed_from, by_holder, time: home.now }.into();
    let at = home.append_envelopes(vec![Envelope::sign(entry.to_payload()?, &[&signer])]).await?;
    Ok(Changed { holder, name, key: revoked, entry: at })
}
