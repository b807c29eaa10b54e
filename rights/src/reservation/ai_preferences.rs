//! `Content-Usage`: a dictionary with a category of use as key and `y` or `n` as value.
//!
//! `train-ai` is the category that matters here. Categories of former drafts had other names, and the draft now has readers ignore them.
//! Here an `n` for one that included training of generative models still reserves, and a `y` permits nothing. Nor does a value that is
//! damaged: the draft takes it for no preference, and here it is unknown.
//!
//! Source: draft-ietf-aipref-vocab-08, sections 4 to 6; draft-ietf-aipref-attach-05, section 2.
//! Former names: draft-ietf-aipref-vocab-01 to -04.

use super::Finding;
use super::fields::{Value, dictionary};

/// Former categories that `train-ai` includes, and those that include it.
const NARROWER: [&str; 2] = ["genai", "train-genai"];
const BROADER: [&str; 4] = ["ai", "all", "bots", "tdm"];

/// The finding of a value of `Content-Usage`.
pub(super) fn finding(value: &str) -> Finding {
    let Some(members) = dictionary(value) else { return Finding::Unknown };
    let refused = |keys: &[&str]| keys.iter().any(|key| members.get(*key) == Some(&Value::Token("n")));
    if refused(&NARROWER) {
        return Finding::Reserves;
    }
    match members.get("train-ai") {
        Some(Value::Token("y")) => Finding::Permits,
        Some(Value::Token("n")) => Finding::Reserves,
        Some(_) => Finding::Unknown,
        None if refused(&BROADER) => Finding::Reserves,
        None => Finding::Absent,
    }
}

/// The finding of a value of `Content-Signal`; `None` if it does not name training. It is no standard, so a `yes` permits nothing.
pub(super) fn content_signal(value: &str) -> Option<Finding> {
    let bare = |text: &str| text.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'').to_ascii_lowercase();
    let signals = value.split([',', ';']).filter_map(|signal| signal.split_once('='));
    let training = signals.filter(|(key, _)| bare(key) == "ai-train");
    training
        .map(|(_, value)| match bare(value).as_str() {
            "no" | "n" | "false" => Finding::Reserves,
            "yes" | "y" | "true" => Finding::Absent,
            _ => Finding::Unknown,
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn train_ai_is_permitted_or_reserved() {
        let cases = [
            ("train-ai=y", Finding::Permits),
            (" train-ai=n, search=y ", Finding::Reserves),
            ("search=n,\t ai-use=n", Finding::Absent),
            ("", Finding::Absent),
            // Parameters and what is not known are ignored, the last of several holds.
            ("train-ai=y;until=@1;x;y=\"a;b\", new=(a \"b\" 1.5;q);z", Finding::Permits),
            ("train-ai=n, train-ai=y", Finding::Permits),
            // Anything but y and n is no preference, and no permission.
            ("train-ai", Finding::Unknown),
            ("train-ai=\"y\"", Finding::Unknown),
            ("train-ai=yes", Finding::Unknown),
            ("train-ai=(y)", Finding::Unknown),
        ];
        for (value, expected) in cases {
            assert_eq!(finding(value), expected, "{value}");
        }
    }

    #[test]
    fn former_categories_reserve_and_permit_nothing() {
        let cases = [
            ("genai=n", Finding::Reserves),
            ("train-genai=n, train-ai=y", Finding::Reserves),
            ("bots=n", Finding::Reserves),
            ("all=n, train-ai=y", Finding::Permits),
            ("ai=y, genai=y, tdm=y", Finding::Absent),
        ];
        for (value, expected) in cases {
            assert_eq!(finding(value), expected, "{value}");
        }
    }

    #[test]
    fn damaged_values_are_unknown() {
        for value in ["Train-AI=n", "train-ai = n", "train-ai=n,", "train-ai=n search=y", "train-ai=", ",", "\u{0}"] {
            assert_eq!(finding(value), Finding::Unknown, "{value}");
        }
    }

    #[test]
    fn content_signals_reserve() {
        assert_eq!(content_signal("search=yes,ai-train=no"), Some(Finding::Reserves));
        assert_eq!(content_signal("AI-Train = yes, use=immediate"), Some(Finding::Absent));
        assert_eq!(content_signal("search=yes; \"ai-train=no\""), Some(Finding::Reserves));
        assert_eq!(content_signal("ai-train=maybe"), Some(Finding::Unknown));
        assert_eq!(content_signal("search=yes"), None);
        assert_eq!(content_signal("ai-train"), None);
    }
}
