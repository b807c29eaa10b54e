//! Whose document comes first: commitments, commons, upheld claims, earlier epochs; and what a submission's verdicts come to.

use corpus::verdict::{Verdict, VerdictRow};
use corpus::{DocumentRef, EntryIndex};
use ledger::entry::{ClaimOutcome, WithdrawalKind};
use rules::verdicts::Clusters;
use testkit::{Document, World, documents, prose};

/// A world with an open epoch and these contributors.
fn open(names: &[&str]) -> World {
    let mut world = World::new();
    for name in names {
        world.register_as(name, None, *name == "commons");
    }
    world.open();
    world
}

/// Documents with these texts.
fn texts(texts: &[String]) -> Vec<Document> {
    let with = |(mut document, text): (Document, &String)| {
        document.text = text.clone();
        document
    };
    documents(0, texts.len() as u64).into_iter().zip(texts).map(with).collect()
}

/// Words of a text, from one on.
fn words(seed: u64, from: usize, count: usize) -> String {
    prose(seed, 30).split_whitespace().skip(from).take(count).collect::<Vec<_>>().join(" ")
}

/// Each document's verdict, and the submission whose document it duplicates.
fn verdicts(world: &World, submission: EntryIndex) -> Vec<(Verdict, Option<EntryIndex>)> {
    world.verdicts(submission).rows.iter().map(|r| (r.verdict, r.of.map(|d| d.submission))).collect()
}

fn row(world: &World, submission: EntryIndex, number: usize) -> VerdictRow {
    world.verdicts(submission).rows[number].clone()
}

/// Anna commits to six documents before bert does, who claims some of them.
fn claimed(numbers: &[u32], outcome: ClaimOutcome) -> (World, EntryIndex, EntryIndex) {
    let mut world = open(&["anna", "bert"]);
    let (anna, bert) = (world.submit("anna", &documents(1, 6)), world.submit("bert", &documents(1, 6)));
    let works: Vec<DocumentRef> = numbers.iter().map(|number| DocumentRef { submission: anna, number: *number }).collect();
    let claim = world.claim("bert", &works);
    world.resolve_claim(claim, outcome);
    world.ingest();
    (world, anna, bert)
}

#[test]
fn of_two_equal_documents_the_one_that_was_committed_to_first_is_kept() {
    let mut world = open(&["anna", "bert"]);
    // Anna commits first, and bert submits first.
    let own = documents(1, 3);
    let commitments = ["anna", "bert"].map(|name| world.commit(name, &own));
    let bert = world.submit_committed("bert", &own, commitments[1]);
    let anna = world.submit_committed("anna", &own, commitments[0]);
    world.ingest();
    assert_eq!(verdicts(&world, anna), [(Verdict::Accepted, None); 3]);
    assert_eq!(verdicts(&world, bert), [(Verdict::Exact, Some(anna)); 3]);
}

#[test]
fn an_upheld_claim_outranks_commitments_for_what_it_names() {
    let (world, anna, bert) = claimed(&[0, 2], ClaimOutcome::Upheld);
    let (kept, copy) = ((Verdict::Accepted, None), |of| (Verdict::Exact, Some(of)));
    assert_eq!(verdicts(&world, anna), [copy(bert), kept, copy(bert), kept, kept, kept]);
    assert_eq!(verdicts(&world, bert), [kept, copy(anna), kept, copy(anna), copy(anna), copy(anna)]);
}

#[test]
fn a_rejected_claim_outranks_nothing() {
    let (world, anna, bert) = claimed(&[4, 5], ClaimOutcome::Rejected);
    assert_eq!(verdicts(&world, anna), [(Verdict::Accepted, None); 6]);
    assert_eq!(verdicts(&world, bert), [(Verdict::Exact, Some(anna)); 6]);
}

#[test]
fn what_commons_have_is_nobody_elses() {
    let mut world = open(&["commons", "dora"]);
    let (commons, dora) = (world.submit("commons", &documents(1, 3)), world.submit("dora", &documents(1, 3)));
    world.ingest();
    assert_eq!(verdicts(&world, dora), [(Verdict::Exact, Some(commons)); 3]);
    let clusters = Clusters::of(&world.verdicts(dora));
    assert_eq!((clusters.matched, clusters.novel_words), (vec![(commons, 3)], 0));
}

#[test]
fn copies_of_others_are_no_repetition_of_ones_own() {
    let mut world = open(&["commons", "dora"]);
    world.submit("commons", &documents(1, 3));
    let dora = world.submit("dora", &documents(1, 3));
    world.ingest();
    assert!(!world.state().submission(dora).unwrap().acceptance.as_ref().unwrap().entry.on_hold_for_review);
}

/// A submission of five texts of which three are one with a word changed.
fn repeating() -> (World, EntryIndex) {
    let mut world = open(&["eve"]);
    let same = prose(500, 30);
    let own = [same.clone(), same.replacen("The", "Some", 1), same.replacen("The", "Any", 2), prose(501, 30), prose(502, 30)];
    let eve = world.submit("eve", &texts(&own));
    world.ingest();
    (world, eve)
}

#[test]
fn a_document_with_a_word_changed_is_near_its_first() {
    let (world, eve) = repeating();
    let found: Vec<Verdict> = verdicts(&world, eve).iter().map(|(v, _)| *v).collect();
    assert_eq!(found, [Verdict::Accepted, Verdict::Near, Verdict::Near, Verdict::Accepted, Verdict::Accepted]);
}

#[test]
fn a_submission_of_which_more_than_half_is_one_document_is_on_hold_for_review() {
    let (world, eve) = repeating();
    let acceptance = &world.state().submission(eve).unwrap().acceptance.as_ref().unwrap().entry;
    assert_eq!((acceptance.largest_cluster, acceptance.on_hold_for_review), (3, true));
}

/// A text of commons, and finn's: half of one with something new, and an excerpt.
fn excerpts() -> (World, EntryIndex, EntryIndex) {
    let mut world = open(&["commons", "finn"]);
    let commons = world.submit("commons", &texts(&[prose(200, 30), prose(201, 30), prose(202, 30)]));
    let half = format!("{} However {}", words(201, 40, 100), words(777, 0, 119));
    let finn = world.submit("finn", &texts(&[half, words(202, 0, 150)]));
    world.ingest();
    (world, commons, finn)
}

#[test]
fn words_that_an_earlier_document_has_are_not_novel() {
    let (world, _, finn) = excerpts();
    let own = row(&world, finn, 0);
    assert_eq!((own.verdict, own.words, own.novel_words), (Verdict::Accepted, 220, 120));
}

#[test]
fn an_excerpt_is_contained_in_what_covers_it() {
    let (world, commons, finn) = excerpts();
    let own = row(&world, finn, 1);
    assert_eq!((own.verdict, own.intersection, own.of.map(|d| d.submission)), (Verdict::Contained, 150, Some(commons)));
    assert_eq!(own.covered_by.iter().map(|c| (c.document, c.words)).collect::<Vec<_>>(), [(own.of.unwrap(), 150)]);
}

/// Gina's text has part of one of anna's; hugo's is nearly gina's, with that part cut too short to be found.
fn parts() -> (World, EntryIndex, EntryIndex, EntryIndex) {
    let mut world = open(&["anna", "gina", "hugo"]);
    let anna = world.submit("anna", &texts(&[prose(6, 30), prose(7, 30)]));
    let part = format!("{} However {}", words(6, 20, 60), words(888, 0, 150));
    let cut: Vec<&str> = part.split(' ').enumerate().map(|(i, w)| if i == 20 || i == 40 { "else" } else { w }).collect();
    let gina = world.submit("gina", &texts(std::slice::from_ref(&part)));
    let hugo = world.submit("hugo", &texts(&[cut.join(" ")]));
    world.ingest();
    (world, anna, gina, hugo)
}

#[test]
fn a_part_of_another_document_is_not_novel_and_the_rest_is() {
    let (world, _, gina, _) = parts();
    let own = row(&world, gina, 0);
    assert_eq!((own.verdict, own.novel_words), (Verdict::Accepted, 151));
}

#[test]
fn a_document_that_is_near_a_kept_one_is_compared_with_it_and_not_with_its_parts() {
    let (world, _, gina, hugo) = parts();
    assert_eq!(verdicts(&world, hugo), [(Verdict::Near, Some(gina))]);
}

#[test]
fn the_next_epoch_sees_what_the_last_one_kept() {
    let (mut world, commons, finn) = excerpts();
    world.register("eve");
    world.open();
    let half = format!("{} However {}", words(201, 40, 100), words(777, 0, 119));
    let again = world.submit("eve", &texts(&[half, words(202, 0, 150)]));
    world.ingest();
    assert_eq!(verdicts(&world, again), [(Verdict::Exact, Some(finn)), (Verdict::Contained, Some(commons))]);
}

#[test]
fn what_was_taken_back_is_not_matched_by_later_epochs() {
    let mut world = open(&["anna", "dora"]);
    let anna = world.submit("anna", &documents(1, 3));
    world.ingest();
    world.withdraw(&[DocumentRef { submission: anna, number: 0 }], WithdrawalKind::Licence);
    world.open();
    let dora = world.submit("dora", &documents(1, 3));
    world.ingest();
    assert_eq!(verdicts(&world, dora), [(Verdict::Accepted, None), (Verdict::Exact, Some(anna)), (Verdict::Exact, Some(anna))]);
}

#[test]
fn what_somebody_had_before_another_proved_it_to_be_his_is_in_nobodys_way_later() {
    let mut world = open(&["anna", "bert"]);
    let anna = world.submit("anna", &documents(1, 4));
    world.ingest();
    world.open();
    let claim = world.claim("bert", &[DocumentRef { submission: anna, number: 1 }]);
    world.resolve_claim(claim, ClaimOutcome::Upheld);
    let bert = world.submit("bert", &documents(1, 4));
    world.ingest();
    let own = verdicts(&world, bert);
    assert_eq!((own[1], own[3]), ((Verdict::Accepted, None), (Verdict::Exact, Some(anna))));
}
