//! The stages, one file each. Each reads inputs by digest, calls its crate, writes the file, appends the entry,
//! and does nothing a second time.

pub mod compact;
pub mod contributor;
pub mod data;
pub mod epoch;
pub mod exact;
pub mod gather;
pub mod ingest;
pub mod jobs;
pub mod kept;
pub mod notices;
pub mod replay;
pub mod reward;
pub mod submit;
pub mod train;
pub mod withdraw;
