//! What a home says at one signed tree head, for whoever only looks.
//!
//! A snapshot is taken from files that are published whole: the signed tree head, the tiles under it, and objects named by digest. It needs
//! no lock, no database and no write access, and another process may append meanwhile: what that adds lies outside of the tree that is read.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use corpus::merkle::Tree;
use corpus::objects::{Class, ObjectError, ReadObjects};
use corpus::{ContributorId, Digest, EntryIndex};
use ledger::entry::Holder;
use ledger::{EntryProof, Note, PublicKey, State, Verifier};
use rules::Archive;
use rules::accounting::Accounting;
use rules::listener::{Listener, Silent};
use store::follow::follow;
use store::log::ReadLog;
use store::{LogFiles, Objects, Sequencer, files};

use crate::config::{Config, config_of_home, objects_of};
use crate::error::{Context, Kind, PipelineError, Result, failure, usage};
use crate::keys::public_at_hand;
use crate::secrets::Secrets;

/// What a home says, at one tree head; an open [`crate::Home`] has the one that is newest.
pub struct Snapshot {
    /// The home's folder.
    pub dir: PathBuf,
    /// Objects and log; a snapshot can be used wherever an archive can.
    pub(crate) archive: Archive,
    /// The home's config.
    pub config: Config,
    /// Secrets that the home drew.
    pub secrets: Secrets,
    /// Who hears how far something got; nobody, unless somebody is given.
    pub listener: Arc<dyn Listener>,
    /// Seconds since 1970, the same for everything that one command writes.
    pub now: u64,
    /// The home's objects, and what looking made.
    pub(crate) beside: Arc<Beside>,
    /// The log, read or held.
    pub(crate) log: Log,
    /// The books as far as somebody asked for them; empty until then.
    pub(crate) books: OnceLock<Accounting>,
    /// Public keys of contributors by their names in this home.
    pub(crate) keys: BTreeMap<String, PublicKey>,
}

/// A log as a snapshot has it.
pub(crate) enum Log {
    /// As its files were when they were read.
    Read(LogFiles, Box<ReadLog>),
    /// Held by this process, which is the one that appends.
    Held(Box<Sequencer>),
}

impl Log {
    fn files(&self) -> &LogFiles {
        match self {
            Log::Read(files, _) => files,
            Log::Held(sequencer) => sequencer.files(),
        }
    }

    fn tree(&self) -> &Tree {
        match self {
            Log::Read(_, read) => &read.tree,
            Log::Held(sequencer) => sequencer.tree(),
        }
    }

    fn head(&self) -> &Note {
        match self {
            Log::Read(_, read) => &read.note,
            Log::Held(sequencer) => sequencer.signed_head().expect("a log with entries is signed"),
        }
    }

    /// The bytes of entry `index`.
    fn entry(&self, index: u64) -> Result<Vec<u8>> {
        let mut found = Vec::new();
        self.files().entries(self.tree().size(), index..index + 1, |_, entries| {
            found.extend(entries);
            Ok::<_, PipelineError>(())
        })?;
        found.pop().with_context(|| format!("entry {index}: the log has {}", self.tree().size()))
    }
}

impl std::ops::Deref for Snapshot {
    type Target = Archive;
    fn deref(&self) -> &Archive {
        &self.archive
    }
}

impl Snapshot {
    /// Reads what the home in `dir` says now; nothing below it is written.
    ///
    /// # Errors
    /// If it is no home, if its files contradict each other, or if the witnesses that the log names did not cosign its tree head.
    pub fn open(dir: &Path, now: u64) -> Result<Snapshot> {
        let config = config_of_home(dir)?;
        let path = dir.join("log.vkey");
        let log = Verifier::from_vkey(&files::read_text(&path)?).with_context(|| path.display().to_string())?;
        let files = LogFiles::new(&dir.join("log"));
        let begun = || usage(format!("{}: the log has no genesis; give `assay init` again", dir.display()));
        let read = files.read(&log)?.filter(|read| read.head.size > 0).ok_or_else(begun)?;
        let state = replayed(&files, read.head.size)?;
        let wrong = |text: String| failure(Kind::Verification, format!("{}: {text}", dir.join("log/checkpoint").display()));
        let policy = state.witnesses_of(read.head.size).context("a log that was read has a genesis")?;
        policy.check(&read.note).map_err(|e| wrong(e.to_string()))?;
        let objects = Arc::new(Beside::new(objects_of(dir)?));
        Ok(Snapshot {
            dir: dir.to_path_buf(),
            archive: Archive { objects: objects.clone(), state },
            beside: objects,
            secrets: Secrets { dir: dir.to_path_buf(), demo_seed: config.demo_seed },
            config,
            listener: Arc::new(Silent),
            now,
            log: Log::Read(files, Box::new(read)),
            books: OnceLock::new(),
            keys: public_keys(dir)?,
        })
    }

    /// The same snapshot, with somebody who hears how far something got.
    #[must_use]
    pub fn listening(self, listener: impl Listener + 'static) -> Snapshot {
        Snapshot { listener: Arc::new(listener), ..self }
    }

    /// Keeps an object beside those of the home, where this snapshot finds it, as long as it lasts.
    ///
    /// # Errors
    /// If there is no temporary folder, or it is full.
    pub fn make(&self, class: Class, bytes: &[u8]) -> Result<Digest> {
        let made = match self.beside.made.get() {
            Some(made) => made,
            None => {
                let folder = tempfile::tempdir()?;
                let objects = Objects::new(folder.path());
                self.beside.made.get_or_init(|| (folder, objects))
            }
        };
        Ok(made.1.put(class, bytes)?)
    }

    /// The log's root hash.
    pub fn root(&self) -> Digest {
        self.log.tree().root(self.log.tree().size())
    }

    /// The leaf hashes of all entries.
    pub fn leaves(&self) -> &[Digest] {
        self.log.tree().level(0)
    }

    /// The books after all entries. The log is taken once; each append goes on from there.
    ///
    /// # Errors
    /// If an entry does not fit the books before it.
    pub fn books(&self) -> Result<&Accounting> {
        if let Some(known) = self.books.get() {
            return Ok(known);
        }
        let books = Accounting::of(&self.archive, self.state.next_index())?;
        Ok(self.books.get_or_init(|| books))
    }

    /// The bytes of entry `index`, and the proof that it is under the newest tree head.
    ///
    /// # Errors
    /// If the log has no such entry, or its file cannot be read.
    pub(crate) fn entry_proof(&self, index: EntryIndex) -> Result<(Vec<u8>, EntryProof)> {
        Ok((self.log.entry(index.0)?, self.proof(index)))
    }

    /// The proof that entry `index` is under the newest tree head.
    ///
    /// # Panics
    /// If the log has no such entry.
    pub fn proof(&self, index: EntryIndex) -> EntryProof {
        let path = self.log.tree().inclusion_proof(index.0, self.log.tree().size());
        EntryProof { index: index.0, path, note: self.log.head().clone() }
    }

    /// The public key of the contributor `name`.
    ///
    /// # Errors
    /// If the home has none of this name.
    pub fn public_key(&self, name: &str) -> Result<&PublicKey> {
        self.keys.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.keys.keys().map(String::as_str).collect();
            usage(format!("contributor {name:?} is unknown; known are {known:?}; add it with `assay contributor add`"))
        })
    }

    /// A contributor's name, or its id if the home has none.
    pub fn name_of(&self, id: &ContributorId) -> String {
        self.keys.iter().find(|(_, key)| self.holder_of(key) == *id).map_or_else(|| id.to_string(), |(name, _)| name.clone())
    }

    /// Names of all contributors of this home.
    pub fn names(&self) -> HashMap<ContributorId, String> {
        self.keys.iter().map(|(name, key)| (self.holder_of(key), name.clone())).collect()
    }

    /// The contributor that a key is of: the id of its first key, whichever is in force.
    pub(crate) fn holder_of(&self, key: &PublicKey) -> ContributorId {
        match self.state.holder(key) {
            Some(Holder::Contributor(id)) => id,
            _ => ContributorId::of_key(&key.to_bytes()),
        }
    }

    /// The id of the contributor `name`.
    pub(crate) fn contributor_id(&self, name: &str) -> Result<ContributorId> {
        Ok(self.holder_of(self.public_key(name)?))
    }
}

/// What the log says after replaying its first `size` entries.
pub(crate) fn replayed(files: &LogFiles, size: u64) -> Result<State> {
    let mut state = State::default();
    files.entries(size, 0..size, |_, entries| Ok::<_, PipelineError>(follow(&mut state, &entries, 0, |_, _| {})?))?;
    Ok(state)
}

/// Public keys by the names of their files; a key that cannot be read without a passphrase or a permission has no name here.
fn public_keys(dir: &Path) -> Result<BTreeMap<String, PublicKey>> {
    let folder = dir.join("keys/contributors");
    // Names are for people: who may read the log and not the keys sees ids.
    let Ok(paths) = store::objects::list(&folder) else { return Ok(BTreeMap::new()) };
    let mut found = BTreeMap::new();
    for path in paths {
        let (Some(name), Some("key" | "vkey")) = (path.file_stem().and_then(|s| s.to_str()), path.extension().and_then(|s| s.to_str()))
        else {
            continue;
        };
        if let Some(key) = public_at_hand(&folder.join(&path))? {
            found.insert(name.to_string(), key);
        }
    }
    Ok(found)
}

/// A home's objects, and beside them what looking made: that lies in a temporary folder, which goes with the snapshot.
pub(crate) struct Beside {
    home: Objects,
    made: OnceLock<(tempfile::TempDir, Objects)>,
}

impl Beside {
    pub(crate) fn new(home: Objects) -> Beside {
        Beside { home, made: OnceLock::new() }
    }
}

impl ReadObjects for Beside {
    fn get(&self, class: Class, digest: &Digest) -> Result<Vec<u8>, ObjectError> {
        match self.made.get() {
            Some((_, made)) if made.has(class, digest) => ReadObjects::get(made, class, digest),
            _ => ReadObjects::get(&self.home, class, digest),
        }
    }

    fn size(&self, class: Class, digest: &Digest) -> Option<u64> {
        ReadObjects::size(&self.home, class, digest).or_else(|| self.made.get().and_then(|(_, made)| made.size(class, digest)))
    }

    fn list(&self, class: Class) -> Result<Vec<Digest>, ObjectError> {
        ReadObjects::list(&self.home, class)
    }
}
