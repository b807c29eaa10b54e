//! Training: tokens a second of the quickstart's full model, plain (1 bucket), by contributor (12 buckets) and by document (sketches).

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kernels::Cpu;
use trainer::{Batch, Corpus, Document, Order, Pricing, RunConfig, Setup, Trainer, pieces_of, pricing_batch};

const VOCABULARY: usize = 4096;

/// Documents of 300 tokens; what they say does not matter to speed.
fn corpus(documents: usize, buckets: usize) -> Corpus {
    let mut state = 7u64;
    let documents = (0..documents).map(|i| {
        let tokens = (0..300).map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u32 % VOCABULARY as u32
        });
        let tokens = tokens.collect();
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(i as u64).to_le_bytes());
        Document { tokens, key, bucket: i % buckets, group: 0, learned: None }
    });
    Corpus { documents: documents.collect(), buckets }
}

fn bench(c: &mut Criterion) {
    let config = RunConfig::from_toml(include_str!("../../cli/src/runs/full.toml")).expect("the quickstart's run");
    let backend = Cpu::<f32>::new();
    let held_out = corpus(40, 1);
    let pieces = pieces_of(&held_out, config.model.context, config.attribution.pricing_tokens);
    let pricing = Pricing::new(vec![(1.0, vec![vec![pricing_batch(&held_out, &pieces)]])]).expect("held-out tokens");
    let mut group = c.benchmark_group("train");
    group.sample_size(10);
    for (buckets, sketch_rank) in [(1, 0), (12, 0), (12, 2), (12, 4)] {
        let corpus = corpus(800, buckets);
        let order = Order::new(&corpus, [1; 32], config.model.context, config.schedule.rows_per_step).expect("tokens");
        let batches: Vec<Batch> = (0..16).flat_map(|s| order.batches(s, &[], 0)).collect();
        let tokens: usize = batches.iter().map(|b| b.tokens.len()).sum();
        let setup = Setup { vocabulary: VOCABULARY, buckets, steps: 16, seed: [3; 32] };
        group.throughput(Throughput::Elements(tokens as u64));
        let mut config = config.clone();
        (config.attribution.first_window, config.attribution.residual_limit) = (16, 1e9);
        config.attribution.sketch_rank = sketch_rank;
        // One window of 16 steps, priced; its held-out gradients are part of the time.
        group.bench_function(format!("window-of-16-steps-{buckets}-buckets-sketch-{sketch_rank}"), |b| {
            b.iter(|| {
                let mut trainer =
                    Trainer::new(&backend, &config, setup, &pricing, |s, _| vec![batches[s as usize].clone()]).expect("a run");
                let mut state = trainer.start(&trainer.layout().initial(&[2; 32]));
                trainer.window(&mut state, &mut |_| {})
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
