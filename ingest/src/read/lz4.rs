//! Parquet pages in the codec LZ4, whose bytes depend on the writer.
//!
//! Hadoop's writers (Spark, Hive) cut a page into blocks, and a block into chunks.
//! Old versions of parquet-cpp wrote an LZ4 frame, or one raw LZ4 block.
//! The `parquet` crate decompresses pages of one block and fails on some pages of several, so this file decompresses them all:
//! it tells the crate that the pages are not compressed, and gives it each page decompressed.
//!
//! A Hadoop block is the length of its text, then chunks up to that length: the length of the compressed bytes, and those bytes.
//! Lengths are 32 bits, big-endian; a chunk is a raw LZ4 block.
//! Source: `BlockCompressorStream` of Hadoop, <https://github.com/apache/hadoop>; the codec's history is in
//! <https://github.com/apache/parquet-format/blob/master/Compression.md>.

use std::io::Read;
use std::sync::Arc;

use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;

use super::pages::Expanded;

/// The row groups of a file in which some column has the codec LZ4.
pub(super) struct Groups<R> {
    pub source: Arc<R>,
    pub metadata: Arc<ParquetMetaData>,
    /// Bytes that each page of the column chunks becomes, by its header.
    pub expanded: Arc<Expanded>,
}

impl<R: ChunkReader + 'static> RowGroups for Groups<R> {
    fn num_rows(&self) -> usize {
        self.metadata.row_groups().iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(0)).sum()
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        let chunks =
            Chunks { source: self.source.clone(), metadata: self.metadata.clone(), expanded: self.expanded.clone(), leaf, next: 0 };
        Ok(Box::new(chunks))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// One column's chunks, a row group after the other.
struct Chunks<R> {
    source: Arc<R>,
    metadata: Arc<ParquetMetaData>,
    expanded: Arc<Expanded>,
    leaf: usize,
    next: usize,
}

impl<R: ChunkReader + 'static> Chunks<R> {
    fn open(&self, group_index: usize, group: &RowGroupMetaData) -> Result<Box<dyn PageReader>> {
        let column = group.column(self.leaf);
        let rows = usize::try_from(group.num_rows())?;
        if column.compression() != Compression::LZ4 {
            return Ok(Box::new(SerializedPageReader::new(self.source.clone(), column, rows, None)?));
        }
        let plain = column.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        let inner = SerializedPageReader::new(self.source.clone(), &plain, rows, None)?;
        Ok(Box::new(Pages { inner, sizes: self.expanded.of(group_index, self.leaf).to_vec().into_iter() }))
    }
}

impl<R: ChunkReader + 'static> Iterator for Chunks<R> {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.metadata.row_groups().get(self.next)?;
        let pages = self.open(self.next, group);
        self.next += 1;
        Some(pages)
    }
}

impl<R: ChunkReader + 'static> PageIterator for Chunks<R> {}

/// A column chunk's pages, decompressed.
struct Pages<R: ChunkReader> {
    inner: SerializedPageReader<R>,
    /// Bytes that the pages still to come become.
    sizes: std::vec::IntoIter<u64>,
}

impl<R: ChunkReader + 'static> Pages<R> {
    /// Bytes that the next page becomes.
    fn next_size(&mut self) -> Result<usize> {
        let size = self.sizes.next().ok_or_else(|| ParquetError::General("a page more than its column has headers".into()))?;
        Ok(usize::try_from(size)?)
    }
}

impl<R: ChunkReader + 'static> PageReader for Pages<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.inner.get_next_page()? else { return Ok(None) };
        let size = self.next_size()?;
        let mut text = Vec::new();
        match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => {
                decompress(buf, size, &mut text).map_err(ParquetError::General)?;
                *buf = text.into();
            }
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, is_compressed, .. } if *is_compressed => {
                let levels = u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len);
                let levels = usize::try_from(levels)?;
                let Some((levels, values)) = buf.split_at_checked(levels) else {
                    return Err(ParquetError::General(format!("levels of {levels} bytes in a page of {}", buf.len())));
                };
                text.extend_from_slice(levels);
                let values_size = size.checked_sub(levels.len());
                let values_size =
                    values_size.ok_or_else(|| ParquetError::General(format!("levels longer than their page's {size} bytes")))?;
                decompress(values, values_size, &mut text).map_err(ParquetError::General)?;
                *buf = text.into();
                *is_compressed = false;
            }
            Page::DataPageV2 { .. } => {}
        }
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.next_size()?;
        self.inner.skip_next_page()
    }
}

impl<R: ChunkReader + 'static> Iterator for Pages<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// First bytes of an LZ4 frame.
const FRAME: [u8; 4] = 0x184d_2204_u32.to_le_bytes();

/// Appends the text of a page to `text`: exactly `size` bytes, as its header says.
fn decompress(page: &[u8], size: usize, text: &mut Vec<u8>) -> std::result::Result<(), String> {
    // Levels of a page without values stand alone.
    if size == 0 {
        return Ok(());
    }
    let before = text.len();
    let whole = |text: &Vec<u8>, form: &str| match text.len() - before {
        found if found == size => Ok(()),
        found => Err(format!("{form} becomes {found} bytes, the page's header says {size}")),
    };
    let Err(why) = blocks(page, size, text).and_then(|()| whole(text, "a page of Hadoop blocks")) else { return Ok(()) };
    text.truncate(before);
    if page.starts_with(&FRAME) {
        let limit = u64::try_from(size).unwrap_or(u64::MAX).saturating_add(1);
        lz4_flex::frame::FrameDecoder::new(page).take(limit).read_to_end(text).map_err(|e| format!("an LZ4 frame: {e}"))?;
        return whole(text, "an LZ4 frame");
    }
    raw(page, size, text)
        .and_then(|()| whole(text, "an LZ4 block"))
        .map_err(|raw| format!("a page in LZ4 that is no Hadoop blocks ({why}), no LZ4 frame and no LZ4 block ({raw})"))
}

/// Appends the text of Hadoop's blocks.
fn blocks(page: &[u8], most: usize, text: &mut Vec<u8>) -> std::result::Result<(), String> {
    let end = text.len().saturating_add(most);
    let mut rest = page;
    while !rest.is_empty() {
        let length = number(&mut rest)?;
        let block_end = text.len().checked_add(length).filter(|block_end| *block_end <= end);
        let block_end = block_end.ok_or_else(|| format!("a block of {length} bytes, its column has {} left", end - text.len()))?;
        while text.len() < block_end {
            let length = number(&mut rest)?;
            let Some((chunk, behind)) = rest.split_at_checked(length) else {
                return Err(format!("a chunk of {length} bytes, the page has {} more", rest.len()));
            };
            rest = behind;
            let before = text.len();
            raw(chunk, block_end - before, text)?;
            // Otherwise chunks of nothing would never end the block.
            if text.len() == before {
                return Err("a chunk without text".to_string());
            }
        }
    }
    Ok(())
}

/// Takes a length off the begin of `rest`.
fn number(rest: &mut &[u8]) -> std::result::Result<usize, String> {
    let Some((number, behind)) = rest.split_first_chunk() else {
        return Err(format!("a length of 4 bytes, the page has {} more", rest.len()));
    };
    *rest = behind;
    usize::try_from(u32::from_be_bytes(*number)).map_err(|e| e.to_string())
}

/// A byte of a raw block becomes at most this many.
const GROWTH: usize = 255;

/// Appends the text of a raw LZ4 block.
fn raw(block: &[u8], most: usize, text: &mut Vec<u8>) -> std::result::Result<(), String> {
    let before = text.len();
    // No more memory than the block can fill.
    text.resize(before + most.min(block.len().saturating_mul(GROWTH)), 0);
    let length = lz4_flex::block::decompress_into(block, &mut text[before..]).map_err(|e| e.to_string())?;
    text.truncate(before + length);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{blocks, decompress};

    fn words(count: usize) -> Vec<u8> {
        (0..count).flat_map(|i| format!("word {} ", i * i).into_bytes()).collect()
    }

    fn number(n: usize) -> [u8; 4] {
        u32::try_from(n).unwrap().to_be_bytes()
    }

    /// A block of Hadoop, in chunks of `size` bytes of text.
    fn block(text: &[u8], size: usize) -> Vec<u8> {
        let mut block = number(text.len()).to_vec();
        for chunk in text.chunks(size) {
            let chunk = lz4_flex::block::compress(chunk);
            block.extend(number(chunk.len()));
            block.extend(chunk);
        }
        block
    }

    #[test]
    fn blocks_and_chunks_of_any_size_become_their_text() {
        for (first, second, chunk) in [(4000, 10, 1 << 20), (10, 4000, 1 << 20), (4000, 4000, 1000), (1, 1, 1), (0, 300, 77)] {
            let (first, second) = (words(first), words(second));
            let page = [block(&first, chunk), block(&second, chunk)].concat();
            let mut text = b"levels".to_vec();
            decompress(&page, first.len() + second.len(), &mut text).unwrap();
            assert_eq!(text, [b"levels".to_vec(), first, second].concat());
        }
    }

    #[test]
    fn frames_and_raw_blocks_of_old_writers_become_their_text() {
        let words = words(5000);
        let mut frame = lz4_flex::frame::FrameEncoder::new(Vec::new());
        std::io::Write::write_all(&mut frame, &words).unwrap();
        for page in [frame.finish().unwrap(), lz4_flex::block::compress(&words)] {
            let mut text = Vec::new();
            decompress(&page, words.len(), &mut text).unwrap();
            assert_eq!(text, words);
            assert!(decompress(&page, words.len() - 1, &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn a_page_never_becomes_more_than_its_headers_say_nor_takes_the_memory_for_it() {
        let words = words(5000);
        let page = block(&words, 1000);
        assert!(blocks(&page, words.len() - 1, &mut Vec::new()).is_err());
        for cut in 1..page.len().min(2000) {
            assert!(decompress(&page[..cut], words.len(), &mut Vec::new()).is_err(), "{cut}");
        }
        // A block of four gigabytes in 12 bytes, and chunks of nothing.
        for page in [[number(u32::MAX as usize), number(4), [0; 4]].concat(), [number(9), number(1), [0; 4]].concat()] {
            let mut text = Vec::new();
            assert!(decompress(&page, usize::MAX, &mut text).is_err());
            assert!(text.capacity() < 1 << 16);
        }
    }
}
