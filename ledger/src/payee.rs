//! Who is paid: all accounts of one person, or one account alone.

use std::fmt;
use std::str::FromStr;

use corpus::{ContributorId, Digest};

/// Somebody in the books. Accounts of one payee are netted, so that nobody gains from having several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PayeeId {
    /// An account that named no payee, alone.
    Account(ContributorId),
    /// Accounts with the same keyed digest in their registrations.
    Shared(Digest),
    /// Whoever runs the log, to whom what is clawed back belongs.
    Operator,
}

impl fmt::Display for PayeeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PayeeId::Account(id) => id.fmt(f),
            PayeeId::Shared(digest) => digest.fmt(f),
            PayeeId::Operator => f.write_str("operator"),
        }
    }
}

/// Text that names no payee.
#[derive(Debug, thiserror::Error)]
#[error("payee: expected `operator`, or 32 or 64 lower-case hexadecimal characters, found {0:?}")]
pub struct ParsePayeeError(String);

impl FromStr for PayeeId {
    type Err = ParsePayeeError;
    fn from_str(text: &str) -> Result<PayeeId, ParsePayeeError> {
        let found = match text.len() {
            _ if text == "operator" => Some(PayeeId::Operator),
            64 => text.parse().ok().map(PayeeId::Shared),
            _ => text.parse().ok().map(PayeeId::Account),
        };
        found.ok_or_else(|| ParsePayeeError(text.to_string()))
    }
}

corpus::as_text!(PayeeId);
