//! A bounded reader of messages of ISO 20022: elements and text, nothing else of XML.
//!
//! There is no document type, so no entity can grow, and what is open is bounded by a depth. Bytes are UTF-8.

use std::borrow::Cow;

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

/// Bytes that are no message. Places are offsets in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Too large to be read at once.
    #[error("file has {found} bytes, expected at most {max}")]
    Size {
        /// The bound.
        max: u64,
        /// The length.
        found: u64,
    },
    /// Not UTF-8, or another encoding is declared.
    #[error("byte {at}: expected UTF-8, found {found}")]
    Encoding {
        /// Offset.
        at: u64,
        /// What is there.
        found: String,
    },
    /// Not XML.
    #[error("byte {at}: expected well-formed XML, found {found}")]
    Syntax {
        /// Offset.
        at: u64,
        /// What the parser says.
        found: String,
    },
    /// A document type declaration or an entity beyond the five predefined ones.
    #[error("byte {at}: {found} has no place in a message")]
    Forbidden {
        /// Offset.
        at: u64,
        /// What it is.
        found: String,
    },
    /// Nested too deep.
    #[error("byte {at}: more than {max} elements are open")]
    Depth {
        /// Offset.
        at: u64,
        /// The bound.
        max: usize,
    },
    /// The outermost element is another.
    #[error("root element is {found:?}, expected \"Document\"")]
    Root {
        /// Its name, or nothing.
        found: String,
    },
    /// The message is of another kind or version.
    #[error("namespace is {found:?}, expected {expected}")]
    Namespace {
        /// Those that are read.
        expected: String,
        /// That of the outermost element.
        found: String,
    },
    /// Elements or text after the end of the message.
    #[error("byte {at}: {found} after the end of the message, expected nothing")]
    Trailing {
        /// Offset.
        at: u64,
        /// What it is.
        found: String,
    },
    /// The file ends within the message.
    #[error("file ends with {open} elements open, expected none")]
    Truncated {
        /// How many.
        open: usize,
    },
}

/// What the reader sees next.
pub(crate) enum Node<'a> {
    /// An element; whether it is in the message's namespace.
    Open(BytesStart<'a>, bool),
    /// A piece of text; a text may come in several.
    Text(Cow<'a, str>),
    /// The element that was opened last ends.
    Close,
    /// The message is complete and nothing follows.
    End,
}

/// The reader, behind the start tag of `Document`.
pub(crate) struct Xml<'a> {
    reader: NsReader<&'a [u8]>,
    namespace: &'static str,
    root: BytesStart<'a>,
    open: usize,
    max_depth: usize,
}

impl<'a> Xml<'a> {
    /// Reads up to the start tag of `Document`, whose namespace is one of `namespaces`.
    pub(crate) fn open(bytes: &'a [u8], namespaces: &[&'static str], max_bytes: u64, max_depth: usize) -> Result<Self, XmlError> {
        let found = bytes.len() as u64;
        if found > max_bytes {
            return Err(XmlError::Size { max: max_bytes, found });
        }
        let text = str::from_utf8(bytes)
            .map_err(|e| XmlError::Encoding { at: e.valid_up_to() as u64, found: format!("byte {:#04x}", bytes[e.valid_up_to()]) })?;
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut xml = Xml { reader, namespace: "", root: BytesStart::new(""), open: 0, max_depth };
        match xml.next()? {
            Node::Open(root, _) if root.local_name().as_ref() == b"Document" => xml.root = root,
            Node::Open(root, _) => return Err(XmlError::Root { found: shown(root.local_name().as_ref()) }),
            _ => return Err(XmlError::Root { found: String::new() }),
        }
        let found = match xml.reader.resolver().resolve_element(xml.root.name()).0 {
            ResolveResult::Bound(Namespace(name)) => shown(name),
            _ => String::new(),
        };
        match namespaces.iter().find(|n| **n == found) {
            Some(namespace) => xml.namespace = namespace,
            None => return Err(XmlError::Namespace { expected: namespaces.join(" or "), found }),
        }
        Ok(xml)
    }

    /// The start tag of `Document`.
    pub(crate) fn root(&self) -> &BytesStart<'a> {
        &self.root
    }

    /// The next node; comments and processing instructions are passed over.
    pub(crate) fn next(&mut self) -> Result<Node<'a>, XmlError> {
        loop {
            let at = self.reader.buffer_position();
            let event =
                self.reader.read_event().map_err(|e| XmlError::Syntax { at: self.reader.error_position(), found: e.to_string() })?;
            // The root is behind us and closed: `namespace` is set once the root is read.
            let ended = self.open == 0 && !self.namespace.is_empty();
            match event {
                Event::Start(element) => {
                    if ended {
                        return Err(XmlError::Trailing { at, found: format!("element {:?}", shown(element.local_name().as_ref())) });
                    }
                    if self.open == self.max_depth {
                        return Err(XmlError::Depth { at, max: self.max_depth });
                    }
                    self.open += 1;
                    let bound = self.reader.resolver().resolve_element(element.name()).0;
                    let inside = bound == ResolveResult::Bound(Namespace(self.namespace.as_bytes()));
                    return Ok(Node::Open(element, inside));
                }
                Event::End(_) => {
                    self.open -= 1;
                    return Ok(Node::Close);
                }
                Event::Text(text) => {
                    let text = text.xml10_content().map_err(|e| XmlError::Encoding { at, found: e.to_string() })?;
                    if let Some(c) = text.chars().find(|&c| !is_xml(c)) {
                        return Err(XmlError::Syntax { at, found: format!("character {c:?}") });
                    }
                    if let Some(text) = self.text(text, at, ended)? {
                        return Ok(text);
                    }
                }
                Event::CData(text) => {
                    let text = text.xml10_content().map_err(|e| XmlError::Encoding { at, found: e.to_string() })?;
                    if let Some(text) = self.text(text, at, ended)? {
                        return Ok(text);
                    }
                }
                Event::GeneralRef(name) => {
                    let resolved = name.resolve_char_ref().map_err(|e| XmlError::Syntax { at, found: e.to_string() })?;
                    let text = match resolved {
                        Some(c) if is_xml(c) => c.to_string(),
                        Some(c) => return Err(XmlError::Syntax { at, found: format!("character {c:?}") }),
                        None => match quick_xml::escape::resolve_predefined_entity(&shown(&name)) {
                            Some(text) => text.to_owned(),
                            None => return Err(XmlError::Forbidden { at, found: format!("entity {:?}", shown(&name)) }),
                        },
                    };
                    if let Some(text) = self.text(Cow::Owned(text), at, ended)? {
                        return Ok(text);
                    }
                }
                Event::DocType(_) => return Err(XmlError::Forbidden { at, found: "a document type".to_owned() }),
                Event::Decl(declaration) => {
                    if ended {
                        return Err(XmlError::Trailing { at, found: "an XML declaration".to_owned() });
                    }
                    if at != 0 {
                        return Err(XmlError::Syntax { at, found: "an XML declaration that is not at the start".to_owned() });
                    }
                    if let Some(encoding) = declaration.encoding() {
                        let encoding = encoding.map_err(|e| XmlError::Syntax { at, found: e.to_string() })?;
                        if !encoding.eq_ignore_ascii_case(b"utf-8") {
                            return Err(XmlError::Encoding { at, found: format!("the declared encoding {:?}", shown(&encoding)) });
                        }
                    }
                }
                Event::Eof if self.open > 0 => return Err(XmlError::Truncated { open: self.open }),
                Event::Eof => return Ok(Node::End),
                // With `expand_empty_elements` these come as a start and an end.
                Event::Empty(_) | Event::Comment(_) | Event::PI(_) => {}
            }
        }
    }

    /// Text within the message; outside of it only blanks are allowed, and passed over.
    fn text(&self, text: Cow<'a, str>, at: u64, ended: bool) -> Result<Option<Node<'a>>, XmlError> {
        match (self.open > 0, text.bytes().all(|b| b" \t\r\n".contains(&b))) {
            (true, _) => Ok(Some(Node::Text(text))),
            // A byte order mark is no text, though it reaches us as such.
            (false, true) => Ok(None),
            (false, false) if !ended && at == 0 && text.trim_start_matches('\u{feff}').trim().is_empty() => Ok(None),
            (false, false) if ended => Err(XmlError::Trailing { at, found: "text".to_owned() }),
            (false, false) => Err(XmlError::Syntax { at, found: "text before the root element".to_owned() }),
        }
    }
}

/// Source: XML 1.0, production 2.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The beginning of a name or a value, for messages.
pub(crate) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<String, XmlError> {
        let mut xml = Xml::open(text, &["n"], 1000, 4)?;
        let mut out = String::new();
        loop {
            match xml.next()? {
                Node::Open(name, inside) => out += &format!("<{}{}", shown(name.local_name().as_ref()), if inside { "" } else { "!" }),
                Node::Text(text) => out += &text,
                Node::Close => out += ">",
                Node::End => return Ok(out),
            }
        }
    }

    #[test]
    fn elements_and_text_pass() {
        let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><Document xmlns=\"n\"><a/>x&amp;&#65;<![CDATA[<]]></Document> \n";
        assert_eq!(read(text.as_bytes()).unwrap(), "<a>x&A<>");
        assert_eq!(read(b"\xef\xbb\xbf<p:Document xmlns:p='n'><p:a><b/></p:a></p:Document>").unwrap(), "<a<b!>>>");
    }

    #[test]
    fn what_is_no_message_is_named() {
        let fault = |text: &str| read(text.as_bytes()).unwrap_err();
        assert!(matches!(fault(""), XmlError::Root { .. }));
        assert!(matches!(fault("<Documents/>"), XmlError::Root { .. }));
        assert!(matches!(fault("<Document/>"), XmlError::Namespace { .. }));
        assert!(matches!(fault("<Document xmlns='m'/>"), XmlError::Namespace { .. }));
        assert!(matches!(fault("<Document xmlns='n'>"), XmlError::Truncated { open: 1 }));
        assert!(matches!(fault("<Document xmlns='n'><a></Document>"), XmlError::Syntax { .. }));
        assert!(matches!(fault("<Document xmlns='n'/><Document xmlns='n'/>"), XmlError::Trailing { .. }));
        assert!(matches!(fault("<Document xmlns='n'/>x"), XmlError::Trailing { .. }));
        assert!(matches!(fault("x<Document xmlns='n'/>"), XmlError::Syntax { .. }));
        assert!(matches!(fault("<Document xmlns='n'><a><a><a><a/></a></a></a></Document>"), XmlError::Depth { max: 4, .. }));
        assert!(matches!(fault("<!DOCTYPE a [<!ENTITY e 'e'>]><Document xmlns='n'>&e;</Document>"), XmlError::Forbidden { .. }));
        assert!(matches!(fault("<Document xmlns='n'>&e;</Document>"), XmlError::Forbidden { .. }));
        assert!(matches!(fault("<Document xmlns='n'>&#1;</Document>"), XmlError::Syntax { .. }));
        assert!(matches!(fault("<Document xmlns='n'>\u{1}</Document>"), XmlError::Syntax { .. }));
        assert!(matches!(fault("<?xml version='1.0' encoding='latin1'?><Document xmlns='n'/>"), XmlError::Encoding { .. }));
        assert!(matches!(fault(&" ".repeat(1001)), XmlError::Size { found: 1001, .. }));
        assert!(matches!(read(b"<Document xmlns='n'>\xff</Document>"), Err(XmlError::Encoding { at: 20, .. })));
    }
}
