//! What one contributor is told: every input, every step, and how to check it. Signed by the operator.

use corpus::{ContributorId, Digest, EntryIndex, RunNumber, canonical};
use serde::{Deserialize, Serialize};

use crate::amount;
use crate::entry::PoolOutcome;
use crate::envelope::Envelope;
use crate::key::{PublicKey, SecretKey};
use crate::payee::PayeeId;
use crate::reward::Reward;
use crate::settlement::PayeeLine;

/// A statement; losses and credits are integers of 10⁻⁹ nats, amounts are minor units. Schema: `docs/statement.schema.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// `2`.
    pub version: u32,
    /// [`statement_id`]: payments name it.
    pub id: String,
    /// The log that it refers to.
    pub origin: String,
    /// Which epoch: the period that is settled.
    pub epoch: u32,
    /// Which run.
    pub run: RunNumber,
    /// Seconds since 1970.
    pub time: u64,
    /// Who.
    pub contributor: ContributorId,
    /// Who is paid for it.
    pub payee: PayeeId,
    /// ISO 4217 code.
    pub currency: String,
    /// Decimals of its minor unit.
    pub currency_exponent: u8,
    /// What was submitted, by submission.
    pub submissions: Vec<SubmissionLine>,
    /// What was measured, by submission and target; empty where documents have no credit of their own.
    pub credit: Vec<CreditLine>,
    /// What each pool gives.
    pub pools: Vec<PoolLine>,
    /// Accrued over all pools, signed.
    #[serde(with = "amount")]
    pub gross_minor: i128,
    /// What was netted, taken, kept and paid back, over all accounts of the payee.
    pub adjustments: PayeeLine,
    /// This account's part of what the payee is paid.
    #[serde(with = "amount")]
    pub net_minor: i128,
    /// What a rule of the tax office keeps; `none` as long as the operator applies none.
    pub withholding: Withholding,
    /// What is not paid, and why.
    pub not_payable: Vec<NotPayable>,
    /// The account with this statement booked.
    pub balance: Balance,
    /// What it is computed from.
    pub inputs: Inputs,
    /// `settled`, or why the pools are on hold.
    pub outcome: PoolOutcome,
    /// The command that recomputes it.
    pub check: String,
}

/// A submission and what was kept of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmissionLine {
    /// Its entry.
    pub submission: EntryIndex,
    /// Documents submitted.
    pub documents: u64,
    /// Documents accepted and not taken back.
    pub accepted: u64,
    /// Tokens that the run could use.
    pub tokens: u64,
    /// Words of accepted documents that no earlier one has.
    pub novel_words: u64,
    /// Words of accepted documents.
    pub words: u64,
}

/// What a submission is credited with for one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditLine {
    /// Its entry.
    pub submission: EntryIndex,
    /// The held-out target.
    pub target: String,
    /// Tokens trained on, over all windows.
    pub tokens: u64,
    /// Credit in nats a token of the target, over all windows.
    pub credit: i64,
    /// Half the difference of what the target's two halves give.
    pub spread: i64,
}

/// What a pool gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolLine {
    /// The stratum that it is for, or `all`.
    pub stratum: String,
    /// What it follows: `attribution`, `novel-tokens` or `accepted-works`.
    pub follows: String,
    /// The pool.
    #[serde(with = "amount")]
    pub pool_minor: i128,
    /// `settled`, or why it is on hold.
    pub outcome: PoolOutcome,
    /// Sum of all pay weights.
    #[serde(rename = "weights_sum", with = "amount")]
    pub pay_weights_sum: i128,
    /// This account's line: pool times pay weight over the sum is its quota.
    pub reward: Reward,
}

/// What is withheld, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withholding {
    /// The rule's id, or `none`.
    pub rule: String,
    /// How much.
    #[serde(with = "amount")]
    pub amount_minor: i128,
}

/// What is not paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotPayable {
    /// The submission.
    pub submission: EntryIndex,
    /// The verdict and its rule.
    pub reason: String,
    /// How many documents.
    pub documents: u64,
}

/// What stands in the books for an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// In its dispute period.
    #[serde(rename = "held_minor", with = "amount")]
    pub on_hold_minor: i128,
    /// May be paid.
    #[serde(with = "amount")]
    pub payable_minor: i128,
    /// What the payee's later earnings are offset by.
    #[serde(with = "amount")]
    pub offset_minor: i128,
    /// Kept as stake.
    #[serde(with = "amount")]
    pub stake_minor: i128,
    /// The least that is paid; what is below is carried over.
    #[serde(with = "amount")]
    pub threshold_minor: i128,
    /// Days until what is on hold may be paid.
    pub hold_days: u32,
}

/// Digests of what a statement is computed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// The policy that fixes pools and pay weights.
    pub policy: Digest,
    /// Credit by contributor, target and window.
    pub credit: Digest,
    /// Credit by document, target and window.
    pub documents: Digest,
    /// The windows, which have the weights' steps.
    pub windows: Digest,
    /// Everybody's pay weights and amounts.
    pub rewards: Digest,
}

/// What names a statement: the run and a hash of log, run and contributor, so that it is in no other's.
pub fn statement_id(origin: &str, run: RunNumber, contributor: &ContributorId) -> String {
    let digest = Digest::of_parts(&[b"assay statement v1", origin.as_bytes(), &[0], &run.0.to_be_bytes(), &contributor.0]).to_string();
    format!("S{run}-{}", &digest[..16])
}

/// A field of a statement that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field, with the fields and places that it is in: `pools/0/reward/weight`.
    pub field: String,
    /// What it should say; none if it should not be there.
    pub expected: Option<String>,
    /// What it says; none if it is missing.
    pub found: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_string());
        write!(f, "{}: expected {}, found {}", self.field, text(&self.expected), text(&self.found))
    }
}

/// Compares two values field by field.
fn compare(field: &str, expected: Option<&serde_json::Value>, found: Option<&serde_json::Value>, out: &mut Vec<Difference>) {
    use serde_json::Value;
    let inside = |name: &str| if field.is_empty() { name.to_string() } else { format!("{field}/{name}") };
    match (expected, found) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            names.into_iter().for_each(|name| compare(&inside(name), a.get(name), b.get(name), out));
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            (0..a.len().max(b.len())).for_each(|i| compare(&inside(&i.to_string()), a.get(i), b.get(i), out));
        }
        (a, b) if a != b => {
            let text = |value: Option<&Value>| value.map(Value::to_string);
            out.push(Difference { field: field.to_string(), expected: text(expected), found: text(found) });
        }
        _ => {}
    }
}

/// A file that is not a statement of this log's operator.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Not an envelope around a statement.
    #[error("statement: {0}")]
    Malformed(String),
    /// Not signed by the operator.
    #[error("statement: the operator {0} did not sign it")]
    Unsigned(String),
}

impl Statement {
    /// The statement in an envelope, signed by the operator.
    ///
    /// # Errors
    /// [`StatementError::Malformed`] if it has no canonical form.
    pub fn sign(&self, operator: &SecretKey) -> Result<Vec<u8>, StatementError> {
        let failed = |e: &dyn std::fmt::Display| StatementError::Malformed(e.to_string());
        let payload = canonical::to_vec(self).map_err(|e| failed(&e))?;
        Envelope::sign(payload, &[operator]).to_bytes().map_err(|e| failed(&e))
    }

    /// Reads a statement and checks no signature: anybody may have written it.
    ///
    /// # Errors
    /// [`StatementError::Malformed`].
    pub fn unverified(bytes: &[u8]) -> Result<Statement, StatementError> {
        let failed = |e: &dyn std::fmt::Display| StatementError::Malformed(e.to_string());
        canonical::from_slice(&Envelope::from_bytes(bytes).map_err(|e| failed(&e))?.payload).map_err(|e| failed(&e))
    }

    /// Reads a statement and checks its signature.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn verify(bytes: &[u8], operator: &PublicKey) -> Result<Statement, StatementError> {
        let failed = |e: &dyn std::fmt::Display| StatementError::Malformed(e.to_string());
        let envelope = Envelope::from_bytes(bytes).map_err(|e| failed(&e))?;
        if !envelope.signed_by(operator) {
            return Err(StatementError::Unsigned(operator.to_string()));
        }
        canonical::from_slice(&envelope.payload).map_err(|e| failed(&e))
    }

    /// The fields in which it differs from what it should say.
    ///
    /// # Errors
    /// [`StatementError::Malformed`] if one of them has no JSON.
    pub fn differences(&self, expected: &Statement) -> Result<Vec<Difference>, StatementError> {
        let json = |s: &Statement| serde_json::to_value(s).map_err(|e| StatementError::Malformed(e.to_string()));
        let mut out = Vec::new();
        compare("", Some(&json(expected)?), Some(&json(self)?), &mut out);
        Ok(out)
    }
}
