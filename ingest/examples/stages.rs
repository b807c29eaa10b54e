//! What each stage from a file to a shard costs on one thread: seconds, megabytes of text a second, tokens a second.
//!
//! `stages FILE.jsonl TOKENIZER.json`, as `benches/ingest.sh` calls it. Signing and proof of duplicates are measured by `benches/dedup.sh`,
//! over the same word hashes.

use std::path::Path;
use std::time::{Duration, Instant};

use corpus::bundle::{Bundle, PART_BYTES, Submitted};
use corpus::outline::{Outline, Outlines};
use corpus::shard::{Shard, TokenizedDocument};
use corpus::{ContributorId, Digest, DocumentRef, EntryIndex};
use filters::Filters;
use ingest::TextTokenizer;
use ingest::read::{Item, Options, Record, Stream};

// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, input, tokenizer] = &arguments[..] else { panic!("expected FILE.jsonl and TOKENIZER.json") };
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("the first to ask");
    let json = std::fs::read(tokenizer).expect("a tokenizer.json");
    let tokenizer = TextTokenizer::from_json(&json).expect("a tokenizer");
    let mut run = Run { tokenizer, spent: Default::default(), first: 0, bytes: 0, tokens: 0, stored: [0; 3] };
    let mut documents: Vec<Submitted> = Vec::new();
    // The stream's own thread finds the ends of lines.
    let mut stream = Stream::new(Path::new(input), &Options::default());
    while let Some(item) = stream.next_item() {
        if let Item::Block(block) = item {
            let records = run.time(0, || block.map(|row| Record::of(&row)));
            let submitted =
                |r: Record| Submitted { source: r.source, licence: "MIT".into(), text: r.text, answer_at: r.answer_at, reservation: None };
            documents.extend(records.into_iter().flatten().map(submitted));
        }
        if documents.iter().map(|d| d.text.len()).sum::<usize>() >= PART_BYTES {
            run.bundle(std::mem::take(&mut documents));
        }
    }
    if !documents.is_empty() {
        run.bundle(documents);
    }
    stream.finish().expect("a file that can be read");
    run.print();
}

const STAGES: [&str; 8] = [
    "parse rows",
    "normalise, salt, commit",
    "write bundle",
    "read bundle",
    "cut words, write outlines",
    "tokenize",
    "compare tokens with text",
    "write shard",
];

/// Tokenizer, seconds by stage, and what came of them.
struct Run {
    tokenizer: TextTokenizer,
    spent: [Duration; STAGES.len()],
    first: u32,
    bytes: u64,
    tokens: u64,
    /// Bytes of bundles, outlines and shards.
    stored: [u64; 3],
}

impl Run {
    fn time<T>(&mut self, stage: usize, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = work();
        self.spent[stage] += begun.elapsed();
        result
    }

    fn bundle(&mut self, documents: Vec<Submitted>) {
        let (first, count) = (self.first, documents.len() as u32);
        let bundle = Bundle::new(&[7; 32], first, documents);
        let commitments = self.time(1, || bundle.prepare().map(|p| p.commitment).collect::<Vec<_>>());
        let file = self.time(2, || bundle.encode().expect("a bundle"));
        let bundle = self.time(3, || Bundle::decode(&file).expect("what was just written"));
        let filters = Filters::default();
        let outline = |place: usize| {
            let p = bundle.prepare_one(place);
            Outline {
                reservation: None,
                commitment: p.commitment,
                licence: p.licence,
                text_digest: Digest::of(p.text.as_bytes()),
                text_bytes: p.text.len() as u64,
                withdrawn: false,
                filtered: filters.check(&p.text),
                words: dedup::word_stream(&p.text),
            }
        };
        let outlines =
            self.time(4, || Outlines { first, documents: (0..bundle.documents.len()).map(outline).collect() }.encode().expect("outlines"));
        let mut shard = Shard { tokenizer: Digest::default(), documents: Vec::new() };
        for p in bundle.prepare() {
            self.bytes += p.text.len() as u64;
            let begun = Instant::now();
            let encoded = self.tokenizer.encode_document(&p.text, p.answer_at).expect("text");
            let tokenized = Instant::now();
            let reversible = self.tokenizer.gives_back(&encoded.tokens, &p.text);
            self.spent[5] += tokenized - begun;
            self.spent[6] += tokenized.elapsed();
            self.tokens += encoded.tokens.len() as u64;
            shard.documents.push(TokenizedDocument {
                document: DocumentRef { submission: EntryIndex(1), number: p.number },
                commitment: p.commitment,
                contributor: ContributorId([1; 16]),
                licence: p.licence,
                source: p.source,
                text: p.text,
                answer_at: p.answer_at,
                tokens: encoded.tokens,
                learned_from: encoded.learned_from,
                reversible,
                salt: p.salt,
            });
        }
        assert!(commitments.iter().eq(shard.documents.iter().map(|d| &d.commitment)), "the same commitments behind the file");
        let written = self.time(7, || shard.encode().expect("a shard"));
        for (stored, file) in self.stored.iter_mut().zip([&file, &outlines, &written]) {
            *stored += file.len() as u64;
        }
        self.first += count;
    }

    fn print(&self) {
        let total: f64 = self.spent.iter().sum::<Duration>().as_secs_f64();
        let megabytes = self.bytes as f64 / 1e6;
        println!("{megabytes:.1} MB of text, {} tokens", self.tokens);
        for (name, spent) in STAGES.iter().zip(self.spent) {
            let seconds = spent.as_secs_f64();
            println!("{name:<28} {seconds:>8.2} s {:>8.1} MB/s {:>6.1} %", megabytes / seconds, 100.0 * seconds / total);
        }
        println!("{:<28} {total:>8.2} s {:>8.1} MB/s, {:.0} tokens/s", "all", megabytes / total, self.tokens as f64 / total);
        let share = |stored: u64| stored as f64 / self.bytes.max(1) as f64;
        let [bundles, outlines, shards] = self.stored.map(share);
        println!("stored for a byte of text: bundles {bundles:.3}, outlines {outlines:.3}, shards {shards:.3}");
    }
}
