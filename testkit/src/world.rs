//! The log of a world: its keys, its entries, and what is made wrong on its way in.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use corpus::merkle::{Tree, leaf_hash};
use corpus::objects::{Class, ReadObjects};
use corpus::{ContributorId, EntryIndex};
use ledger::entry::{Genesis, HOME_FORMAT};
use ledger::key::Algorithm;
use ledger::{Entry, Envelope, Note, PublicKey, SecretKey, State, TreeHead, Verifier, Violation, WitnessPolicy, tile};
use rules::policy::Policy;
use rules::{Archive, EpochViews};

use crate::money::TIME;
use crate::shelf::Shelf;

/// What becomes of an entry on its way in: itself, another one, or none.
type Forge = Arc<dyn Fn(&Shelf, Entry) -> Option<Entry> + Send + Sync>;

/// A log with its keys, and the objects that its entries name.
pub struct World {
    /// What the log says, and its objects.
    pub archive: Archive,
    /// The same objects, which steps add to.
    pub objects: Shelf,
    /// The policy that the next epoch opens with.
    pub policy: Policy,
    /// The time of what is appended from now on, in seconds since 1970.
    pub now: u64,
    pub(crate) keys: Vec<SecretKey>,
    pub(crate) contributors: BTreeMap<String, ContributorId>,
    log: SecretKey,
    witness: SecretKey,
    entries: Vec<Vec<u8>>,
    tree: Tree,
    forge: Option<Forge>,
}

/// A key that derives from a number.
pub(crate) fn key(name: &str, algorithm: Algorithm, seed: u8) -> SecretKey {
    SecretKey::from_seed(name, algorithm, &[seed; 32])
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl Clone for World {
    /// A world of its own: what is added to it is not in this one.
    fn clone(&self) -> World {
        let objects = self.objects.copy();
        World {
            archive: Archive { objects: Arc::new(objects.clone()), state: self.archive.state.clone() },
            objects,
            policy: self.policy.clone(),
            now: self.now,
            keys: self.keys.clone(),
            contributors: self.contributors.clone(),
            log: self.log.clone(),
            witness: self.witness.clone(),
            entries: self.entries.clone(),
            tree: self.tree.clone(),
            forge: self.forge.clone(),
        }
    }
}

impl World {
    /// A log with its first entry: an operator, an approver and one witness; euros.
    pub fn new() -> World {
        let objects = Shelf::default();
        let (operator, approver) = (key("operator", Algorithm::Ed25519, 1), key("approver", Algorithm::Ed25519, 2));
        let mut world = World {
            archive: Archive { objects: Arc::new(objects.clone()), state: State::default() },
            objects,
            policy: World::policy(),
            now: TIME,
            keys: vec![operator.clone(), approver.clone()],
            contributors: BTreeMap::new(),
            log: key("test.invalid/log", Algorithm::Ed25519, 3),
            witness: key("witness.invalid", Algorithm::CosignatureV1, 4),
            entries: Vec::new(),
            tree: Tree::default(),
            forge: None,
        };
        let genesis = Genesis {
            format: HOME_FORMAT,
            origin: world.log.name.clone(),
            demo: true,
            operator: operator.public(),
            approver: approver.public(),
            log: world.log.vkey(),
            witness_policy: WitnessPolicy::text_of_all(&world.log.vkey(), &[(world.witness.vkey(), None)]),
            currency: "EUR".to_string(),
            currency_exponent: 2,
            time: TIME,
        };
        world.append(genesis);
        world
    }

    /// What the log says.
    pub fn state(&self) -> &State {
        &self.archive.state
    }

    /// All epochs of the log.
    pub fn epochs(&self) -> EpochViews<'_> {
        EpochViews::of(&self.archive)
    }

    /// The operator's key, which signs whatever the log says that it signs.
    pub fn operator(&self) -> &SecretKey {
        &self.keys[0]
    }

    /// The id of a contributor.
    ///
    /// # Panics
    /// If nobody has that name.
    pub fn id(&self, name: &str) -> ContributorId {
        *self.contributors.get(name).unwrap_or_else(|| panic!("no contributor {name}"))
    }

    /// The name of a contributor.
    ///
    /// # Panics
    /// If nobody has that id.
    pub fn name(&self, id: &ContributorId) -> &str {
        let found = self.contributors.iter().find(|(_, known)| *known == id);
        found.unwrap_or_else(|| panic!("no contributor {id}")).0
    }

    /// From now on `forge` gets every entry before it is signed and appended; where it returns none, nothing is appended.
    pub fn forging(&mut self, forge: impl Fn(&Shelf, Entry) -> Option<Entry> + Send + Sync + 'static) {
        self.forge = Some(Arc::new(forge));
    }

    /// From now on entries are appended as they are.
    pub fn honest(&mut self) {
        self.forge = None;
    }

    /// Appends an entry, signed by everybody who has to; returns its place, or the place of the next one where forging leaves it out.
    ///
    /// # Panics
    /// If a rule of the log forbids it.
    #[track_caller]
    pub fn append(&mut self, entry: impl Into<Entry>) -> EntryIndex {
        self.try_append(entry).unwrap_or_else(|violation| panic!("{violation}"))
    }

    /// Appends an entry that a rule may forbid.
    ///
    /// # Errors
    /// [`Violation`]; the log is as it was.
    pub fn try_append(&mut self, entry: impl Into<Entry>) -> Result<EntryIndex, Violation> {
        let at = self.archive.state.next_index();
        let entry = match &self.forge {
            Some(forge) => forge(&self.objects, entry.into()),
            None => Some(entry.into()),
        };
        let Some(entry) = entry else { return Ok(at) };
        // The log says who signs.
        let signers = self.archive.state.clone().apply_unsigned(entry.clone())?;
        let own =
            |public: PublicKey| self.keys.iter().find(|k| k.public() == public).unwrap_or_else(|| panic!("no key {public} in this world"));
        let keys: Vec<&SecretKey> = signers.iter().map(|(_, public)| own(*public)).collect();
        let envelope = Envelope::sign(entry.to_payload().expect("an entry of integers and text"), &keys);
        self.archive.state.apply(&envelope)?;
        self.push(envelope.to_bytes().expect("an envelope of an entry's size"));
        Ok(at)
    }

    fn push(&mut self, entry: Vec<u8>) {
        self.tree.push(leaf_hash(&entry));
        self.entries.push(entry);
    }

    /// This world up to the first entry that `forge` alters, which ends it, with all altered ones of its kind that follow it.
    ///
    /// # Panics
    /// If it alters none.
    pub fn ending_with(&self, forge: impl Fn(&Shelf, &Entry) -> Option<Entry>) -> World {
        let mut world = World { entries: Vec::new(), tree: Tree::default(), forge: None, ..self.clone() };
        world.archive.state = State::default();
        let mut altered = false;
        for bytes in &self.entries {
            let envelope = Envelope::from_bytes(bytes).expect("an entry of this log");
            let entry = Entry::from_payload(&envelope.payload).expect("an entry of this log");
            match forge(&world.objects, &entry) {
                // What is left as it was keeps its signatures.
                Some(forged) if forged == entry => {
                    altered = true;
                    world.archive.state.apply(&envelope).expect("entries before it are what they were");
                    world.push(bytes.clone());
                }
                Some(forged) => {
                    altered = true;
                    world.append(forged);
                }
                None if altered => break,
                None => {
                    world.archive.state.apply(&envelope).expect("an entry of this log");
                    world.push(bytes.clone());
                }
            }
        }
        assert!(altered, "no entry of this log is altered");
        world
    }

    /// Entries, as they are in the log.
    pub fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }

    /// The log's key.
    pub fn verifier(&self) -> Verifier {
        Verifier::of(&self.log)
    }

    /// The tree head of all entries, signed and cosigned.
    pub fn head(&self) -> Note {
        self.head_at(self.entries.len() as u64)
    }

    /// The tree head of the first `size` entries, signed and cosigned.
    pub fn head_at(&self, size: u64) -> Note {
        let head = TreeHead { origin: self.log.name.clone(), size, root: self.tree.root(size) };
        let mut note = Note::new(head.to_text());
        note.sign(&self.log, TIME);
        note.sign(&self.witness, TIME + size);
        note
    }

    /// Writes `log/`, `objects/` and `log.vkey` to a folder, as they lie in a home.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write_to(&self, dir: &Path) -> std::io::Result<()> {
        let write = |path: &str, bytes: &[u8]| {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().expect("a path below the folder"))?;
            std::fs::write(path, bytes)
        };
        let size = self.entries.len() as u64;
        for tile in tile::all(size) {
            let bytes = match tile.level {
                Some(_) => tile::hashes(tile, &self.tree),
                None => {
                    let first = (tile.index * tile::WIDTH) as usize;
                    tile::encode_entries(self.entries[first..first + tile.width as usize].iter().map(Vec::as_slice))
                }
            };
            write(&format!("log/{}", tile.path()), &bytes)?;
        }
        write("log/checkpoint", self.head().to_text().as_bytes())?;
        write("log.vkey", self.log.vkey().as_bytes())?;
        for class in Class::ALL {
            for digest in self.objects.list(class).expect("objects in memory") {
                write(&format!("objects/{}/{digest}", class.name()), &self.objects.bytes(class, &digest))?;
            }
        }
        Ok(())
    }
}
