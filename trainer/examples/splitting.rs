//! What a contributor gains by splitting its account into five, with shared buckets that are chosen anew: on real text.
//!
//! `cargo run --release -p trainer --example splitting -- [STEPS] [SEEDS] [BUCKETS] [RANK]`

mod common;

use kernels::Cpu;
use sha2::{Digest, Sha256};
use trainer::{Corpus, Order, Owners, Pricing, RunConfig, Setup, Trainer, assign, credit_rows};

/// Accounts that are split.
const SPLIT: usize = 4;

struct World {
    config: RunConfig,
    corpus: Corpus,
    pricing: Pricing,
    vocabulary: usize,
}

/// Credit of each account over the run.
fn run(world: &World, owner_of: &[usize], accounts: usize, buckets: usize, seed: u8) -> Vec<f64> {
    let mut corpus = world.corpus.clone();
    let mut tokens = vec![0u64; accounts];
    owner_of.iter().zip(&corpus.documents).for_each(|(owner, d)| tokens[*owner] += d.tokens.len() as u64);
    let keys: Vec<[u8; 32]> = (0..accounts).map(|a| Sha256::digest([a as u8, 77]).into()).collect();
    let keyed: Vec<(&[u8], u64)> = keys.iter().zip(&tokens).map(|(k, t)| (&k[..], *t)).collect();
    let assigned = assign(&keyed, buckets, &[seed; 32]);
    corpus.buckets = assigned.iter().max().map_or(0, |b| b + 1);
    corpus.documents.iter_mut().zip(owner_of).for_each(|(d, owner)| d.bucket = assigned[*owner]);
    let order = Order::new(&corpus, [9; 32], world.config.model.context, world.config.schedule.rows_per_step).expect("tokens");
    let backend = Cpu::<f32>::new();
    let setup = Setup { vocabulary: world.vocabulary, buckets: corpus.buckets, steps: world.config.schedule.steps, seed: [seed; 32] };
    let mut trainer = Trainer::new(&backend, &world.config, setup, &world.pricing, |s, w| order.batches(s, w, 0)).expect("a run");
    let mut state = trainer.start(&trainer.layout().initial(&[2; 32]));
    while trainer.window(&mut state, &mut |_| {}) {}
    let owners = Owners {
        contributors: (0..accounts).map(|a| a.to_string()).collect(),
        buckets: assigned,
        documents: (0..corpus.documents.len()).map(|d| d.to_string()).collect(),
        document_owners: owner_of.to_vec(),
        targets: vec!["held out".into()],
        groups: vec!["all".into()],
    };
    let mut credit = vec![0.0; accounts];
    for row in credit_rows(&state.windows, &trainer.accounts(&state).parts, &state.rows, &owners) {
        credit[row.contributor.parse::<usize>().expect("a number")] += row.nats;
    }
    credit
}

fn main() {
    let arg = |i: usize, default: usize| std::env::args().nth(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let mut config = RunConfig::from_toml(common::SMALL_RUN).expect("a run");
    (config.schedule.steps, config.attribution.sketch_rank) = (arg(1, 100) as u64, arg(4, 4));
    let (seeds, buckets) = (arg(2, 3), arg(3, 16));
    let sources = common::crates(26, 60_000, 100_000);
    let (held_out, sources) = sources.split_at(4);
    let tokenizer = common::tokenizer(sources, 1024);
    let corpus = common::corpus(sources, &tokenizer, sources.len());
    let pricing = common::pricing(&common::corpus(held_out, &tokenizer, 1), &config);
    let world = World { config, corpus, pricing, vocabulary: tokenizer.vocabulary() };
    let whole: Vec<usize> = world.corpus.documents.iter().map(|d| d.bucket).collect();
    let alone = run(&world, &whole, sources.len(), sources.len(), 0);
    let all: f64 = alone.iter().sum();
    // Document by document in turn, so that every part has some.
    let mut seen = [0; SPLIT];
    let split: Vec<usize> = whole
        .iter()
        .map(|&owner| {
            if owner >= SPLIT {
                return owner;
            }
            seen[owner] += 1;
            if seen[owner] % 5 == 1 { owner } else { sources.len() + owner * 4 + (seen[owner] + 3) % 5 }
        })
        .collect();
    println!(
        "{} contributors, {} accounts after the split, {buckets} buckets; all credit {all:.4}",
        sources.len(),
        sources.len() + 4 * SPLIT
    );
    for seed in 0..seeds {
        let credit = run(&world, &split, sources.len() + 4 * SPLIT, buckets, seed as u8 + 1);
        for owner in 0..SPLIT {
            let sum = credit[owner] + credit[sources.len() + owner * 4..][..4].iter().sum::<f64>();
            let off = sum - alone[owner];
            println!(
                "seed {seed}, {:24} alone {:+.5}, in five {sum:+.5}: {:+.2} % of its credit, {:+.3} % of all",
                sources[owner].name,
                alone[owner],
                100.0 * off / alone[owner].abs(),
                100.0 * off / all
            );
        }
    }
}
