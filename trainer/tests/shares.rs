//! Shares of groups: what they do to the order, how they follow credit, and that a split account gains nothing.

mod common;

use common::{config, corpus, setup};
use kernels::Cpu;
use trainer::{Accounts, Corpus, Online, Order, RunConfig, ShareRule, Shares, State, Trainer};

#[test]
fn shares_decide_how_often_a_group_is_seen_and_begin_with_their_step() {
    let mut corpus = corpus(50, 5, 1);
    corpus.documents.iter_mut().enumerate().for_each(|(i, d)| d.group = i % 5);
    let order = Order::new(&corpus, [2; 32], 16, 4).unwrap();
    let plain: Vec<_> = (0..40).map(|s| order.step(s, &[])).collect();
    let ppm = vec![0, 250_000, 1_000_000, 1_500_000, 3_000_000];
    let shares = [Shares { from_step: 10, ppm: ppm.clone() }];
    order.check(&shares).unwrap();
    assert!((0..10).all(|s| order.step(s, &shares) == plain[s as usize]));
    let (mut tokens, steps) = ([0usize; 5], 20_000);
    for piece in (10..10 + steps).flat_map(|s| order.step(s, &shares)) {
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
    assert!([900, 11, 10, 3, 450].into_iter().all(|s| again.step(s, &shares) == order.step(s, &shares)));
    // The same shares from another step on begin a pass of their own, and leave what was before as it was.
    let later = [shares[0].clone(), Shares { from_step: 20, ppm: ppm.clone() }];
    assert!((0..20).all(|s| order.step(s, &later) == order.step(s, &shares)));
    assert_ne!(order.step(20, &later), order.step(10, &shares));
    let bad = |ppm: Vec<u64>| order.check(&[Shares { from_step: 20, ppm }]).is_err();
    assert!(bad(vec![0; 5]) && bad(vec![1; 3]));
    assert!(order.check(&[later[1].clone(), later[0].clone()]).is_err());
}

/// 64 documents in 8 buckets and 3 groups.
fn grouped() -> Corpus {
    let mut corpus = corpus(64, 8, 11);
    for (i, d) in corpus.documents.iter_mut().enumerate() {
        d.group = i % 3;
    }
    corpus
}

/// A run with shares that follow credit, saved and loaded after the steps `stops`.
fn online(config: &RunConfig, corpus: &Corpus, stops: &[u64]) -> (State<Cpu<f32>>, Accounts) {
    let pricing = common::pricing(&self::corpus(12, 1, 99));
    let backend = Cpu::<f32>::new();
    let order = Order::new(corpus, [4; 32], config.model.context, config.schedule.rows_per_step).unwrap();
    let trainer = || {
        let mut trainer =
            Trainer::new(&backend, config, setup(config, corpus.buckets), &pricing, |s, w: &[Shares]| order.batches(s, w, 0)).unwrap();
        let rule = ShareRule::new(corpus, &[0.1; 3], 4.0).unwrap();
        trainer.follow(Online::new(corpus, rule, 0.5, 3)).unwrap();
        trainer
    };
    let mut now = trainer();
    let mut state = now.start(&now.layout().initial(&[9; 32]));
    while state.step < 24 {
        now.step(&mut state);
        if now.is_full(&state) {
            now.price(&mut state);
        }
        if stops.contains(&state.step) {
            let bytes = now.save(&backend, &state, "c").unwrap();
            now = trainer();
            state = now.load(&backend, &bytes, "c").unwrap();
        }
    }
    let accounts = now.accounts(&state);
    (state, accounts)
}

#[test]
fn shares_that_follow_credit_keep_their_floors_and_survive_a_restart() {
    let (config, corpus) = (config(), grouped());
    let (whole, accounts) = online(&config, &corpus, &[]);
    assert!(whole.shares.len() >= 3, "{:?}", whole.shares);
    let tokens = corpus.group_tokens();
    let all: u64 = tokens.iter().sum();
    for w in &whole.shares {
        let mean = w.ppm.iter().zip(&tokens).map(|(w, t)| w * t).sum::<u64>() as f64 / all as f64;
        assert!((mean - 1e6).abs() < 3.0 && w.ppm.iter().all(|w| *w >= 100_000), "{w:?}");
        assert!(whole.windows.iter().any(|window| window.end_step == w.from_step), "shares change where a window ends");
    }
    assert!(whole.shares.iter().any(|w| w.ppm.iter().any(|p| p.abs_diff(1_000_000) > 10_000)), "credit has a say");
    let (restarted, again) = online(&config, &corpus, &[2, 7, 11, 13, 19]);
    assert_eq!((restarted.shares, again.windows), (whole.shares, accounts.windows));
}

#[test]
fn a_split_account_leaves_shares_and_batches_as_they_are() {
    let (config, corpus) = (config(), grouped());
    let (whole, before) = online(&config, &corpus, &[]);
    let mut split = corpus.clone();
    split.buckets = 12;
    for (i, d) in split.documents.iter_mut().enumerate().filter(|(_, d)| d.bucket == 0) {
        d.bucket = [0, 8, 9, 10, 11][i / 8 % 5];
    }
    let config = RunConfig { attribution: trainer::Attribution { max_buckets: 12, ..config.attribution.clone() }, ..config };
    let (parts, after) = online(&config, &split, &[]);
    // Sums in another order round differently, and shares are millionths.
    for (a, b) in whole.shares.iter().zip(&parts.shares) {
        assert!(a.from_step == b.from_step && a.ppm.iter().zip(&b.ppm).all(|(a, b)| a.abs_diff(*b) <= 20), "{a:?} and {b:?}");
    }
    assert!(whole.shares.len() >= 3 && whole.shares.len() == parts.shares.len());
    let sum: f64 = [0, 8, 9, 10, 11].iter().map(|b| after.bucket_credit(*b)).sum();
    let gained = sum / before.bucket_credit(0) - 1.0;
    assert!(gained.abs() < 1e-4, "{sum} instead of {}", before.bucket_credit(0));
}
