//! The list of an index's files, with the size of the log that it stands for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files::{self, FileEntry, hex};
use crate::error::DedupError;
use crate::hash::Key;
use crate::signature::SLOTS;

const NAME: &str = "manifest";

/// The manifest: JSON on one line, and its SHA-256 on the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// [`crate::PROCEDURE`].
    pub(super) procedure: String,
    /// Digests of the keys.
    pub(super) keys: Vec<String>,
    /// Everything accepted before this size of the log is in it.
    pub(super) log_size: u64,
    /// In the order of ordinals.
    pub(super) segments: Vec<SegmentFiles>,
    /// In the order in which it was noted.
    pub(super) withdrawn: Vec<Withdrawn>,
}

/// The files of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentFiles {
    /// How often it was merged.
    pub(super) tier: u32,
    /// Its first ordinal.
    pub(super) first: u32,
    /// Its documents.
    pub(super) documents: u32,
    /// `documents`, `words`, `bands`, `spans`.
    pub(super) files: [FileEntry; 4],
}

/// A document that was withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Withdrawn {
    pub(super) ordinal: u32,
    /// The log's entry that says so.
    pub(super) log_size: u64,
}

fn digests(keys: &[Key]) -> Vec<String> {
    keys.iter().map(|k| hex(&Sha256::digest(k))).collect()
}

pub(super) fn expect_keys(dir: &Path, found: &[String], keys: &[Key]) -> Result<(), DedupError> {
    let expected = digests(keys);
    if expected != found {
        return Err(DedupError::OtherKeys { path: dir.to_path_buf(), expected: expected.join(", "), found: found.join(", ") });
    }
    Ok(())
}

impl Manifest {
    pub(super) fn new(keys: &[Key]) -> Manifest {
        Manifest { procedure: crate::PROCEDURE.into(), keys: digests(keys), log_size: 0, segments: Vec::new(), withdrawn: Vec::new() }
    }

    /// The manifest of a folder, if there is one.
    pub(super) fn read(dir: &Path) -> Result<Option<Manifest>, DedupError> {
        let path = dir.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(DedupError::File { path, source }),
        };
        Manifest::parse(&bytes).map(Some).map_err(|reason| DedupError::Damaged { path, reason })
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Manifest, String> {
        let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
        let (body, digest) = text.strip_suffix('\n').and_then(|t| t.split_once('\n')).ok_or("expected two lines")?;
        let found = hex(&Sha256::digest(body));
        if digest != found {
            return Err(format!("expected SHA-256 {digest}, found {found}"));
        }
        let manifest: Manifest = serde_json::from_str(body).map_err(|e| e.to_string())?;
        if manifest.procedure != crate::PROCEDURE {
            return Err(format!("procedure {}, expected {}", manifest.procedure, crate::PROCEDURE));
        }
        let mut next = 0u32;
        for s in &manifest.segments {
            if s.first != next {
                return Err(format!("a segment begins at document {}, expected {next}", s.first));
            }
            next = next.checked_add(s.documents).ok_or("more documents than there are ordinals")?;
        }
        match manifest.withdrawn.iter().find(|w| w.ordinal >= next) {
            Some(w) => Err(format!("document {} of {next} is withdrawn", w.ordinal)),
            None => Ok(manifest),
        }
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), DedupError> {
        let body = serde_json::to_string(self).expect("strings and numbers");
        files::replace(dir, NAME, format!("{body}\n{}\n", hex(&Sha256::digest(&body))).as_bytes())
    }

    pub(super) fn expect_keys(&self, dir: &Path, keys: &[Key]) -> Result<(), DedupError> {
        expect_keys(dir, &self.keys, keys)
    }

    pub(super) fn documents(&self) -> u32 {
        self.segments.last().map_or(0, |s| s.first + s.documents)
    }

    /// Slots of all signatures of a document.
    pub(super) fn width(&self) -> usize {
        self.keys.len() * SLOTS
    }

    pub(super) fn files(&self) -> BTreeSet<&str> {
        self.segments.iter().flat_map(|s| s.files.iter().map(|f| f.name.as_str())).collect()
    }
}
