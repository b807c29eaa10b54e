//! What the log does in a second, beside what the machine allows: durable appends, checked appends, hashing, commitments, proofs.
//!
//! `cargo run --release -p store --example throughput -- [ENTRIES] [HOME]`: with HOME the log is kept there, for `assay audit --home HOME`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use corpus::licence::Purpose;
use corpus::{ContributorId, Digest, merkle, text};
use ledger::entry::{Commitment, EpochOpen, Genesis, Registration};
use ledger::key::Algorithm;
use ledger::{Entry, Envelope, SecretKey, State, WitnessPolicy};
use rayon::prelude::*;
use store::admission::{Admitted, admit};
use store::{Class, Objects, Sequencer, Witness, files};

struct Keys {
    log: SecretKey,
    witness: SecretKey,
    operator: SecretKey,
    approver: SecretKey,
    contributor: SecretKey,
}

fn keys() -> Keys {
    let key = |name: &str, seed: u8| SecretKey::from_seed(name, Algorithm::Ed25519, &[seed; 32]);
    Keys {
        log: key("bench.invalid/log", 1),
        witness: SecretKey::from_seed("bench.invalid/witness", Algorithm::CosignatureV1, &[2; 32]),
        operator: key("operator", 3),
        approver: key("approver", 4),
        contributor: key("contributor", 5),
    }
}

fn signed(entry: impl Into<Entry>, keys: &[&SecretKey]) -> Vec<u8> {
    Envelope::sign(entry.into().to_payload().expect("canonical"), keys).to_bytes().expect("short")
}

/// Genesis, a contributor and an epoch: what commitments need before them.
fn preamble(k: &Keys, objects: &Objects) -> Vec<Vec<u8>> {
    let genesis = Genesis {
        format: ledger::entry::HOME_FORMAT,
        origin: k.log.name.clone(),
        demo: true,
        operator: k.operator.public(),
        approver: k.approver.public(),
        log: k.log.vkey(),
        witness_policy: WitnessPolicy::text_of_all(&k.log.vkey(), &[(k.witness.vkey(), None)]),
        currency: "XTS".into(),
        currency_exponent: 2,
        time: 1,
    };
    let contributor = ContributorId::of_key(&k.contributor.public().to_bytes());
    let registration =
        Registration { contributor, key: k.contributor.public(), terms: Digest::of(b""), custodial: false, payee: None, commons: false };
    let open = EpochOpen {
        epoch: 0,
        policy: objects.put(Class::Public, b"{}").expect("room on the disk"),
        purpose: Purpose::Research,
        pool: objects.put(Class::Sealed, b"pool").expect("room on the disk"),
        pool_root: Digest::of(b""),
        pool_documents: 2,
        dedup_key: Digest::of(b"key"),
        time: 1,
    };
    vec![signed(genesis, &[&k.operator]), signed(registration, &[&k.operator, &k.contributor]), signed(open, &[&k.operator])]
}

fn commitments(k: &Keys, count: u64) -> Vec<Vec<u8>> {
    let contributor = ContributorId::of_key(&k.contributor.public().to_bytes());
    (0..count)
        .into_par_iter()
        .map(|i| {
            signed(Commitment { epoch: 0, contributor, root: Digest::of(&i.to_be_bytes()), documents: 1 + i % 1000 }, &[&k.contributor])
        })
        .collect()
}

fn open(home: &Path, k: &Keys) -> Sequencer {
    let witness = Witness::new(k.witness.clone(), &home.join("state/witness"));
    Sequencer::open(&home.join("log"), &home.join("state/lock"), k.log.clone(), witness, Some(home.join("outside")), 1).expect("a log")
}

/// Seconds of `work`, and its result.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed().as_secs_f64(), result)
}

fn main() {
    let mut args = std::env::args().skip(1);
    let count: u64 = args.next().map_or(200_000, |n| n.parse().expect("a number of entries"));
    let kept = args.next().map(PathBuf::from);
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let home = kept.unwrap_or_else(|| temporary.path().to_path_buf());
    let k = keys();
    let entries = commitments(&k, count);
    let bytes: usize = entries.iter().map(Vec::len).sum();
    println!("{count} entries of {} bytes, one signature each; {} threads", bytes / count as usize, rayon::current_num_threads());

    // What the machine allows.
    let sample = &entries[..entries.len().min(20_000)];
    let envelopes: Vec<Envelope> = sample.iter().map(|b| Envelope::from_bytes(b).expect("canonical")).collect();
    let public = k.contributor.public();
    let (seconds, valid) = timed(|| envelopes.par_iter().filter(|e| e.signed_by(&public)).count());
    assert_eq!(valid, sample.len());
    let signatures = valid as f64 / seconds;
    let block = vec![7u8; 256 << 20];
    let (seconds, _) = timed(|| Digest::of(&block));
    let hashed = block.len() as f64 / seconds / 1e9;
    let path = home.join("synced");
    let (seconds, ()) = timed(|| (0..50).for_each(|_| files::write(&path, &entries[0], 0o644).expect("room on the disk")));
    std::fs::remove_file(&path).expect("just written");
    println!(
        "limits: {signatures:.0} strict verifications/s, SHA-256 {hashed:.2} GB/s a core, a small durable file {:.2} ms",
        seconds * 20.0
    );

    // Entries that are admitted already: no rule and no signature is looked at.
    // Folders go at the end: the file system looks at what was deleted lately when it makes a file.
    let mut folders = Vec::new();
    for batch in [1usize, 256, 4096, 16_384] {
        let dir = tempfile::tempdir_in(&home).expect("a temporary folder");
        let mut log = open(dir.path(), &k);
        let all = &entries[..if batch == 1 { 200.min(entries.len()) } else { entries.len() }];
        let (seconds, ()) = timed(|| {
            for part in all.chunks(batch) {
                log.append(part, 1).expect("room on the disk");
            }
            log.sync_tiles().expect("room on the disk");
        });
        folders.push((log, dir));
        println!("durable appends, batches of {batch:>6}: {:>8.0}/s", all.len() as f64 / seconds);
    }

    // Entries as they arrive: parsed, their signatures checked strictly, every rule looked at, then appended.
    std::fs::create_dir_all(&home).expect("room on the disk");
    let mut log = open(&home, &k);
    files::write(&home.join("log.vkey"), k.log.vkey().as_bytes(), 0o644).expect("room on the disk");
    let (mut state, mut known) = (State::default(), HashMap::new());
    let preamble = preamble(&k, &Objects::new(&home.join("objects")));
    let admitted = admit(&mut state, &known, &preamble, |_| false);
    log.append(&admitted.bytes, 1).expect("room on the disk");
    let (first, second) = entries.split_at(entries.len() / 2);
    for (part, batch) in [(first, 4096), (second, 16_384)] {
        let (seconds, ()) = timed(|| {
            // As `assay serve` does it: one batch is appended while the next is admitted.
            let mut ready: Option<Admitted> = None;
            for part in part.chunks(batch).map(Some).chain([None]) {
                let (_, next) = rayon::join(
                    || ready.as_ref().map(|r| log.append(&r.bytes, 1).expect("room on the disk")),
                    || part.map(|part| admit(&mut state, &known, part, |_| false)),
                );
                if let (Some(part), Some(next)) = (part, &next) {
                    assert!(next.outcomes.iter().all(Result::is_ok), "valid entries");
                    let indexes = next.outcomes.iter().map(|o| *o.as_ref().expect("just checked"));
                    known.extend(part.iter().map(|e| merkle::leaf_hash(e)).zip(indexes));
                }
                ready = next;
            }
        });
        let rate = part.len() as f64 / seconds;
        println!("checked appends, batches of {batch:>6}: {rate:>8.0}/s, {:.2} of the signatures' limit", rate / signatures);
    }
    log.sync_tiles().expect("room on the disk");

    // Documents.
    let secret = [9; 32];
    let documents: Vec<String> = (0..200_000).map(|i| format!("{i:0>200}")).collect();
    let (seconds, leaves) = timed(|| {
        let leaf = |(n, t): (u32, &String)| merkle::leaf_hash(&text::commitment(&text::salt(&secret, n), t, None).0);
        (0..).zip(&documents).map(leaf).collect::<Vec<Digest>>()
    });
    println!("document commitments of 200 bytes: {:>8.0}/s a core", documents.len() as f64 / seconds);
    let tree = merkle::Tree::of(leaves);
    let (seconds, _) = timed(|| (0..1000).map(|i| tree.inclusion_proof(i * 199, tree.size()).len()).sum::<usize>());
    println!("inclusion proof in a tree of {}: {:.4} ms", tree.size(), seconds);
    println!("log of {} entries in {}", log.size(), home.display());
}
