//! The fuzz targets on bytes that are nearly right: they never panic.

#[path = "../../fuzz/seeds.rs"]
mod seeds;
#[path = "../../fuzz/targets/dedup.rs"]
mod targets;

mod common;

use common::{KEY, Random, judge_all, of_words};
use dedup::{Index, Judge, Options};

/// The target of this name.
fn target(name: &str) -> fn(&[u8]) {
    targets::TARGETS.into_iter().find(|(known, _)| *known == name).expect("a target").1
}

#[test]
fn any_text_has_words() {
    let normaliser = target("normaliser");
    let mut random = Random(1);
    let parts = ["a", "B ", "_9", "é", "e\u{301}", "漢", "\n", "\r\n", "ß", "ﬁ", "\u{1f600}", "İ", "한", "\u{0e01}", "\0", "."];
    normaliser(&seeds::kept("normaliser", "parts", parts.concat().as_bytes()));
    for _ in 0..3000 {
        let text: String = (0..random.below(40)).map(|_| parts[random.below(parts.len())]).collect();
        normaliser(text.as_bytes());
        let bytes: Vec<u8> = (0..random.below(60)).map(|_| random.next() as u8).collect();
        normaliser(&bytes);
    }
}

#[test]
fn damaged_segments_with_fitting_digests_are_refused_or_read() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new(&[KEY]);
    let mut random = Random(2);
    let mut index = Index::open(dir.path(), &options.keys).unwrap();
    let mut judge = Judge::with_base(index.view(), options).unwrap();
    let documents = [of_words(random.words(40)), of_words(random.words(30))];
    judge_all(&mut judge, &documents, 2, 0).unwrap();
    index.append(&judge.into_delta(), 0).unwrap();
    // Two documents, 70 words, their bands and spans, in the form that the target takes.
    let file = |kind: &str| {
        let name = index.files().into_iter().map(|(name, _)| name).find(|name| name.starts_with(kind)).unwrap();
        std::fs::read(dir.path().join(name)).unwrap()
    };
    let (bands, spans) = (file("bands"), file("spans"));
    let head = [2, 70, (bands.len() / 12) as u8, (spans.len() / 16) as u8];
    let whole = [&head[..], &file("documents"), &file("words"), &bands, &spans].concat();
    assert_eq!(seeds::kept("index-reader", "two-documents", &whole), whole, "ASSAY_WRITE_SEEDS=1 writes it anew");
    let index_reader = target("index-reader");
    index_reader(&whole);
    for _ in 0..400 {
        let mut damaged = whole.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(damaged.len());
            damaged[at] = random.next() as u8;
        }
        damaged.truncate(if random.below(4) == 0 { random.below(damaged.len()) } else { damaged.len() });
        index_reader(&damaged);
    }
}
