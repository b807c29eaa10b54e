//! The attribution of a run: sums of its tables, the documents of a step, and how the strata were sampled.

use std::collections::BTreeMap;

use corpus::{ContributorId, RunNumber};
use ledger::history::Logged;
use rules::earned::Sampled;
use rules::run_data;
use serde::Serialize;
use store::Class;
use trainer::{Piece, read_documents};

use crate::error::{Context, Result, usage};
use crate::snapshot::Snapshot;

/// The subject of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A contributor.
    Contributor,
    /// A document.
    Document,
    /// A contributor and a target.
    Target,
    /// A window.
    Window,
}

impl By {
    /// All of them, with their names.
    pub const NAMES: [(&'static str, By); 4] =
        [("contributor", By::Contributor), ("document", By::Document), ("target", By::Target), ("window", By::Window)];
}

/// The order of sums, largest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Credit.
    Nats,
    /// Half the difference of the halves.
    Spread,
    /// Tokens trained on.
    Tokens,
    /// Credit per token.
    PerToken,
    /// The name.
    Name,
}

impl Sort {
    /// All of them, with their names.
    pub const NAMES: [(&'static str, Sort); 5] =
        [("nats", Sort::Nats), ("spread", Sort::Spread), ("tokens", Sort::Tokens), ("per-token", Sort::PerToken), ("name", Sort::Name)];
}

/// The credit of one contributor, document, target or window.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sum {
    /// What it is about.
    pub name: String,
    /// Credit in nats.
    pub nats: f64,
    /// Credit by the first half of the held-out text.
    pub half_0: f64,
    /// Credit by the second.
    pub half_1: f64,
    /// Half the difference of the halves.
    pub spread: f64,
    /// Tokens trained on.
    pub tokens: u64,
}

impl Sum {
    fn add(&mut self, nats: f64, halves: &[f64], tokens: u64, weight: f64) {
        self.nats += weight * nats;
        self.tokens += tokens;
        for (sum, half) in [&mut self.half_0, &mut self.half_1].into_iter().zip(halves) {
            *sum += weight * half;
        }
    }

    /// Credit per token.
    pub fn per_token(&self) -> f64 {
        if self.tokens == 0 { 0.0 } else { self.nats / self.tokens as f64 }
    }
}

/// Sums over the tables of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Sums {
    /// The run.
    pub run: RunNumber,
    /// In the order that was asked for.
    pub rows: Vec<Sum>,
    /// How many there are, with those that are not listed.
    pub of: usize,
}

/// Sums over the tables of a run, the first `limit` of them; 0 for all.
pub fn sums(home: &Snapshot, run: RunNumber, by: By, sort: Sort, limit: usize) -> Result<Sums> {
    let tables = rules::run_tables::of_run(home, home.state.run(run)?)?;
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let name = |id: &str| id.parse::<ContributorId>().map_or_else(|_| id.to_string(), |id| home.name_of(&id));
    // Tokens are the same for every target; they are counted once.
    let first = |target: &str| tables.targets.first().is_some_and(|t| t == target) || by == By::Target;
    if by == By::Document {
        let Logged { entry: a, .. } = home.state.run(run)?.attribution.as_ref().context("a table comes from an attribution")?;
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
    let of_name = |(name, sum): (String, Sum)| Sum { name, spread: (sum.half_0 - sum.half_1).abs() / 2.0, ..sum };
    let mut rows: Vec<Sum> = sums.into_iter().map(of_name).collect();
    let key = |s: &Sum| match sort {
        Sort::Nats => s.nats,
        Sort::Spread => s.spread,
        Sort::Tokens => s.tokens as f64,
        Sort::PerToken => s.per_token(),
        Sort::Name => 0.0,
    };
    rows.sort_by(|a, b| key(b).total_cmp(&key(a)).then_with(|| a.name.cmp(&b.name)));
    let of = rows.len();
    rows.truncate(if limit == 0 { of } else { limit });
    Ok(Sums { run, rows, of })
}

/// A run of a document's tokens in a step.
#[derive(Clone, Debug, Serialize)]
pub struct StepPiece {
    /// The row of the step, from 0.
    pub row: usize,
    /// The document.
    pub document: String,
    /// Its contributor's name.
    pub contributor: String,
    /// The first token.
    pub first_token: usize,
    /// The one after the last.
    pub end_token: usize,
    /// Tokens of them that predict the next.
    pub predicted: usize,
}

/// The documents of a step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The run.
    pub run: RunNumber,
    /// The step, from 0.
    pub step: u64,
    /// In the order in which they lie in its rows.
    pub pieces: Vec<StepPiece>,
    /// Tokens of all.
    #[serde(skip)]
    pub tokens: usize,
}

/// The documents of a step of a run.
pub fn step(home: &Snapshot, run: RunNumber, step: u64) -> Result<Step> {
    let this = home.state.run(run)?;
    if step >= this.intent.entry.steps {
        return Err(usage(format!("step {step}: run {run} has {}", this.intent.entry.steps)));
    }
    let config = rules::replay::config(home, this)?;
    let data = run_data::read(home, this.intent.entry.epoch, Some(this.intent.index), &config)?;
    let order = data.order(&config)?;
    let shares = rules::earned::shares_of(home, this)?.map_or_else(|| data.shares(home, &config), Ok)?;
    let (mut tokens, mut pieces) = (0, Vec::new());
    for Piece { document, range } in order.step(step, &shares) {
        let owner: ContributorId = data.owners.contributors[data.owners.document_owners[document]].parse()?;
        pieces.push(StepPiece {
            row: tokens / config.model.context,
            document: data.owners.documents[document].clone(),
            contributor: home.name_of(&owner),
            first_token: range.start,
            end_token: range.end,
            predicted: range.clone().filter(|i| data.corpus.documents[document].predicts(*i)).count(),
        });
        tokens += range.len();
    }
    Ok(Step { run, step, pieces, tokens })
}

/// How often the strata of a run were sampled, beside what their sampling shares planned.
#[derive(Clone, Debug, Serialize)]
pub struct SampledStrata {
    /// The run.
    pub run: RunNumber,
    /// By stratum.
    pub strata: Vec<Sampled>,
}

/// How often the strata of a run were sampled.
pub fn sampled(home: &Snapshot, run: RunNumber) -> Result<SampledStrata> {
    Ok(SampledStrata { run, strata: rules::earned::sampled(home, home.state.run(run)?)? })
}
