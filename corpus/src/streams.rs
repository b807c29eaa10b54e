//! Word streams of a submission: four bytes a word, unkeyed, so that a new key needs no text to be read again.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, ListArray, RecordBatch, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};

use crate::digest::Digest;
use crate::parquet_file::{self, ParquetError, column};

/// The word streams of a submission's documents, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WordStreams {
    /// Digest of the normalised text, and the hashes of its words.
    pub documents: Vec<(Digest, Vec<u32>)>,
}

impl WordStreams {
    /// The streams as Parquet.
    ///
    /// # Errors
    /// If there are no documents.
    pub fn encode(&self) -> Result<Vec<u8>, ParquetError> {
        let d = &self.documents;
        let words = UInt32Array::from_iter_values(d.iter().flat_map(|(_, w)| w.iter().copied()));
        let words = ListArray::new(
            Arc::new(Field::new("item", DataType::UInt32, false)),
            OffsetBuffer::from_lengths(d.iter().map(|(_, w)| w.len())),
            Arc::new(words),
            None,
        );
        let columns: [(&str, ArrayRef); 2] =
            [("text_digest", Arc::new(BinaryArray::from_iter_values(d.iter().map(|(t, _)| t.0)))), ("words", Arc::new(words))];
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        parquet_file::encode(&[batch], &[])
    }

    /// The inverse of [`WordStreams::encode`].
    ///
    /// # Errors
    /// If the file is none of that kind.
    pub fn decode(bytes: &[u8]) -> Result<WordStreams, ParquetError> {
        let failed = ParquetError::message;
        let mut documents = Vec::new();
        for batch in parquet_file::decode(bytes)?.batches {
            let digest: &BinaryArray = column(&batch, "text_digest")?;
            let words: &ListArray = column(&batch, "words")?;
            for i in 0..batch.num_rows() {
                let list = words.value(i);
                let list =
                    list.as_any().downcast_ref::<UInt32Array>().ok_or_else(|| failed("column words: expected a list of u32".into()))?;
                let digest = digest.value(i).try_into().map_err(|_| failed(format!("row {i}: a digest of another size")))?;
                documents.push((Digest(digest), list.values().to_vec()));
            }
        }
        Ok(WordStreams { documents })
    }
}
