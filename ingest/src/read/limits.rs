//! What is refused because of its size, and the reader that counts.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use super::problem::{Carried, Code, Refusal};

/// What is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest document, in bytes.
    pub document_bytes: u64,
    /// Most rows of a dataset.
    pub records: u64,
    /// Most bytes of text that a dataset may be.
    pub text_bytes: u64,
    /// Most bytes that a compressed file or a table becomes for each byte of it, beyond the first 64 MiB.
    pub ratio: u64,
    /// Deepest folder below the dataset.
    pub depth: usize,
    /// Whether a zstd frame may have a window of more than 128 MiB, up to 2 GiB, which is what its decoder then takes of memory.
    pub long_window: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { document_bytes: 64 << 20, records: 1 << 30, text_bytes: 1 << 40, ratio: 250, depth: 32, long_window: false }
    }
}

/// Bytes that anything may expand to, whatever its ratio: a short file of one repeated line is no attack.
const FREE_BYTES: u64 = 64 << 20;

impl Limits {
    /// Longest line: its document with every byte escaped, and its other fields.
    pub(super) fn line_bytes(&self) -> u64 {
        self.document_bytes.saturating_mul(6).saturating_add(1 << 20)
    }

    /// The base-2 logarithm of the largest window of a zstd frame.
    pub(super) fn window_log(&self) -> u32 {
        if self.long_window { 31 } else { 27 }
    }

    /// Most bytes that `compressed` ones may become.
    pub(super) fn allowed(&self, compressed: u64) -> u64 {
        FREE_BYTES.saturating_add(compressed.saturating_mul(self.ratio))
    }

    /// Whether `compressed` bytes may become `expanded`.
    pub(super) fn expansion(&self, compressed: u64, expanded: u64) -> Result<(), Refusal> {
        if expanded <= self.allowed(compressed) {
            return Ok(());
        }
        let text = format!(
            "{compressed} bytes become {expanded}, expected at most {FREE_BYTES} and {} for each; allow more with --max-ratio",
            self.ratio
        );
        Err(Refusal::new(Code::Bomb, text))
    }

    /// Whether a document of `bytes` may be.
    pub(super) fn document(&self, bytes: u64) -> Result<(), Refusal> {
        if bytes <= self.document_bytes {
            return Ok(());
        }
        Err(Refusal::new(Code::TooLong, format!("a document of {bytes} bytes, expected at most {}", self.document_bytes)))
    }
}

/// What was read of a dataset so far.
pub(super) struct Meter {
    pub limits: Limits,
    records: u64,
    text_bytes: u64,
}

impl Meter {
    pub fn new(limits: Limits) -> Meter {
        Meter { limits, records: 0, text_bytes: 0 }
    }

    /// Counts rows that are about to be handed out.
    pub fn count(&mut self, rows: u64, bytes: u64) -> Result<(), Refusal> {
        self.records += rows;
        self.text_bytes += bytes;
        let (most_rows, most_bytes) = (self.limits.records, self.limits.text_bytes);
        if self.records > most_rows {
            return Err(Refusal::new(Code::TooMany, format!("more than {most_rows} records; this and what follows was not read")));
        }
        if self.text_bytes > most_bytes {
            return Err(Refusal::new(Code::Bomb, format!("more than {most_bytes} bytes; this and what follows was not read")));
        }
        Ok(())
    }

    /// `inner`, with its bytes counted, and the guard for what is decompressed from it.
    pub fn compressed<R: Read>(&self, inner: R) -> (Counted<R>, Rc<Cell<u64>>) {
        let count = Rc::new(Cell::new(0));
        (Counted { inner, count: count.clone() }, count)
    }

    /// What a decoder gives, refused once it is more than `ratio` times what it read.
    pub fn guarded<R: Read>(&self, inner: R, compressed: Rc<Cell<u64>>) -> Guarded<R> {
        Guarded { inner, compressed, expanded: 0, ratio: self.limits.ratio }
    }
}

/// Counts what is read.
pub(super) struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// Ends with an error when too much comes of too little.
pub(super) struct Guarded<R> {
    inner: R,
    compressed: Rc<Cell<u64>>,
    expanded: u64,
    ratio: u64,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.expanded += read as u64;
        let allowed = FREE_BYTES.saturating_add(self.compressed.get().saturating_mul(self.ratio));
        if self.expanded > allowed {
            let text = format!(
                "{} compressed bytes became more than {allowed}, expected at most {} times as many; allow more with --max-ratio; what follows was not read",
                self.compressed.get(),
                self.ratio
            );
            return Err(Carried(Code::Bomb, text).into());
        }
        Ok(read)
    }
}
