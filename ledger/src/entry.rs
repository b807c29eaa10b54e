//! What entries may say. Schemas are in `docs/ledger-format.md`.
//!
//! An entry never holds a list that grows with the data: it has counts, roots and the digests of objects.
//! Losses and credits are integers of 10⁻⁹ nats, amounts are decimal text in minor units.

use std::collections::BTreeMap;

use corpus::licence::Purpose;
use corpus::{ContributorId, Digest, canonical};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::key::PublicKey;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// Amounts as decimal text: JSON readers keep integers of 53 bits, some currencies have 24 decimals.
pub mod amount {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the amount as text.
    ///
    /// # Errors
    /// As the serializer.
    pub fn serialize<S: Serializer>(amount: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }
    /// Reads the amount; leading zeros and signs of plus are refused.
    ///
    /// # Errors
    /// If the text is not what [`serialize`] writes.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        let text = String::deserialize(deserializer)?;
        let amount: i128 = text.parse().map_err(serde::de::Error::custom)?;
        if amount.to_string() == text { Ok(amount) } else { Err(serde::de::Error::custom(format!("amount {text:?} is not canonical"))) }
    }
}

macro_rules! entries {
    ($($(#[$doc:meta])* $name:ident = $tag:literal { $($(#[$field_doc:meta])* $field:ident : $type:ty $(= $with:literal)?),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $($(#[$field_doc])* $(#[serde(with = $with)])? pub $field: $type),* }
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

entries! {
    /// The first entry: who runs the log, with which keys.
    Genesis = "genesis" {
        /// The log's name.
        origin: String,
        /// Whether keys derive from a seed that anybody may know; nobody is owed anything then.
        demo: bool,
        /// Signs the operator's entries.
        operator: PublicKey,
        /// Approves payouts.
        approver: PublicKey,
        /// The log's verifier key.
        log: String,
        /// The witnesses' verifier keys; every one of them has to cosign.
        witnesses: Vec<String>,
        /// ISO 4217 code.
        currency: String,
        /// Decimals of its minor unit.
        currency_exponent: u8,
        /// Seconds since 1970.
        time: u64,
    }
    /// A contributor, by its key; signed by that key too, which proves possession.
    Registration = "registration" {
        /// The id that the key gives.
        contributor: ContributorId,
        /// The key.
        key: PublicKey,
        /// Digest of the terms agreed to.
        terms: Digest,
        /// Whether the operator holds the key for an import.
        custodial: bool,
    }
    /// What binds the operator before it knows what will be submitted.
    EpochOpen = "epoch-open" {
        /// Its number, from 0.
        epoch: u32,
        /// The policy object: pool, window weights, thresholds.
        policy: Digest,
        /// What runs of this epoch are for.
        purpose: Purpose,
        /// The sealed pool of held-out documents.
        pool: Digest,
        /// Root over their commitments.
        pool_root: Digest,
        /// Their number.
        pool_documents: u64,
        /// Digest of the key that dedup hashes with.
        dedup_key: Digest,
        /// Seconds since 1970.
        time: u64,
    }
    /// A salted root; its index is its priority.
    Commitment = "commitment" {
        /// Which epoch.
        epoch: u32,
        /// Who commits.
        contributor: ContributorId,
        /// Root over the documents' commitments.
        root: Digest,
        /// Number of documents.
        documents: u64,
    }
    /// The manifest of what was committed, signed by its contributor.
    Submission = "submission" {
        /// Which epoch.
        epoch: u32,
        /// Who submits.
        contributor: ContributorId,
        /// This contributor's submissions before this one.
        sequence: u64,
        /// Index of the commitment.
        commitment: u64,
        /// The root again.
        root: Digest,
        /// Number of documents.
        documents: u64,
        /// Bytes of their texts as submitted.
        bytes: u64,
        /// The sealed bundle.
        bundle: Digest,
        /// SPDX expression of the dataset; documents may have their own.
        licence: String,
        /// What the licence was read from: `cargo-manifest`, `row-field`, `licence-file` or `declared`.
        licence_evidence: String,
        /// Digest of that evidence's bytes.
        licence_evidence_digest: Digest,
        /// Who says so: `contributor` or `importer`.
        attested_by: String,
        /// Seconds since 1970.
        time: u64,
    }
    /// After this nothing is committed or submitted.
    EpochClose = "epoch-close" {
        /// Which epoch.
        epoch: u32,
        /// Submissions taken.
        submissions: u64,
        /// Seconds since 1970.
        time: u64,
    }
    /// What the witnesses' cosignatures on the tree head of size close + 1 decided.
    Draw = "draw" {
        /// Which epoch.
        epoch: u32,
        /// That tree head, cosigned.
        tree_head: String,
        /// SHA-256 over the cosignatures: the seed of the runs.
        seed: Digest,
        /// The object that lists pricing and control documents.
        targets: Digest,
        /// Documents that price.
        pricing: u64,
        /// Documents that only control.
        control: u64,
    }
    /// The verdicts on one submission.
    Acceptance = "acceptance" {
        /// Index of the submission.
        submission: u64,
        /// The verdict table.
        verdicts: Digest,
        /// Documents by verdict; they sum to the submission's.
        counts: BTreeMap<String, u64>,
        /// Root over accepted documents.
        accepted_root: Digest,
        /// Root over all others.
        rejected_root: Digest,
        /// The parameters of dedup and of the held-out guard.
        parameters: Digest,
    }
    /// How text becomes tokens.
    Tokenizer = "tokenizer" {
        /// The `tokenizer.json`.
        tokenizer: Digest,
        /// Its vocabulary.
        vocabulary: u64,
        /// `trained` on accepted text, or `given`.
        origin: String,
    }
    /// Accepted documents of one submission as tokens.
    Shard = "shard" {
        /// Index of the submission.
        submission: u64,
        /// Whose.
        contributor: ContributorId,
        /// The Parquet file.
        file: Digest,
        /// Documents.
        rows: u64,
        /// Tokens.
        tokens: u64,
        /// Root over the documents.
        document_root: Digest,
        /// The tokenizer.
        tokenizer: Digest,
    }
    /// A run, before its first step.
    RunIntent = "run-intent" {
        /// Its number, from 0.
        run: u32,
        /// Which epoch.
        epoch: u32,
        /// Root over the document roots of all shards, in the order of submissions.
        corpus_root: Digest,
        /// Documents in them.
        documents: u64,
        /// Tokens in them.
        tokens: u64,
        /// `RUN.toml` as it is carried out.
        config: Digest,
        /// Version of the program.
        code: String,
        /// Digest of the program's file.
        build: Digest,
        /// Backend and number type.
        backend: String,
        /// Instruction set of the elementwise loops.
        instruction_set: String,
        /// Threads.
        threads: u32,
        /// Digest of the initial weights, which follow from seed and config.
        initial_weights: Digest,
        /// From the draw.
        seed: Digest,
        /// Contributors with accepted documents.
        contributors: u64,
        /// Buckets that their gradients are kept in; fewer than contributors if some share one.
        buckets: u64,
        /// Whether the run only finds weights for another; it is never settled.
        pilot: bool,
        /// Steps.
        steps: u64,
    }
    /// A run after some windows.
    RunProgress = "run-progress" {
        /// Which run.
        run: u32,
        /// Steps taken.
        step: u64,
        /// Windows priced.
        windows: u64,
        /// The state, moments and accounts included.
        checkpoint: Digest,
        /// The credit table so far.
        credit: Digest,
        /// The document table of the windows since the last progress.
        documents: Digest,
        /// The order log of the steps since the last progress.
        order: Digest,
        /// The strata and all their weights so far.
        weights: Digest,
        /// The cosigned tree head at the previous progress entry; it drew the window that is replayed before that one.
        drawn_from: Option<String>,
    }
    /// The end of a run; an intent without one is a finding.
    RunClose = "run-close" {
        /// Which run.
        run: u32,
        /// `completed`, or `aborted: ` and the reason.
        outcome: String,
        /// Steps taken.
        steps: u64,
        /// The last state; none if the run was aborted before its first progress.
        checkpoint: Option<Digest>,
        /// Pricing loss before the first step.
        loss_start: i64,
        /// Pricing loss after the last.
        loss_end: i64,
        /// Control loss before the first step.
        control_start: i64,
        /// Control loss after the last.
        control_end: i64,
        /// The cosigned tree head at the last progress entry.
        drawn_from: Option<String>,
    }
    /// What a run's loss drop is credited to.
    Attribution = "attribution" {
        /// Which run.
        run: u32,
        /// The credit table.
        credit: Digest,
        /// The windows table.
        windows: Digest,
        /// The document table.
        documents: Digest,
        /// Rows of the credit table.
        rows: u64,
        /// Rows of the document table.
        document_rows: u64,
        /// The measured drop.
        drop: i64,
        /// Sum over windows of the residual's size.
        residual: i64,
        /// Credit of weight decay.
        decay: i64,
        /// Sum over windows and buckets of what documents' estimates were off their bucket's credit.
        correction: i64,
        /// Share of the contributors' credit, by its size, that rests on documents' estimates, in millionths; 0 while nobody shares a bucket.
        estimated_ppm: u64,
    }
    /// Drawn windows, computed again.
    Replay = "replay" {
        /// Which run.
        run: u32,
        /// Their numbers.
        windows: Vec<u64>,
        /// `bit-equal`, `within-tolerance` or `differs`.
        outcome: String,
        /// Threads of the replay.
        threads: u32,
    }
    /// Who earns what.
    Statements = "statements" {
        /// Which epoch.
        epoch: u32,
        /// Which run.
        run: u32,
        /// The pool.
        pool_minor: i128 = "amount",
        /// ISO 4217 code.
        currency: String,
        /// The table of weights and amounts.
        rewards: Digest,
        /// Number of statements.
        statements: u64,
        /// Root over the statements' envelopes, in the order of contributor ids.
        root: Digest,
        /// Whether the pool is paid out or held, and why.
        outcome: String,
    }
    /// What may be known after settlement.
    Reveal = "reveal" {
        /// Which epoch.
        epoch: u32,
        /// The key that dedup hashed with.
        dedup_key: Digest,
        /// The counts behind the held-out hits, with their salts.
        openings: Digest,
    }
}

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
            Entry::Submission(e) => vec![("sealed/bundle.parquet", e.bundle)],
            Entry::Draw(e) => vec![("public/targets.json", e.targets)],
            Entry::Acceptance(e) => vec![("public/verdicts.parquet", e.verdicts), ("public/parameters.json", e.parameters)],
            Entry::Tokenizer(e) => vec![("public/tokenizer.json", e.tokenizer)],
            Entry::Shard(e) => vec![("sealed/shard.parquet", e.file)],
            Entry::RunIntent(e) => vec![("public/run.toml", e.config)],
            Entry::RunProgress(e) => vec![
                ("sealed/checkpoint.safetensors", e.checkpoint),
                ("public/credit.parquet", e.credit),
                ("public/documents.parquet", e.documents),
                ("public/order.parquet", e.order),
                ("public/weights.json", e.weights),
            ],
            Entry::RunClose(e) => e.checkpoint.iter().map(|c| ("sealed/checkpoint.safetensors", *c)).collect(),
            Entry::Attribution(e) => {
                vec![("public/credit.parquet", e.credit), ("public/windows.parquet", e.windows), ("public/documents.parquet", e.documents)]
            }
            Entry::Statements(e) => vec![("public/rewards.json", e.rewards)],
            Entry::Reveal(e) => vec![("public/openings.json", e.openings)],
            Entry::Genesis(_) | Entry::Registration(_) | Entry::Commitment(_) | Entry::EpochClose(_) | Entry::Replay(_) => Vec::new(),
        }
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
        if entry.subject(&statement.predicate).map_err(failed)? != statement.subject {
            return Err(EntryError(format!("{kind}: the subject is not what the predicate names")));
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_survive_and_foreign_fields_are_refused() {
        let entry: Entry = Statements {
            epoch: 0,
            run: 0,
            pool_minor: i128::from(i64::MAX) * 1000,
            currency: "XTS".into(),
            rewards: Digest::of(b"r"),
            statements: 2,
            root: Digest::of(b"s"),
            outcome: "settled".into(),
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
