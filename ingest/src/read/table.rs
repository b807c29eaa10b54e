//! Parquet and Arrow IPC.

use std::borrow::Cow;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, LargeBinaryArray, LargeStringArray, RecordBatch, StringArray, StringViewArray,
};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, FieldRef, Fields, Schema};
use arrow::ipc::Block;
use arrow::ipc::reader::{FileDecoder, StreamDecoder};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::file::reader::ChunkReader;

use super::block::{self, BLOCK_BYTES, Rows};
use super::columns::{Columns, PROMPT, SLOTS, Slot, Unused, both};
use super::encoding::no_text;
use super::kind::Whole;
use super::limits::Limits;
use super::problem::{Code, Refusal};
use super::{Scan, Stopped, lz4, pages};

/// Rows of Parquet that are taken at once.
const BLOCK_ROWS: usize = 1024;
/// The same where rows share the begins of their values.
const SHARED_ROWS: usize = 8;
/// Rows of an Arrow batch that are handed out at once.
const SLICE_ROWS: usize = 4096;

/// Indexes of the columns that are anything, or else hold a conversation.
fn wanted(schema: &Schema, columns: &Columns) -> Vec<usize> {
    let is_wanted = |name: &str| columns.slot(name).is_some_and(|(slot, _)| slot != Slot::Chat);
    schema.fields().iter().enumerate().filter(|(_, f)| is_wanted(f.name())).map(|(i, _)| i).collect()
}

/// Checks that some column may be a text, or a prompt, and remembers the names of those that are not read.
fn check(schema: &Schema, columns: &Columns, unused: &Unused) -> Result<(), Refusal> {
    let names: Vec<&String> = schema.fields().iter().map(|f| f.name()).collect();
    columns.check(&names)?;
    columns.unused(&names).for_each(|name| unused.note(name));
    Ok(())
}

/// What `read` gives; a library that panics on damaged bytes has found damage too.
fn guarded<T>(read: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(Refusal::damaged("its lengths contradict each other")))
}

/// Hands out the rows of a Parquet file.
///
/// Text columns are read as views, so that a value that many rows share is in memory once.
pub(super) fn read_parquet(name: &str, source: Whole, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let (columns, limits) = (scan.options.columns.clone(), scan.options.limits.clone());
    let size = match source.size() {
        Ok(size) => size,
        Err(e) => return scan.problem(name, Refusal::of_io(&e)),
    };
    let unused = &scan.unused;
    let reader = match source {
        Whole::File(file) => guarded(|| parquet(file, size, &columns, &limits, unused)),
        Whole::Bytes(bytes) => guarded(|| parquet(bytes, size, &columns, &limits, unused)),
    };
    match reader {
        Ok(mut reader) => batches(name, size, || reader.next().transpose().map_err(Refusal::damaged), scan),
        Err(refusal) => scan.problem(name, refusal),
    }
}

fn parquet<R: ChunkReader + 'static>(
    source: R,
    size: u64,
    columns: &Columns,
    limits: &Limits,
    unused: &Unused,
) -> Result<ParquetRecordBatchReader, Refusal> {
    // What another program wrote about its own types is left aside: the file's are read, and texts as views.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(&source, options.clone()).map_err(Refusal::damaged)?;
    check(metadata.schema(), columns, unused)?;
    let wanted = wanted(metadata.schema(), columns);
    let view = |(i, field): (usize, &FieldRef)| -> FieldRef {
        match field.data_type() {
            DataType::Utf8 if wanted.contains(&i) => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
            DataType::Binary if wanted.contains(&i) => Arc::new(field.as_ref().clone().with_data_type(DataType::BinaryView)),
            _ => field.clone(),
        }
    };
    let fields: Fields = metadata.schema().fields().iter().enumerate().map(view).collect();
    let schema = Schema::new_with_metadata(fields.clone(), metadata.schema().metadata().clone());
    let metadata =
        ArrowReaderMetadata::try_new(metadata.metadata().clone(), options.with_schema(Arc::new(schema))).map_err(Refusal::damaged)?;
    let expanded = pages::check(&source, size, metadata.metadata(), &wanted, limits)?;
    let mask = ProjectionMask::roots(metadata.parquet_schema(), wanted);
    let columns_of = || metadata.metadata().row_groups().iter().flat_map(|group| group.columns());
    // Values that begin like the one before take little in the file and all of it in memory.
    let shared = columns_of().any(|column| column.encodings().any(|e| e == parquet::basic::Encoding::DELTA_BYTE_ARRAY));
    let rows = if shared { SHARED_ROWS } else { BLOCK_ROWS };
    if columns_of().any(|column| column.compression() == parquet::basic::Compression::LZ4) {
        let levels = parquet_to_arrow_field_levels(metadata.parquet_schema(), mask, Some(&fields)).map_err(Refusal::damaged)?;
        let groups = lz4::Groups { source: Arc::new(source), metadata: metadata.metadata().clone(), expanded: Arc::new(expanded) };
        return ParquetRecordBatchReader::try_new_with_row_groups(&levels, &groups, rows, None).map_err(Refusal::damaged);
    }
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(source, metadata);
    builder.with_projection(mask).with_batch_size(rows).build().map_err(Refusal::damaged)
}

/// Most bytes of one Arrow message.
const MESSAGE_BYTES: u64 = 1 << 30;

/// Hands out the rows of an Arrow IPC file, by the blocks that its footer lists, or of a stream, which is what `datasets` writes.
///
/// Lengths are compared with what there is before any memory is taken for them.
/// Source: <https://arrow.apache.org/docs/format/Columnar.html>, "Encapsulated message format" and "IPC File Format".
pub(super) fn read_arrow(name: &str, source: Whole, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let size = match source.size() {
        Ok(size) => size,
        Err(e) => return scan.problem(name, Refusal::of_io(&e)),
    };
    let mut reader = source.reader();
    let mut magic = [0; 8];
    let is_file = reader.read_exact(&mut magic).is_ok() && magic.starts_with(b"ARROW1");
    let (columns, limits) = (scan.options.columns.clone(), scan.options.limits.clone());
    let unused = std::mem::take(&mut scan.unused);
    let done = if is_file {
        match guarded(|| ArrowFile::open(&mut *reader, size, &columns, &unused)) {
            Ok(mut file) => batches(name, size, || file.next(&mut *reader, size, &limits), scan),
            Err(refusal) => scan.problem(name, refusal),
        }
    } else if let Err(e) = reader.rewind() {
        scan.problem(name, Refusal::of_io(&e))
    } else {
        let mut decoder = StreamDecoder::new();
        let mut checked = false;
        let next = || loop {
            let Some(message) = read_message(&mut reader, size, &limits)? else { return Ok(None) };
            let mut buffer = Buffer::from_vec(message);
            let batch = decoder.decode(&mut buffer).map_err(Refusal::damaged)?;
            if let Some(schema) = decoder.schema().filter(|_| !checked) {
                check(&schema, &columns, &unused)?;
                checked = true;
            }
            if batch.is_some() {
                return Ok(batch);
            }
        };
        batches(name, size, next, scan)
    };
    unused.names().iter().for_each(|name| scan.unused.note(name));
    done
}

/// An Arrow IPC file, whose batches are where its footer says.
struct ArrowFile {
    decoder: FileDecoder,
    dictionaries: Vec<Block>,
    batches: std::vec::IntoIter<Block>,
}

/// Bytes behind the footer: its length and the magic word.
const FOOTER_END: u64 = 10;

impl ArrowFile {
    fn open(reader: &mut dyn super::kind::Seekable, size: u64, columns: &Columns, unused: &Unused) -> Result<ArrowFile, Refusal> {
        let io = |e: std::io::Error| Refusal::of_io(&e);
        let at = size.checked_sub(FOOTER_END).ok_or_else(|| Refusal::damaged("an Arrow file that ends in its first bytes"))?;
        let mut end = [0; FOOTER_END as usize];
        reader.seek(SeekFrom::Start(at)).and_then(|_| reader.read_exact(&mut end)).map_err(io)?;
        if !end.ends_with(b"ARROW1") {
            return Err(Refusal::damaged("an Arrow file without its end: it was cut off"));
        }
        let length = i32::from_le_bytes(end[..4].try_into().expect("four bytes"));
        let length =
            u64::try_from(length).ok().filter(|l| *l <= at).ok_or_else(|| Refusal::damaged(format!("a footer of {length} bytes")))?;
        let mut footer = Vec::new();
        reader.seek(SeekFrom::Start(at - length)).map_err(io)?;
        read_into(reader, length, &mut footer)?;
        let footer = arrow::ipc::root_as_footer(&footer).map_err(Refusal::damaged)?;
        let schema = footer.schema().ok_or_else(|| Refusal::damaged("a footer without a schema"))?;
        let schema = Arc::new(arrow::ipc::convert::fb_to_schema(schema));
        check(&schema, columns, unused)?;
        let dictionaries = footer.dictionaries().map(|list| list.iter().copied().collect()).unwrap_or_default();
        let batches: Vec<Block> = footer.recordBatches().map(|list| list.iter().copied().collect()).unwrap_or_default();
        Ok(ArrowFile { decoder: FileDecoder::new(schema, footer.version()), dictionaries, batches: batches.into_iter() })
    }

    fn next(&mut self, reader: &mut dyn super::kind::Seekable, size: u64, limits: &Limits) -> Result<Option<RecordBatch>, Refusal> {
        for block in std::mem::take(&mut self.dictionaries) {
            let bytes = read_block(reader, &block, size, limits)?;
            self.decoder.read_dictionary(&block, &bytes).map_err(Refusal::damaged)?;
        }
        for block in self.batches.by_ref() {
            let bytes = read_block(reader, &block, size, limits)?;
            if let Some(batch) = self.decoder.read_record_batch(&block, &bytes).map_err(Refusal::damaged)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

/// The bytes of a block: a message with its body.
fn read_block(reader: &mut dyn super::kind::Seekable, block: &Block, size: u64, limits: &Limits) -> Result<Buffer, Refusal> {
    let wrong =
        || Refusal::damaged(format!("a block of {} and {} bytes at {}", block.metaDataLength(), block.bodyLength(), block.offset()));
    let number = |n: i64| u64::try_from(n).map_err(|_| wrong());
    let (offset, metadata, body) = (number(block.offset())?, number(block.metaDataLength().into())?, number(block.bodyLength())?);
    let end = offset.checked_add(metadata).and_then(|n| n.checked_add(body)).filter(|end| *end <= size);
    end.ok_or_else(wrong)?;
    reader.seek(SeekFrom::Start(offset)).map_err(|e| Refusal::of_io(&e))?;
    let mut bytes = Vec::new();
    read_into(reader, metadata + body, &mut bytes)?;
    let (head, body) = bytes.split_at(usize::try_from(metadata).map_err(|_| wrong())?);
    // Newer files put a word of ones before the length.
    let begin = if head.starts_with(&[0xff; 4]) { 8 } else { 4 };
    let message = head.get(begin..).ok_or_else(wrong)?;
    let header = arrow::ipc::root_as_message(message).map_err(Refusal::damaged)?;
    check_buffers(&header, body, size, limits)?;
    Ok(Buffer::from_vec(bytes))
}

/// Checks what the compressed buffers of a message say that they become.
fn check_buffers(header: &arrow::ipc::Message<'_>, body: &[u8], size: u64, limits: &Limits) -> Result<(), Refusal> {
    let batch = header.header_as_record_batch().or_else(|| header.header_as_dictionary_batch().and_then(|d| d.data()));
    // Compressed buffers say in their first eight bytes how long they become.
    let Some(buffers) = batch.filter(|b| b.compression().is_some()).and_then(|b| b.buffers()) else { return Ok(()) };
    let expanded = buffers.iter().map(|b| {
        let place = usize::try_from(b.offset()).ok().and_then(|at| body.get(at..at.checked_add(8)?));
        let length = place.map_or(0, |p| i64::from_le_bytes(p.try_into().expect("eight bytes")));
        if b.length() == 0 { 0 } else { u64::try_from(length).unwrap_or(0) }
    });
    let expanded = expanded.fold(0, u64::saturating_add);
    if expanded > MESSAGE_BYTES {
        let text = format!("a batch of {} compressed bytes becomes {expanded}, expected at most {MESSAGE_BYTES}", body.len());
        return Err(Refusal::new(Code::Bomb, text));
    }
    limits.expansion(size, expanded)
}

/// The bytes of the next message; `None` at the end of the stream.
fn read_message(reader: &mut dyn Read, size: u64, limits: &Limits) -> Result<Option<Vec<u8>>, Refusal> {
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
    check_buffers(&header, &message[begin..], size, limits)?;
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

/// Bytes that a row counts beside its texts; one without any is a problem with its place and reason, which take more.
const ROW_BYTES: u64 = 64;
const EMPTY_ROW_BYTES: u64 = 1024;

/// Hands out the rows of batches, of which `next` gives one after the other; the file has `size` bytes.
fn batches(
    name: &str,
    size: u64,
    mut next: impl FnMut() -> Result<Option<RecordBatch>, Refusal>,
    scan: &mut Scan<'_, '_>,
) -> Result<(), Stopped> {
    let (mut first, mut expanded) = (1, 0u64);
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
        // Rows may share one long value, so lengths are added up row by row.
        let rows = batch.num_rows();
        let mut from = 0;
        while from < rows {
            let window = batch.slice(from, SLICE_ROWS.min(rows - from));
            let lengths = match guarded(|| Ok(lengths(&window))) {
                Ok(lengths) => lengths,
                Err(refusal) => return scan.problem(format!("{name}#{first}"), refusal),
            };
            let (mut count, mut bytes) = (0, 0u64);
            for length in &lengths {
                if count > 0 && bytes.saturating_add(*length) > BLOCK_BYTES as u64 {
                    break;
                }
                count += 1;
                bytes = bytes.saturating_add(*length);
            }
            let beside = lengths[..count].iter().map(|length| if *length == 0 { EMPTY_ROW_BYTES } else { ROW_BYTES }).sum();
            expanded = expanded.saturating_add(bytes).saturating_add(beside);
            if let Err(refusal) = scan.options.limits.expansion(size, expanded) {
                return scan.problem(format!("{name}#{first}"), refusal);
            }
            scan.rows(name, Rows::Table { first, batch: window.slice(0, count) })?;
            first += count as u64;
            from += count;
        }
    }
}

/// Bytes of each row's texts.
pub(super) fn lengths(batch: &RecordBatch) -> Vec<u64> {
    let mut lengths = vec![0u64; batch.num_rows()];
    for column in batch.columns() {
        let Some(texts) = Column::of(column) else { continue };
        for (i, length) in lengths.iter_mut().enumerate() {
            *length = length.saturating_add(texts.bytes(i).map_or(0, |b| b.len() as u64));
        }
    }
    lengths
}

/// A column whose rows are bytes that may be text.
enum Column {
    Utf8(StringArray),
    Large(LargeStringArray),
    View(StringViewArray),
    Binary(BinaryArray),
    LargeBinary(LargeBinaryArray),
    BinaryView(BinaryViewArray),
    /// The place of each row's value among the values.
    Dictionary(Vec<Option<usize>>, Box<Column>),
    Null,
}

impl Column {
    /// A column of texts; none if it is of another kind.
    fn of(column: &ArrayRef) -> Option<Column> {
        Some(match column.data_type() {
            DataType::Utf8 => Column::Utf8(column.as_string::<i32>().clone()),
            DataType::LargeUtf8 => Column::Large(column.as_string::<i64>().clone()),
            DataType::Utf8View => Column::View(column.as_string_view().clone()),
            DataType::Binary => Column::Binary(column.as_binary::<i32>().clone()),
            DataType::LargeBinary => Column::LargeBinary(column.as_binary::<i64>().clone()),
            DataType::BinaryView => Column::BinaryView(column.as_binary_view().clone()),
            DataType::Null => Column::Null,
            DataType::Dictionary(..) => {
                let dictionary = column.as_any_dictionary();
                let values = Column::of(dictionary.values())?;
                let keys = dictionary.keys();
                let places = if dictionary.values().is_empty() { vec![0; keys.len()] } else { dictionary.normalized_keys() };
                let place = |(i, place): (usize, usize)| keys.is_valid(i).then_some(place);
                Column::Dictionary(places.into_iter().enumerate().map(place).collect(), Box::new(values))
            }
            _ => return None,
        })
    }

    /// The bytes of row `i`; none if it is null.
    fn bytes(&self, i: usize) -> Option<&[u8]> {
        macro_rules! value {
            ($array:expr, $bytes:expr) => {
                (i < $array.len() && $array.is_valid(i)).then(|| $bytes($array.value(i)))
            };
        }
        match self {
            Column::Utf8(a) => value!(a, str::as_bytes),
            Column::Large(a) => value!(a, str::as_bytes),
            Column::View(a) => value!(a, str::as_bytes),
            Column::Binary(a) => value!(a, |b| b),
            Column::LargeBinary(a) => value!(a, |b| b),
            Column::BinaryView(a) => value!(a, |b| b),
            Column::Dictionary(places, values) => values.bytes(places[i]?),
            Column::Null => None,
        }
    }
}

impl Column {
    /// The text of row `i` of the column `name`; none if it is null.
    fn text(&self, name: &str, i: usize) -> Result<Option<&str>, Refusal> {
        let Some(bytes) = self.bytes(i) else { return Ok(None) };
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let refusal = no_text(bytes, e.valid_up_to());
            Refusal::new(refusal.code, format!("column {name}: {}", refusal.reason))
        })?;
        Ok(Some(text))
    }
}

/// Columns of a batch by slot.
pub(super) struct Texts([Option<(String, Column)>; SLOTS], Vec<(String, Column)>);

impl Texts {
    /// The columns of `batch`.
    pub fn of(batch: &RecordBatch, columns: &Columns, unused: &Unused) -> Result<Texts, Refusal> {
        let mut found: [Option<(String, Column)>; SLOTS] = Default::default();
        let (mut ranks, mut licences) = ([usize::MAX; SLOTS], Vec::new());
        let schema = batch.schema();
        let has_text = schema.fields().iter().any(|f| columns.slot(f.name()).is_some_and(|(slot, _)| slot == Slot::Text));
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            let Some((slot, rank)) = columns.slot(field.name()) else { continue };
            let place = slot as usize;
            // Beside a text they are not read, whatever they are.
            if has_text && (PROMPT.contains(&slot) || slot == Slot::Answer) {
                continue;
            }
            if rank >= ranks[place] && slot != Slot::Licence {
                unused.note(field.name());
                continue;
            }
            // An id may be a number.
            let texts = match column.data_type() {
                other if slot == Slot::Id && other.is_numeric() => {
                    let texts = guarded(|| arrow::compute::cast(column, &DataType::Utf8).map_err(Refusal::damaged))?;
                    Column::of(&texts)
                }
                _ => guarded(|| Ok(Column::of(column)))?,
            };
            let Some(texts) = texts else {
                if matches!(slot, Slot::Origin | Slot::Person) {
                    unused.note(field.name());
                    continue;
                }
                let code = if slot == Slot::Licence { Code::BadLicence } else { Code::BadField };
                return Err(Refusal::new(code, format!("expected text in the column {}, found {}", field.name(), column.data_type())));
            };
            if slot == Slot::Licence {
                licences.push((field.name().clone(), texts));
                continue;
            }
            if let Some((before, _)) = found[place].replace((field.name().clone(), texts)) {
                unused.note(&before);
            }
            ranks[place] = rank;
        }
        Ok(Texts(found, licences))
    }

    /// The fields of row `i`.
    pub fn fields(&self, i: usize) -> Result<block::Fields<'_>, Refusal> {
        let mut fields = block::Fields::default();
        for (field, column) in fields.iter_mut().zip(&self.0) {
            if let Some((name, column)) = column {
                *field = column.text(name, i)?.map(Cow::Borrowed);
            }
        }
        let licence = &mut fields[Slot::Licence as usize];
        for (name, column) in &self.1 {
            let Some(said) = column.text(name, i)? else { continue };
            *licence = Some(both(licence.take(), Cow::Borrowed(said)));
        }
        Ok(fields)
    }
}
