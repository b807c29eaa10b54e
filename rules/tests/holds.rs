//! What keeps an amount from being paid, and what frees it.

use corpus::DocumentRef;
use ledger::entry::{ClaimOutcome, PoolOutcome};
use ledger::history::Logged;
use rules::holds::{Holds, holds};
use testkit::{Credit, DAY, World, documents, prose};

/// What holds amounts of the last run now.
fn on_hold(world: &World) -> Holds {
    let run = world.state().run(world.last_run()).unwrap();
    let Logged { entry: statements, .. } = run.statements.as_ref().unwrap();
    assert_eq!(statements.outcome, PoolOutcome::Settled);
    holds(&world.archive.view_of(run), run, statements, world.state().next_index(), world.now).unwrap()
}

/// Names of those who may be paid now, in order.
fn free(world: &World) -> Vec<String> {
    let mut names: Vec<String> = world.releasable(world.last_run()).iter().map(|a| world.name(&a.contributor).to_string()).collect();
    names.sort();
    names
}

fn settled() -> World {
    World::settled(&[("anna", 0.2), ("bert", 0.1), ("cleo", 0.1)])
}

/// A settled run whose dispute period is over.
fn due() -> World {
    let mut world = settled();
    world.wait();
    world
}

#[test]
fn everybody_is_free_after_the_dispute_period() {
    assert_eq!(free(&due()), ["anna", "bert", "cleo"]);
}

#[test]
fn nobody_is_free_a_second_before_its_end() {
    let mut world = due();
    world.now -= 1;
    assert_eq!(free(&world), [""; 0]);
}

#[test]
fn the_dispute_period_says_how_many_days_are_left() {
    let mut world = settled();
    world.now += 9 * DAY + 1;
    assert_eq!(on_hold(&world).all, ["dispute period: 1 of 10 days left"]);
}

#[test]
fn a_dispute_about_somebody_holds_that_one_alone() {
    let mut world = due();
    world.dispute("anna");
    assert_eq!(free(&world), ["bert", "cleo"]);
}

#[test]
fn a_dispute_about_a_submission_holds_its_contributor() {
    let mut world = due();
    let submission = world.submission_of("anna");
    world.dispute_submission(submission);
    assert_eq!(free(&world), ["bert", "cleo"]);
}

#[test]
fn a_dispute_that_is_resolved_holds_nobody() {
    let mut world = due();
    let dispute = world.dispute("anna");
    world.resolve(dispute, None);
    assert_eq!(free(&world), ["anna", "bert", "cleo"]);
}

#[test]
fn of_two_disputes_about_somebody_one_that_is_open_is_enough() {
    let mut world = due();
    let (first, _second) = (world.dispute("anna"), world.dispute("anna"));
    world.resolve(first, None);
    assert_eq!(free(&world), ["bert", "cleo"]);
}

#[test]
fn a_dispute_about_a_run_holds_everybody() {
    let mut world = due();
    let run = world.last_run();
    world.dispute_run(run);
    assert_eq!(free(&world), [""; 0]);
    assert!(on_hold(&world).all[0].contains("measurement"));
}

#[test]
fn a_claim_on_a_document_holds_its_contributor_until_it_is_decided() {
    let mut world = due();
    let claim = world.claim("cleo", &[DocumentRef { submission: world.submission_of("anna"), number: 0 }]);
    assert_eq!(free(&world), ["bert", "cleo"]);
    world.resolve_claim(claim, ClaimOutcome::Rejected);
    assert_eq!(free(&world), ["anna", "bert", "cleo"]);
}

#[test]
fn a_submission_that_repeats_itself_is_on_hold_for_review() {
    let mut world = World::new();
    for name in ["anna", "eve"] {
        world.register(name);
    }
    world.open();
    world.submit("anna", &documents(1, 3));
    // Two of three are one document with a word changed.
    let mut own = documents(2, 3);
    own[0].text = prose(500, 30);
    own[1].text = own[0].text.replacen("The", "Some", 1);
    world.submit("eve", &own);
    world.ingest();
    let run = world.run_with(&[Credit { name: "anna", nats: 0.2, spread: 0.0 }, Credit { name: "eve", nats: 0.1, spread: 0.0 }]);
    world.replay(run);
    world.settle(run);
    world.wait();
    assert_eq!(free(&world), ["anna"]);
    let submission = world.submission_of("eve");
    let dispute = world.dispute_submission(submission);
    world.resolve(dispute, None);
    assert_eq!(free(&world), ["anna", "eve"]);
}

#[test]
fn a_run_whose_drawn_windows_nobody_replayed_holds_everybody() {
    let world = World::replayed(&[("anna", 0.2), ("bert", 0.1)]);
    let run = world.last_run();
    let drawn = rules::draws::drawn(&world.archive, world.state().run(run).unwrap()).unwrap();
    // Another window than those that were drawn is replayed, so that the log lets the run be settled.
    let other = (0..4).find(|w| !drawn.contains(w)).unwrap();
    let mut forged = World::new();
    forged.forging(move |_, entry| match entry {
        ledger::Entry::Replay(e) => Some(ledger::entry::Replay { windows: vec![other], ..e }.into()),
        entry => Some(entry),
    });
    let mut world = forged.settled_with(&[("anna", 0.2), ("bert", 0.1)]);
    world.wait();
    assert_eq!(free(&world), [""; 0]);
    assert!(on_hold(&world).all[0].contains("none is replayed"));
}

/// A settled run whose control targets fell by so much more than its pricing targets, in nats, under a policy that allows half.
fn with_control(gap: f64) -> World {
    let mut world = World::new();
    world.policy.pay.control_gap_ppm = 500_000;
    world.forging(move |_, entry| match entry {
        ledger::Entry::RunClose(e) => {
            let control_end = e.control_end - (gap * 1e9) as i64;
            Some(ledger::entry::RunClose { control_end, ..e }.into())
        }
        entry => Some(entry),
    });
    let mut world = world.settled_with(&[("anna", 0.2), ("bert", 0.2)]);
    world.wait();
    world
}

#[test]
fn control_targets_within_the_gap_hold_nothing() {
    assert_eq!(free(&with_control(0.19)), ["anna", "bert"]);
}

#[test]
fn control_targets_beyond_the_gap_hold_everybody_until_somebody_looked() {
    let mut world = with_control(0.21);
    assert_eq!(free(&world), [""; 0]);
    let run = world.last_run();
    let dispute = world.dispute_run(run);
    world.resolve(dispute, None);
    assert_eq!(free(&world), ["anna", "bert"]);
}
