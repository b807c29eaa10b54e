//! The log on disk: growth, recovery, one writer, and forks.

use std::fs;
use std::path::Path;

use corpus::EntryIndex;
use ledger::key::Algorithm;
use ledger::{SecretKey, Verifier};
use store::{LogFiles, Sequencer, StoreError, Witness};

fn key(name: &str, algorithm: Algorithm) -> SecretKey {
    SecretKey::from_seed(name, algorithm, &[5; 32])
}

fn open(home: &Path, outside: Option<&Path>) -> Result<Sequencer, StoreError> {
    let witness = Witness::new(key("w", Algorithm::CosignatureV1), &home.join("witness"));
    Sequencer::open(&home.join("log"), &home.join("lock"), key("log", Algorithm::Ed25519), witness, outside.map(Path::to_path_buf), 1)
}

fn entry(i: u64) -> Vec<u8> {
    format!("entry {i}").into_bytes()
}

fn verifier() -> Verifier {
    Verifier::from_vkey(&key("log", Algorithm::Ed25519).vkey()).unwrap()
}

#[test]
fn a_log_grown_across_tile_borders_reads_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), None).unwrap();
    let mut size = 0;
    for next in [1, 2, 255, 256, 257, 512, 700] {
        let entries: Vec<Vec<u8>> = (size..next).map(entry).collect();
        assert_eq!(log.append(&entries, next).unwrap(), EntryIndex(size));
        size = next;
        let files = LogFiles::new(&dir.path().join("log"));
        let read = files.read(&verifier()).unwrap().unwrap();
        assert_eq!((read.head.size, read.tree.size()), (size, size));
        assert_eq!(files.check_tiles(&read).unwrap(), []);
    }
    drop(log);
    let log = open(dir.path(), None).unwrap();
    assert_eq!(log.entry(699).unwrap(), entry(699));
}

#[test]
fn what_a_crash_left_beyond_the_tree_head_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), None).unwrap().append(&[entry(0), entry(1)], 1).unwrap();
    let before = fs::read(dir.path().join("log/checkpoint")).unwrap();
    open(dir.path(), None).unwrap().append(&[entry(2)], 2).unwrap();
    // The tree head of the second append never lasted.
    fs::write(dir.path().join("log/checkpoint"), before).unwrap();
    fs::remove_file(dir.path().join("witness")).unwrap();
    fs::remove_file(dir.path().join("lock.pending")).unwrap();
    let mut log = open(dir.path(), None).unwrap();
    assert_eq!(log.size(), 2);
    assert!(!dir.path().join("log/tile/entries/000.p/3").exists(), "a leftover of the crash was kept");
    log.append(&[b"another".to_vec()], 3).unwrap();
    let files = LogFiles::new(&dir.path().join("log"));
    let read = files.read(&verifier()).unwrap().unwrap();
    assert_eq!(log.entry(2).unwrap(), b"another");
    assert_eq!(files.check_tiles(&read).unwrap(), []);
}

#[test]
fn a_signed_tree_head_that_was_not_published_is_published_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    open(dir.path(), Some(&outside)).unwrap().append(&[entry(0)], 1).unwrap();
    let before = fs::read(dir.path().join("log/checkpoint")).unwrap();
    open(dir.path(), Some(&outside)).unwrap().append(&[entry(1)], 2).unwrap();
    fs::write(dir.path().join("log/checkpoint"), before).unwrap();
    let log = open(dir.path(), Some(&outside)).unwrap();
    assert_eq!(log.size(), 2);
    assert_eq!(LogFiles::new(&dir.path().join("log")).read(&verifier()).unwrap().unwrap().head.size, 2);
}

#[test]
fn what_was_signed_and_nobody_but_the_witness_saw_is_published_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), None).unwrap().append(&[entry(0)], 1).unwrap();
    let before = fs::read(dir.path().join("log/checkpoint")).unwrap();
    open(dir.path(), None).unwrap().append(&[entry(1)], 2).unwrap();
    fs::write(dir.path().join("log/checkpoint"), before).unwrap();
    let mut log = open(dir.path(), None).unwrap();
    assert_eq!(log.size(), 2);
    log.append(&[entry(2)], 3).unwrap();
    assert_eq!(log.entry(1).unwrap(), entry(1));
}

#[test]
fn a_signed_tree_head_that_cannot_be_made_again_stops_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    open(dir.path(), Some(&outside)).unwrap().append(&[entry(0)], 1).unwrap();
    let keep = |name: &str| fs::read(dir.path().join(name)).unwrap();
    let (checkpoint, last) = (keep("log/checkpoint"), keep("outside"));
    let tiles = ["log/tile/entries/000.p/1", "log/tile/0/000.p/1"].map(|name| (name, keep(name)));
    open(dir.path(), Some(&outside)).unwrap().append(&[entry(1)], 2).unwrap();
    // As if the second tree head had gone to a witness that did not answer, and an older copy of the home came back.
    fs::write(dir.path().join("log/checkpoint"), checkpoint).unwrap();
    fs::write(&outside, last).unwrap();
    tiles.iter().for_each(|(name, bytes)| fs::write(dir.path().join(name), bytes).unwrap());
    fs::remove_file(dir.path().join("log/tile/entries/000.p/2")).unwrap();
    for forgotten in ["nothing", "lock.pending"] {
        fs::remove_file(dir.path().join(forgotten)).ok();
        assert!(matches!(open(dir.path(), Some(&outside)), Err(StoreError::Fork { signed: 2, found: 1, .. })), "without {forgotten}");
        assert!(dir.path().join("log/tile/0/000.p/2").exists(), "a file of a signed tree head was removed");
    }
}

#[test]
fn a_restored_copy_a_second_writer_and_a_fork_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    let (home, copy) = (dir.path().join("home"), dir.path().join("copy"));
    let mut log = open(&home, Some(&outside)).unwrap();
    log.append(&[entry(0)], 1).unwrap();
    assert!(matches!(open(&home, Some(&outside)), Err(StoreError::Locked { .. })));
    assert!(std::process::Command::new("cp").arg("-r").args([&home, &copy]).status().unwrap().success());
    log.append(&[entry(1)], 2).unwrap();
    drop(log);
    assert!(matches!(open(&copy, Some(&outside)), Err(StoreError::Fork { signed: 2, found: 1, .. })));
    // Without the memory outside, the witness still refuses what does not extend what it saw.
    let mut forked = open(&copy, None).unwrap();
    fs::copy(home.join("witness"), copy.join("witness")).unwrap();
    assert!(matches!(forked.append(&[b"other".to_vec()], 3), Err(StoreError::Witness { .. })));
}

#[test]
fn damaged_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), None).unwrap().append(&[entry(0), entry(1)], 1).unwrap();
    let files = LogFiles::new(&dir.path().join("log"));
    for (name, what) in [("checkpoint", "checkpoint"), ("tile/entries/000.p/2", "tile/entries/000.p/2")] {
        let path = dir.path().join("log").join(name);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 1;
        fs::write(&path, bad).unwrap();
        let error = files.read(&verifier()).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        fs::write(&path, good).unwrap();
    }
}
