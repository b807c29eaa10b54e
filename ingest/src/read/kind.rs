//! What a file is, by its name, and how its bytes are had.

use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::Path;

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
    /// JSON lines.
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
    let (stem, compression) = match (name.strip_suffix(".gz"), name.strip_suffix(".zst")) {
        (Some(stem), _) => (stem, Compression::Gzip),
        (_, Some(stem)) => (stem, Compression::Zstd),
        _ => (name.as_str(), Compression::None),
    };
    let ends = |suffixes: &[&str]| suffixes.iter().any(|s| stem.ends_with(s));
    match compression {
        c if ends(&[".jsonl", ".ndjson"]) => Kind::Lines(c),
        c if ends(&[".csv"]) => Kind::Delimited(b',', c),
        c if ends(&[".tsv"]) => Kind::Delimited(b'\t', c),
        c if ends(&[".warc", ".wet"]) => Kind::Web(c),
        c if ends(&[".tar"]) => Kind::Tar(c),
        Compression::None if ends(&[".tgz"]) => Kind::Tar(Compression::Gzip),
        Compression::None if ends(&[".parquet"]) => Kind::Parquet,
        Compression::None if ends(&[".arrow", ".feather", ".ipc"]) => Kind::Arrow,
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
    pub fn is_nested(&self) -> bool {
        matches!(self, Source::Nested(..))
    }

    /// Its bytes without compression.
    pub fn stream(self, compression: Compression, meter: &Meter) -> Result<Box<dyn Read + 'a>, Refusal> {
        let inner: Box<dyn Read + 'a> = match self {
            Source::File(path) => Box::new(File::open(path).map_err(|e| Refusal::of_io(&e))?),
            Source::Nested(reader, _) => Box::new(reader),
        };
        if compression == Compression::None {
            return Ok(inner);
        }
        let (counted, count) = meter.compressed(inner);
        let decoder: Box<dyn Read + 'a> = match compression {
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(std::io::BufReader::with_capacity(1 << 16, counted))),
            _ => Box::new(zstd::Decoder::new(counted).map_err(|e| Refusal::of_io(&e))?),
        };
        Ok(Box::new(meter.guarded(decoder, count)))
    }

    /// Its bytes, to be read at any place.
    pub fn seekable(self, meter: &Meter) -> Result<Whole, Refusal> {
        match self {
            Source::File(path) => Ok(Whole::File(File::open(path).map_err(|e| Refusal::of_io(&e))?)),
            Source::Nested(reader, size) => {
                Ok(Whole::Bytes(read_at_most(reader, size, NESTED_TABLE_BYTES.min(meter.limits.text_bytes))?.into()))
            }
        }
    }

    /// All of it, if a document may be so long.
    pub fn text(self, compression: Compression, meter: &Meter) -> Result<Vec<u8>, Refusal> {
        let most = meter.limits.document_bytes;
        match self {
            compressed if compression != Compression::None => read_at_most(&mut compressed.stream(compression, meter)?, 0, most),
            Source::File(path) => {
                let mut file = File::open(path).map_err(|e| Refusal::of_io(&e))?;
                let size = file.metadata().map_err(|e| Refusal::of_io(&e))?.len();
                read_at_most(&mut file, size, most)
            }
            Source::Nested(reader, size) => read_at_most(reader, size, most),
        }
    }
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
            ("a.json", Kind::Text(Compression::None)),
            ("Makefile", Kind::Text(Compression::None)),
            ("a.pdf", Kind::Other("a PDF document")),
        ] {
            assert_eq!(of(name), kind, "{name}");
        }
    }
}
