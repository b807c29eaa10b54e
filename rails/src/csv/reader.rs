//! Records of RFC 4180 from untrusted bytes.

use super::{CsvError, GUARDED, MAX_BYTES};

/// The records of a file, one after the other.
pub(super) struct Records<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Records<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, CsvError> {
        if bytes.len() > MAX_BYTES {
            return Err(CsvError::Size { found: bytes.len() });
        }
        let text = str::from_utf8(bytes).map_err(|e| CsvError::Encoding { at: e.valid_up_to() })?;
        Ok(Records { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 })
    }

    /// The line on which the next record begins, and its fields without quotes and guards.
    pub(super) fn next(&mut self) -> Result<Option<(usize, Vec<String>)>, CsvError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            fields.push(self.field()?);
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            self.rest = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')).unwrap_or(self.rest);
            self.line += 1;
            return Ok(Some((line, fields)));
        }
    }

    /// One field; what is left begins with a comma or a line end, or is nothing.
    fn field(&mut self) -> Result<String, CsvError> {
        let fault = |line, found| Err(CsvError::Field { line, found });
        let text = if let Some(quoted) = self.rest.strip_prefix('"') {
            let mut text = String::new();
            let mut rest = quoted;
            loop {
                let Some((before, after)) = rest.split_once('"') else { return fault(self.line, "a quote that does not end") };
                text.push_str(before);
                self.line += before.matches('\n').count();
                let Some(again) = after.strip_prefix('"') else {
                    self.rest = after;
                    break;
                };
                text.push('"');
                rest = again;
            }
            if !(self.rest.is_empty() || self.rest.starts_with([',', '\n']) || self.rest.starts_with("\r\n")) {
                return fault(self.line, "text behind a closing quote");
            }
            text
        } else {
            let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
            let (mut text, _) = self.rest.split_at(end);
            if self.rest[end..].starts_with('\n') || end == self.rest.len() {
                text = text.strip_suffix('\r').unwrap_or(text);
            }
            if text.contains(['"', '\r']) {
                return fault(self.line, "a quote or a line break within an unquoted field");
            }
            self.rest = &self.rest[text.len()..];
            // A file may end in the middle of CRLF.
            self.rest = if self.rest == "\r" { "" } else { self.rest };
            text.to_owned()
        };
        Ok(match text.strip_prefix('\'') {
            Some(guarded) if guarded.starts_with(GUARDED) => guarded.to_owned(),
            _ => text,
        })
    }
}
