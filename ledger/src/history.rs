//! What became of contributors, epochs, submissions, runs and payouts, as far as the log says.

use std::collections::{BTreeMap, HashSet};

use corpus::{ContributorId, Digest, EntryIndex, RunNumber, merkle};
use serde::{Deserialize, Serialize};

use crate::entry::{
    Acceptance, ApprovalOutcome, Attribution, Claim, Commitment, Compaction, Dispute, DisputeResolution, Draw, EpochClose, EpochOpen,
    Grant, PayoutApproval, PayoutProposal, PayoutReport, Registration, Release, Replay, Resolution, Reveal, RunClose, RunIntent,
    RunProgress, Shard, Statements, Submission, Withdrawal, WithdrawalEffect,
};
use crate::key::PublicKey;

/// An entry where it is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged<T> {
    /// Its position, from 0.
    pub index: EntryIndex,
    /// What it says.
    pub entry: T,
}

/// The key that signs for somebody, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldKey {
    /// The last key that was registered or rotated to.
    pub key: PublicKey,
    /// The entry that did.
    pub since: EntryIndex,
    /// The entry that revoked it.
    pub revoked: Option<EntryIndex>,
}

impl HeldKey {
    /// A key in force from entry `since` on.
    pub fn new(key: PublicKey, since: EntryIndex) -> HeldKey {
        HeldKey { key, since, revoked: None }
    }
}

/// Somebody who contributes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contributor {
    /// The registration.
    pub registration: Logged<Registration>,
    /// The key in force.
    pub key: HeldKey,
    /// Submissions so far, of all epochs.
    pub submissions: u64,
}

/// Documents taken back, and what was done about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Withdrawn {
    /// The contributor's entry.
    pub withdrawal: Logged<Withdrawal>,
    /// The operator's.
    pub effect: Option<Logged<WithdrawalEffect>>,
}

/// A submission and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Submitted {
    /// The manifest.
    pub submission: Logged<Submission>,
    /// The verdicts.
    pub acceptance: Option<Logged<Acceptance>>,
    /// Its shards: those of its ranges in order, and after withdrawals those that replaced them.
    pub shards: Vec<Logged<Shard>>,
    /// Where the ranges end so far.
    pub(crate) sharded: u32,
    /// What was taken back of it.
    pub withdrawals: Vec<Withdrawn>,
    /// Uses that its contributor licenses beside its public licence.
    pub grants: Vec<Logged<Grant>>,
}

impl Submitted {
    pub(crate) fn new(submission: Logged<Submission>) -> Submitted {
        Submitted { submission, acceptance: None, shards: Vec::new(), sharded: 0, withdrawals: Vec::new(), grants: Vec::new() }
    }

    /// Documents that the verdicts accepted.
    pub fn accepted(&self) -> u64 {
        self.acceptance.as_ref().and_then(|Logged { entry: a, .. }| a.counts.get("accepted").copied()).unwrap_or(0)
    }

    /// Accepted documents that were not taken back.
    pub fn left(&self) -> u64 {
        self.accepted().saturating_sub(self.effects().map(|Logged { entry: e, .. }| e.accepted).fold(0, u64::saturating_add))
    }

    fn effects(&self) -> impl Iterator<Item = &Logged<WithdrawalEffect>> {
        self.withdrawals.iter().filter_map(|w| w.effect.as_ref())
    }

    /// The shards in use before entry `index`, in the order of their documents.
    pub fn shards_before(&self, index: EntryIndex) -> Vec<&Logged<Shard>> {
        let before = || self.shards.iter().filter(|Logged { index: at, .. }| *at < index);
        let replaced: HashSet<EntryIndex> = before().filter_map(|Logged { entry: s, .. }| s.replaces).collect();
        let mut live: Vec<&Logged<Shard>> =
            before().filter(|Logged { index: at, entry: s }| s.rows > 0 && !replaced.contains(at)).collect();
        live.sort_by_key(|Logged { entry: s, .. }| s.first);
        live
    }

    /// The shards in use now.
    pub fn live_shards(&self) -> Vec<&Logged<Shard>> {
        self.shards_before(EntryIndex::MAX)
    }

    /// The shard in use that holds a document, if it was accepted.
    pub fn shard_of(&self, number: u32) -> Option<&Logged<Shard>> {
        self.live_shards().into_iter().find(|Logged { entry: s, .. }| (s.first..s.end).contains(&number))
    }

    /// Whether every accepted document that is left is in a shard.
    pub fn is_sharded(&self) -> bool {
        let rows = || self.live_shards().iter().fold(0u64, |n, Logged { entry: s, .. }| n.saturating_add(s.rows));
        self.acceptance.is_some() && (u64::from(self.sharded) == self.submission.entry.documents || rows() == self.left())
    }

    /// Where the ranges of its shards end so far.
    pub fn sharded_to(&self) -> u32 {
        self.sharded
    }

    /// Tokens of the shards in use.
    pub fn tokens(&self) -> u64 {
        self.live_shards().iter().fold(0, |n: u64, Logged { entry: s, .. }| n.saturating_add(s.tokens))
    }

    /// The bundle now: the one that was submitted, or the one that withdrawals of consent left.
    pub fn bundle(&self) -> Digest {
        self.bundles().last().expect("there is the submitted one")
    }

    /// Every bundle that it has or had, in their order.
    pub fn bundles(&self) -> impl Iterator<Item = Digest> {
        std::iter::once(self.submission.entry.bundle).chain(self.effects().filter_map(|Logged { entry: e, .. }| e.bundle))
    }

    /// Whether a withdrawal waits for its effect.
    pub(crate) fn withdrawing(&self) -> bool {
        self.withdrawals.last().is_some_and(|w| w.effect.is_none())
    }
}

/// An epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Epoch {
    /// Its opening.
    pub open: Logged<EpochOpen>,
    /// In the order of the log: the order of priority.
    pub commitments: Vec<Logged<Commitment>>,
    /// In the order of the log.
    pub submissions: Vec<Submitted>,
    /// Its close.
    pub close: Option<Logged<EpochClose>>,
    /// Its draw.
    pub draw: Option<Logged<Draw>>,
    /// Its reveal.
    pub reveal: Option<Logged<Reveal>>,
    /// Files that are used in the place of several shards, until one of these is replaced.
    pub compactions: Vec<Logged<Compaction>>,
    /// The last entry that took a shard out of use; runs that began before it must not go on.
    pub retired: Option<EntryIndex>,
    /// Submissions that have verdicts: the first ones.
    pub(crate) judged: usize,
    roots: BTreeMap<Digest, EntryIndex>,
    by_commitment: BTreeMap<EntryIndex, usize>,
}

impl Epoch {
    pub(crate) fn new(open: Logged<EpochOpen>) -> Epoch {
        Epoch {
            open,
            commitments: Vec::new(),
            submissions: Vec::new(),
            close: None,
            draw: None,
            reveal: None,
            compactions: Vec::new(),
            retired: None,
            judged: 0,
            roots: BTreeMap::new(),
            by_commitment: BTreeMap::new(),
        }
    }

    pub(crate) fn commit(&mut self, at: EntryIndex, commitment: Commitment) {
        self.roots.insert(commitment.root, at);
        self.commitments.push(Logged { index: at, entry: commitment });
    }

    pub(crate) fn submit(&mut self, at: EntryIndex, submission: Submission) {
        self.by_commitment.insert(submission.commitment, self.submissions.len());
        self.submissions.push(Submitted::new(Logged { index: at, entry: submission }));
    }

    /// Whether `root` was committed to.
    pub(crate) fn is_committed(&self, root: &Digest) -> bool {
        self.roots.contains_key(root)
    }

    /// The entry that committed to `root`.
    pub fn commitment_to(&self, root: &Digest) -> Option<EntryIndex> {
        self.roots.get(root).copied()
    }

    /// The commitment of entry `index`.
    pub fn commitment(&self, index: EntryIndex) -> Option<&Logged<Commitment>> {
        self.commitments.binary_search_by_key(&index, |Logged { index: at, .. }| *at).ok().map(|i| &self.commitments[i])
    }

    /// The submission of entry `index`.
    pub fn submission(&self, index: EntryIndex) -> Option<&Submitted> {
        self.place(index).map(|i| &self.submissions[i])
    }

    pub(crate) fn place(&self, index: EntryIndex) -> Option<usize> {
        self.submissions.binary_search_by_key(&index, |s| s.submission.index).ok()
    }

    /// The submission that opened `commitment`.
    pub fn submission_of(&self, commitment: EntryIndex) -> Option<&Submitted> {
        self.by_commitment.get(&commitment).map(|i| &self.submissions[*i])
    }

    /// Everybody who submitted, by id.
    pub fn contributors(&self) -> Vec<ContributorId> {
        distinct(self.submissions.iter())
    }

    /// Contributors with documents that a run before entry `index` may use, by id.
    pub fn accepted_contributors(&self, index: EntryIndex) -> Vec<ContributorId> {
        distinct(self.submissions.iter().filter(|s| !s.shards_before(index).is_empty()))
    }

    /// The shards in use before entry `index`, in the order of submissions and their documents.
    pub fn shards_before(&self, index: EntryIndex) -> Vec<&Logged<Shard>> {
        self.submissions.iter().flat_map(|s| s.shards_before(index)).collect()
    }

    /// The shards that a compaction took the place of.
    pub fn compacted(&self, Logged { index: at, entry: c }: &Logged<Compaction>) -> Vec<&Logged<Shard>> {
        let shards = self.shards_before(*at);
        let from = shards.iter().skip_while(|Logged { index, .. }| *index != c.first);
        let mut members: Vec<&Logged<Shard>> = Vec::new();
        for shard in from {
            members.push(shard);
            if shard.index == c.last {
                return members;
            }
        }
        Vec::new()
    }

    /// Compactions that are used before entry `index`: none of their shards is replaced.
    pub fn compactions_before(&self, index: EntryIndex) -> Vec<&Logged<Compaction>> {
        if self.compactions.is_empty() {
            return Vec::new();
        }
        let live: HashSet<EntryIndex> = self.shards_before(index).iter().map(|Logged { index: at, .. }| *at).collect();
        let whole = |c: &&Logged<Compaction>| self.compacted(c).iter().all(|Logged { index: at, .. }| live.contains(at));
        self.compactions.iter().filter(|Logged { index: at, .. }| *at < index).filter(whole).collect()
    }

    /// The files in use before entry `index`, in the order of submissions and their documents.
    pub fn files_before(&self, index: EntryIndex) -> Vec<LiveFile> {
        let compactions = self.compactions_before(index);
        let mut files: Vec<LiveFile> = Vec::new();
        // The last shard of a compaction that is under way.
        let mut until = None;
        for Logged { index: at, entry: s } in self.shards_before(index) {
            if until.is_none() {
                files.push(match compactions.iter().find(|Logged { entry: c, .. }| c.first == *at) {
                    Some(Logged { index: compacted, entry: c }) => {
                        until = Some(c.last);
                        LiveFile { entry: *compacted, file: c.file, rows: c.rows, tokens: c.tokens, document_root: c.document_root }
                    }
                    None => LiveFile { entry: *at, file: s.file, rows: s.rows, tokens: s.tokens, document_root: s.document_root },
                });
            }
            if until == Some(*at) {
                until = None;
            }
        }
        files
    }

    /// Root over the document roots of the files in use before entry `index`, with their documents and tokens.
    pub fn corpus(&self, index: EntryIndex) -> (Digest, u64, u64) {
        let files = self.files_before(index);
        let leaves: Vec<Digest> = files.iter().map(|f| merkle::leaf_hash(&f.document_root.0)).collect();
        (
            merkle::root(&leaves),
            files.iter().fold(0, |n: u64, f| n.saturating_add(f.rows)),
            files.iter().fold(0, |n: u64, f| n.saturating_add(f.tokens)),
        )
    }
}

/// A file of documents that is in use: a shard, or a compaction of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveFile {
    /// Its entry.
    pub entry: EntryIndex,
    /// The Parquet file.
    pub file: Digest,
    /// Documents.
    pub rows: u64,
    /// Tokens.
    pub tokens: u64,
    /// Root over the documents.
    pub document_root: Digest,
}

fn distinct<'a>(submissions: impl Iterator<Item = &'a Submitted>) -> Vec<ContributorId> {
    let mut ids: Vec<ContributorId> = submissions.map(|s| s.submission.entry.contributor).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// A run that the log does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRun {
    /// Its number.
    pub run: RunNumber,
    /// Runs that there are.
    pub known: usize,
}

impl std::fmt::Display for UnknownRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "run {} does not exist; ", self.run)?;
        match self.known {
            0 => f.write_str("this log has no runs yet, `assay train` makes one"),
            1 => f.write_str("this log has run 0"),
            2 => f.write_str("this log has runs 0 and 1"),
            n => write!(f, "this log has runs 0 to {}", n - 1),
        }
    }
}

impl std::error::Error for UnknownRun {}

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Its intent.
    pub intent: Logged<RunIntent>,
    /// Its progress.
    pub progress: Vec<Logged<RunProgress>>,
    /// Its end.
    pub close: Option<Logged<RunClose>>,
    /// What it credits.
    pub attribution: Option<Logged<Attribution>>,
    /// Windows computed again.
    pub replays: Vec<Logged<Replay>>,
    /// What it pays.
    pub statements: Option<Logged<Statements>>,
    /// What of it is payable.
    pub releases: Vec<Logged<Release>>,
}

/// A claim and its resolution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claimed {
    /// The claimant's entry.
    pub claim: Logged<Claim>,
    /// The operator's.
    pub resolution: Option<Logged<Resolution>>,
}

/// A dispute and its resolution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Disputed {
    /// What is disputed.
    pub dispute: Logged<Dispute>,
    /// What became of it.
    pub resolution: Option<Logged<DisputeResolution>>,
}

/// A payout from its proposal to what the rail says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payout {
    /// The first key's entry.
    pub proposal: Logged<PayoutProposal>,
    /// The second key's.
    pub approval: Option<Logged<PayoutApproval>>,
    /// Reports.
    pub reports: Vec<Logged<PayoutReport>>,
}

impl Payout {
    /// Paid and returned so far, in minor units.
    pub fn reported(&self) -> i128 {
        self.reports.iter().map(|Logged { entry: s, .. }| s.paid_minor.saturating_add(s.returned_minor)).fold(0, i128::saturating_add)
    }

    /// What arrived by the reports so far and was not sent back after all, in minor units.
    pub fn arrived(&self) -> i128 {
        self.reports.iter().map(|Logged { entry: s, .. }| s.paid_minor.saturating_sub(s.reversed_minor)).fold(0, i128::saturating_add)
    }

    /// Whether the second key refused it.
    pub fn is_rejected(&self) -> bool {
        self.approval.as_ref().is_some_and(|Logged { entry: a, .. }| a.outcome != ApprovalOutcome::Approved)
    }

    /// Whether it is known of every payment what became of it.
    pub fn is_reconciled(&self) -> bool {
        self.is_rejected() || self.reported() == self.proposal.entry.total_minor
    }
}
