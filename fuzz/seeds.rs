//! Seeds of fuzz targets: bytes that a target reads well, one file each below `fuzz/seeds/TARGET`.
//!
//! The fuzzer begins with these files, and `cli/tests/fuzz_seeds.rs` runs each of them through every target. Tests that know how to
//! make a seed compare it with its file. A file that a target once failed on lies beside them, and no test makes it.

use std::fs;
use std::path::Path;

/// The bytes of a seed's file. With `ASSAY_WRITE_SEEDS` in the environment, `made` is written there first.
#[track_caller]
pub fn kept(target: &str, name: &str, made: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target).join(name);
    if std::env::var_os("ASSAY_WRITE_SEEDS").is_some() {
        fs::create_dir_all(path.parent().expect("a target's folder")).unwrap();
        fs::write(&path, made).unwrap();
    }
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; ASSAY_WRITE_SEEDS=1 writes it", path.display()))
}
