//! Proofs and receipts: for every kind of verdict, with nothing at hand but keys; altered, forged and backdated.

mod common;

use std::fs;

use common::{NOW, World, row};
use serde_json::Value;

fn verify(world: &World, file: &str) -> common::Ran {
    world.run(&["verify-proof", file, "--vkey", "h/log.vkey", "--witness", "h/witness.vkey"])
}

#[test]
fn what_became_of_a_document_is_provable_and_nothing_else_is() {
    let world = World::new();
    let quickstart = world.quickstart("h", &[]).ok();
    assert_eq!(row(&quickstart, "zoe")["duplicates"], 8);
    let rows = world.run(&["attribution", "show", "--home", "h", "--by", "document", "--limit", "0"]).ok();
    let accepted = rows["rows"][0]["name"].as_str().unwrap().split(' ').next().unwrap().to_string();
    world.run(&["prove", &accepted, "--home", "h", "--out", "kept.json"]).ok();
    let shown = verify(&world, "kept.json").ok();
    assert_eq!((&shown["verdict"], &shown["witnessed"], &shown["opened"]), (&"accepted".into(), &1.into(), &false.into()));
    assert!(shown["shard"].as_u64() > shown["acceptance"].as_u64());
    world.run(&["prove", &accepted, "--home", "h", "--open", "--out", "open.json"]).ok();
    assert_eq!(verify(&world, "open.json").ok()["opened"], true);

    // The copy's proof says of which document, and that it was dropped for it.
    let zoe = (0..40).find(|entry| {
        let ran = world.run(&["prove", &format!("{entry}/3"), "--home", "h", "--out", "dropped.json"]);
        ran.code == Some(0) && ran.json["verdict"] == "exact"
    });
    let dropped = verify(&world, "dropped.json").ok();
    assert_eq!((&dropped["verdict"], &dropped["shard"]), (&"exact".into(), &Value::Null), "entry {zoe:?}");
    assert!(dropped["of"].as_str().unwrap().ends_with("/3"));

    // No altered byte is accepted.
    for name in ["kept.json", "dropped.json", "open.json"] {
        let whole = fs::read(world.path(name)).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 60) {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            world.write("altered.json", &altered);
            let ran = verify(&world, "altered.json");
            // A cosignature may be spoilt without spoiling the proof; then nobody is said to have witnessed it.
            assert!(ran.code == Some(3) || ran.json["witnessed"] == 0, "{name}, byte {at}: {}", ran.json);
        }
    }
    world.run(&["init", "--home", "other", "--origin", "quickstart.assay.invalid/log"]).ok();
    world.run(&["verify-proof", "kept.json", "--vkey", "other/log.vkey"]).fails(3, &["no signature by"]);
    world.run(&["prove", "0/0", "--home", "h"]).fails(2, &["no submission"]);
    world.run(&["prove", &accepted.replace('/', "/99"), "--home", "h"]).fails(2, &["documents"]);
}

#[test]
fn a_receipt_shows_a_log_that_was_rewritten_behind_its_holder_s_back() {
    let world = World::new();
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    for name in ["anna", "bert"] {
        world.run(&["contributor", "add", name, "--home", "h"]).ok();
    }
    world.run(&["epoch", "open", "--home", "h", "--pool-minor", "1000", "--target", "target"]).ok();
    // The operator keeps a copy, which it carries to a machine that remembers nothing.
    let copied = std::process::Command::new("cp").args(["-r", "h", "copy"]).current_dir(world.dir.path()).status().unwrap();
    assert!(copied.success());
    let receipt = world.run(&["submit", "anna", "from/anna", "--home", "h", "--now", NOW]).ok()["receipt"].as_str().unwrap().to_string();
    fs::create_dir(world.path("mine")).unwrap();
    fs::copy(world.path(&receipt), world.path("mine/anna.tlog-proof")).unwrap();
    let audit = |home: &str| world.run(&["audit", "--home", home, "--receipts", "mine"]);
    let honest = audit("h").ok();
    assert!(honest["audit"]["checks"].as_array().unwrap().iter().any(|c| c["name"] == "receipts" && c["findings"] == 0), "{honest}");

    let elsewhere = |args: &[&str]| world.command(args).env("XDG_STATE_HOME", world.path("elsewhere")).output().unwrap();
    audit("copy").fails(3, &["receipt", "anna.tlog-proof", "was signed, the log has"]);
    // Somebody else is let in before; the rewritten log is as long and consistent in itself.
    for name in ["bert", "anna"] {
        let ran = elsewhere(&["submit", name, &format!("from/{name}"), "--home", "copy", "--now", NOW]);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    assert_eq!(world.run(&["audit", "--home", "copy"]).ok()["audit"]["ok"], true);
    audit("copy").fails(3, &["receipt", "anna.tlog-proof", "with root"]);
    // A receipt of another log, and a damaged one.
    world.write("mine/anna.tlog-proof", "c2sp.org/tlog-proof@v1\nindex 0\n");
    audit("h").fails(3, &["no empty line"]);
}
