//! What a home says at one signed tree head, for whoever only looks.
//!
//! A snapshot is taken from files that are published whole: the signed tree head, the tiles under it, and objects named by digest. It needs
//! no lock, no database and no write access, and another process may append meanwhile: what that adds lies outside of the tree that is read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use corpus::merkle::Tree;
use corpus::objects::{Class, ObjectError, ReadObjects};
use corpus::{ContributorId, Digest, EntryIndex};
use ledger::{EntryProof, Note, PublicKey, Verifier};
use rules::Archive;
use rules::accounting::Accounting;
use rules::listener::{Listener, Silent};
use store::log::ReadLog;
use store::{LogFiles, Objects, Sequencer, StoreError, files};

use crate::config::{Config, config_of_home, objects_of};
use crate::error::{Context, Kind, Result, failure, usage};
use crate::keys::{contributor_path, public_at_hand};
use crate::names::Names;
use crate::read_before::ReadBefore;
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
    /// The books of this size of the log, as far as somebody asked for them.
    pub(crate) books: KeptBooks,
    /// Names of contributors, once somebody asked for one.
    pub(crate) names: OnceLock<Names>,
}

/// The books of an archive: begun where an earlier command left them, brought to the archive's size when somebody asks.
#[derive(Default)]
pub(crate) struct KeptBooks {
    begun: Mutex<Accounting>,
    whole: OnceLock<Accounting>,
}

impl KeptBooks {
    /// Books that go on from `begun`.
    pub(crate) fn from(begun: Accounting) -> KeptBooks {
        KeptBooks { begun: Mutex::new(begun), whole: OnceLock::new() }
    }

    /// The books after all entries of `archive`.
    fn of(&self, archive: &Archive) -> Result<&Accounting> {
        if self.whole.get().is_none() {
            let mut begun = self.begun.lock().expect("nobody panics with it");
            let mut books = std::mem::take(&mut *begun);
            books.turn_to(archive, archive.state.next_index())?;
            self.whole.get_or_init(|| books);
        }
        Ok(self.whole.get().expect("just set"))
    }

    /// The books as far as they are known.
    pub(crate) fn take(&mut self) -> Accounting {
        self.whole.take().unwrap_or_else(|| std::mem::take(self.begun.get_mut().expect("nobody panics with it")))
    }

    /// What [`KeptBooks::take`] would give.
    pub(crate) fn with<T>(&self, use_it: impl FnOnce(&Accounting) -> T) -> T {
        match self.whole.get() {
            Some(books) => use_it(books),
            None => use_it(&self.begun.lock().expect("nobody panics with it")),
        }
    }
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

    pub(crate) fn tree(&self) -> &Tree {
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
        self.files().entries_of(self.tree(), index..index + 1, |_, entries| {
            found.extend(entries);
            Ok::<_, StoreError>(())
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
        let read = files.look(&log)?.filter(|read| read.head.size > 0).ok_or_else(begun)?;
        let ReadBefore { state, books } = ReadBefore::find(dir, &read.tree).read_on(&files, &read.tree)?;
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
            books: KeptBooks::from(books),
            names: OnceLock::new(),
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

    /// The books after all entries. They go on from where an earlier command left them.
    ///
    /// # Errors
    /// If an entry does not fit the books before it.
    pub fn books(&self) -> Result<&Accounting> {
        self.books.of(&self.archive)
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

    /// Names and ids of the contributors that have a name in this home.
    pub(crate) fn known(&self) -> Result<&Names> {
        if self.names.get().is_none() {
            let names = Names::read(&self.dir)?;
            self.names.get_or_init(|| names);
        }
        Ok(self.names.get().expect("just set"))
    }

    /// The public key of the contributor `name` (or with this id): the one in force, or the one that is in the home and not registered yet.
    ///
    /// # Errors
    /// If the home has none of this name.
    pub fn public_key(&self, name: &str) -> Result<PublicKey> {
        let id = self.contributor_id(name)?;
        if let Some(contributor) = self.state.contributors.get(&id) {
            return Ok(contributor.key.key);
        }
        for extension in ["key", "vkey"] {
            if let Some(key) = public_at_hand(&contributor_path(&self.dir, &id, extension))? {
                return Ok(key);
            }
        }
        Err(usage(format!("contributor {name:?} is not registered, and its key cannot be read")))
    }

    /// A contributor's name, or its id if the home has none.
    pub fn name_of(&self, id: &ContributorId) -> String {
        // Names are for people: where they cannot be read, ids are shown.
        self.known().ok().and_then(|names| names.name(id)).map_or_else(|| id.to_string(), String::clone)
    }

    /// Names of all contributors of this home.
    pub fn names(&self) -> HashMap<ContributorId, String> {
        self.known().map(|names| names.all().map(|(name, id)| (id, name.clone())).collect()).unwrap_or_default()
    }

    /// The id of the contributor `name`, which may be an id itself.
    pub fn contributor_id(&self, name: &str) -> Result<ContributorId> {
        let names = self.known()?;
        if let Some(id) = names.id(name) {
            return Ok(id);
        }
        if let Some(id) = name.parse().ok().filter(|id| self.state.contributors.contains_key(id)) {
            return Ok(id);
        }
        let mut known: Vec<&String> = names.all().map(|(name, _)| name).take(20).collect();
        let more = names.all().count() - known.len();
        known.sort();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Err(usage(format!("contributor {name:?} is unknown; known are {known:?}{more}; add it with `assay contributor add`")))
    }
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
