//! What entries may say. Schemas are in `docs/ledger-format.md`.
//!
//! - `identity`: genesis, registrations, keys, witnesses
//! - `data`, `rights`: epochs, submissions, verdicts, shards, claims, withdrawals
//! - `runs`: runs and their attribution
//! - `money`: policies, statements, payouts, disputes, the books' close
//! - `terms`: the lists that outcomes, codes and kinds are chosen from
//!
//! An entry never holds a list that grows with the data: it has counts, roots and the digests of objects.
//! Losses and credits are integers of 10⁻⁹ nats, amounts are decimal text in minor units.

mod data;
mod identity;
mod money;
pub mod rights;
mod runs;
mod terms;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use corpus::{ContributorId, Digest, canonical};

pub use data::*;
pub use identity::*;
pub use money::*;
pub use rights::Rights;
pub use runs::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
pub use terms::*;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// Records as they stand in a predicate: every field is there, and no other.
macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $type:ty $(= $with:literal)?),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $($(#[$field_doc])* $(#[serde(with = $with)])? pub $field: $type),* }
        )*
    };
}
use records;

macro_rules! kinds {
    ($($name:ident = $tag:literal),* $(,)?) => {
        $(
            impl From<$name> for Entry {
                fn from(entry: $name) -> Entry { Entry::$name(entry) }
            }
        )*
        /// The statement of an entry.
        #[derive(Clone, Debug, PartialEq, Eq)]
        // One entry is in hand at a time: a box for the large kinds would cost more than it saves.
        #[allow(missing_docs, clippy::large_enum_variant)]
        pub enum Entry { $($name($name)),* }
        impl Entry {
            /// All kinds.
            pub const KINDS: &[&str] = &[$($tag),*];
            /// The kind, as in its predicate type `urn:assay:entry:<kind>:v1`.
            pub fn kind(&self) -> &'static str {
                match self { $(Entry::$name(_) => $tag),* }
            }
            fn predicate(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self { $(Entry::$name(e) => serde_json::to_value(e)),* }
            }
            fn from_predicate(kind: &str, predicate: serde_json::Value) -> Result<Entry, EntryError> {
                match kind {
                    $($tag => Ok(Entry::$name(read(kind, predicate)?)),)*
                    other => Err(EntryError(format!("unknown kind {other:?}"))),
                }
            }
        }
    };
}

kinds! {
    Genesis = "genesis",
    Registration = "registration",
    KeyRotation = "key-rotation",
    KeyRevocation = "key-revocation",
    WitnessChange = "witness-change",
    PolicyChange = "policy-change",
    EpochOpen = "epoch-open",
    Commitment = "commitment",
    Submission = "submission",
    EpochClose = "epoch-close",
    Draw = "draw",
    Acceptance = "acceptance",
    Tokenizer = "tokenizer",
    Shard = "shard",
    Compaction = "compaction",
    Claim = "claim",
    Resolution = "resolution",
    Grant = "grant",
    Withdrawal = "withdrawal",
    WithdrawalEffect = "withdrawal-effect",
    RunIntent = "run-intent",
    RunProgress = "run-progress",
    RunClose = "run-close",
    Attribution = "attribution",
    Replay = "replay",
    Statements = "statements",
    Reveal = "reveal",
    Release = "release",
    PayoutProposal = "payout-proposal",
    PayoutApproval = "payout-approval",
    PayoutReport = "settlement",
    Dispute = "dispute",
    DisputeResolution = "dispute-resolution",
    BooksClose = "books-close",
}

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// Signs the operator's entries.
    Operator,
    /// Approves payouts.
    Approver,
    /// Signs its own submissions.
    Contributor(ContributorId),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Operator => f.write_str("operator"),
            Holder::Approver => f.write_str("approver"),
            Holder::Contributor(id) => id.fmt(f),
        }
    }
}

impl FromStr for Holder {
    type Err = corpus::ParseIdError;
    fn from_str(text: &str) -> Result<Holder, Self::Err> {
        match text {
            "operator" => Ok(Holder::Operator),
            "approver" => Ok(Holder::Approver),
            id => id.parse().map(Holder::Contributor),
        }
    }
}

corpus::as_text!(Holder);

/// A payload that is not an entry's statement.
#[derive(Debug, thiserror::Error)]
#[error("entry: {0}")]
pub struct EntryError(String);

fn read<T: DeserializeOwned>(kind: &str, value: serde_json::Value) -> Result<T, EntryError> {
    serde_json::from_value(value).map_err(|e| EntryError(format!("{kind}: {e}")))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    subject: Vec<Subject>,
    predicate: serde_json::Value,
}

#[derive(PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: String,
    digest: BTreeMap<String, Digest>,
}

impl Entry {
    /// The objects that the entry speaks of: a name and a digest each.
    pub fn objects(&self) -> Vec<(&'static str, Digest)> {
        match self {
            Entry::EpochOpen(e) => vec![("public/policy.json", e.policy), ("sealed/pool.parquet", e.pool)],
            Entry::Submission(e) => {
                let problems = e.problems.iter().map(|p| ("party/problems.json", *p));
                [("sealed/bundles.json", e.bundle)].into_iter().chain(problems).collect()
            }
            Entry::Draw(e) => vec![("public/targets.json", e.targets)],
            Entry::Acceptance(e) => vec![("public/verdicts.parquet", e.verdicts), ("public/parameters.json", e.parameters)],
            Entry::Tokenizer(e) => vec![("public/tokenizer.json", e.tokenizer)],
            Entry::Shard(e) => vec![("sealed/shard.parquet", e.file)],
            Entry::Compaction(e) => vec![("sealed/shard.parquet", e.file)],
            Entry::RunIntent(e) => vec![("public/run.toml", e.config)],
            Entry::RunProgress(e) => vec![
                ("sealed/checkpoint.packed", e.checkpoint),
                ("public/credit.parquet", e.credit),
                ("public/documents.parquet", e.documents),
                ("public/order.parquet", e.order),
                ("public/weights.json", e.shares),
            ],
            Entry::RunClose(e) => e.checkpoint.iter().map(|c| ("sealed/checkpoint.packed", *c)).collect(),
            Entry::Attribution(e) => {
                vec![("public/credit.parquet", e.credit), ("public/windows.parquet", e.windows), ("public/documents.parquet", e.documents)]
            }
            Entry::Statements(e) => vec![("public/rewards.jsonl", e.rewards)],
            Entry::Reveal(e) => vec![("public/openings.json", e.openings)],
            Entry::PolicyChange(e) => vec![("public/policy.json", e.policy), ("public/announcement", e.announcement)],
            Entry::Claim(e) => vec![("public/claim.json", e.list), ("sealed/evidence", e.evidence)],
            Entry::Resolution(e) => vec![("party/reasons", e.reasons)],
            Entry::Grant(e) => [("public/terms", e.terms)].into_iter().chain(e.list.map(|list| ("public/grant.json", list))).collect(),
            Entry::Withdrawal(e) => vec![("public/withdrawal.json", e.list)],
            Entry::WithdrawalEffect(e) => {
                let bundle = e.bundle.iter().map(|b| ("sealed/bundles.json", *b));
                bundle.chain([("public/consequences.json", e.consequences)]).collect()
            }
            Entry::Release(e) => vec![("public/release.jsonl", e.list)],
            // Pay files and reports name persons: their digests are here, and they are in no store of objects.
            Entry::PayoutProposal(e) => vec![("public/payout.jsonl", e.list)],
            Entry::PayoutReport(e) => vec![("public/returned.jsonl", e.returned), ("public/reversed.jsonl", e.reversed)],
            Entry::Dispute(e) => vec![("sealed/evidence", e.evidence)],
            Entry::DisputeResolution(e) => vec![("party/reasons", e.reasons)],
            Entry::BooksClose(e) => vec![("public/balances.jsonl", e.balances)],
            Entry::Genesis(_)
            | Entry::Registration(_)
            | Entry::KeyRotation(_)
            | Entry::KeyRevocation(_)
            | Entry::WitnessChange(_)
            | Entry::Commitment(_)
            | Entry::EpochClose(_)
            | Entry::PayoutApproval(_)
            | Entry::Replay(_) => Vec::new(),
        }
    }

    /// Whether it can move something in the books.
    pub fn moves_money(&self) -> bool {
        matches!(
            self,
            Entry::Statements(_)
                | Entry::Release(_)
                | Entry::PayoutProposal(_)
                | Entry::PayoutApproval(_)
                | Entry::PayoutReport(_)
                | Entry::Dispute(_)
                | Entry::DisputeResolution(_)
                | Entry::BooksClose(_)
        )
    }

    /// The in-toto subject; a statement needs one, so an entry without objects is about its own predicate.
    fn subject(&self, predicate: &serde_json::Value) -> Result<Vec<Subject>, canonical::CanonicalError> {
        let subject =
            |name: &str, digest: Digest| Subject { name: name.to_string(), digest: BTreeMap::from([("sha256".to_string(), digest)]) };
        let objects = self.objects();
        if objects.is_empty() {
            return Ok(vec![subject("predicate", Digest::of(&canonical::to_vec(predicate)?))]);
        }
        Ok(objects.into_iter().map(|(name, digest)| subject(name, digest)).collect())
    }

    /// The canonical payload.
    ///
    /// # Errors
    /// If it has no canonical form.
    pub fn to_payload(&self) -> Result<Vec<u8>, canonical::CanonicalError> {
        let predicate = self.predicate()?;
        let subject = self.subject(&predicate)?;
        canonical::to_vec(&Statement {
            kind: STATEMENT.into(),
            predicate_type: format!("urn:assay:entry:{}:v1", self.kind()),
            subject,
            predicate,
        })
    }

    /// Reads a canonical payload.
    ///
    /// # Errors
    /// [`EntryError`] for an unknown kind, an unknown or missing field, or a subject that does not fit.
    pub fn from_payload(payload: &[u8]) -> Result<Entry, EntryError> {
        let failed = |e: canonical::CanonicalError| EntryError(e.to_string());
        let statement: Statement = canonical::from_slice(payload).map_err(failed)?;
        if statement.kind != STATEMENT {
            return Err(EntryError(format!("statement type {:?}, expected {STATEMENT:?}", statement.kind)));
        }
        let kind = statement.predicate_type.strip_prefix("urn:assay:entry:").and_then(|k| k.strip_suffix(":v1"));
        let kind = kind.ok_or_else(|| EntryError(format!("predicate type {:?}", statement.predicate_type)))?.to_string();
        let entry = Entry::from_predicate(&kind, statement.predicate.clone())?;
        // A field that is left out reads as none: one entry has one payload.
        if entry.predicate().map_err(|e| EntryError(e.to_string()))? != statement.predicate {
            return Err(EntryError(format!("{kind}: a field is missing, expected null where there is no value")));
        }
        if entry.subject(&statement.predicate).map_err(failed)? != statement.subject {
            return Err(EntryError(format!("{kind}: the subject is not what the predicate names")));
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use corpus::RunNumber;

    use super::*;

    #[test]
    fn payloads_survive_and_foreign_fields_are_refused() {
        let entry: Entry = Statements {
            epoch: 0,
            run: RunNumber(0),
            pool_minor: i128::from(i64::MAX) * 1000,
            currency: "XTS".into(),
            rewards: Digest::of(b"r"),
            accrued_minor: 7,
            payable_minor: 7,
            statements: 2,
            root: Digest::of(b"s"),
            time: 1,
            outcome: PoolOutcome::Settled,
        }
        .into();
        let payload = entry.to_payload().unwrap();
        assert_eq!(Entry::from_payload(&payload).unwrap(), entry);
        let text = String::from_utf8(payload).unwrap();
        for (from, to) in [
            ("\"epoch\":0", "\"epoch\":0,\"extra\":1"),
            ("statements:v1", "reveal:v1"),
            ("\"run\":0", "\"run\":\"0\""),
            (&Digest::of(b"r").to_string()[..8], "00000000"),
        ] {
            assert!(Entry::from_payload(text.replacen(from, to, 1).as_bytes()).is_err(), "{from} to {to} was accepted");
        }
    }

    #[test]
    fn golden_payload() {
        let entry: Entry = EpochClose { epoch: 1, submissions: 2, time: 3 }.into();
        assert_eq!(
            String::from_utf8(entry.to_payload().unwrap()).unwrap(),
            "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicate\":{\"epoch\":1,\"submissions\":2,\"time\":3},\"predicateType\":\"urn:assay:entry:epoch-close:v1\",\"subject\":[{\"digest\":{\"sha256\":\"88a25dd9390ff6976c1d479a36f91d9b0fb839d80fc514948535a62fdc382b8e\"},\"name\":\"predicate\"}]}"
        );
    }
}
