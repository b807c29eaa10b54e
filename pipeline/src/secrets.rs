//! Secrets that a home makes once and keeps.

use std::path::PathBuf;

use corpus::Digest;
use store::files;

use crate::error::{Kind, Result, failure};

/// 32 bytes from the system's generator, or from a demonstration's seed and a label.
pub(crate) fn make(seed: Option<u64>, label: &str) -> Result<[u8; 32]> {
    match seed {
        Some(seed) => Ok(Digest::of_parts(&[b"assay demo secret v1", &seed.to_be_bytes(), label.as_bytes()]).0),
        None => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(|e| failure(Kind::Io, format!("the system's random generator: {e}")))?;
            Ok(bytes)
        }
    }
}

/// The secrets below a home's `state/`.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The home's folder.
    pub dir: PathBuf,
    /// A demonstration's seed, which all secrets derive from.
    pub demo_seed: Option<u64>,
}

impl Secrets {
    /// A secret that belongs to `label`, the same one whenever it is asked for: made once and kept in `state/secrets`.
    pub fn get(&self, label: &str) -> Result<[u8; 32]> {
        let path = self.dir.join("state/secrets").join(Digest::of(label.as_bytes()).to_string());
        if let Some(bytes) = files::read_if_present(&path)? {
            return bytes.try_into().map_err(|_| failure(Kind::Verification, format!("{}: expected 32 bytes", path.display())));
        }
        let secret = make(self.demo_seed, label)?;
        // Before anything that depends on it is written: a crash then finds the same secret again.
        files::write(&path, &secret, 0o600)?;
        Ok(secret)
    }

    /// The secret that belongs to `label`, if it was made or derives from a demonstration's seed; nothing is made here.
    pub fn find(&self, label: &str) -> Result<Option<[u8; 32]>> {
        let path = self.dir.join("state/secrets").join(Digest::of(label.as_bytes()).to_string());
        match files::read_if_present(&path)? {
            Some(_) => self.get(label).map(Some),
            None => self.demo_seed.map(|seed| make(Some(seed), label)).transpose(),
        }
    }

    /// Remembers which secret a bundle's salts come from, so that it can be destroyed with it.
    pub(crate) fn remember(&self, bundle: &Digest, label: &str) -> Result<()> {
        let path = self.dir.join("state/bundles").join(bundle.to_string());
        Ok(files::write(&path, Digest::of(label.as_bytes()).to_string().as_bytes(), 0o600)?)
    }

    /// Destroys the secret that a bundle's salts come from.
    pub fn destroy(&self, bundle: &Digest) -> Result<()> {
        let path = self.dir.join("state/bundles").join(bundle.to_string());
        if let Some(name) = files::read_if_present(&path)? {
            files::remove(&self.dir.join("state/secrets").join(String::from_utf8_lossy(&name).trim()))?;
            files::remove(&path)?;
        }
        Ok(())
    }
}
