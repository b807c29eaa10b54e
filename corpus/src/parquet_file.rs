//! The one way tables are written: zstd but for small ones, row groups of bounded size, no time stamp, so that one table has one file.

use std::io::Write;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::compute_leaves;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

/// Largest row group, in bytes before compression.
const ROW_GROUP_BYTES: usize = 128 << 20;

/// Most rows of a row group.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Columns whose values hardly repeat: a dictionary of them is work for nothing. Hashes of words do not become smaller either.
const PLAIN: [&str; 7] = ["text", "salt", "commitment", "text_digest", "hit", "doc", "cluster"];

/// A table that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("parquet: {0}")]
pub struct ParquetError(String);

impl ParquetError {
    /// An error that says `text` about a table.
    pub fn message(text: String) -> ParquetError {
        ParquetError(text)
    }
}

fn failed(e: impl std::fmt::Display) -> ParquetError {
    ParquetError(e.to_string())
}

/// A table as it was read.
pub struct Table {
    /// Its rows.
    pub batches: Vec<RecordBatch>,
    /// The footer's key-value pairs whose keys start with `assay.`.
    pub metadata: Vec<(String, String)>,
}

impl Table {
    /// The value of a footer key.
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

/// Values of a table, in bytes, up to which it is not compressed. To set up zstd for every column takes longer than all else that is done
/// with a small table, for whoever reads it too; and file systems give it a block of 4 KiB or more anyway.
const SMALL_BYTES: usize = 64 << 10;

/// A table that is written batch by batch. The file does not depend on how its rows are divided into batches.
pub struct TableWriter<W: Write + Send> {
    schema: SchemaRef,
    metadata: Vec<KeyValue>,
    state: State<W>,
}

enum State<W: Write + Send> {
    /// Few bytes so far: kept until there are more, or the table ends.
    Small { out: W, batches: Vec<RecordBatch>, bytes: usize },
    /// Compressed.
    Large(Box<ArrowWriter<W>>),
    /// A write failed.
    Failed,
}

impl<W: Write + Send> TableWriter<W> {
    /// A table of `schema` with `metadata` in its footer.
    pub fn new(out: W, schema: SchemaRef, metadata: &[(&str, String)]) -> TableWriter<W> {
        let metadata = metadata.iter().map(|(k, v)| KeyValue::new((*k).to_string(), v.clone())).collect();
        TableWriter { schema, metadata, state: State::Small { out, batches: Vec::new(), bytes: 0 } }
    }

    /// Appends rows.
    ///
    /// # Errors
    /// If they are of another schema or cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        match &mut self.state {
            State::Failed => Err(failed("a write failed before")),
            State::Large(writer) => writer.write(batch).map_err(failed),
            State::Small { batches, bytes, .. } => {
                batches.push(batch.clone());
                *bytes += batch.columns().iter().map(value_bytes).sum::<usize>();
                if *bytes > SMALL_BYTES {
                    self.compress()?;
                }
                Ok(())
            }
        }
    }

    /// Goes on with compression.
    fn compress(&mut self) -> Result<(), ParquetError> {
        let State::Small { out, batches, .. } = std::mem::replace(&mut self.state, State::Failed) else { return Ok(()) };
        let writer = written(out, &self.schema, self.metadata.clone(), zstd()?, &batches)?;
        self.state = State::Large(Box::new(writer));
        Ok(())
    }

    /// Writes a whole table to a writer that has none of its rows, one column of a row group after the other, so that no more than a column
    /// is in memory.
    ///
    /// `column` gives the array of a field for some of `rows` rows; it is asked for fields in their order. The file is the one that
    /// [`TableWriter::write`] makes of all rows at once.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write_by_column(mut self, rows: usize, mut column: impl FnMut(&Field, Range<usize>) -> ArrayRef) -> Result<(), ParquetError> {
        // Columns up to the one with which the table is no longer small.
        let schema = self.schema.clone();
        let head = rows.min(ROW_GROUP_ROWS);
        let (mut ahead, mut bytes) = (Vec::new(), 0);
        while let Some(field) = schema.fields().get(ahead.len()).filter(|_| bytes <= SMALL_BYTES) {
            let array = column(field, 0..head);
            bytes += value_bytes(&array);
            ahead.push(array);
        }
        if bytes <= SMALL_BYTES && head == rows {
            self.write(&RecordBatch::try_new(schema, ahead).map_err(failed)?)?;
            return self.finish();
        }
        self.compress()?;
        let State::Large(writer) = self.state else { return Err(failed("a write failed before")) };
        let (mut file, factory) = writer.into_serialized_writer().map_err(failed)?;
        let mut ahead = ahead.into_iter();
        for (group, first) in (0..rows).step_by(ROW_GROUP_ROWS).enumerate() {
            let mut chunks = factory.create_column_writers(group).map_err(failed)?.into_iter();
            let mut out = file.next_row_group().map_err(failed)?;
            for field in schema.fields() {
                let array = ahead.next().unwrap_or_else(|| column(field, first..rows.min(first + ROW_GROUP_ROWS)));
                for leaf in compute_leaves(field, &array).map_err(failed)? {
                    let mut chunk = chunks.next().expect("a writer for each leaf");
                    chunk.write(&leaf).map_err(failed)?;
                    chunk.close().and_then(|chunk| chunk.append_to_row_group(&mut out)).map_err(failed)?;
                }
            }
            out.close().map_err(failed)?;
        }
        file.close().map(|_| ()).map_err(failed)
    }

    /// Writes the footer.
    ///
    /// # Errors
    /// If it cannot be written, or a write failed before.
    pub fn finish(self) -> Result<(), ParquetError> {
        let writer = match self.state {
            State::Failed => return Err(failed("a write failed before")),
            State::Large(writer) => *writer,
            State::Small { out, batches, .. } => written(out, &self.schema, self.metadata, Compression::UNCOMPRESSED, &batches)?,
        };
        writer.close().map(|_| ()).map_err(failed)
    }
}

fn zstd() -> Result<Compression, ParquetError> {
    Ok(Compression::ZSTD(ZstdLevel::try_new(3).map_err(failed)?))
}

/// A file that begins with `batches`.
fn written<W: Write + Send>(
    out: W,
    schema: &SchemaRef,
    metadata: Vec<KeyValue>,
    compression: Compression,
    batches: &[RecordBatch],
) -> Result<ArrowWriter<W>, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        // The version of the writer's library would change files from build to build.
        .set_created_by("assay".to_string())
        .set_key_value_metadata(Some(metadata));
    for name in PLAIN {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    let words = ColumnPath::new(["words", "list", "item"].map(String::from).to_vec());
    properties = properties.set_column_dictionary_enabled(words.clone(), false).set_column_compression(words, Compression::UNCOMPRESSED);
    let mut writer = ArrowWriter::try_new(out, schema.clone(), Some(properties.build())).map_err(failed)?;
    batches.iter().try_for_each(|batch| writer.write(batch)).map_err(failed)?;
    Ok(writer)
}

/// Bytes of a column's values; of two columns, one behind the other, the sum.
fn value_bytes(column: &ArrayRef) -> usize {
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().flatten().map(str::len).sum(),
        DataType::Binary => column.as_binary::<i32>().iter().flatten().map(<[u8]>::len).sum(),
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            (0..lists.len()).map(|row| value_bytes(&lists.value(row))).sum()
        }
        DataType::FixedSizeBinary(width) => *width as usize * column.len(),
        fixed => fixed.primitive_width().unwrap_or(8) * column.len(),
    }
}

/// Encodes `batches`, all of one schema, with `metadata` in the footer.
///
/// # Errors
/// If there is no batch, or one has another schema.
pub fn encode(batches: &[RecordBatch], metadata: &[(&str, String)]) -> Result<Vec<u8>, ParquetError> {
    let schema = batches.first().ok_or_else(|| failed("no rows and no schema"))?.schema();
    let mut out = Vec::new();
    let mut writer = TableWriter::new(&mut out, schema, metadata);
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    Ok(out)
}

/// Decodes a file.
///
/// # Errors
/// If it is damaged or not Parquet.
pub fn decode(bytes: &[u8]) -> Result<Table, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(bytes)).map_err(failed)?;
    let metadata = pairs(builder.metadata());
    let batches = builder.with_batch_size(65_536).build().map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    Ok(Table { batches, metadata })
}

/// A table that is read batch by batch: some of its rows, and its footer's pairs.
pub(crate) struct Stream {
    /// The footer's key-value pairs whose keys start with `assay.`.
    pub(crate) metadata: Vec<(String, String)>,
    /// Rows of the whole table.
    pub(crate) rows: u64,
    reader: ParquetRecordBatchReader,
}

/// Rows that are decoded at once where a table is read batch by batch.
const STREAMED_ROWS: usize = 8192;

impl Stream {
    /// The rows `range` of a file, as far as it has them.
    ///
    /// # Errors
    /// If it is damaged or not Parquet.
    pub(crate) fn open(bytes: Bytes, range: Range<usize>) -> Result<Stream, ParquetError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(failed)?;
        let metadata = pairs(builder.metadata());
        let rows: usize = builder.metadata().file_metadata().num_rows().try_into().map_err(failed)?;
        let (first, end) = (range.start.min(rows), range.end.min(rows));
        let wanted = builder.with_offset(first).with_limit(end.saturating_sub(first)).with_batch_size(STREAMED_ROWS);
        Ok(Stream { metadata, rows: rows as u64, reader: wanted.build().map_err(failed)? })
    }
}

impl Iterator for Stream {
    type Item = Result<RecordBatch, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.reader.next().map(|batch| batch.map_err(failed))
    }
}

/// Decodes some columns of a file.
///
/// # Errors
/// If it is damaged or not Parquet.
pub(crate) fn decode_columns(bytes: &[u8], names: &[&str]) -> Result<Table, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(bytes)).map_err(failed)?;
    let metadata = pairs(builder.metadata());
    let wanted = builder.schema().fields().iter().enumerate().filter(|(_, f)| names.contains(&f.name().as_str())).map(|(i, _)| i);
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.collect::<Vec<_>>());
    let reader = builder.with_projection(mask).with_batch_size(65_536).build().map_err(failed)?;
    Ok(Table { batches: reader.collect::<Result<_, _>>().map_err(failed)?, metadata })
}

fn pairs(metadata: &ParquetMetaData) -> Vec<(String, String)> {
    let pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    pairs.filter(|kv| kv.key.starts_with("assay.")).map(|kv| (kv.key.clone(), kv.value.clone().unwrap_or_default())).collect()
}

/// The number of rows of a file and its footer's pairs, without its rows.
///
/// # Errors
/// If it is damaged or not Parquet.
pub fn footer(bytes: &Bytes) -> Result<(u64, Vec<(String, String)>), ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(failed)?;
    let rows = builder.metadata().file_metadata().num_rows();
    Ok((rows.try_into().map_err(failed)?, pairs(builder.metadata())))
}

/// The column `name` as an array of type `A`.
///
/// # Errors
/// If it is missing or of another type.
pub fn column<'a, A: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a A, ParquetError> {
    let array = batch.column_by_name(name).ok_or_else(|| failed(format!("column {name} is missing")))?;
    array.as_any().downcast_ref().ok_or_else(|| failed(format!("column {name}: unexpected type {}", array.data_type())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, ListArray, StringArray};
    use arrow::datatypes::Int64Type;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    /// Rows of about a hundred bytes.
    fn rows(range: std::ops::Range<i64>) -> RecordBatch {
        let text = StringArray::from_iter_values(range.clone().map(|i| format!("{i:080}")));
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(range.clone().map(|i| Some(vec![Some(i)])));
        let columns: [(&str, ArrayRef); 3] =
            [("source", Arc::new(text)), ("number", Arc::new(Int64Array::from_iter_values(range))), ("list", Arc::new(lists))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn compression(file: &[u8]) -> Compression {
        let reader = SerializedFileReader::new(bytes::Bytes::copy_from_slice(file)).unwrap();
        reader.metadata().row_group(0).column(0).compression()
    }

    #[test]
    fn a_file_does_not_depend_on_how_its_rows_are_divided_into_batches() {
        // At, below and above the limit, which is at 682 rows of 96 bytes.
        for count in [1, 600, 682, 683, 684, 2000] {
            let whole = encode(&[rows(0..count)], &[]).unwrap();
            for step in [1, 7, 500] {
                let parts: Vec<RecordBatch> = (0..count).step_by(step).map(|i| rows(i..count.min(i + step as i64))).collect();
                assert_eq!(encode(&parts, &[]).unwrap(), whole, "{count} rows by {step}");
            }
        }
    }

    #[test]
    fn small_tables_are_not_compressed_and_large_ones_are() {
        assert_eq!(compression(&encode(&[rows(0..682)], &[]).unwrap()), Compression::UNCOMPRESSED);
        assert!(matches!(compression(&encode(&[rows(0..683)], &[]).unwrap()), Compression::ZSTD(_)));
    }
}
