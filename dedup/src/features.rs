//! What is compared of a document.

use kernels::dedup::signature::KEY_BITS;

use crate::hash::Constants;
use crate::signature::{BANDS, band_key, sign};
use crate::winnow::Fingerprint;

/// What the caller calls a document: two numbers, for instance a submission and a document's number in it.
pub type Name = (u64, u32);

/// The band of texts without words, whose key is of the text's digest.
pub(crate) const WORDLESS: u8 = u8::MAX;

/// What is compared of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// SHA-256 of the text.
    pub text_digest: [u8; 32],
    /// Its words.
    pub words: Vec<u32>,
    /// Its signatures under each key; empty for a text without words.
    pub slots: Vec<u32>,
    /// Its band keys, as many times 14.
    pub bands: Vec<u64>,
    /// What winnowing keeps, if spans are compared.
    pub fingerprints: Vec<Fingerprint>,
}

impl Features {
    /// What has to be signed.
    pub fn unsigned(words: Vec<u32>, text_digest: [u8; 32]) -> Features {
        Features { text_digest, words, ..Features::default() }
    }

    pub(crate) fn sign(&mut self, constants: &[Constants]) {
        for c in constants {
            if let Some(slots) = sign(&self.words, c) {
                self.bands.extend((0..BANDS).map(|b| band_key(&slots, b)));
                self.slots.extend_from_slice(&slots);
            }
        }
    }

    /// Number and key of each band that the document begins at.
    pub(crate) fn band_keys(&self) -> impl Iterator<Item = (u8, u64)> + '_ {
        let wordless = self.bands.is_empty().then(|| (WORDLESS, wordless_key(&self.text_digest)));
        (0u8..).zip(self.bands.iter().copied()).chain(wordless)
    }
}

/// The key of a text without words.
pub(crate) fn wordless_key(text_digest: &[u8; 32]) -> u64 {
    u64::from_be_bytes(text_digest[..8].try_into().expect("eight bytes")) >> (64 - KEY_BITS)
}
