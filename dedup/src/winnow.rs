//! Fingerprints of a document: hashes of winnowing spans of 25 words, of which winnowing keeps about one in thirteen;
//! a run of 49 words in common leaves a fingerprint in common.
//!
//! Source: Schleimer, Wilkerson and Aiken 2003, "Winnowing: local algorithms for document fingerprinting",
//! <https://doi.org/10.1145/872757.872770>, section 3.

use std::cell::RefCell;

use kernels::vectorised;

use crate::hash::{Constants, bits, hash_words};

/// Words of a winnowing span: shorter runs in common are noise.
pub(crate) const WINNOWING_SPAN: usize = 25;
/// Winnowing spans among which at least one is kept: no more than a span has words, so that the kept spans of a run leave none of its
/// words out.
const CHOICE: usize = 25;
/// The bits of a hash that are its key.
const KEY: u64 = (1 << 48) - 1;
/// Spans that are looked at together: the arrays stay in the nearest cache.
const PIECE: usize = 1024;
/// Spans before and after a piece that decide about its own.
const AROUND: usize = CHOICE - 1;
const MOST: usize = PIECE + 2 * AROUND;

/// A winnowing span that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The lower 48 bits of its hash; the smallest among neighbours have upper ones that are alike.
    pub key: u64,
    /// Its first word.
    pub position: u32,
}

/// The fingerprints of a word stream, in the order of positions.
///
/// A span's hash is a cyclic polynomial over keyed word hashes (Cohen 1997). It is kept if the upper half of its hash is the
/// smallest of some 25 neighbours of which it is one (of all, if there are fewer), and no span of the same key that is kept begins
/// less than 25 words before it.
pub fn fingerprints(words: &[u32], constants: &Constants) -> Vec<Fingerprint> {
    let Some(spans) = (words.len() + 1).checked_sub(WINNOWING_SPAN) else { return Vec::new() };
    // Another seed than the shingles'.
    let seed = constants.seed.rotate_left(17) ^ constants.multiplier;
    let mut kept: Vec<Fingerprint> = Vec::with_capacity(2 * spans / CHOICE + 2);
    BUFFERS.with_borrow_mut(|buffers| select(words, spans, seed, buffers, &mut kept));
    kept
}

thread_local! {
    static BUFFERS: RefCell<Box<Buffers>> = RefCell::new(Buffers::new());
}

fn select(words: &[u32], spans: usize, seed: u64, buffers: &mut Buffers, kept: &mut Vec<Fingerprint>) {
    for begin in (0..spans).step_by(PIECE) {
        let end = (begin + PIECE).min(spans);
        let (from, to) = (begin.saturating_sub(AROUND), (end + AROUND).min(spans));
        let count = to - from;
        hash_words(&words[from..to + WINNOWING_SPAN - 1], seed, &mut buffers.words[..count + WINNOWING_SPAN - 1]);
        hash_spans(buffers, count);
        // The smallest of every 25 neighbours that lie inside; 0, which no maximum takes, for others.
        let smallest = &mut buffers.smallest;
        smallest.fill(0);
        let before = AROUND - (begin - from);
        match spans.checked_sub(CHOICE) {
            Some(last) => {
                let groups = (to - from - AROUND).min(last + 1 - from);
                let (twos, fours) = (&mut buffers.twos, &mut buffers.fours);
                extremes(smaller, &buffers.uppers[..count], twos, fours, &mut smallest[before..before + groups]);
            }
            None => smallest[AROUND] = *buffers.uppers[..count].iter().min().expect("a span"),
        }
        let own = &buffers.uppers[begin - from..end - from];
        // Kept if the largest of the minima of the groups that it is in is its own.
        let n = end - begin;
        extremes(larger, &smallest[..n + AROUND], &mut buffers.twos, &mut buffers.fours, &mut buffers.largest[..n]);
        same(own, &buffers.largest[..n], &mut buffers.kept[..n]);
        buffers.kept[n..n.next_multiple_of(64)].fill(0);
        for (block, flags) in buffers.kept[..n.next_multiple_of(64)].as_chunks::<64>().0.iter().enumerate() {
            let mut mask = bits(flags);
            while mask != 0 {
                let i = 64 * block + mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let position = (begin + i) as u32;
                let key = buffers.spans[begin - from + i] & KEY;
                let mut near = kept.iter().rev().take_while(|f| f.position + CHOICE as u32 > position);
                if !near.any(|f| f.key == key) {
                    kept.push(Fingerprint { key, position });
                }
            }
        }
    }
}

struct Buffers {
    words: [u64; MOST + WINNOWING_SPAN],
    odd: [u64; MOST + WINNOWING_SPAN],
    even: [u64; MOST + WINNOWING_SPAN],
    spans: [u64; MOST],
    uppers: [u32; MOST],
    twos: [u32; MOST],
    fours: [u32; MOST],
    smallest: [u32; MOST],
    largest: [u32; PIECE],
    kept: [u8; PIECE],
}

impl Buffers {
    fn new() -> Box<Buffers> {
        Box::new(Buffers {
            words: [0; MOST + WINNOWING_SPAN],
            odd: [0; MOST + WINNOWING_SPAN],
            even: [0; MOST + WINNOWING_SPAN],
            spans: [0; MOST],
            uppers: [0; MOST],
            twos: [0; MOST],
            fours: [0; MOST],
            smallest: [0; MOST],
            largest: [0; PIECE],
            kept: [0; PIECE],
        })
    }
}

/// `count` spans' hashes and their upper halves, from the hashes of words: runs of two, four and eight, and three of these with one more.
fn hash_spans(buffers: &mut Buffers, count: usize) {
    let words = &buffers.words[..count + 24];
    double(words, 1, &mut buffers.odd[..count + 23]);
    double(&buffers.odd[..count + 23], 2, &mut buffers.even[..count + 21]);
    double(&buffers.even[..count + 21], 4, &mut buffers.odd[..count + 17]);
    finish(words, &buffers.odd[..count + 17], &mut buffers.spans[..count], &mut buffers.uppers[..count]);
}

vectorised! {
    /// Runs of twice `width` words from runs of `width`.
    fn double(runs: &[u64], width: usize, twice: &mut [u64]) {
        for ((a, b), twice) in runs.iter().zip(&runs[width..]).zip(twice) {
            *twice = a.rotate_left(width as u32) ^ b;
        }
    }
}

vectorised! {
    /// Runs of 25 words: eight, eight more, another eight, and one.
    fn finish(words: &[u64], eights: &[u64], spans: &mut [u64], uppers: &mut [u32]) {
        let parts = eights.iter().zip(&eights[8..]).zip(&eights[16..]).zip(&words[24..]);
        for ((((a, b), c), d), (span, upper)) in parts.zip(spans.iter_mut().zip(uppers)) {
            *span = a.rotate_left(17) ^ b.rotate_left(9) ^ c.rotate_left(1) ^ d;
            *upper = (*span >> 32) as u32;
        }
    }
}

vectorised! {
    /// The smaller of pairs at a distance.
    fn smaller(values: &[u32], distance: usize, smaller: &mut [u32]) {
        for ((a, b), smaller) in values.iter().zip(&values[distance..]).zip(smaller) {
            *smaller = *a.min(b);
        }
    }
}

vectorised! {
    /// The larger of pairs at a distance.
    fn larger(values: &[u32], distance: usize, larger: &mut [u32]) {
        for ((a, b), larger) in values.iter().zip(&values[distance..]).zip(larger) {
            *larger = *a.max(b);
        }
    }
}

/// [`smaller`] or [`larger`].
type Extreme = fn(&[u32], usize, &mut [u32]);

/// The extremes of every 25 neighbours: of two, four, eight, sixteen, and of two sixteens that overlap.
fn extremes(of: Extreme, values: &[u32], odd: &mut [u32], even: &mut [u32], extremes: &mut [u32]) {
    let n = extremes.len();
    of(&values[..n + 24], 1, &mut odd[..n + 23]);
    of(&odd[..n + 23], 2, &mut even[..n + 21]);
    of(&even[..n + 21], 4, &mut odd[..n + 17]);
    of(&odd[..n + 17], 8, &mut even[..n + 9]);
    of(&even[..n + 9], 9, extremes);
}

vectorised! {
    /// Whether values are equal.
    fn same(a: &[u32], b: &[u32], are: &mut [u8]) {
        for ((a, b), are) in a.iter().zip(b).zip(are) {
            *are = u8::from(a == b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;
    use std::collections::HashSet;

    fn stream(seed: u64, n: usize, words: u64) -> Vec<u32> {
        (0..n as u64).map(|i| (mix((seed << 32) ^ i) % words) as u32).collect()
    }

    /// The definition, span by span.
    fn by_definition(words: &[u32], constants: &Constants) -> Vec<Fingerprint> {
        let seed = constants.seed.rotate_left(17) ^ constants.multiplier;
        let hash = |w: &[u32]| w.iter().fold(0u64, |h, w| h.rotate_left(1) ^ mix(seed ^ u64::from(*w)));
        let hashes: Vec<u64> = words.windows(WINNOWING_SPAN).map(hash).collect();
        let uppers: Vec<u64> = hashes.iter().map(|h| h >> 32).collect();
        let mut kept: Vec<Fingerprint> = Vec::new();
        for (i, upper) in uppers.iter().enumerate() {
            let groups = uppers.windows(CHOICE.min(uppers.len())).enumerate().filter(|(g, group)| (*g..g + group.len()).contains(&i));
            if groups.into_iter().any(|(_, group)| group.iter().min() == Some(upper)) {
                let f = Fingerprint { key: hashes[i] & KEY, position: i as u32 };
                if !kept.iter().any(|k| k.key == f.key && k.position + CHOICE as u32 > f.position) {
                    kept.push(f);
                }
            }
        }
        kept
    }

    #[test]
    fn pieces_give_what_the_definition_says() {
        let constants = Constants::new(&[4; 32]);
        let lengths = [0, 24, 25, 26, 48, 49, 50, 73, 74, 1047, 1048, 1049, 1071, 1072, 1073, 1096, 1097, 2100, 4000];
        for (i, n) in lengths.into_iter().enumerate() {
            for words in [1, 2, 50, 1 << 32] {
                let words = stream(i as u64, n, words);
                assert_eq!(fingerprints(&words, &constants), by_definition(&words, &constants), "{n} words");
            }
        }
    }

    #[test]
    fn a_shared_run_of_forty_nine_words_leaves_a_fingerprint_in_common() {
        let constants = Constants::new(&[9; 32]);
        for seed in 0..400 {
            // Few different words, and runs of one word, so that equal spans occur.
            let words = [1, 2, 3, 1000, 1 << 32][seed as usize % 5];
            let run = stream(seed, WINNOWING_SPAN + CHOICE - 1 + seed as usize % 2, words);
            let around = |salt: u64| -> Vec<u32> {
                let (before, after) = (mix(salt) as usize % 200, mix(salt + 1) as usize % 200);
                [stream(salt, before, 1 << 32), run.clone(), stream(salt + 7, after, 1 << 32)].concat()
            };
            let keys = |w: &[u32]| fingerprints(w, &constants).iter().map(|f| f.key).collect::<HashSet<_>>();
            let (a, b) = (around(1000 + 4 * seed), around(2_000_000 + 4 * seed));
            assert!(!keys(&a).is_disjoint(&keys(&b)), "seed {seed}");
        }
    }

    #[test]
    fn a_span_has_one_hash_wherever_it_lies() {
        let constants = Constants::new(&[1; 32]);
        let words = stream(3, 3000, 1 << 32);
        let found = fingerprints(&words, &constants);
        assert!((2 * 2900 / 26..2 * 3100 / 25).contains(&found.len()), "{} fingerprints", found.len());
        assert!(found.windows(2).all(|f| f[0].position < f[1].position && f[1].position <= f[0].position + CHOICE as u32));
        for f in &found {
            let at = f.position as usize;
            assert_eq!(fingerprints(&words[at..at + WINNOWING_SPAN], &constants), [Fingerprint { key: f.key, position: 0 }]);
        }
        assert!(fingerprints(&words[..WINNOWING_SPAN - 1], &constants).is_empty());
    }
}
