//! Errors of computing something from a log and its objects.

use std::fmt::Display;

pub use corpus::Kind;
use corpus::objects::ObjectError;

/// The result of a computation.
pub type Result<T, E = RulesError> = std::result::Result<T, E>;

/// Why nothing was computed.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Something was asked for that is not there.
    #[error("{0}")]
    Usage(String),
    /// Something that cannot be computed yet.
    #[error("{0}")]
    Check(String),
    /// Something that the log or an object says and that cannot be so.
    #[error("{0}")]
    Verification(String),
    /// An object that is not there, is damaged, or cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The judge's device or files.
    #[cfg(feature = "verdicts")]
    #[error(transparent)]
    Dedup(#[from] dedup::DedupError),
    /// A config or a checkpoint of a run.
    #[cfg(feature = "replay")]
    #[error(transparent)]
    Train(#[from] trainer::TrainError),
    /// One of these, and what it is about.
    #[error("{what}: {why}")]
    About {
        /// What it is about.
        what: String,
        /// The reason.
        why: Box<RulesError>,
    },
}

impl RulesError {
    /// The kind of the error.
    pub fn kind(&self) -> Kind {
        match self {
            RulesError::Usage(_) => Kind::Usage,
            RulesError::Check(_) => Kind::Check,
            RulesError::Verification(_) | RulesError::Object(ObjectError::Absent(_) | ObjectError::Corrupt { .. }) => Kind::Verification,
            RulesError::Object(ObjectError::Refused(_)) => Kind::Io,
            #[cfg(feature = "verdicts")]
            RulesError::Dedup(e) => kind_of_dedup(e),
            #[cfg(feature = "replay")]
            RulesError::Train(e) => kind_of_train(e),
            RulesError::About { why, .. } => why.kind(),
        }
    }
}

/// The kind of an error of the judge.
#[cfg(feature = "verdicts")]
pub fn kind_of_dedup(e: &dedup::DedupError) -> Kind {
    use dedup::DedupError as D;
    match e {
        D::File { .. } | D::Spill(_) => Kind::Io,
        D::Damaged { .. } | D::OtherKeys { .. } => Kind::Verification,
        D::Device(_) => Kind::Check,
    }
}

/// The kind of an error of a run: stored bytes are damaged, or the request is not possible.
#[cfg(feature = "replay")]
pub fn kind_of_train(e: &trainer::TrainError) -> Kind {
    use trainer::TrainError as T;
    if matches!(e, T::Checkpoint(_) | T::Table(_) | T::Token { .. }) { Kind::Verification } else { Kind::Usage }
}

/// Errors that say all in their text: bytes that are not what they are said to be, and what cannot be computed.
macro_rules! by_text {
    ($($variant:ident: [$($error:ty),* $(,)?])*) => {
        $($(impl From<$error> for RulesError {
            fn from(e: $error) -> RulesError {
                RulesError::$variant(e.to_string())
            }
        })*)*
    };
}

by_text! {
    Verification: [corpus::canonical::CanonicalError, ledger::NoteError]
    Check: [
        corpus::ParseDigestError,
        globset::Error,
        ledger::books::BooksError,
        ledger::reward::RewardError,
        ledger::settlement::SettlementError,
        std::string::FromUtf8Error,
    ]
}

#[cfg(feature = "tables")]
by_text! {
    Verification: [corpus::parquet_file::ParquetError, corpus::run_tables::RunTableError, corpus::shard::ShardError]
}

#[cfg(feature = "replay")]
by_text! {
    Check: [ingest::TokenizerError]
}

impl From<ledger::history::UnknownRun> for RulesError {
    fn from(e: ledger::history::UnknownRun) -> RulesError {
        RulesError::Usage(e.to_string())
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

impl<T, E: Into<RulesError>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl Display) -> Result<T> {
        self.with_context(|| what)
    }

    fn with_context<D: Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|e| RulesError::About { what: what().to_string(), why: Box::new(e.into()) })
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, what: impl Display) -> Result<T> {
        self.with_context(|| what)
    }

    fn with_context<D: Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.ok_or_else(|| RulesError::Check(what().to_string()))
    }
}
