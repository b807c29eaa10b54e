//! What can go wrong.

use std::path::PathBuf;

/// Why documents could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum DedupError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A temporary file, for word streams or for what was decided, cannot be written.
    #[error("temporary file: {0}")]
    Spill(#[from] std::io::Error),
    /// A file of the index is not what its manifest says, or the manifest is none.
    #[error("index file {path}: {reason}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Expected and found.
        reason: String,
    },
    /// The index was made under other keys.
    #[error("index {path}: made under the keys {found}, expected {expected}")]
    OtherKeys {
        /// Which.
        path: PathBuf,
        /// Digests of the keys asked for.
        expected: String,
        /// Digests of its own.
        found: String,
    },
    /// A device that was asked for is not there, or failed.
    #[error("device: {0}")]
    Device(String),
}
