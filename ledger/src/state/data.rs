//! Epochs, submissions, verdicts, shards, claims, withdrawals.

use std::collections::BTreeMap;

use corpus::{Digest, EntryIndex};

use super::{State, Violation, rule, some};
use crate::entry::rights::grant_sentence;
use crate::entry::{
    Acceptance, Claim, Commitment, Compaction, Draw, EpochClose, EpochOpen, Grant, Holder, Resolution, Reveal, Shard, Submission,
    Tokenizer, VerifiedBy, Withdrawal, WithdrawalEffect, WithdrawalKind,
};
use crate::history::{Claimed, Epoch, Logged, Withdrawn};

impl State {
    pub(super) fn open(&mut self, index: EntryIndex, e: EpochOpen) -> Result<(), Violation> {
        rule!(index, "epoch-order", e.epoch as usize == self.epochs.len(), "epoch {}, expected {}", e.epoch, self.epochs.len());
        let drawn = self.epochs.last().is_none_or(|l| l.draw.is_some());
        rule!(index, "epoch-order", drawn, "epoch {} opens before the last one is drawn", e.epoch);
        if let Some(Logged { index: at, entry: announced }) = self.policies.iter().rfind(|Logged { entry: p, .. }| p.from_epoch <= e.epoch)
        {
            rule!(index, "epoch-policy", announced.policy == e.policy, "policy {}, entry {at} announced {}", e.policy, announced.policy);
        }
        self.epochs.push(Epoch::new(Logged { index, entry: e }));
        Ok(())
    }

    fn epoch(&mut self, index: EntryIndex, number: u32) -> Result<&mut Epoch, Violation> {
        Ok(some!(index, "epoch-known", self.epochs.get_mut(number as usize), "epoch {number} is unknown"))
    }

    fn open_epoch(&mut self, index: EntryIndex, number: u32) -> Result<&mut Epoch, Violation> {
        let epoch = self.epoch(index, number)?;
        rule!(index, "epoch-open", epoch.close.is_none(), "epoch {number} is closed");
        Ok(epoch)
    }

    pub(super) fn commit(&mut self, index: EntryIndex, e: Commitment) -> Result<(), Violation> {
        let epoch = self.open_epoch(index, e.epoch)?;
        rule!(index, "commitment-once", !epoch.is_committed(&e.root), "root {} is committed already", e.root);
        rule!(index, "commitment-documents", e.documents > 0, "no documents");
        epoch.commit(index, e);
        Ok(())
    }

    pub(super) fn submit(&mut self, index: EntryIndex, e: Submission) -> Result<(), Violation> {
        let contributor = some!(index, "contributor-known", self.contributors.get(&e.contributor), "contributor {}", e.contributor);
        let (sequence, custodial) = (contributor.submissions, contributor.registration.entry.custodial);
        let epoch = self.open_epoch(index, e.epoch)?;
        let found = epoch.commitment(e.commitment);
        let Logged { index: at, entry: c } = some!(index, "submission-commitment", found, "commitment {} is unknown", e.commitment);
        rule!(
            index,
            "submission-commitment",
            c.contributor == e.contributor,
            "commitment {at} is of contributor {}, not {}",
            c.contributor,
            e.contributor
        );
        rule!(
            index,
            "submission-root",
            (c.root, c.documents) == (e.root, e.documents),
            "commitment {at} says root {} over {} documents, the manifest {} over {}",
            c.root,
            c.documents,
            e.root,
            e.documents
        );
        rule!(index, "submission-once", epoch.submission_of(e.commitment).is_none(), "commitment {at} was submitted already");
        rule!(index, "submission-sequence", e.sequence == sequence, "sequence {}, expected {sequence}", e.sequence);
        let checked = e.rights.check();
        rule!(index, "submission-rights", checked.is_ok(), "{}", checked.unwrap_err());
        let checked = e.check();
        rule!(index, "submission-form", checked.is_ok(), "{}", checked.unwrap_err());
        let (attested, found) = (if custodial { VerifiedBy::Importer } else { VerifiedBy::Contributor }, e.rights.license_verified_by);
        rule!(index, "submission-attested", found == attested, "license_verified_by {found}, expected {attested}");
        let id = e.contributor;
        epoch.submit(index, e);
        self.contributors.get_mut(&id).expect("looked up above").submissions += 1;
        Ok(())
    }

    pub(super) fn close(&mut self, index: EntryIndex, e: EpochClose) -> Result<(), Violation> {
        let epoch = self.open_epoch(index, e.epoch)?;
        let count = epoch.submissions.len() as u64;
        rule!(index, "close-count", e.submissions == count, "{} submissions, expected {count}", e.submissions);
        epoch.close = Some(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn draw(&mut self, index: EntryIndex, e: Draw) -> Result<(), Violation> {
        let epoch = self.epoch(index, e.epoch)?;
        let close = some!(index, "draw-epoch", epoch.close.as_ref(), "epoch {} is not closed", e.epoch).index;
        rule!(index, "draw-once", epoch.draw.is_none(), "epoch {} is drawn already", e.epoch);
        let documents = epoch.open.entry.pool_documents;
        rule!(
            index,
            "draw-targets",
            e.pricing > 0 && e.pricing.checked_add(e.control) == Some(documents),
            "{} pricing and {} control documents, the pool has {documents}",
            e.pricing,
            e.control
        );
        let seed = self.cosigned(index, &e.tree_head, (close + 1).0)?;
        rule!(index, "draw-seed", seed == e.seed, "seed {}, the cosignatures give {seed}", e.seed);
        let epoch = self.epoch(index, e.epoch)?;
        epoch.draw = Some(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn accept(&mut self, index: EntryIndex, e: Acceptance) -> Result<(), Violation> {
        let number = self.epoch_number_at(e.submission);
        let epoch = number.map(|n| &mut self.epochs[n]).filter(|x| x.submission(e.submission).is_some());
        let epoch = some!(index, "acceptance-reference", epoch, "submission {} is unknown", e.submission);
        rule!(index, "acceptance-after-draw", epoch.draw.is_some(), "submission {}: accepted before the draw", e.submission);
        let judged = epoch.judged;
        let next = some!(index, "acceptance-order", epoch.submissions.get_mut(judged), "submission {}: accepted twice", e.submission);
        let expected = next.submission.index;
        rule!(index, "acceptance-order", expected == e.submission, "submission {}, expected {expected}", e.submission);
        let (documents, unread) = (next.submission.entry.documents, &next.submission.entry.unread);
        let code = |reason: &str| reason.strip_prefix("unread/").map(str::to_string);
        let judged = e.counts.iter().filter(|(reason, _)| code(reason).is_none()).fold(0u64, |sum, (_, n)| sum.saturating_add(*n));
        let passed: BTreeMap<String, u64> = e.counts.iter().filter_map(|(reason, n)| Some((code(reason)?, *n))).collect();
        rule!(
            index,
            "acceptance-counts",
            judged == documents && passed == *unread,
            "submission {}: verdicts on {judged} documents and {passed:?} unread, expected {documents} and {unread:?}",
            e.submission
        );
        let held = Acceptance::is_to_be_reviewed(e.largest_cluster, documents);
        rule!(
            index,
            "acceptance-review",
            e.largest_cluster <= documents && e.on_hold_for_review == held,
            "submission {}: {} of {documents} documents in one cluster, expected {} for review",
            e.submission,
            e.largest_cluster,
            if held { "it to be on hold" } else { "it not to be on hold" }
        );
        rule!(index, "withdrawal-effect", !next.withdrawing(), "submission {}: judged before a withdrawal took effect", e.submission);
        next.acceptance = Some(Logged { index, entry: e });
        epoch.judged += 1;
        Ok(())
    }

    pub(super) fn fix_tokenizer(&mut self, index: EntryIndex, e: Tokenizer) -> Result<(), Violation> {
        rule!(index, "tokenizer-once", self.tokenizer.is_none(), "a second tokenizer {}", e.tokenizer);
        self.tokenizer = Some(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn shard(&mut self, index: EntryIndex, e: Shard) -> Result<(), Violation> {
        let tokenizer = some!(index, "shard-tokenizer", self.tokenizer.as_ref(), "a shard before the tokenizer").entry.tokenizer;
        rule!(index, "shard-tokenizer", e.tokenizer == tokenizer, "tokenizer {}, the log says {tokenizer}", e.tokenizer);
        let submitted = some!(index, "shard-reference", self.submission_mut(e.submission), "submission {} is unknown", e.submission);
        let contributor = submitted.submission.entry.contributor;
        rule!(index, "shard-contributor", contributor == e.contributor, "contributor {}, the submission says {contributor}", e.contributor);
        let left = submitted.left();
        let rows_live = submitted.live_shards().iter().fold(0u64, |n, Logged { entry: s, .. }| n.saturating_add(s.rows));
        match e.replaces {
            None => {
                let (begun, documents) = (submitted.sharded, submitted.submission.entry.documents);
                rule!(index, "shard-once", u64::from(begun) < documents, "submission {} has all its shards already", e.submission);
                rule!(
                    index,
                    "shard-range",
                    e.first == begun && e.end > e.first && u64::from(e.end) <= documents,
                    "submission {}: documents {} to {}, expected some from {begun}, at most to {documents}",
                    e.submission,
                    e.first,
                    e.end
                );
                rule!(
                    index,
                    "withdrawal-effect",
                    !submitted.withdrawing(),
                    "submission {}: a shard before a withdrawal took effect",
                    e.submission
                );
                let (rows, last) = (rows_live.saturating_add(e.rows), u64::from(e.end) == documents);
                rule!(
                    index,
                    "shard-rows",
                    submitted.acceptance.is_some() && e.rows > 0 && if last { rows == left } else { rows < left },
                    "submission {}: {rows} rows to document {}, {left} documents of {documents} were accepted",
                    e.submission,
                    e.end
                );
                submitted.sharded = e.end;
            }
            Some(old) => {
                let live = submitted.live_shards().into_iter().find(|Logged { index: at, .. }| *at == old);
                let Logged { index: at, entry: last } =
                    some!(index, "shard-replaces", live, "shard of entry {old} is not in use in submission {}", e.submission);
                rule!(
                    index,
                    "shard-range",
                    (e.first, e.end) == (last.first, last.end),
                    "documents {} to {}, the shard that is replaced has {} to {}",
                    e.first,
                    e.end,
                    last.first,
                    last.end
                );
                let open = submitted.withdrawals.last().filter(|w| w.effect.is_none()).map(|w| &w.withdrawal);
                let Logged { index: since, entry: withdrawal } =
                    some!(index, "shard-replaces", open, "submission {}: nothing was withdrawn", e.submission);
                rule!(index, "shard-replaces", *at < *since, "shard of entry {old}: it was put in its place already by this withdrawal");
                let (rows, least) = (last.rows, last.rows.saturating_sub(withdrawal.documents));
                rule!(index, "shard-rows", (least..rows).contains(&e.rows), "{} rows, expected {least} to {}", e.rows, rows - 1);
            }
        }
        submitted.shards.push(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn compact(&mut self, index: EntryIndex, e: Compaction) -> Result<(), Violation> {
        let epoch = self.epoch(index, e.epoch)?;
        let waiting = epoch.submissions.iter().find(|s| !s.is_sharded() || s.withdrawing()).map(|s| s.submission.index);
        rule!(
            index,
            "compaction-shards",
            waiting.is_none(),
            "submission {} has shards or a withdrawal to come",
            waiting.unwrap_or_default()
        );
        let members = epoch.compacted(&Logged { index, entry: e.clone() });
        rule!(
            index,
            "compaction-shards",
            members.len() > 1 && members.len() as u64 == e.shards,
            "{} shards in use from entry {} to entry {}, expected {} and more than one",
            members.len(),
            e.first,
            e.last,
            e.shards
        );
        let sum = |pick: fn(&Shard) -> u64| members.iter().fold(0u64, |n, Logged { entry: s, .. }| n.saturating_add(pick(s)));
        let found = (sum(|s| s.rows), sum(|s| s.tokens));
        rule!(
            index,
            "compaction-sums",
            found == (e.rows, e.tokens),
            "{} rows and {} tokens, the shards have {} and {}",
            e.rows,
            e.tokens,
            found.0,
            found.1
        );
        let taken: Vec<EntryIndex> =
            epoch.compactions_before(index).iter().flat_map(|c| epoch.compacted(c)).map(|Logged { index: at, .. }| *at).collect();
        let twice = members.iter().find(|Logged { index: at, .. }| taken.contains(at)).map(|Logged { index: at, .. }| *at);
        rule!(index, "compaction-once", twice.is_none(), "shard of entry {} is in a compaction already", twice.unwrap_or_default());
        epoch.compactions.push(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn claim(&mut self, index: EntryIndex, e: Claim) -> Result<(), Violation> {
        rule!(index, "claim-documents", e.documents > 0, "a claim of no documents");
        self.claims.push(Claimed { claim: Logged { index, entry: e }, resolution: None });
        Ok(())
    }

    pub(super) fn resolve(&mut self, index: EntryIndex, e: Resolution) -> Result<(), Violation> {
        let place = self.claims.binary_search_by_key(&e.claim, |c| c.claim.index).ok();
        let place = some!(index, "resolution-claim", place, "claim {} is unknown", e.claim);
        let claim = &mut self.claims[place];
        rule!(index, "resolution-once", claim.resolution.is_none(), "claim {} is resolved already", e.claim);
        claim.resolution = Some(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn grant(&mut self, index: EntryIndex, e: Grant) -> Result<(), Violation> {
        let holder = Holder::Contributor(e.contributor);
        rule!(
            index,
            "grant-own-key",
            !self.is_custodial(&holder),
            "a grant of {holder}, whose key the operator holds, expected a key of its own"
        );
        let epoch = self.epochs.iter().find(|x| x.submissions.iter().any(|s| s.submission.index == e.submission));
        let open = epoch.is_some_and(|x| x.close.is_none());
        rule!(index, "grant-epoch", open, "submission {} is of no epoch that is open", e.submission);
        let submitted = some!(index, "grant-submission", self.submission_mut(e.submission), "submission {} is unknown", e.submission);
        let (owner, documents) = (submitted.submission.entry.contributor, submitted.submission.entry.documents);
        rule!(index, "grant-submission", owner == e.contributor, "submission {} is of {owner}, not {}", e.submission, e.contributor);
        let right = if e.list.is_some() { (1..=documents).contains(&e.documents) } else { e.documents == documents };
        rule!(index, "grant-documents", right, "{} documents of {documents}", e.documents);
        let purposes = &e.purposes;
        let in_order = purposes.is_sorted_by(|a, b| a < b) && !purposes.is_empty();
        rule!(index, "grant-purposes", in_order, "purposes {purposes:?}, expected at least one, in order, each once");
        let sentence = grant_sentence(purposes, &e.terms);
        rule!(index, "grant-statement", e.statement == sentence, "statement {:?}, expected {sentence:?}", e.statement);
        submitted.grants.push(Logged { index, entry: e });
        Ok(())
    }

    pub(super) fn withdraw(&mut self, index: EntryIndex, e: Withdrawal) -> Result<(), Violation> {
        let submitted = some!(index, "withdrawal-submission", self.submission_mut(e.submission), "submission {} is unknown", e.submission);
        let owner = submitted.submission.entry.contributor;
        rule!(index, "withdrawal-submission", owner == e.contributor, "submission {} is of {owner}, not {}", e.submission, e.contributor);
        let documents = submitted.submission.entry.documents;
        rule!(
            index,
            "withdrawal-documents",
            (1..=documents).contains(&e.documents),
            "{} documents, expected 1 to {documents}",
            e.documents
        );
        rule!(
            index,
            "withdrawal-effect",
            !submitted.withdrawing(),
            "submission {}: its last withdrawal waits for its effect",
            e.submission
        );
        submitted.withdrawals.push(Withdrawn { withdrawal: Logged { index, entry: e }, effect: None });
        Ok(())
    }

    pub(super) fn take_effect(&mut self, index: EntryIndex, e: WithdrawalEffect) -> Result<(), Violation> {
        // Withdrawals are fewer than anything else, and this entry costs a pass over an epoch anyway.
        let epochs = self.epochs.iter().enumerate();
        let mut places = epochs.flat_map(|(n, x)| x.submissions.iter().enumerate().map(move |(p, s)| (n, p, s)));
        let found = places.find_map(|(n, p, s)| {
            let w = s.withdrawals.last()?;
            (w.withdrawal.index == e.withdrawal && w.effect.is_none()).then(|| (n, p, s.clone(), w.withdrawal.entry.clone()))
        });
        let (n, p, mut submitted, withdrawal) =
            some!(index, "effect-withdrawal", found, "withdrawal {} is unknown, or took effect", e.withdrawal);
        let consent = withdrawal.kind == WithdrawalKind::Consent;
        rule!(index, "effect-bundle", e.bundle.is_some() == consent, "a bundle {}, expected {consent}", e.bundle.is_some());
        let left = submitted.left();
        rule!(
            index,
            "effect-accepted",
            e.accepted <= withdrawal.documents.min(left),
            "{} accepted documents of {} withdrawn, {left} were left",
            e.accepted,
            withdrawal.documents
        );
        // Shards that replace others came between the withdrawal and this entry, in the same batch.
        let before = submitted.shards_before(e.withdrawal).iter().fold(0u64, |n, Logged { entry: s, .. }| n.saturating_add(s.rows));
        let now = submitted.live_shards().iter().fold(0u64, |n, Logged { entry: s, .. }| n.saturating_add(s.rows));
        let removed = before.saturating_sub(now);
        let complete = u64::from(submitted.sharded) == submitted.submission.entry.documents;
        rule!(
            index,
            "effect-shard",
            if complete { removed == e.accepted } else { removed <= e.accepted },
            "shards without {removed} of {} accepted documents come in the place of others",
            e.accepted
        );
        submitted.withdrawals.last_mut().expect("found above").effect = Some(Logged { index, entry: e.clone() });
        let retires = e.accepted > 0 && before > 0;
        let epoch = &mut self.epochs[n];
        let before = std::mem::replace(&mut epoch.submissions[p], submitted);
        let (root, ..) = epoch.corpus(EntryIndex::MAX);
        if root != e.corpus_root {
            epoch.submissions[p] = before;
            rule!(index, "effect-corpus", false, "corpus root {}, the files in use give {root}", e.corpus_root);
        }
        if retires {
            epoch.retired = Some(index);
        }
        Ok(())
    }

    pub(super) fn reveal(&mut self, index: EntryIndex, e: Reveal) -> Result<(), Violation> {
        let settled = self.runs.iter().any(|r| r.intent.entry.epoch == e.epoch && r.statements.is_some());
        rule!(index, "reveal-after", settled, "epoch {}: revealed before its settlement", e.epoch);
        let epoch = self.epoch(index, e.epoch)?;
        let expected = epoch.open.entry.dedup_key;
        rule!(
            index,
            "reveal-key",
            Digest::of(&e.dedup_key.0) == expected,
            "dedup key with digest {}, the opening says {expected}",
            Digest::of(&e.dedup_key.0)
        );
        rule!(index, "reveal-once", epoch.reveal.is_none(), "epoch {} is revealed already", e.epoch);
        epoch.reveal = Some(Logged { index, entry: e });
        Ok(())
    }
}
