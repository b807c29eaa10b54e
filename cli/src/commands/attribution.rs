//! The attribution of a run for people: tables, the documents of a step, one document word by word.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use corpus::ContributorId;
use kernels::{Memory, OptimizerOperations};
use ledger::history::Logged;
use pipeline::Home;
use polars::prelude::*;
use rules::earned::Draws;
use rules::run_data::{self, Engine};
use serde_json::json;
use store::Class;
use trainer::{Batch, Piece, read_documents};

use super::Place;
use super::model::run_of;
use crate::args::attribution::{By, Explain, Show, Sort};
use crate::failure::{Kind, failure, usage};
use crate::output::Output;
use crate::tables::render;

#[derive(Default)]
struct Sum {
    nats: f64,
    halves: [f64; 2],
    tokens: u64,
}

impl Sum {
    fn add(&mut self, nats: f64, halves: &[f64], tokens: u64, weight: f64) {
        self.nats += weight * nats;
        self.tokens += tokens;
        for (sum, half) in self.halves.iter_mut().zip(halves) {
            *sum += weight * half;
        }
    }
    fn spread(&self) -> f64 {
        (self.halves[0] - self.halves[1]).abs() / 2.0
    }
    fn per_token(&self) -> f64 {
        if self.tokens == 0 { 0.0 } else { self.nats / self.tokens as f64 }
    }
}

/// Sums of the tables of a run.
pub async fn show(place: &Place, a: Show) -> Result<Output> {
    let home = &place.open().await?;
    let Show { run, by, sort, limit } = a;
    let tables = rules::run_tables::of_run(home, run_of(home, run)?)?;
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let name = |id: &str| id.parse::<ContributorId>().map_or_else(|_| id.to_string(), |id| home.name_of(&id));
    // Tokens are the same for every target; they are counted once.
    let first = |target: &str| tables.targets.first().is_some_and(|t| t == target) || by == By::Target;
    if by == By::Document {
        let Logged { entry: a, .. } = run_of(home, run)?.attribution.as_ref().context("a table comes from an attribution")?;
        for row in read_documents(&home.objects.get(Class::Public, &a.documents)?)? {
            let tokens = if first(&row.target) { row.tokens } else { 0 };
            let key = format!("{} {}", row.document, name(&row.contributor));
            sums.entry(key).or_default().add(row.nats, &row.halves, tokens, tables.weight(&row.target));
        }
    } else {
        for row in &tables.credit {
            let tokens = if first(&row.target) { row.tokens } else { 0 };
            let (key, weight) = match by {
                By::Target => (format!("{} {}", name(&row.contributor), row.target), 1.0),
                By::Window => (format!("{:06}", row.window), tables.weight(&row.target)),
                _ => (name(&row.contributor), tables.weight(&row.target)),
            };
            sums.entry(key).or_default().add(row.nats, &row.halves, tokens, weight);
        }
    }
    let mut rows: Vec<(String, Sum)> = sums.into_iter().collect();
    let key = |s: &Sum| match sort {
        Sort::Nats => s.nats,
        Sort::Spread => s.spread(),
        Sort::Tokens => s.tokens as f64,
        Sort::PerToken => s.per_token(),
        Sort::Name => 0.0,
    };
    rows.sort_by(|a, b| key(&b.1).total_cmp(&key(&a.1)).then(a.0.cmp(&b.0)));
    let all = rows.len();
    rows.truncate(if limit == 0 { all } else { limit });
    let column = |f: &dyn Fn(&Sum) -> String| rows.iter().map(|(_, s)| f(s)).collect::<Vec<_>>();
    let title = match by {
        By::Contributor => "contributor",
        By::Document => "document",
        By::Target => "contributor and target",
        By::Window => "window",
    };
    let frame = df!(
        title => rows.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>(),
        "tokens" => rows.iter().map(|(_, s)| s.tokens).collect::<Vec<_>>(),
        "credit nats" => column(&|s| format!("{:+.6} ±{:.6}", s.nats, s.spread())),
        "nats per million tokens" => column(&|s| format!("{:+.4}", 1e6 * s.per_token())),
    )?;
    let mut text = render(&frame, None)?;
    if rows.len() < all {
        text += &format!("{} of {all} rows; --limit 0 for all\n", rows.len());
    }
    let json: Vec<_> = rows
        .iter()
        .map(|(n, s)| json!({ "name": n, "nats": s.nats, "half_0": s.halves[0], "half_1": s.halves[1], "spread": s.spread(), "tokens": s.tokens }))
        .collect();
    Ok(Output::new(text, json!({ "run": run, "rows": json, "of": all })))
}

/// The documents of a step of a run.
pub fn inspect(home: &Home, run: u32, step: u64) -> Result<Output> {
    let this = run_of(home, run)?;
    if step >= this.intent.entry.steps {
        return Err(usage(format!("step {step}: run {run} has {}", this.intent.entry.steps)));
    }
    let config = rules::replay::config(home, this)?;
    let data = run_data::read(home, this.intent.entry.epoch, Some(this.intent.index), &config)?;
    let order = data.order(&config)?;
    let weights = rules::earned::weights_of(home, this)?.map_or_else(|| data.weights(home, &config), Ok)?;
    let (mut at, mut rows) = (0, Vec::new());
    for Piece { document, range } in order.step(step, &weights) {
        let owner: ContributorId = data.owners.contributors[data.owners.document_owners[document]].parse()?;
        let learned = range.clone().filter(|i| data.corpus.documents[document].predicts(*i)).count();
        rows.push((at / config.model.context, data.owners.documents[document].clone(), home.name_of(&owner), range.clone(), learned));
        at += range.len();
    }
    let frame = df!(
        "row" => rows.iter().map(|r| r.0 as u64).collect::<Vec<_>>(),
        "document" => rows.iter().map(|r| r.1.clone()).collect::<Vec<_>>(),
        "contributor" => rows.iter().map(|r| r.2.clone()).collect::<Vec<_>>(),
        "first token" => rows.iter().map(|r| r.3.start as u64).collect::<Vec<_>>(),
        "end token" => rows.iter().map(|r| r.3.end as u64).collect::<Vec<_>>(),
        "predicted" => rows.iter().map(|r| r.4 as u64).collect::<Vec<_>>(),
    )?;
    let json: Vec<_> = rows
        .iter()
        .map(|r| json!({ "row": r.0, "document": r.1, "contributor": r.2, "first_token": r.3.start, "end_token": r.3.end, "predicted": r.4 }))
        .collect();
    Ok(Output::new(
        format!("step {step} of run {run}: {at} tokens\n{}", render(&frame, None)?),
        json!({ "run": run, "step": step, "pieces": json }),
    ))
}

/// How often the strata of a run were drawn, beside what their weights planned.
pub fn draws(home: &Home, run: u32) -> Result<Output> {
    let draws = rules::earned::draws(home, run_of(home, run)?)?;
    let percent = |share: &dyn Fn(&Draws) -> f64| draws.iter().map(|d| format!("{:.2} %", 100.0 * share(d))).collect::<Vec<_>>();
    let frame = df!(
        "stratum" => draws.iter().map(|d| d.stratum.clone()).collect::<Vec<_>>(),
        "tokens in corpus" => draws.iter().map(|d| d.corpus_tokens).collect::<Vec<_>>(),
        "planned" => percent(&|d| d.planned),
        "drawn" => percent(&|d| d.drawn),
        "tokens drawn" => draws.iter().map(|d| d.drawn_tokens).collect::<Vec<_>>(),
    )?;
    Ok(Output::new(render(&frame, None)?, json!({ "run": run, "strata": draws })))
}

/// Which tokens of a document carry its credit, in the window in which it has most; an explanation, never what is paid.
///
/// The derivative of each token's loss along the preconditioned held-out gradient at the window's first weights,
/// scaled to the document's credit in that window.
pub async fn explain(place: &Place, a: Explain) -> Result<Output> {
    let home = &place.open().await?;
    let (run, document) = (a.run, a.document.as_str());
    let this = run_of(home, run)?;
    let Logged { entry: a, .. } =
        this.attribution.as_ref().ok_or_else(|| failure(Kind::Check, format!("run {run}: no attribution yet")))?;
    let rows = read_documents(&home.objects.get(Class::Public, &a.documents)?)?;
    let mut windows: BTreeMap<u64, (f64, u64)> = BTreeMap::new();
    for row in rows.iter().filter(|r| r.document == document) {
        let window = windows.entry(row.window).or_default();
        *window = (window.0 + row.nats, window.1 + row.tokens);
    }
    let most = windows.iter().filter(|(_, (_, tokens))| *tokens > 0).max_by(|a, b| a.1.0.abs().total_cmp(&b.1.0.abs()));
    let (&window, &(nats, _)) =
        most.ok_or_else(|| usage(format!("document {document}: has no credit in run {run}; names are as in `assay attribution show`")))?;
    let config = rules::replay::config(home, this)?;
    let data = run_data::read(home, this.intent.entry.epoch, Some(this.intent.index), &config)?;
    let order = data.order(&config)?;
    let backend = Engine::new();
    let mut trainer = data.trainer(&backend, &config, &order, this.intent.entry.steps)?;
    let before = this.progress.iter().rfind(|Logged { entry: p, .. }| p.windows <= window);
    let mut state = match before {
        Some(Logged { entry: p, .. }) => {
            trainer.load(&backend, &home.objects.get(Class::Sealed, &p.checkpoint)?, &this.intent.entry.config.to_string())?
        }
        None => data.start(home, &config, &trainer, &data.initial(home, &config)?)?,
    };
    while (state.windows.len() as u64) < window && trainer.window(&mut state, &mut |_| {}) {}
    let direction = trainer.price_direction(&mut state);
    let index = data.owners.documents.iter().position(|d| d == document).context("a credited document is in the corpus")?;
    let whole = &data.corpus.documents[index];
    let pieces: Vec<Piece> = (0..whole.tokens.len())
        .step_by(config.model.context)
        .map(|start| Piece { document: index, range: start..(start + config.model.context).min(whole.tokens.len()) })
        .collect();
    let mut values = vec![0.0; whole.tokens.len()];
    let length = |v: &<Engine as Memory>::Master| v.as_slice().iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    // A step long enough to be seen in f32, short enough to be straight.
    let step = 1e-3 * length(&state.theta) / length(&direction).max(1e-30);
    let losses = |sign: f64| -> Vec<f64> {
        let mut theta = state.theta.clone();
        backend.scale_add(&mut theta, 1.0, &direction, sign * step);
        let mut engine = trainer::Engine::new(&backend, &config.model, data.vocabulary);
        pieces.iter().flat_map(|p| engine.losses(&theta, &Batch::new(&data.corpus, std::slice::from_ref(p)))).collect()
    };
    for (i, (up, down)) in losses(1.0).into_iter().zip(losses(-1.0)).enumerate() {
        // What is predicted at a position is the token after it.
        if i + 1 < values.len() {
            values[i + 1] = up - down;
        }
    }
    let sum: f64 = values.iter().sum();
    if sum != 0.0 {
        values.iter_mut().for_each(|v| *v *= nats / sum);
    }
    let (_, tokenizer) = rules::tokenizer::read(home)?;
    let words = whole.tokens.iter().map(|t| Ok(tokenizer.decode(std::slice::from_ref(t))?)).collect::<Result<Vec<String>>>()?;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    let line = |i: &usize| {
        let around: String = words[i.saturating_sub(6)..*i].concat();
        format!("{:+.3e}  …{}[{}]\n", values[*i], around.escape_debug(), words[*i].escape_debug())
    };
    let mut text =
        format!("document {document}: {nats:+.6} nats in window {window} of run {run}; tokens scaled to that sum, for explanation only\n");
    text += &order.iter().take(15).map(line).collect::<String>();
    if order.len() > 20 {
        text += "   …\n";
        text += &order[order.len() - 5..].iter().map(line).collect::<String>();
    }
    let tokens: Vec<_> = words.iter().zip(&values).map(|(w, v)| json!({ "text": w, "nats": v })).collect();
    Ok(Output::new(text, json!({ "run": run, "document": document, "window": window, "nats": nats, "tokens": tokens })))
}
