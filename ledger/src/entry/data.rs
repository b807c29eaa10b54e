//! What is submitted and what became of it: epochs, commitments, submissions, verdicts, shards.

use std::collections::BTreeMap;

use corpus::licence::Purpose;
use corpus::{ContributorId, Digest, EntryIndex};

use super::rights::Rights;
use super::{ClaimOutcome, EvidenceKind, TokenizerOrigin, WithdrawalKind, records};

records! {
    /// What binds the operator before it knows what will be submitted.
    EpochOpen {
        /// Its number, from 0.
        epoch: u32,
        /// The policy object: pool, window weights, thresholds.
        policy: Digest,
        /// What runs of this epoch are for.
        purpose: Purpose,
        /// The sealed pool of held-out documents.
        pool: Digest,
        /// Root over their commitments.
        pool_root: Digest,
        /// Their number.
        pool_documents: u64,
        /// Digest of the key that dedup hashes with.
        dedup_key: Digest,
        /// Seconds since 1970.
        time: u64,
    }
    /// A salted root; its index is its priority.
    Commitment {
        /// Which epoch.
        epoch: u32,
        /// Who commits.
        contributor: ContributorId,
        /// Root over the documents' commitments.
        root: Digest,
        /// Number of documents.
        documents: u64,
    }
    /// The manifest of what was committed, signed by its contributor.
    Submission {
        /// Which epoch.
        epoch: u32,
        /// Who submits.
        contributor: ContributorId,
        /// This contributor's submissions before this one.
        sequence: u64,
        /// Index of the commitment.
        commitment: EntryIndex,
        /// The root again.
        root: Digest,
        /// Number of documents.
        documents: u64,
        /// Bytes of their texts as submitted.
        bytes: u64,
        /// The sealed list of its bundles.
        bundle: Digest,
        /// What was found beside the documents and is none, by the code of its reason.
        unread: BTreeMap<String, u64>,
        /// The list of that, with places and reasons, which its contributor and auditors see.
        problems: Option<Digest>,
        /// Where all of it comes from, such as `git:` and a commit.
        origin: Option<String>,
        /// Why it may be used, and where it comes from.
        rights: Rights,
        /// Seconds since 1970.
        time: u64,
    }
    /// After this nothing is committed or submitted.
    EpochClose {
        /// Which epoch.
        epoch: u32,
        /// Submissions taken.
        submissions: u64,
        /// Seconds since 1970.
        time: u64,
    }
    /// What the witnesses' cosignatures on the tree head of size close + 1 decided.
    Draw {
        /// Which epoch.
        epoch: u32,
        /// That tree head, cosigned.
        tree_head: String,
        /// SHA-256 over the cosignatures: the seed of the runs.
        seed: Digest,
        /// The object that lists pricing and control documents.
        targets: Digest,
        /// Documents that price.
        pricing: u64,
        /// Documents that only control.
        control: u64,
    }
    /// The verdicts on one submission.
    Acceptance {
        /// Index of the submission.
        submission: EntryIndex,
        /// The verdict table.
        verdicts: Digest,
        /// What was submitted by reason: documents by verdict, those that are filtered also by rule, and as `unread/` and a code what
        /// is no document. All that was found is in one of them.
        counts: BTreeMap<String, u64>,
        /// Root over accepted documents.
        accepted_root: Digest,
        /// Root over all others.
        rejected_root: Digest,
        /// The parameters of dedup and of the held-out guard.
        parameters: Digest,
        /// The most of its documents that are, or duplicate, one document.
        largest_cluster: u64,
        /// Whether somebody has to look at it before it is paid: more than half of it is one cluster.
        #[serde(rename = "held_for_review")]
        on_hold_for_review: bool,
        /// Words of accepted documents that no earlier one has.
        novel_words: u64,
    }
    /// How text becomes tokens.
    Tokenizer {
        /// The `tokenizer.json`.
        tokenizer: Digest,
        /// Its vocabulary.
        vocabulary: u64,
        /// Where it comes from.
        origin: TokenizerOrigin,
    }
    /// Accepted documents of one submission as tokens, of a range of its documents; the ranges follow each other without gaps.
    Shard {
        /// Index of the submission.
        submission: EntryIndex,
        /// Whose.
        contributor: ContributorId,
        /// Number of the first document of the range.
        first: u32,
        /// The number after that of the last.
        end: u32,
        /// The Parquet file.
        file: Digest,
        /// Documents.
        rows: u64,
        /// Tokens.
        tokens: u64,
        /// Root over the documents.
        document_root: Digest,
        /// The tokenizer.
        tokenizer: Digest,
        /// Index of the shard that this one replaces after a withdrawal; without rows it says that nothing is left of it.
        replaces: Option<EntryIndex>,
    }
    /// Consecutive shards of an epoch in one file, which is used in their place until one of them is replaced.
    Compaction {
        /// Which epoch.
        epoch: u32,
        /// Index of the first shard, in the order of submissions and their documents.
        first: EntryIndex,
        /// Index of the last.
        last: EntryIndex,
        /// Number of shards.
        shards: u64,
        /// The Parquet file.
        file: Digest,
        /// Documents.
        rows: u64,
        /// Tokens.
        tokens: u64,
        /// Root over the documents.
        document_root: Digest,
    }
    /// What may be known after settlement.
    Reveal {
        /// Which epoch.
        epoch: u32,
        /// The key that dedup hashed with.
        dedup_key: Digest,
        /// The counts behind the held-out hits, with their salts.
        openings: Digest,
    }
    /// Documents that somebody else submitted first, and that the claimant says are its own.
    Claim {
        /// Who claims.
        claimant: ContributorId,
        /// Number of documents.
        documents: u64,
        /// The list of them, in order.
        list: Digest,
        /// What the evidence is.
        evidence_kind: EvidenceKind,
        /// Digest of the evidence, which the operator and auditors see.
        evidence: Digest,
        /// Seconds since 1970.
        time: u64,
    }
    /// What became of a claim; nothing before this entry changes.
    Resolution {
        /// Index of the claim.
        claim: EntryIndex,
        /// Who is right.
        outcome: ClaimOutcome,
        /// Digest of the reasons, which both sides see.
        reasons: Digest,
        /// Seconds since 1970.
        time: u64,
    }
    /// Whoever holds the rights in documents licenses a use of them that their public licence does not permit.
    ///
    /// It is signed with a key of the contributor's own: an operator cannot grant what it imported.
    Grant {
        /// Who.
        contributor: ContributorId,
        /// Index of the submission.
        submission: EntryIndex,
        /// Number of documents.
        documents: u64,
        /// The list of their numbers, in order; none for all of the submission.
        list: Option<Digest>,
        /// What they may be used for, in order, each once.
        purposes: Vec<Purpose>,
        /// Digest of the terms, a public text.
        terms: Digest,
        /// The sentence that is signed; see `rights::grant_sentence`.
        statement: String,
        /// Seconds since 1970.
        time: u64,
    }
    /// A contributor takes documents back.
    Withdrawal {
        /// Who.
        contributor: ContributorId,
        /// Index of the submission.
        submission: EntryIndex,
        /// How far they are taken back.
        kind: WithdrawalKind,
        /// Number of documents.
        documents: u64,
        /// The list of their numbers, in order.
        list: Digest,
        /// Seconds since 1970.
        time: u64,
    }
    /// What a withdrawal did, and what it cannot undo.
    WithdrawalEffect {
        /// Index of the withdrawal.
        withdrawal: EntryIndex,
        /// The list of bundles without what was withdrawn, for a withdrawal of consent.
        bundle: Option<Digest>,
        /// Accepted documents among those withdrawn; shards without them come as entries of their own, before this one.
        accepted: u64,
        /// Number of runs that used them; parameters that are trained are not undone.
        runs: u64,
        /// What was destroyed and what remains where, by name and digest.
        consequences: Digest,
        /// Root over the document roots of all files that are left of the epoch.
        corpus_root: Digest,
        /// Seconds since 1970.
        time: u64,
    }
}

impl Submission {
    /// Checks what it says of itself beside its rights.
    ///
    /// # Errors
    /// The field, the expected and the found.
    pub fn check(&self) -> Result<(), String> {
        let code = |c: &String| !c.is_empty() && c.len() <= 40 && c.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if self.unread.len() > 100 || !self.unread.iter().all(|(c, n)| code(c) && *n > 0) {
            return Err(format!("unread {:?}, expected at most 100 codes of a-z and - with counts above 0", self.unread));
        }
        if self.problems.is_some() == self.unread.is_empty() {
            return Err(format!("a list of problems {}, expected {}", self.problems.is_some(), !self.unread.is_empty()));
        }
        match &self.origin {
            Some(o) if o.is_empty() || o.len() > 200 || !o.bytes().all(|b| b.is_ascii_graphic()) => {
                Err(format!("origin {o:?}, expected at most 200 visible ASCII characters"))
            }
            _ => Ok(()),
        }
    }
}

impl Acceptance {
    /// Whether more than one and more than half of a submission's documents are one cluster.
    pub fn is_to_be_reviewed(largest_cluster: u64, documents: u64) -> bool {
        largest_cluster > 1 && largest_cluster.saturating_mul(2) > documents
    }
}
