//! The whole way, from submission to audit.

mod common;

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use common::{World, files, row};
use serde_json::Value;

/// What has to be the same when a command is repeated.
fn result(world: &World, home: &str, json: &Value) -> (String, Vec<String>, Value) {
    let objects =
        files(&world.path(home).join("objects")).iter().map(|f| f.strip_prefix(world.path(home)).unwrap().display().to_string()).collect();
    (json["log_root"].as_str().unwrap().to_string(), objects, json["contributors"].clone())
}

fn sum(json: &Value, field: &str) -> i64 {
    json["contributors"].as_array().unwrap().iter().map(|c| c[field].as_i64().unwrap()).sum()
}

#[test]
fn small_quickstart_on_crates_settles_adds_up_and_audits_clean() {
    let world = World::empty();
    let json = world.run(&["quickstart", "--small", "--home", "h", "--seed", "1", "--now", common::NOW]).ok();
    let contributors = json["contributors"].as_array().unwrap();
    assert!(contributors.len() >= 12);
    for c in contributors {
        for field in
            ["id", "name", "licence", "documents", "duplicates", "tokens", "credit_nats", "weight", "accrued_minor", "payable_minor"]
        {
            assert!(!c[field].is_null(), "{field} is missing in {c}");
        }
    }
    assert_eq!((sum(&json, "accrued_minor"), sum(&json, "payable_minor"), json["pool_minor"].as_i64()), (100_000, 100_000, Some(100_000)));
    assert!(sum(&json, "duplicates") > 0, "two versions of a crate share files");
    let number = |name: &str| json[name].as_f64().unwrap_or_else(|| panic!("{name} is missing"));
    assert!(number("attribution_residual") <= 0.03, "residual {}", number("attribution_residual"));
    let credit: f64 = contributors.iter().map(|c| c["credit_nats"].as_f64().unwrap()).sum();
    let drop = number("loss_start") - number("loss_end");
    assert!(drop > 1.0 && (credit - drop).abs() < 0.05 * drop, "credit {credit} of a drop of {drop}");
    assert!(number("control_drop") > 0.0);
    assert_eq!(json["audit"]["ok"], true);
    let level = json["audit"]["level"].as_str().unwrap();
    // The drawn window, and those that are marked.
    let replayed = json["replayed"]["windows"].as_array().unwrap().len();
    assert!(replayed >= 1 && level.contains(&format!("attribution ({replayed} of")) && level.ends_with("witnessed by 1"), "{level}");
    assert_eq!(json["replayed"]["outcome"], "bit-equal");
    let page = fs::read_to_string(world.path("h/report.html")).unwrap();
    assert!(page.contains("nobody is owed anything") && !page.contains("src=") && !page.contains("http"), "the page is self-contained");
    for name in ["getrandom", "anyhow"] {
        assert!(contributors.iter().any(|c| c["name"].as_str().unwrap().starts_with(name)), "{name}");
    }
}

#[test]
fn the_same_command_gives_the_same_bytes_and_threads_do_not_matter() {
    let world = World::new();
    let first = world.quickstart("h1", &[]).ok();
    let second = world.quickstart("h2", &[]).ok();
    assert_eq!(result(&world, "h1", &first), result(&world, "h2", &second));
    // Repeating it in the same home changes nothing either.
    let again = world.quickstart("h1", &[]).ok();
    assert_eq!(result(&world, "h1", &first), result(&world, "h1", &again));
    // Another number of threads is in the run's entry, so the root differs; every number that is paid by does not.
    let one = world.quickstart("h3", &["--threads", "1"]).ok();
    let three = world.quickstart("h4", &["--threads", "3"]).ok();
    assert_ne!(one["log_root"], three["log_root"]);
    assert_eq!(one["contributors"], three["contributors"]);
    assert_eq!(one["loss_end"], three["loss_end"]);
    // Another seed draws otherwise.
    let mut args = World::quickstart_args("h5", &[]);
    *args.iter_mut().find(|a| **a == "7").unwrap() = "8";
    assert_ne!(world.run(&args).ok()["loss_start"], first["loss_start"]);
    world.quickstart("h1", &["--licence", "MIT"]).fails(2, &["begun with other options"]);
}

/// A run with an entry of progress a window, of which one in three has the whole state.
fn far_apart() -> String {
    common::TINY.replace("progress_windows = 2", "progress_windows = 1\nwhole_every = 3")
}

#[test]
fn windows_far_from_a_whole_checkpoint_are_replayed_to_the_last_bit() {
    let world = World::new();
    world.write("tiny.toml", far_apart());
    let made = world.quickstart("h", &[]).ok();
    let windows = made["replayed"]["of"].as_u64().unwrap();
    assert!(windows >= 4, "{windows} windows");
    for window in 0..windows {
        let found = world.run(&["replay", "--home", "h", "--run", "0", "--window", &window.to_string()]).ok();
        assert_eq!((&found["outcome"], &found["windows"]), (&"bit-equal".into(), &serde_json::json!([window])), "window {window}");
    }
    assert_eq!(world.audit("h", "99").ok()["audit"]["ok"], true);
    // What other commands read is there at every entry.
    let out = world.path("model");
    world.run(&["export", "--home", "h", "--run", "0", "--out", out.to_str().unwrap()]).ok();
    assert!(out.join("model.safetensors").is_file());
}

#[test]
fn killed_at_any_point_it_goes_on_to_the_same_log() {
    let world = World::new();
    world.write("tiny.toml", far_apart());
    let begun = Instant::now();
    let unbroken = world.quickstart("unbroken", &[]).ok();
    let whole = begun.elapsed();
    let mut kills = 0;
    // Each attempt lives a little longer than the last, so that the kills fall into every stage.
    for i in 1..60u32 {
        let mut child = world.command(&World::quickstart_args("broken", &[])).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * i / 20);
        if child.try_wait().unwrap().is_some_and(|s| s.success()) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        // A home that was copied without it goes on from the last whole checkpoint.
        if kills % 3 == 0 {
            let _ = fs::remove_file(world.path("broken/state/run-0.safetensors"));
        }
    }
    assert!(kills >= 5, "only {kills} kills in {whole:?}");
    let resumed = world.quickstart("broken", &[]).ok();
    assert_eq!(resumed["log_root"], unbroken["log_root"], "after {kills} kills");
    assert_eq!(resumed["contributors"], unbroken["contributors"]);
    assert_eq!(resumed["log_size"], unbroken["log_size"]);
    let report = world.audit("broken", "1").ok();
    assert_eq!(report["audit"]["ok"], true);
}

/// Text with something to learn, frozen: sources of six crates of this repository as they were on 2026-11-30, four below `from`, two below
/// `target`. A change of the repository changes no run.
fn frozen_sources(world: &World) {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testdata/sources.tar.gz");
    let unpacked = std::process::Command::new("tar").arg("-xzf").arg(archive).current_dir(world.dir.path()).status().unwrap();
    assert!(unpacked.success());
}

#[test]
fn copies_and_leaks_earn_nothing_and_noise_nothing_in_the_middle_of_three_draws() {
    let world = World::empty();
    frozen_sources(&world);
    for file in files(&world.path("from/cli")) {
        let copy = world.path("from/yves").join(file.strip_prefix(world.path("from/cli")).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&file, copy).unwrap();
    }
    let mut n = common::SplitMix64(5);
    let noise: Vec<String> = (0..40).map(|_| (0..4000).map(|_| char::from(33 + n.below(94) as u8)).collect()).collect();
    world.lines("from/mona/noise.jsonl", noise.into_iter(), "MIT");
    // The pool's own documents, each with a word of introduction.
    let leaked: Vec<String> =
        files(&world.path("target")).iter().map(|f| format!("// Once more:\n{}", fs::read_to_string(f).unwrap())).collect();
    world.lines("from/lars/leak.jsonl", leaked.into_iter(), "MIT");
    let mut accrued: Vec<i64> = ["3", "4", "5"].iter().map(|seed| settled_without_copies(&world, seed)).collect();
    accrued.sort_unstable();
    // A run of this size is a draw: in one of several noise may come out ahead by chance.
    assert!(accrued[1] <= 0, "noise accrues {accrued:?} of 100000");
}

/// Noise's accrual in a small quickstart with a copy and a leak.
fn settled_without_copies(world: &World, seed: &str) -> i64 {
    let home = format!("h{seed}");
    let sources = ["--contributors", "from", "--target", "target", "--licence", "MIT"];
    let args = [&["quickstart", "--small", "--home", &home, "--seed", seed, "--now", common::NOW][..], &sources].concat();
    let json = world.run(&args).ok();
    let (copy, leak, noise) = (row(&json, "yves"), row(&json, "lars"), row(&json, "mona"));
    assert_eq!(copy["duplicates"], copy["documents"]);
    assert_eq!(copy["duplicate_of"], serde_json::json!([["cli", copy["documents"]]]));
    assert_eq!((&copy["accrued_minor"], &copy["tokens"]), (&Value::from(0), &Value::from(0)));
    assert_eq!((&leak["rejected"], &leak["accrued_minor"], &leak["tokens"]), (&leak["documents"], &Value::from(0), &Value::from(0)));
    assert_eq!(noise["accepted"], noise["documents"]);
    assert_eq!((&json["outcome"], sum(&json, "accrued_minor"), sum(&json, "payable_minor")), (&Value::from("settled"), 100_000, 100_000));
    let status = world.run(&["status", "--home", &home, "yves"]).ok();
    assert_eq!(status["contributor"]["duplicates"], copy["documents"]);
    assert_eq!(status["held_minor"], 0);
    noise["accrued_minor"].as_i64().unwrap()
}

#[test]
fn without_a_registry_or_with_a_small_one_a_message_says_so() {
    let world = World::empty();
    fs::create_dir_all(world.path("cargo/registry/src/r")).unwrap();
    let mut command = world.command(&["quickstart", "--home", "h"]);
    let output = command.env("CARGO_HOME", world.path("cargo")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("local cargo registry") && said.contains("found 0 crates") && said.contains("--contributors"), "{said}");
    assert!(!world.path("h").exists(), "bad input left a home behind");
}
