//! Accepted documents of one submission as a shard: a function of the submission, its verdicts and the tokenizer.

use std::collections::BTreeSet;

use corpus::bundle::Bundle;
use corpus::shard::{Shard, TokenizedDocument};
use corpus::verdict::{Verdict, VerdictTable};
use corpus::{ContributorId, Digest, DocumentRef};
use rayon::prelude::*;

use crate::tokenizer::{TextTokenizer, TokenizerError};

/// A submission that cannot become a shard.
#[derive(Debug, thiserror::Error)]
pub enum ShardingError {
    /// The verdicts are not about these documents.
    #[error("submission {submission}: document {number}: the verdict is about commitment {expected}, the bundle gives {found}")]
    Commitment {
        /// The submission.
        submission: u64,
        /// The document.
        number: u32,
        /// In the verdict table.
        expected: Digest,
        /// From the bundle.
        found: Digest,
    },
    /// Verdicts and documents differ in number.
    #[error("submission {submission}: {verdicts} verdicts on {documents} documents")]
    Count {
        /// The submission.
        submission: u64,
        /// Rows of the table.
        verdicts: usize,
        /// Documents of the bundle.
        documents: usize,
    },
    /// The tokenizer refused a document, or does not give it back.
    #[error("document {document}: {reason}")]
    Tokens {
        /// The document.
        document: DocumentRef,
        /// Why.
        reason: String,
    },
}

/// The shard of the accepted documents that are not `withdrawn`; `None` if there are none.
///
/// # Errors
/// [`ShardingError`] if verdicts and bundle do not belong together, or a document does not survive its tokens.
pub fn build_shard(
    contributor: ContributorId,
    bundle: &Bundle,
    verdicts: &VerdictTable,
    withdrawn: &BTreeSet<u32>,
    tokenizer: &TextTokenizer,
    tokenizer_digest: Digest,
) -> Result<Option<Shard>, ShardingError> {
    let submission = verdicts.submission;
    if bundle.documents.len() != verdicts.rows.len() {
        return Err(ShardingError::Count { submission, verdicts: verdicts.rows.len(), documents: bundle.documents.len() });
    }
    let mut accepted = Vec::new();
    for (prepared, row) in bundle.prepare().zip(&verdicts.rows) {
        if prepared.commitment != row.commitment {
            return Err(ShardingError::Commitment {
                submission,
                number: prepared.number,
                expected: row.commitment,
                found: prepared.commitment,
            });
        }
        if row.verdict == Verdict::Accepted && !withdrawn.contains(&row.number) {
            accepted.push(prepared);
        }
    }
    let documents: Result<Vec<TokenizedDocument>, ShardingError> = accepted
        .into_par_iter()
        .map(|p| {
            let document = DocumentRef { submission, number: p.number };
            let tokens_error = |reason: String| ShardingError::Tokens { document, reason };
            let (tokens, learned_from) =
                tokenizer.encode_document(&p.text, p.answer_at).map_err(|e: TokenizerError| tokens_error(e.to_string()))?;
            if tokenizer.decode(&tokens).map_err(|e| tokens_error(e.to_string()))? != p.text {
                return Err(tokens_error("its tokens decode to another text; a tokenizer that changes text cannot be used".into()));
            }
            Ok(TokenizedDocument {
                document,
                commitment: p.commitment,
                licence: p.licence,
                source: p.source,
                text: p.text,
                answer_at: p.answer_at,
                tokens,
                learned_from,
                salt: p.salt,
            })
        })
        .collect();
    let documents = documents?;
    Ok((!documents.is_empty()).then_some(Shard { contributor, tokenizer: tokenizer_digest, documents }))
}
