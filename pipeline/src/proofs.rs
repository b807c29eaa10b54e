//! Proofs for people outside: what became of a document, and that an entry is in the log. They are checked by `ledger::proof_file`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use corpus::shard::Shard;
use corpus::verdict::{Verdict, VerdictTable};
use corpus::{DocumentRef, EntryIndex, merkle};
use ledger::document_proof::{Anchor, DocumentProof, InShard, Opening, Place, ProvenDecision};
use ledger::history::Logged;
use ledger::{EntryProof, Verifier};
use store::{Class, LogFiles, StoreError, files};

use crate::error::{Context, Kind, Result, failure, usage};
use crate::snapshot::Snapshot;

/// The proof of what became of a document; with `open` its salt and text are in it.
pub fn document(home: &Snapshot, document: DocumentRef, open: bool) -> Result<DocumentProof> {
    let all = || home.state.epochs.iter().flat_map(|e| &e.submissions);
    let submitted = all().find(|s| s.submission.index == document.submission).ok_or_else(|| {
        usage(format!("document {document}: entry {} is no submission; names are as in `assay attribution show`", document.submission))
    })?;
    let Logged { index: at, entry: acceptance } = submitted
        .acceptance
        .as_ref()
        .ok_or_else(|| failure(Kind::Check, format!("document {document}: not judged yet; close the epoch and run `assay ingest`")))?;
    let table = VerdictTable::decode(&home.objects.get(Class::Public, &acceptance.verdicts)?)?;
    let row = table
        .rows
        .iter()
        .find(|r| r.number == document.number)
        .ok_or_else(|| usage(format!("document {document}: the submission has {} documents", table.rows.len())))?;
    let accepted = row.verdict == Verdict::Accepted;
    let like = || table.rows.iter().filter(|r| (r.verdict == Verdict::Accepted) == accepted);
    let index = like().position(|r| r.number == row.number).context("a row is in its own table")? as u64;
    let decision = ProvenDecision {
        decision: row.decision.clone(),
        place: Place::new(like().map(|r| merkle::leaf_hash(&r.record())), index),
        anchor: anchor(home, *at)?,
    };
    let shard = match submitted.shard_of(document.number) {
        Some(Logged { index: at, entry }) if accepted => {
            let shard = Shard::decode(&home.objects.get(Class::Sealed, &entry.file)?)?;
            // One that was taken back is in no shard that is in use.
            match shard.documents.iter().position(|d| d.document == document) {
                Some(index) => Some(InShard {
                    tokens: shard.documents[index].tokens.len() as u64,
                    place: Place::new(shard.documents.iter().map(|d| merkle::leaf_hash(&d.record())), index as u64),
                    anchor: anchor(home, *at)?,
                }),
                None => None,
            }
        }
        _ => None,
    };
    let opening = if open {
        let (bundle, place) = rules::bundles::bundle_of(home, submitted, document.number)?;
        let prepared = bundle.prepare_one(place);
        if prepared.withdrawn {
            return Err(failure(Kind::Check, format!("document {document}: its text was withdrawn and is destroyed; leave out --open")));
        }
        Some(Opening { salt: prepared.salt, text: prepared.text, answer_at: prepared.answer_at })
    } else {
        None
    };
    Ok(DocumentProof { version: 1, document, commitment: row.commitment, decision, shard, opening })
}

fn anchor(home: &Snapshot, index: EntryIndex) -> Result<Anchor> {
    let (bytes, proof) = home.entry_proof(index)?;
    Ok(Anchor::new(&bytes, &proof))
}

/// Writes the receipt of an entry: its C2SP `tlog-proof`, by index below `receipts/`.
pub fn receipt(home: &Snapshot, index: EntryIndex) -> Result<PathBuf> {
    let path = home.dir.join(format!("receipts/{index}.tlog-proof"));
    files::write(&path, home.entry_proof(index)?.1.to_text().as_bytes(), 0o600)?;
    Ok(path)
}

/// Writes `entries` and their proofs to `folder`, from the copy of a log in `dir`.
pub fn write_entries(dir: &Path, folder: &Path, entries: &BTreeSet<EntryIndex>) -> Result<()> {
    let log = LogFiles::new(&dir.join("log"));
    let verifier = Verifier::from_vkey(&files::read_text(&dir.join("log.vkey"))?)?;
    let read = log.read(&verifier)?.context("a log that was just checked")?;
    for index in entries {
        let mut bytes = Vec::new();
        log.entries(read.head.size, index.0..index.0 + 1, |_, found| {
            bytes.extend(found.into_iter().flatten());
            Ok::<_, StoreError>(())
        })?;
        let path = read.tree.inclusion_proof(index.0, read.head.size);
        let proof = EntryProof { index: index.0, path, note: read.note.clone() };
        let file = |extension: &str| -> PathBuf { folder.join(format!("{index}.{extension}")) };
        files::write(&file("json"), &bytes, 0o644)?;
        files::write(&file("tlog-proof"), proof.to_text().as_bytes(), 0o644)?;
    }
    Ok(())
}
