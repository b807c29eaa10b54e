//! Forged movements of money, each found by its rule and its entry.

mod common;

use std::sync::LazyLock;

use common::{clean, found_at};
use corpus::objects::Class;
use corpus::{Digest, EntryIndex};
use ledger::Entry;
use ledger::entry::{ApprovalOutcome, BooksClose, DisputeResolution, PayoutProposal, PayoutReport, Release};
use rules::lines::{self, Amount};
use testkit::{DAY, Shelf, World};

/// Somebody doubts anna's rights, the others' payout comes back, the books close, and some of what anna has is clawed back.
fn paid() -> &'static World {
    static WORLD: LazyLock<World> = LazyLock::new(|| {
        let mut world = World::settled(&[("anna", 0.2), ("bert", 0.1), ("cleo", 0.1)]);
        world.wait();
        let dispute = world.dispute("anna");
        let payout = world.propose();
        world.approve(payout, ApprovalOutcome::Approved);
        let list = world.proposed(payout);
        world.report(payout, &[], &list, &[]);
        world.close_books();
        world.resolve(dispute, Some(300));
        world
    });
    &WORLD
}

/// The one entry of a kind that the paid world has.
fn index(kind: &str) -> EntryIndex {
    let kind_of = |bytes: &Vec<u8>| Entry::from_payload(&ledger::Envelope::from_bytes(bytes).unwrap().payload).unwrap().kind();
    let found: Vec<u64> = (0..).zip(paid().entries()).filter(|(_, bytes)| kind_of(bytes) == kind).map(|(i, _)| i).collect();
    assert_eq!(found.len(), 1, "{kind}");
    EntryIndex(found[0])
}

#[track_caller]
fn altered(rule: &str, at: EntryIndex, forge: impl Fn(&Shelf, &Entry) -> Option<Entry>) {
    found_at(&paid().ending_with(forge), rule, at);
}

/// A list of amounts altered.
fn relist(objects: &Shelf, list: &Digest, alter: impl Fn(&mut Vec<Amount>)) -> (Digest, Vec<Amount>) {
    let mut amounts: Vec<Amount> = lines::read(&objects.bytes(Class::Public, list)).unwrap();
    alter(&mut amounts);
    (objects.put(Class::Public, lines::write(&amounts).unwrap()), amounts)
}

#[test]
fn what_nobody_forged_passes() {
    clean(paid());
}

#[test]
fn a_release_before_the_dispute_period_is_over_is_found() {
    altered("release-list", index("release"), |_, e| match e {
        Entry::Release(e) => Some(Release { time: e.time - 5 * DAY, ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn a_release_at_a_time_that_has_not_come_is_found() {
    let mut world = paid().ending_with(|_, e| matches!(e, Entry::Release(_)).then(|| e.clone()));
    world.now -= DAY;
    found_at(&world, "release-list", index("release"));
}

#[test]
fn somebody_who_is_left_out_of_a_release_though_nothing_holds_it_is_found() {
    altered("release-list", index("release"), |objects, e| match e {
        Entry::Release(e) => {
            let (list, left) = relist(objects, &e.list, |amounts| amounts.truncate(1));
            Some(Release { list, contributors: 1, total_minor: left[0].amount_minor, ..e.clone() }.into())
        }
        _ => None,
    });
}

#[test]
fn a_root_that_is_not_over_the_payments_is_found() {
    altered("payout-list", index("payout-proposal"), |_, e| match e {
        Entry::PayoutProposal(e) => Some(PayoutProposal { root: Digest::of(b"other"), ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn more_than_an_account_has_is_found() {
    altered("books", EntryIndex(0), |objects, e| match e {
        Entry::PayoutProposal(e) => {
            let (list, _) = relist(objects, &e.list, |amounts| amounts[0].amount_minor *= 9);
            Some(PayoutProposal { list, ..e.clone() }.into())
        }
        _ => None,
    });
}

#[test]
fn a_proposal_that_names_somebody_whose_run_is_disputed_is_found() {
    let mut world = World::settled(&[("anna", 0.2), ("bert", 0.1)]);
    world.wait();
    world.release();
    let list = world.payable();
    let run = world.last_run();
    world.dispute_run(run);
    let at = world.propose_list(&list);
    found_at(&world, "payout-disputed", at);
}

#[test]
fn a_payout_that_is_approved_while_somebody_disputes_it_is_found() {
    let mut world = World::settled(&[("anna", 0.2), ("bert", 0.1)]);
    world.wait();
    let payout = world.propose();
    let run = world.last_run();
    world.dispute_run(run);
    let at = world.approve(payout, ApprovalOutcome::Approved);
    found_at(&world, "payout-disputed", at);
}

#[test]
fn what_came_back_to_somebody_who_was_not_paid_is_found() {
    altered("settlement-returned", index("settlement"), |objects, e| match e {
        Entry::PayoutReport(e) => {
            let other = corpus::ContributorId::of_key(&[0; 32]);
            let (returned, _) = relist(objects, &e.returned, |amounts| amounts[0].contributor = other);
            Some(PayoutReport { returned, ..e.clone() }.into())
        }
        _ => None,
    });
}

#[test]
fn balances_that_the_log_does_not_give_are_found() {
    altered("close-balances", index("books-close"), |_, e| match e {
        Entry::BooksClose(e) => Some(BooksClose { accounts: e.accounts + 1, ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn a_clawback_above_what_the_policy_allows_is_found() {
    altered("clawback-cap", index("dispute-resolution"), |_, e| match e {
        Entry::DisputeResolution(e) => Some(DisputeResolution { amount_minor: 100_001, ..e.clone() }.into()),
        _ => None,
    });
}
