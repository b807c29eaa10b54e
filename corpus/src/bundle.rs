//! A submission's documents as they came: text, licence and the salts' secret, in one sealed file.
//!
//! A bundle is Parquet with one row a document: `number`, `source`, `licence`, `text`. The secret is in the
//! footer. Its digest is in the log; since the secret is in it, the digest tells nothing about a text.

use std::sync::Arc;

use arrow::array::{ArrayRef, LargeStringArray, RecordBatch, StringArray, UInt32Array};

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
        let columns: [(&str, ArrayRef); 4] = [
            ("number", Arc::new(UInt32Array::from_iter_values(0..d.len() as u32))),
            ("source", Arc::new(StringArray::from_iter_values(d.iter().map(|d| &d.source)))),
            ("licence", Arc::new(StringArray::from_iter_values(d.iter().map(|d| &d.licence)))),
            ("text", Arc::new(LargeStringArray::from_iter_values(d.iter().map(|d| &d.text)))),
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
            documents.extend((0..batch.num_rows()).map(|i| Submitted {
                source: source.value(i).into(),
                licence: licence.value(i).into(),
                text: text.value(i).into(),
            }));
        }
        Ok(Bundle { secret, documents })
    }

    /// The documents with normalised text, salt and commitment.
    pub fn prepare(&self) -> impl Iterator<Item = Prepared> + '_ {
        self.documents.iter().zip(0..).map(|(d, number)| {
            let text = text::normalise(&d.text);
            let salt = text::salt(&self.secret, number);
            let commitment = text::commitment(&salt, &text);
            Prepared { number, source: d.source.clone(), licence: d.licence.clone(), text, salt, commitment }
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
            documents: vec![Submitted { source: "a.txt".into(), licence: "MIT".into(), text: "cafe\u{301}".into() }],
        };
        let bytes = bundle.encode().unwrap();
        assert_eq!(Bundle::decode(&bytes).unwrap(), bundle);
        assert_eq!(bundle.encode().unwrap(), bytes);
        let prepared = bundle.prepare().next().unwrap();
        assert_eq!(prepared.text, "café");
        assert_eq!(bundle.root(), merkle::leaf_hash(&prepared.commitment.0));
    }

    #[test]
    fn damaged_files_are_errors() {
        let bytes = Bundle { secret: [0; 32], documents: vec![Submitted { source: "a".into(), licence: "MIT".into(), text: "x".into() }] }
            .encode()
            .unwrap();
        for cut in [0, 1, 4, bytes.len() / 2, bytes.len() - 1] {
            assert!(Bundle::decode(&bytes[..cut]).is_err(), "{cut} bytes were accepted");
        }
    }
}
