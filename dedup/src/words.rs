//! Words: after NFKC and full case folding, maximal runs of Alphabetic, Mark, decimal-digit and
//! connector-punctuation characters; each character of a script written without spaces is a word of its own.
//!
//! Sources: Unicode Standard Annex 15 (NFKC), The Unicode Standard section 3.13 (full case folding).

use caseless::Caseless;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// FNV-1a with 64 bits, folded to 32. Source: <http://www.isthe.com/chongo/tech/comp/fnv/>, "xor folding".
#[derive(Clone, Copy)]
struct WordHash(u64);

impl WordHash {
    const EMPTY: WordHash = WordHash(0xcbf2_9ce4_8422_2325);

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }

    #[inline]
    fn finish(self) -> u32 {
        ((self.0 >> 32) ^ self.0) as u32
    }
}

/// Scripts whose writing does not separate words: Han, Kana, Thai, Lao, Khmer, Burmese.
fn stands_alone(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3005..=0x3007 | 0x3040..=0x30FF | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xA9E0..=0xA9FF | 0xAA60..=0xAA7F | 0xF900..=0xFAFF | 0x1B000..=0x1B16F | 0x20000..=0x3FFFF)
}

fn belongs_to_word(c: char) -> bool {
    c.is_alphabetic()
        || c.general_category_group() == GeneralCategoryGroup::Mark
        || matches!(c.general_category(), GeneralCategory::DecimalNumber | GeneralCategory::ConnectorPunctuation)
}

/// The hashes of the words of `text`, in order.
///
/// ```
/// assert_eq!(dedup::word_stream("Hello,  WORLD_1!"), dedup::word_stream("hello world_1"));
/// assert_eq!(dedup::word_stream("Straße").len(), 1);
/// assert_eq!(dedup::word_stream("日本語 text").len(), 4);
/// ```
pub fn word_stream(text: &str) -> Vec<u32> {
    let mut words = Vec::with_capacity(text.len() / 6 + 1);
    let mut rest = text;
    while !rest.is_empty() {
        // Normalisation leaves ASCII as it is; a line is folded the long way only if it has anything else.
        let end = rest.find('\n').map_or(rest.len(), |i| i + 1);
        let (line, after) = rest.split_at(end);
        if line.is_ascii() {
            ascii(line.as_bytes(), &mut words)
        } else {
            unicode(line, &mut words)
        }
        rest = after;
    }
    words
}

fn ascii(line: &[u8], words: &mut Vec<u32>) {
    let mut hash = WordHash::EMPTY;
    let mut inside = false;
    for &byte in line {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            hash.byte(byte.to_ascii_lowercase());
            inside = true;
        } else if inside {
            words.push(hash.finish());
            (hash, inside) = (WordHash::EMPTY, false);
        }
    }
    if inside {
        words.push(hash.finish());
    }
}

fn unicode(line: &str, words: &mut Vec<u32>) {
    let mut hash = WordHash::EMPTY;
    let mut inside = false;
    let mut bytes = [0; 4];
    // Folding after NFKC can leave NFKC, so it is normalised once more.
    for c in line.nfkc().default_case_fold().nfkc() {
        let alone = stands_alone(c);
        if inside && (alone || !belongs_to_word(c)) {
            words.push(hash.finish());
            (hash, inside) = (WordHash::EMPTY, false);
        }
        if alone || belongs_to_word(c) {
            c.encode_utf8(&mut bytes).bytes().for_each(|b| hash.byte(b));
            inside = true;
        }
        if alone {
            words.push(hash.finish());
            (hash, inside) = (WordHash::EMPTY, false);
        }
    }
    if inside {
        words.push(hash.finish());
    }
}

/// SHA-256 of a word stream, which names documents that differ in formatting alone.
pub fn digest_of_words(words: &[u32]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for chunk in words.chunks(1024) {
        hasher.update(chunk.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>());
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_does_not_change_words_and_spelling_does() {
        let plain = word_stream("fn main() { let café = 1; }");
        assert_eq!(plain, word_stream("FN\tmain ( ) {\r\n  let cafe\u{301}=1 ; }"));
        assert_eq!(plain, word_stream("ｆｎ main let CAFÉ 1"));
        assert_ne!(plain, word_stream("fn main let cafe 1"));
        assert!(word_stream("... --- !!!").is_empty());
    }

    #[test]
    fn scripts_without_spaces_are_cut_by_character() {
        for (text, count) in [("漢字かな", 4), ("สวัสดี", 6), ("ភាសា", 4), ("ελληνικά γλώσσα", 2), ("हिन्दी भाषा", 2), ("한국어 글", 2)]
        {
            assert_eq!(word_stream(text).len(), count, "{text}");
        }
    }

    #[test]
    fn known_answers() {
        assert_eq!(word_stream("assay"), [147_948_180]);
        assert_eq!(word_stream(""), []);
    }

    #[test]
    fn ascii_and_unicode_paths_agree() {
        let text = "The quick_brown fox, 42 times;\n";
        let (mut a, mut b) = (Vec::new(), Vec::new());
        ascii(text.as_bytes(), &mut a);
        unicode(text, &mut b);
        assert_eq!(a, b);
    }
}
