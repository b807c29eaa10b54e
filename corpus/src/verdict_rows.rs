//! Verdict rows in a temporary file while a submission is judged: a table may have more of them than fit into memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::id::EntryIndex;
use crate::parquet_file::ParquetError;
use crate::verdict::{VerdictRow, VerdictTable};
use crate::verdict_table::write_verdicts;

/// Bytes of the file that are in memory at once.
const BUFFER: usize = 1 << 16;
/// Rows between two whose places are known.
const STRIDE: usize = 1 << 16;

/// Takes the rows of some tables: those of one after those of another, and each table's in the order of documents.
pub struct RowWriter {
    file: BufWriter<Arc<File>>,
    bytes: u64,
    tables: Vec<VerdictRows>,
}

impl RowWriter {
    /// Tables without rows, for submissions of these log indexes.
    ///
    /// # Errors
    /// If there can be no temporary file.
    pub fn new(submissions: impl Iterator<Item = EntryIndex>) -> Result<RowWriter> {
        let file = Arc::new(tempfile::tempfile()?);
        let empty =
            |submission| VerdictRows { submission, file: file.clone(), end: 0, count: 0, places: Vec::new(), late: BTreeMap::new() };
        let tables = submissions.map(empty).collect();
        Ok(RowWriter { file: BufWriter::with_capacity(BUFFER, file), bytes: 0, tables })
    }

    /// Appends a row to the table at a place.
    ///
    /// # Errors
    /// If the temporary file cannot be written.
    ///
    /// # Panics
    /// If other tables got rows after the last one of this table.
    pub fn push(&mut self, table: usize, row: VerdictRow) -> Result<()> {
        let table = &mut self.tables[table];
        assert!(table.count == 0 || table.end == self.bytes, "the rows of a table lie one behind the other");
        if table.count.is_multiple_of(STRIDE) {
            table.places.push(self.bytes);
        }
        let record = row.record();
        self.file.write_all(&(record.len() as u32).to_le_bytes())?;
        self.file.write_all(&record)?;
        self.bytes += 4 + record.len() as u64;
        table.end = self.bytes;
        table.count += 1;
        Ok(())
    }

    /// Puts a row between others of the table at a place: one that was decided after those behind it. It stays in memory.
    pub fn insert(&mut self, table: usize, row: VerdictRow) {
        self.tables[table].late.insert(row.number, row);
    }

    /// The tables, once there are no more rows.
    ///
    /// # Errors
    /// If the temporary file cannot be written.
    pub fn finish(mut self) -> Result<Vec<VerdictRows>> {
        self.file.flush()?;
        Ok(self.tables)
    }
}

/// The rows of a verdict table, in the order of documents, in a temporary file.
pub struct VerdictRows {
    /// Log index of the submission.
    pub submission: EntryIndex,
    file: Arc<File>,
    /// The byte of the file after the last row.
    end: u64,
    /// Rows in the file.
    count: usize,
    /// Where every [`STRIDE`]th row in the file begins.
    places: Vec<u64>,
    /// Rows that lie between those in the file.
    late: BTreeMap<u32, VerdictRow>,
}

impl VerdictRows {
    /// Their number.
    pub fn len(&self) -> usize {
        self.count + self.late.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All rows.
    ///
    /// # Panics
    /// If the temporary file, which nobody else can reach, cannot be read.
    pub fn iter(&self) -> impl Iterator<Item = VerdictRow> + '_ {
        self.iter_from(0)
    }

    /// The rows from place `first` on.
    fn iter_from(&self, first: usize) -> impl Iterator<Item = VerdictRow> + '_ {
        // A row that was put between others may be before or behind a place in the file: with such rows there, all are read.
        let stride = if self.late.is_empty() { first / STRIDE } else { 0 };
        let at = self.places.get(stride).copied().unwrap_or(self.end);
        let mut file = Reader { rows: self, at, buffer: Vec::new(), next: 0 }.peekable();
        let mut late = self.late.values().peekable();
        let merged = std::iter::from_fn(move || match (file.peek(), late.peek()) {
            (Some(row), Some(other)) if other.number < row.number => late.next().cloned(),
            (None, _) => late.next().cloned(),
            _ => file.next(),
        });
        merged.skip(first - stride * STRIDE)
    }

    /// Writes the table as Parquet, the bytes that [`VerdictTable::encode`] gives.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write<W: Write + Send>(&self, out: W) -> std::result::Result<(), ParquetError> {
        write_verdicts(out, self.submission, self.len(), |first| self.iter_from(first))
    }

    /// The rows in memory.
    pub fn table(&self) -> VerdictTable {
        VerdictTable { submission: self.submission, rows: self.iter().collect() }
    }
}

/// Reads rows one behind the other.
struct Reader<'a> {
    rows: &'a VerdictRows,
    /// Where the file is read next.
    at: u64,
    buffer: Vec<u8>,
    /// The first byte of `buffer` that was not taken.
    next: usize,
}

impl Reader<'_> {
    /// Makes sure that `count` bytes are in the buffer.
    fn fill(&mut self, count: usize) {
        if self.buffer.len() - self.next >= count {
            return;
        }
        self.buffer.drain(..self.next);
        self.next = 0;
        let had = self.buffer.len();
        let more = (self.rows.end - self.at).min(count.max(BUFFER) as u64) as usize;
        self.buffer.resize(had + more, 0);
        self.rows.file.read_exact_at(&mut self.buffer[had..], self.at).expect("a temporary file of rows can be read");
        self.at += more as u64;
    }
}

impl Iterator for Reader<'_> {
    type Item = VerdictRow;

    fn next(&mut self) -> Option<VerdictRow> {
        if self.at == self.rows.end && self.next == self.buffer.len() {
            return None;
        }
        self.fill(4);
        let length = u32::from_le_bytes(self.buffer[self.next..self.next + 4].try_into().expect("four bytes")) as usize;
        self.fill(4 + length);
        let row = VerdictRow::from_record(&self.buffer[self.next + 4..self.next + 4 + length]);
        self.next += 4 + length;
        Some(row.expect("a temporary file of rows holds what was written"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::DocumentRef;
    use crate::random::SplitMix64;
    use crate::verdict::{Cover, Decision, Measure, Verdict};
    use crate::{Digest, VerdictReader};

    fn row(random: &mut SplitMix64, number: u32) -> VerdictRow {
        let verdict = Verdict::ALL[random.below(Verdict::ALL.len() as u64) as usize];
        let of = DocumentRef { submission: EntryIndex(random.below(5)), number: random.below(1000) as u32 };
        let digest = Digest::of(&number.to_be_bytes());
        let covers = random.below(4);
        VerdictRow {
            number,
            commitment: digest,
            decision: Decision {
                verdict,
                of: verdict.is_duplicate().then_some(of),
                intersection: random.below(100),
                union: random.below(1 << 40),
                words: random.below(10_000),
                novel_words: random.below(10_000),
                covered_by: (0..covers).map(|words| Cover { document: of, words }).collect(),
                hit: (random.below(9) == 0).then_some(digest),
                filtered: (verdict == Verdict::Filtered).then(|| Measure { rule: "a/b".into(), measured: random.below(9), limit: 7 }),
            },
        }
    }

    /// Rows `count` of a table, written with every `late`th put in afterwards.
    fn written(count: u32, late: u32) -> (VerdictTable, VerdictRows) {
        let mut random = SplitMix64(count.into());
        let rows: Vec<VerdictRow> = (0..count).map(|number| row(&mut random, number)).collect();
        // Another table before it and one behind it.
        let mut writer = RowWriter::new([3, 2, 4].into_iter().map(EntryIndex)).unwrap();
        let is_late = |row: &&VerdictRow| row.number % late == late / 2;
        writer.push(1, row(&mut random, 0)).unwrap();
        rows.iter().filter(|r| !is_late(r)).for_each(|r| writer.push(0, r.clone()).unwrap());
        writer.push(2, row(&mut random, 0)).unwrap();
        rows.iter().rev().filter(is_late).for_each(|r| writer.insert(0, r.clone()));
        (VerdictTable { submission: EntryIndex(3), rows }, writer.finish().unwrap().swap_remove(0))
    }

    #[test]
    fn rows_come_back_in_the_order_of_documents() {
        for (count, late) in [(0, 2), (1, 1), (1, 2), (70_000, 1000), (70_000, u32::MAX)] {
            let (table, rows) = written(count, late);
            assert_eq!((rows.len(), rows.table() == table), (count as usize, true), "{count} rows, every {late}th late");
        }
    }

    #[test]
    fn a_file_of_rows_is_the_table_of_the_same_rows() {
        for (count, late) in [(0, 2), (5, 2), (70_000, 1000), (70_000, u32::MAX)] {
            let (table, rows) = written(count, late);
            let mut out = Vec::new();
            rows.write(&mut out).unwrap();
            assert!(out == table.encode().unwrap(), "{count} rows, every {late}th late");
            assert!(VerdictTable::decode(&out).unwrap() == table, "{count} rows, every {late}th late");
        }
    }

    #[test]
    fn a_range_of_a_table_is_read_alone() {
        let (table, _) = written(20_000, u32::MAX);
        let bytes = bytes::Bytes::from(table.encode().unwrap());
        for range in [0..1, 8_191..8_193, 19_999..20_000, 19_990..30_000, 20_000..20_001] {
            let reader = VerdictReader::open(bytes.clone(), range.clone()).unwrap();
            assert_eq!((reader.submission, reader.count), (EntryIndex(3), 20_000));
            let rows: Vec<VerdictRow> = reader.collect::<std::result::Result<_, _>>().unwrap();
            assert_eq!(rows, table.rows[range.start..range.end.min(20_000)], "rows {range:?}");
        }
    }

    #[test]
    fn no_record_that_is_cut_or_longer_is_read() {
        let mut random = SplitMix64(1);
        for number in 0..50 {
            let row = row(&mut random, number);
            let mut record = row.record();
            assert_eq!(VerdictRow::from_record(&record).as_ref(), Some(&row));
            for length in 0..record.len() {
                assert_eq!(VerdictRow::from_record(&record[..length]), None, "{length} bytes");
            }
            record.push(0);
            assert_eq!(VerdictRow::from_record(&record), None, "a byte more");
        }
    }
}
