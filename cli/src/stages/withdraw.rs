//! Taking documents back: not used from now on, or destroyed.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use corpus::shard::Shard as ShardFile;
use corpus::verdict::Verdict;
use corpus::{Digest, DocumentRef, canonical, merkle};
use ledger::entry::{Shard, Withdrawal, WithdrawalEffect};
use ledger::{Entry, SecretKey, Submitted};
use store::Class;

use crate::failure::{Kind, failure, usage};
use crate::home::Home;
use crate::rules::word_streams;
use crate::stages::{ingest, kept};
use crate::withdrawn::{Consequences, DocumentList, Remaining, Thing, WORDS, Withdrawn};

/// What a withdrawal did.
pub struct Done {
    /// Entry of the withdrawal.
    pub withdrawal: u64,
    /// Documents.
    pub documents: usize,
    /// What was destroyed, what remains, which runs used them.
    pub consequences: Consequences,
}

/// Takes back `documents` of one submission, or all of it; the same command goes on after a crash.
///
/// With `consent` their salts and texts are destroyed wherever they lie in the home.
pub async fn withdraw(home: &mut Home, submission: u64, documents: &[DocumentRef], consent: bool, key: Option<&SecretKey>) -> Result<Done> {
    let submitted = home
        .state
        .submission(submission)
        .ok_or_else(|| usage(format!("entry {submission} is no submission; `assay status` lists them")))?
        .clone();
    let contributor = submitted.submission.1.contributor;
    let kind = if consent { "consent" } else { "licence" };
    let list = DocumentList { documents: chosen(home, &submitted, documents, consent)? };
    let bytes = canonical::to_vec(&list)?;
    let unfinished = submitted.withdrawals.last().filter(|w| w.effect.is_none());
    let at = match unfinished {
        Some(w) if w.withdrawal.1.list == Digest::of(&bytes) && w.withdrawal.1.kind == kind => w.withdrawal.0,
        Some(w) => {
            return Err(failure(
                Kind::Check,
                format!("entry {}: an unfinished withdrawal of other documents; give it again", w.withdrawal.0),
            ));
        }
        None => {
            let name = home.name_of(&contributor);
            let entry = Withdrawal {
                contributor,
                submission,
                kind: kind.into(),
                documents: list.documents.len() as u64,
                list: home.objects.put(Class::Public, &bytes)?,
                time: home.now,
            };
            home.append_for(&name, key, entry.into()).await?
        }
    };
    let consequences = take_effect(home, at, &submitted, &list, consent).await?;
    Ok(Done { withdrawal: at, documents: list.documents.len(), consequences })
}

/// The documents in order, each one of the submission and not taken back in this way before.
fn chosen(home: &Home, submitted: &Submitted, given: &[DocumentRef], consent: bool) -> Result<Vec<DocumentRef>> {
    let (submission, count) = (submitted.submission.0, submitted.submission.1.documents);
    let before = Withdrawn::of(home)?;
    let taken = |d: &DocumentRef| before.documents.get(d).is_some_and(|(_, destroyed)| *destroyed || !consent);
    if given.is_empty() {
        let all = (0..u32::try_from(count)?).map(|number| DocumentRef { submission, number });
        let left: Vec<DocumentRef> = all.filter(|d| !taken(d)).collect();
        return if left.is_empty() {
            Err(failure(Kind::Check, format!("submission {submission}: nothing is left of it")))
        } else {
            Ok(left)
        };
    }
    let chosen: BTreeSet<DocumentRef> = given.iter().copied().collect();
    for d in &chosen {
        if d.submission != submission || u64::from(d.number) >= count {
            return Err(usage(format!("document {d}: submission {submission} has documents {submission}/0 to {submission}/{}", count - 1)));
        }
        if taken(d) {
            return Err(failure(Kind::Check, format!("document {d}: was taken back before")));
        }
    }
    Ok(chosen.into_iter().collect())
}

async fn take_effect(home: &mut Home, at: u64, submitted: &Submitted, list: &DocumentList, consent: bool) -> Result<Consequences> {
    let submission = submitted.submission.0;
    let numbers: BTreeSet<u32> = list.documents.iter().map(|d| d.number).collect();
    let before = Withdrawn::of(home)?.before(submitted, home.state.size);
    let accepted = match submitted.acceptance {
        None => 0,
        Some(_) => {
            let gone = |number: u32| numbers.contains(&number) && !before.contains(&number);
            let rows = ingest::verdicts(&home.objects, submitted)?.rows;
            rows.iter().filter(|r| r.verdict == Verdict::Accepted && gone(r.number)).count() as u64
        }
    };
    let live = submitted.shard().cloned();
    let mut entries: Vec<Entry> = Vec::new();
    let mut root: Option<Digest> = None;
    if let Some((old, entry)) = live.as_ref().filter(|_| accepted > 0) {
        let mut shard =
            ShardFile::decode(&home.objects.get(Class::Sealed, &entry.file)?).with_context(|| format!("shard of entry {old}"))?;
        shard.documents.retain(|d| !numbers.contains(&d.document.number));
        if !shard.documents.is_empty() {
            // A crash before the entry leaves an object that nothing refers to.
            let replacing = Shard {
                submission,
                contributor: entry.contributor,
                file: home.objects.put(Class::Sealed, &shard.encode()?)?,
                rows: shard.documents.len() as u64,
                tokens: shard.tokens(),
                document_root: shard.document_root(),
                tokenizer: entry.tokenizer,
                replaces: Some(*old),
            };
            root = Some(replacing.document_root);
            entries.push(replacing.into());
        }
    }
    let bundle = ingest::bundle(home, submitted)?;
    let redacted = bundle.without(&numbers);
    let words = Digest::of(&word_streams(&bundle).encode()?);
    let epoch = home.state.epoch_at(submission).context("a submission lies in an epoch")?;
    let leaves: Vec<Digest> = epoch
        .submissions
        .iter()
        .filter_map(|s| match s.submission.0 {
            own if own == submission && accepted > 0 => root,
            _ => s.shard().map(|(_, s)| s.document_root),
        })
        .map(|root| merkle::leaf_hash(&root.0))
        .collect();
    let number = epoch.open.1.epoch;
    let runs: Vec<u32> = home.state.runs.iter().filter(|r| r.intent.1.epoch == number && accepted > 0).map(|r| r.intent.1.run).collect();
    let consequences = consequences(home, submitted, accepted, consent.then_some(words), runs.clone());
    let effect = WithdrawalEffect {
        withdrawal: at,
        bundle: if consent { Some(home.objects.put(Class::Sealed, &redacted.encode()?)?) } else { None },
        shard: live.filter(|_| accepted > 0).map(|(old, _)| old),
        accepted,
        runs: runs.len() as u64,
        consequences: home.objects.put(Class::Public, &canonical::to_vec(&consequences)?)?,
        corpus_root: merkle::root(&leaves),
        time: home.now,
    };
    entries.push(effect.into());
    // Indexes are made again from what is left, so they may go before the log says so.
    if consent {
        kept::destroy_indexes(home)?;
    }
    home.append(entries).await?;
    kept::withdraw_from_indexes(home, &list.documents, home.state.size - 1)?;
    // Destroyed after the log says so: a crash here leaves files that the audit reports and the next opening of the home removes.
    destroy(home)?;
    Ok(consequences)
}

/// `accepted` of the documents were in the shard in use; `words` is the object with the words' hashes, if text is destroyed.
fn consequences(home: &Home, submitted: &Submitted, accepted: u64, words: Option<Digest>, runs: Vec<u32>) -> Consequences {
    let mut destroyed = Vec::new();
    if words.is_some() {
        destroyed.push(Thing { name: "bundle".into(), digest: Some(submitted.bundle()) });
        destroyed.push(Thing { name: WORDS.into(), digest: words });
        destroyed.push(Thing { name: "secret of its salts".into(), digest: None });
        // The one in use stays if none of the documents is in it.
        let kept = submitted.shard().filter(|_| accepted == 0).map(|(at, _)| *at);
        destroyed.extend(
            submitted
                .shards
                .iter()
                .filter(|(at, _)| Some(*at) != kept)
                .map(|(at, s)| Thing { name: format!("shard of entry {at}"), digest: Some(s.file) }),
        );
    }
    let remaining = |name: String, digest: Option<Digest>, holds: &str| Remaining { name, digest, holds: holds.into() };
    let mut remains = vec![remaining(
        "verdict table".into(),
        submitted.acceptance.as_ref().map(|(_, a)| a.verdicts),
        "salted commitments, without their salts",
    )];
    if let Some((_, t)) = &home.state.tokenizer {
        remains.push(remaining("tokenizer".into(), Some(t.tokenizer), "frequencies of parts of words of all accepted texts"));
    }
    for run in home.state.runs.iter().filter(|r| runs.contains(&r.intent.1.run)) {
        for (at, p) in &run.progress {
            let name = format!("checkpoint of run {} in entry {at}", run.intent.1.run);
            remains.push(remaining(
                name,
                Some(p.checkpoint),
                "weights trained on the documents, which are not undone, and sketches of their gradients",
            ));
        }
        remains.push(remaining(format!("tables and order log of run {}", run.intent.1.run), None, "the documents' numbers and credit"));
    }
    remains.push(remaining(
        "copies outside this home".into(),
        None,
        "backups, proofs that were opened, and what others downloaded; the operator deletes its own",
    ));
    Consequences { version: 1, destroyed, remains, runs }
}

/// Removes what the log says was destroyed and a crash left.
pub fn destroy(home: &Home) -> Result<()> {
    let withdrawn = Withdrawn::of(home)?;
    for digest in withdrawn.destroyed.iter().chain(&withdrawn.words) {
        for class in Class::ALL {
            store::files::remove(&home.objects.path(class, digest))?;
        }
    }
    for s in home.state.epochs.iter().flat_map(|e| &e.submissions).filter(|s| s.bundle() != s.submission.1.bundle) {
        home.destroy_secret(&s.submission.1.bundle)?;
    }
    Ok(())
}
