//! What follows from the log and the objects that it names: computed by the operator, computed again by an auditor.
//!
//! Everything takes an [`Archive`]: what a log says after it was replayed, and objects that can be read.
//!
//! - `policy`, `strata`, `pay`, `epoch`: what an epoch binds the operator to
//! - `targets`, `draws`: what draws decide about held-out documents and replays
//! - `parts`, `withdrawn`: which bundles a submission has, and which documents were taken back
//! - `tables`, `pools`, `rewards`, `accounting`, `holds`, `clawback`, `lines`: from credit to the books
//! - `shares`: how often a run sees the strata
//! - `listener`: who hears how far something got
//!
//! This is the core: without a feature it needs no Arrow, Parquet, zstd, libgit2 or C compiler, so a small verifier can carry it.
//! From a log and its public objects it checks policies, what draws decide, published rewards, every balance of the books, what was
//! on hold, released, clawed back and paid. Each feature reads more:
//!
//! - `tables`, the Parquet files: `bundles` has texts and verdicts, `run_tables` what a run credits, and `settlement` computes from these
//!   what the run pays and what its statements say. It adds Arrow and Parquet, and with them zstd in C.
//! - `verdicts`, with `tables`: `seen` and `verdicts` judge documents again, from their texts. It adds `dedup`.
//! - `replay`, with `tables`: `tokenizer`, `held_out`, `run_data`, `checkpoints`, `replay` and `earned` read what a run reads and take its
//!   steps again.
//!   It adds `trainer`, `kernels`, and `ingest` for the tokenizer, with libgit2 in C.
//!
//! Nothing here writes, prints, asks a clock or a database: what depends on the time takes it as an argument.

pub mod accounting;
pub mod archive;
#[cfg(feature = "tables")]
pub mod bundles;
#[cfg(feature = "replay")]
pub mod checkpoints;
pub mod clawback;
pub mod draws;
#[cfg(feature = "replay")]
pub mod earned;
pub mod epoch;
pub mod error;
#[cfg(feature = "replay")]
pub mod held_out;
pub mod holds;
pub mod lines;
pub mod listener;
pub mod parts;
pub mod pay;
pub mod policy;
pub mod pools;
#[cfg(feature = "replay")]
pub mod replay;
pub mod rewards;
#[cfg(feature = "replay")]
pub mod run_data;
#[cfg(feature = "tables")]
pub mod run_tables;
#[cfg(feature = "verdicts")]
pub mod seen;
#[cfg(feature = "tables")]
pub mod settlement;
pub mod shares;
pub mod strata;
pub mod tables;
pub mod targets;
#[cfg(feature = "replay")]
pub mod tokenizer;
#[cfg(feature = "verdicts")]
pub mod verdicts;
pub mod withdrawn;

pub use archive::Archive;
pub use epoch::{EpochView, EpochViews};
pub use error::{Kind, Result, RulesError};
pub use policy::Policy;
