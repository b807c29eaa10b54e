//! Words: after NFKC, full case folding and without characters that are not seen, maximal runs of Alphabetic, Mark, decimal-digit and
//! connector-punctuation characters; each character of a script written without spaces is a word of its own.
//!
//! Sources: Unicode Standard Annex 15 (NFKC), The Unicode Standard section 3.13 (full case folding).

use std::sync::OnceLock;

use caseless::Caseless;
use kernels::vectorised;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::hash::{bits, fold};

const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const BLOCK: u64 = 0xd6e8_feb8_6659_fd93;
const LAST: u64 = 0xa076_1d64_78bd_642f;

/// The hash of a word's bytes: folded products of its blocks of eight bytes, the last one filled with zeros, and of its length.
///
/// `bytes[at..at + len]` is the word; eight more bytes have to be there.
#[inline(always)]
fn hash_word(bytes: &[u8], at: usize, len: usize) -> u32 {
    let block = |i: usize| u64::from_le_bytes(bytes[at + i..at + i + 8].try_into().expect("eight bytes"));
    let (mut hash, mut done) = (FIRST, 0);
    while len - done > 8 {
        hash = fold(hash ^ block(done), BLOCK);
        done += 8;
    }
    // Of the last block, what belongs to the word.
    let last = block(done) & (u64::MAX >> (64 - 8 * (len - done)));
    fold(fold(hash ^ last, BLOCK) ^ len as u64, LAST) as u32
}

/// Scripts whose writing does not separate words: Han, Kana, Thai, Lao, Khmer, Burmese.
fn stands_alone(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3005..=0x3007 | 0x3040..=0x30FF | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xA9E0..=0xA9FF | 0xAA60..=0xAA7F | 0xF900..=0xFAFF | 0x1B000..=0x1B16F | 0x20000..=0x3FFFF)
}

/// Default_Ignorable_Code_Point: what is not seen, and would otherwise let a text pass as another.
///
/// Source: Unicode Character Database, `DerivedCoreProperties.txt`.
fn is_ignorable(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F
        | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFF8 | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
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
    let mut words = Vec::with_capacity(text.len() / 5 + 1);
    let mut scratch = Scratch::default();
    let mut rest = text;
    // Normalisation leaves ASCII as it is; a line is folded another way only if it has anything else.
    while let Some(other) = first_other(rest.as_bytes()) {
        let line = rest[..other].rfind('\n').map_or(0, |i| i + 1);
        let end = rest[other..].find('\n').map_or(rest.len(), |i| other + i + 1);
        ascii(&rest.as_bytes()[..line], &mut scratch, &mut words);
        if !simple(&rest[line..end], &mut scratch, &mut words) {
            unicode(&rest[line..end], &mut scratch, &mut words);
        }
        rest = &rest[end..];
    }
    ascii(rest.as_bytes(), &mut scratch, &mut words);
    words
}

/// The first byte that is not ASCII.
fn first_other(bytes: &[u8]) -> Option<usize> {
    let piece = bytes.chunks(256).position(|piece| !piece.is_ascii())?;
    bytes[256 * piece..].iter().position(|b| !b.is_ascii()).map(|i| 256 * piece + i)
}

#[derive(Default)]
struct Scratch {
    folded: Vec<u8>,
    class: Vec<u8>,
}

/// Bytes of ASCII that are taken at once: their folded form and their classes stay in the nearest cache.
const PIECE: usize = 8192;

vectorised! {
    /// Lower case of each byte, and 1 if it belongs to a word.
    fn classify(text: &[u8], folded: &mut [u8], class: &mut [u8]) {
        for ((&byte, folded), class) in text.iter().zip(folded).zip(class) {
            let lower = byte | (u8::from(byte.wrapping_sub(b'A') < 26) << 5);
            *folded = lower;
            *class = u8::from(lower.wrapping_sub(b'a') < 26) | u8::from(byte.wrapping_sub(b'0') < 10) | u8::from(byte == b'_');
        }
    }
}

/// Words of ASCII bytes; a word does not go on before or after them.
fn ascii(mut text: &[u8], scratch: &mut Scratch, words: &mut Vec<u32>) {
    while !text.is_empty() {
        let belongs = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        // A piece ends where no word does: after at least one byte that separates, or at the end.
        let end = match text.len() > PIECE {
            true => text[PIECE..].iter().position(|b| !belongs(b)).map_or(text.len(), |i| PIECE + i),
            false => text.len(),
        };
        let (piece, rest) = text.split_at(end);
        let padded = end.next_multiple_of(64);
        // Each by itself: words of other lines use the first alone.
        scratch.folded.resize(scratch.folded.len().max(padded + 8), 0);
        scratch.class.resize(scratch.class.len().max(padded), 0);
        classify(piece, &mut scratch.folded[..end], &mut scratch.class[..end]);
        scratch.class[end..padded].fill(0);
        cut(&scratch.folded[..padded + 8], &scratch.class[..padded], end, words);
        text = rest;
    }
}

/// Hashes the runs of bytes whose class is 1; `class` is a multiple of 64 bytes, 0 from `end` on.
fn cut(folded: &[u8], class: &[u8], end: usize, words: &mut Vec<u32>) {
    let (mut start, mut inside, mut before) = (0, false, 0u64);
    for (i, block) in class.as_chunks::<64>().0.iter().enumerate() {
        let mask = bits(block);
        let mut edges = mask ^ (mask << 1 | before);
        before = mask >> 63;
        while edges != 0 {
            let at = 64 * i + edges.trailing_zeros() as usize;
            edges &= edges - 1;
            if inside {
                words.push(hash_word(folded, start, at - start));
            } else {
                start = at;
            }
            inside = !inside;
        }
    }
    if inside {
        words.push(hash_word(folded, start, end - start));
    }
}

/// What becomes of a character that neither composes with its neighbours nor folds to several: in the upper bits
/// whether it separates, belongs to a word or is one, below what it folds to. 0 for all others.
type Folding = u32;
const SEPARATES: u32 = 1 << 24;
const BELONGS: u32 = 2 << 24;
const ALONE: u32 = 3 << 24;
const IGNORED: u32 = 4 << 24;

/// Foldings of the Basic Multilingual Plane, made from the long way when the first other character comes.
fn foldings() -> &'static [Folding] {
    static FOLDINGS: OnceLock<Vec<Folding>> = OnceLock::new();
    FOLDINGS.get_or_init(|| (0..0x10000).map(|c| char::from_u32(c).map_or(0, folding)).collect())
}

fn folding(c: char) -> Folding {
    if is_ignorable(c) {
        return IGNORED;
    }
    // Nothing before a character may change what becomes of it: it has to begin a sequence, before and after folding.
    let begins = |c: char| canonical_combining_class(c) == 0 && is_nfc_quick([c].into_iter()) == IsNormalized::Yes;
    let mut first = None;
    decompose_compatible(c, |d| {
        first.get_or_insert(d);
    });
    let once: Vec<char> = std::iter::once(c).nfkc().default_case_fold().collect();
    let twice: Vec<char> = once.iter().copied().nfkc().collect();
    match (first, &once[..], &twice[..]) {
        (Some(first), [folded], [last]) if begins(first) && begins(*folded) && begins(*last) && !is_ignorable(*last) => {
            u32::from(*last)
                | match () {
                    () if stands_alone(*last) => ALONE,
                    () if belongs_to_word(*last) => BELONGS,
                    () => SEPARATES,
                }
        }
        _ => 0,
    }
}

/// Words of a line whose characters fold each by itself; `false`, and no words, if one does not.
fn simple(line: &str, scratch: &mut Scratch, words: &mut Vec<u32>) -> bool {
    let foldings = foldings();
    let before = words.len();
    let mut word = Word { bytes: &mut scratch.folded, len: 0 };
    for c in line.chars() {
        let folding = foldings.get(u32::from(c) as usize).copied().unwrap_or(0);
        let class = folding & 0xff00_0000;
        if class == 0 {
            words.truncate(before);
            return false;
        }
        if class != IGNORED {
            word.take(class, char::from_u32(folding & 0x00ff_ffff).expect("made from one"), words);
        }
    }
    word.end(words);
    true
}

fn unicode(line: &str, scratch: &mut Scratch, words: &mut Vec<u32>) {
    let mut word = Word { bytes: &mut scratch.folded, len: 0 };
    // Folding after NFKC can leave NFKC, so it is normalised once more.
    for c in line.chars().filter(|c| !is_ignorable(*c)).nfkc().default_case_fold().nfkc().filter(|c| !is_ignorable(*c)) {
        let class = match () {
            () if stands_alone(c) => ALONE,
            () if belongs_to_word(c) => BELONGS,
            () => SEPARATES,
        };
        word.take(class, c, words);
    }
    word.end(words);
}

/// The word at hand.
struct Word<'a> {
    bytes: &'a mut Vec<u8>,
    len: usize,
}

impl Word<'_> {
    #[inline]
    fn take(&mut self, class: u32, c: char, words: &mut Vec<u32>) {
        if class != BELONGS {
            self.end(words);
        }
        if class != SEPARATES {
            if self.bytes.len() < self.len + 16 {
                self.bytes.resize((2 * self.len).max(256), 0);
            }
            self.len += c.encode_utf8(&mut self.bytes[self.len..]).len();
        }
        if class == ALONE {
            self.end(words);
        }
    }

    #[inline]
    fn end(&mut self, words: &mut Vec<u32>) {
        if self.len > 0 {
            words.push(hash_word(self.bytes, 0, self.len));
            self.len = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    #[test]
    fn formatting_does_not_change_words_and_spelling_does() {
        let plain = word_stream("fn main() { let café = 1; }");
        assert_eq!(plain, word_stream("FN\tmain ( ) {\r\n  let cafe\u{301}=1 ; }"));
        assert_eq!(plain, word_stream("ｆｎ main let CAFÉ 1"));
        assert_ne!(plain, word_stream("fn main let cafe 1"));
        assert!(word_stream("... --- !!!").is_empty());
        // Soft hyphens, zero-width spaces and joiners, variation selectors, tags.
        assert_eq!(plain, word_stream("\u{feff}fn ma\u{ad}in \u{200b}l\u{200d}et\u{fe0f} caf\u{34f}e\u{2060}\u{301}\u{e0101} 1"));
    }

    #[test]
    fn scripts_without_spaces_are_cut_by_character() {
        for (text, count) in [
            ("漢字かな", 4),
            ("สวัสดี", 6),
            ("ພາສາ", 4),
            ("ភាសា", 4),
            ("မြန်", 4),
            ("ελληνικά γλώσσα", 2),
            ("हिन्दी भाषा", 2),
            ("한국어 글", 2),
        ] {
            assert_eq!(word_stream(text).len(), count, "{text}");
        }
    }

    #[test]
    fn known_answers() {
        assert!(word_stream("").is_empty());
        assert_eq!(word_stream("assay"), [244_105_473]);
        assert_eq!(word_stream("Straße 漢 internationalisation"), [1_382_063_984, 692_639_961, 1_011_336_266]);
    }

    /// The definition, one character after the other.
    fn by_definition(text: &str) -> Vec<u32> {
        let mut words = Vec::new();
        unicode(text, &mut Scratch::default(), &mut words);
        words
    }

    #[test]
    fn every_way_gives_the_words_of_the_definition() {
        let ascii: String = (0..40_000u64)
            .map(|i| match mix(i) % 9 {
                0 => ' ',
                1 => '\n',
                r => char::from((mix(i * r) % 128) as u8),
            })
            .collect();
        for cut in [0, 1, 7, 8, 9, 63, 64, 65, 8191, 8192, 8193, 20_000, 40_000] {
            assert_eq!(word_stream(&ascii[..cut]), by_definition(&ascii[..cut]), "{cut} bytes");
        }
        for long in [1, 8, 9, 16, 17, 5000, 9000, 20_000] {
            let text = format!("{} {}", "x".repeat(long), "Y".repeat(long));
            assert_eq!(word_stream(&text), by_definition(&text), "words of {long} bytes");
        }
    }

    #[test]
    fn lines_of_both_kinds_follow_each_other() {
        let line = |i: u64| -> String {
            let letters =
                ["plain", "so\u{ad}ft", "café", "ß", "漢字", "İstanbul", "ﬁne", "e\u{301}", "a_b 12", "한국", "x".repeat(300).as_str()]
                    .map(String::from);
            (0..mix(i) % 9).map(|j| letters[(mix(i * 100 + j) % 11) as usize].clone() + " ").collect()
        };
        let text = (0..4000).map(line).collect::<Vec<_>>().join("\n");
        assert!(word_stream(&text) == by_definition(&text));
        for i in 0..300 {
            assert_eq!(word_stream(&line(i)), by_definition(&line(i)), "{}", line(i));
        }
    }

    #[test]
    fn characters_that_fold_by_themselves_do_so_beside_any_other() {
        let simple_ones: Vec<char> = (0..0x10000).filter(|c| foldings()[*c as usize] != 0).filter_map(char::from_u32).collect();
        assert!(simple_ones.len() > 50_000, "{} characters fold by themselves", simple_ones.len());
        let mut line = String::new();
        for i in 0..400_000u64 {
            // Every one in turn, beside another that a hash picks, with a separator now and then.
            line.push(simple_ones[i as usize % simple_ones.len()]);
            line.push(simple_ones[(mix(i) % simple_ones.len() as u64) as usize]);
            if i % 11 == 0 {
                line.push(' ');
            }
        }
        let line = line.replace('\n', " ");
        let mut words = Vec::new();
        assert!(simple(&line, &mut Scratch::default(), &mut words));
        assert!(words == by_definition(&line), "a line of simple characters has other words");
    }
}
