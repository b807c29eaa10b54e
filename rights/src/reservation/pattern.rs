//! Path patterns of robots.txt, which TDMRep and RSL use too.
//!
//! Source: RFC 9309, sections 2.2.2 and 2.2.3.

use memchr::memmem;

/// A pattern that addresses are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What is between the wildcards: the first where the address begins, the last before the pattern's end.
    pieces: Vec<Vec<u8>>,
    /// Whether the address has to end where the pattern does.
    anchored: bool,
    octets: usize,
}

/// Path and query of an address, in the form that patterns are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address(Vec<u8>);

impl Address {
    pub fn new(path: &str) -> Address {
        Address(normal(path, false))
    }

    /// Whether it is the address of robots.txt itself, which is always allowed.
    pub fn is_robots_txt(&self) -> bool {
        self.0 == b"/robots.txt"
    }
}

impl Pattern {
    pub fn new(pattern: &str) -> Pattern {
        let (open, anchored) = pattern.strip_suffix('$').map_or((pattern, false), |open| (open, true));
        let whole = normal(open, true);
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        let mut later = whole.split(|b| *b == b'*').peekable();
        while let Some(piece) = later.next() {
            // Several wildcards in a row are one.
            if pieces.is_empty() || !piece.is_empty() || later.peek().is_none() {
                pieces.push(piece.to_vec());
            }
        }
        Pattern { pieces, anchored, octets: whole.len() + usize::from(anchored) }
    }

    /// The length that decides between two patterns which match.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Takes each piece where it first occurs: no later place leaves more for the pieces behind it, so the time is linear.
    pub fn matches(&self, address: &Address) -> bool {
        let Some((first, later)) = self.pieces.split_first() else { return true };
        let Some(mut rest) = address.0.strip_prefix(&first[..]) else { return false };
        let Some((last, middle)) = later.split_last() else { return !self.anchored || rest.is_empty() };
        for piece in middle {
            let Some(at) = memmem::find(rest, piece) else { return false };
            rest = &rest[at + piece.len()..];
        }
        if self.anchored { rest.ends_with(last) } else { memmem::find(rest, last).is_some() }
    }
}

/// One form for all ways to write the same address.
///
/// Percent-encoded octets of the unreserved set are decoded, and all others outside of the URI's characters are encoded. In a query the
/// characters `:/?#[]@` mean nothing of their own, so they are decoded too: RFC 9309 has `?baz=https://foo.bar` and
/// `?baz=https%3A%2F%2Ffoo.bar` match. A `*` that is no wildcard and a `$` that is no end are encoded.
fn normal(text: &str, wildcards: bool) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let (bytes, mut normal, mut query, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), false, 0);
    while at < bytes.len() {
        let decoded = if bytes[at] == b'%' { bytes.get(at + 1..at + 3).and_then(hex) } else { None };
        let octet = decoded.unwrap_or(bytes[at]);
        let literal = decoded.is_none();
        at += if literal { 1 } else { 3 };
        let plain = octet.is_ascii_alphanumeric()
            || b"-._~".contains(&octet)
            || ((literal || query) && b":/?#[]@".contains(&octet))
            || (literal && b"!&'()+,;=".contains(&octet))
            || (literal && wildcards && octet == b'*');
        if plain {
            normal.push(octet);
        } else {
            normal.extend([b'%', HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]);
        }
        query |= literal && octet == b'?';
    }
    normal
}

/// The octet of two hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some((digit(*digits.first()?)? << 4) | digit(*digits.get(1)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::new(pattern).matches(&Address::new(path))
    }

    #[test]
    fn addresses_match_however_they_are_encoded() {
        // RFC 9309, section 2.2.2, figure 4: each form of the pattern and of the address matches.
        let same: [&[&str]; 4] = [
            &["/foo/bar?baz=quz"],
            &["/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", "/foo/bar?baz=https%3a%2f%2ffoo.bar"],
            &["/foo/bar/ツ", "/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84"],
            &["/foo/bar/%62%61%7A", "/foo/bar/baz"],
        ];
        for forms in same {
            for pattern in forms {
                assert!(forms.iter().all(|path| matches(pattern, path)), "{pattern}");
            }
        }
        // A separator of the path that is encoded is none.
        assert!(!matches("/a%2Fb", "/a/b") && !matches("/a/b", "/a%2fb") && matches("/a%2Fb", "/a%2fb"));
        assert!(matches("/100%", "/100%25") && matches("/a b{", "/a%20b%7B") && matches("/%", "/%25"));
    }

    #[test]
    fn special_characters_are_those_of_the_rfc() {
        // RFC 9309, section 2.2.3, figures 5 and 6.
        assert!(matches("/this/path/exactly$", "/this/path/exactly") && !matches("/this/path/exactly$", "/this/path/exactly/"));
        assert!(matches("/this/*/exactly", "/this/a/b/exactly/c") && !matches("/this/*/exactly", "/this/exactly"));
        assert!(matches("/path/file-with-a-%2A.html", "/path/file-with-a-*.html"));
        assert!(matches("/path/foo-%24", "/path/foo-$") && matches("/path/foo-%24", "/path/foo-%24"));
        assert!(matches("/a$b", "/a$b") && matches("/a$b", "/a%24b"));
        // Section 5.1: a wildcard stands for the leading slash too.
        assert!(matches("*.gif$", "/a/b.gif") && !matches("*.gif$", "/a/b.gif?x"));
        assert!(matches("*", "/") && matches("/**a***b", "/xaxb") && matches("/*$", "/x") && matches("/a*a$", "/aa"));
        assert!(!matches("/a*a$", "/a") && !matches("/x*ab*ab$", "/x-ab") && matches("/x*ab*ab$", "/xab-ab"));
        assert!(!matches("private", "/private") && !matches("/A", "/a"));
    }

    #[test]
    fn octets_are_those_of_the_encoded_form() {
        assert_eq!(Pattern::new("/a*$").octets(), 4);
        assert_eq!(Pattern::new("/ä").octets(), 7);
        assert!(Pattern::new("/page").octets() > Pattern::new("/p").octets());
    }

    #[test]
    fn many_wildcards_take_linear_time() {
        let begun = std::time::Instant::now();
        let path = Address::new(&format!("/{}", "a".repeat(100_000)));
        assert!(!Pattern::new(&"*a".repeat(50_000)).matches(&Address::new("/b")));
        assert!(!Pattern::new(&format!("/{}b", "*a".repeat(50_000))).matches(&path));
        assert!(!Pattern::new(&format!("/*{}b", "a".repeat(50_000))).matches(&path));
        assert!(begun.elapsed().as_secs() < 1, "{:?}", begun.elapsed());
    }
}
