//! Files and folders to records. Nothing disappears: what is not a record is a problem with its place.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use arrow::array::{Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use corpus::parquet_file;

/// Largest document; a longer text is one that somebody forgot to cut.
pub const MAX_DOCUMENT_BYTES: u64 = 16 << 20;
/// Longest line: its document with every byte escaped, and its other fields.
pub(crate) const MAX_LINE_BYTES: u64 = 6 * MAX_DOCUMENT_BYTES + (1 << 20);
/// Largest expansion of a compressed file, in bytes read from it.
const MAX_EXPANDED_BYTES: u64 = 4 << 30;
/// Deepest folder below the dataset.
const MAX_DEPTH: usize = 32;

/// A text with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Path in the dataset, with `#row` for a record of a file.
    pub source: String,
    /// The text.
    pub text: String,
    /// The byte of it at which the answer begins, if it came as prompt and answer.
    pub answer_at: Option<u64>,
    /// The licence in its row, if there is one.
    pub licence: Option<String>,
}

/// Something that is in the dataset and did not become a record.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Path in the dataset, with `:line` for a line of a file.
    pub place: String,
    /// The expected and the found.
    pub reason: String,
}

/// What a path holds.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// In the order of paths, and of rows in a file.
    pub records: Vec<Record>,
    /// What is not in `records`.
    pub problems: Vec<Problem>,
    /// A file at the top that says which licence the whole has; it is evidence and no record.
    pub licence_file: Option<(String, String)>,
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

/// Reads a file or a folder: JSON lines (plain, gzip, zstd), Parquet, and any other file as one text.
///
/// `licence_is_evidence` takes a LICENSE file at the top out of the records.
///
/// # Errors
/// [`ReadError`] if the path itself cannot be read; anything below it becomes a [`Problem`].
pub fn read(path: &Path, licence_is_evidence: bool) -> Result<Dataset, ReadError> {
    let error = |e: std::io::Error| ReadError { path: path.to_path_buf(), reason: e.to_string() };
    let mut dataset = Dataset::default();
    let metadata = fs::metadata(path).map_err(error)?;
    if metadata.is_file() {
        let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        read_file(path, &name, &mut dataset);
        return Ok(dataset);
    }
    fs::read_dir(path).map_err(error)?;
    let mut files = Vec::new();
    walk(path, "", 0, &mut files, &mut dataset.problems);
    files.sort();
    for name in files {
        let file = path.join(&name);
        if licence_is_evidence && dataset.licence_file.is_none() && !name.contains('/') && is_text_named(&name, &EVIDENCE) {
            match fs::read_to_string(&file) {
                Ok(text) => {
                    dataset.licence_file = Some((name, text));
                    continue;
                }
                Err(e) => dataset.problems.push(Problem { place: name.clone(), reason: e.to_string() }),
            }
        }
        read_file(&file, &name, &mut dataset);
    }
    Ok(dataset)
}

/// Names of files that say which licence a dataset has.
const EVIDENCE: [&str; 4] = ["LICENSE", "LICENCE", "COPYING", "UNLICENSE"];

/// Whether a file's name is that of a licence text or a notice: `LICENSE`, `LICENCE-MIT.txt`, `NOTICE`, but not `licence.rs`.
pub fn is_licence_name(name: &str) -> bool {
    is_text_named(name, &EVIDENCE) || is_text_named(name, &["COPYRIGHT", "NOTICE"])
}

fn is_text_named(name: &str, stems: &[&str]) -> bool {
    let upper = name.to_uppercase();
    let (stem, extension) = upper.rsplit_once('.').unwrap_or((&upper, ""));
    let text = ["", "TXT", "MD", "RST", "HTML"].contains(&extension) || extension.bytes().all(|b| b.is_ascii_digit());
    text && stems.iter().any(|known| stem.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.'])))
}

pub(crate) fn walk(folder: &Path, below: &str, depth: usize, files: &mut Vec<String>, problems: &mut Vec<Problem>) {
    let mut problem = |place: &str, reason: String| problems.push(Problem { place: place.to_string(), reason });
    if depth > MAX_DEPTH {
        return problem(below, format!("expected folders at most {MAX_DEPTH} deep"));
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) => return problem(below, e.to_string()),
    };
    let mut folders = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            problem(&name.to_string_lossy(), "expected a name in UTF-8".into());
            continue;
        };
        let place = if below.is_empty() { name.to_string() } else { format!("{below}/{name}") };
        match entry.file_type() {
            Ok(_) if name.starts_with('.') => problem(&place, "hidden: left out".into()),
            Ok(kind) if kind.is_dir() => folders.push(place),
            Ok(kind) if kind.is_file() => files.push(place),
            Ok(_) => problem(&place, "a link or a special file: left out".into()),
            Err(e) => problem(&place, e.to_string()),
        }
    }
    for place in folders {
        let name = place.rsplit('/').next().expect("a path has a last part");
        walk(&folder.join(name), &place, depth + 1, files, problems);
    }
}

fn read_file(path: &Path, name: &str, dataset: &mut Dataset) {
    let result = match kind_of(name) {
        Kind::Lines(compression) => read_lines(path, name, compression, dataset),
        Kind::Parquet => read_parquet(path, name, dataset),
        Kind::Text => read_text(path, name, dataset),
    };
    if let Err(reason) = result {
        dataset.problems.push(Problem { place: name.to_string(), reason });
    }
}

pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

pub(crate) enum Kind {
    Lines(Compression),
    Parquet,
    Text,
}

pub(crate) fn kind_of(name: &str) -> Kind {
    let lower = name.to_lowercase();
    let lines = |stem: &str| stem.ends_with(".jsonl") || stem.ends_with(".ndjson");
    if lines(&lower) {
        Kind::Lines(Compression::None)
    } else if lower.strip_suffix(".gz").is_some_and(lines) {
        Kind::Lines(Compression::Gzip)
    } else if lower.strip_suffix(".zst").is_some_and(lines) {
        Kind::Lines(Compression::Zstd)
    } else if lower.ends_with(".parquet") {
        Kind::Parquet
    } else {
        Kind::Text
    }
}

fn too_long(bytes: u64) -> String {
    format!("a document of {bytes} bytes, expected at most {MAX_DOCUMENT_BYTES}")
}

/// The text of bytes, or why they are none.
fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.is_empty() {
        return Err("empty, expected text".into());
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        format!(
            "expected UTF-8, found byte 0x{:02x} at offset {}",
            e.as_bytes()[e.utf8_error().valid_up_to()],
            e.utf8_error().valid_up_to()
        )
    })?;
    if let Some(at) = text.find('\0') {
        return Err(format!("expected text, found a NUL byte at offset {at}"));
    }
    if text.trim().is_empty() {
        return Err("only white space, expected text".into());
    }
    Ok(text)
}

/// A file that is one text, or why it is none.
pub(crate) fn read_whole_text(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > MAX_DOCUMENT_BYTES {
        return Err(too_long(size));
    }
    text_of(fs::read(path).map_err(|e| e.to_string())?)
}

fn read_text(path: &Path, name: &str, dataset: &mut Dataset) -> Result<(), String> {
    let text = read_whole_text(path)?;
    dataset.records.push(Record { source: name.to_string(), text, answer_at: None, licence: None });
    Ok(())
}

const TEXT_COLUMNS: [&str; 3] = ["text", "content", "body"];
/// Fields of rows of prompt and answer, of which the answer alone is learned.
const PROMPT_COLUMNS: [&str; 3] = ["prompt", "question", "instruction"];
const ANSWER_COLUMNS: [&str; 4] = ["answer", "completion", "response", "output"];
const LICENCE_COLUMNS: [&str; 2] = ["licence", "license"];

fn read_lines(path: &Path, name: &str, compression: Compression, dataset: &mut Dataset) -> Result<(), String> {
    let file = fs::File::open(path).map_err(|e| e.to_string())?;
    let reader: Box<dyn Read> = match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Compression::Zstd => Box::new(zstd::Decoder::new(file).map_err(|e| e.to_string())?),
    };
    let mut reader = BufReader::new(reader.take(MAX_EXPANDED_BYTES));
    let mut line = Vec::new();
    let mut number = 0u64;
    let mut read_any = false;
    loop {
        line.clear();
        number += 1;
        let limit = MAX_LINE_BYTES;
        let read = (&mut reader).take(limit).read_until(b'\n', &mut line).map_err(|e| format!("line {number}: {e}"))?;
        if read == 0 {
            break;
        }
        read_any = true;
        let place = format!("{name}:{number}");
        if read as u64 == limit {
            dataset.problems.push(Problem { place, reason: too_long(limit) });
            skip_line(&mut reader).map_err(|e| format!("line {number}: {e}"))?;
            continue;
        }
        while line.last().is_some_and(|b| b.is_ascii_whitespace()) {
            line.pop();
        }
        if line.is_empty() {
            continue;
        }
        match row_of(&line) {
            Ok((text, answer_at, licence)) => {
                dataset.records.push(Record { source: format!("{name}#{number}"), text, answer_at, licence });
            }
            Err(reason) => dataset.problems.push(Problem { place, reason }),
        }
    }
    if reader.get_ref().limit() == 0 {
        dataset
            .problems
            .push(Problem { place: name.to_string(), reason: format!("more than {MAX_EXPANDED_BYTES} bytes; what follows was not read") });
    }
    if read_any { Ok(()) } else { Err("empty, expected JSON lines".into()) }
}

fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (used, done) = match buffer.iter().position(|&b| b == b'\n') {
            Some(i) => (i + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        if done {
            return Ok(());
        }
    }
}

/// Text, where its answer begins if it has one, and licence of a row.
fn row_of(line: &[u8]) -> Result<(String, Option<u64>, Option<String>), String> {
    if let Err(e) = std::str::from_utf8(line) {
        return Err(format!("expected UTF-8, found byte 0x{:02x} at offset {}", line[e.valid_up_to()], e.valid_up_to()));
    }
    let row: serde_json::Value = serde_json::from_slice(line).map_err(|e| format!("expected a JSON object, found {e}"))?;
    let row = row.as_object().ok_or("expected a JSON object, found another value")?;
    let field = |names: &[&str]| names.iter().find_map(|c| row.get(*c));
    let string = |value: &serde_json::Value, which: &str| -> Result<String, String> {
        Ok(value.as_str().ok_or_else(|| format!("expected text in the {which} field, found another value"))?.to_string())
    };
    let (text, answer_at) = match (field(&TEXT_COLUMNS), field(&PROMPT_COLUMNS), field(&ANSWER_COLUMNS)) {
        (Some(text), _, _) => (string(text, "text")?, None),
        (None, Some(prompt), Some(answer)) => {
            let (prompt, answer) = (string(prompt, "prompt")?, string(answer, "answer")?);
            if answer.trim().is_empty() {
                return Err("only white space in the answer field, expected text".into());
            }
            let (text, at) = corpus::text::prompt_and_answer(&prompt, &answer);
            (text, Some(at))
        }
        (None, _, _) => {
            return Err(format!(
                "expected one of the fields {TEXT_COLUMNS:?}, or one of {PROMPT_COLUMNS:?} with one of {ANSWER_COLUMNS:?}, found {:?}",
                row.keys().collect::<Vec<_>>()
            ));
        }
    };
    if text.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(too_long(text.len() as u64));
    }
    // A licence that cannot be read is not one that the folder's may stand in for.
    let licence = match LICENCE_COLUMNS.iter().find_map(|c| row.get(*c)) {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(licence)) => Some(licence.clone()),
        Some(other) => return Err(format!("expected an SPDX expression in the licence field, found {other}")),
    };
    Ok((text_of(text.into_bytes())?, answer_at, licence))
}

fn read_parquet(path: &Path, name: &str, dataset: &mut Dataset) -> Result<(), String> {
    let table = parquet_file::decode(&fs::read(path).map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    let mut row = 0;
    for batch in &table.batches {
        let text = TEXT_COLUMNS
            .iter()
            .find_map(|c| strings(batch, c))
            .ok_or_else(|| format!("expected one of the text columns {TEXT_COLUMNS:?}"))?;
        let licence = LICENCE_COLUMNS.iter().find_map(|c| strings(batch, c));
        for (i, text) in text.into_iter().enumerate() {
            row += 1;
            let licence = licence.as_ref().and_then(|l| l[i].clone());
            let checked = match text {
                None => Err("no text in the row".to_string()),
                Some(text) if text.len() as u64 > MAX_DOCUMENT_BYTES => Err(too_long(text.len() as u64)),
                Some(text) => text_of(text.into_bytes()),
            };
            match checked {
                Ok(text) => dataset.records.push(Record { source: format!("{name}#{row}"), text, answer_at: None, licence }),
                Err(reason) => dataset.problems.push(Problem { place: format!("{name}:{row}"), reason }),
            }
        }
    }
    if row == 0 { Err("no rows".into()) } else { Ok(()) }
}

fn strings(batch: &RecordBatch, column: &str) -> Option<Vec<Option<String>>> {
    let array = batch.column_by_name(column).filter(|a| a.data_type().is_string())?;
    // Large strings and string views become plain ones.
    let array = arrow::compute::cast(array, &DataType::Utf8).ok()?;
    let array: &StringArray = array.as_any().downcast_ref()?;
    Some(array.iter().map(|value| value.map(str::to_string)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(path: &Path) -> Vec<(String, String)> {
        read(path, true).unwrap().problems.into_iter().map(|p| (p.place, p.reason)).collect()
    }

    #[test]
    fn rows_of_prompt_and_answer_say_where_the_answer_begins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let rows = "{\"prompt\": \"2 + 2?\", \"answer\": \"4\"}\n{\"instruction\": \"Say é\\n\", \"output\": \"é\", \"license\": \"MIT\"}\n{\"prompt\": \"x\"}\n{\"prompt\": \"x\", \"answer\": \" \"}\n";
        fs::write(&path, rows).unwrap();
        let dataset = read(&path, false).unwrap();
        let found: Vec<(&str, &str)> = dataset.records.iter().map(|r| r.text.split_at(r.answer_at.unwrap() as usize)).collect();
        assert_eq!(found, [("2 + 2?\n", "4"), ("Say é\n", "é")]);
        let reasons: Vec<&str> = dataset.problems.iter().map(|p| p.reason.as_str()).collect();
        assert!(reasons[0].contains("with one of") && reasons[1].contains("answer field"), "{reasons:?}");
    }

    #[test]
    fn every_bad_thing_has_its_place_and_reason_and_the_rest_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        put("a.jsonl", b"{\"text\": \"one\"}\n{\"text\": oops}\n{\"content\": \"two\", \"license\": \"MIT\"}\n{\"id\": 3}\n\xff\xfe\n\n[1]\n{\"text\":5}\n{\"text\":\"x\",\"license\":[\"MIT\"]}\n");
        put("b.txt", b"caf\xe9");
        put("c.txt", b"");
        put("d.bin", b"ab\0c");
        put("e.jsonl", b"");
        put("f.jsonl.gz", b"\x1f\x8b\x08\x00broken");
        put("g.parquet", b"PAR1");
        put("h.md", b"# fine\n");
        put(".hidden", b"x");
        put("LICENSE", b"MIT");
        std::os::unix::fs::symlink("h.md", dir.path().join("link.md")).unwrap();
        let big = fs::File::create(dir.path().join("i.txt")).unwrap();
        big.set_len(200 << 20).unwrap();
        let dataset = read(dir.path(), true).unwrap();
        let sources: Vec<&str> = dataset.records.iter().map(|r| r.source.as_str()).collect();
        assert_eq!(sources, ["a.jsonl#1", "a.jsonl#3", "h.md"]);
        assert_eq!(dataset.records[1].licence.as_deref(), Some("MIT"));
        assert_eq!(dataset.licence_file.unwrap().0, "LICENSE");
        let found = reasons(dir.path());
        for (place, part) in [
            ("a.jsonl:2", "expected a JSON object"),
            ("a.jsonl:4", "expected one of the fields"),
            ("a.jsonl:5", "byte 0xff at offset 0"),
            ("a.jsonl:7", "expected a JSON object"),
            ("a.jsonl:8", "expected text in the text field"),
            ("a.jsonl:9", "expected an SPDX expression"),
            ("b.txt", "byte 0xe9 at offset 3"),
            ("c.txt", "empty"),
            ("d.bin", "NUL byte at offset 2"),
            ("e.jsonl", "empty"),
            ("f.jsonl.gz", "line 1"),
            ("g.parquet", "parquet"),
            ("i.txt", "209715200 bytes, expected at most 16777216"),
            (".hidden", "hidden"),
            ("link.md", "link"),
        ] {
            assert!(found.iter().any(|(p, r)| p == place && r.contains(part)), "{place}: {part} not in {found:?}");
        }
        assert_eq!(found.len(), 15, "{found:?}");
        assert!(read(&dir.path().join("absent"), true).unwrap_err().to_string().contains("absent"));
    }

    #[test]
    fn licence_names() {
        for name in ["LICENSE", "license.txt", "LICENSE-MIT", "LICENSE-2.0", "COPYING.md", "NOTICE"] {
            assert!(is_licence_name(name), "{name}");
        }
        for name in ["licence.rs", "license_check.py", "licensed", "README", "text.jsonl"] {
            assert!(!is_licence_name(name), "{name}");
        }
    }

    #[test]
    fn compressed_lines_are_read() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        let line = b"{\"text\": \"hello\"}\n";
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(line).unwrap();
        fs::write(dir.path().join("a.jsonl.gz"), gz.finish().unwrap()).unwrap();
        fs::write(dir.path().join("b.jsonl.zst"), zstd::encode_all(&line[..], 1).unwrap()).unwrap();
        let dataset = read(dir.path(), true).unwrap();
        assert_eq!(dataset.records.iter().map(|r| r.text.as_str()).collect::<Vec<_>>(), ["hello", "hello"]);
    }
}
