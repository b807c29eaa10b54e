//! What somebody gives notice of: `assay claim`, `grant`, `resolve`, `policy`, `withdraw`.

use std::path::PathBuf;

use clap::Args;
use corpus::licence::Purpose;
use corpus::{DocumentRef, EntryIndex};
use ledger::entry::{ClaimOutcome, EvidenceKind};

/// Claim documents that somebody else submitted first.
#[derive(Debug, Args)]
pub struct Claim {
    /// The claimant's name.
    pub contributor: String,
    /// The documents, as SUBMISSION/NUMBER.
    #[arg(required = true)]
    pub document: Vec<DocumentRef>,
    /// A file with the evidence, for the operator and auditors.
    #[arg(long)]
    pub evidence: PathBuf,
    /// prior-publication, domain, repository, contract or other.
    #[arg(long, default_value = "other")]
    pub kind: EvidenceKind,
    /// The claimant's secret key, if it is not in the home.
    #[arg(long)]
    pub key: Option<PathBuf>,
}

/// License your documents for more than their public licence permits: "I hold the rights in these documents and license PURPOSE under TERMS".
///
/// It is signed with a key of your own, stands beside the public licence, and can be disputed. Before the epoch closes.
#[derive(Debug, Args)]
pub struct Grant {
    /// The contributor's name.
    pub contributor: String,
    /// Entry of the submission.
    pub submission: EntryIndex,
    /// Numbers of the documents; all if none is given.
    pub document: Vec<u32>,
    /// Permitted use: research, commercial or weights-released. Several are given one by one.
    #[arg(long, required = true)]
    pub purpose: Vec<Purpose>,
    /// A file with the terms, which are public.
    #[arg(long)]
    pub terms: PathBuf,
    /// The contributor's secret key, if it is not in the home.
    #[arg(long)]
    pub key: Option<PathBuf>,
}

/// Say what became of a claim.
#[derive(Debug, Args)]
pub struct Resolve {
    /// Entry of the claim.
    pub claim: EntryIndex,
    /// upheld, rejected or withdrawn.
    #[arg(long)]
    pub outcome: ClaimOutcome,
    /// A file with the reasons, for both sides.
    #[arg(long)]
    pub reasons: PathBuf,
}

/// Announce the policy of epochs to come; never of one that is open.
#[derive(Debug, Args)]
pub struct Policy {
    /// A policy as JSON: `objects/public` has those of earlier epochs.
    pub policy: PathBuf,
    /// The first epoch that it holds for; default: the next.
    #[arg(long)]
    pub from_epoch: Option<u32>,
    /// What is announced.
    #[arg(long)]
    pub announcement: PathBuf,
}

/// Take documents back: not used from now on, or with --consent destroyed wherever the home has them.
#[derive(Debug, Args)]
pub struct Withdraw {
    /// Entry of the submission.
    pub submission: EntryIndex,
    /// Documents of it, as SUBMISSION/NUMBER; default: all.
    pub document: Vec<DocumentRef>,
    /// Consent to the personal data in them is withdrawn: text and salt are destroyed, and only commitments stay.
    #[arg(long)]
    pub consent: bool,
    /// The contributor's secret key, if it is not in the home.
    #[arg(long)]
    pub key: Option<PathBuf>,
}
