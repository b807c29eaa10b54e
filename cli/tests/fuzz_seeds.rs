//! Every seed of every fuzz target, run through every target.

#[path = "../../fuzz/targets/mod.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds")
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_target_takes_every_seed() {
    for target in names(&folder()) {
        for name in names(&folder().join(&target)) {
            let seed = fs::read(folder().join(&target).join(&name)).unwrap();
            for (other, run) in targets::all() {
                if std::panic::catch_unwind(|| run(&seed)).is_err() {
                    panic!("target {other} failed on fuzz/seeds/{target}/{name}");
                }
            }
        }
    }
}

#[test]
fn every_target_has_seeds_and_every_seed_a_target() {
    let known: BTreeSet<String> = targets::all().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(known.len(), targets::all().len(), "two targets have one name");
    assert_eq!(names(&folder()), known);
    for target in known {
        assert!(!names(&folder().join(&target)).is_empty(), "fuzz/seeds/{target} is empty");
    }
}
