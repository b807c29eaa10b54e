//! One process or many, a folder or a bucket, SQLite or Postgres, whatever is killed on the way: the same verdicts, shards and document roots.

mod common;
#[path = "../../store/tests/common/mod.rs"]
mod s3;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{NOW, World, prose};
use corpus::EntryIndex;
use serde_json::Value;
use sqlx::{Connection, Executor};
use store::{Class, Objects};

const POSTGRES: &str = "postgres://postgres@127.0.0.1:5432/test";

/// A schema of its own in Postgres; none if it does not answer.
fn schema(name: &str) -> Option<String> {
    let schema = format!("assay_{name}_{}", std::process::id());
    let create = async {
        let mut connection = tokio::time::timeout(Duration::from_secs(3), sqlx::PgConnection::connect(POSTGRES)).await.ok()?.ok()?;
        connection.execute(sqlx::AssertSqlSafe(format!("create schema {schema}"))).await.unwrap();
        Some(())
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(create)?;
    Some(format!("{POSTGRES}?options=-c%20search_path%3D{schema}"))
}

fn drop_schema(url: &str) {
    let name = url.rsplit("%3D").next().unwrap();
    let drop = async {
        let mut connection = sqlx::PgConnection::connect(POSTGRES).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(format!("drop schema {name} cascade"))).await.unwrap();
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(drop);
}

/// Contributors with several bundles each, so that there are jobs to share.
fn world() -> World {
    let world = World::new();
    for name in ["anna", "bert", "cleo"] {
        let seed = name.len() as u64 * u64::from(name.as_bytes()[0]);
        world.lines(&format!("from/{name}/long.jsonl"), (0..14).map(|d| prose(seed * 1000 + d, 18_000)), "MIT");
    }
    world.lines("from/bert/copy.jsonl", (0..4).map(|d| prose(d, 30)), "MIT");
    world.write("from/cleo/broken.jsonl", "{\"text\": oops}\n");
    world
}

/// A home that is closed and ready to be ingested.
fn begin(world: &World, home: &str) {
    let run = |args: &[&str]| world.run(&[args, &["--home", home, "--now", NOW]].concat()).ok();
    run(&["init", "--origin", "same.test/log"]);
    run(&["epoch", "open", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"]);
    for name in ["anna", "bert", "cleo"] {
        run(&["import", "--source", "test", "--for", name, &format!("from/{name}")]);
    }
    run(&["epoch", "close"]);
}

/// A second home with the same log and secrets, and another memory of what was signed; its objects are in `storage`, if that is given.
fn copy(world: &World, from: &str, to: &str, database: &str, storage: Option<&str>) {
    for (from, to) in [(from, to), ("state-home", "state-copy")] {
        assert!(std::process::Command::new("cp").arg("-r").args([world.path(from), world.path(to)]).status().unwrap().success());
    }
    let config = std::fs::read_to_string(world.path(to).join("assay.toml")).unwrap();
    let mut config = config.replace("sqlite:index.db", database);
    if let Some(url) = storage {
        config += &format!("storage = {url:?}\n");
        let (here, there) = (Objects::new(&world.path(to).join("objects")), Objects::in_store(url).unwrap());
        for path in here.list().unwrap() {
            let class = Class::ALL.into_iter().find(|c| path.starts_with(c.name())).unwrap();
            there.put(class, &here.listed(&path).unwrap().1).unwrap();
        }
        std::fs::remove_dir_all(world.path(to).join("objects")).unwrap();
    }
    std::fs::write(world.path(to).join("assay.toml"), config).unwrap();
}

/// A command on the copy.
fn on_copy(world: &World, args: &[&str]) -> std::process::Command {
    let mut command = world.command(args);
    command.env("XDG_STATE_HOME", world.path("state-copy"));
    command
}

/// A worker that does not outlive its test.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn finished(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What the log says of verdicts and shards, without signatures.
fn result(world: &World, home: &str) -> Vec<String> {
    let audit = world.command(&["audit", "--home", home, "--replay", "0"]).output().unwrap();
    let report: Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!(report["audit"]["ok"], true, "{report}");
    let log = store::LogFiles::new(&world.path(home).join("log"));
    let vkey = std::fs::read_to_string(world.path(home).join("log.vkey")).unwrap();
    let read = log.read(&ledger::Verifier::from_vkey(&vkey).unwrap()).unwrap().unwrap();
    let mut said = Vec::new();
    log.entries(read.head.size, 0..read.head.size, |_, entries| {
        for bytes in entries {
            let (_, entry) = store::follow::parse(EntryIndex(0), &bytes).unwrap();
            if ["acceptance", "tokenizer", "shard"].contains(&entry.kind()) {
                said.push(format!("{entry:?}"));
            }
        }
        Ok::<_, store::StoreError>(())
    })
    .unwrap();
    said
}

fn jobs(world: &World) -> Vec<Value> {
    let output = on_copy(world, &["jobs", "--home", "many"]).output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    json["jobs"].as_array().unwrap_or_else(|| panic!("{json}: {}", String::from_utf8_lossy(&output.stderr))).clone()
}

#[test]
fn six_workers_of_which_two_are_killed_make_what_one_process_makes() {
    let world = world();
    begin(&world, "one");
    let Some(database) = schema("workers") else {
        skips::skip(skips::Need::Postgres, "workers on one queue", format!("{POSTGRES} does not answer"));
        return;
    };
    let s3 = s3::S3::start("workers");
    for (name, value) in s3.iter().flat_map(|s| s.environment()) {
        // SAFETY: this test is alone in its process, and no other thread reads the environment yet.
        unsafe { std::env::set_var(name, value) };
    }
    copy(&world, "one", "many", &database, s3.as_ref().map(|_| "s3://workers/home"));
    world.run(&["ingest", "--home", "one", "--now", NOW]).ok();
    let expected = result(&world, "one");
    assert!(expected.iter().filter(|e| e.starts_with("Shard")).count() >= 3, "{expected:?}");
    world.run(&["worker", "--home", "one"]).fails(2, &["SQLite, which one process has for itself"]);

    let worker = || {
        let mut command = on_copy(&world, &["--threads", "1", "worker", "--home", "many", "--lease-ms", "1500"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut workers: Vec<Worker> = (0..6).map(|_| Worker(worker())).collect();
    let child = on_copy(&world, &["ingest", "--home", "many", "--now", NOW]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Two of them die in the middle of a job, without a word.
    let begun = Instant::now();
    let mut killed = Vec::new();
    while killed.len() < 2 && begun.elapsed() < Duration::from_secs(60) {
        let held: Vec<u32> = jobs(&world)
            .iter()
            .filter(|j| j["state"] == "leased")
            .filter_map(|j| j["worker"].as_str()?.split([':', '/']).nth(1)?.parse().ok())
            .collect();
        if let Some(at) = workers.iter().position(|w| held.contains(&w.0.id())) {
            let mut victim = workers.remove(at);
            victim.0.kill().unwrap();
            victim.0.wait().unwrap();
            killed.push(victim.0.id());
        }
    }
    assert_eq!(killed.len(), 2, "no worker was at work when it should have been killed");
    finished(child);
    assert_eq!(result(&world, "many"), expected);
    let all = jobs(&world);
    assert!(all.iter().all(|j| j["state"] == "done"), "{all:?}");
    assert!(all.iter().any(|j| j["attempt"].as_i64() > Some(1)), "nobody took over the jobs of those that were killed");
    // A worker that is told to stop ends well.
    for mut w in workers {
        assert!(std::process::Command::new("kill").args(["-TERM", &w.0.id().to_string()]).status().unwrap().success());
        assert!(w.0.wait().unwrap().success());
    }
    // The index can be made again there too, and is the same.
    let rebuilt = on_copy(&world, &["catalog", "rebuild", "--home", "many"]).output().unwrap();
    let rebuilt: Value = serde_json::from_slice(&rebuilt.stdout).unwrap();
    assert_eq!((rebuilt["same"].as_bool(), rebuilt["matches_log"].as_bool()), (Some(true), Some(true)), "{rebuilt}");
    drop_schema(&database);
}
