//! Documents of different contributors whose gradients are alike, for review.
//!
//! Nothing of it is in the log: a pair that is alike is a reason to look, and an accusation if it is published.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use corpus::ContributorId;
use ledger::history::Logged;
use polars::prelude::*;
use rules::run_data::{self, Engine};
use serde_json::json;
use store::Class;
use trainer::read_documents;

use super::Place;
use super::model::run_of;
use crate::args::attribution::Alike;
use crate::failure::{Kind, failure};
use crate::output::Output;
use crate::tables::render;

/// Pairs among the `most` documents with the largest credit, by size, at the run's last weights.
pub async fn show(place: &Place, a: Alike) -> Result<Output> {
    let home = &place.open().await?;
    let Alike { run, least, documents: most, tokens } = a;
    let this = run_of(home, run)?;
    let Logged { entry: attribution, .. } =
        this.attribution.as_ref().ok_or_else(|| failure(Kind::Check, format!("run {run}: no attribution yet")))?;
    let tables = rules::run_tables::of_run(home, this)?;
    let config = rules::replay::config(home, this)?;
    let data = run_data::read(home, this.intent.entry.epoch, Some(this.intent.index), &config)?;
    let order = data.order(&config)?;
    let backend = Engine::new();
    let mut trainer = data.trainer(&backend, &config, &order, this.intent.entry.steps)?;
    let Logged { entry: last, .. } = this.progress.last().context("an attributed run has progress")?;
    let state = trainer.load(&backend, &home.objects.get(Class::Sealed, &last.checkpoint)?, &this.intent.entry.config.to_string())?;

    let mut credit: BTreeMap<String, f64> = BTreeMap::new();
    for row in read_documents(&home.objects.get(Class::Public, &attribution.documents)?)? {
        *credit.entry(row.document).or_default() += tables.weight(&row.target) * row.nats;
    }
    let nats: Vec<f64> = data.owners.documents.iter().map(|d| credit.get(d).copied().unwrap_or(0.0)).collect();
    let mut chosen: Vec<u32> = (0..nats.len() as u32).filter(|d| nats[*d as usize] != 0.0).collect();
    chosen.sort_by(|a, b| nats[*b as usize].abs().total_cmp(&nats[*a as usize].abs()).then(a.cmp(b)));
    chosen.truncate(most);
    let pairs = trainer.alike(&state, &data.corpus, &chosen, tokens, |d| data.owners.document_owners[d as usize], least)?;

    let name = |d: u32| -> Result<String> {
        let id: ContributorId = data.owners.contributors[data.owners.document_owners[d as usize]].parse()?;
        Ok(format!("{} {}", data.owners.documents[d as usize], home.name_of(&id)))
    };
    let names = pairs.iter().map(|p| Ok((name(p.first)?, name(p.second)?))).collect::<Result<Vec<_>>>()?;
    let of = |d: u32| format!("{:+.2e}", nats[d as usize]);
    let frame = df!(
        "cosine" => pairs.iter().map(|p| format!("{:.3}", p.cosine)).collect::<Vec<_>>(),
        "document" => names.iter().map(|n| n.0.clone()).collect::<Vec<_>>(),
        "nats" => pairs.iter().map(|p| of(p.first)).collect::<Vec<_>>(),
        "and" => names.iter().map(|n| n.1.clone()).collect::<Vec<_>>(),
        "nats of it" => pairs.iter().map(|p| of(p.second)).collect::<Vec<_>>(),
    )?;
    let text = format!(
        "{} of {} documents with credit compared; {} pairs of different contributors have a cosine of at least {least}\n{}",
        chosen.len(),
        credit.len(),
        pairs.len(),
        if pairs.is_empty() { String::new() } else { render(&frame, None)? }
    );
    let json: Vec<_> = pairs
        .iter()
        .zip(&names)
        .map(|(p, (first, second))| {
            json!({ "cosine": p.cosine, "first": first, "second": second, "first_nats": nats[p.first as usize], "second_nats": nats[p.second as usize] })
        })
        .collect();
    Ok(Output::new(text, json!({ "run": run, "compared": chosen.len(), "pairs": json })))
}
