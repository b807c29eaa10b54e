//! What altered files of a log and its objects look like to the audit.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use audit::{Files, Options, Report};
use corpus::Digest;
use corpus::objects::Class;
use ledger::key::Algorithm;
use ledger::{Note, SecretKey, Verifier};
use rules::listener::Silent;
use store::Objects;
use testkit::World;

/// A settled run in files.
struct Folder {
    dir: tempfile::TempDir,
    now: u64,
}

impl Folder {
    fn new() -> Folder {
        let world = World::settled(&[("anna", 0.3), ("bert", 0.1)]);
        let dir = tempfile::tempdir().unwrap();
        world.write_to(dir.path()).unwrap();
        Folder { dir, now: world.now }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn files(&self) -> Files {
        let dir = self.dir.path().to_path_buf();
        Files { objects: Objects::new(&dir.join("objects")), dir }
    }

    fn audit(&self) -> Report {
        audit::run(&self.files(), &Options { replay: 0, ..Options::new(self.now) }, &Silent).expect("an audit that is carried out")
    }

    #[track_caller]
    fn finds(&self, rule: &str, part: &str) {
        let report = self.audit();
        assert!(report.findings.iter().any(|f| f.rule == rule && f.text.contains(part)), "{:?}", report.findings);
    }
}

/// Every file below `root`, in order.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn files_that_nobody_altered_pass() {
    let report = Folder::new().audit();
    assert!(report.ok, "{:?}", report.findings);
}

#[test]
fn an_audit_of_files_says_what_one_in_memory_says() {
    let world = World::settled(&[("anna", 0.3), ("bert", 0.1)]);
    let (of_files, in_memory) = (Folder::new().audit(), common::audited(&world));
    assert_eq!((of_files.ok, of_files.level), (in_memory.ok, in_memory.level));
}

#[test]
fn a_changed_byte_in_any_file_of_log_and_objects_is_named() {
    let folder = Folder::new();
    let mut tried = 0;
    for part in ["log", "objects"] {
        for file in files(&folder.path(part)) {
            let original = fs::read(&file).unwrap();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let mut offsets = vec![0, original.len() / 3, 2 * original.len() / 3, original.len() - 1];
            offsets.dedup();
            for offset in offsets {
                let mut changed = original.clone();
                changed[offset] ^= 0x01;
                fs::write(&file, &changed).unwrap();
                let said = format!("{:?}", folder.audit().findings);
                let relative = file.strip_prefix(folder.dir.path()).unwrap().display().to_string();
                assert!(said.contains(&relative) || said.contains(&name) && name.len() == 64, "{relative} at {offset}: {said}");
                tried += 1;
            }
            fs::write(&file, &original).unwrap();
        }
    }
    assert!(tried > 100, "{tried}");
    assert!(folder.audit().ok);
}

#[test]
fn an_object_that_an_entry_names_and_that_is_not_there_is_found() {
    let folder = Folder::new();
    let object = files(&folder.path("objects/public")).remove(0);
    fs::remove_file(&object).unwrap();
    folder.finds("object-there", object.file_name().unwrap().to_str().unwrap());
}

#[test]
fn a_file_that_is_none_of_the_log_is_found() {
    let folder = Folder::new();
    fs::write(folder.path("log/tile/junk"), "x").unwrap();
    folder.finds("log-files", "log/tile/junk");
}

#[test]
fn bytes_that_have_another_digest_than_their_name_are_found() {
    let folder = Folder::new();
    let name = Digest::of(b"a").to_string();
    fs::write(folder.path("objects/public").join(&name), "b").unwrap();
    folder.finds("object-digest", &name);
}

#[test]
fn a_withdrawn_shards_name_with_other_bytes_is_found() {
    let mut world = World::settled(&[("anna", 0.3), ("bert", 0.1)]);
    let submission = world.submission_of("anna");
    let file = world.state().submission(submission).unwrap().live_shards()[0].entry.file;
    world.withdraw(&[corpus::DocumentRef { submission, number: 0 }], ledger::entry::WithdrawalKind::Consent);
    let folder = Folder { dir: tempfile::tempdir().unwrap(), now: world.now };
    world.write_to(folder.dir.path()).unwrap();
    fs::write(folder.path("objects").join(Class::Sealed.name()).join(file.to_string()), "back again").unwrap();
    folder.finds("withdrawn-kept", &file.to_string());
}

#[test]
fn a_tree_head_of_another_key_than_genesis_names_is_found() {
    let folder = Folder::new();
    let head = Note::from_text(&fs::read_to_string(folder.path("log/checkpoint")).unwrap()).unwrap();
    // A key of the same name, which is all that a reader of the files alone would compare.
    let own = Verifier::from_vkey(&fs::read_to_string(folder.path("log.vkey")).unwrap()).unwrap();
    let other = SecretKey::from_seed(&own.name, Algorithm::Ed25519, &[99; 32]);
    let mut signed = Note::new(head.text);
    signed.sign(&other, 0);
    fs::write(folder.path("log/checkpoint"), signed.to_text()).unwrap();
    fs::write(folder.path("log.vkey"), other.vkey()).unwrap();
    folder.finds("log-key", "the tree head is signed with");
}

#[test]
fn what_is_public_is_an_archive_without_what_is_sealed() {
    let folder = Folder::new();
    for class in [Class::Party, Class::Sealed] {
        fs::remove_dir_all(folder.path("objects").join(class.name())).unwrap();
    }
    assert!(audit::archive(&folder.files(), &Silent).is_err());
    let archive = audit::public_archive(&folder.files(), &Silent).expect("what is public is there");
    assert_eq!(archive.state.runs.len(), 1);
}
