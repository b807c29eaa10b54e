//! A submission's documents as they came: text, licence and the salts' secret, in one sealed file.
//!
//! A bundle is Parquet with one row a document: `number`, `source`, `licence`, `text`, `answer_at`. The secret is in the
//! footer. Its digest is in the log; since the secret is in it, the digest tells nothing about a text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, LargeStringArray, RecordBatch, StringArray, UInt32Array, UInt64Array};

use crate::digest::{Digest, from_hex};
use crate::merkle;
use crate::parquet_file::{self, ParquetError, column};
use crate::text::{self, SaltSecret};

/// One document of a submission, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Where it came from: a path in the dataset, with `#row` for a record of a file.
    pub source: String,
    /// Its SPDX expression.
    pub licence: String,
    /// Its text before normalisation.
    pub text: String,
    /// The byte of `text` at which the answer begins, if only that is to be learned.
    pub answer_at: Option<u64>,
}

/// All documents of a submission, numbered by their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// What the salts derive from.
    pub secret: SaltSecret,
    /// In their order.
    pub documents: Vec<Submitted>,
}

/// A document, ready for every later stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Its number.
    pub number: u32,
    /// Its source.
    pub source: String,
    /// Its SPDX expression.
    pub licence: String,
    /// The normalised text.
    pub text: String,
    /// The byte of it at which the answer begins, if only that is to be learned.
    pub answer_at: Option<u64>,
    /// Its salt.
    pub salt: Digest,
    /// What is committed to.
    pub commitment: Digest,
}

const SECRET: &str = "assay.salt_secret";

impl Bundle {
    /// The bundle as a file.
    ///
    /// # Errors
    /// If it has no documents.
    pub fn encode(&self) -> Result<Vec<u8>, ParquetError> {
        let d = &self.documents;
        let columns: [(&str, ArrayRef); 5] = [
            ("number", Arc::new(UInt32Array::from_iter_values(0..d.len() as u32))),
            ("source", Arc::new(StringArray::from_iter_values(d.iter().map(|d| &d.source)))),
            ("licence", Arc::new(StringArray::from_iter_values(d.iter().map(|d| &d.licence)))),
            ("text", Arc::new(LargeStringArray::from_iter_values(d.iter().map(|d| &d.text)))),
            ("answer_at", Arc::new(d.iter().map(|d| d.answer_at).collect::<UInt64Array>())),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        parquet_file::encode(&[batch], &[(SECRET, Digest(self.secret).to_string())])
    }

    /// The inverse of [`Bundle::encode`].
    ///
    /// # Errors
    /// If the file is not a bundle.
    pub fn decode(bytes: &[u8]) -> Result<Bundle, ParquetError> {
        let table = parquet_file::decode(bytes)?;
        let secret = table.meta(SECRET).and_then(from_hex).unwrap_or_default();
        let mut documents = Vec::new();
        for batch in &table.batches {
            let source: &StringArray = column(batch, "source")?;
            let licence: &StringArray = column(batch, "licence")?;
            let text: &LargeStringArray = column(batch, "text")?;
            let answer_at: &UInt64Array = column(batch, "answer_at")?;
            documents.extend((0..batch.num_rows()).map(|i| Submitted {
                source: source.value(i).into(),
                licence: licence.value(i).into(),
                text: text.value(i).into(),
                answer_at: answer_at.is_valid(i).then(|| answer_at.value(i)),
            }));
        }
        Ok(Bundle { secret, documents })
    }

    /// The documents with normalised text, salt and commitment.
    pub fn prepare(&self) -> impl Iterator<Item = Prepared> + '_ {
        self.documents.iter().zip(0..).map(|(d, number)| {
            // An offset that is not between characters is not one; the whole is learned then, and the commitment says so.
            let parts = d.answer_at.and_then(|at| d.text.split_at_checked(usize::try_from(at).ok()?));
            let (text, answer_at) = match parts {
                Some((prompt, answer)) => {
                    let prompt = text::normalise(prompt);
                    let at = prompt.len() as u64;
                    (prompt + &text::normalise(answer), Some(at))
                }
                None => (text::normalise(&d.text), None),
            };
            let salt = text::salt(&self.secret, number);
            let commitment = text::commitment(&salt, &text, answer_at);
            Prepared { number, source: d.source.clone(), licence: d.licence.clone(), text, answer_at, salt, commitment }
        })
    }

    /// The root over the documents' commitments, which the contributor signs.
    pub fn root(&self) -> Digest {
        let leaves: Vec<Digest> = self.prepare().map(|p| merkle::leaf_hash(&p.commitment.0)).collect();
        merkle::root(&leaves)
    }

    /// Bytes of all texts.
    pub fn text_bytes(&self) -> u64 {
        self.documents.iter().map(|d| d.text.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundle_survives_its_file_and_text_is_normalised() {
        let bundle = Bundle {
            secret: [7; 32],
            documents: vec![Submitted { source: "a.txt".into(), licence: "MIT".into(), text: "cafe\u{301}".into(), answer_at: None }],
        };
        let bytes = bundle.encode().unwrap();
        assert_eq!(Bundle::decode(&bytes).unwrap(), bundle);
        assert_eq!(bundle.encode().unwrap(), bytes);
        let prepared = bundle.prepare().next().unwrap();
        assert_eq!(prepared.text, "café");
        assert_eq!(bundle.root(), merkle::leaf_hash(&prepared.commitment.0));
    }

    #[test]
    fn an_answer_begins_at_the_same_place_in_the_normal_form_and_is_committed_to() {
        let (text, at) = crate::text::prompt_and_answer("cafe\u{301}?", "e\u{301}s");
        let documents = vec![Submitted { source: "a".into(), licence: "MIT".into(), text, answer_at: Some(at) }];
        let bundle = Bundle { secret: [7; 32], documents };
        let prepared = bundle.prepare().next().unwrap();
        assert_eq!(prepared.text.split_at(prepared.answer_at.unwrap() as usize), ("café?\n", "és"));
        assert_eq!(Bundle::decode(&bundle.encode().unwrap()).unwrap(), bundle);
        let mut whole = bundle.clone();
        whole.documents[0].answer_at = None;
        let other = whole.prepare().next().unwrap();
        assert_eq!(other.text, prepared.text);
        assert_ne!(other.commitment, prepared.commitment);
    }

    #[test]
    fn damaged_files_are_errors() {
        let bytes = Bundle {
            secret: [0; 32],
            documents: vec![Submitted { source: "a".into(), licence: "MIT".into(), text: "x".into(), answer_at: Some(1) }],
        }
        .encode()
        .unwrap();
        for cut in [0, 1, 4, bytes.len() / 2, bytes.len() - 1] {
            assert!(Bundle::decode(&bytes[..cut]).is_err(), "{cut} bytes were accepted");
        }
    }
}
