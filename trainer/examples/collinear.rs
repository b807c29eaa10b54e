//! How well copies that dedup does not see are found by their gradients, among documents that have nothing to do with each other.
//!
//! `cargo run --release -p trainer --example collinear -- [STEPS] [TOKENS] [RANK]`
//!
//! Copies: every identifier renamed, every second word another one, lines shuffled, the second half only.

mod common;

use std::collections::BTreeMap;

use kernels::Cpu;
use trainer::{Document, Order, RunConfig, Setup, Trainer};

/// Makes a copy of a text, with the words of another.
type Change<'c> = &'c dyn Fn(&str, &str) -> String;

/// Words of letters, digits and underscores; everything between them stays.
fn words(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut inside = false;
    for (i, c) in text.char_indices() {
        let word = c.is_alphanumeric() || c == '_';
        if i > 0 && word != inside {
            found.push(&text[start..i]);
            start = i;
        }
        inside = word;
    }
    found.push(&text[start..]);
    found
}

/// The text with some words replaced, the same word always by the same one.
fn renamed(text: &str, other: &str, every: usize) -> String {
    let is_word = |w: &&str| w.len() > 3 && w.chars().all(|c| c.is_alphanumeric() || c == '_');
    let others: Vec<&str> = words(other).into_iter().filter(is_word).collect();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    words(text)
        .into_iter()
        .map(|w| {
            if !is_word(&w) {
                return w;
            }
            let next = names.len();
            *names.entry(w).or_insert(if next.is_multiple_of(every) { others[(next * 7) % others.len()] } else { w })
        })
        .collect()
}

fn shuffled(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let mut state = 99u64;
    for i in (1..lines.len()).rev() {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        lines.swap(i, (state >> 33) as usize % (i + 1));
    }
    lines.join("\n")
}

fn jaccard(a: &str, b: &str) -> f64 {
    let set = |t: &str| -> std::collections::BTreeSet<String> {
        let w: Vec<String> = words(t).into_iter().filter(|w| w.chars().any(char::is_alphanumeric)).map(str::to_lowercase).collect();
        w.windows(5).map(|w| w.join(" ")).collect()
    };
    let (a, b) = (set(a), set(b));
    a.intersection(&b).count() as f64 / a.union(&b).count().max(1) as f64
}

fn main() {
    let arg = |i: usize, default: usize| std::env::args().nth(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (steps, tokens) = (arg(1, 150) as u64, arg(2, 1024));
    let mut config = RunConfig::from_toml(common::SMALL_RUN).expect("a run");
    config.attribution.sketch_rank = arg(3, 4);
    let sources = common::crates(22, 60_000, 100_000);
    let (held_out, sources) = sources.split_at(4);
    let tokenizer = common::tokenizer(sources, 1024);
    let plain = common::corpus(sources, &tokenizer, sources.len());
    let mut corpus = plain.clone();
    let texts: Vec<&String> = sources.iter().flat_map(|s| &s.documents).collect();
    let originals = texts.len();
    let long: Vec<usize> = (0..originals).filter(|i| (1500..12_000).contains(&texts[*i].len())).step_by(4).collect();
    let kinds: [(&str, Change<'_>); 4] = [
        ("identifiers renamed", &|t, o| renamed(t, o, 1)),
        ("every second word", &|t, o| renamed(t, o, 2)),
        ("lines shuffled", &|t, _| shuffled(t)),
        ("second half", &|t, _| t[(t.len() / 2..).find(|i| t.is_char_boundary(*i)).expect("an end")..].to_string()),
    ];
    let pricing = common::pricing(&common::corpus(held_out, &tokenizer, 1), &config);
    let backend = Cpu::<f32>::new();
    let order = Order::new(&plain, [1; 32], config.model.context, config.schedule.rows_per_step).expect("tokens");
    let setup = Setup { vocabulary: tokenizer.vocabulary(), buckets: corpus.buckets, steps, seed: [3; 32] };
    let mut trainer = Trainer::new(&backend, &config, setup, &pricing, |s, w| order.batches(s, w, 0)).expect("a run");
    let mut state = trainer.start(&trainer.layout().initial(&[2; 32]));
    while trainer.window(&mut state, &mut |_| {}) {}
    // Copies are not trained on: they are somebody else's submissions to the same corpus.
    let mut copies: BTreeMap<(u32, u32), (usize, f64)> = BTreeMap::new();
    for (k, (_, change)) in kinds.iter().enumerate() {
        for &i in &long {
            let text = change(texts[i], texts[(i + 37) % originals]);
            copies.insert((i as u32, corpus.documents.len() as u32), (k, jaccard(texts[i], &text)));
            let bucket = corpus.buckets + copies.len();
            corpus.documents.push(Document { bucket, ..Document::answering(tokenizer.encode(&text).expect("text"), [0; 32], None) });
        }
    }
    let all: Vec<u32> = (0..corpus.documents.len() as u32).filter(|d| corpus.documents[*d as usize].tokens.len() > 64).collect();
    let owner = |d: u32| corpus.documents[d as usize].bucket;
    let begun = std::time::Instant::now();
    let pairs = trainer.alike(&state.parameters(), &corpus, &all, tokens, owner, -1.0).expect("sketches");
    println!(
        "{} documents of {} contributors, {} copies; {:.1} s",
        plain.documents.len(),
        plain.buckets,
        copies.len(),
        begun.elapsed().as_secs_f64()
    );
    // Copies of one document are alike among themselves, which is no false alarm: pairs of two copies are left out.
    let is_original = |d: u32| (d as usize) < originals;
    let mut unrelated: Vec<(f64, u32, u32)> =
        pairs.iter().filter(|p| is_original(p.first) && is_original(p.second)).map(|p| (p.cosine, p.first, p.second)).collect();
    unrelated.sort_by(|a, b| b.0.total_cmp(&a.0));
    let n = unrelated.len();
    println!(
        "{n} pairs of originals of different contributors: cosine at most {:.3}, 1 in 10,000 above {:.3}, 1 in 1,000 above {:.3}",
        unrelated[0].0,
        unrelated[n / 10_000].0,
        unrelated[n / 1000].0
    );
    for (cosine, a, b) in &unrelated[..8] {
        println!(
            "    {cosine:.3}  {} {}  shingles' Jaccard {:.2}",
            sources[owner(*a)].name,
            sources[owner(*b)].name,
            jaccard(texts[*a as usize], texts[*b as usize])
        );
    }
    println!(
        "{:22} {:>8} {:>10} {:>10} {:>12} {:>12} {:>12}",
        "copies", "Jaccard", "median", "tenth", "found at .5", "found at .6", "at 1/10,000"
    );
    for (k, (name, _)) in kinds.iter().enumerate() {
        let mut cosines: Vec<f64> =
            pairs.iter().filter(|p| copies.get(&(p.first, p.second)).is_some_and(|c| c.0 == k)).map(|p| p.cosine).collect();
        cosines.sort_by(f64::total_cmp);
        let overlap: Vec<f64> = copies.values().filter(|c| c.0 == k).map(|c| c.1).collect();
        let above = |t: f64| cosines.iter().filter(|c| **c >= t).count() as f64 / cosines.len() as f64;
        println!(
            "{name:22} {:8.2} {:10.3} {:10.3} {:11.0} % {:10.0} % {:10.0} %",
            overlap.iter().sum::<f64>() / overlap.len() as f64,
            cosines[cosines.len() / 2],
            cosines[cosines.len() / 10],
            100.0 * above(0.5),
            100.0 * above(0.6),
            100.0 * above(unrelated[n / 10_000].0)
        );
    }
}
