//! Windows of a run: priced by targets, marked where they stay unexplained, and computed again.

use std::collections::BTreeMap;

use ledger::entry::ReplayOutcome;
use rules::listener::Silent;
use rules::replay::replay;
use testkit::{World, documents, tiny};
use trainer::RunConfig;

/// A trained run of two contributors.
fn trained(config: &RunConfig, target_weights: &[(&str, u64)]) -> World {
    let mut world = World::new();
    world.policy.target_weights = target_weights.iter().map(|(name, weight)| (name.to_string(), *weight)).collect::<BTreeMap<_, _>>();
    for name in ["anna", "bert"] {
        world.register(name);
    }
    world.open();
    world.submit("anna", &documents(1, 3));
    world.submit("bert", &documents(2, 3));
    world.ingest();
    world.train(config);
    world
}

const EQUAL: [(&str, u64); 2] = [("east", 1), ("west", 1)];

#[test]
fn one_interval_is_replayed_when_one_is_asked_for() {
    let world = trained(&tiny(), &EQUAL);
    let replayed = replay(&world.archive, &world.state().runs[0], 1, None, &Silent).unwrap();
    assert_eq!((replayed.windows.len(), replayed.outcome), (1, ReplayOutcome::BitEqual));
    assert!(replayed.of > 1);
}

#[test]
fn windows_that_stay_unexplained_are_replayed_whatever_is_drawn() {
    let mut config = tiny();
    // A limit that nothing meets: every window is priced with quarter points and marked.
    config.attribution.residual_limit = 1e-15;
    let world = trained(&config, &EQUAL);
    let mut replayed = replay(&world.archive, &world.state().runs[0], 1, None, &Silent).unwrap();
    replayed.windows.sort_unstable();
    assert!(replayed.windows.iter().copied().eq(0..replayed.of), "{:?} of {}", replayed.windows, replayed.of);
    assert_eq!(replayed.outcome, ReplayOutcome::BitEqual);
}

#[test]
fn credit_is_the_targets_credit_by_their_weights() {
    let world = trained(&tiny(), &[("east", 1), ("west", 3)]);
    let tables = world.computed(world.last_run()).tables;
    let anna = world.id("anna");
    let of = |target: &str| -> f64 {
        let own = tables.credit.iter().filter(|r| r.credited.contributor == anna.to_string() && r.credited.target == target);
        own.map(|r| r.credited.nats).sum()
    };
    let (total, weighted) = (tables.credits()[&anna].0, 0.25 * of("east") + 0.75 * of("west"));
    assert!(of("east") != of("west") && (total - weighted).abs() < 1e-9, "{total} and {weighted}");
}
