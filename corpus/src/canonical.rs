//! Canonical JSON: one value, one sequence of bytes.
//!
//! Source: RFC 8785 (JCS), restricted to integers of at most 2^53 - 1 in size, so that no reader needs
//! floating-point formatting, and to what `from_slice` finds unchanged when it writes it again.

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

/// Reads canonical bytes and nothing else.
///
/// # Errors
/// [`CanonicalError::NotCanonical`] if writing the value again gives other bytes.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CanonicalError> {
    let value: Value = serde_json::from_slice(bytes)?;
    let mut again = Vec::with_capacity(bytes.len());
    write(&value, &mut again)?;
    if again != bytes {
        let at = again.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        return Err(CanonicalError::NotCanonical(at));
    }
    Ok(serde_json::from_value(value)?)
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
        for good in ["{\"a\":1,\"b\":[null,false]}", "9007199254740991", "\"\\u0001\""] {
            assert!(from_slice::<Value>(good.as_bytes()).is_ok(), "{good} was refused");
        }
    }
}
