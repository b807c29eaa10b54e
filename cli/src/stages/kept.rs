//! What verdicts on an epoch see: its submissions, what earlier epochs kept, and the index of that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use corpus::bundle::{Part, Parts};
use corpus::outline::Outlines;
use corpus::verdict::{Verdict, VerdictRow};
use corpus::{DocumentRef, canonical};
use dedup::{DedupError, Index, Judge, Name, Options};
use ledger::entry::rights::date_of;
use ledger::history::{Claimed, Epoch, Submitted};
use store::Class;

use crate::home::{Archive, Home};
use crate::output::note;
use crate::rules::{Granted, Keeper, ToJudge, name};
use crate::stages::epoch;
use crate::stages::ingest::{loading, outlines_of, parts, verdicts};
use crate::withdrawn::{DocumentList, Withdrawn};

/// The size of the log that an epoch's verdicts see: that before the first of them, or all of it.
pub fn judged_at(archive: &Archive, e: &Epoch) -> u64 {
    e.submissions.first().and_then(|s| s.acceptance.as_ref()).map_or(archive.state.size, |(at, _)| *at)
}

/// What the log says that verdicts on an epoch depend on, read once for all of them.
pub struct Seen<'a> {
    archive: &'a Archive,
    epoch: &'a Epoch,
    /// The size of the log that they see.
    at: u64,
    withdrawn: Withdrawn,
    /// Documents whose text is destroyed.
    pub gone: BTreeSet<DocumentRef>,
    /// Documents that others proved to be theirs, with the last commitment of the claimant in the epoch.
    yields: BTreeMap<DocumentRef, u64>,
}

impl<'a> Seen<'a> {
    /// What verdicts on `epoch` see.
    pub fn by(archive: &'a Archive, epoch: &'a Epoch) -> Result<Seen<'a>> {
        let (at, withdrawn) = (judged_at(archive, epoch), Withdrawn::of(archive)?);
        Ok(Seen { archive, epoch, at, gone: withdrawn.gone(), yields: yields(archive, epoch, at)?, withdrawn })
    }

    /// One submission of the epoch, as the verdicts see it.
    pub fn prepare<'b>(&self, s: &Submitted, outlines: impl Fn(&Part) -> Result<Outlines> + 'b) -> Result<ToJudge<'b>> {
        let (index, submission) = &s.submission;
        let parts = parts(self.archive, s)?.parts;
        let own = DocumentRef { submission: *index, number: 0 }..=DocumentRef { submission: *index, number: u32::MAX };
        Ok(ToJudge {
            index: *index,
            commitment: submission.commitment,
            parts: parts.clone(),
            outlines: Box::new(move |place| outlines(&parts[place])),
            yields: self.yields.range(own.clone()).map(|(d, after)| (d.number, *after)).collect(),
            exclusion: submission.rights.exclusion(self.epoch.open.1.purpose, &date_of(self.epoch.open.1.time)),
            granted: self.granted(s)?,
            // Verdicts are what they are: what is taken back later changes none.
            withdrawn: self.withdrawn.before(s, self.at),
            given: self.given(s)?,
            gone: self.gone.range(own).map(|d| d.number).collect(),
        })
    }

    /// Documents of a submission that were licensed for the epoch's purpose before the verdicts.
    fn granted(&self, s: &Submitted) -> Result<Granted> {
        let mut granted = Granted::default();
        let purpose = self.epoch.open.1.purpose;
        for (_, grant) in s.grants.iter().filter(|(at, g)| *at < self.at && g.purposes.contains(&purpose)) {
            match &grant.list {
                None => granted.all = true,
                Some(list) => {
                    let list: DocumentList = canonical::from_slice(&self.archive.objects.get(Class::Public, list)?)?;
                    granted.documents.extend(list.documents.iter().filter(|d| d.submission == s.submission.0).map(|d| d.number));
                }
            }
        }
        Ok(granted)
    }

    /// Verdicts that cannot be given again: on documents whose text was destroyed after them, and on those that duplicate such a one or
    /// have runs of words in common with it. The log's word is all there is.
    fn given(&self, s: &Submitted) -> Result<BTreeMap<u32, VerdictRow>> {
        if s.acceptance.is_none() || self.gone.is_empty() {
            return Ok(BTreeMap::new());
        }
        let lost = |row: &VerdictRow| {
            let document = DocumentRef { submission: s.submission.0, number: row.number };
            // What was destroyed before was judged without words, and is again.
            let had_words = row.words > 0 || row.verdict != Verdict::Withdrawn;
            let mut by = row.of.into_iter().chain(row.covered_by.iter().map(|c| c.document));
            self.gone.contains(&document) && had_words || by.any(|of| self.gone.contains(&of))
        };
        Ok(verdicts(&self.archive.objects, s)?.rows.into_iter().filter(lost).map(|row| (row.number, row)).collect())
    }

    /// What earlier epochs accepted and nobody took back before the verdicts, by commitment and number: it is kept whatever it is like,
    /// but for what somebody who submitted to the epoch proved to be theirs, and for texts that are destroyed.
    pub fn kept_before(&self) -> Result<Vec<DocumentRef>> {
        let earlier = &self.archive.state.epochs[..self.epoch.open.1.epoch as usize];
        let mut submitted: Vec<&Submitted> = earlier.iter().flat_map(|e| &e.submissions).collect();
        submitted.sort_by_key(|s| s.submission.1.commitment);
        let mut kept = Vec::new();
        for s in submitted {
            let withdrawn = self.withdrawn.before(s, self.at);
            let accepted = verdicts(&self.archive.objects, s)?.rows.into_iter().filter(|r| r.verdict == Verdict::Accepted);
            let there = accepted.filter(|r| !withdrawn.contains(&r.number));
            let documents = there.map(|r| DocumentRef { submission: s.submission.0, number: r.number });
            kept.extend(documents.filter(|d| !self.yields.contains_key(d) && !self.gone.contains(d)));
        }
        Ok(kept)
    }
}

/// A claim that was upheld before log size `at` outranks the order of commitments, once the claimant has submitted to the epoch.
fn yields(archive: &Archive, e: &Epoch, at: u64) -> Result<BTreeMap<DocumentRef, u64>> {
    let mut yields = BTreeMap::new();
    let upheld = |c: &&Claimed| c.resolution.as_ref().is_some_and(|(resolved, r)| r.outcome == "upheld" && *resolved < at);
    for claim in archive.state.claims.iter().filter(upheld) {
        let (_, claim) = &claim.claim;
        let own = e.submissions.iter().filter(|o| o.submission.1.contributor == claim.claimant).map(|o| o.submission.1.commitment).max();
        let Some(own) = own else { continue };
        let list: DocumentList = canonical::from_slice(&archive.objects.get(Class::Public, &claim.list)?)?;
        for d in list.documents {
            let after: &mut u64 = yields.entry(d).or_default();
            *after = own.max(*after);
        }
    }
    Ok(yields)
}

/// Where an epoch's index of kept documents is.
fn index_dir(home: &Home, number: u32) -> PathBuf {
    home.dir.join(format!("state/dedup/{number}"))
}

/// The documents of one submission by bundle, in the order of their numbers.
pub fn by_part<'a>(parts: &'a Parts, documents: &'a [DocumentRef]) -> impl Iterator<Item = (&'a Part, &'a [DocumentRef])> {
    parts.parts.iter().filter_map(|part| {
        let from = documents.partition_point(|d| d.number < part.first);
        let to = documents.partition_point(|d| d.number < part.end());
        (from < to).then(|| (part, &documents[from..to]))
    })
}

/// A judge over the index of what is kept, under an epoch's keys, as it was before the epoch's verdicts.
///
/// It is a cache: one that is absent, damaged or of other documents is made again from word hashes, and no text is read.
pub async fn index_of(home: &Home, seen: &Seen<'_>, options: &Options) -> Result<Keeper> {
    let e = seen.epoch;
    let dir = index_dir(home, e.open.1.epoch);
    let expected = seen.kept_before()?;
    let judged = e.submissions.first().is_some_and(|s| s.acceptance.is_some());
    // What is judged again is not added a second time.
    let keeper = |judge: Judge, index: Index| Keeper::over(judge, (!judged).then_some((index, seen.at)), options.clone());
    match Index::open(&dir, &options.keys) {
        Ok(index) => {
            let view = index.as_of(seen.at);
            let same = |(i, d): (u32, &DocumentRef)| view.name(i) == name(*d) && !view.is_withdrawn(i);
            // Before the verdicts nothing of the epoch is in it, unless the log was put back or a process ended before it had them all.
            let fits = judged || index.len() == view.len();
            if fits && view.len() as usize == expected.len() && (0..).zip(&expected).all(same) {
                return Ok(keeper(Judge::with_base(view, options.clone())?, index));
            }
        }
        Err(e @ (DedupError::Damaged { .. } | DedupError::OtherKeys { .. })) => {
            note(&format!("{e}; the index is made again from word hashes"));
        }
        Err(e) => return Err(e.into()),
    }
    remove_index(&dir)?;
    let index = Index::open(&dir, &options.keys)?;
    // Before every verdict of this epoch; when exactly does not matter to who asks for it.
    let mut making = Keeper::over(Judge::with_base(index.view(), options.clone())?, Some((index, 0)), options.clone());
    keep_all(home, &mut making, &expected).await?;
    making.finish()?;
    let index = Index::open(&dir, &options.keys)?;
    Ok(keeper(Judge::with_base(index.view(), options.clone())?, index))
}

/// A judge under other keys over what is kept before an epoch's verdicts, with its index in `dir`.
pub async fn judge_over_kept(home: &Home, seen: &Seen<'_>, options: &Options, dir: &Path) -> Result<Keeper> {
    let index = Index::open(dir, &options.keys)?;
    let mut keeper = Keeper::over(Judge::with_base(index.view(), options.clone())?, Some((index, 0)), options.clone());
    keep_all(home, &mut keeper, &seen.kept_before()?).await?;
    Ok(keeper)
}

/// Lets a judge keep documents from their word hashes.
async fn keep_all(home: &Home, keeper: &mut Keeper, documents: &[DocumentRef]) -> Result<()> {
    let of_one: Vec<&[DocumentRef]> = documents.chunk_by(|a, b| a.submission == b.submission).collect();
    let submitted = |d: &&[DocumentRef]| home.state.submission(d[0].submission).context("a verdict names a submission");
    let submissions: Vec<&Submitted> = of_one.iter().map(submitted).collect::<Result<_>>()?;
    let files = outlines_of(home, &submissions).await?;
    for ((documents, s), files) in of_one.into_iter().zip(submissions).zip(files) {
        let load = loading(home, s, files)?;
        for (part, documents) in by_part(&parts(home, s)?, documents) {
            let outlines = load(part)?;
            keeper.keep(documents.iter().map(|d| (*d, &outlines.documents[(d.number - part.first) as usize])))?;
        }
    }
    Ok(())
}

/// Removes an index, its manifest first: what is left by a crash is then no index.
fn remove_index(dir: &Path) -> Result<()> {
    let gone = |result: std::io::Result<()>| match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(anyhow::Error::from(e).context(dir.display().to_string())),
        _ => Ok(()),
    };
    gone(std::fs::remove_file(dir.join("manifest")))?;
    gone(std::fs::remove_dir_all(dir))
}

/// Removes the indexes of epochs before the last two: those that may still have to be settled stay at hand.
pub fn forget_before(home: &Home, number: u32) -> Result<()> {
    (0..number.saturating_sub(1)).try_for_each(|old| remove_index(&index_dir(home, old)))
}

/// Removes all indexes, since they hold hashes of words.
pub fn destroy_indexes(home: &Home) -> Result<()> {
    for e in &home.state.epochs {
        remove_index(&index_dir(home, e.open.1.epoch))?;
    }
    Ok(())
}

/// Tells every index of what was taken back by entry `log_index`. One that is not told is made again when it is needed.
pub fn withdraw_from_indexes(home: &Home, documents: &[DocumentRef], log_index: u64) -> Result<()> {
    let names: Vec<Name> = documents.iter().copied().map(name).collect();
    for e in &home.state.epochs {
        let (number, dir) = (e.open.1.epoch, index_dir(home, e.open.1.epoch));
        if !dir.exists() {
            continue;
        }
        let options = epoch::judge_parameters(home, e)?.options(&home.secret(&format!("dedup key {number}"))?);
        match Index::open(&dir, &options.keys).and_then(|mut index| index.withdraw(&names, log_index)) {
            Ok(_) => {}
            Err(DedupError::Damaged { .. } | DedupError::OtherKeys { .. }) => remove_index(&dir)?,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
