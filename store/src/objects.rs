//! Immutable files named by SHA-256, in three classes of who may read them.

use std::path::{Path, PathBuf};

use corpus::Digest;

use crate::error::StoreError;
use crate::files;

/// Who may read an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Anybody: tables without text.
    Public,
    /// One contributor and auditors.
    Party,
    /// The operator and auditors: text, shards, weights, targets.
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

/// The objects below a folder.
#[derive(Clone, Debug)]
pub struct Objects {
    root: PathBuf,
}

impl Objects {
    /// The objects below `root`, which need not exist yet.
    pub fn new(root: &Path) -> Objects {
        Objects { root: root.to_path_buf() }
    }

    /// Where an object lies.
    pub fn path(&self, class: Class, digest: &Digest) -> PathBuf {
        self.root.join(class.name()).join(digest.to_string())
    }

    /// Stores `bytes`; once this returns they last. Storing the same bytes again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if a file of that name holds other bytes.
    pub fn put(&self, class: Class, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        let path = self.path(class, &digest);
        match files::read_if_present(&path)? {
            Some(found) if found == bytes => Ok(digest),
            Some(found) => Err(StoreError::Corrupt { path, expected: digest, found: Digest::of(&found) }),
            None => {
                // A crash before the entry that names it leaves an object that nothing refers to.
                files::write(&path, bytes, if class == Class::Public { 0o644 } else { 0o600 })?;
                Ok(digest)
            }
        }
    }

    /// Whether an object is there.
    pub fn has(&self, class: Class, digest: &Digest) -> bool {
        self.path(class, digest).is_file()
    }

    /// The bytes of an object, checked against its name.
    ///
    /// # Errors
    /// [`StoreError::Absent`] or [`StoreError::Corrupt`].
    pub fn get(&self, class: Class, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.path(class, digest);
        let bytes = files::read_if_present(&path)?.ok_or(StoreError::Absent(*digest))?;
        let found = Digest::of(&bytes);
        if found == *digest { Ok(bytes) } else { Err(StoreError::Corrupt { path, expected: *digest, found }) }
    }

    /// Every file below the folder, with its path relative to it, in order.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn list(&self) -> Result<Vec<PathBuf>, StoreError> {
        list(&self.root)
    }
}

/// Every file below `root`, relative to it, in order.
///
/// # Errors
/// [`StoreError::Io`].
pub fn list(root: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        if !folder.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(StoreError::io(&folder))? {
            let entry = entry.map_err(StoreError::io(&folder))?;
            if entry.file_type().map_err(StoreError::io(&entry.path()))?.is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(root).expect("below the root").to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}
