//! Whose document comes first: commons, upheld claims, commitments; and what a submission's verdicts come to.

mod common;

use common::{World, prose};
use serde_json::{Value, json};

fn submit(world: &World, name: &str, path: &str) -> String {
    world.run(&["submit", "--home", "h", name, path]).ok()["submission"].to_string()
}

fn show(world: &World, submission: &str, more: &[&str]) -> Value {
    world.run(&[&["submission", "show", "--home", "h", submission], more].concat()).ok()
}

fn of(row: &Value) -> &str {
    row["of"].as_str().unwrap_or("").split('/').next().unwrap_or("")
}

#[test]
fn commons_come_first_claims_outrank_commitments_and_repetition_is_held_for_review() {
    let world = World::new();
    // Three of five are one document with a word changed.
    let same = prose(500, 30);
    let texts = [same.clone(), same.replacen("The", "Some", 1), same.replacen("The", "Any", 2), prose(501, 30), prose(502, 30)];
    world.lines("from/eve/text.jsonl", texts.into_iter(), "MIT");
    // An excerpt of one of cleo's and something new.
    let words = |seed: u64, from: usize, n: usize| prose(seed, 30).split_whitespace().skip(from).take(n).collect::<Vec<_>>().join(" ");
    let half = format!("{} However {}", words(201, 40, 100), words(777, 0, 119));
    world.lines("from/finn/text.jsonl", [half, words(202, 0, 150)].into_iter(), "MIT");
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    for name in ["anna", "bert", "dora", "eve", "finn"] {
        world.run(&["contributor", "add", name, "--home", "h"]).ok();
    }
    world.write("evidence.txt", "published in 2019");
    world.run(&["contributor", "add", "commons", "--home", "h", "--payee", "evidence.txt"]).fails(2, &["contributor commons"]);
    world.run(&["epoch", "open", "--home", "h", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"]).ok();
    let anna = submit(&world, "anna", "from/anna");
    let bert = submit(&world, "bert", "from/zoe");
    let dora = submit(&world, "dora", "from/cleo");
    let commons = world.run(&["import", "--home", "h", "--as", "commons", "from/cleo"]).ok()["submission"].to_string();
    let eve = submit(&world, "eve", "from/eve");
    let finn = submit(&world, "finn", "from/finn");
    let claim = |documents: [u32; 2], outcome: &str| {
        let documents = documents.map(|n| format!("{anna}/{n}"));
        let args =
            ["claim", "--home", "h", "bert", &documents[0], &documents[1], "--evidence", "evidence.txt", "--kind", "prior-publication"];
        let claim = world.run(&args).ok()["claim"].to_string();
        world.run(&["resolve", "--home", "h", &claim, "--outcome", outcome, "--reasons", "evidence.txt"]).ok();
    };
    claim([0, 2], "upheld");
    claim([4, 5], "rejected");
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world.run(&["ingest", "--home", "h", "--vocabulary", "400"]).ok();

    let rows = |submission: &str| show(&world, submission, &["--documents"])["rows"].as_array().unwrap().clone();
    for (row, n) in rows(&anna).iter().zip(0..) {
        let expected = if n == 0 || n == 2 { ("exact", bert.as_str()) } else { ("accepted", "") };
        assert_eq!((row["verdict"].as_str().unwrap(), of(row)), expected, "anna's document {n}");
    }
    for (row, n) in rows(&bert).iter().zip(0..) {
        let expected = if n == 0 || n == 2 { ("accepted", "") } else { ("exact", anna.as_str()) };
        assert_eq!((row["verdict"].as_str().unwrap(), of(row)), expected, "bert's document {n}");
    }
    assert!(rows(&dora).iter().all(|r| r["verdict"] == "exact" && of(r) == commons));
    let own = show(&world, &dora, &[]);
    assert_eq!((&own["removed"], &own["novel_words"], &own["held_for_review"]), (&json!(8), &json!(0), &json!(false)));
    assert_eq!(own["matched"], json!([{ "submission": commons.parse::<u64>().unwrap(), "contributor": "commons", "documents": 8 }]));
    let own = show(&world, &eve, &["--documents"]);
    assert_eq!((&own["largest_cluster"], &own["held_for_review"], &own["removed"]), (&json!(3), &json!(true), &json!(2)));
    assert_eq!(own["rows"][1]["verdict"], "near");
    let own = rows(&finn);
    assert_eq!((&own[0]["verdict"], &own[0]["words"], &own[0]["novel_words"]), (&json!("accepted"), &json!(220), &json!(120)));
    assert_eq!((&own[1]["verdict"], &own[1]["intersection"], of(&own[1])), (&json!("contained"), &json!(150), commons.as_str()));
    assert_eq!(own[1]["covered_by"], json!([{ "document": own[1]["of"], "words": 150 }]));

    // Judged again from the index, as of then; from a damaged one after saying so.
    for s in [&anna, &bert, &dora, &eve, &finn, &commons] {
        assert_eq!(show(&world, s, &["--replay"])["replayed"], true);
    }
    let index = world.path("h/state/dedup/0");
    let bands = std::fs::read_dir(&index).unwrap().map(|e| e.unwrap().path()).find(|p| p.display().to_string().contains("bands-")).unwrap();
    let mut bytes = std::fs::read(&bands).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&bands, bytes).unwrap();
    let said = world.run(&["submission", "show", "--home", "h", &eve, "--replay"]);
    assert!(said.stderr.contains(bands.file_name().unwrap().to_str().unwrap()), "{}", said.stderr);
    assert_eq!(said.ok()["replayed"], true);

    // Commons are trained on and paid nothing.
    world.run(&["train", "--home", "h", "tiny.toml"]).ok();
    world.run(&["replay", "--home", "h"]).ok();
    let reward = world.run(&["reward", "--home", "h"]).ok();
    assert!(!reward["rewards"].to_string().contains("commons"), "{reward}");
    assert!(!world.path("h/statements/run-0/commons.json").exists());
    assert_eq!(world.audit("h", "1").ok()["audit"]["ok"], true);
    // The next epoch sees what the last one kept, under keys of its own.
    world.run(&["epoch", "open", "--home", "h", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"]).ok();
    let again = submit(&world, "eve", "from/finn");
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world.run(&["ingest", "--home", "h"]).ok();
    let own = show(&world, &again, &["--documents", "--replay"]);
    assert_eq!((&own["rows"][0]["verdict"], of(&own["rows"][0])), (&json!("exact"), finn.as_str()));
    assert_eq!((&own["rows"][1]["verdict"], of(&own["rows"][1])), (&json!("contained"), commons.as_str()));
    assert!(world.path("h/state/dedup/1/manifest").exists() && world.path("h/state/dedup/0/manifest").exists());
    // What was taken back is not matched by later epochs.
    let first = format!("{finn}/0");
    world.run(&["withdraw", "--home", "h", &finn, &first]).ok();
    world.run(&["epoch", "open", "--home", "h", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"]).ok();
    let third = submit(&world, "dora", "from/finn");
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world.run(&["ingest", "--home", "h"]).ok();
    assert_eq!(show(&world, &third, &["--documents"])["rows"][0]["verdict"], "accepted");
    assert!(!world.path("h/state/dedup/0").exists());
    assert_eq!(show(&world, &again, &["--replay"])["replayed"], true);
    assert_eq!(world.audit("h", "0").ok()["audit"]["ok"], true);
}
