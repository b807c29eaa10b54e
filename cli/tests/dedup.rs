//! `assay dedup` on files: the same bytes however it is computed, recall and precision on planted copies, messages for bad input.

mod common;

use std::collections::{BTreeSet, HashMap};
use std::fs;

use common::{SplitMix64, World, assay};
use serde_json::{Value, json};

const SYLLABLES: [&str; 16] = ["ba", "ke", "mo", "ri", "tu", "sa", "le", "no", "pi", "du", "ga", "ve", "lo", "hi", "zu", "ça"];

/// Words that hardly repeat.
fn words(n: &mut SplitMix64, count: usize) -> Vec<String> {
    (0..count).map(|_| (0..3 + n.below(3)).map(|_| SYLLABLES[n.below(16) as usize]).collect()).collect()
}

fn shingles(words: &[String]) -> BTreeSet<&[String]> {
    words.windows(5.min(words.len().max(1))).collect()
}

/// Documents with planted copies: id, words, and the source if it is a copy.
struct Planted {
    documents: Vec<(String, Vec<String>, Option<String>)>,
    lines: String,
}

fn planted(seed: u64, originals: usize) -> Planted {
    let mut n = SplitMix64(seed);
    let mut documents: Vec<(String, Vec<String>, Option<String>)> = Vec::new();
    let mut lines = String::new();
    for i in 0..originals {
        let count = 100 + n.below(400) as usize;
        let own = words(&mut n, count);
        lines += &format!("{}\n", json!({ "id": format!("d{i}"), "text": own.join(" ") }));
        documents.push((format!("d{i}"), own, None));
        if i % 3 != 2 {
            continue;
        }
        let (source, mut copy, _) = documents[n.below(documents.len() as u64) as usize].clone();
        let edits = [0, 1, 2, 4, 8, 12, 16][n.below(7) as usize] * copy.len() / 400;
        let apart = copy.len() / edits.max(1);
        for e in 0..edits {
            copy[e * apart + apart / 2] = format!("edit{}", n.next());
        }
        // Other case, spaces and punctuation: the words stay.
        let text = copy.iter().map(|w| if n.below(3) == 0 { w.to_uppercase() } else { w.clone() }).collect::<Vec<_>>().join(",\n ");
        lines += &format!("{}\n", json!({ "text": text, "id": format!("c{i}") }));
        documents.push((format!("c{i}"), copy, Some(source)));
    }
    Planted { documents, lines }
}

/// Files that a run writes.
fn run(world: &World, input: &str, name: &str, args: &[&str], isa: &str) -> (Vec<u8>, Vec<u8>, Value) {
    let (clusters, verdicts) = (world.path(&format!("{name}.txt")), world.path(&format!("{name}.parquet")));
    let output = assay()
        .args(["dedup", "--json", "--input"])
        .arg(world.path(input))
        .arg("--clusters")
        .arg(&clusters)
        .arg("--verdicts")
        .arg(&verdicts)
        .args(args)
        .env("ASSAY_ISA", isa)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (fs::read(clusters).unwrap(), fs::read(verdicts).unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn threads_and_instruction_sets_give_the_same_bytes_and_removals_are_true() {
    let world = World::new();
    let corpus = planted(3, 900);
    world.write("d.jsonl", corpus.lines.as_bytes());
    let (clusters, verdicts, said) = run(&world, "d.jsonl", "one", &["--threads", "1", "--device", "cpu"], "");
    for (threads, isa) in [("2", ""), ("8", ""), ("1", "baseline"), ("2", "avx2")] {
        let again = run(&world, "d.jsonl", "other", &["--threads", threads, "--device", "cpu"], isa);
        assert!((&again.0, &again.1) == (&clusters, &verdicts), "{threads} threads, {isa} gave other bytes");
    }
    let (_, _, auto) = run(&world, "d.jsonl", "auto", &["--device", "auto"], "");
    assert_eq!(auto["kinds"], said["kinds"]);

    let kept: Vec<&str> = std::str::from_utf8(&clusters).unwrap().lines().collect();
    assert_eq!(kept.len(), corpus.documents.len());
    let of: HashMap<&str, &[String]> = corpus.documents.iter().map(|(id, words, _)| (id.as_str(), words.as_slice())).collect();
    let (mut reached, mut found, mut removed) = (0, 0, 0);
    for ((id, words, source), kept_id) in corpus.documents.iter().zip(&kept) {
        let overlap = |other: &str| {
            let (a, b) = (shingles(words), shingles(of[other]));
            (a.intersection(&b).count(), a.union(&b).count())
        };
        if kept_id != id {
            let (both, either) = overlap(kept_id);
            removed += 1;
            assert!(5 * both >= 4 * either, "{id} was removed for {kept_id}: {both} of {either} shingles");
        }
        let Some(source) = source.as_deref().filter(|s| kept[corpus.documents.iter().position(|d| d.0 == *s).unwrap()] == *s) else {
            continue;
        };
        let (both, either) = overlap(source);
        if 5 * both >= 4 * either {
            reached += 1;
            found += u32::from(kept_id != id);
            assert!(both != either || kept_id == &source, "{id} has the words of {source}");
        } else {
            assert_eq!(kept_id, id);
        }
    }
    assert!(reached > 150 && removed >= found && f64::from(found) > 0.97 * f64::from(reached), "{found} of {reached} copies were found");
    let kinds = &said["kinds"];
    assert!(kinds["formatting-only"].as_u64() > Some(20) && kinds["near"].as_u64() > Some(50), "{kinds}");
    assert_eq!(said["documents"], corpus.documents.len());
    // The table says the same, and names words that are new.
    let table = corpus::parquet_file::decode(&verdicts).unwrap();
    let column = |name: &str| -> Vec<String> {
        let columns =
            table.batches.iter().map(|b| arrow::compute::cast(b.column_by_name(name).unwrap(), &arrow::datatypes::DataType::Utf8));
        columns
            .flat_map(|c| {
                let c = c.unwrap();
                let c = c.as_any().downcast_ref::<arrow::array::StringArray>().unwrap();
                c.iter().map(|v| v.unwrap_or("").to_string()).collect::<Vec<_>>()
            })
            .collect()
    };
    let (documents, of, kinds, novel) = (column("document"), column("kept"), column("kind"), column("novel_words"));
    for (i, kept) in kept.iter().enumerate() {
        assert_eq!((documents[i].as_str(), kinds[i] == "kept"), (corpus.documents[i].0.as_str(), of[i].is_empty()));
        assert_eq!(if of[i].is_empty() { &documents[i] } else { &of[i] }, kept);
        assert!(!matches!(kinds[i].as_str(), "exact" | "formatting-only") || novel[i] == "0");
    }
}

#[test]
fn excerpts_and_concatenations_are_contained_and_held_out_text_is_taken_out() {
    let world = World::new();
    let mut n = SplitMix64(8);
    let (a, b, target) = (words(&mut n, 400).join(" "), words(&mut n, 300).join(" "), words(&mut n, 200).join(" "));
    let excerpt = a.split(' ').skip(100).take(200).collect::<Vec<_>>().join(" ");
    let new = words(&mut n, 250).join(" ");
    let half = format!("{} {}", new, excerpt);
    let texts = [&a, &b, &excerpt, &format!("{b} {a}"), &half, &format!("{target} {}", &new[..400]), &"...".to_string()];
    let lines: String = texts.iter().map(|t| format!("{}\n", json!({ "text": t }))).collect();
    world.write("d.jsonl", lines.as_bytes());
    world.write("held/t.jsonl", format!("{}\n", json!({ "text": target })).as_bytes());
    let held = world.path("held").display().to_string();
    let (clusters, _, said) = run(&world, "d.jsonl", "one", &["--held-out", &held], "");
    assert_eq!(std::str::from_utf8(&clusters).unwrap(), "0\n1\n0\n0\n4\n5\n6\n");
    let kinds = json!({ "kept": 4, "exact": 0, "formatting-only": 0, "near": 0, "contained": 2, "held-out": 1 });
    assert_eq!(said["kinds"], kinds);
    assert_eq!(said["novel_words"], 400 + 300 + 250);
    let (clusters, _, said) = run(&world, "d.jsonl", "two", &["--no-spans"], "");
    assert_eq!((std::str::from_utf8(&clusters).unwrap(), &said["novel_words"]), ("0\n1\n2\n3\n4\n5\n6\n", &Value::Null));
}

#[test]
fn bad_input_is_named_with_its_place() {
    let world = World::new();
    world.write("bad.jsonl", b"{\"text\":\"one\"}\n{\"txt\":\"two\"}\n");
    world.write("id.jsonl", b"{\"text\":\"one\",\"id\":[1]}\n");
    world.write("torn.jsonl.gz", &[0x1f, 0x8b, 8, 0, 0, 0][..]);
    world.write("torn.parquet", b"PAR1");
    world.write("a.csv", b"text\n");
    world.write("good.jsonl", b"{\"text\":\"one two three four five six\"}\n");
    let fails = |args: &[&str], code: i32, parts: &[&str]| {
        let dir = |a: &&str| if a.contains('.') && !a.starts_with('0') { world.path(a).display().to_string() } else { a.to_string() };
        let args: Vec<String> = args.iter().map(dir).collect();
        world.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).fails(code, parts);
    };
    // One bad row is no reason to leave out the others.
    let partly = world.run(&["dedup", "--input", &world.path("bad.jsonl").display().to_string()]).ok();
    assert_eq!((&partly["documents"], &partly["problems"][0]["place"]), (&json!(1), &json!("bad.jsonl:2")));
    assert!(partly["problems"][0]["reason"].as_str().unwrap().contains("expected a text or a prompt"), "{partly}");
    fails(&["dedup", "--input", "id.jsonl"], 2, &["found none: id.jsonl:1: expected text in the field id, found a list"]);
    fails(&["dedup", "--input", "torn.jsonl.gz"], 2, &["torn.jsonl.gz"]);
    fails(&["dedup", "--input", "torn.parquet"], 2, &["torn.parquet"]);
    fails(&["dedup", "--input", "a.csv"], 2, &["a.csv: a header without records"]);
    fails(&["dedup", "--input", "absent.jsonl"], 4, &["absent.jsonl"]);
    fails(&["dedup", "--input", "good.jsonl", "--threshold", "0"], 2, &["--threshold 0: expected a decimal above 0"]);
    fails(&["dedup", "--input", "good.jsonl", "--key", "12"], 2, &["--key"]);
    let cuda = world.run(&["dedup", "--input", &world.path("good.jsonl").display().to_string(), "--device", "cuda"]);
    if cuda.code != Some(0) {
        cuda.fails(1, &["device:", "expected", "found"]);
    }
    let auto = world.run(&["dedup", "--device", "auto", "--input", &world.path("good.jsonl").display().to_string()]).ok();
    assert!(auto["device"].as_str().unwrap().starts_with("cpu (device:") || auto["device"] == "cuda", "{auto}");
}
