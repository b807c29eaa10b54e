//! Where signing, proving and sorting are done; every device gives the same.

use std::sync::Mutex;

use kernels::dedup::signature::{BANDS, KEY_BITS, SLOTS};
use kernels::dedup::{CudaDedup, Dedup, EmulatedDedup};
use rayon::prelude::*;

use crate::error::DedupError;
use crate::features::Features;
use crate::hash::Constants;
use crate::similarity::Overlap;

/// Two documents to be compared.
pub(crate) struct Pair<'a> {
    /// Words of the one.
    pub(crate) own: &'a [u32],
    /// Words of the other.
    pub(crate) other: Vec<u32>,
}

/// A device.
pub enum Device {
    /// Threads of this machine.
    Cpu,
    /// A CUDA device.
    Cuda(Mutex<CudaDedup>),
    /// The CUDA sources, compiled by the host compiler: for tests.
    Emulated(Mutex<EmulatedDedup>),
}

fn failed(e: impl std::fmt::Display) -> DedupError {
    DedupError::Device(e.to_string())
}

impl Device {
    /// The CUDA device of a number.
    ///
    /// # Errors
    /// [`DedupError::Device`] if there is none, or a library that it needs is missing.
    pub fn cuda(ordinal: usize) -> Result<Device, DedupError> {
        CudaDedup::new(ordinal).map(|d| Device::Cuda(Mutex::new(d))).map_err(failed)
    }

    /// The CUDA sources on this machine's CPU.
    ///
    /// # Errors
    /// [`DedupError::Device`] if there is no C++ compiler.
    pub fn emulated() -> Result<Device, DedupError> {
        EmulatedDedup::new().map(|d| Device::Emulated(Mutex::new(d))).map_err(failed)
    }

    /// Signs documents under each key.
    pub(crate) fn sign(&self, documents: &mut [Features], constants: &[Constants]) -> Result<(), DedupError> {
        match self {
            Device::Cpu => {
                documents.par_iter_mut().with_min_len(16).for_each(|f| f.sign(constants));
                Ok(())
            }
            Device::Cuda(device) => sign_on(&mut *lock(device), documents, constants),
            Device::Emulated(device) => sign_on(&mut *lock(device), documents, constants),
        }
    }

    /// Exact overlaps of pairs.
    pub(crate) fn overlaps(&self, pairs: &[Pair], constants: &Constants) -> Result<Vec<Overlap>, DedupError> {
        match self {
            Device::Cpu => unreachable!("the CPU compares a document with its candidates one after the other"),
            Device::Cuda(device) => overlaps_on(&mut *lock(device), pairs, constants),
            Device::Emulated(device) => overlaps_on(&mut *lock(device), pairs, constants),
        }
    }

    /// Records of bands in the order of band, key and ordinal.
    pub(crate) fn sort(&self, mut records: Vec<(u8, u64, u32)>) -> Result<Vec<(u8, u64, u32)>, DedupError> {
        // A device counts records with 32 bits.
        let device = if records.len() < u32::MAX as usize { self } else { &Device::Cpu };
        match device {
            Device::Cpu => {
                records.par_sort_unstable();
                Ok(records)
            }
            Device::Cuda(device) => sort_on(&mut *lock(device), records),
            Device::Emulated(device) => sort_on(&mut *lock(device), records),
        }
    }
}

fn lock<T>(device: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    device.lock().expect("nobody panicked with it")
}

fn sign_on<D: kernels::cuda::Device>(device: &mut Dedup<D>, documents: &mut [Features], constants: &[Constants]) -> Result<(), DedupError>
where
    D::Error: std::fmt::Display,
{
    let mut offsets = vec![0u64];
    offsets.extend(documents.iter().scan(0, |sum, f| {
        *sum += f.words.len() as u64;
        Some(*sum)
    }));
    let words: Vec<u32> = documents.iter().flat_map(|f| f.words.iter().copied()).collect();
    for c in constants {
        let signed = device.sign(&words, &offsets, c.seed, c.multiplier).map_err(failed)?;
        let parts = signed.slots.chunks_exact(SLOTS).zip(signed.band_keys.chunks_exact(BANDS));
        for (f, (slots, bands)) in documents.iter_mut().zip(parts).filter(|(f, _)| !f.words.is_empty()) {
            f.slots.extend_from_slice(slots);
            f.bands.extend_from_slice(bands);
        }
    }
    Ok(())
}

fn overlaps_on<D: kernels::cuda::Device>(device: &mut Dedup<D>, pairs: &[Pair], constants: &Constants) -> Result<Vec<Overlap>, DedupError>
where
    D::Error: std::fmt::Display,
{
    let (mut words, mut offsets) = (Vec::new(), vec![0u64]);
    for stream in pairs.iter().flat_map(|p| [p.own, &p.other]) {
        words.extend_from_slice(stream);
        offsets.push(words.len() as u64);
    }
    let numbers: Vec<(u32, u32)> = (0..pairs.len() as u32).map(|i| (2 * i, 2 * i + 1)).collect();
    let counts = device.verify(&words, &offsets, &numbers, constants.seed, constants.multiplier).map_err(failed)?;
    let overlap = |[a, b, both]: [u32; 3]| Overlap { intersection: both.into(), union: u64::from(a) + u64::from(b) - u64::from(both) };
    Ok(counts.into_iter().map(overlap).collect())
}

fn sort_on<D: kernels::cuda::Device>(device: &mut Dedup<D>, mut records: Vec<(u8, u64, u32)>) -> Result<Vec<(u8, u64, u32)>, DedupError>
where
    D::Error: std::fmt::Display,
{
    // The device's sort is stable and looks at keys alone.
    records.par_sort_unstable_by_key(|(_, _, ordinal)| *ordinal);
    let mut keys: Vec<u64> = records.iter().map(|(band, key, _)| u64::from(*band) << KEY_BITS | key).collect();
    let mut ordinals: Vec<u32> = records.iter().map(|(_, _, ordinal)| *ordinal).collect();
    device.sort(&mut keys, &mut ordinals).map_err(failed)?;
    Ok(keys.into_iter().zip(ordinals).map(|(key, ordinal)| ((key >> KEY_BITS) as u8, key & ((1 << KEY_BITS) - 1), ordinal)).collect())
}
