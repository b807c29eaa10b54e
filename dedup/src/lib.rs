//! Finds documents that are copies of earlier ones, and says which, with evidence.
//!
//! A text becomes a stream of word hashes (`words`), equal for copies that differ in case, space or punctuation. Its 5-word shingles
//! (`hash`) give a keyed MinHash (`signature`) whose bands name candidates (`bands`); exact Jaccard decides (`similarity`). Winnowing spans of
//! 25 words (`winnow`) find runs in common with earlier documents (`spans`). `judge` puts these together for documents' `features`, batch
//! by batch; what is `kept` is in memory, and `index` has it on disk; `guard` counts what is in a held-out pool; `device` is where the
//! work is done.
//!
//! The procedure is pinned in `docs/dedup.md`. Whose document counts as earlier is the caller's order; reading text is left to others.

/// The procedure of `docs/dedup.md`: another one gives other verdicts.
pub const PROCEDURE: &str = "assay-dedup-2";

mod bands;
mod device;
mod error;
mod features;
mod guard;
mod hash;
mod index;
mod judge;
mod kept;
mod signature;
mod similarity;
mod spans;
mod winnow;
mod words;

pub use corpus::Threshold;

pub use bands::LIMIT;
pub use device::Device;
pub use error::DedupError;
pub use features::{Features, Name};
pub use guard::Guard;
pub use hash::{Constants, Key};
pub use index::{Index, View};
pub use judge::{Decision, Judge, Options, Preparer, Ruling};
pub use kept::Delta;
pub use signature::{BANDS, SLOTS, band_key, sign};
pub use similarity::{Comparer, Overlap};
pub use spans::Coverage;
pub use winnow::{Fingerprint, fingerprints};
pub use words::word_stream;
