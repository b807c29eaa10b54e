//! What judging needs of documents, without their texts: made once a bundle, by any worker.
//!
//! Word hashes are unkeyed, four bytes a word, so that a new key needs no text to be read again.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, BooleanArray, ListArray, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};

use crate::digest::Digest;
use crate::parquet_file::{self, ParquetError, column};
use crate::verdict::Measure;

/// One document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// What is committed to.
    pub commitment: Digest,
    /// Its SPDX expression.
    pub licence: String,
    /// What its publisher's machine-readable statements say about training.
    pub reservation: Option<String>,
    /// Digest of the normalised text.
    pub text_digest: Digest,
    /// Bytes of the normalised text.
    pub text_bytes: u64,
    /// Whether its text was destroyed.
    pub withdrawn: bool,
    /// The first filter that it does not pass.
    pub filtered: Option<Measure>,
    /// The hashes of its words.
    pub words: Vec<u32>,
}

/// The documents of a bundle, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlines {
    /// Number of the first.
    pub first: u32,
    /// In their order.
    pub documents: Vec<Outline>,
}

impl Outlines {
    /// The outlines as Parquet.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>, ParquetError> {
        let d = &self.documents;
        let words = UInt32Array::from_iter_values(d.iter().flat_map(|d| d.words.iter().copied()));
        let words = ListArray::new(
            Arc::new(Field::new("item", DataType::UInt32, false)),
            OffsetBuffer::from_lengths(d.iter().map(|d| d.words.len())),
            Arc::new(words),
            None,
        );
        let measured =
            |pick: fn(&Measure) -> u64| -> ArrayRef { Arc::new(d.iter().map(|d| d.filtered.as_ref().map(pick)).collect::<UInt64Array>()) };
        let columns: [(&str, ArrayRef, bool); 11] = [
            ("number", Arc::new(UInt32Array::from_iter_values((self.first..).take(d.len()))), false),
            ("commitment", Arc::new(BinaryArray::from_iter_values(d.iter().map(|d| d.commitment.0))), false),
            ("licence", Arc::new(StringArray::from_iter_values(d.iter().map(|d| &d.licence))), false),
            ("reservation", Arc::new(d.iter().map(|d| d.reservation.as_ref()).collect::<StringArray>()), true),
            ("text_digest", Arc::new(BinaryArray::from_iter_values(d.iter().map(|d| d.text_digest.0))), false),
            ("text_bytes", Arc::new(UInt64Array::from_iter_values(d.iter().map(|d| d.text_bytes))), false),
            ("withdrawn", Arc::new(BooleanArray::from_iter(d.iter().map(|d| Some(d.withdrawn)))), false),
            ("rule", Arc::new(d.iter().map(|d| d.filtered.as_ref().map(|m| &m.rule)).collect::<StringArray>()), true),
            ("measured", measured(|m| m.measured), true),
            ("limit", measured(|m| m.limit), true),
            ("words", Arc::new(words), false),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length");
        parquet_file::encode(&[batch], &[])
    }

    /// Bytes of the texts alone.
    ///
    /// # Errors
    /// If the file is none of that kind.
    pub fn text_bytes(bytes: &[u8]) -> Result<Vec<u64>, ParquetError> {
        let mut all = Vec::new();
        for batch in parquet_file::decode_columns(bytes, &["text_bytes"])?.batches {
            all.extend_from_slice(column::<UInt64Array>(&batch, "text_bytes")?.values());
        }
        Ok(all)
    }

    /// The inverse of [`Outlines::encode`].
    ///
    /// # Errors
    /// If the file is none of that kind.
    pub fn decode(bytes: &[u8]) -> Result<Outlines, ParquetError> {
        let failed = ParquetError::message;
        let mut outlines = Outlines::default();
        for batch in parquet_file::decode(bytes)?.batches {
            let number: &UInt32Array = column(&batch, "number")?;
            let commitment: &BinaryArray = column(&batch, "commitment")?;
            let licence: &StringArray = column(&batch, "licence")?;
            let reservation: &StringArray = column(&batch, "reservation")?;
            let text_digest: &BinaryArray = column(&batch, "text_digest")?;
            let text_bytes: &UInt64Array = column(&batch, "text_bytes")?;
            let withdrawn: &BooleanArray = column(&batch, "withdrawn")?;
            let rule: &StringArray = column(&batch, "rule")?;
            let measured: &UInt64Array = column(&batch, "measured")?;
            let limit: &UInt64Array = column(&batch, "limit")?;
            let words: &ListArray = column(&batch, "words")?;
            if outlines.documents.is_empty() && !number.is_empty() {
                outlines.first = number.value(0);
            }
            for i in 0..batch.num_rows() {
                let list = words.value(i);
                let list =
                    list.as_any().downcast_ref::<UInt32Array>().ok_or_else(|| failed("column words: expected a list of u32".into()))?;
                let digest = |bytes: &[u8]| bytes.try_into().map(Digest).map_err(|_| failed(format!("row {i}: a digest of another size")));
                let filtered = || Measure { rule: rule.value(i).into(), measured: measured.value(i), limit: limit.value(i) };
                outlines.documents.push(Outline {
                    commitment: digest(commitment.value(i))?,
                    licence: licence.value(i).into(),
                    reservation: reservation.is_valid(i).then(|| reservation.value(i).to_string()),
                    text_digest: digest(text_digest.value(i))?,
                    text_bytes: text_bytes.value(i),
                    withdrawn: withdrawn.value(i),
                    filtered: rule.is_valid(i).then(filtered),
                    words: list.values().to_vec(),
                });
            }
        }
        Ok(outlines)
    }
}
