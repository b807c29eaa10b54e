//! What contributors took back, and what is therefore gone or no longer used.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use corpus::objects::Class;
use corpus::{Digest, DocumentRef, EntryIndex, RunNumber, canonical};
use ledger::Submitted;
use ledger::entry::{Compaction, WithdrawalKind};
use ledger::history::Logged;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::error::Result;
use crate::parts::read_parts;

/// The documents of a withdrawal or a claim, as a public object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentList {
    /// In order, each once.
    pub documents: Vec<DocumentRef>,
}

/// What a withdrawal did, as a public object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consequences {
    /// `1`.
    pub version: u32,
    /// Objects and files that were destroyed.
    pub destroyed: Vec<Thing>,
    /// What remains, and why.
    pub remains: Vec<Remaining>,
    /// Runs that used the documents; parameters that are trained are not undone.
    pub runs: Vec<RunNumber>,
}

/// An object or a file of the home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    /// What it is.
    pub name: String,
    /// Its digest, if it is an object.
    pub digest: Option<Digest>,
}

/// What a withdrawal cannot undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remaining {
    /// What it is.
    pub name: String,
    /// Its digest, if it is an object.
    pub digest: Option<Digest>,
    /// What of the documents is in it.
    pub holds: String,
}

/// The name of the file with a submission's word hashes.
pub const WORDS: &str = "hashes of its words";

/// The bundles that lists name: every withdrawal of consent asks for all of them, and each list is read once.
struct Lists<'a> {
    archive: &'a Archive,
    read: BTreeMap<Digest, Vec<Digest>>,
}

impl Lists<'_> {
    fn bundles(&mut self, list: Digest) -> Result<&[Digest]> {
        Ok(match self.read.entry(list) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(read_parts(&*self.archive.objects, &list)?.parts.into_iter().map(|p| p.file).collect()),
        })
    }
}

/// Bundles and shards of a submission that others took the place of, and files that its shards were compacted in.
fn out_of_use(lists: &mut Lists<'_>, s: &Submitted) -> Result<BTreeSet<Digest>> {
    let archive = lists.archive;
    let mut used: BTreeSet<Digest> = s.live_shards().iter().map(|Logged { entry: shard, .. }| shard.file).collect();
    // Two submissions that begin with the same documents may have a bundle in common.
    for other in archive.state.epochs.iter().flat_map(|e| &e.submissions) {
        used.extend(lists.bundles(other.bundle())?);
    }
    // One without documents is the same file for everybody.
    let mut all: BTreeSet<Digest> =
        s.shards.iter().filter(|Logged { entry: shard, .. }| shard.rows > 0).map(|Logged { entry: shard, .. }| shard.file).collect();
    for list in s.bundles() {
        all.extend(lists.bundles(list)?);
    }
    all.extend(dissolved(archive, s).iter().map(|Logged { entry: c, .. }| c.file));
    Ok(all.difference(&used).copied().collect())
}

/// Compactions that one of a submission's shards was in and that are not used any more.
pub fn dissolved<'a>(archive: &'a Archive, s: &Submitted) -> Vec<&'a Logged<Compaction>> {
    let Some(epoch) = archive.state.epoch_at(s.submission.index) else { return Vec::new() };
    let live: Vec<EntryIndex> = epoch.compactions_before(EntryIndex::MAX).iter().map(|Logged { index: at, .. }| *at).collect();
    let own = |c: &&Logged<Compaction>| epoch.compacted(c).iter().any(|Logged { entry: shard, .. }| shard.submission == s.submission.index);
    epoch.compactions.iter().filter(|c| !live.contains(&c.index)).filter(own).collect()
}

/// Whether an entry about submissions, epochs or runs names a sealed object: word hashes are named by none.
fn is_named(lists: &mut Lists<'_>, digest: &Digest) -> bool {
    let archive = lists.archive;
    let state = &archive.state;
    let checkpoints = state.runs.iter().flat_map(|r| &r.progress).map(|Logged { entry: p, .. }| p.checkpoint);
    let pools = state.epochs.iter().map(|e| e.open.entry.pool);
    let evidence = state.claims.iter().map(|c| c.claim.entry.evidence);
    let submissions = state.epochs.iter().flat_map(|e| &e.submissions);
    let bundles: Vec<Digest> = submissions.clone().flat_map(Submitted::bundles).collect();
    let shards = submissions.flat_map(|s| &s.shards).map(|Logged { entry: shard, .. }| shard.file);
    let parts = bundles.iter().any(|b| lists.bundles(*b).is_ok_and(|parts| parts.contains(digest)));
    let compactions = state.epochs.iter().flat_map(|e| &e.compactions).map(|Logged { entry: c, .. }| c.file);
    let sealed = checkpoints.chain(pools).chain(evidence).chain(bundles.iter().copied()).chain(shards).chain(compactions);
    parts || sealed.into_iter().any(|d| d == *digest) || [Class::Public, Class::Party].iter().any(|c| archive.objects.has(*c, digest))
}

/// All withdrawals of a log.
#[derive(Clone, Debug, Default)]
pub struct Withdrawn {
    /// Documents with the entry that took effect, and whether text and salt are destroyed.
    pub documents: BTreeMap<DocumentRef, (EntryIndex, bool)>,
    /// Bundles and shards that are not there any more; the audit asks for none of them.
    pub destroyed: BTreeSet<Digest>,
    /// Hashes of words that are not there any more; no entry names such a file.
    pub words: BTreeSet<Digest>,
    /// What an effect says was destroyed and is neither, with the effect's entry.
    pub foreign: Vec<(EntryIndex, Digest)>,
}

impl Withdrawn {
    /// Reads the lists that the log names.
    pub fn of(archive: &Archive) -> Result<Withdrawn> {
        let (mut found, mut lists) = (Withdrawn::default(), Lists { archive, read: BTreeMap::new() });
        for s in archive.state.epochs.iter().flat_map(|e| &e.submissions) {
            for w in &s.withdrawals {
                let Some(Logged { index: at, entry: effect }) = &w.effect else { continue };
                let list: DocumentList = canonical::from_slice(&archive.objects.get(Class::Public, &w.withdrawal.entry.list)?)?;
                let consent = w.withdrawal.entry.kind == WithdrawalKind::Consent;
                for document in list.documents {
                    let entry = found.documents.entry(document).or_insert((*at, consent));
                    entry.1 |= consent;
                }
                let consequences: Consequences = canonical::from_slice(&archive.objects.get(Class::Public, &effect.consequences)?)?;
                // The operator's word destroys nothing that the log does not show to be out of use.
                let own = if consent { out_of_use(&mut lists, s)? } else { BTreeSet::new() };
                for thing in &consequences.destroyed {
                    match thing.digest {
                        Some(digest) if own.contains(&digest) => {
                            found.destroyed.insert(digest);
                        }
                        Some(digest) if consent && thing.name == WORDS && !is_named(&mut lists, &digest) => {
                            found.words.insert(digest);
                        }
                        Some(digest) => found.foreign.push((*at, digest)),
                        None => {}
                    }
                }
            }
        }
        Ok(found)
    }

    /// Numbers of the documents of `submitted` that were taken back before entry `index`.
    pub fn before(&self, submitted: &Submitted, index: EntryIndex) -> BTreeSet<u32> {
        self.of_submission(submitted.submission.index).filter(|(_, (at, _))| *at < index).map(|(d, _)| d.number).collect()
    }

    fn of_submission(&self, submission: EntryIndex) -> impl Iterator<Item = (&DocumentRef, &(EntryIndex, bool))> {
        self.documents.range(DocumentRef { submission, number: 0 }..=DocumentRef { submission, number: u32::MAX })
    }

    /// Documents whose text and salt are destroyed.
    pub fn gone(&self) -> BTreeSet<DocumentRef> {
        self.documents.iter().filter(|(_, (_, destroyed))| *destroyed).map(|(d, _)| *d).collect()
    }
}
