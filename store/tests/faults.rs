//! Every open, write, sync and rename of one append and one publication fails or kills the process; the log survives.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use corpus::EntryIndex;
use ledger::key::Algorithm;
use ledger::{SecretKey, Verifier};
use store::{LogFiles, Sequencer, StoreError, Witness};

/// Calls that change what is on the disk, or open what does.
const CALLS: &str = "openat,write,fsync,fdatasync,rename,mkdir,ftruncate,unlink,rmdir";
/// Entries before the append: the last bundle is nearly full, so that the append and the next one cross its border.
const BEFORE: u64 = 255;

fn key(name: &str, algorithm: Algorithm) -> SecretKey {
    SecretKey::from_seed(name, algorithm, &[5; 32])
}

fn entry(i: u64) -> Vec<u8> {
    format!("entry {i}").into_bytes()
}

fn open(home: &Path) -> Result<Sequencer, StoreError> {
    let witness = Witness::new(key("w", Algorithm::CosignatureV1), &home.join("witness"));
    let log = key("log", Algorithm::Ed25519);
    Sequencer::open(&home.join("log"), &home.join("lock"), log, witness, Some(home.join("outside")), 1)
}

/// The child: appends one entry and prints its index.
fn append_one(home: &Path) {
    match open(home).and_then(|mut log| log.append(&[b"faulty".to_vec()], 2)) {
        // The answer to the caller: from here on the entry must never be lost.
        Ok(index) => println!("{index}"),
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(4);
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match &args[1..] {
        [child, home] if child == "append-one" => append_one(Path::new(home)),
        _ => every_call_of_an_append_fails_or_kills_and_nothing_that_was_acknowledged_is_lost(),
    }
}

/// Runs the child under `strace`; returns its exit, what it printed, and the trace.
fn traced(home: &Path, options: &[&str]) -> (Option<i32>, String, String) {
    let trace = home.with_extension("trace");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-o"])
        .arg(&trace)
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .arg("append-one")
        .arg(home)
        .env("RAYON_NUM_THREADS", "1");
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_string(), fs::read_to_string(&trace).unwrap_or_default())
}

fn copy(from: &Path, to: &Path) {
    fs::remove_dir_all(to).ok();
    assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}

/// The log verifies, holds the entries before, and the faulty one where it was acknowledged or nowhere.
fn check(home: &Path, acknowledged: Option<u64>, case: &str) {
    let files = LogFiles::new(&home.join("log"));
    let verifier = Verifier::of(&key("log", Algorithm::Ed25519));
    // What readers see before anybody repairs anything.
    let read = files.read(&verifier).unwrap_or_else(|e| panic!("{case}: {e}")).unwrap();
    assert!(read.head.size >= acknowledged.map_or(BEFORE, |i| i + 1), "{case}: an acknowledged entry is not published");
    // The next start recovers and goes on.
    let mut log = open(home).unwrap_or_else(|e| panic!("{case}: the next start: {e}"));
    let size = log.size();
    assert!(size == BEFORE || size == BEFORE + 1, "{case}: {size} entries");
    let entries = log.entries(0..size).unwrap();
    assert!(entries.iter().take(BEFORE as usize).zip(0..).all(|(e, i)| *e == entry(i)), "{case}: an entry was lost or moved");
    assert!(entries.get(BEFORE as usize).is_none_or(|e| e == b"faulty"), "{case}");
    if let Some(index) = acknowledged {
        assert_eq!(log.entry(index).unwrap(), b"faulty", "{case}");
    }
    assert_eq!(log.append(&[b"next".to_vec(), b"and another".to_vec()], 3).unwrap(), EntryIndex(size), "{case}");
    drop(log);
    let read = files.read(&verifier).unwrap().unwrap();
    assert_eq!(read.head.size, size + 2, "{case}");
    let wrong: Vec<(PathBuf, String)> =
        files.check_tiles(&read).unwrap().into_iter().filter(|(path, _)| !path.to_string_lossy().contains(".tmp.")).collect();
    assert_eq!(wrong, [], "{case}");
}

fn every_call_of_an_append_fails_or_kills_and_nothing_that_was_acknowledged_is_lost() {
    if Command::new("strace").arg("-V").output().is_err() {
        skips::skip(skips::Need::Strace, "faults at every call of an append", "it does not start");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (template, home) = (dir.path().join("template"), dir.path().join("home"));
    open(&template).unwrap().append(&(0..BEFORE).map(entry).collect::<Vec<_>>(), 1).unwrap();
    copy(&template, &home);
    let (code, said, trace) = traced(&home, &["-e", &format!("trace={CALLS}")]);
    assert_eq!((code, said.as_str()), (Some(0), "255"), "{trace}");
    // The most calls of one thread: strace counts each thread's own.
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in trace.lines() {
        let (thread, rest) = line.split_once(' ').unwrap();
        if let Some((call, _)) = rest.trim_start().split_once('(') {
            *counts.entry((call, thread)).or_default() += 1;
        }
    }
    let mut most: BTreeMap<&str, usize> = BTreeMap::new();
    counts.iter().for_each(|((call, _), n)| *most.entry(call).or_default() = most.get(call).copied().unwrap_or(0).max(*n));
    let (mut cases, mut acknowledged) = (0, 0);
    for (call, calls) in &most {
        for n in 1..=*calls {
            for fault in ["error=EIO", "error=ENOSPC", "signal=KILL"] {
                copy(&template, &home);
                let inject = format!("inject={call}:{fault}:when={n}");
                let (code, said, trace) = traced(&home, &["-e", &format!("trace={CALLS}"), "-e", &inject]);
                let seen = if fault == "signal=KILL" { trace.contains("killed by SIGKILL") } else { trace.contains("(INJECTED)") };
                assert!(seen, "{inject}: the trace does not show it:\n{trace}");
                let answer: Option<u64> = said.parse().ok();
                assert!(answer.is_none() || answer == Some(BEFORE), "{inject}: {said}");
                // A failed answer on stdout is the caller's loss alone: it has no answer then.
                check(&home, answer.filter(|_| code == Some(0)), &inject);
                (cases, acknowledged) = (cases + 1, acknowledged + usize::from(answer.is_some()));
            }
        }
    }
    println!(
        "every_call_of_an_append_fails_or_kills_and_nothing_that_was_acknowledged_is_lost: {cases} faults, {acknowledged} acknowledged in spite of them"
    );
    assert!(cases > 100 && acknowledged > 0 && acknowledged < cases, "{cases} faults, {acknowledged} acknowledged");
}
