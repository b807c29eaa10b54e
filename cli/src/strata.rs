//! Strata: groups of documents that the operator declares at an epoch's opening.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use corpus::ContributorId;
use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::failure::usage;
use crate::home::Home;
use crate::rules::Policy;

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
    /// The least part of its tokens' share that it keeps under weights that follow credit, in millionths.
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
    use ledger::entry::amount;
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
const OTHER: &str = "other";
/// The floor where nothing is declared: whatever is found useless is still seen, or nobody could tell when that ends.
const FLOOR_PPM: u64 = 50_000;

/// A file of strata.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    stratum: Vec<Declared>,
}

/// Minor units: a number, or text where TOML's numbers end.
#[derive(Deserialize)]
#[serde(untagged)]
enum Units {
    Number(i64),
    Text(String),
}

impl Units {
    fn amount(&self) -> Option<i128> {
        match self {
            Units::Number(n) => Some(i128::from(*n)),
            Units::Text(text) => text.parse().ok(),
        }
        .filter(|n| *n >= 0)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    name: String,
    #[serde(default)]
    sources: Vec<String>,
    #[serde(default)]
    contributors: Vec<String>,
    share: Option<u64>,
    floor: Option<f64>,
    pool_minor: Option<Units>,
    targets: Option<BTreeMap<String, u64>>,
}

/// A stratum of documents whose sources match `patterns`.
pub fn of_sources(name: &str, patterns: &[&str]) -> Stratum {
    let sources = patterns.iter().map(ToString::to_string).collect();
    Stratum { name: name.into(), sources, contributors: Vec::new(), share: 1, floor_ppm: FLOOR_PPM, pool_minor: None, target_weights: None }
}

/// Reads a file of strata; contributors are names in this home or ids.
pub fn read(home: &Home, path: &Path) -> Result<Vec<Stratum>> {
    let text = String::from_utf8(store::files::read(path)?).with_context(|| path.display().to_string())?;
    let file: File = toml::from_str(&text).map_err(|e| usage(format!("{}: {}", path.display(), e.to_string().trim_end())))?;
    let bad = |name: &str, what: String| usage(format!("{}: stratum {name:?}: {what}", path.display()));
    let mut strata: Vec<Stratum> = Vec::new();
    for d in file.stratum {
        if d.name.is_empty() || d.name == OTHER || strata.iter().any(|s| s.name == d.name) {
            return Err(bad(&d.name, "expected a name of its own".into()));
        }
        if d.sources.is_empty() && d.contributors.is_empty() {
            return Err(bad(&d.name, "expected `sources` or `contributors`".into()));
        }
        for pattern in &d.sources {
            Glob::new(pattern).map_err(|e| bad(&d.name, e.to_string()))?;
        }
        let floor = d.floor.unwrap_or(FLOOR_PPM as f64 / 1e6);
        if !(0.0..=1.0).contains(&floor) || d.share == Some(0) {
            return Err(bad(&d.name, "expected a floor from 0 to 1 and a share of at least 1".into()));
        }
        if d.pool_minor.as_ref().is_some_and(|p| p.amount().is_none()) || d.targets.as_ref().is_some_and(|t| t.values().all(|w| *w == 0)) {
            return Err(bad(&d.name, "expected a pool of at least 0, and a target that counts".into()));
        }
        let contributors = d.contributors.iter().map(|name| {
            let id = name.parse().or_else(|_| home.contributor_id(name))?;
            if home.state.contributors.contains_key(&id) {
                Ok(id)
            } else {
                Err(bad(&d.name, format!("contributor {name} is not registered")))
            }
        });
        strata.push(Stratum {
            name: d.name.clone(),
            contributors: contributors.collect::<Result<_>>()?,
            sources: d.sources,
            share: d.share.unwrap_or(1),
            floor_ppm: (floor * 1e6).round() as u64,
            pool_minor: d.pool_minor.as_ref().and_then(Units::amount),
            target_weights: d.targets.clone(),
        });
    }
    Ok(strata)
}

/// The strata of a policy, with their patterns compiled; the last is of all documents that are in no other.
pub struct Strata {
    all: Vec<(Stratum, Vec<GlobMatcher>)>,
}

impl Strata {
    /// The strata of `policy`.
    pub fn of(policy: &Policy) -> Result<Strata> {
        let compiled = |s: &Stratum| -> Result<(Stratum, Vec<GlobMatcher>)> {
            let matchers = s.sources.iter().map(|p| Ok(Glob::new(p)?.compile_matcher())).collect::<Result<_>>();
            Ok((s.clone(), matchers.with_context(|| format!("policy: stratum {:?}", s.name))?))
        };
        let mut all: Vec<_> = policy.strata.iter().map(compiled).collect::<Result<_>>()?;
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
