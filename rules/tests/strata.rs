//! Strata in a run: sampled as declared, by a table, or after their credit; logged, and the same when it is replayed.

use std::collections::BTreeMap;

use corpus::objects::Class;
use corpus::{RunNumber, canonical};
use ledger::entry::ReplayOutcome;
use rules::earned::{Sampled, sampled, shares_of, table_of_run};
use rules::listener::Silent;
use rules::replay::replay;
use rules::shares::{ShareLog, ShareTable};
use rules::strata::of_sources;
use testkit::{Credit, World, documents, tiny};
use trainer::{RunConfig, Sampling, SamplingRule};

/// Three contributors in an epoch with two declared strata: anna's documents, and everybody else's.
fn ingested() -> World {
    let mut world = World::new();
    let anna = world.register("anna");
    for name in ["bert", "cleo"] {
        world.register(name);
    }
    let mut first = of_sources("first", &[]);
    (first.contributors, first.share, first.floor_ppm) = (vec![anna], 3, 250_000);
    world.policy.strata = vec![first, of_sources("lines", &["*.txt"])];
    world.open();
    for (seed, name) in [(1, "anna"), (2, "bert"), (3, "cleo")] {
        world.submit(name, &documents(seed, 6));
    }
    world.ingest();
    world
}

fn config(sampling: Sampling, steps: u64) -> RunConfig {
    let mut config = RunConfig { sampling: Some(sampling), ..tiny() };
    config.schedule.steps = steps;
    config
}

/// A run of 400 steps that nobody trained: what it sampled needs no training.
fn long(world: &mut World, sampling: Sampling) -> Vec<Sampled> {
    let credit = ["anna", "bert", "cleo"].map(|name| Credit { name, nats: 0.1, spread: 0.0 });
    let run = world.run_configured(&config(sampling, 400), &credit);
    sampled(&world.archive, world.state().run(run).unwrap()).unwrap()
}

fn of<'s>(sampled: &'s [Sampled], stratum: &str) -> &'s Sampled {
    sampled.iter().find(|s| s.stratum == stratum).unwrap_or_else(|| panic!("no {stratum} in {sampled:?}"))
}

/// A table of sampling shares in a world's objects.
fn table(world: &World, shares: &[(&str, u64)]) -> Sampling {
    let shares_ppm: BTreeMap<String, u64> = shares.iter().map(|(name, ppm)| (name.to_string(), *ppm)).collect();
    let table = ShareTable { version: 2, from_run: None, shares_ppm };
    let digest = world.objects.put(Class::Public, canonical::to_vec(&table).unwrap());
    Sampling { table: Some(digest.to_string()), ..Sampling::new(SamplingRule::File) }
}

#[test]
fn a_stratified_run_plans_for_the_declared_shares() {
    let planned = long(&mut ingested(), Sampling::new(SamplingRule::Stratified));
    assert!((of(&planned, "first").planned - 0.75).abs() < 1e-5, "{planned:?}");
    assert_eq!(of(&planned, "other").corpus_tokens, 0);
}

#[test]
fn strata_are_sampled_as_planned() {
    let found = long(&mut ingested(), Sampling::new(SamplingRule::Stratified));
    for stratum in ["first", "lines"] {
        let Sampled { planned, sampled, .. } = of(&found, stratum);
        assert!((planned - sampled).abs() < 0.1, "{stratum}: planned {planned}, sampled {sampled}");
    }
}

#[test]
fn a_stratum_keeps_its_floor_whatever_a_table_says() {
    let mut world = ingested();
    let sampling = table(&world, &[("first", 0), ("lines", 2_000_000)]);
    let found = long(&mut world, sampling);
    let tokens = |s: &str| of(&found, s).corpus_tokens as f64;
    let floor = 0.25 * tokens("first") / (tokens("first") + tokens("lines"));
    assert!((of(&found, "first").planned - floor).abs() < 1e-4, "{found:?}, floor {floor}");
}

#[test]
fn a_table_with_a_stratum_that_is_not_declared_is_refused() {
    let world = ingested();
    let config = config(table(&world, &[("frist", 1_000_000)]), 16);
    let data = rules::run_data::read(&world.archive, 0, None, &config).unwrap();
    let refused = data.shares(&world.archive, &config).unwrap_err().to_string();
    assert!(refused.contains("frist") && refused.contains("first, lines, other"), "{refused}");
}

/// A trained run, with its number.
fn trained(sampling: Sampling) -> (World, RunNumber) {
    let mut world = ingested();
    let run = world.train(&config(sampling, 16));
    (world, run)
}

#[track_caller]
fn bit_equal((world, run): &(World, RunNumber)) {
    let replayed = replay(&world.archive, world.state().run(*run).unwrap(), 9, None, &Silent).unwrap();
    assert_eq!((replayed.outcome, replayed.differences), (ReplayOutcome::BitEqual, Vec::new()));
}

#[test]
fn a_stratified_run_is_the_same_when_it_is_replayed() {
    bit_equal(&trained(Sampling::new(SamplingRule::Stratified)));
}

#[test]
fn a_run_with_a_table_of_shares_is_the_same_when_it_is_replayed() {
    let mut world = ingested();
    let sampling = table(&world, &[("first", 500_000), ("lines", 2_000_000)]);
    let run = world.train(&config(sampling, 16));
    bit_equal(&(world, run));
}

fn online() -> (World, RunNumber) {
    trained(Sampling { every: 4, rate: 1.0, ..Sampling::new(SamplingRule::AttributionOnline) })
}

#[test]
fn a_run_whose_shares_follow_credit_is_the_same_when_it_is_replayed() {
    bit_equal(&online());
}

#[test]
fn every_change_of_shares_that_follow_credit_is_logged() {
    let (world, run) = online();
    let last = world.state().run(run).unwrap().progress.last().unwrap();
    let log: ShareLog = canonical::from_slice(&world.objects.bytes(Class::Public, &last.entry.shares)).unwrap();
    assert!(log.changes.len() >= 3, "{log:?}");
    assert!(log.changes.iter().any(|c| c.shares_ppm[0] != 1_000_000), "{log:?}");
    let shares = shares_of(&world.archive, world.state().run(run).unwrap()).unwrap().unwrap();
    assert_eq!(shares.len(), log.changes.len());
}

#[test]
fn a_run_gives_the_table_that_another_is_sampled_with() {
    let (mut world, first) = trained(Sampling::new(SamplingRule::Uniform));
    let given = table_of_run(&world.archive, first, 4.0).unwrap();
    assert_eq!((given.from_run, given.shares_ppm.keys().map(String::as_str).collect::<Vec<_>>()), (Some(0), vec!["first", "lines"]));
    let digest = world.objects.put(Class::Public, canonical::to_vec(&given).unwrap());
    let sampling = Sampling { run: Some(0), table: Some(digest.to_string()), ..Sampling::new(SamplingRule::FromRun) };
    let second = world.train(&config(sampling, 16));
    bit_equal(&(world, second));
}

#[test]
fn a_run_without_strata_gives_no_table() {
    let world = World::replayed(&[("anna", 0.2), ("bert", 0.1)]);
    let refused = table_of_run(&world.archive, world.last_run(), 4.0).unwrap_err().to_string();
    assert!(refused.contains("--strata"), "{refused}");
}
