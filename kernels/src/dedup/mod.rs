//! Near-duplicate removal on a device: signatures, the sort of band records, exact verification of pairs.
//!
//! - `signature`: the constants that the CPU shares with the kernels
//! - `source`: the kernels, `cuda/dedup.cu`, behind their numbers
//! - `signing`, `sort`, `verification`: batches, staging, launches of each
//! - `buffers`, `limits`: memory of batches, and how large they are
//! - `measurement`: the speed of a device
//!
//! Documents and pairs go in batches, each through a queue of the device: words are copied into staging memory by the
//! threads of this process, the device copies them in, computes, and copies the results out, while the other queues are at
//! another of these steps. Bytes equal those of the CPU, whatever the size of the batches.
//!
//! Which device it is, and how it is driven, is [`crate::cuda`]'s.

mod buffers;
mod limits;
mod measurement;
pub mod signature;
mod signing;
mod sort;
mod source;
mod verification;

pub use measurement::Throughput;
pub use signing::Signed;
pub use source::source;

use buffers::Pieces;
use limits::{Key, Limits, check_offsets};
use signing::Signing;
use sort::Sort;
use verification::Verification;

use crate::cuda::{CudaError, Device, Driver, Emulated, EmulationError};

/// Words of a batch: 32 MB, of which a PCIe 5 link takes 0.6 ms, far more than a launch.
const BATCH_WORDS: usize = 8 << 20;
/// Words of a batch under emulation: small, so that tests see several.
const EMULATED_BATCH_WORDS: usize = 64 << 10;

/// Near-duplicate removal on a CUDA device. Not yet run on hardware.
pub type CudaDedup = Dedup<Driver>;

impl CudaDedup {
    /// The device of that number, with the kernels compiled for its architecture.
    ///
    /// # Errors
    ///
    /// [`CudaError::MissingLibrary`] without a driver or NVRTC, [`CudaError::NoDevice`] without that device.
    pub fn new(ordinal: usize) -> Result<CudaDedup, CudaError> {
        Ok(Dedup::on(Driver::new(ordinal, &source())?))
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

/// [`CudaDedup`] on the emulated device, with the same results.
pub type EmulatedDedup = Dedup<Emulated>;

impl EmulatedDedup {
    /// Compiles the source, or finds it compiled in `${XDG_CACHE_HOME:-~/.cache}/assay/emulated/`.
    ///
    /// # Errors
    ///
    /// [`EmulationError::NoCompiler`] without a C++ compiler (`c++`, or what `CXX` names).
    pub fn new() -> Result<EmulatedDedup, EmulationError> {
        EmulatedDedup::build(false)
    }

    /// As [`EmulatedDedup::new`], with the undefined-behaviour sanitizer, which ends the process at the first finding.
    ///
    /// # Errors
    ///
    /// As [`EmulatedDedup::new`].
    pub fn sanitized() -> Result<EmulatedDedup, EmulationError> {
        EmulatedDedup::build(true)
    }

    fn build(sanitized: bool) -> Result<EmulatedDedup, EmulationError> {
        let mut dedup = Dedup::on(Emulated::new(&source(), sanitized)?);
        dedup.set_batch_words(EMULATED_BATCH_WORDS);
        Ok(dedup)
    }
}

/// Near-duplicate removal on a device: [`CudaDedup`], or [`EmulatedDedup`] where there is none.
///
/// Results equal the CPU's to the last byte. Device memory: about 400 MB for batches at first, as much again once pairs are
/// verified, and 24 bytes a record during a sort. After an error the next call waits for what is still under way.
pub struct Dedup<D: Device> {
    // Before the device, so that memory goes first.
    signing: Signing<D>,
    verification: Verification<D>,
    pieces: Pieces<D>,
    limits: Limits,
    device: D,
}

impl<D: Device> Dedup<D> {
    fn on(device: D) -> Self {
        let queues = device.queues();
        Dedup {
            signing: Signing::new(queues),
            verification: Verification::new(queues),
            pieces: Pieces::new(queues),
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
    fn finish(&mut self) -> Result<(), D::Error> {
        for queue in 0..self.device.queues() {
            self.device.wait(queue)?;
            self.signing.forget(queue);
            self.verification.forget(queue);
        }
        Ok(())
    }

    /// Signatures and band keys of the documents `words[offsets[i] .. offsets[i + 1]]`.
    ///
    /// # Panics
    /// If the offsets are not ascending positions in the words, or a document has 2^31 words or more.
    pub fn sign(&mut self, words: &[u32], offsets: &[u64], seed: u64, mult: u64) -> Result<Signed, D::Error> {
        check_offsets(words, offsets);
        self.finish()?;
        self.signing.sign(&self.device, &self.limits, words, offsets, Key { seed, mult })
    }

    /// Sorts records by key; records of one key stay in their order.
    ///
    /// # Panics
    /// If the lengths differ, or there are 2^32 - 1 records or more.
    pub fn sort(&mut self, keys: &mut [u64], ordinals: &mut [u32]) -> Result<(), D::Error> {
        assert_eq!(keys.len(), ordinals.len(), "a record has a key and an ordinal");
        assert!(keys.len() < u32::MAX as usize, "records are counted with 32 bits");
        self.finish()?;
        if keys.len() < 2 {
            return Ok(());
        }
        let mut sort = Sort::new(&self.device, keys.len())?;
        self.upload_records(keys, ordinals, &sort)?;
        sort.run(&self.device)?;
        let words = self.limits.words;
        self.pieces.download(&self.device, words, &sort.keys[sort.current], keys)?;
        self.pieces.download(&self.device, words, &sort.ordinals[sort.current], ordinals)
    }

    /// Copies records to the half of a sort's memory that is current at first.
    fn upload_records(&mut self, keys: &[u64], ordinals: &[u32], sort: &Sort<D>) -> Result<(), D::Error> {
        self.pieces.upload(&self.device, self.limits.words, keys, &sort.keys[0])?;
        self.pieces.upload(&self.device, self.limits.words, ordinals, &sort.ordinals[0])
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
        self.finish()?;
        self.verification.verify(&self.device, &self.limits, words, offsets, pairs, Key { seed, mult })
    }
}
