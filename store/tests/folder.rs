//! The log's folder holds the files of the published tree head, and hardly any other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ledger::key::Algorithm;
use ledger::tile::{self, Tile};
use ledger::{SecretKey, Verifier};
use store::{LogFiles, Sequencer, Witness, objects};

fn key(name: &str, algorithm: Algorithm) -> SecretKey {
    SecretKey::from_seed(name, algorithm, &[5; 32])
}

fn open(home: &Path) -> Sequencer {
    let witness = Witness::new(key("w", Algorithm::CosignatureV1), &home.join("witness"));
    Sequencer::open(&home.join("log"), &home.join("lock"), key("log", Algorithm::Ed25519), witness, None, 1).unwrap()
}

fn verifier() -> Verifier {
    Verifier::of(&key("log", Algorithm::Ed25519))
}

/// Of 750 bytes, as entries usually have.
fn entry(i: u64) -> Vec<u8> {
    format!("entry {i:0>744}").into_bytes()
}

/// Appended one by one: over two borders of bundles. A sync for each takes most of the time.
const ENTRIES: u64 = 600;

/// Files below the log's folder, and bytes of the files.
fn folder(log: &Path) -> (BTreeSet<PathBuf>, u64) {
    let files: BTreeSet<PathBuf> = objects::list(log).unwrap().into_iter().collect();
    let bytes = files.iter().map(|f| fs::metadata(log.join(f)).unwrap().len()).sum();
    (files, bytes)
}

/// What a tree of `size` needs.
fn needed(size: u64) -> BTreeSet<PathBuf> {
    tile::all(size).iter().map(|t| PathBuf::from(t.path())).chain([PathBuf::from("checkpoint")]).collect()
}

fn empty_folders(folder: &Path) -> usize {
    let entries: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    usize::from(entries.is_empty()) + entries.iter().filter(|p| p.is_dir()).map(|p| empty_folders(p)).sum::<usize>()
}

#[test]
fn a_log_that_grew_entry_by_entry_has_the_files_of_its_tree_head_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut sequencer = open(dir.path());
    let (mut content, mut most) = (0, 0.0f64);
    for i in 0..ENTRIES {
        sequencer.append(&[entry(i)], i).unwrap();
        content += entry(i).len() as u64;
        if i % 50 < 3 || (i + 2) % 256 < 4 {
            // While the writer has the log open, partial tiles that the write-ahead log begins at lie there too.
            let (files, bytes) = folder(&log);
            assert!(files.len() <= needed(i + 1).len() + 3, "{i}: {files:?}");
            // The tree head alone has some hundred bytes.
            most = most.max(bytes.saturating_sub(1000) as f64 / content as f64);
        }
        if i == 300 {
            drop(sequencer);
            assert_eq!(folder(&log).0, needed(i + 1));
            sequencer = open(dir.path());
        }
    }
    drop(sequencer);
    let (files, bytes) = folder(&log);
    assert_eq!(files, needed(ENTRIES));
    assert_eq!(empty_folders(&log), 0);
    println!(
        "{ENTRIES} entries of {content} bytes: {} files of {bytes} bytes; at most {most:.2} times the content on the way",
        files.len()
    );
    assert!(most <= 2.0 && bytes <= 2 * content, "{most}");
    let read = LogFiles::new(&log).read(&verifier()).unwrap().unwrap();
    assert_eq!((read.head.size, LogFiles::new(&log).check_tiles(&read).unwrap()), (ENTRIES, vec![]));
}

#[test]
fn what_a_crash_kept_from_being_removed_goes_with_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut sequencer = open(dir.path());
    let mut kept = Vec::new();
    for i in 0..300 {
        sequencer.append(&[entry(i)], i).unwrap();
        for name in tile::edge(i + 1).into_iter().map(|t| t.path()) {
            kept.push((fs::read(log.join(&name)).unwrap(), name));
        }
    }
    drop(sequencer);
    for (bytes, name) in &kept {
        fs::create_dir_all(log.join(name).parent().unwrap()).unwrap();
        fs::write(log.join(name), bytes).unwrap();
    }
    fs::create_dir(log.join("tile/1/000.p")).ok();
    // Readers take them for what they are meanwhile.
    let read = LogFiles::new(&log).read(&verifier()).unwrap().unwrap();
    assert_eq!(LogFiles::new(&log).check_tiles(&read).unwrap(), []);
    drop(open(dir.path()));
    assert_eq!((folder(&log).0, empty_folders(&log)), (needed(300), 0));
}

#[test]
fn an_older_tree_head_is_read_from_wider_tiles() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let files = LogFiles::new(&log);
    let mut sequencer = open(dir.path());
    for i in 0..3 {
        sequencer.append(&[entry(i)], i).unwrap();
    }
    let older = files.read(&verifier()).unwrap().unwrap();
    for next in [5, 260] {
        sequencer.append(&(sequencer.size()..next).map(entry).collect::<Vec<_>>(), next).unwrap();
        drop(sequencer);
        sequencer = open(dir.path());
        let tile = Tile { level: None, index: 0, width: 3 };
        assert!(!log.join(tile.path()).exists());
        let mut found = Vec::new();
        files
            .entries(3, 0..3, |_, e| {
                found.extend(e);
                Ok::<_, store::StoreError>(())
            })
            .unwrap();
        assert_eq!(found, (0..3).map(entry).collect::<Vec<_>>());
        assert_eq!(files.tile(tile).unwrap(), Some(tile::encode_entries(found.iter().map(Vec::as_slice))));
        let hashes = Tile { level: Some(0), ..tile };
        assert_eq!(files.tile(hashes).unwrap(), Some(tile::hashes(hashes, &older.tree)));
        for absent in [Tile { width: 0, ..tile }, Tile { index: 9, ..tile }, Tile { width: 999, ..tile }] {
            assert_eq!(files.tile(absent).unwrap(), None);
        }
    }
}

#[test]
fn readers_without_a_lock_never_fail_while_partial_tiles_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut sequencer = open(dir.path());
    sequencer.append(&[entry(0)], 0).unwrap();
    let files = LogFiles::new(&dir.path().join("log"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                let read = files.read(&verifier()).unwrap().unwrap();
                for (path, reason) in files.check_tiles(&read).unwrap() {
                    // What is written is not published yet; nothing that the tree head needs is missing or another.
                    let tile = tile::from_path(&path.to_string_lossy());
                    assert!(tile.is_none_or(|t| t.in_tree_of(read.head.size).is_none()), "{}: {reason}", path.display());
                }
                let mut count = 0;
                files
                    .entries(read.head.size, 0..read.head.size, |_, e| {
                        count += e.len() as u64;
                        Ok::<_, store::StoreError>(())
                    })
                    .unwrap();
                assert_eq!(count, read.head.size);
                reads += 1;
            }
            reads
        });
        for i in 1..ENTRIES {
            sequencer.append(&[entry(i)], i).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        println!("{} reads beside {ENTRIES} appends", reader.join().unwrap());
    });
}
