//! Credit by document, state in mid-window, passes, loss masks and leaks.

mod common;

use std::collections::BTreeMap;

use common::{VOCABULARY, config, corpus, half, pricing, run, setup};
use kernels::{Cpu, Memory};
use trainer::{
    Batch, Corpus, Document, Engine, Order, Owners, Pricing, RunConfig, Trainer, credit_rows, document_rows, pieces_of, read_credit,
    read_documents, read_windows, write_credit, write_documents, write_windows,
};

#[test]
fn documents_add_up_to_their_bucket_in_every_window_and_half() {
    let (config, corpus) = (config(), corpus(60, 4, 3));
    let (state, _, accounts) = run::<f32>(&config, &corpus, &pricing(&self::corpus(12, 1, 99)));
    let mut sums: BTreeMap<(u64, u32), (Vec<f64>, u64)> = BTreeMap::new();
    for row in &state.rows {
        let (credit, tokens) = sums.entry((row.window, row.bucket)).or_insert_with(|| (vec![0.0; 2], 0));
        credit.iter_mut().zip(&row.credit).for_each(|(s, c)| *s += c);
        *tokens += u64::from(row.tokens);
        assert_eq!(corpus.documents[row.document as usize].bucket as u32, row.bucket);
    }
    for window in &accounts.windows {
        for bucket in 0..4 {
            let (credit, tokens) = &sums[&(window.index, bucket as u32)];
            assert_eq!(*tokens, window.tokens[bucket]);
            for (half, found) in credit.iter().enumerate() {
                let exact = window.credit[bucket * 2 + half];
                assert!((found - exact).abs() < 1e-12, "window {} bucket {bucket}: {found} and {exact}", window.index);
            }
        }
    }
    assert!(accounts.correction() > 0.0);
}

#[test]
fn estimates_follow_exact_credit_inside_a_bucket() {
    let (config, corpus) = (config(), corpus(60, 2, 3));
    let pricing = pricing(&self::corpus(12, 1, 99));
    let backend = Cpu::<f64>::new();
    let order = Order::new(&corpus, [4; 32], 16, 4).unwrap();
    let mut trainer = Trainer::new(&backend, &config, setup(&config, 2), &pricing, |s, w| order.batches(s, w, 0)).unwrap();
    let mut state = trainer.start(&trainer.layout().initial(&[9; 32]));
    trainer.record_until(&mut state, u64::MAX - 1);
    let mut exact = vec![0.0; corpus.documents.len()];
    for credit in trainer.exact(0.0) {
        exact[credit.document as usize] += credit.credit.iter().sum::<f64>();
    }
    let mut estimated = vec![0.0; corpus.documents.len()];
    state.rows.iter().for_each(|r| estimated[r.document as usize] += r.credit.iter().sum::<f64>());
    for bucket in 0..2 {
        let own: Vec<usize> = (0..corpus.documents.len()).filter(|d| corpus.documents[*d].bucket == bucket).collect();
        let n = own.len() as f64;
        let mean = |v: &[f64]| own.iter().map(|d| v[*d]).sum::<f64>() / n;
        let (a, b) = (mean(&exact), mean(&estimated));
        let product = |x: &[f64], mx: f64, y: &[f64], my: f64| own.iter().map(|d| (x[*d] - mx) * (y[*d] - my)).sum::<f64>();
        let r = product(&exact, a, &estimated, b) / (product(&exact, a, &exact, a) * product(&estimated, b, &estimated, b)).sqrt();
        assert!(r > 0.9, "bucket {bucket}: r {r}");
    }
}

#[test]
fn a_run_resumed_after_every_step_equals_the_unbroken_run_to_the_last_bit() {
    let (config, corpus) = (config(), corpus(40, 4, 3));
    let pricing = pricing(&self::corpus(12, 1, 99));
    let (unbroken, bytes, accounts) = run::<f32>(&config, &corpus, &pricing);
    let backend = Cpu::<f32>::new();
    let order = Order::new(&corpus, [4; 32], 16, 4).unwrap();
    let trainer = || Trainer::new(&backend, &config, setup(&config, 4), &pricing, |s, w| order.batches(s, w, 0)).unwrap();
    let first = trainer();
    let mut saved = first.save(&backend, &first.start(&first.layout().initial(&[9; 32])), "c").unwrap();
    let mut in_mid_window = 0;
    loop {
        // A new trainer for every step, as after a crash; prices and steps alternate as they come.
        let mut next = trainer();
        let mut state = next.load(&backend, &saved, "c").unwrap();
        if next.is_full(&state) {
            next.price(&mut state);
        } else if state.step < config.schedule.steps {
            next.step(&mut state);
        } else {
            assert_eq!(state.rows, unbroken.rows);
            break;
        }
        in_mid_window += u32::from(state.open.is_some());
        saved = next.save(&backend, &state, "c").unwrap();
    }
    assert!(in_mid_window >= 20);
    assert_eq!(saved, bytes);
    let state = first.load(&backend, &saved, "c").unwrap();
    assert_eq!(first.accounts(&state), accounts);
    for cut in (0..saved.len()).step_by(saved.len() / 50) {
        assert!(first.load(&backend, &saved[..cut], "c").is_err(), "{cut} bytes were accepted");
    }
}

#[test]
fn passes_of_uneven_tokens_add_up_to_one_pass() {
    let corpus = corpus(60, 4, 3);
    let pricing = pricing(&self::corpus(12, 1, 99));
    let (whole, _, one) = run::<f64>(&config(), &corpus, &pricing);
    let mut config = config();
    config.schedule.rows_per_pass = 1;
    let order = Order::new(&corpus, [4; 32], 16, 4).unwrap();
    let uneven = |step: u64| {
        let targets: Vec<usize> = order.batches(step, &[], 1).iter().map(Batch::target_count).collect();
        targets.len() >= 4 && targets.iter().any(|t| *t != targets[0])
    };
    assert!((0..24).filter(|s| uneven(*s)).count() > 5);
    let (parts, _, many) = run::<f64>(&config, &corpus, &pricing);
    for (a, b) in whole.losses.iter().zip(&parts.losses) {
        assert!((a - b).abs() < 1e-10, "{a} and {b}");
    }
    for bucket in 0..4 {
        assert!((one.bucket_credit(bucket) - many.bucket_credit(bucket)).abs() < 1e-9);
    }
    assert_eq!(whole.rows.len(), parts.rows.len());
}

#[test]
fn masked_tokens_are_context_and_are_not_learned() {
    let config = config();
    let tokens: Vec<u32> = (0..14).collect();
    let document = |learned: Option<Vec<std::ops::Range<usize>>>| Corpus {
        documents: vec![Document { tokens: tokens.clone(), key: [0; 32], bucket: 0, group: 0, learned }],
        buckets: 1,
    };
    let pieces = pieces_of(&document(None), 16, 100);
    let backend = Cpu::<f64>::new();
    let mut engine = Engine::new(&backend, &config.model, VOCABULARY);
    let theta = backend.master(&engine.layout.initial(&[1; 32]));
    let mut losses = |learned| engine.losses(&theta, &Batch::new(&document(learned), &pieces));
    let all = losses(None);
    let answer = losses(Some(vec![5..8, 11..14]));
    // Position i predicts token i + 1; what is masked is zero, what is not has the same context as before.
    for (i, (all, answer)) in all.iter().zip(&answer).enumerate() {
        let learned = (5..8).contains(&(i + 1)) || (11..14).contains(&(i + 1));
        assert_eq!(*answer, if learned { *all } else { 0.0 }, "position {i}");
    }
    let corpus = document(Some(Vec::new()));
    let mut gradient = [backend.gradient(engine.layout.len)];
    engine.backward(&theta, &Batch::new(&corpus, &pieces), 1.0, &mut gradient);
    assert!(gradient[0].as_slice().iter().all(|g| *g == 0.0));
}

#[test]
fn a_leak_of_the_pricing_documents_shows_against_control() {
    // Random tokens, from which nothing can be learned but by heart.
    let shuffle = |c: &Corpus, seed: u64| {
        let mut c = c.clone();
        let mut state = seed;
        c.documents.iter_mut().flat_map(|d| &mut d.tokens).for_each(|t| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            *t = (state >> 33) as u32 % VOCABULARY as u32;
        });
        c
    };
    let (held_out, control) = (shuffle(&corpus(12, 1, 99), 2), shuffle(&corpus(12, 1, 77), 3));
    let mut config = config();
    (config.schedule.steps, config.optimizer.lr) = (200, 2e-2);
    let pricing = pricing(&held_out);
    let gap = |corpus: &Corpus| {
        let backend = Cpu::<f32>::new();
        let order = Order::new(corpus, [4; 32], 16, 4).unwrap();
        let mut trainer = Trainer::new(&backend, &config, setup(&config, corpus.buckets), &pricing, |s, w| order.batches(s, w, 0)).unwrap();
        let mut state = trainer.start(&trainer.layout().initial(&[9; 32]));
        let control = [half(&control, 0), half(&control, 1)];
        let before = trainer.loss(&state, &control);
        while trainer.window(&mut state, &mut |_| {}) {}
        trainer.accounts(&state).drop() - (before - trainer.loss(&state, &control))
    };
    let honest = shuffle(&corpus(40, 4, 3), 1);
    let mut leaked = honest.clone();
    leaked.documents.extend((0..6).flat_map(|_| held_out.documents.clone()));
    leaked.documents.iter_mut().enumerate().for_each(|(i, d)| d.key[31] = i as u8);
    let (without, with) = (gap(&honest), gap(&leaked));
    assert!(with > without + 0.2, "pricing fell {with} more than control with the leak, {without} without");
}

#[test]
fn tables_survive_their_files_with_shared_buckets() {
    let (config, corpus) = (config(), corpus(60, 3, 3));
    let (state, _, accounts) = run::<f32>(&config, &corpus, &pricing(&self::corpus(12, 1, 99)));
    // Bucket 0 is one contributor's, buckets 1 and 2 are shared by two each.
    let owner = |i: usize, bucket: usize| if bucket == 0 { 0 } else { 1 + (bucket - 1) * 2 + i / 3 % 2 };
    let owners = Owners {
        contributors: (0..5).map(|c| format!("c{c}")).collect(),
        buckets: vec![0, 1, 1, 2, 2],
        documents: (0..corpus.documents.len()).map(|d| format!("1/{d}")).collect(),
        document_owners: corpus.documents.iter().enumerate().map(|(i, d)| owner(i, d.bucket)).collect(),
        targets: vec!["pool".into()],
        groups: vec!["all".into()],
    };
    let rows = credit_rows(&accounts.windows, &accounts.parts, &state.rows, &owners);
    let bytes = write_credit(&rows).unwrap();
    assert_eq!(write_credit(&rows).unwrap(), bytes);
    assert_eq!(read_credit(&bytes).unwrap(), rows);
    assert!(rows.iter().all(|r| r.estimated == (r.contributor != "c0")));
    let documents = document_rows(&accounts.parts, &state.rows, &owners);
    assert_eq!(read_documents(&write_documents(&documents).unwrap()).unwrap(), documents);
    let total = |nats: &mut dyn Iterator<Item = f64>| nats.sum::<f64>();
    let (by_contributor, by_document) = (total(&mut rows.iter().map(|r| r.nats)), total(&mut documents.iter().map(|r| r.nats)));
    let credit: f64 = (0..3).map(|b| accounts.bucket_credit(b)).sum();
    assert!((by_contributor - credit).abs() < 1e-10 && (by_document - credit).abs() < 1e-10, "{by_contributor} {by_document} {credit}");
    let (again, targets) = read_windows(&write_windows(&accounts, &owners.targets).unwrap(), &rows, 3).unwrap();
    assert_eq!((again.windows.len(), targets), (accounts.windows.len(), owners.targets.clone()));
    assert_eq!(again.parts, accounts.parts);
    assert!((again.residual_share() - accounts.residual_share()).abs() < 1e-9);
    assert!(read_windows(&write_windows(&accounts, &owners.targets).unwrap(), &rows, 2).is_err());
    assert!(read_credit(b"PAR1").is_err());
}

#[test]
fn targets_have_accounts_of_their_own_and_weights() {
    let (config, corpus) = (config(), corpus(60, 3, 3));
    let (first, second) = (self::corpus(12, 1, 99), self::corpus(12, 1, 55));
    let halves = |c: &Corpus| vec![vec![half(c, 0)], vec![half(c, 1)]];
    let both = Pricing::new(vec![(3.0, halves(&first)), (1.0, halves(&second))]).unwrap();
    let factors: f64 = both.of().iter().map(trainer::Part::factor).sum();
    assert!((factors - 1.0).abs() < 1e-12);
    let fixed = |mut c: RunConfig| {
        // Windows of one length, so that both runs have the same ones.
        (c.attribution.first_window, c.attribution.max_window, c.attribution.residual_limit) = (4, 4, 1e9);
        c
    };
    let config = fixed(config);
    let (_, _, joint) = run::<f64>(&config, &corpus, &both);
    let (_, _, alone) = run::<f64>(&config, &corpus, &pricing(&first));
    for (a, b) in joint.windows.iter().zip(&alone.windows) {
        for bucket in 0..3 {
            assert_eq!(a.credit[bucket * 4..bucket * 4 + 2], b.credit[bucket * 2..bucket * 2 + 2]);
        }
    }
    assert!(Pricing::new(vec![(0.0, halves(&first))]).is_err());
}
