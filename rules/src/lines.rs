//! Lists that grow with the number of accounts: a line of canonical JSON for each, so that one can be found by its id and none is held twice.

use corpus::objects::Class;
use corpus::{ContributorId, Digest, canonical, merkle};
use ledger::amount;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::error::{Context, Result, RulesError};

/// A contributor and an amount.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// Whose.
    pub contributor: ContributorId,
    /// Minor units, above 0.
    #[serde(serialize_with = "amount::serialize", deserialize_with = "above_zero")]
    pub amount_minor: i128,
    /// What names the payment that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// An amount that moves something.
fn above_zero<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
    let found = amount::deserialize(deserializer)?;
    if found > 0 { Ok(found) } else { Err(serde::de::Error::custom(format!("an amount of {found}, expected more than 0"))) }
}

impl Amount {
    /// As the books take it.
    pub fn pair(&self) -> (ContributorId, i128) {
        (self.contributor, self.amount_minor)
    }
}

/// The lines.
pub fn write<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for item in items {
        out.extend(canonical::to_vec(&item)?);
        out.push(b'\n');
    }
    Ok(out)
}

/// Reads lines, and refuses what [`write()`] would not have written.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>> {
    let Some(body) = bytes.strip_suffix(b"\n") else {
        if !bytes.is_empty() {
            return Err(RulesError::Check("line 1: expected lines that end with a line feed".into()));
        }
        return Ok(Vec::new());
    };
    let line = |(i, line): (usize, &[u8])| canonical::from_slice(line).with_context(|| format!("line {}", i + 1));
    body.split(|b| *b == b'\n').enumerate().map(line).collect()
}

/// The list with this digest.
pub fn amounts(archive: &Archive, list: &Digest) -> Result<Vec<Amount>> {
    read(&archive.objects.get(Class::Public, list)?)
}

/// The RFC 6962 root over lines.
pub fn root(bytes: &[u8]) -> Digest {
    let lines = bytes.split_inclusive(|b| *b == b'\n');
    merkle::root(&lines.map(|line| merkle::leaf_hash(line.strip_suffix(b"\n").unwrap_or(line))).collect::<Vec<_>>())
}
