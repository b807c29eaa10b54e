//! Personal data and secrets: found, masked, or a reason to leave a document out.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Measure, accounts, addresses, bytes_of, more, phones, secrets};

/// What is done about a document with something of a kind in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing.
    #[default]
    #[serde(alias = "accept")]
    Keep,
    /// It is replaced by its placeholder; a document in which that has not been done is left out.
    #[serde(alias = "redact")]
    Mask,
    /// The document is left out.
    #[serde(alias = "exclude")]
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
    /// Account numbers: IBANs, and numbers of payment cards, whose check digits are right; `<account>`.
    pub account: Action,
    /// The name of whoever a row says that it is of, where the text has it; `<name>`. It is known while a dataset is read, and not later.
    pub name: Action,
}

/// A kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Email,
    Ip,
    Phone,
    Account,
    /// Keys and tokens that open something: documents with one are always refused.
    Secret,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Email, Kind::Ip, Kind::Phone, Kind::Account, Kind::Secret];

    fn name(self) -> &'static str {
        ["email", "ip", "phone", "account", "secret"][self as usize]
    }

    fn placeholder(self) -> &'static str {
        ["<email>", "<ip>", "<phone>", "<account>", "<secret>"][self as usize]
    }

    fn rule(self) -> &'static str {
        ["personal-data/email", "personal-data/ip", "personal-data/phone", "personal-data/account", "personal-data/secret"][self as usize]
    }
}

/// How many there are of each kind in `text`, secrets too; nothing of what they are.
pub fn count(text: &str, person: Option<&str>) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for (kind, _) in find(text) {
        *counts.entry(kind.name()).or_default() += 1;
    }
    let names = person.map_or(0, |person| names(text, person).len() as u64);
    if names > 0 {
        counts.insert("name", names);
    }
    counts
}

/// How many secrets there are in `text`.
pub fn secrets_in(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (0, 0);
    while at < bytes.len() {
        at += bytes[at..].iter().position(|b| SECRETS_BEGIN[*b as usize]).unwrap_or(bytes.len() - at);
        match if at < bytes.len() { secrets::secret(bytes, at) } else { None } {
            Some(end) => (found, at) = (found + 1, end),
            None => at += 1,
        }
    }
    found
}

/// `text` as it may be shown to anybody: each thing that is personal data or a secret as its placeholder.
pub fn shown(text: &str) -> String {
    let all = PersonalData { email: Action::Mask, ip: Action::Keep, phone: Action::Mask, account: Action::Mask, name: Action::Keep };
    let masked = all.mask(text).map_or_else(|| text.to_string(), |(masked, _)| masked);
    let secrets = find(&masked).into_iter().filter(|(kind, _)| *kind == Kind::Secret);
    replaced(&masked, secrets.map(|(kind, range)| (kind.placeholder(), range)))
}

/// Shortest name that is looked for, in letters.
const NAME_LETTERS: usize = 3;

/// Where `text` has the name of a person, as words of its own.
fn names(text: &str, person: &str) -> Vec<Range<usize>> {
    let person = person.trim();
    if person.chars().filter(|c| c.is_alphabetic()).count() < NAME_LETTERS {
        return Vec::new();
    }
    let apart = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    let alone = |at: usize| apart(text[..at].chars().next_back()) && apart(text[at + person.len()..].chars().next());
    text.match_indices(person).map(|(at, _)| at).filter(|at| alone(*at)).map(|at| at..at + person.len()).collect()
}

impl PersonalData {
    fn action(&self, kind: Kind) -> Action {
        // Documents with a secret never come so far.
        [self.email, self.ip, self.phone, self.account, Action::Keep][kind as usize]
    }

    /// `text` with a placeholder for each name of `person`, if that is to be masked, and how many; an error if documents with one are left out.
    ///
    /// # Errors
    /// The number of names.
    pub fn mask_names(&self, text: &str, person: &str) -> Result<Option<(String, u64)>, u64> {
        let found = if self.name == Action::Keep { Vec::new() } else { names(text, person) };
        if found.is_empty() {
            return Ok(None);
        }
        let count = found.len() as u64;
        if self.name == Action::Drop {
            return Err(count);
        }
        Ok(Some((replaced(text, found.into_iter().map(|range| ("<name>", range))), count)))
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
            let count = masked.as_ref().map_or(0, |(_, count)| *count) + found.len() as u64;
            masked = Some((replaced(text, found.into_iter().map(|(kind, range)| (kind.placeholder(), range))), count));
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

/// Bytes with which a secret can begin.
const SECRETS_BEGIN: [bool; 256] = bytes_of(&[secrets::FIRST]);
/// Bytes with which something other than an e-mail address can begin; IBANs begin with a capital letter.
const BEGINS: [bool; 256] = bytes_of(&[b"0123456789+(-ABCDEFGHIJKLMNOPQRSTUVWXYZ", secrets::FIRST]);

/// `text` with other text in place of some ranges, which are in order and apart.
fn replaced(text: &str, ranges: impl IntoIterator<Item = (&'static str, Range<usize>)>) -> String {
    let (mut replaced, mut at) = (String::with_capacity(text.len()), 0);
    for (placeholder, range) in ranges {
        replaced.push_str(&text[at..range.start]);
        replaced.push_str(placeholder);
        at = range.end;
    }
    replaced + &text[at..]
}

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
        let account = || accounts::account(bytes, at).map(|end| (Kind::Account, end));
        let rest = || ip().or_else(account).or_else(phone).filter(|(_, end)| *end <= until);
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

    const MASK: PersonalData =
        PersonalData { email: Action::Mask, ip: Action::Mask, phone: Action::Mask, account: Action::Mask, name: Action::Mask };

    #[test]
    fn each_kind_has_its_placeholder() {
        let text = "Write to a@b.cd, c@d.ef or 8.8.8.8, call +49 30 1234567, pay to DE89 3704 0044 0532 0130 00.";
        let masked = "Write to <email>, <email> or <ip>, call <phone>, pay to <account>.";
        assert_eq!(MASK.mask(text), Some((masked.to_string(), 5)));
        assert_eq!(secrets_in("use AKIAIOSFODNN7EXAMPLE, and xoxb-1234567890abcdefghij"), 2);
        assert_eq!(shown("key AKIAIOSFODNN7EXAMPLE of a@b.cd"), "key <secret> of <email>");
        assert_eq!(count("a@b.cd, Anna Kaur said to Anna Kaurova", Some("Anna Kaur")), BTreeMap::from([("email", 1), ("name", 1)]));
        assert_eq!(MASK.mask_names("Anna: hi, Annas", "Anna"), Ok(Some(("<name>: hi, Annas".into(), 1))));
        assert_eq!(PersonalData { name: Action::Drop, ..Default::default() }.mask_names("by Anna", "Anna"), Err(1));
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
            if secrets_in(&text) > 0 {
                continue;
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
        assert_eq!(measure(PersonalData { phone: Action::Drop, account: Action::Mask, ..Default::default() }), None);
    }

    #[test]
    fn prose_has_no_personal_data() {
        for (name, text) in golden::prose() {
            assert_eq!(find(&text), [], "{name}");
        }
    }

    #[test]
    fn placeholders_are_single_pieces_of_no_kind() {
        for placeholder in ["<email>", "<ip>", "<phone>", "<account>", "<secret>", "<name>"] {
            assert!(find(placeholder).is_empty());
            assert_eq!(words(placeholder).len(), 3);
        }
    }
}
