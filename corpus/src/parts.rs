//! Which bundles a submission has, without what is in them.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The bundles of a submission, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// `1`.
    pub version: u32,
    /// One behind the other: the numbers of the next go on where those of the last end.
    pub parts: Vec<Part>,
}

/// A bundle of a submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The file.
    pub file: Digest,
    /// Number of its first document.
    pub first: u32,
    /// Its documents.
    pub documents: u32,
}

/// Text of a bundle, in bytes, from which on the next one begins.
pub const PART_BYTES: usize = 8 << 20;
/// Most documents of a bundle.
pub const PART_DOCUMENTS: usize = 1 << 16;

impl Part {
    /// The number after that of its last document.
    pub fn end(&self) -> u32 {
        self.first.saturating_add(self.documents)
    }
}

impl Parts {
    /// A list of bundles.
    pub fn new(parts: Vec<Part>) -> Parts {
        Parts { version: 1, parts }
    }

    /// Documents of all.
    pub fn documents(&self) -> u64 {
        self.parts.iter().map(|p| u64::from(p.documents)).sum()
    }

    /// The place of the bundle that holds a document.
    pub fn place_of(&self, number: u32) -> Option<usize> {
        let place = self.parts.partition_point(|p| p.end() <= number);
        self.parts.get(place).filter(|p| p.first <= number).map(|_| place)
    }

    /// Checks that the numbers begin at 0 and go on from each bundle to the next.
    ///
    /// # Errors
    /// The expected and the found.
    pub fn check(&self) -> Result<(), String> {
        let mut next = 0;
        for p in &self.parts {
            if p.first != next || p.documents == 0 {
                return Err(format!("bundle {}: {} documents from {}, expected some from {next}", p.file, p.documents, p.first));
            }
            next = p.end();
        }
        Ok(())
    }
}
