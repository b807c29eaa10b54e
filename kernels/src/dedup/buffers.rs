//! Memory for batches: staging beside the device's, and copies between them.

use std::slice;

use rayon::prelude::*;

use crate::cuda::{Argument, Device};

/// Types that any bytes are a value of.
///
/// # Safety
///
/// Every pattern of bits is a value, without padding.
pub(super) unsafe trait Plain: Copy + Send + Sync {}
// SAFETY: integers.
unsafe impl Plain for u32 {}
// SAFETY: integers.
unsafe impl Plain for u64 {}

/// Staging memory as large as the most that it had to hold so far.
pub(super) struct Staged<D: Device> {
    memory: Option<D::Staging>,
    bytes: usize,
}

impl<D: Device> Staged<D> {
    pub(super) fn new() -> Self {
        Staged { memory: None, bytes: 0 }
    }

    /// Makes room for so many bytes and says whether what was there is lost. Nothing may be under way.
    pub(super) fn reserve(&mut self, device: &D, bytes: usize) -> Result<bool, D::Error> {
        if self.memory.is_some() && bytes <= self.bytes {
            return Ok(false);
        }
        // The old memory goes first: there may not be room for both.
        self.memory = None;
        self.bytes = bytes.next_power_of_two();
        self.memory = Some(device.stage(self.bytes)?);
        Ok(true)
    }

    pub(super) fn staging(&self) -> &D::Staging {
        self.memory.as_ref().expect("reserved before it is used")
    }

    /// What the staging memory holds. Nothing may be under way.
    pub(super) fn values<T: Plain>(&mut self, count: usize) -> &mut [T] {
        assert!(count * size_of::<T>() <= self.bytes, "more values than were reserved");
        // SAFETY: there are `bytes`, aligned to 256, any of which make a `T`; they are borrowed with `self`.
        unsafe { slice::from_raw_parts_mut(D::host_address(self.staging()).cast(), count) }
    }
}

/// The same array in staging memory and on the device.
pub(super) struct Pair<D: Device> {
    staged: Staged<D>,
    memory: Option<D::Memory>,
}

impl<D: Device> Pair<D> {
    pub(super) fn new() -> Self {
        Pair { staged: Staged::new(), memory: None }
    }

    /// Makes room for `count` values; what was there may be lost. Nothing may be under way.
    pub(super) fn reserve<T: Plain>(&mut self, device: &D, count: usize) -> Result<(), D::Error> {
        if self.staged.reserve(device, count * size_of::<T>())? || self.memory.is_none() {
            self.memory = None;
            self.memory = Some(device.allocate(self.staged.bytes)?);
        }
        Ok(())
    }

    pub(super) fn memory(&self) -> &D::Memory {
        self.memory.as_ref().expect("reserved before it is used")
    }

    pub(super) fn address(&self) -> Argument {
        Argument::U64(D::address(self.memory()))
    }

    /// The host's side. Nothing may be under way.
    pub(super) fn host<T: Plain>(&mut self, count: usize) -> &mut [T] {
        self.staged.values(count)
    }

    pub(super) fn upload<T: Plain>(&self, device: &D, queue: usize, count: usize) -> Result<(), D::Error> {
        device.upload(queue, self.staged.staging(), self.memory(), 0, count * size_of::<T>())
    }

    pub(super) fn download<T: Plain>(&self, device: &D, queue: usize, count: usize) -> Result<(), D::Error> {
        device.download(queue, self.memory(), 0, self.staged.staging(), count * size_of::<T>())
    }
}

/// Staging memory of each queue, for arrays that travel in pieces.
pub(super) struct Pieces<D: Device> {
    staged: Vec<Staged<D>>,
}

impl<D: Device> Pieces<D> {
    pub(super) fn new(queues: usize) -> Self {
        Pieces { staged: (0..queues).map(|_| Staged::new()).collect() }
    }

    /// Copies an array to the device in pieces of `words` values, one staged while another is on its way.
    pub(super) fn upload<T: Plain>(&mut self, device: &D, words: usize, from: &[T], to: &D::Memory) -> Result<(), D::Error> {
        let queues = device.queues();
        let piece_bytes = words * size_of::<T>();
        for (turn, piece) in from.chunks(words).enumerate() {
            let queue = turn % queues;
            let staged = &mut self.staged[queue];
            device.wait(queue)?;
            staged.reserve(device, piece_bytes)?;
            copy(piece, staged.values(piece.len()));
            device.upload(queue, staged.staging(), to, turn * piece_bytes, size_of_val(piece))?;
        }
        (0..queues).try_for_each(|queue| device.wait(queue))
    }

    /// Copies an array from the device in pieces of `words` values, one on its way while another is taken.
    pub(super) fn download<T: Plain>(&mut self, device: &D, words: usize, from: &D::Memory, to: &mut [T]) -> Result<(), D::Error> {
        let queues = device.queues();
        let piece_bytes = words * size_of::<T>();
        let mut pending: Vec<Option<&mut [T]>> = (0..queues).map(|_| None).collect();
        for (turn, piece) in to.chunks_mut(words).enumerate() {
            let queue = turn % queues;
            let staged = &mut self.staged[queue];
            device.wait(queue)?;
            if let Some(before) = pending[queue].take() {
                copy(staged.values(before.len()), before);
            }
            staged.reserve(device, piece_bytes)?;
            device.download(queue, from, turn * piece_bytes, staged.staging(), size_of_val(piece))?;
            pending[queue] = Some(piece);
        }
        for (queue, before) in pending.into_iter().enumerate() {
            device.wait(queue)?;
            if let Some(before) = before {
                copy(self.staged[queue].values(before.len()), before);
            }
        }
        Ok(())
    }
}

/// Bytes from which a copy is worth several threads: one thread of a server copies some 10 GB/s, a link takes 50.
const PARALLEL_BYTES: usize = 1 << 20;

pub(super) fn copy<T: Plain>(from: &[T], to: &mut [T]) {
    let piece = PARALLEL_BYTES / size_of::<T>();
    if from.len() <= piece {
        to.copy_from_slice(from);
    } else {
        to.par_chunks_mut(piece).zip(from.par_chunks(piece)).for_each(|(to, from)| to.copy_from_slice(from));
    }
}

/// Copies the documents one after the other.
pub(super) fn gather(words: &[u32], offsets: &[u64], documents: &[u32], mut to: &mut [u32]) {
    let mut pieces: Vec<(&[u32], &mut [u32])> = Vec::with_capacity(documents.len());
    for &document in documents {
        let from = &words[offsets[document as usize] as usize..offsets[document as usize + 1] as usize];
        let (head, tail) = to.split_at_mut(from.len());
        pieces.push((from, head));
        to = tail;
    }
    pieces.into_par_iter().with_min_len(64).for_each(|(from, to)| to.copy_from_slice(from));
}
