//! Strata as files and commands: what is read, shown and refused. How a run samples them is in `rules/tests/strata.rs`.

mod common;

use std::fs;

use common::{NOW, World};
use serde_json::Value;

/// Contributors, an epoch with two declared strata, shards; prose of anna is one, everything of bert's and cleo's the other.
fn world() -> World {
    let world = World::new();
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    for name in ["anna", "bert", "cleo"] {
        world.run(&["contributor", "add", name, "--home", "h"]).ok();
    }
    world.write("strata.toml", "[[stratum]]\nname = \"first\"\ncontributors = [\"anna\"]\nshare = 3\nfloor = 0.25\n\n[[stratum]]\nname = \"lines\"\nsources = [\"*.jsonl*\"]\n");
    world.run(&["epoch", "open", "--home", "h", "--pool-minor", "1000", "--target", "target", "--strata", "strata.toml"]).ok();
    for name in ["anna", "bert", "cleo"] {
        world.run(&["submit", name, &format!("from/{name}"), "--home", "h"]).ok();
    }
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world.run(&["ingest", "--home", "h", "--vocabulary", "300"]).ok();
    world
}

fn train(world: &World, sampling: &str) -> u64 {
    let toml = fs::read_to_string(world.path("tiny.toml")).unwrap();
    world.write("weighted.toml", format!("{toml}\n[sampling]\n{sampling}\n"));
    world.run(&["train", "weighted.toml", "--home", "h", "--now", NOW]).ok()["run"].as_u64().unwrap()
}

fn bit_equal(world: &World, run: u64) {
    let replay = world.run(&["replay", "--home", "h", "--run", &run.to_string(), "--sample", "9"]).ok();
    assert_eq!(replay["outcome"], "bit-equal", "{replay}");
}

#[test]
fn a_file_of_shares_is_read_once_and_its_table_is_in_the_log() {
    let world = world();
    world.write("weights.toml", "first = 0.0\nlines = 2.0\n");
    let run = train(&world, "weights = \"file\"\nfile = \"weights.toml\"");
    // The file may change afterwards.
    fs::remove_file(world.path("weights.toml")).unwrap();
    bit_equal(&world, run);
    world.write("weights.toml", "frist = 1.0\n");
    let toml = fs::read_to_string(world.path("weighted.toml")).unwrap();
    world.write("again.toml", toml.replace("lr = 3e-3", "lr = 2e-3"));
    world.run(&["train", "again.toml", "--home", "h"]).fails(1, &["frist", "first, lines, other"]);
    world.write("weights.toml", "first = -1.0\n");
    world.run(&["train", "again.toml", "--home", "h"]).fails(2, &["first = -1", "from 0"]);
}

#[test]
fn what_strata_were_sampled_is_shown_and_is_what_the_steps_saw() {
    let world = world();
    let run = train(&world, "shares = \"stratified\"");
    let drawn = world.run(&["train", "draws", "--home", "h", "--run", &run.to_string()]).ok()["strata"].as_array().unwrap().clone();
    let names: Vec<&str> = drawn.iter().map(|d| d["stratum"].as_str().unwrap()).collect();
    assert_eq!(names, ["first", "lines", "other"]);
    let tokens: f64 = drawn.iter().map(|d| d["drawn_tokens"].as_f64().unwrap()).sum();
    let metrics = fs::read_to_string(world.path("h/state/run-0.jsonl")).unwrap();
    let lines = metrics.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    assert_eq!(tokens, lines.filter(|l| l["step"].is_u64()).map(|l| l["tokens"].as_f64().unwrap()).sum::<f64>());
}

#[test]
fn a_pilot_gives_the_shares_of_the_run_and_is_never_paid() {
    let world = world();
    let first = world.run(&["train", "tiny.toml", "--home", "h", "--pilot", "--now", NOW]).ok();
    assert_eq!(first["run"], 1);
    bit_equal(&world, 0);
    bit_equal(&world, 1);
    // The same command does nothing a second time.
    assert_eq!(world.run(&["train", "tiny.toml", "--home", "h", "--pilot", "--now", NOW]).ok()["run"], 1);
    world.run(&["reward", "--home", "h", "--run", "0"]).fails(3, &["statements-pilot"]);
    world
        .run(&["train", "tiny.toml", "--home", "h", "--shares-from-run", "9", "--now", NOW])
        .fails(2, &["run 9 does not exist; this log has runs 0 and 1"]);
    world.run(&["train", "weighted.toml", "--home", "h", "--pilot"]).fails(4, &["weighted.toml"]);
}

#[test]
fn strata_that_make_no_sense_are_named() {
    let world = World::new();
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    let cases = [
        ("[[stratum]]\nname = \"a\"\n", "sources"),
        ("[[stratum]]\nname = \"other\"\nsources = [\"*\"]\n", "name of its own"),
        ("[[stratum]]\nname = \"a\"\ncontributors = [\"nobody\"]\n", "nobody"),
        ("[[stratum]]\nname = \"a\"\nsources = [\"[\"]\n", "\"a\""),
        ("[[stratum]]\nname = \"a\"\nsources = [\"*\"]\nfloor = 1.5\n", "floor"),
        ("[[stratum]]\nname = \"a\"\nsorces = [\"*\"]\n", "sorces"),
    ];
    for (text, part) in cases {
        world.write("strata.toml", text);
        let ran = world.run(&["epoch", "open", "--home", "h", "--pool-minor", "1", "--target", "target", "--strata", "strata.toml"]);
        ran.fails(2, &[part]);
    }
    // A run without strata has nothing to weigh.
    let world = World::new();
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    world.run(&["contributor", "add", "anna", "--home", "h"]).ok();
    world.run(&["epoch", "open", "--home", "h", "--pool-minor", "1000", "--target", "target"]).ok();
    world.run(&["submit", "anna", "from/anna", "--home", "h"]).ok();
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world.run(&["ingest", "--home", "h", "--vocabulary", "300"]).ok();
    world.run(&["train", "tiny.toml", "--home", "h", "--pilot"]).fails(2, &["--strata"]);
}
