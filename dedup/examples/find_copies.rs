//! Judges four texts in their order: an original, a copy in other case and spacing, an excerpt, and something else.
//!
//! `cargo run --release -p dedup --example find_copies`

use dedup::{DedupError, Features, Judge, Options, word_stream};

fn main() -> Result<(), DedupError> {
    let original = (1..=120).map(|n| format!("The {n}th house in the street has {} windows.", n * 7 % 11)).collect::<Vec<_>>().join(" ");
    let excerpt: String = original.chars().skip(1000).take(2000).collect();
    let other = (1..=120).map(|n| format!("Ship {n} left the harbour with {} barrels on board.", n * 5 % 13)).collect::<Vec<_>>().join(" ");
    let texts = [original.clone(), original.to_uppercase().replace(' ', "  "), excerpt, other];
    // The key is secret until an epoch is settled, so that nobody can search for edits that slip through.
    let mut judge = Judge::new(Options::new(&[[1; 32]]));
    let features = |text: &String| Features::unsigned(word_stream(text), corpus::Digest::of(text.as_bytes()).0);
    let mut documents: Vec<Features> = texts.iter().map(features).collect();
    judge.prepare(&mut documents)?;
    let named: Vec<_> = (0..).map(|number| (0, number)).zip(documents).collect();
    for (number, ruling) in judge.judge(&named)?.iter().enumerate() {
        println!("text {number}: {:?}, {} words are covered by earlier texts", ruling.decision, ruling.coverage.words);
    }
    Ok(())
}
