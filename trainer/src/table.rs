//! The accounts as Parquet: who is credited with what, window by window, and what each window left unexplained.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use corpus::parquet_file;

use crate::account::{Accounts, Rule, Window};
use crate::error::TrainError;

/// One row of the credit table: a contributor, a target, a half and a window.
#[derive(Clone, Debug, PartialEq)]
pub struct CreditRow {
    /// The contributor's id.
    pub contributor: String,
    /// The bucket its gradient was kept in.
    pub bucket: u32,
    /// The held-out target.
    pub target: String,
    /// Which half of the pricing tokens.
    pub half: u32,
    /// The window.
    pub window: u64,
    /// Tokens of the bucket trained on in it.
    pub tokens: u64,
    /// Credit at this half, in nats a held-out token, times the half's share; rows add up to the drop.
    pub nats: f64,
}

/// The rows of all windows, in the order window, bucket, half; buckets that neither trained nor moved are left out.
pub fn credit_rows(accounts: &Accounts, contributors: &[String], target: &str) -> Vec<CreditRow> {
    let mut rows = Vec::new();
    for window in &accounts.windows {
        for (bucket, contributor) in contributors.iter().enumerate() {
            for (half, share) in accounts.shares.iter().enumerate() {
                let nats = window.credit[bucket * accounts.shares.len() + half] * share;
                let tokens = window.tokens[bucket];
                if tokens > 0 || nats != 0.0 {
                    rows.push(CreditRow {
                        contributor: contributor.clone(),
                        bucket: bucket as u32,
                        target: target.to_string(),
                        half: half as u32,
                        window: window.index,
                        tokens,
                        nats,
                    });
                }
            }
        }
    }
    rows
}

/// The credit table as a Parquet file.
///
/// # Errors
/// [`TrainError::Table`] if it cannot be encoded.
pub fn write_credit(rows: &[CreditRow]) -> Result<Vec<u8>, TrainError> {
    let columns: [(&str, ArrayRef); 7] = [
        ("contributor", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.contributor)))),
        ("bucket", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.bucket)))),
        ("target", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.target)))),
        ("half", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.half)))),
        ("window", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.window)))),
        ("tokens", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.tokens)))),
        ("nats", Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.nats)))),
    ];
    encode(columns)
}

/// The windows table: steps, rule, losses, credit, decay and residual of each window.
///
/// # Errors
/// [`TrainError::Table`] if it cannot be encoded.
pub fn write_windows(accounts: &Accounts) -> Result<Vec<u8>, TrainError> {
    let w = &accounts.windows;
    let halves = |pick: fn(&Window) -> &[f64], half: usize| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(w.iter().map(|w| pick(w)[half])))
    };
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("window".into(), Arc::new(UInt64Array::from_iter_values(w.iter().map(|w| w.index)))),
        ("first_step".into(), Arc::new(UInt64Array::from_iter_values(w.iter().map(|w| w.first_step)))),
        ("end_step".into(), Arc::new(UInt64Array::from_iter_values(w.iter().map(|w| w.end_step)))),
        ("rule".into(), Arc::new(StringArray::from_iter_values(w.iter().map(|w| w.rule.name())))),
        ("marked".into(), Arc::new(BooleanArray::from(w.iter().map(|w| w.marked).collect::<Vec<_>>()))),
        ("drop".into(), Arc::new(Float64Array::from_iter_values(w.iter().map(|w| w.drop(&accounts.shares))))),
        ("residual".into(), Arc::new(Float64Array::from_iter_values(w.iter().map(|w| w.residual(&accounts.shares))))),
    ];
    for (half, share) in accounts.shares.iter().enumerate() {
        columns.push((format!("share_{half}"), Arc::new(Float64Array::from_iter_values(w.iter().map(|_| *share)))));
        columns.push((format!("loss_before_{half}"), halves(|w| &w.loss_before, half)));
        columns.push((format!("loss_after_{half}"), halves(|w| &w.loss_after, half)));
        columns.push((format!("decay_{half}"), halves(|w| &w.decay, half)));
    }
    encode(columns)
}

fn encode<N: AsRef<str>>(columns: impl IntoIterator<Item = (N, ArrayRef)>) -> Result<Vec<u8>, TrainError> {
    let batch = RecordBatch::try_from_iter(columns).map_err(failed)?;
    parquet_file::encode(&[batch], &[]).map_err(failed)
}

fn failed(e: impl std::fmt::Display) -> TrainError {
    TrainError::Table(e.to_string())
}

fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T, TrainError> {
    parquet_file::column(batch, name).map_err(failed)
}

/// Reads a credit table.
///
/// # Errors
/// [`TrainError::Table`] if it is not one.
pub fn read_credit(bytes: &[u8]) -> Result<Vec<CreditRow>, TrainError> {
    let mut rows = Vec::new();
    for batch in parquet_file::decode(bytes).map_err(failed)?.batches {
        let contributor: &StringArray = column(&batch, "contributor")?;
        let bucket: &UInt32Array = column(&batch, "bucket")?;
        let target: &StringArray = column(&batch, "target")?;
        let half: &UInt32Array = column(&batch, "half")?;
        let window: &UInt64Array = column(&batch, "window")?;
        let tokens: &UInt64Array = column(&batch, "tokens")?;
        let nats: &Float64Array = column(&batch, "nats")?;
        rows.extend((0..batch.num_rows()).map(|i| CreditRow {
            contributor: contributor.value(i).to_string(),
            bucket: bucket.value(i),
            target: target.value(i).to_string(),
            half: half.value(i),
            window: window.value(i),
            tokens: tokens.value(i),
            nats: nats.value(i),
        }));
    }
    Ok(rows)
}

/// Reads a windows table and joins the credit rows to it: the run's accounts again, for `buckets` buckets.
///
/// # Errors
/// [`TrainError::Table`] if one of them is not a table of that kind, or they do not belong together.
pub fn read_windows(bytes: &[u8], credit: &[CreditRow], buckets: usize) -> Result<Accounts, TrainError> {
    let mut accounts = Accounts { shares: Vec::new(), windows: Vec::new() };
    for batch in parquet_file::decode(bytes).map_err(failed)?.batches {
        let halves = (0..).take_while(|h| batch.column_by_name(&format!("share_{h}")).is_some()).count();
        let numbers = |name: &str| -> Result<Vec<&Float64Array>, TrainError> {
            (0..halves).map(|h| column(&batch, &format!("{name}_{h}"))).collect()
        };
        let (share, before, after, decay) = (numbers("share")?, numbers("loss_before")?, numbers("loss_after")?, numbers("decay")?);
        let rule: &StringArray = column(&batch, "rule")?;
        let first: &UInt64Array = column(&batch, "first_step")?;
        let end: &UInt64Array = column(&batch, "end_step")?;
        let index: &UInt64Array = column(&batch, "window")?;
        let marked: &BooleanArray = column(&batch, "marked")?;
        for i in 0..batch.num_rows() {
            let shares: Vec<f64> = share.iter().map(|s| s.value(i)).collect();
            if !accounts.windows.is_empty() && shares != accounts.shares {
                return Err(failed(format!("window {i}: shares {shares:?}, the windows before have {:?}", accounts.shares)));
            }
            accounts.shares = shares;
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
                credit: vec![0.0; buckets * halves],
                decay: row(&decay),
                tokens: vec![0; buckets],
            });
        }
    }
    let halves = accounts.shares.len();
    for row in credit {
        let (window, bucket, half) = (row.window as usize, row.bucket as usize, row.half as usize);
        let slot = accounts.windows.get_mut(window).filter(|_| bucket < buckets && half < halves);
        let slot =
            slot.ok_or_else(|| failed(format!("credit of window {window}, bucket {bucket}, half {half}: there is no such window")))?;
        slot.credit[bucket * halves + half] = row.nats / accounts.shares[half];
        slot.tokens[bucket] = row.tokens;
    }
    Ok(accounts)
}
