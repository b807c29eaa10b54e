//! E-mail addresses and IP addresses in a text.
//!
//! E-mail and IPv4 addresses are those of datatrove 0.10.1's expressions but for four differences. An e-mail address may follow a letter of
//! a script without spaces. An IPv4 address has no letter, digit or further number beside it, so that versions such as `1.2.3.4.5`,
//! `v1.2.3.4` and `Name/1.2.3.4` are none. IPv6 addresses are found too. A literal such as `user@[1.2.3.tag:]` is no e-mail address.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::words::is_letter;
use super::writing::Writing;

/// Where the e-mail addresses of `text` are, in order.
///
/// Before the `@` stand letters, digits and symbols of ASCII with single dots between them, from the first place where a word begins or ends
/// ("éa+b@c.de" has `+b@c.de`); behind it two labels or more, or an IPv4 address in brackets.
pub(super) fn emails(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let (mut found, mut from): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
    for (at, _) in text.match_indices('@') {
        if at < from {
            continue;
        }
        let Some(start) = local(text, from, at) else { continue };
        let end = domain(bytes, at + 1).or_else(|| literal(bytes, at + 1));
        if let Some(end) = end {
            found.push(start..end);
            from = end;
        }
    }
    found
}

/// Where the part before the `@` at `at` begins, not before `from`.
fn local(text: &str, from: usize, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let symbol = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b);
    if at == from || !symbol(bytes[at - 1]) {
        return None;
    }
    let mut start = at;
    while start > from && (symbol(bytes[start - 1]) || (bytes[start - 1] == b'.' && bytes[start] != b'.')) {
        start -= 1;
    }
    let in_word = |c: char| c == '_' || c.is_numeric() || is_letter(c);
    let begins = |i: &usize| {
        let before = text[..*i].chars().next_back();
        let apart = before.is_some_and(in_word) != in_word(char::from(bytes[*i]));
        bytes[*i] != b'.' && (apart || (*i == start && before.is_some_and(|c| Writing::of(c.encode_utf8(&mut [0; 4])).is_unspaced())))
    };
    (start..at).find(begins)
}

/// Where the host name that begins at `at` ends; it has two labels or more.
fn domain(bytes: &[u8], at: usize) -> Option<usize> {
    let (mut at, mut end) = (at, None);
    loop {
        let run = bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
        let label = bytes[at..at + run].iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |last| last + 1);
        if label == 0 || bytes[at] == b'-' {
            return end.flatten();
        }
        // The first label alone is no name.
        end = Some(end.map(|_| at + label));
        if label < run || bytes.get(at + run) != Some(&b'.') {
            return end.flatten();
        }
        at += run + 1;
    }
}

/// Where an IPv4 address in brackets ends.
fn literal(bytes: &[u8], at: usize) -> Option<usize> {
    let inside = at + 1;
    let length = bytes.get(inside..)?.iter().take(16).position(|b| *b == b']')?;
    let octets = std::str::from_utf8(&bytes[inside..inside + length]).ok()?;
    let octet = |o: &str| (1..=3).contains(&o.len()) && o.bytes().all(|b| b.is_ascii_digit()) && o.parse::<u8>().is_ok();
    (bytes[at] == b'[' && octets.split('.').count() == 4 && octets.split('.').all(octet)).then_some(inside + length + 1)
}

/// Where the public IP address that begins at `at` ends.
pub(super) fn ip(bytes: &[u8], at: usize) -> Option<usize> {
    let first = bytes[at];
    if !first.is_ascii_digit() || (at > 0 && in_number(bytes[at - 1])) {
        return None;
    }
    ipv4(bytes, at).or_else(|| if matches!(first, b'2' | b'3') { ipv6(bytes, at) } else { None })
}

/// Whether a number or name goes on with `byte`.
pub(super) fn in_number(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}

/// Whether nothing that could be part of an address, a version or a name follows at `at`.
pub(super) fn ends(bytes: &[u8], at: usize) -> bool {
    let [next, then] = [at, at + 1].map(|i| bytes.get(i).copied().unwrap_or(b' '));
    match next {
        b'.' => !then.is_ascii_alphanumeric(),
        b'-' => !then.is_ascii_alphabetic(),
        _ => !in_number(next),
    }
}

fn ipv4(bytes: &[u8], at: usize) -> Option<usize> {
    // A name and its version: `Name/1.2.3.4`, `name-1.2.3.4`.
    let named = at > 1 && matches!(bytes[at - 1], b'/' | b'-') && bytes[at - 2].is_ascii_alphabetic();
    let length = bytes[at..].iter().take(16).take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    // The shortest is `1.1.1.1`; most numbers are shorter.
    if length < 7 {
        return None;
    }
    let address = std::str::from_utf8(&bytes[at..at + length]).ok()?.trim_end_matches('.');
    let parsed: Ipv4Addr = address.parse().ok()?;
    let end = at + address.len();
    (!named && ends(bytes, end) && is_public(parsed)).then_some(end)
}

/// Whether an address is routed on the public Internet; multicast addresses count as such.
///
/// Source: IANA's registry as Python 3.11.7's `ipaddress` has it, <https://www.iana.org/assignments/iana-ipv4-special-registry>.
fn is_public(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 240..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0, 0..=7 | 170 | 171]
            | [192, 0, 2, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

/// An address of 2000::/3, from which all public ones are; `a::b` and the like are names in programs more often.
fn ipv6(bytes: &[u8], at: usize) -> Option<usize> {
    let length = bytes[at..].iter().take(40).take_while(|b| b.is_ascii_hexdigit() || **b == b':').count();
    let text = std::str::from_utf8(&bytes[at..at + length]).ok()?;
    let text = if text.ends_with("::") { text } else { text.trim_end_matches(':') };
    let alone = at == 0 || bytes[at - 1] != b':';
    if text.find(':') != Some(4) || !alone || !ends(bytes, at + text.len()) {
        return None;
    }
    let [first, second, ..] = text.parse::<Ipv6Addr>().ok()?.segments();
    let documentation = (first == 0x2001 && second == 0xdb8) || (first == 0x3fff && second < 0x1000);
    ((0x2000..0x4000).contains(&first) && !documentation).then_some(at + text.len())
}

#[cfg(test)]
mod tests {
    use super::super::golden;
    use super::super::personal::{Kind, find};

    fn found(text: &str, kind: Kind) -> Vec<&str> {
        find(text).into_iter().filter(|(k, _)| *k == kind).map(|(_, range)| &text[range]).collect()
    }

    /// The text with datatrove's replacements, which take turns, for what we find.
    fn replaced(text: &str) -> String {
        let mut emails = ["email@example.com", "firstname.lastname@example.org"].into_iter().cycle();
        let mut addresses =
            ["22.214.171.124", "126.96.36.199", "188.8.131.52", "184.108.40.206", "220.127.116.11", "18.104.22.168"].into_iter().cycle();
        let (mut replaced, mut at) = (String::new(), 0);
        for (kind, range) in find(text) {
            let replacement = match kind {
                Kind::Email => emails.next(),
                Kind::Ip => addresses.next(),
                _ => continue,
            };
            replaced += &text[at..range.start];
            replaced += replacement.expect("a cycle");
            at = range.end;
        }
        replaced + &text[at..]
    }

    #[test]
    fn addresses_are_found_where_datatrove_finds_them() {
        let differing = |d: &golden::Document| d.replaced.as_ref().unwrap_or(&d.text) != &replaced(&d.text);
        let differing: Vec<String> = golden::documents().into_iter().filter(differing).map(|d| d.name).collect();
        assert_eq!(differing, ["pii-email-unicode-neighbours", "pii-ip-boundaries"]);
    }

    #[test]
    fn email_may_follow_a_letter_of_a_script_without_spaces() {
        let text = "Адресfoo@bar.com, 邮箱foo@bar.com。ที่foo@bar.com éa+b@c.de x\u{301}foo@bar.com";
        assert_eq!(found(text, Kind::Email), ["foo@bar.com", "foo@bar.com", "+b@c.de", "foo@bar.com"]);
    }

    #[test]
    fn numbers_beside_an_address_make_it_none() {
        for text in [
            "1.2.3.4.5",
            "v1.2.3.4",
            "1.2.3.256",
            "256.1.1.1",
            "x8.8.8.8y",
            "1.2.3.4567",
            "08.8.8.8",
            "Chrome/91.0.4472.124",
            "lib-1.2.3.4",
            "8.8.8.8-rc1",
        ] {
            assert_eq!(found(text, Kind::Ip), [""; 0], "{text}");
        }
        let text = "(8.8.8.8) 8.8.8.8:53 8.8.8.0/24 ::ffff:8.8.8.8 http://8.8.8.8/ 8.8.4.4-8.8.8.8, 服务器8.8.8.8。 8.8.8.8.";
        assert_eq!(found(text, Kind::Ip).len(), 9);
    }

    #[test]
    fn public_addresses_of_version_6_are_found() {
        let text = "2606:4700:4700::1111, [2001:4860:4860::8888]:53 and 2a00:1450:4001:81b:0:0:0:200e.";
        assert_eq!(found(text, Kind::Ip), ["2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001:81b:0:0:0:200e"]);
        for text in ["a::b", "std::fs", "fe80::1", "::1", "2001:db8::1", "2001:10", "2024:05:06", "12:34:56", "3fff:1::2", "2600::x"] {
            assert_eq!(found(text, Kind::Ip), [""; 0], "{text}");
        }
    }
}
