//! Bytes as wallets and Solidity write them: `0x` and lower-case hexadecimal digits, two a byte.

use std::fmt;

/// Text that is not the bytes it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hexadecimal {found:?}: expected 0x and {digits} lower-case digits")]
pub struct HexError {
    /// Digits expected.
    pub digits: usize,
    /// The text.
    pub found: String,
}

/// Displays bytes as `0x…`.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // A stack buffer: a tree of a million leaves has two million of these.
        let mut text = [0; 64];
        f.write_str("0x")?;
        for chunk in self.0.chunks(text.len() / 2) {
            for (pair, byte) in text.chunks_exact_mut(2).zip(chunk) {
                pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
            f.write_str(std::str::from_utf8(&text[..2 * chunk.len()]).expect("digits are ASCII"))?;
        }
        Ok(())
    }
}

/// Reads `N` bytes.
///
/// # Errors
/// [`HexError`] if `text` is not what [`Hex`] displays.
pub fn parse<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let error = || HexError { digits: 2 * N, found: text.to_owned() };
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 2 * N).ok_or_else(error)?;
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0]).ok_or_else(error)? << 4 | digit(pair[1]).ok_or_else(error)?;
    }
    Ok(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// A 32-byte word in JSON.
pub mod word {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes `0x` and 64 digits.
    ///
    /// # Errors
    /// As the serializer.
    pub fn serialize<S: Serializer>(word: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&super::Hex(word))
    }

    /// Reads `0x` and 64 lower-case digits.
    ///
    /// # Errors
    /// If the text is anything else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        super::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A list of 32-byte words in JSON.
pub mod words {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Word(#[serde(with = "super::word")] [u8; 32]);

    /// Writes a list of `0x` and 64 digits.
    ///
    /// # Errors
    /// As the serializer.
    pub fn serialize<S: Serializer>(words: &[[u8; 32]], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(words.iter().map(|word| Word(*word)))
    }

    /// Reads a list of `0x` and 64 lower-case digits.
    ///
    /// # Errors
    /// If the list holds anything else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<[u8; 32]>, D::Error> {
        Ok(Vec::<Word>::deserialize(deserializer)?.into_iter().map(|word| word.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_their_text() {
        let bytes: [u8; 70] = std::array::from_fn(|i| (i * 37) as u8);
        assert_eq!(parse(&Hex(&bytes).to_string()), Ok(bytes), "longer than the buffer");
        assert_eq!(Hex(&[0x0f, 0xa0]).to_string(), "0x0fa0");
        assert_eq!(parse::<0>("0x"), Ok([]));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "0x", "0fa0", "0X0fa0", "0x0FA0", "0x0fa", "0x0fa00", "0x0fg0", "0xé0a", "0x+f+f"] {
            assert_eq!(parse::<2>(text), Err(HexError { digits: 4, found: text.to_owned() }));
        }
    }
}
