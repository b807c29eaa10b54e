//! Files, folders, archives and repositories to rows, streamed: what is read is bounded by limits, not by memory.
//!
//! [`scan`] finds the inputs of a path, in the order of their names, and hands blocks of rows to a sink; [`Block::map`] takes a block's rows
//! on all cores. Nothing disappears: what is not a row is a [`Problem`] with its place, a code, and the expected and the found.
//!
//! - `limits`: what is refused because of its size
//! - `problem`: what was not read, and why
//! - `columns`: which field of a row is what
//! - `block`: rows, taken in parallel
//! - `kind`: what a file is, by its name
//! - `folder`, `archive`, `git`: where files come from
//! - `json`, `lines`, `delimited`, `table` with `pages`, `web`, `text`: what is in them
//! - `encoding`: texts that are not in UTF-8
//! - `html`: the text of pages; `sites`: what says whether pages may be trained on
//! - `card` with `yaml`, `splits`: what a dataset's card, its files' names and `save_to_disk` say; which names are those of licence files

mod archive;
mod block;
mod card;
mod columns;
mod delimited;
mod encoding;
mod evidence;
mod folder;
mod git;
mod html;
mod json;
mod kind;
mod limits;
mod lines;
mod lz4;
mod pages;
mod problem;
mod sites;
mod splits;
mod table;
mod text;
mod web;
mod yaml;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

pub use block::{Block, Place, Row};
pub use card::is_licence_name;
pub use columns::Columns;
pub use encoding::Encoding;
pub use limits::Limits;
pub use problem::{Code, Problem};

use columns::Unused;
use corpus::Digest;
use kind::{Kind, Source};
use limits::Meter;
use problem::Refusal;
use sites::Sites;

use rights::licence::{self, Scoped, Statement};
use rights::reservation::Signal;

/// What is read, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which field of a row is what.
    pub columns: Columns,
    /// What is refused.
    pub limits: Limits,
    /// Only files of this split of a Hugging Face dataset, such as `train`.
    pub split: Option<String>,
    /// Only files of this config of a Hugging Face dataset.
    pub config: Option<String>,
    /// The encoding of texts, JSON and tables of text, where no byte order mark says it.
    pub encoding: Option<Encoding>,
    /// Whether licence files and the dataset card are evidence and no rows.
    pub licence_is_evidence: bool,
}

/// A path that cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct ReadError {
    /// The path.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// What a path is, beside its rows.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// What its files say of licences, and about which of its paths.
    pub statements: Vec<Scoped>,
    /// Where it comes from, if it says so: `git:` and a commit.
    pub origin: Option<String>,
}

/// What a scan hands out.
// Blocks are what nearly all are, and a box for each would be one more thing to follow.
#[allow(clippy::large_enum_variant)]
pub enum Item {
    /// What the path is: once, before everything else but problems.
    Scanned(Scanned),
    /// Rows.
    Block(Block),
    /// Something that is no row.
    Problem(Problem),
}

/// The sink's answer when it wants no more.
#[derive(Debug)]
pub struct Stopped;

/// Where blocks go; an error ends the scan.
pub type Sink<'s> = dyn FnMut(Item) -> Result<(), Stopped> + 's;

/// Reads `path`: a file of a known form, a folder of files, a Hugging Face dataset folder, or a Git repository at its HEAD.
///
/// The same files give the same rows in the same order. The sink is called on the caller's thread. Returns what the path is, again.
///
/// # Errors
/// [`ReadError`] if the path itself cannot be read; anything below it becomes a [`Problem`].
pub fn scan(path: &Path, options: &Options, sink: &mut Sink<'_>) -> Result<Scanned, ReadError> {
    let error = |reason: String| ReadError { path: path.to_path_buf(), reason };
    let metadata = std::fs::metadata(path).map_err(|e| error(e.to_string()))?;
    let meter = Meter::new(options.limits.clone());
    let mut scan = Scan {
        options,
        meter,
        sink,
        scanned: Scanned::default(),
        licence_files: BTreeSet::new(),
        pending: Vec::new(),
        pending_bytes: 0,
        unused: Unused::default(),
        sites: Sites::default(),
    };
    let result = if metadata.is_dir() {
        if git::is_repository(path) { git::read(path, &mut scan) } else { folder::read(path, &mut scan) }
    } else if metadata.is_file() {
        let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        if options.licence_is_evidence {
            archive::evidence(&name, || Ok(Source::File(path)), &mut scan);
        }
        scan.look_for_sites(&name, Source::File(path));
        scan.begin().map_err(|Stopped| error("stopped".into()))?;
        scan.file(&name, Source::File(path)).map_err(Ended::from)
    } else {
        return Err(error("expected a file or a folder, found a special file".into()));
    };
    match result.and_then(|()| Ok(scan.flush()?)) {
        Ok(()) | Err(Ended::Stopped) => Ok(scan.scanned),
        Err(Ended::Failed(reason)) => Err(error(reason)),
    }
}

/// A scan on a thread of its own, whose items are taken one after the other; a few wait at most.
pub struct Stream {
    items: Receiver<Item>,
    reader: JoinHandle<Result<Scanned, ReadError>>,
}

impl Stream {
    /// Begins to read `path`.
    pub fn new(path: &Path, options: &Options) -> Stream {
        let (path, options) = (path.to_path_buf(), options.clone());
        let (send, items) = sync_channel(2);
        // Nobody listens any more once something has gone wrong there.
        let reader = std::thread::spawn(move || scan(&path, &options, &mut |item| send.send(item).map_err(|_| Stopped)));
        Stream { items, reader }
    }

    /// The next item, or none at the end.
    pub fn next_item(&mut self) -> Option<Item> {
        self.items.recv().ok()
    }

    /// Ends the scan.
    ///
    /// # Errors
    /// As [`scan`].
    pub fn finish(self) -> Result<Scanned, ReadError> {
        drop(self.items);
        self.reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Everything of `path` in memory, for small inputs.
///
/// # Errors
/// As [`scan`].
pub fn read_all(path: &Path, options: &Options) -> Result<(Vec<Record>, Vec<Problem>, Scanned), ReadError> {
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    let scanned = scan(path, options, &mut |item| {
        match item {
            Item::Scanned(_) => {}
            Item::Problem(problem) => problems.push(problem),
            Item::Block(block) => {
                for row in block.map(|row| Record::of(&row)) {
                    match row {
                        Ok(record) => records.push(record),
                        Err(problem) => problems.push(problem),
                    }
                }
            }
        }
        Ok(())
    })?;
    Ok((records, problems, scanned))
}

/// A row of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Path in the dataset, with `#row` for a row of a file, and behind a space where the row says it comes from.
    pub source: String,
    /// The text.
    pub text: String,
    /// The byte of it at which the answer begins, if it came as prompt and answer.
    pub answer_at: Option<u64>,
    /// The licence in its row, if there is one.
    pub licence: Option<String>,
    /// The expression of a licence tag in its file, if there is one.
    pub tag: Option<String>,
    /// What its publisher says about training, if it is a page.
    pub signals: Option<Vec<Signal>>,
    /// Whose words it says that they are.
    pub person: Option<String>,
    /// Bytes of the source that are the file's path.
    pub file_bytes: usize,
}

impl Record {
    /// A row with texts of its own.
    pub fn of(row: &Row<'_>) -> Record {
        Record {
            source: row.source(),
            text: row.text.to_string(),
            answer_at: row.answer_at,
            licence: row.licence.as_ref().map(ToString::to_string),
            tag: row.tag.map(str::to_string),
            signals: row.signals.map(<[Signal]>::to_vec),
            person: row.person.as_ref().map(ToString::to_string),
            file_bytes: row.place.file.len(),
        }
    }

    /// The path of its file.
    pub fn file(&self) -> &str {
        &self.source[..self.file_bytes]
    }
}

/// Why a scan ended before its time.
enum Ended {
    /// The sink wants no more, or a limit of the whole is reached.
    Stopped,
    /// The path cannot be read.
    Failed(String),
}

impl From<Stopped> for Ended {
    fn from(Stopped: Stopped) -> Ended {
        Ended::Stopped
    }
}

/// A scan under way.
struct Scan<'a, 's> {
    options: &'a Options,
    meter: Meter,
    sink: &'a mut Sink<'s>,
    scanned: Scanned,
    /// Places of the files that say which licence others have, and are no documents.
    licence_files: BTreeSet<String>,
    /// Rows that wait for others to be handed out with.
    pending: Vec<block::Loose>,
    pending_bytes: usize,
    /// Names of fields that they have and that are not read.
    unused: Unused,
    /// What the sites of pages say about training.
    sites: Sites,
}

impl Scan<'_, '_> {
    /// Says what the path is.
    fn begin(&mut self) -> Result<(), Stopped> {
        (self.sink)(Item::Scanned(self.scanned.clone()))
    }

    fn problem(&mut self, place: impl Into<String>, refusal: Refusal) -> Result<(), Stopped> {
        (self.sink)(Item::Problem(Problem::new(&place.into(), refusal.code, &refusal.reason)))
    }

    /// Hands out a block behind the rows that wait, unless the dataset then has more rows or bytes than it may.
    fn block(&mut self, block: Block) -> Result<(), Stopped> {
        self.flush()?;
        self.hand_out(block)
    }

    fn hand_out(&mut self, block: Block) -> Result<(), Stopped> {
        if let Err(refusal) = self.meter.count(block.rows(), block.bytes()) {
            let place = block.place();
            self.problem(place, refusal)?;
            return Err(Stopped);
        }
        (self.sink)(Item::Block(block))
    }

    /// Remembers what `bytes` at `place` say of the licence of everything at or below `scope`.
    fn statement(&mut self, scope: &str, source: licence::Source, place: &str, expression: String, bytes: &[u8]) {
        let statement = Statement { source, place: place.into(), expression, digest: Digest::of(bytes) };
        // A card is a document all the same.
        if source != licence::Source::DatasetCard {
            self.licence_files.insert(place.to_string());
        }
        self.scanned.statements.push(Scoped { scope: scope.into(), statement });
    }

    /// Remembers what a file of pages says about their sites.
    fn look_for_sites(&mut self, name: &str, source: Source<'_>) {
        if let Kind::Web(compression) = kind::of(name)
            && let Ok(reader) = source.stream(compression, &self.meter)
        {
            web::look_for_sites(reader, &self.options.limits, &mut self.sites);
        }
    }

    /// Whether a file says which licence others have, and is no document.
    fn is_statement(&self, place: &str) -> bool {
        self.licence_files.contains(place)
    }

    /// Reads one file of an archive or a repository, of `size` bytes.
    fn nested(&mut self, name: &str, mut reader: &mut dyn Read, size: u64) -> Result<(), Stopped> {
        let mut head = Vec::new();
        let looked = (&mut reader).take(kind::LFS_BYTES).read_to_end(&mut head);
        match looked {
            Ok(_) if kind::is_lfs_pointer(&head) => self.problem(name, kind::lfs_refusal()),
            Ok(_) => self.file(name, Source::Nested(&mut std::io::Cursor::new(head).chain(reader), size)),
            Err(e) => self.problem(name, Refusal::of_io(&e)),
        }
    }

    /// Reads one file; what is wrong with it as a whole is a problem at its place.
    fn file(&mut self, name: &str, source: Source<'_>) -> Result<(), Stopped> {
        let encoding = self.options.encoding;
        let result = match kind::of(name) {
            _ if source.is_lfs_pointer() => Err(kind::lfs_refusal()),
            Kind::Json(c) => source.utf8(c, encoding, &self.meter).map(|r| json::read(name, false, r, self)),
            Kind::Lines(c) => source.utf8(c, encoding, &self.meter).map(|r| json::read(name, true, r, self)),
            Kind::Delimited(delimiter, c) => source.utf8(c, encoding, &self.meter).map(|r| delimited::read(name, delimiter, r, self)),
            Kind::Web(c) => source.stream(c, &self.meter).map(|r| web::read(name, r, self)),
            Kind::Parquet => source.seekable(&self.meter).map(|s| table::read_parquet(name, s, self)),
            Kind::Arrow => source.seekable(&self.meter).map(|s| table::read_arrow(name, s, self)),
            Kind::Tar(c) if !source.is_nested() => source.stream(c, &self.meter).map(|r| archive::read_tar(name, r, self)),
            Kind::Zip if !source.is_nested() => source.seekable(&self.meter).map(|s| archive::read_zip(name, s, self)),
            Kind::Tar(_) | Kind::Zip => Err(Refusal::new(Code::Unsupported, "an archive inside another one: left out; unpack it first")),
            Kind::Other(what) => Err(Refusal::new(Code::Unsupported, format!("{what}: left out; expected text or a form that is known"))),
            Kind::Text(c) => source.text(c, &self.meter).map(|text| text::read(name, text, self)),
        };
        match result {
            Ok(read) => read,
            Err(refusal) => self.problem(name, refusal),
        }
    }
}
