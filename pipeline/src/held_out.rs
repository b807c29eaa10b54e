//! Held-out documents: read from files, each the source of a target.

use std::collections::BTreeMap;
use std::path::Path;

use corpus::bundle::Submitted;
use ingest::read::{Options, Record, read_all};
use rules::policy::{TARGET, pool_source};

use crate::error::{Result, usage};

/// Held-out documents of a path; their licence plays no part, since nothing is trained on them.
pub fn read(path: &Path) -> Result<Vec<Submitted>> {
    let (records, ..) = read_all(path, &Options::default())?;
    if records.is_empty() {
        return Err(usage(format!("{}: expected held-out documents, found none", path.display())));
    }
    Ok(records.into_iter().map(|r| document(r, "LicenseRef-target")).collect())
}

/// A record as a document, under `licence` if it says none.
pub fn document(r: Record, licence: &str) -> Submitted {
    Submitted {
        licence: r.licence.unwrap_or_else(|| licence.into()),
        source: r.source,
        text: r.text,
        answer_at: r.answer_at,
        reservation: None,
    }
}

/// Held-out documents of `paths`, given as PATH or NAME=PATH, each a source of the target that it names; and the targets' weights, of which
/// `weights` says those that are not 1 as NAME=WEIGHT.
pub fn targets(paths: &[String], weights: &[String]) -> Result<(Vec<Submitted>, BTreeMap<String, u64>)> {
    let (mut all, mut known) = (Vec::new(), BTreeMap::new());
    for given in paths {
        let (target, path) = match given.split_once('=') {
            Some((name, path)) if !Path::new(given).exists() => (name, Path::new(path)),
            _ => (TARGET, Path::new(given)),
        };
        if target.is_empty() || target.contains('/') {
            return Err(usage(format!("target {given:?}: expected PATH or NAME=PATH with a name without a slash")));
        }
        known.insert(target.to_string(), 1);
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let several = paths.len() > 1;
        all.extend(read(path)?.into_iter().map(|d| {
            let source = if several { format!("{name}/{}", d.source) } else { d.source.clone() };
            Submitted { source: pool_source(target, &source), ..d }
        }));
    }
    for given in weights {
        let parsed = given.split_once('=').and_then(|(name, weight)| Some((name, weight.parse::<u64>().ok().filter(|w| *w > 0)?)));
        let (name, weight) = parsed.ok_or_else(|| usage(format!("target weight {given:?}: expected NAME=WEIGHT, a number from 1")))?;
        let slot = known.get_mut(name).ok_or_else(|| usage(format!("target weight {given:?}: no --target is named {name:?}")))?;
        *slot = weight;
    }
    Ok((all, known))
}
