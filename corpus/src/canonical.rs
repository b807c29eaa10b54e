//! Canonical JSON: one value, one sequence of bytes.
//!
//! Source: RFC 8785 (JCS), restricted to integers of at most 2^53 - 1 in size, so that no reader needs
//! floating-point formatting.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The largest integer that every JSON reader keeps exactly.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// A value that has no canonical form, or bytes that are not one.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// Not JSON, or not of the expected shape.
    #[error("canonical json: {0}")]
    Json(#[from] serde_json::Error),
    /// A number that is not an integer, or too large.
    #[error("canonical json: {0} is not an integer between -(2^53-1) and 2^53-1")]
    Number(String),
    /// Duplicate keys, white space, escapes or an order that canonical bytes do not have.
    #[error("canonical json: bytes differ from the canonical form at offset {0}")]
    NotCanonical(usize),
}

/// The canonical bytes of `value`.
///
/// ```
/// let bytes = corpus::canonical::to_vec(&serde_json::json!({"b": 1, "a": [true, "é\n"]})).unwrap();
/// assert_eq!(bytes, "{\"a\":[true,\"é\\n\"],\"b\":1}".as_bytes());
/// assert!(corpus::canonical::to_vec(&serde_json::json!(0.5)).is_err());
/// ```
///
/// # Errors
/// [`CanonicalError::Number`] for anything but integers that JSON keeps exactly.
pub fn to_vec<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::new();
    write(&serde_json::to_value(value)?, &mut out)?;
    Ok(out)
}

/// Reads a value and refuses bytes that [`to_vec`] would not have written.
///
/// # Errors
/// [`CanonicalError`] for what is no canonical JSON, or no `T`.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CanonicalError> {
    check(bytes)?;
    Ok(serde_json::from_slice(bytes)?)
}

/// Checks that `bytes` are the canonical form of a value, in one pass and without making the value.
///
/// # Errors
/// [`CanonicalError`] with the offset of the first byte that differs from the canonical form, or that is no JSON.
pub fn check(bytes: &[u8]) -> Result<(), CanonicalError> {
    std::str::from_utf8(bytes).map_err(|e| CanonicalError::NotCanonical(e.valid_up_to()))?;
    let mut scan = Scan { bytes, at: 0 };
    scan.value(0)?;
    if scan.at == bytes.len() { Ok(()) } else { Err(scan.error()) }
}

/// As deep as `serde_json` reads.
const DEPTH: usize = 127;

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn error(&self) -> CanonicalError {
        CanonicalError::NotCanonical(self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, text: &[u8]) -> Result<(), CanonicalError> {
        if self.bytes[self.at..].starts_with(text) {
            self.at += text.len();
            Ok(())
        } else {
            Err(self.error())
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), CanonicalError> {
        match self.peek() {
            Some(b'{' | b'[') if depth == DEPTH => Err(self.error()),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(|_| ()),
            Some(b'n') => self.take(b"null"),
            Some(b't') => self.take(b"true"),
            Some(b'f') => self.take(b"false"),
            _ => self.integer(),
        }
    }

    fn integer(&mut self) -> Result<(), CanonicalError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let digits = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).expect("digits");
        let (leading, zero) = (self.bytes.get(digits) == Some(&b'0'), text == "0");
        if self.at == digits || leading && !zero {
            self.at = start;
            return Err(self.error());
        }
        // A fraction or an exponent is a number, and no integer.
        let whole = !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        match text.parse::<i64>() {
            Ok(i) if whole && (-MAX_INTEGER..=MAX_INTEGER).contains(&i) => Ok(()),
            _ => Err(CanonicalError::Number(text.to_string())),
        }
    }

    /// The string's bytes between its quotes, with escapes as they stand.
    fn string(&mut self) -> Result<&'a [u8], CanonicalError> {
        self.take(b"\"")?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.bytes[start..self.at - 1]);
                }
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                _ => return Err(self.error()),
            }
        }
    }

    /// Section 3.2.2.2: the short form where there is one, `\u00xx` in lower case for other control characters, nothing else.
    fn escape(&mut self) -> Result<(), CanonicalError> {
        let rest = &self.bytes[self.at + 1..];
        let length = match rest {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', b'0', b'0', high @ (b'0' | b'1'), low @ (b'0'..=b'9' | b'a'..=b'f'), ..] => {
                let short = *high == b'0' && matches!(low, b'8' | b'9' | b'a' | b'c' | b'd');
                if short { 0 } else { 6 }
            }
            _ => 0,
        };
        if length == 0 {
            return Err(self.error());
        }
        self.at += length;
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), CanonicalError> {
        self.take(b"[")?;
        if self.peek() == Some(b']') {
            return self.take(b"]");
        }
        loop {
            self.value(depth)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.take(b"]"),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), CanonicalError> {
        self.take(b"{")?;
        if self.peek() == Some(b'}') {
            return self.take(b"}");
        }
        let mut last: Option<&[u8]> = None;
        loop {
            let start = self.at;
            let key = self.string()?;
            if last.is_some_and(|last| !sorted(last, key)) {
                self.at = start;
                return Err(self.error());
            }
            last = Some(key);
            self.take(b":")?;
            self.value(depth)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.take(b"}"),
            }
        }
    }
}

/// Section 3.2.3: whether key `a` comes before `b` by UTF-16 code units; equal ones do not.
fn sorted(a: &[u8], b: &[u8]) -> bool {
    let plain = |k: &[u8]| k.iter().all(|c| c.is_ascii() && *c != b'\\');
    if plain(a) && plain(b) {
        return a < b;
    }
    let units = |k: &[u8]| -> Vec<u16> {
        let quoted = [&b"\""[..], k, b"\""].concat();
        let text: String = serde_json::from_slice(&quoted).unwrap_or_default();
        text.encode_utf16().collect()
    };
    units(a) < units(b)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => serde_json::to_writer(out, value)?,
        Value::Number(number) => match number.as_i64() {
            Some(i) if (-MAX_INTEGER..=MAX_INTEGER).contains(&i) => out.extend(i.to_string().as_bytes()),
            _ => return Err(CanonicalError::Number(number.to_string())),
        },
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            // Section 3.2.3: by UTF-16 code units.
            entries.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
            out.push(b'{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, key)?;
                out.push(b':');
                write(item, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_keys_white_space_order_and_floats_are_refused() {
        for bad in ["{\"a\":1,\"a\":1}", "{\"a\": 1}", "{\"b\":1,\"a\":2}", "1.0", "9007199254740992", "\"\\u0041\"", "[1,]", "1e3"] {
            assert!(from_slice::<Value>(bad.as_bytes()).is_err(), "{bad} was accepted");
        }
        for good in ["[]", "{}", "-1", "[{\"a\":{\"b\":[]}}]", "{\"a\":1,\"b\":[null,false]}", "9007199254740991", "\"\\u0001\""] {
            assert!(from_slice::<Value>(good.as_bytes()).is_ok(), "{good} was refused");
        }
    }

    /// What the check says, the long way: read, write again, compare.
    fn by_writing(bytes: &[u8]) -> bool {
        serde_json::from_slice::<Value>(bytes).is_ok_and(|value| to_vec(&value).is_ok_and(|again| again == bytes))
    }

    #[test]
    fn the_check_agrees_with_writing_again_on_damaged_values() {
        let value = serde_json::json!({
            "a": [1, -2, 0, 9_007_199_254_740_991i64, true, null], "b\n\u{1}\"\\": "\u{8}\u{c}\t\r\u{1f}\u{7f}é\u{2028}", "\u{fb33}": {}, "\u{1f600}": {"x": []}, "€": ""
        });
        let good = to_vec(&value).unwrap();
        assert!(check(&good).is_ok());
        let mut state = 7u64;
        let mut next = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let pieces: [&[u8]; 16] = [
            b" ",
            b"\\u0008",
            b"\\u001F",
            b"\\u001f",
            b"\\/",
            b"1.0",
            b"1e3",
            b"-0",
            b"01",
            b",",
            b"\"a\":1,",
            b"{}",
            b"[",
            b"]",
            b"\xff",
            b"\\ud83d\\ude00",
        ];
        let mut accepted = 0;
        for _ in 0..200_000 {
            let mut bytes = good.clone();
            for _ in 0..=next(2) {
                let at = next(bytes.len());
                match next(4) {
                    0 => bytes[at] = next(256) as u8,
                    1 => drop(bytes.remove(at)),
                    2 => drop(bytes.splice(at..at, pieces[next(pieces.len())].iter().copied())),
                    _ => {
                        let length = bytes.len();
                        bytes.swap(at, (at + 1) % length);
                    }
                }
            }
            let (found, expected) = (check(&bytes).is_ok(), by_writing(&bytes));
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(&bytes));
            accepted += usize::from(found);
        }
        assert!(accepted > 1000, "{accepted}");
    }
}
