//! Signatures of documents, batch by batch.

use std::ops::Range;

use super::buffers::{Pair, copy};
use super::limits::{Key, Limits};
use super::signature::{BANDS, SLOTS};
use super::source::{SIGN, SIGN_DOCUMENTS, SIGN_LONG};
use crate::cuda::{Argument, Device};

/// Signatures and band keys of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// `(documents, 112)`; all ones for an empty document.
    pub slots: Vec<u32>,
    /// `(documents, 14)`, 48 bits each; all ones for an empty document.
    pub band_keys: Vec<u64>,
}

/// Arrays of a batch of documents, and which documents they are of.
struct Batch<D: Device> {
    words: Pair<D>,
    offsets: Pair<D>,
    long: Pair<D>,
    slots: Pair<D>,
    keys: Pair<D>,
    documents: Option<Range<usize>>,
}

impl<D: Device> Batch<D> {
    fn new() -> Self {
        Batch { words: Pair::new(), offsets: Pair::new(), long: Pair::new(), slots: Pair::new(), keys: Pair::new(), documents: None }
    }
}

/// The documents from `first` on that make a batch: one at least, however long.
fn cut(limits: &Limits, offsets: &[u64], first: usize) -> Range<usize> {
    let most = (first + limits.documents).min(offsets.len() - 1);
    let within = offsets[first + 1..=most].partition_point(|&end| end - offsets[first] <= limits.words as u64);
    first..first + within.max(1)
}

/// A batch of documents in each queue.
pub(super) struct Signing<D: Device> {
    batches: Vec<Batch<D>>,
}

impl<D: Device> Signing<D> {
    pub(super) fn new(queues: usize) -> Self {
        Signing { batches: (0..queues).map(|_| Batch::new()).collect() }
    }

    /// The results of the batch that the queue holds are nobody's.
    pub(super) fn forget(&mut self, queue: usize) {
        self.batches[queue].documents = None;
    }

    /// Signatures and band keys of the documents that the offsets cut out of the words. Nothing may be under way.
    pub(super) fn sign(&mut self, device: &D, limits: &Limits, words: &[u32], offsets: &[u64], key: Key) -> Result<Signed, D::Error> {
        let documents = offsets.len() - 1;
        let mut signed = Signed { slots: vec![0; documents * SLOTS], band_keys: vec![0; documents * BANDS] };
        let queues = device.queues();
        let mut queue = 0;
        let mut next = 0;
        while next < documents {
            let batch = cut(limits, offsets, next);
            next = batch.end;
            self.collect(device, queue, &mut signed)?;
            self.fill(device, limits, queue, words, offsets, batch)?;
            self.launch(device, limits, queue, offsets, key)?;
            let batch = &self.batches[queue];
            let count = batch.documents.as_ref().map_or(0, ExactSizeIterator::len);
            batch.slots.download::<u32>(device, queue, count * SLOTS)?;
            batch.keys.download::<u64>(device, queue, count * BANDS)?;
            queue = (queue + 1) % queues;
        }
        for turn in 0..queues {
            self.collect(device, (queue + turn) % queues, &mut signed)?;
        }
        Ok(signed)
    }

    /// Stages a batch and starts its way to the device.
    pub(super) fn fill(
        &mut self,
        device: &D,
        limits: &Limits,
        queue: usize,
        words: &[u32],
        offsets: &[u64],
        documents: Range<usize>,
    ) -> Result<(), D::Error> {
        let batch = &mut self.batches[queue];
        let (begin, end) = (offsets[documents.start] as usize, offsets[documents.end] as usize);
        let count = documents.len();
        batch.words.reserve::<u32>(device, (end - begin).max(limits.words))?;
        batch.offsets.reserve::<u64>(device, count + 1)?;
        batch.slots.reserve::<u32>(device, count * SLOTS)?;
        batch.keys.reserve::<u64>(device, count * BANDS)?;
        copy(&words[begin..end], batch.words.host(end - begin));
        batch.offsets.host::<u64>(count + 1).copy_from_slice(&offsets[documents.start..=documents.end]);
        batch.words.upload::<u32>(device, queue, end - begin)?;
        batch.offsets.upload::<u64>(device, queue, count + 1)?;
        let long: Vec<u32> = (0..count)
            .filter(|&i| offsets[documents.start + i + 1] - offsets[documents.start + i] > limits.long_words as u64)
            .map(|i| i as u32)
            .collect();
        batch.long.reserve::<u32>(device, long.len())?;
        batch.long.host::<u32>(long.len()).copy_from_slice(&long);
        batch.long.upload::<u32>(device, queue, long.len())?;
        batch.documents = Some(documents);
        Ok(())
    }

    /// Launches the kernels for the batch that the queue holds.
    pub(super) fn launch(&self, device: &D, limits: &Limits, queue: usize, offsets: &[u64], key: Key) -> Result<(), D::Error> {
        let batch = &self.batches[queue];
        let documents = batch.documents.clone().expect("a batch was staged");
        let base = Argument::U64(offsets[documents.start]);
        let (seed, mult) = (Argument::U64(key.seed), Argument::U64(key.mult));
        let (slots, keys) = (batch.slots.address(), batch.keys.address());
        let long = documents.clone().filter(|&i| offsets[i + 1] - offsets[i] > limits.long_words as u64).count();
        if long > 0 {
            // First, since they take longest.
            let arguments = [batch.words.address(), batch.offsets.address(), base, batch.long.address(), seed, mult, slots, keys];
            device.launch(queue, SIGN_LONG, long as u32, &arguments)?;
        }
        let (count, long_words) = (Argument::U32(documents.len() as u32), Argument::U32(limits.long_words as u32));
        let arguments = [batch.words.address(), batch.offsets.address(), base, count, long_words, seed, mult, slots, keys];
        device.launch(queue, SIGN, documents.len().div_ceil(SIGN_DOCUMENTS) as u32, &arguments)
    }

    /// Waits for the batch that the queue holds, if any, and takes its results.
    fn collect(&mut self, device: &D, queue: usize, signed: &mut Signed) -> Result<(), D::Error> {
        let batch = &mut self.batches[queue];
        if let Some(documents) = batch.documents.take() {
            device.wait(queue)?;
            let count = documents.len();
            copy(batch.slots.host(count * SLOTS), &mut signed.slots[documents.start * SLOTS..documents.end * SLOTS]);
            copy(batch.keys.host(count * BANDS), &mut signed.band_keys[documents.start * BANDS..documents.end * BANDS]);
        }
        Ok(())
    }
}
