//! A home: config, keys, log, objects, index, and the one way entries are made.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use corpus::{ContributorId, Digest};
use ledger::books::Movement;
use ledger::entry::{Genesis, Holder};
use ledger::key::Algorithm;
use ledger::tree_head::draw_seed;
use ledger::{Entry, EntryProof, Envelope, Note, PublicKey, SecretKey, State, TreeHead, Verifier, WitnessPolicy};
use serde::{Deserialize, Serialize};
use store::admission::{Admitted, admit};
use store::follow::{draws, entry_draws, follow, parse};
use store::{Applied, Cosigner, FileWitness, HeadKeeper, Index, Objects, RemoteWitness, Sequencer, StoreError, Witness, Witnesses, files};

use crate::failure::{Kind, failure, usage};
use crate::keys::{self, read as read_key};
use crate::money::accounting::Accounting;

/// Movements in the books, by the index of their entry.
type Moved = BTreeMap<u64, Movement>;

/// `assay.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The log's name.
    pub origin: String,
    /// Where the index is: `sqlite:index.db` in the home, or a Postgres URL.
    pub database: String,
    /// Where objects are, if not in the home: the URL of a bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// A seed that all keys derive from; a demonstration, and anybody who knows it can sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demo_seed: Option<u64>,
}

/// A home's file with the `tlog-policy` in force, which the log has too.
const WITNESS_POLICY: &str = "witness-policy";

/// The witnesses of a new home, beside its own.
pub enum WitnessChoice {
    /// URL and verifier key of each; all have to cosign.
    All(Vec<(String, String)>),
    /// The rest of a C2SP `tlog-policy` after its log and the home's own witness, which is named `home`.
    Policy(String),
}

const ROLES: [(&str, Algorithm); 4] = [
    ("operator", Algorithm::Ed25519),
    ("approver", Algorithm::Ed25519),
    ("log", Algorithm::Ed25519),
    ("witness", Algorithm::CosignatureV1),
];

/// What anybody can have of a home: its objects, and what its log says.
pub struct Archive {
    /// Its folder.
    pub dir: PathBuf,
    /// Immutable files.
    pub objects: Objects,
    /// What the log says.
    pub state: State,
}

impl Archive {
    /// The genesis entry.
    pub fn genesis(&self) -> &Genesis {
        self.state.genesis.as_ref().expect("a log that was read has a genesis")
    }

    /// The seed that a cosigned tree head of this log gives.
    pub fn draw_seed(&self, note: &str) -> Result<Digest> {
        let note = Note::from_text(note)?;
        let size = TreeHead::from_text(&note.text)?.size;
        Ok(draw_seed(&note, self.state.witnesses_of(size).expect("a log that was read has a genesis"))?)
    }
}

/// An open home; no other process has it.
pub struct Home {
    /// Objects and log; a home can be used wherever an archive can.
    archive: Archive,
    /// Its config.
    pub config: Config,
    /// The index.
    pub index: Index,
    /// Seconds since 1970, the same for everything that one command writes.
    pub now: u64,
    sequencer: Sequencer,
    operator: SecretKey,
    /// Contributors' keys by name; verifier keys alone for those who keep their own.
    pub contributors: BTreeMap<String, ContributorKey>,
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

/// 32 bytes from the system's generator, or from a demonstration's seed and a label.
fn secret(seed: Option<u64>, label: &str) -> Result<[u8; 32]> {
    match seed {
        Some(seed) => Ok(Digest::of_parts(&[b"assay demo secret v1", &seed.to_be_bytes(), label.as_bytes()]).0),
        None => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(|e| failure(Kind::Io, format!("the system's random generator: {e}")))?;
            Ok(bytes)
        }
    }
}

fn key_path(dir: &Path, role: &str) -> PathBuf {
    dir.join("keys").join(format!("{role}.key"))
}

/// Folders and file names that contributors' names become.
fn check_name(name: &str) -> Result<()> {
    let fits = !name.is_empty()
        && name.len() <= 100
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if fits {
        Ok(())
    } else {
        Err(usage(format!("contributor name {name:?}: expected at most 100 of A-Z a-z 0-9 . _ -, not starting with a dot")))
    }
}

impl std::ops::Deref for Home {
    type Target = Archive;
    fn deref(&self) -> &Archive {
        &self.archive
    }
}

impl Home {
    /// Whether `dir` is a home.
    pub fn exists(dir: &Path) -> bool {
        dir.join("assay.toml").is_file()
    }

    /// Makes a home: keys, config and the genesis entry. Doing it again after a crash goes on where it stopped.
    pub async fn init(
        dir: &Path,
        origin: &str,
        (database, storage): (Option<&str>, Option<&str>),
        currency: (&str, u8),
        demo_seed: Option<u64>,
        witnesses: &WitnessChoice,
        now: u64,
    ) -> Result<Home> {
        if origin.is_empty() || origin.contains(|c: char| c.is_whitespace() || c == '+') {
            return Err(usage(format!("origin {origin:?}: expected a name without spaces and plus signs")));
        }
        let config = Config {
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
                let key = SecretKey::from_seed(&name, algorithm, &secret(demo_seed, role)?);
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
        let mut home = Home::open_or_begun(dir, now).await?;
        if home.state.size == 0 {
            let public = |role: &str| read_key(&key_path(dir, role));
            let genesis = Genesis {
                origin: origin.to_string(),
                demo: demo_seed.is_some(),
                operator: public("operator")?.public(),
                approver: public("approver")?.public(),
                log: public("log")?.vkey(),
                witness_policy: policy,
                currency: currency.0.to_string(),
                currency_exponent: currency.1,
                time: now,
            };
            home.append(vec![genesis.into()]).await?;
        }
        Ok(home)
    }

    /// Opens a home: replays its log, brings the index up to date.
    pub async fn open(dir: &Path, now: u64) -> Result<Home> {
        let home = Home::open_or_begun(dir, now).await?;
        if home.state.size == 0 {
            return Err(usage(format!("{}: the log has no genesis; give `assay init` again", dir.display())));
        }
        Ok(home)
    }

    /// A home as `init` finds it: its log may still be empty.
    async fn open_or_begun(dir: &Path, now: u64) -> Result<Home> {
        let config = config_of_home(dir)?;
        let log = read_key(&key_path(dir, "log"))?;
        // Anybody can derive a demonstration's keys, and two homes of one seed are two logs of one key.
        let outside = if config.demo_seed.is_none() { Some(state_folder()?.join(log.public().key_id().to_string())) } else { None };
        let path = dir.join(WITNESS_POLICY);
        let policy = String::from_utf8(files::read(&path)?).with_context(|| path.display().to_string())?;
        let index = Index::open(&database_url(dir, &config)).await.with_context(|| format!("database {}", config.database))?;
        let witnesses = asked(dir, &policy, &config, &index)?;
        let mut sequencer = Sequencer::open(&dir.join("log"), &dir.join("state/lock"), log, witnesses, outside, now)?;
        // Nobody else works on a database in the home.
        if !index.is_shared() {
            index.release_all().await?;
        }
        sweep(dir)?;
        let state = replayed(&sequencer)?;
        // A crash after a change of witnesses left the old ones here.
        if let Some(logged) = current_policy(&state).filter(|logged| **logged != policy) {
            files::write(&path, logged.as_bytes(), 0o644)?;
            sequencer.set_witnesses(asked(dir, logged, &config, &index)?);
        }
        let mut home = Home {
            archive: Archive { dir: dir.to_path_buf(), objects: objects_of(dir)?, state },
            operator: read_key(&key_path(dir, "operator"))?,
            contributors: read_contributors(dir)?,
            config,
            index,
            now,
            sequencer,
        };
        if home.state.size > 0 {
            home.keep_head()?;
        }
        home.sync_index().await?;
        crate::stages::withdraw::destroy(&home)?;
        Ok(home)
    }

    /// The log's root hash.
    pub fn root(&self) -> Digest {
        self.sequencer.root()
    }

    /// The operator's key.
    pub fn operator(&self) -> &SecretKey {
        &self.operator
    }

    /// Appends operator's entries as one batch; returns the first index.
    pub async fn append(&mut self, entries: Vec<Entry>) -> Result<u64> {
        let envelopes = entries.iter().map(|e| Ok(Envelope::sign(e.to_payload()?, &[&self.operator]))).collect::<Result<Vec<_>>>()?;
        self.append_envelopes(envelopes).await
    }

    /// Appends an entry signed by the contributor `name`: with `key`, or by the operator where it holds the key.
    pub async fn append_for(&mut self, name: &str, key: Option<&SecretKey>, entry: Entry) -> Result<u64> {
        let payload = entry.to_payload()?;
        let envelope = match (self.contributor_key(name)?, key) {
            (ContributorKey::Custodial(held), None) => Envelope::sign(payload, &[&self.operator, held]),
            (ContributorKey::Custodial(_), Some(key)) => Envelope::sign(payload, &[&self.operator, key]),
            (ContributorKey::Own(_), Some(key)) if matches!(entry, Entry::Registration(_)) => {
                Envelope::sign(payload, &[&self.operator, key])
            }
            (ContributorKey::Own(_), Some(key)) => Envelope::sign(payload, &[key]),
            (ContributorKey::Own(_), None) => {
                return Err(usage(format!("contributor {name}: its key is not in this home; give it with --key FILE")));
            }
        };
        self.append_envelopes(vec![envelope]).await
    }

    /// Appends envelopes that are signed already. Rules are checked before anything is written.
    pub async fn append_envelopes(&mut self, envelopes: Vec<Envelope>) -> Result<u64> {
        let bytes = envelopes.iter().map(Envelope::to_bytes).collect::<Result<Vec<_>, _>>()?;
        let mut entries = Vec::with_capacity(envelopes.len());
        for envelope in &envelopes {
            match self.archive.state.apply(envelope) {
                Ok(entry) => entries.push(entry),
                Err(violation) => {
                    // What this batch did so far is undone by what the log says.
                    if !entries.is_empty() {
                        self.archive.state = replayed(&self.sequencer)?;
                    }
                    return Err(violation.into());
                }
            }
        }
        // What the books refuse is not logged.
        let moved = self.movements(self.sequencer.size(), &entries);
        let (first, moved) = match moved.and_then(|moved| Ok((self.sequencer.append(&bytes, self.now)?, moved))) {
            Ok(appended) => appended,
            Err(e) => {
                self.archive.state = replayed(&self.sequencer)?;
                return Err(e);
            }
        };
        self.after_append(&entries)?;
        self.apply_to_index(first, &bytes, entries, moved).await?;
        Ok(first)
    }

    /// Appends what is `ready` while it looks which of `batch` may come next; says with which index the first began.
    ///
    /// One waits for the disk and the other needs the cores. `known` has the indexes of entries in the log and of those that are ready. If the
    /// append fails, what was admitted after it is void too. The index does not have the new entries yet: see [`Home::index_admitted`].
    pub fn advance(
        &mut self,
        ready: Option<&Admitted>,
        known: &HashMap<Digest, u64>,
        batch: &[Vec<u8>],
    ) -> Result<(Option<u64>, Admitted)> {
        let ends = |e: &Entry| entry_draws(e) || matches!(e, Entry::WitnessChange(_));
        let (state, sequencer, now) = (&mut self.archive.state, &mut self.sequencer, self.now);
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
                self.archive.state = replayed(&self.sequencer)?;
                Err(e.into())
            }
        }
    }

    /// Brings what was admitted into the index.
    pub async fn index_admitted(&mut self, first: u64, new: Admitted) -> Result<()> {
        let moved = self.movements(first, &new.entries)?;
        self.apply_to_index(first, &new.bytes, new.entries, moved).await
    }

    /// The leaf hashes of all entries.
    pub fn leaves(&self) -> &[Digest] {
        self.sequencer.tree().level(0)
    }

    /// What has to follow an append: the tree head that draws is kept, and new witnesses are asked from now on.
    fn after_append(&mut self, entries: &[Entry]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        // A crash from here on leaves an index that is behind; the next start brings it up to date.
        self.keep_head()?;
        if let Some(Entry::WitnessChange(e)) = entries.iter().rfind(|e| matches!(e, Entry::WitnessChange(_))) {
            let policy = e.witness_policy.clone();
            files::write(&self.dir.join(WITNESS_POLICY), policy.as_bytes(), 0o644)?;
            self.sequencer.set_witnesses(asked(&self.dir, &policy, &self.config, &self.index)?);
        }
        Ok(())
    }

    /// Keeps the cosigned tree head of this size if it draws: that is needed after the log has grown.
    fn keep_head(&self) -> Result<()> {
        if !draws(&self.sequencer.entry(self.sequencer.size() - 1)?) {
            return Ok(());
        }
        let note = self.sequencer.signed_head().expect("just published");
        // Of the sequencer: the state may have admitted more already.
        let size = self.sequencer.size().to_string();
        Ok(files::write(&self.dir.join("state/heads").join(size), note.to_text().as_bytes(), 0o600)?)
    }

    /// The cosigned tree head of exactly `size`.
    pub fn head_at(&self, size: u64) -> Result<String> {
        if self.sequencer.size() == size {
            return Ok(self.sequencer.signed_head().expect("a log with entries is signed").to_text());
        }
        let path = self.dir.join("state/heads").join(size.to_string());
        Ok(String::from_utf8(files::read(&path)?)?)
    }

    async fn apply_to_index(&mut self, first: u64, bytes: &[Vec<u8>], entries: Vec<Entry>, mut moved: Moved) -> Result<()> {
        let applied = |((index, bytes), entry): ((u64, &Vec<u8>), Entry)| Applied {
            index,
            digest: Digest::of(bytes),
            movement: moved.remove(&index),
            entry,
        };
        let applied: Vec<Applied> = (first..).zip(bytes).zip(entries).map(applied).collect();
        Ok(self.index.apply(&applied, &self.genesis().currency).await?)
    }

    /// What entries from `first` on move, which the state has already.
    fn movements(&self, first: u64, entries: &[Entry]) -> Result<Moved> {
        // Most entries move nothing, and the books before them need not be looked at.
        if !entries.iter().any(Entry::moves_money) {
            return Ok(BTreeMap::new());
        }
        Ok(Accounting::movements(&self.archive, first, first + entries.len() as u64)?.into_iter().collect())
    }

    /// Brings the index up to date; its last entry has to be the log's.
    async fn sync_index(&mut self) -> Result<()> {
        let known = match self.index.last().await? {
            None => 0,
            Some((index, digest)) => {
                let same = index < self.state.size && Digest::of(&self.sequencer.entry(index)?).to_string() == digest;
                if !same {
                    let text = "it is of another log, or of entries that this log does not have; run `assay index rebuild`";
                    return Err(StoreError::Index(text.into()).into());
                }
                index + 1
            }
        };
        for start in (known..self.state.size).step_by(4096) {
            let bytes = self.sequencer.entries(start..self.state.size.min(start + 4096))?;
            let entries = (start..).zip(&bytes).map(|(index, b)| Ok(parse(index, b)?.1)).collect::<Result<Vec<_>>>()?;
            let moved = self.movements(start, &entries)?;
            self.apply_to_index(start, &bytes, entries, moved).await?;
        }
        Ok(())
    }

    /// Checks that the index is of this log, entry by entry.
    pub async fn index_matches(&self) -> Result<bool> {
        let entries = self.sequencer.entries(0..self.state.size)?;
        Ok(self.index.digests().await?.into_iter().eq(entries.iter().map(|e| Digest::of(e).to_string())))
    }

    /// The bytes of entry `index`, and the proof that it is under the newest tree head.
    ///
    /// # Errors
    /// If the log has no such entry, or its file cannot be read.
    pub fn entry_proof(&self, index: u64) -> Result<(Vec<u8>, EntryProof)> {
        Ok((self.sequencer.entry(index)?, self.proof(index)))
    }

    /// The proof that entry `index` is under the newest tree head.
    ///
    /// # Panics
    /// If the log has no such entry.
    pub fn proof(&self, index: u64) -> EntryProof {
        let path = self.sequencer.tree().inclusion_proof(index, self.sequencer.size());
        EntryProof { index, path, note: self.sequencer.signed_head().expect("a log with entries is signed").clone() }
    }

    /// The key of the contributor `name`.
    pub fn contributor_key(&self, name: &str) -> Result<&ContributorKey> {
        self.contributors.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.contributors.keys().map(String::as_str).collect();
            usage(format!("contributor {name:?} is unknown; known are {known:?}; add it with `assay contributor add`"))
        })
    }

    /// Adds a contributor's key to the home: the given one, or a new one that the operator holds.
    pub fn add_contributor_key(&mut self, name: &str, own: Option<Verifier>) -> Result<ContributorKey> {
        check_name(name)?;
        if let Some(key) = self.contributors.get(name) {
            return Ok(key.clone());
        }
        let folder = self.dir.join("keys/contributors");
        let key = match own {
            Some(verifier) => ContributorKey::Own(verifier),
            None => {
                let seed = secret(self.config.demo_seed, &format!("contributor {name}"))?;
                ContributorKey::Custodial(SecretKey::from_seed(name, Algorithm::Ed25519, &seed))
            }
        };
        write_contributor_key(&folder, name, &key)?;
        self.contributors.insert(name.to_string(), key.clone());
        Ok(key)
    }

    /// A secret that belongs to `label`, the same one whenever it is asked for: drawn once and kept in `state/secrets`.
    pub fn secret(&self, label: &str) -> Result<[u8; 32]> {
        let path = self.dir.join("state/secrets").join(Digest::of(label.as_bytes()).to_string());
        if let Some(bytes) = files::read_if_present(&path)? {
            return bytes.try_into().map_err(|_| failure(Kind::Verification, format!("{}: expected 32 bytes", path.display())));
        }
        let secret = secret(self.config.demo_seed, label)?;
        // Before anything that depends on it is written: a crash then finds the same secret again.
        files::write(&path, &secret, 0o600)?;
        Ok(secret)
    }

    /// Remembers which secret a bundle's salts come from, so that it can be destroyed with it.
    pub fn remember_secret(&self, bundle: &Digest, label: &str) -> Result<()> {
        let path = self.dir.join("state/bundles").join(bundle.to_string());
        Ok(files::write(&path, Digest::of(label.as_bytes()).to_string().as_bytes(), 0o600)?)
    }

    /// Destroys the secret that a bundle's salts come from.
    pub fn destroy_secret(&self, bundle: &Digest) -> Result<()> {
        let path = self.dir.join("state/bundles").join(bundle.to_string());
        if let Some(name) = files::read_if_present(&path)? {
            files::remove(&self.dir.join("state/secrets").join(String::from_utf8_lossy(&name).trim()))?;
            files::remove(&path)?;
        }
        Ok(())
    }

    /// A contributor's name, or its id if the home has none.
    pub fn name_of(&self, id: &ContributorId) -> String {
        self.contributors.iter().find(|(_, k)| self.id_of(k) == *id).map_or_else(|| id.to_string(), |(name, _)| name.clone())
    }

    /// Names of all contributors of this home.
    pub fn names(&self) -> HashMap<ContributorId, String> {
        self.contributors.iter().map(|(name, key)| (self.id_of(key), name.clone())).collect()
    }

    /// The contributor that a key is of: the id of its first key, whichever is in force.
    pub fn id_of(&self, key: &ContributorKey) -> ContributorId {
        match self.state.holder(&key.public()) {
            Some(Holder::Contributor(id)) => id,
            _ => ContributorId::of_key(&key.public().to_bytes()),
        }
    }

    /// The id of the contributor `name`.
    pub fn contributor_id(&self, name: &str) -> Result<ContributorId> {
        Ok(self.id_of(self.contributor_key(name)?))
    }

    /// The file with the operator's or the approver's key.
    pub fn role_path(&self, role: &str) -> PathBuf {
        key_path(&self.dir, role)
    }

    /// Puts a new key in the place of a contributor's.
    pub fn replace_contributor_key(&mut self, name: &str, key: ContributorKey) -> Result<()> {
        let folder = self.dir.join("keys/contributors");
        write_contributor_key(&folder, name, &key)?;
        self.contributors.insert(name.to_string(), key);
        Ok(())
    }

    /// Puts a new key in the place of the operator's or the approver's.
    pub fn replace_role_key(&mut self, role: &str, key: SecretKey) -> Result<()> {
        keys::replace(&key_path(&self.dir, role), &key)?;
        if role == "operator" {
            self.operator = key;
        }
        Ok(())
    }
}

/// What the log says after replaying it.
fn replayed(sequencer: &Sequencer) -> Result<State> {
    let mut state = State::default();
    let size = sequencer.size();
    sequencer.files().entries(size, 0..size, |_, entries| Ok::<_, anyhow::Error>(follow(&mut state, &entries, 0, |_, _| {})?))?;
    Ok(state)
}

/// The witness policy that the last entry about it says.
fn current_policy(state: &State) -> Option<&String> {
    state.witnesses.last().map(|(_, policy)| &policy.text)
}

/// The text of a new home's policy.
fn witness_policy(dir: &Path, choice: &WitnessChoice) -> Result<String> {
    let (log, own) = (read_key(&key_path(dir, "log"))?.vkey(), read_key(&key_path(dir, "witness"))?.vkey());
    let text = match choice {
        WitnessChoice::All(others) => {
            let others = others.iter().map(|(url, vkey)| (vkey.clone(), Some(url.clone())));
            WitnessPolicy::text_of_all(&log, &std::iter::once((own, None)).chain(others).collect::<Vec<_>>())
        }
        WitnessChoice::Policy(rest) => format!("log {log}\nwitness home {own}\n{rest}"),
    };
    WitnessPolicy::from_text(&text).map_err(|e| usage(e.to_string()))?;
    Ok(text)
}

/// Those whom a policy names, as they can be asked: the home's own, others by HTTP, or by files where they have no URL.
fn asked(dir: &Path, policy: &str, config: &Config, index: &Index) -> Result<Witnesses> {
    let policy = WitnessPolicy::from_text(policy).map_err(|e| failure(Kind::Verification, e.to_string()))?;
    let own = read_key(&key_path(dir, "witness"))?;
    let cosigner = |w: &ledger::witness_policy::PolicyWitness| -> Box<dyn Cosigner> {
        match &w.url {
            _ if w.verifier.public == own.public() => Box::new(Witness::new(own.clone(), &dir.join("state/witness"))),
            Some(url) => Box::new(RemoteWitness::new(w.verifier.clone(), url)),
            None => Box::new(FileWitness::new(w.verifier.clone(), &dir.join("state/witnesses").join(&w.name))),
        }
    };
    let cosigners = policy.witnesses.iter().map(cosigner).collect();
    // A database in the home would be restored with it; a demonstration's key is everybody's.
    let kept = config.demo_seed.is_none() && config.database.starts_with("postgres");
    let keeper = kept.then(|| Box::new(HeadKeeper::new(index.clone())) as Box<dyn Cosigner>);
    Ok(Witnesses::new(cosigners, Box::new(move |signed| policy.is_quorum(signed)), draws).after(keeper))
}

/// A home's config, if the folder has one: a copy for an audit has none.
fn config_of(dir: &Path) -> Result<Option<Config>> {
    let path = dir.join("assay.toml");
    let Some(bytes) = files::read_if_present(&path)? else { return Ok(None) };
    Ok(Some(toml::from_str(&String::from_utf8_lossy(&bytes)).with_context(|| path.display().to_string())?))
}

/// The config of a folder that has to be a home.
pub fn config_of_home(dir: &Path) -> Result<Config> {
    config_of(dir)?.ok_or_else(|| usage(format!("{}: no assay.toml in it; make a home with `assay init`", dir.display())))
}

/// The objects of a home, or of a copy of one.
pub fn objects_of(dir: &Path) -> Result<Objects> {
    match config_of(dir)?.and_then(|c| c.storage) {
        Some(url) => Ok(Objects::in_bucket(&url)?),
        None => Ok(Objects::new(&dir.join("objects"))),
    }
}

/// The index's URL, with a relative SQLite path below the home.
pub fn database_url(dir: &Path, config: &Config) -> String {
    match config.database.strip_prefix("sqlite:") {
        Some(path) => format!("sqlite:{}?mode=rwc", dir.join(path).display()),
        None => config.database.clone(),
    }
}

/// Where the last signed tree heads are kept, out of reach of a restored home.
fn state_folder() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".local/state")));
    Ok(base.ok_or_else(|| usage("neither XDG_STATE_HOME nor HOME is set; the last signed tree head is kept there"))?.join("assay"))
}

fn write_contributor_key(folder: &Path, name: &str, key: &ContributorKey) -> Result<()> {
    match key {
        ContributorKey::Own(verifier) => Ok(files::write(&folder.join(format!("{name}.vkey")), verifier.to_vkey().as_bytes(), 0o600)?),
        ContributorKey::Custodial(key) => keys::replace(&folder.join(format!("{name}.key")), key),
    }
}

fn read_contributors(dir: &Path) -> Result<BTreeMap<String, ContributorKey>> {
    let folder = dir.join("keys/contributors");
    let mut found = BTreeMap::new();
    for path in store::objects::list(&folder)? {
        let (Some(name), Some(extension)) = (path.file_stem().and_then(|s| s.to_str()), path.extension().and_then(|s| s.to_str())) else {
            continue;
        };
        let file = folder.join(&path);
        match extension {
            "key" => found.insert(name.to_string(), ContributorKey::Custodial(read_key(&file)?)),
            "vkey" => found.insert(
                name.to_string(),
                ContributorKey::Own(
                    Verifier::from_vkey(&String::from_utf8_lossy(&files::read(&file)?)).with_context(|| file.display().to_string())?,
                ),
            ),
            _ => None,
        };
    }
    Ok(found)
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
