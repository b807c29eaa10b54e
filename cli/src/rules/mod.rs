//! What follows from the log and the objects alone: computed by the operator, computed again by an auditor.
//!
//! `verdicts` has what is accepted, `pay` what a policy says of pay and the weights under it, `rewards` what a settlement publishes; here are
//! the policy, the draws, and the halves that price.

mod pay;
mod rewards;
mod verdicts;

use std::collections::BTreeMap;

use corpus::bundle::{Bundle, Prepared};
use corpus::licence::Purpose;
use corpus::{ContributorId, Digest, merkle};
use dedup::Threshold;
use ingest::Filters;
use ledger::reward;
use serde::{Deserialize, Serialize};
use trainer::{Accounts, Batch, CreditRow, Piece, Pricing, RunConfig, TrainError, pieces_of, pricing_passes};

use crate::strata::Stratum;

pub use pay::{CreditUnit, Follows, Measured, Pay, PoolHead, PoolPart, Work, pools};
pub use rewards::{Member, Rewards};
pub use verdicts::{Clusters, Granted, JudgeParameters, Keeper, Opening, ToJudge, hit_salt, judge, name, outlines};

/// What an epoch binds the operator to, as a public object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// `1`.
    pub version: u32,
    /// What a run of the epoch pays in all.
    #[serde(with = "ledger::entry::amount")]
    pub pool_minor: i128,
    /// ISO 4217 code.
    pub currency: String,
    /// Decimals of its minor unit.
    pub currency_exponent: u8,
    /// Windows weigh in proportion to their step up to this share of the run, in thousandths.
    pub window_cap_permille: u64,
    /// Largest residual that is settled, in millionths of the drop.
    pub settle_limit_ppm: u64,
    /// Days between settlement and payment, for disputes.
    pub hold_days: u32,
    /// A pair is a near duplicate if `denominator * |A ∩ B| >= numerator * |A ∪ B|`.
    pub jaccard_numerator: u64,
    /// See `jaccard_numerator`.
    pub jaccard_denominator: u64,
    /// Weights of the held-out targets by name; credit counts in proportion to them.
    pub target_weights: BTreeMap<String, u64>,
    /// Groups of documents, the first that a document matches is its own; documents that match none are in `other`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<Stratum>,
    /// Tables of weights from files that a settled run may be sampled with; otherwise the operator could choose after the draw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weight_tables: Vec<Digest>,
    /// What is left out for what it is like.
    #[serde(default, skip_serializing_if = "Filters::is_empty")]
    pub filters: Filters,
    /// Whether documents are excluded whose publisher's word on training is not known; none for the purpose's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_reservations: Option<UnknownReservations>,
    /// Days between settlement and payment of contributors whose documents are used under a grant, if these are more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub grant_hold_days: u32,
    /// How pools become amounts.
    #[serde(default)]
    pub pay: Pay,
}

fn is_zero(days: &u32) -> bool {
    *days == 0
}

/// The verdict on a page whose publisher's word on training is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownReservations {
    /// It is left out.
    Exclude,
    /// It is used.
    Accept,
}

/// The target that held-out documents are of if nobody says otherwise.
pub const TARGET: &str = "pool";

/// The source of a pool document: its target's name before its own source.
pub fn pool_source(target: &str, source: &str) -> String {
    format!("{target}/{source}")
}

impl Policy {
    /// The default policy for a pool.
    pub fn new(pool_minor: i128, currency: &str, currency_exponent: u8) -> Policy {
        let Threshold { numerator, denominator } = Threshold::default();
        Policy {
            version: 1,
            pool_minor,
            currency: currency.to_string(),
            currency_exponent,
            window_cap_permille: 250,
            settle_limit_ppm: 50_000,
            hold_days: 30,
            jaccard_numerator: numerator,
            jaccard_denominator: denominator,
            target_weights: BTreeMap::from([(TARGET.to_string(), 1)]),
            strata: Vec::new(),
            weight_tables: Vec::new(),
            filters: Filters::default(),
            unknown_reservations: None,
            grant_hold_days: 0,
            pay: Pay::default(),
        }
    }

    /// Whether a page is left out whose publisher's word on training is not known: if nothing else is said, for every purpose but research.
    pub fn excludes_unknown_reservations(&self, purpose: Purpose) -> bool {
        match self.unknown_reservations {
            Some(said) => said == UnknownReservations::Exclude,
            None => purpose != Purpose::Research,
        }
    }
}

/// Which pool documents price and which only control, by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// In the order in which they are taken.
    pub pricing: Vec<u32>,
    /// In the order in which they are taken.
    pub control: Vec<u32>,
}

/// Target and source of a pool document: the first two parts of its path.
fn target_and_group(source: &str) -> (&str, &str) {
    let (target, rest) = source.split_once('/').unwrap_or((TARGET, source));
    (target, rest.split('/').next().unwrap_or(rest))
}

/// Draws targets: of each, sources in the order of `SHA-256(seed || source)`, the first half (rounded up) prices.
///
/// A target of one source is drawn by document. Within a half, documents are in the order of `SHA-256(seed || commitment)`.
pub fn draw_targets(pool: &Bundle, seed: &Digest) -> Targets {
    let prepared: Vec<Prepared> = pool.prepare().collect();
    let rank = |bytes: &[u8]| Digest::of_parts(&[b"assay target draw v1", &seed.0, bytes]);
    let mut targets: BTreeMap<&str, BTreeMap<&str, Vec<u32>>> = BTreeMap::new();
    for p in &prepared {
        let (target, group) = target_and_group(&p.source);
        targets.entry(target).or_default().entry(group).or_default().push(p.number);
    }
    let mut drawn = Targets { pricing: Vec::new(), control: Vec::new() };
    for groups in targets.into_values() {
        let mut parts: Vec<(Digest, Vec<u32>)> = if groups.len() > 1 {
            groups.into_iter().map(|(name, numbers)| (rank(name.as_bytes()), numbers)).collect()
        } else {
            groups.into_values().flatten().map(|n| (rank(&prepared[n as usize].commitment.0), vec![n])).collect()
        };
        parts.sort();
        let control = parts.split_off(parts.len().div_ceil(2));
        let ordered = |parts: Vec<(Digest, Vec<u32>)>| {
            let mut numbers: Vec<u32> = parts.into_iter().flat_map(|(_, n)| n).collect();
            numbers.sort_by_key(|&n| rank(&prepared[n as usize].commitment.0));
            numbers
        };
        drawn.pricing.extend(ordered(parts));
        drawn.control.extend(ordered(control));
    }
    drawn
}

/// A target's drawn documents as tokens.
pub struct TargetCorpus {
    /// Its name.
    pub name: String,
    /// Its weight.
    pub weight: u64,
    /// What prices.
    pub pricing: trainer::Corpus,
    /// What only controls.
    pub control: trainer::Corpus,
}

/// Held-out documents as tokens, by target in the order of names.
pub fn target_corpora(
    pool: &Bundle,
    targets: &Targets,
    weights: &BTreeMap<String, u64>,
    encode: impl Fn(&str, Option<u64>) -> anyhow::Result<(Vec<u32>, Option<u32>)>,
) -> anyhow::Result<Vec<TargetCorpus>> {
    let prepared: Vec<Prepared> = pool.prepare().collect();
    let of = |name: &str, numbers: &[u32]| -> anyhow::Result<trainer::Corpus> {
        let own = numbers.iter().map(|&n| &prepared[n as usize]).filter(|p| target_and_group(&p.source).0 == name);
        let document = |p: &Prepared| -> anyhow::Result<trainer::Document> {
            let (tokens, first) = encode(&p.text, p.answer_at)?;
            Ok(trainer::Document::answering(tokens, p.commitment.0, first))
        };
        let mut documents: Vec<trainer::Document> = own.map(document).collect::<anyhow::Result<_>>()?;
        documents.retain(|d| !d.tokens.is_empty());
        Ok(trainer::Corpus { documents, buckets: 1 })
    };
    let target = |(name, weight): (&String, &u64)| -> anyhow::Result<TargetCorpus> {
        Ok(TargetCorpus { name: name.clone(), weight: *weight, pricing: of(name, &targets.pricing)?, control: of(name, &targets.control)? })
    };
    weights.iter().map(target).collect()
}

/// The two halves of each target that price: runs of the pricing documents, alternately.
///
/// The run's pricing tokens are shared evenly by the targets.
pub fn pricing(targets: &[TargetCorpus], config: &RunConfig) -> Result<Pricing, TrainError> {
    let (context, rows) = (config.model.context, config.schedule.rows_per_pass);
    let halves = |target: &TargetCorpus| {
        let mut pieces = pieces_of(&target.pricing, context, config.attribution.pricing_tokens / targets.len().max(1));
        if let [only] = &pieces[..] {
            let Piece { document, range } = only.clone();
            let middle = range.start + range.len() / 2;
            pieces = vec![Piece { document, range: range.start..middle }, Piece { document, range: middle..range.end }];
        }
        let half = |h: usize| -> Vec<Piece> { pieces.iter().skip(h).step_by(2).cloned().collect() };
        (target.weight as f64, (0..2).map(|h| pricing_passes(&target.pricing, &half(h), context, rows)).collect())
    };
    Pricing::new(targets.iter().map(halves).collect())
}

/// The runs of the control documents of each target, with its weight; they are never used for pricing.
pub fn control(targets: &[TargetCorpus], config: &RunConfig) -> Vec<(f64, Vec<Batch>)> {
    let (context, rows) = (config.model.context, config.schedule.rows_per_pass);
    let weights: u64 = targets.iter().map(|t| t.weight).sum();
    let batches = |t: &TargetCorpus| {
        let pieces = pieces_of(&t.control, context, config.attribution.pricing_tokens / targets.len().max(1));
        (t.weight as f64 / weights as f64, pricing_passes(&t.control, &pieces, context, rows))
    };
    targets.iter().map(batches).collect()
}

/// Of the windows `[from, to)`, the one that a drawn seed names.
pub fn drawn_window(seed: &Digest, from: u64, to: u64) -> u64 {
    let number = u64::from_be_bytes(seed.0[..8].try_into().expect("eight bytes"));
    from + number % (to - from).max(1)
}

/// Which of `intervals` intervals are replayed when `count` are asked for: the first in the order of a hash of the last draw.
pub fn drawn_intervals(seed: &Digest, intervals: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..intervals).collect();
    order.sort_by_key(|&i| Digest::of_parts(&[b"assay replay draw v1", &seed.0, &(i as u64).to_be_bytes()]));
    order.truncate(count);
    order.sort_unstable();
    order
}

/// The tables of a run's attribution, as the log has them.
pub struct Tables {
    /// Windows, with the credit of buckets.
    pub accounts: Accounts,
    /// Names of the targets.
    pub targets: Vec<String>,
    /// Rows of the credit table.
    pub credit: Vec<CreditRow>,
}

impl Tables {
    /// Weight of a target.
    pub fn weight(&self, target: &str) -> f64 {
        let index = self.targets.iter().position(|t| t == target);
        self.accounts.parts.iter().find(|p| Some(p.target as usize) == index).map_or(0.0, |p| p.weight)
    }

    /// Sums over a contributor's rows of what `pick` takes from each, times its target's weight.
    fn sum(&self, contributor: &ContributorId, pick: impl Fn(&CreditRow) -> f64) -> f64 {
        let id = contributor.to_string();
        self.credit.iter().filter(|r| r.contributor == id).map(|r| self.weight(&r.target) * pick(r)).sum()
    }

    /// What each window counts for, as a share of the one that counts most.
    pub fn window_weights(&self, steps: u64, cap_permille: u64) -> Vec<f64> {
        let weight = |w: &trainer::Window| reward::window_weight(w.first_step, w.end_step, steps, cap_permille) as f64;
        let weights: Vec<f64> = self.accounts.windows.iter().map(weight).collect();
        let largest = weights.iter().copied().fold(1.0, f64::max);
        weights.into_iter().map(|w| w / largest).collect()
    }

    /// Credit of a contributor in nats.
    pub fn credit_of(&self, contributor: &ContributorId) -> f64 {
        self.sum(contributor, |r| r.nats)
    }

    /// Half the difference of the two halves' attributions.
    pub fn spread_of(&self, contributor: &ContributorId) -> f64 {
        let half = |r: &CreditRow, h: usize| r.halves.get(h).copied().unwrap_or(r.nats);
        self.sum(contributor, |r| half(r, 0) - half(r, 1)).abs() / 2.0
    }
}

/// Nats as an integer of 10⁻⁹.
pub fn nano(nats: f64) -> i64 {
    (nats * 1e9).round_ties_even() as i64
}

/// The root over statements' envelopes.
pub fn statements_root(envelopes: &[Vec<u8>]) -> Digest {
    merkle::root(&envelopes.iter().map(|e| merkle::leaf_hash(e)).collect::<Vec<_>>())
}
