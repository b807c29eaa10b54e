//! Exact overlaps of pairs of documents, batch by batch.

use std::collections::HashMap;
use std::ops::Range;

use super::buffers::{Pair, copy, gather};
use super::limits::{Key, Limits};
use super::signature::SHINGLE;
use super::source::{VERIFY, VERIFY_SHARED};
use crate::cuda::{Argument, Device};

/// Arrays of a batch of pairs, and which pairs they are.
struct Batch<D: Device> {
    words: Pair<D>,
    offsets: Pair<D>,
    pairs: Pair<D>,
    scratch_at: Pair<D>,
    results: Pair<D>,
    scratch: Option<D::Memory>,
    scratch_entries: u64,
    range: Option<Range<usize>>,
}

impl<D: Device> Batch<D> {
    fn new() -> Self {
        Batch {
            words: Pair::new(),
            offsets: Pair::new(),
            pairs: Pair::new(),
            scratch_at: Pair::new(),
            results: Pair::new(),
            scratch: None,
            scratch_entries: 0,
            range: None,
        }
    }
}

/// A batch of pairs in each queue.
pub(super) struct Verification<D: Device> {
    batches: Vec<Batch<D>>,
}

impl<D: Device> Verification<D> {
    pub(super) fn new(queues: usize) -> Self {
        Verification { batches: (0..queues).map(|_| Batch::new()).collect() }
    }

    /// The results of the batch that the queue holds are nobody's.
    pub(super) fn forget(&mut self, queue: usize) {
        self.batches[queue].range = None;
    }

    /// `|A|`, `|B|` and `|A ∩ B|` of the distinct shingles of each pair of documents. Nothing may be under way.
    pub(super) fn verify(
        &mut self,
        device: &D,
        limits: &Limits,
        words: &[u32],
        offsets: &[u64],
        pairs: &[(u32, u32)],
        key: Key,
    ) -> Result<Vec<[u32; 3]>, D::Error> {
        let mut results = vec![[0; 3]; pairs.len()];
        let queues = device.queues();
        let mut queue = 0;
        let mut next = 0;
        while next < pairs.len() {
            self.collect(device, queue, &mut results)?;
            next = self.start(device, limits, queue, words, offsets, pairs, next, key)?;
            queue = (queue + 1) % queues;
        }
        for turn in 0..queues {
            self.collect(device, (queue + turn) % queues, &mut results)?;
        }
        Ok(results)
    }

    /// Stages and launches a batch of the pairs from `first` on; returns the first pair that is not in it.
    ///
    /// Only the documents that the pairs name travel, each once a batch.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn start(
        &mut self,
        device: &D,
        limits: &Limits,
        queue: usize,
        words: &[u32],
        offsets: &[u64],
        pairs: &[(u32, u32)],
        first: usize,
        key: Key,
    ) -> Result<usize, D::Error> {
        let length = |document: u32| offsets[document as usize + 1] - offsets[document as usize];
        let mut places: HashMap<u32, u32> = HashMap::new();
        let mut documents: Vec<u32> = Vec::new();
        let mut batch_words = 0;
        let mut scratch_entries = 0;
        let (mut local, mut scratch_at) = (Vec::new(), Vec::new());
        for &(a, b) in pairs[first..].iter().take(limits.pairs) {
            let entries = table_entries(length(a)) + table_entries(length(b));
            let scratch = if entries > VERIFY_SHARED { entries } else { 0 };
            let added: u64 = [a, b].iter().filter(|document| !places.contains_key(document)).map(|&document| length(document)).sum();
            let full = batch_words + added > limits.words as u64 || scratch_entries + scratch > limits.scratch_entries;
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
        let batch = &mut self.batches[queue];
        batch.words.reserve::<u32>(device, (batch_words as usize).max(limits.words))?;
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
        self.launch(device, queue, key)?;
        self.batches[queue].results.download::<u32>(device, queue, 3 * count)?;
        Ok(first + count)
    }

    /// Launches the kernel for the batch that the queue holds.
    pub(super) fn launch(&self, device: &D, queue: usize, key: Key) -> Result<(), D::Error> {
        let batch = &self.batches[queue];
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
            Argument::U64(key.seed),
            Argument::U64(key.mult),
            batch.results.address(),
        ];
        device.launch(queue, VERIFY, pairs as u32, &arguments)
    }

    /// Waits for the batch that the queue holds, if any, and takes its results.
    fn collect(&mut self, device: &D, queue: usize, results: &mut [[u32; 3]]) -> Result<(), D::Error> {
        let batch = &mut self.batches[queue];
        if let Some(range) = batch.range.take() {
            device.wait(queue)?;
            copy(batch.results.host(3 * range.len()), results[range].as_flattened_mut());
        }
        Ok(())
    }
}

/// Entries of the table for a document of so many words; `table_entries` of the source.
fn table_entries(words: u64) -> u64 {
    let shingle = SHINGLE as u64;
    let shingles = if words < shingle { words.min(1) } else { words - (shingle - 1) };
    (shingles + shingles / 2 + 1).next_power_of_two()
}
