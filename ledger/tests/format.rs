//! The format page holds the bytes that the code writes.

mod common;

#[test]
fn the_format_page_has_every_kind_s_bytes() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ledger-format.md")).unwrap();
    let (_, rest) = page.split_once("<!-- worked bytes begin -->\n").expect("a mark where the bytes begin");
    let (found, _) = rest.split_once("<!-- worked bytes end -->").expect("a mark where the bytes end");
    assert!(found.trim() == common::worked_bytes().trim(), "cargo run --release -p ledger --example format gives other bytes");
}

#[test]
fn a_state_that_was_kept_reads_as_it_was_written() {
    let mut world = common::World::new();
    for (_, entry) in common::STORY {
        world.push(entry(&world)).expect("the story is valid");
    }
    let bytes = postcard::to_stdvec(&world.state).unwrap();
    let read: ledger::State = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(postcard::to_stdvec(&read).unwrap(), bytes);
    // Homes keep such bytes from one command to the next, and the bytes do not say which fields they are of.
    assert_eq!(
        corpus::Digest::of(&bytes).to_string(),
        "6cfa8a4b0a7a9de7d906bc9797bd50e55f7eef47bb641ee51af8b1c707cf9584",
        "if the new bytes are meant, raise the form's number in pipeline/src/read_before.rs and put their digest here"
    );
}
