//! Proofs for people outside: written, and checked with keys alone.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ledger::proof_file::{is_receipt, verify_document, verify_receipt};
use ledger::{ProofError, Verifier};
use pipeline::proofs;
use serde_json::json;
use store::files;

use crate::args::proof::{Prove, VerifyProof};
use crate::failure::{Kind, failure, usage};
use crate::output::Output;
use crate::place::Place;

/// Writes the proof of what became of a document.
pub fn prove(place: &Place, a: Prove) -> Result<Output> {
    let (home, document) = (place.look()?, a.document);
    let proof = proofs::document(&home, document, a.open)?;
    let bytes = proof.to_bytes()?;
    let path = a.out.unwrap_or_else(|| PathBuf::from(format!("document-{}-{}.proof.json", document.submission, document.number)));
    files::write_to(&path, &bytes, 0o600)?;
    let (verdict, size, file) = (proof.decision.decision.verdict.code(), bytes.len(), path.display().to_string());
    let vkey = home.dir.join("log.vkey");
    let text = format!(
        "document {document}: {verdict}; {size} bytes in {file}; check it with `assay verify-proof {file} --vkey {}`",
        vkey.display()
    );
    Ok(Output::new(text, json!({ "document": document, "verdict": verdict, "proof": file, "bytes": size })).beside(&path))
}

/// A verifier key from its text, or from the file that holds it.
pub fn verifier(text: &str) -> Result<Verifier> {
    let text = if Path::new(text).is_file() { files::read_text(Path::new(text))? } else { text.to_string() };
    Ok(Verifier::from_vkey(&text)?)
}

/// Checks a proof or a receipt with keys alone.
pub fn verify(a: VerifyProof) -> Result<Output> {
    let log = verifier(&a.vkey).context("--vkey")?;
    let witnesses = a.witness.iter().map(|w| verifier(w)).collect::<Result<Vec<_>>>().context("--witness")?;
    let bytes = files::read(&a.file)?;
    let failed = |e: ProofError| failure(Kind::Verification, format!("{}: {e}", a.file.display()));
    let by = |k: usize| if k == 0 { "unwitnessed".to_string() } else { format!("witnessed by {k}") };
    if is_receipt(&bytes) {
        let entry = a.entry.ok_or_else(|| usage("verify-proof: a receipt says where an entry is; give the entry's bytes with --entry"))?;
        let p = verify_receipt(&bytes, &files::read(&entry)?, &log, &witnesses).map_err(failed)?;
        return Output::of(format!("entry {} of {}, {} entries, {}", p.index, p.origin, p.log_size, by(p.witnessed)), &p);
    }
    let p = verify_document(&bytes, &log, &witnesses).map_err(failed)?;
    let mut text = format!("document {}: {} by entry {}", p.document, p.verdict, p.acceptance);
    if let Some(of) = p.of {
        text += &format!(", of document {of}");
        let (intersection, union) = p.overlap;
        if union > 0 {
            text += &format!(" ({intersection} of {union} shingles)");
        }
    }
    if let (Some(at), Some(tokens)) = (p.shard, p.tokens) {
        text += &format!(", {tokens} tokens in the shard of entry {at}");
    }
    let opened = if p.opened { "salt and text are those of the commitment" } else { "the text is not in the proof" };
    text += &format!("\nin the log {} of {} entries, {}; {opened}", p.origin, p.log_size, by(p.witnessed));
    Output::of(text, &p)
}
