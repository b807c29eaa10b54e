//! The same tables and rules on SQLite and, where it answers, on Postgres.

use corpus::{ContributorId, Digest};
use ledger::books::{Account, Transfer};
use ledger::entry::{Acceptance, EpochClose, Rights, Shard, Statements, Submission};
use ledger::key::Algorithm;
use ledger::{Entry, SecretKey};
use store::{Applied, Cosigner, HeadKeeper, Index, Sequencer, Witness, Witnesses};

/// Postgres, as the tests expect it; each test has a schema of its own.
const POSTGRES: &str = "postgres://postgres@127.0.0.1:5432/test";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs `test` on both databases; says so if there is only one.
fn on_both<F: AsyncFn(Index)>(name: &str, test: F) {
    runtime().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        test(Index::open(&format!("sqlite:{}?mode=rwc", dir.path().join("index.db").display())).await.unwrap()).await;
        let schema = format!("assay_{name}_{}", std::process::id());
        sqlx::any::install_default_drivers();
        match sqlx::any::AnyPoolOptions::new().max_connections(1).acquire_timeout(std::time::Duration::from_secs(3)).connect(POSTGRES).await
        {
            Err(e) => eprintln!("SKIPPED on Postgres: {POSTGRES} does not answer: {e}"),
            Ok(admin) => {
                sqlx::query(sqlx::AssertSqlSafe(format!("create schema {schema}"))).execute(&admin).await.unwrap();
                let index = Index::open(&format!("{POSTGRES}?options=-c%20search_path%3D{schema}")).await.unwrap();
                test(index.clone()).await;
                index.close().await;
                sqlx::query(sqlx::AssertSqlSafe(format!("drop schema {schema} cascade"))).execute(&admin).await.unwrap();
                eprintln!("{name}: ran on SQLite and Postgres");
            }
        }
    });
}

fn entries() -> Vec<(Entry, Vec<Transfer>)> {
    let (contributor, d) = (ContributorId([1; 16]), Digest::of(b"x"));
    let submission = Submission {
        epoch: 0,
        contributor,
        sequence: 0,
        commitment: 0,
        root: d,
        documents: 3,
        bytes: 30,
        bundle: d,
        rights: Rights::of_license("MIT", "declared", d, "importer"),
        time: 1,
    };
    let counts = [("accepted".to_string(), 2), ("near".to_string(), 1)].into();
    let statements = Statements {
        epoch: 0,
        run: 0,
        pool_minor: 10,
        currency: "XTS".into(),
        rewards: d,
        statements: 1,
        root: d,
        time: 1,
        outcome: "settled".into(),
    };
    // More than 64 bits hold, and less than 128.
    let large = 10i128.pow(30);
    let moved = vec![
        Transfer { debit: Account::Operator, credit: Account::Pool(0), amount_minor: large },
        Transfer { debit: Account::Pool(0), credit: Account::Held(contributor), amount_minor: large - 1 },
    ];
    vec![
        (EpochClose { epoch: 0, submissions: 0, time: 1 }.into(), vec![]),
        (submission.into(), vec![]),
        (
            Acceptance {
                submission: 1,
                verdicts: d,
                counts,
                accepted_root: d,
                rejected_root: d,
                parameters: d,
                largest_cluster: 1,
                held_for_review: false,
                novel_words: 9,
            }
            .into(),
            vec![],
        ),
        (Shard { submission: 1, contributor, file: d, rows: 2, tokens: 77, document_root: d, tokenizer: d, replaces: None }.into(), vec![]),
        (statements.into(), moved),
    ]
}

fn applied() -> Vec<Applied> {
    let applied = |(index, (entry, transfers))| Applied { index, digest: Digest::of(&[index as u8]), entry, transfers };
    (0..).zip(entries()).map(applied).collect()
}

#[test]
fn entries_are_applied_once_and_the_books_keep_every_digit() {
    on_both("books", async |index| {
        let digests: Vec<Digest> = (0..5u8).map(|i| Digest::of(&[i])).collect();
        let applied = applied();
        assert_eq!(index.last().await.unwrap(), None);
        index.apply(&applied, "XTS").await.unwrap();
        assert!(index.apply(&applied[1..2], "XTS").await.is_err(), "an entry was applied twice");
        assert_eq!(index.size().await.unwrap(), 5);
        assert_eq!(index.last().await.unwrap(), Some((4, digests[4].to_string())));
        assert!(index.digests().await.unwrap().into_iter().eq(digests.iter().map(Digest::to_string)));
        let row = &index.submissions().await.unwrap()[0];
        assert_eq!((row.documents, row.accepted, row.duplicates, row.tokens), (3, Some(2), Some(1), Some(77)));
        let held = format!("held:{}", ContributorId([1; 16]));
        assert_eq!(index.balance(&held, "XTS").await.unwrap(), 10i128.pow(30) - 1);
        assert_eq!(index.balances("XTS").await.unwrap().iter().map(|(_, b)| b).sum::<i128>(), 0);
        assert_eq!(index.balance(&held, "EUR").await.unwrap(), 0);
        let dump = index.dump().await.unwrap();
        assert!(dump.contains("000000001000000000000000000000000000000"), "{dump}");
        let zero = vec![Transfer { debit: Account::Operator, credit: Account::Haircut, amount_minor: 0 }];
        let nothing = Applied { index: 5, transfers: zero, ..applied[0].clone() };
        assert!(index.apply(&[nothing], "XTS").await.is_err(), "a transfer of nothing was booked");
        assert_eq!(index.size().await.unwrap(), 5, "a refused entry left something behind");
    });
}

#[test]
fn both_databases_hold_the_same() {
    let dumps = std::sync::Mutex::new(Vec::new());
    on_both("same", async |index| {
        index.apply(&applied(), "XTS").await.unwrap();
        let dump = index.dump().await.unwrap();
        dumps.lock().unwrap().push(dump);
    });
    let dumps = dumps.into_inner().unwrap();
    assert!(dumps.iter().all(|d| *d == dumps[0]));
}

#[test]
fn a_job_has_one_owner_and_a_late_one_is_fenced_off() {
    on_both("jobs", async |index| {
        for input in ["b", "a", "a"] {
            index.enqueue("k", input).await.unwrap();
        }
        let first = index.lease("k", "w1", 100).await.unwrap().unwrap();
        let second = index.lease("k", "w2", 100).await.unwrap().unwrap();
        assert_eq!((first.input.as_str(), second.input.as_str()), ("a", "b"));
        assert_eq!(index.lease("k", "w3", 100).await.unwrap(), None);
        // The first worker goes silent; its lease runs out and another attempt takes the job.
        let again = index.lease("k", "w3", 100_000).await.unwrap().unwrap();
        assert_eq!((again.input.as_str(), again.attempt), ("a", 2));
        assert!(index.complete(&first, "late").await.is_err(), "a worker without its lease wrote a result");
        index.complete(&again, "out").await.unwrap();
        index.fail(&second, "no").await.unwrap();
        for attempt in 2..=3 {
            let job = index.lease("k", "w", 200).await.unwrap().unwrap();
            assert_eq!(job.attempt, attempt);
            index.fail(&job, "no").await.unwrap();
        }
        assert_eq!(index.lease("k", "w", 200).await.unwrap(), None);
        let states: Vec<(String, String)> = index.jobs("k").await.unwrap().into_iter().map(|j| (j.input, j.state)).collect();
        assert_eq!(states, [("a".into(), "done".into()), ("b".into(), "failed".into())]);
    });
}

#[test]
fn a_copy_of_a_home_on_another_machine_is_refused_by_the_database_they_share() {
    on_both("heads", async |index| {
        let dir = tempfile::tempdir().unwrap();
        let key = |name: &str, algorithm| SecretKey::from_seed(name, algorithm, &[5; 32]);
        let open = |home: &std::path::Path| {
            let witness = Witness::new(key("w", Algorithm::CosignatureV1), &home.join("witness"));
            let keeper: Box<dyn Cosigner> = Box::new(HeadKeeper::new(index.clone()));
            let witnesses = Witnesses::from(witness).after(Some(keeper));
            Sequencer::open(&home.join("log"), &home.join("lock"), key("log", Algorithm::Ed25519), witnesses, None, 1).unwrap()
        };
        let (home, copy) = (dir.path().join("home"), dir.path().join("copy"));
        open(&home).append(&[b"one".to_vec()], 1).unwrap();
        assert!(std::process::Command::new("cp").arg("-r").args([&home, &copy]).status().unwrap().success());
        // The copy has no memory outside, and its witness is as old as it is.
        open(&home).append(&[b"two".to_vec()], 2).unwrap();
        let refused = open(&copy).append(&[b"other".to_vec()], 3).unwrap_err().to_string();
        assert!(refused.contains("the database") && refused.contains("does not grow from it"), "{refused}");
        // The one that went on goes on, and one that was signed and not published is published.
        assert_eq!(open(&home).append(&[b"three".to_vec()], 4).unwrap(), 2);
        let id = key("log", Algorithm::Ed25519).public().key_id().to_string();
        assert_eq!(index.tree_head(&id).await.unwrap().unwrap().0, 3);
        assert!(!index.swap_tree_head(&id, Some(2), 4, "late").await.unwrap(), "an older tree head was replaced twice");
        assert!(!index.swap_tree_head(&id, None, 4, "late").await.unwrap(), "a tree head was replaced by a first one");
    });
}
