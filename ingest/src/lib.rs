//! From files to documents, and from accepted documents to shards.
//!
//! - `reader`: files and folders to records, with a message for everything that is not read
//! - `rows`: texts with their ids, streamed
//! - `rights`: which licence a record has, and what says so
//! - `tokenizer`: training, loading and encoding
//! - `sharding`: accepted documents of one submission as a shard
//!
//! Whether a document is accepted is judged elsewhere; files and log entries are left to others.

mod reader;
mod rights;
mod rows;
mod sharding;
mod tokenizer;

pub use reader::{Dataset, Problem, ReadError, Record, is_licence_name, read};
pub use rights::{Evidence, RightsError, resolve};
pub use rows::{Block, Row, RowStream};
pub use sharding::{ShardingError, build_shard};
pub use tokenizer::{TextTokenizer, TokenizerError, train};
