//! Really Simple Licensing: XML that says for which paths which uses are permitted, prohibited or paid for.
//!
//! ```xml
//! <rsl xmlns="https://rslstandard.org/rsl">
//!   <content url="/news/"><license><permits type="usage">search</permits><prohibits type="usage">ai-train</prohibits></license></content>
//! </rsl>
//! ```
//!
//! Training is permitted if a licence lists it and asks for nothing: neither payment, attribution, reports, nor a token of a licence
//! server. It is reserved if a licence prohibits it, asks for payment, or lists other uses alone. Everything else is unknown.
//!
//! Source: RSL 1.0, <https://rslstandard.org/rsl>, sections 3.1 to 3.12, with the errata to 7 August 2026.

mod reading;

use super::pattern::Pattern;
use super::{Finding, Target, web};

/// Bytes that a file may have.
const LIMIT: usize = 1 << 20;

/// A file's licences.
#[derive(Clone, Debug, Default)]
pub(super) struct Rsl {
    contents: Vec<Content>,
    /// Whether there is something that cannot be read.
    damaged: bool,
}

#[derive(Clone, Debug)]
struct Content {
    scope: Scope,
    finding: Finding,
}

/// The addresses that a licence is for.
#[derive(Clone, Debug, Default)]
enum Scope {
    /// It does not say so in a form that is known.
    #[default]
    Unclear,
    /// All that name the licence.
    All,
    /// Paths of all sites that name it.
    Path(Pattern),
    /// Paths of one host.
    Host(String, Pattern),
}

impl Scope {
    fn of(url: Option<&str>) -> Scope {
        let Some(url) = url.map(str::trim) else { return Scope::Unclear };
        if url.is_empty() {
            return Scope::All;
        }
        if url.starts_with('*') || (url.starts_with('/') && !url.starts_with("//")) {
            return Scope::Path(Pattern::new(url));
        }
        let start = url.find("://").map_or(0, |at| at + 3);
        let end = url[start..].find(['/', '?', '#', '$']).map_or(url.len(), |at| start + at);
        // The path may have a `*`, so it is no URL that could be read as a whole.
        match web(&url[..end]).and_then(|host| Target::of(host.as_str())) {
            Some(target) if !target.host.contains('*') => {
                Scope::Host(target.host, Pattern::new(if end == url.len() { "/" } else { &url[end..] }))
            }
            _ => Scope::Unclear,
        }
    }

    /// The octets that match, of which the most decide; `None` if the address is another.
    fn covers(&self, target: &Target) -> Option<usize> {
        match self {
            Scope::Unclear => None,
            Scope::All => Some(0),
            Scope::Path(pattern) => pattern.matches(&target.path).then(|| pattern.octets()),
            Scope::Host(host, pattern) => (*host == target.host && pattern.matches(&target.path)).then(|| pattern.octets()),
        }
    }
}

impl Rsl {
    pub fn parse(bytes: &[u8]) -> Rsl {
        match str::from_utf8(bytes) {
            Ok(text) if text.len() <= LIMIT => reading::read(text),
            _ => Rsl { contents: Vec::new(), damaged: true },
        }
    }

    /// Licences for the narrowest paths decide, and of these the strictest (section 3.1.1).
    pub fn finding(&self, target: &Target) -> Finding {
        let covering = self.contents.iter().filter_map(|content| Some((content.scope.covers(target)?, content.finding)));
        let found = covering.max().map_or(Finding::Absent, |(_, finding)| finding);
        let unclear = self.damaged || self.contents.iter().any(|content| matches!(content.scope, Scope::Unclear));
        if unclear { found.max(Finding::Unknown) } else { found }
    }
}

#[cfg(test)]
mod tests;
