//! Reads a `pain.001.001.09` file again and compares it with the books, before anybody signs it.
//!
//! The checker shares no code with the writer but the rules for accounts, characters and dates: it sees bytes, as the bank
//! does. It reports every fault by a named [`Rule`], with the place, what was expected and what was found.
//!
//! ISO's own schema is checked by `tests/xsd.py`; this module knows only the part of it that we write, and more about it.

use std::collections::HashMap;

use super::xml::{Node, Xml, XmlError, shown};

mod decimal;
mod rule;
mod schema;
mod transfer;
mod values;

pub use rule::{Fault, MAX_FAULTS, Report, Rule};
use schema::{Child, Content, DOCUMENT, Element, LEAVES, Leaf, TRANSFER};

/// Bytes of a file that are read at most: about a million transfers have 500 MiB.
pub const MAX_BYTES: u64 = 1 << 32;

/// Elements that are open at once at most; ours are 9 deep.
const MAX_DEPTH: usize = 32;

/// What the books say the file should hold.
#[derive(Clone, Debug)]
pub struct Expectation<'a> {
    /// The message's identifier, if it is known.
    pub message_id: Option<&'a str>,
    /// The account that is debited.
    pub debtor_iban: &'a str,
    /// Of all amounts.
    pub currency: &'a str,
    /// Digits after the point of `currency`.
    pub exponent: u8,
    /// In any order.
    pub transfers: Vec<ExpectedTransfer<'a>>,
}

/// One payment of the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedTransfer<'a> {
    /// Its end-to-end id.
    pub reference: &'a str,
    /// Minor units.
    pub amount_minor: i128,
    /// The payee's account.
    pub iban: &'a str,
    /// The payee's name.
    pub name: &'a str,
}

/// Checks `bytes` against `expected`; a clean report means that the file pays exactly what the books say.
///
/// Bytes that are no XML give one fault, and what was read before it is not compared with the books.
pub fn check(bytes: &[u8], expected: &Expectation<'_>) -> Report {
    let mut checker = Checker::new(expected);
    match Xml::open(bytes, &[super::pain001::NAMESPACE], MAX_BYTES, MAX_DEPTH).and_then(|xml| checker.read(xml)) {
        Ok(()) => checker.finish(),
        Err(e) => {
            let (rule, expected) = match e {
                XmlError::Root { .. } | XmlError::Namespace { .. } => (Rule::Namespace, "a Document of pain.001.001.09"),
                XmlError::Trailing { .. } => (Rule::SecondDocument, "one message and nothing behind it"),
                _ => (Rule::WellFormed, "well-formed XML"),
            };
            checker.report.add(rule, || "file".to_owned(), expected, &e.to_string());
        }
    }
    checker.report
}

/// An element that is open.
struct Open {
    element: &'static Element,
    /// Index of the child that came last, and bits of all that came.
    last: usize,
    seen: u32,
}

struct Checker<'e> {
    expected: &'e Expectation<'e>,
    /// Index of the payment by its reference.
    books: HashMap<&'e str, usize>,
    /// Of each payment: whether the file has it.
    paid: Vec<bool>,
    /// References that are not in the books, so that a second one is a duplicate too.
    strangers: std::collections::HashSet<String>,
    report: Report,
    open: Vec<Open>,
    /// Texts by leaf; those of a transfer are cleared behind it.
    values: [Option<String>; LEAVES],
    /// The currency of the amount that was read last.
    amount_currency: String,
    /// Sum of the amounts in 10⁻⁵ units; nothing once one of them is no number.
    sum: Option<i128>,
}

impl<'e> Checker<'e> {
    fn new(expected: &'e Expectation<'e>) -> Self {
        let mut report = Report::default();
        let mut books = HashMap::with_capacity(expected.transfers.len());
        for (i, t) in expected.transfers.iter().enumerate() {
            if books.insert(t.reference, i).is_some() {
                report.add(Rule::Books, || "books".to_owned(), "each reference once", t.reference);
            }
        }
        Checker {
            expected,
            books,
            paid: vec![false; expected.transfers.len()],
            strangers: Default::default(),
            report,
            open: Vec::new(),
            values: [const { None }; LEAVES],
            amount_currency: String::new(),
            sum: Some(0),
        }
    }

    /// Path of what is open.
    fn place(&self) -> String {
        let names = self.open.iter().skip(2).map(|o| match o.element.name {
            "CdtTrfTxInf" => format!("CdtTrfTxInf[{}]", self.report.transfer_count),
            name => name.to_owned(),
        });
        let path = names.collect::<Vec<_>>().join("/");
        if path.is_empty() { "Document".to_owned() } else { path }
    }

    fn fault(&mut self, rule: Rule, expected: impl Into<String>, found: &str) {
        let place = self.place();
        self.report.add(rule, || place, expected, found);
    }

    /// Walks the file along the schema.
    fn read(&mut self, mut xml: Xml<'_>) -> Result<(), XmlError> {
        self.open.push(Open { element: &DOCUMENT, last: 0, seen: 0 });
        self.attributes(&xml.root().clone());
        let mut text = String::new();
        let mut skipped = 0;
        loop {
            match xml.next()? {
                Node::Open(..) if skipped > 0 => skipped += 1,
                Node::Close if skipped > 0 => skipped -= 1,
                Node::Text(_) if skipped > 0 => {}
                Node::Open(tag, inside) => {
                    let name = tag.local_name();
                    let name = str::from_utf8(name.as_ref()).expect("the file is UTF-8");
                    if !inside {
                        self.fault(Rule::Namespace, "an element of the message's namespace", name);
                    }
                    match self.descend(name) {
                        Some(element) => {
                            self.open.push(Open { element, last: 0, seen: 0 });
                            if std::ptr::eq(element, &TRANSFER) {
                                self.report.transfer_count += 1;
                            }
                            text.clear();
                            self.attributes(&tag);
                        }
                        None => skipped = 1,
                    }
                }
                Node::Text(piece) => match self.open.last().expect("text is within the root").element.content {
                    Content::Text(_) => text.push_str(&piece),
                    _ if piece.trim().is_empty() => {}
                    _ => self.fault(Rule::MixedContent, "elements and no text", &piece),
                },
                Node::Close => {
                    self.close(&mut text);
                    self.open.pop();
                }
                Node::End => return Ok(()),
            }
        }
    }

    /// The child `name` of what is open, with faults of its place.
    fn descend(&mut self, name: &str) -> Option<&'static Element> {
        let parent = self.open.last_mut().expect("the root is open");
        let (children, choice): (&'static [Child], bool) = match parent.element.content {
            Content::Text(_) => (&[], false),
            Content::Sequence(children) => (children, false),
            Content::Choice(children) => (children, true),
        };
        let Some(i) = children.iter().position(|c| c.element.name == name) else {
            self.fault(Rule::UnknownElement, "an element that we write", name);
            return None;
        };
        let repeated = parent.seen >> i & 1 == 1 && !children[i].many || choice && parent.seen != 0;
        let late = i < parent.last;
        let before = children[parent.last].element.name;
        parent.last = parent.last.max(i);
        parent.seen |= 1 << i;
        if repeated {
            self.fault(Rule::RepeatedElement, format!("{name} once"), "another one");
        } else if late {
            self.fault(Rule::ElementOrder, format!("{name} before {before}"), "it after that");
        }
        Some(children[i].element)
    }

    /// The root has its namespace and an amount its currency; no other element has any attribute.
    fn attributes(&mut self, tag: &quick_xml::events::BytesStart<'_>) {
        let element = self.open.last().expect("the element is open").element;
        let allowed = match element.content {
            Content::Text(Leaf::Amount) => "Ccy",
            _ if std::ptr::eq(element, &DOCUMENT) => "xmlns",
            _ if tag.attributes_raw().is_empty() => return,
            _ => "none",
        };
        self.amount_currency.clear();
        let mut found = false;
        for attribute in tag.attributes() {
            match attribute {
                Ok(a) if a.key.as_ref() == allowed.as_bytes() => {
                    found = true;
                    self.amount_currency.push_str(str::from_utf8(&a.value).expect("the file is UTF-8"));
                }
                Ok(a) => self.fault(Rule::Attribute, allowed, &shown(a.key.as_ref())),
                Err(e) => self.fault(Rule::WellFormed, "attributes", &e.to_string()),
            }
        }
        if !found && allowed == "Ccy" {
            self.fault(Rule::Attribute, allowed, "none");
        }
    }

    /// What is open ends: its text is checked, or its children are complete.
    fn close(&mut self, text: &mut String) {
        let open = self.open.last().expect("what ends was open");
        let (element, seen) = (open.element, open.seen);
        match element.content {
            Content::Text(leaf) => {
                self.leaf(leaf, text);
                self.values[leaf as usize] = Some(std::mem::take(text));
            }
            Content::Sequence(children) => {
                for (i, child) in children.iter().enumerate() {
                    if child.required && seen >> i & 1 == 0 {
                        self.fault(Rule::MissingElement, child.element.name, "nothing");
                    }
                }
            }
            Content::Choice(children) if seen == 0 => {
                let names: Vec<_> = children.iter().map(|c| c.element.name).collect();
                self.fault(Rule::MissingElement, names.join(" or "), "nothing");
            }
            Content::Choice(_) => {}
        }
        if std::ptr::eq(element, &TRANSFER) {
            self.transfer();
            self.values[Leaf::EndToEndId as usize..].fill(None);
        }
    }
}

#[cfg(test)]
mod tests;
