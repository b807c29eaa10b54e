//! Text of many scripts, from records to shards: none is refused by a filter's default, changed copies are found, and every token gives its letters
//! back. The exported dataset opens in polars, DuckDB and `datasets`, where `cli/tests/fetch-readers` could install them.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;

use arrow::array::AsArray;
use arrow::datatypes::UInt32Type;
use common::{NOW, World};
use serde_json::{Value, json};

/// Every filter with its defaults.
const FILTERS: &str = "[length]\n[gopher_quality]\n[gopher_repetition]\n[c4]\n[fineweb]\n[lines]\n[personal_data]\nemail = \"drop\"\nip = \"drop\"\nphone = \"drop\"\naccount = \"exclude\"\n";

/// Prose by language, in more than ten scripts; the tests of the filters say where it is from.
fn prose() -> BTreeMap<String, String> {
    let mut prose: BTreeMap<String, String> = serde_json::from_str(include_str!("../../filters/src/prose.json")).unwrap();
    let documents: Vec<Value> = serde_json::from_str(include_str!("../../filters/src/golden.json")).unwrap();
    let named = |d: &Value| (d["name"].as_str().unwrap().to_string(), d["text"].as_str().unwrap().to_string());
    prose.extend(documents.iter().map(named).filter(|(name, _)| name.starts_with("lang-") && !name.ends_with("-lines")));
    // The Amharic text with other word spaces is near the first one, as it should be.
    prose.remove("amharic-word-spaces");
    prose
}

/// Scripts and the letters that tell them.
const SCRIPTS: [(&str, RangeInclusive<char>); 22] = [
    ("Latin", 'A'..='\u{24f}'),
    ("Greek", '\u{370}'..='\u{3ff}'),
    ("Cyrillic", '\u{400}'..='\u{52f}'),
    ("Armenian", '\u{530}'..='\u{58f}'),
    ("Hebrew", '\u{590}'..='\u{5ff}'),
    ("Arabic", '\u{600}'..='\u{6ff}'),
    ("Devanagari", '\u{900}'..='\u{97f}'),
    ("Bengali", '\u{980}'..='\u{9ff}'),
    ("Gurmukhi", '\u{a00}'..='\u{a7f}'),
    ("Tamil", '\u{b80}'..='\u{bff}'),
    ("Telugu", '\u{c00}'..='\u{c7f}'),
    ("Kannada", '\u{c80}'..='\u{cff}'),
    ("Malayalam", '\u{d00}'..='\u{d7f}'),
    ("Sinhala", '\u{d80}'..='\u{dff}'),
    ("Thai", '\u{e00}'..='\u{e7f}'),
    ("Lao", '\u{e80}'..='\u{eff}'),
    ("Tibetan", '\u{f00}'..='\u{fff}'),
    ("Myanmar", '\u{1000}'..='\u{109f}'),
    ("Georgian", '\u{10a0}'..='\u{10ff}'),
    ("Ethiopic", '\u{1200}'..='\u{137f}'),
    ("Han and kana", '\u{3040}'..='\u{9fff}'),
    ("Hangul", '\u{ac00}'..='\u{d7a3}'),
];

/// The script of most letters.
fn script_of(text: &str) -> &'static str {
    let count = |range: &RangeInclusive<char>| text.chars().filter(|c| c.is_alphabetic() && range.contains(c)).count();
    SCRIPTS.iter().max_by_key(|(_, range)| count(range)).unwrap().0
}

/// The same text with other spaces and empty lines.
fn retyped(text: &str) -> String {
    text.replace(' ', "  ").replace('\n', "\n\n") + "\n\n"
}

/// Sources and verdicts of a dry run.
fn verdicts(world: &World, name: &str, folder: &str) -> Vec<(String, String)> {
    let preview = world.run(&["import", "--source", name, "--for", name, folder, "--dry-run", "--home", "h", "--now", NOW]).ok();
    assert_eq!(preview["problems"], json!([]));
    let rows = preview["rows"].as_array().unwrap();
    rows.iter().map(|r| (r["source"].as_str().unwrap().to_string(), r["reason"].as_str().unwrap().to_string())).collect()
}

/// Text, tokens and ids of the exported files, in their order.
fn exported(folder: &Path) -> Vec<(String, String, Vec<u32>)> {
    let mut rows = Vec::new();
    for file in common::files(&folder.join("data")) {
        for batch in corpus::parquet_file::decode(&std::fs::read(file).unwrap()).unwrap().batches {
            let strings = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
            let (docs, texts, reversible) = (strings("doc"), strings("text"), batch.column_by_name("reversible").unwrap().as_boolean());
            let tokens = batch.column_by_name("tokens").unwrap().as_list::<i32>();
            for i in 0..batch.num_rows() {
                assert!(reversible.value(i), "{}: its tokens are not its text", docs.value(i));
                let tokens = tokens.value(i).as_primitive::<UInt32Type>().values().to_vec();
                rows.push((docs.value(i).to_string(), texts.value(i).to_string(), tokens));
            }
        }
    }
    rows
}

#[test]
fn ten_scripts_and_more_become_shards_that_give_every_letter_back() {
    let world = World::new();
    let prose = prose();
    let row = |(name, text): (&String, String)| json!({ "text": text, "license": "MIT", "name": name }).to_string() + "\n";
    let write = |folder: &str, texts: &BTreeMap<String, String>, change: fn(&str) -> String| {
        world.write(&format!("from/{folder}/rows.jsonl"), texts.iter().map(|(n, t)| row((n, change(t)))).collect::<String>());
    };
    write("prose", &prose, str::to_string);
    write("retyped", &prose, retyped);
    world.write("filters.toml", FILTERS);
    let run = |args: &[&str]| world.run(&[args, &["--home", "h", "--now", NOW]].concat()).ok();
    run(&["init", "--origin", "scripts.test/log"]);
    run(&["epoch", "open", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000", "--filters", "filters.toml"]);
    for (source, reason) in verdicts(&world, "prose", "from/prose") {
        assert_eq!(reason, "accepted", "{source}");
    }
    run(&["import", "--source", "prose", "--for", "prose", "from/prose"]);
    for (source, reason) in verdicts(&world, "retyped", "from/retyped") {
        assert_eq!(reason, "formatting-only", "{source}");
    }
    run(&["import", "--source", "retyped", "--for", "retyped", "from/retyped"]);
    run(&["epoch", "close"]);
    run(&["ingest", "--vocabulary", "3000"]);
    run(&["export", "--format", "hugging-face", "--out", "dataset"]);

    let rows = exported(&world.path("dataset"));
    let texts: BTreeSet<&str> = rows.iter().map(|(_, text, _)| text.as_str()).collect();
    for (name, text) in &prose {
        assert!(texts.contains(text.as_str()), "{name} is in no shard as it was given");
    }
    let scripts: BTreeSet<&str> = texts.iter().map(|t| script_of(t)).collect();
    assert_eq!(scripts.len(), SCRIPTS.len(), "{scripts:?}");
    assert_eq!(world.audit("h", "0").ok()["audit"]["ok"], true);
    opens_elsewhere(&world, &rows);
}

/// Others read the same ids and tokens from the exported files.
fn opens_elsewhere(world: &World, rows: &[(String, String, Vec<u32>)]) {
    let Ok(python) = std::env::var("ASSAY_READERS") else {
        skips::skip(skips::Need::Readers, "an exported dataset in polars, DuckDB and datasets", "ASSAY_READERS is not set");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_dataset.py");
    let output = Command::new(python).arg(script).arg(world.path("dataset")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected: Vec<Value> = rows.iter().map(|(doc, _, tokens)| json!([doc, tokens])).collect();
    let said: Vec<Value> = String::from_utf8(output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(said.len(), 3);
    for reader in said {
        assert!(reader["rows"] == json!(expected), "{}: other ids or tokens", reader["reader"]);
    }
}
