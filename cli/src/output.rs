//! What a command says: text for people or one JSON object, on stdout; how far something got is for `progress`.

use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use corpus::text::{shown, shown_lines};

pub use ledger::amount::with_currency as money;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::progress;
pub use crate::progress::Bars;

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
    /// Whether stdout has what the command made, so that this goes to stderr.
    aside: bool,
}

impl Output {
    /// A successful result.
    pub fn new(text: impl Into<String>, json: Value) -> Output {
        Output { text: text.into(), json, exit: 0, aside: false }
    }

    /// A successful result, whose JSON is what was computed.
    pub fn of(text: impl Into<String>, result: &impl Serialize) -> anyhow::Result<Output> {
        Ok(Output::new(text, serde_json::to_value(result)?))
    }

    /// The same, with an exit code of its own.
    #[must_use]
    pub fn exiting(self, exit: u8) -> Output {
        Output { exit, ..self }
    }

    /// The same, of a command that wrote a file to `out`: on stderr, if that is this program's stdout.
    #[must_use]
    pub fn beside(self, out: &Path) -> Output {
        Output { aside: is_stdout(out), ..self }
    }

    /// Prints it.
    ///
    /// # Errors
    /// If stdout takes no more for another reason than that nobody reads it any more.
    pub fn print(&self, command: &str, as_json: bool) -> io::Result<()> {
        let text = if as_json { json_text(&with_header(command, &self.json)) } else { shown_lines(self.text.trim_end()).into() };
        if text.is_empty() {
            return Ok(());
        }
        if self.aside {
            raw(&format!("{text}\n"));
            return Ok(());
        }
        print(&format!("{text}\n"))
    }
}

/// Writes to stdout. Somebody who stopped reading, as `head` does, has what was wanted.
///
/// # Errors
/// If stdout takes no more for another reason.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Writes to stderr, as far as that takes it: there is nowhere else to say that it does not.
pub fn raw(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Whether a path leads to what this program's stdout is: by its name, or as the same file or pipe.
fn is_stdout(path: &Path) -> bool {
    if ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name)) {
        return true;
    }
    let Ok((own, other)) = std::fs::metadata("/dev/stdout").and_then(|own| Ok((own, std::fs::metadata(path)?))) else { return false };
    let device = other.file_type().is_char_device() || other.file_type().is_block_device();
    !device && (own.dev(), own.ino()) == (other.dev(), other.ino())
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

/// A note for people on stderr.
pub fn note(text: &str) {
    progress::beside(|| raw(&format!("{}\n", shown_lines(text))));
}
