//! Words, lines and letters: what the filters count.

use std::sync::LazyLock;

use unicode_segmentation::UnicodeSegmentation;

/// The words of `text`: its pieces between word boundaries, punctuation marks included, without those that only separate words.
///
/// White space separates, and so do the Ethiopic word space, the Tibetan tsheg and the zero-width space.
/// In scripts that write no spaces a piece is a character with its marks, since no dictionary is asked.
///
/// Source: Unicode Standard Annex 29, section 4, <https://www.unicode.org/reports/tr29/>.
pub fn words(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut words = Vec::with_capacity(text.len() / 5);
    let mut at = 0;
    while at < bytes.len() {
        match ascii_piece(bytes, at) {
            Some(end) => {
                if !is_ascii_space(bytes[at]) {
                    words.push(&text[at..end]);
                }
                at = end;
            }
            None => {
                let end = next_ascii(bytes, at);
                words.extend(text[at..end].split_word_bounds().filter(|piece| !piece.chars().all(separates)));
                at = end;
            }
        }
    }
    words
}

/// Where the piece that begins at `at` ends, if ASCII alone decides that; the general rules are four times slower.
///
/// Of the Annex's rules these remain: letters, digits and `_` stay together (WB5, 8-10, 13a, 13b), `:`, `.` and `'` between letters (WB6, 7)
/// and `,`, `;`, `.` and `'` between digits (WB11, 12) hold them together, so do spaces (WB3d), and everything else stands alone.
fn ascii_piece(bytes: &[u8], at: usize) -> Option<usize> {
    let kind = |i: usize| bytes.get(i).map_or(SPACE, |b| KINDS[*b as usize]);
    let mut end = at + 1;
    if kind(at) & (LETTER | DIGIT | JOINER) != 0 {
        loop {
            while kind(end) & (LETTER | DIGIT | JOINER) != 0 {
                end += 1;
            }
            if kind(end) & (IN_WORD | IN_NUMBER) == 0 {
                break;
            }
            let (before, between, after) = (kind(end - 1), kind(end), kind(end + 1));
            let letters = before & LETTER != 0 && between & IN_WORD != 0;
            let digits = before & DIGIT != 0 && between & IN_NUMBER != 0;
            if (letters && after & LETTER != 0) || (digits && after & DIGIT != 0) {
                end += 2;
            } else if (letters || digits) && after & OTHER != 0 {
                return None;
            } else {
                break;
            }
        }
    } else if bytes[at] == b' ' {
        while bytes.get(end) == Some(&b' ') {
            end += 1;
        }
    }
    // A mark that follows belongs to the piece, whatever it is.
    ((kind(at) | kind(end)) & OTHER == 0).then_some(end)
}

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
/// `_`, which holds letters and digits together.
const JOINER: u8 = 4;
/// What holds letters together that are on both sides of it.
const IN_WORD: u8 = 8;
/// What holds digits together that are on both sides of it.
const IN_NUMBER: u8 = 16;
const SPACE: u8 = 32;
/// Beyond ASCII.
const OTHER: u8 = 64;

/// What each byte is.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'_' => JOINER,
            b':' => IN_WORD,
            b',' | b';' => IN_NUMBER,
            b'.' | b'\'' => IN_WORD | IN_NUMBER,
            b'\t'..=b'\r' | 0x1c..=b' ' => SPACE,
            0x80.. => OTHER,
            _ => 0,
        };
        byte += 1;
    }
    kinds
};

/// The next white space after `at` that ASCII follows: there, what is before has no say any more.
fn next_ascii(bytes: &[u8], at: usize) -> usize {
    let within = |i: usize| bytes[i - 1] == b' ' && bytes[i] == b' ';
    let ends = |i: &usize| is_ascii_space(bytes[*i]) && !within(*i) && bytes.get(i + 1).is_none_or(u8::is_ascii);
    (at + 1..bytes.len()).find(ends).unwrap_or(bytes.len())
}

fn is_ascii_space(byte: u8) -> bool {
    KINDS[byte as usize] == SPACE
}

/// White space, with the four separators of ASCII that Unicode does not count as such.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Whether a character only separates words.
pub(super) fn separates(c: char) -> bool {
    is_space(c) || matches!(c, '\u{1361}' | '\u{f0b}' | '\u{f0c}' | '\u{200b}' | '\u{feff}')
}

/// `text` without white space at its ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// A letter or a vowel sign: not a number that is written with letters, nor a letter in a circle.
pub(super) fn is_letter(c: char) -> bool {
    // The standard library's search takes as long as everything else that is done with a word.
    static LETTERS: LazyLock<Vec<u64>> = LazyLock::new(|| {
        let bit = |c: u32| char::from_u32(c).is_some_and(is_letter_by_table);
        (0..0x400).map(|block| (0..64).filter(|i| bit(block * 64 + i)).map(|i| 1 << i).sum()).collect()
    });
    match c {
        'a'..='z' | 'A'..='Z' => true,
        '\0'..='\x7f' => false,
        '\u{80}'..='\u{ffff}' => LETTERS[c as usize / 64] >> (c as u32 % 64) & 1 == 1,
        _ => is_letter_by_table(c),
    }
}

fn is_letter_by_table(c: char) -> bool {
    let circled = matches!(c, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f149}' | '\u{1f150}'..='\u{1f169}' | '\u{1f170}'..='\u{1f189}');
    c.is_alphabetic() && !c.is_numeric() && !circled
}

/// Number of characters, as Unicode code points.
pub(super) fn count(text: &str) -> u64 {
    if text.len() < 16 && text.is_ascii() { text.len() as u64 } else { text.chars().count() as u64 }
}

/// The lines of `text`, ended by any of Unicode's line and paragraph ends or the ASCII separators 1C to 1E; none after the last end.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        while at < bytes.len() {
            at += plain(&bytes[at..]);
            let ending = match bytes.get(at) {
                Some(b'\r') if bytes.get(at + 1) == Some(&b'\n') => 2,
                Some(b'\n'..=b'\r' | 0x1c..=0x1e) => 1,
                Some(0xc2) if bytes[at + 1] == 0x85 => 2,
                Some(0xe2) if bytes[at + 1] == 0x80 && matches!(bytes[at + 2], 0xa8 | 0xa9) => 3,
                None => break,
                _ => 0,
            };
            if ending > 0 {
                let line = &text[start..at];
                at += ending;
                return Some(line);
            }
            at += 1;
        }
        (start < at).then(|| &text[start..at])
    })
}

/// How many of the first bytes end no line for certain: those of ASCII without controls, sixteen at a time.
fn plain(bytes: &[u8]) -> usize {
    let ends = |b: &u8| *b < b' ' || matches!(*b, 0xc2 | 0xe2);
    let whole = |sixteen: &&[u8; 16]| !sixteen.iter().fold(false, |found, b| found | ends(b));
    let (sixteens, _) = bytes.as_chunks::<16>();
    let at = 16 * sixteens.iter().take_while(whole).count();
    at + bytes[at..].iter().take_while(|b| !ends(b)).count()
}

/// Pieces of `text` between runs of at least `least` line feeds; the empty ones at its ends are pieces, too.
pub(super) fn between_line_feeds(text: &str, least: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut at = 0;
        while let Some(feed) = memchr::memchr(b'\n', &text.as_bytes()[at..]) {
            let piece = &text[..at + feed];
            let run = text[piece.len()..].bytes().take_while(|b| *b == b'\n').count();
            at = piece.len() + run;
            if run >= least {
                rest = Some(&text[at..]);
                return Some(piece);
            }
        }
        rest = None;
        Some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden;
    use super::*;

    fn by_the_annex(text: &str) -> Vec<&str> {
        text.split_word_bounds().filter(|piece| !piece.chars().all(separates)).collect()
    }

    #[test]
    fn words_are_those_of_the_annex() {
        for document in golden::documents() {
            assert_eq!(words(&document.text), by_the_annex(&document.text), "{}", document.name);
        }
        for (name, text) in golden::prose() {
            assert_eq!(words(&text), by_the_annex(&text), "{name}");
        }
    }

    #[test]
    fn words_are_those_of_the_annex_for_any_mixture() {
        let alphabet: Vec<char> = "ab1Z9_:.,;'\"-  \t\n\r#é\u{301}ж漢ก\u{200d}😀🇩🇪\u{200b}א\u{ad}カ\u{1361}・".chars().collect();
        let mut state = 7u64;
        for _ in 0..40_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push(alphabet[(state >> 33) as usize % alphabet.len()]);
            }
            assert_eq!(words(&text), by_the_annex(&text), "{text:?}");
        }
    }

    #[test]
    fn contractions_numbers_and_names_stay_together() {
        assert_eq!(words("don't pay 1,234.56 for_it: U.S.A."), ["don't", "pay", "1,234.56", "for_it", ":", "U.S.A", "."]);
    }

    #[test]
    fn separators_of_words_are_no_words() {
        assert_eq!(words("ሰላም፡ለሁሉ"), ["ሰላም", "ለሁሉ"]);
        assert_eq!(words("བོད་ཡིག"), ["བོད", "ཡིག"]);
    }

    #[test]
    fn every_line_end_ends_a_line() {
        let text = "a\nb\r\nc\rd\u{b}e\u{c}f\u{1c}g\u{85}h\u{2028}i\u{2029}\n";
        assert_eq!(lines(text).collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "f", "g", "h", "i", ""]);
        assert_eq!(lines("").count(), 0);
    }

    #[test]
    fn line_feeds_at_the_ends_leave_empty_pieces() {
        assert_eq!(between_line_feeds("\n\n\n", 1).collect::<Vec<_>>(), ["", ""]);
        assert_eq!(between_line_feeds("a\nb\n\n\nc", 2).collect::<Vec<_>>(), ["a\nb", "c"]);
        assert_eq!(between_line_feeds("", 1).collect::<Vec<_>>(), [""]);
    }
}
