//! What a command says: text for people or one JSON object, on stdout; progress goes to stderr.

use corpus::text::{shown, shown_lines};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};

/// The version of every JSON object that a command prints.
const VERSION: u64 = 1;

/// The result of a command.
pub struct Output {
    /// For people.
    pub text: String,
    /// For programs: an object.
    pub json: Value,
    /// The exit code.
    pub exit: u8,
}

impl Output {
    /// A successful result.
    pub fn new(text: impl Into<String>, json: Value) -> Output {
        Output { text: text.into(), json, exit: 0 }
    }

    /// Prints it.
    pub fn print(&self, command: &str, as_json: bool) {
        if as_json {
            println!("{}", json_text(&with_header(command, &self.json)));
        } else if !self.text.is_empty() {
            println!("{}", shown_lines(self.text.trim_end()));
        }
    }
}

fn with_header(command: &str, fields: &Value) -> Value {
    let mut object = Map::new();
    object.insert("version".into(), VERSION.into());
    object.insert("command".into(), command.into());
    if let Value::Object(map) = fields {
        object.extend(map.clone());
    }
    Value::Object(object)
}

/// The JSON object of a command that failed.
pub fn error_json(command: &str, error: &anyhow::Error, exit: u8) -> Value {
    with_header(command, &serde_json::json!({ "error": format!("{error:#}"), "exit": exit }))
}

/// A value as JSON, in whose texts what could change how other text looks is an escape: programs read the same.
pub fn json_text(value: &Value) -> String {
    let text = value.to_string();
    let safe = shown(&text);
    if safe == text {
        return text;
    }
    // JSON has four digits for an escape; no such character has more.
    text.chars().fold(String::with_capacity(text.len() + 16), |mut out, c| {
        match shown(c.encode_utf8(&mut [0; 4])) {
            escaped if escaped.len() > c.len_utf8() => out += &format!("\\u{:04x}", c as u32),
            _ => out.push(c),
        }
        out
    })
}

/// Text in HTML.
pub fn escape(text: &str) -> String {
    shown_lines(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// An amount with its decimals, for example `12.50 XTS`.
pub fn money(minor: i128, exponent: u8, currency: &str) -> String {
    let unit = 10i128.pow(u32::from(exponent));
    let sign = if minor < 0 { "-" } else { "" };
    let (whole, rest) = (minor.abs() / unit, minor.abs() % unit);
    if exponent == 0 {
        format!("{sign}{whole} {currency}")
    } else {
        format!("{sign}{whole}.{rest:0width$} {currency}", width = usize::from(exponent))
    }
}

/// A bar on stderr, if that is a terminal, with what is done, the rate and the time left.
pub fn progress(what: &'static str, count: u64) -> ProgressBar {
    let template = format!("{what} {{bar:30}} {{pos}}/{{len}}  {{msg}}  {{per_sec}}, {{eta}} left");
    ProgressBar::new(count).with_style(ProgressStyle::with_template(&template).expect("a valid template"))
}

/// A note for people on stderr.
pub fn note(text: &str) {
    eprintln!("{}", shown_lines(text));
}

#[cfg(test)]
mod tests {
    #[test]
    fn amounts_keep_their_decimals() {
        assert_eq!(super::money(-105, 2, "XTS"), "-1.05 XTS");
        assert_eq!(super::money(7, 0, "JPY"), "7 JPY");
        assert_eq!(super::money(1_000, 3, "KWD"), "1.000 KWD");
    }
}
