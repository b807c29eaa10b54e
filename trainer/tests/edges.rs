//! Parameters that stay as they are, no clipping, documents over rows and passes: the account closes and is split as it should be.

mod common;

use common::{config, corpus, pricing, run, setup};
use kernels::Cpu;
use trainer::{Layout, Order, RunConfig, TrainError, Trainer};

/// Every window's buckets add up to its drop but for the residual, and every bucket's documents to the bucket.
fn closes(config: &RunConfig, most: f64) {
    let corpus = corpus(60, 4, 3);
    let (state, _, accounts) = run::<f64>(config, &corpus, &pricing(&self::corpus(12, 1, 99)));
    let documents: f64 = state.rows.iter().flat_map(|r| r.credit.iter().zip(&accounts.parts).map(|(c, p)| c * p.factor())).sum();
    let buckets: f64 = (0..4).map(|b| accounts.bucket_credit(b)).sum();
    assert!((documents - buckets).abs() < 1e-10, "documents {documents}, buckets {buckets}");
    let residual: f64 = accounts.windows.iter().map(|w| w.residual(&accounts.parts)).sum();
    assert!((buckets + accounts.decay() + residual - accounts.drop()).abs() < 1e-10);
    assert!(accounts.residual_share() < most && accounts.drop() > 0.05, "residual {} of {}", accounts.residual_share(), accounts.drop());
}

#[test]
fn the_account_closes_with_and_without_clipping_tied_and_untied() {
    for tied in [true, false] {
        for clip_norm in [0.2, 1e9] {
            let mut config = config();
            config.model.tied = tied;
            config.optimizer.clip_norm = clip_norm;
            closes(&config, 0.05);
        }
    }
}

#[test]
fn frozen_parameters_do_not_move_and_are_credited_nothing() {
    for frozen in [vec!["model.embed_tokens"], vec!["model.layers.0.", "model.norm"], vec!["lm_head", "model.layers.1.self_attn"]] {
        let mut config = config();
        config.model.tied = false;
        config.optimizer.frozen = frozen.iter().map(ToString::to_string).collect();
        closes(&config, 0.05);
        let (corpus, backend) = (corpus(60, 4, 3), Cpu::<f64>::new());
        let order = Order::new(&corpus, [4; 32], 16, 4).unwrap();
        let pricing = pricing(&self::corpus(12, 1, 99));
        let mut trainer = Trainer::new(&backend, &config, setup(&config, 4), &pricing, |s, w| order.batches(s, w, 0)).unwrap();
        let initial = trainer.layout().initial(&[9; 32]);
        let ranges = trainer.layout().frozen(&config.optimizer.frozen).unwrap();
        let mut state = trainer.start(&initial);
        trainer.record_until(&mut state, u64::MAX - 1);
        let last = state.theta.as_slice();
        let still = |i: usize| ranges.iter().any(|r| r.contains(&i));
        assert!((0..last.len()).all(|i| !still(i) || last[i] == initial[i]), "{frozen:?} moved");
        assert!((0..last.len()).any(|i| !still(i) && last[i] != initial[i]));
        // Credit by document without estimates adds up to the buckets' all the same.
        let mut exact = [0.0; 4];
        let parts = trainer.accounts(&state).parts;
        for credit in trainer.exact(0.0) {
            let bucket = corpus.documents[credit.document as usize].bucket;
            exact[bucket] += credit.credit.iter().zip(&parts).map(|(c, p)| c * p.factor()).sum::<f64>();
        }
        let accounts = trainer.accounts(&state);
        for (bucket, exact) in exact.iter().enumerate() {
            let of_bucket = accounts.bucket_credit(bucket);
            assert!((exact - of_bucket).abs() < 1e-9, "{frozen:?}, bucket {bucket}: {exact} and {of_bucket}");
        }
    }
}

#[test]
fn freezing_what_is_not_there_or_everything_is_refused() {
    let config = config();
    let layout = Layout::new(&config.model, 23);
    let frozen = |names: &[&str]| layout.frozen(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert!(matches!(frozen(&["lm_head"]), Err(TrainError::Config(e)) if e.contains("lm_head") && e.contains("model.embed_tokens.weight")));
    assert!(matches!(frozen(&["model."]), Err(TrainError::Config(e)) if e.contains("nothing is left")));
    assert_eq!(frozen(&["model.norm"]).unwrap().first(), Some(&(layout.len - 12..layout.len)));
}

#[test]
fn a_document_over_several_rows_and_passes_has_one_row_per_window() {
    let config = RunConfig { schedule: trainer::Schedule { steps: 40, ..config().schedule }, ..config() };
    let corpus = corpus(20, 2, 3);
    let (state, _, accounts) = run::<f64>(&config, &corpus, &pricing(&self::corpus(12, 1, 99)));
    let long = (0..20).find(|i| corpus.documents[*i].tokens.len() == 40).unwrap() as u32;
    let tokens: u64 = state.rows.iter().filter(|r| r.document == long).map(|r| u64::from(r.tokens)).sum();
    assert!(tokens > 2 * 40, "seen in {tokens} tokens");
    let windows: Vec<u64> = state.rows.iter().filter(|r| r.document == long).map(|r| r.window).collect();
    assert!(windows.len() > 2 && windows.is_sorted_by(|a, b| a < b), "{windows:?}");
    let all: u64 = state.rows.iter().map(|r| u64::from(r.tokens)).sum();
    assert_eq!(all, accounts.windows.iter().flat_map(|w| &w.tokens).sum::<u64>());
}
