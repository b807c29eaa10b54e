//! Payouts, what comes back of them, and clawbacks, in the books.

use corpus::EntryIndex;
use ledger::entry::ApprovalOutcome;
use rules::EpochViews;
use rules::clawback::cap;
use testkit::World;

/// A settled run whose dispute period is over.
fn due() -> World {
    let mut world = World::settled(&[("anna", 0.2), ("bert", 0.1), ("cleo", 0.1)]);
    world.wait();
    world
}

/// What is on hold, payable, on its way and paid.
fn balances(world: &World) -> [i128; 4] {
    ["held:", "payable:", "in-flight:", "paid"].map(|prefix| world.balance(prefix))
}

/// A payout that is approved.
fn approved(world: &mut World) -> EntryIndex {
    let payout = world.propose();
    world.approve(payout, ApprovalOutcome::Approved);
    payout
}

#[test]
fn a_settled_pool_is_on_hold() {
    assert_eq!(balances(&due()), [10_000, 0, 0, 0]);
}

#[test]
fn what_is_released_is_payable() {
    let mut world = due();
    world.release();
    assert_eq!(balances(&world), [0, 10_000, 0, 0]);
}

#[test]
fn what_is_proposed_is_not_proposed_again() {
    let mut world = due();
    world.propose();
    assert!(world.payable().is_empty());
}

#[test]
fn what_is_approved_is_on_its_way() {
    let mut world = due();
    approved(&mut world);
    assert_eq!(balances(&world), [0, 0, 10_000, 0]);
}

#[test]
fn what_is_rejected_is_payable_again() {
    let mut world = due();
    let payout = world.propose();
    world.approve(payout, ApprovalOutcome::Rejected);
    assert_eq!(world.payable().iter().map(|a| a.amount_minor).sum::<i128>(), 10_000);
}

#[test]
fn what_arrived_is_paid() {
    let mut world = due();
    world.pay();
    assert_eq!(balances(&world), [0, 0, 0, 10_000]);
}

#[test]
fn what_comes_back_is_payable_again() {
    let mut world = due();
    let payout = approved(&mut world);
    let list = world.proposed(payout);
    world.report(payout, &[], &list, &[]);
    assert_eq!(balances(&world), [0, 10_000, 0, 0]);
}

#[test]
fn what_comes_back_after_it_arrived_is_payable_again() {
    let mut world = due();
    let payout = world.pay();
    let list = world.proposed(payout);
    world.report(payout, &[], &[], &list);
    assert_eq!(balances(&world), [0, 10_000, 0, 0]);
}

#[test]
fn what_came_back_is_paid_under_another_reference() {
    let mut world = due();
    let payout = approved(&mut world);
    let list = world.proposed(payout);
    world.report(payout, &[], &list, &[]);
    let again = world.payable();
    assert_eq!(again.len(), list.len());
    assert!(again.iter().all(|a| list.iter().all(|b| a.reference != b.reference)), "{again:?}");
}

#[test]
fn a_period_cannot_close_while_a_payout_is_not_reported() {
    let mut world = due();
    approved(&mut world);
    let close = ledger::entry::BooksClose { period: 0, balances: corpus::Digest::of(b"any"), accounts: 1, time: world.now };
    assert_eq!(world.try_append(close).unwrap_err().rule, "close-reconciled");
}

#[test]
fn the_books_balance_at_every_entry() {
    let mut world = due();
    let dispute = world.dispute("anna");
    world.pay();
    world.close_books();
    world.resolve(dispute, Some(300));
    for at in 0..=world.state().size {
        let books = rules::accounting::Accounting::of(&world.archive, EntryIndex(at)).unwrap().books;
        assert_eq!(books.trial_balance(), 0, "before entry {at}");
    }
}

#[test]
fn a_clawback_takes_from_what_is_on_hold() {
    let mut world = due();
    let dispute = world.dispute("anna");
    world.resolve(dispute, Some(300));
    assert_eq!(balances(&world), [9_700, 0, 0, 0]);
}

#[test]
fn a_clawback_takes_from_what_a_dispute_stopped_on_its_way() {
    let mut world = due();
    world.release();
    let dispute = world.dispute("anna");
    world.resolve(dispute, Some(300));
    assert_eq!(balances(&world), [0, 9_700, 0, 0]);
}

#[test]
fn what_is_left_of_a_clawback_waits_for_the_last_dispute() {
    let mut world = due();
    world.release();
    let (first, second) = (world.dispute("anna"), world.dispute("anna"));
    world.resolve(first, Some(300));
    assert!(world.payable().iter().all(|a| a.contributor != world.id("anna")));
    world.resolve(second, None);
    assert_eq!(world.payable().iter().map(|a| a.amount_minor).sum::<i128>(), 9_700);
}

/// What may still be clawed back of anna.
fn cap_of_anna(world: &World) -> i128 {
    cap(&EpochViews::of(&world.archive), &world.id("anna"), world.state().next_index()).unwrap()
}

#[test]
fn no_more_is_clawed_back_than_was_given() {
    assert_eq!(cap_of_anna(&due()), 5_000);
}

#[test]
fn what_was_clawed_back_is_not_clawed_back_again() {
    let mut world = due();
    let dispute = world.dispute("anna");
    world.resolve(dispute, Some(300));
    assert_eq!(cap_of_anna(&world), 4_700);
}

#[test]
fn a_policy_may_cap_clawbacks_at_a_part() {
    let mut world = World::new();
    world.policy.pay.clawback_cap_ppm = 200_000;
    assert_eq!(cap_of_anna(&world.settled_with(&[("anna", 0.2), ("bert", 0.2)])), 1_000);
}

/// Most of what anna was given is taken back after it was paid.
fn overpaid() -> World {
    let mut world = World::new();
    world.policy.pay.offset_epochs = 3;
    let mut world = world.settled_with(&[("anna", 0.2), ("bert", 0.1), ("cleo", 0.1)]);
    world.pay();
    let dispute = world.dispute("anna");
    world.resolve(dispute, Some(1_000));
    world
}

#[test]
fn what_is_clawed_back_after_it_was_paid_is_an_offset() {
    let world = overpaid();
    assert_eq!((world.balance("due:"), world.balance("paid")), (-1_000, 10_000));
}

#[test]
fn an_offset_is_paid_back_to_the_operator_from_what_is_earned_next() {
    let world = overpaid().settled_with(&[("anna", 0.2), ("cleo", 0.2)]);
    let settlement = world.computed(world.last_run()).rewards.settlement;
    assert_eq!((settlement.payees.iter().map(|p| p.recovered_minor).sum::<i128>(), world.balance("due:")), (1_000, 0));
}

#[test]
fn statements_stay_what_they_were_when_epochs_and_accounts_follow() {
    let mut world = overpaid();
    let run = world.last_run();
    let before = world.statements(run);
    world.register("dora");
    let mut world = world.settled_with(&[("anna", 0.2), ("cleo", 0.2)]);
    world.open();
    world.register("emil");
    assert_eq!(world.statements(run), before);
}

#[test]
fn an_account_that_registers_later_changes_no_balance() {
    let mut world = overpaid();
    let before = world.books().books.balances().collect::<Vec<_>>();
    world.register_as("dora", Some(corpus::Digest::of(b"the bank account of bert")), false);
    assert_eq!(world.books().books.balances().collect::<Vec<_>>(), before);
}
