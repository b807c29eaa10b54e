//! The stages, one file each: each reads inputs by digest, computes, writes the file, appends the entry, and does nothing a second time.
//!
//! - `snapshot`, `read_before`: what a home says at a tree head, for whoever only looks, and what of it was read before
//! - `home`, `config`, `keys`, `rebuild`, `secrets`, `witnesses`: a home, what it holds, and the one way entries are made
//! - `contributor`, `names`, `rotation`, `notices`: who takes part, and what they give notice of
//! - `gather`, `stated_rights`, `preview`, `submit`: a dataset to bundles, what would become of it, a commitment and a submission
//! - `held_out`, `epoch`, `ingest`, `kept`, `outlines`, `compact`: an epoch's opening, close, verdicts, tokenizer and shards
//! - `work`, `jobs`: what workers do, and the queue that they take it from
//! - `strata`, `sampling`, `estimate`, `train`, `replay`: a run
//! - `reward`, `payees`, `vault`, `batch`, `payouts`, `disputes`: a run's settlement, and the way to banks and chains
//! - `withdraw`, `destroy`: what is taken back
//! - `model`, `exports`: what others ask of a model and of a dataset
//! - `attribution`, `explain`, `alike`, `exact`: a run's credit, looked at closer
//! - `status`, `submission`, `statements`, `trace`, `proofs`: what became of documents and contributors, and what shows it to people outside
//! - `duplicates`: the duplicates in files, without a home
//!
//! Results are typed and nothing is printed: how far something got goes to the home's listener, which is silent unless one is given.
//! Arguments, tables and pages are left to whoever calls.

pub mod alike;
pub mod attribution;
pub mod batch;
pub mod compact;
pub mod config;
pub mod contributor;
pub mod destroy;
pub mod disputes;
pub mod duplicates;
pub mod epoch;
pub mod error;
pub mod estimate;
pub mod exact;
pub mod explain;
pub mod exports;
pub mod gather;
pub mod held_out;
pub mod home;
pub mod ingest;
pub mod jobs;
pub mod kept;
pub mod keys;
pub mod model;
pub mod names;
pub mod notices;
pub mod outlines;
pub mod payees;
pub mod payouts;
pub mod preview;
pub mod proofs;
pub(crate) mod read_before;
pub mod rebuild;
pub mod replay;
pub mod reward;
pub mod rotation;
pub mod sampling;
pub mod secrets;
pub mod snapshot;
pub mod stated_rights;
pub mod statements;
pub mod status;
pub mod strata;
pub mod submission;
pub mod submit;
pub mod trace;
pub mod train;
pub mod vault;
pub mod withdraw;
pub mod witnesses;
pub mod work;

pub use error::{Kind, PipelineError, Result};
pub use home::Home;
pub use snapshot::Snapshot;
