//! Proofs for people outside: what became of a document, and that an entry is in the log.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use corpus::merkle;
use corpus::shard::Shard;
use corpus::verdict::{Verdict, VerdictTable};
use ledger::document_proof::{self, Anchor, DocumentProof, InShard, Opening, ProvenDecision};
use ledger::history::Logged;
use ledger::{EntryProof, ProofError, Verifier};
use pipeline::Home;
use serde_json::json;
use store::{Class, files};

use super::Place;
use crate::args::proof::{Prove, VerifyProof};
use crate::failure::{Kind, failure, usage};
use crate::output::Output;

/// Writes the proof of what became of a document; with `open` its salt and text are in it.
pub async fn prove(place: &Place, a: Prove) -> Result<Output> {
    let home = &place.open().await?;
    let Prove { document, open, out } = a;
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
        place: document_proof::Place::new(like().map(|r| merkle::leaf_hash(&r.record())), index),
        anchor: anchor(home, *at)?,
    };
    let shard = match submitted.shard_of(document.number) {
        Some(Logged { index: at, entry }) if accepted => {
            let shard = Shard::decode(&home.objects.get(Class::Sealed, &entry.file)?)?;
            // One that was taken back is in no shard that is in use.
            match shard.documents.iter().position(|d| d.document == document) {
                Some(index) => Some(InShard {
                    tokens: shard.documents[index].tokens.len() as u64,
                    place: document_proof::Place::new(shard.documents.iter().map(|d| merkle::leaf_hash(&d.record())), index as u64),
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
    let proof = DocumentProof { version: 1, document, commitment: row.commitment, decision, shard, opening };
    let bytes = proof.to_bytes()?;
    let path = out.unwrap_or_else(|| PathBuf::from(format!("document-{}-{}.proof.json", document.submission, document.number)));
    files::write(&path, &bytes, 0o600)?;
    let json = json!({ "document": document, "verdict": row.verdict.code(), "proof": path.display().to_string(), "bytes": bytes.len() });
    Ok(Output::new(
        format!(
            "document {document}: {}; {} bytes in {}; check it with `assay verify-proof {} --vkey {}`",
            row.verdict.code(),
            bytes.len(),
            path.display(),
            path.display(),
            home.dir.join("log.vkey").display()
        ),
        json,
    ))
}

fn anchor(home: &Home, index: u64) -> Result<Anchor> {
    let (bytes, proof) = home.entry_proof(index)?;
    Ok(Anchor::new(&bytes, &proof))
}

/// Writes the receipt of an entry: its C2SP `tlog-proof`, by index below `receipts/`.
pub fn receipt(home: &Home, index: u64) -> Result<PathBuf> {
    let path = home.dir.join(format!("receipts/{index}.tlog-proof"));
    files::write(&path, home.entry_proof(index)?.1.to_text().as_bytes(), 0o600)?;
    Ok(path)
}

/// A verifier key from its text, or from the file that holds it.
pub fn verifier(text: &str) -> Result<Verifier> {
    let text = if Path::new(text).is_file() { files::read_text(Path::new(text))? } else { text.to_string() };
    Ok(Verifier::from_vkey(&text)?)
}

/// Checks a proof or a receipt with keys alone.
pub fn verify(a: VerifyProof) -> Result<Output> {
    let (file, entry) = (a.file.as_path(), a.entry.as_deref());
    let log = verifier(&a.vkey).context("--vkey")?;
    let witnesses = a.witness.iter().map(|w| verifier(w)).collect::<Result<Vec<_>>>().context("--witness")?;
    let bytes = files::read(file)?;
    let failed = |e: ProofError| failure(Kind::Verification, format!("{}: {e}", file.display()));
    let by = |k: usize| if k == 0 { "unwitnessed".to_string() } else { format!("witnessed by {k}") };
    if bytes.starts_with(b"c2sp.org/") {
        let entry = entry.ok_or_else(|| usage("verify-proof: a receipt says where an entry is; give the entry's bytes with --entry"))?;
        let proof = EntryProof::from_text(&String::from_utf8_lossy(&bytes)).map_err(failed)?;
        let head = proof.verify(&files::read(entry)?, &log).map_err(failed)?;
        let k = proof.witnessed(&witnesses);
        let json = json!({ "index": proof.index, "log_size": head.size, "log_root": head.root, "witnessed": k });
        return Ok(Output::new(format!("entry {} of {}, {} entries, {}", proof.index, head.origin, head.size, by(k)), json));
    }
    let proof = DocumentProof::from_bytes(&bytes).map_err(failed)?;
    let shown = proof.verify(&log, &witnesses).map_err(failed)?;
    let mut text = format!("document {}: {} by entry {}", proof.document, shown.verdict.code(), shown.entries.0);
    if let Some(of) = proof.decision.decision.of {
        text += &format!(", of document {of}");
        if proof.decision.decision.union > 0 {
            text += &format!(" ({} of {} shingles)", proof.decision.decision.intersection, proof.decision.decision.union);
        }
    }
    if let (Some(at), Some(s)) = (shown.entries.1, &proof.shard) {
        text += &format!(", {} tokens in the shard of entry {at}", s.tokens);
    }
    let opened = if shown.opened { "salt and text are those of the commitment" } else { "the text is not in the proof" };
    text += &format!("\nin the log {} of {} entries, {}; {opened}", shown.head.origin, shown.head.size, by(shown.witnessed));
    let json = json!({
        "document": proof.document,
        "commitment": proof.commitment,
        "verdict": shown.verdict.code(),
        "of": proof.decision.decision.of,
        "acceptance": shown.entries.0,
        "shard": shown.entries.1,
        "log_size": shown.head.size,
        "log_root": shown.head.root,
        "witnessed": shown.witnessed,
        "opened": shown.opened,
    });
    Ok(Output::new(text, json))
}
