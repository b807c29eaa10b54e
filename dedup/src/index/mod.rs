//! Kept documents on disk: immutable segments, a manifest that lists them, and views of what was known at some size of the log.
//!
//! A segment holds documents of consecutive ordinals in four files: what is known of each (`documents`), their words, their bands
//! and their fingerprints, the last two sorted. Four segments of one tier are merged into one of the next. A file is named by its
//! digest and never changes; the manifest is replaced last, so that a crash leaves files that nothing refers to.

mod files;
mod manifest;
mod segment;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::bands::Place;
use crate::error::DedupError;
use crate::features::Name;
use crate::hash::Key;
use crate::kept::Delta;
use manifest::{Manifest, SegmentFiles, Withdrawn};
use segment::Segment;

/// Segments of one tier that are merged.
const FAN_IN: usize = 4;

/// An index that is written to.
pub struct Index {
    dir: PathBuf,
    manifest: Manifest,
    segments: Vec<Arc<Segment>>,
}

impl Index {
    /// Opens the index in a folder, or begins one.
    ///
    /// Every file is read once and compared with its digest. Files that the manifest does not list are removed.
    ///
    /// # Errors
    /// [`DedupError::Damaged`] if a file is not what the manifest says, [`DedupError::OtherKeys`] if it is of other keys.
    pub fn open(dir: &Path, keys: &[Key]) -> Result<Index, DedupError> {
        files::create_dir(dir)?;
        let manifest = match Manifest::read(dir)? {
            Some(manifest) => manifest,
            None => Manifest::new(keys),
        };
        manifest.expect_keys(dir, keys)?;
        files::remove_others(dir, &manifest.files())?;
        let segments =
            manifest.segments.par_iter().map(|s| Segment::open(dir, s, manifest.width()).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Index { dir: dir.to_path_buf(), manifest, segments })
    }

    /// The size of the log that it stands for: everything accepted before is in it.
    pub fn log_size(&self) -> u64 {
        self.manifest.log_size
    }

    /// Documents in it, withdrawn ones too.
    pub fn len(&self) -> u32 {
        self.manifest.documents()
    }

    /// Whether it has no documents.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Files that it consists of, the manifest aside, and their bytes.
    pub fn files(&self) -> Vec<(String, u64)> {
        self.manifest.segments.iter().flat_map(|s| s.files.iter().map(|f| (f.name.clone(), f.bytes))).collect()
    }

    /// What it holds now.
    pub fn view(&self) -> View {
        self.as_of(u64::MAX)
    }

    /// What it held at a size of the log: documents accepted before and not withdrawn before.
    pub fn as_of(&self, log_size: u64) -> View {
        let ordinals = self.segments.iter().map(|s| s.accepted_before(log_size)).sum();
        let withdrawn = self.manifest.withdrawn.iter().filter(|w| w.log_size < log_size).map(|w| w.ordinal).collect();
        View { dir: self.dir.clone(), keys: self.manifest.keys.clone(), segments: self.segments.clone(), ordinals, withdrawn }
    }

    /// Adds what a judge over [`Index::view`] kept, as accepted by the log's entry `log_index`.
    ///
    /// # Errors
    /// If files cannot be written. The index is then what it was.
    ///
    /// # Panics
    /// If the judge began with another number of documents.
    pub fn append(&mut self, delta: &Delta, log_index: u64) -> Result<(), DedupError> {
        assert_eq!(delta.first, self.len(), "a judge over another state of the index");
        let mut manifest = self.manifest.clone();
        manifest.log_size = manifest.log_size.max(log_index + 1);
        let mut segments = self.segments.clone();
        if delta.kept.len() > 0 {
            let files = segment::write(&self.dir, log_index, delta)?;
            segments.push(Arc::new(Segment::open(&self.dir, &files, manifest.width())?));
            manifest.segments.push(files);
            while let Some(range) = merging(&manifest.segments) {
                let merged = segment::merge(&self.dir, &segments[range.clone()], manifest.segments[range.start].tier + 1)?;
                let opened = Arc::new(Segment::open(&self.dir, &merged, manifest.width())?);
                manifest.segments.splice(range.clone(), [merged]);
                segments.splice(range, [opened]);
            }
        }
        self.publish(manifest, segments)
    }

    /// Notes that documents were withdrawn by the log's entry `log_index`: later views do not match them.
    ///
    /// # Errors
    /// If the manifest cannot be written.
    pub fn withdraw(&mut self, names: &[Name], log_index: u64) -> Result<u64, DedupError> {
        let wanted: std::collections::HashSet<&Name> = names.iter().collect();
        let view = self.view();
        let found = (0..view.len()).filter(|o| wanted.contains(&view.name(*o)) && !view.is_withdrawn(*o));
        let found: Vec<Withdrawn> = found.map(|ordinal| Withdrawn { ordinal, log_size: log_index }).collect();
        let mut manifest = self.manifest.clone();
        manifest.log_size = manifest.log_size.max(log_index + 1);
        manifest.withdrawn.extend(&found);
        self.publish(manifest, self.segments.clone())?;
        Ok(found.len() as u64)
    }

    fn publish(&mut self, manifest: Manifest, segments: Vec<Arc<Segment>>) -> Result<(), DedupError> {
        // A crash before this leaves segments that nothing refers to; after it, merged ones that the next opening removes.
        manifest.write(&self.dir)?;
        (self.manifest, self.segments) = (manifest, segments);
        files::remove_others(&self.dir, &self.manifest.files())
    }
}

/// Neighbours to be merged: the last [`FAN_IN`] segments, if they are of one tier.
fn merging(segments: &[SegmentFiles]) -> Option<std::ops::Range<usize>> {
    let first = segments.len().checked_sub(FAN_IN)?;
    segments[first..].iter().all(|s| s.tier == segments[first].tier).then_some(first..segments.len())
}

/// What an index held at a size of the log.
#[derive(Clone)]
pub struct View {
    dir: PathBuf,
    keys: Vec<String>,
    segments: Vec<Arc<Segment>>,
    ordinals: u32,
    withdrawn: std::collections::HashSet<u32>,
}

impl View {
    /// Documents in it, withdrawn ones too.
    pub fn len(&self) -> u32 {
        self.ordinals
    }

    /// Whether it has no documents.
    pub fn is_empty(&self) -> bool {
        self.ordinals == 0
    }

    /// Whether a document was withdrawn.
    pub fn is_withdrawn(&self, ordinal: u32) -> bool {
        self.withdrawn.contains(&ordinal)
    }

    /// What the caller calls a document.
    pub fn name(&self, ordinal: u32) -> Name {
        self.segment(ordinal).name(ordinal)
    }

    /// A document's words.
    pub fn words(&self, ordinal: u32) -> &[u32] {
        self.segment(ordinal).words(ordinal)
    }

    pub(crate) fn text_digest(&self, ordinal: u32) -> &[u8; 32] {
        self.segment(ordinal).text_digest(ordinal)
    }

    pub(crate) fn slots(&self, ordinal: u32) -> &[u32] {
        self.segment(ordinal).slots(ordinal)
    }

    /// Gives the documents of a band to `each`, ascending; returns their number.
    pub(crate) fn band(&self, band: u8, key: u64, each: &mut impl FnMut(u32)) -> usize {
        let mut documents = 0;
        for segment in self.segments.iter().take_while(|s| s.first < self.ordinals) {
            for ordinal in segment.band(band, key).take_while(|o| *o < self.ordinals) {
                each(ordinal);
                documents += 1;
            }
        }
        documents
    }

    /// The first place of a fingerprint in a document that was not withdrawn.
    pub(crate) fn place(&self, key: u64) -> Option<Place> {
        let segments = self.segments.iter().take_while(|s| s.first < self.ordinals);
        segments.flat_map(|s| s.places(key)).find(|p| p.ordinal < self.ordinals && !self.is_withdrawn(p.ordinal))
    }

    pub(crate) fn expect_keys(&self, keys: &[Key]) -> Result<(), DedupError> {
        manifest::expect_keys(&self.dir, &self.keys, keys)
    }

    fn segment(&self, ordinal: u32) -> &Segment {
        let after = self.segments.partition_point(|s| s.first <= ordinal);
        &self.segments[after - 1]
    }
}
