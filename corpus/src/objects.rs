//! Objects: immutable bytes named by SHA-256, in three classes of who may read them.
//!
//! What is computed from objects takes a [`ReadObjects`]; folders and object stores are in `store`, [`MemoryObjects`] is for tests.

use std::collections::BTreeMap;

use crate::Digest;

/// Who may read an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Anybody: tables without text.
    Public,
    /// One contributor and auditors.
    Party,
    /// The operator and auditors: text, shards, parameters, targets.
    Sealed,
}

impl Class {
    /// All classes.
    pub const ALL: [Class; 3] = [Class::Public, Class::Party, Class::Sealed];

    /// The folder's name.
    pub fn name(self) -> &'static str {
        match self {
            Class::Public => "public",
            Class::Party => "party",
            Class::Sealed => "sealed",
        }
    }
}

/// Errors of reading an object.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// An object that is not there.
    #[error("object {0}: absent")]
    Absent(Digest),
    /// An object whose bytes are not the ones that its name says.
    #[error("{place}: expected bytes with digest {expected}, found {found}")]
    Corrupt {
        /// Where it is.
        place: String,
        /// Its name.
        expected: Digest,
        /// Its bytes' digest.
        found: Digest,
    },
    /// Whatever holds the objects refused.
    #[error(transparent)]
    Refused(Box<dyn std::error::Error + Send + Sync>),
}

/// Objects that can be read, wherever they are.
pub trait ReadObjects: Send + Sync {
    /// The bytes of an object, which are those that its name says.
    ///
    /// # Errors
    /// [`ObjectError::Absent`] if it is not there, [`ObjectError::Corrupt`] if its bytes have another digest.
    fn get(&self, class: Class, digest: &Digest) -> Result<Vec<u8>, ObjectError>;

    /// Bytes of an object, if it is there.
    fn size(&self, class: Class, digest: &Digest) -> Option<u64>;

    /// Names of all objects of a class, in order.
    ///
    /// # Errors
    /// [`ObjectError::Refused`] if they cannot be listed.
    fn list(&self, class: Class) -> Result<Vec<Digest>, ObjectError>;

    /// Whether an object is there.
    fn has(&self, class: Class, digest: &Digest) -> bool {
        self.size(class, digest).is_some()
    }
}

/// Objects in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryObjects(BTreeMap<(Class, Digest), Vec<u8>>);

impl MemoryObjects {
    /// Keeps `bytes` and returns their name.
    pub fn put(&mut self, class: Class, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        self.0.insert((class, digest), bytes);
        digest
    }

    /// Takes an object away; one that is not there stays so.
    pub fn remove(&mut self, class: Class, digest: &Digest) {
        self.0.remove(&(class, *digest));
    }
}

impl ReadObjects for MemoryObjects {
    fn get(&self, class: Class, digest: &Digest) -> Result<Vec<u8>, ObjectError> {
        self.0.get(&(class, *digest)).cloned().ok_or(ObjectError::Absent(*digest))
    }

    fn size(&self, class: Class, digest: &Digest) -> Option<u64> {
        self.0.get(&(class, *digest)).map(|bytes| bytes.len() as u64)
    }

    fn list(&self, class: Class) -> Result<Vec<Digest>, ObjectError> {
        Ok(self.0.keys().filter(|(c, _)| *c == class).map(|(_, digest)| *digest).collect())
    }
}
