//! Errors of changing a home.

use std::fmt::Display;

pub use rules::Kind;
use rules::RulesError;
use store::StoreError;

/// The result of a stage.
pub type Result<T, E = PipelineError> = std::result::Result<T, E>;

/// Why a stage did nothing, or ended before its end; what the log says stands.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A refusal in words, with what it comes from.
    #[error("{text}")]
    Refused {
        /// The kind of the error.
        kind: Kind,
        /// The thing, the expected, the found and the next step.
        text: String,
    },
    /// Something that follows from the log could not be computed.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Files, objects, the log or the database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry that a rule of the log forbids.
    #[error(transparent)]
    Violation(#[from] ledger::Violation),
    /// One of these, and what it is about.
    #[error("{what}: {why}")]
    About {
        /// What it is about.
        what: String,
        /// The reason.
        why: Box<PipelineError>,
    },
}

impl PipelineError {
    /// The kind of the error.
    pub fn kind(&self) -> Kind {
        match self {
            PipelineError::Refused { kind, .. } => *kind,
            PipelineError::Rules(e) => e.kind(),
            PipelineError::Store(e) => e.kind(),
            PipelineError::Violation(_) => Kind::Verification,
            PipelineError::About { why, .. } => why.kind(),
        }
    }
}

/// A refusal of `kind` that says `text`.
pub fn failure(kind: Kind, text: impl Into<String>) -> PipelineError {
    PipelineError::Refused { kind, text: text.into() }
}

/// A refusal of what was asked for.
pub fn usage(text: impl Into<String>) -> PipelineError {
    failure(Kind::Usage, text)
}

/// Errors that say all in their text, and what kind they are of.
macro_rules! of_kind {
    ($($kind:ident: [$($error:ty),* $(,)?])*) => {
        $($(impl From<$error> for PipelineError {
            fn from(e: $error) -> PipelineError {
                failure(Kind::$kind, e.to_string())
            }
        })*)*
    };
}

of_kind! {
    Check: [
        arrow::error::ArrowError,
        age::EncryptError,
        corpus::ParseIdError,
        ingest::ShardingError,
        ingest::TokenizerError,
        ledger::KeyError,
        ledger::books::BooksError,
        ledger::entry::EntryError,
        ledger::statement::StatementError,
        serde_json::Error,
        std::num::ParseIntError,
        std::num::TryFromIntError,
        std::str::Utf8Error,
        std::string::FromUtf8Error,
        tokio::task::JoinError,
        toml::de::Error,
        toml::ser::Error,
    ]
    Io: [std::io::Error, ingest::ReadError]
    Usage: [rights::RightsError, corpus::licence::LicenceError, ledger::history::UnknownRun]
    Verification: [
        corpus::canonical::CanonicalError,
        corpus::parquet_file::ParquetError,
        corpus::run_tables::RunTableError,
        corpus::shard::ShardError,
        ledger::NoteError,
        ledger::envelope::EnvelopeError,
    ]
}

impl From<trainer::TrainError> for PipelineError {
    fn from(e: trainer::TrainError) -> PipelineError {
        PipelineError::Rules(e.into())
    }
}

impl From<dedup::DedupError> for PipelineError {
    fn from(e: dedup::DedupError) -> PipelineError {
        PipelineError::Rules(e.into())
    }
}

impl From<corpus::objects::ObjectError> for PipelineError {
    fn from(e: corpus::objects::ObjectError) -> PipelineError {
        PipelineError::Rules(e.into())
    }
}

/// Says what an error is about.
pub trait Context<T> {
    /// The error with `what` before it.
    ///
    /// # Errors
    /// The error, if there is one.
    fn context(self, what: impl Display) -> Result<T>;

    /// The same, where making the text costs something.
    ///
    /// # Errors
    /// The error, if there is one.
    fn with_context<D: Display>(self, what: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<PipelineError>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl Display) -> Result<T> {
        self.with_context(|| what)
    }

    fn with_context<D: Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|e| PipelineError::About { what: what().to_string(), why: Box::new(e.into()) })
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, what: impl Display) -> Result<T> {
        self.with_context(|| what)
    }

    fn with_context<D: Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.ok_or_else(|| failure(Kind::Check, what().to_string()))
    }
}
