//! An operator that cheats, with all its keys and its own witness: what the audit says.
//!
//! Altered tables and checkpoints are in `tampering`, a backdated commitment against somebody's receipt in `proofs`.

mod common;

use std::fs;

use common::World;
use common::forge::end_with;
use corpus::canonical;
use corpus::verdict::{Verdict, VerdictTable};
use ledger::entry::{Acceptance, Draw, Entry, Reveal, WithdrawalEffect};
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
fn targets_chosen_after_the_draw_are_found() {
    let world = World::new();
    world.quickstart("h", &[]).ok();
    // Pricing and control change places.
    end_with(&world, |objects, entry| {
        let Entry::Draw(e) = entry else { return None };
        let mut targets: Value = canonical::from_slice(&objects.get(Class::Public, &e.targets).unwrap()).unwrap();
        let (pricing, control) = (targets["pricing"].take(), targets["control"].take());
        targets["pricing"] = control;
        targets["control"] = pricing;
        let targets = objects.put(Class::Public, &canonical::to_vec(&targets).unwrap()).unwrap();
        Some(Draw { targets, pricing: e.control, control: e.pricing, ..e.clone() }.into())
    });
    world.quickstart("h", &[]);
    assert!(findings(&world, "0").iter().any(|f| f.starts_with("draw-targets")));
}

#[test]
fn a_held_out_hit_that_does_not_open_is_found() {
    let world = World::new();
    // One of the contributors' documents is a held-out one.
    let held_out = fs::read_to_string(world.path("target/east/a.txt")).unwrap();
    world.lines("from/dora/leak.jsonl", [held_out, common::prose(777, 40)].into_iter(), "MIT");
    let result = world.quickstart("h", &[]).ok();
    assert_eq!(common::row(&result, "dora")["accepted"], 1);
    end_with(&world, |objects, entry| {
        let Entry::Reveal(e) = entry else { return None };
        let mut openings: Value = canonical::from_slice(&objects.get(Class::Public, &e.openings).unwrap()).unwrap();
        let matched = openings[0]["matched"].as_u64().unwrap();
        openings[0]["matched"] = (matched - 1).into();
        let openings = objects.put(Class::Public, &canonical::to_vec(&openings).unwrap()).unwrap();
        Some(Reveal { openings, ..e.clone() }.into())
    });
    assert!(findings(&world, "0").iter().any(|f| f.starts_with("held-out-openings")));
}

/// A home with three imports that is ready to train; `open` are more arguments of its opening.
fn ready(world: &World, open: &[&str]) {
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    let opening = ["epoch", "open", "--home", "h", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"];
    world.run(&[&opening[..], open].concat()).ok();
    for name in ["anna", "bert", "cleo"] {
        world.run(&["import", "--home", "h", "--source", name, "--for", name, &format!("from/{name}")]).ok();
    }
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world.run(&["ingest", "--home", "h", "--vocabulary", "400"]).ok();
}

#[test]
fn of_several_runs_the_favourable_one_cannot_be_settled_unseen() {
    let world = World::new();
    ready(&world, &[]);
    world.run(&["train", "--home", "h", "tiny.toml"]).ok();
    world.write("other.toml", common::TINY.replace("lr = 3e-3", "lr = 2e-3"));
    world.run(&["train", "--home", "h", "other.toml"]).ok();
    world.run(&["replay", "--home", "h", "--run", "1"]).ok();
    world.run(&["reward", "--home", "h", "--run", "1"]);
    let found = findings(&world, "0");
    assert!(found.iter().any(|f| f.starts_with("run-passed-over run 0")), "{found:?}");
}

#[test]
fn shares_of_a_file_are_those_that_the_policy_named_before() {
    let strata = "[[stratum]]\nname = \"lines\"\nsources = [\"*\"]\n";
    for named in [true, false] {
        let world = World::new();
        world.write("strata.toml", strata);
        world.write("weights.toml", "lines = 2.0\n");
        let more: &[&str] = if named { &["--strata", "strata.toml", "--shares", "weights.toml"] } else { &["--strata", "strata.toml"] };
        ready(&world, more);
        world.write("weighted.toml", format!("{}\n[sampling]\nweights = \"file\"\nfile = \"weights.toml\"\n", common::TINY));
        world.run(&["train", "--home", "h", "weighted.toml"]).ok();
        world.run(&["replay", "--home", "h", "--run", "0"]).ok();
        world.run(&["reward", "--home", "h", "--run", "0"]);
        if named {
            assert_eq!(world.audit("h", "0").ok()["audit"]["ok"], true);
        } else {
            assert!(findings(&world, "0").iter().any(|f| f.starts_with("run-weights")));
        }
    }
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

#[test]
fn a_withdrawal_excuses_nothing_but_what_was_withdrawn() {
    let world = World::new();
    world.quickstart("h", &[]).ok();
    let (submission, document) = world.own_document("h");
    world.run(&["withdraw", "--home", "h", &submission, &document, "--now", common::NOW]).ok();
    // For consent too: that takes nothing more out of the corpus.
    assert!(std::process::Command::new("cp").arg("-r").args([world.path("h"), world.path("g")]).status().unwrap().success());
    world.run(&["withdraw", "--home", "g", &submission, &document, "--consent", "--now", common::NOW]).ok();
    assert_eq!(world.audit("g", "1").ok()["audit"]["ok"], true);
    // The operator says that somebody else's shard went with it.
    let other = Objects::new(&world.path("h/objects"))
        .list()
        .unwrap()
        .into_iter()
        .find(|p| {
            let shard = corpus::shard::Shard::decode(&fs::read(world.path("h/objects").join(p)).unwrap());
            p.starts_with("sealed") && shard.is_ok_and(|s| s.documents.iter().all(|d| d.document.submission.to_string() != submission))
        })
        .unwrap();
    let digest = other.file_name().unwrap().to_str().unwrap().to_string();
    end_with(&world, |objects, entry| {
        let Entry::WithdrawalEffect(e) = entry else { return None };
        let mut said: Value = canonical::from_slice(&objects.get(Class::Public, &e.consequences).unwrap()).unwrap();
        said["destroyed"].as_array_mut().unwrap().push(serde_json::json!({ "name": "shard", "digest": digest }));
        let consequences = objects.put(Class::Public, &canonical::to_vec(&said).unwrap()).unwrap();
        Some(WithdrawalEffect { consequences, ..e.clone() }.into())
    });
    assert!(findings(&world, "0").iter().any(|f| f.starts_with("withdrawal-destroyed") && f.contains(&digest)));
    fs::remove_file(world.path("h/objects").join(&other)).unwrap();
    assert!(findings(&world, "0").iter().any(|f| f.starts_with("object-there")));
}
