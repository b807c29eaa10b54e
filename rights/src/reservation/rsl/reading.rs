//! From the XML of a licence file to what it says about training.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{Content, Finding, Rsl, Scope};

/// The namespace by which a file is known; media types are not relied on (section 2.2).
pub(super) const NAMESPACE: &str = "https://rslstandard.org/rsl";

/// Elements and those that they are inside of.
const ELEMENTS: [(&str, &str); 15] = [
    ("content", "rsl"),
    ("license", "content"),
    ("alternate", "content"),
    ("schema", "content"),
    ("copyright", "content"),
    ("terms", "content"),
    ("permits", "license"),
    ("prohibits", "license"),
    ("payment", "license"),
    ("reporting", "license"),
    ("legal", "license"),
    ("standard", "payment"),
    ("custom", "payment"),
    ("amount", "payment"),
    ("accepts", "payment"),
];

/// Uses that are training or include it, and those that are not.
const TRAINING: [&str; 3] = ["ai-train", "ai-all", "all"];
const OTHERS: [&str; 3] = ["ai-input", "ai-index", "search"];

/// What a licence asks for.
#[derive(Clone, Debug, Default)]
struct Licence {
    prohibited: bool,
    /// Whether training is in the list of permitted uses, if there is one.
    permitted: Option<bool>,
    paid: bool,
    /// Whether a payment has no type: it is free unless it says more.
    untyped: bool,
    /// Whether there is a condition that a person has to judge.
    conditional: bool,
}

impl Licence {
    fn finding(&self) -> Finding {
        match self.permitted {
            _ if self.prohibited || self.paid => Finding::Reserves,
            // Where some uses are listed, no other is permitted (section 3.5).
            Some(false) => Finding::Reserves,
            Some(true) if !self.conditional => Finding::Permits,
            _ => Finding::Unknown,
        }
    }
}

/// A reader of elements with one prefix. What other prefixes and namespaces have inside of them is passed over.
#[derive(Default)]
struct Reading {
    prefix: Vec<u8>,
    started: bool,
    open: Vec<&'static str>,
    /// How many elements are open that are passed over.
    foreign: usize,
    contents: Vec<Content>,
    scope: Scope,
    /// Whether a licence server has to be asked.
    server: bool,
    licences: Vec<Licence>,
    licence: Licence,
    /// The words of a list, and whether they are uses.
    list: String,
    of_usage: bool,
    damaged: bool,
}

/// Reads a file.
pub(super) fn read(text: &str) -> Rsl {
    let mut reading = Reading::default();
    let whole = reading.read(text).is_some();
    // The part before the damage still reserves.
    while let Some(element) = reading.open.pop() {
        reading.close(element);
    }
    Rsl { contents: reading.contents, damaged: reading.damaged || !whole }
}

impl Reading {
    /// Reads all; `None` if it is not XML, or another document.
    fn read(&mut self, text: &str) -> Option<()> {
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim_start());
        reader.config_mut().expand_empty_elements = true;
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    if self.foreign > 0 || !self.start(&tag)? {
                        self.foreign += 1;
                    }
                }
                Event::End(_) if self.foreign > 0 => self.foreign -= 1,
                Event::End(_) => {
                    let element = self.open.pop()?;
                    self.close(element);
                }
                Event::Text(text) => self.text(&text),
                Event::CData(text) => self.text(&text),
                // The words of lists need no entities.
                Event::GeneralRef(_) => self.damaged |= self.is_in_list(),
                Event::DocType(_) => return None,
                Event::Eof => return (self.started && self.open.is_empty() && self.foreign == 0).then_some(()),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    /// Opens an element; whether it is one of RSL. `None` if the document is another.
    fn start(&mut self, tag: &BytesStart<'_>) -> Option<bool> {
        let (local, prefix) = tag.name().decompose();
        let (local, prefix) = (local.into_inner(), prefix.map_or(&b""[..], |prefix| prefix.into_inner()));
        let declaration = if prefix.is_empty() { b"xmlns".to_vec() } else { [b"xmlns:", prefix].concat() };
        let namespace = attribute(tag, &declaration);
        let Some(parent) = self.open.last().copied() else {
            if self.started || local != b"rsl" {
                return None;
            }
            (self.started, self.prefix) = (true, prefix.to_vec());
            self.damaged = namespace.as_deref() != Some(NAMESPACE);
            self.open.push("rsl");
            return Some(true);
        };
        if prefix != self.prefix || namespace.as_deref().is_some_and(|name| name != NAMESPACE) {
            // An element that comes to RSL by a prefix of its own is not read, so it must not count as absent.
            self.damaged |= namespace.as_deref() == Some(NAMESPACE);
            return Some(false);
        }
        let known = ELEMENTS.into_iter().find(|(name, within)| name.as_bytes() == local && *within == parent);
        let Some((element, _)) = known else {
            self.damaged = true;
            return Some(false);
        };
        match element {
            "content" => {
                self.scope = Scope::of(attribute(tag, b"url").as_deref());
                self.server = attribute(tag, b"server").is_some();
                self.licences.clear();
            }
            "license" => self.licence = Licence::default(),
            "permits" | "prohibits" => {
                self.list.clear();
                self.of_usage = attribute(tag, b"type").as_deref() == Some("usage");
            }
            "payment" => match attribute(tag, b"type").as_deref().map(str::trim) {
                None => self.licence.untyped = true,
                Some("free") => {}
                Some("attribution") => self.licence.conditional = true,
                Some(_) => self.licence.paid = true,
            },
            "standard" | "custom" | "amount" | "accepts" if self.licence.untyped => self.licence.paid = true,
            "standard" | "custom" | "amount" | "accepts" | "reporting" => self.licence.conditional = true,
            _ => {}
        }
        self.open.push(element);
        Some(true)
    }

    fn close(&mut self, element: &str) {
        // Version 0.9 had commas between the words.
        let words = || self.list.split([' ', '\t', '\r', '\n', ',']).filter(|word| !word.is_empty());
        let is_any = |word: &str, of: &[&str]| of.iter().any(|token| word.eq_ignore_ascii_case(token));
        match element {
            // Whether users and countries are those that are named is not known here.
            "permits" | "prohibits" if !self.of_usage => self.licence.conditional = true,
            "permits" => {
                let permitted = words().any(|word| is_any(word, &TRAINING));
                // There is to be one list.
                self.licence.conditional |= self.licence.permitted.is_some();
                self.licence.permitted = Some(permitted);
            }
            "prohibits" => {
                let prohibited = words().any(|word| is_any(word, &TRAINING));
                let unknown = words().any(|word| !is_any(word, &TRAINING) && !is_any(word, &OTHERS));
                self.licence.prohibited |= prohibited;
                self.licence.conditional |= unknown;
            }
            "license" => self.licences.push(std::mem::take(&mut self.licence)),
            "content" => {
                // Licences beside each other are choices, but none of them lifts a prohibition.
                let prohibited = self.licences.iter().any(|licence| licence.prohibited);
                let best = self.licences.iter().map(Licence::finding).min().unwrap_or(Finding::Unknown);
                let finding = if prohibited { Finding::Reserves } else { best };
                let finding = if self.server { finding.max(Finding::Unknown) } else { finding };
                self.contents.push(Content { scope: std::mem::take(&mut self.scope), finding });
            }
            _ => {}
        }
    }

    fn is_in_list(&self) -> bool {
        self.foreign == 0 && matches!(self.open.last(), Some(&("permits" | "prohibits")))
    }

    fn text(&mut self, text: &[u8]) {
        if self.is_in_list() {
            self.list.push_str(&String::from_utf8_lossy(text));
        }
    }
}

/// The value of an attribute; `None` if there is none that can be read.
fn attribute(tag: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    let attribute = tag.try_get_attribute(name).ok()??;
    Some(attribute.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
}
