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

/// Prompt and answer as one text, with the byte at which the answer begins.
///
/// A line break stands between them, so that the normal form of the whole is that of its parts.
pub fn prompt_and_answer(prompt: &str, answer: &str) -> (String, u64) {
    let line_break = if prompt.ends_with('\n') { "" } else { "\n" };
    let text = format!("{prompt}{line_break}{answer}");
    let at = text.len() - answer.len();
    (text, at as u64)
}
