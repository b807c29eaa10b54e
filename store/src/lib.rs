//! Where bytes rest: objects, the log's files and their one writer, and the SQL catalog with its job queue and books.
//!
//! - `files`: writes that last or did not happen
//! - `objects`, `object_store`: immutable files named by SHA-256, in a folder or in an object store
//! - `log`: a log's files as anybody reads them
//! - `sequencer`, `wal`: the one writer that appends to them, and what makes an append last with one sync
//! - `follow`: a log's entries replayed, signatures on all cores
//! - `admission`: which of many entries that arrive together are appended
//! - `head_keeper`: the last signed tree head in a Postgres that several machines share
//! - `witness`: what cosigns a tree head, once
//! - `catalog`: the rebuildable database; all SQL is in it and in `jobs`
//! - `jobs`: leased rows that workers take
//!
//! Order of every write: the file, its fsync, the log entry, the signed tree head, then the answer. A crash
//! leaves a file that nothing refers to, never an entry that points at nothing.

pub mod admission;
pub mod catalog;
mod error;
pub mod files;
pub mod follow;
mod head_keeper;
pub mod jobs;
pub mod log;
pub mod object_store;
pub mod objects;
pub mod sequencer;
mod wal;
pub mod witness;

pub use catalog::{Applied, Catalog, CatalogPlace};
pub use corpus::objects::Class;
pub use error::StoreError;
pub use head_keeper::HeadKeeper;
pub use jobs::{Job, JobState};
pub use log::LogFiles;
pub use objects::Objects;
pub use sequencer::Sequencer;
pub use witness::{Cosigner, FileWitness, RemoteWitness, Witness, Witnesses};
