//! From files to documents, and from accepted documents to shards.
//!
//! - `read`: files, folders, archives and repositories to rows, with a problem for everything that is not read
//! - `tokenizer`: training, loading and encoding
//! - `sharding`: accepted documents of one submission as a shard
//!
//! What licences and publishers say is in `rights`, filters are in `filters`. Whether a document is accepted is judged elsewhere; files and
//! log entries are left to others.

pub mod read;
mod sharding;
mod tokenizer;

pub use read::{Block, Columns, Limits, Problem, ReadError, Record, Row, is_licence_name, read_all, scan};
pub use sharding::{SHARD_BYTES, ShardOf, ShardingError, build_shard, cut};
pub use tokenizer::{Beside, Encoded, PreparedTokenizer, TextTokenizer, TokenizerError, prepare, train, transformers_config};
