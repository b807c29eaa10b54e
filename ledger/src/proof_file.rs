//! A file that proves something, checked with keys alone: a receipt, or what became of a document.

use corpus::{Digest, DocumentRef, EntryIndex};
use serde::Serialize;

use crate::document_proof::DocumentProof;
use crate::note::Verifier;
use crate::proof::{EntryProof, ProofError};

/// An entry that a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProvenEntry {
    /// Its index.
    pub index: EntryIndex,
    /// The log.
    #[serde(skip)]
    pub origin: String,
    /// Entries of the log then.
    pub log_size: u64,
    /// Its root.
    pub log_root: Digest,
    /// How many of the given witnesses cosigned it.
    pub witnessed: usize,
}

/// What became of a document, as its proof shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProvenDocument {
    /// The document.
    pub document: DocumentRef,
    /// Its commitment.
    pub commitment: Digest,
    /// The verdict's code.
    pub verdict: String,
    /// The document that it duplicates.
    pub of: Option<DocumentRef>,
    /// Shingles in common with that one, and shingles of both.
    #[serde(skip)]
    pub overlap: (u64, u64),
    /// The acceptance entry.
    pub acceptance: EntryIndex,
    /// The shard entry.
    pub shard: Option<EntryIndex>,
    /// Its tokens there.
    #[serde(skip)]
    pub tokens: Option<u64>,
    /// The log.
    #[serde(skip)]
    pub origin: String,
    /// Entries of the log then.
    pub log_size: u64,
    /// Its root.
    pub log_root: Digest,
    /// How many of the given witnesses cosigned it.
    pub witnessed: usize,
    /// Whether salt and text are in the proof.
    pub opened: bool,
}

/// Whether a file is a receipt, which is about an entry whose bytes have to be given too.
pub fn is_receipt(file: &[u8]) -> bool {
    file.starts_with(b"c2sp.org/")
}

/// Checks a receipt of `entry`.
///
/// # Errors
/// [`ProofError`] names the first step that does not hold.
pub fn verify_receipt(file: &[u8], entry: &[u8], log: &Verifier, witnesses: &[Verifier]) -> Result<ProvenEntry, ProofError> {
    let proof = EntryProof::from_text(&String::from_utf8_lossy(file))?;
    let head = proof.verify(entry, log)?;
    let witnessed = proof.witnessed(witnesses);
    Ok(ProvenEntry { index: EntryIndex(proof.index), origin: head.origin, log_size: head.size, log_root: head.root, witnessed })
}

/// Checks a document's proof.
///
/// # Errors
/// [`ProofError`] names the first step that does not hold.
pub fn verify_document(file: &[u8], log: &Verifier, witnesses: &[Verifier]) -> Result<ProvenDocument, ProofError> {
    let proof = DocumentProof::from_bytes(file)?;
    let shown = proof.verify(log, witnesses)?;
    Ok(ProvenDocument {
        document: proof.document,
        commitment: proof.commitment,
        verdict: shown.verdict.code().to_string(),
        of: proof.decision.decision.of,
        overlap: (proof.decision.decision.intersection, proof.decision.decision.union),
        acceptance: shown.entries.0,
        shard: shown.entries.1,
        tokens: proof.shard.as_ref().map(|s| s.tokens),
        origin: shown.head.origin,
        log_size: shown.head.size,
        log_root: shown.head.root,
        witnessed: shown.witnessed,
        opened: shown.opened,
    })
}
