//! Documents of consecutive ordinals in four immutable files.
//!
//! | File | Record |
//! |---|---|
//! | `documents` | name (8 and 4 bytes), number of words (4), first word in `words` (8), the log's entry (8), SHA-256 of the text (32), slots (4 each) |
//! | `words` | 4 bytes a word |
//! | `bands` | band (1), key (6), ordinal (5), big-endian and sorted |
//! | `spans` | key (6), ordinal (5), first word (5), big-endian and sorted: the first place of each key, and the next one if that was withdrawn |
//!
//! Where no byte order is named it is little-endian.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::files::{FileEntry, Writer, at, hex};
use super::manifest::SegmentFiles;
use crate::bands::Place;
use crate::error::DedupError;
use crate::features::Name;
use crate::kept::Delta;

/// Bytes of a document's record before its slots.
const HEAD: usize = 64;
const BAND: usize = 12;
const SPAN: usize = 16;

/// A segment that is read.
pub(super) struct Segment {
    pub(super) first: u32,
    documents: u32,
    width: usize,
    maps: [Option<Mmap>; 4],
    /// Where each band begins in `bands`, in records.
    band_starts: Vec<usize>,
}

const _: () = assert!(cfg!(target_endian = "little"), "word streams and slots are read where they lie, which is little-endian");

impl Segment {
    /// Opens the four files and compares each with its digest.
    pub(super) fn open(dir: &Path, files: &SegmentFiles, width: usize) -> Result<Segment, DedupError> {
        let open = |f: &FileEntry| -> Result<Option<Mmap>, DedupError> {
            let path = dir.join(&f.name);
            let damaged = |reason: String| DedupError::Damaged { path: path.clone(), reason };
            if Path::new(&f.name).file_name().and_then(|n| n.to_str()) != Some(f.name.as_str()) {
                return Err(damaged("the manifest names another folder".into()));
            }
            let file = match File::open(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    return Err(damaged("the manifest lists it, and it is not there".into()));
                }
                opened => at(&path, opened)?,
            };
            let found = at(&path, file.metadata())?.len();
            if found != f.bytes {
                return Err(damaged(format!("{found} bytes, expected {}", f.bytes)));
            }
            if found == 0 {
                return Ok(None);
            }
            // SAFETY: index files are never changed once they have their name; who changes one breaks this and the digest.
            let map = at(&path, unsafe { Mmap::map(&file) })?;
            let digest = hex(&Sha256::digest(&map));
            if digest != f.digest {
                return Err(damaged(format!("expected SHA-256 {}, found {digest}", f.digest)));
            }
            Ok(Some(map))
        };
        let [a, b, c, d] = &files.files;
        let ((a, b), (c, d)) = rayon::join(|| (open(a), open(b)), || (open(c), open(d)));
        let maps = [a?, b?, c?, d?];
        let mut segment = Segment { first: files.first, documents: files.documents, width, maps, band_starts: Vec::new() };
        segment.check(&files.files).map_err(|(i, reason)| DedupError::Damaged { path: dir.join(&files.files[i].name), reason })?;
        let records = segment.map(2).as_chunks::<BAND>().0;
        segment.band_starts = (0..=256).map(|band| records.partition_point(|r| usize::from(r[0]) < band)).collect();
        Ok(segment)
    }

    /// Whether sizes, ordinals and places fit together, so that nothing is read out of bounds later.
    fn check(&self, files: &[FileEntry; 4]) -> Result<(), (usize, String)> {
        let (documents, words) = (self.documents as usize, self.map(1).len());
        let expected = documents * self.record();
        if self.map(0).len() != expected {
            return Err((0, format!("{} bytes, expected {expected} for {documents} documents", self.map(0).len())));
        }
        for (i, size) in [(1, 4), (2, BAND), (3, SPAN)] {
            if !self.map(i).len().is_multiple_of(size) {
                return Err((i, format!("{} bytes, expected a multiple of {size} in {}", self.map(i).len(), files[i].name)));
            }
        }
        let mut next = 0;
        for i in 0..documents {
            let (first, len) = self.extent(self.first + i as u32);
            if first != next {
                return Err((0, format!("document {i} has its words at {first}, expected {next}")));
            }
            next = first + len;
        }
        if 4 * next != words {
            return Err((1, format!("{words} bytes, expected {}", 4 * next)));
        }
        let inside = |ordinal: u64| (u64::from(self.first)..u64::from(self.first) + documents as u64).contains(&ordinal);
        let bands = self.map(2).as_chunks::<BAND>().0;
        if !bands.is_sorted() || bands.iter().any(|r| !inside(number(&r[7..]))) {
            return Err((2, "expected sorted records of its own documents".into()));
        }
        let spans = self.map(3).as_chunks::<SPAN>().0;
        if !spans.is_sorted() || spans.iter().any(|r| !inside(number(&r[6..11]))) {
            return Err((3, "expected sorted records of its own documents".into()));
        }
        Ok(())
    }

    fn map(&self, i: usize) -> &[u8] {
        self.maps[i].as_deref().unwrap_or(&[])
    }

    fn record(&self) -> usize {
        HEAD + 4 * self.width
    }

    fn document(&self, ordinal: u32) -> &[u8] {
        let at = (ordinal - self.first) as usize * self.record();
        &self.map(0)[at..at + self.record()]
    }

    pub(super) fn name(&self, ordinal: u32) -> Name {
        let r = self.document(ordinal);
        (little(&r[..8]), little(&r[8..12]) as u32)
    }

    /// First word and number of words.
    fn extent(&self, ordinal: u32) -> (usize, usize) {
        let r = self.document(ordinal);
        (little(&r[16..24]) as usize, little(&r[12..16]) as usize)
    }

    fn log_index(&self, ordinal: u32) -> u64 {
        little(&self.document(ordinal)[24..32])
    }

    /// How many of its documents were accepted before a size of the log.
    pub(super) fn accepted_before(&self, log_size: u64) -> u32 {
        let (mut from, mut to) = (0, self.documents);
        while from < to {
            let middle = from + (to - from) / 2;
            match self.log_index(self.first + middle) < log_size {
                true => from = middle + 1,
                false => to = middle,
            }
        }
        from
    }

    pub(super) fn text_digest(&self, ordinal: u32) -> &[u8; 32] {
        self.document(ordinal)[32..64].try_into().expect("32 bytes")
    }

    pub(super) fn slots(&self, ordinal: u32) -> &[u32] {
        words_of(&self.document(ordinal)[HEAD..])
    }

    pub(super) fn words(&self, ordinal: u32) -> &[u32] {
        let (first, len) = self.extent(ordinal);
        words_of(&self.map(1)[4 * first..4 * (first + len)])
    }

    /// Documents of a band, ascending.
    pub(super) fn band(&self, band: u8, key: u64) -> impl Iterator<Item = u32> + '_ {
        let records = &self.map(2).as_chunks::<BAND>().0[self.band_starts[usize::from(band)]..self.band_starts[usize::from(band) + 1]];
        let at = lower_bound(records, key, |r| number(&r[1..7]));
        records[at..].iter().take_while(move |r| number(&r[1..7]) == key).map(|r| number(&r[7..]) as u32)
    }

    /// The places of a fingerprint, by ordinal: more than one if documents that had it were withdrawn.
    pub(super) fn places(&self, key: u64) -> impl Iterator<Item = Place> + '_ {
        let records = self.map(3).as_chunks::<SPAN>().0;
        let at = lower_bound(records, key, |r| number(&r[..6]));
        let own = records[at..].iter().take_while(move |r| number(&r[..6]) == key);
        own.map(|r| Place { ordinal: number(&r[6..11]) as u32, position: number(&r[11..]) as u32 })
    }
}

/// The first record whose key is not smaller. Keys are hashes, so where one lies can be told from its value, nearly.
fn lower_bound<const N: usize>(records: &[[u8; N]], key: u64, key_of: impl Fn(&[u8; N]) -> u64) -> usize {
    let n = records.len();
    let guess = ((n as u128 * u128::from(key)) >> 48) as usize;
    // About the deviation of the position of one among `n` evenly spread keys, doubled until the key is inside.
    let mut reach = 2 * n.isqrt() + 8;
    let (mut from, mut to) = (guess.saturating_sub(reach), (guess + reach).min(n));
    while from > 0 && key_of(&records[from - 1]) >= key {
        reach *= 2;
        from = guess.saturating_sub(reach);
    }
    while to < n && key_of(&records[to]) < key {
        reach *= 2;
        to = (guess + reach).min(n);
    }
    from.min(n) + records[from.min(n)..to.max(from.min(n))].partition_point(|r| key_of(r) < key)
}

/// A big-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

fn words_of(bytes: &[u8]) -> &[u32] {
    // SAFETY: every bit pattern is a `u32`.
    let (before, words, after) = unsafe { bytes.align_to::<u32>() };
    assert!(before.is_empty() && after.is_empty(), "records begin at multiples of four bytes");
    words
}

fn band_record(band: u8, key: u64, ordinal: u32) -> [u8; BAND] {
    let mut r = [0; BAND];
    r[0] = band;
    r[1..7].copy_from_slice(&key.to_be_bytes()[2..]);
    r[7..].copy_from_slice(&u64::from(ordinal).to_be_bytes()[3..]);
    r
}

fn span_record(key: u64, place: Place) -> [u8; SPAN] {
    let mut r = [0; SPAN];
    r[..6].copy_from_slice(&key.to_be_bytes()[2..]);
    r[6..11].copy_from_slice(&u64::from(place.ordinal).to_be_bytes()[3..]);
    r[11..].copy_from_slice(&u64::from(place.position).to_be_bytes()[3..]);
    r
}

/// Writes kept documents as a segment of tier 0: each file by a thread of its own, where there is one.
pub(super) fn write(dir: &Path, log_index: u64, delta: &Delta) -> Result<SegmentFiles, DedupError> {
    let Delta { first, kept, bands: own, places, device } = delta;
    let documents = || {
        let (mut documents, mut words) = (Writer::new(dir, "documents")?, Writer::new(dir, "words")?);
        let (mut at_word, mut buffer, mut bytes) = (0u64, Vec::new(), Vec::new());
        for i in 0..kept.len() {
            let own = kept.words(i, &mut buffer);
            let (group, number) = kept.names[i];
            bytes.clear();
            bytes.extend(group.to_le_bytes());
            bytes.extend(number.to_le_bytes());
            bytes.extend((own.len() as u32).to_le_bytes());
            bytes.extend(at_word.to_le_bytes());
            bytes.extend(log_index.to_le_bytes());
            bytes.extend(kept.text_digests[i]);
            bytes.extend(kept.slots(i).iter().flat_map(|s| s.to_le_bytes()));
            documents.write(&bytes)?;
            bytes.clear();
            bytes.extend(own.iter().flat_map(|w| w.to_le_bytes()));
            words.write(&bytes)?;
            at_word += own.len() as u64;
        }
        Ok((documents.finish()?, words.finish()?))
    };
    let bands = || {
        let mut bands = Writer::new(dir, "bands")?;
        for (band, key, ordinal) in device.sort(own.records())? {
            bands.write(&band_record(band, key, ordinal))?;
        }
        bands.finish()
    };
    let spans = || {
        let mut spans = Writer::new(dir, "spans")?;
        let mut seen: Vec<(u64, Place)> = places.records().collect();
        seen.par_sort_unstable_by_key(|(key, place)| (*key, place.ordinal));
        for (key, place) in seen {
            spans.write(&span_record(key, place))?;
        }
        spans.finish()
    };
    Ok(SegmentFiles { tier: 0, first: *first, documents: kept.len() as u32, files: side_by_side(documents, bands, spans)? })
}

/// The four files of a segment, made at once.
fn side_by_side(
    documents: impl FnOnce() -> Result<(FileEntry, FileEntry), DedupError> + Send,
    bands: impl FnOnce() -> Result<FileEntry, DedupError> + Send,
    spans: impl FnOnce() -> Result<FileEntry, DedupError> + Send,
) -> Result<[FileEntry; 4], DedupError> {
    let (documents, (bands, spans)) = rayon::join(documents, || (bands(), spans()));
    let (documents, words) = documents?;
    Ok([documents, words, bands?, spans?])
}

/// Merges neighbours into one segment.
pub(super) fn merge(dir: &Path, segments: &[std::sync::Arc<Segment>], tier: u32) -> Result<SegmentFiles, DedupError> {
    let documents = || {
        let (mut documents, mut words) = (Writer::new(dir, "documents")?, Writer::new(dir, "words")?);
        let mut moved = 0u64;
        for s in segments {
            for ordinal in s.first..s.first + s.documents {
                let mut record = s.document(ordinal).to_vec();
                let at_word = little(&record[16..24]) + moved;
                record[16..24].copy_from_slice(&at_word.to_le_bytes());
                documents.write(&record)?;
            }
            words.write(s.map(1))?;
            moved += (s.map(1).len() / 4) as u64;
        }
        Ok((documents.finish()?, words.finish()?))
    };
    let bands = || {
        let mut bands = Writer::new(dir, "bands")?;
        merge_sorted::<BAND>(segments.iter().map(|s| s.map(2).as_chunks().0), |r| bands.write(r))?;
        bands.finish()
    };
    let spans = || {
        let mut spans = Writer::new(dir, "spans")?;
        merge_sorted::<SPAN>(segments.iter().map(|s| s.map(3).as_chunks().0), |r| spans.write(r))?;
        spans.finish()
    };
    let files = side_by_side(documents, bands, spans)?;
    let documents = segments.iter().map(|s| s.documents).sum();
    Ok(SegmentFiles { tier, first: segments[0].first, documents, files })
}

/// Gives the records of sorted runs to `each`, in order.
fn merge_sorted<'a, const N: usize>(
    runs: impl Iterator<Item = &'a [[u8; N]]>,
    mut each: impl FnMut(&[u8; N]) -> Result<(), DedupError>,
) -> Result<(), DedupError> {
    let mut runs: Vec<&[[u8; N]]> = runs.filter(|r| !r.is_empty()).collect();
    while let Some(smallest) = (0..runs.len()).min_by_key(|i| &runs[*i][0]) {
        each(&runs[smallest][0])?;
        runs[smallest] = &runs[smallest][1..];
        if runs[smallest].is_empty() {
            runs.remove(smallest);
        }
    }
    Ok(())
}
