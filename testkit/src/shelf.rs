//! Objects in memory that a world adds to while an archive reads them.

use std::sync::{Arc, PoisonError, RwLock};

use corpus::Digest;
use corpus::objects::{Class, MemoryObjects, ObjectError, ReadObjects};

/// Objects in memory; clones are the same shelf, [`Shelf::copy`] is another one.
#[derive(Clone, Default)]
pub struct Shelf(Arc<RwLock<MemoryObjects>>);

impl Shelf {
    /// A shelf of its own with the same objects.
    pub fn copy(&self) -> Shelf {
        Shelf(Arc::new(RwLock::new(self.read(MemoryObjects::clone))))
    }

    /// Keeps `bytes` and returns their name.
    pub fn put(&self, class: Class, bytes: impl Into<Vec<u8>>) -> Digest {
        self.0.write().unwrap_or_else(PoisonError::into_inner).put(class, bytes.into())
    }

    /// Takes an object away.
    pub fn remove(&self, class: Class, digest: &Digest) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(class, digest);
    }

    /// An object that is there.
    ///
    /// # Panics
    /// If it is not.
    pub fn bytes(&self, class: Class, digest: &Digest) -> Vec<u8> {
        self.get(class, digest).unwrap_or_else(|e| panic!("{}: {e}", class.name()))
    }

    fn read<T>(&self, pick: impl FnOnce(&MemoryObjects) -> T) -> T {
        pick(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ReadObjects for Shelf {
    fn get(&self, class: Class, digest: &Digest) -> Result<Vec<u8>, ObjectError> {
        self.read(|objects| objects.get(class, digest))
    }

    fn size(&self, class: Class, digest: &Digest) -> Option<u64> {
        self.read(|objects| objects.size(class, digest))
    }

    fn list(&self, class: Class) -> Result<Vec<Digest>, ObjectError> {
        self.read(|objects| objects.list(class))
    }
}
