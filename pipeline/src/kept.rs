//! The index of what earlier epochs kept, under the keys of an epoch.

use std::path::{Path, PathBuf};

use corpus::{Digest, DocumentRef};
use dedup::{DedupError, Index, Judge, Name, Options};
use ledger::history::Submitted;
use rules::listener::Listener;
use rules::parts::parts;
use rules::seen::{Seen, by_part};
use rules::verdicts::{JudgeParameters, Keeper, name};
use rules::{Archive, EpochViews};

use crate::error::{Context, PipelineError, Result};
use crate::home::Home;
use crate::outlines::{loading, outlines_looking, outlines_of};
use crate::snapshot::Snapshot;

/// Where an epoch's index of kept documents is.
fn index_dir(home: &Home, number: u32) -> PathBuf {
    home.dir.join(format!("state/dedup/{number}"))
}

/// A judge over the index of what is kept, under an epoch's keys, as it was before the epoch's verdicts.
///
/// It is a cache: one that is absent, damaged or of other documents is made again from word hashes, and no text is read.
pub(crate) async fn index_of(home: &Home, seen: &Seen<'_>, options: &Options) -> Result<Keeper> {
    let e = seen.view.epoch;
    let dir = index_dir(home, e.open.entry.epoch);
    let expected = seen.kept_before()?;
    let judged = e.submissions.first().is_some_and(|s| s.acceptance.is_some());
    // What is judged again is not added a second time.
    let keeper = |judge: Judge, index: Index| Keeper::over(judge, (!judged).then_some((index, seen.at.0)), options.clone());
    match Index::open(&dir, &options.keys) {
        Ok(index) => {
            let view = index.as_of(seen.at.0);
            let same = |(i, d): (u32, &DocumentRef)| view.name(i) == name(*d) && !view.is_withdrawn(i);
            // Before the verdicts nothing of the epoch is in it, unless the log was put back or a process ended before it had them all.
            let fits = judged || index.len() == view.len();
            if fits && view.len() as usize == expected.len() && (0..).zip(&expected).all(same) {
                return Ok(keeper(Judge::with_base(view, options.clone())?, index));
            }
        }
        Err(e @ (DedupError::Damaged { .. } | DedupError::OtherKeys { .. })) => {
            home.listener.note(&format!("{e}; the index is made again from word hashes"));
        }
        Err(e) => return Err(e.into()),
    }
    remove_index(&dir)?;
    let index = Index::open(&dir, &options.keys)?;
    // Before every verdict of this epoch; when exactly does not matter to who asks for it.
    let mut making = Keeper::over(Judge::with_base(index.view(), options.clone())?, Some((index, 0)), options.clone());
    let files = outlines_of(home, &submissions(home, &expected)?).await?;
    keep_all(home, &mut making, &expected, files, &*home.listener)?;
    making.finish()?;
    let index = Index::open(&dir, &options.keys)?;
    Ok(keeper(Judge::with_base(index.view(), options.clone())?, index))
}

/// A judge under the keys of `options` over what is kept before an epoch's verdicts, with its index in `dir`, for who only looks.
pub(crate) async fn judge_over_kept(home: &Snapshot, seen: &Seen<'_>, options: &Options, dir: &Path) -> Result<Keeper> {
    let index = Index::open(dir, &options.keys)?;
    let mut keeper = Keeper::over(Judge::with_base(index.view(), options.clone())?, Some((index, 0)), options.clone());
    let kept = seen.kept_before()?;
    let files = outlines_looking(home, &submissions(home, &kept)?).await?;
    keep_all(home, &mut keeper, &kept, files, &*home.listener)?;
    Ok(keeper)
}

/// Documents that follow each other, by submission.
fn by_submission(documents: &[DocumentRef]) -> impl Iterator<Item = &[DocumentRef]> {
    documents.chunk_by(|a, b| a.submission == b.submission)
}

/// The submissions of `documents`, in their order.
fn submissions<'a>(archive: &'a Archive, documents: &[DocumentRef]) -> Result<Vec<&'a Submitted>> {
    by_submission(documents).map(|d| archive.state.submission(d[0].submission).context("a verdict names a submission")).collect()
}

/// Lets a judge keep documents from their word hashes, which are in `files` by submission and bundle.
fn keep_all(
    archive: &Archive,
    keeper: &mut Keeper,
    documents: &[DocumentRef],
    files: Vec<Vec<Digest>>,
    listener: &dyn Listener,
) -> Result<()> {
    let bar = listener.task("documents kept before", documents.len() as u64);
    for ((documents, s), files) in by_submission(documents).zip(submissions(archive, documents)?).zip(files) {
        let load = loading(archive, s, files)?;
        for (part, documents) in by_part(&parts(archive, s)?, documents) {
            let outlines = load(part)?;
            keeper.keep(documents.iter().map(|d| (*d, &outlines.documents[(d.number - part.first) as usize])))?;
            bar.advance(documents.len() as u64);
        }
    }
    Ok(())
}

/// Removes an index, its manifest first: what is left by a crash is then no index.
fn remove_index(dir: &Path) -> Result<()> {
    let gone = |result: std::io::Result<()>| match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(PipelineError::from(e)).context(dir.display()),
        _ => Ok(()),
    };
    gone(std::fs::remove_file(dir.join("manifest")))?;
    gone(std::fs::remove_dir_all(dir))
}

/// Removes the indexes of epochs before the last two: those that may still have to be settled stay at hand.
pub(crate) fn forget_before(home: &Home, number: u32) -> Result<()> {
    (0..number.saturating_sub(1)).try_for_each(|old| remove_index(&index_dir(home, old)))
}

/// Removes all indexes, since they hold hashes of words.
pub(crate) fn destroy_indexes(home: &Home) -> Result<()> {
    for e in &home.state.epochs {
        remove_index(&index_dir(home, e.open.entry.epoch))?;
    }
    Ok(())
}

/// Tells every index of what was taken back by entry `log_index`. One that is not told is made again when it is needed.
pub(crate) fn withdraw_from_indexes(home: &Home, documents: &[DocumentRef], log_index: u64) -> Result<()> {
    let names: Vec<Name> = documents.iter().copied().map(name).collect();
    for view in EpochViews::of(home).iter() {
        let (number, dir) = (view.number(), index_dir(home, view.number()));
        if !dir.exists() {
            continue;
        }
        let options = JudgeParameters::of(view)?.options(&home.secret(&format!("dedup key {number}"))?);
        match Index::open(&dir, &options.keys).and_then(|mut index| index.withdraw(&names, log_index)) {
            Ok(_) => {}
            Err(DedupError::Damaged { .. } | DedupError::OtherKeys { .. }) => remove_index(&dir)?,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
