//! Pages whose lines are those of lists, menus and tables.

use serde::{Deserialize, Serialize};

use super::repetition::repeated;
use super::words::{between_line_feeds, count, trim};
use super::writing::{Writing, columns, ends_sentence};
use super::{Measure, above, below, fewer};

/// Limits for lines, as shares in millionths; a share at its limit passes.
///
/// Lines are divided by line feeds and count if they are not blank; white space at the end of a line hides its punctuation.
/// A line is as long as the columns that it takes, two for a character of Han, Kana or Hangul. Line ends are not asked for
/// where sentences end without a mark ([`Writing::unpunctuated`]).
///
/// Source: Penedo et al. 2024, "FineWeb", section 3.5, <https://arxiv.org/abs/2406.17557>;
/// verdicts on English are those of datatrove 0.10.1, given its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FineWeb {
    /// Fewest lines that end with the end of a sentence, of all lines.
    pub line_punctuation_min_ppm: u64,
    /// Columns up to which a line is short.
    pub short_line_chars: u64,
    /// Most short lines, of all lines.
    pub short_lines_max_ppm: u64,
    /// Most characters in lines that were there before, of all characters but line feeds.
    pub repeated_chars_max_ppm: u64,
    /// Most line feeds for each word.
    pub line_feeds_max_ppm: u64,
}

impl Default for FineWeb {
    fn default() -> FineWeb {
        FineWeb {
            line_punctuation_min_ppm: 120_000,
            short_line_chars: 30,
            short_lines_max_ppm: 670_000,
            repeated_chars_max_ppm: 10_000,
            line_feeds_max_ppm: 300_000,
        }
    }
}

impl FineWeb {
    /// The first limit that `text` with its `words` does not keep; a text without lines is below `empty`.
    pub fn check(&self, text: &str, words: &[&str], writing: Writing) -> Option<Measure> {
        let lines: Vec<&str> = between_line_feeds(text, 1).filter(|line| !trim(line).is_empty()).collect();
        let repeated = repeated(lines.iter().copied());
        if repeated.all == 0 {
            return fewer("fineweb/empty", 0, 1);
        }
        let feeds = memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64;
        let chars = count(text) - feeds;
        let ended = lines.iter().filter(|line| ends_sentence(line)).count() as u64;
        let short = lines.iter().filter(|line| columns(line) <= self.short_line_chars).count() as u64;
        let punctuation = || below("fineweb/line-punctuation", ended, repeated.all, self.line_punctuation_min_ppm);
        None.or_else(|| if writing.unpunctuated { None } else { punctuation() })
            .or_else(|| above("fineweb/short-lines", short, repeated.all, self.short_lines_max_ppm))
            .or_else(|| above("fineweb/repeated-chars", repeated.chars_again, chars, self.repeated_chars_max_ppm))
            .or_else(|| above("fineweb/line-feeds", feeds, words.len() as u64, self.line_feeds_max_ppm))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{golden, words::words};
    use super::*;

    const REASONS: &[(&str, &str)] = &[
        ("empty", "empty"),
        ("line_punct_ratio", "line-punctuation"),
        ("short_line_ratio", "short-lines"),
        ("char_dup_ratio", "repeated-chars"),
        ("list_ratio", "line-feeds"),
    ];

    #[test]
    fn verdicts_are_those_of_datatrove_with_its_words() {
        let differing = golden::differing("fineweb", REASONS, |d| FineWeb::default().check(&d.text, &d.tokens(), Writing::ENGLISH));
        // Lines of up to 30 characters that are wider than 30 columns; they fall to the line feeds, since datatrove sees 18 words.
        assert_eq!(differing, ["lang-japanese-lines"]);
    }

    #[test]
    fn lines_without_marks_are_refused_where_sentences_end_with_one() {
        let rule = |text: &str| FineWeb::default().check(text, &words(text), Writing::of(text)).map(|m| m.rule);
        assert_eq!(rule("a line of some words that has no end at all").as_deref(), Some("fineweb/line-punctuation"));
        assert_eq!(rule("ชาวบ้านส่วนใหญ่ทำนาและจับปลา ทุกเช้าเด็ก ๆ จะพายเรือไปโรงเรียน"), None);
    }

    #[test]
    fn blank_lines_are_no_lines() {
        let rule = |text: &str| FineWeb::default().check(text, &words(text), Writing::of(text)).map(|m| m.rule);
        assert_eq!(rule(" \n\t\n").as_deref(), Some("fineweb/empty"));
    }
}
