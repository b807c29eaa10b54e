//! The text of HTML pages: what a reader sees, line by line, without scripts and styles.
//!
//! All of the page, menus too: which part is its article is a judgement that tools for that purpose make better. The page's
//! tokens are taken one after the other and no tree is built, so no nesting is too deep.

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

use super::problem::{Code, Refusal};

/// The text of a page.
pub(super) fn text_of(page: &str) -> Result<String, Refusal> {
    let mut text = Text::default();
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| -> Option<std::convert::Infallible> {
        match event {
            CallbackEvent::OpenStartTag { name } => text.open(name),
            CallbackEvent::EndTag { name } => text.close(name),
            CallbackEvent::String { value } if text.hidden.is_none() => text.characters(&String::from_utf8_lossy(value)),
            _ => {}
        }
        None
    });
    // Inside of scripts and styles nothing is a tag.
    emitter.naively_switch_states(true);
    let Ok(()) = Tokenizer::new_with_emitter(page, emitter).finish();
    let text = text.finish();
    if text.is_empty() { Err(Refusal::new(Code::Empty, "a page without text")) } else { Ok(text) }
}

/// The encoding that a page's first bytes name, in `<meta charset>` or `<meta http-equiv="Content-Type">`.
pub(super) fn charset(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let metas = head.match_indices("<meta").map(|(at, _)| &head[at..head[at..].find('>').map_or(head.len(), |end| at + end)]);
    metas.into_iter().find_map(|meta| {
        let value = meta[meta.find("charset")? + 7..].trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
        let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c))).unwrap_or(value.len());
        (end > 0).then(|| value[..end].to_string())
    })
}

#[derive(Default)]
struct Text {
    text: String,
    /// Line breaks that come before the next characters, and whether a space does.
    breaks: usize,
    space: bool,
    /// How many elements that keep their white space are open.
    preformatted: usize,
    /// The element that is open and not shown.
    hidden: Option<&'static [u8]>,
}

/// Elements that begin and end a line.
const BLOCKS: [&[u8]; 37] = [
    b"address",
    b"article",
    b"aside",
    b"blockquote",
    b"body",
    b"center",
    b"dd",
    b"details",
    b"dialog",
    b"div",
    b"dl",
    b"dt",
    b"fieldset",
    b"figcaption",
    b"figure",
    b"footer",
    b"form",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"header",
    b"hr",
    b"li",
    b"main",
    b"nav",
    b"ol",
    b"option",
    b"p",
    b"pre",
    b"section",
    b"summary",
    b"table",
    b"tr",
    b"ul",
];
/// Those of them that an empty line goes before.
const PARAGRAPHS: [&[u8]; 14] =
    [b"article", b"blockquote", b"dl", b"figure", b"h1", b"h2", b"h3", b"h4", b"h5", b"h6", b"p", b"pre", b"section", b"table"];
/// Elements whose content is no text that is shown, and that no other element is inside of.
const HIDDEN: [&[u8]; 7] = [b"script", b"style", b"noscript", b"iframe", b"noembed", b"noframes", b"title"];

impl Text {
    fn open(&mut self, name: &[u8]) {
        if self.hidden.is_some() {
            return;
        }
        self.hidden = HIDDEN.into_iter().find(|hidden| *hidden == name);
        match name {
            b"br" => self.breaks = (self.breaks + 1).min(2),
            b"td" | b"th" => self.space = true,
            b"pre" => self.preformatted += 1,
            _ => {}
        }
        self.block(name);
    }

    fn close(&mut self, name: &[u8]) {
        if self.hidden.is_some() {
            // The end of another element does not show it.
            self.hidden = self.hidden.filter(|hidden| *hidden != name);
            return;
        }
        if name == b"pre" {
            self.preformatted = self.preformatted.saturating_sub(1);
        }
        self.block(name);
    }

    fn block(&mut self, name: &[u8]) {
        if PARAGRAPHS.contains(&name) {
            self.breaks = 2;
        } else if BLOCKS.contains(&name) {
            self.breaks = self.breaks.max(1);
        }
    }

    fn characters(&mut self, characters: &str) {
        for c in characters.chars() {
            if self.preformatted > 0 && c == '\n' && !self.text.is_empty() {
                self.breaks += 1;
            } else if self.preformatted > 0 && c == ' ' && self.breaks > 0 {
                self.separate();
                self.text.push(' ');
            } else if c.is_ascii_whitespace() || c == '\0' {
                self.space = true;
            } else {
                self.separate();
                self.text.push(c);
            }
        }
    }

    /// Puts what comes before the next character.
    fn separate(&mut self) {
        if !self.text.is_empty() {
            if self.breaks > 0 {
                self.text.extend(std::iter::repeat_n('\n', self.breaks));
            } else if self.space {
                self.text.push(' ');
            }
        }
        (self.breaks, self.space) = (0, false);
    }

    fn finish(mut self) -> String {
        self.text.truncate(self.text.trim_end().len());
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_a_reader_sees() {
        let page = "<!doctype html><html><head><title>T</title><style>p { color: red }</style><script>if (a < b) alert('<p>x')</script></head>\
            <body><h1>Head &amp; shoulders</h1><p>One\n  two <b>three</b>.<p>Next&nbsp;line<br>after<ul><li>a<li>b</ul>\
            <pre>x\n  y</pre><table><tr><td>1<td>2<tr><td>3</table></body></html>";
        let expected = "Head & shoulders\n\nOne two three.\n\nNext\u{a0}line\nafter\na\nb\n\nx\n  y\n\n1 2\n3";
        assert_eq!(text_of(page).unwrap(), expected);
        assert!(text_of("<script>x</script> ").is_err());
        // No nesting is too deep.
        assert_eq!(text_of(&("<div>".repeat(1_000_000) + "x")).unwrap(), "x");
    }

    #[test]
    fn pages_name_their_encoding() {
        assert_eq!(charset(b"<html><meta charset='gbk'>").as_deref(), Some("gbk"));
        let long = b"<META http-equiv=Content-Type content=\"text/html; charset=ISO-8859-1\">";
        assert_eq!(charset(long).as_deref(), Some("iso-8859-1"));
        assert_eq!(charset(b"<p>charset=x"), None);
    }
}
