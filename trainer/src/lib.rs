//! Trains a Llama-style model on the shards and accounts for the drop of its held-out loss.
//!
//! - `config`: everything that decides a run (`RUN.toml`)
//! - `model`: the parameters' names, places and first values
//! - `batch`: which tokens a step sees, a pure function of seed and step
//! - `engine`: forward and backward passes, explicit, over [`kernels::Backend`]
//! - `account`: what a window of steps credits to each bucket, and what it cannot explain
//! - `run`: [`Trainer`], which takes steps, prices windows and saves its [`State`]
//! - `checkpoint`: that state as bytes
//! - `table`: the accounts as Parquet
//!
//! A window of any run can be computed again from a checkpoint ([`Trainer::window`]); whether the
//! result is the one in the log is for the caller to judge. Files, log entries and money are left to others.

mod account;
mod batch;
mod checkpoint;
mod config;
mod engine;
mod error;
mod model;
mod run;
mod table;

pub use account::{Accounts, Rule, Window};
pub use batch::{Batch, Corpus, Document, Order, Piece, pieces_of, pricing_batch};
pub use config::{Attribution, ModelConfig, Optimizer, RunConfig, Schedule};
pub use engine::Engine;
pub use error::TrainError;
pub use model::{Layout, Tensor};
pub use run::{Observer, Pricing, State, StepReport, Trainer};
pub use table::{CreditRow, credit_rows, read_credit, read_windows, write_credit, write_windows};
