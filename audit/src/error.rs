//! What keeps an audit from being carried out; what it finds is in its report.

use std::path::PathBuf;

use rules::{Kind, RulesError};
use store::StoreError;

/// The result of a part of an audit.
pub type Result<T, E = AuditError> = std::result::Result<T, E>;

/// Why there is no report, or a part of one could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Something that follows from the log could not be computed.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Files of the log or objects could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file that the audit was given is not what it should be.
    #[error("{}: {text}", path.display())]
    Given {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        text: String,
        /// What kind of error that is.
        kind: Kind,
    },
    /// What is there does not verify, and more was asked than a report.
    #[error("{0}")]
    Verification(String),
    /// A server does not give what is asked of it.
    #[error("{0}")]
    Server(String),
    /// A temporary file could not be written.
    #[error(transparent)]
    Temporary(#[from] std::io::Error),
}

impl AuditError {
    /// Which of four kinds it is of.
    pub fn kind(&self) -> Kind {
        match self {
            AuditError::Rules(e) => e.kind(),
            AuditError::Store(StoreError::Io { .. } | StoreError::Sql(_) | StoreError::Bucket { .. })
            | AuditError::Server(_)
            | AuditError::Temporary(_) => Kind::Io,
            AuditError::Store(
                StoreError::Corrupt { .. }
                | StoreError::Log { .. }
                | StoreError::Fork { .. }
                | StoreError::Witness { .. }
                | StoreError::Absent(_),
            )
            | AuditError::Verification(_) => Kind::Verification,
            AuditError::Given { kind, .. } => *kind,
            AuditError::Store(_) => Kind::Check,
        }
    }
}

/// Errors of what an object holds are the rules'.
macro_rules! of_rules {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for AuditError {
            fn from(e: $error) -> AuditError {
                AuditError::Rules(e.into())
            }
        })*
    };
}

of_rules!(
    corpus::canonical::CanonicalError,
    corpus::objects::ObjectError,
    corpus::parquet_file::ParquetError,
    corpus::shard::ShardError,
    dedup::DedupError,
    trainer::TrainError,
);
