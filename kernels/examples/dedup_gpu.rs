//! Measures near-duplicate removal on a CUDA device and checks a sample of the results. Not yet run on hardware.
//!
//! ```text
//! cargo run --release -p kernels --example dedup_gpu [-- MILLION_WORDS [MILLION_RECORDS]]
//! ```
//!
//! 256 million words and 64 million records by default: 1 GB each way, far beyond any cache. Nothing is measured on zeros.
//! With `--emulated` the kernels run on this processor, small, which measures nothing and shows that the program works.

#[path = "../tests/reference/mod.rs"]
mod reference;

use std::error::Error;
use std::time::Instant;

use kernels::cuda::{Device, device_count};
use kernels::dedup::signature::{BANDS, SLOTS};
use kernels::dedup::{CudaDedup, Dedup, EmulatedDedup};

const REPEATS: usize = 9;
/// Documents and pairs whose results are compared with the reference.
const SAMPLE: usize = 500;

/// Sizes of what is measured.
struct Sizes {
    copy_bytes: usize,
    words: usize,
    records: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == "--emulated") {
        println!("emulated: the figures say nothing");
        return measure(&mut EmulatedDedup::new()?, &Sizes { copy_bytes: 1 << 16, words: 200_000, records: 20_000 });
    }
    arguments.resize(2, String::new());
    let million = |text: &str, default: usize| if text.is_empty() { Ok(default) } else { text.parse() };
    let sizes =
        Sizes { copy_bytes: 1 << 28, words: million(&arguments[0], 256)? * 1_000_000, records: million(&arguments[1], 64)? * 1_000_000 };
    match device_count() {
        Ok(0) => println!("no CUDA device"),
        Err(error) => println!("no CUDA device: {error}"),
        Ok(_) => {
            let mut dedup = CudaDedup::new(0)?;
            println!("{}", dedup.describe()?);
            measure(&mut dedup, &sizes)?;
        }
    }
    Ok(())
}

/// Documents of 50 to 2,000 words, most of them short; every second one is the one before with a word in 60 replaced.
fn documents(words: usize) -> (Vec<u32>, Vec<u64>) {
    let (mut all, mut offsets) = (Vec::with_capacity(words), vec![0]);
    let mut random = 0u64;
    let mut next = || {
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        reference::mix(random)
    };
    while all.len() < words {
        let length = 50 + (next() % 1950 * (next() % 1950) / 1950) as usize;
        let begin = all.len();
        all.extend((0..length).map(|_| next() as u32));
        offsets.push(all.len() as u64);
        for i in begin..begin + length {
            let word = all[i];
            all.push(if next() % 60 == 0 { next() as u32 } else { word });
        }
        offsets.push(all.len() as u64);
    }
    (all, offsets)
}

fn measure<D: Device>(dedup: &mut Dedup<D>, sizes: &Sizes) -> Result<(), Box<dyn Error>>
where
    D::Error: Error + 'static,
{
    let (seed, mult) = (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211);
    let (words, offsets) = documents(sizes.words);
    let documents = offsets.len() - 1;
    let mut lines = Vec::new();

    let rates = dedup.throughput(sizes.copy_bytes, REPEATS)?;
    lines.push(("copy to device, page-locked".to_string(), format!("{:.1} GB/s", rates.upload / 1e9)));
    lines.push(("copy from device, page-locked".to_string(), format!("{:.1} GB/s", rates.download / 1e9)));
    lines.push(("copy inside device, read + written".to_string(), format!("{:.0} GB/s", rates.copy / 1e9)));

    // Resident: an eighth of the words, so that one batch holds them, but far beyond a cache.
    let part = offsets.partition_point(|&end| end <= words.len() as u64 / 8).max(2);
    let seconds = dedup.sign_seconds(&words, &offsets[..part], seed, mult, REPEATS)?;
    let resident = offsets[part - 1] as f64;
    lines.push((
        "sign, resident".to_string(),
        format!("{:.2} G words/s, {:.2} M documents/s", resident / seconds / 1e9, (part - 1) as f64 / seconds / 1e6),
    ));

    // The first call allocates and touches the buffers.
    let signed = dedup.sign(&words, &offsets, seed, mult)?;
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        let again = dedup.sign(&words, &offsets, seed, mult)?;
        best = best.min(start.elapsed().as_secs_f64());
        assert!(again == signed, "two runs give different signatures");
    }
    let rate = words.len() as f64 / best;
    lines.push((
        "sign, from host memory".to_string(),
        format!("{:.2} G words/s, {:.1} GB/s in, {:.0} % of the copy rate", rate / 1e9, 4.0 * rate / 1e9, 400.0 * rate / rates.upload),
    ));
    for document in (0..documents).step_by(documents.div_ceil(SAMPLE)) {
        let (slots, keys) = reference::sign(stream(&words, &offsets, document), seed, mult);
        assert_eq!(signed.slots[document * SLOTS..(document + 1) * SLOTS], slots, "slots of document {document}");
        assert_eq!(signed.band_keys[document * BANDS..(document + 1) * BANDS], keys, "band keys of document {document}");
    }

    // Records as the index has them: 14 bands, 48 bits, a third of the keys held by several documents.
    let mut keys: Vec<u64> =
        (0..sizes.records as u64).map(|i| ((i % 14) << 48) | (reference::mix(i % (sizes.records as u64 * 2 / 3)) >> 16)).collect();
    let mut ordinals: Vec<u32> = (0..sizes.records as u32).collect();
    let seconds = dedup.sort_seconds(&keys, &ordinals, 3)?;
    // Seven passes, each reading keys twice, ordinals once, and writing both; one more reading of the keys.
    let bytes = sizes.records as f64 * (7.0 * 32.0 + 8.0);
    lines.push((
        "sort, resident".to_string(),
        format!(
            "{:.2} G records/s, {:.0} GB/s, {:.0} % of the copy inside",
            sizes.records as f64 / seconds / 1e9,
            bytes / seconds / 1e9,
            100.0 * bytes / seconds / rates.copy
        ),
    ));
    let mut expected: Vec<(u64, u32)> = keys.iter().copied().zip(ordinals.iter().copied()).collect();
    let start = Instant::now();
    dedup.sort(&mut keys, &mut ordinals)?;
    lines.push((
        "sort, from host memory".to_string(),
        format!("{:.2} G records/s", sizes.records as f64 / start.elapsed().as_secs_f64() / 1e9),
    ));
    let start = Instant::now();
    expected.sort_unstable();
    lines.push((
        "  std sort_unstable, one thread".to_string(),
        format!("{:.2} G records/s", sizes.records as f64 / start.elapsed().as_secs_f64() / 1e9),
    ));
    assert!(keys.iter().zip(&ordinals).map(|(&key, &ordinal)| (key, ordinal)).eq(expected), "sorted records differ");

    let pairs: Vec<(u32, u32)> = (0..documents as u32 / 2).map(|i| (2 * i, 2 * i + 1)).collect();
    let (seconds, count) = dedup.verify_seconds(&words, &offsets, &pairs, (seed, mult), REPEATS)?;
    lines.push(("verify, resident".to_string(), format!("{:.2} M pairs/s ({count} pairs)", count as f64 / seconds / 1e6)));
    dedup.verify(&words, &offsets, &pairs, seed, mult)?;
    let start = Instant::now();
    let results = dedup.verify(&words, &offsets, &pairs, seed, mult)?;
    lines.push((
        "verify, from host memory".to_string(),
        format!("{:.2} M pairs/s", pairs.len() as f64 / start.elapsed().as_secs_f64() / 1e6),
    ));
    for index in (0..pairs.len()).step_by(pairs.len().div_ceil(SAMPLE)) {
        let (a, b) = (pairs[index].0 as usize, pairs[index].1 as usize);
        let expected = reference::verify(stream(&words, &offsets, a), stream(&words, &offsets, b), seed, mult);
        assert_eq!(results[index], expected, "pair {index}");
    }

    println!("{} million words, {documents} documents, {} million records", words.len() as f64 / 1e6, sizes.records as f64 / 1e6);
    for (name, value) in lines {
        println!("{name:<36} {value}");
    }
    println!("samples of {SAMPLE} documents and pairs and all sorted records equal the reference");
    Ok(())
}

fn stream<'a>(words: &'a [u32], offsets: &[u64], document: usize) -> &'a [u32] {
    &words[offsets[document] as usize..offsets[document + 1] as usize]
}
