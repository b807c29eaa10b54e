//! A licence text as words, after the SPDX matching guidelines: what those say makes no difference is gone.
//!
//! Source: SPDX Specification 3.0, annex "License matching guidelines and templates".

use unicode_normalization::UnicodeNormalization;

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// In small letters, as the guidelines' list of equivalent words spells it.
    pub word: String,
    /// Where it begins in the text that it was read from.
    pub at: usize,
    /// Its number among all words of ASCII letters and digits, numbering included, which is what marks of templates count by.
    pub ascii: usize,
    /// Whether the line that it is on is a notice of copyright.
    pub notice: bool,
    /// The number of its line.
    pub line: usize,
    /// Whether it may be part of a name.
    pub name: bool,
}

/// Words that mean the same, by the guidelines' list; the second is what the first becomes.
///
/// Source: <https://spdx.org/licenses/equivalentwords.txt>.
const EQUIVALENT: &[(&str, &str)] = &[
    ("acknowledgement", "acknowledgment"),
    ("analogue", "analog"),
    ("analyse", "analyze"),
    ("artefact", "artifact"),
    ("authorisation", "authorization"),
    ("authorised", "authorized"),
    ("calibre", "caliber"),
    ("cancelled", "canceled"),
    ("capitalisations", "capitalizations"),
    ("catalogue", "catalog"),
    ("categorise", "categorize"),
    ("centre", "center"),
    ("emphasised", "emphasized"),
    ("favour", "favor"),
    ("favourite", "favorite"),
    ("fulfil", "fulfill"),
    ("fulfilment", "fulfillment"),
    ("initialise", "initialize"),
    ("judgement", "judgment"),
    ("labelling", "labeling"),
    ("labour", "labor"),
    ("licence", "license"),
    ("licences", "licenses"),
    ("maximise", "maximize"),
    ("modelled", "modeled"),
    ("modelling", "modeling"),
    ("offence", "offense"),
    ("optimise", "optimize"),
    ("organisation", "organization"),
    ("organise", "organize"),
    ("practise", "practice"),
    ("programme", "program"),
    ("realise", "realize"),
    ("recognise", "recognize"),
    ("signalling", "signaling"),
    ("utilisation", "utilization"),
    ("whilst", "while"),
    ("wilful", "willful"),
    ("https", "http"),
    ("owner", "holder"),
    ("owners", "holders"),
    ("sublicence", "sublicense"),
];

/// Characters that are not seen: an altered word may hide behind them.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}')
}

/// A line's number or bullet: `1.`, `(a)`, `iv)`. A bare letter or number is a word.
fn is_numbering(token: &str) -> bool {
    let inner = token.trim_start_matches(['(', '[']).trim_end_matches(['.', ')', ']', ':']);
    let short = !inner.is_empty() && inner.len() <= 4 && token.len() > inner.len() && !token.ends_with(inner);
    let roman = inner.bytes().all(|b| b"ivxIVX".contains(&b));
    let number = inner.len() <= 3 && inner.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    short && (roman || number || inner.len() == 1 && inner.as_bytes()[0].is_ascii_alphabetic())
}

/// Most words of a notice of copyright.
const NOTICE_WORDS: usize = 40;

/// Words with which a condition could hide where a name stands.
const CONDITIONS: &[&str] = &[
    "only",
    "not",
    "no",
    "non",
    "never",
    "without",
    "except",
    "unless",
    "provided",
    "must",
    "may",
    "shall",
    "will",
    "can",
    "cannot",
    "permitted",
    "permission",
    "allowed",
    "allow",
    "granted",
    "nc",
    "nd",
    "evaluation",
    "internal",
    "training",
    "train",
    "ai",
    "machine",
    "learning",
    "model",
    "models",
    "mining",
    "tdm",
    "use",
    "used",
    "uses",
    "usage",
    "subject",
    "condition",
    "conditions",
    "terms",
    "agree",
    "agreement",
    "fee",
    "paid",
    "purchase",
    "expires",
    "until",
    "revoked",
    "military",
    "ethical",
    "if",
    "when",
    "where",
    "who",
    "which",
    "that",
    "is",
    "are",
    "be",
    "research",
    "academic",
    "educational",
    "personal",
    "private",
    "license",
    "licence",
    "licensed",
    "sell",
    "sale",
    "nur",
    "ohne",
    "kein",
    "keine",
    "sauf",
    "sans",
    "pas",
    "solo",
    "sólo",
    "sin",
    "senza",
    "bez",
    "niet",
    "alleen",
    "tylko",
    "только",
    "не",
    "без",
];

/// Parts of such words, in a few languages.
const CONDITION_PARTS: &[&str] = &[
    "commerc",
    "kommerz",
    "comerc",
    "kommers",
    "nicht",
    "prohib",
    "forbid",
    "verbot",
    "untersag",
    "interdi",
    "seulement",
    "uniquement",
    "vietat",
    "únicamente",
    "restrict",
    "resale",
    "resell",
    "student",
    "training",
    "коммерч",
    "запрещ",
    "exclud",
    "royalt",
    "nonprofit",
    "noai",
    "noml",
    "consent",
    "hobby",
    "firms",
    "禁",
    "不得",
    "不可",
    "不许",
    "非",
    "商用",
    "商业",
    "商業",
    "训练",
    "訓練",
    "学習",
    "금지",
    "비영리",
    "상업",
    "학습",
    "ممنوع",
    "يحظر",
    "ห้าม",
];

fn is_condition_part(word: &str) -> bool {
    CONDITION_PARTS.iter().any(|part| word.contains(part))
}

/// Words in small letters that names of people and organisations have.
const JOINING: &[&str] = &[
    "and",
    "of",
    "the",
    "by",
    "for",
    "et",
    "al",
    "inc",
    "llc",
    "ltd",
    "gmbh",
    "ag",
    "bv",
    "sa",
    "de",
    "da",
    "di",
    "du",
    "la",
    "le",
    "van",
    "von",
    "der",
    "den",
    "contributors",
    "contributor",
    "authors",
    "author",
    "developers",
    "developer",
    "others",
    "other",
    "project",
    "team",
    "all",
    "rights",
    "reserved",
    "present",
    "its",
    "affiliates",
    "community",
    "members",
    "see",
    "file",
    "in",
    "a",
    "an",
    "to",
    "holders",
    "holder",
    "copyright",
    "subsidiaries",
    "companies",
    "c",
    "year",
    "yyyy",
    "owner",
    "owners",
    "copyrightholders",
    "fullname",
    "name",
    "email",
    "www",
    "http",
    "com",
    "org",
];

/// Longest run of letters without case, such as Chinese, in a name.
const CASELESS: usize = 6;

/// Whether a word may stand where a template has a name, a year or a place; `shape` is its first letter as it was written.
fn is_name(word: &str, token: &str) -> Shape {
    if CONDITIONS.contains(&word) || is_condition_part(word) {
        return Shape::Condition;
    }
    let address = token.contains('@') || token.contains("://") || token.trim_end_matches(['.', ',', ')', ':', ';']).contains('.');
    let cased = token.chars().find(|c| c.is_alphanumeric());
    match cased {
        _ if address || JOINING.contains(&word) => Shape::Name,
        Some(c) if c.is_uppercase() || c.is_numeric() => Shape::Name,
        Some(c) if c.is_lowercase() => Shape::Small,
        _ if word.chars().count() <= CASELESS => Shape::Name,
        _ => Shape::Condition,
    }
}

/// What a word looks like where a name is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Part of a name, a number or an address.
    Name,
    /// A word in small letters, of which a name has a few at most.
    Small,
    /// A word that a condition could be made of.
    Condition,
}

/// Most words in small letters of a notice.
const SMALL_WORDS: usize = 2;

/// Whether a line says who holds the copyright, and nothing else.
fn is_notice(line: &str) -> bool {
    let lower = line.to_lowercase();
    let rest = lower.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '(' && c != '©' && c != '<' && c != '[');
    // As it was written: the same bytes from the end.
    let written = |after: &str| &line[line.len().saturating_sub(after.len())..];
    let plain = |text: &str| {
        let mut shapes = Vec::new();
        for token in text.split_whitespace() {
            // In a name, a word with a capital letter is one: May, Will, Research. All in capitals it may be a condition.
            let titled = token.chars().filter(|c| c.is_alphabetic()).skip(1).any(char::is_lowercase)
                && token.chars().find(|c| c.is_alphabetic()).is_some_and(char::is_uppercase);
            let short = token == "AI" || token.trim_end_matches(['.', ',']) == "AI";
            shapes.extend(split(&token.to_lowercase()).iter().map(|word| match is_name(word, token) {
                Shape::Condition if (titled || short) && !is_condition_part(word) => Shape::Name,
                shape => shape,
            }));
        }
        let small = shapes.iter().filter(|s| **s == Shape::Small).count();
        shapes.len() <= NOTICE_WORDS && small <= SMALL_WORDS && !shapes.contains(&Shape::Condition)
    };
    if rest.trim_end_matches(['.', ' ', '*', '/', '\n', '\r', '\t']) == "all rights reserved" {
        return true;
    }
    let named = [
        "copyright",
        "(c)",
        "©",
        "portions copyright",
        "parts copyright",
        "some parts copyright",
        "original work copyright",
        "modified work copyright",
        "spdx-filecopyrighttext",
    ];
    let Some(after) = named.iter().find_map(|begin| rest.strip_prefix(begin)) else { return false };
    let year = |text: &str| {
        let digits: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).collect();
        digits.iter().any(|d| d.len() == 4 && (d.starts_with("19") || d.starts_with("20")))
    };
    let marked = ["(c)", "©", "<year", "[year", "[yyyy", "{yyyy", "yyyy", "<copyright", "<owner"].iter().any(|m| after.contains(m));
    let sign = rest.starts_with("(c)") || rest.starts_with('©');
    // Behind the end of a sentence, what follows is no name.
    let mut sentence = after.replace("all rights reserved", "");
    for short in ["inc.", "ltd.", "co.", "corp.", "llc.", "dr.", "jr.", "st.", "e.v.", "et al."] {
        sentence = sentence.replace(short, "");
    }
    let ends = |text: &str| {
        let letters = |rest: &str| rest.chars().filter(|c| c.is_alphabetic()).count() > 1;
        let stops = text.match_indices(['.', '。', ';', '!', '，', '、', '：']);
        // An initial, as in `J. Doe`, ends none, nor does the dot of an address.
        stops.into_iter().any(|(at, stop)| {
            let word = text[..at].chars().rev().take_while(|c| c.is_alphanumeric()).count();
            let apart = stop != "." || text[at + 1..].starts_with(char::is_whitespace);
            (word != 1 || stop != ".") && apart && letters(&text[at + stop.len()..])
        })
    };
    (year(after) || marked || sign && year(rest)) && !ends(&sentence) && lower.len() == line.len() && plain(written(after))
}

fn split(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_string).collect()
}

/// The words of `text`.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let (mut at, mut ascii) = (0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let notice = is_notice(line);
        let mut from = at;
        for token in line.split_inclusive(char::is_whitespace) {
            let seen: String = token.trim().chars().filter(|c| !is_unseen(*c)).collect();
            let plain = is_numbering(&seen);
            // Quotes within a word are left out, so that `author's` is one.
            let folded: String = seen.nfkc().filter(|c| !matches!(c, '\'' | '’' | '`')).flat_map(char::to_lowercase).collect();
            for word in split(&folded) {
                let pieces = word.split(|c: char| !c.is_ascii_alphanumeric()).filter(|p| !p.is_empty()).count();
                if !plain {
                    let name = is_name(&word, &seen) == Shape::Name;
                    let known = EQUIVALENT.iter().find(|(other, _)| *other == word).map(|(_, one)| (*one).to_string());
                    words.push(Word { word: known.unwrap_or(word), at: from, ascii, notice, line: number, name });
                }
                ascii += pieces;
            }
            from += token.len();
        }
        at += line.len();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> String {
        words(text).iter().map(|w| w.word.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_makes_no_difference_is_gone() {
        assert_eq!(joined("  1. The Licence, (a) of the author's\n * \"Work\"…"), "the license of the authors work");
        assert_eq!(joined("non-com\u{200b}mercial use"), "non commercial use");
        assert_eq!(joined("Nur für nichtkommerzielle Zwecke 禁止用于商业用途"), "nur für nichtkommerzielle zwecke 禁止用于商业用途");
        assert_eq!(joined("ＮＯＮ version 2 a"), "non version 2 a");
    }

    #[test]
    fn notices_name_who_and_when_and_nothing_else() {
        for line in [
            "Copyright (c) 2020 Anna Example <a@example.org>",
            "© 2019-2024 The Project Developers. All rights reserved.",
            " * Copyright 2001 X",
        ] {
            assert!(is_notice(line), "{line}");
        }
        for line in [
            "copyright notice, this list of conditions",
            "Copyright (c) 2020 Anna, non-commercial use only",
            "Copyright 2020 A. No AI training.",
            "Permission is granted",
        ] {
            assert!(!is_notice(line), "{line}");
        }
    }
}
