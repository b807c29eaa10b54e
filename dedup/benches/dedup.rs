//! Dedup on one thread: bytes of text a second for each step alone, and from word streams to verdicts.

use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dedup::{Constants, Features, Judge, Name, Options, fingerprints, sign, word_stream};

/// Sources and documentation of crates in the local registry, up to 16 MB; every eighth document twice, with an edit.
fn documents() -> Vec<String> {
    let mut files = Vec::new();
    let home = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap_or_default()));
    collect(&Path::new(&home).join("registry/src"), &mut files);
    files.sort();
    let mut documents = Vec::new();
    let mut bytes = 0;
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        if !(500..50_000).contains(&text.len()) {
            continue;
        }
        bytes += text.len();
        let copy = (documents.len() % 9 == 8).then(|| text.replacen("the", "some", 2));
        documents.push(text);
        documents.extend(copy);
        if bytes > 16 << 20 {
            break;
        }
    }
    assert!(!documents.is_empty(), "no crates in {home}/registry/src");
    documents
}

fn collect(dir: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs" || e == "md") {
            files.push(path);
        }
    }
}

fn bench(c: &mut Criterion) {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("the first use of the pool");
    let constants = Constants::new(&[3; 32]);
    let documents = documents();
    let streams: Vec<Vec<u32>> = documents.iter().map(|d| word_stream(d)).collect();
    let bytes: usize = documents.iter().map(String::len).sum();
    println!("{} documents, {bytes} bytes, {} words", documents.len(), streams.iter().map(Vec::len).sum::<usize>());
    let mut group = c.benchmark_group("dedup");
    group.throughput(Throughput::Bytes(bytes as u64)).sample_size(20);
    group.bench_function("words", |b| b.iter(|| documents.iter().map(|d| word_stream(d).len()).sum::<usize>()));
    group.bench_function("sign", |b| b.iter(|| streams.iter().filter_map(|w| sign(w, &constants)).map(|s| u64::from(s[0])).sum::<u64>()));
    group.bench_function("fingerprints", |b| b.iter(|| streams.iter().map(|w| fingerprints(w, &constants).len()).sum::<usize>()));
    let unsigned: Vec<Features> = streams
        .iter()
        .zip(0u64..)
        .map(|(words, i)| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&i.to_le_bytes());
            Features::unsigned(words.clone(), digest)
        })
        .collect();
    let options = Options::new(&[[3; 32]]);
    for (name, options) in [
        ("words-to-verdicts/bands", Options { verify: false, spans: false, ..options.clone() }),
        ("words-to-verdicts/verified", Options { spans: false, ..options.clone() }),
        ("words-to-verdicts/spans", options),
    ] {
        group.bench_function(name, |b| {
            b.iter_batched(
                || (Judge::new(options.clone()), unsigned.clone()),
                |(mut judge, mut features)| {
                    judge.prepare(&mut features).expect("the CPU");
                    let named: Vec<(Name, Features)> = features.into_iter().zip(0..).map(|(f, i)| ((0, i), f)).collect();
                    let mut rulings = Vec::new();
                    for batch in named.chunks(2048) {
                        rulings.extend(judge.judge(batch).expect("memory"));
                    }
                    (rulings, named, judge)
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
