//! Held-out targets: which documents a draw makes them, and the halves that price.

use std::collections::BTreeMap;

use corpus::Digest;
use corpus::bundle::{Bundle, Prepared};
use serde::{Deserialize, Serialize};
use trainer::{Batch, Piece, Pricing, RunConfig, TrainError, pieces_of, pricing_passes};

use crate::error::Result;
use crate::policy::TARGET;

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
    encode: impl Fn(&str, Option<u64>) -> Result<(Vec<u32>, Option<u32>)>,
) -> Result<Vec<TargetCorpus>> {
    let prepared: Vec<Prepared> = pool.prepare().collect();
    let of = |name: &str, numbers: &[u32]| -> Result<trainer::Corpus> {
        let own = numbers.iter().map(|&n| &prepared[n as usize]).filter(|p| target_and_group(&p.source).0 == name);
        let document = |p: &Prepared| -> Result<trainer::Document> {
            let (tokens, first) = encode(&p.text, p.answer_at)?;
            Ok(trainer::Document::answering(tokens, p.commitment.0, first))
        };
        let mut documents: Vec<trainer::Document> = own.map(document).collect::<Result<_>>()?;
        documents.retain(|d| !d.tokens.is_empty());
        Ok(trainer::Corpus { documents, buckets: 1 })
    };
    let target = |(name, weight): (&String, &u64)| -> Result<TargetCorpus> {
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
