//! Telephone numbers in a text: few that are none, rather than all that are some.
//!
//! Numbers are found in international form, `+49 30 1234567`, and in North American form with brackets or hyphens, `(415) 555-0132`
//! and `415-555-0132`. National forms of other countries look like any other number and are not.

use super::addresses::{ends, in_number};

/// Where the telephone number that begins at `at` ends.
pub(super) fn phone(bytes: &[u8], at: usize) -> Option<usize> {
    let before = if at == 0 { b' ' } else { bytes[at - 1] };
    match bytes[at] {
        b'+' if !in_number(before) && !matches!(before, b'+' | b'-' | b'/' | b'=' | b')' | b']') => international(bytes, at),
        b'(' if !in_number(before) => american(bytes, at, b"(NDD) NDD-DDDD").or_else(|| american(bytes, at, b"(NDD)NDD-DDDD")),
        b'0'..=b'9' if !in_number(before) && !matches!(before, b'-' | b'+' | b'/' | b'=') => {
            american(bytes, at, b"1-NDD-NDD-DDDD").or_else(|| american(bytes, at, b"NDD-NDD-DDDD"))
        }
        _ => None,
    }
}

/// Where `+`, a country code and groups of digits end: nine to fifteen digits, ten if nothing divides them, and no decimal fraction.
///
/// Source: ITU-T E.164, section 6, for the most digits, and E.123 for the groups.
fn international(bytes: &[u8], at: usize) -> Option<usize> {
    let (mut digits, mut dividers, mut dots, mut open) = (0, 0, 0, false);
    let (mut i, mut end) = (at + 1, None);
    if !matches!(bytes.get(i), Some(b'1'..=b'9')) {
        return None;
    }
    loop {
        let group = bytes[i..].iter().take_while(|b| b.is_ascii_digit()).count();
        (digits, i) = (digits + group, i + group);
        // One digit may be a country or an area; a list of single digits is no number.
        if digits > 15 || group < (if dividers < 2 { 1 } else { 2 }) {
            return end;
        }
        let fraction = dividers == 1 && dots == 1;
        if digits >= (if dividers == 0 { 10 } else { 9 }) && !fraction && !open && ends(bytes, i) {
            end = Some(i);
        }
        // One divider, or a space beside a bracket.
        for _ in 0..2 {
            match bytes.get(i) {
                Some(b'(') if !open && dividers < 2 => open = true,
                Some(b')') if open => open = false,
                Some(b' ' | b'-' | b'.' | b'/') => {}
                _ => break,
            }
            dots += usize::from(bytes[i] == b'.');
            i += 1;
            let bracket = bytes[i - 1] == b')' || bytes.get(i) == Some(&b'(');
            if !bracket {
                break;
            }
        }
        dividers += 1;
    }
}

/// Where a number of the North American plan in the given form ends, where N is 2 to 9 and D any digit.
fn american(bytes: &[u8], at: usize, form: &[u8]) -> Option<usize> {
    let end = at + form.len();
    let fits = |(byte, expected): (&u8, &u8)| match expected {
        b'N' => matches!(byte, b'2'..=b'9'),
        b'D' => byte.is_ascii_digit(),
        _ => byte == expected,
    };
    let goes_on = bytes.get(end) == Some(&b'-') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
    (bytes.get(at..end)?.iter().zip(form).all(fits) && ends(bytes, end) && !goes_on).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::super::personal::{Kind, find};

    fn found(text: &str) -> Vec<&str> {
        find(text).into_iter().filter(|(kind, _)| *kind == Kind::Phone).map(|(_, range)| &text[range]).collect()
    }

    #[test]
    fn telephone_numbers_are_found() {
        for text in [
            "+49 30 1234567",
            "+49 (0)30 1234567",
            "+49 (30) 1234567",
            "+44 20 7946 0000",
            "+1 415 555 0132",
            "+1 (415) 555-0132",
            "+1-415-555-0132",
            "+14155550132",
            "+33.1.23.45.67.89",
            "+491701234567",
            "+299 12 34 56",
            "(415) 555-0132",
            "(415)555-0132",
            "415-555-0132",
            "1-800-555-0199",
        ] {
            assert_eq!(found(&format!("Call {text}, please.")), [text]);
            assert_eq!(found(&format!("电话{text}。")), [text]);
        }
    }

    #[test]
    fn other_numbers_are_no_telephone_numbers() {
        for text in [
            "+3.14159265358",
            "1+1234567890",
            "x += +1 000",
            "2021-01-01T00:00:00+0100",
            "+0049 30 123456",
            "415 555 0132",
            "978-0-306-40615-7",
            "115-555-0132",
            "415-555-01325",
            "415-555-0132-7",
            "123-45-6789",
            "f(415) 5",
            "(2000) 123-4567",
            "+1234567",
            "10.1000/415-555-0132",
            "+12 (34",
            "+1 2 3 4 5 6 7 8 9",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
