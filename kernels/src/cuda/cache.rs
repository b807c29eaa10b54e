//! Compiled code on disk, by a hash of all that it was made from.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, io, process};

use sha2::{Digest, Sha256};

/// `${XDG_CACHE_HOME:-~/.cache}/assay/` and the name, or a folder for temporary files if there is no home.
pub(crate) fn folder(name: &str) -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .unwrap_or_else(env::temp_dir);
    cache.join("assay").join(name)
}

/// SHA-256 of the parts in hexadecimal. Each part is preceded by its length, so that none runs into the next.
pub(crate) fn key(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name beside `path` that nobody else writes to.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.{}.part", process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

/// What [`write`] wrote under `path`; nothing if the file is absent or damaged.
pub(crate) fn read(path: &Path) -> Option<Vec<u8>> {
    let file = fs::read(path).ok()?;
    let (digest, content) = file.split_at_checked(32)?;
    (Sha256::digest(content)[..] == *digest).then(|| content.to_vec())
}

/// Writes `content` behind its digest, whole or not at all: under a temporary name first, then renamed.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let part = temporary(path);
    let mut file = Sha256::digest(content).to_vec();
    file.extend_from_slice(content);
    // A crash between the two calls leaves a temporary name that nothing reads.
    fs::write(&part, file)?;
    fs::rename(&part, path).inspect_err(|_| drop(fs::remove_file(&part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_file_counts_as_absent() {
        let folder = env::temp_dir().join(format!("assay-cache-{}", process::id()));
        let path = folder.join("content");
        assert_eq!(read(&path), None);
        write(&path, b"machine code").unwrap();
        assert_eq!(read(&path).as_deref(), Some(&b"machine code"[..]));
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path), None);
        fs::write(&path, b"short").unwrap();
        assert_eq!(read(&path), None);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "a temporary file is left");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(key(&[b"ab", b"c"]), key(&[b"a", b"bc"]));
    }
}
