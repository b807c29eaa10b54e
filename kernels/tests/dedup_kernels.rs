//! The kernels of near-duplicate removal against the procedure written down plainly: under emulation always, on a CUDA
//! device where there is one.

mod reference;

use std::fmt::Display;

use kernels::cuda::{CudaError, Device, EmulationError, device_count};
use kernels::dedup::signature::{BANDS, SLOTS};
use kernels::dedup::{CudaDedup, Dedup, EmulatedDedup, Signed};

/// The value, or a failed test with the error as people read it.
fn done<T, E: Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// Random numbers of one seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        reference::mix(self.0)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Word streams one after the other.
struct Collection {
    words: Vec<u32>,
    offsets: Vec<u64>,
}

impl Collection {
    fn new() -> Collection {
        Collection { words: Vec::new(), offsets: vec![0] }
    }

    fn push(&mut self, words: impl IntoIterator<Item = u32>) {
        self.words.extend(words);
        self.offsets.push(self.words.len() as u64);
    }

    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    fn document(&self, index: usize) -> &[u32] {
        &self.words[self.offsets[index] as usize..self.offsets[index + 1] as usize]
    }

    /// Documents of every length that has a case of its own, of few and of many distinct words, and near-copies.
    fn varied(random: &mut Random) -> Collection {
        let mut collection = Collection::new();
        for length in (0..=30).chain([127, 128, 129, 131, 132, 133, 255, 256, 1000, 2047, 3000, 5000]) {
            collection.push((0..length).map(|_| random.next() as u32));
            collection.push((0..length).map(|_| random.below(2) as u32));
            collection.push((0..length).map(|_| 7));
        }
        for _ in 0..40 {
            let length = random.below(700) as usize;
            let original: Vec<u32> = (0..length).map(|_| random.next() as u32).collect();
            collection.push(original.iter().copied());
            collection.push(original.iter().map(|&word| if random.below(50) == 0 { 1 } else { word }));
        }
        collection
    }
}

fn check_sign<D: Device<Error: Display>>(dedup: &mut Dedup<D>) {
    for seed in 0..3 {
        let mut random = Random(seed);
        let collection = Collection::varied(&mut random);
        let (key, mult) = (random.next(), random.next() | 1);
        // Batches of one document, of a few, and of all.
        for batch_words in [1, 2500, 1 << 20] {
            dedup.set_batch_words(batch_words);
            let signed = done(dedup.sign(&collection.words, &collection.offsets, key, mult));
            assert_eq!((signed.slots.len(), signed.band_keys.len()), (collection.len() * SLOTS, collection.len() * BANDS));
            for index in 0..collection.len() {
                let words = collection.document(index);
                let (slots, keys) = reference::sign(words, key, mult);
                let context = format!("seed {seed}, batch of {batch_words} words, document {index} of {} words", words.len());
                assert_eq!(signed.slots[index * SLOTS..(index + 1) * SLOTS], slots, "{context}");
                assert_eq!(signed.band_keys[index * BANDS..(index + 1) * BANDS], keys, "{context}");
            }
        }
    }
}

fn check_sign_long<D: Device<Error: Display>>(dedup: &mut Dedup<D>) {
    let mut random = Random(17);
    let mut collection = Collection::new();
    for length in [3, 20_000, 7, 100_000, 0, 16_389] {
        collection.push((0..length).map(|_| random.next() as u32));
    }
    dedup.set_batch_words(1 << 20);
    let signed = done(dedup.sign(&collection.words, &collection.offsets, 5, 9));
    for index in 0..collection.len() {
        let (slots, keys) = reference::sign(collection.document(index), 5, 9);
        assert_eq!(signed.slots[index * SLOTS..(index + 1) * SLOTS], slots, "document {index}");
        assert_eq!(signed.band_keys[index * BANDS..(index + 1) * BANDS], keys, "document {index}");
    }
}

fn check_nothing<D: Device<Error: Display>>(dedup: &mut Dedup<D>) {
    assert_eq!(done(dedup.sign(&[], &[0], 1, 3)), Signed::default());
    done(dedup.sort(&mut [], &mut []));
    assert!(done(dedup.verify(&[], &[0], &[], 1, 3)).is_empty());
    assert_eq!(done(dedup.verify(&[], &[0, 0], &[(0, 0)], 1, 3)), [[0, 0, 0]]);
}

fn check_sort<D: Device<Error: Display>>(dedup: &mut Dedup<D>) {
    let mut random = Random(23);
    for count in [0usize, 1, 2, 255, 256, 257, 4095, 4096, 4097, 100_000] {
        // All 64 bits; band and 48 bits, many equal; one byte in the middle; all equal.
        for kind in 0..4 {
            let mut keys: Vec<u64> = (0..count)
                .map(|_| match kind {
                    0 => random.next(),
                    1 => (random.below(14) << 48) | (reference::mix(random.below(1 + count as u64 / 3)) >> 16),
                    2 => 0x00ab_0000_0000_0001 | (random.below(200) << 24),
                    _ => 42,
                })
                .collect();
            let mut ordinals: Vec<u32> = (0..count as u32).collect();
            let mut expected: Vec<(u64, u32)> = keys.iter().copied().zip(ordinals.iter().copied()).collect();
            expected.sort();
            dedup.set_batch_words(30_000);
            done(dedup.sort(&mut keys, &mut ordinals));
            let found: Vec<(u64, u32)> = keys.into_iter().zip(ordinals).collect();
            assert!(found == expected, "{count} records of kind {kind}");
        }
    }
}

fn check_verify<D: Device<Error: Display>>(dedup: &mut Dedup<D>) {
    for seed in 0..2 {
        let mut random = Random(seed);
        let mut collection = Collection::varied(&mut random);
        // One document that fills global memory's tables, with a copy that is rotated.
        let long: Vec<u32> = (0..9000).map(|_| random.next() as u32).collect();
        collection.push(long.iter().copied());
        collection.push(long[100..].iter().chain(&long[..100]).copied());
        let count = collection.len() as u64;
        let mut pairs: Vec<(u32, u32)> = (0..150).map(|_| (random.below(count) as u32, random.below(count) as u32)).collect();
        pairs.extend((0..count as u32 - 1).map(|document| (document, document + 1)));
        pairs.extend((0..count as u32).step_by(7).map(|document| (document, document)));
        let (key, mult) = (random.next(), random.next() | 1);
        for batch_words in [1, 4000, 1 << 20] {
            dedup.set_batch_words(batch_words);
            let results = done(dedup.verify(&collection.words, &collection.offsets, &pairs, key, mult));
            assert_eq!(results.len(), pairs.len());
            for (&(a, b), result) in pairs.iter().zip(results) {
                let (first, second) = (collection.document(a as usize), collection.document(b as usize));
                assert_eq!(result, reference::verify(first, second, key, mult), "seed {seed}, batch of {batch_words} words, pair {a} {b}");
            }
        }
    }
}

/// The one hash that stands for an empty entry of a table counts like any other.
///
/// The seed that turns a single word into that hash is found by undoing the finalizer: a shift by more than half of the bits
/// undoes itself, an odd factor has an inverse.
fn check_verify_hash_of_all_ones<D: Device<Error: Display>>(dedup: &mut Dedup<D>) {
    let unshift = |x: u64| x ^ (x >> 33);
    let inverse = |odd: u64| (0..6).fold(1u64, |inverse, _| inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse))));
    let mut state = unshift(u64::MAX);
    state = unshift(state.wrapping_mul(inverse(0xc4ce_b9fe_1a85_ec53)));
    state = unshift(state.wrapping_mul(inverse(0xff51_afd7_ed55_8ccd)));
    assert_eq!(reference::mix(state), u64::MAX);
    // One word 0 and multiplier 1: the hash before the finalizer is the seed turned by 29 bits.
    let seed = state.rotate_right(29);
    let mut collection = Collection::new();
    collection.push([0]);
    collection.push([5]);
    let pairs = [(0, 0), (0, 1), (1, 0), (1, 1)];
    let results = done(dedup.verify(&collection.words, &collection.offsets, &pairs, seed, 1));
    assert_eq!(results, [[1, 1, 1], [1, 1, 0], [1, 1, 0], [1, 1, 1]]);
    for (&(a, b), result) in pairs.iter().zip(results) {
        assert_eq!(result, reference::verify(collection.document(a as usize), collection.document(b as usize), seed, 1));
    }
}

/// The implementation, or nothing and a line that says why the test was skipped.
fn emulated() -> Option<EmulatedDedup> {
    match EmulatedDedup::new() {
        Err(error @ EmulationError::NoCompiler { .. }) => {
            skips::skip(skips::Need::Compiler, "dedup kernels under emulation", error);
            None
        }
        dedup => Some(done(dedup)),
    }
}

fn sanitized() -> Option<EmulatedDedup> {
    emulated().map(|_| done(EmulatedDedup::sanitized()))
}

fn cuda() -> Option<CudaDedup> {
    match device_count() {
        Ok(0) => {
            skips::skip(skips::Need::CudaDevice, "dedup kernels on a device", "the driver knows no device");
            None
        }
        Err(error @ CudaError::MissingLibrary { .. }) => {
            skips::skip(skips::Need::CudaDevice, "dedup kernels on a device", error);
            None
        }
        Err(error) => panic!("{error}"),
        // A device that cannot be used is a failure: it would hide that nothing was tested.
        Ok(_) => Some(done(CudaDedup::new(0))),
    }
}

#[test]
fn device_can_be_handed_to_another_thread() {
    fn check<T: Send>() {}
    check::<CudaDedup>();
}

macro_rules! on_each_device {
    ($($check:ident),* $(,)?) => {
        mod on_emulated { $(#[test] fn $check() { if let Some(mut it) = super::emulated() { super::$check(&mut it); } })* }
        mod on_sanitized { $(#[test] fn $check() { if let Some(mut it) = super::sanitized() { super::$check(&mut it); } })* }
        mod on_cuda { $(#[test] fn $check() { if let Some(mut it) = super::cuda() { super::$check(&mut it); } })* }
    };
}
on_each_device!(check_sign, check_sign_long, check_nothing, check_sort, check_verify, check_verify_hash_of_all_ones);
