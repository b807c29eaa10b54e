//! The worked bytes of `docs/ledger-format.md`: `cargo run --release -p ledger --example format` prints them.

#[path = "../tests/common/mod.rs"]
mod common;

fn main() {
    print!("{}", common::worked_bytes());
}
