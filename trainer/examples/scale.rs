//! What attribution costs as buckets and parameters grow: step time against plain training, peak memory, residual; on real text.
//!
//! `cargo run --release -p trainer --example scale -- BUCKETS CHANNELS LAYERS STEPS [SKETCH_RANK] [ROWS] [SEED]` prints one line; memory is the
//! process' peak, so each line is a process of its own. `benches/scale.sh` prints the table.
//!
//! `... --example scale -- pairs CHANNELS LAYERS STEPS` takes every step three times in one process: plain, with 8 buckets, with 8
//! buckets and sketches, so that a machine that is slow for a while is slow for all three.

mod common;

use std::time::Instant;

use kernels::Cpu;
use trainer::{Corpus, Order, Pricing, RunConfig, Setup, Trainer};

struct World {
    config: RunConfig,
    corpus: Corpus,
    pricing: Pricing,
    vocabulary: usize,
}

fn world(channels: usize, layers: usize, rows: usize) -> World {
    let mut config = RunConfig::from_toml(include_str!("../../cli/src/runs/full.toml")).expect("a run");
    (config.model.channels, config.model.layers, config.model.hidden) = (channels, layers, channels * 3);
    config.model.heads = (channels / 32).max(2);
    config.model.kv_heads = config.model.heads / 2;
    (config.schedule.rows_per_step, config.schedule.rows_per_pass) = (rows, 16);
    (config.attribution.max_buckets, config.attribution.max_window) = (1000, 32);
    let sources = common::crates(20, 200_000, 900_000);
    let (held_out, sources) = sources.split_at(2);
    let tokenizer = common::tokenizer(sources, 4096);
    let pricing = common::pricing(&common::corpus(held_out, &tokenizer, 1), &config);
    World { corpus: common::corpus(sources, &tokenizer, 1), pricing, config, vocabulary: tokenizer.vocabulary() }
}

impl World {
    /// The same with other buckets and sketches; buckets are dealt by document, since how many there are is what is measured.
    fn with(&self, buckets: usize, rank: usize) -> (RunConfig, Corpus) {
        let (mut config, mut corpus) = (self.config.clone(), self.corpus.clone());
        config.attribution.sketch_rank = rank;
        corpus.buckets = buckets;
        corpus.documents.iter_mut().enumerate().for_each(|(i, d)| d.bucket = i % buckets);
        (config, corpus)
    }
}

fn main() {
    let arg = |i: usize, default: usize| std::env::args().nth(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    if std::env::args().nth(1).as_deref() == Some("pairs") {
        return pairs(&world(arg(2, 128), arg(3, 4), 64), arg(4, 20) as u64);
    }
    let (buckets, channels, layers, steps) = (arg(1, 8), arg(2, 128), arg(3, 4), arg(4, 32) as u64);
    line(&world(channels, layers, arg(6, 64)), buckets, arg(5, 0), steps, arg(7, 1) as u8);
}

fn line(world: &World, buckets: usize, rank: usize, steps: u64, seed: u8) {
    let (config, corpus) = world.with(buckets, rank);
    let order = Order::new(&corpus, [seed; 32], config.model.context, config.schedule.rows_per_step).expect("tokens");
    let backend = Cpu::<f32>::new();
    let setup = Setup { vocabulary: world.vocabulary, buckets, steps, seed: [seed; 32] };
    let rows = config.schedule.rows_per_pass;
    let mut trainer = Trainer::new(&backend, &config, setup, &world.pricing, |s, w| order.batches(s, w, rows)).expect("a run");
    let mut state = trainer.start(&trainer.layout().initial(&[seed; 32]));
    let (mut stepping, mut pricing_time, mut tokens) = (0.0, 0.0, 0);
    while state.step < steps {
        let started = Instant::now();
        tokens += trainer.step(&mut state).tokens;
        stepping += started.elapsed().as_secs_f64();
        if trainer.is_full(&state) {
            let started = Instant::now();
            trainer.price(&mut state);
            pricing_time += started.elapsed().as_secs_f64();
            state.rows.clear();
        }
    }
    let accounts = trainer.accounts(&state);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).map_or("?".into(), |l| l.trim().to_string());
    println!(
        "buckets {buckets:4}  parameters {:9}  sketch {rank}  step {:7.1} ms  tokens/s {:7.0}  pricing {:5.1} % of all  peak {peak}  drop {:.3}  residual {:.2} %  windows {}",
        trainer.layout().len,
        1e3 * stepping / steps as f64,
        tokens as f64 / stepping,
        100.0 * pricing_time / (stepping + pricing_time),
        accounts.drop(),
        100.0 * accounts.residual_share(),
        accounts.windows.len()
    );
}

fn pairs(world: &World, steps: u64) {
    let kinds = [(1, 0), (8, 0), (8, 4)];
    let backend = Cpu::<f32>::new();
    let worlds: Vec<(RunConfig, Corpus)> = kinds.iter().map(|&(buckets, rank)| world.with(buckets, rank)).collect();
    let orders: Vec<Order<'_>> = worlds
        .iter()
        .map(|(config, corpus)| Order::new(corpus, [1; 32], config.model.context, config.schedule.rows_per_step).expect("tokens"))
        .collect();
    let mut runs: Vec<_> = worlds
        .iter()
        .zip(&orders)
        .map(|((config, corpus), order)| {
            let setup = Setup { vocabulary: world.vocabulary, buckets: corpus.buckets, steps, seed: [1; 32] };
            let rows = config.schedule.rows_per_pass;
            let trainer = Trainer::new(&backend, config, setup, &world.pricing, move |s, w| order.batches(s, w, rows)).expect("a run");
            let state = trainer.start(&trainer.layout().initial(&[1; 32]));
            (trainer, state, Vec::new())
        })
        .collect();
    for _ in 0..steps {
        for (trainer, state, times) in &mut runs {
            let started = Instant::now();
            trainer.step(state);
            times.push(started.elapsed().as_secs_f64());
            if trainer.is_full(state) {
                trainer.price(state);
            }
        }
    }
    let times: Vec<&Vec<f64>> = runs.iter().map(|(_, _, times)| times).collect();
    // The first steps allocate and build their first basis.
    let ratio = |a: &[f64], b: &[f64]| {
        let mut ratios: Vec<f64> = a.iter().zip(b).skip(2).map(|(a, b)| a / b).collect();
        ratios.sort_by(f64::total_cmp);
        (ratios[ratios.len() / 4], ratios[ratios.len() / 2], ratios[3 * ratios.len() / 4])
    };
    let plain = times[0].iter().skip(2).sum::<f64>() / (steps - 2) as f64;
    println!("parameters {}, {} tokens a step, plain step {:.0} ms", runs[0].0.layout().len, 64 * world.config.model.context, 1e3 * plain);
    for (name, a, b) in [("8 buckets over plain", 1, 0), ("sketches over 8 buckets", 2, 1)] {
        let (low, median, high) = ratio(times[a], times[b]);
        println!(
            "{name:24} median {:+.1} %  quartiles {:+.1} % {:+.1} %",
            100.0 * (median - 1.0),
            100.0 * (low - 1.0),
            100.0 * (high - 1.0)
        );
    }
}
