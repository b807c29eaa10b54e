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
fn commons_are_paid_nothing_claims_outrank_commitments_and_repetition_is_held_for_review() {
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
    // Part of one of anna's with something new; and nearly the same, with that part cut too short to be found.
    let part = format!("{} However {}", words(6, 20, 60), words(888, 0, 150));
    world.lines("from/gina/text.jsonl", std::iter::once(part.clone()), "MIT");
    let cut: Vec<&str> = part.split(' ').enumerate().map(|(i, w)| if i == 20 || i == 40 { "else" } else { w }).collect();
    world.lines("from/hugo/text.jsonl", std::iter::once(cut.join(" ")), "MIT");
    for name in ["anna", "bert", "dora", "eve", "finn", "gina", "hugo"] {
        world.run(&["contributor", "add", name, "--home", "h"]).ok();
    }
    world.write("evidence.txt", "published in 2019");
    world.run(&["contributor", "add", "commons", "--home", "h", "--payee", "evidence.txt"]).fails(2, &["contributor commons"]);
    world.run(&["epoch", "open", "--home", "h", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"]).ok();
    let anna = submit(&world, "anna", "from/anna");
    let bert = submit(&world, "bert", "from/zoe");
    let commons = world.run(&["import", "--home", "h", "--source", "cleo", "--as", "commons", "from/cleo"]).ok()["submission"].to_string();
    let dora = submit(&world, "dora", "from/cleo");
    let eve = submit(&world, "eve", "from/eve");
    let finn = submit(&world, "finn", "from/finn");
    let (gina, hugo) = (submit(&world, "gina", "from/gina"), submit(&world, "hugo", "from/hugo"));
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

    let rows = |submission: &str| rows_of(&world, submission);
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

    assert_eq!((&rows(&gina)[0]["verdict"], &rows(&gina)[0]["novel_words"]), (&json!("accepted"), &json!(151)));
    assert_eq!((&rows(&hugo)[0]["verdict"], of(&rows(&hugo)[0])), (&json!("near"), gina.as_str()));

    // Judged again, as of then.
    for s in [&anna, &bert, &dora, &eve, &finn, &commons] {
        assert_eq!(show(&world, s, &["--replay"])["replayed"], true);
    }

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
    // Who only looks neither needs the dedup index nor mends it.
    let index = world.path("h/state/dedup/1");
    let bands = std::fs::read_dir(&index).unwrap().map(|e| e.unwrap().path()).find(|p| p.display().to_string().contains("bands-")).unwrap();
    let good = std::fs::read(&bands).unwrap();
    let mut bad = good.clone();
    bad[5] ^= 1;
    std::fs::write(&bands, &bad).unwrap();
    assert_eq!(show(&world, &again, &["--replay"])["replayed"], true);
    assert_eq!(std::fs::read(&bands).unwrap(), bad);
    std::fs::write(&bands, good).unwrap();
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
    // Anna's text is destroyed: gina's verdict cannot be given again, but hugo's document is still near gina's.
    let sixth = format!("{anna}/6");
    world.run(&["withdraw", "--home", "h", "--consent", &anna, &sixth]).ok();
    assert!(!world.path("h/state/dedup").join("1").exists());
    assert_eq!(show(&world, &hugo, &["--replay"])["replayed"], true);
    let audit = world.audit("h", "0").ok();
    assert_eq!(audit["audit"]["ok"], true, "{audit}");
    assert!(audit.to_string().contains(&format!("submission {gina}: verdicts on 1 documents")), "{audit}");
    assert!(!audit.to_string().contains(&format!("submission {hugo}: verdicts")), "{audit}");
    // What anna had before bert proved it to be his is in nobody's way once he submits it again.
    world.run(&["epoch", "open", "--home", "h", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"]).ok();
    let late = ["claim", "--home", "h", "bert", &format!("{anna}/1"), "--evidence", "evidence.txt", "--kind", "domain"];
    let late = world.run(&late).ok()["claim"].to_string();
    world.run(&["resolve", "--home", "h", &late, "--outcome", "upheld", "--reasons", "evidence.txt"]).ok();
    let fourth = submit(&world, "bert", "from/anna");
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world.run(&["ingest", "--home", "h"]).ok();
    let own = rows_of(&world, &fourth);
    assert_eq!((&own[1]["verdict"], &own[3]["verdict"], of(&own[3])), (&json!("accepted"), &json!("exact"), anna.as_str()));
}

fn rows_of(world: &World, submission: &str) -> Vec<Value> {
    show(world, submission, &["--documents"])["rows"].as_array().unwrap().clone()
}
