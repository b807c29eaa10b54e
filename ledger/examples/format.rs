//! The worked bytes of `docs/ledger-format.md`: prints them, or with the page's path writes them into it.
//!
//! `cargo run --release -p ledger --example format -- docs/ledger-format.md`

#[path = "../tests/common/mod.rs"]
mod common;

const MARKS: [&str; 2] = ["<!-- worked bytes begin -->\n", "<!-- worked bytes end -->"];

fn main() {
    let bytes = common::worked_bytes();
    let Some(path) = std::env::args().nth(1) else {
        print!("{bytes}");
        return;
    };
    let page = std::fs::read_to_string(&path).expect("a page");
    let (head, rest) = page.split_once(MARKS[0]).expect("a mark where the bytes begin");
    let (_, tail) = rest.split_once(MARKS[1]).expect("a mark where the bytes end");
    std::fs::write(&path, format!("{head}{}\n{bytes}{}{tail}", MARKS[0], MARKS[1])).expect("a page that can be written");
}
