//! The files with which a site speaks for all of its pages.

use corpus::Digest;
use url::Url;

use super::robots::Robots;
use super::rsl::Rsl;
use super::tdmrep::Tdmrep;
use super::{Finding, Protocol, Signal, Target, add};

/// What is known about one origin: scheme, host and port, as [`super::origin_of`] names it.
///
/// Files are added as they were answered, redirects too; the caller sees to it that they are of one origin, or licences which its pages
/// name. A file that is not added is not known about and has no signal.
///
/// ```
/// use rights::reservation::{Finding, Site, strictest};
///
/// let mut site = Site::default();
/// site.add_robots("https://a.org/robots.txt", 200, b"User-agent: GPTBot\nDisallow: /news/");
/// assert_eq!(strictest(&site.of("https://a.org/news/1")), Finding::Reserves);
/// assert_eq!(strictest(&site.of("https://a.org/")), Finding::Absent);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Site {
    files: Vec<File>,
}

#[derive(Clone, Debug)]
struct File {
    url: String,
    evidence: Digest,
    statement: Statement,
}

#[derive(Clone, Debug)]
enum Statement {
    /// The server did not give the file.
    Withheld(Protocol, Finding),
    Robots(Robots),
    Tdmrep(Tdmrep),
    Licence(Rsl),
}

impl Site {
    /// Adds robots.txt as the server answered it: 4xx is no statement; 5xx, redirects and others are unknown.
    pub fn add_robots(&mut self, url: &str, status: u16, body: &[u8]) {
        self.add(url, body, withheld(Protocol::Robots, status).unwrap_or_else(|| Statement::Robots(Robots::parse(body))));
    }

    /// Adds `/.well-known/tdmrep.json` as the server answered it, with the same meaning of statuses.
    pub fn add_tdmrep(&mut self, url: &str, status: u16, body: &[u8]) {
        self.add(url, body, withheld(Protocol::Tdmrep, status).unwrap_or_else(|| Statement::Tdmrep(Tdmrep::parse(body))));
    }

    /// Adds an RSL licence that robots.txt or a page of the site names. With any status but 2xx it stays unknown to those who name it.
    pub fn add_licence(&mut self, url: &str, status: u16, body: &[u8]) {
        if (200..300).contains(&status) {
            let resolved = resolved(url, "").unwrap_or_else(|| url.to_string());
            self.add(&resolved, body, Statement::Licence(Rsl::parse(body)));
        }
    }

    fn add(&mut self, url: &str, body: &[u8], statement: Statement) {
        self.files.push(File { url: url.to_string(), evidence: Digest::of(body), statement });
    }

    /// The addresses of the RSL licences that robots.txt names and that are not added, each once.
    pub fn missing_licences(&self) -> Vec<String> {
        let mut missing: Vec<String> = Vec::new();
        for file in &self.files {
            if let Statement::Robots(robots) = &file.statement {
                missing.extend(robots.licences().filter(|l| !self.has_licence(&file.url, l)).filter_map(|l| resolved(&file.url, l)));
            }
        }
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Whether the licence that `reference` leads to from `base` is here.
    pub(super) fn has_licence(&self, base: &str, reference: &str) -> bool {
        let Some(url) = resolved(base, reference) else { return false };
        self.files.iter().any(|file| matches!(file.statement, Statement::Licence(_)) && file.url == url)
    }

    /// What the files say about the page at `url`, which is of this origin.
    ///
    /// At most one signal has a given protocol and place. An address that cannot be read has none.
    pub fn of(&self, url: &str) -> Vec<Signal> {
        let mut signals = Vec::new();
        let Some(target) = Target::of(url) else { return signals };
        for file in &self.files {
            let mut say = |protocol, finding, line: &str| {
                let place = format!("{}{line}", file.url);
                add(&mut signals, Signal { protocol, finding, place, evidence: file.evidence });
            };
            match &file.statement {
                Statement::Withheld(protocol, finding) => say(*protocol, *finding, ""),
                Statement::Tdmrep(tdmrep) => say(Protocol::Tdmrep, tdmrep.finding(&target.path), ""),
                Statement::Licence(rsl) => say(Protocol::Rsl, rsl.finding(&target), ""),
                Statement::Robots(robots) => {
                    let said = robots.said(&target.path);
                    say(Protocol::Robots, said.access, "");
                    if let Some(finding) = said.usage {
                        say(Protocol::AiPreferences, finding, " Content-Usage");
                    }
                    if let Some(finding) = said.content_signal {
                        say(Protocol::AiPreferences, finding, " Content-Signal");
                    }
                    if robots.licences().any(|licence| !self.has_licence(&file.url, licence)) {
                        say(Protocol::Rsl, Finding::Unknown, " License");
                    }
                }
            }
        }
        signals
    }
}

/// The statement of an answer without the file. `None` if the status is 2xx.
///
/// Source: RFC 9309, section 2.3.1; unlike there, redirects are unknown, as their target is not at hand.
fn withheld(protocol: Protocol, status: u16) -> Option<Statement> {
    match status {
        200..=299 => None,
        400..=499 => Some(Statement::Withheld(protocol, Finding::Absent)),
        _ => Some(Statement::Withheld(protocol, Finding::Unknown)),
    }
}

/// The address that `reference` leads to from `base`, without its fragment.
fn resolved(base: &str, reference: &str) -> Option<String> {
    let base = Url::parse(base.trim()).ok();
    let mut url = Url::options().base_url(base.as_ref()).parse(reference.trim()).ok()?;
    url.set_fragment(None);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(site: &Site) -> Vec<(&'static str, Finding, String)> {
        site.of("https://a.org/x").into_iter().map(|s| (s.protocol.name(), s.finding, s.place)).collect()
    }

    #[test]
    fn statuses_say_whether_there_is_a_file() {
        let body = b"User-agent: *\nDisallow: /";
        let statuses = [
            (200, Finding::Reserves),
            (404, Finding::Absent),
            (403, Finding::Absent),
            (301, Finding::Unknown),
            (503, Finding::Unknown),
            (0, Finding::Unknown),
        ];
        for (status, expected) in statuses {
            let mut site = Site::default();
            site.add_robots("https://a.org/robots.txt", status, body);
            assert_eq!(said(&site), [("robots", expected, "https://a.org/robots.txt".to_string())], "{status}");
            assert_eq!(site.of("https://a.org/x")[0].evidence, Digest::of(body));
        }
        let mut site = Site::default();
        site.add_tdmrep("https://a.org/.well-known/tdmrep.json", 500, b"");
        assert_eq!(said(&site), [("tdmrep", Finding::Unknown, "https://a.org/.well-known/tdmrep.json".to_string())]);
    }

    #[test]
    fn lines_of_robots_txt_have_their_own_signals() {
        let mut site = Site::default();
        let body = b"User-agent: *\nContent-Usage: train-ai=y\nContent-Signal: ai-train=no\nAllow: /\nLicense: /l.xml\nLicense: l.xml#a";
        site.add_robots("https://a.org/robots.txt", 200, body);
        let place = |line: &str| format!("https://a.org/robots.txt{line}");
        let expected = [
            ("robots", Finding::Absent, place("")),
            ("aipref", Finding::Permits, place(" Content-Usage")),
            ("aipref", Finding::Reserves, place(" Content-Signal")),
            ("rsl", Finding::Unknown, place(" License")),
        ];
        assert_eq!(said(&site), expected);
        assert_eq!(site.missing_licences(), ["https://a.org/l.xml"]);
    }

    #[test]
    fn of_several_answers_the_strictest_holds() {
        let mut site = Site::default();
        for body in [&b"User-agent: *\nAllow: /"[..], b"User-agent: CCBot\nDisallow: /", b""] {
            site.add_robots("https://a.org/robots.txt", 200, body);
        }
        assert_eq!(said(&site), [("robots", Finding::Reserves, "https://a.org/robots.txt".to_string())]);
        assert!(site.of("mailto:a@a.org").is_empty());
    }
}
