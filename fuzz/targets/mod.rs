//! All fuzz targets: readers of bytes that anybody may send, with what has to hold whatever the bytes are.
//!
//! A target is a function in the file of its crate, and a line of that file's `TARGETS`. The fuzzer, the seeds' test
//! (`cli/tests/fuzz_seeds.rs`) and the tests on damaged seeds (`tests/untrusted.rs` of each crate) take them from there.

pub mod dedup;
pub mod ingest;
pub mod ledger;

/// Every target, with its name.
pub fn all() -> Vec<self::ledger::Target> {
    [&self::dedup::TARGETS[..], &self::ingest::TARGETS, &self::ledger::TARGETS].concat()
}
