//! Addresses of accounts and contracts: 20 bytes, whose text carries a checksum in the case of its letters.
//!
//! Source: ERC-55, <https://eips.ethereum.org/EIPS/eip-55>. The variant that depends on the chain (ERC-1191) is not read.

use sha3::{Digest as _, Keccak256};

/// Text or bytes that nobody should be paid at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not 40 digits after `0x`.
    #[error("address {0:?}: expected 0x and 40 hexadecimal digits")]
    Malformed(String),
    /// Letters of both cases, in another pattern than the checksum's: most likely a digit was mistyped.
    #[error("address {found}: checksum fails, expected {expected} if every digit is right")]
    Checksum {
        /// The digits with their checksum.
        expected: String,
        /// The text.
        found: String,
    },
    /// Nobody has its key: tokens sent there are lost.
    #[error("address 0x0000000000000000000000000000000000000000: expected another than the zero address")]
    Zero,
}

/// Reads an address.
///
/// Letters of both cases have to be the checksum's; all lower and all upper case carry none and are accepted.
///
/// # Errors
/// [`AddressError`] for other text, a checksum that fails, and the zero address.
///
/// ```
/// let address = rails::address::parse("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed").unwrap();
/// assert_eq!(rails::address::checksummed(&address), "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
/// assert!(rails::address::parse("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed").is_err());
/// ```
pub fn parse(text: &str) -> Result<[u8; 20], AddressError> {
    let malformed = || AddressError::Malformed(text.to_owned());
    let digits = text.strip_prefix("0x").ok_or_else(malformed)?;
    let address = crate::hex::parse::<20>(&format!("0x{}", digits.to_ascii_lowercase())).map_err(|_| malformed())?;
    if address == [0; 20] {
        return Err(AddressError::Zero);
    }
    let mixed = digits.bytes().any(|c| c.is_ascii_lowercase()) && digits.bytes().any(|c| c.is_ascii_uppercase());
    let expected = checksummed(&address);
    if mixed && expected != text {
        return Err(AddressError::Checksum { expected, found: text.to_owned() });
    }
    Ok(address)
}

/// `0x` and 40 digits, with the checksum: a letter is upper case where the hash of the lower-case digits has a nibble of 8 or more.
pub fn checksummed(address: &[u8; 20]) -> String {
    let mut text = crate::hex::Hex(address).to_string();
    let hash = Keccak256::digest(&text.as_bytes()[2..]);
    let cased: String = text
        .drain(..)
        .skip(2)
        .enumerate()
        .map(|(i, c)| if hash[i / 2] >> (4 * (1 - i % 2)) & 15 >= 8 { c.to_ascii_uppercase() } else { c })
        .collect();
    format!("0x{cased}")
}

/// Writes an address with its checksum.
///
/// # Errors
/// As the serializer.
pub fn serialize<S: serde::Serializer>(address: &[u8; 20], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&checksummed(address))
}

/// Reads an address by the rules of [`parse`].
///
/// # Errors
/// As [`parse`].
pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<[u8; 20], D::Error> {
    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test cases of ERC-55.
    const CHECKSUMMED: [&str; 8] = [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn checksums_are_those_of_the_specification() {
        for text in CHECKSUMMED {
            let address = parse(text).unwrap();
            assert_eq!(checksummed(&address), text);
            assert_eq!(parse(&text.to_ascii_lowercase()), Ok(address));
            assert_eq!(parse(&format!("0x{}", text[2..].to_ascii_uppercase())), Ok(address));
        }
    }

    #[test]
    fn a_letter_of_the_wrong_case_breaks_the_checksum() {
        let text = CHECKSUMMED[4];
        for i in (2..42).filter(|&i| text.as_bytes()[i].is_ascii_alphabetic()) {
            let mut bytes = text.as_bytes().to_vec();
            bytes[i] ^= 0x20;
            let found = String::from_utf8(bytes).unwrap();
            assert_eq!(parse(&found), Err(AddressError::Checksum { expected: text.to_owned(), found }));
        }
    }

    #[test]
    fn a_wrong_digit_breaks_the_checksum() {
        assert!(matches!(parse("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAee"), Err(AddressError::Checksum { .. })));
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        let short = &CHECKSUMMED[0][..41];
        let long = format!("{}0", CHECKSUMMED[0]);
        let bare = &CHECKSUMMED[0][2..];
        let prefix = format!("0X{bare}");
        let unicode = format!("0x{}é", "0".repeat(38));
        for text in ["", "0x", short, &long, bare, &prefix, &unicode, &format!(" {}", CHECKSUMMED[0])] {
            assert_eq!(parse(text), Err(AddressError::Malformed(text.to_owned())));
        }
        assert_eq!(parse(&format!("0x{}", "0".repeat(40))), Err(AddressError::Zero));
    }
}
