//! Which licence a text is, by every word of it, and what all statements about a document come to.
//!
//! - `words`: a text as words, after the SPDX matching guidelines
//! - `template`: whether every word belongs to a licence of the SPDX list
//! - `statements`: what says which licence a dataset, a file and a row have, and their intersection
//!
//! A phrase is no licence: a text that quotes one and adds a condition is unknown, and unknown permits nothing.

mod statements;
mod template;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock};

use corpus::licence;
use spdx::detection::{Store, TextData};

pub use statements::{Licences, RightsError, Scoped, Source, Stated, Statement};

use template::Template;
use words::{Word, words};

/// The expression of a text or a name that is none of the SPDX list.
pub const UNKNOWN: &str = "LicenseRef-unknown";

/// Longest text that is compared.
const TEXT_BYTES: usize = 512 << 10;
/// Licences whose words are compared with a text's, the likeliest first.
const CANDIDATES: usize = 64;
/// Most licences in one file.
const IN_ONE_FILE: usize = 4;
/// Least words of another licence behind one.
const LEAST_WORDS: usize = 15;

/// The identifiers of the SPDX list whose texts are `text`; several licences one behind the other each have a set of their own.
///
/// Empty if some word belongs to none of them.
pub fn identify(text: &str) -> Vec<BTreeSet<&'static str>> {
    // What is struck through looks as if it were gone, and its words are all there.
    let tildes = text.match_indices("~~").any(|(at, _)| {
        let apart = !text[..at].ends_with('~');
        apart && text[at + 2..].starts_with(|c: char| c.is_alphanumeric() || c == '*' || c == '_')
    });
    // Marks that strike a letter through, or turn the direction of writing, leave the words and change what is read.
    let turned = text.chars().any(|c| matches!(c, '\u{335}'..='\u{338}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    let struck = tildes || turned || ["<del", "<s>", "<strike", "</s>"].iter().any(|mark| text.contains(mark));
    if text.len() > TEXT_BYTES || struck {
        return Vec::new();
    }
    let all = words(text);
    let body: Vec<&Word> = all.iter().filter(|w| !w.notice).collect();
    let (mut rest, mut found) = (&body[..], Vec::new());
    while !rest.is_empty() && found.len() < IN_ONE_FILE {
        let (length, ids) = longest(&text[rest[0].at..], rest);
        if length == 0 || (length < rest.len() && rest.len() - length < LEAST_WORDS) {
            return Vec::new();
        }
        found.push(ids);
        rest = &rest[length..];
    }
    if rest.is_empty() { found } else { Vec::new() }
}

/// Bytes from the begin of a text that are taken for a licence by itself, where the whole is none.
const BEGINS: [usize; 3] = [usize::MAX, 14_000, 1_600];

/// The licences that have the most words at the begin of `text`, all of theirs, and how many these are.
fn longest(text: &str, words: &[&Word]) -> (usize, BTreeSet<&'static str>) {
    let mut best: (usize, BTreeSet<&'static str>) = Default::default();
    for bytes in BEGINS {
        if best.0 == words.len() || bytes != usize::MAX && text.len() <= bytes {
            continue;
        }
        let end = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        for id in candidates(&text[..end], words.len()) {
            let Some(length) = with_template(id, |t| t.matches(words)).flatten() else { continue };
            if length > best.0 {
                best = (length, BTreeSet::new());
            }
            if length == best.0 {
                best.1.extend(same_text(id));
            }
        }
    }
    best
}

/// Words of a text that is compared with all short ones of the list: what the library leaves of it may be nothing.
const SHORT_WORDS: usize = 150;

/// The licences of the list that a text of so many words is likeliest to be.
fn candidates(text: &str, words: usize) -> Vec<&'static str> {
    static STORE: OnceLock<Store> = OnceLock::new();
    let store = STORE.get_or_init(|| Store::load_inline().expect("a list that is part of this program"));
    let data = TextData::new(text);
    let mut scored: Vec<(f32, &'static str)> = Vec::new();
    for (name, entry) in store.iter() {
        let alternates = entry.alternates.iter().map(|a| a.match_score(&data));
        let score = alternates.fold(entry.original.match_score(&data), f32::max);
        scored.extend([name].into_iter().chain(&entry.aliases).filter_map(|id| Some((score, spdx::license_id(id)?.name))));
    }
    scored.sort_by(|(a, x), (b, y)| b.total_cmp(a).then(x.cmp(y)));
    // A few of the list are not in the library's own.
    static OTHERS: OnceLock<Vec<&'static str>> = OnceLock::new();
    let others = OTHERS.get_or_init(|| {
        let known: BTreeSet<&str> = scored.iter().map(|(_, id)| *id).collect();
        let listed = spdx::text::LICENSE_TEXTS.iter().map(|(id, _)| *id);
        // The list's text of LGPL-3.0 goes on with all of the GPL, which files of it do not have.
        listed.filter(|id| *id != "NOASSERTION" && (!known.contains(id) || *id == "LGPL-3.0-only")).collect()
    });
    let mut found: Vec<&'static str> = scored.iter().map(|(_, id)| *id).take(CANDIDATES).chain(others.iter().copied()).collect();
    if words < SHORT_WORDS {
        let short = spdx::text::LICENSE_TEXTS.iter().filter(|(_, text)| text.len() < SHORT_WORDS * 12).map(|(id, _)| *id);
        found.extend(short.filter(|id| *id != "NOASSERTION"));
    }
    found
}

/// What `f` makes of a template, which is made once.
fn with_template<T>(id: &'static str, f: impl FnOnce(&Template) -> T) -> Option<T> {
    static MADE: OnceLock<Mutex<BTreeMap<&'static str, Option<&'static Template>>>> = OnceLock::new();
    let mut made = MADE.get_or_init(Default::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // At most one for each licence of the list, kept as long as the program runs.
    let template = *made.entry(id).or_insert_with(|| Template::of(id).map(|t| &*Box::leak(Box::new(t))));
    drop(made);
    template.map(f)
}

/// The licences whose text in the list has the same words.
fn same_text(id: &'static str) -> Vec<&'static str> {
    static GROUPS: OnceLock<BTreeMap<&'static str, Vec<&'static str>>> = OnceLock::new();
    let groups = GROUPS.get_or_init(|| {
        let mut by_words: BTreeMap<Vec<String>, Vec<&'static str>> = BTreeMap::new();
        for (name, text) in spdx::text::LICENSE_TEXTS {
            let body = words(text).into_iter().filter(|w| !w.notice).map(|w| w.word).collect();
            by_words.entry(body).or_default().push(name);
        }
        by_words.into_values().flat_map(|ids| ids.clone().into_iter().map(move |id| (id, ids.clone()))).collect()
    });
    groups.get(id).cloned().unwrap_or_else(|| vec![id])
}

/// The expression of a licence file: its `SPDX-License-Identifier` lines, a name, or the whole text; [`UNKNOWN`] if some of it is neither.
pub fn of_file(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut expressions, mut rest) = (BTreeSet::new(), String::new());
    for line in text.split_inclusive('\n') {
        match tag(line) {
            Some((expression, behind)) => {
                expressions.insert(named(expression));
                // What stands behind a tag counts as much as what stands on other lines.
                rest.push_str(behind);
                rest.push('\n');
            }
            None => rest.push_str(line),
        }
    }
    if words(&rest).iter().any(|w| !w.notice) {
        expressions.extend(of_text(&rest));
    }
    // A file of notices alone says who has the rights, and nothing of what they permit.
    if expressions.is_empty() {
        return UNKNOWN.to_string();
    }
    joined(&expressions)
}

/// The expression of a text without tags.
fn of_text(text: &str) -> BTreeSet<String> {
    let line = text.trim();
    if line.lines().count() == 1 && line.len() <= 200 {
        let name = of_address(line).unwrap_or_else(|| named(line));
        if !name.starts_with("LicenseRef-") {
            return [name].into();
        }
    }
    let found = identify(text);
    if found.is_empty() {
        return [UNKNOWN.to_string()].into();
    }
    found.iter().map(expression_of).collect()
}

/// One expression for the licences that share a text: purposes are those that all of them permit.
fn expression_of(ids: &BTreeSet<&'static str>) -> String {
    let base = |id: &str| {
        id.trim_end_matches("-no-copyleft-exception")
            .trim_end_matches("-only")
            .trim_end_matches("-or-later")
            .trim_end_matches('+')
            .to_string()
    };
    let bases: BTreeSet<String> = ids.iter().map(|id| base(id)).collect();
    // Versions of one licence that differ in whether later ones may be taken: the text does not say so.
    if bases.len() == 1 && ids.len() > 1 {
        return ids.iter().find(|id| id.ends_with("-only")).or(ids.first()).map_or(UNKNOWN.into(), |id| (*id).to_string());
    }
    joined(&ids.iter().map(|id| (*id).to_string()).collect())
}

/// The expression behind `SPDX-License-Identifier:`, if a line is such a tag behind marks of a comment, and what follows where the comment ends.
pub fn tag(line: &str) -> Option<(&str, &str)> {
    const NAME: &str = "spdx-license-identifier:";
    let at = line.to_ascii_lowercase().find(NAME)?;
    let (before, after) = (&line[..at], &line[at + NAME.len()..]);
    let comment = before.chars().all(|c| !c.is_alphanumeric()) || before.trim().eq_ignore_ascii_case("rem") || before.trim() == "dnl";
    let end = ["*/", "-->", "*)", "-}", "#}", "\"\"\""].iter().filter_map(|mark| after.find(mark)).min().unwrap_or(after.len());
    comment.then(|| (after[..end].trim(), &after[end..]))
}

/// The expression of what a card, a row or a tag names; [`UNKNOWN`] if that is no licence that is known.
pub fn named(name: &str) -> String {
    let name = name.trim();
    if let Some(id) = licence::id_of(name) {
        return id.to_string();
    }
    licence::parse(name).unwrap_or_else(|_| reference(name))
}

/// Longest name of a licence that is none of the list.
const REFERENCE_BYTES: usize = 60;

/// The reference of a name that is no licence of the list: `LicenseRef-` and its letters, so that a person sees what was said.
pub fn reference(name: &str) -> String {
    let letters: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).take(REFERENCE_BYTES).collect();
    let letters = letters.trim_matches(['-', '.']);
    // It goes into a public log: nothing that could be of a person or open something.
    let personal = name.contains('@') || name.chars().filter(char::is_ascii_digit).count() >= 6 || filters::shown(name) != name;
    let several = name.len() > REFERENCE_BYTES || letters.is_empty() || personal || name.split_whitespace().count() > 5;
    if several { UNKNOWN.to_string() } else { format!("LicenseRef-{letters}") }
}

/// The licence of an address of Creative Commons, the SPDX list or the Apache foundation.
fn of_address(address: &str) -> Option<String> {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
    let rest = rest.strip_prefix("www.").unwrap_or(rest).trim_end_matches('/').to_ascii_lowercase();
    let id = if let Some(path) = rest.strip_prefix("creativecommons.org/") {
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            // With a country behind it, it is another text.
            ["licenses", kind, version] | ["licenses", kind, version, "legalcode" | "deed.en" | "deed" | "legalcode.en"] => {
                format!("CC-{kind}-{version}")
            }
            ["publicdomain", "zero", version, ..] => format!("CC0-{version}"),
            _ => return None,
        }
    } else if let Some(path) = rest.strip_prefix("spdx.org/licenses/") {
        path.trim_end_matches(".html").trim_end_matches(".json").to_string()
    } else if rest == "apache.org/licenses/license-2.0" || rest == "apache.org/licenses/license-2.0.txt" {
        "Apache-2.0".to_string()
    } else if rest == "opensource.org/licenses/mit" || rest == "opensource.org/license/mit" {
        "MIT".to_string()
    } else {
        return None;
    };
    licence::id_of(&id).map(str::to_string)
}

/// All expressions together: what all of them permit is permitted.
pub fn joined(expressions: &BTreeSet<String>) -> String {
    let several = expressions.len() > 1;
    let one = |e: &String| if several && e.contains(" OR ") { format!("({e})") } else { e.clone() };
    expressions.iter().map(one).collect::<Vec<_>>().join(" AND ")
}
