//! A run small enough for a test: a model of two layers, documents that count.

#![allow(dead_code)]

use kernels::{Cpu, Real};
use trainer::{Accounts, Batch, Corpus, Document, Order, Pricing, RunConfig, Setup, Shares, State, Trainer, pieces_of, pricing_batch};

/// Rows of the embedding.
pub const VOCABULARY: usize = 23;
const CONFIG: &str = r#"
[model]
layers = 2
channels = 12
heads = 3
kv_heads = 1
hidden = 10
tied = true
context = 16
rope_base = 100.0
norm_eps = 1e-5
[optimizer]
lr = 5e-3
warmup_steps = 3
min_lr_ratio = 0.1
beta1 = 0.9
beta2 = 0.95
eps = 1e-8
weight_decay = 0.1
clip_norm = 0.5
[schedule]
steps = 24
rows_per_step = 4
[attribution]
rule = "simpson"
first_window = 2
max_window = 4
residual_limit = 0.05
pricing_tokens = 120
progress_windows = 2
max_buckets = 8
sketch_rank = 6
sketch_rows = 16
look_ahead = 12
"#;

/// A run of 24 steps that takes a moment.
pub fn config() -> RunConfig {
    RunConfig::from_toml(CONFIG).unwrap()
}

/// Documents that count up by steps of their own, from one token to several rows.
pub fn corpus(documents: usize, buckets: usize, seed: u64) -> Corpus {
    let mut state = seed;
    let mut next = |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    let documents = (0..documents)
        .map(|i| {
            let len = [1, 2, 5, 9, 40][next(5) as usize];
            let (start, step) = (next(VOCABULARY as u64), 1 + i as u64 % buckets as u64);
            let tokens = (0..len).map(|t| ((start + t * step) % VOCABULARY as u64) as u32).collect();
            let mut key = [0; 32];
            key[..8].copy_from_slice(&(seed + i as u64).to_le_bytes());
            Document { tokens, key, bucket: i % buckets, group: 0, learned: None }
        })
        .collect();
    Corpus { documents, buckets }
}

/// Half `h` of the runs of `held_out` that price.
pub fn half(held_out: &Corpus, h: usize) -> Batch {
    let pieces = pieces_of(held_out, 16, 120);
    pricing_batch(held_out, &pieces.iter().skip(h).step_by(2).cloned().collect::<Vec<_>>())
}

/// Both halves as one target.
pub fn pricing(held_out: &Corpus) -> Pricing {
    Pricing::new(vec![(1.0, vec![vec![half(held_out, 0)], vec![half(held_out, 1)]])]).unwrap()
}

/// The run's sizes.
pub fn setup(config: &RunConfig, buckets: usize) -> Setup {
    Setup { vocabulary: VOCABULARY, buckets, steps: config.schedule.steps, seed: [5; 32] }
}

/// Runs to the end: the state, its bytes and its accounts.
pub fn run<T: Real>(config: &RunConfig, corpus: &Corpus, pricing: &Pricing) -> (State<Cpu<T>>, Vec<u8>, Accounts) {
    let backend = Cpu::<T>::new();
    let order = Order::new(corpus, [4; 32], 16, 4).unwrap();
    let mut trainer = Trainer::new(&backend, config, setup(config, corpus.buckets), pricing, |s, w: &[Shares]| {
        order.batches(s, w, config.schedule.rows_per_pass)
    })
    .unwrap();
    let mut state = trainer.start(&trainer.layout().initial(&[9; 32]));
    while trainer.window(&mut state, &mut |_| {}) {}
    let (bytes, accounts) = (trainer.save(&backend, &state, "c").unwrap(), trainer.accounts(&state));
    (state, bytes, accounts)
}
