//! `assay dedup`: the duplicates in files, for people who have no home.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder, StructBuilder, UInt64Array, UInt64Builder};
use arrow::datatypes::{DataType, Field, Fields};
use corpus::Digest;
use corpus::parquet_file::TableWriter;
use dedup::{Decision, Features, Guard, Judge, Key, Name, Options, Ruling, Threshold, word_stream};
use indicatif::ProgressBar;
use ingest::Problem;
use ingest::read::{Item, Options as Reading, Stream};
use pipeline::gather::nothing_read;
use serde_json::json;

use crate::args::dedup::{Dedup, DeviceChoice};
use crate::failure::usage;
use crate::output::{Output, note};

/// What is asked for.
struct Request {
    /// A file or a folder.
    input: PathBuf,
    /// How it is read.
    reading: Reading,
    /// One line a document: the id of the one that it duplicates, or its own.
    clusters: Option<PathBuf>,
    /// A table with the evidence.
    verdicts: Option<PathBuf>,
    /// Documents that nothing may hold.
    held_out: Option<PathBuf>,
    /// A decimal between 0 and 1.
    threshold: String,
    /// Whether pairs are proven.
    verify: bool,
    /// Whether runs in common are looked for.
    spans: bool,
    /// Where to compute.
    device: DeviceChoice,
    /// 64 hexadecimal digits, if not the default key.
    key: Option<String>,
}

/// The key of people who fear nobody: anybody can find edits that slip through it.
fn default_key() -> Key {
    Digest::of(b"assay dedup default key v1").0
}

/// A decimal as a fraction.
fn threshold_of(text: &str) -> Result<Threshold> {
    let wrong = || usage(format!("--threshold {text}: expected a decimal above 0 and at most 1, with at most nine places"));
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{places}");
    if places.len() > 9 || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let (numerator, denominator) = (digits.parse().map_err(|_| wrong())?, 10u64.pow(places.len() as u32));
    if numerator == 0 || numerator > denominator { Err(wrong()) } else { Ok(Threshold { numerator, denominator }) }
}

/// Carries out the command.
pub fn run(a: Dedup) -> Result<Output> {
    let (verify, spans, reading) = (!a.no_verify, !a.no_spans, a.columned.options(false));
    let Dedup { input, clusters, verdicts, held_out, threshold, device, key, .. } = a;
    find(&Request { input, reading, clusters, verdicts, held_out, threshold, verify, spans, device, key })
}

/// Finds duplicates and writes what was asked for.
fn find(request: &Request) -> Result<Output> {
    let key = match &request.key {
        None => default_key(),
        Some(text) => text.parse::<Digest>().map_err(|e| usage(format!("--key: {e}")))?.0,
    };
    let options =
        Options { threshold: threshold_of(&request.threshold)?, verify: request.verify, spans: request.spans, ..Options::new(&[key]) };
    let guard = request.held_out.as_deref().map(|path| guard_of(path, &request.reading, &key)).transpose()?;
    let (device, device_name) = request.device.open()?;
    let mut judge = Judge::new(options).on_device(device);
    let mut stream = Stream::new(&request.input, &request.reading);
    let mut problems = Vec::new();
    let mut writers = Writers::open(request)?;
    let mut totals = Totals::default();
    let bar = ProgressBar::new_spinner();
    while let Some(item) = stream.next_item() {
        let block = match item {
            Item::Block(block) => block,
            Item::Problem(problem) => {
                problems.push(problem);
                continue;
            }
            Item::Scanned(_) => continue,
        };
        let rows = block.map(|row| {
            let features = Features::unsigned(word_stream(&row.text), Digest::of(row.text.as_bytes()).0);
            // A file that is one text is called by its path.
            let whole = row.place.row.is_none().then(|| row.place.file.to_string());
            (row.id.map(|id| id.into_owned()).or(whole), row.text.len() as u64, features)
        });
        let mut documents = Vec::with_capacity(rows.len());
        for row in rows {
            match row {
                Ok(row) => documents.push(row),
                Err(problem) => problems.push(problem),
            }
        }
        let mut features: Vec<Features> = documents.iter_mut().map(|(_, _, f)| std::mem::take(f)).collect();
        let hits: Option<Vec<(u64, u64)>> = guard.as_ref().map(|g| g.hits_of_all(&features));
        let excluded: Vec<bool> = (0..features.len()).map(|i| hits.as_ref().is_some_and(|h| Guard::excludes(h[i].0, h[i].1))).collect();
        judge.prepare(&mut features)?;
        let first = totals.documents;
        let words: Vec<u64> = features.iter().map(|f| f.words.len() as u64).collect();
        let named = (first..).zip(features).zip(&excluded).filter(|(_, out)| !**out).map(|((row, f), _)| ((row, 0), f));
        let named: Vec<(Name, Features)> = named.collect();
        let mut rulings = judge.judge(&named)?.into_iter();
        for (i, (id, bytes, _)) in documents.into_iter().enumerate() {
            let id = id.unwrap_or_else(|| (first + i as u64).to_string());
            let ruling = if excluded[i] { None } else { rulings.next() };
            let hit = hits.as_ref().filter(|_| excluded[i]).map(|h| h[i]);
            totals.count(&ruling, bytes, words[i]);
            writers.document(id, ruling, hit, words[i], request.spans)?;
        }
        bar.set_message(format!("{} documents, {} MB", totals.documents, totals.bytes / 1_000_000));
        bar.tick();
    }
    stream.finish()?;
    bar.finish_and_clear();
    if totals.documents == 0 {
        return Err(nothing_read(&request.input, &problems).into());
    }
    writers.finish()?;
    Ok(totals.output(&problems, &device_name, request))
}

fn guard_of(path: &Path, reading: &Reading, key: &Key) -> Result<Guard> {
    let mut stream = Stream::new(path, reading);
    let mut streams = Vec::new();
    while let Some(item) = stream.next_item() {
        match item {
            Item::Block(block) => {
                for row in block.map(|row| word_stream(&row.text)) {
                    streams.push(row.map_err(|p| usage(format!("{}: {}: {}", path.display(), p.place, p.reason)))?);
                }
            }
            Item::Problem(p) => note(&format!("{}: {}: {}", path.display(), p.place, p.reason)),
            Item::Scanned(_) => {}
        }
    }
    stream.finish()?;
    Ok(Guard::new(streams.iter().map(Vec::as_slice), key))
}

/// What a decision is called in the table.
pub fn kind_of(decision: &Decision) -> &'static str {
    match decision {
        Decision::Kept(_) => "kept",
        Decision::Exact(_) => "exact",
        Decision::Formatting(_) => "formatting-only",
        Decision::Near(..) => "near",
        Decision::Contained(_) => "contained",
    }
}

const KINDS: [&str; 6] = ["kept", "exact", "formatting-only", "near", "contained", "held-out"];

#[derive(Default)]
struct Totals {
    documents: u64,
    bytes: u64,
    words: u64,
    novel_words: u64,
    kinds: [u64; KINDS.len()],
}

impl Totals {
    fn count(&mut self, ruling: &Option<Ruling>, bytes: u64, words: u64) {
        let kind = ruling.as_ref().map_or("held-out", |r| kind_of(&r.decision));
        self.kinds[KINDS.iter().position(|k| *k == kind).expect("all are listed")] += 1;
        self.documents += 1;
        self.bytes += bytes;
        self.words += words;
        self.novel_words += ruling.as_ref().filter(|r| r.decision.of().is_none()).map_or(0, |r| words - r.coverage.words);
    }

    fn output(&self, problems: &[Problem], device: &str, request: &Request) -> Output {
        let kinds: serde_json::Map<String, serde_json::Value> =
            KINDS.iter().zip(self.kinds).map(|(kind, n)| ((*kind).to_string(), n.into())).collect();
        let mut text = format!("{} documents, {} words, {} bytes of text; on {device}\n", self.documents, self.words, self.bytes);
        for (kind, n) in KINDS.iter().zip(self.kinds).filter(|(_, n)| *n > 0) {
            text += &format!("{n:>12}  {kind}\n");
        }
        if request.spans {
            text += &format!("{:>12}  words of kept documents that no earlier one has\n", self.novel_words);
        }
        for problem in problems {
            text += &format!("left out: {}: {}\n", problem.place, problem.reason);
        }
        let novel = request.spans.then_some(self.novel_words);
        let json = json!({
            "documents": self.documents, "bytes": self.bytes, "words": self.words, "novel_words": novel, "kinds": kinds,
            "device": device, "threshold": request.threshold, "verified": request.verify, "problems": problems,
        });
        Output::new(text, json)
    }
}

/// Strings one behind the other.
#[derive(Default)]
struct Arena {
    bytes: String,
    ends: Vec<u64>,
}

impl Arena {
    fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len() as u64);
    }

    fn get(&self, i: u32) -> &str {
        let i = i as usize;
        let begin = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.bytes[begin as usize..self.ends[i] as usize]
    }
}

/// A row of the table of verdicts.
struct VerdictRow {
    document: String,
    ruling: Option<Ruling>,
    of: Option<String>,
    hit: Option<(u64, u64)>,
    words: u64,
}

/// The files that were asked for.
struct Writers {
    clusters: Option<(PathBuf, BufWriter<File>)>,
    verdicts: Option<(PathBuf, TableWriter<File>)>,
    rows: Vec<VerdictRow>,
    spans: bool,
    /// Ids of kept documents by their ordinals.
    ids: Arena,
}

/// Rows of verdicts that are written at once.
const ROWS: usize = 16_384;

impl Writers {
    fn open(request: &Request) -> Result<Writers> {
        let create = |path: &PathBuf| File::create(path).with_context(|| path.display().to_string());
        let clusters = request.clusters.as_ref().map(|p| Ok::<_, anyhow::Error>((p.clone(), BufWriter::new(create(p)?)))).transpose()?;
        let schema = batch(&[], &Arena::default(), true)?.schema();
        let verdicts = request
            .verdicts
            .as_ref()
            .map(|p| Ok::<_, anyhow::Error>((p.clone(), TableWriter::new(create(p)?, schema, &[])?)))
            .transpose()?;
        Ok(Writers { clusters, verdicts, rows: Vec::new(), spans: request.spans, ids: Arena::default() })
    }

    fn document(&mut self, id: String, ruling: Option<Ruling>, hit: Option<(u64, u64)>, words: u64, spans: bool) -> Result<()> {
        let of = ruling.as_ref().and_then(|r| r.decision.of());
        if let Some(Decision::Kept(_)) = ruling.as_ref().map(|r| &r.decision) {
            self.ids.push(&id);
        }
        if let Some((path, clusters)) = &mut self.clusters {
            let of = of.map_or(id.as_str(), |of| self.ids.get(of));
            writeln!(clusters, "{of}").with_context(|| path.display().to_string())?;
        }
        if self.verdicts.is_some() {
            let of = of.map(|of| self.ids.get(of).to_string());
            self.rows.push(VerdictRow { document: id, ruling, of, hit, words });
            if self.rows.len() >= ROWS {
                self.flush(spans)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, spans: bool) -> Result<()> {
        if let Some((path, verdicts)) = &mut self.verdicts {
            verdicts.write(&batch(&self.rows, &self.ids, spans)?).with_context(|| path.display().to_string())?;
        }
        self.rows.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.flush(self.spans)?;
        if let Some((path, mut clusters)) = self.clusters {
            clusters.flush().with_context(|| path.display().to_string())?;
        }
        if let Some((path, verdicts)) = self.verdicts {
            verdicts.finish().with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

/// Rows as columns: `document`, `kind`, `kept`, `intersection`, `union`, `words`, `novel_words`, `covered_by`.
///
/// Intersection and union are shingles for near duplicates, covered and all words for contained ones, n-grams in the pool and all
/// n-grams for held-out hits; null for others.
fn batch(rows: &[VerdictRow], ids: &Arena, spans: bool) -> Result<RecordBatch> {
    let evidence = |row: &VerdictRow| match row.ruling.as_ref().map(|r| &r.decision) {
        Some(Decision::Near(_, overlap)) if overlap.union > 0 => Some((overlap.intersection, overlap.union)),
        Some(Decision::Contained(_)) => row.ruling.as_ref().map(|r| (r.coverage.words, row.words)),
        Some(_) => None,
        None => row.hit,
    };
    let item = Fields::from(vec![Field::new("document", DataType::Utf8, false), Field::new("words", DataType::UInt64, false)]);
    let field = Arc::new(Field::new("item", DataType::Struct(item.clone()), false));
    let mut covered =
        ListBuilder::new(StructBuilder::new(item, vec![Box::new(StringBuilder::new()), Box::new(UInt64Builder::new())])).with_field(field);
    for row in rows {
        for (of, words) in row.ruling.iter().flat_map(|r| &r.coverage.by) {
            let list = covered.values();
            list.field_builder::<StringBuilder>(0).expect("a string").append_value(ids.get(*of));
            list.field_builder::<UInt64Builder>(1).expect("a number").append_value(*words);
            list.append(true);
        }
        covered.append(true);
    }
    let kind = |row: &VerdictRow| row.ruling.as_ref().map_or("held-out", |r| kind_of(&r.decision));
    let novel = |row: &VerdictRow| row.ruling.as_ref().filter(|_| spans).map(|r| row.words - r.coverage.words);
    let columns: [(&str, ArrayRef, bool); 8] = [
        ("document", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.document))), false),
        ("kind", Arc::new(StringArray::from_iter_values(rows.iter().map(kind))), false),
        ("kept", Arc::new(StringArray::from_iter(rows.iter().map(|r| r.of.as_deref()))), true),
        ("intersection", Arc::new(UInt64Array::from_iter(rows.iter().map(|r| evidence(r).map(|e| e.0)))), true),
        ("union", Arc::new(UInt64Array::from_iter(rows.iter().map(|r| evidence(r).map(|e| e.1)))), true),
        ("words", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.words))), false),
        ("novel_words", Arc::new(UInt64Array::from_iter(rows.iter().map(novel))), true),
        ("covered_by", Arc::new(covered.finish()), false),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_decimals() {
        let t = threshold_of("0.8").unwrap();
        assert_eq!((t.numerator, t.denominator), (8, 10));
        assert_eq!(threshold_of("1").unwrap(), Threshold { numerator: 1, denominator: 1 });
        for wrong in ["", ".", "0", "0.0", "1.1", "-0.5", "8e-1", "nan", "0.1234567891", "2"] {
            assert!(threshold_of(wrong).is_err(), "{wrong} was taken");
        }
    }
}
