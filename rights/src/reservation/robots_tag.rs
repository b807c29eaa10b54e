//! `noai` and its kind: directives for robots in `X-Robots-Tag` and in `<meta name="robots">`.
//!
//! The words are no standard. `noai` and `noimageai` are DeviantArt's of November 2022, `noml` is that of <https://noml.info>. The form
//! around them is Google's: directives between commas, each with the name of a robot and a colon before it or without.
//! `noindex`, `noarchive` and others are about search, and say nothing about training.

use super::Finding;
use super::crawlers::AI_CRAWLERS;

/// Robots beside those of the list whose elements are read. All names of `X-Robots-Tag` are read: nothing else has its form.
const ROBOTS: [&str; 3] = ["robots", "googlebot", "bingbot"];

/// Whether an element with this name has directives.
pub(super) fn is_addressed(name: &str) -> bool {
    ROBOTS.iter().chain(AI_CRAWLERS).any(|robot| robot.eq_ignore_ascii_case(name))
}

/// The finding of directives; `None` if none is about training.
///
/// The name of a robot does not matter: the words say for what a page is used, not by whom. `noimageai` is about a page's pictures, so
/// about its text it says nothing.
pub(super) fn finding(directives: &str) -> Option<Finding> {
    let about = |directive: &str| {
        let word = directive.rsplit(':').next().unwrap_or_default().trim();
        if ["noai", "noml"].iter().any(|w| word.eq_ignore_ascii_case(w)) {
            Some(Finding::Reserves)
        } else {
            word.eq_ignore_ascii_case("noimageai").then_some(Finding::Absent)
        }
    };
    // Between commas by its form; people write other things between.
    let apart = |c: char| matches!(c, ',' | ';' | '，' | '、') || c.is_whitespace();
    let seen = |directive: &str| directive.chars().filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}')).collect::<String>();
    directives.split(apart).filter_map(|directive| about(&seen(directive))).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_words_between_commas() {
        let cases = [
            ("noai, noimageai", Some(Finding::Reserves)),
            ("noindex,NoAI", Some(Finding::Reserves)),
            ("googlebot: nofollow, otherbot: noai", Some(Finding::Reserves)),
            ("max-snippet: 20, unavailable_after: 25 Jun 2010 15:00:00 PST, noml", Some(Finding::Reserves)),
            ("noimageai", Some(Finding::Absent)),
            ("noindex, nofollow", None),
            ("noai noimageai", Some(Finding::Reserves)),
            ("index; no\u{200b}ai", Some(Finding::Reserves)),
            ("noai-no", None),
            ("no ai", None),
            ("", None),
        ];
        for (directives, expected) in cases {
            assert_eq!(finding(directives), expected, "{directives}");
        }
    }

    #[test]
    fn elements_are_for_robots() {
        assert!(["Robots", "gptbot", "CCBot", "googlebot"].into_iter().all(is_addressed));
        assert!(!["description", "keywords", "", "robot"].into_iter().any(is_addressed));
    }
}
