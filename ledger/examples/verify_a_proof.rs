//! A log of three entries, the receipt of one, and what somebody with the log's key alone finds out.
//!
//! `cargo run --release -p ledger --example verify_a_proof`

use corpus::merkle::{Tree, leaf_hash};
use ledger::key::Algorithm;
use ledger::{EntryProof, Note, SecretKey, TreeHead, Verifier};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The operator: entries under one signed tree head.
    let key = SecretKey::from_seed("log.example/corpus", Algorithm::Ed25519, &[7; 32]);
    let entries: [&[u8]; 3] = [b"first", b"second", b"third"];
    let mut tree = Tree::default();
    entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
    let head = TreeHead { origin: "log.example/corpus".into(), size: 3, root: tree.root(3) };
    let mut note = Note::new(head.to_text());
    note.sign(&key, 0);
    let receipt = EntryProof { index: 1, path: tree.inclusion_proof(1, 3), note }.to_text();
    println!("{receipt}");

    // Somebody else, later: the receipt, the entry and the log's verifier key.
    let log = Verifier::from_vkey(&key.vkey())?;
    let proof = EntryProof::from_text(&receipt)?;
    let found = proof.verify(b"second", &log)?;
    println!("entry {} is in the log {} of {} entries", proof.index, found.origin, found.size);

    // Other bytes are not.
    let refused = proof.verify(b"other", &log).expect_err("no other entry has this proof");
    println!("other bytes: {refused}");
    Ok(())
}
