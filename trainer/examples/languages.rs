//! What a tokenizer costs each language: bytes a token, and credit a byte, on a folder with one folder of text files a language.
//!
//! `cargo run --release -p trainer --example languages -- DIR [STEPS] [VOCABULARY]`; the first half of every language's files is trained on, of the rest
//! every language has a target of its own, all of one weight.

mod common;

use kernels::Cpu;
use trainer::{Order, Pricing, RunConfig, Setup, Trainer, pieces_of, pricing_batch};

fn main() {
    let dir = std::env::args().nth(1).expect("a folder with a folder a language");
    let number = |i: usize, default: usize| std::env::args().nth(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (steps, vocabulary) = (number(2, 120) as u64, number(3, 4096));
    let mut config = RunConfig::from_toml(include_str!("../../cli/src/runs/small.toml")).expect("a run");
    (config.schedule.steps, config.schedule.rows_per_step, config.attribution.sketch_rank) = (steps, 32, 0);
    let (mut sources, mut unseen) = (Vec::new(), Vec::new());
    let mut folders: Vec<_> = std::fs::read_dir(&dir).expect("the folder").flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut paths: Vec<_> = std::fs::read_dir(&folder).expect("a folder").flatten().map(|e| e.path()).collect();
        paths.sort();
        let texts: Vec<String> = paths.iter().filter_map(|p| std::fs::read_to_string(p).ok()).collect();
        let (first, second) = texts.split_at(texts.len() * 3 / 4);
        sources.push(common::Source { name: name.clone(), documents: first.to_vec() });
        unseen.push(common::Source { name, documents: second.to_vec() });
    }
    let tokenizer = common::tokenizer(&sources, vocabulary);
    let corpus = common::corpus(&sources, &tokenizer, sources.len());
    let held_out: Vec<_> = unseen.iter().map(|s| common::corpus(std::slice::from_ref(s), &tokenizer, 1)).collect();
    let targets = held_out.iter().map(|c| {
        let pieces = pieces_of(c, config.model.context, 2048);
        let half = |h: usize| vec![pricing_batch(c, &pieces.iter().skip(h).step_by(2).cloned().collect::<Vec<_>>())];
        (1.0, vec![half(0), half(1)])
    });
    let pricing = Pricing::new(targets.collect()).expect("held-out text in every language");
    let backend = Cpu::<f32>::new();
    let order = Order::new(&corpus, [1; 32], config.model.context, config.schedule.rows_per_step).expect("tokens");
    let setup = Setup { vocabulary: tokenizer.vocabulary(), buckets: sources.len(), steps, seed: [2; 32] };
    let mut trainer = Trainer::new(&backend, &config, setup, &pricing, |s, w| order.batches(s, w, 0)).expect("a run");
    let mut state = trainer.start(&trainer.layout().initial(&[3; 32]));
    while trainer.window(&mut state, &mut |_| {}) {}
    let accounts = trainer.accounts(&state);
    println!("{} steps, drop {:.3} nats, residual {:.2} %", steps, accounts.drop(), 100.0 * accounts.residual_share());
    println!(
        "{:8} {:>9} {:>12} {:>13} {:>17} {:>17} {:>20}",
        "language", "bytes", "bytes/token", "credit nats", "nats/Mtoken", "nats/MB", "own target, nats/MB"
    );
    for (bucket, source) in sources.iter().enumerate() {
        let bytes: usize = source.documents.iter().map(String::len).sum();
        let tokens: usize = corpus.documents.iter().filter(|d| d.bucket == bucket).map(|d| d.tokens.len()).sum();
        let seen: u64 = state.windows.iter().map(|w| w.tokens[bucket]).sum();
        let seen_bytes = seen as f64 * bytes as f64 / tokens as f64;
        let credit = accounts.bucket_credit(bucket);
        let parts = accounts.parts.len();
        let own: f64 = accounts
            .windows
            .iter()
            .flat_map(|w| accounts.parts.iter().enumerate().map(move |(p, part)| (part, w.credit[bucket * parts + p])))
            .filter(|(part, _)| part.target as usize == bucket)
            .map(|(part, c)| part.share * c)
            .sum();
        println!(
            "{:8} {bytes:9} {:12.2} {credit:13.4} {:17.2} {:17.2} {:20.2}",
            source.name,
            bytes as f64 / tokens as f64,
            1e6 * credit / seen as f64,
            1e6 * credit / seen_bytes,
            1e6 * own / seen_bytes
        );
    }
}
