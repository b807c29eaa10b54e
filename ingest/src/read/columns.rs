//! Which field of a row is what.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::RwLock;

use super::problem::{Code, Refusal};

/// Names of fields or columns; where none is given, the usual ones are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The text.
    pub text: Option<String>,
    /// What the answerer is told before, of which nothing is learned.
    pub system: Option<String>,
    /// What is asked, of which nothing is learned.
    pub prompt: Option<String>,
    /// What is asked about, of which nothing is learned.
    pub input: Option<String>,
    /// What is answered.
    pub answer: Option<String>,
    /// The SPDX expression.
    pub licence: Option<String>,
    /// Where the text comes from.
    pub origin: Option<String>,
    /// The row's id.
    pub id: Option<String>,
}

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Text,
    System,
    Prompt,
    Input,
    Answer,
    /// A conversation, or the answers of a preference pair: known, and not read yet.
    Chat,
    Licence,
    Origin,
    Id,
    /// Who wrote it.
    Person,
}

/// Number of slots.
pub(super) const SLOTS: usize = 10;

/// The usual names, the likeliest first.
const USUAL: [(Slot, &[&str]); SLOTS] = [
    (Slot::Text, &["text", "content", "body", "raw_content", "document", "markdown", "code"]),
    (Slot::System, &["system", "system_prompt"]),
    (Slot::Prompt, &["prompt", "question", "instruction"]),
    (Slot::Input, &["input", "context"]),
    (Slot::Answer, &["answer", "completion", "response", "output"]),
    (Slot::Chat, &["messages", "conversations", "conversation", "chosen"]),
    (Slot::Licence, &["licence", "license"]),
    (Slot::Origin, &["source", "url", "origin"]),
    (Slot::Id, &["id"]),
    (Slot::Person, &["author", "username", "user_name", "user", "speaker", "name"]),
];

/// The parts of a prompt, in their order in it.
pub(super) const PROMPT: [Slot; 3] = [Slot::System, Slot::Prompt, Slot::Input];

impl Columns {
    fn given(&self, slot: Slot) -> Option<&str> {
        match slot {
            Slot::Text => &self.text,
            Slot::System => &self.system,
            Slot::Prompt => &self.prompt,
            Slot::Input => &self.input,
            Slot::Answer => &self.answer,
            Slot::Chat | Slot::Person => &None,
            Slot::Licence => &self.licence,
            Slot::Origin => &self.origin,
            Slot::Id => &self.id,
        }
        .as_deref()
    }

    /// What the field `name` is, and how likely: of two fields for one slot that with the smaller number is taken.
    pub(super) fn slot(&self, name: &str) -> Option<(Slot, usize)> {
        // A row has few fields and a slot few names: comparing lengths and first bytes is what a comparison of strings does.
        if let Some(rank) = self.says_licence(name) {
            return Some((Slot::Licence, rank));
        }
        USUAL.iter().filter(|(slot, _)| *slot != Slot::Licence).find_map(|(slot, usual)| match self.given(*slot) {
            Some(given) => (given == name).then_some((*slot, 0)),
            // A text that is named is all of the document, and so are a prompt and its answer.
            None if self.text.is_some() && (PROMPT.contains(slot) || *slot == Slot::Answer) => None,
            None if self.prompt.is_some() && *slot == Slot::Text => None,
            None => usual.iter().position(|u| *u == name).map(|rank| (*slot, rank)),
        })
    }

    /// Whether a field says something of the licence, whatever else is named for that: all of them count.
    fn says_licence(&self, name: &str) -> Option<usize> {
        if self.licence.as_deref() == Some(name) {
            return Some(0);
        }
        // Few names have this in them, and nearly none of other things.
        let has = |word: &[u8]| name.len() >= word.len() && name.as_bytes().windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
        (has(b"licen") && (has(b"license") || has(b"licence"))).then_some(1)
    }

    /// The names that a text may have, for messages.
    pub(super) fn expected(&self) -> String {
        let names = |slot: Slot| match self.given(slot) {
            Some(given) => format!("{given:?}"),
            None => USUAL.iter().find(|(s, _)| *s == slot).map_or(String::new(), |(_, usual)| usual.join(", ")),
        };
        let prompts = PROMPT.map(names).join(", ");
        format!("one of the fields {}, or one of {prompts} with one of {}", names(Slot::Text), names(Slot::Answer))
    }

    /// Whether some column of a table may be a text, or a part of a prompt.
    pub(super) fn check<S: AsRef<str>>(&self, names: &[S]) -> Result<(), Refusal> {
        let found: Vec<(Slot, usize)> = names.iter().filter_map(|f| self.slot(f.as_ref())).collect();
        if let Some(i) = (1..found.len()).find(|i| found[*i].0 != Slot::Licence && found[..*i].contains(&found[*i])) {
            let name = names.iter().find(|f| self.slot(f.as_ref()) == Some(found[i])).map_or("", AsRef::as_ref);
            return Err(Refusal::new(Code::BadField, format!("the column {name:?} stands twice")));
        }
        let has = |slot: Slot| found.iter().any(|(other, _)| *other == slot);
        if has(Slot::Text) || PROMPT.into_iter().any(has) && has(Slot::Answer) {
            return Ok(());
        }
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).take(64).collect();
        Err(Refusal::new(Code::NoText, format!("{}; found the columns {names:?}", self.missing(has))))
    }

    /// The columns of a table that are not read.
    pub(super) fn unused<'n, S: AsRef<str>>(&self, names: &'n [S]) -> impl Iterator<Item = &'n str> {
        let slots: Vec<Option<(Slot, usize)>> = names.iter().map(|f| self.slot(f.as_ref())).collect();
        let has_text = slots.iter().flatten().any(|(slot, _)| *slot == Slot::Text);
        let read = move |i: usize| {
            let Some((slot, rank)) = slots[i] else { return false };
            let likeliest = slots.iter().flatten().all(|(other, r)| *other != slot || *r >= rank);
            let of_text = PROMPT.contains(&slot) || slot == Slot::Answer;
            (likeliest || slot == Slot::Licence) && slot != Slot::Chat && !(has_text && of_text)
        };
        names.iter().enumerate().filter(move |(i, _)| !read(*i)).map(|(_, name)| name.as_ref())
    }

    /// What fields are missing; `found` are the slots that there are.
    pub(super) fn missing(&self, found: impl Fn(Slot) -> bool) -> String {
        if found(Slot::Chat) {
            return "a conversation or a preference pair, which are not read yet: make of each a row with the fields prompt and answer, or with one \
                    field text"
                .into();
        }
        if PROMPT.iter().any(|slot| found(*slot)) || found(Slot::Answer) {
            let half = if found(Slot::Answer) { "an answer without a prompt" } else { "a prompt without an answer" };
            return format!(
                "expected {}, found {half}; name them with --prompt-column and --answer-column, or one with --text-column",
                self.expected()
            );
        }
        match &self.text {
            Some(name) => format!("expected text in the field {name:?}, found none"),
            None => "expected a text or a prompt with its answer, found none; name the field with --text-column".to_string(),
        }
    }
}

/// A licence that is `said` and what was said `before` as one: what both permit is permitted, and what is no expression stays none.
pub(super) fn both<'a>(before: Option<Cow<'a, str>>, said: Cow<'a, str>) -> Cow<'a, str> {
    match before {
        Some(before) if before != said => format!("({before}) AND ({said})").into(),
        _ => said,
    }
}

/// Names of fields that are not read, so that none is dropped without a word.
#[derive(Debug, Default)]
pub(super) struct Unused(RwLock<BTreeSet<String>>);

/// Names that are remembered, and bytes of each.
const NAMES: usize = 256;
const NAME_BYTES: usize = 100;

impl Unused {
    /// Remembers a name.
    pub fn note(&self, name: &str) {
        let name = match name.char_indices().nth(NAME_BYTES) {
            Some((end, _)) => &name[..end],
            None => name,
        };
        let known = self.0.read().is_ok_and(|names| names.contains(name) || names.len() >= NAMES);
        if !known && let Ok(mut names) = self.0.write() {
            names.insert(name.to_string());
        }
    }

    pub fn names(&self) -> BTreeSet<String> {
        self.0.read().map(|names| names.clone()).unwrap_or_default()
    }
}
