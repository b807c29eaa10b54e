//! The log replayed entry by entry: what is known after each, and every rule about order, signers and references.
//!
//! The operator applies an entry before it appends it, the auditor applies the same rules afterwards.
//!
//! - `identity`: who signs what; registrations, keys, witnesses
//! - `data`: epochs, submissions, verdicts, shards, claims, withdrawals
//! - `runs`: runs and their attribution
//! - `money`: policies, statements, payouts, disputes, the books' close
//!
//! A violation leaves the state as it was. What comes often (registrations, commitments, submissions, verdicts, shards) is looked up in
//! logarithmic time; a run's intent and a withdrawal's effect go through an epoch, settlements and payouts through their few likes.

mod data;
mod identity;
mod money;
mod runs;

use std::collections::BTreeMap;

use corpus::{ContributorId, EntryIndex, RunNumber};
use serde::{Deserialize, Serialize};

use crate::entry::{BooksClose, Entry, Genesis, Holder, PolicyChange, Tokenizer};
use crate::envelope::Envelope;
use crate::history::{Claimed, Contributor, Disputed, Epoch, HeldKey, Logged, Payout, Run, Submitted, UnknownRun};
use crate::key::PublicKey;
use crate::witness_policy::WitnessPolicy;

/// An entry that a rule forbids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index}: {text} [{rule}]")]
pub struct Violation {
    /// The rule's id, as in `docs/ledger-format.md`.
    pub rule: &'static str,
    /// The entry.
    pub index: EntryIndex,
    /// The thing, the expected and the found.
    pub text: String,
}

/// The keys that have to have signed an entry, in any order, with the roles that they have in it.
pub type Signers = Vec<(&'static str, PublicKey)>;

/// What the log says.
///
/// It can be kept beside a log and gone on from, so that what was read once is not read again; it says nothing about signatures then.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Entries applied.
    pub size: u64,
    /// The first entry.
    pub genesis: Option<Genesis>,
    /// The operator's key.
    pub operator: Option<HeldKey>,
    /// The approver's key.
    pub approver: Option<HeldKey>,
    /// The witnesses, with the entries that named them: genesis, and changes since.
    pub witnesses: Vec<Logged<WitnessPolicy>>,
    /// Contributors by id.
    pub contributors: BTreeMap<ContributorId, Contributor>,
    /// Epochs in order.
    pub epochs: Vec<Epoch>,
    /// The tokenizer, once it is fixed.
    pub tokenizer: Option<Logged<Tokenizer>>,
    /// Runs in order.
    pub runs: Vec<Run>,
    /// Policies of epochs to come, in order.
    pub policies: Vec<Logged<PolicyChange>>,
    /// Claims in order.
    pub claims: Vec<Claimed>,
    /// Payouts in order.
    pub payouts: Vec<Payout>,
    /// Disputes in order.
    pub disputes: Vec<Disputed>,
    /// Closes of the books, in order.
    pub closes: Vec<Logged<BooksClose>>,
    /// Keys that others took the place of.
    past: Vec<(Holder, HeldKey)>,
    /// Every key that ever had a role, with whose it is: none may have another. The log's and its witnesses' are nobody's here.
    keys: BTreeMap<[u8; 32], Option<Holder>>,
}

/// Stops with a violation of `rule` unless `holds`.
macro_rules! rule {
    ($index:expr, $rule:literal, $holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err($crate::state::Violation { rule: $rule, index: $index, text: format!($($text)+) });
        }
    };
}

/// The value, or a violation of `rule` if there is none.
macro_rules! some {
    ($index:expr, $rule:literal, $value:expr, $($text:tt)+) => {
        match $value {
            Some(value) => value,
            None => return Err($crate::state::Violation { rule: $rule, index: $index, text: format!($($text)+) }),
        }
    };
}
use {rule, some};

impl State {
    /// The place that the next entry gets.
    pub fn next_index(&self) -> EntryIndex {
        EntryIndex(self.size)
    }

    /// Applies the next entry.
    ///
    /// # Errors
    /// [`Violation`]; the state is as it was before.
    pub fn apply(&mut self, envelope: &Envelope) -> Result<Entry, Violation> {
        let index = self.next_index();
        let entry = Entry::from_payload(&envelope.payload).map_err(|e| Violation { rule: "entry-form", index, text: e.to_string() })?;
        let signers = self.signers(&entry)?;
        check_signatures(index, &entry, envelope, &signers)?;
        self.transition(entry.clone())?;
        Ok(entry)
    }

    /// Applies the next entry and returns who has to have signed it, which the caller checks with [`check_signatures`].
    ///
    /// Signatures cost a hundred times as much as everything else and may be checked in any order; an entry whose
    /// signatures do not hold must be followed by none.
    ///
    /// # Errors
    /// [`Violation`]; the state is as it was before.
    pub fn apply_unsigned(&mut self, entry: Entry) -> Result<Signers, Violation> {
        let signers = self.signers(&entry)?;
        self.transition(entry)?;
        Ok(signers)
    }

    fn transition(&mut self, entry: Entry) -> Result<(), Violation> {
        let index = self.next_index();
        match entry {
            Entry::Genesis(e) => self.genesis(index, e),
            Entry::Registration(e) => self.register(index, e),
            Entry::KeyRotation(e) => self.rotate(index, e),
            Entry::KeyRevocation(e) => self.revoke(index, e),
            Entry::WitnessChange(e) => self.change_witnesses(index, e),
            Entry::EpochOpen(e) => self.open(index, e),
            Entry::Commitment(e) => self.commit(index, e),
            Entry::Submission(e) => self.submit(index, e),
            Entry::EpochClose(e) => self.close(index, e),
            Entry::Draw(e) => self.draw(index, e),
            Entry::Acceptance(e) => self.accept(index, e),
            Entry::Tokenizer(e) => self.fix_tokenizer(index, e),
            Entry::Shard(e) => self.shard(index, e),
            Entry::Compaction(e) => self.compact(index, e),
            Entry::Claim(e) => self.claim(index, e),
            Entry::Resolution(e) => self.resolve(index, e),
            Entry::Grant(e) => self.grant(index, e),
            Entry::Withdrawal(e) => self.withdraw(index, e),
            Entry::WithdrawalEffect(e) => self.take_effect(index, e),
            Entry::RunIntent(e) => self.intend(index, e),
            Entry::RunProgress(e) => self.progress(index, e),
            Entry::RunClose(e) => self.close_run(index, e),
            Entry::Attribution(e) => self.attribute(index, e),
            Entry::Replay(e) => self.replay(index, e),
            Entry::PolicyChange(e) => self.change_policy(index, e),
            Entry::Statements(e) => self.reward(index, e),
            Entry::Reveal(e) => self.reveal(index, e),
            Entry::Release(e) => self.release(index, e),
            Entry::PayoutProposal(e) => self.propose(index, e),
            Entry::PayoutApproval(e) => self.approve(index, e),
            Entry::PayoutReport(e) => self.report(index, e),
            Entry::Dispute(e) => self.dispute(index, e),
            Entry::DisputeResolution(e) => self.resolve_dispute(index, e),
            Entry::BooksClose(e) => self.close_books(index, e),
        }?;
        self.size += 1;
        Ok(())
    }

    /// The epoch that entry `index` lies in.
    pub fn epoch_at(&self, index: EntryIndex) -> Option<&Epoch> {
        self.epoch_number_at(index).map(|n| &self.epochs[n])
    }

    fn epoch_number_at(&self, index: EntryIndex) -> Option<usize> {
        self.epochs.partition_point(|e| e.open.index <= index).checked_sub(1)
    }

    /// The submission of entry `index`.
    pub fn submission(&self, index: EntryIndex) -> Option<&Submitted> {
        self.epoch_at(index)?.submission(index)
    }

    /// The run `number`.
    ///
    /// # Errors
    /// [`UnknownRun`], which says which runs there are.
    pub fn run(&self, number: RunNumber) -> Result<&Run, UnknownRun> {
        self.runs.get(number.0 as usize).ok_or(UnknownRun { run: number, known: self.runs.len() })
    }

    fn submission_mut(&mut self, index: EntryIndex) -> Option<&mut Submitted> {
        let epoch = self.epoch_number_at(index)?;
        let place = self.epochs[epoch].place(index)?;
        Some(&mut self.epochs[epoch].submissions[place])
    }
}

/// Checks that exactly `signers` have signed `envelope`, strictly.
///
/// # Errors
/// [`Violation`] of the rule `signature`.
pub fn check_signatures(
    index: EntryIndex,
    entry: &Entry,
    envelope: &Envelope,
    signers: &[(&'static str, PublicKey)],
) -> Result<(), Violation> {
    let (found, expected) = (envelope.signatures.len(), signers.len());
    rule!(index, "signature", found == expected, "{}: {found} signatures, expected {expected}", entry.kind());
    for (role, key) in signers {
        rule!(index, "signature", envelope.signed_by(key), "{}: signature does not match {role} {key}", entry.kind());
    }
    Ok(())
}
