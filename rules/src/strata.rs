//! Strata: groups of documents that the operator declares at an epoch's opening.

use std::collections::BTreeMap;

use corpus::ContributorId;
use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Result};

/// A stratum, as the policy has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stratum {
    /// Its name.
    pub name: String,
    /// Patterns of documents' sources, of which one has to match; `*` matches `/` too. None for all sources.
    pub sources: Vec<String>,
    /// Contributors of whom one has to have given the document; none for everybody.
    pub contributors: Vec<ContributorId>,
    /// Its part of the tokens of a stratified run, compared with the other strata.
    pub share: u64,
    /// The least part of its tokens' share that it keeps under sampling shares that follow credit, in millionths.
    pub floor_ppm: u64,
    /// What of the pool is for its documents alone; those of strata without are paid from what is left.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_amount")]
    pub pool_minor: Option<i128>,
    /// Weights of the targets that its pool follows; those of the policy otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_weights: Option<BTreeMap<String, u64>>,
}

/// Amounts as decimal text, where there are any.
mod optional_amount {
    use ledger::amount;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Amount(#[serde(with = "amount")] i128);

    pub fn serialize<S: Serializer>(amount: &Option<i128>, serializer: S) -> Result<S::Ok, S::Error> {
        amount.map(Amount).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i128>, D::Error> {
        Ok(Some(Amount::deserialize(deserializer)?.0))
    }
}

/// The stratum of documents that are in no other.
pub const OTHER: &str = "other";
/// The floor where nothing is declared: whatever is found useless is still seen, or nobody could tell when that ends.
pub const FLOOR_PPM: u64 = 50_000;

/// A stratum of documents whose sources match `patterns`.
pub fn of_sources(name: &str, patterns: &[&str]) -> Stratum {
    let sources = patterns.iter().map(ToString::to_string).collect();
    Stratum { name: name.into(), sources, contributors: Vec::new(), share: 1, floor_ppm: FLOOR_PPM, pool_minor: None, target_weights: None }
}

/// The strata of a policy, with their patterns compiled; the last is of all documents that are in no other.
pub struct Strata {
    all: Vec<(Stratum, Vec<GlobMatcher>)>,
}

impl Strata {
    /// The strata that a policy declares.
    ///
    /// # Errors
    /// If a pattern cannot be compiled.
    pub fn of(declared: &[Stratum]) -> Result<Strata> {
        let compiled = |s: &Stratum| -> Result<(Stratum, Vec<GlobMatcher>)> {
            let matchers = s.sources.iter().map(|p| Ok(Glob::new(p)?.compile_matcher())).collect::<Result<_>>();
            Ok((s.clone(), matchers.with_context(|| format!("policy: stratum {:?}", s.name))?))
        };
        let mut all: Vec<_> = declared.iter().map(compiled).collect::<Result<_>>()?;
        all.push((of_sources(OTHER, &[]), Vec::new()));
        Ok(Strata { all })
    }

    /// The stratum of a document: the first that it matches.
    pub fn find(&self, contributor: &ContributorId, source: &str) -> usize {
        let matches = |(s, globs): &(Stratum, Vec<GlobMatcher>)| {
            (globs.is_empty() || globs.iter().any(|g| g.is_match(source)))
                && (s.contributors.is_empty() || s.contributors.contains(contributor))
        };
        self.all.iter().position(matches).expect("the last stratum has no conditions")
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.all.iter().map(|(s, _)| s.name.clone()).collect()
    }

    /// Their shares; a stratum without tokens has none.
    pub fn shares(&self) -> Vec<u64> {
        self.all.iter().map(|(s, _)| s.share).collect()
    }

    /// Their floors, from 0 to 1.
    pub fn floors(&self) -> Vec<f64> {
        self.all.iter().map(|(s, _)| s.floor_ppm as f64 / 1e6).collect()
    }
}
