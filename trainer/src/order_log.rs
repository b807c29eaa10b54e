//! The order log as Parquet: which tokens of which document every step saw.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{StringArray, UInt32Array, UInt64Array};
use corpus::parquet_file;

use crate::batch::Corpus;
use crate::error::TrainError;
use crate::order::{Order, Weights};
use crate::table::{Owners, column, encode, failed};

/// One run of a document's tokens in one row of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// The step.
    pub step: u64,
    /// Which row of the step's.
    pub row: u32,
    /// The document's reference.
    pub document: String,
    /// The group that it is weighted with.
    pub group: String,
    /// First token and the one after the last.
    pub tokens: Range<u32>,
}

/// What `steps` see under the weights that were given up to them.
pub fn order_rows(
    order: &Order<'_>,
    corpus: &Corpus,
    weights: &[Weights],
    owners: &Owners,
    context: usize,
    steps: Range<u64>,
) -> Vec<OrderRow> {
    let mut rows = Vec::new();
    for step in steps {
        let mut at = 0;
        for piece in order.step(step, weights) {
            rows.push(OrderRow {
                step,
                row: (at / context) as u32,
                document: owners.documents[piece.document].clone(),
                group: owners.groups[corpus.documents[piece.document].group].clone(),
                tokens: piece.range.start as u32..piece.range.end as u32,
            });
            at += piece.range.len();
        }
    }
    rows
}

/// An order log as a Parquet file.
///
/// # Errors
/// [`TrainError::Table`] if it cannot be encoded.
pub fn write_order(rows: &[OrderRow]) -> Result<Vec<u8>, TrainError> {
    encode::<&str>([
        ("step", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.step))) as _),
        ("row", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.row))) as _),
        ("document", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.document))) as _),
        ("group", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.group))) as _),
        ("first_token", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.tokens.start))) as _),
        ("end_token", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.tokens.end))) as _),
    ])
}

/// Reads an order log.
///
/// # Errors
/// [`TrainError::Table`] if it is not one.
pub fn read_order(bytes: &[u8]) -> Result<Vec<OrderRow>, TrainError> {
    let mut rows = Vec::new();
    for batch in parquet_file::decode(bytes).map_err(failed)?.batches {
        let step: &UInt64Array = column(&batch, "step")?;
        let row: &UInt32Array = column(&batch, "row")?;
        let document: &StringArray = column(&batch, "document")?;
        let group: &StringArray = column(&batch, "group")?;
        let first: &UInt32Array = column(&batch, "first_token")?;
        let end: &UInt32Array = column(&batch, "end_token")?;
        rows.extend((0..batch.num_rows()).map(|i| OrderRow {
            step: step.value(i),
            row: row.value(i),
            document: document.value(i).to_string(),
            group: group.value(i).to_string(),
            tokens: first.value(i)..end.value(i),
        }));
    }
    Ok(rows)
}
