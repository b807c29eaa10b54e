//! The format page holds the bytes that the code writes.

mod common;

#[test]
fn the_format_page_has_every_kind_s_bytes() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ledger-format.md")).unwrap();
    let (_, rest) = page.split_once("<!-- worked bytes begin -->\n").expect("a mark where the bytes begin");
    let (found, _) = rest.split_once("<!-- worked bytes end -->").expect("a mark where the bytes end");
    assert!(found.trim() == common::worked_bytes().trim(), "cargo run --release -p ledger --example format gives other bytes");
}
