//! Writes that last or did not happen.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use corpus::{Digest, Hasher};

use crate::error::StoreError;

/// Reads a whole file.
///
/// # Errors
/// [`StoreError::Io`].
pub fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(StoreError::io(path))
}

/// Reads a whole file of UTF-8.
///
/// # Errors
/// [`StoreError::Io`], and [`StoreError::NotText`] with the place of the first byte that is none.
pub fn read_text(path: &Path) -> Result<String, StoreError> {
    String::from_utf8(read(path)?).map_err(|e| StoreError::NotText { path: path.to_path_buf(), reason: e.utf8_error() })
}

/// Reads a file that may be absent.
///
/// # Errors
/// [`StoreError::Io`] for anything but absence.
pub fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io(path)(e)),
    }
}

/// Creates a folder and its parents, durably.
///
/// # Errors
/// [`StoreError::Io`].
pub fn create_dir(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() || path.as_os_str().is_empty() {
        return Ok(());
    }
    // Each level is synced: a folder may be lost with the parent that nobody synced.
    path.parent().map_or(Ok(()), create_dir)?;
    match fs::create_dir(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(StoreError::io(path)(e)),
        _ => {}
    }
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes a folder's names last.
///
/// # Errors
/// [`StoreError::Sync`].
pub(crate) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    sync(if path.as_os_str().is_empty() { Path::new(".") } else { path })
}

/// Makes what was written to a file last.
///
/// # Errors
/// [`StoreError::Sync`].
pub fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|d| d.sync_all()).map_err(StoreError::sync(path))
}

/// Writes a file so that it is there whole, or not at all, whenever the machine stops.
///
/// `mode` are the permission bits. A crash leaves at most a temporary file beside it.
///
/// # Errors
/// [`StoreError::Io`]; the old file, if there was one, is untouched then.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    put(path, bytes, mode, |file| file.sync_all().map_err(StoreError::sync(path)))?;
    sync_dir(path.parent().expect("a file has a folder"))
}

/// Writes a file beside `path` and puts it there once `lasting` has been done with it.
fn put(path: &Path, bytes: &[u8], mode: u32, lasting: impl Fn(&File) -> Result<(), StoreError>) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let dir = path.parent().expect("a file has a folder");
    create_dir(dir)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".tmp.{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = (|| {
        let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary);
        let mut file = open.map_err(StoreError::io(path))?;
        file.write_all(bytes).map_err(StoreError::io(path))?;
        lasting(&file)?;
        fs::rename(&temporary, path).map_err(StoreError::io(path))
    })();
    if written.is_err() {
        // The write's own error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Writes a file that can be made again from what lasts: it is there whole or not at all for whoever reads meanwhile, and a machine that
/// stops may lose it. Without waiting for the disk a hundred thousand of them take seconds.
///
/// # Errors
/// As [`write`](fn@write).
pub fn write_copy(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    put(path, bytes, mode, |_| Ok(()))
}

/// Writes a file whose name is the digest of its bytes, which `write` gives piece by piece; whole or not at all, as [`write`](fn@write)(fn@write) does.
///
/// A file of that name is there already: it stays, if its bytes are those. A crash leaves at most a temporary file beside it.
///
/// # Errors
/// Of `write`, [`StoreError::Io`], and [`StoreError::Corrupt`] if the file that is there has other bytes.
pub(crate) fn write_named<E: From<StoreError>>(
    dir: &Path,
    mode: u32,
    write: impl FnOnce(&mut Hashing<'_>) -> Result<(), E>,
) -> Result<Digest, E> {
    use std::os::unix::fs::OpenOptionsExt;
    create_dir(dir)?;
    // Threads of one process may write at once.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let temporary = dir.join(format!("new.tmp.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    let written: Result<Digest, E> = (|| {
        let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary);
        let file = open.map_err(StoreError::io(&temporary))?;
        let mut buffered = BufWriter::with_capacity(1 << 20, &file);
        let mut out = Hashing::new(&mut buffered);
        write(&mut out)?;
        out.flush().map_err(StoreError::io(&temporary))?;
        let digest = out.finish();
        let path = dir.join(digest.to_string());
        if path.exists() {
            let found = digest_of(&path)?;
            fs::remove_file(&temporary).map_err(StoreError::io(&temporary))?;
            return if found == digest { Ok(digest) } else { Err(StoreError::Corrupt { path, expected: digest, found }.into()) };
        }
        file.sync_all().map_err(StoreError::sync(&temporary))?;
        fs::rename(&temporary, &path).map_err(StoreError::io(&path))?;
        sync_dir(dir)?;
        Ok(digest)
    })();
    if written.is_err() {
        // The write's own error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Takes bytes and their digest.
pub struct Hashing<'a> {
    out: &'a mut (dyn Write + Send),
    hasher: Hasher,
}

impl<'a> Hashing<'a> {
    /// Hands bytes on to `out`.
    pub fn new(out: &'a mut (dyn Write + Send)) -> Hashing<'a> {
        Hashing { out, hasher: Hasher::new() }
    }

    /// The digest of all bytes.
    pub fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = self.out.write(bytes)?;
        self.hasher.update(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// The digest of a file's bytes, read piece by piece.
fn digest_of(path: &Path) -> Result<Digest, StoreError> {
    let mut nowhere = std::io::sink();
    let mut out = Hashing::new(&mut nowhere);
    let copied = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut out));
    copied.map_err(StoreError::io(path))?;
    Ok(out.finish())
}

/// Writes `bytes` where somebody asked for them, as `cp` would: into a device or a pipe, through a link, and into a file of several names. A
/// plain file is replaced whole, as [`write`](fn@write) does, where its folder lets it be.
///
/// # Errors
/// [`StoreError::Io`]; what is no plain file may have some of the bytes then.
pub fn write_to(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let through = |options: &mut fs::OpenOptions| {
        let mut file = options.write(true).mode(mode).open(path).map_err(StoreError::io(path))?;
        file.write_all(bytes).map_err(StoreError::io(path))
    };
    let link = fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
    match fs::metadata(path) {
        // Named by what holds them open, like /dev/stdout: there may be something in them already, before this.
        Ok(_) if path.starts_with("/dev") || path.starts_with("/proc") => through(fs::OpenOptions::new().append(true)),
        Ok(m) if !m.is_file() => through(&mut fs::OpenOptions::new()),
        Ok(m) if link || m.nlink() > 1 => through(fs::OpenOptions::new().truncate(true)),
        Err(_) if link => through(fs::OpenOptions::new().create(true).truncate(true)),
        found => match write(path, bytes, mode) {
            // A folder that may not be changed, or a file that is a mount of its own.
            Err(StoreError::Io { .. }) if found.is_ok() => through(fs::OpenOptions::new().truncate(true)),
            written => written,
        },
    }
}

/// Writes a file that nobody reads before it lasts by other means, and keeps it open to be read back and synced.
///
/// # Errors
/// [`StoreError::Io`]; any part of the file may have been written.
pub(crate) fn write_unsynced(path: &Path, bytes: &[u8], mode: u32) -> Result<File, StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let open = || fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(mode).open(path);
    let opened = match open() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            create_dir(path.parent().expect("a file has a folder"))?;
            open()
        }
        opened => opened,
    };
    let mut file = opened.map_err(StoreError::io(path))?;
    file.write_all(bytes).map_err(StoreError::io(path))?;
    Ok(file)
}

/// Removes a file, durably; one that is not there is no error.
///
/// # Errors
/// [`StoreError::Io`] or [`StoreError::Sync`].
pub fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(StoreError::io(path)(e)),
        Ok(()) => sync_dir(path.parent().expect("a file has a folder")),
    }
}

/// A lock that lasts as long as the value and ends with the process, however that ends.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] File);

/// Takes the lock at `path` without waiting.
///
/// # Errors
/// [`StoreError::Locked`] if another process has it.
pub fn lock(path: &Path) -> Result<Lock, StoreError> {
    create_dir(path.parent().expect("a lock has a folder"))?;
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(StoreError::io(path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_path_buf() }),
        Err(fs::TryLockError::Error(e)) => Err(StoreError::io(path)(e)),
    }
}

/// Takes the lock at `path`, waiting for whoever has it.
///
/// # Errors
/// [`StoreError::Io`].
pub(crate) fn wait_lock(path: &Path) -> Result<Lock, StoreError> {
    create_dir(path.parent().expect("a lock has a folder"))?;
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(StoreError::io(path))?;
    file.lock().map_err(StoreError::io(path))?;
    Ok(Lock(file))
}
