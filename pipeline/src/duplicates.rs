//! The duplicates in files, for people who have no home.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder, StructBuilder, UInt64Array, UInt64Builder};
use arrow::datatypes::{DataType, Field, Fields};
use corpus::Digest;
use corpus::parquet_file::TableWriter;
use dedup::{Decision, Device, Features, Guard, Judge, Key, Name, Options, Ruling, Threshold, word_stream};
use ingest::Problem;
use ingest::read::{Item, Options as Reading, Stream};
use rules::listener::Listener;
use serde::Serialize;

use crate::error::{Context, Result, usage};
use crate::gather::nothing_read;

/// What is asked for.
pub struct Request {
    /// A file or a folder.
    pub input: PathBuf,
    /// How it is read.
    pub reading: Reading,
    /// One line per document: the id of the one that it duplicates, or its own.
    pub clusters: Option<PathBuf>,
    /// A table with the evidence.
    pub verdicts: Option<PathBuf>,
    /// Documents that nothing may hold.
    pub held_out: Option<PathBuf>,
    /// From which similarity on a pair is near.
    pub threshold: Threshold,
    /// Whether pairs are proven.
    pub verify: bool,
    /// Whether runs in common are looked for.
    pub spans: bool,
    /// The key of the hashes.
    pub key: Key,
}

/// Documents by what they are.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kinds {
    /// Like no other.
    pub kept: u64,
    /// The bytes of another.
    pub exact: u64,
    /// The words of another.
    pub formatting_only: u64,
    /// Near another.
    pub near: u64,
    /// Words of others.
    pub contained: u64,
    /// Held-out text.
    pub held_out: u64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Documents.
    pub documents: u64,
    /// Bytes of their texts.
    pub bytes: u64,
    /// Words.
    pub words: u64,
    /// Words of kept documents that no earlier one has; none if runs in common were not looked for.
    pub novel_words: Option<u64>,
    /// Documents by kind.
    pub kinds: Kinds,
    /// What is no document.
    pub problems: Vec<Problem>,
}

impl Totals {
    fn count(&mut self, ruling: &Option<Ruling>, bytes: u64, words: u64) {
        let kinds = &mut self.kinds;
        *match ruling.as_ref().map(|r| &r.decision) {
            Some(Decision::Kept(_)) => &mut kinds.kept,
            Some(Decision::Exact(_)) => &mut kinds.exact,
            Some(Decision::Formatting(_)) => &mut kinds.formatting_only,
            Some(Decision::Near(..)) => &mut kinds.near,
            Some(Decision::Contained(_)) => &mut kinds.contained,
            None => &mut kinds.held_out,
        } += 1;
        self.documents += 1;
        self.bytes += bytes;
        self.words += words;
        if let (Some(novel), Some(kept)) = (&mut self.novel_words, ruling.as_ref().filter(|r| r.decision.of().is_none())) {
            *novel += words - kept.coverage.words;
        }
    }
}

/// Finds duplicates and writes what was asked for.
pub fn find(request: &Request, device: Device, listener: &dyn Listener) -> Result<Totals> {
    let key = request.key;
    let options = Options { threshold: request.threshold, verify: request.verify, spans: request.spans, ..Options::new(&[key]) };
    let guard = request.held_out.as_deref().map(|path| guard_of(path, &request.reading, &key, listener)).transpose()?;
    let mut judge = Judge::new(options).on_device(device);
    let mut stream = Stream::new(&request.input, &request.reading);
    let mut problems = Vec::new();
    let mut writers = Writers::open(request)?;
    let mut totals = Totals { novel_words: request.spans.then_some(0), ..Totals::default() };
    let bar = listener.task("documents compared", 0);
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
        bar.set(totals.documents);
        bar.say(format!("{} MB", totals.bytes / 1_000_000));
    }
    stream.finish()?;
    drop(bar);
    if totals.documents == 0 {
        return Err(nothing_read(&request.input, &problems));
    }
    writers.finish()?;
    Ok(Totals { problems, ..totals })
}

fn guard_of(path: &Path, reading: &Reading, key: &Key, listener: &dyn Listener) -> Result<Guard> {
    let mut stream = Stream::new(path, reading);
    let mut streams = Vec::new();
    while let Some(item) = stream.next_item() {
        match item {
            Item::Block(block) => {
                for row in block.map(|row| word_stream(&row.text)) {
                    streams.push(row.map_err(|p| usage(format!("{}: {}: {}", path.display(), p.place, p.reason)))?);
                }
            }
            Item::Problem(p) => listener.note(&format!("{}: {}: {}", path.display(), p.place, p.reason)),
            Item::Scanned(_) => {}
        }
    }
    stream.finish()?;
    Ok(Guard::new(streams.iter().map(Vec::as_slice), key))
}

/// What a decision is called in the table.
fn kind_of(decision: &Decision) -> &'static str {
    match decision {
        Decision::Kept(_) => "kept",
        Decision::Exact(_) => "exact",
        Decision::Formatting(_) => "formatting-only",
        Decision::Near(..) => "near",
        Decision::Contained(_) => "contained",
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
        let clusters =
            request.clusters.as_ref().map(|p| Ok::<_, crate::PipelineError>((p.clone(), BufWriter::new(create(p)?)))).transpose()?;
        let schema = batch(&[], &Arena::default(), true)?.schema();
        let verdicts = request
            .verdicts
            .as_ref()
            .map(|p| Ok::<_, crate::PipelineError>((p.clone(), TableWriter::new(create(p)?, schema, &[]))))
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
