//! Corpora of word streams with copies at known similarities.
#![allow(dead_code)]

use std::collections::BTreeSet;

use dedup::{DedupError, Device, Features, Judge, Name, Options, Ruling};

pub const KEY: [u8; 32] = [42; 32];

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn words(&mut self, n: usize) -> Vec<u32> {
        (0..n).map(|_| self.next() as u32).collect()
    }
}

/// A text's digest for tests: of equal texts equal, else not.
pub fn digest(text: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(text).into()
}

pub fn of_words(words: Vec<u32>) -> Features {
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    Features::unsigned(words, digest(&bytes))
}

/// Sizes of intersection and union of the sets of 5-word shingles, from the words themselves.
pub fn jaccard(a: &[u32], b: &[u32]) -> (u64, u64) {
    let set = |w: &[u32]| -> BTreeSet<Vec<u32>> {
        if w.len() < 5 {
            std::iter::once(w.to_vec()).filter(|w| !w.is_empty()).collect()
        } else {
            w.windows(5).map(<[u32]>::to_vec).collect()
        }
    };
    let (x, y) = (set(a), set(b));
    (x.intersection(&y).count() as u64, x.union(&y).count() as u64)
}

/// The words with `edits` of them replaced, far enough apart that each changes five shingles.
pub fn edited(words: &[u32], edits: usize, random: &mut Random) -> Vec<u32> {
    let mut copy = words.to_vec();
    let apart = words.len() / edits.max(1);
    assert!(apart >= 5 || edits == 0);
    for i in 0..edits {
        copy[i * apart + apart / 2] = random.next() as u32;
    }
    copy
}

/// Judges documents in batches of `batch`.
pub fn judge_all(judge: &mut Judge, documents: &[Features], batch: usize, group: u64) -> Result<Vec<Ruling>, DedupError> {
    let mut rulings = Vec::new();
    let mut number = 0;
    for documents in documents.chunks(batch) {
        let mut documents = documents.to_vec();
        judge.prepare(&mut documents)?;
        let named: Vec<(Name, Features)> = documents.into_iter().zip(number..).map(|(f, n)| ((group, n), f)).collect();
        number += named.len() as u32;
        rulings.extend(judge.judge(&named)?);
    }
    Ok(rulings)
}

pub fn rulings(documents: &[Features], options: &Options, batch: usize) -> Vec<Ruling> {
    judge_all(&mut Judge::new(options.clone()).on_device(Device::Cpu), documents, batch, 0).unwrap()
}

/// Originals, copies of every kind, concatenations, excerpts, and texts without words, shuffled so that a copy may come first.
pub fn mixed(seed: u64, originals: usize) -> Vec<Features> {
    let mut random = Random(seed);
    let mut documents: Vec<Features> = Vec::new();
    let mut streams: Vec<Vec<u32>> = Vec::new();
    for i in 0..originals {
        let n = [1, 3, 4, 5, 12, 40, 120, 300, 900][random.below(9)];
        streams.push(random.words(n));
        documents.push(of_words(streams[i].clone()));
        let source = streams[random.below(streams.len())].clone();
        match random.below(8) {
            0 => documents.push(of_words(source)),
            1 => documents.push(Features::unsigned(source, digest(&random.next().to_le_bytes()))),
            2 | 3 if source.len() >= 40 => {
                let edits = random.below(source.len() / 10);
                documents.push(of_words(edited(&source, edits, &mut random)));
            }
            4 => {
                let other = streams[random.below(streams.len())].clone();
                let more = random.below(60);
                documents.push(of_words([source, random.words(more), other].concat()));
            }
            5 if source.len() >= 300 => {
                let begin = random.below(source.len() / 2);
                documents.push(of_words(source[begin..begin + source.len() / 2].to_vec()));
            }
            6 => documents.push(Features::unsigned(Vec::new(), digest(&[random.below(4) as u8]))),
            _ => {}
        }
    }
    for i in (1..documents.len()).rev() {
        documents.swap(i, random.below(i + 1));
    }
    documents
}
