//! Contributors and documents.

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, from_hex};

/// A contributor, named by the first key that it registered: the first 16 bytes of that key's digest.
///
/// It stays when keys are rotated, and no person is named by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContributorId(pub [u8; 16]);

/// Numbers that count different things, so that none is taken for another.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $number:ty),* $(,)?) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
            #[serde(transparent)]
            pub struct $name(pub $number);

            impl $name {
                /// The largest number, beyond all that exist.
                pub const MAX: $name = $name(<$number>::MAX);
            }
            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.fmt(f)
                }
            }
            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.fmt(f)
                }
            }
            impl FromStr for $name {
                type Err = std::num::ParseIntError;
                fn from_str(text: &str) -> Result<$name, Self::Err> {
                    text.parse().map($name)
                }
            }
        )*
    };
}

numbers! {
    /// The place of an entry in the log, from 0.
    EntryIndex: u64,
    /// The number of a run, from 0.
    RunNumber: u32,
}

impl EntryIndex {
    /// This place and all after it.
    pub fn onwards(self) -> impl Iterator<Item = EntryIndex> {
        (self.0..).map(EntryIndex)
    }
}

impl std::ops::Add<u64> for EntryIndex {
    type Output = EntryIndex;
    /// The entry so many places later.
    fn add(self, places: u64) -> EntryIndex {
        EntryIndex(self.0 + places)
    }
}

/// A document: the log index of its submission and its number in it, written `index/number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentRef {
    /// The submission's entry.
    pub submission: EntryIndex,
    /// Its number in the submission, from 0.
    pub number: u32,
}

/// Text that is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{thing} {found:?}: expected {expected}")]
pub struct ParseIdError {
    thing: &'static str,
    expected: &'static str,
    found: String,
}

impl ContributorId {
    /// The id that a first public key gives.
    pub fn of_key(public: &[u8; 32]) -> ContributorId {
        let digest = Digest::of(public);
        ContributorId(digest.0[..16].try_into().expect("sixteen bytes"))
    }
}

impl fmt::Display for ContributorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContributorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DocumentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.submission, self.number)
    }
}

impl FromStr for ContributorId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<ContributorId, ParseIdError> {
        let error = || ParseIdError { thing: "contributor", expected: "32 lower-case hexadecimal characters", found: text.to_string() };
        from_hex(text).map(ContributorId).ok_or_else(error)
    }
}

impl FromStr for DocumentRef {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<DocumentRef, ParseIdError> {
        let parse = || {
            let (submission, number) = text.split_once('/')?;
            let document = DocumentRef { submission: submission.parse().ok()?, number: number.parse().ok()? };
            (document.to_string() == text).then_some(document)
        };
        parse().ok_or_else(|| ParseIdError { thing: "document", expected: "SUBMISSION/NUMBER", found: text.to_string() })
    }
}

crate::as_text!(ContributorId, DocumentRef);
