//! Drawn held-out documents as tokens: the halves that price, and what only controls.

use std::collections::BTreeMap;

use corpus::bundle::{Bundle, Prepared};
use trainer::{Batch, Piece, Pricing, RunConfig, TrainError, pieces_of, pricing_passes};

use crate::error::Result;
use crate::targets::{Targets, target_and_group};

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
