//! Tokenization: bytes of text a second, all threads, on sources of this repository as they once were.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;

fn sources() -> Vec<String> {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/tests/testdata/sources.tar.gz");
    let (records, ..) = ingest::read_all(archive.as_ref(), &ingest::read::Options::default()).expect("an archive of sources");
    records.into_iter().map(|r| r.text).collect()
}

fn bench(c: &mut Criterion) {
    let texts = sources();
    let json = ingest::train(texts.iter().map(String::as_str), 4096).expect("enough text");
    let tokenizer = ingest::TextTokenizer::from_json(&json).expect("just trained");
    let bytes: usize = texts.iter().map(String::len).sum();
    let mut group = c.benchmark_group("tokenize");
    group.throughput(Throughput::Bytes(bytes as u64)).sample_size(20);
    group.bench_function("encode", |b| b.iter(|| texts.par_iter().map(|t| tokenizer.encode(t).expect("text").len()).sum::<usize>()));
    group
        .bench_function("train-bpe-4096", |b| b.iter(|| ingest::train(texts.iter().map(String::as_str), 4096).expect("enough text").len()));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
