//! A file of strata, which an operator writes.

use std::collections::BTreeMap;
use std::path::Path;

use globset::Glob;
use rules::strata::{FLOOR_PPM, OTHER, Stratum};
use serde::Deserialize;

use crate::error::{Result, usage};
use crate::snapshot::Snapshot;

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

/// Reads a file of strata; contributors are names in this home or ids.
pub fn read(home: &Snapshot, path: &Path) -> Result<Vec<Stratum>> {
    let text = store::files::read_text(path)?;
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
