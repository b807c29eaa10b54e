//! Worlds of several epochs, and of many contributors: what is judged, replayed and settled again.

mod common;

use common::{audited, clean, replaying};
use corpus::DocumentRef;
use corpus::objects::Class;
use ledger::entry::WithdrawalKind;
use testkit::{Credit, World, documents, prose, tiny};

#[test]
fn verdicts_of_every_epoch_are_judged_again_over_what_earlier_ones_kept() {
    let mut world = World::settled(&[("anna", 0.3), ("bert", 0.1)]);
    // Anna submits what bert had in the first epoch, beside something of her own.
    world.open();
    world.submit("anna", &[documents(102, 3), documents(5, 1)].concat());
    world.ingest();
    let run = world.run_with(&[Credit { name: "anna", nats: 0.2, spread: 0.0 }]);
    world.replay(run);
    world.settle(run);
    let again = world.submissions(1)[0];
    assert_eq!(world.verdicts(again).counts(), std::collections::BTreeMap::from([("accepted".to_string(), 1), ("exact".to_string(), 3)]));
    let report = audited(&world);
    assert!(report.ok && report.level.contains("verdicts"), "{report:?}");
}

/// Gina's text has a part of one of anna's, and hugo's is near gina's; anna's text is destroyed after all were judged.
fn destroyed() -> (World, [corpus::EntryIndex; 2]) {
    let mut world = World::new();
    for name in ["anna", "gina", "hugo"] {
        world.register(name);
    }
    world.open();
    let words =
        |seed: u64, from: usize, count: usize| prose(seed, 30).split_whitespace().skip(from).take(count).collect::<Vec<_>>().join(" ");
    let with = |texts: Vec<String>| {
        let all = documents(0, texts.len() as u64).into_iter().zip(texts);
        all.map(|(document, text)| testkit::Document { text, ..document }).collect::<Vec<_>>()
    };
    let anna = world.submit("anna", &with(vec![prose(6, 30), prose(7, 30)]));
    let part = format!("{} However {}", words(6, 20, 60), words(888, 0, 150));
    let cut: Vec<&str> = part.split(' ').enumerate().map(|(i, w)| if i == 20 || i == 40 { "else" } else { w }).collect();
    let hugos = cut.join(" ");
    let gina = world.submit("gina", &with(vec![part.clone()]));
    let hugo = world.submit("hugo", &with(vec![hugos]));
    world.ingest();
    let run = world.run_with(&["anna", "gina"].map(|name| Credit { name, nats: 0.2, spread: 0.0 }));
    world.replay(run);
    world.settle(run);
    world.withdraw(&[DocumentRef { submission: anna, number: 0 }], WithdrawalKind::Consent);
    (world, [gina, hugo])
}

#[test]
fn a_verdict_that_rests_on_a_destroyed_text_is_unverifiable_and_no_finding() {
    let (world, [gina, _]) = destroyed();
    let report = audited(&world);
    assert!(report.ok, "{:?}", report.findings);
    let said = format!("submission {gina}: verdicts on 1 documents");
    assert!(report.unverifiable.iter().any(|f| f.text == said), "{:?}", report.unverifiable);
}

#[test]
fn a_verdict_that_rests_on_no_destroyed_text_is_judged_again() {
    let (world, [_, hugo]) = destroyed();
    let said = format!("submission {hugo}: verdicts");
    let report = audited(&world);
    assert!(report.unverifiable.iter().all(|f| !f.text.starts_with(&said)), "{:?}", report.unverifiable);
}

#[test]
fn books_that_go_on_over_epochs_with_offsets_and_new_accounts_pass() {
    let mut world = World::new();
    (world.policy.pay.offset_epochs, world.policy.pay.stake_minor) = (3, 50);
    let mut world = world.settled_with(&[("anna", 0.2), ("bert", 0.1), ("cleo", 0.1)]);
    world.pay();
    let dispute = world.dispute("anna");
    world.resolve(dispute, Some(1_000));
    clean(&world);
    world.register("dora");
    let mut world = world.settled_with(&[("anna", 0.2), ("cleo", 0.2)]);
    clean(&world);
    world.open();
    world.register("emil");
    clean(&world);
}

#[test]
fn contributors_that_share_a_bucket_add_up() {
    let mut world = World::new();
    let names: Vec<String> = (0..9).map(|i| format!("contributor-{i}")).collect();
    for name in &names {
        world.register(name);
    }
    world.open();
    for (seed, name) in (1..).zip(&names) {
        world.submit(name, &documents(seed, 2));
    }
    world.ingest();
    let mut config = tiny();
    config.attribution.max_buckets = 4;
    let run = world.train(&config);
    world.replay(run);
    let report = replaying(&world, 9);
    assert!(report.ok, "{:?}", report.findings);
    let tables = world.computed(run).tables;
    assert!(tables.credit.iter().any(|row| row.estimated), "nobody shares a bucket");
    let all: f64 = tables.credit.iter().map(|r| tables.weight(&r.credited.target) * r.credited.nats).sum();
    let attribution = &world.state().runs[0].attribution.as_ref().unwrap().entry;
    let documents = corpus::run_tables::read_documents(&world.objects.bytes(Class::Public, &attribution.documents)).unwrap();
    let by_document: f64 = documents.iter().map(|r| tables.weight(&r.credited.target) * r.credited.nats).sum();
    assert!((all - by_document).abs() < 1e-9, "{all} by contributor and {by_document} by document");
}
