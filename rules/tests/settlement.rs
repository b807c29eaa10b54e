//! From a run's credit to everybody's amounts, over archives in memory.

use std::collections::BTreeMap;

use corpus::Digest;
use corpus::DocumentRef;
use ledger::entry::{ClaimOutcome, PoolOutcome};
use rules::pay::{CreditUnit, Follows};
use rules::settlement::Computed;
use rules::strata::of_sources;
use testkit::{Credit, World, documents};

/// Minor units by contributor in a part of the pools.
fn accrued(world: &World, computed: &Computed, pool: usize) -> BTreeMap<String, i128> {
    computed.rewards.pools[pool].lines.iter().map(|l| (world.name(&l.contributor).to_string(), l.accrued_minor)).collect()
}

/// Amounts by name.
fn amounts(of: &[(&str, i128)]) -> BTreeMap<String, i128> {
    of.iter().map(|(name, amount)| (name.to_string(), *amount)).collect()
}

#[test]
fn the_tables_of_a_run_credit_what_the_test_gave() {
    let world = World::replayed(&[("anna", 0.3), ("bert", -0.1)]);
    let credits = world.computed(world.last_run()).tables.credits();
    for (name, nats) in [("anna", 0.3), ("bert", -0.1)] {
        let (found, _) = credits[&world.id(name)];
        assert!((found - nats).abs() < 1e-12, "{name}: {found}");
    }
}

#[test]
fn the_tables_of_a_run_have_the_spread_that_the_test_gave() {
    let mut world = World::new();
    for name in ["anna", "bert"] {
        world.register(name);
    }
    world.open();
    world.submit("anna", &documents(1, 3));
    world.submit("bert", &documents(2, 3));
    world.ingest();
    let run = world.run_with(&[Credit { name: "anna", nats: 0.3, spread: 0.05 }, Credit { name: "bert", nats: 0.1, spread: 0.0 }]);
    let (_, found) = world.computed(run).tables.credits()[&world.id("anna")];
    assert!((found - 0.05).abs() < 1e-12, "{found}");
}

#[test]
fn a_pool_is_divided_in_proportion_to_credit() {
    let world = World::settled(&[("anna", 0.3), ("bert", 0.1)]);
    let computed = world.computed(world.last_run());
    assert_eq!(accrued(&world, &computed, 0), amounts(&[("anna", 7_500), ("bert", 2_500)]));
}

#[test]
fn a_settled_pool_is_on_hold_to_the_last_cent() {
    let world = World::settled(&[("anna", 0.2), ("bert", 0.1), ("cleo", 0.1)]);
    assert_eq!((world.balance("held:"), world.balance("pool:")), (10_000, 0));
}

#[test]
fn what_would_be_settled_is_what_is_settled() {
    let mut world = World::replayed(&[("anna", 0.3), ("bert", 0.1)]);
    let run = world.last_run();
    let before = world.computed(run).rewards;
    world.settle(run);
    assert_eq!(world.computed(run).rewards, before);
}

#[test]
fn a_statement_is_signed_for_every_contributor() {
    let world = World::settled(&[("anna", 0.3), ("bert", 0.1)]);
    let names: Vec<String> = world.statements(world.last_run()).iter().map(|s| world.name(&s.contributor).to_string()).collect();
    assert_eq!(names.len(), 2);
    assert!(["anna", "bert"].iter().all(|name| names.iter().any(|n| n == name)), "{names:?}");
}

/// A pool that follows attribution by half, and by a quarter each novel tokens and accepted works.
fn cooperative() -> (World, Computed) {
    let mut world = World::new();
    world.policy.pay.follows =
        BTreeMap::from([(Follows::Attribution, 500_000), (Follows::NovelTokens, 250_000), (Follows::AcceptedWorks, 250_000)]);
    let world = world.settled_with(&[("anna", 0.2), ("bert", 0.1), ("cleo", 0.1)]);
    let computed = world.computed(world.last_run());
    (world, computed)
}

#[test]
fn a_pool_that_follows_several_things_is_cut_as_the_policy_says() {
    let pools: Vec<i128> = cooperative().1.rewards.pools.iter().map(|p| p.head.pool_minor).collect();
    assert_eq!(pools, [5_000, 2_500, 2_500]);
}

#[test]
fn each_part_of_a_pool_is_divided_to_the_last_cent() {
    for pool in cooperative().1.rewards.pools {
        assert_eq!(pool.lines.iter().map(|l| l.accrued_minor).sum::<i128>(), pool.head.pool_minor, "{:?}", pool.head);
    }
}

#[test]
fn by_accepted_works_equal_numbers_weigh_the_same() {
    let works: Vec<i128> = cooperative().1.rewards.pools[2].lines.iter().map(|l| l.pay_weight).collect();
    assert_eq!(works, [3, 3, 3]);
}

/// Anna's work has 60 EUR of its own, which follow one of the targets; the rest goes by all credit of the others' work.
fn stratified() -> (World, Computed) {
    let mut world = World::new();
    let anna = world.register("anna");
    let mut songs = of_sources("songs", &[]);
    songs.contributors = vec![anna];
    songs.pool_minor = Some(6_000);
    songs.target_weights = Some(BTreeMap::from([("east".to_string(), 1)]));
    world.policy.strata = vec![songs];
    let world = world.settled_with(&[("anna", 0.2), ("bert", 0.1), ("cleo", 0.1)]);
    let computed = world.computed(world.last_run());
    (world, computed)
}

#[test]
fn a_stratum_with_a_pool_comes_before_the_others() {
    let names: Vec<String> = stratified().1.rewards.pools.iter().map(|p| p.head.stratum.clone()).collect();
    assert_eq!(names, ["songs", "other"]);
}

#[test]
fn a_strata_pool_goes_to_who_has_documents_in_it() {
    let (world, computed) = stratified();
    assert_eq!(accrued(&world, &computed, 0), amounts(&[("anna", 6_000), ("bert", 0), ("cleo", 0)]));
}

#[test]
fn documents_of_a_stratum_with_a_pool_have_nothing_of_the_other_one() {
    let (world, computed) = stratified();
    assert_eq!(accrued(&world, &computed, 1), amounts(&[("anna", 0), ("bert", 2_000), ("cleo", 2_000)]));
}

/// Cleo proved that all of anna's works are hers, before a run is settled under a policy that asks for evidence or does not.
fn claimed(unit: CreditUnit) -> BTreeMap<String, i128> {
    let mut world = World::new();
    world.policy.pay.credit_unit = unit;
    let mut world = world.replayed_with(&[("anna", 0.2), ("bert", 0.1), ("cleo", 0.1)]);
    let submission = world.submission_of("anna");
    let works: Vec<DocumentRef> = (0..3).map(|number| DocumentRef { submission, number }).collect();
    let claim = world.claim("cleo", &works);
    world.resolve_claim(claim, ClaimOutcome::Upheld);
    let run = world.last_run();
    world.settle(run);
    accrued(&world, &world.computed(run), 0)
}

#[test]
fn evidence_gives_credit_to_who_showed_that_a_work_is_its_own() {
    assert_eq!(claimed(CreditUnit::EvidenceBacked), amounts(&[("anna", 0), ("bert", 2_500), ("cleo", 7_500)]));
}

#[test]
fn evidence_moves_no_credit_where_the_policy_does_not_ask_for_it() {
    assert_eq!(claimed(CreditUnit::EarliestClaim), amounts(&[("anna", 5_000), ("bert", 2_500), ("cleo", 2_500)]));
}

#[test]
fn what_belongs_to_everybody_is_paid_to_nobody() {
    let mut world = World::new();
    world.register_as("commons", None, true);
    let world = world.settled_with(&[("anna", 0.1), ("commons", 0.3)]);
    let computed = world.computed(world.last_run());
    assert_eq!(accrued(&world, &computed, 0), amounts(&[("anna", 10_000)]));
    assert!(world.statements(world.last_run()).iter().all(|s| s.contributor != world.id("commons")));
}

#[test]
fn a_run_that_credits_nobody_leaves_its_pool_on_hold() {
    let world = World::replayed(&[("anna", -0.2), ("bert", -0.1)]);
    assert!(matches!(world.computed(world.last_run()).outcome, PoolOutcome::OnHold(_)));
}

#[test]
fn accounts_of_one_payee_are_netted_before_anybody_is_paid() {
    let mut world = World::new();
    let payee = Digest::of(b"one bank account");
    for name in ["bert", "cleo"] {
        world.register_as(name, Some(payee), false);
    }
    let world = world.settled_with(&[("anna", 0.2), ("bert", 0.3), ("cleo", -0.1)]);
    let settlement = world.computed(world.last_run()).rewards.settlement;
    assert_eq!(settlement.payees.len(), 2);
    let paid: i128 = settlement.accounts.iter().filter(|a| a.contributor != world.id("anna")).map(|a| a.payable_minor).sum();
    assert_eq!(paid, 5_000);
}
