//! Audits of worlds in memory.

// Each test uses a part of it.
#![allow(dead_code)]

use std::sync::Arc;

use audit::{Finding, Memory, Options, Report};
use corpus::EntryIndex;
use rules::listener::Silent;
use testkit::World;

/// The log and the objects of a world.
pub fn memory(world: &World) -> Memory {
    Memory { log: world.verifier(), head: world.head(), entries: world.entries().to_vec(), objects: Arc::new(world.objects.clone()) }
}

/// An audit at the world's time, with so many windows replayed of each run.
pub fn replaying(world: &World, windows: usize) -> Report {
    let options = Options { replay: windows, ..Options::new(world.now) };
    audit::run_in_memory(&memory(world), &options, &Silent).expect("an audit that is carried out")
}

/// An audit at the world's time, of everything but replays.
pub fn audited(world: &World) -> Report {
    replaying(world, 0)
}

/// Nothing is found.
#[track_caller]
pub fn clean(world: &World) {
    let report = audited(world);
    assert!(report.ok, "{:?}", report.findings);
}

/// The first finding of a rule.
#[track_caller]
pub fn finding(report: &Report, rule: &str) -> Finding {
    let found = report.findings.iter().find(|f| f.rule == rule);
    found.unwrap_or_else(|| panic!("{rule} is not in {:?}", report.findings)).clone()
}

/// The audit of a world has a finding of this rule, about this entry.
#[track_caller]
pub fn found_at(world: &World, rule: &str, at: EntryIndex) {
    assert_eq!(finding(&audited(world), rule).index, Some(at), "{rule}");
}
