//! Trains a tiny model on two contributors' documents and says what each accounts for in the drop of its held-out loss.
//!
//! `cargo run --release -p trainer --example train_and_attribute`

mod common;

use kernels::Cpu;
use trainer::{Corpus, Document, Order, Pricing, RunConfig, Setup, Trainer, pieces_of, pricing_batch};

/// The vocabulary: numbers that follow each other.
const VOCABULARY: usize = 32;

/// A document in which each token is the one before plus `step`.
fn counting(start: u32, step: u32, tokens: u32, number: u8, bucket: usize) -> Document {
    let tokens = (0..tokens).map(|i| (start + i * step) % VOCABULARY as u32).collect();
    let mut key = [number; 32];
    key[1] = step as u8;
    Document { bucket, ..Document::answering(tokens, key, None) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The run of the other examples, of a few seconds.
    let mut config = RunConfig::from_toml(common::SMALL_RUN)?;
    (config.schedule.steps, config.schedule.rows_per_step, config.attribution.pricing_tokens) = (40, 16, 512);
    // The held-out text counts by one. Contributor 0 counts like it; contributor 1 counts by seven.
    let documents = (0..32).map(|n| counting(n, if n % 2 == 0 { 1 } else { 7 }, 64, n as u8, n as usize % 2)).collect();
    let corpus = Corpus { documents, buckets: 2 };
    let held_out = Corpus { documents: (0..8).map(|n| counting(3 * n, 1, 64, 100 + n as u8, 0)).collect(), buckets: 1 };
    let pieces = pieces_of(&held_out, config.model.context, config.attribution.pricing_tokens);
    let half = |h: usize| vec![pricing_batch(&held_out, &pieces.iter().skip(h).step_by(2).cloned().collect::<Vec<_>>())];
    let pricing = Pricing::new(vec![(1.0, vec![half(0), half(1)])])?;

    // Which tokens a step sees is a function of a seed; nobody's name is looked at.
    let order = Order::new(&corpus, [1; 32], config.model.context, config.schedule.rows_per_step)?;
    let backend = Cpu::<f32>::new();
    let setup = Setup { vocabulary: VOCABULARY, buckets: corpus.buckets, steps: config.schedule.steps, seed: [2; 32] };
    let mut trainer = Trainer::new(&backend, &config, setup, &pricing, |step, shares| order.batches(step, shares, 0))?;
    let mut state = trainer.start(&trainer.layout().initial(&[3; 32]));
    while trainer.window(&mut state, &mut |_| {}) {}

    let accounts = trainer.accounts(&state);
    let (before, after) = accounts.losses().ok_or("a run of no steps")?;
    println!("held-out loss {before:.3} to {after:.3} nats a token in {} steps", state.step);
    for bucket in 0..2 {
        println!("contributor {bucket}: {:+.4} nats", accounts.bucket_credit(bucket));
    }
    println!("weight decay {:+.4}, residual {:.2} % of the drop", accounts.decay(), 100.0 * accounts.residual_share());
    Ok(())
}
