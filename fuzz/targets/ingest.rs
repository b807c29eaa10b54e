//! Readers of untrusted files: they never panic, end, and give rows or problems that say where and why.

use std::fs;

use ingest::read::{Limits, Options, read_all};

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. A form of file is chosen by the file's name.
pub const TARGETS: [Target; 16] = [
    ("lines", |data| file("a.jsonl", data)),
    ("json", |data| file("a.json", data)),
    ("delimited", |data| file("a.csv", data)),
    ("gzip", |data| file("a.jsonl.gz", data)),
    ("zstd", |data| file("a.jsonl.zst", data)),
    ("parquet", |data| file("a.parquet", data)),
    ("arrow", |data| file("a.arrow", data)),
    ("tar", |data| file("a.tar", data)),
    ("zip", |data| file("a.zip", data)),
    ("web", |data| file("a.warc", data)),
    ("web-gzip", |data| file("a.warc.gz", data)),
    ("text", |data| file("a.txt", data)),
    ("card", card),
    ("licence", licence),
    ("reservation", reservation),
    ("tokenizer", tokenizer),
];

/// A file of this name with these bytes is read to rows and problems.
fn file(name: &str, data: &[u8]) {
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

/// A folder whose card this is, with one file of data, is read or refused.
fn card(data: &[u8]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("README.md"), data).expect("a file");
    fs::create_dir(dir.path().join("data")).expect("a folder");
    fs::write(dir.path().join("data/train.jsonl"), "{\"text\":\"one\"}\n").expect("a file");
    let options = Options { licence_is_evidence: true, ..Options::default() };
    match read_all(dir.path(), &options) {
        Ok((records, problems, _)) => assert!(!records.is_empty() || !problems.is_empty(), "the data has disappeared"),
        Err(e) => assert!(!e.reason.is_empty()),
    }
}

/// Any licence file comes to an expression.
fn licence(data: &[u8]) {
    let expression = rights::licence::of_file(&String::from_utf8_lossy(data));
    assert!(expression.is_empty() || corpus::licence::parse(&expression).is_ok(), "{expression}");
}

/// Any files of a site and any page of it come to statements, each with its place.
fn reservation(data: &[u8]) {
    use rights::reservation::{Page, Site, of};
    let text = String::from_utf8_lossy(data).into_owned();
    let url = "https://a.example/x?y=1";
    let mut site = Site::default();
    site.add_robots("https://a.example/robots.txt", 200, data);
    site.add_tdmrep("https://a.example/.well-known/tdmrep.json", 200, data);
    site.add_licence("https://a.example/license.xml", 200, data);
    let names = ["Content-Usage", "TDM-Reservation", "X-Robots-Tag", "Link"];
    let headers: Vec<(String, String)> = names.iter().map(|name| ((*name).to_string(), text.clone())).collect();
    let signals = of(&Page { url, headers: &headers, html: Some(&text) }, &site);
    assert!(signals.len() <= 64 && signals.iter().all(|s| !s.place.is_empty()), "{} signals", signals.len());
}

/// Any text is a `tokenizer.json` or a reason why not.
fn tokenizer(data: &[u8]) {
    if let Ok(prepared) =
        ingest::prepare(data, &ingest::Beside { templates: vec![String::from_utf8_lossy(data).into_owned()], ..Default::default() })
    {
        let again = ingest::prepare(&prepared.json, &ingest::Beside::default()).expect("what was written can be read");
        assert!(again.changes.is_empty());
        let _ = ingest::transformers_config(&prepared.json, 64);
    }
    if let Ok(tokenizer) = ingest::TextTokenizer::from_json(data) {
        let _ = tokenizer.encode("any text").map(|tokens| tokenizer.gives_back(&tokens, "any text"));
    }
}
