//! What a run credited its strata with, how it sampled them, and the shares that follow for another run.

use std::collections::BTreeMap;

use corpus::objects::Class;
use corpus::{RunNumber, canonical};
use ledger::history::{Logged, Run};
use serde::Serialize;
use trainer::{Earned, OrderRow, Shares};

use crate::archive::Archive;
use crate::error::{Context, Result, RulesError};
use crate::run_tables;
use crate::shares::{ShareLog, ShareTable};

/// What the documents of each stratum were credited with in a run, over all targets by their weights.
pub fn earned(archive: &Archive, run: &Run) -> Result<BTreeMap<String, Earned>> {
    let tables = run_tables::of_run(archive, run)?;
    let groups: BTreeMap<String, String> = order_log(archive, run)?.into_iter().map(|r| (r.document, r.group)).collect();
    let mut earned: BTreeMap<String, Earned> = BTreeMap::new();
    let Logged { entry: attribution, .. } = run.attribution.as_ref().context("a run with tables has an attribution")?;
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
    for Logged { entry: p, .. } in &run.progress {
        rows.extend(trainer::read_order(&archive.objects.get(Class::Public, &p.order)?)?);
    }
    Ok(rows)
}

/// All shares of a run that the log knows of; none before its first progress.
pub fn shares_of(archive: &Archive, run: &Run) -> Result<Option<Vec<Shares>>> {
    let Some(log) = share_log(archive, run)? else { return Ok(None) };
    Ok(Some(log.changes.into_iter().map(|c| Shares { from_step: c.from_step, ppm: c.shares_ppm }).collect()))
}

fn share_log(archive: &Archive, run: &Run) -> Result<Option<ShareLog>> {
    let Some(Logged { entry: last, .. }) = run.progress.last() else { return Ok(None) };
    Ok(Some(canonical::from_slice(&archive.objects.get(Class::Public, &last.shares)?)?))
}

/// What a stratum was planned to be sampled, and was sampled.
#[derive(Clone, Debug, Serialize)]
pub struct Sampled {
    /// The stratum.
    pub stratum: String,
    /// Its tokens in the corpus.
    pub corpus_tokens: u64,
    /// Share of the run's tokens that its shares plan for.
    pub planned: f64,
    /// Tokens that the steps saw.
    #[serde(rename = "drawn_tokens")]
    pub sampled_tokens: u64,
    /// Their share.
    #[serde(rename = "drawn")]
    pub sampled: f64,
}

/// How often a run sampled its strata, from its public files.
pub fn sampled(archive: &Archive, run: &Run) -> Result<Vec<Sampled>> {
    let (Some(Logged { entry: last, .. }), Some(log)) = (run.progress.last(), share_log(archive, run)?) else { return Ok(Vec::new()) };
    let mut sampled: BTreeMap<String, u64> = BTreeMap::new();
    for row in order_log(archive, run)? {
        *sampled.entry(row.group).or_default() += u64::from(row.tokens.end - row.tokens.start);
    }
    let all: u64 = sampled.values().sum();
    let of = |((stratum, &corpus_tokens), planned): ((&String, &u64), f64)| {
        let sampled_tokens = sampled.get(stratum).copied().unwrap_or(0);
        Sampled { stratum: stratum.clone(), corpus_tokens, planned, sampled_tokens, sampled: sampled_tokens as f64 / all.max(1) as f64 }
    };
    Ok(log.strata.iter().zip(&log.tokens).zip(log.planned(last.step)).map(of).collect())
}

/// The table that follows from what a run credits its strata with, a token.
pub fn table_of_run(archive: &Archive, run: RunNumber, cap: f64) -> Result<ShareTable> {
    let this = archive.state.run(run)?;
    let (names, earned): (Vec<String>, Vec<Earned>) = earned(archive, this)?.into_iter().unzip();
    if names.len() < 2 {
        return Err(RulesError::Usage(format!(
            "sampling shares from run {run}: they go by stratum, and it saw only {names:?}; declare some with `assay epoch open --strata`"
        )));
    }
    let ratios = trainer::ratios(&earned, 0.0, cap);
    let shares_ppm = names.into_iter().zip(ratios.iter().map(|r| (r * 1e6).round() as u64)).collect();
    Ok(ShareTable { version: 2, from_run: Some(run.0), shares_ppm })
}
