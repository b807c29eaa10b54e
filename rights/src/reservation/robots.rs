//! robots.txt: the paths that crawlers are kept from, and the preferences and licences that its groups name.
//!
//! Source: RFC 9309; draft-ietf-aipref-attach-05, section 3, for `Content-Usage`; RSL 1.0, section 4.4, for `License`.
//! `Content-Signal` is Cloudflare's (<https://contentsignals.org>): no standard, but millions of sites have it.

use std::collections::BTreeMap;

use super::crawlers::AI_CRAWLERS;
use super::pattern::{Address, Pattern};
use super::{Finding, ai_preferences};

/// Bytes that are read, the least that RFC 9309 requires of crawlers (section 2.5). They need not see the bytes behind it.
const LIMIT: usize = 500 << 10;

/// Keys of lines. A file without any of them is none.
const KEYS: [&str; 9] = ["user-agent", "allow", "disallow", "content-usage", "content-signal", "license", "sitemap", "crawl-delay", "host"];

/// A file's rules for the crawlers of the list.
#[derive(Clone, Debug, Default)]
pub(super) struct Robots {
    groups: Vec<Group>,
    /// Whether there are lines that cannot be read.
    damaged: bool,
}

/// Who a group is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Agent {
    /// All that have no group of their own.
    Everyone,
    /// One of the list.
    Crawler(usize),
}

#[derive(Clone, Debug, Default)]
struct Group {
    agents: Vec<Agent>,
    rules: Vec<Rule>,
    licences: Vec<String>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// `None` is every path.
    pattern: Option<Pattern>,
    says: Says,
}

#[derive(Clone, Copy, Debug)]
enum Says {
    Allow,
    Disallow,
    Usage(Finding),
    ContentSignal(Finding),
}

/// What a file says about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Whether a crawler of the list is kept from it.
    pub access: Finding,
    /// What `Content-Usage` says, if a line is about it.
    pub usage: Option<Finding>,
    /// What `Content-Signal` says, if a line is about it.
    pub content_signal: Option<Finding>,
}

/// The longest rules of each kind that match, in octets; 0 is none.
#[derive(Clone, Copy, Debug, Default)]
struct Longest {
    allow: usize,
    disallow: usize,
    usage: Option<(usize, Finding)>,
    content_signal: Option<(usize, Finding)>,
}

impl Longest {
    fn add(&mut self, rule: &Rule) {
        let octets = rule.pattern.as_ref().map_or(0, Pattern::octets);
        match rule.says {
            Says::Allow => self.allow = self.allow.max(octets),
            Says::Disallow => self.disallow = self.disallow.max(octets),
            // Of preferences for the same path the stricter holds.
            Says::Usage(finding) => self.usage = self.usage.max(Some((octets, finding))),
            Says::ContentSignal(finding) => self.content_signal = self.content_signal.max(Some((octets, finding))),
        }
    }

    /// Groups for the same agent are one.
    fn merge(&mut self, other: &Longest) {
        self.allow = self.allow.max(other.allow);
        self.disallow = self.disallow.max(other.disallow);
        self.usage = self.usage.max(other.usage);
        self.content_signal = self.content_signal.max(other.content_signal);
    }

    /// Of rules with as many octets, `Allow` holds.
    fn disallows(&self) -> bool {
        self.disallow > self.allow
    }
}

impl Robots {
    pub fn parse(body: &[u8]) -> Robots {
        let is_end = |b: &u8| matches!(b, b'\n' | b'\r');
        // The line that the limit cuts is left out.
        let cut = body.get(..LIMIT).filter(|_| body.len() > LIMIT).map(|head| &head[..head.iter().rposition(is_end).unwrap_or(0)]);
        let text = cut.unwrap_or(body);
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        // Many servers answer with a page or a picture for every address that they do not know.
        let is_markup = text.trim_ascii_start().starts_with(b"<");
        if is_markup || text.iter().any(|b| matches!(b, 0..=8 | 14..=31 | 127)) {
            return Robots { damaged: true, ..Robots::default() };
        }
        // The first group has the lines that stand before all groups. Its preferences and licences are for everyone.
        let mut groups = vec![Group { agents: vec![Agent::Everyone], ..Group::default() }];
        let (mut damaged, mut known, mut filled, mut heading) = (false, false, false, false);
        for line in text.split(is_end) {
            let line = line.split(|b| *b == b'#').next().unwrap_or_default().trim_ascii();
            let Ok(line) = str::from_utf8(line) else {
                damaged = true;
                continue;
            };
            let (key, value) = line.split_once(':').unwrap_or((line, ""));
            let is_rule = !line.is_empty() && looks_like_a_rule(line);
            let (key, value, preface) = (key.trim_end().to_ascii_lowercase(), value.trim_start(), groups.len() == 1);
            if key == "user-agent" && !heading {
                groups.push(Group::default());
            }
            let Some(group) = groups.last_mut() else { break };
            let mut rule = |pattern, says| group.rules.push(Rule { pattern, says });
            match &key[..] {
                "user-agent" => value.split(',').filter_map(agent).for_each(|agent| group.name(agent)),
                // An empty path is no rule, and a rule outside of groups is for nobody.
                "allow" | "disallow" if value.is_empty() || preface => {}
                "allow" => rule(Some(Pattern::new(value)), Says::Allow),
                "disallow" => rule(Some(Pattern::new(value)), Says::Disallow),
                "content-usage" => {
                    let (pattern, preference) = split(value);
                    rule(pattern, Says::Usage(ai_preferences::finding(preference)));
                }
                "content-signal" => {
                    let (pattern, signal) = split(value);
                    if let Some(finding) = ai_preferences::content_signal(signal) {
                        rule(pattern, Says::ContentSignal(finding));
                    }
                }
                "license" => group.licences.push(value.to_string()),
                _ => {}
            }
            // Rules end the names of a group; other lines do not (section 2.2.4).
            heading = match &key[..] {
                "user-agent" => true,
                "allow" | "disallow" | "content-usage" => false,
                _ => heading,
            };
            // A rule that is written wrongly may be meant as one, and some readers take it as one.
            let path = ["allow", "disallow"].contains(&&key[..]);
            let odd = path && (preface && !value.is_empty() || !(value.is_empty() || value.starts_with(['/', '*', '$'])));
            damaged |= odd || is_rule && !KEYS.contains(&&key[..]);
            known |= KEYS.contains(&&key[..]);
            filled |= !key.is_empty();
        }
        groups.retain(|group| !group.agents.is_empty());
        Robots { groups, damaged: damaged || (filled && !known) }
    }

    /// The licences that are named, wherever they hold.
    pub fn licences(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flat_map(|group| group.licences.iter().map(String::as_str))
    }

    /// What is said about an address: a crawler of the list without a group is kept from what everyone is kept from.
    pub fn said(&self, address: &Address) -> Said {
        let longest = self.longest(address);
        let everyone = longest.get(&Agent::Everyone);
        let is_kept = |crawler| longest.get(&Agent::Crawler(crawler)).or(everyone).is_some_and(Longest::disallows);
        let access = if (0..AI_CRAWLERS.len()).any(is_kept) {
            Finding::Reserves
        } else if self.damaged {
            Finding::Unknown
        } else {
            Finding::Absent
        };
        // A path that is not to be fetched has no preferences, and what one crawler is permitted others are not.
        let strictest = |kind: fn(&Longest) -> Option<(usize, Finding)>| {
            let open = longest.iter().filter(|(_, l)| !l.disallows());
            let said = open.filter_map(|(agent, l)| kind(l).map(|(_, finding)| (*agent, finding)));
            said.map(|(agent, f)| if agent != Agent::Everyone && f == Finding::Permits { Finding::Absent } else { f }).max()
        };
        Said { access, usage: strictest(|l| l.usage), content_signal: strictest(|l| l.content_signal) }
    }

    /// The longest rules for each agent; every rule is compared once, however many agents its group has.
    fn longest(&self, address: &Address) -> BTreeMap<Agent, Longest> {
        let mut by_agent: BTreeMap<Agent, Longest> = BTreeMap::new();
        for group in &self.groups {
            let mut longest = Longest::default();
            let matching = group.rules.iter().filter(|rule| rule.pattern.as_ref().is_none_or(|p| p.matches(address)));
            matching.for_each(|rule| longest.add(rule));
            if address.is_robots_txt() {
                longest.disallow = 0;
            }
            group.agents.iter().for_each(|agent| by_agent.entry(*agent).or_default().merge(&longest));
        }
        by_agent
    }
}

/// Whether a line begins as rules do, whatever it is written like.
fn looks_like_a_rule(line: &str) -> bool {
    let letters: String = line.chars().filter(|c| c.is_ascii_alphabetic()).take(10).collect::<String>().to_ascii_lowercase();
    ["useragent", "disallow", "dissallow", "disalow", "diasallow", "allow"].iter().any(|begin| letters.starts_with(begin))
}

impl Group {
    fn name(&mut self, agent: Agent) {
        if !self.agents.contains(&agent) {
            self.agents.push(agent);
        }
    }
}

/// The agent of a name; `None` if it is not of the list. A version behind the name is left out.
fn agent(name: &str) -> Option<Agent> {
    let name = name.trim();
    if name == "*" {
        return Some(Agent::Everyone);
    }
    // The RFC has no digits in names, and crawlers have.
    let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))).unwrap_or(name.len());
    AI_CRAWLERS.iter().position(|crawler| crawler.eq_ignore_ascii_case(&name[..end])).map(Agent::Crawler)
}

/// The path before a preference, if there is one, and the preference.
fn split(value: &str) -> (Option<Pattern>, &str) {
    if !value.starts_with('/') {
        return (None, value);
    }
    let (path, preference) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    (Some(Pattern::new(path)), preference.trim())
}

#[cfg(test)]
mod tests;
