//! Verdicts: exact and formatting-only copies by digest, near copies by bands and then by exact Jaccard.
//!
//! A document is compared only with documents that are kept, and is a duplicate of the earliest one to which it
//! has a verified edge: no chains.

use std::collections::HashMap;

use crate::signature::{BANDS, Key, SLOTS, Signature, shingles};
use crate::words::{digest_of_words, word_stream};

/// What decides whether two documents are near duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// A pair is one if `denominator * |A ∩ B| >= numerator * |A ∪ B|`.
    pub numerator: u64,
    /// See `numerator`.
    pub denominator: u64,
}

impl Default for Parameters {
    /// Jaccard 0.8.
    fn default() -> Parameters {
        Parameters { numerator: 4, denominator: 5 }
    }
}

/// What is compared of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// SHA-256 of the normalised text.
    pub text_digest: [u8; 32],
    /// SHA-256 of the word stream.
    pub words_digest: [u8; 32],
    /// Number of words.
    pub words: usize,
    /// Distinct shingles, ascending.
    pub shingles: Vec<u64>,
    /// Their signature; none for a text without words.
    pub signature: Option<Signature>,
}

impl Features {
    /// The features of a normalised text under a key; `text_digest` is that of its bytes.
    pub fn of(text: &str, text_digest: [u8; 32], key: &Key) -> Features {
        Features::of_words(&word_stream(text), text_digest, key)
    }

    /// The features of a stored word stream.
    pub fn of_words(words: &[u32], text_digest: [u8; 32], key: &Key) -> Features {
        let shingles = shingles(words, key);
        let signature = (!shingles.is_empty()).then(|| Signature::of(&shingles));
        Features { text_digest, words_digest: digest_of_words(words), words: words.len(), shingles, signature }
    }
}

/// What a document is, compared with those kept before; `of` is what the caller named them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<N> {
    /// Not a duplicate; later documents are compared with it.
    Kept,
    /// The same text.
    Exact(N),
    /// The same words.
    Formatting(N),
    /// Jaccard at or above the threshold.
    Near {
        /// The earliest such document.
        of: N,
        /// Shingles in both.
        intersection: u64,
        /// Shingles in either.
        union: u64,
    },
}

struct Kept<N> {
    name: N,
    shingles: Vec<u64>,
    signature: Option<Signature>,
}

/// The documents kept so far.
pub struct Judge<N> {
    parameters: Parameters,
    kept: Vec<Kept<N>>,
    by_text: HashMap<[u8; 32], usize>,
    by_words: HashMap<[u8; 32], usize>,
    by_band: HashMap<(u8, u64), Vec<usize>>,
}

/// Shingles in both of two ascending sets.
fn intersection(a: &[u64], b: &[u64]) -> u64 {
    let (mut i, mut j, mut both) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                both += 1;
                i += 1;
                j += 1;
            }
        }
    }
    both
}

impl<N: Copy> Judge<N> {
    /// An empty judge.
    pub fn new(parameters: Parameters) -> Judge<N> {
        Judge { parameters, kept: Vec::new(), by_text: HashMap::new(), by_words: HashMap::new(), by_band: HashMap::new() }
    }

    /// Judges the next document in order of priority, and keeps it if it is no duplicate.
    pub fn judge(&mut self, name: N, features: Features) -> Decision<N> {
        if let Some(&i) = self.by_text.get(&features.text_digest) {
            return Decision::Exact(self.kept[i].name);
        }
        if features.words > 0
            && let Some(&i) = self.by_words.get(&features.words_digest)
        {
            return Decision::Formatting(self.kept[i].name);
        }
        let bands = features.signature.as_ref().map(Signature::bands);
        if let (Some(signature), Some(bands)) = (&features.signature, &bands)
            && let Some(near) = self.near(&features.shingles, signature, bands)
        {
            return near;
        }
        let i = self.kept.len();
        self.by_text.insert(features.text_digest, i);
        if features.words > 0 {
            self.by_words.insert(features.words_digest, i);
        }
        for (band, key) in bands.iter().flatten().enumerate() {
            self.by_band.entry((band as u8, *key)).or_default().push(i);
        }
        self.kept.push(Kept { name, shingles: features.shingles, signature: features.signature });
        Decision::Kept
    }

    fn near(&self, shingles: &[u64], signature: &Signature, bands: &[u64; BANDS]) -> Option<Decision<N>> {
        let mut candidates: Vec<usize> =
            (0u8..).zip(bands).filter_map(|(b, key)| self.by_band.get(&(b, *key))).flatten().copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        let Parameters { numerator, denominator } = self.parameters;
        // Five standard deviations below the threshold: pruning decides about no pair that proof would take.
        let threshold = numerator as f64 / denominator as f64;
        let least = SLOTS as f64 * (threshold - 5.0 * (threshold * (1.0 - threshold) / SLOTS as f64).sqrt());
        for i in candidates {
            let kept = &self.kept[i];
            let (a, b) = (shingles.len() as u64, kept.shingles.len() as u64);
            // The union is at least the larger set, the intersection at most the smaller.
            if denominator * a.min(b) < numerator * a.max(b)
                || kept.signature.as_ref().is_none_or(|s| (s.matches(signature) as f64) < least)
            {
                continue;
            }
            let both = intersection(shingles, &kept.shingles);
            let union = a + b - both;
            if denominator * both >= numerator * union {
                return Some(Decision::Near { of: kept.name, intersection: both, union });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    const KEY: Key = [42; 32];

    fn features(text: &str) -> Features {
        Features::of(text, Sha256::digest(text.as_bytes()).into(), &KEY)
    }

    fn text(seed: u64, words: usize) -> Vec<String> {
        (0..words as u64).map(|i| format!("w{}", crate::signature::mix((seed << 32) | i) % 5000)).collect()
    }

    #[test]
    fn copies_name_the_earliest_kept_document() {
        let mut judge = Judge::new(Parameters::default());
        let original = text(1, 300).join(" ");
        assert_eq!(judge.judge(0, features(&original)), Decision::Kept);
        assert_eq!(judge.judge(1, features(&original)), Decision::Exact(0));
        assert_eq!(judge.judge(2, features(&original.to_uppercase().replace(' ', "\n"))), Decision::Formatting(0));
        assert_eq!(judge.judge(3, features(&text(2, 300).join(" "))), Decision::Kept);
        let mut edited = text(1, 300);
        edited[150] = "other".into();
        let Decision::Near { of: 0, intersection, union } = judge.judge(4, features(&edited.join(" "))) else {
            panic!("an edited copy was kept")
        };
        assert!(5 * intersection >= 4 * union && intersection < union);
    }

    #[test]
    fn there_are_no_chains() {
        // Each document is near its neighbour, but the ends are far apart: only edges to kept documents count.
        let mut judge = Judge::new(Parameters::default());
        let words = text(3, 400);
        let slice = |start: usize| words[start..start + 200].join(" ");
        assert_eq!(judge.judge(0, features(&slice(0))), Decision::Kept);
        assert!(matches!(judge.judge(1, features(&slice(15))), Decision::Near { of: 0, .. }));
        assert_eq!(judge.judge(2, features(&slice(30))), Decision::Kept);
        assert!(matches!(judge.judge(3, features(&slice(45))), Decision::Near { of: 2, .. }));
    }

    #[test]
    fn what_is_removed_reaches_the_threshold_and_recall_follows_the_bands() {
        let (mut found, mut reached) = (0, 0);
        for seed in 0..300 {
            let mut judge = Judge::new(Parameters::default());
            let original = text(100 + seed, 200);
            judge.judge(0, features(&original.join(" ")));
            let mut copy = original.clone();
            for i in 0..1 + seed as usize % 5 {
                copy[17 + 35 * i] = format!("edit{i}");
            }
            let (a, b) = (features(&original.join(" ")), features(&copy.join(" ")));
            let both = intersection(&a.shingles, &b.shingles);
            let truly = 5 * both >= 4 * (a.shingles.len() as u64 + b.shingles.len() as u64 - both);
            let near = matches!(judge.judge(1, b), Decision::Near { .. });
            assert!(!near || truly, "seed {seed}: removed below the threshold");
            found += u32::from(near);
            reached += u32::from(truly);
        }
        assert!(
            reached > 200 && f64::from(found) >= 0.93 * f64::from(reached),
            "{found} of {reached} pairs above the threshold were found"
        );
    }

    #[test]
    fn texts_without_words_are_copies_only_if_equal() {
        let mut judge = Judge::new(Parameters::default());
        assert_eq!(judge.judge(0, features("...")), Decision::Kept);
        assert_eq!(judge.judge(1, features("!!!")), Decision::Kept);
        assert_eq!(judge.judge(2, features("...")), Decision::Exact(0));
        assert_eq!(judge.judge(3, features("two words")), Decision::Kept);
        assert_eq!(judge.judge(4, features("Two, words!")), Decision::Formatting(3));
    }
}
