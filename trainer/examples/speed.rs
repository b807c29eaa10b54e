//! Plain training against the bound that its matrix products alone set, and against the same with accounts and sketches.
//!
//! `cargo run --release -p trainer --example speed -- [plain|bound|accounts|sketches|all] [SECONDS]`; compared with PyTorch by `benches/speed.sh`.

use std::time::Instant;

use kernels::{Cpu, Matrix, Memory, ModelOperations};
use trainer::{Batch, Corpus, Document, Order, Pricing, RunConfig, Setup, Trainer, pricing_batch};

const CONFIG: &str = r#"
[model]
layers = 4
channels = 256
heads = 8
kv_heads = 8
hidden = 768
tied = true
context = 256
rope_base = 10000.0
norm_eps = 1e-5
[optimizer]
lr = 1e-3
warmup_steps = 20
min_lr_ratio = 0.1
beta1 = 0.9
beta2 = 0.95
eps = 1e-8
weight_decay = 0.1
clip_norm = 1.0
[schedule]
steps = 100000
rows_per_step = 8
[attribution]
rule = "simpson"
first_window = 100000
max_window = 100000
residual_limit = 1e9
pricing_tokens = 2048
progress_windows = 1
max_buckets = 64
sketch_rank = 0
"#;
const VOCABULARY: usize = 8192;
const TOKENS: usize = 8 * 256;

fn corpus(buckets: usize) -> Corpus {
    let mut state = 7u64;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    let documents = (0..64).map(|i| {
        let mut key = [0; 32];
        key[0] = i as u8;
        // Whole rows, as in the PyTorch script.
        Document { tokens: (0..256).map(|_| next(VOCABULARY) as u32).collect(), key, bucket: i % buckets, group: 0, learned: None }
    });
    Corpus { documents: documents.collect(), buckets }
}

/// Tokens a second of steps, after one that warms up.
fn steps(buckets: usize, sketch_rank: usize, seconds: f64) -> f64 {
    let mut config = RunConfig::from_toml(CONFIG).expect("a run");
    config.attribution.sketch_rank = sketch_rank;
    let backend = Cpu::<f32>::new();
    let corpus = corpus(buckets);
    let order = Order::new(&corpus, [1; 32], 256, 8).expect("tokens");
    let batches: Vec<Vec<Batch>> = (0..8).map(|s| order.batches(s, &[], 0)).collect();
    let pieces = [trainer::Piece { document: 0, range: 0..8 }];
    let pricing = Pricing::new(vec![(1.0, vec![vec![pricing_batch(&corpus, &pieces)]])]).expect("tokens");
    let setup = Setup { vocabulary: VOCABULARY, buckets, steps: 100_000, seed: [2; 32] };
    let mut trainer = Trainer::new(&backend, &config, setup, &pricing, |s, _| batches[s as usize % 8].clone()).expect("a run");
    let mut state = trainer.start(&trainer.layout().initial(&[3; 32]));
    trainer.step(&mut state);
    let (started, mut tokens) = (Instant::now(), 0);
    while started.elapsed().as_secs_f64() < seconds {
        tokens += trainer.step(&mut state).tokens;
        // Sketches of a look-ahead of 32 steps, as in a run; the rest would only fill memory.
        let step = state.step;
        state.held.retain(|h| step - h.step < 32);
    }
    tokens as f64 / started.elapsed().as_secs_f64()
}

/// Tokens a second of the linear maps' products alone: forward, gradient of the input, gradient of the parameters.
fn bound(seconds: f64) -> f64 {
    let backend = Cpu::<f32>::new();
    let shapes: Vec<(usize, usize)> =
        (0..4).flat_map(|_| [(768, 256), (256, 256), (1536, 256), (256, 768)]).chain([(VOCABULARY, 256)]).collect();
    let (mut matrices, mut offset) = (Vec::new(), 0);
    for (rows, cols) in shapes {
        matrices.push(Matrix { offset, rows, cols });
        offset += rows * cols;
    }
    let theta = backend.master(&vec![0.01; offset]);
    let mut gradient = backend.gradient(offset);
    let fill = |n: usize| backend.activation_from(&(0..n).map(|i| (i % 7) as f64 * 0.1).collect::<Vec<_>>());
    let rows = 1024;
    let mut buffers: Vec<_> = matrices
        .iter()
        .map(|w| {
            let n = if w.rows == VOCABULARY { rows } else { TOKENS };
            (fill(n * w.cols), backend.activation(n * w.rows), backend.activation(n * w.cols))
        })
        .collect();
    let mut pass = || {
        for (w, (x, y, dx)) in matrices.iter().zip(&mut buffers) {
            let (n, times) = if w.rows == VOCABULARY { (rows, TOKENS / rows) } else { (TOKENS, 1) };
            for _ in 0..times {
                backend.matmul(y, x, &theta, *w, n, false);
                backend.matmul_backward_input(dx, y, &theta, *w, n, false);
                backend.matmul_backward_parameters(&mut gradient, *w, y, x, 0..n);
            }
        }
    };
    pass();
    let (started, mut tokens) = (Instant::now(), 0);
    while started.elapsed().as_secs_f64() < seconds {
        pass();
        tokens += TOKENS;
    }
    tokens as f64 / started.elapsed().as_secs_f64()
}

fn main() {
    let mode = std::env::args().nth(1).unwrap_or("all".into());
    let seconds = std::env::args().nth(2).and_then(|s| s.parse().ok()).unwrap_or(10.0);
    let all = mode == "all";
    let cpu = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields: Vec<f64> = stat.rsplit(')').next().unwrap_or("").split_whitespace().filter_map(|f| f.parse().ok()).collect();
        // User and system time in hundredths of a second; the first field after the name is a letter.
        fields.get(10).zip(fields.get(11)).map_or(f64::NAN, |(u, s)| (u + s) / 100.0)
    };
    let runs: [(&str, &dyn Fn() -> f64); 4] = [
        ("bound", &|| bound(seconds)),
        ("plain", &|| steps(1, 0, seconds)),
        ("accounts", &|| steps(8, 0, seconds)),
        ("sketches", &|| steps(8, 4, seconds)),
    ];
    for (name, run) in runs.into_iter().filter(|(name, _)| all || mode == *name) {
        let (before, started) = (cpu(), Instant::now());
        let rate = run();
        println!("{name:10} {rate:8.0} tokens/s   {:.2} threads busy", (cpu() - before) / started.elapsed().as_secs_f64());
    }
}
