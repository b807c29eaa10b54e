//! An operator that cheats, with all its keys and its own witness, and goes on as if nothing had happened: what the audit says.

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{audited, clean, finding, found_at, replaying};
use corpus::objects::Class;
use corpus::run_tables::{read_credit, read_documents, write_credit, write_documents};
use corpus::shard::Shard as ShardFile;
use corpus::verdict::{Verdict, VerdictTable};
use corpus::{Digest, DocumentRef, canonical};
use ledger::Entry;
use ledger::entry::{Acceptance, Draw, Reveal, RunProgress, WithdrawalEffect, WithdrawalKind};
use rules::shares::ShareTable;
use rules::strata::of_sources;
use rules::targets::Targets;
use rules::verdicts::Opening;
use rules::withdrawn::{Consequences, Thing};
use testkit::{Credit, Shelf, World, documents, tiny};
use trainer::{RunConfig, Sampling, SamplingRule};

/// Two contributors with three documents each, in an epoch that is open.
fn submitted() -> World {
    let mut world = World::new();
    for name in ["anna", "bert"] {
        world.register(name);
    }
    world.open();
    world.submit("anna", &documents(1, 3));
    world.submit("bert", &documents(2, 3));
    world
}

/// From the verdicts to a settled run.
fn go_on(world: &mut World) {
    world.judge();
    world.shard();
    let run = world.run_with(&[Credit { name: "anna", nats: 0.3, spread: 0.0 }, Credit { name: "bert", nats: 0.1, spread: 0.0 }]);
    world.replay(run);
    world.settle(run);
}

#[test]
fn a_contributor_whose_rows_are_left_out_is_found_by_judging_again_and_by_nothing_else() {
    let mut world = submitted();
    let anna = world.submission_of("anna");
    // Anna's licence is suddenly not known, and everything after follows from that.
    world.forging(move |objects, entry| match entry {
        Entry::Acceptance(e) if e.submission == anna => {
            let mut table = VerdictTable::decode(&objects.bytes(Class::Public, &e.verdicts)).unwrap();
            table.rows.iter_mut().for_each(|row| row.decision.verdict = Verdict::UnknownLicence);
            let (accepted_root, rejected_root) = table.roots();
            let verdicts = objects.put(Class::Public, table.encode().unwrap());
            let counts = table.counts();
            Some(Acceptance { verdicts, counts, accepted_root, rejected_root, largest_cluster: 0, novel_words: 0, ..e }.into())
        }
        other => Some(other),
    });
    world.close();
    go_on(&mut world);
    let found = audited(&world).findings;
    assert_eq!(found.iter().filter(|f| f.rule == "verdict").count(), 3, "{found:?}");
    assert!(found.iter().all(|f| f.rule == "verdict" && f.text.contains("licence-unknown") && f.text.contains("judged again accepted")));
}

#[test]
fn targets_chosen_after_the_draw_are_found() {
    let mut world = submitted();
    // Pricing and control change places.
    world.forging(|objects, entry| match entry {
        Entry::Draw(e) => {
            let Targets { pricing, control } = canonical::from_slice(&objects.bytes(Class::Public, &e.targets)).unwrap();
            let swapped = Targets { pricing: control, control: pricing };
            let targets = objects.put(Class::Public, canonical::to_vec(&swapped).unwrap());
            Some(Draw { targets, pricing: e.control, control: e.pricing, ..e }.into())
        }
        other => Some(other),
    });
    world.close();
    let at = world.state().epochs[0].draw.as_ref().unwrap().index;
    go_on(&mut world);
    found_at(&world, "draw-targets", at);
}

/// A settled run of contributors of whom dora submitted a held-out document; `forge` alters entries on their way.
fn leaked(forge: impl Fn(&Shelf, Entry) -> Option<Entry> + Send + Sync + 'static) -> World {
    let mut world = submitted();
    world.register("dora");
    let held_out = World::held_out().remove(0);
    world.submit("dora", &[held_out, documents(3, 1).remove(0)]);
    world.close();
    world.forging(forge);
    go_on(&mut world);
    world
}

#[test]
fn a_held_out_document_is_left_out_and_its_hit_opens() {
    let world = leaked(|_, entry| Some(entry));
    let rows = world.verdicts(world.submission_of("dora")).rows;
    assert_eq!([rows[0].verdict, rows[1].verdict], [Verdict::HeldOut, Verdict::Accepted]);
    clean(&world);
}

#[test]
fn a_held_out_hit_that_does_not_open_is_found() {
    let world = leaked(|objects, entry| match entry {
        Entry::Reveal(e) => {
            let mut openings: Vec<Opening> = canonical::from_slice(&objects.bytes(Class::Public, &e.openings)).unwrap();
            openings[0].matched -= 1;
            Some(Reveal { openings: objects.put(Class::Public, canonical::to_vec(&openings).unwrap()), ..e }.into())
        }
        other => Some(other),
    });
    found_at(&world, "held-out-openings", world.state().epochs[0].reveal.as_ref().unwrap().index);
}

#[test]
fn of_several_runs_the_favourable_one_cannot_be_settled_unseen() {
    let mut world = submitted();
    world.ingest();
    for nats in [0.1, 0.4] {
        let run = world.run_with(&[Credit { name: "anna", nats, spread: 0.0 }, Credit { name: "bert", nats: 0.1, spread: 0.0 }]);
        world.replay(run);
    }
    let second = world.last_run();
    world.settle(second);
    let found = finding(&audited(&world), "run-passed-over");
    assert_eq!(found.index, Some(world.state().runs[0].intent.index));
    assert!(found.text.starts_with("run 0"), "{found:?}");
}

/// A settled run whose sampling shares come from a file; the policy names the file's table, or it does not.
fn sampled_by_a_file(named: bool) -> World {
    let mut world = World::new();
    let table = ShareTable { version: 2, from_run: None, shares_ppm: BTreeMap::from([("lines".to_string(), 2_000_000)]) };
    let table = world.objects.put(Class::Public, canonical::to_vec(&table).unwrap());
    world.policy.strata = vec![of_sources("lines", &["*"])];
    world.policy.share_tables = if named { vec![table] } else { Vec::new() };
    for name in ["anna", "bert"] {
        world.register(name);
    }
    world.open();
    world.submit("anna", &documents(1, 3));
    world.submit("bert", &documents(2, 3));
    world.ingest();
    let sampling = Sampling { table: Some(table.to_string()), ..Sampling::new(SamplingRule::File) };
    let run = world.train(&trainer::RunConfig { sampling: Some(sampling), ..tiny() });
    world.replay(run);
    world.settle(run);
    world
}

#[test]
fn shares_of_a_file_that_the_policy_named_before_pass() {
    let world = sampled_by_a_file(true);
    let found = audited(&world).findings;
    assert!(found.iter().all(|f| f.rule != "run-weights"), "{found:?}");
}

#[test]
fn shares_of_a_file_that_the_policy_did_not_name_are_found() {
    let world = sampled_by_a_file(false);
    found_at(&world, "run-weights", world.state().runs[0].intent.index);
}

/// A trained, replayed and settled run; `forge` alters its entries on their way.
fn trained(forge: impl Fn(&Shelf, Entry) -> Option<Entry> + Send + Sync + 'static) -> World {
    trained_with(&tiny(), forge)
}

/// As [`trained`], of a run with this config.
fn trained_with(config: &RunConfig, forge: impl Fn(&Shelf, Entry) -> Option<Entry> + Send + Sync + 'static) -> World {
    let mut world = submitted();
    world.ingest();
    world.forging(forge);
    let run = world.train(config);
    world.replay(run);
    world.settle(run);
    world
}

#[test]
fn a_run_that_nobody_forged_passes_with_all_its_windows_replayed() {
    let world = trained(|_, entry| Some(entry));
    let report = replaying(&world, 9);
    assert!(report.ok, "{:?}", report.findings);
    assert!(report.level.contains("attribution ("), "{}", report.level);
}

/// A row of credit: window, bucket, nats and halves.
type Row<'r> = (u64, u32, &'r mut f64, &'r mut Vec<f64>);

/// A tenth of everybody's credit goes to the first contributor, window by window, and to its first document; all sums stay as they are.
fn favour(rows: &mut [Row<'_>]) {
    for window in 0..=rows.iter().map(|r| r.0).max().unwrap_or(0) {
        let (mut nats, mut halves) = (0.0, vec![0.0; 2]);
        for row in rows.iter_mut().filter(|r| r.0 == window && r.1 > 0) {
            nats += 0.1 * *row.2;
            *row.2 *= 0.9;
            for (taken, half) in halves.iter_mut().zip(row.3.iter_mut()) {
                *taken += 0.1 * *half;
                *half *= 0.9;
            }
        }
        if let Some(row) = rows.iter_mut().find(|r| r.0 == window && r.1 == 0) {
            *row.2 += nats;
            row.3.iter_mut().zip(halves).for_each(|(half, taken)| *half += taken);
        }
    }
}

/// The credit table in which the first contributor is favoured.
fn favoured_credit(objects: &Shelf, digest: &Digest) -> Digest {
    let mut rows = read_credit(&objects.bytes(Class::Public, digest)).unwrap();
    favour(
        &mut rows
            .iter_mut()
            .map(|r| (r.credited.window, r.credited.bucket, &mut r.credited.nats, &mut r.credited.halves))
            .collect::<Vec<_>>(),
    );
    objects.put(Class::Public, write_credit(&rows).unwrap())
}

/// The document table in which the first contributor is favoured.
fn favoured_documents(objects: &Shelf, digest: &Digest) -> Digest {
    let mut rows = read_documents(&objects.bytes(Class::Public, digest)).unwrap();
    favour(
        &mut rows
            .iter_mut()
            .map(|r| (r.credited.window, r.credited.bucket, &mut r.credited.nats, &mut r.credited.halves))
            .collect::<Vec<_>>(),
    );
    objects.put(Class::Public, write_documents(&rows).unwrap())
}

/// A run whose tables favour the first contributor, consistently.
fn consistently_forged() -> World {
    trained(|objects, entry| match entry {
        Entry::RunProgress(e) => {
            let (credit, documents) = (favoured_credit(objects, &e.credit), favoured_documents(objects, &e.documents));
            Some(RunProgress { credit, documents, ..e }.into())
        }
        other => Some(other),
    })
}

#[test]
fn a_consistently_forged_attribution_passes_without_a_replay() {
    // Every sum is right, and everything is signed.
    let report = audited(&consistently_forged());
    assert!(report.ok, "{:?}", report.findings);
}

#[test]
fn a_consistently_forged_attribution_is_caught_by_replay() {
    let found = finding(&replaying(&consistently_forged(), 1), "attribution-replay");
    assert!(found.text.contains("off by"), "{found:?}");
}

#[test]
fn a_checkpoint_that_brings_its_results_along_is_not_compared_with_itself() {
    let honest = trained(|_, entry| Some(entry));
    // The last checkpoint has the parameters alone.
    let progress = &honest.state().runs[0].progress;
    let RunProgress { state, checkpoint, .. } = progress[progress.len() - 2].entry;
    let world = trained(move |_, entry| match entry {
        Entry::RunProgress(e) => Some(RunProgress { state, checkpoint, ..e }.into()),
        other => Some(other),
    });
    let found = replaying(&world, 9).findings;
    assert!(found.iter().any(|f| f.rule == "attribution-replay" && f.text.contains("checkpoint before window")), "{found:?}");
}

#[test]
fn parameters_that_the_run_did_not_lead_to_are_found() {
    let honest = trained(|_, entry| Some(entry));
    let progress = &honest.state().runs[0].progress;
    let (first, last) = (progress[0].entry.checkpoint, progress.last().unwrap().entry.step);
    // The model that is handed out is another one than was trained; the state that the run led to is in the log all the same.
    let world = trained(move |_, entry| match entry {
        Entry::RunProgress(e) if e.step == last => Some(RunProgress { checkpoint: first, ..e }.into()),
        other => Some(other),
    });
    let found = replaying(&world, 9).findings;
    let text = "does not hold the parameters that replay leads to";
    assert!(found.iter().any(|f| f.rule == "attribution-replay" && f.text.contains(text)), "{found:?}");
}

#[test]
fn a_state_that_is_named_and_not_kept_has_to_come_out_too() {
    let mut config = tiny();
    (config.attribution.progress_windows, config.attribution.whole_every) = (1, 3);
    let count = AtomicU64::new(0);
    let world = trained_with(&config, move |_, entry| match entry {
        Entry::RunProgress(e) => {
            let second = count.fetch_add(1, Ordering::Relaxed) == 1;
            Some(if second { RunProgress { state: Digest::of(b"another"), ..e }.into() } else { e.into() })
        }
        other => Some(other),
    });
    let found = replaying(&world, 9).findings;
    let text = "is not the one that replay leads to";
    assert!(found.iter().any(|f| f.rule == "attribution-replay" && f.text.contains(text)), "{found:?}");
}

#[test]
fn what_an_effect_says_was_destroyed_and_is_somebody_elses_is_found() {
    let mut world = World::settled(&[("anna", 0.3), ("bert", 0.1)]);
    let other = world.state().submission(world.submission_of("bert")).unwrap().live_shards()[0].entry.file;
    world.forging(move |objects, entry| match entry {
        Entry::WithdrawalEffect(e) => {
            let mut said: Consequences = canonical::from_slice(&objects.bytes(Class::Public, &e.consequences)).unwrap();
            said.destroyed.push(Thing { name: "shard".into(), digest: Some(other) });
            let consequences = objects.put(Class::Public, canonical::to_vec(&said).unwrap());
            Some(WithdrawalEffect { consequences, ..e }.into())
        }
        entry => Some(entry),
    });
    let document = DocumentRef { submission: world.submission_of("anna"), number: 0 };
    world.withdraw(&[document], WithdrawalKind::Licence);
    let found = finding(&audited(&world), "withdrawal-destroyed");
    assert!(found.text.contains(&other.to_string()), "{found:?}");
    // And once it is gone, it is missing.
    world.objects.remove(Class::Sealed, &other);
    finding(&audited(&world), "object-there");
}

#[test]
fn what_is_withdrawn_by_consent_is_unverifiable_and_no_finding() {
    let mut world = World::settled(&[("anna", 0.3), ("bert", 0.1)]);
    let document = DocumentRef { submission: world.submission_of("anna"), number: 0 };
    world.withdraw(&[document], WithdrawalKind::Consent);
    let report = replaying(&world, 1);
    assert!(report.ok && report.level.contains("unverifiable: withdrawn"), "{report:?}");
}

#[test]
fn what_was_withdrawn_for_its_licence_may_be_withdrawn_for_consent_too() {
    let mut world = World::settled(&[("anna", 0.3), ("bert", 0.1)]);
    let document = DocumentRef { submission: world.submission_of("anna"), number: 0 };
    for kind in [WithdrawalKind::Licence, WithdrawalKind::Consent] {
        world.withdraw(&[document], kind);
    }
    clean(&world);
}

#[test]
fn the_bytes_of_a_shard_that_was_withdrawn_are_found() {
    let mut world = World::settled(&[("anna", 0.3), ("bert", 0.1)]);
    let submission = world.submission_of("anna");
    let file = world.state().submission(submission).unwrap().live_shards()[0].entry.file;
    let kept = world.objects.bytes(Class::Sealed, &file);
    assert!(ShardFile::decode(&kept).is_ok());
    world.withdraw(&[DocumentRef { submission, number: 0 }], WithdrawalKind::Consent);
    clean(&world);
    world.objects.put(Class::Sealed, kept);
    let found = finding(&audited(&world), "withdrawn-kept");
    assert!(found.text.contains(&file.to_string()), "{found:?}");
}
