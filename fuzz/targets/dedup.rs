//! Readers of untrusted bytes: they never panic, and what they take is what it should be.

use std::fs;

use corpus::Digest;
use dedup::{Features, Index, Judge, Options, word_stream};

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 2] = [("normaliser", normaliser), ("index-reader", index_reader)];

const KEY: [u8; 32] = [1; 32];

fn hex(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// Any text has words, which case, line breaks around it and cutting at a line break do not change.
fn normaliser(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let words = word_stream(&text);
    assert_eq!(word_stream(&format!("\n{text}\r\n ...")), words);
    let lines: Vec<u32> = text.split_inclusive('\n').flat_map(word_stream).collect();
    assert_eq!(lines, words, "lines by themselves have other words");
    if text.is_ascii() {
        assert_eq!(word_stream(&text.to_uppercase()), words);
        assert_eq!(word_stream(&format!("{text}\né")).len(), words.len() + 1);
    }
}

/// An index of such files, with a manifest that has their digests, is refused or read to its end.
///
/// The first bytes say how many documents there are and how the rest is cut into the four files; without that it is the manifest.
fn index_reader(data: &[u8]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let read = || {
        let Ok(index) = Index::open(dir.path(), &[KEY]) else { return };
        let view = index.view();
        for ordinal in 0..view.len() {
            let _ = (view.name(ordinal), view.words(ordinal).len());
        }
        let mut judge = Judge::with_base(view, Options::new(&[KEY])).expect("the keys were compared");
        let mut documents = [Features::unsigned((0..60).collect(), [0; 32]), Features::unsigned(Vec::new(), [0; 32])];
        judge.prepare(&mut documents).expect("the CPU");
        let [a, b] = documents;
        judge.judge(&[((0, 0), a), ((0, 1), b)]).expect("memory");
    };
    fs::write(dir.path().join("manifest"), data).expect("a file");
    read();
    let Some((head, rest)) = data.split_at_checked(4) else { return };
    let record = 64 + 4 * dedup::SLOTS;
    let documents = usize::from(head[0]) % 4;
    let mut rest = rest;
    let mut files = String::new();
    for (kind, bytes) in ["documents", "words", "bands", "spans"].into_iter().zip([
        documents * record,
        4 * usize::from(head[1]),
        12 * usize::from(head[2] % 64),
        16 * usize::from(head[3] % 64),
    ]) {
        let (own, after) = rest.split_at(bytes.min(rest.len()));
        rest = after;
        let mut own = own.to_vec();
        own.resize(bytes, 0);
        let digest = hex(&own);
        let name = format!("{kind}-{}", &digest[..32]);
        fs::write(dir.path().join(&name), &own).expect("a file");
        let comma = if files.is_empty() { "" } else { "," };
        files += &format!("{comma}{{\"name\":\"{name}\",\"digest\":\"{digest}\",\"bytes\":{bytes}}}");
    }
    let segment = format!("{{\"tier\":0,\"first\":0,\"documents\":{documents},\"files\":[{files}]}}");
    let body = format!(
        "{{\"procedure\":\"assay-dedup-2\",\"keys\":[\"{}\"],\"log_size\":1,\"segments\":[{segment}],\"withdrawn\":[]}}",
        hex(&KEY)
    );
    fs::write(dir.path().join("manifest"), format!("{body}\n{}\n", hex(body.as_bytes()))).expect("a file");
    read();
}
