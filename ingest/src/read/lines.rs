//! JSON lines.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::block::{BLOCK_BYTES, Block, Fields, Rows};
use super::columns::{Columns, Slot};
use super::problem::{Code, Refusal};
use super::{Scan, Stopped};

/// Hands out the lines of `reader`, whole ones in each block.
pub(super) fn read(name: &str, mut reader: impl Read, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let longest = scan.options.limits.line_bytes();
    let (mut next_line, mut rest, mut begun) = (1u64, Vec::new(), false);
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
            let (columns, limits) = (scan.options.columns.clone(), scan.options.limits.clone());
            scan.block(Block { file: name.into(), rows: Rows::Lines { first, bytes, ends }, columns, limits })?;
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

/// The fields of a line.
pub(super) fn fields<'a>(line: &'a [u8], columns: &Columns) -> Result<Fields<'a>, Refusal> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    if let Err(e) = std::str::from_utf8(line) {
        let at = e.valid_up_to();
        return Err(Refusal::new(Code::Encoding, format!("expected UTF-8, found byte 0x{:02x} at offset {at}", line[at])));
    }
    let mut wrong = None;
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let seed = Row { columns, wrong: &mut wrong };
    let read = seed.deserialize(&mut deserializer).and_then(|fields| deserializer.end().map(|()| fields));
    match (read, wrong) {
        (Ok(fields), None) => Ok(fields),
        (_, Some(refusal)) => Err(refusal),
        (Err(e), None) => Err(Refusal::damaged(format!("expected a JSON object, found {e}"))),
    }
}

struct Row<'c, 'w> {
    columns: &'c Columns,
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
        let mut ranks = [usize::MAX; super::columns::SLOTS];
        while let Some(Field::Text(key)) = map.next_key_seed(AnyField)? {
            let Some((slot, rank)) = self.columns.slot(&key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value_seed(AnyField)?;
            let place = slot as usize;
            if rank == ranks[place] && fields[place].is_some() {
                self.wrong.get_or_insert_with(|| Refusal::new(Code::BadField, format!("the field {key} stands twice")));
            }
            if rank > ranks[place] {
                continue;
            }
            fields[place] = match value {
                Field::Text(text) => Some(text),
                Field::Null => None,
                Field::Number(number) if matches!(slot, Slot::Id) => Some(number.into()),
                Field::Number(_) | Field::Other(_) => {
                    let found = if let Field::Other(what) = value { what } else { "a number" };
                    let code = if matches!(slot, Slot::Licence) { Code::BadLicence } else { Code::BadField };
                    let expected = if matches!(slot, Slot::Licence) { "an SPDX expression" } else { "text" };
                    self.wrong.get_or_insert_with(|| Refusal::new(code, format!("expected {expected} in the field {key}, found {found}")));
                    None
                }
            };
            if fields[place].is_some() {
                ranks[place] = rank;
            }
        }
        Ok(fields)
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
