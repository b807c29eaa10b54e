//! Parquet and Arrow IPC.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Schema};
use arrow::ipc::reader::StreamDecoder;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::ChunkReader;

use super::block::{Block, Fields, Rows};
use super::columns::{Columns, SLOTS, Slot};
use super::kind::Whole;
use super::problem::{Code, Refusal};
use super::{Scan, Stopped};

/// Rows of Parquet that are taken at once.
const BLOCK_ROWS: usize = 1024;
/// Rows of an Arrow batch that are handed out at once.
const SLICE_ROWS: usize = 4096;

/// Indexes of the columns that are anything.
fn wanted(schema: &Schema, columns: &Columns) -> Vec<usize> {
    schema.fields().iter().enumerate().filter(|(_, f)| columns.slot(f.name()).is_some()).map(|(i, _)| i).collect()
}

/// Whether some column may be a text, or a prompt.
fn check(schema: &Schema, columns: &Columns) -> Result<(), Refusal> {
    let found = schema.fields().iter().filter_map(|f| columns.slot(f.name()));
    if found.into_iter().any(|(slot, _)| matches!(slot, Slot::Text | Slot::Prompt)) {
        return Ok(());
    }
    let names: Vec<&String> = schema.fields().iter().map(|f| f.name()).collect();
    Err(Refusal::new(Code::NoText, format!("expected {}, found the columns {names:?}", columns.expected())))
}

/// What `read` gives; a library that panics on damaged bytes has found damage too.
fn guarded<T>(read: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(Refusal::damaged("its lengths contradict each other")))
}

/// Hands out the rows of a Parquet file.
pub(super) fn read_parquet(name: &str, source: Whole, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let columns = scan.options.columns.clone();
    let reader = match source {
        Whole::File(file) => guarded(|| parquet(file, &columns)),
        Whole::Bytes(bytes) => guarded(|| parquet(bytes, &columns)),
    };
    match reader {
        Ok(mut reader) => batches(name, || reader.next().transpose().map_err(Refusal::damaged), scan),
        Err(refusal) => scan.problem(name, refusal),
    }
}

fn parquet<R: ChunkReader + 'static>(source: R, columns: &Columns) -> Result<ParquetRecordBatchReader, Refusal> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(source).map_err(Refusal::damaged)?;
    check(builder.schema(), columns)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted(builder.schema(), columns));
    builder.with_projection(mask).with_batch_size(BLOCK_ROWS).build().map_err(Refusal::damaged)
}

/// Most bytes of one Arrow message.
const MESSAGE_BYTES: u64 = 1 << 30;

/// Hands out the rows of an Arrow IPC file, or of a stream, which is what `datasets` writes. A file holds a stream behind its first eight bytes.
///
/// Lengths are compared with what there is before any memory is taken for them.
/// Source: <https://arrow.apache.org/docs/format/Columnar.html>, "Encapsulated message format".
pub(super) fn read_arrow(name: &str, source: Whole, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let mut reader = source.reader();
    let mut magic = [0; 8];
    let is_file = reader.read_exact(&mut magic).is_ok() && magic.starts_with(b"ARROW1");
    // Behind its magic a file has zeros up to where its stream is aligned.
    let begun = if is_file { first_word(&mut reader) } else { reader.rewind() };
    if let Err(e) = begun {
        return scan.problem(name, Refusal::of_io(&e));
    }
    let mut decoder = StreamDecoder::new();
    let columns = scan.options.columns.clone();
    let mut checked = false;
    let next = || loop {
        let Some(message) = read_message(&mut reader)? else { return Ok(None) };
        let mut buffer = Buffer::from_vec(message);
        let batch = decoder.decode(&mut buffer).map_err(Refusal::damaged)?;
        if let Some(schema) = decoder.schema().filter(|_| !checked) {
            check(&schema, &columns)?;
            checked = true;
        }
        if batch.is_some() {
            return Ok(batch);
        }
    };
    batches(name, next, scan)
}

/// Moves to the first word that is not zero, a few at most.
fn first_word(reader: &mut dyn super::kind::Seekable) -> std::io::Result<()> {
    let mut word = [0; 8];
    for _ in 0..64 {
        match reader.read_exact(&mut word) {
            Ok(()) if word == [0; 8] => {}
            Ok(()) => return reader.seek_relative(-8),
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// The bytes of the next message; `None` at the end of the stream.
fn read_message(reader: &mut dyn Read) -> Result<Option<Vec<u8>>, Refusal> {
    let cut = |e: std::io::Error| {
        if e.kind() == ErrorKind::UnexpectedEof { Refusal::damaged("the file ends inside a message") } else { Refusal::of_io(&e) }
    };
    let mut head = [0; 4];
    let begun = reader.read(&mut head).map_err(cut)?;
    if begun == 0 {
        return Ok(None);
    }
    reader.read_exact(&mut head[begun..]).map_err(cut)?;
    let mut message = head.to_vec();
    if head == [0xff; 4] {
        reader.read_exact(&mut head).map_err(cut)?;
        message.extend(head);
    }
    let length = u64::from(u32::from_le_bytes(head));
    if length == 0 {
        return Ok(None);
    }
    let begin = message.len();
    read_into(reader, length, &mut message)?;
    let metadata = message[begin..].to_vec();
    let header = arrow::ipc::root_as_message(&metadata).map_err(Refusal::damaged)?;
    let body = u64::try_from(header.bodyLength()).map_err(|_| Refusal::damaged("a body of negative length"))?;
    let begin = message.len();
    read_into(reader, body, &mut message)?;
    let batch = header.header_as_record_batch().or_else(|| header.header_as_dictionary_batch().and_then(|d| d.data()));
    // Compressed buffers say in their first eight bytes how long they become.
    if let Some(buffers) = batch.filter(|b| b.compression().is_some()).and_then(|b| b.buffers()) {
        let expanded = buffers.iter().map(|b| {
            let place = usize::try_from(b.offset()).ok().and_then(|at| message[begin..].get(at..at.checked_add(8)?));
            let length = place.map_or(0, |p| i64::from_le_bytes(p.try_into().expect("eight bytes")));
            if b.length() == 0 { 0 } else { u64::try_from(length).unwrap_or(0) }
        });
        let expanded = expanded.fold(0, u64::saturating_add);
        if expanded > MESSAGE_BYTES {
            return Err(Refusal::new(
                Code::Bomb,
                format!("a batch of {body} compressed bytes becomes {expanded}, expected at most {MESSAGE_BYTES}"),
            ));
        }
    }
    Ok(Some(message))
}

/// Reads exactly `length` bytes; memory is taken as they come.
fn read_into(reader: &mut dyn Read, length: u64, bytes: &mut Vec<u8>) -> Result<(), Refusal> {
    if length > MESSAGE_BYTES {
        return Err(Refusal::new(Code::TooLong, format!("a message of {length} bytes, expected at most {MESSAGE_BYTES}")));
    }
    let read = reader.take(length).read_to_end(bytes).map_err(|e| Refusal::of_io(&e))?;
    if read as u64 == length {
        Ok(())
    } else {
        Err(Refusal::damaged(format!("a message of {length} bytes, the file has {read} bytes more")))
    }
}

/// Hands out the rows of batches, of which `next` gives one after the other.
fn batches(name: &str, mut next: impl FnMut() -> Result<Option<RecordBatch>, Refusal>, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let mut first = 1;
    loop {
        let batch = match guarded(&mut next) {
            Ok(Some(batch)) => batch,
            Ok(None) if first == 1 => return scan.problem(name, Refusal::new(Code::Empty, "no rows")),
            Ok(None) => return Ok(()),
            Err(refusal) => return scan.problem(if first == 1 { name.to_string() } else { format!("{name}#{first}") }, refusal),
        };
        let batch = match batch.project(&wanted(&batch.schema(), &scan.options.columns)) {
            Ok(batch) => batch,
            Err(e) => return scan.problem(name, Refusal::damaged(e)),
        };
        for from in (0..batch.num_rows()).step_by(SLICE_ROWS) {
            let slice = batch.slice(from, SLICE_ROWS.min(batch.num_rows() - from));
            let rows = slice.num_rows() as u64;
            let (columns, limits) = (scan.options.columns.clone(), scan.options.limits.clone());
            scan.block(Block { file: name.into(), rows: Rows::Table { first, batch: slice }, columns, limits })?;
            first += rows;
        }
    }
}

/// At most so many bytes of strings once each row has its own: many rows may share one long value.
fn expanded_bytes(column: &ArrayRef) -> Result<u64, Refusal> {
    Ok(match column.data_type() {
        DataType::Dictionary(..) => {
            let values = strings(column.as_any_dictionary().values())?;
            (column.len() as u64).saturating_mul(values.iter().flatten().map(|v| v.len() as u64).max().unwrap_or(0))
        }
        DataType::Utf8View => column.as_string_view().iter().flatten().map(|v| v.len() as u64).sum(),
        _ => 0,
    })
}

fn strings(column: &ArrayRef) -> Result<LargeStringArray, Refusal> {
    let strings = guarded(|| arrow::compute::cast(column, &DataType::LargeUtf8).map_err(Refusal::damaged))?;
    Ok(strings.as_string::<i64>().clone())
}

/// Columns of a batch by slot, as strings.
pub(super) struct Strings([Option<LargeStringArray>; SLOTS]);

impl Strings {
    /// The columns of `batch`.
    pub fn of(batch: &RecordBatch, columns: &Columns) -> Result<Strings, Refusal> {
        let mut found: [Option<LargeStringArray>; SLOTS] = Default::default();
        let mut ranks = [usize::MAX; SLOTS];
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let Some((slot, rank)) = columns.slot(field.name()) else { continue };
            let place = slot as usize;
            if rank >= ranks[place] {
                continue;
            }
            let texts = match column.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
                DataType::Dictionary(_, values) => values.is_string(),
                other => slot == Slot::Id && other.is_integer(),
            };
            if !texts {
                let code = if slot == Slot::Licence { Code::BadLicence } else { Code::BadField };
                return Err(Refusal::new(code, format!("expected text in the column {}, found {}", field.name(), column.data_type())));
            }
            let expanded = expanded_bytes(column)?;
            if expanded > MESSAGE_BYTES {
                let text = format!(
                    "{} rows of the column {} become {expanded} bytes, expected at most {MESSAGE_BYTES}",
                    column.len(),
                    field.name()
                );
                return Err(Refusal::new(Code::Bomb, text));
            }
            found[place] = Some(strings(column)?);
            ranks[place] = rank;
        }
        Ok(Strings(found))
    }

    /// The fields of row `i`.
    pub fn fields(&self, i: usize) -> Fields<'_> {
        std::array::from_fn(|slot| self.0[slot].as_ref().filter(|c| c.is_valid(i)).map(|c| Cow::Borrowed(c.value(i))))
    }
}
