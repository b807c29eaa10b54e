//! Which witnesses a log has, and how many of them make a tree head valid.
//!
//! Source: C2SP `tlog-policy`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::key::Algorithm;
use crate::note::{Note, NoteError, Verifier};

/// A policy that does not hold to the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("witness policy, line {line}: {text}")]
pub struct PolicyError {
    /// From 1.
    pub line: usize,
    /// The thing, the expected and the found.
    pub text: String,
}

/// A witness of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name in the policy.
    pub name: String,
    /// Its cosignature key.
    pub verifier: Verifier,
    /// Where it answers `add-checkpoint`.
    pub url: Option<String>,
}

impl Serialize for WitnessPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for WitnessPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WitnessPolicy, D::Error> {
        WitnessPolicy::from_text(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// One log, its witnesses and their quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessPolicy {
    /// As it was read.
    pub text: String,
    /// The log's key.
    pub log: Verifier,
    /// In the order of the text. The first is the home's own where there are others.
    pub witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Option<Member>,
}

impl WitnessPolicy {
    /// The text of a policy in which every one of `witnesses` (verifier key and URL) has to cosign.
    pub fn text_of_all(log: &str, witnesses: &[(String, Option<String>)]) -> String {
        let mut text = format!("log {log}\n");
        for (i, (vkey, url)) in witnesses.iter().enumerate() {
            let url = url.as_ref().map_or_else(String::new, |u| format!(" {u}"));
            text += &format!("witness w{i} {vkey}{url}\n");
        }
        let names: String = (0..witnesses.len()).map(|i| format!(" w{i}")).collect();
        text + &format!("group every-witness all{names}\nquorum every-witness\n")
    }

    /// Reads a policy of one log.
    ///
    /// # Errors
    /// [`PolicyError`] for an unknown line, a name that is used twice or not defined before, a threshold out of range, no
    /// quorum, or two witnesses of one key.
    pub fn from_text(text: &str) -> Result<WitnessPolicy, PolicyError> {
        let (mut log, mut witnesses, mut groups, mut quorum) = (None, Vec::<PolicyWitness>::new(), Vec::new(), None);
        let mut names: BTreeMap<String, Member> = BTreeMap::new();
        let mut last = 0;
        for (number, line) in (1..).zip(text.lines()) {
            last = number;
            let error = |text: String| PolicyError { line: number, text };
            let parts: Vec<&str> = line.split_ascii_whitespace().collect();
            let key = |vkey: &str| Verifier::from_vkey(vkey).map_err(|e| error(e.to_string()));
            let free = |name: &str, names: &BTreeMap<String, Member>| match name {
                "none" => Err(error("the name none has a meaning of its own".into())),
                name if names.contains_key(name) => Err(error(format!("the name {name} is used twice"))),
                name => Ok(name.to_string()),
            };
            match parts[..] {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["log", vkey] | ["log", vkey, _] if log.is_none() => log = Some(key(vkey)?),
                ["log", ..] => return Err(error("expected one line `log <vkey> [<url>]`".into())),
                ["witness", name, vkey, ref url @ ..] if url.len() <= 1 => {
                    let name = free(name, &names)?;
                    let verifier = key(vkey)?;
                    if verifier.algorithm != Algorithm::CosignatureV1 {
                        return Err(error(format!("witness {name}: expected a cosignature key, found {vkey}")));
                    }
                    if witnesses.iter().any(|w| w.verifier.public == verifier.public) {
                        return Err(error(format!("witness {name}: another one has its key")));
                    }
                    names.insert(name.clone(), Member::Witness(witnesses.len()));
                    witnesses.push(PolicyWitness { name, verifier, url: url.first().map(|u| u.to_string()) });
                }
                ["group", name, threshold, ref members @ ..] if !members.is_empty() => {
                    let name = free(name, &names)?;
                    let mut found: Vec<Member> = Vec::new();
                    for member in members {
                        let member = names.get(*member).ok_or_else(|| error(format!("group {name}: {member} is not defined before")))?;
                        if found.contains(member) {
                            return Err(error(format!("group {name}: a member twice")));
                        }
                        found.push(member.clone());
                    }
                    let threshold = match threshold {
                        "all" => members.len(),
                        "any" => 1,
                        number => number.parse().ok().filter(|n: &usize| *n <= members.len() && n.to_string() == number).unwrap_or(0),
                    };
                    if threshold == 0 {
                        return Err(error(format!("group {name}: expected all, any or a number of 1 to {}", members.len())));
                    }
                    names.insert(name, Member::Group(groups.len()));
                    groups.push(Group { threshold, members: found });
                }
                ["quorum", name] if quorum.is_none() => {
                    quorum = Some(match name {
                        "none" => None,
                        name => Some(names.get(name).cloned().ok_or_else(|| error(format!("quorum: {name} is not defined before")))?),
                    });
                }
                ["quorum", ..] => return Err(error("expected one line `quorum <name>|none`".into())),
                _ => return Err(error(format!("expected log, witness, group or quorum, found {line:?}"))),
            }
        }
        let missing = |what: &str| PolicyError { line: last, text: format!("no line `{what}`") };
        Ok(WitnessPolicy {
            text: text.to_string(),
            log: log.ok_or_else(|| missing("log"))?,
            witnesses,
            groups,
            quorum: quorum.ok_or_else(|| missing("quorum"))?,
        })
    }

    fn met(&self, member: &Member, signed: &[bool]) -> bool {
        match member {
            Member::Witness(i) => signed[*i],
            // A group's members stand before it, so this ends.
            Member::Group(i) => {
                let group = &self.groups[*i];
                group.members.iter().filter(|m| self.met(m, signed)).count() >= group.threshold
            }
        }
    }

    /// Whether the witnesses marked in `signed` are a quorum.
    pub fn is_quorum(&self, signed: &[bool]) -> bool {
        self.quorum.as_ref().is_none_or(|q| self.met(q, signed))
    }

    /// Which witnesses have cosigned `note`.
    pub fn cosigned(&self, note: &Note) -> Vec<bool> {
        self.witnesses.iter().map(|w| note.signature_by(&w.verifier).is_ok()).collect()
    }

    /// How many witnesses have cosigned `note`, which are a quorum.
    ///
    /// # Errors
    /// What is wrong with the signature of the first witness that is missing, if the others are no quorum.
    pub fn check(&self, note: &Note) -> Result<usize, NoteError> {
        let signed = self.cosigned(note);
        if !self.is_quorum(&signed) {
            self.witnesses.iter().try_for_each(|w| note.signature_by(&w.verifier).map(|_| ()))?;
        }
        Ok(signed.iter().filter(|s| **s).count())
    }

    /// Those whose cosignatures decide draws, which are all: who chose among them would choose what is drawn. A home's own
    /// witness counts only where there is no other.
    pub(crate) fn drawing(&self) -> impl Iterator<Item = &Verifier> {
        self.witnesses[usize::from(self.witnesses.len() > 1)..].iter().map(|w| &w.verifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    fn witness(n: u8) -> SecretKey {
        SecretKey::from_seed(&format!("w{n}.example"), Algorithm::CosignatureV1, &[n; 32])
    }

    fn text(rest: &str) -> String {
        let log = SecretKey::from_seed("log.example", Algorithm::Ed25519, &[9; 32]).vkey();
        let witnesses: String = (1..=4).map(|n| format!("witness W{n} {} https://w{n}.example/\n", witness(n).vkey())).collect();
        format!("# a comment\nlog {log} https://log.example/\n\n{witnesses}{rest}")
    }

    #[test]
    fn quorums_of_groups_of_groups() {
        let policy =
            WitnessPolicy::from_text(&text("group near any W1 W2\ngroup far 2 W2 W3 W4\ngroup both all near far\nquorum both\n")).unwrap();
        assert_eq!(policy.witnesses[2].url.as_deref(), Some("https://w3.example/"));
        for (signed, expected) in [
            ([true, false, true, true], true),
            ([false, true, true, false], true),
            ([true, false, true, false], false),
            ([false, false, true, true], false),
            ([true, true, false, false], false),
        ] {
            assert_eq!(policy.is_quorum(&signed), expected, "{signed:?}");
        }
        assert!(WitnessPolicy::from_text(&text("quorum none\n")).unwrap().is_quorum(&[false; 4]));
        assert!(!WitnessPolicy::from_text(&text("quorum W1\n")).unwrap().is_quorum(&[false, true, true, true]));
    }

    #[test]
    fn a_forged_cosignature_is_none() {
        let policy = WitnessPolicy::from_text(&text("group g 2 W1 W2 W3 W4\nquorum g\n")).unwrap();
        let mut note = Note::new("log.example\n1\nAAAA\n".into());
        note.sign(&witness(1), 1);
        assert!(policy.check(&note).is_err());
        note.sign(&witness(4), 1);
        assert_eq!(policy.check(&note), Ok(2));
        note.signatures[1].signature[40] ^= 1;
        assert!(policy.check(&note).is_err());
    }

    #[test]
    fn what_is_not_a_policy_names_its_line() {
        for (rest, line) in [
            ("", 7),
            ("quorum nobody\n", 8),
            ("group W1 any W2\nquorum W1\n", 8),
            ("group none any W2\nquorum none\n", 8),
            ("group g 3 W1 W2\nquorum g\n", 8),
            ("group g 0 W1 W2\nquorum g\n", 8),
            ("group g 1 h\ngroup h 1 W1\nquorum g\n", 8),
            ("group g 2 W1 W1\nquorum g\n", 8),
            ("quorum W1\nquorum W1\n", 9),
            ("bastion W1\n", 8),
        ] {
            assert_eq!(WitnessPolicy::from_text(&text(rest)).unwrap_err().line, line, "{rest:?}");
        }
    }
}
