//! The audit's own rules about data and runs, each with an entry that the operator altered and signed anew: the finding has the rule, and
//! the entry that it is about.

mod common;

use std::sync::LazyLock;

use common::{audited, clean, finding, found_at};
use corpus::bundle::{Bundle, Parts};
use corpus::objects::Class;
use corpus::shard::Shard as ShardFile;
use corpus::verdict::VerdictTable;
use corpus::{Digest, DocumentRef, EntryIndex, canonical};
use ledger::Entry;
use ledger::entry::{
    Acceptance, Attribution, EpochOpen, Replay, ReplayOutcome, RunClose, Shard, Statements, WithdrawalEffect, WithdrawalKind,
};
use testkit::{Shelf, World};

/// A settled run of two contributors, of whom one took a document back.
fn settled() -> &'static World {
    static WORLD: LazyLock<World> = LazyLock::new(|| {
        let mut world = World::settled(&[("anna", 0.3), ("bert", 0.1)]);
        let document = DocumentRef { submission: world.submission_of("anna"), number: 0 };
        world.withdraw(&[document], WithdrawalKind::Licence);
        world
    });
    &WORLD
}

/// The index of the `n`th entry of a kind, from 0.
fn index(kind: &str, n: usize) -> EntryIndex {
    let kind_of = |bytes: &Vec<u8>| Entry::from_payload(&ledger::Envelope::from_bytes(bytes).unwrap().payload).unwrap().kind();
    let mut found = (0..).zip(settled().entries()).filter(|(_, bytes)| kind_of(bytes) == kind).map(|(i, _)| EntryIndex(i));
    found.nth(n).unwrap_or_else(|| panic!("no {kind} entry {n}"))
}

/// The log that ends with what `forge` alters has a finding of this rule about entry `at`.
#[track_caller]
fn altered(rule: &str, at: EntryIndex, forge: impl Fn(&Shelf, &Entry) -> Option<Entry>) {
    found_at(&settled().ending_with(forge), rule, at);
}

/// A shard's file altered, with an entry that fits it.
fn reshard(objects: &Shelf, e: &Shard, alter: impl Fn(&mut ShardFile)) -> Entry {
    let mut shard = ShardFile::decode(&objects.bytes(Class::Sealed, &e.file)).unwrap();
    alter(&mut shard);
    let file = objects.put(Class::Sealed, shard.encode().unwrap());
    Shard { file, tokens: shard.tokens(), document_root: shard.document_root(), ..e.clone() }.into()
}

#[test]
fn what_nobody_altered_passes() {
    clean(settled());
}

#[test]
fn a_pool_root_that_is_not_the_pools_is_found() {
    altered("pool-root", index("epoch-open", 0), |_, e| match e {
        Entry::EpochOpen(e) => Some(EpochOpen { pool_root: Digest::of(b"other"), ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn a_verdict_table_that_is_no_table_is_unreadable() {
    let world = settled().ending_with(|objects, e| match e {
        Entry::Acceptance(e) => Some(Acceptance { verdicts: objects.put(Class::Public, b"no table"), ..e.clone() }.into()),
        _ => None,
    });
    finding(&audited(&world), "unreadable");
}

#[test]
fn a_root_of_accepted_documents_that_is_not_the_tables_is_found() {
    altered("acceptance-table", index("acceptance", 0), |_, e| match e {
        Entry::Acceptance(e) => Some(Acceptance { accepted_root: Digest::of(b"other"), ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn verdicts_about_another_document_are_found() {
    altered("acceptance-table", index("acceptance", 0), |objects, e| match e {
        Entry::Acceptance(e) => {
            let mut table = VerdictTable::decode(&objects.bytes(Class::Public, &e.verdicts)).unwrap();
            table.rows[0].commitment = Digest::of(b"another document");
            let (accepted_root, rejected_root) = table.roots();
            let verdicts = objects.put(Class::Public, table.encode().unwrap());
            Some(Acceptance { verdicts, accepted_root, rejected_root, ..e.clone() }.into())
        }
        _ => None,
    });
}

#[test]
fn novel_words_that_the_table_does_not_give_are_found() {
    altered("acceptance-clusters", index("acceptance", 0), |_, e| match e {
        Entry::Acceptance(e) => Some(Acceptance { novel_words: e.novel_words + 1, ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn parameters_that_are_not_the_epochs_are_found() {
    altered("acceptance-parameters", index("acceptance", 0), |_, e| match e {
        Entry::Acceptance(e) => Some(Acceptance { parameters: e.verdicts, ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn accepted_documents_that_are_in_no_shard_are_found() {
    altered("shard-missing", index("acceptance", 0), |_, e| matches!(e, Entry::Acceptance(_)).then(|| e.clone()));
}

#[test]
fn a_shard_of_another_number_of_tokens_is_found() {
    altered("shard-file", index("shard", 0), |_, e| match e {
        Entry::Shard(e) => Some(Shard { tokens: e.tokens + 1, ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn a_shard_with_a_document_that_was_not_accepted_is_found() {
    altered("shard-documents", index("shard", 0), |objects, e| match e {
        Entry::Shard(e) => Some(reshard(objects, e, |s| s.documents.last_mut().unwrap().document.number += 100)),
        _ => None,
    });
}

#[test]
fn a_token_that_is_not_the_texts_is_found() {
    altered("shard-tokens", index("shard", 0), |objects, e| match e {
        Entry::Shard(e) => Some(reshard(objects, e, |s| s.documents[0].tokens[0] ^= 1)),
        _ => None,
    });
}

#[test]
fn a_run_without_an_end_is_found() {
    altered("run-closed", index("run-intent", 0), |_, e| matches!(e, Entry::RunProgress(_)).then(|| e.clone()));
}

#[test]
fn a_completed_run_without_an_attribution_is_found() {
    altered("run-attributed", index("run-close", 0), |_, e| matches!(e, Entry::RunClose(_)).then(|| e.clone()));
}

#[test]
fn losses_that_the_windows_do_not_give_are_found() {
    altered("close-losses", index("run-close", 0), |_, e| match e {
        Entry::RunClose(e) => Some(RunClose { loss_end: e.loss_end - 1_000_000, ..e.clone() }.into()),
        Entry::Attribution(_) => Some(e.clone()),
        _ => None,
    });
}

#[test]
fn a_drop_that_the_tables_do_not_give_is_found() {
    altered("attribution-totals", index("attribution", 0), |_, e| match e {
        Entry::Attribution(e) => Some(Attribution { drop: e.drop + 1_000_000, ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn a_number_of_document_rows_that_is_not_the_tables_is_found() {
    altered("documents-table", index("attribution", 0), |_, e| match e {
        Entry::Attribution(e) => Some(Attribution { document_rows: e.document_rows + 1, ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn a_replay_that_differed_is_found() {
    altered("replay-differs", index("replay", 0), |_, e| match e {
        Entry::Replay(e) => Some(Replay { outcome: ReplayOutcome::Differs, ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn a_replay_of_a_window_that_was_not_drawn_is_found() {
    // Of the two windows of an interval one is drawn.
    altered("replay-drawn", index("replay", 0), |_, e| match e {
        Entry::Replay(e) => Some(Replay { windows: (0..4).collect(), ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn a_settlement_without_the_epochs_key_is_found() {
    altered("reveal-missing", index("statements", 0), |_, e| matches!(e, Entry::Statements(_)).then(|| e.clone()));
}

#[test]
fn a_sum_that_the_reward_lines_do_not_give_is_found() {
    altered("rewards-sum", index("statements", 0), |_, e| match e {
        Entry::Statements(e) => Some(Statements { accrued_minor: e.accrued_minor - 1, ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn rewards_that_credit_and_policy_do_not_give_are_found() {
    altered("rewards", index("statements", 0), |objects, e| match e {
        Entry::Statements(e) => {
            let rewards = String::from_utf8(objects.bytes(Class::Public, &e.rewards)).unwrap();
            let rewards = objects.put(Class::Public, rewards.replacen("\"run\":0", "\"run\":7", 1));
            Some(Statements { rewards, ..e.clone() }.into())
        }
        _ => None,
    });
}

#[test]
fn a_root_that_is_not_over_the_statements_is_found() {
    altered("statement-root", index("statements", 0), |_, e| match e {
        Entry::Statements(e) => Some(Statements { root: Digest::of(b"other"), ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn a_withdrawal_without_its_effect_is_found() {
    altered("withdrawal-open", index("withdrawal", 0), |_, e| matches!(e, Entry::Withdrawal(_)).then(|| e.clone()));
}

#[test]
fn a_withdrawal_that_names_another_number_of_runs_is_found() {
    altered("withdrawal-runs", index("withdrawal-effect", 0), |_, e| match e {
        Entry::WithdrawalEffect(e) => Some(WithdrawalEffect { runs: e.runs + 1, ..e.clone() }.into()),
        _ => None,
    });
}

#[test]
fn a_bundle_from_which_another_document_was_taken_is_found() {
    let mut world = settled().clone();
    let submission = world.submission_of("anna");
    world.withdraw(&[DocumentRef { submission, number: 1 }], WithdrawalKind::Consent);
    let forged = world.ending_with(|objects, e| match e {
        Entry::WithdrawalEffect(e) if e.bundle.is_some() => {
            let mut parts: Parts = canonical::from_slice(&objects.bytes(Class::Sealed, &e.bundle.unwrap())).unwrap();
            let bundle = Bundle::decode(&objects.bytes(Class::Sealed, &parts.parts[0].file)).unwrap();
            let other = bundle.without(&std::collections::BTreeSet::from([2]));
            parts.parts[0].file = objects.put(Class::Sealed, other.encode().unwrap());
            let list = objects.put(Class::Sealed, canonical::to_vec(&parts).unwrap());
            Some(WithdrawalEffect { bundle: Some(list), ..e.clone() }.into())
        }
        _ => None,
    });
    found_at(&forged, "withdrawn-documents", submission);
}
