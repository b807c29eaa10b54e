//! Texts with their ids, streamed: files larger than memory are read block by block, and a block's rows are taken on all cores.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::array::{Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::reader::{self, Compression, Kind, Problem, ReadError};

/// Bytes of JSON lines that are taken at once.
const BLOCK_BYTES: usize = 8 << 20;
/// Rows of Parquet that are taken at once.
const BLOCK_ROWS: usize = 4096;

/// One text.
#[derive(Debug)]
pub struct Row<'a> {
    /// Its id, if it has one.
    pub id: Option<Cow<'a, str>>,
    /// The text as it came.
    pub text: Cow<'a, str>,
}

/// Some rows, in the order of the input.
pub struct Block {
    path: PathBuf,
    rows: Rows,
}

enum Rows {
    /// JSON lines, the number of the first, and where each ends.
    Lines { first: u64, bytes: Vec<u8>, ends: Vec<usize> },
    /// Rows of Parquet and the number of the first.
    Columns { first: u64, batch: RecordBatch },
    /// Whole files.
    Files(Vec<(String, String)>),
}

#[derive(Deserialize)]
struct JsonRow<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

impl Block {
    /// What `each` makes of every row, in order.
    ///
    /// # Errors
    /// [`ReadError`] with the first row that is none, in the order of the input.
    pub fn map<T: Send>(&self, each: impl Fn(Row<'_>) -> T + Sync) -> Result<Vec<T>, ReadError> {
        let wrong = |place: String, reason: String| ReadError { path: PathBuf::from(format!("{}{place}", self.path.display())), reason };
        match &self.rows {
            Rows::Files(files) => Ok(files.par_iter().map(|(id, text)| each(Row { id: Some(id.into()), text: text.into() })).collect()),
            Rows::Lines { first, bytes, ends } => {
                let line = |i: usize| &bytes[if i == 0 { 0 } else { ends[i - 1] }..ends[i]];
                let lines: Vec<usize> = (0..ends.len()).filter(|i| !line(*i).trim_ascii().is_empty()).collect();
                let parse = |i: &usize| {
                    let row = json_row(line(*i)).map_err(|reason| wrong(format!(":{}", first + *i as u64), reason))?;
                    Ok(each(row))
                };
                // Of several that are wrong the first is named, whichever thread was first.
                lines.par_iter().with_min_len(8).map(parse).collect::<Result<_, _>>().or_else(|_| lines.iter().map(parse).collect())
            }
            Rows::Columns { first, batch } => {
                let (ids, texts) = columns(batch).map_err(|reason| wrong(String::new(), reason))?;
                let row = |i: usize| {
                    if texts.is_null(i) {
                        return Err(wrong(format!("#{}", first + i as u64), "expected a text, found null".into()));
                    }
                    let id: Option<Cow<str>> = ids.as_ref().filter(|ids| ids.is_valid(i)).map(|ids| ids.value(i).into());
                    if let Some(id) = id.as_deref().filter(|id| id.contains(char::is_control)) {
                        return Err(wrong(
                            format!("#{}", first + i as u64),
                            format!("expected an id without control characters, found {id:?}"),
                        ));
                    }
                    Ok(each(Row { id, text: texts.value(i).into() }))
                };
                let rows = 0..batch.num_rows();
                rows.clone().into_par_iter().with_min_len(8).map(row).collect::<Result<_, _>>().or_else(|_| rows.map(row).collect())
            }
        }
    }
}

fn json_row(line: &[u8]) -> Result<Row<'_>, String> {
    let row: JsonRow = serde_json::from_slice(line).map_err(|e| format!("expected a JSON object with a string `text`, found {e}"))?;
    let id = match row.id.map(RawValue::get) {
        None | Some("null") => None,
        Some(id) if id.starts_with('"') => Some(serde_json::from_str::<String>(id).map_err(|e| format!("id: {e}"))?.into()),
        Some(id) if id.starts_with(['{', '[']) => return Err(format!("expected a string or a number as `id`, found {id}")),
        Some(id) => Some(id.into()),
    };
    if let Some(id) = id.as_deref().filter(|id: &&str| id.contains(char::is_control)) {
        return Err(format!("expected an id without control characters, found {id:?}"));
    }
    Ok(Row { id, text: row.text })
}

/// Ids and texts of rows; ids may be numbers.
fn columns(batch: &RecordBatch) -> Result<(Option<StringArray>, StringArray), String> {
    let strings = |name: &str| -> Result<Option<StringArray>, String> {
        let Some(column) = batch.column_by_name(name) else { return Ok(None) };
        let column = arrow::compute::cast(column, &DataType::Utf8).map_err(|e| format!("column {name}: {e}"))?;
        Ok(column.as_any().downcast_ref().cloned())
    };
    let names = || batch.schema().fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    let text = strings("text")?.ok_or_else(|| format!("expected a column `text`, found {:?}", names()))?;
    Ok((strings("id")?, text))
}

/// The rows of a file of JSON lines (plain, gzip, zstd), of a Parquet file, or of all files of a folder.
///
/// In a folder, files that are neither are one row each, whose id is their path; those that are no text are problems.
pub struct RowStream {
    files: std::vec::IntoIter<(PathBuf, String)>,
    open: Option<(PathBuf, Open)>,
    /// What was left out.
    pub problems: Vec<Problem>,
}

enum Open {
    Lines { reader: Box<dyn Read + Send>, next_line: u64, rest: Vec<u8> },
    Parquet { reader: ParquetRecordBatchReader, next_row: u64 },
}

impl RowStream {
    /// Finds the files of an input.
    ///
    /// # Errors
    /// If it cannot be read, or is a file that is neither JSON lines nor Parquet.
    pub fn open(path: &Path) -> Result<RowStream, ReadError> {
        let error = |reason: String| ReadError { path: path.to_path_buf(), reason };
        let (mut names, mut problems) = (Vec::new(), Vec::new());
        if std::fs::metadata(path).map_err(|e| error(e.to_string()))?.is_dir() {
            reader::walk(path, "", 0, &mut names, &mut problems);
            names.sort();
            let files = names.into_iter().map(|name| (path.join(&name), name)).collect::<Vec<_>>().into_iter();
            return Ok(RowStream { files, open: None, problems });
        }
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        if matches!(reader::kind_of(&name), Kind::Text) {
            return Err(error("expected .jsonl, .jsonl.gz, .jsonl.zst, .parquet or a folder".into()));
        }
        Ok(RowStream { files: vec![(path.to_path_buf(), name)].into_iter(), open: None, problems })
    }

    /// The next rows, or `None` at the end.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn next_block(&mut self) -> Result<Option<Block>, ReadError> {
        loop {
            if let Some((path, open)) = &mut self.open {
                if let Some(rows) = open.next().map_err(|reason| ReadError { path: path.clone(), reason })? {
                    return Ok(Some(Block { path: path.clone(), rows }));
                }
                self.open = None;
            }
            let mut texts = Vec::new();
            let mut bytes = 0;
            // Small files come together.
            while bytes < BLOCK_BYTES {
                match self.files.as_slice().first() {
                    Some((path, name)) if matches!(reader::kind_of(name), Kind::Text) => {
                        match reader::read_whole_text(path) {
                            Ok(text) => {
                                bytes += text.len();
                                texts.push((name.clone(), text));
                            }
                            Err(reason) => self.problems.push(Problem { place: name.clone(), reason }),
                        }
                        self.files.next();
                    }
                    _ => break,
                }
            }
            if !texts.is_empty() {
                return Ok(Some(Block { path: PathBuf::new(), rows: Rows::Files(texts) }));
            }
            let Some((path, name)) = self.files.next() else { return Ok(None) };
            let open = Open::new(&path, &name).map_err(|reason| ReadError { path: path.clone(), reason })?;
            self.open = Some((path, open));
        }
    }
}

impl Open {
    fn new(path: &Path, name: &str) -> Result<Open, String> {
        let file = File::open(path).map_err(|e| e.to_string())?;
        Ok(match reader::kind_of(name) {
            Kind::Lines(compression) => {
                let reader: Box<dyn Read + Send> = match compression {
                    Compression::None => Box::new(file),
                    Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(file)),
                    Compression::Zstd => Box::new(zstd::Decoder::new(file).map_err(|e| e.to_string())?),
                };
                Open::Lines { reader, next_line: 1, rest: Vec::new() }
            }
            _ => {
                let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| e.to_string())?;
                let wanted = builder.schema().fields().iter().enumerate().filter(|(_, f)| ["id", "text"].contains(&f.name().as_str()));
                let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.map(|(i, _)| i).collect::<Vec<_>>());
                let reader = builder.with_projection(mask).with_batch_size(BLOCK_ROWS).build().map_err(|e| e.to_string())?;
                Open::Parquet { reader, next_row: 0 }
            }
        })
    }

    fn next(&mut self) -> Result<Option<Rows>, String> {
        match self {
            Open::Parquet { reader, next_row } => {
                let Some(batch) = reader.next().transpose().map_err(|e| e.to_string())? else { return Ok(None) };
                let first = *next_row;
                *next_row += batch.num_rows() as u64;
                Ok(Some(Rows::Columns { first, batch }))
            }
            Open::Lines { reader, next_line, rest } => {
                let mut bytes = std::mem::take(rest);
                loop {
                    let begun = bytes.len();
                    bytes.reserve(BLOCK_BYTES);
                    let read = reader.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
                    let end = memchr::memrchr(b'\n', &bytes[begun..]).map(|i| begun + i + 1);
                    match end {
                        // The last line may have no end.
                        _ if read < BLOCK_BYTES => break,
                        Some(end) => {
                            *rest = bytes.split_off(end);
                            break;
                        }
                        None if bytes.len() as u64 > reader::MAX_LINE_BYTES => {
                            return Err(format!("line {next_line}: longer than {} bytes", reader::MAX_LINE_BYTES));
                        }
                        None => {}
                    }
                }
                if bytes.is_empty() {
                    return Ok(None);
                }
                let first = *next_line;
                let mut ends: Vec<usize> = memchr::memchr_iter(b'\n', &bytes).map(|i| i + 1).collect();
                *next_line += ends.len() as u64;
                if ends.last().is_none_or(|end| *end < bytes.len()) {
                    ends.push(bytes.len());
                }
                Ok(Some(Rows::Lines { first, bytes, ends }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Id and text.
    type Owned = (Option<String>, String);

    fn all(path: &Path) -> Result<(Vec<Owned>, usize), ReadError> {
        let mut stream = RowStream::open(path)?;
        let mut rows = Vec::new();
        while let Some(block) = stream.next_block()? {
            rows.extend(block.map(|row| (row.id.map(Cow::into_owned), row.text.into_owned()))?);
        }
        Ok((rows, stream.problems.len()))
    }

    #[test]
    fn rows_are_read_in_order_from_every_form() {
        let dir = tempfile::tempdir().unwrap();
        let lines = "{\"id\":\"a\",\"text\":\"one\\n\\u00e9\"}\r\n\n{\"text\":\"two\",\"more\":[1]}\n{\"id\":7,\"text\":\"\"}";
        let expected = vec![(Some("a".into()), "one\né".into()), (None, "two".into()), (Some("7".into()), String::new())];
        let plain = dir.path().join("d.jsonl");
        std::fs::write(&plain, lines).unwrap();
        let gzip = dir.path().join("d.jsonl.gz");
        let mut encoder = flate2::write::GzEncoder::new(File::create(&gzip).unwrap(), flate2::Compression::fast());
        encoder.write_all(lines.as_bytes()).unwrap();
        encoder.finish().unwrap();
        let zst = dir.path().join("d.jsonl.zst");
        std::fs::write(&zst, zstd::encode_all(lines.as_bytes(), 1).unwrap()).unwrap();
        for path in [&plain, &gzip, &zst] {
            assert_eq!(all(path).unwrap(), (expected.clone(), 0), "{}", path.display());
        }
        std::fs::write(dir.path().join("e.txt"), "whole").unwrap();
        std::fs::write(dir.path().join("f.bin"), [0xff, 0xfe]).unwrap();
        let (rows, problems) = all(dir.path()).unwrap();
        assert_eq!((rows.len(), problems), (10, 1));
        assert_eq!(rows[9], (Some("e.txt".into()), "whole".into()));
    }

    #[test]
    fn a_line_longer_than_a_block_is_one_row_and_numbers_go_on_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long.jsonl");
        let long = "x".repeat(3 * BLOCK_BYTES / 2);
        let many: String = (0..1000).map(|i| format!("{{\"text\":\"{i}\"}}\n")).collect();
        std::fs::write(&path, format!("{many}{{\"text\":\"{long}\"}}\n{many}")).unwrap();
        let (rows, _) = all(&path).unwrap();
        assert_eq!((rows.len(), rows[1000].1.len(), rows[2000].1.as_str()), (2001, long.len(), "999"));
        std::fs::write(&path, format!("{many}{{\"text\":\"{long}\"}}\n{many}{{\"text\":3}}\n")).unwrap();
        let error = all(&path).unwrap_err().to_string();
        assert!(error.contains("long.jsonl:2002: expected a JSON object with a string `text`"), "{error}");
    }
}
