//! Rows that were read together, taken in parallel.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use rayon::prelude::*;
use rights::reservation::Signal;

use super::columns::{Columns, PROMPT, SLOTS, Slot, Unused};
use super::limits::Limits;
use super::problem::{Code, Problem, Refusal};
use super::{lines, table};

/// Bytes that are handed out at once.
pub(super) const BLOCK_BYTES: usize = 8 << 20;

/// Where a row stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Path in the dataset.
    pub file: &'a str,
    /// Its number in the file, from 1; none if the file is one text.
    pub row: Option<u64>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            Some(row) => write!(f, "{}#{row}", self.file),
            None => f.write_str(self.file),
        }
    }
}

/// One text.
#[derive(Debug)]
pub struct Row<'a> {
    /// Where it stands.
    pub place: Place<'a>,
    /// Its id, if it has one.
    pub id: Option<Cow<'a, str>>,
    /// Where it says that it comes from.
    pub origin: Option<Cow<'a, str>>,
    /// Its licence, if it says one.
    pub licence: Option<Cow<'a, str>>,
    /// The expression of a licence tag in its file, if there is one.
    pub tag: Option<&'a str>,
    /// What its publisher says about training, if it is a page.
    pub signals: Option<&'a [Signal]>,
    /// Whose words it says that they are.
    pub person: Option<Cow<'a, str>>,
    /// The text as it came.
    pub text: Cow<'a, str>,
    /// The byte of the text at which the answer begins, if it came as prompt and answer.
    pub answer_at: Option<u64>,
}

impl Row<'_> {
    /// Its place, and behind a space its origin.
    pub fn source(&self) -> String {
        match &self.origin {
            Some(origin) => format!("{} {origin}", self.place),
            None => self.place.to_string(),
        }
    }
}

/// A row that is its own.
#[derive(Debug)]
pub(super) struct Loose {
    /// The file, where a block is of several.
    pub file: Option<String>,
    pub row: Option<u64>,
    pub origin: Option<String>,
    /// The expression of a licence tag in the file.
    pub tag: Option<String>,
    /// What its publisher says about training, if it is a page.
    pub signals: Option<Vec<Signal>>,
    pub fields: Fields<'static>,
}

/// Fields of a row by slot.
pub(super) type Fields<'a> = [Option<Cow<'a, str>>; SLOTS];

pub(super) enum Rows {
    /// JSON values, the number of the first, where each ends, and whether each is a line.
    Json { first: u64, bytes: Vec<u8>, ends: Vec<usize>, by_line: bool },
    /// Rows of a table and the number of the first.
    Table { first: u64, batch: RecordBatch },
    /// Rows one by one.
    Loose(Vec<Loose>),
}

/// Some rows of a file, or some files that are one row each, in their order.
pub struct Block {
    pub(super) file: Arc<str>,
    pub(super) rows: Rows,
    pub(super) columns: Columns,
    pub(super) limits: Limits,
    pub(super) unused: Unused,
}

impl Block {
    /// At most so many rows; lines may be empty.
    pub fn rows(&self) -> u64 {
        match &self.rows {
            Rows::Json { ends, .. } => ends.len() as u64,
            Rows::Table { batch, .. } => batch.num_rows() as u64,
            Rows::Loose(rows) => rows.len() as u64,
        }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        match &self.rows {
            Rows::Json { bytes, .. } => bytes.len() as u64,
            Rows::Table { batch, .. } => table::lengths(batch).iter().sum(),
            Rows::Loose(rows) => rows.iter().flat_map(|r| r.fields.iter().flatten()).map(|f| f.len() as u64).sum(),
        }
    }

    /// Names of fields that the rows which were taken have and that are not read.
    pub fn unused(&self) -> BTreeSet<String> {
        self.unused.names()
    }

    /// Where its first row stands.
    pub(super) fn place(&self) -> String {
        let file = self.file.to_string();
        match &self.rows {
            Rows::Json { first, by_line: true, .. } => format!("{file}:{first}"),
            Rows::Json { first, .. } | Rows::Table { first, .. } => format!("{file}#{first}"),
            Rows::Loose(rows) => rows.first().map_or(file.clone(), |r| {
                let file = r.file.as_deref().unwrap_or(&file);
                Place { file, row: r.row }.to_string()
            }),
        }
    }

    /// What `each` makes of every row, in order, and a problem for each that is none.
    pub fn map<T: Send>(&self, each: impl Fn(Row<'_>) -> T + Sync) -> Vec<Result<T, Problem>> {
        let take = |place: Place<'_>, at: fn(&Place<'_>) -> String, fields: Result<Fields<'_>, Refusal>| {
            let row = fields.and_then(|f| row_of(place, f, &self.columns, &self.limits));
            row.map(&each).map_err(|r| Problem::new(&at(&place), r.code, &r.reason))
        };
        let by_row: fn(&Place<'_>) -> String = |p| p.to_string();
        let by_line: fn(&Place<'_>) -> String = |p| format!("{}:{}", p.file, p.row.unwrap_or_default());
        match &self.rows {
            Rows::Json { first, bytes, ends, by_line: is_line } => {
                let at = if *is_line { by_line } else { by_row };
                let line = |i: usize| &bytes[if i == 0 { 0 } else { ends[i - 1] }..ends[i]];
                let lines: Vec<usize> = (0..ends.len()).filter(|i| !line(*i).trim_ascii().is_empty()).collect();
                let one = |i: &usize| {
                    let place = Place { file: &self.file, row: Some(first + *i as u64) };
                    take(place, at, lines::fields(line(*i), &self.columns, &self.unused))
                };
                lines.par_iter().with_min_len(8).map(one).collect()
            }
            Rows::Table { first, batch } => match table::Texts::of(batch, &self.columns, &self.unused) {
                Err(refusal) => vec![Err(Problem::new(&self.file, refusal.code, &refusal.reason))],
                Ok(texts) => {
                    let one = |i: usize| {
                        let place = Place { file: &self.file, row: Some(first + i as u64) };
                        take(place, by_row, texts.fields(i))
                    };
                    (0..batch.num_rows()).into_par_iter().with_min_len(8).map(one).collect()
                }
            },
            Rows::Loose(rows) => {
                let one = |r: &Loose| {
                    let place = Place { file: r.file.as_deref().unwrap_or(&self.file), row: r.row };
                    let mut fields: Fields<'_> = std::array::from_fn(|i| r.fields[i].as_deref().map(Cow::Borrowed));
                    if let Some(origin) = &r.origin {
                        fields[Slot::Origin as usize] = Some(origin.into());
                    }
                    let tagged = |row: Row<'_>| each(Row { tag: r.tag.as_deref(), signals: r.signals.as_deref(), ..row });
                    let row = row_of(place, fields, &self.columns, &self.limits).map(tagged);
                    row.map_err(|refusal| Problem::new(&by_row(&place), refusal.code, &refusal.reason))
                };
                rows.par_iter().with_min_len(8).map(one).collect()
            }
        }
    }
}

/// The row of some fields, or why they are none.
fn row_of<'a>(place: Place<'a>, mut fields: Fields<'a>, columns: &Columns, limits: &Limits) -> Result<Row<'a>, Refusal> {
    let found: [bool; SLOTS] = std::array::from_fn(|slot| fields[slot].is_some());
    let mut take = |slot: Slot| fields[slot as usize].take();
    let text = take(Slot::Text);
    let prompt = PROMPT.map(&mut take);
    let (text, answer_at) = match (text, take(Slot::Answer)) {
        (Some(text), _) => (text, None),
        (None, Some(answer)) if prompt.iter().any(Option::is_some) => {
            check(&answer, "the answer", limits)?;
            // Parts that are empty, such as most inputs of Alpaca, leave no line.
            let parts: Vec<&str> = prompt.iter().flatten().map(AsRef::as_ref).filter(|part| !part.trim().is_empty()).collect();
            let (text, at) = corpus::text::prompt_and_answer(&parts.join("\n"), &answer);
            (text.into(), Some(at))
        }
        _ => return Err(Refusal::new(Code::NoText, columns.missing(|slot| found[slot as usize]))),
    };
    check(&text, "text", limits)?;
    let clean = |what: &str, value: Option<Cow<'a, str>>| match value {
        Some(v) if v.contains(char::is_control) => {
            Err(Refusal::new(Code::BadField, format!("expected {what} without control characters, found {v:?}")))
        }
        v => Ok(v),
    };
    let (id, origin) = (clean("an id", take(Slot::Id))?, clean("a source", take(Slot::Origin))?);
    Ok(Row { place, id, origin, licence: take(Slot::Licence), tag: None, signals: None, person: take(Slot::Person), text, answer_at })
}

/// Whether a text may be a document, or an answer.
fn check(text: &str, what: &str, limits: &Limits) -> Result<(), Refusal> {
    limits.document(text.len() as u64)?;
    if text.is_empty() {
        return Err(Refusal::new(Code::Empty, format!("empty, expected {what}")));
    }
    if let Some(at) = memchr::memchr(0, text.as_bytes()) {
        return Err(Refusal::new(Code::Nul, format!("expected {what}, found a NUL byte at offset {at}")));
    }
    if text.trim_start().is_empty() {
        return Err(Refusal::new(Code::Empty, format!("only white space, expected {what}")));
    }
    Ok(())
}
