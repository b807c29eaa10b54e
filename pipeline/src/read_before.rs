//! What was read of a log before, so that it is not read again: the state and the books at some size of it.
//!
//! The file is a copy of what the log says and may be removed at any time. It is used if the log still has the root at that size that the
//! file names, so it is of this log, whatever was copied or restored; it is never used by an audit.

use std::path::{Path, PathBuf};

use corpus::Digest;
use corpus::merkle::Tree;
use ledger::State;
use rules::accounting::Accounting;
use serde::{Deserialize, Serialize};
use store::follow::follow;
use store::{LogFiles, files};

use crate::error::{PipelineError, Result};

/// Begins the file. Another number means other bytes: a test over the bytes of a state says when to raise it.
const FORM: &[u8] = concat!("assay ", env!("CARGO_PKG_VERSION"), " state and books, form 2\n").as_bytes();

/// The file is written again when the log has grown by this part of what it had, so that writing costs no more than reading the entries did.
const GROWTH: u64 = 64;
/// Fewer new entries are read quicker than the file is written.
const FEW: u64 = 64;

/// State and books after the first entries of a log.
#[derive(Clone, Default)]
pub(crate) struct ReadBefore {
    /// After [`State::size`] entries.
    pub(crate) state: State,
    /// As far as they were asked for, at most to the same size.
    pub(crate) books: Accounting,
}

#[derive(Serialize)]
struct Written<'a> {
    size: u64,
    root: Digest,
    state: &'a State,
    books: &'a Accounting,
}

#[derive(Deserialize)]
struct Found {
    size: u64,
    root: Digest,
    state: State,
    books: Accounting,
}

fn path(dir: &Path) -> PathBuf {
    dir.join("state/read-before")
}

impl ReadBefore {
    /// What the home in `dir` kept, if it is of the log with `tree`; nothing if there is no such file, or it is damaged or of another program.
    pub(crate) fn find(dir: &Path, tree: &Tree) -> ReadBefore {
        let found = || -> Option<ReadBefore> {
            // Who may not read it reads the log.
            let bytes = std::fs::read(path(dir)).ok()?;
            let (digest, body) = bytes.strip_prefix(FORM)?.split_first_chunk::<32>()?;
            // A crash may have torn it: it is not synced.
            let whole = Digest::of(body).0 == *digest;
            let found: Found = whole.then(|| postcard::from_bytes(body).ok()).flatten()?;
            let of_this_log = found.size <= tree.size() && found.state.size == found.size && tree.root(found.size) == found.root;
            of_this_log.then_some(ReadBefore { state: found.state, books: found.books })
        };
        found().unwrap_or_default()
    }

    /// Reads on to the end of the log; the signatures of entries that are read now are checked.
    ///
    /// # Errors
    /// If an entry is not the one that is in the tree, or a rule of the log forbids it.
    pub(crate) fn read_on(mut self, files: &LogFiles, tree: &Tree) -> Result<ReadBefore> {
        let state = &mut self.state;
        files.entries_of(tree, state.size..tree.size(), |_, entries| Ok::<_, PipelineError>(follow(state, &entries, 0, |_, _| {})?))?;
        Ok(self)
    }
}

/// Keeps `state` and `books` for the next command, if the log has grown enough since `kept` entries; returns how many are kept now.
///
/// It is a copy: what hinders it is not reported, and nothing waits for the disk.
pub(crate) fn keep(dir: &Path, tree: &Tree, state: &State, books: &Accounting, kept: u64) -> u64 {
    let size = state.size;
    if size != tree.size() || size < kept + (kept / GROWTH).max(FEW) {
        return kept;
    }
    let written = Written { size, root: tree.root(size), state, books };
    let Ok(body) = postcard::to_stdvec(&written) else { return kept };
    let bytes = [FORM, &Digest::of(&body).0, &body].concat();
    if files::write_copy(&path(dir), &bytes, 0o600).is_ok() { size } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contributor::{New, add_all};
    use crate::witnesses::WitnessChoice;
    use crate::{Home, Snapshot};

    const TIME: u64 = 1_800_000_000;

    async fn home(dir: &Path, seed: u64) -> Home {
        Home::init(dir, "kept.test/log", (None, None), ("XTS", None), Some(seed), &WitnessChoice::All(Vec::new()), TIME).await.unwrap()
    }

    async fn register(home: &mut Home, people: std::ops::Range<u32>) {
        let names: Vec<String> = people.map(|i| format!("person {i}")).collect();
        let new: Vec<New> = names.iter().map(|name| New { name, own: None, payee: None }).collect();
        add_all(home, &new).await.unwrap();
    }

    fn contributors(dir: &Path) -> usize {
        Snapshot::open(dir, TIME).unwrap().state.contributors.len()
    }

    /// Entries whose signatures the next command does not check again.
    fn kept(dir: &Path) -> u64 {
        let snapshot = Snapshot::open(dir, TIME).unwrap();
        ReadBefore::find(dir, snapshot.log.tree()).state.size
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_read_is_kept_and_gone_on_from() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = home(dir.path(), 1).await;
        register(&mut home, 0..100).await;
        assert_eq!(kept(dir.path()), 101);
        // Too few to write it again.
        register(&mut home, 100..110).await;
        assert_eq!((kept(dir.path()), contributors(dir.path())), (101, 110));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_is_damaged_or_of_another_log_or_of_a_longer_one_is_not_used() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        register(&mut home(dir.path(), 1).await, 0..100).await;
        register(&mut home(other.path(), 2).await, 0..200).await;
        let whole = std::fs::read(path(dir.path())).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        let foreign = std::fs::read(path(other.path())).unwrap();
        for bad in [&flipped[..], &whole[..whole.len() - 1], &foreign, b"", b"assay 9.9.9"] {
            std::fs::write(path(dir.path()), bad).unwrap();
            assert_eq!((kept(dir.path()), contributors(dir.path())), (0, 100));
        }
    }
}
