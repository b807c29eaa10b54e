//! Readers of untrusted files: they never panic, end, and give rows or problems that say where and why.

use std::fs;

use ingest::read::{Limits, Options, read_all};

/// A file of this name with these bytes is read to rows and problems.
pub fn file(name: &str, data: &[u8]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join(name);
    fs::write(&path, data).expect("a file");
    let limits = Limits { document_bytes: 1 << 16, records: 1 << 12, text_bytes: 1 << 26, ..Limits::default() };
    let options = Options { limits, licence_is_evidence: true, ..Options::default() };
    let (records, problems, _) = read_all(&path, &options).expect("the file is there");
    for r in &records {
        assert!(r.source.starts_with(name) && !r.text.trim().is_empty() && !r.text.contains('\0') && r.text.len() <= 1 << 17, "{r:?}");
        assert!(r.answer_at.is_none_or(|at| r.text.is_char_boundary(at as usize)), "{r:?}");
    }
    for p in &problems {
        assert!(p.place.starts_with(name) && !p.reason.is_empty(), "{p:?}");
    }
    assert!(!records.is_empty() || !problems.is_empty(), "{name}: {} bytes have disappeared", data.len());
}

/// Any text is a `tokenizer.json` or a reason why not.
pub fn tokenizer(data: &[u8]) {
    if let Ok(tokenizer) = ingest::TextTokenizer::from_json(data) {
        let _ = tokenizer.encode("any text").map(|tokens| tokenizer.gives_back(&tokens, "any text"));
    }
}
