//! Batches, resume, replay and edge cases, on a model small enough to differentiate numerically.

use kernels::{Backend, Cpu, Real};
use trainer::{
    Accounts, Attribution, Batch, Corpus, Document, Engine, ModelConfig, Optimizer, Order, Pricing, Rule, RunConfig, Schedule, Setup,
    State, TrainError, Trainer, Weights, pieces_of, pricing_batch,
};

const VOCABULARY: usize = 23;

fn config(tied: bool) -> RunConfig {
    RunConfig {
        model: ModelConfig {
            layers: 2,
            channels: 12,
            heads: 3,
            kv_heads: 1,
            hidden: 10,
            tied,
            context: 16,
            rope_base: 100.0,
            norm_eps: 1e-5,
        },
        optimizer: Optimizer {
            lr: 5e-3,
            warmup_steps: 3,
            min_lr_ratio: 0.1,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.1,
            clip_norm: 0.5,
        },
        schedule: Schedule { steps: 13, rows_per_step: 4, rows_per_pass: 0 },
        attribution: Attribution {
            rule: Rule::Simpson,
            first_window: 2,
            max_window: 4,
            residual_limit: 0.01,
            pricing_tokens: 60,
            progress_windows: 2,
            max_buckets: 8,
            sketch_rank: 3,
            sketch_rows: 8,
            look_ahead: 6,
        },
        start: None,
        sampling: None,
    }
}

fn corpus(documents: usize, buckets: usize, seed: u64) -> Corpus {
    let mut state = seed;
    let mut next = |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    let documents = (0..documents)
        .map(|i| {
            // One-token documents, and documents over several rows.
            let len = [1, 2, 5, 9, 40][next(5) as usize];
            let start = next(VOCABULARY as u64);
            let step = 1 + i as u64 % buckets as u64;
            let tokens = (0..len).map(|t| ((start + t * step) % VOCABULARY as u64) as u32).collect();
            let mut key = [0; 32];
            key[..8].copy_from_slice(&(seed + i as u64).to_le_bytes());
            Document { tokens, key, bucket: i % buckets, learned: None }
        })
        .collect();
    Corpus { documents, buckets }
}

fn pricing(config: &RunConfig) -> Pricing {
    let held_out = corpus(12, 1, 99);
    let pieces = pieces_of(&held_out, config.model.context, config.attribution.pricing_tokens);
    let half = |h: usize| pricing_batch(&held_out, &pieces.iter().skip(h).step_by(2).cloned().collect::<Vec<_>>());
    Pricing::new(vec![(1.0, vec![vec![half(0)], vec![half(1)]])]).unwrap()
}

fn setup(buckets: usize, steps: u64) -> Setup {
    Setup { vocabulary: VOCABULARY, buckets, steps, seed: [5; 32] }
}

fn run<T: Real>(config: &RunConfig, corpus: &Corpus, pricing: &Pricing) -> (Accounts, Vec<u8>) {
    let backend = Cpu::<T>::new();
    let order = Order::new(corpus, [4; 32], config.model.context, config.schedule.rows_per_step).unwrap();
    let batches = |s| order.batches(s, config.schedule.rows_per_pass);
    let mut trainer = Trainer::new(&backend, config, setup(corpus.buckets, config.schedule.steps), pricing, batches).unwrap();
    let initial = trainer.layout().initial(&[9; 32]);
    let mut state = trainer.start(&initial);
    while trainer.window(&mut state, &mut |_| {}) {}
    (trainer.accounts(&state), trainer.save(&backend, &state, "c").unwrap())
}

#[test]
fn every_gradient_is_that_of_central_differences() {
    for tied in [false, true] {
        let config = config(tied);
        let corpus = corpus(9, 3, 5);
        let pieces = pieces_of(&corpus, 7, 60);
        let batch = Batch::new(&corpus, &pieces);
        assert!(batch.segments.iter().any(|s| s.range.len() == 7) && batch.buckets.len() == 3);
        let backend = Cpu::<f64>::new();
        let mut engine = Engine::new(&backend, &config.model, VOCABULARY);
        // Larger weights than usual, so that every path carries signal.
        let theta: Vec<f64> = engine.layout.initial(&[1; 32]).iter().map(|x| if *x == 1.0 { 1.1 } else { x * 8.0 }).collect();
        let mut gradients: Vec<_> = (0..3).map(|_| backend.gradient(theta.len())).collect();
        engine.backward(&backend.master(&theta), &batch, 1.0, &mut gradients);
        let total: Vec<f64> = (0..theta.len()).map(|i| gradients.iter().map(|g| g.as_slice()[i]).sum()).collect();
        let tensors = engine.layout.tensors.clone();
        for tensor in &tensors {
            let range = tensor.matrix.range();
            for i in [range.start, range.start + range.len() / 3, range.end - 1] {
                let mut loss = |delta: f64| {
                    let mut moved = theta.clone();
                    moved[i] += delta;
                    engine.losses(&backend.master(&moved), &batch).iter().sum::<f64>()
                };
                let h = 1e-5;
                let numeric = (loss(h) - loss(-h)) / (2.0 * h);
                assert!((numeric - total[i]).abs() < 1e-6 * (1.0 + numeric.abs()), "{} [{i}]: {} and {numeric}", tensor.name, total[i]);
            }
        }
    }
}

#[test]
fn every_token_is_seen_once_an_epoch_and_no_account_has_a_say() {
    let mut corpus = corpus(50, 5, 1);
    let order = Order::new(&corpus, [2; 32], 16, 4).unwrap();
    let steps = order.steps_per_epoch();
    let mut seen = vec![Vec::new(); corpus.documents.len()];
    let rows = order.rows_per_epoch() as u64;
    assert_eq!(steps, rows.div_ceil(4));
    let before: Vec<_> = (0..steps).map(|s| order.step(s)).collect();
    let mut count = 0;
    for piece in before.iter().flatten() {
        if count < corpus.tokens() {
            seen[piece.document].extend(piece.range.clone());
            count += piece.range.len();
        }
    }
    for (document, seen) in corpus.documents.iter().zip(&mut seen) {
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..document.tokens.len()), "a token was left out or seen twice in the first pass");
    }
    // Those of one bucket are spread over the pass: in every quarter of it there are some of each.
    for quarter in before[..steps as usize].chunks(before.len().div_ceil(4)) {
        let seen: std::collections::BTreeSet<usize> = quarter.iter().flatten().map(|p| corpus.documents[p.document].bucket).collect();
        assert_eq!(seen.len(), 5);
    }
    for d in &mut corpus.documents {
        d.bucket = 4 - d.bucket;
    }
    let order = Order::new(&corpus, [2; 32], 16, 4).unwrap();
    assert_eq!((0..steps).map(|s| order.step(s)).collect::<Vec<_>>(), before);
    assert!(matches!(Order::new(&Corpus::default(), [0; 32], 16, 4).err(), Some(TrainError::TooFewTokens { .. })));
}

#[test]
fn weights_decide_how_often_a_document_is_seen_and_begin_with_their_step() {
    let corpus = corpus(50, 5, 1);
    let order = Order::new(&corpus, [2; 32], 16, 4).unwrap();
    let plain: Vec<_> = (0..40).map(|s| order.step(s)).collect();
    let by_document = (0..50).map(|i| [0.0, 0.25, 1.0, 1.5, 3.0][i % 5]).collect();
    order.weigh(Weights { from_step: 10, by_document }).unwrap();
    assert!((0..10).all(|s| order.step(s) == plain[s as usize]));
    let (mut tokens, steps) = ([0usize; 5], 2000);
    for piece in (10..10 + steps).flat_map(|s| order.step(s)) {
        tokens[piece.document % 5] += piece.range.len();
    }
    let of = |k: usize| corpus.documents.iter().skip(k).step_by(5).map(|d| d.tokens.len()).sum::<usize>() as f64;
    let rate = |k: usize| tokens[k] as f64 / of(k);
    assert_eq!(tokens[0], 0);
    for (k, expected) in [(1, 0.25), (3, 1.5), (4, 3.0)] {
        assert!((rate(k) / rate(2) - expected).abs() < 0.05 * expected, "weight {expected}: seen {} times as often", rate(k) / rate(2));
    }
    // A fresh order with the same table has the same steps, asked for in any order.
    let again = Order::new(&corpus, [2; 32], 16, 4).unwrap();
    again.weigh(Weights { from_step: 10, by_document: (0..50).map(|i| [0.0, 0.25, 1.0, 1.5, 3.0][i % 5]).collect() }).unwrap();
    assert!([900, 11, 10, 3, 450].into_iter().all(|s| again.step(s) == order.step(s)));
    assert!(order.weigh(Weights { from_step: 20, by_document: vec![0.0; 50] }).is_err());
    assert!(order.weigh(Weights { from_step: 20, by_document: vec![1.0; 3] }).is_err());
}

#[test]
fn resumed_run_equals_unbroken_run_to_the_last_bit() {
    let (config, corpus) = (config(true), corpus(40, 4, 3));
    let pricing = pricing(&config);
    let (accounts, last) = run::<f32>(&config, &corpus, &pricing);
    let backend = Cpu::<f32>::new();
    let order = Order::new(&corpus, [4; 32], 16, 4).unwrap();
    let trainer = || Trainer::new(&backend, &config, setup(4, 13), &pricing, |s| order.batches(s, 0)).unwrap();
    let first = trainer();
    let initial = first.layout().initial(&[9; 32]);
    let mut state: State<Cpu<f32>> = first.start(&initial);
    let mut bytes = first.save(&backend, &state, "c").unwrap();
    // A new trainer for every window, as after a crash.
    loop {
        let mut next = trainer();
        state = next.load(&backend, &bytes, "c").unwrap();
        if !next.window(&mut state, &mut |_| {}) {
            break;
        }
        bytes = next.save(&backend, &state, "c").unwrap();
    }
    assert_eq!(bytes, last);
    assert_eq!(first.accounts(&state), accounts);
    assert!(first.load(&backend, &bytes, "other").err().unwrap().to_string().contains("expected other"));
    for cut in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        assert!(first.load(&backend, &bytes[..cut], "c").is_err(), "{cut} bytes were accepted");
    }
}

#[test]
fn the_account_closes_and_the_last_window_may_be_short() {
    let (config, corpus) = (config(false), corpus(40, 4, 3));
    let (accounts, _) = run::<f64>(&config, &corpus, &pricing(&config));
    let ends: Vec<u64> = accounts.windows.iter().map(|w| w.end_step).collect();
    assert_eq!(ends.last(), Some(&13));
    assert!(accounts.windows.windows(2).all(|w| w[0].end_step == w[1].first_step && w[0].loss_after == w[1].loss_before));
    assert!(accounts.drop() > 0.05 && accounts.residual_share() < 0.02, "drop {}, residual {}", accounts.drop(), accounts.residual_share());
    // In f32 the same account, but for rounding.
    let (single, _) = run::<f32>(&config, &corpus, &pricing(&config));
    for b in 0..4 {
        let (a, b) = (accounts.bucket_credit(b), single.bucket_credit(b));
        assert!((a - b).abs() < 2e-3 * accounts.drop(), "{a} and {b}");
    }
}

#[test]
fn splitting_an_account_leaves_the_sum_and_an_empty_bucket_earns_zero() {
    let config = config(true);
    let mut whole = corpus(40, 2, 8);
    whole.buckets = 3;
    let pricing = pricing(&config);
    let (before, _) = run::<f64>(&config, &whole, &pricing);
    assert_eq!(before.bucket_credit(2), 0.0);
    let mut split = whole.clone();
    split.buckets = 7;
    for (i, d) in split.documents.iter_mut().enumerate().filter(|(_, d)| d.bucket == 0) {
        d.bucket = 2 + i / 2 % 5;
    }
    let (after, _) = run::<f64>(&config, &split, &pricing);
    let parts: f64 = (2..7).map(|b| after.bucket_credit(b)).sum();
    assert!((parts - before.bucket_credit(0)).abs() < 1e-6, "{parts} and {}", before.bucket_credit(0));
    assert!((after.bucket_credit(1) - before.bucket_credit(1)).abs() < 1e-6);
    let error = Trainer::new(&Cpu::<f64>::new(), &config, setup(9, 1), &pricing, |_| Vec::new()).err().unwrap().to_string();
    assert!(error.contains("9 buckets") && error.contains("at most 8"), "{error}");
}

#[test]
fn a_step_that_is_not_finite_changes_nothing_and_credits_nothing() {
    let (config, corpus) = (config(true), corpus(40, 4, 3));
    let pricing = pricing(&config);
    let backend = Cpu::<f32>::new();
    let order = Order::new(&corpus, [4; 32], 16, 4).unwrap();
    let mut trainer = Trainer::new(&backend, &config, setup(4, 2), &pricing, |s| order.batches(s, 0)).unwrap();
    // Weights so large that the gradient overflows.
    let initial: Vec<f64> = trainer.layout().initial(&[9; 32]).iter().map(|x| x * 1e25).collect();
    let mut state = trainer.start(&initial);
    let before = backend.master_to_bytes(&state.theta);
    let mut skipped = 0;
    trainer.window(&mut state, &mut |r| skipped += u32::from(r.loss.is_nan()));
    assert_eq!(skipped, 2);
    assert_eq!(backend.master_to_bytes(&state.theta), before);
}

#[test]
fn settings_that_no_run_can_have_are_named() {
    let good = config(true).to_toml();
    assert_eq!(RunConfig::from_toml(&good).unwrap(), config(true));
    for (from, to, part) in [
        ("heads = 3", "heads = 5", "heads divides"),
        ("lr = 0.005", "lr = -1.0", "lr"),
        ("beta1 = 0.9", "beta1 = 1.0", "beta1"),
        ("tied = true", "tied = 1", "tied"),
        ("layers = 2", "layers = 2\nwings = 2", "wings"),
        ("first_window = 2", "first_window = 9", "first_window"),
    ] {
        let error = RunConfig::from_toml(&good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
