//! Taking documents back: not used from now on, or destroyed.

use std::collections::{BTreeMap, BTreeSet};

use corpus::bundle::Parts;
use corpus::shard::Shard as ShardFile;
use corpus::verdict::Verdict;
use corpus::{Digest, DocumentRef, EntryIndex, RunNumber, canonical, merkle};
use ledger::entry::{Shard, Withdrawal, WithdrawalEffect, WithdrawalKind};
use ledger::history::{Epoch, Logged};
use ledger::{Entry, SecretKey, Submitted};
use rules::EpochView;
use rules::verdicts::outlines;
use rules::withdrawn::{Consequences, DocumentList, Remaining, Thing, WORDS, Withdrawn, dissolved};
use serde::Serialize;
use store::Class;

use crate::destroy::destroy;
use crate::error::{Context, Kind, PipelineError, Result, failure, usage};
use crate::home::Home;
use crate::kept;
use crate::work::Work;

/// What a withdrawal did.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// Entry of the withdrawal.
    pub withdrawal: EntryIndex,
    /// Documents.
    pub documents: usize,
    /// What was destroyed, what remains, which runs used them.
    pub consequences: Consequences,
}

/// Takes back `documents` of one submission, or all of it; the same command goes on after a crash.
///
/// With `consent` their salts and texts are destroyed wherever they lie in the home.
pub async fn withdraw(
    home: &mut Home,
    submission: EntryIndex,
    documents: &[DocumentRef],
    consent: bool,
    key: Option<&SecretKey>,
) -> Result<Done> {
    let submitted = home
        .state
        .submission(submission)
        .ok_or_else(|| usage(format!("entry {submission} is no submission; `assay status` lists them")))?
        .clone();
    let contributor = submitted.submission.entry.contributor;
    let kind = if consent { WithdrawalKind::Consent } else { WithdrawalKind::Licence };
    // A withdrawal counts from its effect on, so these are those before the entry that is made here, too.
    let before = Withdrawn::of(home)?;
    let list = DocumentList { documents: chosen(&submitted, &before, documents, consent)? };
    let bytes = canonical::to_vec(&list)?;
    let unfinished = submitted.withdrawals.last().filter(|w| w.effect.is_none());
    let at = match unfinished {
        Some(w) if w.withdrawal.entry.list == Digest::of(&bytes) && w.withdrawal.entry.kind == kind => w.withdrawal.index,
        Some(w) => {
            return Err(failure(
                Kind::Check,
                format!("entry {}: an unfinished withdrawal of other documents; give it again", w.withdrawal.index),
            ));
        }
        None => {
            let name = home.name_of(&contributor);
            let entry = Withdrawal {
                contributor,
                submission,
                kind,
                documents: list.documents.len() as u64,
                list: home.objects.put(Class::Public, &bytes)?,
                time: home.now,
            };
            home.append_for(&name, key, entry.into()).await?
        }
    };
    let consequences = take_effect(home, at, &submitted, &before, &list, consent).await?;
    Ok(Done { withdrawal: at, documents: list.documents.len(), consequences })
}

/// The documents in order, each one of the submission and not taken back in this way before.
fn chosen(submitted: &Submitted, before: &Withdrawn, given: &[DocumentRef], consent: bool) -> Result<Vec<DocumentRef>> {
    let (submission, count) = (submitted.submission.index, submitted.submission.entry.documents);
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

async fn take_effect(
    home: &mut Home,
    at: EntryIndex,
    submitted: &Submitted,
    before: &Withdrawn,
    list: &DocumentList,
    consent: bool,
) -> Result<Consequences> {
    let submission = submitted.submission.index;
    let numbers: BTreeSet<u32> = list.documents.iter().map(|d| d.number).collect();
    let before = before.before(submitted, home.state.next_index());
    let accepted = match submitted.acceptance {
        None => 0,
        Some(_) => {
            let gone = |number: u32| numbers.contains(&number) && !before.contains(&number);
            let rows = rules::bundles::verdicts(&home.objects, submitted)?.rows;
            rows.iter().filter(|r| r.verdict == Verdict::Accepted && gone(r.number)).count() as u64
        }
    };
    let mut entries: Vec<Entry> = Vec::new();
    // The shards that are left, by their first documents.
    let mut left: BTreeMap<u32, Digest> = BTreeMap::new();
    for Logged { index: old, entry } in submitted.live_shards() {
        let affected = accepted > 0 && numbers.range(entry.first..entry.end).next().is_some();
        let mut file = ShardFile { tokenizer: entry.tokenizer, documents: Vec::new() };
        if affected {
            file = ShardFile::decode(&home.objects.get(Class::Sealed, &entry.file)?).with_context(|| format!("shard of entry {old}"))?;
            file.documents.retain(|d| !numbers.contains(&d.document.number));
        }
        if !affected || file.documents.len() as u64 == entry.rows {
            left.insert(entry.first, entry.document_root);
            continue;
        }
        // A crash before the entry leaves an object that nothing refers to.
        let replacing = Shard {
            file: home.objects.put(Class::Sealed, &file.encode()?)?,
            rows: file.documents.len() as u64,
            tokens: file.tokens(),
            document_root: file.document_root(),
            replaces: Some(*old),
            ..entry.clone()
        };
        left.extend((replacing.rows > 0).then_some((entry.first, replacing.document_root)));
        entries.push(replacing.into());
    }
    let bundles = if consent { Some(redact(home, submitted, &numbers)?) } else { None };
    let epoch = home.state.epoch_at(submission).context("a submission lies in an epoch")?;
    let number = epoch.open.entry.epoch;
    let runs: Vec<RunNumber> =
        home.state.runs.iter().filter(|r| r.intent.entry.epoch == number && accepted > 0).map(|r| r.intent.entry.run).collect();
    let replaced: BTreeSet<EntryIndex> = entries.iter().filter_map(|e| if let Entry::Shard(s) = e { s.replaces } else { None }).collect();
    let compacted: Vec<(EntryIndex, Digest)> = epoch
        .compactions_before(EntryIndex::MAX)
        .into_iter()
        .filter(|c| epoch.compacted(c).iter().any(|Logged { index: at, .. }| replaced.contains(at)))
        .map(|Logged { index: at, entry: c }| (*at, c.file))
        .collect();
    let leaves: Vec<Digest> = roots_after(epoch, submission, &left, &compacted).iter().map(|root| merkle::leaf_hash(&root.0)).collect();
    let mut shared = BTreeSet::new();
    for other in home.state.epochs.iter().flat_map(|e| &e.submissions).filter(|o| consent && o.submission.index != submission) {
        shared.extend(rules::parts::parts(home, other)?.parts.into_iter().map(|p| p.file));
    }
    let gone = bundles.as_ref().map(|b| Destroyed { bundles: b, shared: &shared, replaced: &replaced, compacted: &compacted });
    let consequences = consequences(home, submitted, gone, runs.clone());
    let effect = WithdrawalEffect {
        withdrawal: at,
        bundle: bundles
            .as_ref()
            .map(|b| home.objects.put(Class::Sealed, &canonical::to_vec(&b.left)?).map_err(PipelineError::from))
            .transpose()?,
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
    if consent {
        forget_made(home, submission).await?;
    }
    // Destroyed after the log says so: a crash here leaves files that the audit reports and the next opening of the home removes.
    destroy(home, &home.objects, &home.secrets)?;
    Ok(consequences)
}

/// Destroys what jobs made of a submission and no entry names: shards and compactions of an ingest that ended before it had logged them.
async fn forget_made(home: &Home, submission: EntryIndex) -> Result<()> {
    let state = &home.state;
    let logged: BTreeSet<Digest> =
        state.epochs.iter().flat_map(|e| e.submissions.iter().flat_map(|s| &s.shards)).map(|Logged { entry: s, .. }| s.file).collect();
    let compacted: BTreeSet<Digest> = state.epochs.iter().flat_map(|e| &e.compactions).map(|Logged { entry: c, .. }| c.file).collect();
    let own: BTreeSet<Digest> =
        state.submission(submission).into_iter().flat_map(|s| &s.shards).map(|Logged { entry: s, .. }| s.file).collect();
    for kind in ["shard", "compaction"] {
        for job in home.catalog.jobs_of(kind).await?.into_values() {
            let made = match canonical::from_slice::<Work>(job.input.as_bytes()) {
                Ok(Work::Shard { submission: of, .. }) => of == submission,
                Ok(Work::Compaction { files }) => files.iter().any(|f| own.contains(f) || !logged.contains(f)),
                _ => false,
            };
            if let Some(output) = job.output.filter(|o| made && !logged.contains(o) && !compacted.contains(o)) {
                home.objects.remove(Class::Sealed, &output)?;
                home.catalog.forget(&[job.id]).await?;
            }
        }
    }
    Ok(())
}

/// The bundles of a submission once documents are taken out of them.
struct Redacted {
    left: Parts,
    /// Those that others take the place of, with the files of their documents' word hashes.
    gone: Vec<(Digest, Digest)>,
}

/// Takes documents out of the bundles that hold them; what is left lies in the objects then.
fn redact(home: &Home, submitted: &Submitted, numbers: &BTreeSet<u32>) -> Result<Redacted> {
    let epoch = home.state.epoch_at(submitted.submission.index).context("a submission lies in an epoch")?;
    let view = EpochView::of(home, epoch);
    let filters = &view.policy()?.filters;
    let (mut left, mut gone) = (rules::parts::parts(home, submitted)?, Vec::new());
    for part in left.parts.iter_mut().filter(|p| numbers.range(p.first..p.end()).next().is_some()) {
        let bundle = rules::bundles::read_part(&home.objects, part)?;
        let own = numbers.range(part.first..part.end()).copied().collect();
        gone.push((part.file, Digest::of(&outlines(&bundle, filters).encode()?)));
        part.file = home.objects.put(Class::Sealed, &bundle.without(&own).encode()?)?;
    }
    Ok(Redacted { left, gone })
}

/// The document roots of an epoch's files once the shards of `submission` are those that are `left`, and compactions are dissolved.
fn roots_after(epoch: &Epoch, submission: EntryIndex, left: &BTreeMap<u32, Digest>, dissolved: &[(EntryIndex, Digest)]) -> Vec<Digest> {
    let compactions = epoch.compactions_before(EntryIndex::MAX);
    let used = compactions.into_iter().filter(|Logged { index: at, .. }| dissolved.iter().all(|(gone, _)| gone != at));
    let spans: Vec<(Vec<EntryIndex>, Digest)> =
        used.map(|c| (epoch.compacted(c).iter().map(|Logged { index: at, .. }| *at).collect(), c.entry.document_root)).collect();
    let mut roots = Vec::new();
    for Logged { index: at, entry: shard } in epoch.shards_before(EntryIndex::MAX) {
        match spans.iter().find(|(members, _)| members.contains(at)) {
            Some((members, root)) => roots.extend((members[0] == *at).then_some(*root)),
            None if shard.submission == submission => roots.extend(left.get(&shard.first)),
            None => roots.push(shard.document_root),
        }
    }
    roots
}

/// What a withdrawal of consent destroys.
struct Destroyed<'a> {
    bundles: &'a Redacted,
    /// Bundles that another submission has too, which stay.
    shared: &'a BTreeSet<Digest>,
    /// Entries of shards that others take the place of.
    replaced: &'a BTreeSet<EntryIndex>,
    /// Entries and files of compactions.
    compacted: &'a [(EntryIndex, Digest)],
}

fn consequences(home: &Home, submitted: &Submitted, gone: Option<Destroyed<'_>>, runs: Vec<RunNumber>) -> Consequences {
    let mut destroyed = Vec::new();
    if let Some(gone) = gone {
        for (bundle, words) in gone.bundles.gone.iter().filter(|(bundle, _)| !gone.shared.contains(bundle)) {
            destroyed.push(Thing { name: "bundle".into(), digest: Some(*bundle) });
            destroyed.push(Thing { name: WORDS.into(), digest: Some(*words) });
        }
        destroyed.push(Thing { name: "secret of its salts".into(), digest: None });
        // Those of earlier withdrawals too: some of their documents may be withdrawn only now.
        let live: BTreeSet<EntryIndex> =
            submitted.live_shards().iter().map(|Logged { index: at, .. }| *at).filter(|at| !gone.replaced.contains(at)).collect();
        let old = submitted.shards.iter().filter(|Logged { index: at, entry: s }| s.rows > 0 && !live.contains(at));
        destroyed.extend(old.map(|Logged { index: at, entry: s }| Thing { name: format!("shard of entry {at}"), digest: Some(s.file) }));
        let before = dissolved(home, submitted).into_iter().map(|Logged { index: at, entry: c }| (*at, c.file));
        let compacted = gone.compacted.iter().copied().chain(before);
        destroyed.extend(compacted.map(|(at, file)| Thing { name: format!("compacted shards of entry {at}"), digest: Some(file) }));
    }
    let remaining = |name: String, digest: Option<Digest>, holds: &str| Remaining { name, digest, holds: holds.into() };
    let mut remains = vec![remaining(
        "verdict table".into(),
        submitted.acceptance.as_ref().map(|Logged { entry: a, .. }| a.verdicts),
        "salted commitments, without their salts",
    )];
    if let Some(Logged { entry: t, .. }) = &home.state.tokenizer {
        remains.push(remaining("tokenizer".into(), Some(t.tokenizer), "frequencies of parts of words of all accepted texts"));
    }
    for run in home.state.runs.iter().filter(|r| runs.contains(&r.intent.entry.run)) {
        for Logged { index: at, entry: p } in &run.progress {
            let name = format!("checkpoint of run {} in entry {at}", run.intent.entry.run);
            remains.push(remaining(
                name,
                Some(p.checkpoint),
                "weights trained on the documents, which are not undone, and sketches of their gradients",
            ));
        }
        remains.push(remaining(format!("tables and order log of run {}", run.intent.entry.run), None, "the documents' numbers and credit"));
    }
    remains.push(remaining(
        "copies outside this home".into(),
        None,
        "backups, proofs that were opened, and what others downloaded; the operator deletes its own",
    ));
    Consequences { version: 1, destroyed, remains, runs }
}
