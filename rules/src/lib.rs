//! What follows from the log and the objects that it names: computed by the operator, computed again by an auditor.
//!
//! Everything takes an [`Archive`]: what a log says after it was replayed, and objects that can be read.
//!
//! - `policy`, `strata`, `pay`: what an epoch binds the operator to
//! - `targets`, `draws`: what draws decide about held-out documents and replays
//! - `bundles`, `seen`, `verdicts`, `withdrawn`: which documents are accepted, and which were taken back
//! - `run_data`, `weights`, `earned`, `replay`, `tables`: what a run reads and credits, and whether its steps lead there
//! - `pools`, `settlement`, `rewards`, `accounting`, `holds`, `clawback`, `lines`: from credit to the books
//! - `listener`: who hears how far something got
//!
//! Nothing here writes, prints, asks a clock or a database: what depends on the time takes it as an argument.

pub mod accounting;
pub mod archive;
pub mod bundles;
pub mod clawback;
pub mod draws;
pub mod earned;
pub mod epoch;
pub mod error;
pub mod holds;
pub mod lines;
pub mod listener;
pub mod pay;
pub mod policy;
pub mod pools;
pub mod replay;
pub mod rewards;
pub mod run_data;
pub mod seen;
pub mod settlement;
pub mod strata;
pub mod tables;
pub mod targets;
pub mod verdicts;
pub mod weights;
pub mod withdrawn;

pub use archive::Archive;
pub use error::{Kind, Result, RulesError};
pub use policy::Policy;
