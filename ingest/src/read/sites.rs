//! What the sites of crawled pages say about training: their `robots.txt` and other files of a WARC dataset, found before its pages are read.
//!
//! A page is under the `robots.txt` of its scheme, host and port that was fetched nearest to it. A reservation that was fetched later counts too: who
//! trains now knows of it. A page without one in the dataset has a finding that is not known.

use std::cell::RefCell;
use std::collections::HashMap;

use corpus::Digest;
use rights::reservation::{Finding, Page, Protocol, Signal, Site, of, origin_of, path_of};

/// Something that was fetched.
struct Fetched {
    /// Seconds since 1970.
    time: i64,
    url: String,
    status: u16,
    body: Vec<u8>,
}

/// The places of a `robots.txt` and a TDMRep file, if there are any.
type Places = (Option<usize>, Option<usize>);

/// The files of one scheme, host and port.
#[derive(Default)]
struct Files {
    robots: Vec<Fetched>,
    tdmrep: Vec<Fetched>,
    licences: Vec<Fetched>,
    /// What they come to, by the places of the `robots.txt` and the TDMRep file.
    sites: RefCell<HashMap<Places, Site>>,
    /// Whether there were more files than are kept.
    overflowed: bool,
}

/// What the sites of a dataset say.
#[derive(Default)]
pub(super) struct Sites(HashMap<String, Files>);

/// Longest file of a site that is kept; a longer `robots.txt` has no rules beyond its first 500 KiB.
pub(super) const FILE_BYTES: usize = 1 << 20;
/// Most files of one kind that are kept of one site: the first ones.
const FILES: usize = 64;

/// Files that say something about a whole site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Robots,
    Tdmrep,
    Licence,
}

impl Kind {
    /// What a file at `url` of this media type is, if it says something about a site.
    pub fn of(url: &str, media: &str) -> Option<Kind> {
        let path = path_of(url)?;
        match path.split(['?', '#']).next()? {
            "/robots.txt" => Some(Kind::Robots),
            "/.well-known/tdmrep.json" => Some(Kind::Tdmrep),
            _ if media == "application/rsl+xml" => Some(Kind::Licence),
            _ => None,
        }
    }
}

impl Sites {
    /// Remembers a file.
    pub fn add(&mut self, kind: Kind, url: &str, date: &str, status: u16, mut body: Vec<u8>) {
        let Some(origin) = origin_of(url) else { return };
        body.truncate(FILE_BYTES);
        let files = self.0.entry(origin).or_default();
        let list = match kind {
            Kind::Robots => &mut files.robots,
            Kind::Tdmrep => &mut files.tdmrep,
            Kind::Licence => &mut files.licences,
        };
        if list.len() < FILES {
            list.push(Fetched { time: seconds(date), url: url.to_string(), status, body });
        } else {
            files.overflowed = true;
        }
    }

    /// All statements about a page that was fetched on this date.
    pub fn of(&self, page: &Page<'_>, date: &str) -> Vec<Signal> {
        let unknown = |place: String| Signal { protocol: Protocol::Robots, finding: Finding::Unknown, place, evidence: Digest::of(b"") };
        let Some(origin) = origin_of(page.url) else { return vec![unknown(page.url.to_string())] };
        let Some(files) = self.0.get(&origin) else {
            let mut signals = of(page, &Site::default());
            signals.push(unknown(format!("{origin}/robots.txt")));
            return signals;
        };
        let time = seconds(date);
        let nearest_of = |list: &[Fetched]| (0..list.len()).min_by_key(|i| list[*i].time.abs_diff(time));
        let (nearest, tdmrep) = (nearest_of(&files.robots), nearest_of(&files.tdmrep));
        let mut signals = files.with_site(nearest, tdmrep, |site| of(page, site));
        if nearest.is_none() || files.overflowed {
            signals.push(unknown(format!("{origin}/robots.txt")));
        }
        let later = |list: &[Fetched]| (0..list.len()).filter(|i| list[*i].time > time).map(Some).collect::<Vec<_>>();
        let robots = later(&files.robots).into_iter().map(|robots| (robots, tdmrep));
        let others = later(&files.tdmrep).into_iter().map(|tdmrep| (nearest, tdmrep));
        for (robots, tdmrep) in robots.chain(others).filter(|pair| *pair != (nearest, tdmrep)) {
            let found = files.with_site(robots, tdmrep, |site| site.of(page.url));
            for signal in found.into_iter().filter(|s| s.finding == Finding::Reserves) {
                if !signals.contains(&signal) {
                    signals.push(signal);
                }
            }
        }
        signals
    }
}

impl Files {
    fn with_site<T>(&self, robots: Option<usize>, tdmrep: Option<usize>, each: impl FnOnce(&Site) -> T) -> T {
        let mut sites = self.sites.borrow_mut();
        let site = sites.entry((robots, tdmrep)).or_insert_with(|| {
            let mut site = Site::default();
            if let Some(f) = robots.map(|i| &self.robots[i]) {
                site.add_robots(&f.url, f.status, &f.body);
            }
            if let Some(f) = tdmrep.map(|i| &self.tdmrep[i]) {
                site.add_tdmrep(&f.url, f.status, &f.body);
            }
            self.licences.iter().for_each(|f| site.add_licence(&f.url, f.status, &f.body));
            site
        });
        each(site)
    }
}

/// Seconds since 1970 of a `WARC-Date`; 0 for what is none.
///
/// Source: ISO 28500:2017, section 5.4.
fn seconds(date: &str) -> i64 {
    corpus::date::parse_date_time(date).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn robots_of(sites: &Sites, url: &str, date: &str) -> Vec<Finding> {
        let signals = sites.of(&Page { url, headers: &[], html: None }, date);
        signals.into_iter().filter(|s| s.protocol == Protocol::Robots).map(|s| s.finding).collect()
    }

    #[test]
    fn the_nearest_file_holds_and_a_later_reservation_counts() {
        let mut sites = Sites::default();
        let closed = b"User-agent: GPTBot\nDisallow: /\n".to_vec();
        sites.add(Kind::Robots, "https://a.org/robots.txt", "2024-01-01T00:00:00Z", 200, closed.clone());
        sites.add(Kind::Robots, "https://a.org/robots.txt", "2024-03-01T00:00:00Z", 200, b"User-agent: *\nDisallow:\n".to_vec());
        assert_eq!(robots_of(&sites, "https://a.org/x", "2024-03-02T00:00:00Z"), [Finding::Absent], "the newer one is nearer");
        assert!(robots_of(&sites, "https://a.org/x", "2024-01-02T00:00:00Z").contains(&Finding::Reserves));
        sites.add(Kind::Robots, "https://a.org:443/robots.txt", "2025-01-01T00:00:00Z", 200, closed);
        assert!(robots_of(&sites, "https://a.org/x", "2024-03-02T00:00:00Z").contains(&Finding::Reserves), "a later reservation counts");
        assert_eq!(robots_of(&sites, "http://a.org/x", "2024-03-02T00:00:00Z"), [Finding::Unknown], "another scheme has another file");
        assert_eq!(robots_of(&sites, "https://b.org/x", "2024-03-02T00:00:00Z"), [Finding::Unknown]);
    }

    #[test]
    fn dates_are_seconds() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), 0);
        assert_eq!(seconds("2000-02-29T12:34:56Z"), 951_827_696);
        assert_eq!(seconds("2026-11-21T00:00:00.123Z"), 1_795_219_200);
        assert_eq!(seconds("yesterday"), 0);
    }
}
