//! What the pages of a Parquet file say that they become, added up before any memory is taken for them.
//!
//! A page of a few hundred bytes may say that it is two gigabytes, and the library that reads it believes it.
//! Source: <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>, `PageHeader`, in Thrift's compact protocol
//! (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>).

use std::io::{BufReader, Read};

use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::ChunkReader;

use super::limits::Limits;
use super::problem::{Code, Refusal};

/// Largest page, once decompressed.
const PAGE_BYTES: u64 = 1 << 30;
/// Most bytes of a page's header, which has statistics with values in it.
const HEADER_BYTES: u64 = 1 << 20;

/// Bytes that each page of column chunks becomes, by row group and leaf.
pub(super) struct Expanded(Vec<Vec<Vec<u64>>>);

impl Expanded {
    /// Bytes that the pages of a column chunk become, in their order; none for a column that was not asked for.
    pub(super) fn of(&self, group: usize, leaf: usize) -> &[u64] {
        &self.0[group][leaf]
    }
}

/// Checks the pages of the columns whose roots are `wanted`, of a file of `size` bytes; returns what they become.
pub(super) fn check<R: ChunkReader>(
    source: &R,
    size: u64,
    metadata: &ParquetMetaData,
    wanted: &[usize],
    limits: &Limits,
) -> Result<Expanded, Refusal> {
    let descriptor = metadata.file_metadata().schema_descr();
    let mut chunks: Vec<Vec<Vec<u64>>> = metadata.row_groups().iter().map(|group| vec![Vec::new(); group.columns().len()]).collect();
    let mut expanded = 0u64;
    for (group, chunks) in metadata.row_groups().iter().zip(&mut chunks) {
        for ((leaf, column), chunk) in group.columns().iter().enumerate().zip(chunks) {
            if !wanted.contains(&descriptor.get_column_root_idx(leaf)) {
                continue;
            }
            let (start, length) = column.byte_range();
            let end = start.checked_add(length).filter(|end| *end <= size);
            let end = end.ok_or_else(|| Refusal::damaged(format!("a column of {length} bytes at {start}, the file has {size}")))?;
            let mut at = start;
            while at < end {
                let page = header(source, at, end)?;
                expanded = expanded.saturating_add(page.uncompressed);
                // Readers pass over pages of an index.
                chunk.extend((page.kind != Some(INDEX_PAGE)).then_some(page.uncompressed));
                if page.uncompressed > PAGE_BYTES {
                    let text = format!("a page that becomes {} bytes, expected at most {PAGE_BYTES}", page.uncompressed);
                    return Err(Refusal::new(Code::Bomb, text));
                }
                limits.expansion(size, expanded)?;
                at = at.checked_add(page.header + page.compressed).filter(|next| *next <= end).ok_or_else(|| {
                    Refusal::damaged(format!("a page of {} bytes at {at}, its column ends at {end}", page.header + page.compressed))
                })?;
            }
        }
    }
    Ok(Expanded(chunks))
}

/// `PageType.INDEX_PAGE`.
const INDEX_PAGE: i64 = 1;

struct Page {
    /// Its `PageType`.
    kind: Option<i64>,
    /// Bytes of the header.
    header: u64,
    compressed: u64,
    uncompressed: u64,
}

fn header<R: ChunkReader>(source: &R, at: u64, end: u64) -> Result<Page, Refusal> {
    let reader = source.get_read(at).map_err(Refusal::damaged)?;
    let mut thrift = Compact { reader: BufReader::with_capacity(256, reader.take((end - at).min(HEADER_BYTES))), read: 0 };
    let (mut page_kind, mut compressed, mut uncompressed, mut field) = (None, None, None, 0i64);
    loop {
        let head = thrift.byte()?;
        let kind = head & 0x0f;
        if kind == 0 {
            break;
        }
        field = match head >> 4 {
            0 => thrift.zigzag()?,
            step => field + i64::from(step),
        };
        match (field, kind) {
            (1, I32) => page_kind = Some(thrift.zigzag()?),
            (2, I32) => uncompressed = Some(thrift.zigzag()?),
            (3, I32) => compressed = Some(thrift.zigzag()?),
            _ => thrift.skip(kind, 0)?,
        }
    }
    let size = |what: Option<i64>| what.and_then(|n| u64::try_from(n).ok()).ok_or_else(|| Refusal::damaged("a page without its sizes"));
    Ok(Page { kind: page_kind, header: thrift.read, compressed: size(compressed)?, uncompressed: size(uncompressed)? })
}

const I32: u8 = 5;

/// Thrift's compact protocol, as far as it takes to pass over it.
struct Compact<R> {
    reader: R,
    read: u64,
}

impl<R: Read> Compact<R> {
    fn byte(&mut self) -> Result<u8, Refusal> {
        let mut byte = [0];
        self.reader.read_exact(&mut byte).map_err(|_| Refusal::damaged("a page header that does not end"))?;
        self.read += 1;
        Ok(byte[0])
    }

    fn varint(&mut self) -> Result<u64, Refusal> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Refusal::damaged("a number of more than 64 bits in a page header"))
    }

    fn zigzag(&mut self) -> Result<i64, Refusal> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn pass(&mut self, count: u64) -> Result<(), Refusal> {
        let passed = std::io::copy(&mut self.reader.by_ref().take(count), &mut std::io::sink()).map_err(|e| Refusal::of_io(&e))?;
        self.read += passed;
        if passed == count { Ok(()) } else { Err(Refusal::damaged("a page header that does not end")) }
    }

    /// Passes over a value of this kind.
    fn skip(&mut self, kind: u8, depth: u32) -> Result<(), Refusal> {
        if depth > 16 {
            return Err(Refusal::damaged("a page header of more than 16 levels"));
        }
        match kind {
            // True and false are in the kind itself.
            1 | 2 => Ok(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    match head & 0x0f {
                        1 | 2 => self.pass(1)?,
                        kind => self.skip(kind, depth + 1)?,
                    }
                }
                Ok(())
            }
            12 => loop {
                let head = self.byte()?;
                if head & 0x0f == 0 {
                    return Ok(());
                }
                if head >> 4 == 0 {
                    self.zigzag()?;
                }
                self.skip(head & 0x0f, depth + 1)?;
            },
            other => Err(Refusal::damaged(format!("a value of kind {other} in a page header"))),
        }
    }
}
