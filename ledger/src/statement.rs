//! What one contributor is told: every input, every step, and how to check it. Signed by the operator.

use corpus::{ContributorId, Digest, canonical};
use serde::{Deserialize, Serialize};

use crate::entry::amount;
use crate::envelope::Envelope;
use crate::key::{PublicKey, SecretKey};
use crate::reward::Reward;

/// A statement; losses and credits are integers of 10⁻⁹ nats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// `1`.
    pub version: u32,
    /// The log that it refers to.
    pub origin: String,
    /// Which epoch.
    pub epoch: u32,
    /// Which run.
    pub run: u32,
    /// Who.
    pub contributor: ContributorId,
    /// Indices of its submissions.
    pub submissions: Vec<u64>,
    /// Documents submitted.
    pub documents: u64,
    /// Documents accepted.
    pub accepted: u64,
    /// Tokens trained on at least once.
    pub tokens: u64,
    /// Credit before window weights.
    pub credit: i64,
    /// The digest of the table that credit is in.
    pub credit_table: Digest,
    /// The digest of the windows table, which has the weights' steps.
    pub windows_table: Digest,
    /// The policy that fixes pool and weights.
    pub policy: Digest,
    /// The pool.
    #[serde(with = "amount")]
    pub pool_minor: i128,
    /// ISO 4217 code.
    pub currency: String,
    /// Sum of all weights.
    #[serde(with = "amount")]
    pub weights_sum: i128,
    /// This contributor's line.
    pub reward: Reward,
    /// `settled`, or why the pool is held.
    pub outcome: String,
    /// The command that recomputes it.
    pub check: String,
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
}
