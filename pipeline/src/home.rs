//! A home: keys, log, objects, catalog, and the one way entries are made.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use corpus::{ContributorId, Digest, EntryIndex};
use ledger::amount::iso4217_exponent;
use ledger::books::Movement;
use ledger::entry::{Genesis, HOME_FORMAT, Holder};
use ledger::history::Logged;
use ledger::key::Algorithm;
use ledger::{Entry, Envelope, PublicKey, SecretKey, State, Verifier};
use rules::Archive;
use rules::listener::{Listener, Silent};
use store::admission::{Admitted, admit};
use store::follow::{draws, entry_draws, parse};
use store::{Applied, Catalog, Objects, Sequencer, StoreError, files};

use crate::config::{Config, catalog_place, config_of, config_of_home, objects_of, state_folder};
use crate::destroy::destroy;
use crate::error::{Context, Result, usage};
use crate::keys::{self, contributor_path, key_path, read as read_key};
use crate::names;
use crate::read_before::{self, ReadBefore};
use crate::secrets::{Secrets, make as make_secret};
use crate::snapshot::{Beside, KeptBooks, Log, Snapshot};
use crate::witnesses::{WITNESS_POLICY, WitnessChoice, asked, witness_policy};

/// Movements in the books, by the index of their entry.
type Moved = BTreeMap<EntryIndex, Movement>;

const ROLES: [(&str, Algorithm); 4] = [
    ("operator", Algorithm::Ed25519),
    ("approver", Algorithm::Ed25519),
    ("log", Algorithm::Ed25519),
    ("witness", Algorithm::CosignatureV1),
];

/// An open home; no other process has it.
pub struct Home {
    /// What it says now; a home can be used wherever a snapshot or an archive can.
    snapshot: Snapshot,
    /// Immutable files, which it adds to.
    pub objects: Objects,
    /// The catalog.
    pub catalog: Catalog,
    operator: SecretKey,
    /// Entries whose state and books are kept for the next command.
    kept: u64,
    _writing: Writing,
}

/// A file that is there while a home is open: where it is found, the last process was killed.
struct Writing(PathBuf);

impl Writing {
    /// Begins; says whether the last one did not end.
    fn begin(dir: &Path) -> Result<(Writing, bool)> {
        let path = dir.join("state/writing");
        let killed = path.exists();
        if !killed {
            std::fs::write(&path, "").with_context(|| path.display().to_string())?;
        }
        Ok((Writing(path), killed))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // If it stays, the next start looks for what is not there.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What the home has of a contributor's key.
#[derive(Clone)]
pub enum ContributorKey {
    /// The operator holds it.
    Custodial(SecretKey),
    /// The contributor holds it.
    Own(Verifier),
}

impl ContributorKey {
    /// The public key.
    pub fn public(&self) -> PublicKey {
        match self {
            ContributorKey::Custodial(key) => key.public(),
            ContributorKey::Own(verifier) => verifier.public,
        }
    }
}

/// Decimals of a log's amounts where none are given, for a code that is not of ISO 4217 or has no minor unit there.
const EXPONENT: u8 = 2;

/// The decimals of amounts in `currency`: those of ISO 4217, or where that has none for it, those that are `given`, or 2.
///
/// # Errors
/// If other ones are given than ISO 4217 has: no bank file could be made of such amounts. If none are given and ISO 4217 has another number
/// than 2: a log keeps its decimals for good, and who does not know of them counts hundredths of a yen.
pub fn exponent_of(currency: &str, given: Option<u8>) -> Result<u8> {
    let Some(expected) = iso4217_exponent(currency) else {
        let capitals = currency.to_ascii_uppercase();
        if capitals != currency && iso4217_exponent(&capitals).is_some() {
            return Err(usage(format!("currency {currency:?}: expected capital letters, {capitals:?}")));
        }
        return Ok(given.unwrap_or(EXPONENT));
    };
    match given {
        Some(given) if given != expected => Err(usage(format!(
            "currency {currency}: {given} decimals are given, ISO 4217 has {expected}; give --exponent {expected}, or take another code"
        ))),
        None if expected != EXPONENT => Err(usage(format!(
            "currency {currency}: ISO 4217 has {expected} decimals and a log keeps them for good; if amounts are to be counted so, give --exponent {expected}"
        ))),
        _ => Ok(expected),
    }
}

impl Deref for Home {
    type Target = Snapshot;
    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl DerefMut for Home {
    fn deref_mut(&mut self) -> &mut Snapshot {
        &mut self.snapshot
    }
}

/// The sequencer of an open home's log.
fn held(log: &mut Log) -> &mut Sequencer {
    match log {
        Log::Held(sequencer) => sequencer,
        Log::Read(..) => unreachable!("an open home holds its log"),
    }
}

impl Home {
    /// Whether `dir` is a home.
    pub fn exists(dir: &Path) -> bool {
        dir.join("assay.toml").is_file()
    }

    /// Makes a home: keys, config and the genesis entry. Doing it again after a crash goes on where it stopped.
    ///
    /// `currency` is a code and the decimals of its minor unit; [`exponent_of`] has what they may be.
    pub async fn init(
        dir: &Path,
        origin: &str,
        (database, storage): (Option<&str>, Option<&str>),
        currency: (&str, Option<u8>),
        demo_seed: Option<u64>,
        witnesses: &WitnessChoice,
        now: u64,
    ) -> Result<Home> {
        if origin.is_empty() || origin.contains(|c: char| c.is_whitespace() || c == '+') {
            return Err(usage(format!("origin {origin:?}: expected a name without spaces and plus signs")));
        }
        // Genesis cannot be changed, so this is looked at before anything is written.
        let exponent = exponent_of(currency.0, currency.1)?;
        let config = Config {
            format: HOME_FORMAT,
            origin: origin.to_string(),
            database: database.unwrap_or("sqlite:index.db").to_string(),
            storage: storage.map(str::to_string),
            demo_seed,
        };
        // Its genesis may be signed already and wait for its witnesses.
        if let Some(begun) = config_of(dir)?.filter(|begun| *begun != config) {
            return Err(usage(format!(
                "{}: begun with other settings ({}); give the same ones to go on, or another folder",
                dir.display(),
                toml::to_string(&begun)?.trim_end().replace('\n', ", ")
            )));
        }
        for (role, algorithm) in ROLES {
            let path = key_path(dir, role);
            if !path.exists() {
                let name = if role == "log" { origin.to_string() } else { format!("{origin}/{role}") };
                let key = SecretKey::from_seed(&name, algorithm, &make_secret(demo_seed, role)?);
                keys::write(&path, &key, None)?;
            }
        }
        for role in ["log", "witness"] {
            let vkey = format!("{}\n", read_key(&key_path(dir, role))?.vkey());
            files::write(&dir.join(format!("{role}.vkey")), vkey.as_bytes(), 0o644)?;
        }
        let policy = witness_policy(dir, witnesses)?;
        let path = dir.join(WITNESS_POLICY);
        if let Some(begun) = files::read_if_present(&path)?
            && begun != policy.as_bytes()
        {
            return Err(usage(format!("{}: begun with another witness policy; give the same one to go on", path.display())));
        }
        files::write(&path, policy.as_bytes(), 0o644)?;
        // The config is what makes it a home: written last, so that an interrupted init is done again.
        files::write(&dir.join("assay.toml"), toml::to_string(&config)?.as_bytes(), 0o600)?;
        let mut home = Home::open_or_begun(dir, now, Arc::new(Silent)).await?;
        if home.state.size == 0 {
            let public = |role: &str| read_key(&key_path(dir, role));
            let genesis = Genesis {
                format: HOME_FORMAT,
                origin: origin.to_string(),
                demo: demo_seed.is_some(),
                operator: public("operator")?.public(),
                approver: public("approver")?.public(),
                log: public("log")?.vkey(),
                witness_policy: policy,
                currency: currency.0.to_string(),
                currency_exponent: exponent,
                time: now,
            };
            home.append(vec![genesis.into()]).await?;
        }
        Ok(home)
    }

    /// Opens a home: replays its log, brings the catalog up to date.
    pub async fn open(dir: &Path, now: u64) -> Result<Home> {
        Home::open_with(dir, now, Arc::new(Silent)).await
    }

    /// The same, with somebody who hears how far something got, from opening it on.
    pub async fn open_with(dir: &Path, now: u64, listener: Arc<dyn Listener>) -> Result<Home> {
        let home = Home::open_or_begun(dir, now, listener).await?;
        if home.state.size == 0 {
            return Err(usage(format!("{}: the log has no genesis; give `assay init` again", dir.display())));
        }
        Ok(home)
    }

    /// A home as `init` finds it: its log may still be empty.
    async fn open_or_begun(dir: &Path, now: u64, listener: Arc<dyn Listener>) -> Result<Home> {
        let config = config_of_home(dir)?;
        let log = read_key(&key_path(dir, "log"))?;
        // Anybody can derive a demonstration's keys, and two homes of one seed are two logs of one key.
        let outside = if config.demo_seed.is_none() { Some(state_folder()?.join(log.public().key_id().to_string())) } else { None };
        let path = dir.join(WITNESS_POLICY);
        let policy = files::read_text(&path)?;
        let catalog = Catalog::open(&catalog_place(dir, &config)).await.with_context(|| format!("database {}", config.database))?;
        let witnesses = asked(dir, &policy, &config, &catalog)?;
        let mut sequencer = Sequencer::open(&dir.join("log"), &dir.join("state/lock"), log, witnesses, outside, now)?;
        // Nobody else works on a database in the home.
        if !catalog.is_shared() {
            catalog.release_all().await?;
        }
        let (writing, killed) = Writing::begin(dir)?;
        if killed {
            sweep(dir)?;
        }
        let before = ReadBefore::find(dir, sequencer.tree());
        let kept = before.state.size;
        let ReadBefore { state, books } = before.read_on(sequencer.files(), sequencer.tree())?;
        // A crash after a change of witnesses left the old ones here.
        if let Some(logged) = current_policy(&state).filter(|logged| **logged != policy) {
            files::write(&path, logged.as_bytes(), 0o644)?;
            sequencer.set_witnesses(asked(dir, logged, &config, &catalog)?);
        }
        let objects = objects_of(dir)?;
        let beside = Arc::new(Beside::new(objects.clone()));
        let snapshot = Snapshot {
            dir: dir.to_path_buf(),
            archive: Archive { objects: beside.clone(), state },
            beside,
            secrets: Secrets { dir: dir.to_path_buf(), demo_seed: config.demo_seed },
            config,
            listener,
            now,
            log: Log::Held(Box::new(sequencer)),
            books: KeptBooks::from(books),
            names: OnceLock::new(),
        };
        let mut home = Home { snapshot, objects, catalog, operator: read_key(&key_path(dir, "operator"))?, kept, _writing: writing };
        if home.state.size > 0 {
            home.keep_head()?;
        }
        home.sync_catalog().await?;
        destroy(&home, &home.objects, &home.secrets)?;
        home.keep_read();
        Ok(home)
    }

    /// The same home, with somebody who hears how far something got.
    #[must_use]
    pub fn listening(self, listener: impl Listener + 'static) -> Home {
        Home { snapshot: self.snapshot.listening(listener), ..self }
    }

    /// A secret that belongs to `label`, the same one whenever it is asked for.
    ///
    /// # Errors
    /// If it cannot be made, kept or read.
    pub fn secret(&self, label: &str) -> Result<[u8; 32]> {
        self.secrets.get(label)
    }

    fn sequencer(&self) -> &Sequencer {
        match &self.snapshot.log {
            Log::Held(sequencer) => sequencer,
            Log::Read(..) => unreachable!("an open home holds its log"),
        }
    }

    /// The operator's key.
    pub fn operator(&self) -> &SecretKey {
        &self.operator
    }

    /// Appends operator's entries as one batch; returns the first index.
    pub async fn append(&mut self, entries: Vec<Entry>) -> Result<EntryIndex> {
        let envelopes = entries.iter().map(|e| Ok(Envelope::sign(e.to_payload()?, &[&self.operator]))).collect::<Result<Vec<_>>>()?;
        self.append_envelopes(envelopes).await
    }

    /// Appends an entry signed by the contributor `name`: with `key`, or by the operator where it holds the key.
    pub(crate) async fn append_for(&mut self, name: &str, key: Option<&SecretKey>, entry: Entry) -> Result<EntryIndex> {
        let envelope = self.signed_for(name, &self.contributor_key(name)?, key, &entry)?;
        self.append_envelopes(vec![envelope]).await
    }

    /// An entry signed by the contributor `name`, of whose key the home has `known`: with `key`, or by the operator where it holds the key.
    pub(crate) fn signed_for(&self, name: &str, known: &ContributorKey, key: Option<&SecretKey>, entry: &Entry) -> Result<Envelope> {
        let payload = entry.to_payload()?;
        Ok(match (known, key) {
            (ContributorKey::Custodial(held), None) => Envelope::sign(payload, &[&self.operator, held]),
            (ContributorKey::Custodial(_), Some(key)) => Envelope::sign(payload, &[&self.operator, key]),
            (ContributorKey::Own(_), Some(key)) if matches!(entry, Entry::Registration(_)) => {
                Envelope::sign(payload, &[&self.operator, key])
            }
            (ContributorKey::Own(_), Some(key)) => Envelope::sign(payload, &[key]),
            (ContributorKey::Own(_), None) => {
                return Err(usage(format!("contributor {name}: its key is not in this home; give it with --key FILE")));
            }
        })
    }

    /// Appends envelopes that are signed already. Rules are checked before anything is written.
    pub(crate) async fn append_envelopes(&mut self, envelopes: Vec<Envelope>) -> Result<EntryIndex> {
        let bytes = envelopes.iter().map(Envelope::to_bytes).collect::<Result<Vec<_>, _>>()?;
        let mut entries = Vec::with_capacity(envelopes.len());
        for envelope in &envelopes {
            match self.snapshot.archive.state.apply(envelope) {
                Ok(entry) => entries.push(entry),
                Err(violation) => {
                    // What this batch did so far is undone by what the log says.
                    if !entries.is_empty() {
                        self.forget_unlogged()?;
                    }
                    return Err(violation.into());
                }
            }
        }
        // What the books refuse is not logged.
        let moved = self.movements(EntryIndex(self.sequencer().size()), &entries);
        let now = self.now;
        let (first, moved) = match moved.and_then(|moved| Ok((held(&mut self.log).append(&bytes, now)?, moved))) {
            Ok(appended) => appended,
            Err(e) => {
                self.forget_unlogged()?;
                return Err(e);
            }
        };
        self.after_append(&entries)?;
        self.apply_to_catalog(first, &bytes, entries, moved).await?;
        self.keep_read();
        Ok(first)
    }

    /// Appends what is `ready` while it looks which of `batch` may come next; says with which index the first began.
    ///
    /// One waits for the disk and the other needs the cores. `known` has the indexes of entries in the log and of those that are ready. If the
    /// append fails, what was admitted after it is void too. The catalog does not have the new entries yet: see [`Home::catalog_admitted`].
    pub fn advance(
        &mut self,
        ready: Option<&Admitted>,
        known: &HashMap<Digest, EntryIndex>,
        batch: &[Vec<u8>],
    ) -> Result<(Option<EntryIndex>, Admitted)> {
        let ends = |e: &Entry| entry_draws(e) || matches!(e, Entry::WitnessChange(_));
        let Snapshot { archive, log, now, .. } = &mut self.snapshot;
        let (state, sequencer, now) = (&mut archive.state, held(log), *now);
        // The disk and slow witnesses: others are answered meanwhile.
        let (appended, admitted) = tokio::task::block_in_place(|| {
            rayon::join(|| ready.map(|ready| sequencer.append(&ready.bytes, now)).transpose(), || admit(state, known, batch, ends))
        });
        match appended {
            Ok(first) => {
                self.after_append(ready.map_or(&[], |r| &r.entries))?;
                Ok((first, admitted))
            }
            Err(e) => {
                self.forget_unlogged()?;
                Err(e.into())
            }
        }
    }

    /// State and books are what the log says again, after entries that did not get into it.
    fn forget_unlogged(&mut self) -> Result<()> {
        let tree = self.sequencer().tree();
        let ReadBefore { state, books } = ReadBefore::find(&self.dir, tree).read_on(self.sequencer().files(), tree)?;
        self.snapshot.archive.state = state;
        self.books = KeptBooks::from(books);
        Ok(())
    }

    /// Keeps what was read for the next command, once there is enough of it.
    fn keep_read(&mut self) {
        let (tree, state) = (self.sequencer().tree(), &self.state);
        self.kept = self.books.with(|books| read_before::keep(&self.dir, tree, state, books, self.kept));
    }

    /// Brings what was admitted into the catalog.
    pub async fn catalog_admitted(&mut self, first: EntryIndex, new: Admitted) -> Result<()> {
        let moved = self.movements(first, &new.entries)?;
        self.apply_to_catalog(first, &new.bytes, new.entries, moved).await
    }

    /// What has to follow an append: the tree head that draws is kept, and new witnesses are asked from now on.
    fn after_append(&mut self, entries: &[Entry]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        // A crash from here on leaves a catalog that is behind; the next start brings it up to date.
        self.keep_head()?;
        if let Some(Entry::WitnessChange(e)) = entries.iter().rfind(|e| matches!(e, Entry::WitnessChange(_))) {
            let policy = e.witness_policy.clone();
            files::write(&self.dir.join(WITNESS_POLICY), policy.as_bytes(), 0o644)?;
            let witnesses = asked(&self.dir, &policy, &self.config, &self.catalog)?;
            held(&mut self.log).set_witnesses(witnesses);
        }
        Ok(())
    }

    /// Keeps the cosigned tree head of this size if it draws: that is needed after the log has grown.
    fn keep_head(&self) -> Result<()> {
        if !draws(&self.sequencer().entry(self.sequencer().size() - 1)?) {
            return Ok(());
        }
        let note = self.sequencer().signed_head().expect("just published");
        // Of the sequencer: the state may have admitted more already.
        let size = self.sequencer().size().to_string();
        Ok(files::write(&self.dir.join("state/heads").join(size), note.to_text().as_bytes(), 0o600)?)
    }

    /// The cosigned tree head of exactly `size`.
    pub(crate) fn head_at(&self, size: u64) -> Result<String> {
        if self.sequencer().size() == size {
            return Ok(self.sequencer().signed_head().expect("a log with entries is signed").to_text());
        }
        let path = self.dir.join("state/heads").join(size.to_string());
        Ok(files::read_text(&path)?)
    }

    async fn apply_to_catalog(&mut self, first: EntryIndex, bytes: &[Vec<u8>], entries: Vec<Entry>, mut moved: Moved) -> Result<()> {
        let applied = |((index, bytes), entry): ((EntryIndex, &Vec<u8>), Entry)| Applied {
            index,
            digest: Digest::of(bytes),
            movement: moved.remove(&index),
            entry,
        };
        let applied: Vec<Applied> = first.onwards().zip(bytes).zip(entries).map(applied).collect();
        Ok(self.catalog.apply(&applied, &self.genesis().currency).await?)
    }

    /// What entries from `first` on move, which the state has already.
    fn movements(&mut self, first: EntryIndex, entries: &[Entry]) -> Result<Moved> {
        // Most entries move nothing, and the books before them need not be looked at.
        if !entries.iter().any(Entry::moves_money) {
            return Ok(BTreeMap::new());
        }
        // Books that an entry does not fit are of no use: they are kept only if all did.
        let (mut books, mut moved) = (self.books.take(), Moved::new());
        let end = first + entries.len() as u64;
        books
            .turn_to(&self.snapshot.archive, first)?
            .advance(&self.snapshot.archive, end, |at, movement| drop(moved.insert(at, movement)))?;
        self.books = KeptBooks::from(books);
        Ok(moved)
    }

    /// Brings the catalog up to date; its last entry has to be the log's.
    async fn sync_catalog(&mut self) -> Result<()> {
        let known = match self.catalog.last().await? {
            None => 0,
            Some((index, digest)) => {
                let same = index < self.state.size && Digest::of(&self.sequencer().entry(index)?).to_string() == digest;
                if !same {
                    let text = "it is of another log, or of entries that this log does not have; run `assay catalog rebuild`";
                    return Err(StoreError::Catalog(text.into()).into());
                }
                index + 1
            }
        };
        let bar = self.listener.task("entries in the catalog", self.state.size);
        bar.resume(known);
        for start in (known..self.state.size).step_by(4096) {
            let bytes = self.sequencer().entries(start..self.state.size.min(start + 4096))?;
            let entries = (start..).zip(&bytes).map(|(index, b)| Ok(parse(EntryIndex(index), b)?.1)).collect::<Result<Vec<_>>>()?;
            let moved = self.movements(EntryIndex(start), &entries)?;
            self.apply_to_catalog(EntryIndex(start), &bytes, entries, moved).await?;
            bar.set(self.state.size.min(start + 4096));
        }
        Ok(())
    }

    /// Checks that the catalog is of this log, entry by entry.
    pub(crate) async fn catalog_matches(&self) -> Result<bool> {
        let entries = self.sequencer().entries(0..self.state.size)?;
        Ok(self.catalog.digests().await?.into_iter().eq(entries.iter().map(|e| Digest::of(e).to_string())))
    }

    /// The key of the contributor `name`.
    ///
    /// # Errors
    /// If the home has none of this name, or its file cannot be read.
    pub fn contributor_key(&self, name: &str) -> Result<ContributorKey> {
        let id = self.contributor_id(name)?;
        self.key_of(&id)?.ok_or_else(|| {
            usage(format!("contributor {name:?}: the home has no key of it; whoever registered it sends its entries itself"))
        })
    }

    /// What the home has of the key of contributor `id`.
    pub(crate) fn key_of(&self, id: &ContributorId) -> Result<Option<ContributorKey>> {
        let (held, own) = (contributor_path(&self.dir, id, "key"), contributor_path(&self.dir, id, "vkey"));
        if held.exists() {
            return Ok(Some(ContributorKey::Custodial(read_key(&held)?)));
        }
        let Some(bytes) = files::read_if_present(&own)? else { return Ok(None) };
        let verifier = Verifier::from_vkey(&String::from_utf8_lossy(&bytes)).with_context(|| own.display().to_string())?;
        Ok(Some(ContributorKey::Own(verifier)))
    }

    /// Adds a contributor's key to the home: the given one, or a new one that the operator holds.
    pub(crate) fn add_contributor_key(&mut self, name: &str, own: Option<Verifier>) -> Result<(ContributorId, ContributorKey)> {
        let name = names::check(name)?;
        if let Some(id) = self.known()?.id(&name)
            && let Some(key) = self.key_of(&id)?
        {
            return Ok((id, key));
        }
        let key = match own {
            Some(verifier) => ContributorKey::Own(verifier),
            None => {
                let seed = make_secret(self.config.demo_seed, &format!("contributor {name}"))?;
                // Names of keys have neither spaces nor plus signs; an id has none.
                let id = ContributorId::of_key(&SecretKey::from_seed("", Algorithm::Ed25519, &seed).public().to_bytes());
                ContributorKey::Custodial(SecretKey::from_seed(&id.to_string(), Algorithm::Ed25519, &seed))
            }
        };
        let id = self.id_of(&key);
        write_contributor_key(&self.dir, &id, &key)?;
        // A crash before this leaves a key that nobody has the name of; the contributor is added again.
        let dir = self.dir.clone();
        self.names.get_mut().expect("read above").add(&dir, id, &name)?;
        Ok((id, key))
    }

    /// The contributor that a key is of: the id of its first key, whichever is in force.
    pub fn id_of(&self, key: &ContributorKey) -> ContributorId {
        match self.state.holder(&key.public()) {
            Some(Holder::Contributor(id)) => id,
            _ => ContributorId::of_key(&key.public().to_bytes()),
        }
    }

    /// The file with the operator's or the approver's key.
    pub(crate) fn role_path(&self, role: &str) -> PathBuf {
        key_path(&self.dir, role)
    }

    /// Puts a new key in the place of a contributor's.
    pub(crate) fn replace_contributor_key(&mut self, id: &ContributorId, key: &ContributorKey) -> Result<()> {
        write_contributor_key(&self.dir, id, key)
    }

    /// Puts a new key in the place of the operator's or the approver's.
    pub(crate) fn replace_role_key(&mut self, role: &str, key: SecretKey) -> Result<()> {
        keys::replace(&key_path(&self.dir, role), &key)?;
        if role == "operator" {
            self.operator = key;
        }
        Ok(())
    }
}

/// The witness policy that the last entry about it says.
fn current_policy(state: &State) -> Option<&String> {
    state.witnesses.last().map(|Logged { entry: policy, .. }| &policy.text)
}

fn write_contributor_key(dir: &Path, id: &ContributorId, key: &ContributorKey) -> Result<()> {
    match key {
        ContributorKey::Own(verifier) => Ok(files::write(&contributor_path(dir, id, "vkey"), verifier.to_vkey().as_bytes(), 0o600)?),
        ContributorKey::Custodial(key) => keys::replace(&contributor_path(dir, id, "key"), key),
    }
}

/// Removes temporary files that a killed process left; the lock is held, so nobody is writing one.
fn sweep(dir: &Path) -> Result<()> {
    for folder in ["log", "objects", "state", "keys"] {
        for path in store::objects::list(&dir.join(folder))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.rsplit_once(".tmp.").is_some_and(|(_, pid)| !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit())) {
                let path = dir.join(folder).join(path);
                std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
            }
        }
    }
    Ok(())
}
