//! Whether every word of a text belongs to a licence's template.
//!
//! A template is a text of the SPDX list with marks: words that may be missing, and words that stand for others, such as a name.
//! The comparison is that of a finite automaton: it holds all places of the template that the words so far may lead to.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::words::{Word, words};

/// A text of the SPDX list, as places and what leads from each to others.
pub(super) struct Template {
    places: Vec<Place>,
    /// Where all of it has been read.
    end: usize,
    /// Words of the licence's names, which a title may have.
    title: Vec<String>,
}

/// A place in a template.
#[derive(Clone, Default)]
struct Place {
    /// Words that lead on.
    words: Vec<(String, usize)>,
    /// Places that are reached without a word.
    skips: Vec<usize>,
    /// Places that are reached by any plain words, such as a name.
    names: Vec<usize>,
}

/// Most words of a name.
const NAME_WORDS: u8 = 40;
/// Most lines of a title, and words of a line.
const TITLE_LINES: usize = 4;
const TITLE_WORDS: usize = 24;

impl Template {
    /// The template of a licence that the list has a text of.
    pub fn of(id: &str) -> Option<Template> {
        let (_, text) = spdx::text::LICENSE_TEXTS.iter().find(|(name, _)| *name == id)?;
        let all = words(text);
        let end = all.len();
        let mut template = Template { places: vec![Place::default(); end + 1], end, title: Vec::new() };
        for (i, word) in all.iter().enumerate() {
            template.places[i].words.push((word.word.clone(), i + 1));
        }
        // Marks count ASCII words; this finds the word that has a number, or the next one.
        let place = |ascii: usize| all.partition_point(|w| w.ascii < ascii);
        for mark in marks(id) {
            let (from, to) = (place(mark.from), place(mark.to));
            match mark.kind {
                Kind::Optional => template.places[from].skips.push(to),
                Kind::Name => {
                    template.places[from].names.push(to);
                    template.places[from].skips.push(to);
                }
                Kind::Alternatives(texts) => texts.split('|').for_each(|text| template.add(from, to, text)),
            }
        }
        // Notices of copyright may be missing, whatever the list marks.
        let mut from = 0;
        while from < end {
            let to = from + all[from..].iter().take_while(|w| w.notice).count();
            if to > from {
                template.places[from].skips.push(to);
            }
            from = to.max(from) + 1;
        }
        let name = spdx::license_id(id).map_or("", |l| l.full_name);
        let names = words(&format!("the a license licenses version v copyright notice {id} {name}"));
        template.title = names.into_iter().map(|w| w.word).collect();
        Some(template)
    }

    /// Adds words that may stand from one place to another; `*` is a name.
    fn add(&mut self, from: usize, to: usize, text: &str) {
        let mut at = from;
        for token in text.split_whitespace() {
            let next = self.places.len();
            self.places.push(Place::default());
            if token == "*" {
                self.places[at].names.push(next);
                self.places[at].skips.push(next);
                at = next;
            } else {
                for word in words(token) {
                    let next = self.places.len();
                    self.places.push(Place::default());
                    self.places[at].words.push((word.word, next));
                    at = next;
                }
            }
        }
        self.places[at].skips.push(to);
    }

    /// How many words of `text` at its begin are all of the template, at most; none if they are not.
    pub fn matches(&self, text: &[&Word]) -> Option<usize> {
        let mut begin = 0;
        let mut best = self.run(text);
        // A title of words that the licence is called by, line by line.
        for _ in 0..TITLE_LINES {
            let Some(first) = text.get(begin) else { break };
            let length = text[begin..].iter().take_while(|w| w.line == first.line).count();
            if length > TITLE_WORDS || !text[begin..begin + length].iter().all(|w| self.title.contains(&w.word)) {
                break;
            }
            begin += length;
            best = best.max(self.run(&text[begin..]).map(|end| begin + end));
        }
        best
    }

    fn run(&self, text: &[&Word]) -> Option<usize> {
        let mut reached = Reached::default();
        self.enter(0, &mut reached);
        let mut found = None;
        for (i, word) in text.iter().enumerate() {
            if reached.at.contains(&self.end) {
                found = Some(i);
            }
            let mut next = Reached::default();
            for place in &reached.at {
                let place = &self.places[*place];
                place.words.iter().filter(|(w, _)| *w == word.word).for_each(|(_, to)| self.enter(*to, &mut next));
                if word.name {
                    place.names.iter().for_each(|to| self.name(*to, 1, &mut next));
                }
            }
            if word.name {
                let going_on = reached.names.iter().filter(|(_, count)| *count < NAME_WORDS);
                going_on.for_each(|(to, count)| self.name(*to, count + 1, &mut next));
            }
            if next.at.is_empty() {
                return found;
            }
            reached = next;
        }
        if reached.at.contains(&self.end) { Some(text.len()) } else { found }
    }

    /// Adds a place, and those that are reached from it without a word.
    fn enter(&self, place: usize, reached: &mut Reached) {
        let mut waiting = vec![place];
        while let Some(place) = waiting.pop() {
            if !reached.at.contains(&place) {
                reached.at.push(place);
                waiting.extend(&self.places[place].skips);
            }
        }
    }

    /// Adds a name of so many words that may end here, before the place `to`, or go on.
    fn name(&self, to: usize, count: u8, reached: &mut Reached) {
        match reached.names.iter_mut().find(|(end, _)| *end == to) {
            Some((_, fewest)) => *fewest = count.min(*fewest),
            None => reached.names.push((to, count)),
        }
        self.enter(to, reached);
    }
}

/// Where in a template the words so far may lead.
#[derive(Default)]
struct Reached {
    at: Vec<usize>,
    /// Ends of names, and the fewest words of each so far.
    names: Vec<(usize, u8)>,
}

struct Mark {
    kind: Kind,
    /// Its first ASCII word, and the one behind its last.
    from: usize,
    to: usize,
}

enum Kind {
    Optional,
    Name,
    /// Texts that may stand there, apart by `|`.
    Alternatives(&'static str),
}

/// The marks of a licence. `marks.py` makes the table and says what its columns are.
fn marks(id: &str) -> Vec<Mark> {
    static TABLE: OnceLock<BTreeMap<&str, (&str, &str)>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let lines = include_str!("marks.tsv").lines().filter(|line| !line.starts_with('#'));
        let columns = lines.map(|line| line.split('\t').collect::<Vec<_>>());
        columns.filter(|c| c.len() >= 3).map(|c| (c[0], (c[2], c.get(3).copied().unwrap_or("")))).collect()
    });
    let Some((marks, alternatives)) = table.get(id) else { return Vec::new() };
    let range = |text: &str| -> Option<(usize, usize)> {
        let (from, to) = text.split_once('-')?;
        Some((from.parse().ok()?, to.parse().ok()?))
    };
    let closed: BTreeMap<(usize, usize), &'static str> =
        alternatives.split(';').filter_map(|a| a.split_once('=')).filter_map(|(at, texts)| Some((range(at)?, texts))).collect();
    let mark = |text: &str| {
        let (kind, at) = text.split_once(':')?;
        let (from, to) = range(at)?;
        let kind = match (kind, closed.get(&(from, to))) {
            ("r", Some(texts)) => Kind::Alternatives(texts),
            ("r", None) => Kind::Name,
            ("o" | "c" | "b", _) => Kind::Optional,
            _ => return None,
        };
        Some(Mark { kind, from, to })
    };
    marks.split(' ').filter_map(mark).collect()
}
