//! A small world: contributors with text, held-out targets, a run of a few steps, and the binary.

#![allow(dead_code)]

pub mod forge;
pub mod money;

pub use corpus::random::SplitMix64;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub const NOW: &str = "1700000000";

/// A run of a few steps.
pub const TINY: &str = r#"
[model]
layers = 1
channels = 16
heads = 2
kv_heads = 1
hidden = 32
tied = true
context = 32
rope_base = 10000.0
norm_eps = 1e-5

[optimizer]
lr = 3e-3
warmup_steps = 4
min_lr_ratio = 0.1
beta1 = 0.9
beta2 = 0.95
eps = 1e-8
weight_decay = 0.1
clip_norm = 1.0

[schedule]
steps = 16
rows_per_step = 8

[attribution]
rule = "simpson"
first_window = 2
max_window = 4
residual_limit = 0.02
pricing_tokens = 512
progress_windows = 2
max_buckets = 8
"#;

/// What came of a command.
pub struct Ran {
    pub code: Option<i32>,
    pub json: Value,
    pub stderr: String,
}

impl Ran {
    fn of(output: Output) -> Ran {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Ran {
            code: output.status.code(),
            json: serde_json::from_str(&stdout).unwrap_or(Value::String(stdout)),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stderr, self.json);
        self.json
    }

    /// Fails with `code`, and says each of `parts`.
    #[track_caller]
    pub fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stderr, self.json);
        let said = format!("{} {}", self.stderr, self.json);
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
    }
}

/// Folders in a temporary one.
pub struct World {
    pub dir: tempfile::TempDir,
}

/// Sentences with a grammar, so that there is something to learn.
pub fn prose(seed: u64, sentences: usize) -> String {
    const NOUNS: [&str; 12] =
        ["river", "mountain", "engine", "garden", "letter", "signal", "harbour", "window", "forest", "ledger", "witness", "market"];
    const VERBS: [&str; 8] = ["carries", "follows", "measures", "remembers", "opens", "answers", "weighs", "crosses"];
    const ADJECTIVES: [&str; 8] = ["quiet", "narrow", "old", "bright", "distant", "honest", "heavy", "green"];
    let mut n = SplitMix64(seed);
    let mut pick = |words: &[&'static str]| words[n.below(words.len() as u64) as usize];
    (0..sentences)
        .map(|_| format!("The {} {} {} the {} {}.\n", pick(&ADJECTIVES), pick(&NOUNS), pick(&VERBS), pick(&ADJECTIVES), pick(&NOUNS)))
        .collect()
}

pub fn assay() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.arg("--json");
    command
}

impl World {
    pub fn empty() -> World {
        let world = World { dir: tempfile::tempdir().unwrap() };
        fs::write(world.path("tiny.toml"), TINY).unwrap();
        world
    }

    /// Three contributors of prose, a copy of the first, and two targets.
    pub fn new() -> World {
        let world = World::empty();
        for (i, name) in ["anna", "bert", "cleo"].iter().enumerate() {
            world.lines(&format!("from/{name}/text.jsonl"), (0..8).map(|d| prose(100 * i as u64 + d, 30)), "MIT");
        }
        world.lines("from/zoe/copy.jsonl", (0..8).map(|d| prose(d, 30)), "MIT");
        for (i, name) in ["east", "west"].iter().enumerate() {
            world.write(&format!("target/{name}/a.txt"), prose(900 + i as u64, 60));
            world.write(&format!("target/{name}/b.txt"), prose(950 + i as u64, 60));
        }
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn lines(&self, name: &str, texts: impl Iterator<Item = String>, licence: &str) {
        let lines: String = texts.map(|t| serde_json::json!({ "text": t, "license": licence }).to_string() + "\n").collect();
        self.write(name, lines);
    }

    /// Runs the binary in the world's folder, with the last signed tree heads kept there too.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = assay();
        command.args(args).current_dir(self.dir.path()).env("XDG_STATE_HOME", self.path("state-home"));
        command
    }

    pub fn quickstart_args<'a>(home: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec![
            "quickstart",
            "--home",
            home,
            "--contributors",
            "from",
            "--target",
            "target",
            "--run",
            "tiny.toml",
            "--seed",
            "7",
            "--now",
            NOW,
        ];
        args.extend(more);
        args
    }

    pub fn quickstart(&self, home: &str, more: &[&str]) -> Ran {
        self.run(&World::quickstart_args(home, more))
    }

    /// A document of cleo's that nobody else has, after its submission.
    pub fn own_document(&self, home: &str) -> (String, String) {
        let found = self.run(&["trace", "--home", home, "--text", &prose(205, 30)]).ok();
        assert_eq!(found["documents"].as_array().unwrap().len(), 1);
        let document = found["documents"][0].as_str().unwrap().to_string();
        (document.split('/').next().unwrap().to_string(), document)
    }

    pub fn audit(&self, home: &str, replay: &str) -> Ran {
        self.run(&["audit", "--home", home, "--replay", replay])
    }
}

/// Every file below `root`, in order.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found.sort();
    found
}

/// A contributor's row of a quickstart's output.
pub fn row<'a>(json: &'a Value, name: &str) -> &'a Value {
    json["contributors"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no contributor {name} in {json}"))
}
