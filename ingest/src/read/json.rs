//! JSON of any form that holds records: an object a line, objects one behind the other, an array of objects, one object with one array of
//! objects, one object. The content decides which; a name says only what is told when nothing fits.

use std::io::{Cursor, Read};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::block::{BLOCK_BYTES, Rows};
use super::columns::{PROMPT, Slot};
use super::encoding::Failing;
use super::lines::{self, without_nan};
use super::problem::{Code, Refusal};
use super::{Scan, Stopped};

/// Hands out the records of `reader`; `lines` says whether its name is that of JSON lines.
pub(super) fn read<'a>(name: &str, lines: bool, reader: Box<dyn Read + 'a>, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let mut source =
        Values { reader, bytes: Vec::new(), at: 0, ended: false, failed: None, line: 1, most: scan.options.limits.line_bytes() };
    let first = match source.peek() {
        Ok(Some(first)) => first,
        Ok(None) => {
            return match source.failed.as_ref() {
                Some(e) => scan.problem(format!("{name}:1"), Refusal::of_io(e)),
                None => scan.problem(name, Refusal::new(Code::Empty, "empty, expected JSON lines, an array of objects or an object")),
            };
        }
        Err(refusal) => return scan.problem(name, refusal),
    };
    let form = match source.form(first, lines) {
        Ok(form) => form,
        Err((line, refusal)) => return scan.problem(format!("{name}:{line}"), refusal),
    };
    match form {
        Form::Lines => lines::read(name, source.line, source.rest(), scan),
        Form::Values => values(name, source, false, scan),
        Form::Array => {
            source.at += 1;
            values(name, source, true, scan)
        }
        Form::Object(end) => {
            let object = source.bytes[source.at..end].to_vec();
            one_object(name, object, scan)
        }
    }
}

enum Form {
    /// An object a line.
    Lines,
    /// Objects one behind the other, with line breaks in them.
    Values,
    /// One array.
    Array,
    /// One object, up to this place of what is in memory.
    Object(usize),
}

/// Whether a value is JSON, but for the numbers that Python adds.
fn is_json(bytes: &[u8]) -> bool {
    let valid = |bytes: &[u8]| serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    valid(bytes) || without_nan(bytes).is_some_and(|bytes| valid(&bytes))
}

/// Bytes with JSON values in them, of which some are in memory.
struct Values<'a> {
    reader: Box<dyn Read + 'a>,
    bytes: Vec<u8>,
    /// Where the next value is looked for.
    at: usize,
    ended: bool,
    /// The error that ended it.
    failed: Option<std::io::Error>,
    /// The line of that place.
    line: u64,
    /// Most bytes of a value.
    most: u64,
}

impl<'a> Values<'a> {
    /// Reads some more; says whether there was any.
    fn more(&mut self) -> Result<bool, Refusal> {
        if self.ended {
            return Ok(false);
        }
        // What is behind is not needed any more.
        self.bytes.drain(..self.at);
        self.at = 0;
        let from = self.bytes.len();
        self.bytes.reserve(1 << 18);
        // Bytes before an error are values too.
        self.failed = self.reader.by_ref().take(1 << 18).read_to_end(&mut self.bytes).err();
        self.ended = self.failed.is_some() || self.bytes.len() == from;
        Ok(self.bytes.len() > from)
    }

    /// The next byte that is no white space, which is not taken.
    fn peek(&mut self) -> Result<Option<u8>, Refusal> {
        loop {
            while let Some(byte) = self.bytes.get(self.at) {
                if !byte.is_ascii_whitespace() {
                    return Ok(Some(*byte));
                }
                self.line += u64::from(*byte == b'\n');
                self.at += 1;
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    /// Where the value ends that begins at the current place: brackets and quotes are counted, and nothing else is checked.
    ///
    /// None if the input ends before, or if it is longer than a value may be.
    fn value_end(&mut self) -> Result<Option<usize>, Refusal> {
        let (mut offset, mut depth, mut quoted, mut escaped) = (0, 0u32, false, false);
        loop {
            while let Some(byte) = self.bytes.get(self.at + offset) {
                if quoted {
                    match byte {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => quoted = false,
                        _ => {}
                    }
                } else {
                    match byte {
                        b'"' => quoted = true,
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' if depth == 0 => return Ok(Some(self.at + offset)),
                        b'}' | b']' => depth -= 1,
                        b',' if depth == 0 => return Ok(Some(self.at + offset)),
                        byte if depth == 0 && byte.is_ascii_whitespace() => return Ok(Some(self.at + offset)),
                        _ => {}
                    }
                }
                offset += 1;
                if depth == 0 && !quoted && matches!(byte, b'}' | b']' | b'"') {
                    return Ok(Some(self.at + offset));
                }
            }
            if offset as u64 > self.most || !self.more()? {
                return Ok(None);
            }
        }
    }

    /// Whether something but white space comes from `offset` on, counted from the current place.
    fn goes_on(&mut self, mut offset: usize) -> Result<bool, Refusal> {
        loop {
            if self.bytes[self.at + offset..].iter().any(|b| !b.is_ascii_whitespace()) {
                return Ok(true);
            }
            offset = self.bytes.len() - self.at;
            if !self.more()? {
                return Ok(false);
            }
        }
    }

    /// The line of a place in memory.
    fn line_of(&self, place: usize) -> u64 {
        self.line + memchr::memchr_iter(b'\n', &self.bytes[self.at..place.min(self.bytes.len())]).count() as u64
    }

    /// The form of what begins with `first`, or the line and the reason of what is none.
    fn form(&mut self, first: u8, lines: bool) -> Result<Form, (u64, Refusal)> {
        let line = self.line;
        let failed = |refusal| (line, refusal);
        if !matches!(first, b'{' | b'[') {
            if lines {
                return Ok(Form::Lines);
            }
            let text = format!("expected JSON records, an object or an array of objects, found {:?}", char::from(first));
            return Err((line, Refusal::damaged(text)));
        }
        if first == b'[' {
            if !lines {
                return Ok(Form::Array);
            }
            // A line may be an array, which is no record; an array of objects is read as what it is.
            let mut within = 1;
            loop {
                match self.bytes.get(self.at + within).copied() {
                    Some(byte) if byte.is_ascii_whitespace() => within += 1,
                    Some(b'{') => return Ok(Form::Array),
                    Some(_) => return Ok(Form::Lines),
                    None if self.more().map_err(failed)? => {}
                    None => return Ok(Form::Lines),
                }
            }
        }
        let end = self.value_end().map_err(failed)?;
        let object = end.map(|end| &self.bytes[self.at..end]).filter(|object| is_json(object));
        let Some(end) = end.filter(|_| object.is_some()) else {
            // A first line that is broken hides what the others are.
            if lines || self.second_line_is_an_object() {
                return Ok(Form::Lines);
            }
            let reason = match end {
                Some(end) => serde_json::from_slice::<IgnoredAny>(&self.bytes[self.at..end]).err().map(|e| e.to_string()),
                None if self.failed.is_some() => return Err((line, Refusal::of_io(self.failed.as_ref().expect("an error")))),
                None if self.ended => Some("an object that does not end".to_string()),
                None => return Err((line, Refusal::new(Code::TooLong, format!("a value of more than {} bytes", self.most)))),
            };
            return Err((line, Refusal::damaged(format!("expected JSON, found {}", reason.unwrap_or_default()))));
        };
        let in_one_line = self.line_of(end) == line;
        let length = end - self.at;
        if self.goes_on(length).map_err(failed)? {
            return Ok(if in_one_line { Form::Lines } else { Form::Values });
        }
        // A file that is cut behind a first object may have had more.
        let lines = lines || self.failed.is_some();
        Ok(if lines && in_one_line { Form::Lines } else { Form::Object(self.at + length) })
    }

    fn second_line_is_an_object(&self) -> bool {
        let mut rest = self.bytes[self.at..].split(|b| *b == b'\n').skip(1);
        rest.next().is_some_and(|line| line.trim_ascii_start().starts_with(b"{") && is_json(line))
    }

    /// All that has not been taken.
    fn rest(self) -> Box<dyn Read + 'a> {
        let mut bytes = self.bytes;
        bytes.drain(..self.at);
        Box::new(Cursor::new(bytes).chain(Failing(self.failed)).chain(self.reader))
    }
}

/// Hands out values, as elements of an array or one behind the other.
fn values(name: &str, mut source: Values<'_>, in_array: bool, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let (mut first, mut bytes, mut ends) = (1u64, Vec::new(), Vec::new());
    let ended = loop {
        let number = first + ends.len() as u64;
        match next(&mut source, in_array, number) {
            Ok(Some(end)) => {
                bytes.extend_from_slice(&source.bytes[source.at..end]);
                ends.push(bytes.len());
                source.line = source.line_of(end);
                source.at = end;
            }
            Ok(None) => break Ok(()),
            Err(refusal) => break Err(refusal),
        }
        if bytes.len() >= BLOCK_BYTES {
            let count = ends.len() as u64;
            scan.rows(name, Rows::Json { first, bytes: std::mem::take(&mut bytes), ends: std::mem::take(&mut ends), by_line: false })?;
            first += count;
        }
    };
    let none = first == 1 && ends.is_empty();
    if !ends.is_empty() {
        scan.rows(name, Rows::Json { first, bytes, ends, by_line: false })?;
    }
    // What stopped the reader is the true reason of an end.
    let ended = match source.failed.take() {
        Some(e) => Err(Refusal::of_io(&e)),
        None => ended,
    };
    match ended {
        Ok(()) if none => scan.problem(name, Refusal::new(Code::Empty, "an array without records")),
        Ok(()) => Ok(()),
        // Where the next value begins is not known any more.
        Err(refusal) => {
            let reason = format!("{}; what follows was not read", refusal.reason);
            scan.problem(format!("{name}:{}", source.line), Refusal::new(refusal.code, reason))
        }
    }
}

/// Moves to the value with this number and returns where it ends.
fn next(source: &mut Values<'_>, in_array: bool, number: u64) -> Result<Option<usize>, Refusal> {
    let found = |byte: Option<u8>| byte.map_or("the end of the file".to_string(), |b| format!("{:?}", char::from(b)));
    let mut byte = source.peek()?;
    if in_array {
        if byte == Some(b']') {
            source.at += 1;
            return match source.peek()? {
                None => Ok(None),
                byte => Err(Refusal::damaged(format!("expected nothing behind the array, found {}", found(byte)))),
            };
        }
        if number > 1 {
            if byte != Some(b',') {
                return Err(Refusal::damaged(format!("expected a comma or the end of the array, found {}", found(byte))));
            }
            source.at += 1;
            byte = source.peek()?;
        }
    }
    match byte {
        None if !in_array => return Ok(None),
        Some(b',' | b']' | b'}') | None => return Err(Refusal::damaged(format!("expected record {number}, found {}", found(byte)))),
        Some(_) => {}
    }
    match source.value_end()? {
        Some(end) => Ok(Some(end)),
        None if source.ended => Err(Refusal::damaged(format!("the file ends inside record {number}"))),
        None => Err(Refusal::new(Code::TooLong, format!("record {number} has more than {} bytes", source.most))),
    }
}

/// Names and values of an object.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'de>, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// Hands out the rows of a file that is one object: the objects of its only array, or itself.
fn one_object(name: &str, object: Vec<u8>, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let plain = without_nan(&object);
    let members = match serde_json::from_slice::<Members<'_>>(plain.as_deref().unwrap_or(&object)) {
        Ok(Members(members)) => members,
        Err(e) => return scan.problem(name, Refusal::damaged(format!("expected JSON, found {e}"))),
    };
    let is_text = |key: &str| {
        let slot = scan.options.columns.slot(key).map(|(slot, _)| slot);
        slot.is_some_and(|slot| slot == Slot::Text || slot == Slot::Answer || PROMPT.contains(&slot))
    };
    let of_objects = |value: &RawValue| {
        let mut rest = value.get().strip_prefix('[').map_or("", str::trim_start);
        // A record that is missing is no reason not to see the others.
        while let Some(after) = rest.strip_prefix("null").map(str::trim_start).and_then(|r| r.strip_prefix(',')) {
            rest = after.trim_start();
        }
        rest.starts_with('{')
    };
    // An array under the name of a text, such as `document`, is no text.
    let record = members.iter().any(|(key, value)| is_text(key) && !of_objects(value));
    let arrays: Vec<&(String, &RawValue)> = members.iter().filter(|(_, value)| of_objects(value)).collect();
    let wanted = scan.options.split.as_deref();
    let named = arrays.iter().find(|(key, _)| Some(key.as_str()) == wanted);
    match (named, &arrays[..]) {
        _ if record || arrays.is_empty() => {
            let ends = vec![object.len()];
            scan.rows(name, Rows::Json { first: 1, bytes: object, ends, by_line: false })
        }
        (Some((key, value)), _) | (None, [(key, value)]) => {
            let licence = members.iter().find(|(name, _)| scan.options.columns.slot(name).is_some_and(|(slot, _)| slot == Slot::Licence));
            if let Some((name_of, said)) = licence {
                let said: String = said.get().chars().take(100).collect();
                let text = format!(
                    "the object around the records says {name_of}: {said}; say it in each record, or in a card or licence file beside it"
                );
                return scan.problem(name, Refusal::new(Code::BadLicence, text));
            }
            members.iter().filter(|(other, _)| other != key).for_each(|(other, _)| scan.unused.note(other));
            let bytes = value.get().as_bytes().to_vec();
            let most = scan.options.limits.line_bytes();
            let source = Values { reader: Box::new(std::io::empty()), bytes, at: 1, ended: true, failed: None, line: 1, most };
            values(name, source, true, scan)
        }
        _ => {
            let names: Vec<&str> = arrays.iter().map(|(key, _)| key.as_str()).take(16).collect();
            let text = format!("expected one array of objects, found those of {names:?}; name one with --split");
            scan.problem(name, Refusal::new(Code::Unsupported, text))
        }
    }
}
