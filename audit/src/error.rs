//! Reasons why an audit is not carried out. Its findings are in its report.

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
        /// The fault.
        text: String,
        /// The kind of the error.
        kind: Kind,
    },
    /// The log or its objects do not verify, and the caller asked for more than a report.
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
    /// The kind of the error.
    pub fn kind(&self) -> Kind {
        match self {
            AuditError::Rules(e) => e.kind(),
            AuditError::Store(e) => e.kind(),
            AuditError::Server(_) | AuditError::Temporary(_) => Kind::Io,
            AuditError::Verification(_) => Kind::Verification,
            AuditError::Given { kind, .. } => *kind,
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
    corpus::run_tables::RunTableError,
    corpus::shard::ShardError,
    dedup::DedupError,
    trainer::TrainError,
);
