//! From files to documents, and from accepted documents to shards.
//!
//! - `read`: files, folders, archives and repositories to rows, with a problem for everything that is not read
//! - `licence`: which licence a text is, which one a record has, and what says so
//! - `reservation`: what a publisher's machine-readable statements say about training
//! - `tokenizer`: training, loading and encoding
//! - `sharding`: accepted documents of one submission as a shard
//!
//! Whether a document is accepted is judged elsewhere; files and log entries are left to others.

pub mod filter;
pub mod licence;
pub mod read;
pub mod reservation;
mod sharding;
mod tokenizer;

pub use filter::Filters;
pub use licence::{Licences, RightsError, Stated};
pub use read::{Block, Columns, Limits, Problem, ReadError, Record, Row, is_licence_name, read_all, scan};
pub use sharding::{SHARD_BYTES, ShardOf, ShardingError, build_shard, cut};
pub use tokenizer::{Beside, Encoded, PreparedTokenizer, TextTokenizer, TokenizerError, prepare, train, transformers_config};
