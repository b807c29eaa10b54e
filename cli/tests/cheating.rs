//! An operator that cheats, with all its keys and its own witness: what the command says. And what a withdrawal destroys in a home.
//!
//! Each rule of the audit has its cheat in `audit/tests`, over an archive in memory; a backdated commitment against somebody's receipt is
//! in `proofs`.

mod common;

use std::fs;

use common::World;
use common::forge::end_with;
use corpus::verdict::{Verdict, VerdictTable};
use ledger::entry::{Acceptance, Entry};
use serde_json::Value;
use store::{Class, Objects};

fn findings(world: &World, replay: &str) -> Vec<String> {
    let audit = world.audit("h", replay);
    assert_eq!(audit.code, Some(3), "{} {}", audit.json, audit.stderr);
    let found = audit.json["audit"]["findings"].as_array().unwrap().iter();
    found.map(|f| format!("{} {}", f["rule"].as_str().unwrap(), f["text"].as_str().unwrap())).collect()
}

#[test]
fn a_contributor_whose_rows_are_left_out_is_found_by_judging_again() {
    let world = World::new();
    world.quickstart("h", &[]).ok();
    assert_eq!(world.audit("h", "0").ok()["audit"]["ok"], true);
    // The second contributor's licence is suddenly not known, and everything after follows from that.
    let seen = std::cell::Cell::new(0);
    end_with(&world, |objects, entry| {
        let Entry::Acceptance(e) = entry else { return None };
        seen.set(seen.get() + 1);
        let mut table = VerdictTable::decode(&objects.get(Class::Public, &e.verdicts).unwrap()).unwrap();
        let left_out = e.counts.get("accepted").copied().unwrap_or(0) == table.rows.len() as u64 && table.submission.0 % 2 == 1;
        if left_out {
            table.rows.iter_mut().for_each(|row| row.decision.verdict = Verdict::UnknownLicence);
        }
        let counts = Verdict::ALL.iter().map(|v| (v.code().to_string(), table.count(*v))).filter(|(_, n)| *n > 0).collect();
        let (accepted_root, rejected_root) = table.roots();
        let verdicts = objects.put(Class::Public, &table.encode().unwrap()).unwrap();
        let (largest_cluster, novel_words) = if left_out { (0, 0) } else { (e.largest_cluster, e.novel_words) };
        Some(Acceptance { verdicts, counts, accepted_root, rejected_root, largest_cluster, novel_words, ..e.clone() }.into())
    });
    let again = world.quickstart("h", &[]);
    assert_eq!(again.code, Some(3), "{}", again.json);
    let found = findings(&world, "0");
    assert!(found.iter().all(|f| f.starts_with("verdict document")), "{found:?}");
    assert!(found.iter().any(|f| f.contains("licence-unknown") && f.contains("judged again accepted")), "{found:?}");
}

#[test]
fn what_was_withdrawn_is_destroyed_and_neither_passes_nor_fails() {
    let world = World::new();
    world.quickstart("h", &[]).ok();
    let (submission, document) = world.own_document("h");
    let text = |world: &World| {
        let found = world.run(&["prove", "--home", "h", &document, "--open", "--out", "proof.json"]);
        (found.code, found.stderr)
    };
    assert_eq!(text(&world).0, Some(0));
    let proof = fs::read_to_string(world.path("proof.json")).unwrap();
    let opened: Value = serde_json::from_str(&proof).unwrap();
    let (words, salt) = (opened["opening"]["text"].as_str().unwrap().to_string(), opened["opening"]["salt"].as_str().unwrap().to_string());
    let done = world.run(&["withdraw", "--home", "h", &submission, &document, "--consent", "--now", common::NOW]).ok();
    assert!(done["consequences"]["runs"].as_array().unwrap().contains(&0.into()), "{done}");
    // Nowhere in the home: Parquet packs texts, so every table that can be read is read.
    let objects = Objects::new(&world.path("h/objects"));
    for path in objects.list().unwrap() {
        let bytes = fs::read(world.path("h/objects").join(&path)).unwrap();
        if let Ok(shard) = corpus::shard::Shard::decode(&bytes) {
            assert!(shard.documents.iter().all(|d| d.text != words && d.salt.to_string() != salt), "{}", path.display());
        }
        if let Ok(bundle) = corpus::bundle::Bundle::decode(&bytes) {
            assert!(bundle.prepare().all(|p| p.text != words && p.salt.to_string() != salt), "{}", path.display());
        }
    }
    assert_eq!(text(&world).0, Some(1), "the text is still there");
    let audit = world.audit("h", "1").ok();
    assert_eq!(audit["audit"]["ok"], true, "{audit}");
    assert!(audit["audit"]["level"].as_str().unwrap().contains("unverifiable: withdrawn"), "{audit}");
    // Again is nothing new, somebody else's is refused, and what is left trains on.
    world.run(&["withdraw", "--home", "h", &submission, &document, "--consent"]).fails(1, &["taken back before"]);
    world.run(&["withdraw", "--home", "h", "0"]).fails(2, &["no submission"]);
    world.run(&["withdraw", "--home", "h", &submission, &format!("{submission}/99")]).fails(2, &["submission"]);
    world.run(&["withdraw", "--home", "h", &submission, "--now", common::NOW]).ok();
    assert_eq!(world.audit("h", "1").ok()["audit"]["ok"], true);
    let trace = world.run(&["trace", "--home", "h", &document, "--proofs", "hops"]).ok();
    assert!(trace["hops"].as_array().unwrap().iter().any(|h| h["what"] == "withdrawn"), "{trace}");
    for hop in trace["hops"].as_array().unwrap() {
        let n = hop["entry"].as_u64().unwrap();
        world.run(&["verify-proof", &format!("hops/{n}.tlog-proof"), "--entry", &format!("hops/{n}.json"), "--vkey", "h/log.vkey"]).ok();
    }
    // The bytes of a kept shard that was withdrawn are a finding.
    let gone = done["consequences"]["destroyed"][0]["digest"].as_str().unwrap();
    world.write(&format!("h/objects/sealed/{gone}"), "back again");
    world.audit("h", "0").fails(3, &["withdrawn-kept", gone]);
}
