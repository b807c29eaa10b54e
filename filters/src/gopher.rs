//! Documents whose words and lines are not those of prose.

use std::cell::LazyCell;

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::words::{count, is_letter, lines, trim};
use super::writing::{Writing, is_symbol};
use super::{Measure, above, below, fewer, more};

/// Limits for words and lines; a value at its limit passes.
///
/// A word counts if it has a character that is no punctuation. The shares of `#`, ellipses and letters are of all words,
/// punctuation marks included.
/// Three rules are asked only where they mean something:
///
/// - the mean length of words, in alphabetic scripts ([`Writing::alphabetic`])
/// - the stop words, in text that is English beyond doubt; a text in another language or in none that is known is not asked for them
/// - the share of words with letters, in other text than English of words that count: it is the share of punctuation marks that decides
///   otherwise, and languages with fewer and longer words have more of them
///
/// Source: Rae et al. 2021, "Gopher", section A1.1, <https://arxiv.org/abs/2112.11446>;
/// verdicts on English are those of datatrove 0.10.1, given its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GopherQuality {
    /// Fewest words.
    pub words_min: u64,
    /// Most words.
    pub words_max: u64,
    /// Least mean length of a word in characters, in millionths.
    pub mean_length_min_ppm: u64,
    /// Greatest mean length of a word in characters, in millionths.
    pub mean_length_max_ppm: u64,
    /// Most `#` for each word.
    pub hashes_max_ppm: u64,
    /// Most ellipses, `...` or `…`, for each word.
    pub ellipses_max_ppm: u64,
    /// Most lines that begin with `•` or `-`, of all lines.
    pub bullet_lines_max_ppm: u64,
    /// Most lines that end with an ellipsis, of all lines.
    pub ellipsis_lines_max_ppm: u64,
    /// Fewest words with a letter, of all words; in other languages than English, of words that count.
    pub alphabetic_min_ppm: u64,
    /// Fewest different words of `the`, `be`, `to`, `of`, `and`, `that`, `have` and `with` in English text.
    pub stop_words_min: u64,
}

impl Default for GopherQuality {
    fn default() -> GopherQuality {
        GopherQuality {
            words_min: 50,
            words_max: 100_000,
            mean_length_min_ppm: 3_000_000,
            mean_length_max_ppm: 10_000_000,
            hashes_max_ppm: 100_000,
            ellipses_max_ppm: 100_000,
            bullet_lines_max_ppm: 900_000,
            ellipsis_lines_max_ppm: 300_000,
            alphabetic_min_ppm: 800_000,
            stop_words_min: 2,
        }
    }
}

/// Different stop words that only an English text has, so that its language need not be detected, which takes longer than all the rest.
const CERTAIN: u64 = 4;

/// Stop words as numbers.
const STOP_WORDS: [u32; 8] = [pack("the"), pack("be"), pack("to"), pack("of"), pack("and"), pack("that"), pack("have"), pack("with")];

/// The bytes of a word of up to four as a number.
const fn pack(word: &str) -> u32 {
    let (mut packed, mut rest) = (0, word.as_bytes());
    while let [first, more @ ..] = rest {
        packed = packed << 8 | *first as u32;
        rest = more;
    }
    packed
}

impl GopherQuality {
    /// The first limit that `text` with its `words` does not keep; `english` says whether its language is known to be English,
    /// and is asked only if that decides.
    pub fn check(&self, text: &str, words: &[&str], writing: Writing, english: impl FnOnce() -> bool) -> Option<Measure> {
        let w = Counted::of(words);
        let (hashes, ellipses) = hashes_and_ellipses(text);
        let all = words.len() as u64;
        let english = LazyCell::new(english);
        let letters = |of| below("gopher-quality/alphabetic", w.alphabetic, of, self.alphabetic_min_ppm);
        None.or_else(|| fewer("gopher-quality/words-min", w.words, self.words_min))
            .or_else(|| more("gopher-quality/words-max", w.words, self.words_max))
            .or_else(|| self.check_length(&w, writing))
            .or_else(|| above("gopher-quality/hashes", hashes, all, self.hashes_max_ppm))
            .or_else(|| above("gopher-quality/ellipses", ellipses, all, self.ellipses_max_ppm))
            .or_else(|| self.check_lines(text))
            .or_else(|| letters(all).and_then(|found| if w.stop_words >= CERTAIN || *english { Some(found) } else { letters(w.words) }))
            .or_else(|| fewer("gopher-quality/stop-words", w.stop_words, self.stop_words_min).filter(|_| *english))
    }

    fn check_length(&self, w: &Counted, writing: Writing) -> Option<Measure> {
        if !writing.alphabetic {
            return None;
        }
        let short = || below("gopher-quality/mean-length-min", w.chars, w.words, self.mean_length_min_ppm);
        short().or_else(|| above("gopher-quality/mean-length-max", w.chars, w.words, self.mean_length_max_ppm))
    }

    fn check_lines(&self, text: &str) -> Option<Measure> {
        let (mut all, mut bullets, mut ellipses) = (0, 0, 0);
        for line in lines(text) {
            let line = trim(line);
            all += 1;
            bullets += u64::from(line.starts_with(['•', '-']));
            ellipses += u64::from(line.ends_with("...") || line.ends_with('…'));
        }
        let bullets = above("gopher-quality/bullet-lines", bullets, all, self.bullet_lines_max_ppm);
        bullets.or_else(|| above("gopher-quality/ellipsis-lines", ellipses, all, self.ellipsis_lines_max_ppm))
    }
}

/// What is counted over the words of a document.
struct Counted {
    /// Words with a character that is no punctuation.
    words: u64,
    /// Their characters.
    chars: u64,
    /// Words with a letter.
    alphabetic: u64,
    /// Different stop words.
    stop_words: u64,
}

impl Counted {
    fn of(words: &[&str]) -> Counted {
        let mut found = Counted { words: 0, chars: 0, alphabetic: 0, stop_words: 0 };
        let mut stop_words = 0u8;
        for word in words {
            let letter = word.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
            if letter || counts(word) {
                found.words += 1;
                found.chars += count(word);
            }
            found.alphabetic += u64::from(letter || word.chars().any(is_letter));
            // Compared as numbers, all eight at once.
            let packed = if word.len() <= 4 { pack(word) } else { 0 };
            stop_words |= STOP_WORDS.iter().enumerate().map(|(i, stop)| u8::from(*stop == packed) << i).sum::<u8>();
        }
        found.stop_words = u64::from(stop_words.count_ones());
        found
    }
}

/// Whether `word` has a character that is no punctuation.
fn counts(word: &str) -> bool {
    word.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) || word.chars().any(|c| !is_symbol(c))
}

/// Number of words that count, for other filters.
pub(super) fn count_words(words: &[&str]) -> u64 {
    words.iter().filter(|w| counts(w)).count() as u64
}

/// How many `#` there are, and how many ellipses; six dots are two of these, five are one.
fn hashes_and_ellipses(text: &str) -> (u64, u64) {
    let bytes = text.as_bytes();
    let hashes = memchr::memchr_iter(b'#', bytes).count();
    let ellipses = memmem::find_iter(bytes, "...").count() + memmem::find_iter(bytes, "…").count();
    (hashes as u64, ellipses as u64)
}

#[cfg(test)]
mod tests {
    use super::super::{golden, words::words};
    use super::*;

    const REASONS: &[(&str, &str)] = &[
        ("gopher_short_doc", "words-min"),
        ("gopher_long_doc", "words-max"),
        ("gopher_below_avg_threshold", "mean-length-min"),
        ("gopher_above_avg_threshold", "mean-length-max"),
        ("gopher_too_many_hashes", "hashes"),
        ("gopher_too_many_ellipsis", "ellipses"),
        ("gopher_too_many_bullets", "bullet-lines"),
        ("gopher_too_many_end_ellipsis", "ellipsis-lines"),
        ("gopher_below_alpha_threshold", "alphabetic"),
        ("gopher_enough_stop_words", "stop-words"),
    ];

    #[test]
    fn verdicts_are_those_of_datatrove_with_its_words() {
        let differing = golden::differing("gopher-quality", REASONS, |d| {
            GopherQuality::default().check(&d.text, &d.tokens(), Writing::ENGLISH, || true)
        });
        assert_eq!(differing, [""; 0]);
    }

    #[test]
    fn one_word_above_the_most_is_too_many() {
        let check = |count: usize| {
            let text = "the of and to ".repeat(count);
            GopherQuality::default().check(&text, &words(&text), Writing::ENGLISH, || true).map(|m| (m.rule, m.measured))
        };
        assert_eq!(check(25_000), Some(("gopher-quality/mean-length-min".into(), 2_500_000)));
        assert_eq!(check(25_001), Some(("gopher-quality/words-max".into(), 100_004_000_000)));
    }

    #[test]
    fn rules_of_english_are_asked_of_english_alone() {
        let text = "word ".repeat(60);
        let check = |english| GopherQuality::default().check(&text, &words(&text), Writing::ENGLISH, || english).map(|m| m.rule);
        assert_eq!(check(true).as_deref(), Some("gopher-quality/stop-words"));
        assert_eq!(check(false), None);
    }

    #[test]
    fn punctuation_is_no_word_without_letters_in_other_languages() {
        let check = |text: &str, english| GopherQuality::default().check(text, &words(text), Writing::ENGLISH, || english).map(|m| m.rule);
        let text = "the words and — more — here, ".repeat(20);
        assert_eq!(check(&format!("{text} that of"), false).as_deref(), Some("gopher-quality/alphabetic"));
        assert_eq!(check(&text, true).as_deref(), Some("gopher-quality/alphabetic"));
        assert_eq!(check(&text, false), None);
        let text = "the 1001 words 2002 and more 3003 here ".repeat(20);
        assert_eq!(check(&text, false).as_deref(), Some("gopher-quality/alphabetic"));
    }

    #[test]
    fn mean_length_is_asked_of_alphabets_alone() {
        let text = "가 ".repeat(60);
        let check = |writing| GopherQuality::default().check(&text, &words(&text), writing, || false).map(|m| m.rule);
        assert_eq!(check(Writing::ENGLISH).as_deref(), Some("gopher-quality/mean-length-min"));
        assert_eq!(check(Writing::of(&text)), None);
    }
}
