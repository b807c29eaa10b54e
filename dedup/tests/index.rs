//! The index on disk: many increments give what one batch gives, old states can be asked, damage is named.

mod common;

use std::fs;

use common::*;
use dedup::{DedupError, Features, Index, Judge, Name, Options, Ruling};

fn increment(index: &mut Index, documents: &[Features], options: &Options, log_index: u64) -> Vec<Ruling> {
    let mut judge = Judge::with_base(index.view(), options.clone()).unwrap();
    let rulings = judge_all(&mut judge, documents, 37, log_index).unwrap();
    index.append(&judge.into_delta(), log_index).unwrap();
    rulings
}

#[test]
fn many_increments_give_what_one_batch_gives() {
    for options in [Options::new(&[KEY]), Options { spans: false, ..Options::new(&[KEY, [9; 32]]) }] {
        let documents = mixed(77, 1500);
        let expected = rulings(&documents, &options, 10_000);
        for size in [documents.len(), 400, 61] {
            let dir = tempfile::tempdir().unwrap();
            let mut found = Vec::new();
            for (log_index, part) in documents.chunks(size).enumerate() {
                // Opened anew each time, as another process would.
                let mut index = Index::open(dir.path(), &options.keys).unwrap();
                found.extend(increment(&mut index, part, &options, log_index as u64));
            }
            assert!(found == expected, "increments of {size} documents");
            let index = Index::open(dir.path(), &options.keys).unwrap();
            // As many as the digits of their number with base four sum to.
            let digits = (0..8).map(|i| documents.len().div_ceil(size) / 4usize.pow(i) % 4).sum::<usize>();
            assert_eq!(index.files().len(), 4 * digits, "increments of {size} documents");
            assert_eq!(index.log_size(), documents.len().div_ceil(size) as u64);
        }
    }
}

#[test]
fn templates_on_disk_are_refined_as_in_memory() {
    let mut random = Random(4);
    let template = random.words(200);
    let documents: Vec<Features> = (0..3000).map(|_| of_words(edited(&template, 5, &mut random))).collect();
    let options = Options { spans: false, ..Options::new(&[KEY]) };
    let expected = rulings(&documents, &options, 3000);
    let dir = tempfile::tempdir().unwrap();
    let mut index = Index::open(dir.path(), &options.keys).unwrap();
    let found: Vec<Ruling> = documents.chunks(250).zip(0..).flat_map(|(part, at)| increment(&mut index, part, &options, at)).collect();
    assert!(found == expected);
}

#[test]
fn old_states_give_old_verdicts_and_the_withdrawn_are_not_matched() {
    let options = Options::new(&[KEY]);
    let documents = mixed(5, 600);
    let parts: Vec<&[Features]> = documents.chunks(100).collect();
    let dir = tempfile::tempdir().unwrap();
    let mut index = Index::open(dir.path(), &options.keys).unwrap();
    let found: Vec<Vec<Ruling>> = parts.iter().zip(0..).map(|(part, at)| increment(&mut index, part, &options, 10 * at)).collect();
    // A document that others duplicate is withdrawn.
    let of = found.iter().flatten().find_map(|r| r.decision.of()).unwrap();
    let name: Name = index.view().name(of);
    assert_eq!(index.withdraw(&[name, (999, 9)], 1000).unwrap(), 1);
    for (part, (expected, at)) in parts.iter().zip(found.iter().zip(0..)) {
        let mut judge = Judge::with_base(index.as_of(10 * at), options.clone()).unwrap();
        assert!(judge_all(&mut judge, part, 100, at).unwrap() == *expected, "as of log size {}", 10 * at);
    }
    let again = |index: &Index, size: u64| {
        let mut judge = Judge::with_base(index.as_of(size), options.clone()).unwrap();
        let own = index.view().words(of).to_vec();
        judge_all(&mut judge, &[of_words(own)], 1, 7).unwrap()[0].decision.of()
    };
    let reopened = Index::open(dir.path(), &options.keys).unwrap();
    assert_eq!((again(&reopened, 1000), again(&reopened, 1001)), (Some(of), None));
}

#[test]
fn damaged_files_are_named_and_other_keys_refused() {
    let options = Options::new(&[KEY]);
    let dir = tempfile::tempdir().unwrap();
    let mut index = Index::open(dir.path(), &options.keys).unwrap();
    increment(&mut index, &mixed(6, 200), &options, 3);
    assert!(matches!(Index::open(dir.path(), &[[1; 32]]), Err(DedupError::OtherKeys { .. })));
    assert!(matches!(Judge::with_base(index.view(), Options::new(&[KEY, KEY])), Err(DedupError::OtherKeys { .. })));
    let names: Vec<String> = index.files().into_iter().map(|(name, _)| name).chain(["manifest".into()]).collect();
    drop(index);
    for name in names {
        let path = dir.path().join(&name);
        let whole = fs::read(&path).unwrap();
        for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 2] {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            for bytes in [damaged, whole[..at].to_vec()] {
                fs::write(&path, bytes).unwrap();
                let Err(error) = Index::open(dir.path(), &options.keys) else { panic!("{name}: damage at {at} was not found") };
                assert!(error.to_string().contains(&name), "{name}: {error}");
            }
        }
        fs::remove_file(&path).unwrap();
        if name != "manifest" {
            assert!(Index::open(dir.path(), &options.keys).err().unwrap().to_string().contains(&name));
        }
        fs::write(&path, whole).unwrap();
    }
    // What no manifest lists is left by a crash, and goes.
    fs::write(dir.path().join("words-0000"), b"left").unwrap();
    Index::open(dir.path(), &options.keys).unwrap();
    assert!(!dir.path().join("words-0000").exists());
}
