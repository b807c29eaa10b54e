//! The tables of a run as Parquet: what each document and contributor is credited with, window by window, what each window left
//! unexplained, and which tokens of which document every step saw.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};

use crate::credit::{Accounts, CreditRow, Credited, DocumentRow, Part, Rule, Window};
use crate::parquet_file;

/// A table of a run that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("attribution table: {0}")]
pub struct RunTableError(String);

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

/// The shared columns in their order, then one column per half.
fn credited_columns(rows: &[&Credited]) -> Vec<(String, ArrayRef)> {
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("contributor".into(), Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.contributor)))),
        ("bucket".into(), Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.bucket)))),
        ("target".into(), Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.target)))),
        ("window".into(), Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.window)))),
        ("tokens".into(), Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.tokens)))),
        ("nats".into(), Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.nats)))),
    ];
    let count = rows.iter().map(|r| r.halves.len()).max().unwrap_or(2);
    columns.extend((0..count).map(|h| {
        let half: Float64Array = rows.iter().map(|r| r.halves.get(h).copied()).collect();
        (format!("half_{h}"), Arc::new(half) as ArrayRef)
    }));
    columns
}

/// Reads the shared columns of a batch.
fn credited_rows(batch: &RecordBatch) -> Result<Vec<Credited>, RunTableError> {
    let contributor: &StringArray = column(batch, "contributor")?;
    let bucket: &UInt32Array = column(batch, "bucket")?;
    let target: &StringArray = column(batch, "target")?;
    let window: &UInt64Array = column(batch, "window")?;
    let tokens: &UInt64Array = column(batch, "tokens")?;
    let nats: &Float64Array = column(batch, "nats")?;
    let halves: Vec<&Float64Array> = (0..)
        .map(|h| format!("half_{h}"))
        .take_while(|name| batch.column_by_name(name).is_some())
        .map(|name| column(batch, &name))
        .collect::<Result<_, _>>()?;
    let credited = |i: usize| Credited {
        contributor: contributor.value(i).to_string(),
        bucket: bucket.value(i),
        target: target.value(i).to_string(),
        window: window.value(i),
        tokens: tokens.value(i),
        nats: nats.value(i),
        halves: halves.iter().filter(|c| c.is_valid(i)).map(|c| c.value(i)).collect(),
    };
    Ok((0..batch.num_rows()).map(credited).collect())
}

/// The credit table as a Parquet file.
///
/// # Errors
/// [`RunTableError`] if it cannot be encoded.
pub fn write_credit(rows: &[CreditRow]) -> Result<Vec<u8>, RunTableError> {
    let mut columns = credited_columns(&rows.iter().map(|r| &r.credited).collect::<Vec<_>>());
    columns.push(("estimated".into(), Arc::new(BooleanArray::from(rows.iter().map(|r| r.estimated).collect::<Vec<_>>()))));
    encode(columns)
}

/// The document table as a Parquet file.
///
/// # Errors
/// [`RunTableError`] if it cannot be encoded.
pub fn write_documents(rows: &[DocumentRow]) -> Result<Vec<u8>, RunTableError> {
    let documents: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.document)));
    let credited = credited_columns(&rows.iter().map(|r| &r.credited).collect::<Vec<_>>());
    encode([("document".to_string(), documents)].into_iter().chain(credited))
}

/// The windows table: steps, rule, losses, credit, decay and residual of each window.
///
/// # Errors
/// [`RunTableError`] if it cannot be encoded.
pub fn write_windows(accounts: &Accounts, targets: &[String]) -> Result<Vec<u8>, RunTableError> {
    let w = &accounts.windows;
    let numbers = |pick: fn(&Window) -> &[f64], part: usize| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(w.iter().map(|w| pick(w)[part])))
    };
    let constant = |value: f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(w.iter().map(|_| value))) };
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("window".into(), Arc::new(UInt64Array::from_iter_values(w.iter().map(|w| w.index)))),
        ("first_step".into(), Arc::new(UInt64Array::from_iter_values(w.iter().map(|w| w.first_step)))),
        ("end_step".into(), Arc::new(UInt64Array::from_iter_values(w.iter().map(|w| w.end_step)))),
        ("rule".into(), Arc::new(StringArray::from_iter_values(w.iter().map(|w| w.rule.name())))),
        ("marked".into(), Arc::new(BooleanArray::from(w.iter().map(|w| w.marked).collect::<Vec<_>>()))),
        ("drop".into(), Arc::new(Float64Array::from_iter_values(w.iter().map(|w| w.drop(&accounts.parts))))),
        ("residual".into(), Arc::new(Float64Array::from_iter_values(w.iter().map(|w| w.residual(&accounts.parts))))),
    ];
    for (p, part) in accounts.parts.iter().enumerate() {
        let target = &targets[part.target as usize];
        columns.push((format!("target_{p}"), Arc::new(StringArray::from_iter_values(w.iter().map(|_| target)))));
        columns.push((format!("half_{p}"), Arc::new(UInt32Array::from_iter_values(w.iter().map(|_| part.half)))));
        columns.push((format!("weight_{p}"), constant(part.weight)));
        columns.push((format!("share_{p}"), constant(part.share)));
        columns.push((format!("loss_before_{p}"), numbers(|w| &w.loss_before, p)));
        columns.push((format!("loss_after_{p}"), numbers(|w| &w.loss_after, p)));
        columns.push((format!("decay_{p}"), numbers(|w| &w.decay, p)));
        columns.push((format!("correction_{p}"), numbers(|w| &w.correction, p)));
    }
    encode(columns)
}

fn encode<N: AsRef<str>>(columns: impl IntoIterator<Item = (N, ArrayRef)>) -> Result<Vec<u8>, RunTableError> {
    let batch = RecordBatch::try_from_iter(columns).map_err(failed)?;
    parquet_file::encode(&[batch], &[]).map_err(failed)
}

fn failed(e: impl std::fmt::Display) -> RunTableError {
    RunTableError(e.to_string())
}

fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T, RunTableError> {
    parquet_file::column(batch, name).map_err(failed)
}

/// Reads a credit table.
///
/// # Errors
/// [`RunTableError`] if it is not one.
pub fn read_credit(bytes: &[u8]) -> Result<Vec<CreditRow>, RunTableError> {
    let mut rows = Vec::new();
    for batch in parquet_file::decode(bytes).map_err(failed)?.batches {
        let credited = credited_rows(&batch)?;
        let estimated: &BooleanArray = column(&batch, "estimated")?;
        rows.extend(credited.into_iter().enumerate().map(|(i, credited)| CreditRow { credited, estimated: estimated.value(i) }));
    }
    Ok(rows)
}

/// Reads a document table.
///
/// # Errors
/// [`RunTableError`] if it is not one.
pub fn read_documents(bytes: &[u8]) -> Result<Vec<DocumentRow>, RunTableError> {
    let mut rows = Vec::new();
    for batch in parquet_file::decode(bytes).map_err(failed)?.batches {
        let document: &StringArray = column(&batch, "document")?;
        rows.extend(
            credited_rows(&batch)?
                .into_iter()
                .enumerate()
                .map(|(i, credited)| DocumentRow { document: document.value(i).to_string(), credited }),
        );
    }
    Ok(rows)
}

/// Reads a windows table and joins the credit rows to it: the run's accounts again, for `buckets` buckets, and the targets' names.
///
/// # Errors
/// [`RunTableError`] if one of them is not a table of that kind, or they do not belong together.
pub fn read_windows(bytes: &[u8], credit: &[CreditRow], buckets: usize) -> Result<(Accounts, Vec<String>), RunTableError> {
    let mut accounts = Accounts { parts: Vec::new(), windows: Vec::new() };
    let mut targets: Vec<String> = Vec::new();
    for batch in parquet_file::decode(bytes).map_err(failed)?.batches {
        let parts = (0..).take_while(|p| batch.column_by_name(&format!("share_{p}")).is_some()).count();
        let numbers = |name: &str| -> Result<Vec<&Float64Array>, RunTableError> {
            (0..parts).map(|h| column(&batch, &format!("{name}_{h}"))).collect()
        };
        let names: Vec<&StringArray> = (0..parts).map(|p| column(&batch, &format!("target_{p}"))).collect::<Result<_, _>>()?;
        let half: Vec<&UInt32Array> = (0..parts).map(|p| column(&batch, &format!("half_{p}"))).collect::<Result<_, _>>()?;
        let (weight, share) = (numbers("weight")?, numbers("share")?);
        let (before, after, decay, correction) =
            (numbers("loss_before")?, numbers("loss_after")?, numbers("decay")?, numbers("correction")?);
        let rule: &StringArray = column(&batch, "rule")?;
        let first: &UInt64Array = column(&batch, "first_step")?;
        let end: &UInt64Array = column(&batch, "end_step")?;
        let index: &UInt64Array = column(&batch, "window")?;
        let marked: &BooleanArray = column(&batch, "marked")?;
        for i in 0..batch.num_rows() {
            let mut row_targets: Vec<String> = Vec::new();
            let mut row_parts = Vec::new();
            for p in 0..parts {
                let name = names[p].value(i);
                if row_targets.last().is_none_or(|last| last != name) {
                    row_targets.push(name.to_string());
                }
                let target = row_targets.len() as u32 - 1;
                row_parts.push(Part { target, half: half[p].value(i), weight: weight[p].value(i), share: share[p].value(i) });
            }
            if !accounts.windows.is_empty() && (&row_parts, &row_targets) != (&accounts.parts, &targets) {
                return Err(failed(format!("window {i}: parts {row_parts:?}, the windows before have {:?}", accounts.parts)));
            }
            (accounts.parts, targets) = (row_parts, row_targets);
            let row = |columns: &[&Float64Array]| columns.iter().map(|c| c.value(i)).collect();
            accounts.windows.push(Window {
                index: index.value(i),
                first_step: first.value(i),
                end_step: end.value(i),
                rule: [Rule::Trapezoid, Rule::Simpson, Rule::Boole]
                    .into_iter()
                    .find(|r| r.name() == rule.value(i))
                    .ok_or_else(|| failed(format!("window {i}: unknown rule {:?}", rule.value(i))))?,
                marked: marked.value(i),
                loss_before: row(&before),
                loss_after: row(&after),
                credit: vec![0.0; buckets * parts],
                decay: row(&decay),
                correction: row(&correction),
                tokens: vec![0; buckets],
            });
        }
    }
    let parts = accounts.parts.clone();
    for row in credit {
        let places: Vec<usize> = (0..parts.len()).filter(|p| targets[parts[*p].target as usize] == row.target).collect();
        let bucket = row.bucket as usize;
        let window = accounts.windows.get_mut(row.window as usize).filter(|_| bucket < buckets && places.len() == row.halves.len());
        let window = window.ok_or_else(|| {
            failed(format!("credit of window {}, bucket {bucket}, target {:?}: there is no such window", row.window, row.target))
        })?;
        for (place, half) in places.iter().zip(&row.halves) {
            window.credit[bucket * parts.len() + place] += half;
        }
        if row.target == targets[0] {
            window.tokens[bucket] += row.tokens;
        }
    }
    Ok((accounts, targets))
}

/// An order log as a Parquet file.
///
/// # Errors
/// [`RunTableError`] if it cannot be encoded.
pub fn write_order(rows: &[OrderRow]) -> Result<Vec<u8>, RunTableError> {
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
/// [`RunTableError`] if it is not one.
pub fn read_order(bytes: &[u8]) -> Result<Vec<OrderRow>, RunTableError> {
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
