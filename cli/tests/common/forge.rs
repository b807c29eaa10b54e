//! An operator that rewrites its own log: it has every key, its witness' included.

use std::fs;
use std::path::Path;

use ledger::entry::Entry;
use ledger::{Envelope, SecretKey};
use store::{Objects, Sequencer, Witness};

use super::World;

/// What an entry says.
fn entry_of(bytes: &[u8]) -> Entry {
    Entry::from_payload(&Envelope::from_bytes(bytes).unwrap().payload).unwrap()
}

/// The operator's keys, and a log that goes on from the first `keep` entries of a home's.
fn rewrite(home: &Path, keep: usize) -> (Sequencer, SecretKey, Vec<Vec<u8>>) {
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
pub fn end_with(world: &World, forge: impl Fn(&Objects, &Entry) -> Option<Entry>) {
    let home = world.path("h");
    let (_, _, entries) = rewrite(&home, 0);
    fs::remove_dir_all(home.join("forged")).ok();
    let objects = Objects::new(&home.join("objects"));
    let altered = entries.iter().position(|e| forge(&objects, &entry_of(e)).is_some()).expect("an entry to alter");
    let (mut log, operator, entries) = rewrite(&home, altered);
    // All of one kind that follow each other, so that a stage is forged as a whole.
    for bytes in &entries[altered..] {
        let Some(forged) = forge(&objects, &entry_of(bytes)) else { break };
        // What is left as it was keeps its signatures, which may be others' than the operator's.
        let same = forged == entry_of(bytes);
        let signed = Envelope::sign(forged.to_payload().unwrap(), &[&operator]).to_bytes().unwrap();
        log.append(&[if same { bytes.clone() } else { signed }], 2).unwrap();
    }
    drop(log);
    take_place(&home);
}
