//! Gradients, batches, resume, settings and edge cases, on a model small enough to differentiate numerically.

mod common;

use common::{VOCABULARY, corpus, run, setup};
use kernels::{Cpu, Memory, Real};
use trainer::{Accounts, Batch, Corpus, Engine, Order, Pricing, RunConfig, State, TrainError, Trainer, pieces_of};

/// A shorter run than the common one, at a strict limit.
fn config(tied: bool) -> RunConfig {
    let mut config = common::config();
    config.model.tied = tied;
    config.schedule.steps = 13;
    (config.attribution.residual_limit, config.attribution.pricing_tokens) = (0.01, 60);
    config
}

fn pricing() -> Pricing {
    common::pricing(&corpus(12, 1, 99))
}

fn accounts<T: Real>(config: &RunConfig, corpus: &Corpus) -> Accounts {
    run::<T>(config, corpus, &pricing()).2
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
        // Larger parameters than usual, so that every path carries signal.
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
    let before: Vec<_> = (0..steps).map(|s| order.step(s, &[])).collect();
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
    assert_eq!((0..steps).map(|s| order.step(s, &[])).collect::<Vec<_>>(), before);
    assert!(matches!(Order::new(&Corpus::default(), [0; 32], 16, 4).err(), Some(TrainError::TooFewTokens { .. })));
}

#[test]
fn resumed_run_equals_unbroken_run_to_the_last_bit() {
    let (config, corpus) = (config(true), corpus(40, 4, 3));
    let pricing = pricing();
    let (_, last, accounts) = run::<f32>(&config, &corpus, &pricing);
    let backend = Cpu::<f32>::new();
    let order = Order::new(&corpus, [4; 32], 16, 4).unwrap();
    let trainer = || Trainer::new(&backend, &config, setup(&config, 4), &pricing, |s, w| order.batches(s, w, 0)).unwrap();
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
    let accounts = self::accounts::<f64>(&config, &corpus);
    let ends: Vec<u64> = accounts.windows.iter().map(|w| w.end_step).collect();
    assert_eq!(ends.last(), Some(&13));
    assert!(accounts.windows.windows(2).all(|w| w[0].end_step == w[1].first_step && w[0].loss_after == w[1].loss_before));
    assert!(accounts.drop() > 0.05 && accounts.residual_share() < 0.02, "drop {}, residual {}", accounts.drop(), accounts.residual_share());
    // In f32 the same account, but for rounding.
    let single = self::accounts::<f32>(&config, &corpus);
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
    let before = accounts::<f64>(&config, &whole);
    assert_eq!(before.bucket_credit(2), 0.0);
    let mut split = whole.clone();
    split.buckets = 7;
    for (i, d) in split.documents.iter_mut().enumerate().filter(|(_, d)| d.bucket == 0) {
        d.bucket = 2 + i / 2 % 5;
    }
    let after = accounts::<f64>(&config, &split);
    let parts: f64 = (2..7).map(|b| after.bucket_credit(b)).sum();
    assert!((parts - before.bucket_credit(0)).abs() < 1e-6, "{parts} and {}", before.bucket_credit(0));
    assert!((after.bucket_credit(1) - before.bucket_credit(1)).abs() < 1e-6);
    let error = Trainer::new(&Cpu::<f64>::new(), &config, setup(&config, 9), &pricing(), |_, _| Vec::new()).err().unwrap().to_string();
    assert!(error.contains("9 buckets") && error.contains("at most 8"), "{error}");
}

#[test]
fn a_step_that_is_not_finite_changes_no_parameter() {
    let (mut config, corpus) = (config(true), corpus(40, 4, 3));
    config.schedule.steps = 2;
    let pricing = pricing();
    let backend = Cpu::<f32>::new();
    let order = Order::new(&corpus, [4; 32], 16, 4).unwrap();
    let mut trainer = Trainer::new(&backend, &config, setup(&config, 4), &pricing, |s, w| order.batches(s, w, 0)).unwrap();
    // Parameters so large that the gradient overflows.
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
