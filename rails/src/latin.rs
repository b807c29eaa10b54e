//! Text in the letters that every bank takes, for names in the letters that people have.
//!
//! Latin letters with marks lose them, but for those that have a spelling of their own (`ü` is `ue`, `ß` is `ss`, `å` is `aa`); Greek and
//! Cyrillic letters become Latin ones; apostrophes, dashes and spaces of every kind become the plain one, and `&` becomes `+`.
//! Anything else stays as it is, for [`crate::text::check`] to name it: to leave a letter out would make another name of it.
//!
//! Source: ICAO Doc 9303-3, section 6, transliterations recommended for names in passports; `&` as EPC217-08 has it. Greek
//! letters are of ISO 843.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Letters with a spelling of their own, in small letters.
#[rustfmt::skip]
const SPELLINGS: &[(char, &str)] = &[
    ('ä', "ae"), ('ö', "oe"), ('ü', "ue"), ('ß', "ss"), ('å', "aa"), ('æ', "ae"), ('ǽ', "ae"), ('ø', "oe"), ('ǿ', "oe"), ('œ', "oe"),
    ('þ', "th"), ('ð', "d"), ('đ', "d"), ('ħ', "h"), ('ı', "i"), ('ĳ', "ij"), ('ĸ', "q"), ('ł', "l"), ('ŀ', "l"), ('ŉ', "n"),
    ('ŋ', "n"), ('ŧ', "t"), ('ſ', "s"), ('ə', "a"), ('ɖ', "d"), ('ɛ', "e"), ('ɔ', "o"), ('ƒ', "f"), ('ɓ', "b"), ('ɗ', "d"), ('ƙ', "k"),
    ('ƴ', "y"),
    // Greek.
    ('α', "a"), ('β', "v"), ('γ', "g"), ('δ', "d"), ('ε', "e"), ('ζ', "z"), ('η', "i"), ('θ', "th"), ('ι', "i"), ('κ', "k"), ('λ', "l"),
    ('μ', "m"), ('ν', "n"), ('ξ', "x"), ('ο', "o"), ('π', "p"), ('ρ', "r"), ('σ', "s"), ('ς', "s"), ('τ', "t"), ('υ', "y"), ('φ', "f"),
    ('χ', "ch"), ('ψ', "ps"), ('ω', "o"),
    // Cyrillic.
    ('а', "a"), ('б', "b"), ('в', "v"), ('г', "g"), ('д', "d"), ('е', "e"), ('ё', "e"), ('ж', "zh"), ('з', "z"), ('и', "i"), ('й', "i"),
    ('к', "k"), ('л', "l"), ('м', "m"), ('н', "n"), ('о', "o"), ('п', "p"), ('р', "r"), ('с', "s"), ('т', "t"), ('у', "u"), ('ф', "f"),
    ('х', "kh"), ('ц', "ts"), ('ч', "ch"), ('ш', "sh"), ('щ', "shch"), ('ъ', "ie"), ('ы', "y"), ('ь', ""), ('э', "e"), ('ю', "iu"),
    ('я', "ia"), ('є', "ie"), ('і', "i"), ('ї', "i"), ('ґ', "g"), ('ў', "u"), ('ђ', "d"), ('ј', "j"), ('љ', "lj"), ('њ', "nj"),
    ('ћ', "c"), ('џ', "dz"), ('ѓ', "g"), ('ќ', "k"), ('ѕ', "dz"), ('ғ', "gh"), ('қ', "q"), ('ң', "n"), ('ү', "u"),
];

/// `text` in the letters of the SEPA set, as far as they have a Latin spelling; unchanged if it is of that set already.
///
/// ```
/// assert_eq!(rails::latin::latin("Jürgen Łoś & Søn"), "Juergen Los + Soen");
/// assert_eq!(rails::latin::latin("Σταύρος Шевченко"), "Stavros Shevchenko");
/// assert_eq!(rails::latin::latin("山田"), "山田");
/// ```
pub fn latin(text: &str) -> Cow<'_, str> {
    if text.chars().all(crate::text::is_sepa) {
        return Cow::Borrowed(text);
    }
    // Composed first: a letter and its mark may come apart.
    let letters: Vec<char> = text.nfc().collect();
    let mut out = String::with_capacity(text.len());
    for (i, &letter) in letters.iter().enumerate() {
        // Among capitals two letters for one are capitals both.
        let loud = |c: Option<&char>| c.is_some_and(|c| c.is_uppercase());
        let (before, after) = (i.checked_sub(1).map(|i| &letters[i]), letters.get(i + 1));
        let capitals = loud(after) || loud(before) && after.is_none_or(|c| !c.is_lowercase());
        push(&mut out, letter, before.copied(), capitals);
    }
    Cow::Owned(out)
}

fn push(out: &mut String, letter: char, before: Option<char>, capitals: bool) {
    match letter {
        c if crate::text::is_sepa(c) => return out.push(c),
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2b9}' | '\u{2bb}' | '\u{2bc}' | '\u{2032}' | '`' | '´' => return out.push('\''),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '_' => return out.push('-'),
        '&' => return out.push('+'),
        // Line breaks and tabs are no part of a name; they are left to be refused.
        c if c.is_whitespace() && !c.is_control() => return out.push(' '),
        _ => {}
    }
    let small = single(letter.to_lowercase()).unwrap_or(letter);
    let upper = letter.is_uppercase() || letter == 'ẞ';
    if let Some(spelling) = spelling(small, before) {
        return cased(out, spelling, upper, capitals);
    }
    // The letter without its marks, if what is left is known.
    let bare: Vec<char> = small.nfkd().filter(|c| !is_combining_mark(*c)).collect();
    if bare == [small] || bare.is_empty() {
        return out.push(letter);
    }
    let mut spelled = String::new();
    for c in bare {
        match spelling(c, before) {
            Some(spelling) => spelled.push_str(spelling),
            None if crate::text::is_sepa(c) => spelled.push(c),
            None => return out.push(letter),
        }
    }
    cased(out, &spelled, upper, capitals);
}

fn spelling(small: char, before: Option<char>) -> Option<&'static str> {
    let before = before.and_then(|c| single(c.to_lowercase())).and_then(|c| c.nfd().next());
    match (before, small.nfd().next()) {
        // In Greek these are one sound each.
        (Some('α' | 'ε' | 'η'), Some('υ')) if !small.nfd().any(|c| c == '\u{308}') => return Some("v"),
        (Some('ο'), Some('υ')) if !small.nfd().any(|c| c == '\u{308}') => return Some("u"),
        _ => {}
    }
    SPELLINGS.iter().find(|(letter, _)| *letter == small).map(|(_, spelling)| *spelling)
}

fn single(mut chars: impl Iterator<Item = char>) -> Option<char> {
    chars.next().filter(|_| chars.next().is_none())
}

/// `spelling` as `letter` is written: its first letter alone is a capital, unless all around are.
fn cased(out: &mut String, spelling: &str, upper: bool, capitals: bool) {
    let mut letters = spelling.chars();
    match letters.next() {
        Some(first) if upper => {
            out.extend(first.to_uppercase());
            let rest = letters.as_str();
            out.push_str(&if capitals { rest.to_uppercase() } else { rest.to_owned() });
        }
        _ => out.push_str(spelling),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_in_the_letters_of_banks() {
        for (given, written) in [
            ("Anna Muster", "Anna Muster"),
            ("Jörg Müller", "Joerg Mueller"),
            ("JÖRG MÜLLER", "JOERG MUELLER"),
            ("Ö. Äußerl", "Oe. Aeusserl"),
            ("GROẞ", "GROSS"),
            ("Mu\u{308}ller", "Mueller"),
            ("François Lefèvre d’Œuvre", "Francois Lefevre d'Oeuvre"),
            ("Łukasz Żółć", "Lukasz Zolc"),
            ("Þórður Ægisson", "Thordur Aegisson"),
            ("Søren Ångström", "Soeren Aangstroem"),
            ("Nguyễn Thị Đặng", "Nguyen Thi Dang"),
            ("İpek Yıldız Şahin", "Ipek Yildiz Sahin"),
            ("Ștefan Țurcanu", "Stefan Turcanu"),
            ("Иван Щербаков", "Ivan Shcherbakov"),
            ("Ћирић Љубица", "Ciric Ljubitsa"),
            ("Σταύρος Παπαδόπουλος", "Stavros Papadopoulos"),
            ("Smith & Sons – North", "Smith + Sons - North"),
            ("A\u{a0}B", "A B"),
            ("ﬁrst №", "first No"),
        ] {
            let found = latin(given);
            assert_eq!(found, written, "{given}");
            assert_eq!(crate::text::check(&found, 70), Ok(()), "{given}");
        }
    }

    #[test]
    fn what_has_no_latin_spelling_stays_to_be_refused() {
        for text in ["山田太郎", "محمد", "A\tB", "A\nB", "A\u{200b}B", "<b>", "€5", "😀", "\u{308}"] {
            let found = latin(text);
            assert!(crate::text::check(&found, 70).is_err(), "{text:?} became {found:?}");
        }
    }
}
