//! Accepted documents of one submission as a shard: a function of the submission, its verdicts and the tokenizer.

use std::collections::BTreeSet;
use std::ops::Range;

use corpus::bundle::Bundle;
use corpus::shard::{Shard, TokenizedDocument};
use corpus::verdict::{Verdict, VerdictRow};
use corpus::{ContributorId, Digest, DocumentRef, EntryIndex};
use rayon::prelude::*;

use crate::tokenizer::{Encoded, TextTokenizer};

/// A submission that cannot become a shard.
#[derive(Debug, thiserror::Error)]
pub enum ShardingError {
    /// The verdicts are not about these documents.
    #[error("submission {submission}: document {number}: the verdict is about commitment {expected}, the bundle gives {found}")]
    Commitment {
        /// The submission.
        submission: EntryIndex,
        /// The document.
        number: u32,
        /// In the verdict table.
        expected: Digest,
        /// From the bundle.
        found: Digest,
    },
    /// Documents or verdicts are missing.
    #[error("submission {submission}: expected documents and verdicts up to {expected}, found them up to {found}")]
    Count {
        /// The submission.
        submission: EntryIndex,
        /// How many there have to be.
        expected: u32,
        /// How many there are.
        found: u32,
    },
}

/// What a shard is made from, beside the bundles and the tokenizer.
#[derive(Clone, Debug)]
pub struct ShardOf<'a> {
    /// Whose documents these are.
    pub contributor: ContributorId,
    /// The log index of the submission.
    pub submission: EntryIndex,
    /// The decisions about documents of the range, in their order.
    pub verdicts: &'a [VerdictRow],
    /// Numbers of the documents.
    pub range: Range<u32>,
    /// Those of them that were taken back.
    pub withdrawn: &'a BTreeSet<u32>,
    /// The digest of the `tokenizer.json`.
    pub tokenizer: Digest,
}

/// The shard of the accepted documents of a range that were not taken back; `bundles` hold the range, in order.
///
/// # Errors
/// [`ShardingError`] if verdicts and bundles do not belong together, a document of the range is missing, or the tokenizer refuses one.
pub fn build_shard<E: From<ShardingError>>(
    of: &ShardOf<'_>,
    bundles: impl Iterator<Item = Result<Bundle, E>>,
    tokenizer: &TextTokenizer,
) -> Result<Shard, E> {
    let submission = of.submission;
    let (mut documents, mut next) = (Vec::new(), of.range.start);
    for bundle in bundles {
        let bundle = bundle?;
        let end = (bundle.first + bundle.documents.len() as u32).min(of.range.end);
        if bundle.first > next || end < next {
            break;
        }
        let made: Result<Vec<Option<TokenizedDocument>>, ShardingError> =
            (next..end).into_par_iter().map(|number| document(of, &bundle, number, tokenizer)).collect();
        documents.extend(made?.into_iter().flatten());
        next = end;
    }
    if next != of.range.end {
        return Err(ShardingError::Count { submission, expected: of.range.end, found: next }.into());
    }
    Ok(Shard { tokenizer: of.tokenizer, documents })
}

/// Document `number` with its tokens, if it is in the shard.
fn document(of: &ShardOf<'_>, bundle: &Bundle, number: u32, tokenizer: &TextTokenizer) -> Result<Option<TokenizedDocument>, ShardingError> {
    let submission = of.submission;
    let row = of.verdicts.get((number - of.range.start) as usize);
    let found = of.range.start + of.verdicts.len() as u32;
    let row = row.ok_or(ShardingError::Count { submission, expected: number + 1, found })?;
    if row.verdict != Verdict::Accepted || of.withdrawn.contains(&number) {
        return Ok(None);
    }
    let p = bundle.prepare_one((number - bundle.first) as usize);
    if p.commitment != row.commitment {
        return Err(ShardingError::Commitment { submission, number, expected: row.commitment, found: p.commitment });
    }
    let document = DocumentRef { submission, number };
    // One document that the tokenizer refuses has no tokens, and stops nothing.
    let encoded = tokenizer.encode_document(&p.text, p.answer_at).unwrap_or(Encoded { tokens: Vec::new(), learned_from: None });
    Ok(Some(TokenizedDocument {
        document,
        commitment: p.commitment,
        contributor: of.contributor,
        licence: p.licence,
        source: p.source,
        reversible: !encoded.tokens.is_empty() && tokenizer.gives_back(&encoded.tokens, &p.text),
        text: p.text,
        answer_at: p.answer_at,
        tokens: encoded.tokens,
        learned_from: encoded.learned_from,
        salt: p.salt,
    }))
}

/// Bytes of text of a shard.
pub const SHARD_BYTES: u64 = 32 << 20;

/// Cuts documents into ranges of about [`SHARD_BYTES`] of accepted text, as equal as documents allow; the same documents, the same ranges.
///
/// `bytes` has the accepted text of each document, 0 for others. Tokens are in proportion and are not known yet: so every range can be
/// cut into tokens by another worker.
pub fn cut(bytes: &[u64]) -> Vec<Range<u32>> {
    let total: u64 = bytes.iter().sum();
    let parts = total.div_ceil(SHARD_BYTES).max(1);
    let mut cuts = vec![0];
    let (mut sum, mut last) = (0u64, 0);
    for (i, b) in bytes.iter().enumerate().filter(|(_, b)| **b > 0) {
        // The next part begins with the first document behind the next share of the text; one document may be several shares.
        let share = u128::from(sum) * u128::from(parts) / u128::from(total);
        if share > last {
            cuts.push(i as u32);
            last = share;
        }
        sum += b;
    }
    cuts.push(bytes.len() as u32);
    cuts.windows(2).map(|w| w[0]..w[1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_of_equal_size_and_leave_nothing_out() {
        assert_eq!(cut(&[5, 0, 7]).iter().map(|r| (r.start, r.end)).collect::<Vec<_>>(), [(0, 3)]);
        let half = SHARD_BYTES / 2;
        assert_eq!(cut(&[half, 0, half, half, 0, half, 0]), [0..3, 3..7]);
        // One that is larger than a shard has one of its own.
        assert_eq!(cut(&[3 * SHARD_BYTES, 1, 1]), [0..1, 1..3]);
        let many: Vec<u64> = (0..10_000).map(|i| (i * 7919) % 20_000).collect();
        let ranges = cut(&many);
        let sums: Vec<u64> = ranges.iter().map(|r| many[r.start as usize..r.end as usize].iter().sum()).collect();
        assert_eq!(ranges.len() as u64, many.iter().sum::<u64>().div_ceil(SHARD_BYTES));
        assert!(sums.iter().all(|s| s.abs_diff(sums[0]) < 60_000), "{sums:?}");
        assert!(ranges.windows(2).all(|w| w[0].end == w[1].start) && ranges[0].start == 0 && ranges.last().unwrap().end == 10_000);
    }
}
