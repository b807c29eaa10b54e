//! Dictionaries of structured fields: members with a key and a value, between commas.
//!
//! Source: RFC 9651, sections 3.2 and 4.2.2.

use std::collections::BTreeMap;

/// A member's value, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Token(&'a str),
    Other,
}

/// The members of a dictionary; `None` if the field is none. Parameters are passed over.
pub(super) fn dictionary(field: &str) -> Option<BTreeMap<&str, Value<'_>>> {
    Parser { text: field, at: 0 }.dictionary()
}

/// A reader of structured fields; `None` is a field that is none.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn dictionary(mut self) -> Option<BTreeMap<&'a str, Value<'a>>> {
        let mut members = BTreeMap::new();
        self.run(|b| b == b' ');
        while self.peek().is_some() {
            let key = self.key()?;
            // A key alone is true.
            let value = if self.eat(b'=') { self.member()? } else { Value::Other };
            self.parameters()?;
            // Of several the last holds.
            members.insert(key, value);
            self.run(|b| matches!(b, b' ' | b'\t'));
            if self.peek().is_some() {
                self.expect(b',')?;
                self.run(|b| matches!(b, b' ' | b'\t'));
                self.peek()?;
            }
        }
        Some(members)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    /// The ASCII characters from here on that are `of` a kind.
    fn run(&mut self, of: impl Fn(u8) -> bool) -> &'a str {
        let (text, start) = (self.text, self.at);
        self.at += text.as_bytes()[start..].iter().take_while(|b| b.is_ascii() && of(**b)).count();
        // The bytes before it are ASCII, or the reading would have ended there.
        text.get(start..self.at).unwrap_or_default()
    }

    fn key(&mut self) -> Option<&'a str> {
        self.peek().filter(|b| b.is_ascii_lowercase() || *b == b'*')?;
        Some(self.run(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b)))
    }

    fn parameters(&mut self) -> Option<()> {
        while self.eat(b';') {
            self.run(|b| b == b' ');
            self.key()?;
            if self.eat(b'=') {
                self.item()?;
            }
        }
        Some(())
    }

    /// An item, or a list of items in parentheses. Lists have no lists inside.
    fn member(&mut self) -> Option<Value<'a>> {
        if !self.eat(b'(') {
            return self.item();
        }
        loop {
            self.run(|b| b == b' ');
            if self.eat(b')') {
                return Some(Value::Other);
            }
            self.item()?;
            self.parameters()?;
            self.peek().filter(|b| matches!(b, b' ' | b')'))?;
        }
    }

    fn item(&mut self) -> Option<Value<'a>> {
        match self.peek()? {
            b'-' | b'0'..=b'9' => self.number()?,
            b'"' => self.string()?,
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
                let token = self.run(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b));
                return Some(Value::Token(token));
            }
            b':' => {
                self.expect(b':')?;
                self.run(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
                self.expect(b':')?;
            }
            b'?' => {
                self.expect(b'?')?;
                self.next().filter(|b| matches!(b, b'0' | b'1'))?;
            }
            b'@' => {
                self.expect(b'@')?;
                let date = self.at;
                self.number()?;
                (!self.text[date..self.at].contains('.')).then_some(())?;
            }
            b'%' => self.display_string()?,
            _ => return None,
        }
        Some(Value::Other)
    }

    /// An integer of 15 digits at most, or a decimal of 12 and 3.
    fn number(&mut self) -> Option<()> {
        self.eat(b'-');
        let whole = self.run(|b| b.is_ascii_digit()).len();
        if !self.eat(b'.') {
            return (1..=15).contains(&whole).then_some(());
        }
        let fraction = self.run(|b| b.is_ascii_digit()).len();
        ((1..=12).contains(&whole) && (1..=3).contains(&fraction)).then_some(())
    }

    fn string(&mut self) -> Option<()> {
        self.expect(b'"')?;
        loop {
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => self.next().filter(|b| matches!(b, b'"' | b'\\')).map(|_| ())?,
                b' '..=b'~' => {}
                _ => return None,
            }
        }
    }

    /// Text with percent-encoded octets, which are UTF-8.
    fn display_string(&mut self) -> Option<()> {
        self.expect(b'%')?;
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'"' => return str::from_utf8(&text).ok().map(|_| ()),
                b'%' => {
                    let mut digit =
                        || self.next().filter(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).and_then(|b| char::from(b).to_digit(16));
                    text.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
                }
                byte @ b' '..=b'~' => text.push(byte),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_every_type_are_read() {
        let field = " a=-1, b=999999999999.123,c=:aGk=:\t,\td=?0, e=@-5, f=%\"f%c3%bc\", *g=*A/b:c;p;q=\"x\", \
            h=\"\\\"\\\\\", i=(), j=(a \"b\" 1.5;q);z, k ";
        let members = dictionary(field).unwrap();
        assert_eq!(members.keys().copied().collect::<String>(), "*gabcdefhijk");
        assert_eq!(members["*g"], Value::Token("*A/b:c"));
        assert!(members.iter().all(|(key, value)| *key == "*g" || *value == Value::Other));
        assert_eq!(dictionary("a=x, a=y").unwrap()["a"], Value::Token("y"));
        assert!(dictionary(" ").unwrap().is_empty());
    }

    #[test]
    fn other_fields_are_none() {
        let damaged = [
            "A=n",
            "a = n",
            "a=n,",
            "a=n b=y",
            "a=",
            "=n",
            "a=y;",
            "a=(1",
            "a=(1 2,3)",
            "a=(1\"b\")",
            "a=((1))",
            "a=\"x",
            "a=\"\\x\"",
            "a=\"é\"",
            "é",
            "a=é",
            "aé",
            "a=bé",
            "a=1234567890123456",
            "a=1.",
            "a=1.2345",
            "a=1234567890123.1",
            "a=-",
            "a=:é:",
            "a=?2",
            "a=?",
            "a=@1.5",
            "a=%x",
            "a=%\"%zz\"",
            "a=%\"%C3\"",
            "a=%\"%ff\"",
            ",",
            "\u{0}",
            "a;B",
            "a;b=",
        ];
        for field in damaged {
            assert_eq!(dictionary(field), None, "{field}");
        }
        assert_eq!(dictionary(&"a=(".repeat(100_000)), None);
    }
}
