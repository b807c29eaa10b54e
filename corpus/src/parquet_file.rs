//! The one way tables are written: zstd, row groups of bounded size, no time stamp, so that one table has one file.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
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
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::copy_from_slice(bytes)).map_err(failed)?;
    let metadata = pairs(builder.metadata());
    let batches = builder.with_batch_size(65_536).build().map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    Ok(Table { batches, metadata })
}

/// Decodes some columns of a file.
///
/// # Errors
/// If it is damaged or not Parquet.
pub(crate) fn decode_columns(bytes: &[u8], names: &[&str]) -> Result<Table, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::copy_from_slice(bytes)).map_err(failed)?;
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
pub fn footer(bytes: &[u8]) -> Result<(u64, Vec<(String, String)>), ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::copy_from_slice(bytes)).map_err(failed)?;
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
