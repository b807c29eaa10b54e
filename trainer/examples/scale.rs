//! What attribution costs as buckets and parameters grow: step time against plain training, peak memory, residual; on real text.
//!
//! `cargo run --release -p trainer --example scale -- BUCKETS CHANNELS LAYERS STEPS [SKETCH_RANK] [ROWS] [SEED]` prints one line; memory is the
//! process' peak, so each line is a process of its own. `benches/scale.sh` prints the table.

mod common;

use std::time::Instant;

use kernels::Cpu;
use trainer::{Order, RunConfig, Setup, Trainer};

fn main() {
    let arg = |i: usize, default: usize| std::env::args().nth(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (buckets, channels, layers, steps) = (arg(1, 8), arg(2, 128), arg(3, 4), arg(4, 32) as u64);
    let (rank, rows, seed) = (arg(5, 0), arg(6, 64), arg(7, 1) as u8);
    let mut config = RunConfig::from_toml(include_str!("../../cli/src/runs/full.toml")).expect("a run");
    (config.model.channels, config.model.layers, config.model.hidden) = (channels, layers, channels * 3);
    config.model.heads = (channels / 32).max(2);
    config.model.kv_heads = config.model.heads / 2;
    (config.schedule.rows_per_step, config.schedule.rows_per_pass, config.schedule.steps) = (rows, 16, steps);
    (config.attribution.sketch_rank, config.attribution.max_buckets, config.attribution.max_window) = (rank, 1000, 16);
    let sources = common::crates(20, 200_000, 900_000);
    let (held_out, sources) = sources.split_at(2);
    let tokenizer = common::tokenizer(sources, 4096);
    let mut corpus = common::corpus(sources, &tokenizer, 1);
    // Buckets are dealt by document: how many there are is what is measured.
    corpus.buckets = buckets;
    corpus.documents.iter_mut().enumerate().for_each(|(i, d)| d.bucket = i % buckets);
    let pricing = common::pricing(&common::corpus(held_out, &tokenizer, 1), &config);
    let order = Order::new(&corpus, [seed; 32], config.model.context, rows).expect("tokens");
    let backend = Cpu::<f32>::new();
    let setup = Setup { vocabulary: tokenizer.vocabulary(), buckets, steps, seed: [seed; 32] };
    let mut trainer =
        Trainer::new(&backend, &config, setup, &pricing, |s, w| order.batches(s, w, config.schedule.rows_per_pass)).expect("a run");
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
