//! Verdict tables as Parquet.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, ListArray, RecordBatch, StringArray, StringBuilder, StructArray, UInt32Array, UInt64Array, UInt64Builder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;

use crate::digest::Digest;
use crate::id::EntryIndex;
use crate::parquet_file::{self, ParquetError, TableWriter, column};
use crate::verdict::{Cover, Decision, Measure, Verdict, VerdictRow, VerdictTable};

/// Footer key of the submission's log index.
const SUBMISSION: &str = "assay.submission";

/// Lists of `{document, words}`.
fn covers(lists: impl Iterator<Item = Vec<Cover>>) -> ListArray {
    let (mut lengths, mut documents, mut words) = (Vec::new(), StringBuilder::new(), UInt64Builder::new());
    for list in lists {
        lengths.push(list.len());
        for c in list {
            documents.append_value(c.document.to_string());
            words.append_value(c.words);
        }
    }
    let fields = vec![Field::new("document", DataType::Utf8, false), Field::new("words", DataType::UInt64, false)];
    let items = StructArray::new(fields.into(), vec![Arc::new(documents.finish()), Arc::new(words.finish())], None);
    let field = Field::new("item", items.data_type().clone(), false);
    ListArray::new(Arc::new(field), OffsetBuffer::from_lengths(lengths), Arc::new(items), None)
}

/// Columns in their order, and whether their values may be missing.
const COLUMNS: [(&str, bool); 13] = [
    ("number", false),
    ("commitment", false),
    ("verdict", false),
    ("of", true),
    ("intersection", false),
    ("union", false),
    ("words", false),
    ("hit", true),
    ("novel_words", false),
    ("covered_by", false),
    ("rule", true),
    ("measured", true),
    ("limit", true),
];

/// A column of some rows.
fn array(name: &str, r: impl Iterator<Item = VerdictRow>) -> ArrayRef {
    fn number(r: impl Iterator<Item = VerdictRow>, pick: fn(&Decision) -> u64) -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(r.map(|r| pick(&r))))
    }
    fn measure(r: impl Iterator<Item = VerdictRow>, pick: fn(&Measure) -> u64) -> ArrayRef {
        Arc::new(r.map(|r| r.filtered.as_ref().map(pick)).collect::<UInt64Array>())
    }
    match name {
        "number" => Arc::new(UInt32Array::from_iter_values(r.map(|r| r.number))),
        "commitment" => Arc::new(BinaryArray::from_iter_values(r.map(|r| r.commitment.0))),
        "verdict" => Arc::new(StringArray::from_iter_values(r.map(|r| r.verdict.code()))),
        "of" => Arc::new(StringArray::from_iter(r.map(|r| r.of.map(|d| d.to_string())))),
        "intersection" => number(r, |d| d.intersection),
        "union" => number(r, |d| d.union),
        "words" => number(r, |d| d.words),
        "hit" => Arc::new(BinaryArray::from_iter(r.map(|r| r.hit.map(|h| h.0)))),
        "novel_words" => number(r, |d| d.novel_words),
        "covered_by" => Arc::new(covers(r.map(|r| r.decision.covered_by))),
        "rule" => Arc::new(r.map(|r| r.decision.filtered.map(|m| m.rule)).collect::<StringArray>()),
        "measured" => measure(r, |m| m.measured),
        "limit" => measure(r, |m| m.limit),
        other => unreachable!("verdict tables have no column {other}"),
    }
}

/// Writes a table of `count` rows as Parquet; `rows` gives them again for each column, from a number on.
///
/// # Errors
/// If it cannot be written.
pub fn write_verdicts<W: Write + Send, I: Iterator<Item = VerdictRow>>(
    out: W,
    submission: EntryIndex,
    count: usize,
    rows: impl Fn(usize) -> I,
) -> Result<(), ParquetError> {
    let field = |(name, nullable): (&str, bool)| Field::new(name, array(name, std::iter::empty()).data_type().clone(), nullable);
    let schema: SchemaRef = Arc::new(Schema::new(COLUMNS.map(field).to_vec()));
    let writer = TableWriter::new(out, schema, &[(SUBMISSION, submission.to_string())]);
    writer.write_by_column(count, |field, range| array(field.name(), rows(range.start).take(range.len())))
}

fn covers_of(list: &ArrayRef) -> Result<Vec<Cover>, String> {
    let items = list.as_any().downcast_ref::<StructArray>().ok_or("expected structs")?;
    let documents = items.column_by_name("document").and_then(|c| c.as_any().downcast_ref::<StringArray>()).ok_or("no documents")?;
    let words = items.column_by_name("words").and_then(|c| c.as_any().downcast_ref::<UInt64Array>()).ok_or("no words")?;
    (0..items.len())
        .map(|i| Ok(Cover { document: documents.value(i).parse().map_err(|e| format!("{e}"))?, words: words.value(i) }))
        .collect()
}

impl VerdictTable {
    /// The table as Parquet.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>, ParquetError> {
        let mut out = Vec::new();
        write_verdicts(&mut out, self.submission, self.rows.len(), |first| self.rows[first..].iter().cloned())?;
        Ok(out)
    }

    /// The inverse of [`VerdictTable::encode`].
    ///
    /// # Errors
    /// If the file is not a verdict table.
    pub fn decode(bytes: &[u8]) -> Result<VerdictTable, ParquetError> {
        let rows = VerdictReader::open(Bytes::copy_from_slice(bytes), 0..usize::MAX)?;
        Ok(VerdictTable { submission: rows.submission, rows: rows.collect::<Result<_, _>>()? })
    }
}

/// Rows of a verdict table, read a batch at a time.
pub struct VerdictReader {
    /// Log index of the submission.
    pub submission: EntryIndex,
    /// Rows of the whole table.
    pub count: u64,
    batches: parquet_file::Stream,
    rows: std::vec::IntoIter<VerdictRow>,
}

impl VerdictReader {
    /// The rows `range` of a table, as far as it has them.
    ///
    /// # Errors
    /// If the file is not a verdict table.
    pub fn open(bytes: Bytes, range: Range<usize>) -> Result<VerdictReader, ParquetError> {
        let batches = parquet_file::Stream::open(bytes, range)?;
        let submission = batches.metadata.iter().find(|(key, _)| key == SUBMISSION).and_then(|(_, value)| value.parse().ok());
        let submission = submission.ok_or_else(|| ParquetError::message(format!("footer key {SUBMISSION} is missing")))?;
        Ok(VerdictReader { submission, count: batches.rows, batches, rows: Vec::new().into_iter() })
    }
}

impl Iterator for VerdictReader {
    type Item = Result<VerdictRow, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            match self.batches.next()?.and_then(|batch| rows_of(&batch)) {
                Ok(rows) => self.rows = rows.into_iter(),
                Err(e) => return Some(Err(e)),
            }
        }
    }
}

fn rows_of(batch: &RecordBatch) -> Result<Vec<VerdictRow>, ParquetError> {
    let failed = ParquetError::message;
    let number: &UInt32Array = column(batch, "number")?;
    let commitment: &BinaryArray = column(batch, "commitment")?;
    let verdict: &StringArray = column(batch, "verdict")?;
    let of: &StringArray = column(batch, "of")?;
    let intersection: &UInt64Array = column(batch, "intersection")?;
    let union: &UInt64Array = column(batch, "union")?;
    let words: &UInt64Array = column(batch, "words")?;
    let hit: &BinaryArray = column(batch, "hit")?;
    let novel_words: &UInt64Array = column(batch, "novel_words")?;
    let covered_by: &ListArray = column(batch, "covered_by")?;
    let rule: &StringArray = column(batch, "rule")?;
    let measured: &UInt64Array = column(batch, "measured")?;
    let limit: &UInt64Array = column(batch, "limit")?;
    let row = |i: usize| {
        let digest = |bytes: &[u8]| bytes.try_into().map(Digest).map_err(|_| failed(format!("row {i}: a digest of {} bytes", bytes.len())));
        let commitment = digest(commitment.value(i))?;
        let decision = Decision {
            verdict: Verdict::from_code(verdict.value(i))
                .ok_or_else(|| failed(format!("row {i}: unknown verdict {:?}", verdict.value(i))))?,
            of: if of.is_null(i) { None } else { Some(of.value(i).parse().map_err(|e| failed(format!("row {i}: {e}")))?) },
            intersection: intersection.value(i),
            union: union.value(i),
            words: words.value(i),
            hit: if hit.is_null(i) { None } else { Some(digest(hit.value(i))?) },
            novel_words: novel_words.value(i),
            covered_by: covers_of(&covered_by.value(i)).map_err(|e| failed(format!("row {i}: covered_by: {e}")))?,
            filtered: rule.is_valid(i).then(|| Measure { rule: rule.value(i).into(), measured: measured.value(i), limit: limit.value(i) }),
        };
        Ok(VerdictRow { number: number.value(i), commitment, decision })
    };
    (0..batch.num_rows()).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::DocumentRef;

    /// More rows than a page takes, with lists of covering documents of other lengths than rows are written at once.
    fn table() -> VerdictTable {
        let row = |number: u32| VerdictRow {
            number,
            commitment: Digest::of(&number.to_be_bytes()),
            decision: Decision {
                verdict: Verdict::ALL[number as usize % 5],
                of: (!number.is_multiple_of(5)).then_some(DocumentRef { submission: EntryIndex(1), number }),
                intersection: u64::from(number % 7),
                union: u64::from(number),
                words: 100,
                novel_words: 1,
                covered_by: (0..number % 4)
                    .map(|i| Cover { document: DocumentRef { submission: EntryIndex(i.into()), number }, words: 3 })
                    .collect(),
                hit: None,
                filtered: None,
            },
        };
        VerdictTable { submission: EntryIndex(9), rows: (0..50_000).map(row).collect() }
    }

    #[test]
    fn columns_written_one_after_the_other_are_the_file_of_one_batch() {
        let table = table();
        let columns = COLUMNS.map(|(name, nullable)| (name, array(name, table.rows.iter().cloned()), nullable));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let whole = parquet_file::encode(&[batch], &[(SUBMISSION, table.submission.to_string())]).unwrap();
        assert!(table.encode().unwrap() == whole);
        assert!(VerdictTable::decode(&whole).unwrap() == table);
    }
}
