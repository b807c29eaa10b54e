//! Tar and zip archives: their files, read where they lie; nothing is unpacked.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::Read;
use std::rc::Rc;

use super::kind::{self, Kind, Source, Whole as Bytes};
use super::problem::{Carried, Code, Refusal};
use super::{Scan, Stopped, evidence};

/// Bytes of headers that one file of a tar archive may have; long names are read into memory.
const HEADER_BYTES: u64 = 1 << 20;

/// Longest licence file or card.
const LICENCE_BYTES: u64 = 1 << 20;

/// Remembers what files in the archive `name` say of licences, which may come behind what they are about; `open` gives its bytes.
///
/// What cannot be read is named when the archive is read for its files.
pub(super) fn evidence<'a>(name: &str, open: impl FnOnce() -> Result<Source<'a>, Refusal>, scan: &mut Scan<'_, '_>) {
    let (mut found, mut names) = (Vec::new(), BTreeSet::new());
    let mut take = |path: &[u8], size: u64, reader: &mut dyn Read| {
        let Ok(inner) = inner_name(path, scan.options.limits.depth) else { return };
        let place = format!("{name}/{inner}");
        if evidence::of(&place, |_| false).is_some() {
            let mut text = Vec::new();
            let short = size <= LICENCE_BYTES && reader.take(LICENCE_BYTES).read_to_end(&mut text).is_ok();
            found.push((place.clone(), short.then(|| super::encoding::decode(text, None).ok()).flatten()));
        }
        names.insert(place);
    };
    match kind::of(name) {
        Kind::Tar(compression) => {
            let Ok(reader) = open().and_then(|source| source.stream(compression, &scan.meter)) else { return };
            let allowed = Rc::new(Cell::new(u64::MAX));
            let mut archive = tar::Archive::new(Allowance { inner: reader, left: allowed.clone() });
            let Ok(mut entries) = archive.entries() else { return };
            loop {
                allowed.set(HEADER_BYTES);
                let Some(Ok(mut entry)) = entries.next() else { break };
                allowed.set(u64::MAX);
                let (path, kind, size) = (entry.path_bytes().into_owned(), entry.header().entry_type(), entry.size());
                if kind.is_file() || kind.is_contiguous() {
                    take(&path, size, &mut entry);
                }
                if !kind.is_gnu_sparse() && std::io::copy(&mut entry, &mut std::io::sink()).is_err() {
                    break;
                }
            }
        }
        Kind::Zip => {
            let Ok(source) = open().and_then(|source| source.seekable(&scan.meter)) else { return };
            let Ok(mut archive) = zip::ZipArchive::new(source.reader()) else { return };
            for i in 0..archive.len() {
                let Ok(mut file) = archive.by_index(i) else { continue };
                let (path, size) = (file.name_raw().to_vec(), file.size());
                if !file.is_dir() && !file.is_symlink() {
                    take(&path, size, &mut file);
                }
            }
        }
        _ => {}
    }
    for (place, text) in found {
        if let Some((form, scope)) = evidence::of(&place, |name| names.contains(name)) {
            scan.evidence(form, scope, &place, text);
        }
    }
}

/// Hands out the files of a tar archive, in its order.
pub(super) fn read_tar(name: &str, reader: impl Read, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let allowed = Rc::new(Cell::new(u64::MAX));
    let mut archive = tar::Archive::new(Allowance { inner: reader, left: allowed.clone() });
    let mut entries = match archive.entries() {
        Ok(entries) => entries,
        Err(e) => return scan.problem(name, Refusal::of_io(&e)),
    };
    let mut any = false;
    loop {
        allowed.set(HEADER_BYTES);
        let mut entry = match entries.next() {
            Some(Ok(entry)) => entry,
            None if any => return Ok(()),
            None => return scan.problem(name, Refusal::new(Code::Empty, "an archive without files")),
            Some(Err(e)) => return scan.problem(name, Refusal::of_io(&e)),
        };
        allowed.set(u64::MAX);
        let path = entry.path_bytes().into_owned();
        let (kind, size) = (entry.header().entry_type(), entry.size());
        let cut = Cell::new(false);
        let file = kind.is_file() || kind.is_contiguous();
        if !(kind.is_dir() || kind.is_pax_global_extensions() || file && path.ends_with(b"/")) {
            any = true;
            match inner_name(&path, scan.options.limits.depth) {
                Err(refusal) => scan.problem(format!("{name}/{}", String::from_utf8_lossy(&path)), refusal)?,
                // A sparse file may say that it is any size.
                Ok(inner) if !file => {
                    scan.problem(format!("{name}/{inner}"), Refusal::new(Code::Link, "a link or a special file: left out"))?
                }
                Ok(inner) if scan.is_statement(&format!("{name}/{inner}")) => {}
                Ok(inner) => scan.nested(&format!("{name}/{inner}"), &mut Whole { inner: &mut entry, left: size, cut: &cut }, size)?,
            }
        }
        // What is left of it, before the allowance for the next header counts. An archive that ends inside of it has said so.
        let passed = if kind.is_gnu_sparse() { Ok(0) } else { std::io::copy(&mut entry, &mut std::io::sink()) };
        match (cut.get(), passed) {
            (true, _) => return Ok(()),
            (false, Err(_)) => return scan.problem(name, Refusal::damaged("the archive ends inside a file")),
            (false, Ok(_)) => {}
        }
    }
}

/// Hands out the files of a zip archive, in the order of its directory.
pub(super) fn read_zip(name: &str, source: Bytes, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let mut archive = match zip::ZipArchive::new(source.reader()) {
        Ok(archive) => archive,
        Err(e) => return scan.problem(name, Refusal::damaged(e)),
    };
    if archive.is_empty() {
        return scan.problem(name, Refusal::new(Code::Empty, "an archive without files"));
    }
    if archive.has_duplicate_names() {
        return scan.problem(name, Refusal::damaged("two files of one name"));
    }
    if !matches!(archive.has_overlapping_files(), Ok(false)) {
        return scan.problem(name, Refusal::new(Code::Bomb, "files that lie over each other"));
    }
    let mut any = false;
    for i in 0..archive.len() {
        let mut file = match archive.by_index(i) {
            Ok(file) => file,
            Err(e) => {
                use zip::result::ZipError::{CompressionMethodNotSupported, UnsupportedArchive};
                let unsupported = matches!(e, UnsupportedArchive(_) | CompressionMethodNotSupported(_));
                let code = if unsupported { Code::Unsupported } else { Code::Damaged };
                scan.problem(format!("{name}: file {i}"), Refusal::new(code, e.to_string()))?;
                any = true;
                continue;
            }
        };
        if file.is_dir() {
            continue;
        }
        any = true;
        let (path, link, size, compressed) = (file.name_raw().to_vec(), file.is_symlink(), file.size(), file.compressed_size());
        match inner_name(&path, scan.options.limits.depth) {
            Err(refusal) => scan.problem(format!("{name}/{}", String::from_utf8_lossy(&path)), refusal)?,
            Ok(inner) if link => scan.problem(format!("{name}/{inner}"), Refusal::new(Code::Link, "a link or a special file: left out"))?,
            Ok(inner) if scan.is_statement(&format!("{name}/{inner}")) => {}
            Ok(inner) => {
                let mut guarded = scan.meter.guarded(&mut file, Rc::new(Cell::new(compressed)));
                scan.nested(&format!("{name}/{inner}"), &mut guarded, size)?;
            }
        }
    }
    if any { Ok(()) } else { scan.problem(name, Refusal::new(Code::Empty, "an archive without files")) }
}

/// Ends with an error when more is read than is allowed at the time.
struct Allowance<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Allowance<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.get() {
            u64::MAX => {}
            left if left < read as u64 => {
                return Err(Carried(Code::Bomb, format!("headers of a file of more than {HEADER_BYTES} bytes")).into());
            }
            left => self.left.set(left - read as u64),
        }
        Ok(read)
    }
}

/// Ends with an error if a file is shorter than its header says: `tar` gives what there is.
struct Whole<'c, R> {
    inner: R,
    left: u64,
    /// Whether that has happened.
    cut: &'c Cell<bool>,
}

impl<R: Read> Read for Whole<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            self.cut.set(true);
            let text = format!("the archive ends {} bytes before the end of this file", self.left);
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, text));
        }
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

/// The path of a file in an archive, if it stays in it.
pub(super) fn inner_name(path: &[u8], deepest: usize) -> Result<String, Refusal> {
    let bad = |what: &str| Refusal::new(Code::BadName, format!("expected a path inside the archive, found {what}"));
    let path = std::str::from_utf8(path).map_err(|_| bad("a name that is not UTF-8"))?;
    if path.starts_with('/') || path.contains('\\') || path.contains(char::is_control) {
        return Err(bad("an absolute path, a backslash or a control character"));
    }
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    if parts.is_empty() || parts.contains(&"..") {
        return Err(bad("one that leads out of it"));
    }
    if parts.iter().any(|p| p.starts_with('.')) {
        return Err(Refusal::new(Code::Hidden, "hidden: left out"));
    }
    if parts.len() > deepest + 1 {
        return Err(Refusal::new(Code::TooDeep, format!("expected folders at most {deepest} deep")));
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_their_archive() {
        assert_eq!(inner_name(b"./a//b.txt", 32).unwrap(), "a/b.txt");
        for (path, code) in [
            (&b"../../etc/passwd"[..], Code::BadName),
            (b"/etc/passwd", Code::BadName),
            (b"a/../../b", Code::BadName),
            (b"..\\b", Code::BadName),
            (b"\xff", Code::BadName),
            (b"", Code::BadName),
            (b"a/.git/config", Code::Hidden),
            (b"a/b/c/d", Code::TooDeep),
        ] {
            assert_eq!(inner_name(path, 2).unwrap_err().code, code, "{path:?}");
        }
    }
}
