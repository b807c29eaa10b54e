//! Crates in the local cargo registry as contributors and targets: real text that is on every machine that built this.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use corpus::licence::{self, Permission, Purpose};

use crate::failure::usage;

/// A crate whose licence and size fit.
#[derive(Clone, Debug)]
pub struct Crate {
    /// `name-version`.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// The SPDX expression of its manifest.
    pub licence: String,
    /// The manifest's bytes: the evidence.
    pub manifest: Vec<u8>,
    package: String,
    text_bytes: u64,
}

/// How much is taken.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    contributors: usize,
    total_bytes: u64,
    smallest_bytes: u64,
    largest_bytes: u64,
    preferred: &'static [&'static str],
    targets: [&'static str; 2],
}

/// A dozen libraries that this program is built from, 8 MB and more.
pub const FULL: Size = Size {
    contributors: 12,
    total_bytes: 8_400_000,
    smallest_bytes: 200_000,
    largest_bytes: 1_200_000,
    preferred: &[
        "hashbrown",
        "clap_builder",
        "rayon",
        "arrow-cast",
        "futures-util",
        "polars-compute",
        "serde_json",
        "itertools",
        "sqlx-core",
        "memchr",
        "indexmap",
        "polars-utils",
    ],
    targets: ["crossbeam-channel", "arrow-buffer"],
};

/// A dozen smaller ones, 1.5 MB and more.
pub const SMALL: Size = Size {
    contributors: 12,
    total_bytes: 1_600_000,
    smallest_bytes: 20_000,
    largest_bytes: 330_000,
    preferred: &[
        "getrandom",
        "either",
        "log",
        "anyhow",
        "bytemuck",
        "smallvec",
        "once_cell",
        "parking_lot",
        "uuid",
        "clap",
        "thiserror",
        "semver",
    ],
    targets: ["rayon-core", "crossbeam-deque"],
};

/// What was chosen.
pub struct Chosen {
    /// At least twelve, two of them versions of one crate.
    pub contributors: Vec<Crate>,
    /// Two others.
    pub targets: Vec<Crate>,
}

/// Files of a crate that are text that people wrote; generated tables and data are not.
pub fn is_source(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let upper = name.to_uppercase();
    ["rs", "md", "txt", "toml"].iter().any(|e| name.ends_with(&format!(".{e}")))
        || ["LICENSE", "LICENCE", "COPYING", "README"].iter().any(|n| upper.starts_with(n))
}

/// The folders that hold unpacked crates.
fn roots() -> Vec<PathBuf> {
    let home =
        std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cargo")));
    let Some(source) = home.map(|h| h.join("registry/src")) else { return Vec::new() };
    let mut roots: Vec<PathBuf> = std::fs::read_dir(source).into_iter().flatten().flatten().map(|e| e.path()).collect();
    roots.sort();
    roots
}

fn text_bytes(folder: &Path) -> u64 {
    let files = store::objects::list(folder).unwrap_or_default();
    files.iter().filter(|f| is_source(&f.to_string_lossy())).filter_map(|f| std::fs::metadata(folder.join(f)).ok()).map(|m| m.len()).sum()
}

fn read_crate(path: PathBuf) -> Option<Crate> {
    let manifest = std::fs::read(path.join("Cargo.toml")).ok()?;
    let parsed: toml::Table = String::from_utf8_lossy(&manifest).parse().ok()?;
    let package = parsed.get("package")?.as_table()?;
    let licence = licence::parse(package.get("license")?.as_str()?).ok()?;
    let name = path.file_name()?.to_str()?.to_string();
    Some(Crate { package: package.get("name")?.as_str()?.to_string(), text_bytes: text_bytes(&path), name, path, licence, manifest })
}

/// Chooses contributors and targets; the same registry gives the same choice.
///
/// # Errors
/// A message that says what was found if there is not enough.
pub fn choose(size: Size, purpose: Purpose) -> Result<Chosen> {
    let mut crates: BTreeMap<String, Crate> = BTreeMap::new();
    for root in roots() {
        for entry in std::fs::read_dir(&root).with_context(|| root.display().to_string())?.flatten() {
            if let Some(found) = read_crate(entry.path()) {
                crates.entry(found.name.clone()).or_insert(found);
            }
        }
    }
    let fits = |c: &&Crate| {
        (size.smallest_bytes..=size.largest_bytes).contains(&c.text_bytes)
            && licence::permission(&c.licence, purpose) == Permission::Permitted
    };
    let rank = |c: &Crate| (size.preferred.iter().position(|p| *p == c.package).unwrap_or(size.preferred.len()), c.name.clone());
    let mut usable: Vec<&Crate> = crates.values().filter(fits).collect();
    usable.sort_by_key(|c| rank(c));
    let mut targets: Vec<&Crate> = size.targets.iter().filter_map(|t| usable.iter().find(|c| c.package == *t).copied()).collect();
    if targets.len() < 2 {
        targets = usable.iter().rev().filter(|c| !size.preferred.contains(&c.package.as_str())).take(2).copied().collect();
    }
    // Another version of a target's crate would be kept out by the guard, and no contributor should bring one.
    usable.retain(|c| targets.iter().all(|t| t.package != c.package));
    let versions = |c: &Crate| usable.iter().filter(|o| o.package == c.package).count();
    let pair: Vec<&Crate> = usable
        .iter()
        .find(|c| versions(c) > 1)
        .map(|c| usable.iter().filter(|o| o.package == c.package).take(2).copied().collect())
        .unwrap_or_default();
    let mut chosen = pair.clone();
    for c in &usable {
        let bytes: u64 = chosen.iter().map(|c| c.text_bytes).sum();
        if chosen.len() >= size.contributors && bytes >= size.total_bytes {
            break;
        }
        if chosen.iter().all(|o| o.package != c.package) {
            chosen.push(c);
        }
    }
    let bytes: u64 = chosen.iter().map(|c| c.text_bytes).sum();
    if chosen.len() < size.contributors || bytes < size.total_bytes || targets.len() < 2 || pair.len() < 2 {
        return Err(usage(format!(
            "local cargo registry: expected at least {} crates with {} bytes of text, two versions of one among them, and 2 more as targets; found {} crates with {bytes} bytes, {} versions of one and {} targets; build this program with cargo first, or give --contributors DIR and --target PATH",
            size.contributors,
            size.total_bytes,
            chosen.len(),
            pair.len(),
            targets.len()
        )));
    }
    let mut contributors: Vec<Crate> = chosen.into_iter().cloned().collect();
    contributors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Chosen { contributors, targets: targets.into_iter().cloned().collect() })
}
