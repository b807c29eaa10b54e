//! Untrusted bytes: damaged and random input never panics, and what is accepted is written as it was.

#[path = "../fuzz/targets.rs"]
mod targets;

mod common;

use common::{STORY, World};
use ledger::{EntryProof, Note, witness::AddCheckpoint};

/// The reader of some bytes.
type Target = fn(&[u8]);

/// Bytes that are read well, with the reader for them.
fn seeds() -> Vec<(Target, Vec<u8>)> {
    let mut w = World::new();
    let mut seeds: Vec<(Target, Vec<u8>)> = Vec::new();
    for (_, entry) in STORY {
        let envelope = entry(&w);
        w.push(envelope.clone()).unwrap();
        let bytes = envelope.to_bytes().unwrap();
        seeds.push((targets::canonical_json, envelope.payload.clone()));
        seeds.push((targets::canonical_json, bytes.clone()));
        seeds.push((targets::envelope, bytes));
    }
    let note: Note = w.tree_head(5);
    seeds.push((targets::note, note.to_text().into_bytes()));
    seeds.push((targets::checkpoint, note.text.clone().into_bytes()));
    for path in ["tile/0/000", "tile/entries/x001/x234/067.p/8", "tile/3/999.p/255"] {
        seeds.push((targets::tile_path, path.as_bytes().to_vec()));
    }
    seeds.push((targets::tile_path, vec![0, 3, 1, 2, 3, 0, 0, 0, 1, 9]));
    let proof = EntryProof { index: 3, path: vec![common::digest("a"), common::digest("b")], note: note.clone() };
    seeds.push((targets::proof, proof.to_text().into_bytes()));
    let request = AddCheckpoint { old: 2, path: vec![common::digest("c")], note };
    seeds.push((targets::witness, request.to_text().into_bytes()));
    seeds.push((targets::witness, w.policy(&[&w.home, &w.far]).into_bytes()));
    seeds
}

#[test]
fn damaged_bytes_never_panic_and_what_is_accepted_is_written_as_it_was() {
    let mut state = 0x5eed_u64;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n.max(1)
    };
    for (target, seed) in seeds() {
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
