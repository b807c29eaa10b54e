//! The same tables and rules on SQLite and, where it answers, on Postgres.

use corpus::{ContributorId, Digest, EntryIndex, RunNumber};
use ledger::books::{Account, Movement, Transfer};
use ledger::entry::rights::LicenseStatement;
use ledger::entry::{Acceptance, EpochClose, LicenseSource, PoolOutcome, Rights, Shard, Statements, Submission, VerifiedBy};
use ledger::key::Algorithm;
use ledger::{Entry, SecretKey};
use store::{Applied, Catalog, CatalogPlace, Cosigner, HeadKeeper, Sequencer, Witness, Witnesses};

/// Postgres, as the tests expect it; each test has a schema of its own.
const POSTGRES: &str = "postgres://postgres@127.0.0.1:5432/test";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs `test` on both databases; says so if there is only one.
fn on_both<F: AsyncFn(Catalog)>(name: &str, test: F) {
    runtime().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        test(Catalog::open(&CatalogPlace::File(dir.path().join("index.db"))).await.unwrap()).await;
        let schema = format!("assay_{name}_{}", std::process::id());
        sqlx::any::install_default_drivers();
        match sqlx::any::AnyPoolOptions::new().max_connections(1).acquire_timeout(std::time::Duration::from_secs(3)).connect(POSTGRES).await
        {
            Err(e) => skips::skip(skips::Need::Postgres, &format!("{name} on Postgres"), format!("{POSTGRES} does not answer: {e}")),
            Ok(admin) => {
                sqlx::query(sqlx::AssertSqlSafe(format!("create schema {schema}"))).execute(&admin).await.unwrap();
                let catalog = Catalog::open(&CatalogPlace::Url(format!("{POSTGRES}?options=-c%20search_path%3D{schema}"))).await.unwrap();
                test(catalog.clone()).await;
                catalog.close().await;
                sqlx::query(sqlx::AssertSqlSafe(format!("drop schema {schema} cascade"))).execute(&admin).await.unwrap();
                eprintln!("{name}: ran on SQLite and Postgres");
            }
        }
    });
}

fn shard(first: u32, end: u32, tokens: u64, replaces: Option<EntryIndex>) -> Entry {
    let (contributor, d) = (ContributorId([1; 16]), Digest::of(b"x"));
    Shard { submission: EntryIndex(1), contributor, first, end, file: d, rows: 1, tokens, document_root: d, tokenizer: d, replaces }.into()
}

fn entries() -> Vec<(Entry, Option<Movement>)> {
    let (contributor, d) = (ContributorId([1; 16]), Digest::of(b"x"));
    let submission = Submission {
        epoch: 0,
        contributor,
        sequence: 0,
        commitment: EntryIndex(0),
        root: d,
        documents: 3,
        bytes: 30,
        bundle: d,
        unread: Default::default(),
        problems: None,
        origin: None,
        rights: Rights::of_license(
            "MIT",
            vec![LicenseStatement { source: LicenseSource::Declared, license: "MIT".into(), digest: d }],
            VerifiedBy::Importer,
        ),
        time: 1,
    };
    let counts = [("accepted".to_string(), 2), ("near".to_string(), 1)].into();
    let statements = Statements {
        epoch: 0,
        run: RunNumber(0),
        pool_minor: 10,
        currency: "XTS".into(),
        rewards: d,
        accrued_minor: 10,
        payable_minor: 10,
        statements: 1,
        root: d,
        time: 1,
        outcome: PoolOutcome::Settled,
    };
    // More than 64 bits hold, and less than 128.
    let large = 10i128.pow(30);
    let moved = vec![
        Transfer { debit: Account::Operator, credit: Account::Pool(RunNumber(0)), amount_minor: large },
        Transfer { debit: Account::Pool(RunNumber(0)), credit: Account::OnHold(contributor), amount_minor: large - 1 },
    ];
    vec![
        (EpochClose { epoch: 0, submissions: 0, time: 1 }.into(), None),
        (submission.into(), None),
        (
            Acceptance {
                submission: EntryIndex(1),
                verdicts: d,
                counts,
                accepted_root: d,
                rejected_root: d,
                parameters: d,
                largest_cluster: 1,
                on_hold_for_review: false,
                novel_words: 9,
            }
            .into(),
            None,
        ),
        (shard(0, 1, 30, None), None),
        (shard(1, 3, 40, None), None),
        (shard(1, 3, 7, Some(EntryIndex(4))), None),
        (statements.into(), Some(Movement::Post(moved))),
    ]
}

fn applied() -> Vec<Applied> {
    let applied = |(index, (entry, movement))| Applied { index, digest: Digest::of(&[index.0 as u8]), entry, movement };
    (0..).map(EntryIndex).zip(entries()).map(applied).collect()
}

#[test]
fn entries_are_applied_once_and_the_books_keep_every_digit() {
    on_both("books", async |catalog| {
        let digests: Vec<Digest> = (0..7u8).map(|i| Digest::of(&[i])).collect();
        let applied = applied();
        assert_eq!(catalog.last().await.unwrap(), None);
        catalog.apply(&applied, "XTS").await.unwrap();
        assert!(catalog.apply(&applied[1..2], "XTS").await.is_err(), "an entry was applied twice");
        assert_eq!(catalog.size().await.unwrap(), 7);
        assert_eq!(catalog.last().await.unwrap(), Some((6, digests[6].to_string())));
        assert!(catalog.digests().await.unwrap().into_iter().eq(digests.iter().map(Digest::to_string)));
        let row = &catalog.submissions().await.unwrap()[0];
        assert_eq!((row.documents, row.accepted, row.duplicates, row.tokens), (3, Some(2), Some(1), Some(37)));
        let held = format!("held:{}", ContributorId([1; 16]));
        assert_eq!(catalog.balance(&held, "XTS").await.unwrap(), 10i128.pow(30) - 1);
        assert_eq!(catalog.balances("XTS").await.unwrap().iter().map(|(_, b)| b).sum::<i128>(), 0);
        assert_eq!(catalog.balance(&held, "EUR").await.unwrap(), 0);
        let dump = catalog.dump().await.unwrap();
        assert!(dump.contains("000000001000000000000000000000000000000"), "{dump}");
        let zero = vec![Transfer { debit: Account::Operator, credit: Account::Haircut, amount_minor: 0 }];
        let nothing = Applied { index: EntryIndex(7), movement: Some(Movement::Post(zero)), ..applied[0].clone() };
        assert!(catalog.apply(&[nothing], "XTS").await.is_err(), "a transfer of nothing was booked");
        assert_eq!(catalog.size().await.unwrap(), 7, "a refused entry left something behind");
        what_is_reserved_counts_once_it_is_posted(&catalog, &applied[0], contributor_held()).await;
        if catalog.is_shared() {
            catalog.clear().await.unwrap();
            assert_eq!((catalog.size().await.unwrap(), catalog.dump().await.unwrap().as_str()), (0, ""));
            catalog.apply(&applied, "XTS").await.unwrap();
            assert_eq!(catalog.dump().await.unwrap(), dump, "a rebuilt catalog is another one");
        }
    });
}

fn contributor_held() -> Account {
    Account::OnHold(ContributorId([1; 16]))
}

/// Entries that reserve from `account`, post and void.
async fn what_is_reserved_counts_once_it_is_posted(catalog: &Catalog, like: &Applied, account: Account) {
    let before = catalog.balance(&account.to_string(), "XTS").await.unwrap();
    let at =
        |at: u64, movement| Applied { index: EntryIndex(at), digest: Digest::of(&[at as u8]), movement: Some(movement), ..like.clone() };
    let some = |amount_minor| vec![Transfer { debit: account, credit: Account::Paid, amount_minor }];
    let apply = async |one: Applied| catalog.apply(&[one], "XTS").await;
    apply(at(7, Movement::Reserve(some(5)))).await.unwrap();
    apply(at(8, Movement::Reserve(some(6)))).await.unwrap();
    assert_eq!(catalog.balance(&account.to_string(), "XTS").await.unwrap(), before);
    apply(at(9, Movement::Confirm(EntryIndex(7)))).await.unwrap();
    apply(at(10, Movement::Void(EntryIndex(8)))).await.unwrap();
    assert!(apply(at(11, Movement::Confirm(EntryIndex(8)))).await.is_err(), "what was voided was posted");
    assert!(apply(at(11, Movement::Confirm(EntryIndex(11)))).await.is_err(), "an entry ended itself");
    assert_eq!(catalog.balance(&account.to_string(), "XTS").await.unwrap(), before - 5);
    assert_eq!(catalog.balance("paid", "XTS").await.unwrap(), 5);
}

#[test]
fn both_databases_hold_the_same() {
    let dumps = std::sync::Mutex::new(Vec::new());
    on_both("same", async |catalog| {
        catalog.apply(&applied(), "XTS").await.unwrap();
        let dump = catalog.dump().await.unwrap();
        dumps.lock().unwrap().push(dump);
    });
    let dumps = dumps.into_inner().unwrap();
    assert!(dumps.iter().all(|d| *d == dumps[0]));
}

async fn pause(ms: u64) {
    tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
}

const LONG: i64 = 60_000;

#[test]
fn a_job_has_one_owner_and_a_late_one_is_fenced_off() {
    on_both("jobs", async |catalog| {
        let out = Digest::of(b"out");
        catalog.enqueue("k", &["b".into(), "a".into()]).await.unwrap();
        catalog.enqueue("k", &["a".into()]).await.unwrap();
        catalog.enqueue("other", &["c".into()]).await.unwrap();
        let first = catalog.lease(&["k"], "w1", 500).await.unwrap().unwrap();
        let second = catalog.lease(&["k"], "w2", LONG).await.unwrap().unwrap();
        // In the order in which they were added.
        assert_eq!((first.input.as_str(), second.input.as_str()), ("b", "a"));
        pause(600).await;
        // The first worker goes silent; its lease runs out and another attempt takes the job.
        let again = catalog.lease(&["k"], "w3", LONG).await.unwrap().unwrap();
        assert_eq!((again.input.as_str(), again.attempt), ("b", 2));
        assert_eq!(catalog.lease(&["k"], "w4", LONG).await.unwrap(), None);
        assert!(catalog.heartbeat(&first, LONG).await.is_err(), "a worker without its lease goes on");
        assert!(catalog.complete(&first, &out).await.is_err(), "a worker without its lease wrote a result");
        assert!(catalog.fail(&first, "late").await.is_err(), "a worker without its lease ended a job");
        catalog.complete(&again, &out).await.unwrap();
        // Given back, it is somebody else's at once.
        catalog.release(&second).await.unwrap();
        let third = catalog.lease(&["k"], "w5", LONG).await.unwrap().unwrap();
        assert_eq!((third.input.as_str(), third.attempt), ("a", 2));
        catalog.complete(&third, &out).await.unwrap();
        let states: Vec<(String, String, i64)> =
            catalog.jobs().await.unwrap().into_iter().map(|j| (j.input, j.state, j.failures)).collect();
        assert_eq!(states, [("b".into(), "done".into(), 1), ("a".into(), "done".into(), 0), ("c".into(), "ready".into(), 0)]);
        // What is lost is asked for again.
        catalog.forget(&[third.id]).await.unwrap();
        catalog.enqueue("k", &["a".into(), "b".into()]).await.unwrap();
        assert_eq!(catalog.open_jobs("k").await.unwrap(), 1);
    });
}

#[test]
fn a_lease_lasts_as_long_as_there_are_signs_of_life() {
    on_both("heartbeats", async |catalog| {
        catalog.enqueue("k", &["a".into()]).await.unwrap();
        let job = catalog.lease(&["k"], "w1", 300).await.unwrap().unwrap();
        for _ in 0..4 {
            pause(150).await;
            catalog.heartbeat(&job, 300).await.unwrap();
            assert_eq!(catalog.lease(&["k"], "w2", LONG).await.unwrap(), None, "a job with a live worker was taken");
        }
        catalog.complete(&job, &Digest::of(b"out")).await.unwrap();
    });
}

#[test]
fn what_fails_waits_longer_each_time_and_is_left_alone_after_three() {
    on_both("poison", async |catalog| {
        catalog.enqueue("k", &["bad".into(), "deadly".into()]).await.unwrap();
        for attempt in 1..=3 {
            let before = catalog.now().await.unwrap();
            let job = loop {
                match catalog.lease(&["k"], "w", LONG).await.unwrap() {
                    Some(job) if job.input == "bad" => break job,
                    Some(job) => catalog.release(&job).await.unwrap(),
                    None => {}
                }
                pause(20).await;
            };
            let waited = catalog.now().await.unwrap() - before;
            let expected = [0, 1000, 4000][attempt - 1];
            assert!(waited >= expected - 100, "attempt {attempt} came after {waited} ms, expected {expected}");
            catalog.fail(&job, &format!("reason {attempt}")).await.unwrap();
        }
        // One that its workers die of.
        for _ in 0..3 {
            assert_eq!(catalog.lease(&["k"], "w", 1).await.unwrap().unwrap().input, "deadly");
            pause(20).await;
        }
        assert_eq!(catalog.lease(&["k"], "w", LONG).await.unwrap(), None);
        let poisoned: Vec<(String, String)> =
            catalog.jobs().await.unwrap().into_iter().filter(|j| j.state == "poisoned").map(|j| (j.input, j.error.unwrap())).collect();
        assert_eq!(poisoned, [("bad".into(), "reason 3".into()), ("deadly".into(), "its workers lost their leases".into())]);
        assert_eq!(catalog.retry().await.unwrap(), 2);
        assert_eq!(catalog.lease(&["k"], "w", LONG).await.unwrap().unwrap().input, "bad");
    });
}

#[test]
fn many_workers_do_every_job_once() {
    on_both("crowd", async |catalog| {
        let inputs: Vec<String> = (0..60).map(|i| i.to_string()).collect();
        catalog.enqueue("k", &inputs).await.unwrap();
        let tasks: Vec<_> = (0..6)
            .map(|n| {
                let catalog = catalog.clone();
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    while let Some(job) = catalog.lease(&["k"], &format!("w{n}"), LONG).await.unwrap() {
                        pause(1).await;
                        catalog.complete(&job, &Digest::of(job.input.as_bytes())).await.unwrap();
                        done.push(job.input);
                    }
                    done
                })
            })
            .collect();
        let mut done = Vec::new();
        for task in tasks {
            done.extend(task.await.unwrap());
        }
        done.sort_by_key(|i: &String| i.parse::<u32>().unwrap());
        assert_eq!(done, inputs);
        assert!(catalog.jobs().await.unwrap().iter().all(|j| j.attempt == 1 && j.output == Some(Digest::of(j.input.as_bytes()))));
    });
}

#[test]
fn a_copy_of_a_home_on_another_machine_is_refused_by_the_database_they_share() {
    on_both("heads", async |catalog| {
        let dir = tempfile::tempdir().unwrap();
        let key = |name: &str, algorithm| SecretKey::from_seed(name, algorithm, &[5; 32]);
        let open = |home: &std::path::Path| {
            let witness = Witness::new(key("w", Algorithm::CosignatureV1), &home.join("witness"));
            let keeper: Box<dyn Cosigner> = Box::new(HeadKeeper::new(catalog.clone()));
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
        assert_eq!(open(&home).append(&[b"three".to_vec()], 4).unwrap(), EntryIndex(2));
        let id = key("log", Algorithm::Ed25519).public().key_id().to_string();
        assert_eq!(catalog.tree_head(&id).await.unwrap().unwrap().0, 3);
        assert!(!catalog.swap_tree_head(&id, Some(2), 4, "late").await.unwrap(), "an older tree head was replaced twice");
        assert!(!catalog.swap_tree_head(&id, None, 4, "late").await.unwrap(), "a tree head was replaced by a first one");
    });
}
