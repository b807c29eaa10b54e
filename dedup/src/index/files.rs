//! Files that are complete or absent.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::DedupError;

pub(super) fn at<T>(path: &Path, result: std::io::Result<T>) -> Result<T, DedupError> {
    result.map_err(|source| DedupError::File { path: path.to_path_buf(), source })
}

pub(super) fn create_dir(dir: &Path) -> Result<(), DedupError> {
    at(dir, fs::create_dir_all(dir))
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEntry {
    pub(super) name: String,
    pub(super) digest: String,
    pub(super) bytes: u64,
}

/// Writes, syncs and renames.
pub(super) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), DedupError> {
    let (path, temporary) = (dir.join(name), dir.join(format!("{name}.tmp")));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(dir)?.sync_all()
    };
    at(&path, write())
}

/// An immutable file, written piece by piece and named by its digest at the end.
pub(super) struct Writer<'a> {
    dir: &'a Path,
    kind: &'static str,
    file: std::io::BufWriter<tempfile::NamedTempFile>,
    hasher: Sha256,
    bytes: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(dir: &'a Path, kind: &'static str) -> Result<Writer<'a>, DedupError> {
        let file = at(dir, tempfile::Builder::new().prefix("new.").suffix(".tmp").tempfile_in(dir))?;
        Ok(Writer { dir, kind, file: std::io::BufWriter::with_capacity(1 << 20, file), hasher: Sha256::new(), bytes: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), DedupError> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        at(self.dir, self.file.write_all(bytes))
    }

    pub(super) fn finish(self) -> Result<FileEntry, DedupError> {
        let digest = hex(&self.hasher.finalize());
        let name = format!("{}-{}", self.kind, &digest[..32]);
        let path = self.dir.join(&name);
        let file = at(&path, self.file.into_inner().map_err(|e| e.into_error()))?;
        at(&path, file.as_file().sync_all())?;
        at(&path, file.persist(&path).map_err(|e| e.error).and_then(|_| File::open(self.dir)?.sync_all()))?;
        Ok(FileEntry { name, digest, bytes: self.bytes })
    }
}

/// Removes files of an index that its manifest does not list.
pub(super) fn remove_others(dir: &Path, listed: &BTreeSet<&str>) -> Result<(), DedupError> {
    for entry in at(dir, fs::read_dir(dir))? {
        let name = at(dir, entry)?.file_name();
        let Some(name) = name.to_str() else { continue };
        let ours = ["documents-", "words-", "bands-", "spans-", "new."].iter().any(|k| name.starts_with(k)) || name.ends_with(".tmp");
        if ours && !listed.contains(name) {
            let path = dir.join(name);
            at(&path, fs::remove_file(&path))?;
        }
    }
    Ok(())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
