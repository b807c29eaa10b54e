//! Documents that repeat themselves.

use serde::{Deserialize, Serialize};

use super::ngrams::{Letters, Runs};
use super::seen::Seen;
use super::words::{between_line_feeds, count, trim};
use super::writing::Writing;
use super::{Measure, above, fewer};

/// Limits for repeated paragraphs, lines and runs of words, as shares in millionths; a share at its limit passes.
///
/// Shares of characters are of all of the text's characters, white space included. In scripts without spaces a word is taken to be two
/// or three pieces ([`Writing::pieces`]), and no space is counted between the words of a run; with one piece for a word, 96 of 100
/// Thai translations were left out by the rule for five words, where 29 of 100 English originals were.
///
/// Source: Rae et al. 2021, "Gopher", section A1.1 and table A1, <https://arxiv.org/abs/2112.11446>; verdicts on text with spaces are
/// those of datatrove 0.10.1, given its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GopherRepetition {
    /// Most paragraphs that were there before, of all paragraphs; blank lines divide them.
    pub paragraphs_ppm: u64,
    /// Most characters in paragraphs that were there before.
    pub paragraph_chars_ppm: u64,
    /// Most lines that were there before, of all lines that are not empty.
    pub lines_ppm: u64,
    /// Most characters in lines that were there before.
    pub line_chars_ppm: u64,
    /// Most characters in occurrences of the most frequent run of two words.
    pub top_2_gram_ppm: u64,
    /// Of three words.
    pub top_3_gram_ppm: u64,
    /// Of four words.
    pub top_4_gram_ppm: u64,
    /// Most characters in runs of five words that were there before.
    pub repeated_5_gram_ppm: u64,
    /// Of six words.
    pub repeated_6_gram_ppm: u64,
    /// Of seven words.
    pub repeated_7_gram_ppm: u64,
    /// Of eight words.
    pub repeated_8_gram_ppm: u64,
    /// Of nine words.
    pub repeated_9_gram_ppm: u64,
    /// Of ten words.
    pub repeated_10_gram_ppm: u64,
}

impl Default for GopherRepetition {
    fn default() -> GopherRepetition {
        GopherRepetition {
            paragraphs_ppm: 300_000,
            paragraph_chars_ppm: 200_000,
            lines_ppm: 300_000,
            line_chars_ppm: 200_000,
            top_2_gram_ppm: 200_000,
            top_3_gram_ppm: 180_000,
            top_4_gram_ppm: 160_000,
            repeated_5_gram_ppm: 150_000,
            repeated_6_gram_ppm: 140_000,
            repeated_7_gram_ppm: 130_000,
            repeated_8_gram_ppm: 120_000,
            repeated_9_gram_ppm: 110_000,
            repeated_10_gram_ppm: 100_000,
        }
    }
}

impl GopherRepetition {
    /// The first limit that `text` with its `words` is above; an empty text is below `empty`.
    pub fn check(&self, text: &str, words: &[&str], writing: Writing) -> Option<Measure> {
        let chars = count(text);
        if chars == 0 {
            return fewer("gopher-repetition/empty", 0, 1);
        }
        let paragraphs = repeated(between_line_feeds(trim(text), 2));
        let lines = repeated(between_line_feeds(text, 1));
        None.or_else(|| above("gopher-repetition/paragraphs", paragraphs.again, paragraphs.all, self.paragraphs_ppm))
            .or_else(|| above("gopher-repetition/paragraph-chars", paragraphs.chars_again, chars, self.paragraph_chars_ppm))
            .or_else(|| above("gopher-repetition/lines", lines.again, lines.all, self.lines_ppm))
            .or_else(|| above("gopher-repetition/line-chars", lines.chars_again, chars, self.line_chars_ppm))
            .or_else(|| self.check_runs(chars, words, writing))
    }

    fn check_runs(&self, chars: u64, words: &[&str], writing: Writing) -> Option<Measure> {
        let space = u64::from(!writing.is_unspaced());
        let top = [
            ("gopher-repetition/top-2-gram", self.top_2_gram_ppm),
            ("gopher-repetition/top-3-gram", self.top_3_gram_ppm),
            ("gopher-repetition/top-4-gram", self.top_4_gram_ppm),
        ];
        let repeated = [
            (5, "gopher-repetition/repeated-5-gram", self.repeated_5_gram_ppm),
            (6, "gopher-repetition/repeated-6-gram", self.repeated_6_gram_ppm),
            (7, "gopher-repetition/repeated-7-gram", self.repeated_7_gram_ppm),
            (8, "gopher-repetition/repeated-8-gram", self.repeated_8_gram_ppm),
            (9, "gopher-repetition/repeated-9-gram", self.repeated_9_gram_ppm),
            (10, "gopher-repetition/repeated-10-gram", self.repeated_10_gram_ppm),
        ];
        let mut runs = Runs::of(words);
        (1..writing.pieces).for_each(|_| runs.grow());
        let top = top.into_iter().find_map(|(rule, limit)| {
            (0..writing.pieces).for_each(|_| runs.grow());
            above(rule, runs.top(space), chars, limit)
        });
        let repeated = || {
            let mut letters = Letters::of(words);
            repeated.into_iter().find_map(|(length, rule, limit)| above(rule, letters.repeated(length * writing.pieces), chars, limit))
        };
        top.or_else(repeated)
    }
}

/// How many pieces there are and how many were there before, with the characters of these.
pub(super) struct Repeated {
    /// All pieces.
    pub all: u64,
    /// Pieces that were there before.
    pub again: u64,
    /// Their characters.
    pub chars_again: u64,
}

/// Counts the pieces that were there before, character by character.
pub(super) fn repeated<'a>(pieces: impl Iterator<Item = &'a str>) -> Repeated {
    let pieces: Vec<&str> = pieces.collect();
    let mut found = Repeated { all: pieces.len() as u64, again: 0, chars_again: 0 };
    let mut seen = Seen::new();
    seen.clear(pieces.len());
    for (place, piece) in pieces.iter().enumerate() {
        let hash = seen.hash_bytes(piece.as_bytes());
        if seen.first(place, hash, |before| pieces[before] == *piece) != place {
            found.again += 1;
            found.chars_again += count(piece);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{golden, words::words};
    use super::*;

    const REASONS: &[(&str, &str)] = &[
        ("empty", "empty"),
        ("dup_para_frac", "paragraphs"),
        ("dup_para_char_frac", "paragraph-chars"),
        ("dup_line_frac", "lines"),
        ("dup_line_char_frac", "line-chars"),
        ("top_2_gram", "top-2-gram"),
        ("top_3_gram", "top-3-gram"),
        ("top_4_gram", "top-4-gram"),
        ("duplicated_5_n_grams", "repeated-5-gram"),
        ("duplicated_6_n_grams", "repeated-6-gram"),
        ("duplicated_7_n_grams", "repeated-7-gram"),
        ("duplicated_8_n_grams", "repeated-8-gram"),
        ("duplicated_9_n_grams", "repeated-9-gram"),
        ("duplicated_10_n_grams", "repeated-10-gram"),
    ];

    #[test]
    fn verdicts_are_those_of_datatrove_with_its_words() {
        let differing =
            golden::differing("gopher-repetition", REASONS, |d| GopherRepetition::default().check(&d.text, &d.tokens(), Writing::ENGLISH));
        assert_eq!(differing, [""; 0]);
    }

    #[test]
    fn a_share_at_its_limit_passes() {
        let text = "a b c\nd e f\na b c\ng h i";
        let filter = |lines_ppm| GopherRepetition { lines_ppm, line_chars_ppm: 1_000_000, ..Default::default() };
        let check = |lines_ppm| filter(lines_ppm).check(text, &[], Writing::ENGLISH);
        assert_eq!(check(250_000), None);
        let m = check(249_999).expect("above the limit");
        assert_eq!((&*m.rule, m.measured, m.limit), ("gopher-repetition/lines", 250_000, 249_999));
    }

    #[test]
    fn words_without_spaces_are_two_pieces_without_a_space() {
        let text = "天地玄黄宇宙洪荒日月盈昃辰宿列张天地玄黄";
        let words = words(text);
        let measured = |writing| {
            let filter = GopherRepetition { top_2_gram_ppm: 0, ..Default::default() };
            filter.check(text, &words, writing).map(|m| m.measured)
        };
        // Twice four characters of twenty; twice two and a space.
        assert_eq!(measured(Writing::of(text)), Some(400_000));
        assert_eq!(measured(Writing::ENGLISH), Some(300_000));
    }
}
