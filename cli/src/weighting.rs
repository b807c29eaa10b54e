//! How often a run sees the strata: where the weights come from, what the log has of them, what was drawn.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use corpus::canonical;
use ledger::history::Run;
use serde::{Deserialize, Serialize};
use store::Class;
use trainer::{Earned, OrderRow, Sampling, Weighting, Weights};

use crate::failure::usage;
use crate::home::{Archive, Home};
use crate::stages::data::RunData;
use crate::stages::replay;

/// What the documents of each stratum were credited with in a run, over all targets by their weights.
pub fn earned(archive: &Archive, run: &Run) -> Result<BTreeMap<String, Earned>> {
    let tables = replay::tables(archive, run)?;
    let groups: BTreeMap<String, String> = order_log(archive, run)?.into_iter().map(|r| (r.document, r.group)).collect();
    let mut earned: BTreeMap<String, Earned> = BTreeMap::new();
    let (_, attribution) = run.attribution.as_ref().context("a run with tables has an attribution")?;
    for row in trainer::read_documents(&archive.objects.get(Class::Public, &attribution.documents)?)? {
        let group = groups.get(&row.document).with_context(|| format!("document {}: credited, and not in the order log", row.document))?;
        let sum = earned.entry(group.clone()).or_default();
        sum.nats += tables.weight(&row.target) * row.nats;
        // Tokens are the same for every target.
        sum.tokens += if tables.targets.first() == Some(&row.target) { row.tokens } else { 0 };
    }
    Ok(earned)
}

/// What every step of a run saw.
pub fn order_log(archive: &Archive, run: &Run) -> Result<Vec<OrderRow>> {
    let mut rows = Vec::new();
    for (_, p) in &run.progress {
        rows.extend(trainer::read_order(&archive.objects.get(Class::Public, &p.order)?)?);
    }
    Ok(rows)
}

/// All weights of a run that the log knows of; none before its first progress.
pub fn weights_of(archive: &Archive, run: &Run) -> Result<Option<Vec<Weights>>> {
    let Some(log) = weight_log(archive, run)? else { return Ok(None) };
    Ok(Some(log.changes.into_iter().map(|c| Weights { from_step: c.from_step, ppm: c.weights_ppm }).collect()))
}

fn weight_log(archive: &Archive, run: &Run) -> Result<Option<WeightLog>> {
    let Some((_, last)) = run.progress.last() else { return Ok(None) };
    Ok(Some(canonical::from_slice(&archive.objects.get(Class::Public, &last.weights)?)?))
}

/// What a stratum was planned to be drawn, and was drawn.
#[derive(Clone, Debug, Serialize)]
pub struct Draws {
    /// The stratum.
    pub stratum: String,
    /// Its tokens in the corpus.
    pub corpus_tokens: u64,
    /// Share of the run's tokens that its weights plan for.
    pub planned: f64,
    /// Tokens that the steps saw.
    pub drawn_tokens: u64,
    /// Their share.
    pub drawn: f64,
}

/// Draws of a run by stratum, from its public files.
pub fn draws(archive: &Archive, run: &Run) -> Result<Vec<Draws>> {
    let (Some((_, last)), Some(log)) = (run.progress.last(), weight_log(archive, run)?) else { return Ok(Vec::new()) };
    let mut drawn: BTreeMap<String, u64> = BTreeMap::new();
    for row in order_log(archive, run)? {
        *drawn.entry(row.group).or_default() += u64::from(row.tokens.end - row.tokens.start);
    }
    let all: u64 = drawn.values().sum();
    let of = |((stratum, &corpus_tokens), planned): ((&String, &u64), f64)| {
        let drawn_tokens = drawn.get(stratum).copied().unwrap_or(0);
        Draws { stratum: stratum.clone(), corpus_tokens, planned, drawn_tokens, drawn: drawn_tokens as f64 / all.max(1) as f64 }
    };
    Ok(log.strata.iter().zip(&log.tokens).zip(log.planned(last.step)).map(of).collect())
}

/// Weights by stratum, as a public object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightTable {
    /// `2`.
    pub version: u32,
    /// The run whose credit gave them, if one did.
    pub from_run: Option<u32>,
    /// Weight by stratum in millionths, before floors; 1,000,000 for those that are not named.
    pub weights_ppm: BTreeMap<String, u64>,
}

/// The strata of a run and all weights that were in force, as a public object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightLog {
    /// `1`.
    pub version: u32,
    /// Their names.
    pub strata: Vec<String>,
    /// Their tokens in the corpus.
    pub tokens: Vec<u64>,
    /// First step and weights in millionths; none for every document once a pass.
    pub changes: Vec<Change>,
}

/// Weights from a step on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The first step that they hold for.
    pub from_step: u64,
    /// By stratum, in millionths.
    pub weights_ppm: Vec<u64>,
}

impl WeightLog {
    /// What a run of `data` has had so far.
    pub fn new(data: &RunData, weights: &[Weights]) -> WeightLog {
        let mut tokens = data.corpus.group_tokens();
        tokens.resize(data.owners.groups.len(), 0);
        let changes = weights.iter().map(|w| Change { from_step: w.from_step, weights_ppm: w.ppm.clone() }).collect();
        WeightLog { version: 1, strata: data.owners.groups.clone(), tokens, changes }
    }

    /// Each stratum's share of the tokens that the weights plan for, over `steps` steps.
    pub fn planned(&self, steps: u64) -> Vec<f64> {
        let mut planned = vec![0.0; self.strata.len()];
        let equal = Change { from_step: 0, weights_ppm: vec![1_000_000; self.strata.len()] };
        let first = (self.changes.first().is_none_or(|c| c.from_step > 0)).then_some(&equal);
        let changes: Vec<&Change> = first.into_iter().chain(&self.changes).collect();
        for (i, change) in changes.iter().enumerate() {
            let end = changes.get(i + 1).map_or(steps, |c| c.from_step).min(steps);
            let drawn = |(w, t): (&u64, &u64)| *w as f64 * *t as f64;
            let all: f64 = change.weights_ppm.iter().zip(&self.tokens).map(drawn).sum();
            let part = end.saturating_sub(change.from_step) as f64 / steps.max(1) as f64;
            for (sum, pair) in planned.iter_mut().zip(change.weights_ppm.iter().zip(&self.tokens)) {
                *sum += part * drawn(pair) / all;
            }
        }
        planned
    }
}

/// The table that follows from what a run credits its strata with, a token.
pub fn table_of_run(archive: &Archive, run: u32, cap: f64) -> Result<WeightTable> {
    let this = archive.state.runs.get(run as usize).ok_or_else(|| usage(format!("run {run}: there are {}", archive.state.runs.len())))?;
    let (names, earned): (Vec<String>, Vec<Earned>) = earned(archive, this)?.into_iter().unzip();
    if names.len() < 2 {
        return Err(usage(format!(
            "weights from run {run}: they go by stratum, and it saw only {names:?}; declare some with `assay epoch open --strata`"
        )));
    }
    let ratios = trainer::ratios(&earned, 0.0, cap);
    let weights_ppm = names.into_iter().zip(ratios.iter().map(|r| (r * 1e6).round() as u64)).collect();
    Ok(WeightTable { version: 2, from_run: Some(run), weights_ppm })
}

/// The table of a file.
pub fn table_of_file(path: &Path) -> Result<WeightTable> {
    let text = String::from_utf8(store::files::read(path)?).with_context(|| path.display().to_string())?;
    let weights: BTreeMap<String, f64> = toml::from_str(&text).with_context(|| path.display().to_string())?;
    if let Some((name, w)) = weights.iter().find(|(_, w)| !(0.0..=1e6).contains(*w)) {
        return Err(usage(format!("{}: {name} = {w}, expected a weight from 0 to a million", path.display())));
    }
    let weights_ppm = weights.into_iter().map(|(name, w)| (name, (w * 1e6).round() as u64)).collect();
    Ok(WeightTable { version: 2, from_run: None, weights_ppm })
}

/// Puts the digest of the table that `sampling` asks for in its place, so that the config decides the run by itself.
pub fn resolve(home: &Home, sampling: &mut Sampling) -> Result<()> {
    let table = match (sampling.weights, sampling.run, sampling.file.take()) {
        (Weighting::FromRun, Some(run), _) => table_of_run(home, run, sampling.cap)?,
        (Weighting::File, _, Some(path)) => table_of_file(&path)?,
        _ => return Ok(()),
    };
    sampling.table = Some(home.objects.put(Class::Public, &canonical::to_vec(&table)?)?.to_string());
    Ok(())
}
