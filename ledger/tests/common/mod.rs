//! A log in memory: its keys, and of every kind an entry that its state takes next.

// Each test uses a part of it.
#![allow(dead_code)]

use ledger::history::Logged;
use std::collections::BTreeMap;

use corpus::licence::Purpose;
use corpus::merkle::{self, Tree};
use corpus::{ContributorId, Digest, EntryIndex, RunNumber};
use ledger::entry::rights::{LicenseStatement, grant_sentence};
use ledger::entry::{
    Acceptance, ApprovalOutcome, Attribution, BooksClose, Claim, ClaimOutcome, Commitment, Compaction, Dispute, DisputeCode,
    DisputeOutcome, DisputeResolution, Draw, EpochClose, EpochOpen, EvidenceKind, Genesis, Grant, HOME_FORMAT, Holder, KeyRevocation,
    KeyRotation, LicenseSource, PayoutApproval, PayoutProposal, PayoutReport, PolicyChange, PoolOutcome, RailName, Registration, Release,
    Replay, ReplayOutcome, Resolution, Reveal, RevocationReason, Rights, RunClose, RunIntent, RunOutcome, RunProgress, Shard, Statements,
    Submission, Tokenizer, TokenizerOrigin, VerifiedBy, Withdrawal, WithdrawalEffect, WithdrawalKind, WitnessChange,
};
use ledger::key::Algorithm;
use ledger::tree_head::draw_seed;
use ledger::{Entry, Envelope, Note, SecretKey, State, TreeHead, Violation, WitnessPolicy};

const TIME: u64 = 1_700_000_000;

/// A log and everybody who signs in it.
#[derive(Clone)]
pub struct World {
    pub state: State,
    pub log: SecretKey,
    /// The home's own witness.
    pub home: SecretKey,
    /// A witness that joins later.
    pub far: SecretKey,
    pub operator: SecretKey,
    pub operator_next: SecretKey,
    pub approver: SecretKey,
    /// Contributes under a key of its own.
    pub ada: SecretKey,
    pub ada_next: SecretKey,
    /// What the operator imports.
    pub archive: SecretKey,
    pub archive_next: SecretKey,
    kinds: Vec<&'static str>,
    tree: Tree,
}

impl World {
    pub fn new() -> World {
        let signer = |name: &str, seed: u8| SecretKey::from_seed(name, Algorithm::Ed25519, &[seed; 32]);
        let witness = |name: &str, seed: u8| SecretKey::from_seed(name, Algorithm::CosignatureV1, &[seed; 32]);
        World {
            state: State::default(),
            log: signer("log.example", 1),
            home: witness("home.example", 2),
            far: witness("far.example", 3),
            operator: signer("operator", 4),
            operator_next: signer("operator", 5),
            approver: signer("approver", 6),
            ada: signer("ada", 7),
            ada_next: signer("ada", 8),
            archive: signer("archive", 9),
            archive_next: signer("archive", 10),
            kinds: Vec::new(),
            tree: Tree::default(),
        }
    }

    /// Applies an entry; the tree grows if it was taken.
    pub fn push(&mut self, envelope: Envelope) -> Result<(), Violation> {
        let entry = self.state.apply(&envelope)?;
        self.kinds.push(entry.kind());
        self.tree.push(merkle::leaf_hash(&envelope.to_bytes().expect("an envelope of an entry's size")));
        Ok(())
    }

    /// The index of the `n`th entry of `kind`, from 0.
    pub fn index(&self, kind: &str, n: usize) -> EntryIndex {
        let found = self.kinds.iter().enumerate().filter(|(_, k)| **k == kind).nth(n);
        EntryIndex(found.unwrap_or_else(|| panic!("{kind} entry {n} is not in the log")).0 as u64)
    }

    /// The tree head of `size`, signed by the log and by the witnesses in force.
    pub fn tree_head(&self, size: u64) -> Note {
        let head = TreeHead { origin: self.log.name.clone(), size, root: self.tree.root(size) };
        let mut note = Note::new(head.to_text());
        note.sign(&self.log, TIME);
        let policy = self.state.witnesses_of(size).expect("a genesis");
        for witness in [&self.home, &self.far] {
            if policy.witnesses.iter().any(|w| w.verifier.public == witness.public()) {
                note.sign(witness, TIME + size);
            }
        }
        note
    }

    /// A policy of this log in which all of `witnesses` have to cosign.
    pub fn policy(&self, witnesses: &[&SecretKey]) -> String {
        let witnesses: Vec<(String, Option<String>)> = witnesses.iter().map(|w| (w.vkey(), None)).collect();
        WitnessPolicy::text_of_all(&self.log.vkey(), &witnesses)
    }

    pub fn by_operator(&self, entry: impl Into<Entry>) -> Envelope {
        signed(entry, &[&self.operator])
    }

    pub fn genesis(&self) -> Genesis {
        Genesis {
            format: HOME_FORMAT,
            origin: self.log.name.clone(),
            demo: true,
            operator: self.operator.public(),
            approver: self.approver.public(),
            log: self.log.vkey(),
            witness_policy: self.policy(&[&self.home]),
            currency: "XTS".to_string(),
            currency_exponent: 2,
            time: TIME,
        }
    }

    /// `far` beside `home`.
    pub fn witness_change(&self) -> WitnessChange {
        WitnessChange { witness_policy: self.policy(&[&self.home, &self.far]), time: TIME }
    }

    /// The submission of the `n`th commitment.
    pub fn submission(&self, n: usize) -> Submission {
        let commitment = self.index("commitment", n);
        let Logged { entry: committed, .. } = self.state.epochs[0].commitment(commitment).expect("a commitment of epoch 0");
        let contributor = &self.state.contributors[&committed.contributor];
        let verified_by = if contributor.registration.entry.custodial { VerifiedBy::Importer } else { VerifiedBy::Contributor };
        Submission {
            epoch: 0,
            contributor: committed.contributor,
            sequence: contributor.submissions,
            commitment,
            root: committed.root,
            documents: committed.documents,
            bytes: 1000,
            bundle: digest(&format!("bundle {n}")),
            unread: BTreeMap::new(),
            problems: None,
            origin: None,
            rights: Rights::of_license(
                "MIT",
                vec![LicenseStatement { source: LicenseSource::Declared, license: "MIT".into(), digest: digest("licence") }],
                verified_by,
            ),
            time: TIME,
        }
    }

    pub fn epoch_close(&self, epoch: u32) -> EpochClose {
        EpochClose { epoch, submissions: self.state.epochs[epoch as usize].submissions.len() as u64, time: TIME }
    }

    /// The draw from the tree head of now.
    pub fn draw(&self, epoch: u32) -> Draw {
        let tree_head = self.tree_head(self.state.size);
        let policy = self.state.witnesses_of(self.state.size).expect("a genesis");
        let seed = draw_seed(&tree_head, policy).expect("all witnesses have cosigned");
        Draw { epoch, tree_head: tree_head.to_text(), seed, targets: digest("targets"), pricing: 6, control: 4 }
    }

    /// Verdicts on the `n`th submission: two documents are accepted.
    pub fn acceptance(&self, n: usize) -> Acceptance {
        let submission = self.index("submission", n);
        let documents = self.state.submission(submission).expect("a submission").submission.entry.documents;
        Acceptance {
            submission,
            verdicts: digest(&format!("verdicts {n}")),
            counts: BTreeMap::from([("accepted".to_string(), 2), ("exact-duplicate".to_string(), documents - 2)]),
            accepted_root: digest(&format!("accepted {n}")),
            rejected_root: digest(&format!("rejected {n}")),
            parameters: digest("parameters"),
            largest_cluster: 1,
            on_hold_for_review: false,
            novel_words: 1234,
        }
    }

    /// The first shard of the `n`th submission.
    pub fn shard(&self, n: usize) -> Shard {
        let submission = self.index("submission", n);
        Shard {
            submission,
            contributor: self.state.submission(submission).expect("a submission").submission.entry.contributor,
            first: 0,
            end: self.state.submission(submission).expect("a submission").submission.entry.documents as u32,
            file: digest(&format!("shard {n}")),
            rows: 2,
            tokens: 20,
            document_root: document_root(n),
            tokenizer: digest("tokenizer"),
            replaces: None,
        }
    }

    pub fn claim(&self) -> Claim {
        Claim {
            claimant: id(&self.archive),
            documents: 1,
            list: digest("claimed"),
            evidence_kind: EvidenceKind::Contract,
            evidence: digest("evidence"),
            time: TIME,
        }
    }

    /// Ada licenses her documents for more than their licence permits.
    pub fn grant(&self) -> Grant {
        let purposes = vec![Purpose::Research, Purpose::Commercial];
        Grant {
            contributor: id(&self.ada),
            submission: self.index("submission", 0),
            documents: 3,
            list: None,
            statement: grant_sentence(&purposes, &digest("terms")),
            purposes,
            terms: digest("terms"),
            time: TIME,
        }
    }

    pub fn resolution(&self) -> Resolution {
        Resolution { claim: self.index("claim", 0), outcome: ClaimOutcome::Upheld, reasons: digest("reasons"), time: TIME }
    }

    /// One of ada's accepted documents.
    pub fn withdrawal(&self) -> Withdrawal {
        Withdrawal {
            contributor: id(&self.ada),
            submission: self.index("submission", 0),
            kind: WithdrawalKind::Consent,
            documents: 1,
            list: digest("withdrawn"),
            time: TIME,
        }
    }

    /// Ada's shard without it.
    pub fn smaller_shard(&self) -> Shard {
        Shard {
            file: digest("smaller shard"),
            rows: 1,
            tokens: 10,
            document_root: digest("documents left"),
            replaces: Some(self.index("shard", 0)),
            ..self.shard(0)
        }
    }

    /// What is left of ada's shard, and archive's, in one file.
    pub fn compaction(&self) -> Compaction {
        let shards = self.state.epochs[0].shards_before(self.state.next_index());
        Compaction {
            epoch: 0,
            first: shards.first().expect("a shard").index,
            last: shards.last().expect("a shard").index,
            shards: shards.len() as u64,
            file: digest("compacted"),
            rows: shards.iter().map(|Logged { entry: s, .. }| s.rows).sum(),
            tokens: shards.iter().map(|Logged { entry: s, .. }| s.tokens).sum(),
            document_root: digest("documents together"),
        }
    }

    pub fn withdrawal_effect(&self) -> WithdrawalEffect {
        WithdrawalEffect {
            withdrawal: self.index("withdrawal", 0),
            bundle: Some(digest("smaller bundle")),
            accepted: 1,
            runs: 1,
            consequences: digest("consequences"),
            corpus_root: corpus_root(&[digest("documents left"), document_root(1)]),
            time: TIME,
        }
    }

    /// A run of two windows and 20 steps on both shards.
    pub fn run_intent(&self, run: u32) -> RunIntent {
        RunIntent {
            run: RunNumber(run),
            epoch: 0,
            corpus_root: corpus_root(&[document_root(0), document_root(1)]),
            documents: 4,
            tokens: 40,
            config: digest("config"),
            code: "0.1.0".to_string(),
            build: digest("build"),
            backend: "cpu f32".to_string(),
            instruction_set: "avx2".to_string(),
            threads: 1,
            initial_parameters: digest("initial weights"),
            seed: self.state.epochs[0].draw.as_ref().map_or(digest("no draw"), |Logged { entry: draw, .. }| draw.seed),
            contributors: 2,
            buckets: 2,
            pilot: false,
            steps: 20,
        }
    }

    /// Run 0 after so many windows.
    pub fn run_progress(&self, windows: u64) -> RunProgress {
        RunProgress {
            run: RunNumber(0),
            step: 10 * windows,
            windows,
            state: digest(&format!("state {windows}")),
            checkpoint: digest(&format!("checkpoint {windows}")),
            credit: digest(&format!("credit {windows}")),
            documents: digest(&format!("document table {windows}")),
            order: digest(&format!("order {windows}")),
            shares: digest(&format!("weights {windows}")),
            drawn_from: self.drawn_from(),
        }
    }

    /// The end of run 0 at its last progress.
    pub fn run_close(&self) -> RunClose {
        let Logged { entry: last, .. } = self.state.runs[0].progress.last().expect("a run with progress");
        RunClose {
            run: RunNumber(0),
            outcome: RunOutcome::Completed,
            steps: last.step,
            checkpoint: Some(last.checkpoint),
            loss_start: 5_000_000_000,
            loss_end: 4_000_000_000,
            control_start: 5_100_000_000,
            control_end: 4_200_000_000,
            drawn_from: self.drawn_from(),
        }
    }

    fn drawn_from(&self) -> Option<String> {
        let Logged { index: at, .. } = self.state.runs.first()?.progress.last()?;
        Some(self.tree_head((*at + 1).0).to_text())
    }

    pub fn release(&self, total_minor: i128) -> Release {
        Release { statements: self.index("statements", 0), contributors: 2, total_minor, list: digest("released"), time: TIME }
    }

    /// A dispute about ada.
    pub fn dispute(&self) -> Dispute {
        let evidence = digest("doubt");
        Dispute { contributor: Some(id(&self.ada)), submission: None, run: None, code: DisputeCode::Rights, evidence, time: TIME }
    }

    pub fn dispute_resolution(&self) -> DisputeResolution {
        let dispute = self.index("dispute", 0);
        DisputeResolution { dispute, outcome: DisputeOutcome::Clawback, amount_minor: 5, reasons: digest("reasons"), time: TIME }
    }

    pub fn payout_proposal(&self, total_minor: i128) -> PayoutProposal {
        PayoutProposal {
            rail: RailName::Csv,
            total_minor,
            currency: "XTS".to_string(),
            transfers: 2,
            root: digest(&format!("transfers of {total_minor}")),
            list: digest(&format!("list of {total_minor}")),
            file: digest(&format!("file of {total_minor}")),
            time: TIME,
        }
    }

    /// Consent to the first proposal.
    pub fn payout_approval(&self) -> PayoutApproval {
        let Logged { index: proposal, entry: proposed } = &self.state.payouts[0].proposal;
        PayoutApproval {
            proposal: *proposal,
            outcome: ApprovalOutcome::Approved,
            root: proposed.root,
            file: proposed.file,
            total_minor: proposed.total_minor,
            time: TIME,
        }
    }

    /// A report on the first proposal.
    pub fn settlement(&self, paid_minor: i128, returned_minor: i128) -> PayoutReport {
        let proposal = self.index("payout-proposal", 0);
        PayoutReport {
            proposal,
            paid_minor,
            returned_minor,
            transfers: 1,
            reversed_minor: 0,
            returned: digest("returned"),
            reversed: digest("reversed"),
            report: digest("report"),
            time: TIME,
        }
    }
}

pub fn signed(entry: impl Into<Entry>, keys: &[&SecretKey]) -> Envelope {
    let entry: Entry = entry.into();
    Envelope::sign(entry.to_payload().expect("an entry of integers and text"), keys)
}

pub fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// The contributor whose first key is `key`.
pub fn id(key: &SecretKey) -> ContributorId {
    ContributorId::of_key(&key.public().to_bytes())
}

fn document_root(n: usize) -> Digest {
    digest(&format!("documents {n}"))
}

fn corpus_root(document_roots: &[Digest]) -> Digest {
    let leaves: Vec<Digest> = document_roots.iter().map(|root| merkle::leaf_hash(&root.0)).collect();
    merkle::root(&leaves)
}

pub fn registration(key: &SecretKey, custodial: bool) -> Registration {
    Registration { contributor: id(key), key: key.public(), terms: digest("terms"), custodial, payee: None, commons: false }
}

/// A contributor's second key.
pub fn rotation(old: &SecretKey, new: &SecretKey) -> KeyRotation {
    KeyRotation { holder: Holder::Contributor(id(old)), old_key: old.public(), key: new.public(), recovery: false, time: TIME }
}

/// A contributor's first key, which the operator revokes.
pub fn revocation(key: &SecretKey) -> KeyRevocation {
    KeyRevocation {
        holder: Holder::Contributor(id(key)),
        key: key.public(),
        reason: RevocationReason::Lost,
        disputed_from: None,
        by_holder: false,
        time: TIME,
    }
}

pub fn policy_change(from_epoch: u32) -> PolicyChange {
    PolicyChange { policy: digest("second policy"), from_epoch, announcement: digest("announcement"), time: TIME }
}

pub fn epoch_open(epoch: u32) -> EpochOpen {
    EpochOpen {
        epoch,
        policy: digest("first policy"),
        purpose: Purpose::Research,
        pool: digest("pool"),
        pool_root: digest("pool root"),
        pool_documents: 10,
        dedup_key: Digest::of(&digest("dedup key").0),
        time: TIME,
    }
}

pub fn commitment(key: &SecretKey, documents: u64) -> Commitment {
    Commitment { epoch: 0, contributor: id(key), root: digest(&format!("root of {}", id(key))), documents }
}

pub fn tokenizer() -> Tokenizer {
    Tokenizer { tokenizer: digest("tokenizer"), vocabulary: 512, origin: TokenizerOrigin::Given }
}

/// The attribution of run 0 from its second window's table.
pub fn attribution() -> Attribution {
    Attribution {
        run: RunNumber(0),
        credit: digest("credit 2"),
        windows: digest("windows"),
        documents: digest("document table"),
        rows: 2,
        document_rows: 4,
        drop: 1_000_000_000,
        residual: 1000,
        decay: -1000,
        correction: 0,
        estimated_ppm: 0,
    }
}

/// Both windows of run 0, computed again.
pub fn replay(outcome: ReplayOutcome) -> Replay {
    Replay { run: RunNumber(0), windows: vec![0, 1], outcome, threads: 1 }
}

pub fn statements(outcome: PoolOutcome) -> Statements {
    let part = if outcome == PoolOutcome::Settled { 1000 } else { 0 };
    Statements {
        epoch: 0,
        run: RunNumber(0),
        pool_minor: 1000,
        currency: "XTS".to_string(),
        rewards: digest("rewards"),
        accrued_minor: part,
        payable_minor: part,
        statements: 2,
        root: digest("statements"),
        time: TIME,
        outcome,
    }
}

pub fn books_close(period: u32) -> BooksClose {
    BooksClose { period, balances: digest("balances"), accounts: 7, time: TIME }
}

pub fn reveal() -> Reveal {
    Reveal { epoch: 0, dedup_key: digest("dedup key"), openings: digest("openings") }
}

/// What happens, and the entry with its signatures.
type Event = (&'static str, fn(&World) -> Envelope);

/// What happens, in order, and who signs it.
pub const STORY: &[Event] = &[
    ("genesis", |w| w.by_operator(w.genesis())),
    ("ada registers", |w| signed(registration(&w.ada, false), &[&w.operator, &w.ada])),
    ("archive registers", |w| signed(registration(&w.archive, true), &[&w.operator, &w.archive])),
    ("epoch opens", |w| w.by_operator(epoch_open(0))),
    ("ada commits", |w| signed(commitment(&w.ada, 3), &[&w.ada])),
    ("archive commits", |w| signed(commitment(&w.archive, 2), &[&w.archive, &w.operator])),
    ("ada submits", |w| signed(w.submission(0), &[&w.ada])),
    ("archive submits", |w| signed(w.submission(1), &[&w.archive, &w.operator])),
    ("ada grants", |w| signed(w.grant(), &[&w.ada])),
    ("epoch closes", |w| w.by_operator(w.epoch_close(0))),
    ("draw", |w| w.by_operator(w.draw(0))),
    ("ada's verdicts", |w| w.by_operator(w.acceptance(0))),
    ("archive's verdicts", |w| w.by_operator(w.acceptance(1))),
    ("tokenizer", |w| w.by_operator(tokenizer())),
    ("ada's shard", |w| w.by_operator(w.shard(0))),
    ("archive's shard", |w| w.by_operator(w.shard(1))),
    ("run begins", |w| w.by_operator(w.run_intent(0))),
    ("first progress", |w| w.by_operator(w.run_progress(1))),
    ("last progress", |w| w.by_operator(w.run_progress(2))),
    ("run completes", |w| w.by_operator(w.run_close())),
    ("attribution", |w| w.by_operator(attribution())),
    ("replay", |w| w.by_operator(replay(ReplayOutcome::BitEqual))),
    ("statements", |w| w.by_operator(statements(PoolOutcome::Settled))),
    ("reveal", |w| w.by_operator(reveal())),
    ("release", |w| w.by_operator(w.release(950))),
    ("payout proposed", |w| w.by_operator(w.payout_proposal(900))),
    ("payout approved", |w| signed(w.payout_approval(), &[&w.approver])),
    ("payout settled in part", |w| w.by_operator(w.settlement(600, 0))),
    ("the rest comes back", |w| w.by_operator(w.settlement(0, 300))),
    ("books close", |w| w.by_operator(books_close(0))),
    ("dispute", |w| w.by_operator(w.dispute())),
    ("clawback", |w| w.by_operator(w.dispute_resolution())),
    ("what came back is proposed with what was left", |w| w.by_operator(w.payout_proposal(350))),
    ("ada's key rotated", |w| signed(rotation(&w.ada, &w.ada_next), &[&w.ada, &w.ada_next])),
    ("archive's key revoked", |w| w.by_operator(revocation(&w.archive))),
    ("archive's key recovered", |w| {
        signed(KeyRotation { recovery: true, ..rotation(&w.archive, &w.archive_next) }, &[&w.operator, &w.archive_next])
    }),
    ("claim", |w| signed(w.claim(), &[&w.archive_next, &w.operator])),
    ("resolution", |w| w.by_operator(w.resolution())),
    ("withdrawal", |w| signed(w.withdrawal(), &[&w.ada_next])),
    ("smaller shard", |w| w.by_operator(w.smaller_shard())),
    ("withdrawal takes effect", |w| w.by_operator(w.withdrawal_effect())),
    ("compaction", |w| w.by_operator(w.compaction())),
    ("policy change", |w| w.by_operator(policy_change(1))),
    ("witness change", |w| w.by_operator(w.witness_change())),
    ("next epoch opens", |w| w.by_operator(EpochOpen { policy: policy_change(1).policy, ..epoch_open(1) })),
    ("next epoch closes", |w| w.by_operator(w.epoch_close(1))),
    ("next draw", |w| w.by_operator(w.draw(1))),
    ("operator's key revoked", |w| signed(KeyRevocation { holder: Holder::Operator, ..revocation(&w.operator) }, &[&w.approver])),
    ("operator's key recovered", |w| {
        let recovery = KeyRotation { holder: Holder::Operator, recovery: true, ..rotation(&w.operator, &w.operator_next) };
        signed(recovery, &[&w.approver, &w.operator_next])
    }),
    ("the new key signs", |w| signed(policy_change(2), &[&w.operator_next])),
];

/// The canonical payload of the first entry of every kind in the story, as `docs/ledger-format.md` has them.
pub fn worked_bytes() -> String {
    let (mut w, mut text, mut seen) = (World::new(), String::new(), Vec::new());
    for (_, entry) in STORY {
        let envelope = entry(&w);
        w.push(envelope.clone()).expect("the story is valid");
        let kind = *w.kinds.last().expect("just pushed");
        if !seen.contains(&kind) {
            seen.push(kind);
            let payload = String::from_utf8(envelope.payload).expect("JSON");
            text += &format!("### Bytes of {kind}\n\n```json\n{payload}\n```\n\n");
        }
    }
    assert_eq!(seen.len(), Entry::KINDS.len(), "a kind is missing in the story");
    text
}
