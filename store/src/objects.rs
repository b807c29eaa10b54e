//! Immutable files named by SHA-256, in three classes of who may read them.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use corpus::Digest;
use corpus::objects::{Class, ObjectError, ReadObjects};
use memmap2::Mmap;

use crate::error::StoreError;
use crate::files;
use crate::object_store::{ObjectStore, Put};

/// Objects below a folder, or in an object store.
#[derive(Clone, Debug)]
pub struct Objects(Place);

#[derive(Clone, Debug)]
enum Place {
    Folder(PathBuf),
    Remote(Arc<ObjectStore>),
}

impl Objects {
    /// The objects below `root`, which need not exist yet.
    pub fn new(root: &Path) -> Objects {
        Objects(Place::Folder(root.to_path_buf()))
    }

    /// The objects in the object store at `url`.
    ///
    /// # Errors
    /// [`StoreError::ObjectStore`] as [`ObjectStore::open`].
    pub fn in_store(url: &str) -> Result<Objects, StoreError> {
        Ok(Objects(Place::Remote(Arc::new(ObjectStore::open(url)?))))
    }

    /// The name of an object below the folder or in the object store: its class and its digest.
    fn name(class: Class, digest: &Digest) -> String {
        format!("{}/{digest}", class.name())
    }

    /// What a message calls an object.
    fn described(&self, class: Class, digest: &Digest) -> PathBuf {
        let name = Objects::name(class, digest);
        match &self.0 {
            Place::Folder(root) => root.join(name),
            Place::Remote(store) => PathBuf::from(format!("{store:?}/{name}")),
        }
    }

    /// Stores `bytes`; once this returns they last. Storing the same bytes again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if a file of that name holds other bytes.
    pub fn put(&self, class: Class, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        let path = self.described(class, &digest);
        let same = |found: Vec<u8>| {
            if found == bytes {
                Ok(digest)
            } else {
                Err(StoreError::Corrupt { path: path.clone(), expected: digest, found: Digest::of(&found) })
            }
        };
        match &self.0 {
            Place::Folder(_) => match files::read_if_present(&path)? {
                Some(found) => same(found),
                None => {
                    // A crash before the entry that names it leaves an object that nothing refers to.
                    files::write(&path, bytes, mode_of(class))?;
                    Ok(digest)
                }
            },
            Place::Remote(store) => {
                let name = Objects::name(class, &digest);
                // A name that is taken may be our own put, whose answer was lost, or somebody's who makes the same.
                for _ in 0..3 {
                    if store.put(&name, bytes.to_vec())? == Put::Stored {
                        return Ok(digest);
                    }
                    if let Some(found) = store.get(&name)? {
                        return same(found);
                    }
                }
                Err(StoreError::Absent(digest))
            }
        }
    }

    /// Stores the bytes that `write` gives piece by piece, as [`Objects::put`] does. Below a folder they are never in memory together.
    ///
    /// # Errors
    /// Of `write`, and as [`Objects::put`].
    pub fn put_written<E: From<StoreError>>(
        &self,
        class: Class,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), E>,
    ) -> Result<Digest, E> {
        match &self.0 {
            // A crash before the entry that names it leaves an object that nothing refers to.
            Place::Folder(root) => files::write_named(&root.join(class.name()), mode_of(class), |out| write(out)),
            Place::Remote(_) => {
                let mut bytes = Vec::new();
                write(&mut bytes)?;
                Ok(self.put(class, &bytes)?)
            }
        }
    }

    /// Whether an object is there.
    pub fn has(&self, class: Class, digest: &Digest) -> bool {
        self.size(class, digest).is_some()
    }

    /// The size of an object in bytes, if it is there.
    pub fn size(&self, class: Class, digest: &Digest) -> Option<u64> {
        match &self.0 {
            Place::Folder(_) => std::fs::metadata(self.described(class, digest)).ok().filter(std::fs::Metadata::is_file).map(|m| m.len()),
            Place::Remote(store) => store.size(&Objects::name(class, digest)).ok().flatten(),
        }
    }

    /// The bytes under an object's name, whatever they are.
    fn read(&self, class: Class, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        match &self.0 {
            Place::Folder(_) => files::read_if_present(&self.described(class, digest)),
            Place::Remote(store) => store.get(&Objects::name(class, digest)),
        }
    }

    /// The bytes of an object, checked against its name.
    ///
    /// # Errors
    /// [`StoreError::Absent`] or [`StoreError::Corrupt`].
    pub fn get(&self, class: Class, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let bytes = self.read(class, digest)?.ok_or(StoreError::Absent(*digest))?;
        let found = Digest::of(&bytes);
        let path = || self.described(class, digest);
        if found == *digest { Ok(bytes) } else { Err(StoreError::Corrupt { path: path(), expected: *digest, found }) }
    }

    /// The bytes of an object, checked against its name. Those of a file are mapped: the system reads pages as they are looked at, and takes
    /// them back when it needs memory.
    ///
    /// # Errors
    /// [`StoreError::Absent`] or [`StoreError::Corrupt`].
    pub fn map(&self, class: Class, digest: &Digest) -> Result<Bytes, StoreError> {
        if let Place::Remote(_) = &self.0 {
            return self.get(class, digest).map(Bytes::from);
        }
        let path = self.described(class, digest);
        let file = match File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::Absent(*digest)),
            opened => opened.map_err(StoreError::io(&path))?,
        };
        // No bytes cannot be mapped.
        let empty = file.metadata().map_err(StoreError::io(&path))?.len() == 0;
        // SAFETY: objects are never changed once they have their name; who changes one breaks this and the digest.
        let bytes = if empty { Bytes::new() } else { Bytes::from_owner(unsafe { Mmap::map(&file) }.map_err(StoreError::io(&path))?) };
        let found = Digest::of(&bytes);
        if found == *digest { Ok(bytes) } else { Err(StoreError::Corrupt { path, expected: *digest, found }) }
    }

    /// Destroys an object; one that is not there is destroyed already.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self, class: Class, digest: &Digest) -> Result<(), StoreError> {
        match &self.0 {
            Place::Folder(_) => files::remove(&self.described(class, digest)),
            Place::Remote(store) => store.remove(&Objects::name(class, digest)),
        }
    }

    /// Every file below the folder or in the object store, with its path relative to it, in order.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn list(&self) -> Result<Vec<PathBuf>, StoreError> {
        match &self.0 {
            Place::Folder(root) => list(root),
            Place::Remote(store) => Ok(store.list()?.into_iter().map(PathBuf::from).collect()),
        }
    }

    /// The bytes of a file that was listed, and what a message calls it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn listed(&self, path: &Path) -> Result<(PathBuf, Vec<u8>), StoreError> {
        match &self.0 {
            Place::Folder(root) => Ok((root.join(path), files::read(&root.join(path))?)),
            Place::Remote(store) => {
                let name = path.to_string_lossy();
                let bytes =
                    store.get(&name)?.ok_or_else(|| StoreError::ObjectStore { url: format!("{store:?}/{name}"), text: "absent".into() })?;
                Ok((PathBuf::from(format!("{store:?}/{name}")), bytes))
            }
        }
    }
}

/// The permission bits of a class's files.
fn mode_of(class: Class) -> u32 {
    if class == Class::Public { 0o644 } else { 0o600 }
}

impl ReadObjects for Objects {
    fn get(&self, class: Class, digest: &Digest) -> Result<Vec<u8>, ObjectError> {
        Objects::get(self, class, digest).map_err(|e| match e {
            StoreError::Absent(digest) => ObjectError::Absent(digest),
            StoreError::Corrupt { path, expected, found } => ObjectError::Corrupt { place: path.display().to_string(), expected, found },
            other => ObjectError::Refused(other.into()),
        })
    }

    fn size(&self, class: Class, digest: &Digest) -> Option<u64> {
        Objects::size(self, class, digest)
    }

    fn list(&self, class: Class) -> Result<Vec<Digest>, ObjectError> {
        let paths = Objects::list(self).map_err(|e| ObjectError::Refused(e.into()))?;
        let own = paths.iter().filter(|path| path.starts_with(class.name()));
        Ok(own.filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect())
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
        let listed = match std::fs::read_dir(&folder) {
            // The root may be absent; a folder below it may have been removed since it was listed.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            listed => listed.map_err(StoreError::io(&folder))?,
        };
        for entry in listed {
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
