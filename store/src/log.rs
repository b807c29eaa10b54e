//! The log's files, and the one writer that appends to them.

use std::path::{Path, PathBuf};

use corpus::Digest;
use corpus::merkle::{self, Tree};
use ledger::tile;
use ledger::{Note, SecretKey, TreeHead, Verifier};

use crate::error::StoreError;
use crate::files::{self, Lock};
use crate::witness::Cosigner;

/// A log's files as anybody reads them.
#[derive(Clone, Debug)]
pub struct LogFiles {
    root: PathBuf,
}

/// A log as it was read and checked: its signed tree head and the entries under it.
#[derive(Clone, Debug)]
pub struct ReadLog {
    /// The signed tree head.
    pub note: Note,
    /// What it says.
    pub head: TreeHead,
    /// Bytes of the entries.
    pub entries: Vec<Vec<u8>>,
    /// Their tree.
    pub tree: Tree,
}

impl LogFiles {
    /// The log in the folder `root`.
    pub fn new(root: &Path) -> LogFiles {
        LogFiles { root: root.to_path_buf() }
    }

    fn path(&self, tile: tile::Tile) -> PathBuf {
        self.root.join(tile.path())
    }

    fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    fn error(&self, path: &Path, text: impl Into<String>) -> StoreError {
        StoreError::Log { path: path.to_path_buf(), text: text.into() }
    }

    /// The signed tree head, verified; `None` if nothing was published yet.
    ///
    /// # Errors
    /// [`StoreError::Log`] if it is not signed by `log`.
    pub fn head(&self, log: &Verifier) -> Result<Option<(Note, TreeHead)>, StoreError> {
        let path = self.checkpoint();
        let Some(bytes) = files::read_if_present(&path)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|_| self.error(&path, "not UTF-8"))?;
        let note = Note::from_text(&text).map_err(|e| self.error(&path, e.to_string()))?;
        let head = TreeHead::verify(&note, log).map_err(|e| self.error(&path, e.to_string()))?;
        Ok(Some((note, head)))
    }

    fn entries(&self, size: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut entries = Vec::new();
        for tile in tile::all(size).into_iter().filter(|t| t.level.is_none()) {
            let path = self.path(tile);
            let bundle = tile::decode_entries(&files::read(&path)?).ok_or_else(|| self.error(&path, "torn inside an entry"))?;
            if bundle.len() as u64 != tile.width {
                return Err(self.error(&path, format!("expected {} entries, found {}", tile.width, bundle.len())));
            }
            entries.extend(bundle);
        }
        Ok(entries)
    }

    /// Reads tree head and entries and checks one against the other; `None` if nothing was published yet.
    ///
    /// # Errors
    /// [`StoreError::Log`] names the file.
    pub fn read(&self, log: &Verifier) -> Result<Option<ReadLog>, StoreError> {
        let Some((note, head)) = self.head(log)? else { return Ok(None) };
        let entries = self.entries(head.size)?;
        let tree = tree_of(&entries);
        let root = tree.root(head.size);
        if root != head.root {
            return Err(self.locate(&head, tree.level(0), &root));
        }
        Ok(Some(ReadLog { note, head, entries, tree }))
    }

    /// Which file is to blame for entries that do not have the signed root, as far as the hash tiles tell.
    fn locate(&self, head: &TreeHead, leaves: &[Digest], root: &Digest) -> StoreError {
        let mut stored = Vec::new();
        for tile in tile::all(head.size).into_iter().filter(|t| t.level == Some(0)) {
            let Ok(bytes) = files::read(&self.path(tile)) else { break };
            stored.extend(bytes.chunks_exact(32).map(|h| Digest(h.try_into().expect("thirty-two bytes"))));
        }
        let differing = stored.iter().zip(leaves).position(|(a, b)| a != b);
        match differing {
            // The hashes are the signed ones, so the entry is not.
            Some(index) if merkle::root(&stored) == head.root => {
                let bundle = tile::all(head.size)
                    .into_iter()
                    .find(|t| t.level.is_none() && t.index == index as u64 / tile::WIDTH)
                    .expect("every entry is in a bundle");
                self.error(&self.path(bundle), format!("entry {index} is not the one that was signed"))
            }
            _ => self.error(&self.checkpoint(), format!("signed root {}, the entries give {root}", head.root)),
        }
    }

    /// Every file that a tree of `size` must have, with the bytes it must hold, and every file that is there.
    ///
    /// Returns what differs: path and reason. Partial tiles of smaller trees are checked as prefixes.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn check_tiles(&self, read: &ReadLog) -> Result<Vec<(PathBuf, String)>, StoreError> {
        let mut findings = Vec::new();
        let expected = |tile: tile::Tile| -> Vec<u8> {
            match tile.level {
                Some(_) => tile::hashes(tile, &read.tree),
                None => {
                    let first = (tile.index * tile::WIDTH) as usize;
                    tile::encode_entries(read.entries[first..first + tile.width as usize].iter().map(Vec::as_slice))
                }
            }
        };
        let known = |path: &Path| tile::from_path(&path.to_string_lossy()).filter(|t| t.in_tree_of(read.head.size).is_some());
        for tile in tile::all(read.head.size) {
            let path = PathBuf::from(tile.path());
            if !self.root.join(&path).is_file() {
                findings.push((path, "missing".to_string()));
            }
        }
        for path in crate::objects::list(&self.root)? {
            if path == Path::new("checkpoint") {
                continue;
            }
            match known(&path) {
                None => findings.push((path, "no file of this log".to_string())),
                Some(tile) => {
                    if files::read(&self.root.join(&path))? != expected(tile) {
                        findings.push((path, "its bytes are not those of the log".to_string()));
                    }
                }
            }
        }
        Ok(findings)
    }
}

/// The one writer of a log.
pub struct Sequencer {
    files: LogFiles,
    key: SecretKey,
    witnesses: Vec<Box<dyn Cosigner>>,
    /// The last tree head that was signed, before its witnesses are asked: what they may have seen has to be published.
    pending: PathBuf,
    /// A signed tree head waits for its witnesses; another one of its size must never be signed.
    waiting: Option<u64>,
    /// The last signed tree head, kept outside the home; none for a demonstration, whose keys anybody can derive.
    outside: Option<PathBuf>,
    note: Option<Note>,
    tree: Tree,
    /// The same root by another path, from bytes that were read back.
    second: Frontier,
    entries: Vec<Vec<u8>>,
    _lock: Lock,
}

/// The roots of the full subtrees that a tree consists of, from the left, with the logarithms of their sizes.
///
/// Kept beside [`Tree`] and computed otherwise: a flipped bit in memory or on the way to the disk ended a log before.
#[derive(Clone, Default)]
struct Frontier {
    subtrees: Vec<(u32, Digest)>,
}

impl Frontier {
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

fn tree_of(entries: &[Vec<u8>]) -> Tree {
    Tree::of(entries.iter().map(|e| merkle::leaf_hash(e)))
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
        witnesses: Vec<Box<dyn Cosigner>>,
        outside: Option<PathBuf>,
        time: u64,
    ) -> Result<Sequencer, StoreError> {
        let pending = lock.with_extension("pending");
        let lock = files::lock(lock)?;
        let files = LogFiles::new(root);
        let verifier = Verifier::of(&key);
        let mut read = files.read(&verifier)?;
        if let Some(path) = &outside
            && let Some(signed) = files::read_if_present(path)?
        {
            read = recover(&files, &verifier, read, &signed, path)?;
        }
        let (note, tree, entries) = match read {
            Some(r) => (Some(r.note), r.tree, r.entries),
            None => (None, Tree::default(), Vec::new()),
        };
        let mut second = Frontier::default();
        entries.iter().for_each(|e| second.push(merkle::leaf_hash(e)));
        let mut sequencer = Sequencer { files, key, witnesses, pending, waiting: None, outside, note, tree, second, entries, _lock: lock };
        match sequencer.finish(&verifier, time) {
            // The log can be read meanwhile; nothing is appended before the witnesses have answered.
            Err(StoreError::Witness { .. }) => {}
            other => {
                other?;
                sequencer.remove_leftovers()?;
            }
        }
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
        let known = self.entries.len();
        let fork = StoreError::Fork { origin: head.origin.clone(), signed: head.size, found: self.size(), path };
        let Ok(entries) = self.files.entries(head.size) else { return Err(fork) };
        let tree = tree_of(&entries);
        if tree.level(0)[..known] != *self.tree.level(0) || tree.root(head.size) != head.root {
            return Err(fork);
        }
        let before = self.size();
        let mut second = self.second.clone();
        tree.level(0)[known..].iter().for_each(|leaf| second.push(*leaf));
        (self.entries, self.tree) = (entries, tree);
        let published = self.publish(second, time);
        if published.is_err() {
            self.take_back(before);
        }
        published
    }

    fn take_back(&mut self, size: u64) {
        self.entries.truncate(size as usize);
        self.tree.truncate(size);
    }

    /// Removes tiles right of the signed tree head, which a crash during an append left; readers never ask for them.
    fn remove_leftovers(&self) -> Result<(), StoreError> {
        for path in crate::objects::list(&self.files.root.join("tile"))? {
            let path = Path::new("tile").join(path);
            // Older tree heads had narrower tiles at the right edge, which may still lie there.
            if tile::from_path(&path.to_string_lossy()).is_none_or(|t| t.in_tree_of(self.size()).is_none()) {
                let path = self.files.root.join(path);
                std::fs::remove_file(&path).map_err(StoreError::io(&path))?;
            }
        }
        Ok(())
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The entries' bytes.
    pub fn entries(&self) -> &[Vec<u8>] {
        &self.entries
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

    /// Appends `entries` as one batch and publishes a tree head that covers them; returns the first index.
    ///
    /// Once this returns, the entries last and are signed and cosigned. An entry that is in the log already
    /// must not be given again: callers look it up first.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was published. What a witness may have seen is published by the next start, everything else is
    /// written over.
    pub fn append(&mut self, entries: &[Vec<u8>], time: u64) -> Result<u64, StoreError> {
        if let Some(size) = self.waiting {
            let text = format!("a signed tree head of {size} entries waits for it; open the log again when it answers");
            return Err(StoreError::Witness { witness: "of this log".into(), text });
        }
        let first = self.size();
        self.entries.extend_from_slice(entries);
        entries.iter().for_each(|e| self.tree.push(merkle::leaf_hash(e)));
        let published = self.write(first).and_then(|second| self.publish(second, time));
        if published.is_err() {
            self.take_back(first);
        }
        published.map(|()| first)
    }

    /// Writes the files of the entries from `first` on, and reads them back.
    fn write(&self, first: u64) -> Result<Frontier, StoreError> {
        // A crash among these leaves files right of the signed tree head, which no reader asks for.
        for tile in tile::added(first, self.size()) {
            let bytes = match tile.level {
                Some(_) => tile::hashes(tile, &self.tree),
                None => {
                    let start = (tile.index * tile::WIDTH) as usize;
                    tile::encode_entries(self.entries[start..start + tile.width as usize].iter().map(Vec::as_slice))
                }
            };
            files::write(&self.files.path(tile), &bytes, 0o644)?;
        }
        self.read_back(first)
    }

    /// The root once more, with the new entries as they are on the disk.
    fn read_back(&self, first: u64) -> Result<Frontier, StoreError> {
        let mut second = self.second.clone();
        for tile in tile::added(first, self.size()).into_iter().filter(|t| t.level.is_none()) {
            let path = self.files.path(tile);
            let entries = tile::decode_entries(&files::read(&path)?).ok_or_else(|| self.files.error(&path, "torn when read back"))?;
            for (index, entry) in (tile.index * tile::WIDTH..).zip(&entries) {
                let leaf = merkle::leaf_hash(entry);
                if index >= first {
                    second.push(leaf);
                } else if self.tree.level(0)[index as usize] != leaf {
                    return Err(self.files.error(&path, format!("entry {index} is another one when read back")));
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

    /// Signs, has cosigned and writes the tree head; from then on readers see the entries.
    fn publish(&mut self, second: Frontier, time: u64) -> Result<(), StoreError> {
        let head = TreeHead { origin: self.key.name.clone(), size: self.size(), root: second.root() };
        let mut note = Note::new(head.to_text());
        note.sign(&self.key, time);
        // A crash or an error after this leaves a tree head that a witness may have seen: `finish` publishes it.
        self.waiting = Some(self.size());
        for path in self.pending() {
            files::write(&path, note.to_text().as_bytes(), 0o600)?;
        }
        let log = Verifier::of(&self.key);
        for witness in &self.witnesses {
            witness.cosign(&mut note, &self.tree, &log, time)?;
        }
        let text = note.to_text();
        if let Some(path) = &self.outside {
            // A crash after this leaves a signed tree head that the home does not show yet; `recover` publishes it.
            files::write(path, text.as_bytes(), 0o600)?;
        }
        files::write(&self.files.checkpoint(), text.as_bytes(), 0o644)?;
        // Narrower tiles that the tree has outgrown are left to lie.
        (self.second, self.note, self.waiting) = (second, Some(note), None);
        Ok(())
    }
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
    let entries = files.entries(head.size).map_err(|_| fork())?;
    let tree = tree_of(&entries);
    if tree.root(head.size) != head.root {
        return Err(fork());
    }
    files::write(&files.checkpoint(), text.as_bytes(), 0o644)?;
    Ok(Some(ReadLog { note, head, entries, tree }))
}
