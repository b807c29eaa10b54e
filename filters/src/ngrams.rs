//! Runs of words that occur again, found without a string being joined.

use super::seen::{Seen, mix};
use super::words::count;

/// Runs of one number of words that are the same if their words are.
pub(super) struct Runs<'a> {
    words: &'a [&'a str],
    length: usize,
    /// For each run the first one that is the same, or the number of words for one that is known to occur once.
    firsts: Vec<u32>,
    /// How often the runs are there that are first ones; none of those that are known to occur once.
    counts: Vec<u32>,
    /// [`Runs::firsts`] of single words.
    single: Vec<u32>,
    seen: Seen,
}

impl<'a> Runs<'a> {
    /// The words one by one.
    pub(super) fn of(words: &'a [&'a str]) -> Runs<'a> {
        let mut seen = Seen::new();
        seen.clear(words.len());
        let first = |(place, word): (usize, &&str)| {
            let hash = seen.hash_bytes(word.as_bytes());
            seen.first(place, hash, |before| words[before] == *word) as u32
        };
        let single: Vec<u32> = words.iter().enumerate().map(first).collect();
        let mut counts = vec![0; words.len() + 1];
        single.iter().for_each(|first| counts[*first as usize] += 1);
        Runs { words, length: 1, firsts: single.clone(), counts, single, seen }
    }

    /// Adds a word to each run.
    ///
    /// A run that occurs twice consists of two shorter ones that do; only such runs are looked for.
    pub(super) fn grow(&mut self) {
        let runs = self.words.len().saturating_sub(self.length);
        let (mut places, mut found) = (vec![0; runs], 0);
        for (place, two) in self.firsts.windows(2).enumerate() {
            let twice = |first: u32| self.counts[first as usize] > 1;
            // Written in any case: which it is cannot be foreseen.
            places[found] = place;
            found += usize::from(twice(two[0]) & twice(two[1]));
        }
        let key = |place: usize| u64::from(self.firsts[place]) << 32 | u64::from(self.single[place + self.length]);
        let (mut firsts, mut counts) = (vec![self.words.len() as u32; runs], vec![0; self.words.len() + 1]);
        self.seen.clear(found);
        for place in &places[..found] {
            let key_here = key(*place);
            let first = self.seen.first(*place, self.seen.hash(key_here), |before| key(before) == key_here);
            firsts[*place] = first as u32;
            counts[first] += 1;
        }
        (self.firsts, self.counts) = (firsts, counts);
        self.length += 1;
    }

    /// Characters of all occurrences of the most frequent run, of equally frequent ones of the first; 0 if there is no run.
    ///
    /// Between two words `space` characters are counted. A run that occurs once is the most frequent one if none occurs twice.
    pub(super) fn top(&self, space: u64) -> u64 {
        let mut best = (1, 0);
        for (place, count) in self.counts.iter().enumerate() {
            if *count > best.0 {
                best = (*count, place);
            }
        }
        let run = self.words.get(best.1..best.1 + self.length).unwrap_or_default();
        let chars: u64 = run.iter().map(|word| count(word)).sum();
        (chars + (run.len() as u64).saturating_sub(1) * space) * u64::from(best.0)
    }
}

/// A text's letters without what is between its words, for runs that are the same wherever words divide them.
pub(super) struct Letters {
    bytes: Vec<u8>,
    /// Where each word begins, and where the last one ends.
    starts: Vec<usize>,
    /// Words with which a run can begin that is there twice, in order.
    places: Vec<usize>,
    seen: Seen,
}

/// Fewest words of a run that [`Letters::repeated`] is asked for.
const LEAST: usize = 5;

impl Letters {
    /// The letters of `words`.
    pub(super) fn of(words: &[&str]) -> Letters {
        let mut bytes = Vec::with_capacity(words.iter().map(|w| w.len()).sum::<usize>() + 16);
        let mut starts = Vec::with_capacity(words.len() + 1);
        for word in words {
            starts.push(bytes.len());
            bytes.extend_from_slice(word.as_bytes());
        }
        starts.push(bytes.len());
        bytes.extend([0; 16]);
        let places = places(&bytes, &starts);
        Letters { bytes, starts, places, seen: Seen::new() }
    }

    /// Characters of runs of `length` words that were there before.
    ///
    /// The next run begins after one that was there before, and one word further after one that was not, which is remembered.
    pub(super) fn repeated(&mut self, length: usize) -> u64 {
        assert!(length >= LEAST, "runs of {length} words are not among the places");
        let Letters { bytes, starts, places, seen } = self;
        let run = |place: usize| &bytes[starts[place]..starts[place + length]];
        seen.clear(places.len());
        let (mut next, mut chars) = (0, 0);
        for place in places.iter().copied().take_while(|place| place + length < starts.len()) {
            if place >= next {
                let letters = run(place);
                if seen.first(place, seen.hash_bytes(letters), |before| run(before) == letters) != place {
                    chars += letters.iter().filter(|b| **b & 0xc0 != 0x80).count() as u64;
                    next = place + length;
                }
            }
        }
        chars
    }
}

/// Words with which a run of [`LEAST`] words or more can begin that is there twice: some of them do not.
///
/// The first sixteen bytes of such a run are there twice, or the first eight if the run of [`LEAST`] words is shorter than that,
/// and if it is even shorter, nothing is known.
fn places(bytes: &[u8], starts: &[usize]) -> Vec<usize> {
    let words = starts.len() - 1;
    let first = |start: usize| bytes[start..].first_chunk().map_or(0, |sixteen| u128::from_le_bytes(*sixteen));
    let (mut eight, mut sixteen) = (Twice::new(words), Twice::new(words));
    for start in &starts[..words] {
        eight.add(first(*start) as u64 as u128);
        sixteen.add(first(*start));
    }
    let mut places = vec![0; words];
    let mut found = 0;
    for (place, ends) in starts.windows(LEAST + 1).enumerate() {
        let (start, length) = (ends[0], ends[LEAST] - ends[0]);
        let twice = match length {
            16.. => sixteen.may(first(start)),
            8.. => eight.may(first(start) as u64 as u128),
            _ => true,
        };
        // Written in any case: which it is cannot be foreseen.
        places[found] = place;
        found += usize::from(twice);
    }
    places.truncate(found);
    places
}

/// Which things may have been added twice, by two bits for each of sixteen hashes a thing: right for all that were.
struct Twice(Vec<[u64; 2]>);

impl Twice {
    fn new(count: usize) -> Twice {
        Twice(vec![[0; 2]; (count / 4).next_power_of_two()])
    }

    fn place(&self, thing: u128) -> (usize, u64) {
        let hash = mix(thing as u64 ^ 0x2545_f491_4f6c_dd1d, (thing >> 64) as u64 ^ 0x9e37_79b9_7f4a_7c15);
        ((hash >> 6) as usize & (self.0.len() - 1), hash & 63)
    }

    fn add(&mut self, thing: u128) {
        let (slot, bit) = self.place(thing);
        let [once, twice] = &mut self.0[slot];
        *twice |= *once & (1 << bit);
        *once |= 1 << bit;
    }

    fn may(&self, thing: u128) -> bool {
        let (slot, bit) = self.place(thing);
        self.0[slot][1] >> bit & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn top(text: &str, length: usize, space: u64) -> u64 {
        let words: Vec<&str> = text.split(' ').collect();
        let mut runs = Runs::of(&words);
        (1..length).for_each(|_| runs.grow());
        runs.top(space)
    }

    fn repeated(text: &str, length: usize) -> u64 {
        Letters::of(&text.split(' ').collect::<Vec<_>>()).repeated(length)
    }

    #[test]
    fn first_of_the_most_frequent_runs_counts() {
        assert_eq!(top("a bb a bb c ddd c ddd", 2, 1), 8);
        assert_eq!(top("c ddd c ddd a bb a bb", 2, 1), 10);
        assert_eq!(top("a bb a bb", 2, 0), 6);
        assert_eq!(top("one two", 2, 1), 7);
        assert_eq!(top("one", 2, 1), 0);
        assert_eq!(top("one", 4, 1), 0);
    }

    #[test]
    fn overlapping_runs_all_count() {
        assert_eq!(top("x x x x", 2, 1), 9);
    }

    #[test]
    fn run_after_a_repeated_one_begins_behind_it() {
        assert_eq!(repeated("a b c d e a b c d e", 5), 5);
        // The runs that were stepped over are not remembered.
        assert_eq!(repeated("a b c d e a b c d e b c d e a", 5), 10);
        assert_eq!(repeated("a b c", 5), 0);
    }

    #[test]
    fn runs_are_compared_by_their_letters() {
        assert_eq!(repeated("ab cd ef gh ij - a bc de fg hij", 5), 10);
        assert_eq!(repeated("ab cd ef gh ij - a bc de fg hik", 5), 0);
        assert_eq!(repeated("àb cd éf gh ij - à bc dé fg hij", 5), 10);
    }

    #[test]
    fn runs_are_those_of_joined_strings() {
        let mut state = 3u64;
        for round in 0..400 {
            let vocabulary = [["a", "b", "ab", "ba", "aab"], ["alpha", "beta", "alphabeta", "betaalpha", "é"]][round % 2];
            let mut word = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                vocabulary[(state >> 33) as usize % 5]
            };
            let words: Vec<&str> = (0..120).map(|_| word()).collect();
            let mut runs = Runs::of(&words);
            let mut letters = Letters::of(&words);
            for n in 2..=10 {
                runs.grow();
                let mut counts = HashMap::new();
                words.windows(n).for_each(|run| *counts.entry(run).or_insert(0) += 1);
                let most = counts.values().max().expect("runs");
                let first = words.windows(n).find(|run| counts[run] == *most).expect("a run").join(" ");
                assert_eq!(runs.top(1), first.chars().count() as u64 * most, "round {round}, {n} words");
                let (mut before, mut at, mut chars) = (std::collections::HashSet::new(), 0, 0);
                while n >= 5 && at + n <= words.len() {
                    let run = words[at..at + n].concat();
                    let length = run.chars().count() as u64;
                    let again = !before.insert(run);
                    (at, chars) = if again { (at + n, chars + length) } else { (at + 1, chars) };
                }
                assert!(n < 5 || letters.repeated(n) == chars, "round {round}, {n} words");
            }
        }
    }
}
