//! YAML, as far as cards of datasets need it: mappings, lists and scalars as they are written.
//!
//! Scalars stay text: `no` is not turned into a truth value, nor `1.0` into a number. Copies that aliases ask for are counted, so that a few lines
//! do not become gigabytes.
//!
//! Source: <https://yaml.org/spec/1.2.2/>.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Yaml {
    /// A scalar as it is written, without its quotes; an empty one is `Null`.
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
    Null,
}

/// Most values of a text, copies by aliases included.
const VALUES: usize = 50_000;
/// Deepest nesting.
const DEPTH: usize = 32;

impl Yaml {
    /// The value of the first document in `text`.
    ///
    /// # Errors
    /// Where it is no YAML, or is too large.
    pub fn parse(text: &str) -> Result<Yaml, String> {
        let mut builder = Builder { parser: Parser::new_from_str(text), anchors: HashMap::new(), left: VALUES };
        loop {
            match builder.next()? {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd | Event::DocumentEnd => return Ok(Yaml::Null),
                event => return builder.value(event, 0),
            }
        }
    }

    /// The value under a name, if this is a mapping that has it.
    pub fn get(&self, name: &str) -> Option<&Yaml> {
        match self {
            Yaml::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value).filter(|value| **value != Yaml::Null),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Yaml::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The texts of a list, or of one text.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Yaml::Text(text) => vec![text],
            Yaml::List(list) => list.iter().filter_map(Yaml::text).collect(),
            _ => Vec::new(),
        }
    }

    fn size(&self) -> usize {
        1 + match self {
            Yaml::List(list) => list.iter().map(Yaml::size).sum(),
            Yaml::Map(members) => members.iter().map(|(_, value)| 1 + value.size()).sum(),
            _ => 0,
        }
    }
}

struct Builder<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: HashMap<usize, Yaml>,
    left: usize,
}

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<Event<'t>, String> {
        match self.parser.next_event() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(e)) => Err(e.to_string()),
            None => Ok(Event::StreamEnd),
        }
    }

    fn take(&mut self, values: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(values).ok_or_else(|| format!("more than {VALUES} values"))?;
        Ok(())
    }

    fn value(&mut self, event: Event<'t>, depth: usize) -> Result<Yaml, String> {
        if depth > DEPTH {
            return Err(format!("more than {DEPTH} levels"));
        }
        self.take(1)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let null = style == saphyr_parser::ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                (if null { Yaml::Null } else { Yaml::Text(text.into_owned()) }, anchor)
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().ok_or("an alias of nothing")?;
                self.take(value.size())?;
                (value, 0)
            }
            Event::SequenceStart(anchor, _) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        Event::StreamEnd => return Err("a list that does not end".into()),
                        event => list.push(self.value(event, depth + 1)?),
                    }
                }
                (Yaml::List(list), anchor)
            }
            Event::MappingStart(anchor, _) => {
                let mut members = Vec::new();
                loop {
                    let key = match self.next()? {
                        Event::MappingEnd => break,
                        Event::StreamEnd => return Err("a mapping that does not end".into()),
                        event => self.value(event, depth + 1)?,
                    };
                    let event = self.next()?;
                    let value = self.value(event, depth + 1)?;
                    let Yaml::Text(key) = key else { continue };
                    if members.iter().any(|(other, _)| *other == key) {
                        return Err(format!("the name {key:?} stands twice"));
                    }
                    members.push((key, value));
                }
                (Yaml::Map(members), anchor)
            }
            other => return Err(format!("expected a value, found {other:?}")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_licence_is_read_as_it_is_written() {
        for (text, expected) in [
            ("license: mit # my own", vec!["mit"]),
            ("license: 'cc-by-nc-4.0'", vec!["cc-by-nc-4.0"]),
            ("license: [mit, \"apache-2.0\"]", vec!["mit", "apache-2.0"]),
            ("license:\n  - mit\n  - cc-by-4.0\n", vec!["mit", "cc-by-4.0"]),
            ("license:\n- no\n", vec!["no"]),
            ("license: >-\n  cc-by-nc-4.0\n", vec!["cc-by-nc-4.0"]),
            ("a: &x mit\nlicense: *x", vec!["mit"]),
            ("license: ~", vec![]),
        ] {
            let yaml = Yaml::parse(text).unwrap();
            assert_eq!(yaml.get("license").map(Yaml::texts).unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn bombs_and_broken_texts_are_errors() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
        for i in 1..12 {
            let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb += &format!("a{i}: &a{i} [{aliases}]\n");
        }
        assert!(Yaml::parse(&bomb).unwrap_err().contains("values"));
        assert!(Yaml::parse(&"[".repeat(1000)).is_err());
        assert!(Yaml::parse("license: [mit").is_err());
        assert!(Yaml::parse("license: mit\nlicense: cc-by-nc-4.0").unwrap_err().contains("twice"));
        assert_eq!(Yaml::parse(""), Ok(Yaml::Null));
    }
}
