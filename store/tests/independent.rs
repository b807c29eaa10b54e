//! The log as another implementation reads it: `tlog_tiles`, a port of Go's `sumdb/tlog`, from tile files alone.

use std::path::{Path, PathBuf};

use corpus::EntryIndex;
use ledger::key::Algorithm;
use ledger::{EntryProof, SecretKey, Verifier};
use store::{LogFiles, Sequencer, Witness};
use tlog_tiles::{
    Checkpoint, Error, Hash, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record, prove_tree, record_hash, tree_hash,
};

fn key(name: &str, algorithm: Algorithm) -> SecretKey {
    SecretKey::from_seed(name, algorithm, &[5; 32])
}

fn open(home: &Path) -> Sequencer {
    let witness = Witness::new(key("w", Algorithm::CosignatureV1), &home.join("witness"));
    Sequencer::open(&home.join("log"), &home.join("lock"), key("log", Algorithm::Ed25519), witness, None, 1).unwrap()
}

fn entry(i: u64) -> Vec<u8> {
    format!("entry {i}").into_bytes()
}

/// Tiles of the log in a folder; every one that is read is checked against the root by the reader above it.
struct Files(PathBuf);

impl TileReader for Files {
    fn height(&self) -> u8 {
        8
    }
    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            // That crate has the tiles' height in their paths.
            let path = self.0.join(tile.path().replacen("tile/8/", "tile/", 1));
            std::fs::read(&path).map_err(|e| Error::InvalidInput(format!("{}: {e}", path.display())))
        };
        tiles.iter().map(read).collect()
    }
    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// Size and root from the checkpoint file, without our code.
fn checkpoint(log: &Path) -> (u64, Hash) {
    let text = std::fs::read_to_string(log.join("checkpoint")).unwrap();
    let body = &text[..=text.find("\n\n").unwrap()];
    let checkpoint = Checkpoint::from_bytes(body.as_bytes()).unwrap();
    assert_eq!(checkpoint.origin(), "log");
    (checkpoint.size(), *checkpoint.hash())
}

#[test]
fn another_implementation_proves_every_part_of_a_log_of_any_size() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut sequencer = open(dir.path());
    assert_eq!(sequencer.root().0, tlog_tiles::EMPTY_HASH.0);
    let (mut size, mut earlier): (u64, Vec<(u64, Hash)>) = (0, Vec::new());
    for next in [1, 2, 255, 256, 257, 65_535, 65_536, 65_537, 1_000_000] {
        let entries: Vec<Vec<u8>> = (size..next).map(entry).collect();
        assert_eq!(sequencer.append(&entries, next).unwrap(), EntryIndex(size));
        size = next;
        let (found, root) = checkpoint(&log);
        assert_eq!((found, root.0), (size, sequencer.root().0));
        let files = Files(log.clone());
        let reader = TileHashReader::new(size, root, &files);
        assert_eq!(tree_hash(size, &reader).unwrap(), root);
        for index in [0, 1, size / 3, size / 2, size.saturating_sub(2), size - 1].into_iter().filter(|i| *i < size) {
            let proof = prove_record(size, index, &reader).unwrap();
            check_record(&proof, size, root, index, record_hash(&entry(index))).unwrap();
            // Our own proof is the same, hash by hash.
            let ours = sequencer.tree().inclusion_proof(index, size);
            assert!(ours.iter().map(|h| h.0).eq(proof.iter().map(|h| h.0)), "entry {index} of {size}");
        }
        for &(old, old_root) in &earlier {
            let proof = prove_tree(size, old, &reader).unwrap();
            check_tree(&proof, size, root, old, old_root).unwrap();
            let ours = sequencer.tree().consistency_proof(old, size);
            assert!(ours.iter().map(|h| h.0).eq(proof.iter().map(|h| h.0)), "{old} to {size}");
        }
        earlier.push((size, root));
    }
    // Our reader agrees, file by file, and a receipt from the middle verifies.
    let verifier = Verifier::from_vkey(&key("log", Algorithm::Ed25519).vkey()).unwrap();
    let files = LogFiles::new(&log);
    let read = files.read(&verifier).unwrap().unwrap();
    assert_eq!(files.check_tiles(&read).unwrap(), []);
    let note = sequencer.signed_head().unwrap().clone();
    let receipt = EntryProof { index: 500_000, path: read.tree.inclusion_proof(500_000, size), note };
    assert_eq!(receipt.verify(&entry(500_000), &verifier).unwrap().size, size);
    // With a hash that is flipped in a tile the other implementation proves nothing.
    let tile = log.join("tile/0/x003/000");
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&tile, bytes).unwrap();
    let files = Files(log.clone());
    let (_, root) = checkpoint(&log);
    let index = 3000 * 256;
    let proven = prove_record(size, index, &TileHashReader::new(size, root, &files))
        .and_then(|proof| check_record(&proof, size, root, index, record_hash(&entry(index))));
    assert!(proven.is_err());
}
