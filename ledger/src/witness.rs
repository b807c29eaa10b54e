//! What a witness is asked, and when it cosigns: only a tree head that grew from the last one it saw.
//!
//! Source: C2SP `tlog-witness`, `add-checkpoint`.

use corpus::{Digest, merkle};

use crate::note::{Note, Verifier};
use crate::proof::{hash_lines, read_hash_lines};
use crate::tree_head::TreeHead;

/// A log asks for a cosignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the log takes the witness to have seen last.
    pub old: u64,
    /// Consistency proof from that size.
    pub path: Vec<Digest>,
    /// The signed tree head.
    pub note: Note,
}

/// Why a witness does not cosign, by HTTP status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: not in the form of a request, or of a smaller tree than the old one.
    #[error("{0}")]
    Malformed(String),
    /// 403: no signature by the log.
    #[error("the tree head is not signed by the log")]
    Unsigned,
    /// 404: a log that this witness does not follow.
    #[error("the log {0} is not followed here")]
    Unknown(String),
    /// 409: another size was seen last, or another root of that size.
    #[error("a tree of {0} entries was seen last")]
    Conflict(u64),
    /// 422: the tree is no extension of the one that was seen last.
    #[error("the tree is no extension of the one that was seen last")]
    Inconsistent,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Malformed(_) => 400,
            Refusal::Unsigned => 403,
            Refusal::Unknown(_) => 404,
            Refusal::Conflict(_) => 409,
            Refusal::Inconsistent => 422,
        }
    }
}

impl AddCheckpoint {
    /// The body of the request.
    pub fn to_text(&self) -> String {
        format!("old {}\n{}\n{}", self.old, hash_lines(&self.path), self.note.to_text())
    }

    /// Reads the body of a request; nothing is verified.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn from_text(text: &str) -> Result<AddCheckpoint, Refusal> {
        let malformed = |what: &str| Refusal::Malformed(what.to_string());
        let (head, note) = text.split_once("\n\n").ok_or_else(|| malformed("no empty line before the tree head"))?;
        let mut lines = head.split('\n');
        let number = lines.next().and_then(|l| l.strip_prefix("old ")).ok_or_else(|| malformed("no first line `old N`"))?;
        let old: u64 = number.parse().map_err(|_| malformed("an old size that is not a number"))?;
        let path = read_hash_lines(lines).filter(|p| p.len() <= 63 && old.to_string() == number);
        let path =
            path.ok_or_else(|| malformed("an old size with leading zeros, or hashes that are not at most 63 times 32 bytes of base64"))?;
        Ok(AddCheckpoint { old, path, note: Note::from_text(note).map_err(|e| Refusal::Malformed(e.to_string()))? })
    }

    /// The log that it is of, as it says itself.
    pub fn origin(&self) -> &str {
        self.note.text.lines().next().unwrap_or_default()
    }

    /// The tree head, if a witness that saw `last` of `log` may cosign it.
    ///
    /// # Errors
    /// [`Refusal`] says why not.
    pub fn check(&self, log: &Verifier, last: Option<&TreeHead>) -> Result<TreeHead, Refusal> {
        self.note.signature_by(log).map_err(|_| Refusal::Unsigned)?;
        let head = TreeHead::verify(&self.note, log).map_err(|e| Refusal::Malformed(e.to_string()))?;
        if self.old > head.size {
            return Err(Refusal::Malformed(format!("old size {} of a tree of {}", self.old, head.size)));
        }
        let seen = last.map_or(0, |l| l.size);
        if self.old != seen || last.is_some_and(|l| l.size == head.size && l.root != head.root) {
            return Err(Refusal::Conflict(seen));
        }
        let grown = match last {
            Some(last) if last.size > 0 => merkle::verify_consistency(last.size, head.size, &last.root, &head.root, &self.path),
            _ => self.path.is_empty(),
        };
        if grown { Ok(head) } else { Err(Refusal::Inconsistent) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Algorithm, SecretKey};

    fn head(key: &SecretKey, tree: &merkle::Tree, size: u64) -> Note {
        let mut note = Note::new(TreeHead { origin: key.name.clone(), size, root: tree.root(size) }.to_text());
        note.sign(key, 0);
        note
    }

    #[test]
    fn only_what_grew_from_the_last_is_cosigned() {
        let key = SecretKey::from_seed("log.example", Algorithm::Ed25519, &[4; 32]);
        let log = Verifier::from_vkey(&key.vkey()).unwrap();
        let tree = merkle::Tree::of((0..20u64).map(|i| merkle::leaf_hash(&i.to_be_bytes())));
        let other = merkle::Tree::of((0..20u64).map(|i| merkle::leaf_hash(&(i / 2).to_be_bytes())));
        let ask = |tree: &merkle::Tree, old: u64, size: u64| {
            let path = if old == 0 { Vec::new() } else { tree.consistency_proof(old, size) };
            AddCheckpoint::from_text(&AddCheckpoint { old, path, note: head(&key, tree, size) }.to_text()).unwrap()
        };
        let seven = TreeHead { origin: "log.example".into(), size: 7, root: tree.root(7) };
        assert_eq!(ask(&tree, 0, 7).check(&log, None), Ok(seven.clone()));
        assert_eq!(ask(&tree, 7, 20).check(&log, Some(&seven)).unwrap().size, 20);
        assert_eq!(ask(&tree, 7, 7).check(&log, Some(&seven)).unwrap().size, 7);
        assert_eq!(ask(&tree, 5, 20).check(&log, Some(&seven)), Err(Refusal::Conflict(7)));
        assert_eq!(ask(&other, 7, 7).check(&log, Some(&seven)), Err(Refusal::Conflict(7)));
        assert_eq!(ask(&other, 7, 20).check(&log, Some(&seven)), Err(Refusal::Inconsistent));
        let mut shrunk = ask(&tree, 7, 7);
        shrunk.note = head(&key, &tree, 5);
        assert_eq!(shrunk.check(&log, Some(&seven)).unwrap_err().status(), 400);
        let stranger = SecretKey::from_seed("log.example", Algorithm::Ed25519, &[5; 32]);
        assert_eq!(ask(&tree, 0, 7).check(&Verifier::from_vkey(&stranger.vkey()).unwrap(), None), Err(Refusal::Unsigned));
        for text in ["", "old 1", "old 01\n\nx", "old 0\nAAAA\n\nx", "new 0\n\nx"] {
            assert_eq!(AddCheckpoint::from_text(text).unwrap_err().status(), 400, "{text:?}");
        }
    }
}
