//! How a text is written: what can be asked of it without asking for the habits of one script.

/// What the letters of a text allow to be asked.
///
/// A word is taken to be five letters long, or one letter in a script without spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writing {
    /// Most words are of a script whose letters are sounds: Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew or Arabic.
    ///
    /// Limits for the length of words come from these; a syllable of Hangul is one character, one of Malayalam up to six.
    pub alphabetic: bool,
    /// Pieces between word boundaries, as `words` gives them, that make a word.
    ///
    /// One, but two if most words are of Han or Kana, and three if most are of Thai, Lao, Khmer, Myanmar, Tibetan and their relatives:
    /// these write no spaces between words, and their pieces are characters.
    pub pieces: usize,
    /// Most words are Thai or Lao, which end sentences with a space and no mark.
    pub unpunctuated: bool,
}

impl Writing {
    /// What everything may be asked of, as if it were English; a text without letters is such.
    pub(crate) const ENGLISH: Writing = Writing { alphabetic: true, pieces: 1, unpunctuated: false };

    /// How `text` is written.
    pub fn of(text: &str) -> Writing {
        if text.is_ascii() {
            return Writing::ENGLISH;
        }
        let mut counts = [0u64; 6];
        for c in text.chars() {
            let kind = if c <= '\u{ffff}' { KINDS[c as usize / 16] } else { kind(c as u32) };
            counts[kind as usize] += 1;
        }
        let [_, alphabetic, spaced, characters, syllables, unpunctuated] = counts;
        let syllables = syllables + unpunctuated;
        let unspaced = 5 * (characters + syllables) > alphabetic + spaced;
        Writing {
            alphabetic: alphabetic >= spaced + 5 * (characters + syllables),
            pieces: if !unspaced {
                1
            } else if characters >= syllables {
                2
            } else {
                3
            },
            unpunctuated: unspaced && 2 * unpunctuated > characters + syllables,
        }
    }

    /// Whether most words are of a script that writes no spaces between them.
    pub fn is_unspaced(&self) -> bool {
        self.pieces > 1
    }
}

/// What is counted by blocks of sixteen characters; marks and the few symbols between letters count with them.
#[derive(Clone, Copy)]
enum Kind {
    /// Digits, punctuation, symbols.
    None,
    /// Letters that are sounds.
    Alphabetic,
    /// Others between which words have spaces.
    Spaced,
    /// Han, Kana and other characters that are half a word.
    Character,
    /// Syllables of scripts without spaces.
    Syllable,
    /// Syllables of Thai and Lao.
    Unpunctuated,
}

/// The kind of each block.
const KINDS: [Kind; 0x1000] = {
    let mut kinds = [Kind::None; 0x1000];
    let mut block = 0;
    while block < kinds.len() {
        kinds[block] = kind(16 * block as u32);
        block += 1;
    }
    kinds
};

const fn kind(c: u32) -> Kind {
    let mut i = 0;
    while i < BLOCKS.len() {
        if BLOCKS[i].0 <= c && c <= BLOCKS[i].1 {
            return BLOCKS[i].2;
        }
        i += 1;
    }
    Kind::Spaced
}

/// Blocks of Unicode; what is in none of them is of a script with spaces.
#[rustfmt::skip]
const BLOCKS: &[(u32, u32, Kind)] = &[
    // Controls, digits and punctuation, symbols, private use, emoji.
    (0, 0x3f, Kind::None), (0x80, 0xbf, Kind::None), (0x2000, 0x2bff, Kind::None), (0x2e00, 0x2e7f, Kind::None), (0x2fe0, 0x303f, Kind::None),
    (0x3190, 0x319f, Kind::None), (0x31c0, 0x31ef, Kind::None), (0x3200, 0x33ff, Kind::None), (0x4dc0, 0x4dff, Kind::None), (0xe000, 0xf8ff, Kind::None),
    (0xfe00, 0xfe6f, Kind::None), (0xff00, 0xff1f, Kind::None), (0xffe0, 0xffff, Kind::None), (0x1f000, 0x1faff, Kind::None), (0xe0000, 0x10ffff, Kind::None),
    // Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic; Georgian; more of these.
    (0x40, 0x6ff, Kind::Alphabetic), (0x750, 0x77f, Kind::Alphabetic), (0x8a0, 0x8ff, Kind::Alphabetic), (0x10a0, 0x10ff, Kind::Alphabetic),
    (0x1c80, 0x1cbf, Kind::Alphabetic), (0x1e00, 0x1fff, Kind::Alphabetic), (0x2c60, 0x2c7f, Kind::Alphabetic), (0x2d00, 0x2d2f, Kind::Alphabetic),
    (0xa640, 0xa69f, Kind::Alphabetic), (0xa720, 0xa7ff, Kind::Alphabetic), (0xab30, 0xab6f, Kind::Alphabetic), (0xfb00, 0xfeff, Kind::Alphabetic),
    (0xff20, 0xff5f, Kind::Alphabetic),
    // Thai and Lao.
    (0xe00, 0xeff, Kind::Unpunctuated),
    // Tibetan and Myanmar; Khmer; the Tai scripts; Balinese; Javanese; more of these.
    (0xf00, 0x109f, Kind::Syllable), (0x1780, 0x17ff, Kind::Syllable), (0x1950, 0x19ff, Kind::Syllable), (0x1a20, 0x1aaf, Kind::Syllable),
    (0x1b00, 0x1b7f, Kind::Syllable), (0xa980, 0xa9ff, Kind::Syllable), (0xaa60, 0xaadf, Kind::Syllable),
    // Han, Kana, Bopomofo and Yi.
    (0x2e80, 0x2fdf, Kind::Character), (0x3040, 0x312f, Kind::Character), (0x31a0, 0x31bf, Kind::Character), (0x31f0, 0x31ff, Kind::Character),
    (0x3400, 0x4dbf, Kind::Character), (0x4e00, 0xa4cf, Kind::Character), (0xf900, 0xfaff, Kind::Character), (0xff60, 0xff9f, Kind::Character),
    (0x1b000, 0x1b16f, Kind::Character), (0x20000, 0x3ffff, Kind::Character),
];

/// Columns of a terminal that `line` takes: two for characters of Han, Kana and Hangul, so that it has about as many words
/// as a Latin line of that width.
///
/// Source: Unicode Standard Annex 11, <https://www.unicode.org/reports/tr11/>; symbols count as one.
pub(super) fn columns(line: &str) -> u64 {
    if line.is_ascii() {
        return line.len() as u64;
    }
    let wide = |c: char| {
        matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{303e}' | '\u{3041}'..='\u{a4cf}' | '\u{a960}'..='\u{a97f}'
            | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff01}'..='\u{ff60}' | '\u{20000}'..='\u{3ffff}')
    };
    line.chars().map(|c| 1 + u64::from(wide(c))).sum()
}

/// Whether `c` ends a sentence in some script.
pub(super) fn is_terminal(c: char) -> bool {
    if c.is_ascii() { matches!(c, '.' | '!' | '?') } else { within(&TERMINAL_BITS, TERMINAL, c) }
}

/// Whether `c` is punctuation or a control character by the list that the published word counts were made with.
///
/// The list has gaps: `‘`, `•`, `·` and `¿` are missing, and a lone one of these counts as a word.
pub(super) fn is_symbol(c: char) -> bool {
    match c {
        '\t' | '\n' | ' ' => false,
        '\0'..='\u{9f}' => !c.is_ascii_alphanumeric(),
        _ => within(&SYMBOL_BITS, SYMBOLS, c) || is_terminal(c),
    }
}

/// Whether `line` ends with a sentence's end: a terminal mark, or one beyond ASCII with closing quotes or brackets behind it.
pub(super) fn ends_sentence(line: &str) -> bool {
    let Some(last) = line.chars().next_back() else { return false };
    if last.is_ascii() || is_terminal(last) {
        return is_terminal(last);
    }
    let before = line.trim_end_matches(closes).chars().next_back();
    closes(last) && before.is_some_and(|c| !c.is_ascii() && is_terminal(c))
}

/// Closing quotes and brackets beyond ASCII.
fn closes(c: char) -> bool {
    matches!(c, '’' | '”' | '»' | '›' | '」' | '』' | '）' | '】' | '》' | '〉' | '〕' | '｣' | '＂')
}

/// Characters by their bits, up to FFFF; few of the rest are asked for.
type Bits = [u64; 0x400];

const fn bits(ranges: &[(u32, u32)]) -> Bits {
    let mut bits = [0; 0x400];
    let mut i = 0;
    while i < ranges.len() && ranges[i].1 <= 0xffff {
        let mut c = ranges[i].0;
        while c <= ranges[i].1 {
            bits[c as usize / 64] |= 1 << (c % 64);
            c += 1;
        }
        i += 1;
    }
    bits
}

fn within(bits: &Bits, ranges: &[(u32, u32)], c: char) -> bool {
    let c = c as u32;
    if c <= 0xffff { bits[c as usize / 64] >> (c % 64) & 1 == 1 } else { ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) }
}

static TERMINAL_BITS: Bits = bits(TERMINAL);
static SYMBOL_BITS: Bits = bits(SYMBOLS);

/// Unicode's sentence terminals beyond ASCII without its ellipses, and the Tibetan shad.
#[rustfmt::skip]
const TERMINAL: &[(u32, u32)] = &[
    (0x589, 0x589), (0x61d, 0x61f), (0x6d4, 0x6d4), (0x700, 0x702), (0x7f9, 0x7f9), (0x837, 0x837), (0x839, 0x839), (0x83d, 0x83e),
    (0x964, 0x965), (0xf0d, 0xf11), (0x104a, 0x104b), (0x1362, 0x1362), (0x1367, 0x1368), (0x166e, 0x166e), (0x1735, 0x1736),
    (0x17d4, 0x17d6), (0x17d9, 0x17da), (0x1803, 0x1803), (0x1809, 0x1809), (0x1944, 0x1945), (0x1aa8, 0x1aab), (0x1b5a, 0x1b5b),
    (0x1b5e, 0x1b5f), (0x1b7d, 0x1b7e), (0x1c3b, 0x1c3c), (0x1c7e, 0x1c7f), (0x203c, 0x203d), (0x2047, 0x2049), (0x2e2e, 0x2e2e),
    (0x2e3c, 0x2e3c), (0x2e53, 0x2e54), (0x3002, 0x3002), (0xa4ff, 0xa4ff), (0xa60e, 0xa60f), (0xa6f3, 0xa6f3), (0xa6f7, 0xa6f7),
    (0xa876, 0xa877), (0xa8ce, 0xa8cf), (0xa92f, 0xa92f), (0xa9c8, 0xa9c9), (0xaa5d, 0xaa5f), (0xaaf0, 0xaaf1), (0xabeb, 0xabeb),
    (0xfe52, 0xfe52), (0xfe56, 0xfe57), (0xff01, 0xff01), (0xff0e, 0xff0e), (0xff1f, 0xff1f), (0xff61, 0xff61), (0x10a56, 0x10a57),
    (0x10f55, 0x10f59), (0x10f86, 0x10f89), (0x11047, 0x11048), (0x110be, 0x110c1), (0x11141, 0x11143), (0x111c5, 0x111c6),
    (0x111cd, 0x111cd), (0x111de, 0x111df), (0x11238, 0x11239), (0x1123b, 0x1123c), (0x112a9, 0x112a9), (0x1144b, 0x1144c),
    (0x115c2, 0x115c3), (0x115c9, 0x115d7), (0x11641, 0x11642), (0x1173c, 0x1173e), (0x11944, 0x11944), (0x11946, 0x11946),
    (0x11a42, 0x11a43), (0x11a9b, 0x11a9c), (0x11c41, 0x11c42), (0x11ef7, 0x11ef8), (0x11f43, 0x11f44), (0x16a6e, 0x16a6f),
    (0x16af5, 0x16af5), (0x16b37, 0x16b38), (0x16b44, 0x16b44), (0x16e98, 0x16e98), (0x1bc9f, 0x1bc9f), (0x1da88, 0x1da88),
];

/// Punctuation beyond ASCII that ends no sentence, as datatrove 0.10.1 lists it.
#[rustfmt::skip]
const SYMBOLS: &[(u32, u32)] = &[
    (0xab, 0xab), (0xb4, 0xb4), (0xbb, 0xbb), (0x2013, 0x2014), (0x2019, 0x2019), (0x201c, 0x201e), (0x2026, 0x2026), (0x2236, 0x2236),
    (0x2501, 0x2501), (0x25ba, 0x25ba), (0x3001, 0x3001), (0x3008, 0x300d), (0x3010, 0x3011), (0xff05, 0xff05), (0xff08, 0xff09),
    (0xff0c, 0xff0c), (0xff11, 0xff11), (0xff1a, 0xff1b), (0xff5e, 0xff5e),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order() {
        for table in [TERMINAL, SYMBOLS] {
            assert!(table.iter().all(|(a, b)| a <= b));
            assert!(table.windows(2).all(|w| w[0].1 < w[1].0));
        }
        let sizes = [TERMINAL, SYMBOLS].map(|t| t.iter().map(|(a, b)| b - a + 1).sum::<u32>());
        // 159 less `.`, `!` and `?`, and five of Tibetan; 122 less the 92 below A0.
        assert_eq!(sizes, [161, 30]);
    }

    #[test]
    fn writing_is_that_of_most_words() {
        let of = |text| {
            let w = Writing::of(text);
            (w.alphabetic, w.pieces, w.unpunctuated)
        };
        for text in ["", "plain words", "Привет, мир", "Γειά σου", "שלום", "سلام", "გამარჯობა", "Բարեւ", "naïve 漢"]
        {
            assert_eq!(of(text), (true, 1, false), "{text}");
        }
        for text in ["नमस्ते दुनिया", "안녕하세요", "வணக்கம்", "ሰላም"] {
            assert_eq!(of(text), (false, 1, false), "{text}");
        }
        for text in ["汉字和一些 English words", "ひらがな", "カタカナ"] {
            assert_eq!(of(text), (false, 2, false), "{text}");
        }
        for text in ["ភាសាខ្មែរ", "မြန်မာ", "བོད་ཡིག"] {
            assert_eq!(of(text), (false, 3, false), "{text}");
        }
        for text in ["ภาษาไทย", "ພາສາລາວ"] {
            assert_eq!(of(text), (false, 3, true), "{text}");
        }
    }

    #[test]
    fn ends_of_sentences_are_those_of_every_script() {
        for line in ["a.", "a!", "完。", "他说：“走吧。”", "「行こう。」", "है।", "؟", "۔", "ነው።", "ដែរ។", "ပါ။", "བོད།", "է։"]
        {
            assert!(ends_sentence(line), "{line}");
        }
        for line in ["", "a", "a:", "a.\"", "a.”", "a…", "a. ", "完”"] {
            assert!(!ends_sentence(line), "{line}");
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!([columns("abc"), columns("漢字か"), columns("한글"), columns("éж")], [3, 6, 4, 2]);
    }
}
