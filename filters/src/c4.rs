//! Pages that are code, boilerplate or filler text.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::words::{count, is_space, lines, separates, trim};
use super::writing::{Writing, ends_sentence, is_terminal};
use super::{Measure, bytes_of, fewer, more};

/// Which lines of a page count, and how many sentences they must have.
///
/// C4 removes lines from a page. This filter changes no text: it leaves a page out, or keeps it as it is. Lines that C4 would remove are
/// only not counted, and are not searched for `{` and "lorem ipsum" where C4 removes them first.
///
/// A line has one sentence more than it has ends of sentences with something after them ([`sentences`]), a rule of a few lines in place of
/// a tokenizer's exceptions. Two rules are not asked in scripts without spaces ([`Writing::is_unspaced`]): the words of a line and their length.
/// Where sentences end without a mark, any line counts, and so does every phrase between spaces ([`Writing::unpunctuated`]).
///
/// Source: Raffel et al. 2020, section 2.2, <https://arxiv.org/abs/1910.10683>, in the order of datatrove 0.10.1.
/// Its list of bad words is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct C4 {
    /// Fewest sentences in lines that count.
    pub sentences_min: u64,
    /// Fewest words of a line that counts, as white space divides them.
    pub line_words_min: u64,
    /// Most characters of a word in a line that counts.
    pub word_chars_max: u64,
    /// Whether a line counts only if it ends with the end of a sentence or a straight quote, and not with `...`.
    pub terminal_punctuation: bool,
    /// Whether `[1]`, `[edit]` and `[citation needed]` are passed over.
    pub citations: bool,
    /// Whether a page with "lorem ipsum" is left out.
    pub lorem_ipsum: bool,
    /// Whether a page with `{` is left out.
    pub curly_bracket: bool,
    /// Whether a line with "javascript" does not count.
    pub javascript: bool,
    /// Whether a line about cookies, privacy or terms of use does not count.
    pub policy: bool,
}

impl Default for C4 {
    fn default() -> C4 {
        C4 {
            sentences_min: 5,
            line_words_min: 3,
            word_chars_max: 1000,
            terminal_punctuation: true,
            citations: true,
            lorem_ipsum: true,
            curly_bracket: true,
            javascript: true,
            policy: true,
        }
    }
}

const POLICY: [&str; 6] = ["terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"];

impl C4 {
    /// The first limit that `text` does not keep.
    pub fn check(&self, text: &str, writing: Writing) -> Option<Measure> {
        let phrases = may_have_phrases(text);
        let curly = memchr::memchr(b'{', text.as_bytes()).is_some();
        let cited = self.citations && memchr::memchr(b'[', text.as_bytes()).is_some();
        let mut found = 0;
        for line in lines(text).map(trim) {
            let Some(line) = self.counted(line, writing, cited) else { continue };
            let says = |phrase| phrases && contains(&line, phrase);
            if self.lorem_ipsum && says("lorem ipsum") {
                return more("c4/lorem-ipsum", 1, 0);
            }
            if self.javascript && says("javascript") {
                continue;
            }
            if self.curly_bracket && curly && line.contains('{') {
                return more("c4/curly-bracket", 1, 0);
            }
            if self.policy && phrases && POLICY.iter().any(|p| says(p)) {
                continue;
            }
            found += if writing.unpunctuated { line.split(is_space).filter(|p| !p.is_empty()).count() as u64 } else { sentences(&line) };
        }
        fewer("c4/sentences", found, self.sentences_min)
    }

    /// The line without citations, if its words and its end let it count.
    fn counted<'a>(&self, line: &'a str, writing: Writing, cited: bool) -> Option<Cow<'a, str>> {
        let words = || line.split(separates).filter(|word| !word.is_empty());
        let asked = !writing.is_unspaced();
        if asked && line.len() as u64 > self.word_chars_max && words().any(|word| count(word) > self.word_chars_max) {
            return None;
        }
        let without = if cited { without_citations(line) } else { Cow::Borrowed(line) };
        let ended = || (ends_sentence(&without) && !without.ends_with("...")) || without.ends_with(['"', '\'']);
        if self.terminal_punctuation && !writing.unpunctuated && !ended() {
            return None;
        }
        let few = asked && (words().take(self.line_words_min as usize).count() as u64) < self.line_words_min;
        (!few).then_some(without)
    }
}

/// Sentences of a line: one, and one more for each end that a letter or a number follows.
///
/// An end is a run of terminal marks with the quotes and brackets behind it. One of ASCII also needs white space after it,
/// and a full stop ends nothing after a single letter ("J. Smith", "p.m."), after a title or a month, or if it is one of several ("...").
pub fn sentences(line: &str) -> u64 {
    let (mut found, mut rest) = (1, line);
    while let Some(at) = next_end(rest) {
        let behind = rest[at..].trim_start_matches(is_terminal);
        let end = &rest[at..rest.len() - behind.len()];
        let gap = behind.trim_start_matches(|c: char| !c.is_alphanumeric() && !is_space(c));
        let next = gap.trim_start_matches(|c: char| !c.is_alphanumeric());
        let divided = !end.is_ascii() || gap.starts_with(is_space);
        let ends = if end == "." { !abbreviates(&rest[..at]) } else { end.contains(|c| c != '.') };
        let ends = divided && ends && !next.is_empty();
        found += u64::from(ends);
        rest = if ends { next } else { behind };
    }
    found
}

/// The first terminal mark of `line`.
fn next_end(line: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let may = |b: &u8| !b.is_ascii() || matches!(b, b'.' | b'!' | b'?');
        from += line.as_bytes()[from..].iter().position(may)?;
        let c = line[from..].chars().next()?;
        if is_terminal(c) {
            return Some(from);
        }
        from += c.len_utf8();
    }
}

/// Whether a full stop behind `before` belongs to an abbreviation.
fn abbreviates(before: &str) -> bool {
    let known = ["Mr", "Mrs", "Ms", "Dr", "St", "Prof", "Jr", "Inc", "Ltd", "Co", "vs", "Jan", "Feb", "Aug", "Sept", "Oct", "Nov", "Dec"];
    let word = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let mut letters = word.chars();
    let single = letters.next().is_some_and(char::is_alphabetic) && letters.next().is_none();
    single || known.contains(&word)
}

/// `line` without numbers in square brackets, `[edit]` and `[citation needed]`.
fn without_citations(line: &str) -> Cow<'_, str> {
    let (mut kept, mut rest) = (String::new(), line);
    let mut from = 0;
    while let Some(at) = rest[from..].find('[').map(|at| from + at) {
        let inside = &rest[at + 1..];
        let word = ["edit", "citation needed"].iter().find_map(|word| inside.strip_prefix(word));
        match word.unwrap_or_else(|| inside.trim_start_matches(char::is_numeric)).strip_prefix(']') {
            Some(behind) => {
                kept.push_str(&rest[..at]);
                (rest, from) = (behind, 0);
            }
            None => from = at + 1,
        }
    }
    if rest.len() == line.len() { Cow::Borrowed(line) } else { Cow::Owned(kept + rest) }
}

/// Whether any of the phrases can be in `text`; only then are its lines searched for each of them.
fn may_have_phrases(text: &str) -> bool {
    let bytes = text.as_bytes();
    let around = |at: usize, before: usize, what: &str| {
        let found = at.checked_sub(before).and_then(|start| bytes.get(start..start + what.len()));
        found.is_some_and(|f| f.eq_ignore_ascii_case(what.as_bytes()))
    };
    let mut at = 0;
    while let Some(skipped) = bytes[at..].iter().position(|b| RARE[*b as usize]) {
        at += skipped;
        let found = match bytes[at].to_ascii_lowercase() {
            b'j' => around(at, 0, "javascript"),
            b'k' => around(at, 3, "cookie"),
            b'v' => around(at, 3, "privacy"),
            _ => around(at, 4, "lorem ipsum") || around(at, 3, "terms of use"),
        };
        if found {
            return true;
        }
        at += 1;
    }
    false
}

/// Rare letters of the phrases.
const RARE: [bool; 256] = bytes_of(&[b"JjKkMmVv"]);

/// Whether `phrase` is in `line`, in upper or lower case.
fn contains(line: &str, phrase: &str) -> bool {
    line.as_bytes().windows(phrase.len()).any(|w| w.eq_ignore_ascii_case(phrase.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::golden;
    use super::*;

    const REASONS: &[(&str, &str)] =
        &[("too_few_sentences", "sentences"), ("lorem_ipsum", "lorem-ipsum"), ("curly_bracket", "curly-bracket")];

    #[test]
    fn verdicts_are_those_of_datatrove() {
        // Other ends of sentences than those of ASCII; addresses that spaCy divides at `?` and `.`; and a line of abbreviations.
        let other_ends =
            ["fw-punct-ends-'。'", "fw-punct-ends-'．'", "fw-punct-ends-'।'", "fw-punct-ends-'؟'", "lang-hindi-lines", "tok-urls"];
        assert_eq!(golden::differing("c4", REASONS, |d| C4::default().check(&d.text, Writing::ENGLISH)), other_ends);
        let any_end = C4 { terminal_punctuation: false, ..Default::default() };
        assert_eq!(golden::differing("c4-noterm", REASONS, |d| any_end.check(&d.text, Writing::ENGLISH)), ["tok-urls", "tok-abbrev"]);
    }

    #[test]
    fn sentences_end_where_something_follows() {
        for (line, count) in [
            ("One. Two! Three? \"Four.\" (Five.)", 5),
            ("Dr. Smith met J. Jones at 5 p.m. in the U.S. capital.", 1),
            ("It was 3.5 percent... or more.", 1),
            ("What?! Really?", 2),
            ("天地玄黄。宇宙洪荒！「日月盈昃？」", 3),
            ("यह है। वह है।", 2),
            ("", 1),
        ] {
            assert_eq!(sentences(line), count, "{line}");
        }
    }

    #[test]
    fn citations_are_passed_over() {
        assert_eq!(without_citations("a[1] b[] c[edit].[23]"), "a b c.");
        assert_eq!(without_citations("[a] [12a] [[1]] [Edit]"), "[a] [12a] [] [Edit]");
    }

    #[test]
    fn phrases_are_found_in_either_case() {
        for phrase in ["LOREM ipsum", "JavaScript", "Terms of Use", "privacy policy", "Cookie policy"] {
            assert!(may_have_phrases(&format!("x {phrase} y")), "{phrase}");
        }
        assert!(!may_have_phrases("vim, kiwi, jam: mm"));
    }

    #[test]
    fn lines_that_do_not_count_are_not_searched() {
        let prose = "Here is a first sentence. Here is a second. A third. A fourth. And a fifth one.\n";
        let rule = |more: &str| C4::default().check(&format!("{prose}{more}"), Writing::ENGLISH).map(|m| m.rule);
        assert_eq!(rule("fn main() {"), None);
        assert_eq!(rule("A set is {1, 2} here.").as_deref(), Some("c4/curly-bracket"));
        assert_eq!(rule("This javascript is { not } read."), None);
        assert_eq!(rule("Then Lorem Ipsum follows.").as_deref(), Some("c4/lorem-ipsum"));
    }
}
