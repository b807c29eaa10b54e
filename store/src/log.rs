//! The log's files as anybody reads them.

use std::ops::Range;
use std::path::{Path, PathBuf};

use corpus::Digest;
use corpus::merkle::{self, Tree};
use ledger::tile::{self, Tile};
use ledger::{Note, TreeHead, Verifier};
use rayon::prelude::*;

use crate::error::StoreError;
use crate::files;

/// Bundles that are read at once: 16,384 entries, so that memory does not grow with the log.
const CHUNK: usize = 64;

/// How often a tile that is not there is looked for, among files that a writer replaces meanwhile.
const LOOKS: usize = 16;

/// Most entries that a log is read with: whoever signs a tree head of more must not fill a reader's memory with the names of tiles.
const LARGEST: u64 = 1 << 36;

/// A log's files.
#[derive(Clone, Debug)]
pub struct LogFiles {
    root: PathBuf,
}

/// A log as it was read and checked: its signed tree head, and the tree that its entries have.
#[derive(Clone, Debug)]
pub struct ReadLog {
    /// The signed tree head.
    pub note: Note,
    /// What it says.
    pub head: TreeHead,
    /// The entries' tree.
    pub tree: Tree,
}

impl LogFiles {
    /// The log in the folder `root`.
    pub fn new(root: &Path) -> LogFiles {
        LogFiles { root: root.to_path_buf() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, tile: Tile) -> PathBuf {
        self.root.join(tile.path())
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    pub(crate) fn error(&self, path: &Path, text: impl Into<String>) -> StoreError {
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
        if head.size > LARGEST {
            return Err(self.error(&path, format!("a tree of {} entries, at most {LARGEST} are read", head.size)));
        }
        Ok(Some((note, head)))
    }

    /// The bytes of `tile`, from a wider tile of its place where its own file was removed; `None` if no such file is there.
    ///
    /// A larger tree has every tile at least as wide, and begins it with the same hashes or entries. So readers of an older tree head
    /// need no lock: the writer removes a partial tile when a wider one is published.
    ///
    /// # Errors
    /// [`StoreError::Io`] for anything but absence.
    pub fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, StoreError> {
        for _ in 0..LOOKS {
            if let Some(bytes) = files::read_if_present(&self.path(tile))? {
                return Ok(Some(bytes));
            }
            if tile.width == 0 || tile.width == tile::WIDTH {
                break;
            }
            // The full tile last: it never goes away again, so it is there if the partial ones have just gone.
            for wider in self.wider(tile)?.into_iter().chain([Tile { width: tile::WIDTH, ..tile }]) {
                let bytes = files::read_if_present(&self.path(wider))?;
                // One that is being written, or that a crash tore, may be short.
                if let Some(bytes) = bytes.and_then(|bytes| tile::narrow(tile, bytes)) {
                    return Ok(Some(bytes));
                }
            }
        }
        Ok(None)
    }

    /// Partial tiles at the place of `tile` that are wider, the narrowest first.
    fn wider(&self, tile: Tile) -> Result<Vec<Tile>, StoreError> {
        let path = self.path(tile);
        let folder = path.parent().expect("a tile has a folder");
        let refused = |source| StoreError::Io { path: folder.to_path_buf(), source };
        let listed = match std::fs::read_dir(folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(refused)?,
        };
        let mut found = Vec::new();
        for entry in listed {
            let width = entry.map_err(refused)?.file_name().to_str().and_then(|name| name.parse().ok());
            found.extend(width.map(|width| Tile { width, ..tile }).filter(|t| t.width > tile.width && t.width < tile::WIDTH));
        }
        found.sort();
        Ok(found)
    }

    /// Whether a file has the hashes or entries of `tile`.
    fn has(&self, tile: Tile) -> Result<bool, StoreError> {
        Ok(self.path(tile).is_file() || self.tile(tile)?.is_some())
    }

    /// The entries of one bundle.
    pub(crate) fn bundle(&self, tile: Tile) -> Result<Vec<Vec<u8>>, StoreError> {
        let path = self.path(tile);
        let absent = || StoreError::io(&path)(std::io::ErrorKind::NotFound.into());
        let bytes = self.tile(tile)?.ok_or_else(absent)?;
        let bundle = tile::decode_entries(&bytes).ok_or_else(|| self.error(&path, "torn inside an entry"))?;
        if bundle.len() as u64 != tile.width {
            return Err(self.error(&path, format!("expected {} entries, found {}", tile.width, bundle.len())));
        }
        Ok(bundle)
    }

    /// Gives the entries `range` of a tree of `size` to `each` in order, some thousand at a time, with the index of the first.
    ///
    /// # Errors
    /// [`StoreError`] of a file that is missing or torn, and whatever `each` returns.
    pub fn entries<E: From<StoreError>>(
        &self,
        size: u64,
        range: Range<u64>,
        mut each: impl FnMut(u64, Vec<Vec<u8>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let wanted = |t: &Tile| t.level.is_none() && t.index * tile::WIDTH < range.end && t.index * tile::WIDTH + t.width > range.start;
        let bundles: Vec<Tile> = tile::all(size).into_iter().filter(wanted).collect();
        for chunk in bundles.chunks(CHUNK) {
            let read: Vec<Vec<Vec<u8>>> = chunk.par_iter().map(|t| self.bundle(*t)).collect::<Result<_, _>>()?;
            let first = chunk[0].index * tile::WIDTH;
            let mut entries: Vec<Vec<u8>> = read.into_iter().flatten().collect();
            entries.truncate(range.end.saturating_sub(first) as usize);
            entries.drain(..range.start.saturating_sub(first) as usize);
            each(first.max(range.start), entries)?;
        }
        Ok(())
    }

    /// The tree over the first `size` entries, from their bytes.
    pub(crate) fn tree(&self, size: u64) -> Result<Tree, StoreError> {
        let mut tree = Tree::default();
        self.entries(size, 0..size, |_, entries| {
            extend(&mut tree, &entries);
            Ok::<_, StoreError>(())
        })?;
        Ok(tree)
    }

    /// The tree over the first `size` entries, from the hash tiles alone: nothing says yet that the entries have these hashes.
    fn tree_of_hashes(&self, size: u64) -> Result<Tree, StoreError> {
        let mut tree = Tree::default();
        for tile in tile::all(size).into_iter().filter(|t| t.level == Some(0)) {
            let bytes = self.tile(tile)?.unwrap_or_default();
            if bytes.len() as u64 != 32 * tile.width {
                let path = self.path(tile);
                return Err(self.error(&path, format!("expected {} hashes, found {} bytes", tile.width, bytes.len())));
            }
            bytes.chunks_exact(32).for_each(|hash| tree.push(Digest(hash.try_into().expect("thirty-two bytes"))));
        }
        Ok(tree)
    }

    /// As [`LogFiles::read`], without reading the entries: the hash tiles give the signed root. Who reads an entry later compares it with
    /// the tree, as [`LogFiles::entries_of`] does.
    ///
    /// # Errors
    /// As [`LogFiles::read`], which takes over where the hash tiles do not give the signed root.
    pub fn look(&self, log: &Verifier) -> Result<Option<ReadLog>, StoreError> {
        let Some((note, head)) = self.head(log)? else { return Ok(None) };
        match self.tree_of_hashes(head.size) {
            Ok(tree) if tree.root(head.size) == head.root => Ok(Some(ReadLog { note, head, tree })),
            _ => self.read(log),
        }
    }

    /// As [`LogFiles::entries`], of the entries that `tree` has; an entry that has another hash there is an error.
    ///
    /// # Errors
    /// [`StoreError`] of a file that is missing or torn, or has another entry, and whatever `each` returns.
    pub fn entries_of<E: From<StoreError>>(
        &self,
        tree: &Tree,
        range: Range<u64>,
        mut each: impl FnMut(u64, Vec<Vec<u8>>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.entries(tree.size(), range, |first, entries| {
            let found = leaves(&entries);
            let signed = &tree.level(0)[first as usize..first as usize + found.len()];
            if let Some(index) = (first..).zip(found.iter().zip(signed)).find_map(|(index, (a, b))| (a != b).then_some(index)) {
                return Err(self.not_signed(tree.size(), index).into());
            }
            each(first, entries)
        })
    }

    /// Reads tree head and entries and checks one against the other; `None` if nothing was published yet.
    ///
    /// # Errors
    /// [`StoreError::Log`] names the file.
    pub fn read(&self, log: &Verifier) -> Result<Option<ReadLog>, StoreError> {
        let Some((mut note, mut head)) = self.head(log)? else { return Ok(None) };
        let tree = loop {
            match self.tree(head.size) {
                Err(StoreError::Io { path, source }) if source.kind() == std::io::ErrorKind::NotFound => {
                    // Published and outgrown meanwhile, where files are copied by others: what the newer tree head needs is there.
                    match self.head(log)?.filter(|(_, now)| now.size > head.size) {
                        Some(newer) => (note, head) = newer,
                        None => return Err(StoreError::Io { path, source }),
                    }
                }
                tree => break tree?,
            }
        };
        let root = tree.root(head.size);
        if root != head.root {
            return Err(self.locate(&head, tree.level(0), &root));
        }
        Ok(Some(ReadLog { note, head, tree }))
    }

    /// Which file is to blame for entries that do not have the signed root, as far as the hash tiles tell.
    fn locate(&self, head: &TreeHead, leaves: &[Digest], root: &Digest) -> StoreError {
        let mut stored = Vec::new();
        for tile in tile::all(head.size).into_iter().filter(|t| t.level == Some(0)) {
            let Ok(Some(bytes)) = self.tile(tile) else { break };
            stored.extend(bytes.chunks_exact(32).map(|h| Digest(h.try_into().expect("thirty-two bytes"))));
        }
        let differing = stored.iter().zip(leaves).position(|(a, b)| a != b);
        match differing {
            // The hashes are the signed ones, so the entry is not.
            Some(index) if merkle::root(&stored) == head.root => self.not_signed(head.size, index as u64),
            _ => self.error(&self.checkpoint(), format!("signed root {}, the entries give {root}", head.root)),
        }
    }

    /// Entry `index` of `size` has other bytes than those that were signed.
    fn not_signed(&self, size: u64, index: u64) -> StoreError {
        let bundle = Tile { level: None, index: index / tile::WIDTH, width: 1 }.in_tree_of(size).expect("every entry is in a bundle");
        self.error(&self.path(bundle), format!("entry {index} is not the one that was signed"))
    }

    /// Compares every file that the tree must have, and every file that is there, with the tree.
    ///
    /// Returns what differs: path and reason. Partial tiles of smaller trees are checked as prefixes; where a partial tile was
    /// removed because a wider one is published, that one has its hashes or entries.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn check_tiles(&self, read: &ReadLog) -> Result<Vec<(PathBuf, String)>, StoreError> {
        let holds = |tile: Tile, bytes: &[u8]| match tile.level {
            Some(_) => bytes == tile::hashes(tile, &read.tree),
            // One sequence of entries has one encoding, so hashes of what is decoded are enough.
            None => tile::decode_entries(bytes).is_some_and(|entries| {
                let first = (tile.index * tile::WIDTH) as usize;
                let leaves = &read.tree.level(0)[first..first + tile.width as usize];
                entries.len() == leaves.len() && entries.iter().zip(leaves).all(|(e, leaf)| merkle::leaf_hash(e) == *leaf)
            }),
        };
        let mut findings: Vec<(PathBuf, String)> = Vec::new();
        for tile in tile::all(read.head.size) {
            if !self.has(tile)? {
                findings.push((tile.path().into(), "missing".to_string()));
            }
        }
        let paths = crate::objects::list(&self.root)?;
        let check = |path: &PathBuf| -> Result<Option<(PathBuf, String)>, StoreError> {
            if path == Path::new("checkpoint") {
                return Ok(None);
            }
            let tile = tile::from_path(&path.to_string_lossy()).filter(|t| t.in_tree_of(read.head.size).is_some());
            let reason = match tile {
                None => "no file of this log",
                // Whoever writes may have removed a partial tile that was listed.
                Some(tile) if files::read_if_present(&self.root.join(path))?.is_none_or(|bytes| holds(tile, &bytes)) => return Ok(None),
                Some(_) => "its bytes are not those of the log",
            };
            Ok(Some((path.clone(), reason.to_string())))
        };
        let found: Vec<Option<(PathBuf, String)>> = paths.par_iter().map(check).collect::<Result<_, _>>()?;
        findings.extend(found.into_iter().flatten());
        Ok(findings)
    }
}

/// Appends the leaves of `entries`.
pub(crate) fn extend(tree: &mut Tree, entries: &[Vec<u8>]) {
    leaves(entries).into_iter().for_each(|leaf| tree.push(leaf));
}

/// The leaf hashes of `entries`, on all cores.
pub(crate) fn leaves(entries: &[Vec<u8>]) -> Vec<Digest> {
    entries.par_iter().with_min_len(64).map(|e| merkle::leaf_hash(e)).collect()
}
