//! The write-ahead log: what is appended lasts here with one sync, before its many tiles do.
//!
//! A record is `first` (u64), `count` (u32), `length` (u64), then `count` entries of a u32 length and their bytes, and the
//! SHA-256 of header and leaf hashes. All integers are big-endian. A record that a crash tore ends the file.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use corpus::Digest;

use crate::error::StoreError;
use crate::files;
use crate::log::leaves;

const HEADER: usize = 20;

/// The file and how long it is.
pub struct WriteAhead {
    path: PathBuf,
    file: File,
    /// Bytes of whole records.
    pub bytes: u64,
}

/// Entries that were appended at `first`.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// Index of the first.
    pub first: u64,
    /// Their bytes.
    pub entries: Vec<Vec<u8>>,
}

fn check(header: &[u8], leaves: &[Digest]) -> Digest {
    let mut bytes = header.to_vec();
    leaves.iter().for_each(|l| bytes.extend(l.0));
    Digest::of(&bytes)
}

impl WriteAhead {
    /// Opens the file at `path` and reads its whole records.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<(WriteAhead, Vec<Record>), StoreError> {
        let io = || StoreError::io(path);
        files::create_dir(path.parent().expect("the file has a folder"))?;
        let existed = path.exists();
        let file = fs::OpenOptions::new().read(true).append(true).create(true).open(path).map_err(io())?;
        if !existed {
            files::sync_dir(path.parent().expect("the file has a folder"))?;
        }
        let bytes = files::read(path)?;
        let (mut records, mut at) = (Vec::new(), 0);
        while let Some((record, length)) = read(&bytes[at..]) {
            records.push(record);
            at += length;
        }
        // What is torn was never answered for.
        if at < bytes.len() {
            file.set_len(at as u64).and_then(|()| file.sync_data()).map_err(io())?;
        }
        Ok((WriteAhead { path: path.to_path_buf(), file, bytes: at as u64 }, records))
    }

    /// Appends a record; once this returns it lasts.
    ///
    /// # Errors
    /// [`StoreError::Sync`] if it may or may not last, [`StoreError::Io`] if it does not.
    pub fn append(&mut self, first: u64, entries: &[Vec<u8>], leaves: &[Digest]) -> Result<(), StoreError> {
        let length: usize = entries.iter().map(|e| 4 + e.len()).sum();
        let mut bytes = Vec::with_capacity(HEADER + length + 32);
        bytes.extend(first.to_be_bytes());
        bytes.extend(u32::try_from(entries.len()).expect("a batch of fewer than 2^32 entries").to_be_bytes());
        bytes.extend((length as u64).to_be_bytes());
        for entry in entries {
            bytes.extend(u32::try_from(entry.len()).expect("entries are at most 65,535 bytes").to_be_bytes());
            bytes.extend(entry);
        }
        bytes.extend(check(&bytes[..HEADER], leaves).0);
        if let Err(e) = self.file.write_all(&bytes) {
            // A torn record would hide the ones after it.
            self.file.set_len(self.bytes).map_err(StoreError::sync(&self.path))?;
            return Err(StoreError::io(&self.path)(e));
        }
        self.file.sync_data().map_err(StoreError::sync(&self.path))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Forgets everything: it lasts elsewhere, or was never published.
    ///
    /// # Errors
    /// [`StoreError::Sync`].
    pub fn clear(&mut self) -> Result<(), StoreError> {
        if self.bytes > 0 {
            self.file.set_len(0).and_then(|()| self.file.sync_data()).map_err(StoreError::sync(&self.path))?;
            self.bytes = 0;
        }
        Ok(())
    }
}

fn read(bytes: &[u8]) -> Option<(Record, usize)> {
    let header = bytes.get(..HEADER)?;
    let first = u64::from_be_bytes(header[..8].try_into().ok()?);
    let count = u32::from_be_bytes(header[8..12].try_into().ok()?);
    let length = usize::try_from(u64::from_be_bytes(header[12..].try_into().ok()?)).ok()?;
    let end = HEADER.checked_add(length)?;
    let mut payload = bytes.get(HEADER..end)?;
    let mut entries = Vec::new();
    while let Some((size, rest)) = payload.split_first_chunk::<4>() {
        let (entry, rest) = rest.split_at_checked(u32::from_be_bytes(*size) as usize)?;
        entries.push(entry.to_vec());
        payload = rest;
    }
    let whole = payload.is_empty() && entries.len() == count as usize && bytes.get(end..end + 32)? == check(header, &leaves(&entries)).0;
    whole.then_some((Record { first, entries }, end + 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_record_ends_the_file_and_the_ones_before_it_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wal");
        let entries = |n: u8| vec![vec![n; 10], Vec::new(), vec![n; 300]];
        let (mut wal, found) = WriteAhead::open(&path).unwrap();
        assert_eq!(found, []);
        for n in 0..2 {
            wal.append(3 * u64::from(n), &entries(n), &leaves(&entries(n))).unwrap();
        }
        let bytes = fs::read(&path).unwrap();
        let one = bytes.len() / 2;
        for cut in 0..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let (wal, found) = WriteAhead::open(&path).unwrap();
            assert_eq!(found.len(), cut / one, "{cut} bytes");
            assert_eq!(wal.bytes, fs::metadata(&path).unwrap().len());
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(WriteAhead::open(&path).unwrap().1.len(), at / one, "byte {at}");
        }
    }
}
