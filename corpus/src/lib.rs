//! The nouns that all stages share: digests, ids, documents, licences, and the files that hold them.
//!
//! - `digest`, `canonical`, `merkle`: how bytes are named, written and proven
//! - `id`: contributors and documents
//! - `kind`: what a caller does about an error
//! - `date`: the calendar; `random`: numbers that are the same everywhere
//! - `text`: what a document's text is, its salt and its commitment
//! - `licence`: what an SPDX expression permits
//! - `parts`, `bundle`: a submission's documents, as they came, with their salts
//! - `threshold`: when two documents are near duplicates; `verdict`: what was decided about each document
//! - `objects`: immutable bytes named by their digest
//! - `outline`: what judging needs of documents, without their texts
//! - `shard`: accepted documents as tokens
//! - `credit`: what a run's windows credit to contributors and documents; `run_tables`: the files that say so
//! - `parquet_file`: the one way tables are written and read
//!
//! Tables (`bundle`, `outline`, `parquet_file`, `run_tables`, and the files of verdicts and shards) come with the feature `tables`; without it there is no
//! Arrow, Parquet or C code, so that a small verifier can carry the rest.
//!
//! Stages themselves, signatures and storage are left to others.

mod as_text;
#[cfg(feature = "tables")]
pub mod bundle;
pub mod canonical;
pub mod credit;
pub mod date;
mod digest;
mod id;
mod kind;
pub mod licence;
pub mod merkle;
pub mod objects;
#[cfg(feature = "tables")]
pub mod outline;
#[cfg(feature = "tables")]
pub mod parquet_file;
pub mod parts;
pub mod random;
#[cfg(feature = "tables")]
pub mod run_tables;
pub mod shard;
#[cfg(feature = "tables")]
mod shard_table;
pub mod text;
mod threshold;
pub mod verdict;
#[cfg(feature = "tables")]
mod verdict_rows;
#[cfg(feature = "tables")]
mod verdict_table;

pub use digest::{Digest, Hasher, ParseDigestError};
pub use id::{ContributorId, DocumentRef, EntryIndex, ParseIdError, RunNumber};
pub use kind::Kind;
pub use threshold::Threshold;
#[cfg(feature = "tables")]
pub use verdict_rows::{RowWriter, VerdictRows};
#[cfg(feature = "tables")]
pub use verdict_table::{VerdictReader, write_verdicts};
