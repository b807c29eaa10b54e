//! Documents with the verdicts of datatrove 0.10.1, and prose in many scripts, for tests.
//!
//! Texts in `golden.json` and `prose.json` were written for these tests; some of the prose is from the Universal Declaration of Human
//! Rights. Verdicts and tokens were made with datatrove 0.10.1 and spaCy 3.8.18, with default parameters; `c4-noterm` is C4 without the
//! rule for line ends.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::writing::{Writing, is_terminal};
use super::{Filters, Measure};

/// A document and what datatrove makes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// Which case it is.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Words by spaCy's English tokenizer, with spaces between; none has white space in it.
    tokens: String,
    /// The reason by filter, of filters that leave it out.
    reasons: BTreeMap<String, String>,
    /// The text after addresses are replaced, if any are.
    pub replaced: Option<String>,
}

impl Document {
    /// Its words by spaCy.
    pub fn tokens(&self) -> Vec<&str> {
        self.tokens.split(' ').filter(|t| !t.is_empty()).collect()
    }
}

pub(super) fn documents() -> Vec<Document> {
    serde_json::from_str(include_str!("golden.json")).expect("documents")
}

/// Names of the documents to which `check` gives another verdict than datatrove's `filter`.
///
/// A reason of datatrove's is the first of a pair in `reasons`, and our rule the second.
pub(super) fn differing(filter: &str, reasons: &[(&str, &str)], check: impl Fn(&Document) -> Option<Measure>) -> Vec<String> {
    let ours = |d: &Document| check(d).map(|m| m.rule.split_once('/').expect("a filter and a rule").1.to_string());
    let theirs =
        |d: &Document| d.reasons.get(filter).map(|r| reasons.iter().find(|(theirs, _)| theirs == r).expect("a known reason").1.to_string());
    documents().into_iter().filter(|d| ours(d) != theirs(d)).map(|d| d.name).collect()
}

/// Prose by language: what is in `prose.json` and documents of other languages.
pub(super) fn prose() -> BTreeMap<String, String> {
    let mut prose: BTreeMap<String, String> = serde_json::from_str(include_str!("prose.json")).expect("texts");
    let documents = documents().into_iter().filter(|d| d.name.starts_with("lang-") && !d.name.ends_with("-lines"));
    prose.extend(documents.map(|d| (d.name, d.text)));
    prose
}

/// `text` with each sentence on a line, or two phrases where sentences have no mark.
pub(super) fn in_lines(text: &str) -> String {
    if Writing::of(text).unpunctuated {
        let phrases: Vec<&str> = text.split(' ').collect();
        return phrases.chunks(2).map(|pair| pair.join(" ")).collect::<Vec<_>>().join("\n");
    }
    let mut lines = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        lines.push(c);
        if is_terminal(c)
            && chars.next_if(|c| *c == ' ' || *c == '፡').is_some() | !c.is_ascii()
            && chars.peek().is_some_and(|c| c.is_alphabetic())
        {
            lines.push('\n');
        }
    }
    lines
}

/// Calls `call` with each of the filters alone.
pub(super) fn each_alone(filters: &Filters, call: impl Fn(&Filters)) {
    let off = Filters::default;
    call(&Filters { length: filters.length.clone(), ..off() });
    call(&Filters { gopher_quality: filters.gopher_quality.clone(), ..off() });
    call(&Filters { gopher_repetition: filters.gopher_repetition.clone(), ..off() });
    call(&Filters { c4: filters.c4.clone(), ..off() });
    call(&Filters { fineweb: filters.fineweb.clone(), ..off() });
    call(&Filters { lines: filters.lines.clone(), ..off() });
    call(&Filters { language: filters.language.clone(), ..off() });
    call(&Filters { personal_data: filters.personal_data.clone(), ..off() });
}
