//! Where somebody is paid: a TOML file that stays encrypted in the home. The log has a keyed digest of it.

use corpus::{ContributorId, Digest};
use hmac::{Hmac, Mac};
use ledger::payee::PayeeId;
use rails::latin::latin;
use rails::pain001::{MAX_NAME, MAX_POSTCODE, MAX_STREET, MAX_TOWN};
use rails::text::TextError;
use rails::{Address, Payee, address, iban, near, text};
use rules::accounting::payee_of;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::{Context, Kind, Result, failure, usage};
use crate::home::Home;
use crate::snapshot::Snapshot;
use crate::vault;

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum File {
    Bank {
        name: String,
        iban: String,
        bic: Option<String>,
        street: Option<String>,
        postcode: Option<String>,
        town: Option<String>,
        country: String,
    },
    Evm {
        address: String,
    },
    Near {
        account: String,
    },
    Other {
        reference: String,
    },
}

/// Text of a payee, and what stands in a bank's file for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spelled {
    /// As it was given.
    pub given: String,
    /// In the letters that banks take.
    pub written: String,
}

impl Spelled {
    /// `given`, if it is written otherwise.
    pub(crate) fn of(given: &str) -> Option<Spelled> {
        let written = latin(given);
        (written != given).then(|| Spelled { given: given.to_string(), written: written.into_owned() })
    }
}

/// Texts of `payee` that a bank's file has in other letters.
pub fn spelled(payee: &Payee) -> Vec<Spelled> {
    let Payee::Bank { name, address, .. } = payee else { return Vec::new() };
    let address = address.iter().flat_map(|a| [a.street.as_deref(), a.postcode.as_deref(), Some(a.town.as_str())]).flatten();
    std::iter::once(name.as_str()).chain(address).filter_map(Spelled::of).collect()
}

/// Text of a payee that a bank has to take, once it is in its letters.
fn check_text(what: &str, given: &str, max: usize) -> Result<()> {
    let written = latin(given);
    let bad = |why: &dyn std::fmt::Display| usage(format!("payee: {what} {given:?} {why}"));
    text::check(&written, max).map_err(|e| match e {
        TextError::Character { .. } => bad(&format!("{e}; give it in Latin letters, as the bank has it")),
        TextError::Length { found, .. } if written != given => {
            bad(&format!("is {found} characters long as {written:?}, expected at most {max}"))
        }
        e => bad(&e),
    })?;
    if written.chars().any(|c| c.is_ascii_alphanumeric()) { Ok(()) } else { Err(bad(&"has no letter and no digit")) }
}

/// Reads a payee file: `kind` is `bank`, `evm`, `near` or `other`.
pub fn parse(source: &str) -> Result<Payee> {
    let bad = |e: &dyn std::fmt::Display| usage(format!("payee: {e}"));
    let file: File = toml::from_str(source).map_err(|e| bad(&e.to_string().trim_end()))?;
    Ok(match file {
        File::Bank { name, iban, bic, street, postcode, town, country } => {
            let iban: String = iban.split_whitespace().collect();
            iban::check_iban(&iban).map_err(|e| bad(&e))?;
            bic.as_deref().map_or(Ok(()), iban::check_bic).map_err(|e| bad(&e))?;
            check_text("name", &name, MAX_NAME)?;
            if !iban::is_country(&country) {
                return Err(bad(&format!("country {country:?}, expected two capital letters of ISO 3166-1")));
            }
            let parts = [("street", &street, MAX_STREET), ("postcode", &postcode, MAX_POSTCODE), ("town", &town, MAX_TOWN)];
            for (what, text, max) in parts {
                text.as_deref().map_or(Ok(()), |text| check_text(what, text, max))?;
            }
            let address = match town {
                Some(town) => Some(Address { street, postcode, town }),
                None if street.is_some() || postcode.is_some() => {
                    return Err(bad(&"an address without a town, which banks refuse; give town, or neither street nor postcode"));
                }
                None => None,
            };
            Payee::Bank { name, iban, bic, country, address }
        }
        File::Evm { address: text } => Payee::Evm(address::parse(&text).map_err(|e| bad(&e))?),
        File::Near { account } => {
            near::check_account(&account).map_err(|e| bad(&e))?;
            Payee::Near(account)
        }
        // Accounts of one reference are netted: those that say nothing must not become one payee.
        File::Other { reference } if !reference.chars().any(char::is_alphanumeric) => {
            return Err(bad(&format!("reference {reference:?}, expected one with a letter or a digit, which nobody else has")));
        }
        File::Other { reference } => Payee::Other(reference),
    })
}

/// The secret's label under which payees have a digest in the log.
pub(crate) const PAYEES: &str = "payees";

/// What the log has of a payee, under the home's secret for payees: accounts of one payee have the same, and nobody without the
/// secret can try guesses.
pub fn reference(secret: &[u8; 32], payee: &Payee) -> Digest {
    let normal = match payee {
        Payee::Bank { iban, .. } => format!("bank {iban}"),
        Payee::Evm(account) => format!("evm {}", address::checksummed(account)),
        Payee::Near(account) => format!("near {account}"),
        Payee::Other(reference) => format!("other {}", reference.split_whitespace().collect::<Vec<_>>().join(" ")),
    };
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret).expect("any key length");
    mac.update(b"assay payee v2");
    mac.update(normal.as_bytes());
    Digest(mac.finalize().into_bytes().into())
}

/// Keeps where a payee is paid; another name or bank for the same account is refused, since one of the two is wrong.
pub fn keep(home: &Home, id: &PayeeId, source: &str) -> Result<()> {
    let kept = vault::find(home, &id.to_string())?.map(String::from_utf8).transpose()?;
    if let Some(kept) = kept {
        if parse(&kept)? != parse(source)? {
            return Err(usage("payee: another account is paid there already, under another name, bank or address"));
        }
        return Ok(());
    }
    vault::keep(home, &id.to_string(), source.as_bytes())
}

/// The file of where a contributor's account is paid, if that is known.
pub fn source(home: &Snapshot, contributor: &ContributorId) -> Result<Option<String>> {
    let kept = vault::find(home, &payee_of(&home.state, contributor).to_string())?;
    Ok(kept.map(String::from_utf8).transpose()?)
}

/// What is kept of a payee has to be what its accounts were registered with.
pub fn check(home: &Snapshot, id: &PayeeId, payee: &Payee) -> Result<()> {
    let secret = home.secrets.find(PAYEES)?.context("payees: the secret that their digests are made with is not in this home")?;
    match id {
        PayeeId::Shared(digest) if reference(&secret, payee) == *digest => Ok(()),
        _ => Err(failure(Kind::Verification, format!("payee {id}: what is kept in the home is not what was registered"))),
    }
}
