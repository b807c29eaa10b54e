//! The one way tables are written: zstd, row groups of bounded size, no time stamp, so that one table has one file.

use std::io::Write;
use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, SchemaRef};
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

/// A table that is written batch by batch.
pub struct TableWriter<W: Write + Send>(ArrowWriter<W>);

impl<W: Write + Send> TableWriter<W> {
    /// A table of `schema` with `metadata` in its footer.
    ///
    /// # Errors
    /// If a column's type cannot be written.
    pub fn new(out: W, schema: SchemaRef, metadata: &[(&str, String)]) -> Result<TableWriter<W>, ParquetError> {
        let pairs = metadata.iter().map(|(k, v)| KeyValue::new((*k).to_string(), v.clone())).collect();
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).map_err(failed)?))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            // The version of the writer's library would change files from build to build.
            .set_created_by("assay".to_string())
            .set_key_value_metadata(Some(pairs));
        for name in PLAIN {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
        }
        let words = ColumnPath::new(["words", "list", "item"].map(String::from).to_vec());
        properties =
            properties.set_column_dictionary_enabled(words.clone(), false).set_column_compression(words, Compression::UNCOMPRESSED);
        Ok(TableWriter(ArrowWriter::try_new(out, schema, Some(properties.build())).map_err(failed)?))
    }

    /// Appends rows.
    ///
    /// # Errors
    /// If they are of another schema or cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        self.0.write(batch).map_err(failed)
    }

    /// Writes all rows of a table, one column of a row group after the other, so that no more than a column is in memory.
    ///
    /// `column` gives the array of a field for some of `rows` rows; it is asked for fields in their order. The file is the one that
    /// [`TableWriter::write`] makes of all rows at once.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write_by_column(
        self,
        rows: usize,
        mut column: impl FnMut(&Field, Range<usize>) -> ArrayRef,
        schema: &SchemaRef,
    ) -> Result<(), ParquetError> {
        let (mut file, factory) = self.0.into_serialized_writer().map_err(failed)?;
        let limit = file.properties().max_row_group_row_count().unwrap_or(usize::MAX);
        for (group, first) in (0..rows).step_by(limit.min(rows.max(1))).enumerate() {
            let mut chunks = factory.create_column_writers(group).map_err(failed)?.into_iter();
            let mut out = file.next_row_group().map_err(failed)?;
            for field in schema.fields() {
                let array = column(field, first..rows.min(first.saturating_add(limit)));
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
    /// If it cannot be written.
    pub fn finish(self) -> Result<(), ParquetError> {
        self.0.close().map(|_| ()).map_err(failed)
    }
}

/// Encodes `batches`, all of one schema, with `metadata` in the footer.
///
/// # Errors
/// If there is no batch, or one has another schema.
pub fn encode(batches: &[RecordBatch], metadata: &[(&str, String)]) -> Result<Vec<u8>, ParquetError> {
    let schema = batches.first().ok_or_else(|| failed("no rows and no schema"))?.schema();
    let mut out = Vec::new();
    let mut writer = TableWriter::new(&mut out, schema, metadata)?;
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
