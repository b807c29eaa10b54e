//! Dedup: bytes of text a second on one thread, from text to verdicts, and signing alone from word streams.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dedup::{Features, Judge, Parameters, word_stream};

/// Sentences of common words; one document in five is a copy with a few words changed.
fn documents() -> Vec<String> {
    let mut state = 1u64;
    let mut next = |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    let mut documents: Vec<String> = Vec::new();
    for i in 0..2000usize {
        let text = if i % 5 == 4 {
            documents[i - 3].replacen("w7 ", "changed ", 3)
        } else {
            (0..400).map(|_| format!("w{} ", next(3000).min(next(3000)))).collect()
        };
        documents.push(text);
    }
    documents
}

fn bench(c: &mut Criterion) {
    let key = [3; 32];
    let documents = documents();
    let streams: Vec<Vec<u32>> = documents.iter().map(|d| word_stream(d)).collect();
    let bytes: usize = documents.iter().map(String::len).sum();
    let mut group = c.benchmark_group("dedup");
    group.throughput(Throughput::Bytes(bytes as u64)).sample_size(20);
    let digest = |i: usize| {
        let mut d = [0; 32];
        d[..8].copy_from_slice(&(i as u64).to_le_bytes());
        d
    };
    group.bench_function("words", |b| b.iter(|| documents.iter().map(|d| word_stream(d).len()).sum::<usize>()));
    group.bench_function("sign-from-words", |b| {
        b.iter(|| streams.iter().map(|w| Features::of_words(w, [0; 32], &key).shingles.len()).sum::<usize>())
    });
    group.bench_function("text-to-verdicts", |b| {
        b.iter_batched(
            || Judge::new(Parameters::default()),
            |mut judge| {
                for (i, document) in documents.iter().enumerate() {
                    judge.judge(i, Features::of(document, digest(i), &key));
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
