//! Readers of untrusted bytes of the log: they never panic, and what they accept is written as it was.

use corpus::canonical;
use ledger::document_proof::DocumentProof;
use ledger::witness::AddCheckpoint;
use ledger::{Entry, EntryProof, Envelope, Note, TreeHead, WitnessPolicy, tile};

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 7] = [
    ("note", note),
    ("checkpoint", checkpoint),
    ("tile-path", tile_path),
    ("canonical-json", canonical_json),
    ("envelope", envelope),
    ("proof", proof),
    ("witness", witness),
];

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// Signed notes.
fn note(data: &[u8]) {
    if let Some(text) = text(data)
        && let Ok(note) = Note::from_text(text)
    {
        assert_eq!(note.to_text(), text);
    }
}

/// Tree heads.
fn checkpoint(data: &[u8]) {
    if let Some(text) = text(data)
        && let Ok(head) = TreeHead::from_text(text)
    {
        assert_eq!(head.to_text(), text);
    }
}

/// Paths of tiles.
fn tile_path(data: &[u8]) {
    if let Some(text) = text(data)
        && let Some(tile) = tile::from_path(text)
    {
        assert_eq!(tile.path(), text);
    }
    if let Some(entries) = tile::decode_entries(data) {
        assert_eq!(tile::encode_entries(entries.iter().map(Vec::as_slice)), data);
    }
}

/// Canonical JSON: what is accepted is what writing it again gives, and everything that does so is accepted.
fn canonical_json(data: &[u8]) {
    let written = serde_json::from_slice::<serde_json::Value>(data).ok().and_then(|v| canonical::to_vec(&v).ok());
    assert_eq!(canonical::check(data).is_ok(), written.is_some_and(|w| w == data));
}

/// Envelopes and the entries in them.
fn envelope(data: &[u8]) {
    let Ok(envelope) = Envelope::from_bytes(data) else { return };
    assert_eq!(envelope.to_bytes().expect("it was short enough"), data);
    if let Ok(entry) = Entry::from_payload(&envelope.payload) {
        assert_eq!(entry.to_payload().expect("it was canonical"), envelope.payload);
    }
}

/// Proofs of entries and of documents.
fn proof(data: &[u8]) {
    if let Some(text) = text(data) {
        let _ = EntryProof::from_text(text);
    }
    if let Ok(proof) = DocumentProof::from_bytes(data) {
        assert_eq!(proof.to_bytes().expect("it was canonical"), data);
    }
}

/// What a witness is asked, and witness policies.
fn witness(data: &[u8]) {
    if let Some(text) = text(data) {
        if let Ok(request) = AddCheckpoint::from_text(text) {
            assert_eq!(request.to_text(), text);
        }
        let _ = WitnessPolicy::from_text(text);
    }
}
