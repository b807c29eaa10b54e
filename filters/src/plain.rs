//! Filters without a paper: the length of a document, and lines and characters that repeat.

use serde::{Deserialize, Serialize};

use super::gopher::count_words;
use super::repetition::repeated;
use super::words::{count, is_space, lines, trim};
use super::{Measure, above, fewer, more};

/// Limits for the length of a document; as it stands, only one without words is left out.
///
/// Words count if they are not only punctuation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Length {
    /// Fewest words.
    pub words_min: u64,
    /// Most words; 0 for any number.
    pub words_max: u64,
    /// Fewest characters.
    pub chars_min: u64,
    /// Most characters; 0 for any number.
    pub chars_max: u64,
}

impl Default for Length {
    fn default() -> Length {
        Length { words_min: 1, words_max: 0, chars_min: 0, chars_max: 0 }
    }
}

impl Length {
    /// The first limit that `text` with its `words` does not keep.
    pub fn check(&self, text: &str, words: &[&str]) -> Option<Measure> {
        let (words, chars) = (count_words(words), count(text));
        let limited = |limit| if limit == 0 { u64::MAX } else { limit };
        None.or_else(|| fewer("length/words-min", words, self.words_min))
            .or_else(|| more("length/words-max", words, limited(self.words_max)))
            .or_else(|| fewer("length/chars-min", chars, self.chars_min))
            .or_else(|| more("length/chars-max", chars, limited(self.chars_max)))
    }
}

/// Limits for lines that repeat and for one character that does.
///
/// Lines count if they are not blank, and are compared without white space at their ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LineRepetition {
    /// Most characters in lines that were there before, of the characters of all lines, in millionths.
    pub repeated_chars_max_ppm: u64,
    /// Longest run of one character that is no white space.
    pub run_max: u64,
}

impl Default for LineRepetition {
    fn default() -> LineRepetition {
        // A rule across a wide page is a run of 120.
        LineRepetition { repeated_chars_max_ppm: 300_000, run_max: 200 }
    }
}

impl LineRepetition {
    /// The first limit that `text` is above.
    pub fn check(&self, text: &str) -> Option<Measure> {
        let counted = || lines(text).map(trim).filter(|line| !line.is_empty());
        let all = counted().map(count).sum();
        let share = above("lines/repeated-chars", repeated(counted()).chars_again, all, self.repeated_chars_max_ppm);
        share.or_else(|| more("lines/run", longest_run(text), self.run_max))
    }
}

/// How often one character follows itself at most, white space aside.
fn longest_run(text: &str) -> u64 {
    let (mut longest, mut run, mut last) = (0, 0, ' ');
    for c in text.chars() {
        run = if c == last { run + 1 } else { 1 };
        last = c;
        if run > longest && !is_space(c) {
            longest = run;
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    #[test]
    fn length_is_within_its_limits() {
        let check = |length: Length, text: &str| length.check(text, &words(text)).map(|m| (m.rule, m.measured, m.limit));
        assert_eq!(check(Length::default(), "one"), None);
        assert_eq!(check(Length::default(), " . \n"), Some(("length/words-min".into(), 0, 1_000_000)));
        let length = Length { words_min: 2, words_max: 3, chars_min: 5, chars_max: 9 };
        assert_eq!(check(length.clone(), "a, bc, d"), None);
        assert_eq!(check(length.clone(), "a b c d"), Some(("length/words-max".into(), 4_000_000, 3_000_000)));
        assert_eq!(check(length.clone(), "é é"), Some(("length/chars-min".into(), 3_000_000, 5_000_000)));
        assert_eq!(check(length, "abcde fghij"), Some(("length/chars-max".into(), 11_000_000, 9_000_000)));
    }

    #[test]
    fn repeated_lines_count_by_their_characters() {
        let filter = LineRepetition { repeated_chars_max_ppm: 250_000, run_max: 5 };
        assert_eq!(filter.check("abc\n  abc\ndefghi\n\n"), None);
        let m = filter.check("abcd\n  abcd\ndefghi\n\n").expect("more than a quarter");
        assert_eq!((&*m.rule, m.measured), ("lines/repeated-chars", 285_715));
    }

    #[test]
    fn longest_run_is_of_one_character_and_not_of_white_space() {
        assert_eq!(longest_run("aab      ----c"), 4);
        assert_eq!(longest_run("ああa"), 2);
        assert_eq!(longest_run("   \n\n\n"), 0);
        assert_eq!(LineRepetition::default().check(&"-".repeat(201)).map(|m| m.rule).as_deref(), Some("lines/run"));
    }
}
