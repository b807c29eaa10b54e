//! Untrusted bytes: damaged and random input never panics, and what is accepted is written as it was.

#[path = "../../fuzz/seeds.rs"]
mod seeds;
#[path = "../../fuzz/targets/ledger.rs"]
mod targets;

mod common;

use common::{STORY, World};
use ledger::{EntryProof, Note, witness::AddCheckpoint};

/// A seed: its target, the name of its file, and its bytes, which the target reads well.
type Seed = (&'static str, String, Vec<u8>);

/// Seeds of every target: entries of every kind, and what is about a log.
fn made() -> Vec<Seed> {
    let mut w = World::new();
    let mut made: Vec<Seed> = Vec::new();
    let mut add = |target, name: &str, bytes: Vec<u8>| made.push((target, name.to_owned(), bytes));
    for (i, (event, entry)) in STORY.iter().enumerate() {
        let envelope = entry(&w);
        w.push(envelope.clone()).unwrap();
        let name = format!("{i:02}-{}", event.replace(' ', "-"));
        add("envelope", &name, envelope.to_bytes().unwrap());
        add("canonical-json", &name, envelope.payload);
    }
    let note: Note = w.tree_head(5);
    add("note", "tree-head", note.to_text().into_bytes());
    add("checkpoint", "tree-head", note.text.clone().into_bytes());
    for (name, path) in [("hashes", "tile/0/000"), ("entries", "tile/entries/x001/x234/067.p/8"), ("partial", "tile/3/999.p/255")] {
        add("tile-path", name, path.as_bytes().to_vec());
    }
    add("tile-path", "bundle", vec![0, 3, 1, 2, 3, 0, 0, 0, 1, 9]);
    let proof = EntryProof { index: 3, path: vec![common::digest("a"), common::digest("b")], note: note.clone() };
    add("proof", "entry", proof.to_text().into_bytes());
    let request = AddCheckpoint { old: 2, path: vec![common::digest("c")], note };
    add("witness", "request", request.to_text().into_bytes());
    add("witness", "policy", w.policy(&[&w.home, &w.far]).into_bytes());
    made
}

#[test]
fn seeds_are_of_the_formats_of_today() {
    for (target, name, bytes) in made() {
        assert!(
            seeds::kept(target, &name, &bytes) == bytes,
            "fuzz/seeds/{target}/{name} has other bytes; ASSAY_WRITE_SEEDS=1 writes it anew"
        );
    }
}

#[test]
fn damaged_bytes_never_panic_and_what_is_accepted_is_written_as_it_was() {
    let mut state = 0x5eed_u64;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n.max(1)
    };
    // An envelope is canonical JSON too.
    let twice = made().into_iter().filter(|(name, ..)| *name == "envelope").map(|(_, name, seed)| ("canonical-json", name, seed));
    for (name, _, seed) in made().into_iter().chain(twice) {
        let (_, target) = targets::TARGETS.into_iter().find(|(known, _)| *known == name).expect("a target");
        target(&seed);
        for _ in 0..2000 {
            let mut bytes = seed.clone();
            for _ in 0..=next(3) {
                let at = next(bytes.len());
                match next(5) {
                    0 => bytes.truncate(at),
                    1 if at < bytes.len() => bytes[at] = next(256) as u8,
                    2 => bytes.insert(at, b" \n+0-{}[]\",:\\/A=\0\xff"[next(18)]),
                    3 if at < bytes.len() => drop(bytes.remove(at)),
                    _ => {
                        let piece: Vec<u8> = bytes[at..bytes.len().min(at + next(40))].to_vec();
                        let to = next(bytes.len());
                        bytes.splice(to..to, piece);
                    }
                }
            }
            target(&bytes);
        }
    }
}
