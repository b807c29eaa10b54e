//! Shards: accepted documents of one submission as tokens. The format is in `docs/shard-format.md`.

use crate::digest::Digest;
use crate::id::DocumentRef;
#[cfg(feature = "tables")]
pub use crate::shard_table::{Footer, Shard, ShardError, TokenizedDocument, VERSION};

/// The record of a document in its shard's tree: commitment, submission, number, tokens; integers big-endian.
pub fn record(commitment: &Digest, document: DocumentRef, tokens: u64) -> Vec<u8> {
    [&commitment.0[..], &document.submission.0.to_be_bytes(), &document.number.to_be_bytes(), &tokens.to_be_bytes()].concat()
}
