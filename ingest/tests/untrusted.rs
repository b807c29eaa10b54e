//! The fuzz targets on files that are nearly right: readers never panic, and nothing disappears.

mod common;
#[path = "../../fuzz/seeds.rs"]
mod seeds;
#[path = "../../fuzz/targets/ingest.rs"]
mod targets;

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use common::{arrow_file, arrow_stream, batch, gzip, parquet, tar, warc, zip};
use corpus::random::SplitMix64;

/// Numbers below a length.
struct Random(SplitMix64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0.below(n as u64) as usize
    }
}

/// The target of this name.
fn target(name: &str) -> fn(&[u8]) {
    targets::TARGETS.into_iter().find(|(known, _)| *known == name).expect("a target").1
}

#[test]
fn damaged_files_of_every_form_are_rows_and_problems() {
    let lines = "{\"text\":\"one\",\"license\":\"MIT\"}\n{\"prompt\":\"a\",\"answer\":\"\\u00e9\"}\n".repeat(5).into_bytes();
    let table = batch(vec![
        ("text", Arc::new(StringArray::from(vec!["some text"; 40])) as ArrayRef),
        ("id", Arc::new(StringArray::from((0..40).map(|i| i.to_string()).collect::<Vec<_>>()))),
    ]);
    let http = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n<p>one<br>\r\n5\r\n&amp;\r\n0\r\n\r\n";
    let pages =
        [warc("warcinfo", "", "x"), warc("response", "Content-Type: application/http\r\n", http), warc("conversion", "", "plain")].concat();
    let made: Vec<(&str, &str, Vec<u8>)> = vec![
        ("lines", "lines", lines.clone()),
        ("json", "lines", lines.clone()),
        ("json", "array", b"[{\"text\": \"one\", \"x\": NaN},\n {\"text\": \"[two}\"}]".to_vec()),
        ("json", "data", b"{\"v\": 1, \"data\": [{\"text\": \"one\"}, {\"prompt\": \"a\", \"answer\": \"b\"}]}".to_vec()),
        ("json", "utf-16", "\u{feff}{\n\"text\": \"one\"\n}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("delimited", "utf-16", "\u{feff}id\ttext\n1\tone\n".encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("gzip", "lines", gzip(&lines)),
        ("zstd", "lines", zstd::encode_all(&lines[..], 1).unwrap()),
        ("delimited", "quotes", b"id,text\r\n1,\"a\nb\"\r\n2,c\r\n".repeat(4)),
        ("parquet", "two-columns", parquet(&table)),
        ("arrow", "stream", arrow_stream(&table)),
        ("arrow", "file", arrow_file(&table)),
        ("tar", "three-files", tar(&[("x/a.txt", b"text"), ("x/b.jsonl", &lines), ("c.parquet", &parquet(&table))])),
        ("zip", "two-files", zip(&[("x/a.txt", b"text"), ("x/b.jsonl", &lines)])),
        ("web", "three-records", pages.clone().into_bytes()),
        ("web-gzip", "three-records", gzip(pages.as_bytes())),
        ("text", "lines", "café 日本語\n".repeat(20).into_bytes()),
    ];
    let mut random = Random(SplitMix64(1));
    // What a damaged file makes a library say is of no interest here.
    std::panic::set_hook(Box::new(|info| {
        if info.location().is_some_and(|l| !l.file().contains(".cargo")) {
            eprintln!("{info}");
        }
    }));
    for (target_name, name, made) in &made {
        // What a compressor writes may change with its version and the machine; the file stays as it is.
        let bytes = seeds::kept(target_name, name, made);
        let target = target(target_name);
        target(&bytes);
        for _ in 0..250 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random.below(4) {
                let at = random.below(damaged.len());
                damaged[at] = match random.below(3) {
                    0 => 0xff,
                    1 => damaged[at] ^ (1 << random.below(8)),
                    _ => random.below(256) as u8,
                };
            }
            if random.below(3) == 0 {
                damaged.truncate(random.below(damaged.len()));
            }
            target(&damaged);
        }
    }
    let _ = std::panic::take_hook();
}

#[test]
fn damaged_cards_licences_and_statements_say_something_or_nothing() {
    let card =
        b"---\nlicense: [mit, &a cc-by-4.0]\nconfigs:\n- config_name: x\n  data_files:\n  - split: train\n    path: \"data/*\"\n---\n"
            .to_vec();
    let licence = spdx::text::LICENSE_TEXTS.iter().find(|(id, _)| *id == "MIT").unwrap().1.as_bytes().to_vec();
    let robots = b"User-agent: GPTBot\nDisallow: /x*y$\nContent-Usage: train-ai=n\nLicense: /rsl.xml\n\ntdm-reservation: 1, noai <meta name=robots content=noai>".to_vec();
    let seeds = [("card", "two-licences", card, 300), ("licence", "mit", licence, 40), ("reservation", "robots", robots, 600)];
    let mut random = Random(SplitMix64(3));
    for (name, seed, made, times) in seeds {
        let whole = seeds::kept(name, seed, &made);
        let target = target(name);
        target(&whole);
        for _ in 0..times {
            let mut damaged = whole.clone();
            for _ in 0..1 + random.below(6) {
                let at = random.below(damaged.len());
                damaged[at] = random.below(256) as u8;
            }
            target(&damaged);
        }
    }
}

#[test]
fn damaged_tokenizers_are_refused_or_used() {
    let json = ingest::train(["some text, some more text"].into_iter(), 300).unwrap();
    let json = seeds::kept("tokenizer", "three-hundred", &json);
    let target = target("tokenizer");
    let mut random = Random(SplitMix64(2));
    for _ in 0..200 {
        let mut damaged = json.clone();
        let at = random.below(damaged.len());
        damaged[at] = random.below(128) as u8;
        target(&damaged);
    }
}
