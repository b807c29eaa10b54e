//! Whether a document is left out for how it is written, and what is masked in it.
//!
//! [`Filters`] is the part of a policy that says which filters are asked, all of them off by default. [`Filters::check`] gives the first rule
//! that a document does not keep, and [`PersonalData::mask`] replaces what is not to be trained on. Each filter has a file:
//!
//! - `plain`: length, repeated lines, runs of one character
//! - `gopher`, `repetition`, `c4`, `fineweb`: the filters of the papers with these names
//! - `language`: which language it is
//! - `personal`: e-mail and IP addresses, telephone and account numbers, names, secrets; `addresses`, `phones`, `accounts` and `secrets` find them
//!
//! They count `words` and `ngrams`, which `seen` compares, and ask `writing` what a script allows to be asked. All of it is integers:
//! a ratio is compared as a product, so that one at its limit passes, and every machine comes to the same verdict.

mod accounts;
mod addresses;
mod c4;
mod fineweb;
#[cfg(test)]
mod golden;
mod gopher;
mod language;
mod ngrams;
mod personal;
mod phones;
mod plain;
mod repetition;
mod secrets;
mod seen;
mod words;
mod writing;

use corpus::verdict::Measure;
use serde::{Deserialize, Serialize};

pub use c4::{C4, sentences};
pub use fineweb::FineWeb;
pub use gopher::GopherQuality;
pub use language::Language;
use language::is_english;
pub use personal::{Action, PersonalData, count, secrets_in, shown};
pub use plain::{Length, LineRepetition};
pub use repetition::GopherRepetition;
pub use words::words;
pub use writing::Writing;

/// One, in millionths.
const PPM: u64 = 1_000_000;

/// The filters that are asked; none by default, and one without parameters has those of its source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filters {
    /// Words and characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<Length>,
    /// Words and lines that are not those of prose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gopher_quality: Option<GopherQuality>,
    /// Paragraphs, lines and runs of words that occur again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gopher_repetition: Option<GopherRepetition>,
    /// Code, filler text, and too few sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub c4: Option<C4>,
    /// Lines of lists and menus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fineweb: Option<FineWeb>,
    /// Lines that occur again, and runs of one character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<LineRepetition>,
    /// Languages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Addresses, numbers and secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_data: Option<PersonalData>,
}

impl Filters {
    /// Whether none is asked.
    pub fn is_empty(&self) -> bool {
        *self == Filters::default()
    }

    /// The text without the names of `person` that are to be masked, and how many; none if there were none.
    ///
    /// # Errors
    /// The number of names, if documents with one are left out.
    pub fn mask_names(&self, text: &str, person: &str) -> Result<Option<(String, u64)>, u64> {
        self.personal_data.as_ref().map_or(Ok(None), |p| p.mask_names(text, person))
    }

    /// The text without the personal data that is to be masked, and how many pieces were; none if there were none.
    pub fn mask(&self, text: &str) -> Option<(String, u64)> {
        self.personal_data.as_ref().and_then(|p| p.mask(text))
    }

    /// The first rule that leaves `text` out, in the order of the filters; none if it stays.
    pub fn check(&self, text: &str) -> Option<Measure> {
        let of_words = self.gopher_quality.is_some() || self.gopher_repetition.is_some() || self.fineweb.is_some();
        let words = if of_words || self.length.is_some() { words(text) } else { Vec::new() };
        let writing = if of_words || self.c4.is_some() { Writing::of(text) } else { Writing::ENGLISH };
        let asked = |found: Option<Option<Measure>>| found.flatten();
        None.or_else(|| asked(self.length.as_ref().map(|f| f.check(text, &words))))
            .or_else(|| asked(self.gopher_quality.as_ref().map(|f| f.check(text, &words, writing, || is_english(text)))))
            .or_else(|| asked(self.gopher_repetition.as_ref().map(|f| f.check(text, &words, writing))))
            .or_else(|| asked(self.c4.as_ref().map(|f| f.check(text, writing))))
            .or_else(|| asked(self.fineweb.as_ref().map(|f| f.check(text, &words, writing))))
            .or_else(|| asked(self.lines.as_ref().map(|f| f.check(text))))
            .or_else(|| asked(self.language.as_ref().map(|f| f.check(text))))
            .or_else(|| asked(self.personal_data.as_ref().map(|f| f.check(text))))
    }
}

/// `rule` if `part` of `whole` is more than `limit`.
///
/// The measure is rounded up, so that it is above its limit; a part of nothing counts as one of one.
fn above(rule: &str, part: u64, whole: u64, limit: u64) -> Option<Measure> {
    let parts = u128::from(part) * u128::from(PPM);
    let measured = || u64::try_from(parts.div_ceil(u128::from(whole.max(1)))).unwrap_or(u64::MAX);
    (parts > u128::from(limit) * u128::from(whole)).then(|| Measure { rule: rule.to_string(), measured: measured(), limit })
}

/// `rule` if `part` of `whole` is less than `limit`; the measure is rounded down.
fn below(rule: &str, part: u64, whole: u64, limit: u64) -> Option<Measure> {
    let parts = u128::from(part) * u128::from(PPM);
    let measured = || u64::try_from(parts / u128::from(whole.max(1))).unwrap_or(u64::MAX);
    (parts < u128::from(limit) * u128::from(whole)).then(|| Measure { rule: rule.to_string(), measured: measured(), limit })
}

/// `rule` if there are more than `most`.
fn more(rule: &str, count: u64, most: u64) -> Option<Measure> {
    (count > most).then(|| counted(rule, count, most))
}

/// `rule` if there are fewer than `least`.
fn fewer(rule: &str, count: u64, least: u64) -> Option<Measure> {
    (count < least).then(|| counted(rule, count, least))
}

/// Which bytes are in one of `lists`, by their value.
const fn bytes_of(lists: &[&[u8]]) -> [bool; 256] {
    let mut among = [false; 256];
    let mut list = 0;
    while list < lists.len() {
        let mut i = 0;
        while i < lists[list].len() {
            among[lists[list][i] as usize] = true;
            i += 1;
        }
        list += 1;
    }
    among
}

fn counted(rule: &str, count: u64, limit: u64) -> Measure {
    Measure { rule: rule.to_string(), measured: count.saturating_mul(PPM), limit: limit.saturating_mul(PPM) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All filters with the parameters of their sources; those for personal data change nothing then.
    fn all() -> Filters {
        let sections = ["length", "gopher_quality", "gopher_repetition", "c4", "fineweb", "lines", "language", "personal_data"];
        let text = sections.map(|s| format!("\"{s}\": {{}}")).join(", ");
        serde_json::from_str(&format!("{{{text}}}")).expect("sections without parameters")
    }

    #[test]
    fn no_filter_is_asked_by_default() {
        let filters: Filters = serde_json::from_str("{}").expect("no sections");
        assert_eq!(filters, Filters::default());
        assert_eq!(filters.check(""), None);
        assert_eq!(filters.check("{ lorem ipsum ".repeat(1000).as_str()), None);
        assert_eq!(serde_json::to_string(&filters).expect("serializes"), "{}");
    }

    #[test]
    fn a_section_alone_has_the_parameters_of_its_source() {
        let filters = all();
        assert_eq!(filters.gopher_quality, Some(GopherQuality::default()));
        assert_eq!(filters.personal_data, Some(PersonalData::default()));
        let text = serde_json::to_string(&filters).expect("serializes");
        assert_eq!(serde_json::from_str::<Filters>(&text).expect("reads"), filters);
    }

    #[test]
    fn unknown_sections_and_parameters_are_refused() {
        for text in [
            r#"{"gopher": {}}"#,
            r#"{"c4": {"sentences": 3}}"#,
            r#"{"personal_data": {"email": "hide"}}"#,
            r#"{"length": {"words_min": 0.5}}"#,
        ] {
            assert!(serde_json::from_str::<Filters>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prose_in_any_script_passes_every_default() {
        for (name, text) in golden::prose() {
            assert_eq!(all().check(&text), None, "{name}");
        }
    }

    #[test]
    fn prose_with_a_sentence_on_each_line_passes_in_any_script() {
        for (name, text) in golden::prose() {
            assert_eq!(all().check(&golden::in_lines(&text)), None, "{name}");
        }
    }

    #[test]
    fn the_first_filter_that_leaves_a_document_out_names_it() {
        let rule = |filters: &Filters, text: &str| filters.check(text).map(|m| m.rule);
        let mut filters = all();
        assert_eq!(rule(&filters, "").as_deref(), Some("length/words-min"));
        filters.length = None;
        assert_eq!(rule(&filters, "").as_deref(), Some("gopher-quality/words-min"));
        filters.gopher_quality = None;
        assert_eq!(rule(&filters, "").as_deref(), Some("gopher-repetition/empty"));
        filters.gopher_repetition = None;
        assert_eq!(rule(&filters, "").as_deref(), Some("c4/sentences"));
        filters.c4 = None;
        assert_eq!(rule(&filters, "").as_deref(), Some("fineweb/empty"));
        filters.fineweb = None;
        assert_eq!(rule(&filters, ""), None);
    }

    #[test]
    fn a_ratio_at_its_limit_passes() {
        assert_eq!(above("r", 1, 10, 100_000), None);
        assert_eq!(below("r", 1, 10, 100_000), None);
        let measure = |measured, limit| Some(Measure { rule: "r".into(), measured, limit });
        assert_eq!(above("r", 1, 3, 333_333), measure(333_334, 333_333));
        assert_eq!(below("r", 1, 3, 333_334), measure(333_333, 333_334));
        assert_eq!(above("r", u64::MAX, 1, 1), measure(u64::MAX, 1));
        assert_eq!(above("r", 0, 0, 0), None);
        assert_eq!(below("r", 0, 0, 1), None);
        assert_eq!((more("r", 5, 5), fewer("r", 5, 5)), (None, None));
    }

    #[test]
    fn no_text_makes_a_filter_panic() {
        let parts = [
            "a",
            "#",
            "...",
            "…",
            "-",
            "\n",
            "\r\n",
            " ",
            "é",
            "漢",
            "ก",
            "[1]",
            "[",
            "{",
            ".",
            "。",
            "\"",
            "@x.yz",
            "8.8.8.8",
            "+49 30 123456789",
            "(415) 555-0132",
            "2606:4700::1",
            "-----BEGIN PRIVATE KEY-----",
            "AKIA",
            "ghp_",
            "xoxb-",
            "\u{301}",
            "😀",
        ];
        let mut filters = all();
        filters.personal_data =
            Some(PersonalData { email: Action::Mask, ip: Action::Mask, phone: Action::Mask, account: Action::Mask, name: Action::Mask });
        let mut state = 11u64;
        for length in (0..3000).map(|i| i % 40) {
            let mut text = String::new();
            for _ in 0..length {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(parts[(state >> 33) as usize % parts.len()]);
            }
            golden::each_alone(&filters, |f| drop(f.check(&text)));
        }
    }
}
