//! The attribution of a run for people: tables, the documents of a step, one document word by word.

use anyhow::Result;
use corpus::RunNumber;
use pipeline::attribution::{By, StepPiece, Sum};
use pipeline::{Snapshot, attribution, explain};
use polars::prelude::*;
use rules::earned::Sampled;

use crate::args::attribution::{Explain, Show};
use crate::output::Output;
use crate::place::Place;
use crate::tables::render;

/// Sums of the tables of a run.
pub fn show(place: &Place, a: Show) -> Result<Output> {
    let sums = attribution::sums(&place.look()?, a.run, a.by, a.sort, a.limit)?;
    let column = |f: &dyn Fn(&Sum) -> String| sums.rows.iter().map(f).collect::<Vec<_>>();
    let title = match a.by {
        By::Contributor => "contributor",
        By::Document => "document",
        By::Target => "contributor and target",
        By::Window => "window",
    };
    let frame = df!(
        title => column(&|s| s.name.clone()),
        "tokens" => sums.rows.iter().map(|s| s.tokens).collect::<Vec<_>>(),
        "credit nats" => column(&|s| format!("{:+.6} ±{:.6}", s.nats, s.spread)),
        "nats per million tokens" => column(&|s| format!("{:+.4}", 1e6 * s.per_token())),
    )?;
    let mut text = render(&frame, None)?;
    if sums.rows.len() < sums.of {
        text += &format!("{} of {} rows; --limit 0 for all\n", sums.rows.len(), sums.of);
    }
    Output::of(text, &sums)
}

/// The documents of a step of a run.
pub fn inspect(home: &Snapshot, run: RunNumber, step: u64) -> Result<Output> {
    let found = attribution::step(home, run, step)?;
    let number = |f: &dyn Fn(&StepPiece) -> usize| found.pieces.iter().map(|p| f(p) as u64).collect::<Vec<_>>();
    let frame = df!(
        "row" => number(&|p| p.row),
        "document" => found.pieces.iter().map(|p| p.document.clone()).collect::<Vec<_>>(),
        "contributor" => found.pieces.iter().map(|p| p.contributor.clone()).collect::<Vec<_>>(),
        "first token" => number(&|p| p.first_token),
        "end token" => number(&|p| p.end_token),
        "predicted" => number(&|p| p.predicted),
    )?;
    Output::of(format!("step {step} of run {run}: {} tokens\n{}", found.tokens, render(&frame, None)?), &found)
}

/// How often the strata of a run were sampled, beside what their sampling shares planned.
pub fn sampled(home: &Snapshot, run: RunNumber) -> Result<Output> {
    let found = attribution::sampled(home, run)?;
    let strata = &found.strata;
    let percent = |share: &dyn Fn(&Sampled) -> f64| strata.iter().map(|d| format!("{:.2} %", 100.0 * share(d))).collect::<Vec<_>>();
    let frame = df!(
        "stratum" => strata.iter().map(|d| d.stratum.clone()).collect::<Vec<_>>(),
        "tokens in corpus" => strata.iter().map(|d| d.corpus_tokens).collect::<Vec<_>>(),
        "planned" => percent(&|d| d.planned),
        "sampled" => percent(&|d| d.sampled),
        "tokens sampled" => strata.iter().map(|d| d.sampled_tokens).collect::<Vec<_>>(),
    )?;
    Output::of(render(&frame, None)?, &found)
}

/// Which tokens of a document carry its credit.
pub fn explain(place: &Place, a: Explain) -> Result<Output> {
    let home = place.look()?;
    let found = explain::explain(&home, a.run, &a.document, &*home.listener)?;
    let tokens = &found.tokens;
    let mut order: Vec<usize> = (0..tokens.len()).collect();
    order.sort_by(|a, b| tokens[*b].nats.total_cmp(&tokens[*a].nats));
    let line = |i: &usize| {
        let around: String = tokens[i.saturating_sub(6)..*i].iter().map(|t| t.text.as_str()).collect();
        format!("{:+.3e}  …{}[{}]\n", tokens[*i].nats, around.escape_debug(), tokens[*i].text.escape_debug())
    };
    let mut text = format!(
        "document {}: {:+.6} nats in window {} of run {}; tokens scaled to that sum, for explanation only\n",
        found.document, found.nats, found.window, found.run
    );
    text += &order.iter().take(15).map(line).collect::<String>();
    if order.len() > 20 {
        text += "   …\n";
        text += &order[order.len() - 5..].iter().map(line).collect::<String>();
    }
    Output::of(text, &found)
}
