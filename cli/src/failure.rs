//! Exit codes: 0 ok, 1 a check failed, 2 usage, 3 verification failed, 4 I/O.

use std::fmt;

/// What kind of failure ended the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something that was asked for does not hold, or is not possible now.
    Check = 1,
    /// The command or its input is not what it should be.
    Usage = 2,
    /// A digest, signature or proof does not verify.
    Verification = 3,
    /// The operating system refused.
    Io = 4,
}

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
    use store::StoreError as S;
    let kind = |cause: &(dyn std::error::Error + 'static)| -> Option<Kind> {
        if let Some(f) = cause.downcast_ref::<Failure>() {
            return Some(f.kind);
        }
        if let Some(s) = cause.downcast_ref::<S>() {
            return Some(match s {
                S::Io { .. } | S::Sql(_) => Kind::Io,
                S::Corrupt { .. } | S::Log { .. } | S::Fork { .. } | S::Witness { .. } | S::Absent(_) => Kind::Verification,
                _ => Kind::Check,
            });
        }
        if let Some(e) = cause.downcast_ref::<dedup::DedupError>() {
            use dedup::DedupError as D;
            return Some(match e {
                D::File { .. } | D::Spill(_) => Kind::Io,
                D::Damaged { .. } | D::OtherKeys { .. } => Kind::Verification,
                D::Device(_) => Kind::Check,
            });
        }
        if cause.is::<std::io::Error>() || cause.is::<ingest::ReadError>() {
            return Some(Kind::Io);
        }
        if let Some(e) = cause.downcast_ref::<trainer::TrainError>() {
            use trainer::TrainError as T;
            let stored = matches!(e, T::Checkpoint(_) | T::Table(_) | T::Token { .. });
            return Some(if stored { Kind::Verification } else { Kind::Usage });
        }
        if cause.is::<ledger::Violation>()
            || cause.is::<corpus::shard::ShardError>()
            || cause.is::<corpus::parquet_file::ParquetError>()
            || cause.is::<corpus::canonical::CanonicalError>()
            || cause.is::<ledger::envelope::EnvelopeError>()
            || cause.is::<ledger::NoteError>()
        {
            return Some(Kind::Verification);
        }
        if cause.is::<ingest::RightsError>() || cause.is::<corpus::licence::LicenceError>() {
            return Some(Kind::Usage);
        }
        None
    };
    error.chain().find_map(kind).unwrap_or(Kind::Check) as u8
}
