//! Exit codes: 0 ok, 1 a check failed, 2 usage, 3 verification failed, 4 I/O.

use std::fmt;

pub use pipeline::Kind;

/// An error with its exit code.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// A failure of `kind` that says `text`.
pub fn failure(kind: Kind, text: impl Into<String>) -> anyhow::Error {
    Failure { kind, text: text.into() }.into()
}

/// A failure of usage.
pub fn usage(text: impl Into<String>) -> anyhow::Error {
    failure(Kind::Usage, text)
}

/// The exit code of an error, from the first of its causes that has one.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(kind_of).unwrap_or(Kind::Check) as u8
}

/// The kind of one cause, if it has one.
fn kind_of(cause: &(dyn std::error::Error + 'static)) -> Option<Kind> {
    if let Some(f) = cause.downcast_ref::<Failure>() {
        return Some(f.kind);
    }
    if let Some(e) = cause.downcast_ref::<pipeline::PipelineError>() {
        return Some(e.kind());
    }
    if let Some(e) = cause.downcast_ref::<rules::RulesError>() {
        return Some(e.kind());
    }
    if let Some(e) = cause.downcast_ref::<audit::AuditError>() {
        return Some(e.kind());
    }
    if let Some(e) = cause.downcast_ref::<store::StoreError>() {
        return Some(e.kind());
    }
    if let Some(e) = cause.downcast_ref::<dedup::DedupError>() {
        return Some(rules::error::kind_of_dedup(e));
    }
    if let Some(e) = cause.downcast_ref::<trainer::TrainError>() {
        return Some(rules::error::kind_of_train(e));
    }
    if cause.is::<std::io::Error>() || cause.is::<ingest::ReadError>() {
        return Some(Kind::Io);
    }
    if cause.is::<ledger::Violation>()
        || cause.is::<corpus::shard::ShardError>()
        || cause.is::<corpus::parquet_file::ParquetError>()
        || cause.is::<corpus::run_tables::RunTableError>()
        || cause.is::<corpus::canonical::CanonicalError>()
        || cause.is::<ledger::envelope::EnvelopeError>()
        || cause.is::<ledger::NoteError>()
    {
        return Some(Kind::Verification);
    }
    if cause.is::<rights::RightsError>() || cause.is::<corpus::licence::LicenceError>() || cause.is::<ledger::history::UnknownRun>() {
        return Some(Kind::Usage);
    }
    None
}
