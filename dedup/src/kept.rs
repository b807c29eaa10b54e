//! What is remembered of kept documents in memory; word streams go to a temporary file when they get large.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::bands::{Bands, Places};
use crate::device::Device;
use crate::features::Name;

/// Words that are taken into one piece of memory.
const PIECE: usize = 1 << 22;

enum Piece {
    Memory(Vec<u32>),
    /// Its first byte in the file.
    File(u64),
}

/// Word streams, appended and read back.
pub struct Streams {
    pieces: Vec<Piece>,
    file: Option<(File, u64)>,
    /// Pieces that stay in memory.
    in_memory: usize,
    /// The first piece that is in memory.
    next_out: usize,
}

/// Where a stream is.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    piece: u32,
    first: u32,
    len: u32,
}

impl Streams {
    /// Empty; about `memory_bytes` stay in memory.
    pub fn new(memory_bytes: usize) -> Streams {
        Streams { pieces: Vec::new(), file: None, in_memory: (memory_bytes / (4 * PIECE)).max(1), next_out: 0 }
    }

    /// Appends a stream.
    ///
    /// # Errors
    /// If the temporary file cannot be written.
    pub fn push(&mut self, words: &[u32]) -> std::io::Result<Extent> {
        let fits = |p: &Piece| matches!(p, Piece::Memory(m) if m.len() + words.len() <= PIECE.max(m.capacity()));
        if !self.pieces.last().is_some_and(fits) {
            self.pieces.push(Piece::Memory(Vec::with_capacity(PIECE.max(words.len()))));
            if self.pieces.len() - self.next_out > self.in_memory {
                self.write_out()?;
            }
        }
        let piece = self.pieces.len() as u32 - 1;
        let Some(Piece::Memory(memory)) = self.pieces.last_mut() else { unreachable!("the last piece is in memory") };
        let extent = Extent { piece, first: memory.len() as u32, len: words.len() as u32 };
        memory.extend_from_slice(words);
        Ok(extent)
    }

    fn write_out(&mut self) -> std::io::Result<()> {
        let (file, end) = match &mut self.file {
            Some(file) => file,
            none => none.insert((tempfile::tempfile()?, 0)),
        };
        let piece = &mut self.pieces[self.next_out];
        let Piece::Memory(words) = &*piece else { unreachable!("pieces leave memory in their order") };
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        file.write_all_at(&bytes, *end)?;
        *piece = Piece::File(*end);
        *end += bytes.len() as u64;
        self.next_out += 1;
        Ok(())
    }

    /// A stream, from memory or read into `buffer`.
    ///
    /// # Panics
    /// If the temporary file, which nobody else can reach, cannot be read.
    pub fn get<'a>(&'a self, extent: Extent, buffer: &'a mut Vec<u32>) -> &'a [u32] {
        let (first, len) = (extent.first as usize, extent.len as usize);
        match &self.pieces[extent.piece as usize] {
            Piece::Memory(words) => &words[first..first + len],
            Piece::File(at) => {
                let (file, _) = self.file.as_ref().expect("a piece is in it");
                let mut bytes = vec![0; 4 * len];
                file.read_exact_at(&mut bytes, at + 4 * first as u64).expect("a temporary file of words can be read");
                buffer.clear();
                buffer.extend(bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes"))));
                buffer
            }
        }
    }
}

/// Kept documents from an ordinal on.
pub struct Kept {
    /// Slots of all signatures of a document.
    width: usize,
    slots: Vec<u32>,
    /// What the caller calls them.
    pub names: Vec<Name>,
    /// SHA-256 of their texts.
    pub text_digests: Vec<[u8; 32]>,
    extents: Vec<Extent>,
    streams: Streams,
}

impl Kept {
    /// None yet; signatures have `width` slots in all.
    pub fn new(width: usize, memory_bytes: usize) -> Kept {
        Kept {
            width,
            slots: Vec::new(),
            names: Vec::new(),
            text_digests: Vec::new(),
            extents: Vec::new(),
            streams: Streams::new(memory_bytes),
        }
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Adds one. A document without words has no slots.
    pub fn push(&mut self, name: Name, text_digest: [u8; 32], words: &[u32], slots: &[u32]) -> std::io::Result<()> {
        self.extents.push(self.streams.push(words)?);
        self.names.push(name);
        self.text_digests.push(text_digest);
        match slots.is_empty() {
            true => self.slots.resize(self.slots.len() + self.width, u32::MAX),
            false => self.slots.extend_from_slice(slots),
        }
        Ok(())
    }

    /// All slots of a document.
    pub fn slots(&self, i: usize) -> &[u32] {
        &self.slots[i * self.width..(i + 1) * self.width]
    }

    /// The number of its words.
    pub(crate) fn words_len(&self, i: usize) -> usize {
        self.extents[i].len as usize
    }

    /// Its words.
    pub fn words<'a>(&'a self, i: usize, buffer: &'a mut Vec<u32>) -> &'a [u32] {
        self.streams.get(self.extents[i], buffer)
    }
}

/// What a judge kept besides its base.
pub struct Delta {
    /// Documents of the base.
    pub(crate) first: u32,
    pub(crate) kept: Kept,
    pub(crate) bands: Bands,
    pub(crate) places: Places,
    /// What sorts.
    pub(crate) device: Arc<Device>,
}

impl Delta {
    /// The device that the judge had, for the next one.
    pub fn into_device(self) -> Arc<Device> {
        self.device
    }
}
