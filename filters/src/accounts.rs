//! Account numbers: IBANs and numbers of payment cards, which have check digits.

/// Where the account number that begins at `at` ends.
pub(super) fn account(bytes: &[u8], at: usize) -> Option<usize> {
    let apart = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
    if !apart {
        return None;
    }
    match bytes[at] {
        b'A'..=b'Z' => iban(bytes, at),
        b'2'..=b'6' => card(bytes, at),
        _ => None,
    }
}

/// Letters of an IBAN, at least and at most.
const IBAN: std::ops::RangeInclusive<usize> = 15..=34;

/// The IBAN that begins at `at`: two letters, two check digits, letters and digits, in groups or not.
///
/// Source: ISO 13616-1; the check is ISO/IEC 7064, modulus 97-10.
fn iban(bytes: &[u8], at: usize) -> Option<usize> {
    let head = bytes.get(at..at + 4)?;
    if !(head[1].is_ascii_uppercase() && head[2].is_ascii_digit() && head[3].is_ascii_digit()) {
        return None;
    }
    let (mut letters, mut end, mut i, mut found) = (Vec::new(), at, at, None);
    while i < bytes.len() && letters.len() <= *IBAN.end() {
        match bytes[i] {
            b if b.is_ascii_digit() || b.is_ascii_uppercase() => {
                letters.push(b);
                end = i + 1;
            }
            // One space between groups.
            b' ' if bytes.get(i + 1).is_some_and(|b| b.is_ascii_digit() || b.is_ascii_uppercase()) => {}
            _ => break,
        }
        i += 1;
        let ends = !bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
        if IBAN.contains(&letters.len()) && ends && checked(&letters) {
            found = Some(end);
        }
    }
    found
}

fn checked(letters: &[u8]) -> bool {
    let turned = letters[4..].iter().chain(&letters[..4]);
    let value = |b: u8| if b.is_ascii_digit() { u32::from(b - b'0') } else { u32::from(b - b'A') + 10 };
    turned.fold(0, |rest, b| {
        let v = value(*b);
        (rest * if v > 9 { 100 } else { 10 } + v) % 97
    }) == 1
}

/// The number of a payment card that begins at `at`: 13 to 19 digits in groups of four or six, or together.
///
/// Source: ISO/IEC 7812-1, annex B, for the check digit.
fn card(bytes: &[u8], at: usize) -> Option<usize> {
    let (mut digits, mut end, mut i) = (Vec::new(), at, at);
    while i < bytes.len() && digits.len() < 20 {
        match bytes[i] {
            b if b.is_ascii_digit() => {
                digits.push(u32::from(b - b'0'));
                end = i + 1;
            }
            b' ' | b'-' if bytes.get(i + 1).is_some_and(u8::is_ascii_digit) && digits.len() >= 4 => {}
            _ => break,
        }
        i += 1;
    }
    let ends = !bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
    let sum: u32 = digits.iter().rev().enumerate().map(|(i, d)| if i % 2 == 1 { d * 2 / 10 + d * 2 % 10 } else { *d }).sum();
    let same = digits.iter().all(|d| Some(d) == digits.first());
    (ends && !same && (13..=19).contains(&digits.len()) && sum.is_multiple_of(10)).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_tell_accounts_from_numbers() {
        let whole = |text: &str| account(text.as_bytes(), 0) == Some(text.len());
        for text in ["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "NO9386011117947", "4111 1111 1111 1111", "378282246310005"] {
            assert!(whole(text), "{text}");
        }
        for text in ["DE89370400440532013001", "4111 1111 1111 1112", "AB12 is no account", "0000000000000000", "5000", "DE89"] {
            assert_eq!(account(text.as_bytes(), 0), None, "{text}");
        }
        assert_eq!(account(b"DE89370400440532013000 and", 0), Some(22));
        assert_eq!(account(b"xDE89370400440532013000", 1), None);
    }
}
