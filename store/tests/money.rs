//! Random histories of money in the database: the balances are those of the books in memory, whatever batch was interrupted.

#[path = "../../ledger/tests/histories/mod.rs"]
mod histories;

use std::collections::BTreeMap;
use std::time::Duration;

use corpus::{Digest, EntryIndex};
use histories::History;
use ledger::Entry;
use ledger::entry::EpochClose;
use sqlx::{Connection, Executor};
use store::{Applied, Catalog, CatalogPlace};

const HISTORIES: u64 = 300;
const POSTGRES: &str = "postgres://postgres@127.0.0.1:5432/test";

fn applied(base: u64, history: &History) -> Vec<Applied> {
    let one = |(at, movement): &(u64, ledger::books::Movement)| {
        // Confirmations name the entry that reserved.
        let moved = match movement.clone() {
            ledger::books::Movement::Confirm(of) => ledger::books::Movement::Confirm(of + base),
            ledger::books::Movement::Void(of) => ledger::books::Movement::Void(of + base),
            other => other,
        };
        let entry: Entry = EpochClose { epoch: 0, submissions: 0, time: 1 }.into();
        Applied { index: EntryIndex(base + at), digest: Digest::of(&(base + at).to_be_bytes()), entry, movement: Some(moved) }
    };
    history.log.iter().map(one).collect()
}

/// A currency for each history.
fn currency(n: u64) -> String {
    [n / 676, n / 26 % 26, n % 26].map(|i| char::from(b'A' + i as u8)).iter().collect()
}

async fn histories_are_kept(catalog: &Catalog) {
    let mut base = 0;
    for seed in 0..HISTORIES {
        let mut history = History::new(1_000_000 + seed);
        for _ in 0..25 {
            history.step();
            history.check();
        }
        let entries = applied(base, &history);
        let code = currency(seed);
        let mut rest = &entries[..];
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(1 + history.n.below(rest.len() as u64) as usize);
            if history.n.below(2) == 0 {
                // The batch ends in the middle: nothing of it is left behind.
                let before = catalog.balances(&code).await.unwrap();
                let broken: Vec<Applied> = batch.iter().chain(&batch[..1]).cloned().collect();
                assert!(catalog.apply(&broken, &code).await.is_err());
                assert_eq!(catalog.balances(&code).await.unwrap(), before, "history {seed}");
            }
            catalog.apply(batch, &code).await.unwrap();
            rest = after;
        }
        let found: BTreeMap<String, i128> = catalog.balances(&code).await.unwrap().into_iter().collect();
        let expected: BTreeMap<String, i128> = history.books.balances().map(|(a, b)| (a.to_string(), b)).collect();
        // A proposal's account has its number without the base in both.
        assert_eq!(found, expected, "history {seed}");
        assert_eq!(found.values().sum::<i128>(), 0);
        base += entries.len() as u64;
    }
}

fn run(test: impl AsyncFn()) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
}

#[test]
fn three_hundred_histories_on_sqlite() {
    run(async || {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&CatalogPlace::File(dir.path().join("index.db"))).await.unwrap();
        histories_are_kept(&catalog).await;
    });
}

#[test]
fn three_hundred_histories_on_postgres() {
    run(async || {
        let connected = tokio::time::timeout(Duration::from_secs(3), sqlx::PgConnection::connect(POSTGRES)).await;
        let Ok(Ok(mut connection)) = connected else {
            skips::skip(skips::Need::Postgres, "three hundred histories", format!("{POSTGRES} does not answer"));
            return;
        };
        let schema = format!("assay_money_{}", std::process::id());
        connection.execute(sqlx::AssertSqlSafe(format!("create schema {schema}"))).await.unwrap();
        let catalog = Catalog::open(&CatalogPlace::Url(format!("{POSTGRES}?options=-c%20search_path%3D{schema}"))).await.unwrap();
        histories_are_kept(&catalog).await;
        catalog.close().await;
        connection.execute(sqlx::AssertSqlSafe(format!("drop schema {schema} cascade"))).await.unwrap();
    });
}
