//! What became of a document, provable to anybody who has the log's key: its verdict and, if it was accepted, its shard.
//!
//! Commitment → record in the tree of accepted or of rejected documents → acceptance entry → tree head, and record in the shard's
//! tree → shard entry → tree head. Whoever holds salt and text can add them, and then the commitment is theirs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use corpus::verdict::{Decision, Verdict, VerdictRow};
use corpus::{Digest, DocumentRef, EntryIndex, canonical, merkle, shard, text};
use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::envelope::Envelope;
use crate::note::Verifier;
use crate::proof::{EntryProof, ProofError};
use crate::tree_head::TreeHead;

/// A record's place in a tree whose root an entry names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Its index in the tree.
    pub index: u64,
    /// Records in the tree.
    pub size: u64,
    /// From the record to the root, lowest first.
    pub path: Vec<Digest>,
}

impl Place {
    /// The place of record `index` in the tree over `leaves`.
    ///
    /// # Panics
    /// If `index` is not below their number.
    pub fn new(leaves: impl IntoIterator<Item = Digest>, index: u64) -> Place {
        let tree = merkle::Tree::of(leaves);
        Place { index, size: tree.size(), path: tree.inclusion_proof(index, tree.size()) }
    }

    fn holds(&self, record: &[u8], root: &Digest) -> bool {
        merkle::verify_inclusion(&merkle::leaf_hash(record), self.index, self.size, &self.path, root)
    }
}

/// An entry with the proof that it is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Its bytes, in base64.
    pub entry: String,
    /// Its proof, as C2SP `tlog-proof`.
    pub proof: String,
}

impl Anchor {
    /// An entry's bytes and proof.
    pub fn new(entry: &[u8], proof: &EntryProof) -> Anchor {
        Anchor { entry: STANDARD.encode(entry), proof: proof.to_text() }
    }

    fn open(&self, log: &Verifier) -> Result<(Entry, EntryProof, TreeHead), ProofError> {
        let malformed = |e: &dyn std::fmt::Display| ProofError::Malformed(e.to_string());
        let bytes = STANDARD.decode(&self.entry).map_err(|e| malformed(&e))?;
        let proof = EntryProof::from_text(&self.proof)?;
        let head = proof.verify(&bytes, log)?;
        let envelope = Envelope::from_bytes(&bytes).map_err(|e| malformed(&e))?;
        Ok((Entry::from_payload(&envelope.payload).map_err(|e| malformed(&e))?, proof, head))
    }
}

/// What was decided, and where the log says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenDecision {
    /// What was decided, with its evidence.
    #[serde(flatten)]
    pub decision: Decision,
    /// Among the accepted documents, or among the others.
    pub place: Place,
    /// The acceptance entry.
    pub anchor: Anchor,
}

/// Where an accepted document lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InShard {
    /// Its tokens.
    pub tokens: u64,
    /// Among the shard's documents.
    pub place: Place,
    /// The shard entry.
    pub anchor: Anchor,
}

/// What the commitment is to: for those who may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The document's salt.
    pub salt: Digest,
    /// Its normalised text.
    pub text: String,
    /// The byte at which its answer begins, if only that is learned.
    pub answer_at: Option<u64>,
}

/// A document's proof: canonical JSON, with nothing else needed but the log's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentProof {
    /// `1`.
    pub version: u32,
    /// Which document.
    pub document: DocumentRef,
    /// Its commitment.
    pub commitment: Digest,
    /// What was decided.
    pub decision: ProvenDecision,
    /// Where it lies, if it was accepted and cut into tokens.
    pub shard: Option<InShard>,
    /// Salt and text.
    pub opening: Option<Opening>,
}

/// What a proof has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The verdict.
    pub verdict: Verdict,
    /// The tree head.
    pub head: TreeHead,
    /// The acceptance entry's index, and the shard entry's.
    pub entries: (EntryIndex, Option<EntryIndex>),
    /// How many of the given witnesses cosigned it.
    pub witnessed: usize,
    /// Whether salt and text are there, and so whose text it is.
    pub opened: bool,
}

impl DocumentProof {
    /// Its bytes.
    ///
    /// # Errors
    /// [`ProofError::Malformed`] if it cannot be written down.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ProofError> {
        canonical::to_vec(self).map_err(|e| ProofError::Malformed(e.to_string()))
    }

    /// Reads canonical bytes; nothing is verified.
    ///
    /// # Errors
    /// [`ProofError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<DocumentProof, ProofError> {
        let proof: DocumentProof = canonical::from_slice(bytes).map_err(|e| ProofError::Malformed(e.to_string()))?;
        if proof.version == 1 { Ok(proof) } else { Err(ProofError::Malformed(format!("version {}, expected 1", proof.version))) }
    }

    /// Checks every step from the commitment to the log's tree head.
    ///
    /// # Errors
    /// [`ProofError`] names the first step that does not hold.
    pub fn verify(&self, log: &Verifier, witnesses: &[Verifier]) -> Result<Shown, ProofError> {
        let wrong = |text: String| Err(ProofError::Wrong(text));
        let d = &self.decision;
        let row = VerdictRow { number: self.document.number, commitment: self.commitment, decision: d.decision.clone() };
        let verdict = row.verdict;
        let (entry, proof, head) = d.anchor.open(log)?;
        let witnessed = proof.witnessed(witnesses);
        let note = proof.note.clone();
        let Entry::Acceptance(acceptance) = entry else { return wrong(format!("entry {} is no acceptance", proof.index)) };
        let accepted = verdict == Verdict::Accepted;
        let root = if accepted { acceptance.accepted_root } else { acceptance.rejected_root };
        if acceptance.submission != self.document.submission || !d.place.holds(&row.record(), &root) {
            return wrong(format!("entry {} does not say {:?} of document {}", proof.index, verdict.code(), self.document));
        }
        let mut entries = (EntryIndex(proof.index), None);
        if let Some(s) = &self.shard {
            let (entry, proof, _) = s.anchor.open(log)?;
            // Two tree heads could be of two logs of one key.
            if proof.note != note {
                return wrong("its entries are proven under two tree heads, expected one".into());
            }
            let Entry::Shard(shard) = entry else { return wrong(format!("entry {} is no shard", proof.index)) };
            let record = shard::record(&self.commitment, self.document, s.tokens);
            if !accepted || shard.submission != self.document.submission || !s.place.holds(&record, &shard.document_root) {
                return wrong(format!("document {} with {} tokens is not in the shard of entry {}", self.document, s.tokens, proof.index));
            }
            entries.1 = Some(EntryIndex(proof.index));
        }
        if let Some(o) = &self.opening
            && text::commitment(&o.salt, &o.text, o.answer_at) != self.commitment
        {
            return wrong(format!("salt and text are not those that document {} was committed to with", self.document));
        }
        Ok(Shown { verdict, head, entries, witnessed, opened: self.opening.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECIDED: &str = concat!(
        r#"{"anchor":{"entry":"","proof":""},"covered_by":[{"document":"4/1","words":9}],"filtered":null,"hit":null,"intersection":8,"#,
        r#""novel_words":3,"of":"4/1","place":{"index":0,"path":[],"size":1},"union":10,"verdict":"near","words":12}"#
    );

    #[test]
    fn a_decision_is_written_beside_its_place_and_entry() {
        let decided: ProvenDecision = canonical::from_slice(DECIDED.as_bytes()).unwrap();
        assert_eq!((decided.decision.verdict, decided.decision.covered_by[0].words), (Verdict::Near, 9));
        assert_eq!(String::from_utf8(canonical::to_vec(&decided).unwrap()).unwrap(), DECIDED);
    }

    #[test]
    fn a_decision_with_another_field_or_an_unknown_verdict_is_refused() {
        for other in [DECIDED.replacen("\"union\"", "\"twin\":1,\"union\"", 1), DECIDED.replacen("near", "far", 1)] {
            assert!(canonical::from_slice::<ProvenDecision>(other.as_bytes()).is_err(), "{other}");
        }
    }
}
