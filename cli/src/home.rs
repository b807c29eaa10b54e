//! A home: config, keys, log, objects, index, and the one way entries are made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use corpus::{ContributorId, Digest, canonical};
use ledger::books::{Transfer, transfers};
use ledger::entry::Genesis;
use ledger::key::Algorithm;
use ledger::{Entry, EntryProof, Envelope, SecretKey, State, Verifier};
use serde::{Deserialize, Serialize};
use store::{Class, Cosigner, Index, Objects, Sequencer, StoreError, Witness, files};

use crate::failure::{Kind, failure, usage};
use crate::rules::Rewards;

/// `assay.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The log's name.
    pub origin: String,
    /// Where the index is: `sqlite:index.db` in the home, or a Postgres URL.
    pub database: String,
    /// A seed that all keys derive from; a demonstration, and anybody who knows it can sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demo_seed: Option<u64>,
    /// Witnesses elsewhere, which cosign every tree head before it is published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<RemoteWitness>,
}

/// A witness elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteWitness {
    /// Where it answers `add-checkpoint`.
    pub url: String,
    /// Its verifier key.
    pub vkey: String,
}

const ROLES: [(&str, Algorithm); 4] = [
    ("operator", Algorithm::Ed25519),
    ("approver", Algorithm::Ed25519),
    ("log", Algorithm::Ed25519),
    ("witness", Algorithm::CosignatureV1),
];

/// What anybody can have of a home: its objects, and what its log says.
pub struct Archive {
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
}

/// An open home; no other process has it.
pub struct Home {
    /// Objects and log; a home can be used wherever an archive can.
    archive: Archive,
    /// Its folder.
    pub dir: PathBuf,
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
    /// The contributor's id, while its first key is in force.
    pub fn id(&self) -> ContributorId {
        let public = match self {
            ContributorKey::Custodial(key) => key.public(),
            ContributorKey::Own(verifier) => verifier.public,
        };
        ContributorId::of_key(&public.to_bytes())
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

/// Reads a secret key file.
pub fn read_key(path: &Path) -> Result<SecretKey> {
    let text = String::from_utf8(files::read(path)?).map_err(|_| failure(Kind::Check, "not UTF-8"));
    SecretKey::from_text(&text.with_context(|| path.display().to_string())?).with_context(|| path.display().to_string())
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
        database: Option<&str>,
        currency: (&str, u8),
        demo_seed: Option<u64>,
        witnesses: &[RemoteWitness],
        now: u64,
    ) -> Result<Home> {
        if origin.is_empty() || origin.contains(|c: char| c.is_whitespace() || c == '+') {
            return Err(usage(format!("origin {origin:?}: expected a name without spaces and plus signs")));
        }
        let config = Config {
            origin: origin.to_string(),
            database: database.unwrap_or("sqlite:index.db").to_string(),
            demo_seed,
            witnesses: witnesses.to_vec(),
        };
        if let Some(bytes) = files::read_if_present(&dir.join("assay.toml"))? {
            // Its genesis may be signed already and wait for its witnesses.
            let begun: Config = toml::from_str(&String::from_utf8_lossy(&bytes)).with_context(|| dir.display().to_string())?;
            if begun != config {
                return Err(usage(format!(
                    "{}: begun with other settings ({}); give the same ones to go on, or another folder",
                    dir.display(),
                    String::from_utf8_lossy(&bytes).trim_end().replace('\n', ", ")
                )));
            }
        }
        for (role, algorithm) in ROLES {
            let path = key_path(dir, role);
            if !path.exists() {
                let name = if role == "log" { origin.to_string() } else { format!("{origin}/{role}") };
                let key = SecretKey::from_seed(&name, algorithm, &secret(demo_seed, role)?);
                files::write(&path, key.to_text().as_bytes(), 0o600)?;
            }
        }
        for role in ["log", "witness"] {
            let vkey = format!("{}\n", read_key(&key_path(dir, role))?.vkey());
            files::write(&dir.join(format!("{role}.vkey")), vkey.as_bytes(), 0o644)?;
        }
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
                witnesses: std::iter::once(public("witness")?.vkey()).chain(home.config.witnesses.iter().map(|w| w.vkey.clone())).collect(),
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
        if !Home::exists(dir) {
            return Err(usage(format!("{}: no assay.toml in it; make a home with `assay init`", dir.display())));
        }
        let path = dir.join("assay.toml");
        let config: Config = toml::from_str(&String::from_utf8_lossy(&files::read(&path)?)).with_context(|| path.display().to_string())?;
        let witness = Witness::new(read_key(&key_path(dir, "witness"))?, &dir.join("state/witness"));
        let log = read_key(&key_path(dir, "log"))?;
        // Anybody can derive a demonstration's keys, and two homes of one seed are two logs of one key.
        let outside = if config.demo_seed.is_none() { Some(state_folder()?.join(log.public().key_id().to_string())) } else { None };
        let mut witnesses: Vec<Box<dyn Cosigner>> = vec![Box::new(witness)];
        for w in &config.witnesses {
            let key = Verifier::from_vkey(&w.vkey).with_context(|| path.display().to_string())?;
            witnesses.push(Box::new(store::RemoteWitness::new(key, &w.url)));
        }
        let sequencer = Sequencer::open(&dir.join("log"), &dir.join("state/lock"), log, witnesses, outside, now)?;
        sweep(dir)?;
        let mut state = State::default();
        for bytes in sequencer.entries() {
            state.apply(&Envelope::from_bytes(bytes)?)?;
        }
        let index = Index::open(&database_url(dir, &config)).await.with_context(|| format!("database {}", config.database))?;
        index.release_all().await?;
        let mut home = Home {
            archive: Archive { objects: Objects::new(&dir.join("objects")), state },
            operator: read_key(&key_path(dir, "operator"))?,
            contributors: read_contributors(dir)?,
            dir: dir.to_path_buf(),
            config,
            index,
            now,
            sequencer,
        };
        if home.state.size > 0 {
            home.keep_head()?;
        }
        home.sync_index().await?;
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
        let mut state = self.state.clone();
        for envelope in &envelopes {
            state.apply(envelope)?;
        }
        let bytes = envelopes.iter().map(Envelope::to_bytes).collect::<Result<Vec<_>, _>>()?;
        let first = self.sequencer.append(&bytes, self.now)?;
        // A crash from here on leaves an index that is behind; the next start brings it up to date.
        self.archive.state = state;
        self.keep_head()?;
        self.sync_index().await?;
        Ok(first)
    }

    /// Keeps the cosigned tree head of this size: draws need it after the log has grown.
    fn keep_head(&self) -> Result<()> {
        let note = self.sequencer.signed_head().expect("just published");
        Ok(files::write(&self.dir.join("state/heads").join(self.state.size.to_string()), note.to_text().as_bytes(), 0o600)?)
    }

    /// The cosigned tree head of exactly `size`.
    pub fn head_at(&self, size: u64) -> Result<String> {
        if self.state.size == size {
            return Ok(self.sequencer.signed_head().expect("a log with entries is signed").to_text());
        }
        let path = self.dir.join("state/heads").join(size.to_string());
        Ok(String::from_utf8(files::read(&path)?)?)
    }

    async fn sync_index(&mut self) -> Result<()> {
        let digests: Vec<Digest> = self.sequencer.entries().iter().map(|e| Digest::of(e)).collect();
        if !self.index.is_prefix_of(&digests).await? {
            return Err(StoreError::Index(
                "it is of another log, or of entries that this log does not have; run `assay index rebuild`".into(),
            )
            .into());
        }
        let known = self.index.size().await?;
        for index in known..digests.len() as u64 {
            let bytes = &self.sequencer.entries()[index as usize];
            let entry = Entry::from_payload(&Envelope::from_bytes(bytes)?.payload)?;
            let moved = self.transfers_of(&entry)?;
            let currency = self.genesis().currency.clone();
            self.index.apply(index, &digests[index as usize], &entry, &currency, &moved).await?;
        }
        Ok(())
    }

    /// What an entry moves in the books.
    fn transfers_of(&self, entry: &Entry) -> Result<Vec<Transfer>> {
        let Entry::Statements(e) = entry else { return Ok(Vec::new()) };
        if e.outcome != "settled" {
            return Ok(Vec::new());
        }
        let rewards: Rewards = canonical::from_slice(&self.objects.get(Class::Public, &e.rewards)?)?;
        Ok(transfers(e.run, e.pool_minor, &rewards.rewards))
    }

    /// Checks that the index is of this log, entry by entry.
    pub async fn index_matches(&self) -> Result<bool> {
        let digests: Vec<Digest> = self.sequencer.entries().iter().map(|e| Digest::of(e)).collect();
        Ok(self.index.is_prefix_of(&digests).await? && self.index.size().await? == digests.len() as u64)
    }

    /// The bytes of entry `index`, and the proof that it is under the newest tree head.
    ///
    /// # Panics
    /// If the log has no such entry.
    pub fn entry_proof(&self, index: u64) -> (&[u8], EntryProof) {
        let path = self.sequencer.tree().inclusion_proof(index, self.sequencer.size());
        let note = self.sequencer.signed_head().expect("a log with entries is signed").clone();
        (&self.sequencer.entries()[index as usize], EntryProof { index, path, note })
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
            Some(verifier) => {
                let text = ledger::key::vkey(&verifier.name, verifier.algorithm, &verifier.public);
                files::write(&folder.join(format!("{name}.vkey")), text.as_bytes(), 0o600)?;
                ContributorKey::Own(verifier)
            }
            None => {
                let key = SecretKey::from_seed(name, Algorithm::Ed25519, &secret(self.config.demo_seed, &format!("contributor {name}"))?);
                files::write(&folder.join(format!("{name}.key")), key.to_text().as_bytes(), 0o600)?;
                ContributorKey::Custodial(key)
            }
        };
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

    /// A contributor's name, or its id if the home has none.
    pub fn name_of(&self, id: &ContributorId) -> String {
        self.contributors.iter().find(|(_, k)| k.id() == *id).map_or_else(|| id.to_string(), |(name, _)| name.clone())
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
