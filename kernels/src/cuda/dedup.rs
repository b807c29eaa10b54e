//! Near-duplicate removal on a device: batches, staging, launches.
//!
//! Documents and pairs go in batches, each through a queue of the device: words are copied into staging memory by the
//! threads of this process, the device copies them in, computes, and copies the results out, while the other queues are at
//! another of these steps. Bytes equal those of the CPU, whatever the size of the batches.

use std::collections::HashMap;
use std::ops::Range;
use std::slice;
use std::time::Instant;

use rayon::prelude::*;

use super::CudaError;
use super::device::{Argument, Device, Kernel};
use super::driver::Driver;

/// Slots of a signature.
pub const SLOTS: usize = 112;
/// Bands of a signature.
pub const BANDS: usize = 14;

/// Words of a shingle.
const SHINGLE: u64 = 5;
/// Documents of a block of `sign`: a warp each.
const SIGN_DOCUMENTS: usize = 8;
/// Records of a block of the sort.
const RADIX_TILE: usize = 4096;
/// Digits of a pass of the sort.
const DIGITS: usize = 256;
/// Table entries of a pair that stay in shared memory.
const VERIFY_SHARED: u64 = 4096;
/// Words of a batch: 32 MB, of which a PCIe 5 link takes 0.6 ms, far more than a launch.
const BATCH_WORDS: usize = 8 << 20;
/// Words from which a document gets a block rather than a warp.
const LONG_WORDS: usize = 16 << 10;

/// Signatures and band keys of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// `(documents, 112)`; all ones for an empty document.
    pub slots: Vec<u32>,
    /// `(documents, 14)`, 48 bits each; all ones for an empty document.
    pub band_keys: Vec<u64>,
}

/// What a device achieves, without what the host does around it. Bytes and items are those that were moved or computed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Throughput {
    /// Bytes a second from page-locked host memory to the device.
    pub upload: f64,
    /// Bytes a second from the device to page-locked host memory.
    pub download: f64,
    /// Bytes a second inside the device, read and written counted.
    pub copy: f64,
}

/// Types that any bytes are a value of.
///
/// # Safety
///
/// Every pattern of bits is a value, without padding.
unsafe trait Plain: Copy + Send + Sync {}
// SAFETY: integers.
unsafe impl Plain for u32 {}
// SAFETY: integers.
unsafe impl Plain for u64 {}

/// Staging memory as large as the most that it had to hold so far.
struct Staged<D: Device> {
    memory: Option<D::Staging>,
    bytes: usize,
}

impl<D: Device> Staged<D> {
    fn new() -> Self {
        Staged { memory: None, bytes: 0 }
    }

    /// Makes room for so many bytes and says whether what was there is lost. Nothing may be under way.
    fn reserve(&mut self, device: &D, bytes: usize) -> Result<bool, D::Error> {
        if self.memory.is_some() && bytes <= self.bytes {
            return Ok(false);
        }
        // The old memory goes first: there may not be room for both.
        self.memory = None;
        self.bytes = bytes.next_power_of_two();
        self.memory = Some(device.stage(self.bytes)?);
        Ok(true)
    }

    fn staging(&self) -> &D::Staging {
        self.memory.as_ref().expect("reserved before it is used")
    }

    /// What the staging memory holds. Nothing may be under way.
    fn values<T: Plain>(&mut self, count: usize) -> &mut [T] {
        assert!(count * size_of::<T>() <= self.bytes, "more values than were reserved");
        // SAFETY: there are `bytes`, aligned to 256, any of which make a `T`; they are borrowed with `self`.
        unsafe { slice::from_raw_parts_mut(D::host_address(self.staging()).cast(), count) }
    }
}

/// The same array in staging memory and on the device.
struct Pair<D: Device> {
    staged: Staged<D>,
    memory: Option<D::Memory>,
}

impl<D: Device> Pair<D> {
    fn new() -> Self {
        Pair { staged: Staged::new(), memory: None }
    }

    /// Makes room for `count` values; what was there may be lost. Nothing may be under way.
    fn reserve<T: Plain>(&mut self, device: &D, count: usize) -> Result<(), D::Error> {
        if self.staged.reserve(device, count * size_of::<T>())? || self.memory.is_none() {
            self.memory = None;
            self.memory = Some(device.allocate(self.staged.bytes)?);
        }
        Ok(())
    }

    fn memory(&self) -> &D::Memory {
        self.memory.as_ref().expect("reserved before it is used")
    }

    fn address(&self) -> Argument {
        Argument::U64(D::address(self.memory()))
    }

    /// The host's side. Nothing may be under way.
    fn host<T: Plain>(&mut self, count: usize) -> &mut [T] {
        self.staged.values(count)
    }

    fn upload<T: Plain>(&self, device: &D, queue: usize, count: usize) -> Result<(), D::Error> {
        device.upload(queue, self.staged.staging(), self.memory(), 0, count * size_of::<T>())
    }

    fn download<T: Plain>(&self, device: &D, queue: usize, count: usize) -> Result<(), D::Error> {
        device.download(queue, self.memory(), 0, self.staged.staging(), count * size_of::<T>())
    }
}

/// Arrays of a batch of documents, and which documents they are of.
struct SignBatch<D: Device> {
    words: Pair<D>,
    offsets: Pair<D>,
    long: Pair<D>,
    slots: Pair<D>,
    keys: Pair<D>,
    documents: Option<Range<usize>>,
}

/// Arrays of a batch of pairs, and which pairs they are.
struct VerifyBatch<D: Device> {
    words: Pair<D>,
    offsets: Pair<D>,
    pairs: Pair<D>,
    scratch_at: Pair<D>,
    results: Pair<D>,
    scratch: Option<D::Memory>,
    scratch_entries: u64,
    range: Option<Range<usize>>,
}

/// Largest sizes of a batch.
#[derive(Clone, Copy, Debug)]
struct Limits {
    words: usize,
    documents: usize,
    pairs: usize,
    scratch_entries: u64,
    long_words: usize,
}

impl Limits {
    fn new(words: usize) -> Limits {
        let items = (words / 64).max(1);
        // Two tables of at most 3n entries each, rarely both so large: four entries a word.
        Limits {
            words,
            documents: items,
            pairs: items,
            scratch_entries: 4 * words as u64,
            long_words: LONG_WORDS.min(words / 8).max(SHINGLE as usize),
        }
    }
}

/// Near-duplicate removal on a CUDA device. Not yet run on hardware.
pub type CudaDedup = Dedup<Driver>;

impl CudaDedup {
    /// The device of that number, with the kernels compiled for its architecture.
    ///
    /// # Errors
    ///
    /// [`CudaError::MissingLibrary`] without a driver or NVRTC, [`CudaError::NoDevice`] without that device.
    pub fn new(ordinal: usize) -> Result<CudaDedup, CudaError> {
        Ok(Dedup::on(Driver::new(ordinal)?))
    }

    /// The device's name and architecture.
    ///
    /// # Errors
    ///
    /// [`CudaError::Driver`] if the device does not answer.
    pub fn describe(&self) -> Result<String, CudaError> {
        self.device.describe()
    }
}

/// Near-duplicate removal on a device: [`CudaDedup`], or [`crate::emu::EmulatedDedup`] where there is none.
///
/// Results equal the CPU's to the last byte. Device memory: about 400 MB for batches at first, as much again once pairs are
/// verified, and 24 bytes a record during a sort. After an error the next call waits for what is still under way.
pub struct Dedup<D: Device> {
    // Before the device, so that memory goes first.
    sign: Vec<SignBatch<D>>,
    verify: Vec<VerifyBatch<D>>,
    /// Of each queue, for arrays that travel in pieces.
    pieces: Vec<Staged<D>>,
    limits: Limits,
    device: D,
}

impl<D: Device> Dedup<D> {
    pub(crate) fn on(device: D) -> Self {
        let queues = 0..device.queues();
        Dedup {
            sign: queues
                .clone()
                .map(|_| SignBatch {
                    words: Pair::new(),
                    offsets: Pair::new(),
                    long: Pair::new(),
                    slots: Pair::new(),
                    keys: Pair::new(),
                    documents: None,
                })
                .collect(),
            verify: queues
                .clone()
                .map(|_| VerifyBatch {
                    words: Pair::new(),
                    offsets: Pair::new(),
                    pairs: Pair::new(),
                    scratch_at: Pair::new(),
                    results: Pair::new(),
                    scratch: None,
                    scratch_entries: 0,
                    range: None,
                })
                .collect(),
            pieces: queues.map(|_| Staged::new()).collect(),
            limits: Limits::new(BATCH_WORDS),
            device,
        }
    }

    /// Sets the words of a batch, with documents, pairs and table entries in proportion; 8 Mi at first, 64 Ki under emulation.
    ///
    /// No result depends on it.
    pub fn set_batch_words(&mut self, words: usize) {
        self.limits = Limits::new(words.max(1));
    }

    /// After an error work may still be under way and its results are nobody's.
    fn settle(&mut self) -> Result<(), D::Error> {
        for queue in 0..self.device.queues() {
            self.device.wait(queue)?;
            self.sign[queue].documents = None;
            self.verify[queue].range = None;
        }
        Ok(())
    }

    /// Signatures and band keys of the documents `words[offsets[i] .. offsets[i + 1]]`.
    ///
    /// # Panics
    /// If the offsets are not ascending positions in the words, or a document has 2^31 words or more.
    pub fn sign(&mut self, words: &[u32], offsets: &[u64], seed: u64, mult: u64) -> Result<Signed, D::Error> {
        let documents = check_offsets(words, offsets);
        self.settle()?;
        let mut signed = Signed { slots: vec![0; documents * SLOTS], band_keys: vec![0; documents * BANDS] };
        let queues = self.device.queues();
        let mut queue = 0;
        let mut next = 0;
        while next < documents {
            let batch = self.cut_documents(offsets, next);
            next = batch.end;
            self.collect_signed(queue, &mut signed)?;
            self.fill_sign(queue, words, offsets, batch)?;
            self.run_sign(queue, offsets, seed, mult)?;
            let batch = &self.sign[queue];
            let count = batch.documents.as_ref().map_or(0, ExactSizeIterator::len);
            batch.slots.download::<u32>(&self.device, queue, count * SLOTS)?;
            batch.keys.download::<u64>(&self.device, queue, count * BANDS)?;
            queue = (queue + 1) % queues;
        }
        for turn in 0..queues {
            self.collect_signed((queue + turn) % queues, &mut signed)?;
        }
        Ok(signed)
    }

    /// The documents from `first` on that make a batch: one at least, however long.
    fn cut_documents(&self, offsets: &[u64], first: usize) -> Range<usize> {
        let most = (first + self.limits.documents).min(offsets.len() - 1);
        let within = offsets[first + 1..=most].partition_point(|&end| end - offsets[first] <= self.limits.words as u64);
        first..first + within.max(1)
    }

    /// Stages a batch and starts its way to the device.
    fn fill_sign(&mut self, queue: usize, words: &[u32], offsets: &[u64], documents: Range<usize>) -> Result<(), D::Error> {
        let (device, batch) = (&self.device, &mut self.sign[queue]);
        let (begin, end) = (offsets[documents.start] as usize, offsets[documents.end] as usize);
        let count = documents.len();
        batch.words.reserve::<u32>(device, (end - begin).max(self.limits.words))?;
        batch.offsets.reserve::<u64>(device, count + 1)?;
        batch.slots.reserve::<u32>(device, count * SLOTS)?;
        batch.keys.reserve::<u64>(device, count * BANDS)?;
        copy(&words[begin..end], batch.words.host(end - begin));
        batch.offsets.host::<u64>(count + 1).copy_from_slice(&offsets[documents.start..=documents.end]);
        batch.words.upload::<u32>(device, queue, end - begin)?;
        batch.offsets.upload::<u64>(device, queue, count + 1)?;
        let long: Vec<u32> = (0..count)
            .filter(|&i| offsets[documents.start + i + 1] - offsets[documents.start + i] > self.limits.long_words as u64)
            .map(|i| i as u32)
            .collect();
        batch.long.reserve::<u32>(device, long.len())?;
        batch.long.host::<u32>(long.len()).copy_from_slice(&long);
        batch.long.upload::<u32>(device, queue, long.len())?;
        batch.documents = Some(documents);
        Ok(())
    }

    /// Launches the kernels for the batch that the queue holds.
    fn run_sign(&self, queue: usize, offsets: &[u64], seed: u64, mult: u64) -> Result<(), D::Error> {
        let batch = &self.sign[queue];
        let documents = batch.documents.clone().expect("a batch was staged");
        let base = Argument::U64(offsets[documents.start]);
        let (seed, mult) = (Argument::U64(seed), Argument::U64(mult));
        let (slots, keys) = (batch.slots.address(), batch.keys.address());
        let long = documents.clone().filter(|&i| offsets[i + 1] - offsets[i] > self.limits.long_words as u64).count();
        if long > 0 {
            // First, since they take longest.
            let arguments = [batch.words.address(), batch.offsets.address(), base, batch.long.address(), seed, mult, slots, keys];
            self.device.launch(queue, Kernel::SignLong, long as u32, &arguments)?;
        }
        let (count, long_words) = (Argument::U32(documents.len() as u32), Argument::U32(self.limits.long_words as u32));
        let arguments = [batch.words.address(), batch.offsets.address(), base, count, long_words, seed, mult, slots, keys];
        self.device.launch(queue, Kernel::Sign, documents.len().div_ceil(SIGN_DOCUMENTS) as u32, &arguments)
    }

    /// Waits for the batch that the queue holds, if any, and takes its results.
    fn collect_signed(&mut self, queue: usize, signed: &mut Signed) -> Result<(), D::Error> {
        let batch = &mut self.sign[queue];
        if let Some(documents) = batch.documents.take() {
            self.device.wait(queue)?;
            let count = documents.len();
            copy(batch.slots.host(count * SLOTS), &mut signed.slots[documents.start * SLOTS..documents.end * SLOTS]);
            copy(batch.keys.host(count * BANDS), &mut signed.band_keys[documents.start * BANDS..documents.end * BANDS]);
        }
        Ok(())
    }

    /// Sorts records by key; records of one key stay in their order.
    ///
    /// # Panics
    /// If the lengths differ, or there are 2^32 - 1 records or more.
    pub fn sort(&mut self, keys: &mut [u64], ordinals: &mut [u32]) -> Result<(), D::Error> {
        assert_eq!(keys.len(), ordinals.len(), "a record has a key and an ordinal");
        assert!(keys.len() < u32::MAX as usize, "records are counted with 32 bits");
        self.settle()?;
        if keys.len() < 2 {
            return Ok(());
        }
        let mut memory = SortMemory::<D>::new(&self.device, keys.len())?;
        self.upload_all(keys, &memory.keys[0])?;
        self.upload_all(ordinals, &memory.ordinals[0])?;
        self.run_sort(&mut memory)?;
        self.download_all(&memory.keys[memory.current], keys)?;
        self.download_all(&memory.ordinals[memory.current], ordinals)
    }

    /// Sorts what the current half of the memory holds, and says which half holds the result.
    fn run_sort(&mut self, memory: &mut SortMemory<D>) -> Result<(), D::Error> {
        let count = memory.count;
        let n = Argument::U32(count as u32);
        let address = |memory: &D::Memory| Argument::U64(D::address(memory));
        let tiles = count.div_ceil(RADIX_TILE) as u32;
        let varying = &mut memory.varying;
        varying.host::<u64>(1)[0] = 0;
        varying.upload::<u64>(&self.device, 0, 1)?;
        let arguments = [address(&memory.keys[memory.current]), n, varying.address()];
        self.device.launch(0, Kernel::RadixVarying, tiles.min(1024), &arguments)?;
        varying.download::<u64>(&self.device, 0, 1)?;
        self.device.wait(0)?;
        let varying = varying.host::<u64>(1)[0];
        for shift in (0..64).step_by(8).filter(|shift| (varying >> shift) as u8 != 0) {
            let (from, to) = (memory.current, 1 - memory.current);
            let (shift, counts, totals) = (Argument::U32(shift), address(&memory.counts), address(&memory.totals));
            self.device.launch(0, Kernel::RadixHistogram, tiles, &[address(&memory.keys[from]), n, shift, counts])?;
            self.device.launch(0, Kernel::RadixScan, DIGITS as u32, &[counts, Argument::U32(tiles), totals])?;
            let (keys_in, ordinals_in) = (address(&memory.keys[from]), address(&memory.ordinals[from]));
            let (keys_out, ordinals_out) = (address(&memory.keys[to]), address(&memory.ordinals[to]));
            let arguments = [keys_in, ordinals_in, n, shift, counts, totals, keys_out, ordinals_out];
            self.device.launch(0, Kernel::RadixScatter, tiles, &arguments)?;
            memory.current = to;
        }
        self.device.wait(0)
    }

    /// Copies an array to the device in pieces, one staged while another is on its way.
    fn upload_all<T: Plain>(&mut self, from: &[T], to: &D::Memory) -> Result<(), D::Error> {
        let queues = self.device.queues();
        let piece_bytes = self.limits.words * size_of::<T>();
        for (turn, piece) in from.chunks(self.limits.words).enumerate() {
            let queue = turn % queues;
            let staged = &mut self.pieces[queue];
            self.device.wait(queue)?;
            staged.reserve(&self.device, piece_bytes)?;
            copy(piece, staged.values(piece.len()));
            self.device.upload(queue, staged.staging(), to, turn * piece_bytes, size_of_val(piece))?;
        }
        (0..queues).try_for_each(|queue| self.device.wait(queue))
    }

    /// Copies an array from the device in pieces, one on its way while another is taken.
    fn download_all<T: Plain>(&mut self, from: &D::Memory, to: &mut [T]) -> Result<(), D::Error> {
        let queues = self.device.queues();
        let piece_bytes = self.limits.words * size_of::<T>();
        let mut pending: Vec<Option<&mut [T]>> = (0..queues).map(|_| None).collect();
        for (turn, piece) in to.chunks_mut(self.limits.words).enumerate() {
            let queue = turn % queues;
            let staged = &mut self.pieces[queue];
            self.device.wait(queue)?;
            if let Some(before) = pending[queue].take() {
                copy(staged.values(before.len()), before);
            }
            staged.reserve(&self.device, piece_bytes)?;
            self.device.download(queue, from, turn * piece_bytes, staged.staging(), size_of_val(piece))?;
            pending[queue] = Some(piece);
        }
        for (queue, before) in pending.into_iter().enumerate() {
            self.device.wait(queue)?;
            if let Some(before) = before {
                copy(self.pieces[queue].values(before.len()), before);
            }
        }
        Ok(())
    }

    /// `|A|`, `|B|` and `|A ∩ B|` of the distinct shingles of each pair of documents.
    ///
    /// # Panics
    /// As [`Dedup::sign`], or if a pair names a document that is not there.
    pub fn verify(
        &mut self,
        words: &[u32],
        offsets: &[u64],
        pairs: &[(u32, u32)],
        seed: u64,
        mult: u64,
    ) -> Result<Vec<[u32; 3]>, D::Error> {
        let documents = check_offsets(words, offsets);
        assert!(pairs.iter().all(|&(a, b)| (a.max(b) as usize) < documents), "a pair names a document that is not there");
        self.settle()?;
        let mut results = vec![[0; 3]; pairs.len()];
        let queues = self.device.queues();
        let mut queue = 0;
        let mut next = 0;
        while next < pairs.len() {
            self.collect_verified(queue, &mut results)?;
            next = self.start_verify(queue, words, offsets, pairs, next, (seed, mult))?;
            queue = (queue + 1) % queues;
        }
        for turn in 0..queues {
            self.collect_verified((queue + turn) % queues, &mut results)?;
        }
        Ok(results)
    }

    /// Stages and launches a batch of the pairs from `first` on; returns the first pair that is not in it.
    ///
    /// Only the documents that the pairs name travel, each once a batch.
    fn start_verify(
        &mut self,
        queue: usize,
        words: &[u32],
        offsets: &[u64],
        pairs: &[(u32, u32)],
        first: usize,
        key: (u64, u64),
    ) -> Result<usize, D::Error> {
        let length = |document: u32| offsets[document as usize + 1] - offsets[document as usize];
        let mut places: HashMap<u32, u32> = HashMap::new();
        let mut documents: Vec<u32> = Vec::new();
        let mut batch_words = 0;
        let mut scratch_entries = 0;
        let (mut local, mut scratch_at) = (Vec::new(), Vec::new());
        for &(a, b) in pairs[first..].iter().take(self.limits.pairs) {
            let entries = table_entries(length(a)) + table_entries(length(b));
            let scratch = if entries > VERIFY_SHARED { entries } else { 0 };
            let added: u64 = [a, b].iter().filter(|document| !places.contains_key(document)).map(|&document| length(document)).sum();
            let full = batch_words + added > self.limits.words as u64 || scratch_entries + scratch > self.limits.scratch_entries;
            if full && !local.is_empty() {
                break;
            }
            for document in [a, b] {
                let place = *places.entry(document).or_insert_with(|| {
                    batch_words += length(document);
                    documents.push(document);
                    documents.len() as u32 - 1
                });
                local.push(place);
            }
            scratch_at.push(scratch_entries);
            scratch_entries += scratch;
        }
        let count = scratch_at.len();
        let (device, batch) = (&self.device, &mut self.verify[queue]);
        batch.words.reserve::<u32>(device, (batch_words as usize).max(self.limits.words))?;
        batch.offsets.reserve::<u64>(device, documents.len() + 1)?;
        batch.pairs.reserve::<u32>(device, local.len())?;
        batch.scratch_at.reserve::<u64>(device, count)?;
        batch.results.reserve::<u32>(device, 3 * count)?;
        if batch.scratch.is_none() || batch.scratch_entries < scratch_entries {
            batch.scratch = None;
            batch.scratch_entries = scratch_entries.max(1).next_power_of_two();
            batch.scratch = Some(device.allocate(batch.scratch_entries as usize * size_of::<u64>())?);
        }
        gather(words, offsets, &documents, batch.words.host(batch_words as usize));
        let mut end = 0;
        let local_offsets = batch.offsets.host::<u64>(documents.len() + 1);
        local_offsets[0] = 0;
        for (offset, &document) in local_offsets[1..].iter_mut().zip(&documents) {
            end += length(document);
            *offset = end;
        }
        batch.pairs.host::<u32>(local.len()).copy_from_slice(&local);
        batch.scratch_at.host::<u64>(count).copy_from_slice(&scratch_at);
        batch.words.upload::<u32>(device, queue, batch_words as usize)?;
        batch.offsets.upload::<u64>(device, queue, documents.len() + 1)?;
        batch.pairs.upload::<u32>(device, queue, local.len())?;
        batch.scratch_at.upload::<u64>(device, queue, count)?;
        batch.range = Some(first..first + count);
        self.run_verify(queue, key)?;
        self.verify[queue].results.download::<u32>(&self.device, queue, 3 * count)?;
        Ok(first + count)
    }

    /// Launches the kernel for the batch that the queue holds.
    fn run_verify(&self, queue: usize, (seed, mult): (u64, u64)) -> Result<(), D::Error> {
        let batch = &self.verify[queue];
        let pairs = batch.range.as_ref().map_or(0, ExactSizeIterator::len);
        let scratch = Argument::U64(D::address(batch.scratch.as_ref().expect("allocated with the batch")));
        let (words, offsets) = (batch.words.address(), batch.offsets.address());
        let arguments = [
            words,
            offsets,
            words,
            offsets,
            batch.pairs.address(),
            batch.scratch_at.address(),
            scratch,
            Argument::U64(seed),
            Argument::U64(mult),
            batch.results.address(),
        ];
        self.device.launch(queue, Kernel::Verify, pairs as u32, &arguments)
    }

    fn collect_verified(&mut self, queue: usize, results: &mut [[u32; 3]]) -> Result<(), D::Error> {
        let batch = &mut self.verify[queue];
        if let Some(range) = batch.range.take() {
            self.device.wait(queue)?;
            copy(batch.results.host(3 * range.len()), results[range].as_flattened_mut());
        }
        Ok(())
    }

    /// Copy rates, each the median over `repeats` copies of `bytes`.
    pub fn throughput(&mut self, bytes: usize, repeats: usize) -> Result<Throughput, D::Error> {
        self.settle()?;
        let staging = self.device.stage(bytes)?;
        let (from, to) = (self.device.allocate(bytes)?, self.device.allocate(bytes)?);
        // Pages are touched before the clock runs, and not left at zero.
        // SAFETY: as many bytes as were staged, and nothing is under way.
        unsafe { slice::from_raw_parts_mut(D::host_address(&staging), bytes) }
            .iter_mut()
            .enumerate()
            .for_each(|(i, byte)| *byte = (i * 31) as u8);
        let upload = self.median(repeats, |device| device.upload(0, &staging, &from, 0, bytes))?;
        let copied = self.median(repeats, |device| device.copy(0, &from, &to, bytes))?;
        let download = self.median(repeats, |device| device.download(0, &to, 0, &staging, bytes))?;
        Ok(Throughput { upload: bytes as f64 / upload, download: bytes as f64 / download, copy: 2.0 * bytes as f64 / copied })
    }

    /// Seconds of [`Dedup::sign`] on the device alone, all documents in one batch, the median of `repeats`.
    pub fn sign_seconds(&mut self, words: &[u32], offsets: &[u64], seed: u64, mult: u64, repeats: usize) -> Result<f64, D::Error> {
        let documents = check_offsets(words, offsets);
        self.settle()?;
        self.fill_sign(0, words, offsets, 0..documents)?;
        let seconds = self.median(repeats, |_| self.run_sign(0, offsets, seed, mult));
        self.settle()?;
        seconds
    }

    /// Seconds of [`Dedup::sort`] on the device alone, the median of `repeats`, each over the same records unsorted.
    pub fn sort_seconds(&mut self, keys: &[u64], ordinals: &[u32], repeats: usize) -> Result<f64, D::Error> {
        assert!(keys.len() > 1 && keys.len() == ordinals.len(), "records to sort");
        self.settle()?;
        let mut memory = SortMemory::<D>::new(&self.device, keys.len())?;
        let mut seconds = Vec::new();
        for _ in 0..repeats.max(1) + 1 {
            memory.current = 0;
            self.upload_all(keys, &memory.keys[0])?;
            self.upload_all(ordinals, &memory.ordinals[0])?;
            let start = Instant::now();
            self.run_sort(&mut memory)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(median(&mut seconds[1..]))
    }

    /// Seconds of [`Dedup::verify`] on the device alone, the median of `repeats`, and the number of pairs in that time: as many
    /// of the first ones as make a batch.
    pub fn verify_seconds(
        &mut self,
        words: &[u32],
        offsets: &[u64],
        pairs: &[(u32, u32)],
        key: (u64, u64),
        repeats: usize,
    ) -> Result<(f64, usize), D::Error> {
        check_offsets(words, offsets);
        self.settle()?;
        let count = self.start_verify(0, words, offsets, pairs, 0, key)?;
        let seconds = self.median(repeats, |_| self.run_verify(0, key));
        self.settle()?;
        Ok((seconds?, count))
    }

    /// The median time of `work` in queue 0, once before without a clock.
    fn median(&self, repeats: usize, work: impl Fn(&D) -> Result<(), D::Error>) -> Result<f64, D::Error> {
        let mut seconds = Vec::new();
        for _ in 0..repeats.max(1) + 1 {
            self.device.wait(0)?;
            let start = Instant::now();
            work(&self.device)?;
            self.device.wait(0)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(median(&mut seconds[1..]))
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Device memory of a sort: records before and after a pass, and the counts of its digits.
struct SortMemory<D: Device> {
    keys: [D::Memory; 2],
    ordinals: [D::Memory; 2],
    counts: D::Memory,
    totals: D::Memory,
    varying: Pair<D>,
    count: usize,
    /// Which half holds the records.
    current: usize,
}

impl<D: Device> SortMemory<D> {
    fn new(device: &D, count: usize) -> Result<Self, D::Error> {
        let (keys, ordinals) = (count * size_of::<u64>(), count * size_of::<u32>());
        let mut varying = Pair::new();
        varying.reserve::<u64>(device, 1)?;
        Ok(SortMemory {
            keys: [device.allocate(keys)?, device.allocate(keys)?],
            ordinals: [device.allocate(ordinals)?, device.allocate(ordinals)?],
            counts: device.allocate(count.div_ceil(RADIX_TILE) * DIGITS * size_of::<u32>())?,
            totals: device.allocate(DIGITS * size_of::<u32>())?,
            varying,
            count,
            current: 0,
        })
    }
}

/// The number of documents.
///
/// # Panics
/// If the offsets are not ascending positions in the words, or a document has 2^31 words or more.
fn check_offsets(words: &[u32], offsets: &[u64]) -> usize {
    assert!(!offsets.is_empty(), "offsets hold one more than there are documents");
    assert!(offsets[offsets.len() - 1] <= words.len() as u64, "offsets end behind the words");
    assert!(offsets.windows(2).all(|pair| pair[0] <= pair[1] && pair[1] - pair[0] < 1 << 31), "offsets ascend by less than 2^31");
    offsets.len() - 1
}

/// Entries of the table for a document of so many words; `table_entries` of the source.
fn table_entries(words: u64) -> u64 {
    let shingles = if words < SHINGLE { words.min(1) } else { words - (SHINGLE - 1) };
    (shingles + shingles / 2 + 1).next_power_of_two()
}

/// Bytes from which a copy is worth several threads: one thread of a server copies some 10 GB/s, a link takes 50.
const PARALLEL_BYTES: usize = 1 << 20;

fn copy<T: Plain>(from: &[T], to: &mut [T]) {
    let piece = PARALLEL_BYTES / size_of::<T>();
    if from.len() <= piece {
        to.copy_from_slice(from);
    } else {
        to.par_chunks_mut(piece).zip(from.par_chunks(piece)).for_each(|(to, from)| to.copy_from_slice(from));
    }
}

/// Copies the documents one after the other.
fn gather(words: &[u32], offsets: &[u64], documents: &[u32], mut to: &mut [u32]) {
    let mut pieces: Vec<(&[u32], &mut [u32])> = Vec::with_capacity(documents.len());
    for &document in documents {
        let from = &words[offsets[document as usize] as usize..offsets[document as usize + 1] as usize];
        let (head, tail) = to.split_at_mut(from.len());
        pieces.push((from, head));
        to = tail;
    }
    pieces.into_par_iter().with_min_len(64).for_each(|(from, to)| to.copy_from_slice(from));
}
