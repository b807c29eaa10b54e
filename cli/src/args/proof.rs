//! Proofs for people outside: `assay prove`, `verify-proof`.

use std::path::PathBuf;

use clap::Args;
use corpus::DocumentRef;

/// Write the proof of what became of a document, for anybody who has the log's key.
#[derive(Debug, Args)]
pub struct Prove {
    /// The document: submission and number, as in `attribution show --by document`.
    pub document: DocumentRef,
    /// With its salt and text: whoever sees the proof can read it then.
    #[arg(long)]
    pub open: bool,
    /// Where to write it.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Check a proof or a receipt with nothing else at hand but keys.
#[derive(Debug, Args)]
pub struct VerifyProof {
    /// The file.
    pub file: PathBuf,
    /// The log's verifier key, or the file that holds it.
    #[arg(long)]
    pub vkey: String,
    /// Verifier keys of witnesses, or files that hold them.
    #[arg(long)]
    pub witness: Vec<String>,
    /// For a receipt: the entry's bytes.
    #[arg(long)]
    pub entry: Option<PathBuf>,
}
