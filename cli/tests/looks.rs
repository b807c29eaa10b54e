//! A look at a run: tables, steps, words, text; runs that start from weights, with several targets.

mod common;

use std::fs;

use common::{NOW, World, row};
use serde_json::Value;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn rows(world: &World, home: &str, by: &str, more: &[&str]) -> Vec<Value> {
    let args = [&["attribution", "show", "--home", home, "--by", by, "--limit", "0"], more].concat();
    world.run(&args).ok()["rows"].as_array().unwrap().clone()
}

#[test]
fn documents_contributors_targets_and_windows_have_the_same_sum() {
    let world = World::new();
    let quickstart = world.quickstart("h", &[]).ok();
    let sum = |rows: &[Value]| rows.iter().map(|r| number(&r["nats"])).sum::<f64>();
    let contributors = rows(&world, "h", "contributor", &[]);
    let total = sum(&contributors);
    for by in ["document", "target", "window"] {
        let found = sum(&rows(&world, "h", by, &[]));
        assert!((found - total).abs() < 1e-9, "by {by}: {found}, by contributor {total}");
    }
    for c in &contributors {
        let expected = number(&row(&quickstart, c["name"].as_str().unwrap())["credit_nats"]);
        assert!((number(&c["nats"]) - expected).abs() < 1e-12);
    }
    let documents = rows(&world, "h", "document", &["--sort", "tokens"]);
    assert!(documents.len() >= 4 && documents.windows(2).all(|w| number(&w[0]["tokens"]) >= number(&w[1]["tokens"])));
    // A copy was never trained on, so nothing is credited to it.
    assert!(documents.iter().all(|d| !d["name"].as_str().unwrap().contains("zoe")), "{documents:?}");

    let best = rows(&world, "h", "document", &[])[0]["name"].as_str().unwrap().split(' ').next().unwrap().to_string();
    let explained = world.run(&["explain", "--home", "h", &best]).ok();
    let tokens: f64 = explained["tokens"].as_array().unwrap().iter().map(|t| number(&t["nats"])).sum();
    assert!((tokens - number(&explained["nats"])).abs() < 1e-9, "{tokens}");
    world.run(&["explain", "--home", "h", "999/0"]).fails(2, &["999/0", "has no credit"]);

    let replay = world.run(&["replay", "--home", "h", "--window", "3", "--documents"]).ok();
    let window = &replay["exact"][0];
    let of = |what: &str| window["documents"].as_array().unwrap().iter().map(|d| number(&d[what])).sum::<f64>();
    let expected = number(&rows(&world, "h", "window", &["--sort", "name"])[3]["nats"]);
    assert!((of("table") - expected).abs() < 1e-9, "{} and {expected}", of("table"));
    assert!((of("exact") - expected).abs() < 0.02 * expected.abs(), "{} and {expected}", of("exact"));
    assert!(number(&window["r"]) > 0.8, "{}", window["r"]);

    let step = world.run(&["train", "inspect", "--home", "h", "--step", "3"]).ok();
    let pieces = step["pieces"].as_array().unwrap();
    let seen: f64 = pieces.iter().map(|p| number(&p["end_token"]) - number(&p["first_token"])).sum();
    let metrics = fs::read_to_string(world.path("h/state/run-0.jsonl")).unwrap();
    let lines: Vec<Value> = metrics.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let third = lines.iter().find(|l| l["step"] == 3).unwrap();
    assert_eq!(number(&third["tokens"]), seen);
    assert!(lines.iter().any(|l| l["window"] == 0 && l["drop"].is_number()));
    world.run(&["train", "inspect", "--home", "h", "--step", "99"]).fails(2, &["step 99", "has 16"]);
}

#[test]
fn a_model_can_be_looked_at_and_another_run_can_start_from_it() {
    let world = World::new();
    let first = world.quickstart("h", &[]).ok();
    let text = |seed: &str| world.run(&["generate", "--home", "h", "The old", "--tokens", "9", "--seed", seed]).ok()["text"].clone();
    assert_eq!(text("1"), text("1"));
    let eval = world.run(&["eval", "--home", "h"]).ok();
    let halves: Vec<&str> = eval["targets"].as_array().unwrap().iter().map(|t| t["half"].as_str().unwrap()).collect();
    assert_eq!(halves, ["pricing", "control"]);
    assert!(eval["targets"].as_array().unwrap().iter().all(|t| number(&t["bits_per_byte"]) > 0.0 && number(&t["bytes"]) > 1000.0));
    let file = world.run(&["eval", "--home", "h", "target/east/a.txt"]).ok();
    assert!(number(&file["targets"][0]["nats_per_token"]) < 8.0);

    world.run(&["export", "--home", "h", "--out", "model"]).ok();
    let second = world.run(&["train", "tiny.toml", "--home", "h", "--parameters", "model", "--now", NOW]).ok();
    assert_eq!(second["run"], 1);
    let (end, start) = (number(&first["loss_end"]), number(&second["loss_start"]));
    assert!((end - start).abs() < 1e-6, "ended at {end}, started at {start}");
    let replay = world.run(&["replay", "--home", "h", "--run", "1"]).ok();
    assert_eq!(replay["outcome"], "bit-equal");
    // Weights that are not those of the model that RUN.toml describes.
    let config = fs::read_to_string(world.path("model/config.json")).unwrap();
    fs::write(world.path("model/config.json"), config.replace("\"intermediate_size\": 32", "\"intermediate_size\": 64")).unwrap();
    world.run(&["train", "tiny.toml", "--home", "h", "--weights", "model", "--now", NOW]).fails(2, &["RUN.toml says"]);
}

#[test]
fn a_work_in_another_order_is_flagged_for_review() {
    let world = World::new();
    // Trained for longer than other tests need: what a text has of its own shows once the grammar is learned.
    let toml = fs::read_to_string(world.path("tiny.toml")).unwrap();
    fs::write(world.path("tiny.toml"), toml.replace("steps = 16", "steps = 64")).unwrap();
    // The same sentences, backwards: less than a third of the shingles are the same, so dedup keeps it.
    let backwards = (0..8).map(|d| common::prose(d, 30).lines().rev().map(|l| format!("{l}\n")).collect::<String>());
    world.lines("from/zoe/copy.jsonl", backwards, "MIT");
    // What is alike hangs on the draw too, so it is looked at in several.
    let mut found = Vec::new();
    for seed in ["7", "8", "9", "10", "11", "12", "13"] {
        let home = format!("h{seed}");
        let args = World::quickstart_args(&home, &[]);
        let args: Vec<&str> = args.iter().map(|a| if *a == "7" { seed } else { *a }).collect();
        let quickstart = world.run(&args).ok();
        assert_eq!(row(&quickstart, "zoe")["accepted"], 8, "{quickstart}");
        let pairs = world.run(&["attribution", "alike", "--home", &home, "--least", "0.5"]).ok()["pairs"].as_array().unwrap().clone();
        let who = |p: &Value, of: &str| p[of].as_str().unwrap().split(' ').next_back().unwrap().to_string();
        let number_of = |p: &Value, of: &str| p[of].as_str().unwrap().split(['/', ' ']).nth(1).unwrap().to_string();
        let right = |p: &&Value| [who(p, "first"), who(p, "second")] == ["anna", "zoe"] && number_of(p, "first") == number_of(p, "second");
        found.push((pairs.iter().take(8).filter(right).count(), pairs.iter().filter(right).count(), pairs.len()));
    }
    // One copy in a hundred and forty is not flagged: in 36 other draws 286 of 288 were, and in 36 draws of an earlier log 286 too. Measured in
    // these seven, 53 of 56 are more alike to their originals than any two texts by the same grammar are; one draw alone may have 5 of 8.
    assert!(found.iter().all(|(_, flagged, _)| *flagged >= 7), "{found:?}");
    assert!(found.iter().map(|(_, flagged, _)| flagged).sum::<usize>() >= 54, "{found:?}");
    assert!(found.iter().map(|(first, ..)| first).sum::<usize>() >= 46, "{found:?}");
}

#[test]
fn targets_with_names_and_weights_are_priced_one_by_one() {
    let world = World::new();
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    world.run(&["contributor", "add", "anna", "--home", "h"]).ok();
    let open = |more: &[&str]| world.run(&[&["epoch", "open", "--home", "h", "--pool-minor", "1000"], more].concat());
    open(&["--target", "e=target/east", "--target", "w=target/west", "--target-weight", "x=2"]).fails(2, &["x=2", "no --target"]);
    open(&["--target", "e=target/east", "--target", "w=target/west", "--target-weight", "w=3"]).ok();
    world.run(&["submit", "anna", "from/anna", "--home", "h"]).ok();
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world.run(&["ingest", "--home", "h", "--vocabulary", "300"]).ok();
    world.run(&["train", "tiny.toml", "--home", "h"]).ok();
    let by_target = rows(&world, "h", "target", &["--sort", "name"]);
    let names: Vec<&str> = by_target.iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["anna e", "anna w"]);
    let total = number(&rows(&world, "h", "contributor", &[])[0]["nats"]);
    let weighted = 0.25 * number(&by_target[0]["nats"]) + 0.75 * number(&by_target[1]["nats"]);
    assert!((total - weighted).abs() < 1e-9, "{total} and {weighted}");
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_saves_its_state_and_goes_on_from_it() {
    let world = World::new();
    world.quickstart("whole", &[]).ok();
    let toml = fs::read_to_string(world.path("tiny.toml")).unwrap();
    // Long enough to be interrupted on any machine.
    fs::write(world.path("long.toml"), toml.replace("steps = 16", "steps = 4000")).unwrap();
    let mut args = World::quickstart_args("h", &[]);
    let at = args.iter().position(|a| *a == "tiny.toml").unwrap();
    args[at] = "long.toml";
    let mut child = world.command(&args).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let metrics = world.path("h/state/run-0.jsonl");
    while fs::read_to_string(&metrics).map_or(0, |t| t.lines().count()) < 30 {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it was interrupted");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let saved = world.path("h/state/run-0.safetensors");
    assert!(saved.exists());
    let last = |text: String| text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()?["step"].as_u64()).next_back();
    let before = last(fs::read_to_string(&metrics).unwrap()).unwrap();
    // It goes on with the step after the last one, and can be interrupted again.
    let mut child = world.command(&args).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    while last(fs::read_to_string(&metrics).unwrap()).unwrap() <= before + 5 {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it was interrupted");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let text = fs::read_to_string(&metrics).unwrap();
    let steps: Vec<u64> = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()?["step"].as_u64()).collect();
    assert!(steps.windows(2).all(|w| w[1] == w[0] + 1), "a step was left out or taken twice");
}

#[test]
fn prompts_are_read_and_answers_are_learned_by_sources_and_targets() {
    let world = World::empty();
    let rows = |seed: u64, count: u64| -> String {
        (0..count)
            .map(|i| {
                let row = serde_json::json!({ "prompt": common::prose(seed + i, 4), "answer": common::prose(seed + 500 + i, 3), "license": "MIT" });
                row.to_string() + "\n"
            })
            .collect()
    };
    for (i, name) in ["anna", "bert"].iter().enumerate() {
        world.write(&format!("from/{name}/pairs.jsonl"), rows(100 * i as u64, 12));
    }
    world.write("target/east/pairs.jsonl", rows(7000, 12));
    world.write("target/west/pairs.jsonl", rows(9000, 12));
    let quickstart = world.quickstart("h", &[]).ok();
    assert_eq!(quickstart["audit"]["ok"], true, "{quickstart}");
    let steps = ["0", "1", "2", "3", "4", "5", "6", "7"].map(|step| world.run(&["train", "inspect", "--home", "h", "--step", step]).ok());
    let sum = |f: &dyn Fn(&Value) -> f64| steps.iter().flat_map(|s| s["pieces"].as_array().unwrap()).map(f).sum::<f64>();
    let tokens = sum(&|p| number(&p["end_token"]) - number(&p["first_token"]));
    let predicted = sum(&|p| number(&p["predicted"]));
    // Three sentences of seven are answers.
    assert!((0.3..0.55).contains(&(predicted / tokens)), "{predicted} of {tokens} tokens are learned");
    let eval = world.run(&["eval", "--home", "h"]).ok();
    assert!(eval["targets"].as_array().unwrap().iter().all(|t| number(&t["nats_per_token"]) > 0.0));
}

#[test]
fn an_audit_without_a_terminal_says_how_far_it_got_in_plain_lines() {
    let world = World::new();
    world.quickstart("h", &[]).ok();
    let silent = world.run(&["audit", "--home", "h"]);
    assert_eq!(silent.stderr, "", "a short audit says nothing on stderr");
    // As if it took so long that a line is due at every change.
    let told = world.run(&["audit", "--home", "h", "--progress-every", "0"]);
    for what in ["entries", "objects", "documents added up", "bundles judged", "shards cut again", "steps replayed"] {
        let last = told.stderr.lines().rfind(|line| line.starts_with(&format!("{what}: ")));
        assert!(last.is_some_and(|line| line.ends_with("(100 %)")), "{what}: {last:?} in {}", told.stderr);
    }
    assert!(!told.stderr.contains(|c: char| c.is_control() && c != '\n'), "{:?}", told.stderr);
    assert_eq!(told.ok(), silent.ok());
}
