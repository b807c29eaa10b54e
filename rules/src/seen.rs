//! What verdicts on an epoch see: its submissions, and what earlier epochs kept.

use std::collections::{BTreeMap, BTreeSet};

use corpus::bundle::{Part, Parts};
use corpus::objects::Class;
use corpus::outline::Outlines;
use corpus::verdict::{Verdict, VerdictRow};
use corpus::{DocumentRef, EntryIndex, canonical};
use ledger::entry::ClaimOutcome;
use ledger::entry::rights::date_of;
use ledger::history::{Claimed, Epoch, Logged, Submitted};

use crate::archive::Archive;
use crate::bundles::verdicts;
use crate::epoch::EpochView;
use crate::error::Result;
use crate::parts::parts;
use crate::verdicts::{Granted, ToJudge};
use crate::withdrawn::{DocumentList, Withdrawn};

/// The size of the log that an epoch's verdicts see: that before the first of them, or all of it.
pub fn judged_at(archive: &Archive, e: &Epoch) -> u64 {
    e.submissions.first().and_then(|s| s.acceptance.as_ref()).map_or(archive.state.size, |Logged { index: at, .. }| at.0)
}

/// What the log says that verdicts on an epoch depend on, read once for all of them.
pub struct Seen<'a> {
    /// The epoch.
    pub view: &'a EpochView<'a>,
    /// The size of the log that they see.
    pub at: EntryIndex,
    withdrawn: &'a Withdrawn,
    /// Documents whose text is destroyed.
    pub gone: BTreeSet<DocumentRef>,
    /// Documents that others proved to be theirs, with the last commitment of the claimant in the epoch.
    yields: BTreeMap<DocumentRef, EntryIndex>,
}

impl<'a> Seen<'a> {
    /// What verdicts on an epoch see.
    pub fn by(view: &'a EpochView<'a>) -> Result<Seen<'a>> {
        let (at, withdrawn) = (judged_at(view.archive, view.epoch), view.withdrawn()?);
        Ok(Seen { view, at: EntryIndex(at), gone: withdrawn.gone(), yields: yields(view.archive, view.epoch, EntryIndex(at))?, withdrawn })
    }

    /// One submission of the epoch, as the verdicts see it.
    pub fn prepare<'b>(&self, s: &Submitted, outlines: impl Fn(&Part) -> Result<Outlines> + Send + Sync + 'b) -> Result<ToJudge<'b>> {
        let Logged { index, entry: submission } = &s.submission;
        let parts = parts(self.view.archive, s)?.parts;
        let own = DocumentRef { submission: *index, number: 0 }..=DocumentRef { submission: *index, number: u32::MAX };
        Ok(ToJudge {
            index: *index,
            commitment: submission.commitment,
            parts: parts.clone(),
            outlines: Box::new(move |place| outlines(&parts[place])),
            yields: self.yields.range(own.clone()).map(|(d, after)| (d.number, *after)).collect(),
            exclusion: submission.rights.exclusion(self.view.epoch.open.entry.purpose, &date_of(self.view.epoch.open.entry.time)),
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
        let purpose = self.view.epoch.open.entry.purpose;
        for Logged { entry: grant, .. } in
            s.grants.iter().filter(|Logged { index: at, entry: g }| *at < self.at && g.purposes.contains(&purpose))
        {
            match &grant.list {
                None => granted.all = true,
                Some(list) => {
                    let list: DocumentList = canonical::from_slice(&self.view.archive.objects.get(Class::Public, list)?)?;
                    granted.documents.extend(list.documents.iter().filter(|d| d.submission == s.submission.index).map(|d| d.number));
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
            let document = DocumentRef { submission: s.submission.index, number: row.number };
            // What was destroyed before was judged without words, and is again.
            let had_words = row.words > 0 || row.verdict != Verdict::Withdrawn;
            let mut by = row.of.into_iter().chain(row.covered_by.iter().map(|c| c.document));
            self.gone.contains(&document) && had_words || by.any(|of| self.gone.contains(&of))
        };
        Ok(verdicts(&*self.view.archive.objects, s)?.rows.into_iter().filter(lost).map(|row| (row.number, row)).collect())
    }

    /// What earlier epochs accepted and nobody took back before the verdicts, by commitment and number: it is kept whatever it is like,
    /// but for what somebody who submitted to the epoch proved to be theirs, and for texts that are destroyed.
    pub fn kept_before(&self) -> Result<Vec<DocumentRef>> {
        let earlier = &self.view.archive.state.epochs[..self.view.epoch.open.entry.epoch as usize];
        let mut submitted: Vec<&Submitted> = earlier.iter().flat_map(|e| &e.submissions).collect();
        submitted.sort_by_key(|s| s.submission.entry.commitment);
        let mut kept = Vec::new();
        for s in submitted {
            let withdrawn = self.withdrawn.before(s, self.at);
            let accepted = verdicts(&*self.view.archive.objects, s)?.rows.into_iter().filter(|r| r.verdict == Verdict::Accepted);
            let there = accepted.filter(|r| !withdrawn.contains(&r.number));
            let documents = there.map(|r| DocumentRef { submission: s.submission.index, number: r.number });
            kept.extend(documents.filter(|d| !self.yields.contains_key(d) && !self.gone.contains(d)));
        }
        Ok(kept)
    }
}

/// A claim that was upheld before log size `at` outranks the order of commitments, once the claimant has submitted to the epoch.
fn yields(archive: &Archive, e: &Epoch, at: EntryIndex) -> Result<BTreeMap<DocumentRef, EntryIndex>> {
    let mut yields = BTreeMap::new();
    let upheld = |c: &&Claimed| {
        c.resolution.as_ref().is_some_and(|Logged { index: resolved, entry: r }| r.outcome == ClaimOutcome::Upheld && *resolved < at)
    };
    for claim in archive.state.claims.iter().filter(upheld) {
        let Logged { entry: claim, .. } = &claim.claim;
        let own =
            e.submissions.iter().filter(|o| o.submission.entry.contributor == claim.claimant).map(|o| o.submission.entry.commitment).max();
        let Some(own) = own else { continue };
        let list: DocumentList = canonical::from_slice(&archive.objects.get(Class::Public, &claim.list)?)?;
        for d in list.documents {
            let after: &mut EntryIndex = yields.entry(d).or_default();
            *after = own.max(*after);
        }
    }
    Ok(yields)
}

/// The documents of one submission by bundle, in the order of their numbers.
pub fn by_part<'a>(parts: &'a Parts, documents: &'a [DocumentRef]) -> impl Iterator<Item = (&'a Part, &'a [DocumentRef])> {
    parts.parts.iter().filter_map(|part| {
        let from = documents.partition_point(|d| d.number < part.first);
        let to = documents.partition_point(|d| d.number < part.end());
        (from < to).then(|| (part, &documents[from..to]))
    })
}
