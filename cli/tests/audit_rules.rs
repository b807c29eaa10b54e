//! The audit's own rules, each with an entry that the operator altered and signed anew: the finding has the rule and the entry.

mod common;

use std::fs;
use std::process::Command;

use common::World;
use common::forge::end_with;
use corpus::bundle::{Bundle, Parts};
use corpus::shard::Shard as ShardFile;
use corpus::verdict::VerdictTable;
use corpus::{Digest, canonical};
use ledger::entry::ReplayOutcome;
use ledger::entry::*;
use store::{Class, Objects};

type Forge = fn(&Objects, &Entry) -> Option<Entry>;

/// A shard's file altered, with an entry that fits it.
fn reshard(objects: &Objects, e: &Shard, alter: impl Fn(&mut ShardFile)) -> Entry {
    let mut shard = ShardFile::decode(&objects.get(Class::Sealed, &e.file).unwrap()).unwrap();
    alter(&mut shard);
    let file = objects.put(Class::Sealed, &shard.encode().unwrap()).unwrap();
    Shard { file, tokens: shard.tokens(), document_root: shard.document_root(), ..e.clone() }.into()
}

/// Rules whose cases alter nothing and end the log.
const ENDS_EARLY: [&str; 5] = ["reveal-missing", "run-attributed", "run-closed", "shard-missing", "withdrawal-open"];

const CASES: &[(&str, Forge)] = &[
    ("pool-root", |_, e| match e {
        Entry::EpochOpen(e) => Some(EpochOpen { pool_root: Digest::of(b"other"), ..e.clone() }.into()),
        _ => None,
    }),
    ("unreadable", |objects, e| match e {
        Entry::Acceptance(e) => {
            let verdicts = objects.put(Class::Public, b"no table").unwrap();
            Some(Acceptance { verdicts, ..e.clone() }.into())
        }
        _ => None,
    }),
    ("acceptance-table", |_, e| match e {
        Entry::Acceptance(e) => Some(Acceptance { accepted_root: Digest::of(b"other"), ..e.clone() }.into()),
        _ => None,
    }),
    ("acceptance-table", |objects, e| match e {
        Entry::Acceptance(e) => {
            let mut table = VerdictTable::decode(&objects.get(Class::Public, &e.verdicts).unwrap()).unwrap();
            table.rows[0].commitment = Digest::of(b"another document");
            let (accepted_root, rejected_root) = table.roots();
            let verdicts = objects.put(Class::Public, &table.encode().unwrap()).unwrap();
            Some(Acceptance { verdicts, accepted_root, rejected_root, ..e.clone() }.into())
        }
        _ => None,
    }),
    ("acceptance-clusters", |_, e| match e {
        Entry::Acceptance(e) => Some(Acceptance { novel_words: e.novel_words + 1, ..e.clone() }.into()),
        _ => None,
    }),
    ("acceptance-parameters", |_, e| match e {
        Entry::Acceptance(e) => Some(Acceptance { parameters: e.verdicts, ..e.clone() }.into()),
        _ => None,
    }),
    ("shard-missing", |_, e| matches!(e, Entry::Acceptance(_)).then(|| e.clone())),
    ("shard-file", |_, e| match e {
        Entry::Shard(e) => Some(Shard { tokens: e.tokens + 1, ..e.clone() }.into()),
        _ => None,
    }),
    ("shard-documents", |objects, e| match e {
        Entry::Shard(e) => Some(reshard(objects, e, |s| s.documents.last_mut().unwrap().document.number += 100)),
        _ => None,
    }),
    ("shard-tokens", |objects, e| match e {
        Entry::Shard(e) => Some(reshard(objects, e, |s| s.documents[0].tokens[0] ^= 1)),
        _ => None,
    }),
    ("run-closed", |_, e| matches!(e, Entry::RunProgress(_)).then(|| e.clone())),
    ("run-attributed", |_, e| matches!(e, Entry::RunClose(_)).then(|| e.clone())),
    ("close-losses", |_, e| match e {
        Entry::RunClose(e) => Some(RunClose { loss_end: e.loss_end - 1_000_000, ..e.clone() }.into()),
        Entry::Attribution(_) => Some(e.clone()),
        _ => None,
    }),
    ("attribution-totals", |_, e| match e {
        Entry::Attribution(e) => Some(Attribution { drop: e.drop + 1_000_000, ..e.clone() }.into()),
        _ => None,
    }),
    ("documents-table", |_, e| match e {
        Entry::Attribution(e) => Some(Attribution { document_rows: e.document_rows + 1, ..e.clone() }.into()),
        _ => None,
    }),
    ("replay-differs", |_, e| match e {
        Entry::Replay(e) => Some(Replay { outcome: ReplayOutcome::Differs, ..e.clone() }.into()),
        _ => None,
    }),
    // Of the two windows of an interval one is drawn, and which depends on the build.
    ("replay-drawn", |_, e| match e {
        Entry::Replay(e) => Some(Replay { windows: (0..4).collect(), ..e.clone() }.into()),
        _ => None,
    }),
    ("reveal-missing", |_, e| matches!(e, Entry::Statements(_)).then(|| e.clone())),
    ("rewards-sum", |_, e| match e {
        Entry::Statements(e) => Some(Statements { accrued_minor: e.accrued_minor - 1, ..e.clone() }.into()),
        _ => None,
    }),
    ("rewards", |objects, e| match e {
        Entry::Statements(e) => {
            let rewards = String::from_utf8(objects.get(Class::Public, &e.rewards).unwrap()).unwrap();
            let rewards = objects.put(Class::Public, rewards.replacen("\"run\":0", "\"run\":7", 1).as_bytes()).unwrap();
            Some(Statements { rewards, ..e.clone() }.into())
        }
        _ => None,
    }),
    ("statement-root", |_, e| match e {
        Entry::Statements(e) => Some(Statements { root: Digest::of(b"other"), ..e.clone() }.into()),
        _ => None,
    }),
    ("withdrawal-open", |_, e| matches!(e, Entry::Withdrawal(_)).then(|| e.clone())),
    ("withdrawal-runs", |_, e| match e {
        Entry::WithdrawalEffect(e) => Some(WithdrawalEffect { runs: e.runs + 1, ..e.clone() }.into()),
        _ => None,
    }),
];

#[test]
fn every_altered_entry_is_found_by_its_rule_and_index() {
    let world = World::new();
    world.quickstart("template", &[]).ok();
    let (submission, document) = world.own_document("template");
    world.run(&["withdraw", "--home", "template", &submission, &document, "--now", common::NOW]).ok();
    assert_eq!(world.audit("template", "0").ok()["audit"]["ok"], true);
    let copy = || {
        fs::remove_dir_all(world.path("h")).ok();
        assert!(Command::new("cp").arg("-r").args([world.path("template"), world.path("h")]).status().unwrap().success());
    };
    let mut elsewhere = Vec::new();
    for (rule, forge) in CASES {
        copy();
        let altered = end_with(&world, forge);
        let audit = world.audit("h", "0");
        assert_eq!(audit.code, Some(3), "{rule}: {} {}", audit.json, audit.stderr);
        let findings = audit.json["audit"]["findings"].as_array().unwrap();
        let this = findings.iter().find(|f| f["rule"] == *rule).unwrap_or_else(|| panic!("{rule} is not in {findings:?}"));
        // Where the log ends too early, the finding names the entry that something is missing for.
        let expected = if ENDS_EARLY.contains(rule) { 0..altered.end } else { altered };
        // What cannot be read is named by its object.
        if !this["index"].as_u64().map_or(*rule == "unreadable", |index| expected.contains(&index)) {
            elsewhere.push(format!("{rule}: expected one of {expected:?}, found {this}"));
        }
    }
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
    // What no entry is about: a file of the log, an object's bytes, a bundle that was to be redacted.
    copy();
    fs::write(world.path("h/log/tile/junk"), "x").unwrap();
    world.audit("h", "0").fails(3, &["log-files", "junk"]);
    copy();
    fs::write(world.path("h/objects/public").join(Digest::of(b"a").to_string()), "b").unwrap();
    world.audit("h", "0").fails(3, &["object-digest"]);
    copy();
    world.run(&["withdraw", "--home", "h", &submission, &submission_document(&submission, 1), "--consent", "--now", common::NOW]).ok();
    end_with(&world, |objects, e| match e {
        Entry::WithdrawalEffect(e) if e.bundle.is_some() => {
            // A bundle from which another document is missing.
            let mut parts: Parts = canonical::from_slice(&objects.get(Class::Sealed, &e.bundle.unwrap()).unwrap()).unwrap();
            let bundle = Bundle::decode(&objects.get(Class::Sealed, &parts.parts[0].file).unwrap()).unwrap();
            let other = bundle.without(&std::collections::BTreeSet::from([2]));
            parts.parts[0].file = objects.put(Class::Sealed, &other.encode().unwrap()).unwrap();
            let list = objects.put(Class::Sealed, &canonical::to_vec(&parts).unwrap()).unwrap();
            Some(WithdrawalEffect { bundle: Some(list), ..e.clone() }.into())
        }
        _ => None,
    });
    world.audit("h", "0").fails(3, &["withdrawn-documents"]);
}

fn submission_document(submission: &str, number: u32) -> String {
    format!("{submission}/{number}")
}
