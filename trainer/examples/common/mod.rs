//! Real text for experiments: sources of the crates in the local cargo registry, cut by a tokenizer trained on them.

#![allow(dead_code)]

use std::path::{Path, PathBuf};

use ingest::TextTokenizer;
use sha2::{Digest, Sha256};
use trainer::{Batch, Corpus, Document, Pricing, RunConfig, pieces_of, pricing_batch};

/// A run small enough to be repeated a hundred times: 0.16 million parameters with 1,024 tokens.
pub const SMALL_RUN: &str = r#"
[model]
layers = 2
channels = 64
heads = 2
kv_heads = 1
hidden = 192
tied = true
context = 64
rope_base = 10000.0
norm_eps = 1e-5
[optimizer]
lr = 2e-3
warmup_steps = 20
min_lr_ratio = 0.1
beta1 = 0.9
beta2 = 0.95
eps = 1e-8
weight_decay = 0.1
clip_norm = 1.0
[schedule]
steps = 0
rows_per_step = 64
[attribution]
rule = "simpson"
first_window = 2
max_window = 16
residual_limit = 0.01
pricing_tokens = 16384
progress_windows = 4
max_buckets = 64
sketch_rank = 0
"#;

/// A crate's sources.
pub struct Source {
    pub name: String,
    pub documents: Vec<String>,
}

fn registry() -> Vec<PathBuf> {
    let home =
        std::env::var("CARGO_HOME").map_or_else(|_| PathBuf::from(std::env::var("HOME").expect("HOME")).join(".cargo"), PathBuf::from);
    let mut dirs: Vec<PathBuf> = Vec::new();
    for registry in std::fs::read_dir(home.join("registry/src")).expect("a cargo registry").flatten() {
        dirs.extend(std::fs::read_dir(registry.path()).expect("a registry's crates").flatten().map(|e| e.path()));
    }
    dirs.sort_by_key(|p| Sha256::digest(name(p)).to_vec());
    dirs
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// `count` sources of files with one of `extensions`, from crates whose names begin with one of `prefixes` (none for any).
///
/// Crates are dealt to the sources whole where there are enough of them, files otherwise; each source ends after `largest` bytes.
pub fn kind(title: &str, extensions: &[&str], prefixes: &[&str], count: usize, largest: usize) -> Vec<Source> {
    let wanted = |dir: &Path| prefixes.is_empty() || prefixes.iter().any(|p| name(dir).starts_with(p));
    let mut dealt: Vec<Vec<PathBuf>> = vec![Vec::new(); count];
    let dirs: Vec<PathBuf> = registry().into_iter().filter(|d| wanted(d)).collect();
    for (i, dir) in dirs.iter().enumerate() {
        let mut paths = Vec::new();
        every_file(dir, &mut paths);
        paths.retain(|p| p.extension().is_some_and(|e| extensions.contains(&e.to_string_lossy().as_ref())));
        for (j, path) in paths.into_iter().enumerate() {
            dealt[if dirs.len() >= count { i % count } else { j % count }].push(path);
        }
    }
    let mut found = Vec::new();
    for (i, paths) in dealt.into_iter().enumerate() {
        let (mut documents, mut taken) = (Vec::new(), 0);
        for path in paths {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            if text.len() >= 200 && text.len() <= 40_000 && taken + text.len() <= largest {
                taken += text.len();
                documents.push(text);
            }
        }
        found.push(Source { name: format!("{title} {i}"), documents });
    }
    found
}

fn every_file(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            every_file(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Crates with at least `smallest` bytes of sources, each cut off after `largest`, in the order of a hash of their names.
pub fn crates(count: usize, smallest: usize, largest: usize) -> Vec<Source> {
    let dirs = registry();
    let mut found = Vec::new();
    for dir in dirs {
        let (mut paths, mut documents, mut taken) = (Vec::new(), Vec::new(), 0);
        every_file(&dir, &mut paths);
        paths.retain(|p| p.extension().is_some_and(|e| e == "rs" || e == "md"));
        for path in paths {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            // Generated tables and tiny files say nothing about anybody's work.
            if text.len() < 200 || text.len() > 60_000 || taken + text.len() > largest {
                continue;
            }
            taken += text.len();
            documents.push(text);
        }
        if taken >= smallest {
            found.push(Source { name: name(&dir), documents });
        }
        if found.len() == count {
            break;
        }
    }
    assert_eq!(found.len(), count, "the registry has too few crates of that size");
    found
}

/// A byte-level tokenizer trained on all sources.
pub fn tokenizer<S: std::borrow::Borrow<Source> + Sync>(sources: &[S], vocabulary: usize) -> TextTokenizer {
    let json = ingest::train(sources.iter().flat_map(|s| &s.borrow().documents).map(String::as_str), vocabulary).expect("enough text");
    TextTokenizer::from_json(&json).expect("its own file")
}

/// The sources as documents, source `i` in bucket `i mod buckets`.
pub fn corpus<S: std::borrow::Borrow<Source>>(sources: &[S], tokenizer: &TextTokenizer, buckets: usize) -> Corpus {
    let mut documents = Vec::new();
    for (i, source) in sources.iter().map(std::borrow::Borrow::borrow).enumerate() {
        for (j, text) in source.documents.iter().enumerate() {
            let key = Sha256::new().chain_update(source.name.as_bytes()).chain_update(j.to_le_bytes()).finalize().into();
            documents.push(Document { tokens: tokenizer.encode(text).expect("text"), key, bucket: i % buckets, group: 0, learned: None });
        }
    }
    Corpus { documents, buckets }
}

/// Two halves of `held_out`, in passes of the run's size.
pub fn pricing(held_out: &Corpus, config: &RunConfig) -> Pricing {
    Pricing::new(vec![(1.0, halves(held_out, config).into_iter().map(|h| vec![h]).collect())]).expect("held-out tokens")
}

pub fn halves(held_out: &Corpus, config: &RunConfig) -> Vec<Batch> {
    let pieces = pieces_of(held_out, config.model.context, config.attribution.pricing_tokens);
    (0..2).map(|h| pricing_batch(held_out, &pieces.iter().skip(h).step_by(2).cloned().collect::<Vec<_>>())).collect()
}

/// Pearson's correlation.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let cov: f64 = x.iter().zip(y).map(|(a, b)| (a - mx) * (b - my)).sum();
    let (vx, vy): (f64, f64) = (x.iter().map(|a| (a - mx).powi(2)).sum(), y.iter().map(|b| (b - my).powi(2)).sum());
    cov / (vx * vy).sqrt()
}

/// Spearman's correlation: Pearson's of the ranks, ties in order.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    let ranks = |v: &[f64]| {
        let mut order: Vec<usize> = (0..v.len()).collect();
        order.sort_by(|&a, &b| v[a].total_cmp(&v[b]));
        let mut ranks = vec![0.0; v.len()];
        order.into_iter().enumerate().for_each(|(rank, i)| ranks[i] = rank as f64);
        ranks
    };
    pearson(&ranks(x), &ranks(y))
}
