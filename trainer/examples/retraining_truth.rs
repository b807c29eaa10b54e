//! Shares of credit against what happens when a contributor is left out and the model is trained again.
//!
//! `cargo run --release -p trainer --example retraining_truth -- [--out FILE] [--seeds N] [--contributors N] [--steps N] [--report]`
//!
//! One line of JSON a run goes to FILE; a run that is there already is not repeated, so the command goes on where it
//! was stopped. `--report` only prints the tables. Left out means: the contributor's documents are taken out of every
//! batch, the others stay where they are; so a difference is what leaving out did and not another order.
//! Contributors are Rust crates, prose (Markdown), C, bindings, manifests, one whose words are shuffled and one of noise; the
//! held-out text is Rust and prose of others.

mod common;

use std::collections::BTreeMap;
use std::io::Write;

use kernels::Cpu;
use serde_json::{Value, json};
use trainer::{Batch, Corpus, Document, Order, Pricing, RunConfig, Setup, Trainer};

struct World {
    config: RunConfig,
    corpus: Corpus,
    pricing: Pricing,
    vocabulary: usize,
    steps: u64,
    contributors: usize,
}

fn world(contributors: usize, steps: u64) -> World {
    let config = RunConfig::from_toml(common::SMALL_RUN).expect("a run");
    let rust = common::crates(contributors - 15 + 4, 60_000, 100_000);
    let (unseen, rust) = rust.split_at(4);
    let prose = common::kind("prose", &["md"], &[], 6, 100_000);
    let (unseen_prose, prose) = prose.split_at(1);
    let mut sources: Vec<&common::Source> = rust.iter().chain(prose).collect();
    let (c, bindings, manifests) = (
        common::kind("c", &["c", "h"], &["zstd-sys"], 3, 100_000),
        common::kind("bindings", &["rs"], &["libc-", "linux-raw-sys"], 2, 100_000),
        common::kind("manifests", &["toml", "json"], &[], 3, 100_000),
    );
    sources.extend(c.iter().chain(&bindings).chain(&manifests));
    assert_eq!(sources.len(), contributors - 2);
    let tokenizer = common::tokenizer(&sources, 1024);
    let mut corpus = common::corpus(&sources, &tokenizer, contributors);
    // Two harmful sources, since everybody has some: one whose tokens are shuffled, one of noise.
    let mut state = 12345u64;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    let like: Vec<Document> = corpus.documents.iter().filter(|d| d.bucket == 0).cloned().collect();
    for (extra, bucket) in (contributors - 2..contributors).enumerate() {
        for (i, d) in like.iter().enumerate() {
            let mut tokens = d.tokens.clone();
            if extra == 0 {
                (1..tokens.len()).rev().for_each(|i| tokens.swap(i, next(i + 1)));
            } else {
                tokens.iter_mut().for_each(|t| *t = next(tokenizer.vocabulary()) as u32);
            }
            let mut key = d.key;
            (key[0], key[1]) = (extra as u8, i as u8);
            corpus.documents.push(Document { tokens, key, bucket, group: 0, learned: None });
        }
    }
    let unseen: Vec<&common::Source> = unseen.iter().chain(unseen_prose).collect();
    let held_out = common::corpus(&unseen, &tokenizer, 1);
    let pricing = common::pricing(&held_out, &config);
    World { config, corpus, pricing, vocabulary: tokenizer.vocabulary(), steps, contributors }
}

impl World {
    fn seed(seed: u64) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes
    }

    /// Held-out loss after training, plain: one bucket, one window, without the documents of `left_out`.
    fn retrain(&self, left_out: Option<usize>, seed: u64) -> f64 {
        let mut plain = self.corpus.clone();
        plain.buckets = 1;
        plain.documents.iter_mut().for_each(|d| d.bucket = 0);
        let mut config = self.config.clone();
        (config.attribution.first_window, config.attribution.max_window, config.attribution.residual_limit) = (self.steps, self.steps, 1e9);
        let backend = Cpu::<f32>::new();
        let order = Order::new(&plain, World::seed(seed), config.model.context, config.schedule.rows_per_step).expect("tokens");
        let setup = Setup { vocabulary: self.vocabulary, buckets: 1, steps: self.steps, seed: World::seed(seed) };
        let kept = |p: &trainer::Piece| Some(self.corpus.documents[p.document].bucket) != left_out;
        let batches = |s, _: &[trainer::Shares]| vec![Batch::new(&plain, &order.step(s, &[]).into_iter().filter(kept).collect::<Vec<_>>())];
        let mut trainer = Trainer::new(&backend, &config, setup, &self.pricing, batches).expect("a run");
        let mut state = trainer.start(&trainer.layout().initial(&World::seed(seed)));
        while state.step < self.steps {
            trainer.step(&mut state);
        }
        self.pricing.parts.iter().map(|(part, batches)| part.factor() * trainer.loss(&state, batches)).sum()
    }

    /// Credit by contributor, and the baselines by contributor.
    fn attribute(&self, seed: u64) -> Value {
        let backend = Cpu::<f32>::new();
        let order =
            Order::new(&self.corpus, World::seed(seed), self.config.model.context, self.config.schedule.rows_per_step).expect("tokens");
        let setup = Setup { vocabulary: self.vocabulary, buckets: self.contributors, steps: self.steps, seed: World::seed(seed) };
        let mut trainer = Trainer::new(&backend, &self.config, setup, &self.pricing, |s, w| order.batches(s, w, 0)).expect("a run");
        let mut state = trainer.start(&trainer.layout().initial(&World::seed(seed)));
        trainer.record();
        while trainer.window(&mut state, &mut |_| {}) {}
        let accounts = trainer.accounts(&state);
        let credit: Vec<f64> = (0..self.contributors).map(|b| accounts.bucket_credit(b)).collect();
        // Windows weigh in proportion to their step, up to a cap: what a policy pays by, unless it says otherwise.
        let weight = |w: &trainer::Window| ((w.first_step + w.end_step) as f64).min(0.25 * 2.0 * self.steps as f64);
        let paid: Vec<f64> = (0..self.contributors)
            .map(|b| accounts.windows.iter().map(|w| weight(w) * w.bucket_credit(b, &accounts.parts)).sum())
            .collect();
        let (mut dot, mut at_once) = (vec![0.0; self.contributors], vec![0.0; self.contributors]);
        for b in trainer.baselines() {
            let owner = self.corpus.documents[b.document as usize].bucket;
            dot[owner] += b.dot;
            at_once[owner] += b.at_once;
        }
        let tokens: Vec<u64> = (0..self.contributors).map(|b| state.windows.iter().map(|w| w.tokens[b]).sum()).collect();
        // Without a contributor the others take its place in every step, since AdamW's steps are as long as before: what is missed
        // is what it gave above the average of its tokens.
        let above = |credit: &[f64]| -> Vec<f64> {
            let (all, drop) = (tokens.iter().sum::<u64>() as f64, credit.iter().sum::<f64>());
            credit.iter().zip(&tokens).map(|(c, t)| (c - drop * *t as f64 / all) / (1.0 - *t as f64 / all)).collect()
        };
        let works: Vec<usize> = (0..self.contributors).map(|b| self.corpus.documents.iter().filter(|d| d.bucket == b).count()).collect();
        let loss = accounts.losses().expect("windows");
        json!({ "kind": "attribution", "seed": seed, "credit": credit, "paid": paid, "above": above(&credit), "dot_above": above(&dot), "at_once_above": above(&at_once), "dot": dot, "at_once": at_once, "tokens": tokens, "works": works,
            "loss_start": loss.0, "loss_end": loss.1, "residual": accounts.residual_share(), "decay": accounts.decay() })
    }
}

fn read(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: u64| {
        let at = args.iter().position(|a| a == name);
        at.and_then(|i| args.get(i + 1)).and_then(|v| v.parse().ok()).unwrap_or(default)
    };
    let out =
        args.iter().position(|a| a == "--out").and_then(|i| args.get(i + 1)).cloned().unwrap_or("target/retraining_truth.jsonl".into());
    let (seeds, contributors, steps) = (option("--seeds", 4), option("--contributors", 26) as usize, option("--steps", 200));
    if !args.iter().any(|a| a == "--report") {
        let world = world(contributors, steps);
        eprintln!(
            "{} documents, {} tokens, {} contributors, {} held-out tokens, {} parameters",
            world.corpus.documents.len(),
            world.corpus.tokens(),
            contributors,
            world.pricing.parts.iter().flat_map(|(_, b)| b).map(Batch::target_count).sum::<usize>(),
            trainer::Layout::new(&world.config.model, world.vocabulary).len
        );
        let known = read(&out);
        let done = |kind: &str, seed: u64, left_out: Option<u64>| {
            known.iter().any(|v| v["kind"] == kind && v["seed"] == seed && v["left_out"].as_u64() == left_out)
        };
        let mut trainings: Vec<(u64, Option<u64>, bool)> = Vec::new();
        for seed in 0..seeds {
            trainings.push((seed, None, true));
            trainings.push((seed, None, false));
            trainings.extend((0..contributors as u64).map(|c| (seed, Some(c), false)));
        }
        trainings.retain(|(seed, left_out, attribution)| !done(if *attribution { "attribution" } else { "retraining" }, *seed, *left_out));
        let file = std::sync::Mutex::new(std::fs::OpenOptions::new().create(true).append(true).open(&out).expect("the file"));
        // One run a thread, each with a pool of its own of one: a run's products are small.
        let next = std::sync::atomic::AtomicUsize::new(0);
        let work = || {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
            while let Some(&(seed, left_out, attribution)) = trainings.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                let started = std::time::Instant::now();
                let line = pool.install(|| match (attribution, left_out) {
                    (true, _) => world.attribute(seed),
                    (false, None) => json!({ "kind": "retraining", "seed": seed, "loss": world.retrain(None, seed) }),
                    (false, Some(c)) => {
                        json!({ "kind": "retraining", "seed": seed, "left_out": c, "loss": world.retrain(Some(c as usize), seed) })
                    }
                });
                writeln!(file.lock().expect("no thread panicked"), "{line}").expect("disk");
                let what = if attribution { "attribution".to_string() } else { left_out.map_or("all".into(), |c| format!("without {c}")) };
                eprintln!("seed {seed}, {what}: {:.1} s", started.elapsed().as_secs_f64());
            }
        };
        std::thread::scope(|scope| (0..rayon::current_num_threads()).for_each(|_| drop(scope.spawn(work))));
    }
    report(&read(&out));
}

/// What is compared with retraining, and under which name it is in the file.
const SCORES: [(&str, &str); 9] = [
    ("credit", "credit"),
    ("credit by shares of windows", "paid"),
    ("gradient dot", "dot"),
    ("AdamW-aware at once", "at_once"),
    ("pay by tokens", "tokens"),
    ("equal pay per work", "works"),
    ("credit above its tokens' average", "above"),
    ("gradient dot above the average", "dot_above"),
    ("AdamW-aware above the average", "at_once_above"),
];

/// What leaving each contributor out raises the held-out loss by, and the scores, by seed.
fn report(lines: &[Value]) {
    let mut full: BTreeMap<u64, f64> = BTreeMap::new();
    let mut left: BTreeMap<u64, BTreeMap<u64, f64>> = BTreeMap::new();
    let mut scores: BTreeMap<&str, BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    for line in lines {
        let seed = line["seed"].as_u64().expect("a seed");
        match (line["kind"].as_str(), line["left_out"].as_u64()) {
            (Some("retraining"), None) => drop(full.insert(seed, line["loss"].as_f64().expect("a loss"))),
            (Some("retraining"), Some(c)) => drop(left.entry(seed).or_default().insert(c, line["loss"].as_f64().expect("a loss"))),
            _ => {
                for name in SCORES.map(|(_, key)| key) {
                    let values = line[name].as_array().expect("numbers").iter().map(|v| v.as_f64().expect("a number")).collect();
                    scores.entry(name).or_default().insert(seed, values);
                }
                println!(
                    "seed {seed}: loss {:.4} to {:.4}, residual {:.2} %",
                    line["loss_start"],
                    line["loss_end"],
                    100.0 * line["residual"].as_f64().unwrap_or(f64::NAN)
                );
            }
        }
    }
    let contributors = scores["credit"].values().next().map_or(0, Vec::len);
    let seeds: Vec<u64> =
        full.keys().copied().filter(|s| left.get(s).is_some_and(|l| l.len() == contributors) && scores["credit"].contains_key(s)).collect();
    let truth: BTreeMap<u64, Vec<f64>> =
        seeds.iter().map(|s| (*s, (0..contributors as u64).map(|c| left[s][&c] - full[s]).collect())).collect();
    let mean = |by_seed: &BTreeMap<u64, Vec<f64>>| -> Vec<f64> {
        (0..contributors).map(|c| seeds.iter().map(|s| by_seed[s][c]).sum::<f64>() / seeds.len() as f64).collect()
    };
    let average = mean(&truth);
    let worst = (0..contributors).min_by(|a, b| average[*a].total_cmp(&average[*b])).unwrap_or(0);
    for (title, kept) in [
        ("all contributors", (0..contributors).collect::<Vec<_>>()),
        ("without the most harmful", (0..contributors).filter(|c| *c != worst).collect()),
        ("without the two harmful", (0..contributors.saturating_sub(2)).collect()),
    ] {
        let pick = |v: &[f64]| kept.iter().map(|c| v[*c]).collect::<Vec<f64>>();
        println!("\n{title}: {} contributors, {} seeds", kept.len(), seeds.len());
        println!("{:34} {:>8} {:>17} {:>9} {:>12}", "", "Pearson", "95 % interval", "Spearman", "single seed");
        let row = |name: &str, by_seed: &BTreeMap<u64, Vec<f64>>| {
            let (score, real) = (pick(&mean(by_seed)), pick(&average));
            let (low, high) = bootstrap(&score, &real);
            let single: f64 = seeds.iter().map(|s| common::pearson(&pick(&by_seed[s]), &pick(&truth[s]))).sum::<f64>() / seeds.len() as f64;
            println!(
                "{name:34} {:8.3}   [{low:6.3}, {high:6.3}] {:9.3} {single:12.3}",
                common::pearson(&score, &real),
                common::spearman(&score, &real)
            );
        };
        for (name, key) in SCORES {
            row(name, &scores[key]);
        }
        let mut between = Vec::new();
        for (i, a) in seeds.iter().enumerate() {
            between.extend(seeds[i + 1..].iter().map(|b| common::pearson(&pick(&truth[a]), &pick(&truth[b]))));
        }
        let halves = |a: &[u64], b: &[u64]| {
            let of = |part: &[u64]| -> Vec<f64> { kept.iter().map(|c| part.iter().map(|s| truth[s][*c]).sum::<f64>()).collect() };
            common::pearson(&of(a), &of(b))
        };
        println!("retraining, one seed to another: Pearson {:.3}", between.iter().sum::<f64>() / between.len().max(1) as f64);
        if seeds.len() >= 4 {
            let (a, b) = seeds.split_at(seeds.len() / 2);
            println!("retraining, one half of the seeds to the other: Pearson {:.3}", halves(a, b));
        }
    }
    println!("\n{:>12} {:>10} {:>10} {:>10}", "contributor", "left out", "credit", "tokens");
    let (credit, tokens) = (mean(&scores["credit"]), mean(&scores["tokens"]));
    (0..contributors).for_each(|c| println!("{c:12} {:10.5} {:10.5} {:10.0}", average[c], credit[c], tokens[c]));
}

/// A 95 % interval of Pearson's correlation: contributors sampled with replacement 2,000 times (Efron 1979).
fn bootstrap(x: &[f64], y: &[f64]) -> (f64, f64) {
    let mut state = 1u64;
    let mut found: Vec<f64> = (0..2000)
        .map(|_| {
            let sampled: Vec<usize> = (0..x.len())
                .map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    (state >> 33) as usize % x.len()
                })
                .collect();
            let pick = |v: &[f64]| sampled.iter().map(|i| v[*i]).collect::<Vec<_>>();
            common::pearson(&pick(x), &pick(y))
        })
        .filter(|r| r.is_finite())
        .collect();
    found.sort_by(f64::total_cmp);
    (found[found.len() / 40], found[found.len() - 1 - found.len() / 40])
}
