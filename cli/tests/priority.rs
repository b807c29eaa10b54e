//! What a submission's verdicts come to, as a command shows it, and the dedup index behind it.
//!
//! Whose document comes first is in `rules/tests/priority.rs`, over archives in memory.

mod common;

use common::World;
use serde_json::{Value, json};

fn submit(world: &World, name: &str, path: &str) -> String {
    world.run(&["submit", "--home", "h", name, path]).ok()["submission"].to_string()
}

fn show(world: &World, submission: &str, more: &[&str]) -> Value {
    world.run(&[&["submission", "show", "--home", "h", submission], more].concat()).ok()
}

fn open(world: &World) {
    world.run(&["epoch", "open", "--home", "h", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"]).ok();
}

fn ingest(world: &World) {
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world.run(&["ingest", "--home", "h", "--vocabulary", "400"]).ok();
}

/// A home with an open epoch and two contributors; cleo's texts are imported as what belongs to everybody.
fn begun() -> (World, String) {
    let world = World::new();
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    for name in ["anna", "dora"] {
        world.run(&["contributor", "add", name, "--home", "h"]).ok();
    }
    open(&world);
    let commons = world.run(&["import", "--home", "h", "--source", "cleo", "--as", "commons", "from/cleo"]).ok()["submission"].to_string();
    (world, commons)
}

#[test]
fn commons_have_no_payee() {
    let (world, _) = begun();
    world.write("payee.toml", "kind = \"other\"\nreference = \"a\"\n");
    world.run(&["contributor", "add", "commons", "--home", "h", "--payee", "payee.toml"]).fails(2, &["contributor commons"]);
}

#[test]
fn a_submission_shows_whose_documents_it_duplicates() {
    let (world, commons) = begun();
    let dora = submit(&world, "dora", "from/cleo");
    ingest(&world);
    let own = show(&world, &dora, &[]);
    assert_eq!((&own["removed"], &own["novel_words"], &own["held_for_review"]), (&json!(8), &json!(0), &json!(false)));
    assert_eq!(own["matched"], json!([{ "submission": commons.parse::<u64>().unwrap(), "contributor": "commons", "documents": 8 }]));
    let rows = show(&world, &dora, &["--documents"])["rows"].as_array().unwrap().clone();
    assert!(rows.iter().all(|r| r["verdict"] == "exact" && r["of"].as_str().unwrap().starts_with(&format!("{commons}/"))), "{rows:?}");
    assert_eq!(show(&world, &dora, &["--replay"])["replayed"], true);
}

#[test]
fn commons_are_trained_on_and_have_no_statement() {
    let (world, _) = begun();
    submit(&world, "anna", "from/anna");
    ingest(&world);
    world.run(&["train", "--home", "h", "tiny.toml"]).ok();
    world.run(&["replay", "--home", "h"]).ok();
    let reward = world.run(&["reward", "--home", "h"]).ok();
    assert!(!reward["rewards"].to_string().contains("commons"), "{reward}");
    assert!(!world.path("h/statements/run-0/commons.json").exists());
    assert_eq!(world.audit("h", "1").ok()["audit"]["ok"], true);
}

#[test]
fn indexes_of_kept_documents_are_those_of_the_last_two_epochs_and_go_with_consent() {
    let (world, _) = begun();
    let anna = submit(&world, "anna", "from/anna");
    ingest(&world);
    let index = |epoch: u32| world.path(&format!("h/state/dedup/{epoch}"));
    open(&world);
    let again = submit(&world, "dora", "from/cleo");
    ingest(&world);
    assert!(index(0).join("manifest").exists() && index(1).join("manifest").exists());
    // Who only looks neither needs the dedup index nor mends it.
    let bands = common::files(&index(1)).into_iter().find(|p| p.display().to_string().contains("bands-")).unwrap();
    let good = std::fs::read(&bands).unwrap();
    let mut bad = good.clone();
    bad[5] ^= 1;
    std::fs::write(&bands, &bad).unwrap();
    assert_eq!(show(&world, &again, &["--replay"])["replayed"], true);
    assert_eq!(std::fs::read(&bands).unwrap(), bad);
    std::fs::write(&bands, good).unwrap();
    open(&world);
    submit(&world, "dora", "from/bert");
    ingest(&world);
    assert!(!index(0).exists());
    assert_eq!(show(&world, &again, &["--replay"])["replayed"], true);
    world.run(&["withdraw", "--home", "h", "--consent", &anna, &format!("{anna}/6")]).ok();
    assert!(!index(1).exists());
    assert_eq!(world.audit("h", "0").ok()["audit"]["ok"], true);
}
