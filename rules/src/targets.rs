//! Held-out targets: which documents of the pool a draw makes them.

use std::collections::BTreeMap;

use corpus::Digest;
use serde::{Deserialize, Serialize};

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
pub(crate) fn target_and_group(source: &str) -> (&str, &str) {
    let (target, rest) = source.split_once('/').unwrap_or((TARGET, source));
    (target, rest.split('/').next().unwrap_or(rest))
}

/// A document of the pool, as far as the draw looks at it; its place in the pool is its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolDocument {
    /// Where it came from.
    pub source: String,
    /// What was committed to.
    pub commitment: Digest,
}

/// Draws targets: of each, sources in the order of `SHA-256(seed || source)`, the first half (rounded up) prices.
///
/// A target of one source is drawn by document. Within a half, documents are in the order of `SHA-256(seed || commitment)`.
pub fn draw_targets(pool: &[PoolDocument], seed: &Digest) -> Targets {
    let rank = |bytes: &[u8]| Digest::of_parts(&[b"assay target draw v1", &seed.0, bytes]);
    let mut targets: BTreeMap<&str, BTreeMap<&str, Vec<u32>>> = BTreeMap::new();
    for (number, document) in (0..).zip(pool) {
        let (target, group) = target_and_group(&document.source);
        targets.entry(target).or_default().entry(group).or_default().push(number);
    }
    let mut drawn = Targets { pricing: Vec::new(), control: Vec::new() };
    for groups in targets.into_values() {
        let mut parts: Vec<(Digest, Vec<u32>)> = if groups.len() > 1 {
            groups.into_iter().map(|(name, numbers)| (rank(name.as_bytes()), numbers)).collect()
        } else {
            groups.into_values().flatten().map(|n| (rank(&pool[n as usize].commitment.0), vec![n])).collect()
        };
        parts.sort();
        let control = parts.split_off(parts.len().div_ceil(2));
        let ordered = |parts: Vec<(Digest, Vec<u32>)>| {
            let mut numbers: Vec<u32> = parts.into_iter().flat_map(|(_, n)| n).collect();
            numbers.sort_by_key(|&n| rank(&pool[n as usize].commitment.0));
            numbers
        };
        drawn.pricing.extend(ordered(parts));
        drawn.control.extend(ordered(control));
    }
    drawn
}
