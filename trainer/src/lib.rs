//! Trains a Llama-style model on the shards and accounts for the drop of its held-out loss.
//!
//! - `config`: everything that decides a run (`RUN.toml`)
//! - `model`: the parameters' names, places and first values
//! - `batch`: documents, and pieces of them laid out for the engine
//! - `order`: which tokens a step sees, a pure function of seed, step and shares
//! - `shares`: how often groups are seen, after what they are credited with
//! - `buckets`: who has a bucket alone, and who shares one
//! - `engine`: forward and backward passes, explicit, over [`kernels::ModelOperations`]
//! - `sink`: what is made of a backward pass: gradients by bucket, sketches by document, products by position
//! - `sketch`, `documents`: a bucket's credit split among its documents, estimated and reconciled
//! - `exact`: the same without estimates, by taking the steps again
//! - `collinear`: documents of different payees whose gradients are alike
//! - `baselines`: scores that others publish, for comparison
//! - `pricing`: the held-out tokens that price a run
//! - `state`: [`State`], which a run goes on from
//! - `trainer`: [`Trainer`], a run with its buffers
//! - `run`: its steps and windows
//! - `price`: the price of a window, split by bucket and document
//! - `trace`: the record that exact credit is computed from
//! - `checkpoint`, `packed`: the state as a file, and as it is stored
//! - `table`: the rows of the accounts' tables
//! - `order_log`: what every step saw
//! - `llama`, `names`: parameters under the names of Hugging Face Llama
//! - `generate`: text from a model, for a look at it
//!
//! What a window credits is in [`corpus::credit`], and the tables' files are in [`corpus::run_tables`]: whoever reads them needs no trainer.
//!
//! A window of any run can be computed again from a checkpoint ([`Trainer::window`]); whether the
//! result is the one in the log is for the caller to judge. Files, log entries and money are left to others.

mod baselines;
mod batch;
mod buckets;
mod checkpoint;
mod collinear;
mod config;
mod documents;
mod engine;
mod error;
mod exact;
mod generate;
mod llama;
mod model;
mod names;
mod order;
mod order_log;
mod packed;
mod price;
mod pricing;
mod run;
mod shares;
mod sink;
mod sketch;
mod state;
mod table;
mod trace;
mod trainer;

pub use corpus::credit::{Accounts, CreditRow, DocumentRow, Part, Rule, Window};
pub use corpus::run_tables::{
    OrderRow, read_credit, read_documents, read_order, read_windows, write_credit, write_documents, write_order, write_windows,
};

pub use baselines::Baseline;
pub use batch::{Batch, Corpus, Document, Piece, pieces_of, pricing_batch, pricing_passes};
pub use buckets::assign;
pub use collinear::Alike;
pub use config::{Attribution, ModelConfig, Optimizer, RunConfig, Sampling, SamplingRule, Schedule, Start};
pub use documents::{DocumentCredit, Held};
pub use engine::Engine;
pub use error::TrainError;
pub use exact::{ExactCredit, Positions};
pub use generate::{Decoding, generate};
pub use llama::{config_json, read_config, read_parameters, write_parameters};
pub use model::{Layout, Tensor};
pub use order::{Order, Shares};
pub use order_log::order_rows;
pub use packed::pack;
pub use pricing::Pricing;
pub use run::{Observer, StepReport};
pub use shares::{Earned, Online, Rule as ShareRule, ratios};
pub use state::{Open, Parameters, State};
pub use table::{Owners, credit_rows, document_rows};
pub use trainer::{Setup, Trainer};
