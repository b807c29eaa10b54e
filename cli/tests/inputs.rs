//! Bad input: a message with the thing, the expected and the found; and a home that stays valid.

mod common;

use std::fs;

use common::{World, prose};
use ledger::key::Algorithm;
use ledger::{Note, SecretKey, Verifier};

/// A home with an open epoch and a contributor.
fn open_home(world: &World, purpose: &str) {
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    world.run(&["contributor", "add", "anna", "--home", "h"]).ok();
    world
        .run(&[
            "epoch",
            "open",
            "--home",
            "h",
            "--target",
            "target/east",
            "--target",
            "target/west",
            "--pool-minor",
            "1000",
            "--purpose",
            purpose,
        ])
        .ok();
}

#[track_caller]
fn still_valid(world: &World) {
    let report = world.audit("h", "0").ok();
    assert_eq!(report["audit"]["ok"], true);
}

#[test]
fn every_step_is_a_command_on_one_s_own_data() {
    let world = World::new();
    open_home(&world, "research");
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).fails(2, &["is a home already"]);
    // Bert keeps his own key; anna's is held by the operator.
    world.run(&["key", "new", "bert", "--out", "bert.key"]).ok();
    world.run(&["key", "new", "bert", "--out", "bert.key"]).fails(2, &["never written over"]);
    world.run(&["contributor", "add", "bert", "--home", "h", "--key", "bert.key"]).ok();
    world.run(&["submit", "--home", "h", "anna", "from/anna"]).ok();
    world.run(&["submit", "--home", "h", "bert", "from/bert"]).fails(2, &["bert", "--key"]);
    let dry = world.run(&["submit", "--home", "h", "bert", "from/bert", "--dry-run"]).ok();
    assert_eq!((dry["documents"].as_u64(), dry["licence"].as_str()), (Some(8), Some("MIT")));
    let committed = world.run(&["submit", "--home", "h", "bert", "from/bert", "--key", "bert.key", "--commit-only"]).ok();
    let submitted = world.run(&["submit", "--home", "h", "bert", "from/bert", "--key", "bert.key"]).ok();
    assert!(committed["commitment"].as_u64() < submitted["submission"].as_u64());
    world.run(&["import", "--home", "h", "--source", "cleo", "--as", "commons", "from/cleo"]).ok();
    world.run(&["ingest", "--home", "h"]).fails(1, &["not closed yet"]);
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world.run(&["submit", "--home", "h", "anna", "from/zoe"]).fails(3, &["epoch 0 is closed"]);
    let status = world.run(&["ingest", "--home", "h", "--vocabulary", "400"]).ok();
    assert_eq!(status["stage"], "judged");
    let dry = world.run(&["train", "--home", "h", "tiny.toml", "--dry-run"]).ok();
    assert!(dry["parameters"].as_u64().unwrap() > 400 * 16 && dry["memory_bytes"].as_u64().unwrap() > 0);
    abort_an_unfinished_run(&world);
    let run = world.run(&["train", "--home", "h", "tiny.toml"]).ok();
    assert!(run["loss_end"].as_f64() < run["loss_start"].as_f64());
    world.run(&["reward", "--home", "h", "--run", "1"]).fails(3, &["statements before a replay"]);
    assert_eq!(world.run(&["replay", "--home", "h", "--run", "1"]).ok()["outcome"], "bit-equal");
    assert_eq!(world.run(&["replay", "--home", "h", "--run", "1", "--window", "0"]).ok()["outcome"], "bit-equal");
    let dry = world.run(&["reward", "--home", "h", "--run", "1", "--dry-run"]).ok();
    let reward = world.run(&["reward", "--home", "h", "--run", "1"]).ok();
    assert_eq!(dry["rewards"], reward["rewards"]);
    let status = world.run(&["status", "--home", "h", "bert"]).ok();
    assert_eq!((&status["stage"], &status["held_minor"]), (&"settled".into(), &status["contributor"]["payable_minor"]));
    let all = world.run(&["status", "--home", "h"]).ok();
    assert_eq!(all["balances_minor"].as_object().unwrap().values().map(|b| b.as_i64().unwrap()).sum::<i64>(), 0);
    world.run(&["statement", "verify", "h/statements/run-1/bert.json", "--home", "h"]).ok();
    world.run(&["report", "--home", "h", "--run", "1"]).ok();
    assert!(!world.run(&["jobs", "--home", "h"]).ok()["jobs"].as_array().unwrap().is_empty());
    let rebuilt = world.run(&["index", "rebuild", "--home", "h"]).ok();
    assert_eq!((&rebuilt["same"], &rebuilt["matches_log"]), (&true.into(), &true.into()));
    let audit = world.audit("h", "9").ok();
    assert!(audit["audit"]["level"].as_str().unwrap().contains("attribution"), "{audit}");
    // An auditor has log, objects and the verifier key: no config, keys or database.
    let copy = world.path("copy");
    fs::create_dir(&copy).unwrap();
    for part in ["log", "objects", "log.vkey"] {
        assert!(std::process::Command::new("cp").arg("-r").arg(world.path("h").join(part)).arg(&copy).status().unwrap().success());
    }
    assert_eq!(world.audit("copy", "1").ok()["audit"]["ok"], true);
    world.run(&["epoch", "open", "--home", "h", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"]).ok();
    world
        .run(&["epoch", "open", "--home", "h", "--target", "target/east", "--target", "target/west", "--pool-minor", "2000"])
        .fails(1, &["open already"]);
    // The second epoch judges against the first: what was accepted there is there to be duplicated.
    world.run(&["import", "--home", "h", "--source", "zoe", "--for", "zoe", "from/zoe"]).ok();
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world
        .run(&["epoch", "open", "--home", "h", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"])
        .fails(1, &["not ingested yet"]);
    let second = world.run(&["ingest", "--home", "h"]).ok();
    assert_eq!((&second["contributors"][0]["duplicates"], &second["contributors"][0]["duplicate_of"][0][0]), (&8.into(), &"anna".into()));
    world.write(
        "other.json",
        fs::read(copy.join("objects/public").join(tokenizer_of(&copy))).unwrap().iter().chain(b"\n").copied().collect::<Vec<u8>>(),
    );
    world.run(&["ingest", "--home", "h", "--tokenizer", "other.json"]).fails(1, &["a home has one tokenizer"]);
    still_valid(&world);
}

/// A run that is killed and then wanted otherwise: it is ended with a reason and stays in the log.
fn abort_an_unfinished_run(world: &World) {
    world.write("long.toml", common::TINY.replace("steps = 16", "steps = 100000"));
    let size = || -> u64 { fs::read_to_string(world.path("h/log/checkpoint")).unwrap().lines().nth(1).unwrap().parse().unwrap() };
    let before = size();
    let mut child = world
        .command(&["train", "--home", "h", "long.toml"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // The intent, and a first progress.
    while size() < before + 2 {
        assert!(child.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    world.run(&["train", "--home", "h", "tiny.toml"]).fails(1, &["in progress with config", "--abort"]);
    world.audit("h", "0").fails(3, &["run-closed"]);
    world.run(&["train", "--home", "h", "--abort", "wrong config"]).ok();
    world.run(&["train", "--home", "h", "--abort", "again"]).fails(1, &["no run is in progress"]);
    still_valid(world);
}

/// The name of the object that is a tokenizer.
fn tokenizer_of(home: &std::path::Path) -> String {
    let public = common::files(&home.join("objects/public"));
    let found = public.iter().find(|f| fs::read_to_string(f).is_ok_and(|t| t.contains("\"pre_tokenizer\""))).unwrap();
    found.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn bad_datasets_are_refused_with_their_place_and_the_home_stays_valid() {
    let world = World::new();
    open_home(&world, "commercial");
    let submit = |path: &str, more: &[&str]| world.run(&[&["submit", "--home", "h", "anna", path][..], more].concat());
    world.write("bad/lines.jsonl", "{\"text\": \"good\", \"licence\": \"MIT\"}\n{\"text\": \n");
    world.write("bad/latin.txt", b"caf\xe9");
    world.write("bad/empty.txt", "");
    fs::File::create(world.path("bad/large.txt")).unwrap().set_len(200 << 20).unwrap();
    let partly = submit("bad", &["--licence", "MIT", "--dry-run"]);
    let problems = partly.json["problems"].as_array().unwrap().clone();
    for (place, reason) in [
        ("lines.jsonl:2", "expected a JSON object"),
        ("latin.txt", "byte 0xe9 at offset 3"),
        ("empty.txt", "empty"),
        ("large.txt", "209715200 bytes"),
    ] {
        assert!(problems.iter().any(|p| p["place"] == place && p["reason"].as_str().unwrap().contains(reason)), "{place}: {problems:?}");
    }
    assert_eq!(partly.json["documents"], 1);
    fs::create_dir(world.path("nothing")).unwrap();
    submit("nothing", &["--licence", "MIT"]).fails(2, &["nothing", "expected at least one readable document, found none"]);
    submit("absent", &["--licence", "MIT"]).fails(4, &["absent"]);
    world.write("bare/a.txt", "text");
    submit("bare", &[]).fails(2, &["anna: no licence", "expected a row field", "1 records"]);
    submit("bare", &["--licence", "All rights reserved"]).fails(2, &["All rights reserved", "SPDX"]);
    world.write("odd/a.txt", "text");
    world.write("odd/LICENSE", "You may look at it.");
    // A licence that is not known permits nothing, whatever the uploader says; the author can grant what it does not.
    let odd = submit("odd", &["--licence", "MIT", "--dry-run"]).ok();
    assert_eq!((&odd["counts"]["licence-unknown"], &odd["licence"]), (&1.into(), &"LicenseRef-unknown".into()));
    let odd = submit("odd", &["--licence", "MIT"]);
    assert!(odd.stderr.contains("LICENSE: not the text of a licence that is known") && odd.code == Some(0), "{}", odd.stderr);
    world.run(&["submit", "--home", "h", "nobody", "bare", "--licence", "MIT"]).fails(2, &["\"nobody\" is unknown", "anna"]);
    // Wrong signature: another key than the registered one.
    world.run(&["key", "new", "mallory", "--out", "mallory.key"]).ok();
    submit("bare", &["--licence", "MIT", "--key", "mallory.key"]).fails(3, &["signature does not match contributor"]);
    // Files that are not the committed ones.
    let at = submit("from/anna", &["--commit-only"]).ok()["commitment"].as_u64().unwrap().to_string();
    submit("from/bert", &["--commitment", &at]).fails(3, &["the manifest", "root"]);
    submit("from/anna", &[]).ok();
    submit("from/anna", &[]).fails(1, &["submission repeated"]);
    // A licence that forbids the purpose, and one that is not known, keep documents out with the reason.
    world.lines("nc/a.jsonl", (0..2).map(|i| prose(300 + i, 20)), "CC-BY-NC-4.0");
    world.lines("ref/a.jsonl", (0..3).map(|i| prose(400 + i, 20)), "LicenseRef-Mine");
    world.run(&["import", "--home", "h", "--source", "nc", "--for", "nc", "nc"]).ok();
    world.run(&["import", "--home", "h", "--source", "ref", "--for", "ref", "ref"]).ok();
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world.write("tokenizer.json", "{\"version\": \"9\"}");
    world.run(&["ingest", "--home", "h", "--tokenizer", "tokenizer.json"]).fails(2, &["tokenizer"]);
    let status = world.run(&["ingest", "--home", "h", "--vocabulary", "400"]).ok();
    for (name, n) in [("nc", 2), ("ref", 3)] {
        let row = common::row(&status, name);
        assert_eq!((&row["accepted"], &row["rejected"]), (&0.into(), &n.into()), "{row}");
    }
    // A shard that rots is found before a step is trained on it.
    let shard = common::files(&world.path("h/objects/sealed"))
        .into_iter()
        .find(|f| fs::read(f).unwrap().windows(19).any(|w| w == b"assay.shard_version"))
        .unwrap();
    let good = fs::read(&shard).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&shard, bad).unwrap();
    world
        .run(&["train", "--home", "h", "tiny.toml"])
        .fails(3, &[shard.file_name().unwrap().to_str().unwrap(), "expected bytes with digest"]);
    fs::write(&shard, good).unwrap();
    world.write("bad.toml", common::TINY.replace("kv_heads = 1", "kv_heads = 3"));
    world.run(&["train", "--home", "h", "bad.toml"]).fails(2, &["kv_heads divides heads"]);
    still_valid(&world);
}

#[test]
fn a_home_in_use_or_without_permission_is_left_alone() {
    let world = World::new();
    open_home(&world, "research");
    let lock = fs::File::open(world.path("h/state/lock")).unwrap();
    lock.lock().unwrap();
    world.run(&["submit", "--home", "h", "anna", "from/anna"]).fails(1, &["in use by another process"]);
    world.run(&["status", "--home", "h"]).ok();
    lock.unlock().unwrap();
    world.run(&["status", "--home", "nowhere"]).fails(2, &["no assay.toml"]);
    let config = fs::read_to_string(world.path("h/assay.toml")).unwrap();
    for (other, found) in [(config.replace("format = 2\n", ""), "no format"), (config.replace("format = 2\n", "format = 1\n"), "format 1")]
    {
        world.write("h/assay.toml", other);
        world.run(&["status", "--home", "h"]).fails(1, &[&format!("a home of {found}, this program reads format 2")]);
        world.run(&["audit", "--home", "h"]).fails(1, &["use the version of Assay that made it"]);
    }
    world.write("h/assay.toml", config);
    // No space: files that grow beyond 8 KiB are refused by the system, as on a full disk or one that is read-only.
    let small_files = format!("trap '' XFSZ; ulimit -f 8; exec {} --json submit --home h anna from/anna", env!("CARGO_BIN_EXE_assay"));
    let output = std::process::Command::new("bash")
        .args(["-c", &small_files])
        .current_dir(world.dir.path())
        .env("XDG_STATE_HOME", world.path("state-home"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(4) && said.contains("index.db"), "{:?}: {said}", output.status);
    // A folder that cannot be written: a file stands where it should be.
    fs::rename(world.path("h/objects"), world.path("kept")).unwrap();
    world.write("h/objects", "");
    world.run(&["submit", "--home", "h", "anna", "from/anna"]).fails(4, &["h/objects"]);
    fs::remove_file(world.path("h/objects")).unwrap();
    fs::rename(world.path("kept"), world.path("h/objects")).unwrap();
    world.run(&["submit", "--home", "h", "anna", "from/anna"]).ok();
    still_valid(&world);
    // An older copy of the home must not sign again.
    assert!(std::process::Command::new("cp").arg("-r").arg(world.path("h")).arg(world.path("old")).status().unwrap().success());
    world.run(&["submit", "--home", "h", "anna", "from/bert"]).ok();
    world.run(&["submit", "--home", "old", "anna", "from/bert"]).fails(3, &["must not sign", "this copy has"]);
}

#[test]
fn a_tree_head_of_another_key_than_genesis_names_is_found() {
    let world = World::new();
    open_home(&world, "research");
    let own = Verifier::from_vkey(&fs::read_to_string(world.path("h/log.vkey")).unwrap()).unwrap();
    let head = Note::from_text(&fs::read_to_string(world.path("h/log/checkpoint")).unwrap()).unwrap();
    // A key of the same name, which is all that a reader of the files alone would compare.
    let other = SecretKey::from_seed(&own.name, Algorithm::Ed25519, &[9; 32]);
    let mut signed = Note::new(head.text);
    signed.sign(&other, 0);
    world.write("h/log/checkpoint", signed.to_text());
    world.write("h/log.vkey", format!("{}\n", other.vkey()));
    world.run(&["audit", "--home", "h"]).fails(3, &["log-key", "the tree head is signed with"]);
}
