//! What can go wrong where bytes rest.

use std::path::PathBuf;

use corpus::{Digest, Kind};

/// Errors of files, the log and the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Its reason.
        source: std::io::Error,
    },
    /// A sync failed: what was written may or may not last, and a second try would not tell.
    #[error("{}: sync: {source}", path.display())]
    Sync {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file that should be UTF-8 and is not.
    #[error("{}: {reason}", path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
        /// Where it stops being UTF-8.
        reason: std::str::Utf8Error,
    },
    /// An object that is not there.
    #[error("object {0}: absent")]
    Absent(Digest),
    /// An object whose bytes are not the ones that its name says.
    #[error("{}: expected bytes with digest {expected}, found {found}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Its name.
        expected: Digest,
        /// Its bytes' digest.
        found: Digest,
    },
    /// The log's files contradict each other or their signature.
    #[error("{}: {text}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        text: String,
    },
    /// Another process has the home.
    #[error("{}: the home is in use by another process", path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// The log on this disk is older than one that was signed here before.
    #[error("log {origin}: this copy has {found} entries, but a tree head of {signed} was signed on this machine ({}); a restored or second copy must not sign", path.display())]
    Fork {
        /// The log's name.
        origin: String,
        /// Size signed before.
        signed: u64,
        /// Size of this copy.
        found: u64,
        /// Where the last tree head is kept.
        path: PathBuf,
    },
    /// An object store does not do what it is asked.
    #[error("{url}: {text}")]
    ObjectStore {
        /// The store, or the object in it.
        url: String,
        /// What it says.
        text: String,
    },
    /// A witness will not cosign.
    #[error("witness {witness}: {text}")]
    Witness {
        /// Which.
        witness: String,
        /// Why.
        text: String,
    },
    /// The database refused.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// A migration failed.
    #[error("database: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A job that this attempt no longer owns.
    #[error("job {kind} {input}: attempt {attempt} has lost its lease")]
    Fenced {
        /// The job's kind.
        kind: String,
        /// Its input.
        input: String,
        /// The attempt.
        attempt: i64,
    },
    /// The catalog holds something that the log does not say.
    #[error("catalog: {0}")]
    Catalog(String),
}

impl StoreError {
    /// The kind of the error.
    pub fn kind(&self) -> Kind {
        use StoreError as S;
        match self {
            S::Io { .. } | S::Sql(_) | S::ObjectStore { .. } => Kind::Io,
            S::Corrupt { .. } | S::Log { .. } | S::Fork { .. } | S::Witness { .. } | S::Absent(_) => Kind::Verification,
            _ => Kind::Check,
        }
    }

    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = path.to_path_buf();
        move |source| StoreError::Io { path, source }
    }

    pub(crate) fn sync(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = path.to_path_buf();
        move |source| StoreError::Sync { path, source }
    }
}
