//! Every rule of the log's state machine, each with an entry that breaks it and no other.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use common::{
    STORY, World, attribution, books_close, commitment, digest, epoch_open, id, policy_change, registration, replay, reveal, revocation,
    rotation, signed, statements, tokenizer,
};
use corpus::licence::Purpose;
use corpus::{EntryIndex, RunNumber};
use ledger::entry::{
    Acceptance, Attribution, BooksClose, Claim, Commitment, Compaction, Dispute, DisputeOutcome, DisputeResolution, Draw, EpochClose,
    Genesis, Grant, HOME_FORMAT, Holder, KeyRevocation, KeyRotation, PayoutApproval, PayoutProposal, PayoutReport, PoolOutcome,
    Registration, Release, Replay, ReplayOutcome, Resolution, Reveal, RevocationReason, RunClose, RunIntent, RunOutcome, RunProgress,
    Shard, Statements, Submission, VerifiedBy, Withdrawal, WithdrawalEffect, WitnessChange,
};
use ledger::key::Algorithm;
use ledger::{Entry, Envelope, SecretKey, WitnessPolicy};

type Seed = fn(&mut World) -> Envelope;

/// An entry with another text in the place of a term.
fn reworded(envelope: Envelope, term: &str, text: &str) -> Envelope {
    let payload = String::from_utf8(envelope.payload).unwrap();
    assert!(payload.contains(term), "{payload} has no {term}");
    Envelope { payload: payload.replace(term, text).into_bytes(), ..envelope }
}

/// A rule, the event of the story after which it is broken, and the entry that breaks it there.
const CASES: &[(&str, &str, Seed)] = &[
    // Every entry.
    ("entry-form", "nothing", |w| {
        let mut envelope = w.by_operator(w.genesis());
        envelope.payload.push(b' ');
        envelope
    }),
    // A field is left out that has no value.
    ("entry-form", "tokenizer", |w| {
        let payload = String::from_utf8(w.by_operator(w.shard(0)).payload).unwrap();
        Envelope::sign(payload.replace("\"replaces\":null,", "").into_bytes(), &[&w.operator])
    }),
    ("signature", "archive registers", |_| signed(epoch_open(0), &[])),
    ("signature", "archive registers", |w| signed(epoch_open(0), &[&w.approver])),
    ("signature", "archive registers", |w| signed(epoch_open(0), &[&w.operator, &w.approver])),
    ("signature", "archive registers", |w| {
        let mut envelope = w.by_operator(epoch_open(0));
        envelope.signatures[0].1[0] ^= 1;
        envelope
    }),
    ("signature", "genesis", |w| signed(registration(&w.ada, false), &[&w.operator, &w.archive])),
    ("signature", "epoch opens", |w| signed(commitment(&w.archive, 2), &[&w.archive])),
    ("signature", "archive registers", |w| signed(rotation(&w.ada, &w.ada_next), &[&w.ada])),
    ("signature", "ada's key rotated", |w| signed(w.withdrawal(), &[&w.ada])),
    ("signature", "payout proposed", |w| w.by_operator(w.payout_approval())),
    // identity.rs
    ("genesis-first", "nothing", |w| w.by_operator(epoch_open(0))),
    ("genesis-first", "genesis", |w| w.by_operator(w.genesis())),
    ("genesis-format", "nothing", |w| w.by_operator(Genesis { format: HOME_FORMAT + 1, ..w.genesis() })),
    ("genesis-keys", "nothing", |w| w.by_operator(Genesis { origin: "other.example".to_string(), ..w.genesis() })),
    ("genesis-keys", "nothing", |w| w.by_operator(Genesis { approver: w.operator.public(), ..w.genesis() })),
    ("genesis-currency", "nothing", |w| w.by_operator(Genesis { currency: "XT".to_string(), ..w.genesis() })),
    ("genesis-currency", "nothing", |w| w.by_operator(Genesis { currency_exponent: 25, ..w.genesis() })),
    ("witness-policy", "nothing", |w| w.by_operator(Genesis { witness_policy: w.policy(&[]), ..w.genesis() })),
    ("witness-policy", "nothing", |w| {
        let witness_policy = WitnessPolicy::text_of_all(&w.approver.vkey(), &[(w.home.vkey(), None)]);
        w.by_operator(Genesis { witness_policy, ..w.genesis() })
    }),
    ("witness-policy", "nothing", |w| {
        let witness_policy = format!("log {}\nquorum none\n", w.log.vkey());
        w.by_operator(Genesis { witness_policy, ..w.genesis() })
    }),
    ("witness-policy", "nothing", |w| {
        let witness_policy = w.policy(&[&w.home]).replace("quorum every-witness", "quorum none");
        w.by_operator(Genesis { witness_policy, ..w.genesis() })
    }),
    ("witness-policy", "policy change", |w| {
        let mut witness = w.approver.clone();
        witness.algorithm = Algorithm::CosignatureV1;
        w.by_operator(WitnessChange { witness_policy: w.policy(&[&w.home, &witness]), ..w.witness_change() })
    }),
    ("witness-policy", "archive registers", |w| {
        let ada = SecretKey::from_seed("ada", Algorithm::CosignatureV1, &[7; 32]);
        w.by_operator(WitnessChange { witness_policy: w.policy(&[&w.home, &ada]), ..w.witness_change() })
    }),
    ("genesis-keys", "nothing", |w| signed(Genesis { operator: w.log.public(), ..w.genesis() }, &[&w.log])),
    ("genesis-currency", "nothing", |w| w.by_operator(Genesis { currency: "x1 ".to_string(), ..w.genesis() })),
    ("statements-pool", "replay", |w| w.by_operator(Statements { currency: "EUR".to_string(), ..statements(PoolOutcome::Settled) })),
    ("statements-pool", "replay", |w| w.by_operator(Statements { pool_minor: -1, ..statements(PoolOutcome::Settled) })),
    ("entry-form", "payout proposed", |w| reworded(signed(w.payout_approval(), &[&w.approver]), "approved", "perhaps")),
    ("progress-order", "run begins", |w| w.by_operator(RunProgress { step: u64::MAX >> 11, ..w.run_progress(1) })),
    ("entry-form", "last progress", |w| reworded(w.by_operator(w.run_close()), "completed", "aborted: ")),
    ("shard-replaces", "smaller shard", |w| {
        let replaced = w.index("shard", 2);
        w.by_operator(Shard { replaces: Some(replaced), rows: w.smaller_shard().rows - 1, ..w.smaller_shard() })
    }),
    ("contributor-id", "genesis", |w| {
        signed(Registration { contributor: id(&w.archive), ..registration(&w.ada, false) }, &[&w.operator, &w.ada])
    }),
    ("contributor-once", "archive registers", |w| signed(registration(&w.ada, false), &[&w.operator, &w.ada])),
    ("contributor-known", "epoch opens", |w| signed(commitment(&w.far, 1), &[&w.far])),
    ("contributor-commons", "genesis", |w| {
        let commons = Registration { commons: true, ..registration(&w.ada, false) };
        signed(commons, &[&w.operator, &w.ada])
    }),
    ("contributor-commons", "genesis", |w| {
        let commons = Registration { commons: true, payee: Some(digest("payee")), ..registration(&w.ada, true) };
        signed(commons, &[&w.operator, &w.ada])
    }),
    ("key-fresh", "genesis", |w| signed(registration(&w.home, false), &[&w.operator, &w.home])),
    ("key-fresh", "ada's key rotated", |w| signed(registration(&w.ada_next, false), &[&w.operator, &w.ada_next])),
    ("key-fresh", "archive registers", |w| signed(rotation(&w.ada, &w.archive), &[&w.ada, &w.archive])),
    ("key-in-force", "archive registers", |w| {
        signed(KeyRotation { old_key: w.archive.public(), ..rotation(&w.ada, &w.ada_next) }, &[&w.ada, &w.ada_next])
    }),
    ("key-in-force", "archive registers", |w| {
        signed(KeyRevocation { key: w.archive.public(), by_holder: true, ..revocation(&w.ada) }, &[&w.ada])
    }),
    ("key-recovery", "archive registers", |w| {
        signed(KeyRotation { recovery: true, ..rotation(&w.ada, &w.ada_next) }, &[&w.operator, &w.ada_next])
    }),
    ("key-revoked", "archive's key revoked", |w| signed(w.claim(), &[&w.archive, &w.operator])),
    ("key-revoked", "archive's key revoked", |w| signed(rotation(&w.archive, &w.archive_next), &[&w.archive, &w.archive_next])),
    ("key-revoked", "archive's key revoked", |w| w.by_operator(revocation(&w.archive))),
    ("key-revoked", "operator's key revoked", |w| w.by_operator(policy_change(2))),
    ("entry-form", "archive registers", |w| reworded(w.by_operator(revocation(&w.ada)), "lost", "boredom")),
    ("revocation-disputed", "archive registers", |w| {
        w.by_operator(KeyRevocation { disputed_from: Some(w.index("registration", 0)), ..revocation(&w.ada) })
    }),
    ("revocation-disputed", "archive registers", |w| {
        let compromised = KeyRevocation { reason: RevocationReason::Compromised, ..revocation(&w.ada) };
        w.by_operator(KeyRevocation { disputed_from: Some(EntryIndex(w.index("registration", 0).0 - 1)), ..compromised })
    }),
    ("revocation-disputed", "archive registers", |w| {
        let compromised = KeyRevocation { reason: RevocationReason::Compromised, ..revocation(&w.ada) };
        w.by_operator(KeyRevocation { disputed_from: Some(w.state.next_index()), ..compromised })
    }),
    // data.rs: epochs
    ("epoch-order", "archive registers", |w| w.by_operator(epoch_open(1))),
    ("epoch-order", "epoch opens", |w| w.by_operator(epoch_open(1))),
    ("epoch-policy", "policy change", |w| w.by_operator(epoch_open(1))),
    ("epoch-known", "epoch opens", |w| signed(Commitment { epoch: 1, ..commitment(&w.ada, 3) }, &[&w.ada])),
    ("epoch-open", "draw", |w| signed(commitment(&w.ada, 3), &[&w.ada])),
    ("epoch-open", "draw", |w| w.by_operator(w.epoch_close(0))),
    ("commitment-once", "ada commits", |w| {
        signed(Commitment { root: commitment(&w.ada, 3).root, ..commitment(&w.archive, 2) }, &[&w.archive, &w.operator])
    }),
    ("commitment-documents", "epoch opens", |w| signed(commitment(&w.ada, 0), &[&w.ada])),
    ("submission-commitment", "archive commits", |w| {
        signed(Submission { commitment: w.index("registration", 0), ..w.submission(0) }, &[&w.ada])
    }),
    ("submission-commitment", "archive commits", |w| {
        signed(Submission { commitment: w.index("commitment", 1), ..w.submission(0) }, &[&w.ada])
    }),
    ("submission-root", "archive commits", |w| signed(Submission { root: digest("other"), ..w.submission(0) }, &[&w.ada])),
    ("submission-root", "archive commits", |w| signed(Submission { documents: 4, ..w.submission(0) }, &[&w.ada])),
    ("submission-once", "ada submits", |w| signed(w.submission(0), &[&w.ada])),
    ("submission-form", "archive commits", |w| {
        signed(Submission { unread: BTreeMap::from([("nul".into(), 1)]), ..w.submission(0) }, &[&w.ada])
    }),
    ("submission-form", "archive commits", |w| signed(Submission { problems: Some(digest("list")), ..w.submission(0) }, &[&w.ada])),
    ("submission-form", "archive commits", |w| signed(Submission { origin: Some("a b".into()), ..w.submission(0) }, &[&w.ada])),
    ("submission-sequence", "archive commits", |w| signed(Submission { sequence: 1, ..w.submission(0) }, &[&w.ada])),
    ("submission-rights", "archive commits", |w| {
        let mut submission = w.submission(0);
        submission.rights.license_expires = Some("some day".to_string());
        signed(submission, &[&w.ada])
    }),
    ("entry-form", "archive commits", |w| reworded(signed(w.submission(0), &[&w.ada]), "\"method\":\"unknown\"", "\"method\":\"by hand\"")),
    ("submission-attested", "archive commits", |w| {
        let mut submission = w.submission(0);
        submission.rights.license_verified_by = VerifiedBy::Importer;
        signed(submission, &[&w.ada])
    }),
    ("submission-attested", "archive commits", |w| {
        let mut submission = w.submission(1);
        submission.rights.license_verified_by = VerifiedBy::Contributor;
        signed(submission, &[&w.archive, &w.operator])
    }),
    ("close-count", "archive submits", |w| w.by_operator(EpochClose { submissions: 1, ..w.epoch_close(0) })),
    ("draw-epoch", "archive submits", |w| w.by_operator(w.draw(0))),
    ("draw-once", "draw", |w| w.by_operator(w.draw(0))),
    ("draw-targets", "epoch closes", |w| w.by_operator(Draw { pricing: 0, control: 10, ..w.draw(0) })),
    ("draw-targets", "epoch closes", |w| w.by_operator(Draw { control: 5, ..w.draw(0) })),
    ("draw-seed", "epoch closes", |w| w.by_operator(Draw { seed: digest("wished for"), ..w.draw(0) })),
    // The note is none; of another size; not the log's; without the witness.
    ("cosigned-tree-head", "epoch closes", |w| w.by_operator(Draw { tree_head: "\n".to_string(), ..w.draw(0) })),
    ("cosigned-tree-head", "epoch closes", |w| {
        let tree_head = w.tree_head(w.state.size - 1).to_text();
        w.by_operator(Draw { tree_head, ..w.draw(0) })
    }),
    ("cosigned-tree-head", "epoch closes", |w| {
        let mut note = w.tree_head(w.state.size);
        note.signatures.remove(0);
        w.by_operator(Draw { tree_head: note.to_text(), ..w.draw(0) })
    }),
    ("cosigned-tree-head", "epoch closes", |w| {
        let mut note = w.tree_head(w.state.size);
        note.signatures.truncate(1);
        w.by_operator(Draw { tree_head: note.to_text(), ..w.draw(0) })
    }),
    // Who draws beside the home's own witness.
    ("cosigned-tree-head", "next epoch closes", |w| {
        let mut note = w.tree_head(w.state.size);
        note.signatures.truncate(2);
        w.by_operator(Draw { tree_head: note.to_text(), ..w.draw(1) })
    }),
    // data.rs: verdicts and shards
    ("acceptance-reference", "draw", |w| w.by_operator(Acceptance { submission: w.index("commitment", 0), ..w.acceptance(0) })),
    ("acceptance-after-draw", "archive submits", |w| w.by_operator(w.acceptance(0))),
    ("acceptance-order", "draw", |w| w.by_operator(w.acceptance(1))),
    ("acceptance-order", "archive's verdicts", |w| w.by_operator(w.acceptance(1))),
    ("acceptance-counts", "draw", |w| {
        let counts = BTreeMap::from([("accepted".to_string(), 2)]);
        w.by_operator(Acceptance { counts, ..w.acceptance(0) })
    }),
    ("acceptance-review", "draw", |w| w.by_operator(Acceptance { on_hold_for_review: true, ..w.acceptance(0) })),
    ("acceptance-review", "draw", |w| w.by_operator(Acceptance { largest_cluster: u64::MAX >> 11, ..w.acceptance(0) })),
    ("acceptance-review", "draw", |w| {
        let largest_cluster = w.acceptance(0).counts.values().sum();
        w.by_operator(Acceptance { largest_cluster, ..w.acceptance(0) })
    }),
    ("tokenizer-once", "tokenizer", |w| w.by_operator(tokenizer())),
    ("shard-tokenizer", "archive's verdicts", |w| w.by_operator(w.shard(0))),
    ("shard-tokenizer", "tokenizer", |w| w.by_operator(Shard { tokenizer: digest("other"), ..w.shard(0) })),
    ("shard-reference", "tokenizer", |w| w.by_operator(Shard { submission: w.index("commitment", 0), ..w.shard(0) })),
    ("shard-contributor", "tokenizer", |w| w.by_operator(Shard { contributor: id(&w.archive), ..w.shard(0) })),
    ("shard-once", "ada's shard", |w| w.by_operator(w.shard(0))),
    ("shard-rows", "tokenizer", |w| w.by_operator(Shard { rows: 3, ..w.shard(0) })),
    ("shard-rows", "withdrawal", |w| w.by_operator(Shard { rows: 2, ..w.smaller_shard() })),
    ("shard-range", "tokenizer", |w| w.by_operator(Shard { first: 1, ..w.shard(0) })),
    ("shard-range", "tokenizer", |w| w.by_operator(Shard { end: 4, ..w.shard(0) })),
    ("shard-range", "tokenizer", |w| w.by_operator(Shard { end: 0, ..w.shard(0) })),
    ("shard-range", "withdrawal", |w| w.by_operator(Shard { end: 2, ..w.smaller_shard() })),
    // All accepted documents are in it, and some more may follow.
    ("shard-rows", "tokenizer", |w| w.by_operator(Shard { end: 2, ..w.shard(0) })),
    ("compaction-shards", "ada's shard", |w| w.by_operator(w.compaction())),
    ("compaction-shards", "archive's shard", |w| w.by_operator(Compaction { shards: 3, ..w.compaction() })),
    ("compaction-shards", "withdrawal takes effect", |w| w.by_operator(Compaction { first: w.index("shard", 0), ..w.compaction() })),
    ("compaction-sums", "archive's shard", |w| w.by_operator(Compaction { rows: 5, ..w.compaction() })),
    ("compaction-sums", "archive's shard", |w| w.by_operator(Compaction { tokens: 41, ..w.compaction() })),
    ("compaction-once", "compaction", |w| w.by_operator(w.compaction())),
    ("shard-replaces", "tokenizer", |w| w.by_operator(Shard { replaces: Some(w.index("tokenizer", 0)), ..w.shard(0) })),
    ("shard-replaces", "withdrawal", |w| w.by_operator(Shard { replaces: Some(w.index("shard", 1)), ..w.smaller_shard() })),
    ("shard-replaces", "resolution", |w| w.by_operator(w.smaller_shard())),
    // data.rs: claims and withdrawals
    ("claim-documents", "archive registers", |w| signed(Claim { documents: 0, ..w.claim() }, &[&w.archive, &w.operator])),
    ("entry-form", "archive registers", |w| reworded(signed(w.claim(), &[&w.archive, &w.operator]), "contract", "rumour")),
    ("resolution-claim", "claim", |w| w.by_operator(Resolution { claim: EntryIndex(0), ..w.resolution() })),
    ("resolution-once", "resolution", |w| w.by_operator(w.resolution())),
    ("entry-form", "claim", |w| reworded(w.by_operator(w.resolution()), "upheld", "postponed")),
    ("grant-own-key", "archive submits", |w| {
        let grant = Grant { contributor: id(&w.archive), submission: w.index("submission", 1), documents: 2, ..w.grant() };
        signed(grant, &[&w.archive])
    }),
    ("grant-epoch", "archive submits", |w| signed(Grant { submission: EntryIndex(0), ..w.grant() }, &[&w.ada])),
    ("grant-epoch", "epoch closes", |w| signed(w.grant(), &[&w.ada])),
    ("grant-submission", "archive submits", |w| signed(Grant { submission: w.index("submission", 1), ..w.grant() }, &[&w.ada])),
    ("grant-documents", "archive submits", |w| signed(Grant { documents: 2, ..w.grant() }, &[&w.ada])),
    ("grant-documents", "archive submits", |w| signed(Grant { documents: 0, list: Some(digest("list")), ..w.grant() }, &[&w.ada])),
    ("grant-purposes", "archive submits", |w| signed(Grant { purposes: Vec::new(), ..w.grant() }, &[&w.ada])),
    ("grant-purposes", "archive submits", |w| {
        signed(Grant { purposes: vec![Purpose::Commercial, Purpose::Research], ..w.grant() }, &[&w.ada])
    }),
    ("grant-statement", "archive submits", |w| signed(Grant { statement: "I agree".into(), ..w.grant() }, &[&w.ada])),
    ("withdrawal-submission", "archive submits", |w| signed(Withdrawal { submission: EntryIndex(0), ..w.withdrawal() }, &[&w.ada])),
    ("withdrawal-submission", "archive submits", |w| {
        signed(Withdrawal { submission: w.index("submission", 1), ..w.withdrawal() }, &[&w.ada])
    }),
    ("entry-form", "archive submits", |w| reworded(signed(w.withdrawal(), &[&w.ada]), "consent", "regret")),
    ("withdrawal-documents", "archive submits", |w| signed(Withdrawal { documents: 0, ..w.withdrawal() }, &[&w.ada])),
    ("withdrawal-documents", "archive submits", |w| signed(Withdrawal { documents: 4, ..w.withdrawal() }, &[&w.ada])),
    ("withdrawal-effect", "withdrawal", |w| signed(w.withdrawal(), &[&w.ada_next])),
    ("withdrawal-effect", "draw", |w| {
        w.push(signed(w.withdrawal(), &[&w.ada])).unwrap();
        w.by_operator(w.acceptance(0))
    }),
    ("withdrawal-effect", "tokenizer", |w| {
        w.push(signed(w.withdrawal(), &[&w.ada])).unwrap();
        w.by_operator(w.shard(0))
    }),
    ("effect-withdrawal", "smaller shard", |w| w.by_operator(WithdrawalEffect { withdrawal: EntryIndex(0), ..w.withdrawal_effect() })),
    ("effect-withdrawal", "withdrawal takes effect", |w| w.by_operator(w.withdrawal_effect())),
    ("effect-bundle", "smaller shard", |w| w.by_operator(WithdrawalEffect { bundle: None, ..w.withdrawal_effect() })),
    ("effect-accepted", "smaller shard", |w| w.by_operator(WithdrawalEffect { accepted: 2, ..w.withdrawal_effect() })),
    ("effect-shard", "withdrawal", |w| w.by_operator(w.withdrawal_effect())),
    ("effect-corpus", "smaller shard", |w| w.by_operator(WithdrawalEffect { corpus_root: digest("other"), ..w.withdrawal_effect() })),
    // runs.rs
    ("run-order", "archive's shard", |w| w.by_operator(w.run_intent(1))),
    ("run-epoch", "archive's shard", |w| w.by_operator(RunIntent { epoch: 1, ..w.run_intent(0) })),
    ("run-epoch", "archive submits", |w| w.by_operator(w.run_intent(0))),
    ("run-seed", "archive's shard", |w| w.by_operator(RunIntent { seed: digest("wished for"), ..w.run_intent(0) })),
    ("run-corpus", "ada's verdicts", |w| w.by_operator(w.run_intent(0))),
    ("run-corpus", "ada's shard", |w| w.by_operator(w.run_intent(0))),
    ("run-corpus", "archive's shard", |w| w.by_operator(RunIntent { corpus_root: digest("other"), ..w.run_intent(0) })),
    ("run-corpus", "archive's shard", |w| w.by_operator(RunIntent { documents: 5, ..w.run_intent(0) })),
    ("run-corpus", "archive's shard", |w| w.by_operator(RunIntent { tokens: 41, ..w.run_intent(0) })),
    ("run-corpus", "withdrawal takes effect", |w| w.by_operator(w.run_intent(1))),
    ("run-withdrawn", "archive's shard", |w| {
        w.push(signed(w.withdrawal(), &[&w.ada])).unwrap();
        w.by_operator(w.run_intent(0))
    }),
    ("run-buckets", "archive's shard", |w| w.by_operator(RunIntent { contributors: 3, ..w.run_intent(0) })),
    ("run-buckets", "archive's shard", |w| w.by_operator(RunIntent { buckets: 0, ..w.run_intent(0) })),
    ("run-buckets", "archive's shard", |w| w.by_operator(RunIntent { buckets: 3, ..w.run_intent(0) })),
    ("run-known", "run begins", |w| w.by_operator(RunProgress { run: RunNumber(1), ..w.run_progress(1) })),
    ("run-known", "replay", |w| w.by_operator(Statements { run: RunNumber(1), ..statements(PoolOutcome::Settled) })),
    ("run-open", "run completes", |w| w.by_operator(w.run_progress(3))),
    ("run-open", "run completes", |w| w.by_operator(w.run_close())),
    ("progress-order", "first progress", |w| w.by_operator(RunProgress { step: 10, ..w.run_progress(2) })),
    ("progress-order", "first progress", |w| w.by_operator(RunProgress { windows: 1, ..w.run_progress(2) })),
    ("progress-withdrawn", "first progress", |w| {
        w.push(signed(w.withdrawal(), &[&w.ada])).unwrap();
        w.push(w.by_operator(w.smaller_shard())).unwrap();
        w.push(w.by_operator(w.withdrawal_effect())).unwrap();
        w.by_operator(w.run_progress(2))
    }),
    ("progress-draw", "run begins", |w| {
        let drawn_from = Some(w.tree_head(w.state.size).to_text());
        w.by_operator(RunProgress { drawn_from, ..w.run_progress(1) })
    }),
    ("progress-draw", "first progress", |w| w.by_operator(RunProgress { drawn_from: None, ..w.run_progress(2) })),
    ("progress-draw", "last progress", |w| w.by_operator(RunClose { drawn_from: None, ..w.run_close() })),
    ("cosigned-tree-head", "last progress", |w| {
        let drawn_from = Some(w.tree_head(w.state.size - 1).to_text());
        w.by_operator(RunClose { drawn_from, ..w.run_close() })
    }),
    ("entry-form", "last progress", |w| reworded(w.by_operator(w.run_close()), "completed", "aborted")),
    ("close-progress", "last progress", |w| w.by_operator(RunClose { steps: 19, ..w.run_close() })),
    ("close-progress", "last progress", |w| w.by_operator(RunClose { checkpoint: None, ..w.run_close() })),
    ("close-steps", "first progress", |w| w.by_operator(w.run_close())),
    ("attribution-once", "last progress", |w| w.by_operator(attribution())),
    ("attribution-once", "attribution", |w| w.by_operator(attribution())),
    ("attribution-once", "last progress", |w| {
        w.push(w.by_operator(RunClose { outcome: RunOutcome::Aborted("a test".to_string()), ..w.run_close() })).unwrap();
        w.by_operator(attribution())
    }),
    ("attribution-table", "run completes", |w| w.by_operator(Attribution { credit: digest("credit 1"), ..attribution() })),
    ("replay-after", "run completes", |w| w.by_operator(replay(ReplayOutcome::BitEqual))),
    ("entry-form", "attribution", |w| reworded(w.by_operator(replay(ReplayOutcome::BitEqual)), "bit-equal", "similar")),
    ("replay-windows", "attribution", |w| w.by_operator(Replay { windows: Vec::new(), ..replay(ReplayOutcome::BitEqual) })),
    ("replay-windows", "attribution", |w| w.by_operator(Replay { windows: vec![2], ..replay(ReplayOutcome::BitEqual) })),
    // money.rs, and the reveal that settlement allows
    ("policy-future", "epoch opens", |w| w.by_operator(policy_change(0))),
    ("policy-future", "epoch opens", |w| {
        w.push(w.by_operator(policy_change(3))).unwrap();
        w.by_operator(policy_change(2))
    }),
    ("statements-epoch", "replay", |w| w.by_operator(Statements { epoch: 1, ..statements(PoolOutcome::Settled) })),
    ("statements-once", "statements", |w| w.by_operator(statements(PoolOutcome::Settled))),
    ("statements-pilot", "archive's shard", |w| {
        w.push(w.by_operator(RunIntent { pilot: true, ..w.run_intent(0) })).unwrap();
        w.by_operator(statements(PoolOutcome::Settled))
    }),
    ("statements-replayed", "attribution", |w| w.by_operator(statements(PoolOutcome::Settled))),
    ("statements-replayed", "attribution", |w| {
        w.push(w.by_operator(replay(ReplayOutcome::Differs))).unwrap();
        w.by_operator(statements(PoolOutcome::Settled))
    }),
    ("reveal-after", "replay", |w| w.by_operator(reveal())),
    ("reveal-after", "statements", |w| w.by_operator(Reveal { epoch: 1, ..reveal() })),
    ("reveal-key", "statements", |w| w.by_operator(Reveal { dedup_key: digest("other"), ..reveal() })),
    ("reveal-once", "reveal", |w| w.by_operator(reveal())),
    ("statements-pool", "replay", |w| w.by_operator(Statements { accrued_minor: 1001, ..statements(PoolOutcome::Settled) })),
    ("statements-pool", "replay", |w| w.by_operator(Statements { payable_minor: -1, ..statements(PoolOutcome::Settled) })),
    ("statements-pool", "replay", |w| {
        w.by_operator(Statements { payable_minor: 1, ..statements(PoolOutcome::OnHold("held: a test".to_string())) })
    }),
    ("release-statements", "statements", |w| w.by_operator(Release { statements: EntryIndex(0), ..w.release(900) })),
    ("release-statements", "replay", |w| {
        w.push(w.by_operator(statements(PoolOutcome::OnHold("held: a test".to_string())))).unwrap();
        w.by_operator(w.release(900))
    }),
    ("release-total", "statements", |w| w.by_operator(w.release(0))),
    ("release-total", "statements", |w| w.by_operator(Release { contributors: 0, ..w.release(900) })),
    ("release-total", "statements", |w| w.by_operator(w.release(1001))),
    ("release-total", "release", |w| w.by_operator(w.release(51))),
    ("payout-total", "statements", |w| w.by_operator(w.payout_proposal(900))),
    ("dispute-subject", "release", |w| w.by_operator(Dispute { contributor: None, ..w.dispute() })),
    ("dispute-subject", "release", |w| w.by_operator(Dispute { run: Some(RunNumber(0)), ..w.dispute() })),
    ("dispute-subject", "release", |w| w.by_operator(Dispute { contributor: Some(id(&w.far)), ..w.dispute() })),
    ("dispute-subject", "release", |w| w.by_operator(Dispute { contributor: None, submission: Some(EntryIndex(0)), ..w.dispute() })),
    ("dispute-subject", "release", |w| w.by_operator(Dispute { contributor: None, run: Some(RunNumber(1)), ..w.dispute() })),
    ("entry-form", "release", |w| reworded(w.by_operator(w.dispute()), "rights", "envy")),
    ("dispute-known", "dispute", |w| w.by_operator(DisputeResolution { dispute: EntryIndex(0), ..w.dispute_resolution() })),
    ("dispute-once", "clawback", |w| w.by_operator(w.dispute_resolution())),
    ("dispute-outcome", "dispute", |w| w.by_operator(DisputeResolution { amount_minor: 0, ..w.dispute_resolution() })),
    ("dispute-outcome", "dispute", |w| w.by_operator(DisputeResolution { outcome: DisputeOutcome::Released, ..w.dispute_resolution() })),
    ("dispute-outcome", "release", |w| {
        w.push(w.by_operator(Dispute { contributor: None, run: Some(RunNumber(0)), ..w.dispute() })).unwrap();
        w.by_operator(w.dispute_resolution())
    }),
    ("close-period", "release", |w| w.by_operator(BooksClose { period: 1, ..books_close(0) })),
    ("close-period", "books close", |w| w.by_operator(books_close(0))),
    ("close-reconciled", "payout proposed", |w| w.by_operator(books_close(0))),
    ("close-reconciled", "payout settled in part", |w| w.by_operator(books_close(0))),
    ("payout-currency", "release", |w| w.by_operator(PayoutProposal { currency: "EUR".to_string(), ..w.payout_proposal(900) })),
    ("entry-form", "release", |w| reworded(w.by_operator(w.payout_proposal(900)), "csv", "cash")),
    ("payout-total", "release", |w| w.by_operator(w.payout_proposal(0))),
    ("payout-total", "release", |w| w.by_operator(w.payout_proposal(951))),
    ("payout-total", "release", |w| w.by_operator(PayoutProposal { transfers: 0, ..w.payout_proposal(900) })),
    ("payout-total", "payout settled in part", |w| w.by_operator(w.payout_proposal(51))),
    ("payout-total", "the rest comes back", |w| w.by_operator(w.payout_proposal(351))),
    ("payout-proposal", "payout proposed", |w| signed(PayoutApproval { proposal: EntryIndex(0), ..w.payout_approval() }, &[&w.approver])),
    ("approval-once", "payout approved", |w| signed(w.payout_approval(), &[&w.approver])),
    ("approval-same", "payout proposed", |w| signed(PayoutApproval { root: digest("other"), ..w.payout_approval() }, &[&w.approver])),
    ("approval-same", "payout proposed", |w| signed(PayoutApproval { file: digest("other"), ..w.payout_approval() }, &[&w.approver])),
    ("approval-same", "payout proposed", |w| signed(PayoutApproval { total_minor: 901, ..w.payout_approval() }, &[&w.approver])),
    ("settlement-approved", "payout proposed", |w| w.by_operator(w.settlement(600, 0))),
    ("settlement-amounts", "payout approved", |w| w.by_operator(PayoutReport { reversed_minor: 1, ..w.settlement(1, 0) })),
    ("settlement-amounts", "payout settled in part", |w| w.by_operator(PayoutReport { reversed_minor: 601, ..w.settlement(0, 0) })),
    ("settlement-amounts", "payout approved", |w| w.by_operator(w.settlement(0, 0))),
    ("settlement-amounts", "payout approved", |w| w.by_operator(w.settlement(601, -1))),
    ("settlement-amounts", "payout approved", |w| w.by_operator(w.settlement(i128::MAX, 1))),
    ("settlement-amounts", "payout settled in part", |w| w.by_operator(w.settlement(1, 300))),
];

#[test]
fn a_whole_story_is_accepted() {
    let mut w = World::new();
    for (event, entry) in STORY {
        assert_eq!(w.push(entry(&w)), Ok(()), "{event}");
    }
    for kind in Entry::KINDS {
        w.index(kind, 0);
    }
    let (before, effect) = (w.index("withdrawal", 0), w.index("withdrawal-effect", 0));
    let epoch = &w.state.epochs[0];
    let documents_and_tokens = |index: EntryIndex| (epoch.corpus(index).1, epoch.corpus(index).2);
    assert_eq!((documents_and_tokens(before), documents_and_tokens(effect + 1)), ((4, 40), (3, 30)));
    assert_eq!(epoch.submissions[0].bundle(), w.withdrawal_effect().bundle.expect("a withdrawal of consent"));
    assert_eq!(w.state.payouts[0].reported(), 900);
    let rotated = w.index("key-rotation", 0);
    let ada = Holder::Contributor(id(&w.ada));
    assert_eq!(w.state.key_before(&ada, rotated), Some(w.ada.public()));
    assert_eq!(w.state.key_before(&ada, rotated + 1), Some(w.ada_next.public()));
    assert_eq!(w.state.holder(&w.ada.public()), Some(ada));
}

#[test]
fn every_rule_names_its_violation() {
    let mut w = World::new();
    let mut after = BTreeMap::from([("nothing", w.clone())]);
    for (event, entry) in STORY {
        w.push(entry(&w)).unwrap();
        after.insert(*event, w.clone());
    }
    for (number, (rule, event, seed)) in CASES.iter().enumerate() {
        let case = format!("case {number}, {rule} after {event:?}");
        let mut w = after.get(event).unwrap_or_else(|| panic!("{case}: no such event")).clone();
        let envelope = seed(&mut w);
        let before = format!("{:?}", w.state);
        let Err(violation) = w.state.apply(&envelope) else { panic!("{case}: accepted") };
        assert_eq!((violation.rule, violation.index), (*rule, w.state.next_index()), "{case}: {violation}");
        assert_eq!(format!("{:?}", w.state), before, "{case}: the state changed");
        // Who replays a log checks signatures apart.
        if !["entry-form", "signature"].contains(rule) {
            let entry = Entry::from_payload(&envelope.payload).unwrap();
            assert_eq!(w.state.apply_unsigned(entry), Err(violation), "{case}, unsigned");
            assert_eq!(format!("{:?}", w.state), before, "{case}: the state changed, unsigned");
        }
    }
}

/// The ids in the calls of `rule!` and `some!` and in violations made by hand.
fn rules_of(source: &str) -> Vec<String> {
    let text = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let quoted = |rest: &str| rest.trim_start().strip_prefix('"')?.split_once('"').map(|(rule, _)| rule.to_string());
    let mut rules = Vec::new();
    for call in ["rule!(", "some!("] {
        for (at, _) in text.match_indices(call) {
            let arguments = text[at + call.len()..].trim_start();
            let rest = ["index,", "self.next_index(),"].iter().find_map(|index| arguments.strip_prefix(*index)).and_then(quoted);
            rules.push(rest.unwrap_or_else(|| panic!("{call} with no rule: {}", arguments.chars().take(80).collect::<String>())));
        }
    }
    let by_hand = "Violation { rule: ";
    rules.extend(text.match_indices(by_hand).filter_map(|(at, _)| quoted(&text[at + by_hand.len()..])));
    rules
}

#[test]
fn every_rule_of_the_source_has_a_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/state");
    let mut found = BTreeSet::new();
    for file in fs::read_dir(&folder).unwrap() {
        found.extend(rules_of(&fs::read_to_string(file.unwrap().path()).unwrap()));
    }
    let cases: BTreeSet<String> = CASES.iter().map(|(rule, ..)| rule.to_string()).collect();
    assert_eq!(found.difference(&cases).collect::<Vec<_>>(), Vec::<&String>::new(), "rules without a case");
    assert_eq!(cases.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new(), "cases without a rule");
}
