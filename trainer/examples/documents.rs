//! Credit by document: estimates from sketches against exact products, inside each bucket.
//!
//! `cargo run --release -p trainer --example documents -- [RANK] [STEPS] [SKIP] [LR]`

mod common;

use std::collections::BTreeMap;
use std::time::Instant;

use kernels::Cpu;
use trainer::{Order, RunConfig, Setup, Trainer};

fn main() {
    let arg = |i: usize, default: f64| std::env::args().nth(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (side, steps, skip) = (arg(1, 4.0) as usize, arg(2, 48.0) as u64, arg(3, 0.0) as u64);
    let mut config = RunConfig::from_toml(include_str!("../../cli/src/runs/full.toml")).expect("a run");
    config.attribution.sketch_rank = side;
    config.attribution.sketch_rows = arg(6, 1024.0) as usize;
    config.attribution.max_window = arg(5, 16.0) as u64;
    config.optimizer.lr = arg(4, 1e-3);
    let sources = common::crates(10, 300_000, 900_000);
    let (held_out, sources) = sources.split_at(2);
    let tokenizer = common::tokenizer(sources, 4096);
    let corpus = common::corpus(sources, &tokenizer, 8);
    let pricing = common::pricing(&common::corpus(held_out, &tokenizer, 1), &config);
    let order = Order::new(&corpus, [1; 32], config.model.context, config.schedule.rows_per_step).expect("tokens");
    println!("{} documents, {} tokens, {} steps an epoch", corpus.documents.len(), corpus.tokens(), order.steps_per_epoch());
    let backend = Cpu::<f32>::new();
    let setup = Setup { vocabulary: tokenizer.vocabulary(), buckets: 8, steps: order.steps_per_epoch(), seed: [3; 32] };
    let mut trainer = Trainer::new(&backend, &config, setup, &pricing, |s, w| order.batches(s, w, 0)).expect("a run");
    let mut state = trainer.start(&trainer.layout().initial(&[2; 32]));
    while state.step < skip {
        trainer.window(&mut state, &mut |_| {});
    }
    state.rows.clear();
    // Sketches from before the recording have no exact counterpart.
    let first = state.step + 32;
    trainer.record();
    let started = Instant::now();
    let warm = if skip == 0 { 0 } else { 32 };
    while state.step < skip + steps + warm && trainer.window(&mut state, &mut |_| {}) {}
    println!("recorded {} steps in {:.1} s", state.step - skip, started.elapsed().as_secs_f64());
    let started = Instant::now();
    let mut exact: BTreeMap<(u64, u32), Vec<f64>> = BTreeMap::new();
    for c in trainer.exact(0.03) {
        let sum = exact.entry((c.window, c.document)).or_insert_with(|| vec![0.0; 2]);
        sum.iter_mut().zip(&c.credit).for_each(|(s, c)| *s += c);
    }
    println!("exact in {:.1} s", started.elapsed().as_secs_f64());
    let accounts = trainer.accounts(&state);
    let begin = if skip == 0 { 0 } else { first };
    let counted: Vec<u64> = accounts.windows.iter().filter(|w| w.first_step >= begin).map(|w| w.index).collect();
    println!("{} windows, correction {:.3} of drop {:.3}", counted.len(), accounts.correction(), accounts.drop());
    // Credit of a document over all counted windows, and window by window.
    for (name, by_window) in [("window by window", true), ("over the windows", false)] {
        // By bucket, then window and document: estimate, exact credit, tokens.
        type Documents = BTreeMap<(u64, u32), (f64, f64, f64)>;
        let mut pairs: BTreeMap<u32, Documents> = BTreeMap::new();
        for row in state.rows.iter().filter(|r| counted.contains(&r.window)) {
            let key = (if by_window { row.window } else { 0 }, row.document);
            let pair = pairs.entry(row.bucket).or_default().entry(key).or_default();
            pair.0 += (row.credit[0] + row.credit[1]) / 2.0;
            pair.1 += exact.get(&(row.window, row.document)).map_or(0.0, |c| (c[0] + c[1]) / 2.0);
            pair.2 += f64::from(row.tokens);
        }
        let mut r = Vec::new();
        let mut per_token = Vec::new();
        for documents in pairs.values() {
            let (estimates, exact): (Vec<f64>, Vec<f64>) = documents.values().map(|p| (p.0, p.1)).unzip();
            r.push(common::pearson(&estimates, &exact));
            let tokens: Vec<f64> = documents.values().map(|p| p.2).collect();
            per_token.push(common::pearson(&tokens, &exact));
        }
        let show = |v: &[f64]| v.iter().map(|x| format!("{x:.3}")).collect::<Vec<_>>().join(" ");
        println!("{name}: r by bucket {}  mean {:.4}", show(&r), r.iter().sum::<f64>() / r.len() as f64);
        println!("{name}: tokens alone {}", show(&per_token));
    }
}
