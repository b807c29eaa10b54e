//! The stages, one file each: each reads inputs by digest, computes, writes the file, appends the entry, and does nothing a second time.
//!
//! - `home`, `config`, `keys`, `secrets`, `witnesses`: a home, what it holds, and the one way entries are made
//! - `contributor`, `rotation`, `notices`: who takes part, and what they give notice of
//! - `gather`, `stated_rights`, `submit`: a dataset to bundles, a commitment and a submission
//! - `epoch`, `ingest`, `kept`, `outlines`, `compact`: an epoch's opening, close, verdicts, tokenizer and shards
//! - `work`, `jobs`: what workers do, and the queue that they take it from
//! - `strata`, `weighting`, `estimate`, `train`, `replay`: a run
//! - `reward`, `payees`, `vault`, `batch`, `payouts`, `disputes`: a run's settlement, and the way to banks and chains
//! - `withdraw`, `destroy`: what is taken back
//! - `exports`: what others ask of a dataset
//!
//! Results are typed and nothing is printed: how far something got goes to the home's listener, which is silent unless one is given.
//! Arguments, tables and pages are left to whoever calls.

pub mod batch;
pub mod compact;
pub mod config;
pub mod contributor;
pub mod destroy;
pub mod disputes;
pub mod epoch;
pub mod error;
pub mod estimate;
pub mod exports;
pub mod gather;
pub mod home;
pub mod ingest;
pub mod jobs;
pub mod kept;
pub mod keys;
pub mod notices;
pub mod outlines;
pub mod payees;
pub mod payouts;
pub mod replay;
pub mod reward;
pub mod rotation;
pub mod secrets;
pub mod stated_rights;
pub mod strata;
pub mod submit;
pub mod train;
pub mod vault;
pub mod weighting;
pub mod withdraw;
pub mod witnesses;
pub mod work;

pub use error::{Kind, PipelineError, Result};
pub use home::Home;
