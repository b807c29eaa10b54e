//! Which field of a row is what.

/// Names of fields or columns; where none is given, the usual ones are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The text.
    pub text: Option<String>,
    /// What is asked, of which nothing is learned.
    pub prompt: Option<String>,
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
    Prompt,
    Answer,
    Licence,
    Origin,
    Id,
}

/// Number of slots.
pub(super) const SLOTS: usize = 6;

/// The usual names, the likeliest first.
const USUAL: [(Slot, &[&str]); SLOTS] = [
    (Slot::Text, &["text", "content", "body", "raw_content", "document", "markdown", "code"]),
    (Slot::Prompt, &["prompt", "question", "instruction"]),
    (Slot::Answer, &["answer", "completion", "response", "output"]),
    (Slot::Licence, &["licence", "license"]),
    (Slot::Origin, &["source", "url", "origin"]),
    (Slot::Id, &["id"]),
];

impl Columns {
    fn given(&self, slot: Slot) -> Option<&str> {
        match slot {
            Slot::Text => &self.text,
            Slot::Prompt => &self.prompt,
            Slot::Answer => &self.answer,
            Slot::Licence => &self.licence,
            Slot::Origin => &self.origin,
            Slot::Id => &self.id,
        }
        .as_deref()
    }

    /// What the field `name` is, and how likely: of two fields for one slot that with the smaller number is taken.
    pub(super) fn slot(&self, name: &str) -> Option<(Slot, usize)> {
        // A row has few fields and a slot few names: comparing lengths and first bytes is what a comparison of strings does.
        USUAL.iter().find_map(|(slot, usual)| match self.given(*slot) {
            Some(given) => (given == name).then_some((*slot, 0)),
            None => usual.iter().position(|u| *u == name).map(|rank| (*slot, rank)),
        })
    }

    /// The names that a text may have, for messages.
    pub(super) fn expected(&self) -> String {
        let names = |slot: Slot| match self.given(slot) {
            Some(given) => format!("{given:?}"),
            None => USUAL.iter().find(|(s, _)| *s == slot).map_or(String::new(), |(_, usual)| usual.join(", ")),
        };
        format!("one of the fields {}, or one of {} with one of {}", names(Slot::Text), names(Slot::Prompt), names(Slot::Answer))
    }
}
