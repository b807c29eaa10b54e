//! What became of epochs, submissions and runs, as far as the log says.

use corpus::{ContributorId, Digest, merkle};

use crate::entry::{
    Acceptance, Attribution, Commitment, Draw, EpochClose, EpochOpen, Replay, Reveal, RunClose, RunIntent, RunProgress, Shard, Statements,
    Submission,
};

/// An entry with its index.
pub type At<T> = (u64, T);

/// A submission and what became of it.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The manifest.
    pub submission: At<Submission>,
    /// The verdicts.
    pub acceptance: Option<At<Acceptance>>,
    /// The shard; none if nothing was accepted.
    pub shard: Option<At<Shard>>,
}

impl Submitted {
    /// Documents accepted so far.
    pub fn accepted(&self) -> u64 {
        self.acceptance.as_ref().and_then(|(_, a)| a.counts.get("accepted").copied()).unwrap_or(0)
    }
}

/// An epoch.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Its opening.
    pub open: At<EpochOpen>,
    /// In the order of the log: the order of priority.
    pub commitments: Vec<At<Commitment>>,
    /// In the order of the log.
    pub submissions: Vec<Submitted>,
    /// Its close.
    pub close: Option<At<EpochClose>>,
    /// Its draw.
    pub draw: Option<At<Draw>>,
    /// Its reveal.
    pub reveal: Option<At<Reveal>>,
}

impl Epoch {
    /// Everybody who submitted, by id.
    pub fn contributors(&self) -> Vec<ContributorId> {
        self.distinct(|_| true)
    }

    /// Contributors with accepted documents, by id.
    pub fn accepted_contributors(&self) -> Vec<ContributorId> {
        self.distinct(|s| s.shard.is_some())
    }

    fn distinct(&self, keep: impl Fn(&Submitted) -> bool) -> Vec<ContributorId> {
        let mut ids: Vec<ContributorId> = self.submissions.iter().filter(|s| keep(s)).map(|s| s.submission.1.contributor).collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// The submission that opened `commitment`.
    pub fn submission_of(&self, commitment: u64) -> Option<&Submitted> {
        self.submissions.iter().find(|s| s.submission.1.commitment == commitment)
    }

    /// Root over the shards' document roots, with their documents and tokens.
    pub fn corpus(&self) -> (Digest, u64, u64) {
        let shards = || self.submissions.iter().filter_map(|s| s.shard.as_ref());
        let leaves: Vec<Digest> = shards().map(|(_, s)| merkle::leaf_hash(&s.document_root.0)).collect();
        (
            merkle::root(&leaves),
            shards().fold(0, |n: u64, (_, s)| n.saturating_add(s.rows)),
            shards().fold(0, |n: u64, (_, s)| n.saturating_add(s.tokens)),
        )
    }
}

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its intent.
    pub intent: At<RunIntent>,
    /// Its progress.
    pub progress: Vec<At<RunProgress>>,
    /// Its end.
    pub close: Option<At<RunClose>>,
    /// What it credits.
    pub attribution: Option<At<Attribution>>,
    /// Windows computed again.
    pub replays: Vec<At<Replay>>,
    /// What it pays.
    pub statements: Option<At<Statements>>,
}
