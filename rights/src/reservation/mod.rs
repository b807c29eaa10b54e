//! What publishers say in machine-readable form about training on their pages.
//!
//! A page's own statements are in its HTTP header and its HTML; [`of_page`] reads them. A [`Site`] holds the files that speak for a whole
//! origin, such as robots.txt. [`of`] takes both together, where one names or overrides the other. Each statement is a [`Signal`]:
//!
//! - `robots`: robots.txt, which keeps the `crawlers` of the list from paths
//! - `ai_preferences`: `Content-Usage` of the IETF, in the header and in robots.txt
//! - `tdmrep`: `tdm-reservation` of the W3C community group, in the header, in HTML and in a file
//! - `robots_tag`: `noai` in `X-Robots-Tag` and in `<meta name="robots">`
//! - `rsl`: licences in XML, which robots.txt, the header or HTML name
//!
//! `pattern` compares paths for three of them, `marks` finds the elements of HTML, and `fields` reads structured fields.
//!
//! Nothing is fetched: a licence that is named and not at hand is [`Finding::Unknown`]. So is a statement that is damaged: what cannot be
//! read permits nothing. Reading takes linear time and never fails. What follows from a statement is judged elsewhere.

mod ai_preferences;
mod crawlers;
mod fields;
mod marks;
mod pattern;
mod robots;
mod robots_tag;
mod rsl;
mod site;
mod tdmrep;

use corpus::Digest;
use marks::Mark;
use pattern::Address;
use rsl::Rsl;
use serde::{Deserialize, Serialize};
use url::{Position, Url};

pub use crawlers::{AI_CRAWLERS, AI_CRAWLERS_AS_OF};
pub use site::Site;

/// What a publisher's statement says about training. The stricter is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// There is no statement, or it says nothing about training.
    Absent,
    /// Training is permitted without a condition.
    Permits,
    /// There is a statement, and what it says is not known: it is damaged, elsewhere, or depends on a condition.
    Unknown,
    /// Training is reserved.
    Reserves,
}

/// How a statement is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// Paths that crawlers are kept from.
    #[serde(rename = "robots")]
    Robots,
    /// `Content-Usage`.
    #[serde(rename = "aipref")]
    AiPreferences,
    /// `tdm-reservation`.
    #[serde(rename = "tdmrep")]
    Tdmrep,
    /// `noai` for robots.
    #[serde(rename = "robots-tag")]
    RobotsTag,
    /// Really Simple Licensing.
    #[serde(rename = "rsl")]
    Rsl,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 5] = [Protocol::Robots, Protocol::AiPreferences, Protocol::Tdmrep, Protocol::RobotsTag, Protocol::Rsl];

    /// The protocol in tables and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Robots => "robots",
            Protocol::AiPreferences => "aipref",
            Protocol::Tdmrep => "tdmrep",
            Protocol::RobotsTag => "robots-tag",
            Protocol::Rsl => "rsl",
        }
    }

    /// The revision of its specification that is followed here.
    pub fn revision(self) -> &'static str {
        match self {
            Protocol::Robots => "RFC 9309",
            Protocol::AiPreferences => "draft-ietf-aipref-vocab-08, draft-ietf-aipref-attach-05",
            Protocol::Tdmrep => "TDMRep, W3C Final Community Group Report of 2024-05-10",
            // No standard: DeviantArt proposed the words in 2022, noml.info another in 2023.
            Protocol::RobotsTag => "noai of 2022-11, noml of 2023",
            Protocol::Rsl => "RSL 1.0 of 2025-12-10, errata to 2026-08-07",
        }
    }
}

/// One statement, with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signal {
    /// How it is made.
    pub protocol: Protocol,
    /// What it says.
    pub finding: Finding,
    /// Where it stands: a file's address, `header` with a field's name, or an element of the page.
    pub place: String,
    /// Digest of the bytes that say so: a file, the value of a field (its lines joined by `, `) or attribute, or a script.
    pub evidence: Digest,
}

/// A page as it was served.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Its address.
    pub url: &'a str,
    /// The fields of its header, with names in any case; several lines of one field are several entries.
    pub headers: &'a [(String, String)],
    /// Its text, if it is HTML.
    pub html: Option<&'a str>,
}

impl Page<'_> {
    /// The value of a header field, whose lines are one list (RFC 9110, section 5.3).
    fn field(&self, name: &str) -> Option<String> {
        let values = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        let lines: Vec<&str> = values.filter(|value| !value.is_empty()).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }
}

/// What the header and the HTML of a page say; every licence that they name is unknown.
pub fn of_page(page: &Page<'_>) -> Vec<Signal> {
    of(page, &Site::default())
}

/// What a page and the site that it is on say.
///
/// A `tdm-reservation` in HTML overrides that of the header, and both override that of the site's file. At most one signal has a given
/// protocol and place; of several the strictest is given.
pub fn of(page: &Page<'_>, site: &Site) -> Vec<Signal> {
    let target = Target::of(page.url);
    let mut signals = Vec::new();
    if let Some(html) = page.html {
        marks::each(html, |mark| {
            let (protocol, finding, place, says) = match mark {
                Mark::Meta { name, content } if name == "tdm-reservation" => {
                    (Protocol::Tdmrep, tdmrep::value(&content), "meta tdm-reservation".to_string(), content)
                }
                Mark::Meta { name, content } if robots_tag::is_addressed(&name) => match robots_tag::finding(&content) {
                    Some(finding) => (Protocol::RobotsTag, finding, format!("meta {name}"), content),
                    None => return,
                },
                Mark::Licence { href } if !site.has_licence(page.url, &href) => {
                    (Protocol::Rsl, Finding::Unknown, "link rel=license".to_string(), href)
                }
                Mark::Meta { .. } | Mark::Licence { .. } => return,
                Mark::Inline { text } => {
                    let finding = target.as_ref().map_or(Finding::Unknown, |t| Rsl::parse(text.as_bytes()).finding(t));
                    (Protocol::Rsl, finding, "script application/rsl+xml".to_string(), text)
                }
            };
            add(&mut signals, Signal { protocol, finding, place, evidence: Digest::of(says.as_bytes()) });
        });
    }
    add_field(&mut signals, page, "Content-Usage", Protocol::AiPreferences, |value| Some(ai_preferences::finding(value)));
    add_field(&mut signals, page, "X-Robots-Tag", Protocol::RobotsTag, robots_tag::finding);
    add_field(&mut signals, page, "Link", Protocol::Rsl, |value| {
        let unknown = marks::licences(value).into_iter().any(|href| !site.has_licence(page.url, href));
        unknown.then_some(Finding::Unknown)
    });
    if !is_tdm_decided(&signals) {
        add_field(&mut signals, page, "TDM-Reservation", Protocol::Tdmrep, |value| Some(tdmrep::value(value)));
    }
    let decided = is_tdm_decided(&signals);
    signals.extend(site.of(page.url).into_iter().filter(|s| !(decided && s.protocol == Protocol::Tdmrep)));
    signals
}

/// The strictest of what is said; [`Finding::Absent`] if nothing is.
pub fn strictest(signals: &[Signal]) -> Finding {
    signals.iter().map(|signal| signal.finding).max().unwrap_or(Finding::Absent)
}

/// Adds what a field of the header says.
fn add_field(signals: &mut Vec<Signal>, page: &Page<'_>, name: &str, protocol: Protocol, read: impl Fn(&str) -> Option<Finding>) {
    let Some(value) = page.field(name) else { return };
    let Some(finding) = read(&value) else { return };
    add(signals, Signal { protocol, finding, place: format!("header {name}"), evidence: Digest::of(value.as_bytes()) });
}

/// Whether a page has a TDMRep value that can be read: one that cannot overrides nothing.
fn is_tdm_decided(signals: &[Signal]) -> bool {
    signals.iter().any(|s| s.protocol == Protocol::Tdmrep && matches!(s.finding, Finding::Permits | Finding::Reserves))
}

/// Adds a signal; of several at one place the strictest stays, so that a page has no more than there are places.
fn add(signals: &mut Vec<Signal>, signal: Signal) {
    match signals.iter_mut().find(|s| s.protocol == signal.protocol && s.place == signal.place) {
        Some(found) if found.finding < signal.finding => *found = signal,
        Some(_) => {}
        None => signals.push(signal),
    }
}

/// The origin of a web address as `scheme://host:port`: in lower case, with the port that the scheme implies, without user and password.
///
/// `None` for what is no `http` or `https` address.
pub fn origin_of(url: &str) -> Option<String> {
    let url = web(url)?;
    Some(format!("{}://{}:{}", url.scheme(), url.host_str()?, url.port_or_known_default()?))
}

/// The path and the query of a web address, without its fragment; `None` for what is no `http` or `https` address.
pub fn path_of(url: &str) -> Option<String> {
    Some(web(url)?[Position::BeforePath..Position::AfterQuery].to_string())
}

fn web(url: &str) -> Option<Url> {
    Url::parse(url.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// An address that statements are asked about.
struct Target {
    path: Address,
    /// Host, and port unless the scheme implies it. The scheme is left out: licences name one, and sites are served over both.
    host: String,
}

impl Target {
    fn of(url: &str) -> Option<Target> {
        let url = web(url)?;
        let path = Address::new(&url[Position::BeforePath..Position::AfterQuery]);
        Some(Target { path, host: url[Position::BeforeHost..Position::AfterPort].to_string() })
    }
}

#[cfg(test)]
mod tests;
