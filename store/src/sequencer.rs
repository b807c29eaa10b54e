//! The one writer of a log.
//!
//! An append goes through these steps, each of which a crash may end:
//!
//! 1. the write-ahead log has the entries, synced: from here on a crash loses none of them;
//! 2. tiles are written, not synced, and read back; their root is computed a second time, by another path;
//! 3. the tree head is signed and lies in `pending`, synced, before a witness is asked;
//! 4. enough witnesses cosign;
//! 5. the tree head is written outside the home, then published as `checkpoint`: only now is a caller told;
//! 6. partial tiles that have a wider one in the published tree are removed. A crash before that leaves them to the next start.
//!
//! Tiles are synced when the write-ahead log has grown, and when the log is closed; until then the next start writes them
//! again from it, and from the partial tiles where it begins: those are removed once it is cleared, not before.
//! After a sync that failed nobody knows what lasts, so nothing is appended any more.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};

use corpus::merkle::{self, Tree};
use corpus::{Digest, EntryIndex};
use ledger::tile::{self, Tile};
use ledger::{Note, SecretKey, TreeHead, Verifier};
use rayon::prelude::*;

use crate::error::StoreError;
use crate::files::{self, Lock};
use crate::log::{LogFiles, ReadLog, extend, leaves};
use crate::wal::{Record, WriteAhead};
use crate::witness::Witnesses;

/// Tiles are synced when the write-ahead log is longer: at 750 bytes an entry, after 45,000 of them.
const WRITE_AHEAD_BYTES: u64 = 32 << 20;
/// And when so many are open: systems allow a process 1,024 files and more.
const OPEN_TILES: usize = 512;

/// The one writer of a log.
pub struct Sequencer {
    files: LogFiles,
    key: SecretKey,
    witnesses: Witnesses,
    wal: WriteAhead,
    /// Tiles that were written and not synced, open.
    unsynced: Vec<(PathBuf, File)>,
    /// Partial tiles that lie in the folder.
    partial: BTreeSet<Tile>,
    /// Entries whose tiles last: where the write-ahead log begins, and where the next start may read on from.
    synced: u64,
    /// The last tree head that was signed, before its witnesses are asked: what they may have seen has to be published.
    pending: PathBuf,
    /// A signed tree head waits for its witnesses; another one of its size must never be signed.
    waiting: Option<u64>,
    /// Which witness it waits for, and why, if one was asked since.
    refusal: Option<(String, String)>,
    /// A sync failed.
    failed: bool,
    /// The last signed tree head, kept outside the home; none for a demonstration, whose keys anybody can derive.
    outside: Option<PathBuf>,
    note: Option<Note>,
    tree: Tree,
    /// The same root by another path, from bytes that were read back.
    second: Frontier,
    /// Entries of the last bundle, as long as it is not full.
    tail: Vec<Vec<u8>>,
    _lock: Lock,
    _outside_lock: Option<Lock>,
}

/// The roots of the full subtrees that a tree consists of, from the left, with the logarithms of their sizes.
///
/// Kept beside [`Tree`] and computed otherwise: a flipped bit in memory or on the way to the disk ended a log before.
#[derive(Clone, Default)]
struct Frontier {
    subtrees: Vec<(u32, Digest)>,
}

impl Frontier {
    fn of(leaves: &[Digest]) -> Frontier {
        let mut frontier = Frontier::default();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        frontier
    }

    fn push(&mut self, leaf: Digest) {
        let (mut level, mut hash) = (0, leaf);
        while let Some((_, left)) = self.subtrees.pop_if(|(l, _)| *l == level) {
            (level, hash) = (level + 1, merkle::node_hash(&left, &hash));
        }
        self.subtrees.push((level, hash));
    }

    fn root(&self) -> Digest {
        let roots = self.subtrees.iter().rev().map(|(_, hash)| *hash);
        roots.reduce(|right, left| merkle::node_hash(&left, &right)).unwrap_or_else(|| Digest::of(&[]))
    }
}

impl Sequencer {
    /// Opens the log in `root` for writing, with the lock at `lock`.
    ///
    /// `outside` is where the last signed tree head is kept, beyond the reach of a restore of the home.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it, [`StoreError::Fork`] if this copy is older than what
    /// was signed, [`StoreError::Log`] if its files are damaged.
    pub fn open(
        root: &Path,
        lock: &Path,
        key: SecretKey,
        witnesses: impl Into<Witnesses>,
        outside: Option<PathBuf>,
        time: u64,
    ) -> Result<Sequencer, StoreError> {
        let (pending, wal) = (lock.with_extension("pending"), lock.with_extension("wal"));
        let lock = files::lock(lock)?;
        // Two copies of a home have a lock each, and one memory outside.
        let outside_lock = outside.as_deref().map(|p| files::lock(&p.with_extension("lock"))).transpose()?;
        let files = LogFiles::new(root);
        let (mut wal, records) = WriteAhead::open(&wal)?;
        write_again(&files, &records)?;
        // Everything in it lasts in tiles now.
        wal.clear()?;
        let log = Verifier::of(&key);
        let mut read = files.look(&log)?;
        if let Some(path) = &outside
            && let Some(signed) = files::read_if_present(path)?
        {
            read = recover(&files, &log, read, &signed, path)?;
        }
        let (note, tree) = read.map_or((None, Tree::default()), |r| (Some(r.note), r.tree));
        let second = Frontier::of(tree.level(0));
        let mut sequencer = Sequencer {
            files,
            key,
            witnesses: witnesses.into(),
            wal,
            unsynced: Vec::new(),
            partial: BTreeSet::new(),
            synced: 0,
            pending,
            waiting: None,
            refusal: None,
            failed: false,
            outside,
            note,
            tree,
            second,
            tail: Vec::new(),
            _lock: lock,
            _outside_lock: outside_lock,
        };
        sequencer.tail = sequencer.entries(sequencer.size() / tile::WIDTH * tile::WIDTH..sequencer.size())?;
        match sequencer.finish(&log, time) {
            // The log can be read meanwhile; nothing is appended before the witnesses have answered.
            Err(StoreError::Witness { witness, text }) => sequencer.refusal = Some((witness, text)),
            other => {
                other?;
                sequencer.remove_leftovers()?;
            }
        }
        sequencer.synced = sequencer.size();
        sequencer.partial = tile::edge(sequencer.size()).into_iter().collect();
        Ok(sequencer)
    }

    /// Where a signed tree head lies before its witnesses are asked: in the home, and beyond the reach of a restore of it.
    fn pending(&self) -> impl Iterator<Item = PathBuf> + '_ {
        std::iter::once(self.pending.clone()).chain(self.outside.iter().map(|p| p.with_extension("pending")))
    }

    /// Publishes what was signed and readers have not seen: a crash came, or a witness did not answer.
    ///
    /// A witness may have seen it, so if it cannot be made again nothing may be signed or removed here.
    fn finish(&mut self, log: &Verifier, time: u64) -> Result<(), StoreError> {
        let mut waiting: Option<(PathBuf, TreeHead)> = None;
        for path in self.pending() {
            let Some(bytes) = files::read_if_present(&path)? else { continue };
            // A torn file was never acted upon: writes are atomic, and witnesses are asked after both.
            let Ok(note) = Note::from_text(&String::from_utf8_lossy(&bytes)) else { continue };
            let head = TreeHead::verify(&note, log).ok().filter(|h| h.size > self.size());
            if let Some(head) = head.filter(|h| waiting.as_ref().is_none_or(|(_, w)| w.size < h.size)) {
                waiting = Some((path, head));
            }
        }
        let Some((path, head)) = waiting else { return Ok(()) };
        let known = self.size();
        let fork = StoreError::Fork { origin: head.origin.clone(), signed: head.size, found: known, path };
        let Ok(tree) = self.files.tree(head.size) else { return Err(fork) };
        if tree.level(0)[..known as usize] != *self.tree.level(0) || tree.root(head.size) != head.root {
            return Err(fork);
        }
        let mut second = self.second.clone();
        tree.level(0)[known as usize..].iter().for_each(|leaf| second.push(*leaf));
        let before = std::mem::replace(&mut self.tree, tree);
        let entry = self.entry(head.size - 1);
        let published = entry.and_then(|last| self.publish(second, &last, time));
        match published {
            Ok(()) => self.tail = self.entries(self.size() / tile::WIDTH * tile::WIDTH..self.size())?,
            Err(_) => self.tree = before,
        }
        published
    }

    /// Removes files that the signed tree head does not need: a crash during an append left them right of it, or one before
    /// their removal. Everything it needs lasts.
    fn remove_leftovers(&self) -> Result<(), StoreError> {
        let root = self.files.root();
        for path in crate::objects::list(&root.join("tile"))? {
            let path = Path::new("tile").join(path);
            let tile = tile::from_path(&path.to_string_lossy());
            if tile.is_none_or(|t| t.in_tree_of(self.size()) != Some(t)) {
                let path = root.join(path);
                std::fs::remove_file(&path).map_err(StoreError::io(&path))?;
            }
        }
        remove_empty(&root.join("tile"))
    }

    /// Removes partial tiles that have a wider one in the published tree, but for those that the write-ahead log goes on from.
    ///
    /// The entries are published: what cannot be removed now is left to the next append, and to the next start.
    fn remove_outgrown(&mut self) {
        let size = self.size();
        let needed: BTreeSet<Tile> = tile::edge(size).into_iter().chain(tile::edge(self.synced)).collect();
        self.partial.extend(tile::edge(size));
        for tile in self.partial.clone().into_iter().filter(|t| !needed.contains(t)) {
            let path = self.files.path(tile);
            // Readers see the wider tile by now, and fall back to it.
            let removed = std::fs::remove_file(&path);
            if removed.is_ok() || removed.is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
                self.partial.remove(&tile);
                self.unsynced.retain(|(p, _)| *p != path);
            }
            // Refused as long as another width lies there.
            let _ = std::fs::remove_dir(path.parent().expect("a tile has a folder"));
        }
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The log's files.
    pub fn files(&self) -> &LogFiles {
        &self.files
    }

    /// The bytes of the entries `range`.
    ///
    /// # Errors
    /// [`StoreError`] of a file that cannot be read.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut found = Vec::new();
        self.files.entries_of(&self.tree, range, |_, entries| {
            found.extend(entries);
            Ok::<_, StoreError>(())
        })?;
        Ok(found)
    }

    /// The bytes of entry `index`.
    ///
    /// # Errors
    /// [`StoreError`] of a file that cannot be read.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, StoreError> {
        let tile = Tile { level: None, index: index / tile::WIDTH, width: 1 }.in_tree_of(self.size());
        let tile = tile.ok_or_else(|| self.files.error(Path::new("tile"), format!("no entry {index} in {}", self.size())))?;
        Ok(self.files.bundle(tile)?.swap_remove((index % tile::WIDTH) as usize))
    }

    /// The last signed and cosigned tree head.
    pub fn signed_head(&self) -> Option<&Note> {
        self.note.as_ref()
    }

    /// The tree over the entries.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Root hash; that of the empty tree before the first entry.
    pub fn root(&self) -> Digest {
        self.tree.root(self.size())
    }

    /// Replaces the witnesses, from the next tree head on.
    pub fn set_witnesses(&mut self, witnesses: impl Into<Witnesses>) {
        self.witnesses = witnesses.into();
    }

    /// Appends `entries` as one batch and publishes a tree head that covers them; returns the first index.
    ///
    /// Once this returns, the entries last and are signed and cosigned. An entry that is in the log already
    /// must not be given again: callers look it up first.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was published. What a witness may have seen is published by the next start, everything else is
    /// written over. After [`StoreError::Sync`] the process has to end, and every further append is refused.
    pub fn append(&mut self, entries: &[Vec<u8>], time: u64) -> Result<EntryIndex, StoreError> {
        let first = self.size();
        let Some(last) = entries.last() else { return Ok(EntryIndex(first)) };
        if self.failed {
            return Err(self.files.error(self.files.root(), "a sync failed before: end this process and open the log again"));
        }
        if let Some(size) = self.waiting {
            let (witness, why) =
                self.refusal.clone().unwrap_or_else(|| ("of this log".into(), "open the log again when it answers".into()));
            return Err(StoreError::Witness { witness, text: format!("a signed tree head of {size} entries waits for it; {why}") });
        }
        let new = leaves(entries);
        new.iter().for_each(|leaf| self.tree.push(*leaf));
        let written = self.wal.append(first, entries, &new).and_then(|()| self.write(first, entries));
        let published = written.and_then(|second| self.publish(second, last, time));
        if let Err(e) = published {
            self.failed |= matches!(e, StoreError::Sync { .. });
            self.tree.truncate(first);
            // The next record begins where this one did; of two the later one counts.
            return Err(e);
        }
        self.tail.extend_from_slice(entries);
        self.tail.drain(..self.tail.len() - (self.tree.size() % tile::WIDTH) as usize);
        self.remove_outgrown();
        if self.wal.bytes > WRITE_AHEAD_BYTES || self.unsynced.len() > OPEN_TILES {
            // The entries are published, and the write-ahead log has them: a failure here is the next append's to report.
            let _ = self.sync_tiles();
        }
        Ok(EntryIndex(first))
    }

    /// Writes the files of the entries from `first` on, and reads them back.
    fn write(&mut self, first: u64, entries: &[Vec<u8>]) -> Result<Frontier, StoreError> {
        let added = tile::added(first, self.size());
        let start = first / tile::WIDTH * tile::WIDTH;
        let entry = |index: u64| match index.checked_sub(first) {
            Some(new) => &entries[new as usize],
            None => &self.tail[(index - start) as usize],
        };
        // A crash among these leaves files right of the signed tree head, which no reader asks for.
        let write = |tile: &Tile| {
            let bytes = match tile.level {
                Some(_) => tile::hashes(*tile, &self.tree),
                None => tile::encode_entries((tile.index * tile::WIDTH..).take(tile.width as usize).map(|i| entry(i).as_slice())),
            };
            let path = self.files.path(*tile);
            let file = files::write_unsynced(&path, &bytes, 0o644)?;
            Ok((path, file))
        };
        let written: Vec<(PathBuf, File)> = added.iter().map(write).collect::<Result<_, StoreError>>()?;
        let second = self.read_back(first, &added, &written);
        self.unsynced.extend(written);
        self.partial.extend(added.into_iter().filter(|t| t.width < tile::WIDTH));
        second
    }

    /// The root once more, with the new entries as the files hold them.
    fn read_back(&self, first: u64, added: &[Tile], written: &[(PathBuf, File)]) -> Result<Frontier, StoreError> {
        let bundles: Vec<(&Tile, &(PathBuf, File))> = added.iter().zip(written).filter(|(t, _)| t.level.is_none()).collect();
        let hash = |(tile, (path, file)): &(&Tile, &(PathBuf, File))| -> Result<Vec<Digest>, StoreError> {
            let (mut file, mut bytes) = (file, Vec::new());
            file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(StoreError::io(path))?;
            let entries = tile::decode_entries(&bytes).filter(|e| e.len() as u64 == tile.width);
            let entries = entries.ok_or_else(|| self.files.error(path, "torn when read back"))?;
            Ok(entries.iter().map(|e| merkle::leaf_hash(e)).collect())
        };
        let found: Vec<Vec<Digest>> = bundles.par_iter().map(hash).collect::<Result<_, StoreError>>()?;
        let mut second = self.second.clone();
        for ((tile, _), leaves) in bundles.iter().zip(found) {
            for (index, leaf) in (tile.index * tile::WIDTH..).zip(leaves) {
                if index >= first {
                    second.push(leaf);
                } else if self.tree.level(0)[index as usize] != leaf {
                    return Err(self.files.error(&self.files.path(**tile), format!("entry {index} is another one when read back")));
                }
            }
        }
        let (root, found) = (self.root(), second.root());
        if found == root {
            Ok(second)
        } else {
            Err(self.files.error(Path::new("tile"), format!("root {root} before writing, {found} when read back")))
        }
    }

    /// Signs, has cosigned and writes the tree head; from then on readers see the entries, of which `last` is the last.
    fn publish(&mut self, second: Frontier, last: &[u8], time: u64) -> Result<(), StoreError> {
        let head = TreeHead { origin: self.key.name.clone(), size: self.size(), root: second.root() };
        let mut note = Note::new(head.to_text());
        note.sign(&self.key, time);
        // A crash or an error after this leaves a tree head that a witness may have seen: `finish` publishes it.
        self.waiting = Some(self.size());
        for path in self.pending() {
            files::write(&path, note.to_text().as_bytes(), 0o600)?;
        }
        self.witnesses.cosign(&mut note, &self.tree, &Verifier::of(&self.key), last, time)?;
        let text = note.to_text();
        if let Some(path) = &self.outside {
            // A crash after this leaves a signed tree head that the home does not show yet; `recover` publishes it.
            files::write(path, text.as_bytes(), 0o600)?;
        }
        files::write(&self.files.checkpoint(), text.as_bytes(), 0o644)?;
        (self.second, self.note, self.waiting) = (second, Some(note), None);
        Ok(())
    }

    /// Makes the tiles last, and forgets the write-ahead log.
    ///
    /// # Errors
    /// [`StoreError::Sync`].
    pub fn sync_tiles(&mut self) -> Result<(), StoreError> {
        let synced = sync_all(&self.unsynced).and_then(|()| self.wal.clear());
        self.failed |= synced.is_err();
        synced?;
        self.unsynced.clear();
        self.synced = self.size();
        // A crash before this leaves the partial tiles that the write-ahead log began at; the next start removes them.
        self.remove_outgrown();
        Ok(())
    }
}

impl Drop for Sequencer {
    fn drop(&mut self) {
        // Without it the next start writes the tiles again; nobody is waiting for an answer.
        if !self.failed && self.waiting.is_none() {
            let _ = self.sync_tiles();
        }
    }
}

/// Removes the folders below `folder` that hold nothing: those of partial tiles, once a full one is there.
fn remove_empty(folder: &Path) -> Result<(), StoreError> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry.map_err(StoreError::io(folder))?;
        if entry.file_type().map_err(StoreError::io(&entry.path()))?.is_dir() {
            remove_empty(&entry.path())?;
            // Refused if something lies there.
            let _ = std::fs::remove_dir(entry.path());
        }
    }
    Ok(())
}

fn sync_all(written: &[(PathBuf, File)]) -> Result<(), StoreError> {
    written.par_iter().try_for_each(|(path, file)| file.sync_data().map_err(StoreError::sync(path)))?;
    let folders: BTreeSet<&Path> = written.iter().filter_map(|(p, _)| p.parent()).collect();
    folders.into_iter().try_for_each(files::sync_dir)
}

/// Writes the tiles of what the write-ahead log holds, durably: of those that were there, a crash may have kept any part.
fn write_again(files: &LogFiles, records: &[Record]) -> Result<(), StoreError> {
    let Some(start) = records.iter().map(|r| r.first).min() else { return Ok(()) };
    // A record that was taken back has a later one at its place.
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for record in records {
        entries.truncate((record.first - start) as usize);
        if start + entries.len() as u64 != record.first {
            return Err(files.error(Path::new("wal"), format!("a record at {} after {}", record.first, start + entries.len() as u64)));
        }
        entries.extend_from_slice(&record.entries);
    }
    // The entries before it were synced when the write-ahead log was last cleared.
    let mut tree = files.tree(start)?;
    let begin = start / tile::WIDTH * tile::WIDTH;
    let mut bundle = Vec::new();
    files.entries(start, begin..start, |_, found| {
        bundle.extend(found);
        Ok::<_, StoreError>(())
    })?;
    extend(&mut tree, &entries);
    bundle.append(&mut entries);
    // Tree heads between two records had narrower tiles at the right edge; one of them may be the published one.
    let sizes = records.iter().map(|r| r.first + r.entries.len() as u64).filter(|size| *size <= tree.size());
    let tiles: BTreeSet<Tile> = sizes.flat_map(|size| tile::added(start, size)).collect();
    let mut written = Vec::new();
    for tile in tiles {
        let bytes = match tile.level {
            Some(_) => tile::hashes(tile, &tree),
            None => {
                let at = (tile.index * tile::WIDTH - begin) as usize;
                tile::encode_entries(bundle[at..at + tile.width as usize].iter().map(Vec::as_slice))
            }
        };
        let path = files.path(tile);
        // Somebody may be reading the log: a tile that is whole stays as it lies, and another is replaced at once.
        if files::read_if_present(&path)?.is_some_and(|found| found == bytes) {
            let file = File::open(&path).map_err(StoreError::io(&path))?;
            written.push((path, file));
        } else {
            files::write(&path, &bytes, 0o644)?;
        }
    }
    sync_all(&written)
}

/// Compares the home with the tree head kept outside: the same, one publication ahead, or a fork.
fn recover(files: &LogFiles, log: &Verifier, read: Option<ReadLog>, signed: &[u8], path: &Path) -> Result<Option<ReadLog>, StoreError> {
    let text = String::from_utf8_lossy(signed).into_owned();
    let error = |e: ledger::NoteError| StoreError::Log { path: path.to_path_buf(), text: e.to_string() };
    let note = Note::from_text(&text).map_err(error)?;
    let head = TreeHead::verify(&note, log).map_err(error)?;
    let found = read.as_ref().map_or(0, |r| r.head.size);
    let fork = || StoreError::Fork { origin: head.origin.clone(), signed: head.size, found, path: path.to_path_buf() };
    if found >= head.size {
        let root = read.as_ref().map_or_else(|| merkle::root(&[]), |r| r.tree.root(head.size));
        return if root == head.root { Ok(read) } else { Err(fork()) };
    }
    // Signed, then stopped before publication: its tiles are all there, or this is an older copy.
    let tree = files.tree(head.size).map_err(|_| fork())?;
    if tree.root(head.size) != head.root {
        return Err(fork());
    }
    files::write(&files.checkpoint(), text.as_bytes(), 0o644)?;
    Ok(Some(ReadLog { note, head, tree }))
}
