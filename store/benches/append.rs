//! Durable, signed and cosigned appends a second, by batch size.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ledger::SecretKey;
use ledger::key::Algorithm;
use store::{Sequencer, Witness};

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    group.sample_size(10);
    for batch in [1u64, 256, 4096] {
        group.throughput(Throughput::Elements(batch));
        group.bench_function(format!("batch-{batch}"), |b| {
            b.iter_batched(
                || {
                    let dir = tempfile::tempdir().expect("a temporary folder");
                    let key = |name: &str, algorithm| SecretKey::from_seed(name, algorithm, &[1; 32]);
                    let witness = Witness::new(key("w", Algorithm::CosignatureV1), &dir.path().join("witness"));
                    let log = Sequencer::open(
                        &dir.path().join("log"),
                        &dir.path().join("lock"),
                        key("log", Algorithm::Ed25519),
                        witness,
                        None,
                        1,
                    )
                    .expect("a new log");
                    let entries: Vec<Vec<u8>> = (0..batch).map(|i| format!("{i:0>600}").into_bytes()).collect();
                    (dir, log, entries)
                },
                |(dir, mut log, entries)| {
                    log.append(&entries, 1).expect("room on the disk");
                    (dir, log)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
