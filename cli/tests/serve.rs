//! A served log: 64 submitters while the server is killed and started again, and an audit over HTTP.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::BufRead;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::World;
use corpus::{ContributorId, Digest};
use ledger::entry::{Commitment, Registration};
use ledger::key::Algorithm;
use ledger::{Entry, EntryProof, Envelope, SecretKey, Verifier};

const SUBMITTERS: u8 = 64;
const ENTRIES: u64 = 100;

fn serve(world: &World, address: &str, more: &[&str]) -> Child {
    let args = [&["serve", "--home", "h", "--listen", address][..], more].concat();
    let mut child = world.command(&args).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("http://"), "{line}");
    child
}

fn home(world: &World) -> String {
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    world.run(&["epoch", "open", "--home", "h", "--target", "target", "--pool-minor", "1000"]).ok();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("127.0.0.1:{port}")
}

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&format!("s{n}"), Algorithm::Ed25519, &[n + 1; 32])
}

fn signed(entry: impl Into<Entry>, keys: &[&SecretKey]) -> Vec<u8> {
    Envelope::sign(entry.into().to_payload().unwrap(), keys).to_bytes().unwrap()
}

/// Posts until the log has it; returns the receipt.
fn post(agent: &ureq::Agent, address: &str, bytes: &[u8]) -> EntryProof {
    let deadline = Instant::now() + Duration::from_secs(100);
    loop {
        assert!(Instant::now() < deadline, "no answer");
        match agent.post(format!("http://{address}/add-entry")).send(bytes) {
            Ok(mut answer) if answer.status() == 200 => {
                // An answer that was cut off is none: the same entry again gives the same index.
                if let Ok(proof) = EntryProof::from_text(&answer.body_mut().read_to_string().unwrap_or_default()) {
                    return proof;
                }
            }
            Ok(mut answer) => {
                let text = answer.body_mut().read_to_string().unwrap_or_default();
                assert!(answer.status() == 503 || answer.status() == 500, "{} {text}", answer.status());
            }
            // Killed a moment ago.
            Err(_) => {}
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(20))).build().into()
}

#[test]
fn sixty_four_submitters_lose_nothing_while_the_server_is_killed_and_started() {
    let world = World::new();
    let address = home(&world);
    let operator = SecretKey::from_text(&fs::read_to_string(world.path("h/keys/operator.key")).unwrap()).unwrap();
    let log = Verifier::from_vkey(&fs::read_to_string(world.path("h/log.vkey")).unwrap()).unwrap();
    let (ended, kills) = (AtomicBool::new(false), AtomicUsize::new(0));
    let receipts: Vec<(Vec<u8>, EntryProof)> = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut child = serve(&world, &address, &[]);
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(150));
                child.kill().unwrap();
                child.wait().unwrap();
                kills.fetch_add(1, Ordering::Relaxed);
                child = serve(&world, &address, &[]);
            }
            child.kill().unwrap();
            child.wait().unwrap();
        });
        let submitters: Vec<_> = (0..SUBMITTERS)
            .map(|n| {
                let (operator, address) = (&operator, &address);
                scope.spawn(move || {
                    let (agent, own) = (agent(), key(n));
                    let contributor = ContributorId::of_key(&own.public().to_bytes());
                    let terms = Digest::of(b"terms");
                    let registration =
                        Registration { contributor, key: own.public(), terms, custodial: false, payee: None, commons: false };
                    let mut entries = vec![signed(registration, &[operator, &own])];
                    entries.extend((0..ENTRIES).map(|i| {
                        let root = Digest::of(&[n, i as u8]);
                        signed(Commitment { epoch: 0, contributor, root, documents: 1 }, &[&own])
                    }));
                    entries.into_iter().map(|e| (e.clone(), post(&agent, address, &e))).collect::<Vec<_>>()
                })
            })
            .collect();
        let receipts = submitters.into_iter().flat_map(|s| s.join().unwrap()).collect();
        ended.store(true, Ordering::Relaxed);
        killer.join().unwrap();
        receipts
    });
    assert!(kills.load(Ordering::Relaxed) >= 3, "the server was killed {kills:?} times");
    assert_eq!(receipts.len() as u64, u64::from(SUBMITTERS) * (ENTRIES + 1));
    let indexes: BTreeSet<u64> = receipts.iter().map(|(_, proof)| proof.index).collect();
    assert_eq!(indexes.len(), receipts.len(), "two entries have one index");
    for (n, (bytes, proof)) in receipts.iter().enumerate() {
        proof.verify(bytes, &log).unwrap();
        world.write(&format!("receipts/{n}.tlog-proof"), proof.to_text());
    }
    let audit = world.run(&["audit", "--home", "h", "--receipts", "receipts"]).ok();
    // Genesis and the epoch's opening, and every entry once.
    let expected = format!("{} entries", receipts.len() + 2);
    assert!(audit["audit"]["checks"][0]["looked_at"].as_str().unwrap().starts_with(&expected), "{audit}");
}

#[test]
fn entries_that_the_rules_forbid_are_refused_one_by_one_and_an_audit_over_http_is_that_of_the_files() {
    let world = World::new();
    let address = home(&world);
    let operator = SecretKey::from_text(&fs::read_to_string(world.path("h/keys/operator.key")).unwrap()).unwrap();
    let mut child = serve(&world, &address, &["--sealed"]);
    let (agent, own) = (agent(), key(0));
    let contributor = ContributorId::of_key(&own.public().to_bytes());
    let registration =
        Registration { contributor, key: own.public(), terms: Digest::of(b"t"), custodial: false, payee: None, commons: false };
    let commitment = Commitment { epoch: 0, contributor, root: Digest::of(b"r"), documents: 1 };
    let send = |bytes: &[u8]| {
        let mut answer = agent.post(format!("http://{address}/add-entry")).send(bytes).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    for (bytes, status, says) in [
        (b"{}".to_vec(), 409, "entry-form"),
        (vec![b' '; 70_000], 413, "65535"),
        (signed(commitment.clone(), &[&own]), 409, "contributor-known"),
        (signed(registration.clone(), &[&own, &own]), 403, "signature"),
        (signed(registration.clone(), &[&operator, &own]), 200, "c2sp.org/tlog-proof"),
        (signed(Commitment { epoch: 7, ..commitment.clone() }, &[&own]), 409, "epoch-known"),
        (signed(commitment.clone(), &[&own]), 200, "index 3"),
        // Once more: the old index.
        (signed(commitment.clone(), &[&own]), 200, "index 3"),
        (signed(Commitment { documents: 2, ..commitment.clone() }, &[&own]), 409, "commitment-once"),
    ] {
        let (found, text) = send(&bytes);
        assert_eq!(found, status, "{text}");
        assert!(text.contains(says), "{says:?} is not in {text:?}");
    }
    for path in ["keys/operator.key", "log/../keys/operator.key", "objects/sealed/../../keys/log.key", "assay.toml", "index.db"] {
        assert_eq!(agent.get(format!("http://{address}/{path}")).call().unwrap().status(), 404, "{path} was given");
    }
    let url = format!("http://{address}/");
    let over_http = world.run(&["audit", "--url", &url, "--mirror", "copy"]).ok();
    let checkpoint = world.path("copy/log/checkpoint");
    fs::copy(&checkpoint, world.path("before")).unwrap();
    let (status, _) = send(&signed(Commitment { root: Digest::of(b"later"), ..commitment }, &[&own]));
    assert_eq!(status, 200);
    let later = world.run(&["audit", "--url", &url, "--mirror", "copy", "--from", "before"]).ok();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(later["audit"]["checks"][0]["looked_at"].as_str().unwrap().contains("5 entries, 4 of them audited before"), "{later}");
    assert_eq!(over_http["audit"]["level"], world.run(&["audit", "--home", "h"]).ok()["audit"]["level"]);
    // What an earlier audit ended with has to be under this log.
    let other = World::new();
    home(&other);
    fs::copy(other.path("h/log.vkey"), world.path("h/other.vkey")).unwrap();
    fs::copy(other.path("h/log/checkpoint"), world.path("foreign")).unwrap();
    world.run(&["audit", "--home", "h", "--from", "foreign"]).fails(3, &["foreign"]);
}
