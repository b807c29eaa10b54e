//! JSON lines.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::block::{BLOCK_BYTES, Fields, Rows};
use super::columns::{Columns, PROMPT, SLOTS, Slot, Unused, both};
use super::encoding::not_utf8;
use super::problem::{Code, Refusal};
use super::{Scan, Stopped};

/// Hands out the lines of `reader`, of which the first has this number, whole ones in each block.
pub(super) fn read(name: &str, first_line: u64, mut reader: impl Read, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let longest = scan.options.limits.line_bytes();
    let (mut next_line, mut rest, mut begun) = (first_line, Vec::new(), false);
    loop {
        let mut bytes = std::mem::take(&mut rest);
        let (mut ended, mut failed, mut skipped);
        (failed, skipped) = (None, None);
        loop {
            let from = bytes.len();
            bytes.reserve(BLOCK_BYTES);
            // Bytes before an error are rows too.
            if let Err(e) = reader.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut bytes) {
                failed = Some(Refusal::of_io(&e));
            }
            ended = failed.is_some() || bytes.len() - from < BLOCK_BYTES;
            match memchr::memrchr(b'\n', &bytes[from..]).map(|i| from + i + 1) {
                _ if ended => break,
                Some(end) => {
                    rest = bytes.split_off(end);
                    break;
                }
                None if bytes.len() as u64 > longest => {
                    // Whole lines before it are handed out, the rest of it is passed over.
                    let begin = memchr::memrchr(b'\n', &bytes).map_or(0, |i| i + 1);
                    skipped = Some(bytes.len() - begin);
                    bytes.truncate(begin);
                    break;
                }
                None => {}
            }
        }
        if skipped.is_some() {
            match pass_line(&mut reader) {
                Ok(after) => rest = after,
                Err(e) => (failed, ended) = (Some(Refusal::of_io(&e)), true),
            }
        }
        begun |= skipped.is_some() || bytes.iter().any(|b| !b.is_ascii_whitespace());
        // A file that ends inside a line because of an error has no whole last line.
        if failed.is_some() {
            bytes.truncate(memchr::memrchr(b'\n', &bytes).map_or(0, |i| i + 1));
        }
        let mut ends: Vec<usize> = memchr::memchr_iter(b'\n', &bytes).map(|i| i + 1).collect();
        let first = next_line;
        next_line += ends.len() as u64;
        if ends.last().copied().unwrap_or(0) < bytes.len() {
            ends.push(bytes.len());
        }
        if !ends.is_empty() {
            scan.rows(name, Rows::Json { first, bytes, ends, by_line: true })?;
        }
        if skipped.is_some() {
            let refusal = Refusal::new(Code::TooLong, format!("a line of more than {longest} bytes"));
            scan.problem(format!("{name}:{next_line}"), refusal)?;
            next_line += 1;
        }
        if let Some(refusal) = failed {
            return scan.problem(format!("{name}:{next_line}"), refusal);
        }
        if ended && rest.is_empty() {
            break;
        }
    }
    if begun { Ok(()) } else { scan.problem(name, Refusal::new(Code::Empty, "empty, expected JSON lines")) }
}

/// Reads to the end of a line; returns what was read beyond it.
fn pass_line(reader: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok(Vec::new());
        }
        if let Some(i) = memchr::memchr(b'\n', &buffer[..read]) {
            return Ok(buffer[i + 1..read].to_vec());
        }
    }
}

/// The fields of an object, which is all that `json` has.
pub(super) fn fields<'a>(json: &'a [u8], columns: &Columns, unused: &Unused) -> Result<Fields<'a>, Refusal> {
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    if let Err(e) = std::str::from_utf8(json) {
        return Err(not_utf8(json, e.valid_up_to()));
    }
    let failed = match parse(json, columns, unused, NUMBER) {
        Ok(fields) => return Ok(fields),
        Err(Failed::Field(refusal)) => return Err(refusal),
        Err(Failed::Syntax(e)) => e,
    };
    // Python writes numbers that JSON does not have. They matter only where a text is expected, and the refusal names them there.
    if let Some(without) = without_nan(json) {
        return match parse(&without, columns, unused, "NaN, Infinity or another number") {
            Ok(fields) => Ok(fields.map(|field| field.map(|text| Cow::Owned(text.into_owned())))),
            Err(Failed::Field(refusal)) => Err(refusal),
            Err(Failed::Syntax(e)) => Err(syntax(&e)),
        };
    }
    Err(syntax(&failed))
}

/// The true reason of a text that is not JSON.
fn syntax(e: &serde_json::Error) -> Refusal {
    let said = e.to_string();
    if said.contains("surrogate") || said.contains("end of hex escape") {
        let text = format!("expected Unicode text, found half of a surrogate pair in an escape such as \\ud83d: {said}");
        return Refusal::new(Code::Encoding, text);
    }
    Refusal::damaged(format!("expected a JSON object, found {said}"))
}

/// `json` with a number in place of each `NaN`, `Infinity` and `-Infinity` outside of strings; none if there are none.
pub(super) fn without_nan(json: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut at, mut quoted) = (Vec::new(), 0, false);
    let mut copied = 0;
    while at < json.len() {
        match json[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'N' | b'I' if !quoted => {
                let word: &[u8] = if json[at] == b'N' { b"NaN" } else { b"Infinity" };
                if json[at..].starts_with(word) {
                    out.extend_from_slice(&json[copied..at]);
                    // A zero with its sign, which stands for itself nowhere.
                    out.extend_from_slice(if out.ends_with(b"-") { b"0" } else { b"-0" });
                    at += word.len();
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&json[copied..]);
    Some(out)
}

/// What a number is called where a text is expected.
const NUMBER: &str = "a number";

enum Failed {
    /// It is not JSON, or no object.
    Syntax(serde_json::Error),
    /// A field is not what it has to be.
    Field(Refusal),
}

fn parse<'a>(json: &'a [u8], columns: &Columns, unused: &Unused, number: &'static str) -> Result<Fields<'a>, Failed> {
    let mut wrong = None;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let seed = Row { columns, unused, number, wrong: &mut wrong };
    let read = seed.deserialize(&mut deserializer).and_then(|fields| deserializer.end().map(|()| fields));
    match (read, wrong) {
        (Ok(fields), None) => Ok(fields),
        (_, Some(refusal)) => Err(Failed::Field(refusal)),
        (Err(e), None) => Err(Failed::Syntax(e)),
    }
}

struct Row<'c, 'w> {
    columns: &'c Columns,
    unused: &'c Unused,
    /// What a number is called where a text is expected.
    number: &'static str,
    /// The first field of another kind than it has to be.
    wrong: &'w mut Option<Refusal>,
}

impl<'de> DeserializeSeed<'de> for Row<'_, '_> {
    type Value = Fields<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        let mut ranks = [usize::MAX; SLOTS];
        let mut wrong: [Option<Refusal>; SLOTS] = Default::default();
        let mut names: [Option<Cow<'de, str>>; SLOTS] = Default::default();
        while let Some(Field::Text(key)) = map.next_key_seed(AnyField)? {
            let Some((slot, rank)) = self.columns.slot(&key) else {
                map.next_value::<IgnoredAny>()?;
                self.unused.note(&key);
                continue;
            };
            let place = slot as usize;
            // An id may be a number of any length, and is kept as it is written.
            let value = match slot {
                Slot::Id => match map.next_value::<&RawValue>()? {
                    raw if raw.get() == "-0" && self.number != NUMBER => Field::Other("NaN or Infinity"),
                    raw => id(raw),
                },
                _ => map.next_value_seed(AnyField)?,
            };
            if slot == Slot::Licence
                && let Field::Text(said) = &value
            {
                fields[place] = Some(both(fields[place].take(), said.clone()));
                continue;
            }
            if rank == ranks[place] && fields[place].is_some() {
                wrong[place].get_or_insert_with(|| Refusal::new(Code::BadField, format!("the field {key} stands twice")));
            }
            if rank > ranks[place] && slot != Slot::Licence {
                self.unused.note(&key);
                continue;
            }
            let value = match value {
                Field::Text(text) => Some(text),
                Field::Null => None,
                Field::Number(number) if slot == Slot::Id => Some(number.into()),
                _ if slot == Slot::Chat => Some("".into()),
                Field::Number(_) | Field::Other(_) => {
                    let found = if let Field::Other(what) = value { what } else { self.number };
                    let code = if slot == Slot::Licence { Code::BadLicence } else { Code::BadField };
                    let expected = if slot == Slot::Licence { "an SPDX expression" } else { "text" };
                    let text = format!("expected {expected} in the field {key}, found {found}");
                    if matches!(slot, Slot::Origin | Slot::Person) {
                        self.unused.note(&key);
                    } else {
                        wrong[place].get_or_insert_with(|| Refusal::new(code, text));
                        names[place].get_or_insert_with(|| key.clone());
                    }
                    None
                }
            };
            if value.is_some() && slot != Slot::Licence {
                if let Some(before) = names[place].replace(key) {
                    self.unused.note(&before);
                }
                (fields[place], ranks[place]) = (value, rank);
            }
        }
        // Beside a text, a prompt and an answer are fields that are not read.
        if fields[Slot::Text as usize].is_some() {
            let beside = PROMPT.into_iter().chain([Slot::Answer, Slot::Chat]);
            for slot in beside {
                wrong[slot as usize] = None;
                names[slot as usize].iter().for_each(|name| self.unused.note(name));
            }
        } else if fields[Slot::Answer as usize].is_some() {
            names[Slot::Chat as usize].iter().for_each(|name| self.unused.note(name));
        }
        *self.wrong = wrong.into_iter().flatten().next();
        Ok(fields)
    }
}

/// An id as it is written.
fn id(raw: &RawValue) -> Field<'_> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<Cow<'_, str>>(text) {
            Ok(id) => Field::Text(id.into_owned().into()),
            Err(_) => Field::Other("a text that is not Unicode"),
        },
        Some(b'-' | b'0'..=b'9') => Field::Number(text.to_string()),
        Some(b'n') => Field::Null,
        Some(b'[') => Field::Other("a list"),
        Some(b'{') => Field::Other("an object"),
        _ => Field::Other("true or false"),
    }
}

/// A value, as far as it matters here.
enum Field<'a> {
    Text(Cow<'a, str>),
    Number(String),
    Null,
    Other(&'static str),
}

struct AnyField;

impl<'de> DeserializeSeed<'de> for AnyField {
    type Value = Field<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyField {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(value.into()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(value.to_string().into()))
    }
    fn visit_string<E>(self, value: String) -> Result<Field<'de>, E> {
        Ok(Field::Text(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Field<'de>, E> {
        Ok(Field::Number(value.to_string()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Field<'de>, E> {
        Ok(Field::Number(value.to_string()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Field<'de>, E> {
        Ok(Field::Number(value.to_string()))
    }
    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Field<'de>, E> {
        Ok(Field::Other("true or false"))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other("a list"))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other("an object"))
    }
}
