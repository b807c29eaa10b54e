//! From files to documents, and from accepted documents to shards.
//!
//! - `read`: files, folders, archives and repositories to rows, with a problem for everything that is not read
//! - `rights`: which licence a record has, and what says so
//! - `tokenizer`: training, loading and encoding
//! - `sharding`: accepted documents of one submission as a shard
//!
//! Whether a document is accepted is judged elsewhere; files and log entries are left to others.

pub mod filter;
pub mod read;
mod rights;
mod sharding;
mod tokenizer;

pub use filter::Filters;
pub use read::{Block, Columns, Limits, Problem, ReadError, Record, Row, is_licence_name, read_all, scan};
pub use rights::{Evidence, Licences, RightsError};
pub use sharding::{SHARD_BYTES, ShardOf, ShardingError, build_shard, cut};
pub use tokenizer::{Encoded, TextTokenizer, TokenizerError, train};
