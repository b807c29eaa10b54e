//! Exact credit by document in one window, for people.

use anyhow::Result;
use corpus::ContributorId;
use pipeline::Snapshot;
use pipeline::exact::{Document, Window};
use polars::prelude::*;

use crate::tables::render;

/// Documents in a table for people.
const ROWS: usize = 20;

/// The window for people.
pub fn text(home: &Snapshot, found: &Window) -> Result<String> {
    let shown = &found.documents[..found.documents.len().min(ROWS)];
    let name = |d: &Document| d.contributor.parse::<ContributorId>().map_or_else(|_| d.contributor.clone(), |id| home.name_of(&id));
    let numbers = |f: fn(&Document) -> f64| shown.iter().map(|d| format!("{:+.3e}", f(d))).collect::<Vec<_>>();
    let frame = df!(
        "document" => shown.iter().map(|d| d.document.clone()).collect::<Vec<_>>(),
        "contributor" => shown.iter().map(name).collect::<Vec<_>>(),
        "tokens" => shown.iter().map(|d| d.tokens).collect::<Vec<_>>(),
        "exact nats" => numbers(|d| d.exact),
        "in the table" => numbers(|d| d.table),
    )?;
    Ok(format!(
        "window {}: {} documents, r {:.3} between the table and exact credit inside buckets; the most credited:\n{}",
        found.window,
        found.documents.len(),
        found.r,
        render(&frame, None)?
    ))
}
