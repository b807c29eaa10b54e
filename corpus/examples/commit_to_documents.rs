//! Commits to two documents with one root, and proves that one of them is under it without showing the other.
//!
//! `cargo run --release -p corpus --example commit_to_documents`

use corpus::bundle::{Bundle, Submitted};
use corpus::merkle::{Tree, leaf_hash, verify_inclusion};

fn main() {
    let document = |source: &str, text: &str| Submitted {
        source: source.to_string(),
        licence: "MIT".to_string(),
        text: text.to_string(),
        answer_at: None,
        reservation: None,
    };
    // The salts derive from a secret of the contributor's, so a commitment says nothing about a text that somebody guesses.
    let bundle = Bundle::new(&[7; 32], 0, vec![document("a.txt", "The quick brown fox."), document("b.txt", "A lazy dog.")]);
    let commitments: Vec<_> = bundle.prepare().map(|d| d.commitment).collect();
    let tree = Tree::of(commitments.iter().map(|c| leaf_hash(&c.0)));
    let (root, size) = (tree.root(tree.size()), tree.size());
    assert_eq!(root, bundle.root());
    let path = tree.inclusion_proof(1, size);
    println!("root {root} over {size} documents");
    println!("document 1 is under it: {}", verify_inclusion(&leaf_hash(&commitments[1].0), 1, size, &path, &root));
    println!("document 0 is not at its place: {}", !verify_inclusion(&leaf_hash(&commitments[0].0), 1, size, &path, &root));
}
