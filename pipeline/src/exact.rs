//! Credit by document in one window without estimates, beside what the table says.

use std::collections::BTreeMap;

use ledger::history::{Logged, Run};
use rules::Archive;
use rules::checkpoints::{Checkpoints, whole_before};
use rules::listener::Listener;
use rules::run_data::{self, Engine};
use serde::Serialize;
use store::Class;
use trainer::read_documents;

use crate::error::{Kind, Result, failure, usage};

/// A document in a window, over all targets by their weights.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// Its reference.
    pub document: String,
    /// Whose it is.
    pub contributor: String,
    /// The bucket that its gradient went to.
    pub bucket: u32,
    /// Its tokens trained on in the window.
    pub tokens: u64,
    /// Nats in the table.
    pub table: f64,
    /// Nats without estimates.
    pub exact: f64,
}

/// What a window's documents are credited with exactly, from the steps taken again.
#[derive(Clone, Debug, Serialize)]
pub struct Window {
    /// The window.
    pub window: u64,
    /// Pearson's correlation of table and exact credit inside a bucket, all buckets together.
    pub r: f64,
    /// Its documents, by what they are credited with.
    pub documents: Vec<Document>,
}

/// Takes the steps of `window`, and those whose documents it still prices, again.
///
/// Two buffers of the model's size are kept for each of these steps.
pub fn window(archive: &Archive, run: &Run, window: u64, listener: &dyn Listener) -> Result<Window> {
    let Logged { entry: attribution, .. } =
        run.attribution.as_ref().ok_or_else(|| failure(Kind::Check, "the run has no attribution yet".to_string()))?;
    let tables = rules::run_tables::of_run(archive, run)?;
    let of = tables.accounts.windows.len();
    let facts = tables.accounts.windows.get(window as usize).ok_or_else(|| usage(format!("window {window}: the run has {of}")))?;
    let config = rules::replay::config(archive, run)?;
    let data = run_data::read(archive, run.intent.entry.epoch, Some(run.intent.index), &config)?;
    let order = data.order(&config)?;
    let backend = Engine::new();
    let mut trainer = data.trainer(&backend, &config, &order, run.intent.entry.steps)?;
    // Documents of earlier steps wait in the first moment as long as their sketches do.
    let from = facts.first_step.saturating_sub(config.attribution.look_ahead);
    let checkpoints = Checkpoints { archive, backend: &backend, order: &order, config: run.intent.entry.config };
    let mut state = match whole_before(run, &config, |p| p.step <= from) {
        Some((_, p)) => checkpoints.state(&trainer, p)?,
        None => data.start(archive, &config, &trainer, &data.initial(archive, &config)?)?,
    };
    let bar = listener.task("steps taken again", 0);
    while tables.accounts.windows.get(state.windows.len()).is_some_and(|w| w.end_step <= from) {
        trainer.window(&mut state, &mut |_| bar.advance(1));
    }
    drop(bar);
    trainer.record_until(&mut state, window);
    let factors: Vec<f64> = data.pricing.of().iter().map(trainer::Part::factor).collect();
    let mut exact: BTreeMap<String, f64> = BTreeMap::new();
    for credit in trainer.exact(0.0).into_iter().filter(|c| c.window == window && c.step >= from) {
        let nats: f64 = credit.credit.iter().zip(&factors).map(|(c, f)| c * f).sum();
        *exact.entry(data.owners.documents[credit.document as usize].clone()).or_default() += nats;
    }
    let mut documents: BTreeMap<String, Document> = BTreeMap::new();
    for row in read_documents(&archive.objects.get(Class::Public, &attribution.documents)?)?.into_iter().filter(|r| r.window == window) {
        let nats = tables.weight(&row.target) * row.nats;
        let known = documents.entry(row.document.clone()).or_insert_with(|| Document {
            exact: exact.get(&row.document).copied().unwrap_or(0.0),
            document: row.document,
            contributor: row.credited.contributor,
            bucket: row.credited.bucket,
            tokens: row.credited.tokens,
            table: 0.0,
        });
        known.table += nats;
    }
    let mut documents: Vec<Document> = documents.into_values().collect();
    let r = correlation(&documents);
    documents.sort_by(|a, b| b.exact.total_cmp(&a.exact).then_with(|| a.document.cmp(&b.document)));
    Ok(Window { window, r, documents })
}

/// Pearson's correlation of table and exact credit, each less its bucket's mean: how a bucket's credit is split.
fn correlation(documents: &[Document]) -> f64 {
    let mut means: BTreeMap<u32, (f64, f64, f64)> = BTreeMap::new();
    for d in documents {
        let (n, table, exact) = means.entry(d.bucket).or_default();
        (*n, *table, *exact) = (*n + 1.0, *table + d.table, *exact + d.exact);
    }
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for d in documents {
        let (n, table, exact) = means[&d.bucket];
        let (a, b) = (d.table - table / n, d.exact - exact / n);
        (aa, bb, ab) = (aa + a * a, bb + b * b, ab + a * b);
    }
    ab / (aa * bb).sqrt()
}
