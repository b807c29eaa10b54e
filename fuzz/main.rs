//! The fuzzer: libFuzzer around the target that `--target=NAME` names; `--list` prints the names.
//!
//! libFuzzer passes over arguments that begin with two dashes, and hands them on to processes that it starts. One program for all
//! targets is linked once, and needs no second list of them.

#![no_main]

mod targets;

use std::sync::OnceLock;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

/// The target of this process.
fn chosen() -> fn(&[u8]) {
    let targets = targets::all();
    if std::env::args().any(|a| a == "--list") {
        targets.iter().for_each(|(name, _)| println!("{name}"));
        std::process::exit(0);
    }
    let name = std::env::args().find_map(|a| a.strip_prefix("--target=").map(str::to_owned)).unwrap_or_default();
    targets.iter().find(|(known, _)| *known == name).map(|(_, target)| *target).unwrap_or_else(|| {
        let names: Vec<&str> = targets.iter().map(|(name, _)| *name).collect();
        eprintln!("--target={name}: there is no such target; there are {}", names.join(", "));
        std::process::exit(2)
    })
}

libfuzzer_sys::fuzz_target!(init: { TARGET.get_or_init(chosen); }, |data: &[u8]| TARGET.get_or_init(chosen)(data));
