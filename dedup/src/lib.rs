//! Finds documents that are copies of earlier ones, and says which, with evidence.
//!
//! - `words`: text to a stream of word hashes, equal for copies that differ in case, space or punctuation
//! - `signature`: a keyed MinHash of a document's shingles, and its band keys
//! - `judge`: candidates by bands, proof by exact Jaccard, always against documents that are kept
//! - `guard`: how much of a document is in the held-out pool
//!
//! The procedure is pinned in `docs/dedup.md`. Whose document counts as earlier is the caller's order; files are
//! left to others.

mod guard;
mod judge;
mod signature;
mod words;

pub use guard::Guard;
pub use judge::{Decision, Features, Judge, Parameters};
pub use signature::{BANDS, Key, SLOTS, Signature, shingles};
pub use words::{digest_of_words, word_stream};
