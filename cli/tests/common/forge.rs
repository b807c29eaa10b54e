//! An operator that rewrites its own log: it has every key, its witness' included.

use std::fs;
use std::ops::Range;
use std::path::Path;

use ledger::entry::{Entry, Replay, ReplayOutcome, RunClose, RunProgress};
use ledger::tree_head::draw_seed;
use ledger::{Envelope, SecretKey, WitnessPolicy};
use store::{Objects, Sequencer, Witness};

use super::World;

/// What an entry says.
pub fn entry_of(bytes: &[u8]) -> Entry {
    Entry::from_payload(&Envelope::from_bytes(bytes).unwrap().payload).unwrap()
}

/// The operator's keys, and a log that goes on from the first `keep` entries of a home's.
pub fn rewrite(home: &std::path::Path, keep: usize) -> (Sequencer, SecretKey, Vec<Vec<u8>>) {
    let key = |role: &str| SecretKey::from_text(&fs::read_to_string(home.join(format!("keys/{role}.key"))).unwrap()).unwrap();
    let open = |log: &str| {
        let witness = Witness::new(key("witness"), &home.join(format!("state/witness-{log}")));
        Sequencer::open(&home.join(log), &home.join(format!("state/lock-{log}")), key("log"), witness, None, 1).unwrap()
    };
    let entries = {
        let log = open("log");
        log.entries(0..log.size()).unwrap()
    };
    let mut sequencer = open("forged");
    for entry in &entries[..keep] {
        sequencer.append(std::slice::from_ref(entry), 1).unwrap();
    }
    (sequencer, key("operator"), entries)
}

/// Puts the forged log in the place of the home's.
fn take_place(home: &Path) {
    fs::remove_dir_all(home.join("log")).unwrap();
    fs::rename(home.join("forged"), home.join("log")).unwrap();
    fs::rename(home.join("state/witness-forged"), home.join("state/witness")).unwrap();
    // The operator owns its machine: it removes what would tell it that this is another log.
    fs::remove_file(home.join("state/lock.pending")).unwrap();
    fs::remove_file(home.join("index.db")).unwrap();
}

/// Rewrites the log of the home `h` up to the first entry that `forge` alters, which ends it: what comes after is for the commands to do.
/// Returns the indexes of the entries that went through it.
pub fn end_with(world: &World, forge: impl Fn(&Objects, &Entry) -> Option<Entry>) -> Range<u64> {
    let home = world.path("h");
    let (_, _, entries) = rewrite(&home, 0);
    fs::remove_dir_all(home.join("forged")).ok();
    let objects = Objects::new(&home.join("objects"));
    let altered = entries.iter().position(|e| forge(&objects, &entry_of(e)).is_some()).expect("an entry to alter");
    let (mut log, operator, entries) = rewrite(&home, altered);
    let mut end = altered as u64;
    // All of one kind that follow each other, so that a stage is forged as a whole.
    for bytes in &entries[altered..] {
        let Some(forged) = forge(&objects, &entry_of(bytes)) else { break };
        // What is left as it was keeps its signatures, which may be others' than the operator's.
        let same = forged == entry_of(bytes);
        let signed = Envelope::sign(forged.to_payload().unwrap(), &[&operator]).to_bytes().unwrap();
        log.append(&[if same { bytes.clone() } else { signed }], 2).unwrap();
        end += 1;
    }
    drop(log);
    take_place(&home);
    altered as u64..end
}

/// Rewrites the log of the quickstart in `h` from the first progress entry on: `forge` alters each entry, the
/// operator, the log and the witness sign them anew, and the pool is settled on the result.
pub fn forge(world: &World, forge: impl Fn(&Objects, Entry) -> Entry) {
    let home = world.path("h");
    let entry_of = |bytes: &[u8]| Entry::from_payload(&Envelope::from_bytes(bytes).unwrap().payload).unwrap();
    let (_, _, entries) = rewrite(&home, 0);
    fs::remove_dir_all(home.join("forged")).ok();
    let first = entries.iter().position(|e| matches!(entry_of(e), Entry::RunProgress(_))).unwrap();
    let (mut log, operator, entries) = rewrite(&home, first);
    let objects = Objects::new(&home.join("objects"));
    let policy = WitnessPolicy::from_text(&fs::read_to_string(home.join("witness-policy")).unwrap()).unwrap();
    let mut heads: Vec<String> = Vec::new();
    let mut drawn = None;
    for bytes in &entries[first..] {
        let forged = match forge(&objects, entry_of(bytes)) {
            Entry::RunProgress(e) => RunProgress { drawn_from: heads.last().cloned(), ..e }.into(),
            Entry::RunClose(e) => RunClose { drawn_from: heads.last().cloned(), ..e }.into(),
            // The window that the forged log draws from its first interval.
            Entry::Replay(e) => Replay { windows: vec![drawn.unwrap()], outcome: ReplayOutcome::BitEqual, ..e }.into(),
            other @ Entry::Attribution(_) => other,
            _ => break,
        };
        let envelope = Envelope::sign(forged.to_payload().unwrap(), &[&operator]);
        log.append(&[envelope.to_bytes().unwrap()], 2).unwrap();
        if let Entry::RunProgress(e) = forged {
            let note = log.signed_head().unwrap();
            let seed = draw_seed(note, &policy).unwrap();
            drawn = drawn.or(Some(u64::from_be_bytes(seed.0[..8].try_into().unwrap()) % e.windows));
            heads.push(note.to_text());
        }
    }
    drop(log);
    take_place(&home);
    world.run(&["reward", "--home", "h", "--now", super::NOW]).ok();
}
