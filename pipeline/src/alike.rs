//! Documents of different contributors whose gradients are alike, for review.
//!
//! Nothing of it is in the log: a pair that is alike is a reason to look, and an accusation if it is published.

use std::collections::BTreeMap;

use corpus::{ContributorId, RunNumber};
use ledger::history::Logged;
use rules::checkpoints::Checkpoints;
use rules::run_data::{self, Engine};
use serde::Serialize;
use store::Class;
use trainer::read_documents;

use crate::error::{Context, Kind, Result, failure};
use crate::snapshot::Snapshot;

/// Two documents that are alike; names are a document's and its contributor's.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// Cosine of their sketches.
    pub cosine: f64,
    /// One.
    pub first: String,
    /// The other.
    pub second: String,
    /// Credit of the one, in nats.
    pub first_nats: f64,
    /// Credit of the other.
    pub second_nats: f64,
}

/// What was compared, and found.
#[derive(Clone, Debug, Serialize)]
pub struct Alike {
    /// The run.
    pub run: RunNumber,
    /// Documents that were compared.
    pub compared: usize,
    /// Documents with credit.
    #[serde(skip)]
    pub credited: usize,
    /// Pairs of at least the cosine that was asked for.
    pub pairs: Vec<Pair>,
}

/// Pairs among the `most` documents with the largest credit, by size, at the run's last parameters; `tokens` of each are compared.
pub fn alike(home: &Snapshot, run: RunNumber, least: f64, most: usize, tokens: usize) -> Result<Alike> {
    let this = home.state.run(run)?;
    let Logged { entry: attribution, .. } =
        this.attribution.as_ref().ok_or_else(|| failure(Kind::Check, format!("run {run}: no attribution yet")))?;
    let tables = rules::run_tables::of_run(home, this)?;
    let config = rules::replay::config(home, this)?;
    let data = run_data::read(home, this.intent.entry.epoch, Some(this.intent.index), &config)?;
    let order = data.order(&config)?;
    let backend = Engine::new();
    let mut trainer = data.trainer(&backend, &config, &order, this.intent.entry.steps)?;
    let Logged { entry: last, .. } = this.progress.last().context("an attributed run has progress")?;
    let checkpoints = Checkpoints { archive: home, backend: &backend, order: &order, config: this.intent.entry.config };
    let last = checkpoints.parameters(&trainer, last)?;

    let mut credit: BTreeMap<String, f64> = BTreeMap::new();
    for row in read_documents(&home.objects.get(Class::Public, &attribution.documents)?)? {
        *credit.entry(row.document).or_default() += tables.weight(&row.target) * row.nats;
    }
    let nats: Vec<f64> = data.owners.documents.iter().map(|d| credit.get(d).copied().unwrap_or(0.0)).collect();
    let mut chosen: Vec<u32> = (0..nats.len() as u32).filter(|d| nats[*d as usize] != 0.0).collect();
    chosen.sort_by(|a, b| nats[*b as usize].abs().total_cmp(&nats[*a as usize].abs()).then(a.cmp(b)));
    chosen.truncate(most);
    let pairs = trainer.alike(&last, &data.corpus, &chosen, tokens, |d| data.owners.document_owners[d as usize], least)?;

    let name = |d: u32| -> Result<String> {
        let id: ContributorId = data.owners.contributors[data.owners.document_owners[d as usize]].parse()?;
        Ok(format!("{} {}", data.owners.documents[d as usize], home.name_of(&id)))
    };
    let pair = |p: trainer::Alike| -> Result<Pair> {
        Ok(Pair {
            cosine: p.cosine,
            first: name(p.first)?,
            second: name(p.second)?,
            first_nats: nats[p.first as usize],
            second_nats: nats[p.second as usize],
        })
    };
    let pairs = pairs.into_iter().map(pair).collect::<Result<_>>()?;
    Ok(Alike { run, compared: chosen.len(), credited: credit.len(), pairs })
}
