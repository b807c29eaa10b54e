//! Witnesses: one that remembers in a file, and one that is asked over HTTP.
//!
//! Source: C2SP `tlog-witness`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use corpus::Digest;
use corpus::merkle::Tree;
use ledger::note::NoteSignature;
use ledger::witness::{AddCheckpoint, Refusal};
use ledger::{Note, SecretKey, TreeHead, Verifier};

use crate::error::StoreError;
use crate::files;

/// Adds cosignatures to tree heads before they are published.
pub trait Cosigner: Send + Sync {
    /// Adds a cosignature to `note`, the tree head of all of `tree` that `log` signed.
    ///
    /// # Errors
    /// [`StoreError::Witness`] if the witness refuses or does not answer.
    fn cosign(&self, note: &mut Note, tree: &Tree, log: &Verifier, time: u64) -> Result<(), StoreError>;
}

/// Whether the cosigners marked, in their order, are enough.
type Quorum = Box<dyn Fn(&[bool]) -> bool + Send + Sync>;

/// Who is asked to cosign a tree head, and how many of them are enough to publish it.
pub struct Witnesses {
    /// Asked first; it has to agree, and signs nothing.
    keeper: Option<Box<dyn Cosigner>>,
    cosigners: Vec<Box<dyn Cosigner>>,
    quorum: Quorum,
    /// Whether a tree head that ends in this entry draws, so that every cosigner has to sign it.
    draws: fn(&[u8]) -> bool,
}

impl Witnesses {
    /// `cosigners` in the order that `quorum` expects.
    pub fn new(cosigners: Vec<Box<dyn Cosigner>>, quorum: Quorum, draws: fn(&[u8]) -> bool) -> Witnesses {
        Witnesses { keeper: None, cosigners, quorum, draws }
    }

    /// Asks `keeper` before them, which has to agree and signs nothing.
    pub fn after(self, keeper: Option<Box<dyn Cosigner>>) -> Witnesses {
        Witnesses { keeper, ..self }
    }

    /// Has `note` cosigned, which covers `tree` and whose last entry is `last`.
    ///
    /// # Errors
    /// The first refusal, if those who cosigned are not enough; [`StoreError::Io`] or [`StoreError::Sync`] of an own memory.
    pub(crate) fn cosign(&self, note: &mut Note, tree: &Tree, log: &Verifier, last: &[u8], time: u64) -> Result<(), StoreError> {
        if let Some(keeper) = &self.keeper {
            keeper.cosign(note, tree, log, time)?;
        }
        let (mut signed, mut refusal) = (Vec::new(), None);
        for cosigner in &self.cosigners {
            let answer = cosigner.cosign(note, tree, log, time);
            signed.push(answer.is_ok());
            match answer {
                Ok(()) => {}
                Err(e @ StoreError::Witness { .. }) => refusal = refusal.or(Some(e)),
                Err(e) => return Err(e),
            }
        }
        let enough = if (self.draws)(last) { signed.iter().all(|s| *s) } else { (self.quorum)(&signed) };
        match refusal {
            Some(refusal) if !enough => Err(refusal),
            _ => Ok(()),
        }
    }
}

impl From<Witness> for Witnesses {
    /// One witness, which has to cosign.
    fn from(witness: Witness) -> Witnesses {
        Witnesses::from(vec![Box::new(witness) as Box<dyn Cosigner>])
    }
}

impl From<Vec<Box<dyn Cosigner>>> for Witnesses {
    /// Witnesses that have to cosign every one.
    fn from(cosigners: Vec<Box<dyn Cosigner>>) -> Witnesses {
        Witnesses::new(cosigners, Box::new(|signed| signed.iter().all(|s| *s)), |_| true)
    }
}

/// A witness with its memory: the last tree head that it cosigned of one log.
pub struct Witness {
    key: SecretKey,
    memory: PathBuf,
}

impl Witness {
    /// A witness whose last tree head is kept in `memory`.
    pub fn new(key: SecretKey, memory: &Path) -> Witness {
        Witness { key, memory: memory.to_path_buf() }
    }

    fn last(&self) -> Result<Option<(Note, TreeHead)>, StoreError> {
        let Some(bytes) = files::read_if_present(&self.memory)? else { return Ok(None) };
        let failed = |e: ledger::NoteError| StoreError::Log { path: self.memory.clone(), text: e.to_string() };
        let note = Note::from_text(&String::from_utf8_lossy(&bytes)).map_err(failed)?;
        let head = TreeHead::from_text(&note.text).map_err(failed)?;
        Ok(Some((note, head)))
    }

    /// Checks a request of `log` against the memory, cosigns its tree head and stores both: one step, whoever else asks.
    ///
    /// The same tree head gets the same cosignature again, so that nobody can ask until a draw comes out as wanted. Two tree heads
    /// of one size with different roots are written down beside the memory, both signed by the log.
    ///
    /// # Errors
    /// [`StoreError`] if the memory cannot be read or written; the inner error is the refusal.
    pub fn add(&self, log: &Verifier, request: &AddCheckpoint, time: u64) -> Result<Result<NoteSignature, Refusal>, StoreError> {
        let _lock = files::wait_lock(&self.memory.with_extension("lock"))?;
        let last = self.last()?;
        let head = match request.check(log, last.as_ref().map(|(_, head)| head)) {
            Ok(head) => head,
            Err(refusal) => {
                if let (Refusal::Conflict(_), Some((note, last)), Ok(head)) = (&refusal, &last, TreeHead::verify(&request.note, log))
                    && head.size == last.size
                    && head.root != last.root
                {
                    let name = format!("evidence-{}-{}", head.size, &head.root.to_string()[..16]);
                    let text = format!("{}\n{}", note.to_text(), request.to_text());
                    files::write(&self.memory.with_extension(name), text.as_bytes(), 0o600)?;
                }
                return Ok(Err(refusal));
            }
        };
        let own = Verifier::of(&self.key);
        if let Some((note, _)) = last.as_ref().filter(|(_, last)| *last == head)
            && let Ok(signature) = note.signature_by(&own)
        {
            return Ok(Ok(signature.clone()));
        }
        let Ok(mut note) = request.note.signed_only_by(log) else { return Ok(Err(Refusal::Unsigned)) };
        note.sign(&self.key, time);
        // Stored before anybody has it: a crash here leaves a memory of a tree head that nobody has seen.
        files::write(&self.memory, note.to_text().as_bytes(), 0o600)?;
        Ok(Ok(note.signatures.pop().expect("just signed")))
    }
}

/// The request for a cosignature of `note`, the tree head of all of `tree`, by a witness that saw `old`.
pub fn request(note: &Note, tree: &Tree, old: u64) -> AddCheckpoint {
    let path: Vec<Digest> = if old == 0 { Vec::new() } else { tree.consistency_proof(old, tree.size()) };
    AddCheckpoint { old, path, note: note.clone() }
}

impl Cosigner for Witness {
    fn cosign(&self, note: &mut Note, tree: &Tree, log: &Verifier, time: u64) -> Result<(), StoreError> {
        let refuse = |text: String| StoreError::Witness { witness: self.key.name.clone(), text };
        let seen = self.last()?.map_or(0, |(_, head)| head.size);
        if seen > tree.size() {
            return Err(refuse(format!("a tree of {} entries after one of {seen}", tree.size())));
        }
        // What others have signed is none of a witness' business.
        let own = note.signed_only_by(log).map_err(|e| refuse(e.to_string()))?;
        let signature = self.add(log, &request(&own, tree, seen), time)?.map_err(|e| refuse(e.to_string()))?;
        note.signatures.push(signature);
        Ok(())
    }
}

/// A witness at an address.
pub struct RemoteWitness {
    verifier: Verifier,
    /// Where `add-checkpoint` is, without it.
    url: String,
    /// The size that it saw last, as far as is known.
    seen: AtomicU64,
}

impl RemoteWitness {
    /// The witness with this key, asked at `url/add-checkpoint`.
    pub fn new(verifier: Verifier, url: &str) -> RemoteWitness {
        RemoteWitness { verifier, url: url.trim_end_matches('/').to_string(), seen: AtomicU64::new(0) }
    }

    fn error(&self, text: String) -> StoreError {
        StoreError::Witness { witness: format!("{} at {}", self.verifier.name, self.url), text }
    }

    /// Status and body of the answer.
    fn ask(&self, request: &AddCheckpoint) -> Result<(u16, String), StoreError> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(std::time::Duration::from_secs(30)))
            .build()
            .into();
        let mut answer =
            agent.post(format!("{}/add-checkpoint", self.url)).send(request.to_text()).map_err(|e| self.error(e.to_string()))?;
        let body = answer.body_mut().with_config().limit(16_384).read_to_string().map_err(|e| self.error(e.to_string()))?;
        Ok((answer.status().as_u16(), body))
    }
}

impl Cosigner for RemoteWitness {
    fn cosign(&self, note: &mut Note, tree: &Tree, log: &Verifier, _: u64) -> Result<(), StoreError> {
        let own = note.signed_only_by(log).map_err(|e| self.error(e.to_string()))?;
        let mut answer = self.ask(&request(&own, tree, self.seen.load(Ordering::Relaxed).min(tree.size())))?;
        if answer.0 == 409 {
            let size: u64 = answer.1.trim().parse().map_err(|_| self.error(format!("409 and no size: {:?}", answer.1)))?;
            if size > tree.size() {
                return Err(self.error(format!("it has seen {size} entries, this log has {}", tree.size())));
            }
            answer = self.ask(&request(&own, tree, size))?;
        }
        if answer.0 != 200 {
            return Err(self.error(format!("{} {}", answer.0, answer.1.trim())));
        }
        let cosigned = Note::from_text(&format!("{}\n{}", own.text, answer.1)).map_err(|e| self.error(e.to_string()))?;
        if cosigned.text != own.text {
            return Err(self.error("it answered with more than a cosignature line".into()));
        }
        // Whatever it answers, only its own valid cosignature counts.
        note.signatures.push(cosigned.signature_by(&self.verifier).map_err(|e| self.error(e.to_string()))?.clone());
        self.seen.store(tree.size(), Ordering::Relaxed);
        Ok(())
    }
}

/// A witness that is asked by files, for a machine without a network.
pub struct FileWitness {
    verifier: Verifier,
    /// Where `request` is written and `answer` is expected.
    folder: PathBuf,
}

impl FileWitness {
    /// The witness with key `verifier`, whose files are in `folder`.
    pub fn new(verifier: Verifier, folder: &Path) -> FileWitness {
        FileWitness { verifier, folder: folder.to_path_buf() }
    }
}

impl Cosigner for FileWitness {
    fn cosign(&self, note: &mut Note, tree: &Tree, log: &Verifier, _: u64) -> Result<(), StoreError> {
        let name = &self.verifier.name;
        let refuse = |text: String| StoreError::Witness { witness: name.clone(), text };
        let own = note.signed_only_by(log).map_err(|e| refuse(e.to_string()))?;
        let (request_path, answer_path, seen_path) = (self.folder.join("request"), self.folder.join("answer"), self.folder.join("seen"));
        if let Some(bytes) = files::read_if_present(&answer_path)? {
            let answer = Note::from_text(&format!("{}\n{}", own.text, String::from_utf8_lossy(&bytes)));
            if let Some(signature) = answer.ok().filter(|a| a.text == own.text).and_then(|a| a.signature_by(&self.verifier).ok().cloned()) {
                note.signatures.push(signature);
                files::write(&seen_path, tree.size().to_string().as_bytes(), 0o600)?;
                return Ok(());
            }
        }
        let seen = files::read_if_present(&seen_path)?.and_then(|b| String::from_utf8_lossy(&b).trim().parse().ok()).unwrap_or(0u64);
        files::write(&request_path, request(&own, tree, seen.min(tree.size())).to_text().as_bytes(), 0o600)?;
        let (from, to) = (request_path.display(), answer_path.display());
        Err(refuse(format!("carry {from} to it, and what `assay witness cosign` answers to {to}; then give any command")))
    }
}
