//! Personal data and secrets: found, masked, or a reason to leave a document out.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Measure, addresses, more, phones, secrets};

/// What is done about a document with something of a kind in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing.
    #[default]
    Keep,
    /// It is replaced by its placeholder; a document in which that has not been done is left out.
    Mask,
    /// The document is left out.
    Drop,
}

/// What is done about each kind of personal data; as it stands, nothing.
///
/// E-mail and public IPv4 addresses are those that datatrove 0.10.1 finds, with the differences that `addresses` names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PersonalData {
    /// E-mail addresses; `<email>`.
    pub email: Action,
    /// Public IPv4 and IPv6 addresses; `<ip>`.
    pub ip: Action,
    /// Telephone numbers in international or North American form; `<phone>`.
    pub phone: Action,
    /// Private keys, and tokens of AWS, GitHub and Slack; `<secret>`.
    pub secret: Action,
}

/// A kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Email,
    Ip,
    Phone,
    Secret,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Email, Kind::Ip, Kind::Phone, Kind::Secret];

    fn placeholder(self) -> &'static str {
        ["<email>", "<ip>", "<phone>", "<secret>"][self as usize]
    }

    fn rule(self) -> &'static str {
        ["personal-data/email", "personal-data/ip", "personal-data/phone", "personal-data/secret"][self as usize]
    }
}

impl PersonalData {
    fn action(&self, kind: Kind) -> Action {
        [self.email, self.ip, self.phone, self.secret][kind as usize]
    }

    fn any(&self, action: Action) -> bool {
        Kind::ALL.iter().any(|kind| self.action(*kind) == action)
    }

    /// `text` with a placeholder for each thing that is to be masked, and how many; none if there are none.
    ///
    /// Masking the result again finds nothing.
    pub fn mask(&self, text: &str) -> Option<(String, u64)> {
        let mut masked: Option<(String, u64)> = None;
        // A placeholder can end a word that was too long to be an address; each round leaves fewer digits and letters to be found.
        while self.any(Action::Mask) {
            let text = masked.as_ref().map_or(text, |(text, _)| text);
            let mut found = find(text);
            found.retain(|(kind, _)| self.action(*kind) == Action::Mask);
            if found.is_empty() {
                break;
            }
            let (mut replaced, mut at) = (String::with_capacity(text.len()), 0);
            for (kind, range) in &found {
                replaced.push_str(&text[at..range.start]);
                replaced.push_str(kind.placeholder());
                at = range.end;
            }
            replaced.push_str(&text[at..]);
            masked = Some((replaced, masked.map_or(0, |(_, count)| count) + found.len() as u64));
        }
        masked
    }

    /// The first rule that `text` does not keep: something that documents are left out for, or something that is not masked.
    pub fn check(&self, text: &str) -> Option<Measure> {
        if !self.any(Action::Drop) && !self.any(Action::Mask) {
            return None;
        }
        let found = find(text);
        let count = |of: &dyn Fn(Kind) -> bool| found.iter().filter(|(kind, _)| of(*kind)).count() as u64;
        let drop = |kind: &Kind| if self.action(*kind) == Action::Drop { more(kind.rule(), count(&|k| k == *kind), 0) } else { None };
        let unmasked = || more("personal-data/unmasked", count(&|k| self.action(k) == Action::Mask), 0);
        Kind::ALL.iter().find_map(drop).or_else(unmasked)
    }
}

/// Bytes with which something other than an e-mail address can begin.
const BEGINS: [bool; 256] = {
    let mut begins = [false; 256];
    let bytes = b"0123456789+(-Agx";
    let mut i = 0;
    while i < bytes.len() {
        begins[bytes[i] as usize] = true;
        i += 1;
    }
    begins
};

/// Everything of any kind in `text`, in order and without overlaps: a secret before an e-mail address, and that before the rest.
///
/// What is found does not depend on what is done about it.
pub(super) fn find(text: &str) -> Vec<(Kind, Range<usize>)> {
    let bytes = text.as_bytes();
    let emails = addresses::emails(text);
    let (mut found, mut at, mut next) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        // An address that begins within a secret is part of it.
        while emails.get(next).is_some_and(|e| e.start < at) {
            next += 1;
        }
        let email = emails.get(next);
        let until = email.map_or(bytes.len(), |e| e.start);
        at += bytes[at..until].iter().position(|b| BEGINS[*b as usize]).unwrap_or(until - at);
        if at == bytes.len() {
            break;
        }
        let secret = secrets::secret(bytes, at).map(|end| (Kind::Secret, end));
        let email = || email.filter(|_| at == until).map(|e| (Kind::Email, e.end));
        let ip = || addresses::ip(bytes, at).map(|end| (Kind::Ip, end));
        let phone = || phones::phone(bytes, at).map(|end| (Kind::Phone, end));
        let rest = || ip().or_else(phone).filter(|(_, end)| *end <= until);
        match secret.or_else(email).or_else(rest) {
            Some((kind, end)) => {
                found.push((kind, at..end));
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{golden, words};
    use super::*;

    const MASK: PersonalData = PersonalData { email: Action::Mask, ip: Action::Mask, phone: Action::Mask, secret: Action::Mask };

    #[test]
    fn each_kind_has_its_placeholder() {
        let text = "Write to a@b.cd, c@d.ef or 8.8.8.8, call +49 30 1234567, use AKIAIOSFODNN7EXAMPLE.";
        let masked = "Write to <email>, <email> or <ip>, call <phone>, use <secret>.";
        assert_eq!(MASK.mask(text), Some((masked.to_string(), 5)));
        assert_eq!(MASK.mask(masked), None);
        assert_eq!(PersonalData::default().mask(text), None);
        let ips = PersonalData { ip: Action::Mask, email: Action::Drop, ..Default::default() };
        assert_eq!(ips.mask("x@8.8.8.8 at 8.8.8.8"), Some(("x@8.8.8.8 at <ip>".to_string(), 1)));
    }

    #[test]
    fn masking_twice_is_masking_once() {
        let parts = [
            "a@b.cd",
            "8.8.8.8",
            "+49 30 1234567",
            "(415) 555-0132",
            "415-555-0132",
            "AKIAIOSFODNN7EXAMPLE",
            "2606:4700::1",
            "@",
            ".",
            "-",
            "+",
            " ",
            "x",
            "7",
            "ж",
            "漢",
            "[8.8.8.8]",
            "/",
            ":",
            "-----BEGIN PRIVATE KEY-----",
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj",
            "-----END PRIVATE KEY-----",
            "xoxb-1234567890abcdefghij",
        ];
        let mut state = 5u64;
        for _ in 0..60_000 {
            let mut text = String::new();
            for _ in 0..6 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(parts[(state >> 33) as usize % parts.len()]);
            }
            if let Some((masked, count)) = MASK.mask(&text) {
                assert!(count > 0);
                assert_eq!(MASK.mask(&masked), None, "{text:?}");
                assert_eq!(MASK.check(&masked), None, "{text:?}");
            } else {
                assert_eq!(find(&text), [], "{text:?}");
            }
        }
    }

    #[test]
    fn dropped_kinds_leave_a_document_out() {
        let text = "a@b.cd and c@d.ef at 8.8.8.8";
        let measure = |filter: PersonalData| filter.check(text).map(|m| (m.rule, m.measured, m.limit));
        assert_eq!(measure(PersonalData::default()), None);
        assert_eq!(
            measure(PersonalData { email: Action::Drop, ip: Action::Mask, ..Default::default() }),
            Some(("personal-data/email".into(), 2_000_000, 0))
        );
        assert_eq!(
            measure(PersonalData { phone: Action::Drop, ip: Action::Drop, ..Default::default() }),
            Some(("personal-data/ip".into(), 1_000_000, 0))
        );
        assert_eq!(measure(MASK), Some(("personal-data/unmasked".into(), 3_000_000, 0)));
        assert_eq!(measure(PersonalData { phone: Action::Drop, secret: Action::Mask, ..Default::default() }), None);
    }

    #[test]
    fn prose_has_no_personal_data() {
        for (name, text) in golden::prose() {
            assert_eq!(find(&text), [], "{name}");
        }
    }

    #[test]
    fn placeholders_are_single_pieces_of_no_kind() {
        for placeholder in ["<email>", "<ip>", "<phone>", "<secret>"] {
            assert!(find(placeholder).is_empty());
            assert_eq!(words(placeholder).len(), 3);
        }
    }
}
