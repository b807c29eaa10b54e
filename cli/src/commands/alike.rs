//! `assay attribution alike`: pairs of documents, for review.

use anyhow::Result;
use pipeline::alike::{Pair, alike};
use polars::prelude::*;

use crate::args::attribution::Alike;
use crate::output::Output;
use crate::place::Place;
use crate::tables::render;

/// Shows pairs of documents of different contributors whose gradients are alike.
pub fn show(place: &Place, a: Alike) -> Result<Output> {
    let found = alike(&place.look()?, a.run, a.least, a.documents, a.tokens)?;
    let column = |f: &dyn Fn(&Pair) -> String| found.pairs.iter().map(f).collect::<Vec<_>>();
    let frame = df!(
        "cosine" => column(&|p| format!("{:.3}", p.cosine)),
        "document" => column(&|p| p.first.clone()),
        "nats" => column(&|p| format!("{:+.2e}", p.first_nats)),
        "and" => column(&|p| p.second.clone()),
        "nats of it" => column(&|p| format!("{:+.2e}", p.second_nats)),
    )?;
    let text = format!(
        "{} of {} documents with credit compared; {} pairs of different contributors have a cosine of at least {}\n{}",
        found.compared,
        found.credited,
        found.pairs.len(),
        a.least,
        if found.pairs.is_empty() { String::new() } else { render(&frame, None)? }
    );
    Output::of(text, &found)
}
