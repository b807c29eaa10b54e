//! `tdm-reservation`: 1 if text and data mining is reserved, 0 if it is not.
//!
//! A policy that is named beside it tells how a licence is to be had. The reservation holds without one, so policies are not read.
//!
//! Source: TDM Reservation Protocol, W3C Final Community Group Report of 10 May 2024, sections 5 and 6,
//! <https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240510/>.

use serde_json::Value;

use super::Finding;
use super::pattern::{Address, Pattern};

/// Bytes that a file may have.
const LIMIT: usize = 1 << 20;

/// The rules of a site's file, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Tdmrep {
    rules: Vec<(Pattern, Finding)>,
    /// Whether there is something that cannot be read.
    damaged: bool,
}

/// The finding of a header field or of an element's content. Several values are those of several lines.
///
/// The report takes a value that is neither 0 nor 1 for none. Here it is unknown: somebody meant to say something.
pub(super) fn value(text: &str) -> Finding {
    let one = |value: &str| match value.trim() {
        "0" => Finding::Permits,
        "1" => Finding::Reserves,
        _ => Finding::Unknown,
    };
    text.split(',').map(one).max().unwrap_or(Finding::Unknown)
}

impl Tdmrep {
    pub fn parse(body: &[u8]) -> Tdmrep {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let rules = if body.len() > LIMIT { None } else { serde_json::from_slice::<Vec<Value>>(body).ok() };
        let Some(rules) = rules else { return Tdmrep { rules: Vec::new(), damaged: true } };
        let readable: Vec<(Pattern, Finding)> = rules.iter().filter_map(rule).collect();
        Tdmrep { damaged: readable.len() < rules.len(), rules: readable }
    }

    /// The first rule that matches is the one (section 6.2).
    pub fn finding(&self, address: &Address) -> Finding {
        let found = self.rules.iter().find(|(location, _)| location.matches(address));
        let least = if self.damaged { Finding::Unknown } else { Finding::Absent };
        found.map_or(Finding::Absent, |(_, finding)| *finding).max(least)
    }
}

/// A rule; `None` without a location or a value.
fn rule(rule: &Value) -> Option<(Pattern, Finding)> {
    let location = rule.get("location")?.as_str()?.trim();
    let finding = match rule.get("tdm-reservation")? {
        Value::Number(number) => value(&number.to_string()),
        // Not by the report, though what is meant is plain.
        Value::String(text) => value(text),
        _ => Finding::Unknown,
    };
    (!location.is_empty()).then(|| (Pattern::new(location), finding))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(body: &str, path: &str) -> Finding {
        Tdmrep::parse(body.as_bytes()).finding(&Address::new(path))
    }

    #[test]
    fn values_are_zero_and_one() {
        let cases = [("1", Finding::Reserves), (" 0 ", Finding::Permits), ("0, 1", Finding::Reserves), ("", Finding::Unknown)];
        for (text, expected) in cases {
            assert_eq!(value(text), expected, "{text}");
        }
        assert_eq!(value("2"), Finding::Unknown);
        assert_eq!(value("true"), Finding::Unknown);
    }

    #[test]
    fn the_example_of_the_report_is_read() {
        let body = r#"[
            {"location": "/directory-a/", "tdm-reservation": 1},
            {"location": "/directory-b/html/", "tdm-reservation": 1, "tdm-policy": "https://provider.com/policies/policy.json"},
            {"location": "/directory-b/images/*.jpg", "tdm-reservation": 0}
        ]"#;
        assert_eq!(finding(body, "/directory-a/x.pdf"), Finding::Reserves);
        assert_eq!(finding(body, "/directory-b/html/x"), Finding::Reserves);
        assert_eq!(finding(body, "/directory-b/images/a/b.jpg"), Finding::Permits);
        assert_eq!(finding(body, "/directory-b/images/b.png"), Finding::Absent);
        assert_eq!(finding("[]", "/"), Finding::Absent);
    }

    #[test]
    fn the_first_match_is_the_one() {
        let body = r#"[
            {"location": "/a$", "tdm-reservation": 0},
            {"location": "/", "tdm-reservation": "1"},
            {"location": "/a", "tdm-reservation": 0}
        ]"#;
        assert_eq!(finding(body, "/a"), Finding::Permits);
        assert_eq!(finding(body, "/a/b"), Finding::Reserves);
    }

    #[test]
    fn damaged_files_permit_nothing() {
        let damaged = [
            "",
            "<html>",
            "{\"location\": \"/\", \"tdm-reservation\": 1}",
            "[1]",
            r#"[{"location": "/", "tdm-reservation": 0}, {"location": "/b"}]"#,
            r#"[{"location": "", "tdm-reservation": 0}]"#,
            r#"[{"location": "/", "tdm-reservation": 0.5}]"#,
            r#"[{"location": "/", "tdm-reservation": true}]"#,
            "[",
        ];
        for body in damaged {
            assert_eq!(finding(body, "/"), Finding::Unknown, "{body}");
        }
        assert_eq!(finding(r#"[{"location": "/", "tdm-reservation": 1}, {}]"#, "/"), Finding::Reserves);
        assert_eq!(finding(&"[".repeat(1 << 19), "/"), Finding::Unknown);
        assert_eq!(finding(&format!("[{}]", " ".repeat(1 << 20)), "/"), Finding::Unknown);
    }
}
