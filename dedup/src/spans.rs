//! Runs of words that a document has in common with earlier ones.

use std::collections::HashMap;

use crate::bands::Place;
use crate::winnow::{Fingerprint, WINNOWING_SPAN};

/// How much of a document earlier ones cover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Words that are covered.
    pub words: u64,
    /// By which documents and how many each: most first, then by ordinal.
    pub by: Vec<(u32, u64)>,
}

/// Covers `words` with runs of other documents.
///
/// Each fingerprint, in the order of positions, whose winnowing span is not covered yet is compared with its first place in an earlier
/// document, and the match goes as far as the words are equal: to the right to its end, to the left to what is covered.
/// `words_of` gives a document's words to the function that it is given.
pub(crate) fn cover(
    words: &[u32],
    fingerprints: &[Fingerprint],
    places: &[Option<Place>],
    mut words_of: impl FnMut(u32, &mut dyn FnMut(&[u32])),
) -> Coverage {
    let mut coverage = Coverage::default();
    let mut by: HashMap<u32, u64> = HashMap::new();
    let mut covered_until = 0;
    for (fingerprint, place) in fingerprints.iter().zip(places) {
        let at = fingerprint.position as usize;
        let Some(place) = place.filter(|_| at + WINNOWING_SPAN > covered_until) else { continue };
        words_of(place.ordinal, &mut |other: &[u32]| {
            let there = place.position as usize;
            // 48 bits can agree by chance.
            if other.get(there..there + WINNOWING_SPAN) != Some(&words[at..at + WINNOWING_SPAN]) {
                return;
            }
            let left = words[covered_until.min(at)..at].iter().rev().zip(other[..there].iter().rev()).take_while(|(a, b)| a == b).count();
            let right = words[at..].iter().zip(&other[there..]).take_while(|(a, b)| a == b).count();
            let more = (at + right - covered_until.max(at - left)) as u64;
            covered_until = at + right;
            coverage.words += more;
            *by.entry(place.ordinal).or_default() += more;
        });
    }
    coverage.by.extend(by);
    coverage.by.sort_unstable_by_key(|(ordinal, words)| (std::cmp::Reverse(*words), *ordinal));
    coverage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Constants;
    use crate::winnow::fingerprints;

    #[test]
    fn runs_are_extended_exactly_and_counted_once() {
        let constants = Constants::new(&[2; 32]);
        let others: Vec<Vec<u32>> = vec![(0..300).collect(), (1000..1400).collect()];
        // 10 new words, 100 of the first, 20 new, 200 of the second, 5 new.
        let words: Vec<u32> = (5000..5010).chain(50..150).chain(6000..6020).chain(1100..1300).chain(7000..7005).collect();
        let prints = fingerprints(&words, &constants);
        let place = |key| {
            others.iter().zip(0..).find_map(|(o, ordinal)| {
                fingerprints(o, &constants).iter().find(|f| f.key == key).map(|f| Place { ordinal, position: f.position })
            })
        };
        let places: Vec<Option<Place>> = prints.iter().map(|f| place(f.key)).collect();
        let found = cover(&words, &prints, &places, |o, take| take(&others[o as usize]));
        assert_eq!(found, Coverage { words: 300, by: vec![(1, 200), (0, 100)] });
        // A fingerprint that agrees by chance covers nothing.
        let wrong: Vec<_> = places.iter().map(|p| p.map(|p| Place { position: p.position ^ 1, ..p })).collect();
        assert_eq!(cover(&words, &prints, &wrong, |o, take| take(&others[o as usize])), Coverage::default());
    }
}
