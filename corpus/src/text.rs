//! What a document's text is: Unicode NFC, and a commitment to it that tells nothing without its salt.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::digest::Digest;

/// The secret that the salts of one submission, or of one bundle, derive from.
pub type SaltSecret = [u8; 32];

/// `text` in Unicode normalization form C, which is what is committed to, compared, tokenized and stored in shards.
///
/// Source: Unicode Standard Annex 15.
pub fn normalise(text: &str) -> String {
    if is_nfc(text) { text.to_string() } else { text.nfc().collect() }
}

/// The secret of a bundle, from its contributor's and a digest of what is in it: the same documents, the same salts.
///
/// Who is given one bundle learns nothing of the salts of others. Once the contributor's secret is destroyed, a bundle's is known from
/// its file alone.
pub fn part_secret(secret: &SaltSecret, content: &Digest) -> SaltSecret {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any key length");
    mac.update(b"assay bundle secret v1");
    mac.update(&content.0);
    mac.finalize().into_bytes().into()
}

/// The salt of document `number`: HMAC-SHA-256 of its number under its bundle's secret.
///
/// An input like the text: shards stay a function of it, and destroying it destroys what a commitment tells.
/// Source: RFC 2104.
pub fn salt(secret: &SaltSecret, number: u32) -> Digest {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any key length");
    mac.update(b"assay document salt v1");
    mac.update(&number.to_be_bytes());
    Digest(mac.finalize().into_bytes().into())
}

/// The commitment to a normalised text: `SHA-256("assay document v1" || salt || text)`.
///
/// A document of prompt and answer says where its answer begins, since that decides what is learned from it:
/// `SHA-256("assay prompt and answer v1" || salt || offset in bytes as 8 big-endian bytes || text)`.
pub fn commitment(salt: &Digest, normalised: &str, answer_at: Option<u64>) -> Digest {
    match answer_at {
        None => Digest::of_parts(&[b"assay document v1", &salt.0, normalised.as_bytes()]),
        Some(at) => Digest::of_parts(&[b"assay prompt and answer v1", &salt.0, &at.to_be_bytes(), normalised.as_bytes()]),
    }
}

/// A character that changes what is seen around it, or nothing that is seen: control characters, and those that turn the direction of writing.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `text` as it may be shown on a terminal, a page or in a table: what could change how other text looks is written as an escape.
///
/// Everything that names, paths, references and reasons are written with goes through here.
pub fn shown(text: &str) -> std::borrow::Cow<'_, str> {
    shown_but(text, &[])
}

/// The same for a text of several lines, whose line feeds and tabs stay.
pub fn shown_lines(text: &str) -> std::borrow::Cow<'_, str> {
    shown_but(text, &['\n', '\t'])
}

fn shown_but<'t>(text: &'t str, kept: &[char]) -> std::borrow::Cow<'t, str> {
    let hidden = |c: char| is_unsafe(c) && !kept.contains(&c);
    if !text.contains(hidden) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown.into()
}

/// Prompt and answer as one text, with the byte at which the answer begins.
///
/// A line break stands between them, so that the normal form of the whole is that of its parts.
pub fn prompt_and_answer(prompt: &str, answer: &str) -> (String, u64) {
    let line_break = if prompt.ends_with('\n') { "" } else { "\n" };
    let text = format!("{prompt}{line_break}{answer}");
    let at = text.len() - answer.len();
    (text, at as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_how_text_looks_is_escaped() {
        assert_eq!(shown("plain, é, 日本語, عربي"), "plain, é, 日本語, عربي");
        assert_eq!(shown("a\u{1b}[2Jb\u{202e}txt.exe\n"), "a\\u{1b}[2Jb\\u{202e}txt.exe\\u{a}");
        assert_eq!(shown_lines("a\tb\nc\r\u{2066}"), "a\tb\nc\\u{d}\\u{2066}");
    }
}
