//! What contributors took back, and what is therefore gone or no longer used.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use corpus::{Digest, DocumentRef, canonical};
use ledger::Submitted;
use serde::{Deserialize, Serialize};
use store::Class;

use crate::home::Archive;

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
    /// Runs that used the documents; weights that are trained are not undone.
    pub runs: Vec<u32>,
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

/// All withdrawals of a log.
#[derive(Clone, Debug, Default)]
pub struct Withdrawn {
    /// Documents with the entry that took effect, and whether text and salt are destroyed.
    pub documents: BTreeMap<DocumentRef, (u64, bool)>,
    /// Objects that are not there any more.
    pub destroyed: BTreeSet<Digest>,
}

impl Withdrawn {
    /// Reads the lists that the log names.
    pub fn of(archive: &Archive) -> Result<Withdrawn> {
        let mut found = Withdrawn::default();
        for s in archive.state.epochs.iter().flat_map(|e| &e.submissions) {
            for w in &s.withdrawals {
                let Some((at, effect)) = &w.effect else { continue };
                let list: DocumentList = canonical::from_slice(&archive.objects.get(Class::Public, &w.withdrawal.1.list)?)?;
                let consent = w.withdrawal.1.kind == "consent";
                for document in list.documents {
                    let entry = found.documents.entry(document).or_insert((*at, consent));
                    entry.1 |= consent;
                }
                let consequences: Consequences = canonical::from_slice(&archive.objects.get(Class::Public, &effect.consequences)?)?;
                found.destroyed.extend(consequences.destroyed.iter().filter_map(|t| t.digest));
            }
        }
        Ok(found)
    }

    /// Numbers of the documents of `submitted` that were taken back before entry `index`.
    pub fn before(&self, submitted: &Submitted, index: u64) -> BTreeSet<u32> {
        self.of_submission(submitted.submission.0).filter(|(_, (at, _))| *at < index).map(|(d, _)| d.number).collect()
    }

    fn of_submission(&self, submission: u64) -> impl Iterator<Item = (&DocumentRef, &(u64, bool))> {
        self.documents.range(DocumentRef { submission, number: 0 }..=DocumentRef { submission, number: u32::MAX })
    }

    /// Documents whose text and salt are destroyed.
    pub fn gone(&self) -> BTreeSet<DocumentRef> {
        self.documents.iter().filter(|(_, (_, destroyed))| *destroyed).map(|(d, _)| *d).collect()
    }
}
