//! That an entry is in a log, as one text that can be checked with nothing else at hand but the log's key.
//!
//! Source: C2SP `tlog-proof`, version 1; proofs follow RFC 6962, section 2.1.1.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use corpus::{Digest, merkle};

use crate::key::Algorithm;
use crate::note::{Note, NoteError, Verifier};
use crate::tree_head::TreeHead;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Hashes of a proof as lines of base64.
pub(crate) fn hash_lines(path: &[Digest]) -> String {
    path.iter().map(|h| STANDARD.encode(h.0) + "\n").collect()
}

/// The inverse of [`hash_lines`], line by line; none if a line is not 32 bytes of base64.
pub(crate) fn read_hash_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<Digest>> {
    lines.map(|line| STANDARD.decode(line).ok()?.try_into().ok().map(Digest)).collect()
}

/// A proof that does not hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProofError {
    /// Not in the form of a proof.
    #[error("proof: {0}")]
    Malformed(String),
    /// Its tree head is not signed by the log.
    #[error("proof: {0}")]
    Note(#[from] NoteError),
    /// What it says does not follow from its tree head.
    #[error("proof: {0}")]
    Wrong(String),
}

/// An entry's place in a tree, and the tree head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryProof {
    /// The entry's index.
    pub index: u64,
    /// From the entry to the root, lowest first.
    pub path: Vec<Digest>,
    /// The signed and cosigned tree head.
    pub note: Note,
}

impl EntryProof {
    /// The file form.
    pub fn to_text(&self) -> String {
        format!("{HEADER}\nindex {}\n{}\n{}", self.index, hash_lines(&self.path), self.note.to_text())
    }

    /// Reads the file form; nothing is verified. Opaque extra data is passed over: it proves nothing.
    ///
    /// # Errors
    /// [`ProofError::Malformed`], or [`ProofError::Note`] if the tree head is no note.
    pub fn from_text(text: &str) -> Result<EntryProof, ProofError> {
        let malformed = |what: &str| ProofError::Malformed(what.to_string());
        let (head, note) = text.split_once("\n\n").ok_or_else(|| malformed("no empty line before the tree head"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(malformed(&format!("expected the first line {HEADER}")));
        }
        if let Some(extra) = lines.next_if(|l| l.starts_with("extra ")) {
            STANDARD.decode(&extra[6..]).map_err(|_| malformed("extra data that is not base64"))?;
        }
        let number = lines.next().and_then(|l| l.strip_prefix("index ")).ok_or_else(|| malformed("no line `index N`"))?;
        let index: u64 = number.parse().map_err(|_| malformed("an index that is not a number"))?;
        if index.to_string() != number {
            return Err(malformed("an index with leading zeros"));
        }
        let path = read_hash_lines(lines).ok_or_else(|| malformed("a hash that is not 32 bytes of base64"))?;
        // More hashes than a tree of 2^64 entries has levels.
        if path.len() > 64 {
            return Err(malformed("more than 64 hashes"));
        }
        Ok(EntryProof { index, path, note: Note::from_text(note)? })
    }

    /// Checks that `entry` is at its index of the tree that `log` signed.
    ///
    /// # Errors
    /// [`ProofError`] says what does not hold.
    pub fn verify(&self, entry: &[u8], log: &Verifier) -> Result<TreeHead, ProofError> {
        self.verify_leaf(&merkle::leaf_hash(entry), log)
    }

    /// As [`EntryProof::verify`], with the entry's leaf hash.
    ///
    /// # Errors
    /// [`ProofError`] says what does not hold.
    pub fn verify_leaf(&self, leaf: &Digest, log: &Verifier) -> Result<TreeHead, ProofError> {
        let head = TreeHead::verify(&self.note, log)?;
        if merkle::verify_inclusion(leaf, self.index, head.size, &self.path, &head.root) {
            Ok(head)
        } else {
            Err(ProofError::Wrong(format!("entry {} with this content is not in the tree of {} entries", self.index, head.size)))
        }
    }

    /// How many of `witnesses` cosigned the tree head; a key that is given twice counts once, and only a witness' key counts.
    pub fn witnessed(&self, witnesses: &[Verifier]) -> usize {
        let cosigned = |w: &&Verifier| w.algorithm == Algorithm::CosignatureV1 && self.note.signature_by(w).is_ok();
        witnesses.iter().filter(cosigned).map(|w| w.public.to_bytes()).collect::<BTreeSet<_>>().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    fn log(size: u64) -> (merkle::Tree, Note, Verifier) {
        let key = SecretKey::from_seed("log.example", Algorithm::Ed25519, &[4; 32]);
        let tree = merkle::Tree::of((0..size).map(|i| merkle::leaf_hash(&i.to_be_bytes())));
        let mut note = Note::new(TreeHead { origin: "log.example".into(), size, root: tree.root(size) }.to_text());
        note.sign(&key, 0);
        (tree, note, Verifier::from_vkey(&key.vkey()).unwrap())
    }

    #[test]
    fn every_entry_s_proof_survives_its_text_and_no_other_entry_s_does() {
        for size in [1, 2, 3, 255, 256, 257] {
            let (tree, note, verifier) = log(size);
            for index in (0..size).step_by(37) {
                let proof = EntryProof { index, path: tree.inclusion_proof(index, size), note: note.clone() };
                let read = EntryProof::from_text(&proof.to_text()).unwrap();
                assert_eq!(read, proof);
                assert_eq!(read.verify(&index.to_be_bytes(), &verifier).unwrap().size, size);
                assert!(matches!(read.verify(&(index + 1).to_be_bytes(), &verifier), Err(ProofError::Wrong(_))));
                let moved = EntryProof { index: index + 1, ..proof };
                assert!(moved.verify(&index.to_be_bytes(), &verifier).is_err());
            }
        }
    }

    #[test]
    fn extra_data_is_passed_over_and_damage_is_an_error() {
        let (tree, note, verifier) = log(5);
        let text = EntryProof { index: 3, path: tree.inclusion_proof(3, 5), note }.to_text();
        let extra = text.replace("\nindex", "\nextra aGVsbG8=\nindex");
        assert!(EntryProof::from_text(&extra).unwrap().verify(&3u64.to_be_bytes(), &verifier).is_ok());
        for (from, to) in [("@v1", "@v2"), ("index 3", "index 03"), ("index 3", "place 3"), ("\n\n", "\n"), ("aGVsbG8=", "!")] {
            let damaged = extra.replacen(from, to, 1);
            let found = EntryProof::from_text(&damaged).and_then(|p| p.verify(&3u64.to_be_bytes(), &verifier));
            assert!(found.is_err(), "{damaged}");
        }
        for cut in (0..text.len()).filter(|c| text.is_char_boundary(*c)) {
            let found = EntryProof::from_text(&text[..cut]).and_then(|p| p.verify(&3u64.to_be_bytes(), &verifier));
            assert!(found.is_err(), "{cut} bytes were accepted");
        }
    }
}
