//! Every form gives its rows in order, and everything that is no row has its place, its code and a reason.

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, LargeStringArray, StringArray, StringViewArray};
use arrow::datatypes::Int32Type;
use common::{arrow_file, arrow_stream, batch, gzip, parquet, tar, warc, zip};
use ingest::read::{Code, Columns, Limits, Options, Scanned, read_all};
use ingest::{Problem, Record};
use rights::licence::Source;

fn options() -> Options {
    Options { licence_is_evidence: true, ..Options::default() }
}

fn read(path: &Path) -> (Vec<Record>, Vec<Problem>, Scanned) {
    read_all(path, &options()).unwrap()
}

/// `(name, text)` of each record.
fn pairs(records: &[Record]) -> Vec<(&str, &str)> {
    records.iter().map(|r| (r.source.as_str(), r.text.as_str())).collect()
}

#[test]
fn rows_of_every_form_come_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        fs::write(dir.path().join(name), bytes).unwrap();
    };
    let lines =
        "\u{feff}{\"id\":\"a\",\"text\":\"one\\n\\u00e9\"}\r\n\n{\"content\":\"two\",\"more\":[1,{\"text\":5}],\"url\":\"https://b\"}\n";
    put("a.jsonl", lines.as_bytes());
    put("b.jsonl.gz", &gzip(lines.as_bytes()));
    put("c.jsonl.zst", &zstd::encode_all(lines.as_bytes(), 1).unwrap());
    put("d.csv", "\u{feff}id,text,license\r\n1,\"x, \"\"y\"\"\nz\",MIT\r\n2,w,\r\n".as_bytes());
    put("e.tsv", b"text\tsource\none\ttwo\n");
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("p1"), Some("p2")]));
    let sources: DictionaryArray<Int32Type> = vec!["wiki", "books"].into_iter().collect();
    put(
        "f.parquet",
        &parquet(&batch(vec![("text", texts.clone()), ("source", Arc::new(sources)), ("n", Arc::new(Int64Array::from(vec![1, 2])))])),
    );
    put("g.arrow", &arrow_stream(&batch(vec![("content", Arc::new(LargeStringArray::from(vec!["s1", "s2"])))])));
    put("h.arrow", &arrow_file(&batch(vec![("text", Arc::new(StringViewArray::from(vec!["a long text that is no inline view", "v"])))])));
    put("i.md", b"# Title\n");
    put("j/k.rs", b"fn main() {}\n");
    put("l.txt.gz", &gzip(b"compressed text"));
    put("m.tar.gz", &gzip(&tar(&[("x/a.txt", b"in tar"), ("x/b.jsonl", b"{\"text\":\"line in tar\"}\n")])));
    put("n.zip", &zip(&[("y/c.md", b"in zip"), ("d.csv", b"text\nrow in zip\n")]));
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n";
    let html = [warc("response", "Content-Type: application/http; msgtype=response\r\n", &format!("{page}<p>caf\u{65}<p>x")).into_bytes()]
        .concat();
    put(
        "o.warc.gz",
        &[gzip(warc("warcinfo", "", "software: x").as_bytes()), gzip(warc("request", "", "GET /").as_bytes()), gzip(&html)].concat(),
    );
    put(
        "p.warc.wet",
        [warc("warcinfo", "", "x"), warc("conversion", "Content-Type: text/plain\r\n", "plain text\nof a page")].concat().as_bytes(),
    );
    let (records, problems, _) = read(dir.path());
    assert_eq!(problems, []);
    let two = "a.jsonl#3 https://b";
    let mut expected = vec![("a.jsonl#1", "one\né"), (two, "two"), ("b.jsonl.gz#1", "one\né"), ("b.jsonl.gz#3 https://b", "two")];
    expected.extend([("c.jsonl.zst#1", "one\né"), ("c.jsonl.zst#3 https://b", "two")]);
    expected.extend([("d.csv#1", "x, \"y\"\nz"), ("d.csv#2", "w"), ("e.tsv#1 two", "one")]);
    expected.extend([("f.parquet#1 wiki", "p1"), ("f.parquet#2 books", "p2"), ("g.arrow#1", "s1"), ("g.arrow#2", "s2")]);
    expected.extend([
        ("h.arrow#1", "a long text that is no inline view"),
        ("h.arrow#2", "v"),
        ("i.md", "# Title\n"),
        ("j/k.rs", "fn main() {}\n"),
    ]);
    expected.extend([("l.txt.gz", "compressed text"), ("m.tar.gz/x/a.txt", "in tar"), ("m.tar.gz/x/b.jsonl#1", "line in tar")]);
    expected.extend([("n.zip/y/c.md", "in zip"), ("n.zip/d.csv#1", "row in zip")]);
    expected.extend([("o.warc.gz#3 https://example.org/a", "cafe\n\nx"), ("p.warc.wet#2 https://example.org/a", "plain text\nof a page")]);
    assert_eq!(pairs(&records), expected);
    assert_eq!(records[6].licence.as_deref(), Some("MIT"));
    assert_eq!(records[7].licence, None);
    // A file by itself has the same rows.
    assert_eq!(pairs(&read(&dir.path().join("m.tar.gz")).0)[0], ("m.tar.gz/x/a.txt", "in tar"));
    assert!(read_all(&dir.path().join("absent"), &options()).unwrap_err().to_string().contains("absent"));
}

#[test]
fn columns_are_named_or_guessed_and_prompts_have_answers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let rows = "{\"prompt\": \"2 + 2?\", \"answer\": \"4\"}\n{\"instruction\": \"Say é\\n\", \"output\": \"é\", \"license\": \"MIT\"}\n{\"prompt\": \"x\"}\n{\"prompt\": \"x\", \"answer\": \" \"}\n{\"body\": \"b\", \"text\": \"t\"}\n";
    fs::write(&path, rows).unwrap();
    let (records, problems, _) = read(&path);
    let found: Vec<(&str, &str)> = records[..2].iter().map(|r| r.text.split_at(r.answer_at.unwrap() as usize)).collect();
    assert_eq!(found, [("2 + 2?\n", "4"), ("Say é\n", "é")]);
    assert_eq!(records[2].text, "t", "the likelier name is taken, wherever it stands");
    assert_eq!(
        problems.iter().map(|p| (p.place.as_str(), p.code)).collect::<Vec<_>>(),
        [("a.jsonl:3", Code::NoText), ("a.jsonl:4", Code::Empty)]
    );
    fs::write(&path, "{\"text\": \"not this\", \"story\": \"this\", \"by\": \"anna\"}\n").unwrap();
    let columns = Columns { text: Some("story".into()), origin: Some("by".into()), ..Columns::default() };
    let (records, ..) = read_all(&path, &Options { columns, ..options() }).unwrap();
    assert_eq!(pairs(&records), [("a.jsonl#1 anna", "this")]);
}

#[test]
fn a_line_longer_than_a_block_is_one_row_and_one_that_is_too_long_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.jsonl");
    let (long, many) = ("x".repeat(12 << 20), (0..1000).map(|i| format!("{{\"text\":\"{i}\"}}\n")).collect::<String>());
    fs::write(&path, format!("{many}{{\"text\":\"{long}\"}}\n{many}{{\"text\":3}}")).unwrap();
    let (records, problems, _) = read(&path);
    assert_eq!((records.len(), records[1000].text.len(), records[2000].text.as_str()), (2001, long.len(), "999"));
    assert_eq!((problems[0].place.as_str(), problems[0].code), ("long.jsonl:2002", Code::BadField));
    let limits = Limits { document_bytes: 1 << 20, ..Limits::default() };
    let (records, problems, _) = read_all(&path, &Options { limits, ..options() }).unwrap();
    assert_eq!((records.len(), records[1000].source.as_str()), (2000, "long.jsonl#1002"));
    let found: Vec<_> = problems.iter().map(|p| (p.place.as_str(), p.code)).collect();
    assert_eq!(found, [("long.jsonl:1001", Code::TooLong), ("long.jsonl:2002", Code::BadField)]);
}

#[test]
fn hugging_face_folders_are_read_with_their_card() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        fs::write(dir.path().join(name), bytes).unwrap();
    };
    let rows = |text: &str| {
        batch(vec![("text", Arc::new(StringArray::from(vec![text])) as ArrayRef), ("source", Arc::new(StringArray::from(vec!["wiki"])))])
    };
    put("README.md", b"---\nlicense: cc-by-4.0\nlanguage: en\n---\n# A dataset\n");
    put("data/train-00000-of-00001.parquet", &parquet(&rows("learn this")));
    put("data/test-00000-of-00001.parquet", &parquet(&rows("not this")));
    let (records, problems, scanned) = read_all(dir.path(), &Options { split: Some("train".into()), ..options() }).unwrap();
    assert_eq!(pairs(&records), [("data/train-00000-of-00001.parquet#1 wiki", "learn this")]);
    assert_eq!((problems[0].place.as_str(), problems[0].code, problems.len()), ("data/test-00000-of-00001.parquet", Code::NotSelected, 1));
    let statement = &scanned.statements[0].statement;
    assert_eq!((statement.source, statement.expression.as_str()), (Source::DatasetCard, "CC-BY-4.0"));
    let unknown = read_all(dir.path(), &Options { split: Some("dev".into()), ..options() }).unwrap_err().to_string();
    assert!(unknown.contains("this dataset has test, train"), "{unknown}");
    assert_eq!(read(dir.path()).0.len(), 2);
    // What `save_to_disk` writes.
    let saved = tempfile::tempdir().unwrap();
    fs::write(saved.path().join("dataset_info.json"), "{\"license\": \"\"}").unwrap();
    fs::write(saved.path().join("state.json"), "{\"_data_files\": [{\"filename\": \"data-00000-of-00001.arrow\"}]}").unwrap();
    fs::write(saved.path().join("data-00000-of-00001.arrow"), arrow_stream(&rows("saved"))).unwrap();
    assert_eq!(pairs(&read(saved.path()).0), [("data-00000-of-00001.arrow#1 wiki", "saved")]);
}

#[test]
fn a_repository_is_read_at_its_head() {
    let dir = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").current_dir(dir.path()).args(arguments).output();
        output.is_ok_and(|o| o.status.success())
    };
    if !git(&["init", "-q"]) {
        skips::skip(skips::Need::Git, "a repository at its commit", "git init does not work");
        return;
    }
    fs::create_dir(dir.path().join("src")).unwrap();
    fs::write(dir.path().join("src/main.rs"), "fn main() {}\n").unwrap();
    fs::write(dir.path().join("README.md"), "# Mine\n").unwrap();
    fs::write(dir.path().join("LICENSE"), "MIT\n").unwrap();
    fs::write(dir.path().join("model.bin"), "version https://git-lfs.github.com/spec/v1\noid sha256:0\n").unwrap();
    fs::write(dir.path().join(".hidden"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
    assert!(git(&["add", "-A"]));
    assert!(git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "first"]));
    fs::write(dir.path().join("README.md"), "# Changed\n").unwrap();
    fs::write(dir.path().join("untracked.txt"), "not committed").unwrap();
    let (records, problems, scanned) = read(dir.path());
    assert_eq!(pairs(&records), [("README.md", "# Mine\n"), ("src/main.rs", "fn main() {}\n")]);
    let found: Vec<(&str, Code)> = problems.iter().map(|p| (p.place.as_str(), p.code)).collect();
    assert_eq!(found, [(".hidden", Code::Hidden), ("link", Code::Link), ("model.bin", Code::Unsupported)]);
    assert_eq!(scanned.statements[0].statement.expression, "MIT");
    let origin = scanned.origin.unwrap();
    assert!(origin.starts_with("git:") && origin.len() == 44, "{origin}");
}

/// Name, bytes, the place of the problem, its code, and a part of its message. Rows that are good come too, as many as are said.
type Bad = (&'static str, Vec<u8>, &'static str, Code, &'static str, usize);

fn bad_inputs() -> Vec<Bad> {
    let b = |bytes: &[u8]| bytes.to_vec();
    let line = "{\"text\":\"good\"}\n";
    let good = parquet(&batch(vec![("text", Arc::new(StringArray::from(vec!["good"])))]));
    let stream = arrow_stream(&batch(vec![("text", Arc::new(StringArray::from(vec!["good"])))]));
    let torn_gzip = {
        let noise: String = (0..40_000u64).map(|i| format!("{{\"text\":\"{:x}\"}}\n", i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let whole = gzip(noise.as_bytes());
        whole[..whole.len() / 2].to_vec()
    };
    let wrong_crc = {
        let mut bytes = gzip(line.as_bytes());
        let end = bytes.len() - 6;
        bytes[end] ^= 0xff;
        bytes
    };
    let damaged_zstd = {
        let mut bytes = zstd::encode_all(line.repeat(50).as_bytes(), 1).unwrap();
        let end = bytes.len();
        bytes.truncate(end - 3);
        bytes
    };
    let http = |head: &str, body: &str| {
        warc("response", "Content-Type: application/http\r\n", &format!("HTTP/1.1 {head}\r\n\r\n{body}")).into_bytes()
    };
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0x55;
        bytes
    };
    vec![
        ("a.jsonl", b(b"{\"text\":\"good\"}\n{\"text\": oops}\n"), "a.jsonl:2", Code::Damaged, "expected a JSON object", 1),
        ("a.jsonl", b(b"[1]\n"), "a.jsonl:1", Code::Damaged, "expected a JSON object", 0),
        ("a.jsonl", b(b"{\"text\":\"a\"} {\"text\":\"b\"}\n"), "a.jsonl:1", Code::Damaged, "trailing", 0),
        ("a.jsonl", b(b"{\"text\":\"cut of"), "a.jsonl:1", Code::Damaged, "EOF", 0),
        ("a.jsonl", b(b"{\"id\": 3}\n"), "a.jsonl:1", Code::NoText, "expected a text or a prompt", 0),
        ("a.jsonl", b(b"{\"text\": null}\n"), "a.jsonl:1", Code::NoText, "found none", 0),
        ("a.jsonl", b(b"{\"text\": 5}\n"), "a.jsonl:1", Code::BadField, "expected text in the field text, found a number", 0),
        ("a.jsonl", b(b"{\"text\": [\"a\"]}\n"), "a.jsonl:1", Code::BadField, "found a list", 0),
        ("a.jsonl", b(b"{\"text\": \"a\", \"text\": \"b\"}\n"), "a.jsonl:1", Code::BadField, "stands twice", 0),
        ("a.jsonl", b(b"{\"text\": \"a\", \"license\": [\"MIT\"]}\n"), "a.jsonl:1", Code::BadLicence, "expected an SPDX expression", 0),
        ("a.jsonl", b(b"{\"text\": \"a\", \"id\": \"x\\ny\"}\n"), "a.jsonl:1", Code::BadField, "without control characters", 0),
        ("a.jsonl", b(b"{\"text\": \"\\ud800\"}\n"), "a.jsonl:1", Code::Encoding, "surrogate", 0),
        ("a.jsonl", b(b"{\"text\": \"a\\u0000b\"}\n"), "a.jsonl:1", Code::Nul, "NUL byte at offset 1", 0),
        ("a.jsonl", b(b"{\"text\": \"\"}\n"), "a.jsonl:1", Code::Empty, "empty", 0),
        ("a.jsonl", b(b"{\"text\": \" \\n\\t\"}\n"), "a.jsonl:1", Code::Empty, "white space", 0),
        ("a.jsonl", b(b"{\"text\": \"caf\xe9\"}\n{\"text\":\"good\"}\n"), "a.jsonl:1", Code::Encoding, "byte 0xe9 at offset 13", 1),
        ("a.jsonl", b(b""), "a.jsonl", Code::Empty, "expected JSON lines", 0),
        ("a.jsonl", b(b" \n\n"), "a.jsonl", Code::Empty, "expected JSON lines", 0),
        ("a.csv", b(b"id,text\n"), "a.csv", Code::Empty, "without records", 0),
        (
            "a.jsonl",
            format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(),
            "a.jsonl:1",
            Code::Damaged,
            "expected a JSON object",
            0,
        ),
        ("a.jsonl.gz", torn_gzip, "a.jsonl.gz:", Code::Damaged, "", usize::MAX),
        ("a.jsonl.gz", wrong_crc, "a.jsonl.gz:", Code::Damaged, "", usize::MAX),
        ("a.jsonl.gz", b(b"\x1f\x8b\x08\x00broken"), "a.jsonl.gz:1", Code::Damaged, "", 0),
        ("a.jsonl.gz", b(b"no gzip at all"), "a.jsonl.gz:1", Code::Damaged, "gzip", 0),
        ("a.jsonl.zst", damaged_zstd, "a.jsonl.zst:", Code::Damaged, "", usize::MAX),
        ("a.jsonl.gz", gzip(&vec![b' '; 200 << 20]), "a.jsonl.gz:", Code::Bomb, "times as many", 0),
        ("a.txt", b(b"caf\xe9"), "a.txt", Code::Encoding, "byte 0xe9 at offset 3", 0),
        ("a.txt", b(b"\xff\xfea\0b\0c"), "a.txt", Code::Encoding, "UTF-16", 0),
        ("a.txt", b(b"a\0b\0c\0d\0e\0"), "a.txt", Code::Encoding, "--encoding UTF-16LE", 0),
        ("a.json", b(b"{\"text\": \"a\", oops}"), "a.json:1", Code::Damaged, "expected JSON", 0),
        ("a.json", b(b"no JSON at all"), "a.json:1", Code::Damaged, "found 'n'", 0),
        ("a.json", b(b"[{\"text\": \"good\"}, {\"text\": \"cut"), "a.json:1", Code::Damaged, "ends inside record 2", 1),
        ("a.json", b(b"[{\"text\": \"good\"} {\"text\": \"b\"}]"), "a.json:1", Code::Damaged, "expected a comma", 1),
        (
            "a.json",
            b(b"{\"train\": [{\"text\": \"a\"}], \"test\": [{\"text\": \"b\"}]}"),
            "a.json",
            Code::Unsupported,
            "name one with --split",
            0,
        ),
        ("a.json", b(b"[]"), "a.json", Code::Empty, "without records", 0),
        ("a.jsonl", b(b"{\"text\": NaN}\n"), "a.jsonl:1", Code::BadField, "NaN", 0),
        ("a.jsonl", b(b"{\"messages\": [{\"role\": \"user\"}]}\n"), "a.jsonl:1", Code::NoText, "a conversation", 0),
        ("a.jsonl", b(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"), "a.jsonl", Code::Unsupported, "Git LFS", 0),
        ("a.txt", b(b"ok \xf0\x9f\x98 \xc3\xa9"), "a.txt", Code::Encoding, "offset 3", 0),
        ("a.txt", b(b"ab\0c"), "a.txt", Code::Nul, "offset 2", 0),
        ("a.txt", b(b""), "a.txt", Code::Empty, "empty", 0),
        ("a.txt", b(b" \n "), "a.txt", Code::Empty, "white space", 0),
        ("a.txt", vec![b'x'; (64 << 20) + 1], "a.txt", Code::TooLong, "67108865 bytes, expected at most 67108864", 0),
        ("a.pdf", b(b"%PDF-1.7"), "a.pdf", Code::Unsupported, "PDF", 0),
        ("a.csv", b(b"id,name\n1,x\n"), "a.csv", Code::NoText, "found the columns [\"id\", \"name\"]", 0),
        ("a.csv", b(b"id,text\r\n1,good\r\n2\r\n3,good\r\n"), "a.csv:3", Code::Damaged, "expected 2 fields, found 1", 2),
        ("a.csv", b(b"text\n\"never closed\nmore\n"), "a.csv:2", Code::Damaged, "", usize::MAX),
        ("a.csv", b(b""), "a.csv", Code::Empty, "header", 0),
        ("a.csv", b(b"text\ncaf\xe9\ngood\n"), "a.csv:2", Code::Encoding, "0xe9", 1),
        ("a.csv", ",".repeat(5000).into_bytes(), "a.csv:1", Code::Damaged, "4096 fields", 0),
        ("a.parquet", b(b"PAR1"), "a.parquet", Code::Damaged, "", 0),
        ("a.parquet", good[..good.len() - 4].to_vec(), "a.parquet", Code::Damaged, "", 0),
        ("a.parquet", flipped(&good, good.len() - 6), "a.parquet", Code::Damaged, "", 0),
        (
            "a.parquet",
            parquet(&batch(vec![("n", Arc::new(Int64Array::from(vec![1])))])),
            "a.parquet",
            Code::NoText,
            "found the columns [\"n\"]",
            0,
        ),
        ("a.parquet", parquet(&batch(vec![("text", Arc::new(Int64Array::from(vec![1])))])), "a.parquet", Code::BadField, "found Int64", 0),
        (
            "a.parquet",
            parquet(&batch(vec![("text", Arc::new(StringArray::from(vec![None, Some("good")])))])),
            "a.parquet#1",
            Code::NoText,
            "found none",
            1,
        ),
        ("a.arrow", b(b"ARROW1\0\0"), "a.arrow", Code::Damaged, "first bytes", 0),
        ("a.arrow", stream[..stream.len() - 200].to_vec(), "a.arrow", Code::Damaged, "", 0),
        ("a.arrow", b(b"\xff\xff\xff\xff\xff\xff\xff\x7f"), "a.arrow", Code::TooLong, "2147483647 bytes", 0),
        ("a.tar", tar(&[("../out.txt", b"x"), ("in.txt", b"good")]), "a.tar/../out.txt", Code::BadName, "leads out", 1),
        ("a.tar", tar(&[("/etc/passwd", b"x")]), "a.tar//etc/passwd", Code::BadName, "absolute", 0),
        ("a.tar", tar(&[("b.tar", &tar(&[("c.txt", b"x")]))]), "a.tar/b.tar", Code::Unsupported, "inside another", 0),
        ("a.tar", tar(&[("b.txt", &[b'x'; 4000])])[..3000].to_vec(), "a.tar/b.txt", Code::Damaged, "ends", 0),
        ("a.tar", vec![b'x'; 1024], "a.tar", Code::Damaged, "", 0),
        ("a.zip", b(b"PK\x05\x06"), "a.zip", Code::Damaged, "", 0),
        ("a.zip", zip(&[("../x", b"x"), ("y", b"good")]), "a.zip/../x", Code::BadName, "leads out", 1),
        ("a.zip", zip(&[]), "a.zip", Code::Empty, "without files", 0),
        ("a.zip", zip(&[("zeros", &vec![b'0'; 100 << 20])]), "a.zip/zeros", Code::TooLong, "expected at most", 0),
        ("a.warc", b(b"no warc\n"), "a.warc#1", Code::Damaged, "expected WARC/1.0", 0),
        ("a.warc", b(b"WARC/1.0\r\nWARC-Type: conversion\r\n\r\n"), "a.warc#1", Code::Damaged, "Content-Length", 0),
        ("a.warc", b(b"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 99\r\n\r\nshort"), "a.warc#1", Code::Damaged, "99", 0),
        ("a.warc", http("404 Not Found\r\nContent-Type: text/html", "x"), "a.warc#1", Code::Unsupported, "status 404", 0),
        ("a.warc", http("200 OK\r\nContent-Type: image/png", "x"), "a.warc#1", Code::Unsupported, "image/png", 0),
        ("a.warc", http("200 OK\r\nContent-Type: text/html; charset=klingon", "x"), "a.warc#1", Code::Encoding, "klingon", 0),
        ("a.warc", http("200 OK\r\nContent-Type: text/html", "<script>x</script>"), "a.warc#1", Code::Empty, "without text", 0),
        ("a.warc.gz", gzip(b"WARC/1.0\r\n")[..12].to_vec(), "a.warc.gz#1", Code::Damaged, "", 0),
    ]
}

#[test]
fn every_bad_input_has_its_message_and_nothing_else_is_lost() {
    let bad = bad_inputs();
    assert!(bad.len() >= 50);
    for (n, (name, bytes, place, code, part, rows)) in bad.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), bytes).unwrap();
        let (records, problems, _) = read(dir.path());
        let this = problems.iter().find(|p| p.code == code).unwrap_or_else(|| panic!("case {n}, {name}: no {code:?} in {problems:?}"));
        assert!(this.place.starts_with(place) && this.reason.contains(part), "case {n}, {name}: {this:?}, expected {place}: …{part}…");
        assert!(!this.reason.is_empty() && problems.len() == 1, "case {n}, {name}: {problems:?}");
        assert!(rows == usize::MAX || records.len() == rows, "case {n}, {name}: {} rows, expected {rows}", records.len());
    }
}

#[test]
fn json_is_read_by_its_content() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    let texts = |content: &str| -> Vec<String> {
        fs::write(&path, content).unwrap();
        let (records, problems, _) = read(&path);
        assert_eq!(problems, [], "{content}");
        records.into_iter().map(|r| r.text).collect()
    };
    assert_eq!(texts("{\"text\": \"a\"}\n{\"text\": \"b\"}\n"), ["a", "b"]);
    assert_eq!(texts("[{\"text\": \"a\"},\n {\"text\": \"b]\"}]"), ["a", "b]"]);
    assert_eq!(texts("{\n \"text\": \"a\"\n}\n{\n \"text\": \"b\"\n}"), ["a", "b"]);
    assert_eq!(texts("{\"version\": 1, \"data\": [{\"text\": \"a\"}, {\"text\": \"b\"}]}"), ["a", "b"]);
    assert_eq!(texts("{\"text\": \"one\", \"score\": NaN, \"low\": -Infinity}"), ["one"]);
    assert_eq!(texts("[{\"text\": \"NaN is a word\", \"x\": NaN}]"), ["NaN is a word"]);
    // More than one block, with brackets and quotes in texts.
    let many: Vec<String> = (0..40_000).map(|i| format!("{{\"text\": \"[{i}] \\\"}}{{ {}\"}}", "x".repeat(300))).collect();
    assert_eq!(texts(&format!("[{}]", many.join(",\n"))).len(), many.len());
    // Ids stay as they are written.
    fs::write(&path, "{\"id\": 123456789012345678901234, \"text\": \"a\"}\n{\"id\": 1.50, \"text\": \"b\"}\n").unwrap();
    let mut ids = Vec::new();
    ingest::scan(&path, &options(), &mut |item| {
        if let ingest::read::Item::Block(block) = item {
            ids.extend(block.map(|row| row.id.map(|id| id.to_string())).into_iter().flatten().flatten());
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(ids, ["123456789012345678901234", "1.50"]);
}

#[test]
fn rows_of_several_fields_keep_them_or_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    fs::write(
        &path,
        "{\"instruction\": \"Add.\", \"input\": \"2, 3\", \"output\": \"5\"}\n{\"instruction\": \"Say x.\", \"input\": \"\", \"output\": \"x\"}\n\
         {\"system_prompt\": \"Be brief.\", \"question\": \"Why?\", \"response\": \"So.\", \"category\": \"q\"}\n{\"text\": \"t\", \"title\": \"T\", \"answer\": {}}\n",
    )
    .unwrap();
    let mut unused = std::collections::BTreeSet::new();
    let mut texts = Vec::new();
    ingest::scan(&path, &options(), &mut |item| {
        if let ingest::read::Item::Block(block) = item {
            texts.extend(block.map(|row| row.text.to_string()).into_iter().map(Result::unwrap));
            unused.extend(block.unused());
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(texts, ["Add.\n2, 3\n5", "Say x.\nx", "Be brief.\nWhy?\nSo.", "t"]);
    assert_eq!(unused.into_iter().collect::<Vec<_>>(), ["answer", "category", "title"]);
}

#[test]
fn licence_files_at_any_depth_and_in_archives_say_something_about_their_folders() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        fs::write(dir.path().join(name), bytes).unwrap();
    };
    put("a/LICENSE", b"CC-BY-NC-4.0");
    put("a/b.txt", b"text");
    put("c.rs", b"// SPDX-License-Identifier: MIT\nfn main() {}\n");
    put("d.txt", b"more text");
    put("d.txt.license", b"SPDX-License-Identifier: Apache-2.0\n");
    put("e.tar", &tar(&[("x/y.txt", b"in tar"), ("x/COPYING", b"GPL-3.0-only")]));
    let (records, problems, scanned) = read(dir.path());
    assert_eq!(problems, []);
    assert_eq!(pairs(&records).iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["a/b.txt", "c.rs", "d.txt", "e.tar/x/y.txt"]);
    let mut said: Vec<(&str, &str)> = scanned.statements.iter().map(|s| (s.scope.as_str(), s.statement.expression.as_str())).collect();
    said.sort_unstable();
    assert_eq!(said, [("a", "CC-BY-NC-4.0"), ("d.txt", "Apache-2.0"), ("e.tar/x", "GPL-3.0-only")]);
    assert_eq!(records[1].tag.as_deref(), Some("MIT"));
}

#[test]
fn a_dataset_has_one_licence_however_it_is_packed() {
    let files: [(&str, &[u8]); 9] = [
        ("data/a.txt", b"text"),
        ("data/a.txt.license", b"SPDX-License-Identifier: Apache-2.0\n"),
        ("data/b.txt.license", b"CC-BY-ND-4.0"),
        ("data/LICENSES/README.md", b"all of it is ours"),
        ("info/dataset_info.json", br#"{"license": "cc-by-4.0"}"#),
        ("more/c.txt", b"more text"),
        ("more/README.md", b"---\nlicense: mit\n---\nMore\n"),
        ("reuse/REUSE.toml", b"[[annotations]]\nSPDX-License-Identifier = \"GPL-3.0-only\"\n"),
        ("reuse/d.txt", b"other text"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for (name, bytes) in files {
        fs::create_dir_all(at("folder").join(name).parent().unwrap()).unwrap();
        fs::write(at("folder").join(name), bytes).unwrap();
    }
    fs::write(at("x.tar"), tar(&files)).unwrap();
    fs::write(at("x.zip"), zip(&files)).unwrap();
    let said = |path: &Path, below: &str| {
        let (records, _, scanned) = read(path);
        let own = |name: &str| name.strip_prefix(below).unwrap_or_else(|| panic!("{name} is below {below}")).to_string();
        let mut said: Vec<_> = scanned
            .statements
            .iter()
            .map(|s| (own(&s.scope), own(&s.statement.place), s.statement.source, s.statement.expression.clone(), s.statement.digest))
            .collect();
        said.sort();
        (said, records.iter().map(|r| own(&r.source)).collect::<std::collections::BTreeSet<_>>())
    };
    let folder = said(&at("folder"), "");
    let list: Vec<_> = folder.0.iter().map(|(scope, _, source, expression, _)| (scope.as_str(), *source, expression.as_str())).collect();
    assert_eq!(
        list,
        [
            ("data", Source::LicenceFile, "LicenseRef-unknown"),
            ("data", Source::LicenceFile, "CC-BY-ND-4.0"),
            ("data/a.txt", Source::File, "Apache-2.0"),
            ("info", Source::DatasetCard, "CC-BY-4.0"),
            ("more", Source::DatasetCard, "MIT"),
            ("reuse", Source::LicenceFile, "GPL-3.0-only"),
        ]
    );
    assert_eq!(folder.1.iter().collect::<Vec<_>>(), ["data/a.txt", "more/README.md", "more/c.txt", "reuse/d.txt"]);
    assert_eq!(said(&at("x.tar"), "x.tar/"), folder);
    assert_eq!(said(&at("x.zip"), "x.zip/"), folder);
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").current_dir(at("folder")).args(arguments).output();
        output.is_ok_and(|o| o.status.success())
    };
    if !git(&["init", "-q"]) {
        skips::skip(skips::Need::Git, "licences of folders in a repository", "git init does not work");
        return;
    }
    assert!(git(&["add", "-A"]));
    assert!(git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "first"]));
    assert_eq!(said(&at("folder"), ""), folder);
}

#[test]
fn a_repository_that_leads_out_of_itself_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let git = dir.path().join(".git");
    let reason = || read_all(dir.path(), &options()).unwrap_err().to_string();
    fs::write(&git, "gitdir: /somewhere/else\n").unwrap();
    assert!(reason().contains("expected a folder .git"), "{}", reason());
    fs::remove_file(&git).unwrap();
    std::os::unix::fs::symlink("/tmp", &git).unwrap();
    assert!(reason().contains("expected a folder .git"), "{}", reason());
    fs::remove_file(&git).unwrap();
    fs::create_dir_all(git.join("objects/info")).unwrap();
    fs::create_dir_all(git.join("refs")).unwrap();
    fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::write(git.join("objects/info/alternates"), "/elsewhere/objects\n").unwrap();
    assert!(reason().contains("alternates"), "{}", reason());
    fs::remove_file(git.join("objects/info/alternates")).unwrap();
    fs::write(git.join("config"), "[core]\n\tbare = false\n[ Include ]\n\tpath = /etc/gitconfig\n").unwrap();
    assert!(reason().contains("includes others"), "{}", reason());
    fs::write(git.join("config"), "[core] worktree = /home\n").unwrap();
    assert!(reason().contains("worktree"), "{}", reason());
    fs::write(git.join("config"), "[core]\n\tbare = false\n").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", git.join("refs/main")).unwrap();
    assert!(reason().contains("link"), "{}", reason());
    fs::remove_file(git.join("refs/main")).unwrap();
    fs::write(git.join("commondir"), "/elsewhere\n").unwrap();
    assert!(reason().contains("commondir"), "{}", reason());
}

#[test]
fn tables_become_no_more_than_their_size_allows() {
    let dir = tempfile::tempdir().unwrap();
    // One value that a million rows share: a small file, and 100 GB of text.
    let value = "x".repeat(100_000);
    let keys = arrow::array::Int32Array::from(vec![0; 1_000_000]);
    let shared = DictionaryArray::<Int32Type>::try_new(keys, Arc::new(StringArray::from(vec![value.as_str()]))).unwrap();
    let table = batch(vec![("text", Arc::new(shared) as ArrayRef)]);
    for (name, bytes) in [("a.arrow", arrow_file(&table)), ("b.arrow", arrow_stream(&table)), ("c.parquet", parquet(&table))] {
        let path = dir.path().join(name);
        let limits = Limits { ratio: 10, ..Limits::default() };
        fs::write(&path, &bytes).unwrap();
        let (mut rows, mut problems) = (0, Vec::new());
        ingest::scan(&path, &Options { limits, ..options() }, &mut |item| {
            match item {
                ingest::read::Item::Block(block) => rows += block.rows(),
                ingest::read::Item::Problem(problem) => problems.push(problem),
                ingest::read::Item::Scanned(_) => {}
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), [Code::Bomb], "{name}");
        assert!(problems[0].reason.contains("--max-ratio") && rows < 2_000, "{name}: {rows} rows, {}", problems[0].reason);
    }
}

#[test]
fn folders_have_their_own_problems() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.md"), "# fine\n").unwrap();
    fs::write(dir.path().join(".hidden"), "x").unwrap();
    fs::write(dir.path().join("LICENSE"), "MIT").unwrap();
    fs::create_dir(dir.path().join("loop")).unwrap();
    std::os::unix::fs::symlink("..", dir.path().join("loop/round")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
    let odd = std::ffi::OsStr::new("x");
    let odd: std::ffi::OsString = [odd, std::os::unix::ffi::OsStrExt::from_bytes(b"\xff")].into_iter().collect();
    fs::write(dir.path().join(odd), "x").unwrap();
    let deep = dir.path().join(vec!["d"; 40].join("/"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("e.txt"), "x").unwrap();
    let (records, problems, scanned) = read(dir.path());
    assert_eq!(pairs(&records), [("a.md", "# fine\n")]);
    assert_eq!(scanned.statements[0].statement.expression, "MIT");
    let mut found: Vec<(&str, Code)> = problems.iter().map(|p| (p.place.rsplit('/').next().unwrap(), p.code)).collect();
    found.sort();
    let expected =
        [(".hidden", Code::Hidden), ("d", Code::TooDeep), ("dangling", Code::Link), ("round", Code::Link), ("x\u{fffd}", Code::BadName)];
    assert_eq!(found, expected);
    // Nothing at all.
    let empty = tempfile::tempdir().unwrap();
    let (records, problems, _) = read(empty.path());
    assert!(records.is_empty() && problems.is_empty());
    assert_eq!(
        read_all(Path::new("/dev/null"), &options()).unwrap_err().to_string(),
        "/dev/null: expected a file or a folder, found a special file"
    );
}

#[test]
fn limits_end_a_scan_and_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    fs::write(&path, "{\"text\":\"x\"}\n".repeat(10)).unwrap();
    let limits = Limits { records: 9, ..Limits::default() };
    let (records, problems, _) = read_all(&path, &Options { limits, ..options() }).unwrap();
    assert_eq!((records.len(), problems[0].code), (0, Code::TooMany));
    assert!(problems[0].reason.contains("more than 9 records"));
}
