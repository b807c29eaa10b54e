//! What can go wrong in a run.

/// Errors of training, pricing and of the files they read and write.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting of the run that no run can have.
    #[error("run config: {0}")]
    Config(String),
    /// A checkpoint that is not one of this run's.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// There is nothing to train on or to price with.
    #[error("{thing}: expected at least {expected} tokens, found {found}")]
    TooFewTokens {
        /// Which set of tokens.
        thing: &'static str,
        /// How many it needs.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// A token that the model has no row for.
    #[error("document {document}: token {token} is outside the vocabulary of {vocabulary}")]
    Token {
        /// Index of the document.
        document: usize,
        /// The token.
        token: u32,
        /// The vocabulary's size.
        vocabulary: usize,
    },
    /// More contributors than there are buckets.
    #[error("{found} buckets, at most {limit} (memory: {bytes_per_bucket} bytes a bucket)")]
    TooManyBuckets {
        /// Contributors found.
        found: usize,
        /// The most that this run takes.
        limit: usize,
        /// What one more would cost.
        bytes_per_bucket: usize,
    },
    /// Parameters or a `config.json` that are not those of such a model.
    #[error("parameters: {0}")]
    Parameters(String),
    /// A table that cannot be read.
    #[error(transparent)]
    Table(#[from] corpus::run_tables::RunTableError),
}
