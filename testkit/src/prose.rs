//! Sentences with a grammar, so that there is something to learn.

use corpus::random::SplitMix64;

const NOUNS: [&str; 12] =
    ["river", "mountain", "engine", "garden", "letter", "signal", "harbour", "window", "forest", "ledger", "witness", "market"];
const VERBS: [&str; 8] = ["carries", "follows", "measures", "remembers", "opens", "answers", "weighs", "crosses"];
const ADJECTIVES: [&str; 8] = ["quiet", "narrow", "old", "bright", "distant", "honest", "heavy", "green"];

/// So many sentences; another seed gives other ones.
pub fn prose(seed: u64, sentences: usize) -> String {
    let mut n = SplitMix64(seed);
    let mut sentence = || {
        let words = [n.pick(&ADJECTIVES), n.pick(&NOUNS), n.pick(&VERBS), n.pick(&ADJECTIVES), n.pick(&NOUNS)];
        format!("The {} {} {} the {} {}.\n", words[0], words[1], words[2], words[3], words[4])
    };
    (0..sentences).map(|_| sentence()).collect()
}
