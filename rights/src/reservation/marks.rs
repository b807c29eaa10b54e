//! The elements of a page and the links of its header that may say something about training.
//!
//! Source: HTML Standard, section 13.2.5; RFC 8288, section 3, for `Link`; RSL 1.0, sections 4.5 and 4.6, for licences.

use std::collections::BTreeMap;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

/// An element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// `<meta>`, with its name in lower case.
    Meta { name: String, content: String },
    /// `<link>` to an RSL licence.
    Licence { href: String },
    /// `<script>` with an RSL licence.
    Inline { text: String },
}

const ELEMENTS: [&str; 3] = ["meta", "link", "script"];
const ATTRIBUTES: [&str; 5] = ["name", "content", "rel", "type", "href"];

/// Calls `each` with every mark of a page, in order.
pub(super) fn each(html: &str, mut each: impl FnMut(Mark)) {
    let mut reading = Reading::default();
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| -> Option<std::convert::Infallible> {
        if let Some(mark) = reading.event(event) {
            each(mark);
        }
        None
    });
    // Inside of scripts and styles nothing is a tag.
    emitter.naively_switch_states(true);
    let Ok(()) = Tokenizer::new_with_emitter(html, emitter).finish();
    // A script that the page's end cuts off is judged as far as it goes.
    if let Some(text) = reading.script {
        each(Mark::Inline { text });
    }
}

#[derive(Default)]
struct Reading {
    /// The start tag that is read.
    element: Option<&'static str>,
    attributes: BTreeMap<&'static str, String>,
    /// The attribute whose value comes next.
    attribute: Option<&'static str>,
    /// The licence that is read.
    script: Option<String>,
}

impl Reading {
    fn event(&mut self, event: CallbackEvent<'_>) -> Option<Mark> {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.element = ELEMENTS.into_iter().find(|element| element.as_bytes() == name);
                self.attributes.clear();
                self.attribute = None;
            }
            CallbackEvent::AttributeName { name } if self.element.is_some() => {
                // Of attributes with the same name the first holds. One without a value is empty.
                let attribute = ATTRIBUTES.into_iter().find(|attribute| attribute.as_bytes() == name);
                self.attribute = attribute.filter(|attribute| !self.attributes.contains_key(attribute));
                if let Some(attribute) = self.attribute {
                    self.attributes.insert(attribute, String::new());
                }
            }
            CallbackEvent::AttributeValue { value } => {
                if let Some(attribute) = self.attribute.take() {
                    self.attributes.insert(attribute, String::from_utf8_lossy(value).into_owned());
                }
            }
            CallbackEvent::CloseStartTag { .. } => return self.mark(),
            CallbackEvent::String { value } => {
                if let Some(script) = &mut self.script {
                    script.push_str(&String::from_utf8_lossy(value));
                }
            }
            CallbackEvent::EndTag { name } if name == b"script" => return self.script.take().map(|text| Mark::Inline { text }),
            _ => {}
        }
        None
    }

    /// The mark of the start tag that ends here.
    fn mark(&mut self) -> Option<Mark> {
        let mut take = |name: &str| self.attributes.remove(name).unwrap_or_default();
        match self.element.take()? {
            "meta" => Some(Mark::Meta { name: take("name").trim().to_ascii_lowercase(), content: take("content") }),
            "link" => (is_licence(&take("rel")) && is_rsl(&take("type"))).then(|| Mark::Licence { href: take("href") }),
            _ => {
                self.script = is_rsl(&take("type")).then(String::new);
                None
            }
        }
    }
}

/// The targets of a `Link` field that are RSL licences.
pub(super) fn licences(field: &str) -> Vec<&str> {
    let target = |link: &str| -> Option<(usize, usize)> {
        let open = link.find('<')?;
        let close = open + link[open..].find('>')?;
        let parameters = parts(&link[close + 1..], ';');
        let value = |name: &str| {
            parameters.iter().find_map(|parameter| {
                let (key, value) = parameter.split_once('=')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_string())
            })
        };
        (value("rel").is_some_and(|rel| is_licence(&rel)) && value("type").is_some_and(|kind| is_rsl(&kind))).then_some((open + 1, close))
    };
    parts(field, ',').into_iter().filter_map(|link| target(link).map(|(start, end)| &link[start..end])).collect()
}

/// The parts of a field between separators, but for those in quotes and in `<>`.
fn parts(field: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut until, mut escaped) = (Vec::new(), 0, None, false);
    for (at, c) in field.char_indices() {
        match until {
            _ if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(end) if c == end => until = None,
            Some(_) => {}
            None if c == '"' => until = Some('"'),
            None if c == '<' => until = Some('>'),
            None if c == separator => {
                parts.push(&field[start..at]);
                start = at + c.len_utf8();
            }
            None => {}
        }
    }
    parts.push(&field[start..]);
    parts
}

fn is_licence(rel: &str) -> bool {
    rel.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("license"))
}

fn is_rsl(media_type: &str) -> bool {
    media_type.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/rsl+xml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(html: &str) -> Vec<Mark> {
        let mut marks = Vec::new();
        each(html, |mark| marks.push(mark));
        marks
    }

    fn meta(name: &str, content: &str) -> Mark {
        Mark::Meta { name: name.to_string(), content: content.to_string() }
    }

    #[test]
    fn elements_are_read_as_browsers_read_them() {
        assert_eq!(marks("<META Content=1 NAME=' TDM-Reservation ' name=x>"), [meta("tdm-reservation", "1")]);
        assert_eq!(marks("<meta name=robots content='no&#97;i'/><meta name=a content>"), [meta("robots", "noai"), meta("a", "")]);
        assert!(marks("<!-- <meta name=a> --><script>'<meta name=a>'</script><title><meta name=a></title>").is_empty());
        assert!(marks("<meta name=a").is_empty());
        assert_eq!(marks("<p name=a content=b></p name=c><meta>"), [meta("", "")]);
    }

    #[test]
    fn licences_are_linked_or_inside() {
        let link = Mark::Licence { href: "/l.xml".to_string() };
        assert_eq!(marks("<link rel='License nofollow' type='application/RSL+xml; v=1' href=/l.xml>"), [link]);
        assert!(marks("<link rel=license href=/l.xml><link rel=alternate type=application/rsl+xml href=/l.xml>").is_empty());
        let inline = Mark::Inline { text: "<rsl>&amp;</rsl>".to_string() };
        assert_eq!(marks("<script type=application/rsl+xml><rsl>&amp;</rsl></script>x</script>"), std::slice::from_ref(&inline));
        assert_eq!(marks("<script>x</script><script type=application/rsl+xml><rsl>&amp;</rsl>"), [inline]);
    }

    #[test]
    fn links_of_the_header_are_split_where_they_end() {
        let field = "<https://a.org/a,b;c>; title=\"x, <y>; \\\"\"; REL=license; type=application/rsl+xml, <https://a.org/b>; rel=license,\
            </c>;rel=\"next license\";type=\"application/rsl+xml\"";
        assert_eq!(licences(field), ["https://a.org/a,b;c", "/c"]);
        for damaged in ["", "<", "<a>; rel=license; type=\"application/rsl+xml", "a; rel=license; type=application/rsl+xml", "ä,;\"\\"] {
            assert!(licences(damaged).len() < 2, "{damaged}");
        }
    }
}
