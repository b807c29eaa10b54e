//! What a file is, by its name, and how its bytes are had.

use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::Path;

use super::encoding::Encoding;
use super::limits::Meter;
use super::problem::{Code, Refusal};

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// JSON, of whatever form its content is.
    Json(Compression),
    /// JSON lines by its name.
    Lines(Compression),
    /// Fields between delimiters, one record a line.
    Delimited(u8, Compression),
    /// WARC, WET.
    Web(Compression),
    Parquet,
    /// Arrow IPC, as a file or a stream.
    Arrow,
    Tar(Compression),
    Zip,
    /// A form that is known and not read.
    Other(&'static str),
    /// One text.
    Text(Compression),
}

/// Forms that are no text and have a name that says so.
const OTHERS: [(&str, &str); 22] = [
    (".bz2", "compressed with bzip2"),
    (".xz", "compressed with xz"),
    (".7z", "a 7-Zip archive"),
    (".rar", "a RAR archive"),
    (".pdf", "a PDF document"),
    (".doc", "a Word document"),
    (".docx", "a Word document"),
    (".xlsx", "an Excel workbook"),
    (".pptx", "a PowerPoint file"),
    (".epub", "an EPUB book"),
    (".png", "an image"),
    (".jpg", "an image"),
    (".jpeg", "an image"),
    (".gif", "an image"),
    (".webp", "an image"),
    (".mp3", "a sound"),
    (".mp4", "a film"),
    (".exe", "a program"),
    (".so", "a library"),
    (".wasm", "a WebAssembly module"),
    (".npz", "an archive of arrays"),
    (".pkl", "a Python pickle, which could run code"),
];

pub(super) fn of(name: &str) -> Kind {
    let name = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let zst = name.strip_suffix(".zst").or(name.strip_suffix(".zstd"));
    let (stem, compression) = match (name.strip_suffix(".gz").or(name.strip_suffix(".gzip")), zst) {
        (Some(stem), _) => (stem, Compression::Gzip),
        (_, Some(stem)) => (stem, Compression::Zstd),
        _ => (name.as_str(), Compression::None),
    };
    let ends = |suffixes: &[&str]| suffixes.iter().any(|s| stem.ends_with(s));
    match compression {
        c if ends(&[".jsonl", ".ndjson", ".jsonlines"]) => Kind::Lines(c),
        c if ends(&[".json"]) => Kind::Json(c),
        c if ends(&[".csv"]) => Kind::Delimited(b',', c),
        c if ends(&[".tsv"]) => Kind::Delimited(b'\t', c),
        c if ends(&[".warc", ".wet"]) => Kind::Web(c),
        c if ends(&[".tar"]) => Kind::Tar(c),
        Compression::None if ends(&[".tgz"]) => Kind::Tar(Compression::Gzip),
        // Spark puts the codec of a table's pages into its name: `part-0.gz.parquet`.
        Compression::None if ends(&[".parquet", ".pq"]) => Kind::Parquet,
        Compression::None if ends(&[".arrow", ".arrows", ".feather", ".ipc"]) => Kind::Arrow,
        Compression::None if ends(&[".zip"]) => Kind::Zip,
        c => OTHERS.iter().find(|(end, _)| stem.ends_with(end)).map_or(Kind::Text(c), |(_, what)| Kind::Other(what)),
    }
}

/// Where a file's bytes are.
pub(super) enum Source<'a> {
    /// In the file system.
    File(&'a Path),
    /// In an archive or a repository, of so many bytes.
    Nested(&'a mut dyn Read, u64),
}

/// What can be read at any place.
pub(super) trait Seekable: Read + Seek {}
impl<T: Read + Seek> Seekable for T {}

/// Bytes in memory, or a file.
pub(super) enum Whole {
    File(File),
    Bytes(bytes::Bytes),
}

/// A table inside an archive has to be in memory, since it is read from its end.
const NESTED_TABLE_BYTES: u64 = 1 << 30;

impl<'a> Source<'a> {
    pub(crate) fn is_nested(&self) -> bool {
        matches!(self, Source::Nested(..))
    }

    /// Its bytes as they are, and how many.
    fn raw(self) -> Result<(Box<dyn Read + 'a>, u64), Refusal> {
        match self {
            Source::File(path) => {
                let file = File::open(path).map_err(|e| Refusal::of_io(&e))?;
                let size = file.metadata().map_err(|e| Refusal::of_io(&e))?.len();
                Ok((Box::new(file), size))
            }
            Source::Nested(reader, size) => Ok((Box::new(reader), size)),
        }
    }

    /// Whether it is a pointer of Git LFS; nothing is lost of it by looking.
    pub(crate) fn is_lfs_pointer(&self) -> bool {
        match self {
            Source::File(path) => {
                let mut head = Vec::new();
                let read = File::open(path).and_then(|file| file.take(LFS_BYTES).read_to_end(&mut head));
                read.is_ok() && is_lfs_pointer(&head)
            }
            // What lies in archives and repositories is looked at where it is opened.
            Source::Nested(..) => false,
        }
    }

    /// Its bytes without compression, which its first bytes tell as well as its name: few files are named wrongly, and no text begins like that.
    pub fn stream(self, named: Compression, meter: &Meter) -> Result<Box<dyn Read + 'a>, Refusal> {
        let (mut inner, _) = self.raw()?;
        let mut head = Vec::new();
        inner.by_ref().take(4).read_to_end(&mut head).map_err(|e| Refusal::of_io(&e))?;
        let compression = match head[..] {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
            // A frame that a reader has to skip may come first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Compression::Zstd,
            _ => named,
        };
        let inner: Box<dyn Read + 'a> = Box::new(Cursor::new(head).chain(inner));
        if compression == Compression::None {
            return Ok(inner);
        }
        let (counted, count) = meter.compressed(inner);
        let decoder: Box<dyn Read + 'a> = match compression {
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(std::io::BufReader::with_capacity(1 << 16, counted))),
            _ => {
                let mut decoder = zstd::Decoder::new(counted).map_err(|e| Refusal::of_io(&e))?;
                decoder.window_log_max(meter.limits.window_log()).map_err(|e| Refusal::of_io(&e))?;
                Box::new(decoder)
            }
        };
        Ok(Box::new(meter.guarded(decoder, count)))
    }

    /// Its text in UTF-8, without compression and without a mark.
    pub(crate) fn utf8(self, named: Compression, encoding: Option<Encoding>, meter: &Meter) -> Result<Box<dyn Read + 'a>, Refusal> {
        super::encoding::utf8(self.stream(named, meter)?, encoding)
    }

    /// Its bytes, to be read at any place.
    pub(crate) fn seekable(self, meter: &Meter) -> Result<Whole, Refusal> {
        match self {
            Source::File(path) => Ok(Whole::File(File::open(path).map_err(|e| Refusal::of_io(&e))?)),
            Source::Nested(reader, size) => {
                Ok(Whole::Bytes(read_at_most(reader, size, NESTED_TABLE_BYTES.min(meter.limits.text_bytes))?.into()))
            }
        }
    }

    /// All of it, if a document may be so long; a text in a wide encoding may be four times as long.
    pub fn text(self, named: Compression, meter: &Meter) -> Result<Vec<u8>, Refusal> {
        let most = meter.limits.document_bytes;
        let size = match &self {
            Source::File(path) => std::fs::metadata(path).map_err(|e| Refusal::of_io(&e))?.len(),
            Source::Nested(_, size) => *size,
        };
        let size = if named == Compression::None { size } else { 0 };
        let mut reader = self.stream(named, meter)?;
        let mut head = Vec::new();
        reader.by_ref().take(4).read_to_end(&mut head).map_err(|e| Refusal::of_io(&e))?;
        let wide = matches!(head[..], [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 0, 0xfe, 0xff]);
        let most = if wide { most.saturating_mul(4) } else { most };
        read_at_most(&mut Cursor::new(head).chain(reader), size, most)
    }
}

/// What a file that Git LFS keeps elsewhere begins with, now and in its first versions.
///
/// Source: <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>, "The Pointer".
const LFS: [&[u8]; 3] =
    [b"version https://git-lfs.github.com/spec/", b"version http://git-media.io/v/", b"version https://hawser.github.com/spec/"];
/// A pointer is shorter than this.
pub(super) const LFS_BYTES: u64 = 1024;

/// Whether these bytes, the first of a file or all of it, are a pointer of Git LFS.
pub(super) fn is_lfs_pointer(bytes: &[u8]) -> bool {
    (bytes.len() as u64) < LFS_BYTES && LFS.iter().any(|begin| bytes.starts_with(begin)) && memchr::memmem::find(bytes, b"\noid ").is_some()
}

/// The refusal of a pointer.
pub(super) fn lfs_refusal() -> Refusal {
    Refusal::new(Code::Unsupported, "a Git LFS pointer: left out; its content is elsewhere, fetch it with git lfs pull")
}

/// All of `reader`, whose size is said to be `size`.
pub(super) fn read_at_most(reader: &mut dyn Read, size: u64, most: u64) -> Result<Vec<u8>, Refusal> {
    let long = |found: u64| Refusal::new(Code::TooLong, format!("{found} bytes, expected at most {most}"));
    if size > most {
        return Err(long(size));
    }
    // What a header says about a size is not taken for one that memory is needed for.
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(1 << 20)).expect("a megabyte"));
    let read = reader.take(most + 1).read_to_end(&mut bytes).map_err(|e| Refusal::of_io(&e))?;
    if read as u64 > most { Err(long(read as u64)) } else { Ok(bytes) }
}

impl Whole {
    /// Bytes of the file.
    pub fn size(&self) -> std::io::Result<u64> {
        match self {
            Whole::File(file) => Ok(file.metadata()?.len()),
            Whole::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }

    pub fn reader(self) -> Box<dyn Seekable + 'static> {
        match self {
            Whole::File(file) => Box::new(std::io::BufReader::new(file)),
            Whole::Bytes(bytes) => Box::new(Cursor::new(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_files_are() {
        for (name, kind) in [
            ("a.jsonl", Kind::Lines(Compression::None)),
            ("A/B.NDJSON.GZ", Kind::Lines(Compression::Gzip)),
            ("a.tsv.zst", Kind::Delimited(b'\t', Compression::Zstd)),
            ("CC-MAIN.warc.wet.gz", Kind::Web(Compression::Gzip)),
            ("a.tgz", Kind::Tar(Compression::Gzip)),
            ("a.tar.gz", Kind::Tar(Compression::Gzip)),
            ("train-00000-of-00001.parquet", Kind::Parquet),
            ("data-00000-of-00001.arrow", Kind::Arrow),
            ("a.zip", Kind::Zip),
            ("a.txt.gz", Kind::Text(Compression::Gzip)),
            ("a.json", Kind::Json(Compression::None)),
            ("c4-train.json.gz", Kind::Json(Compression::Gzip)),
            ("Makefile", Kind::Text(Compression::None)),
            ("a.pdf", Kind::Other("a PDF document")),
        ] {
            assert_eq!(of(name), kind, "{name}");
        }
    }
}
