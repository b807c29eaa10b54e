//! Verdicts against definitions: sets compared by brute force, batches of every size, recall by the formula, templates.

mod common;

use common::*;
use dedup::{BANDS, Constants, Decision, Features, Judge, Options, SLOTS, Threshold, sign};

fn edited_copies(level: f64, pairs: usize, seed: u64) -> Vec<(Vec<u32>, Vec<u32>)> {
    let mut random = Random(seed);
    (0..pairs)
        .map(|_| {
            let words = random.words(400);
            // Each edit takes five of the shingles from both sets: J = (n - 5e) / (n + 5e).
            let shingles = 396.0;
            let edits = (shingles * (1.0 - level) / (1.0 + level) / 5.0).floor() as usize;
            let copy = edited(&words, edits, &mut random);
            (words, copy)
        })
        .collect()
}

#[test]
fn copies_name_the_earliest_kept_document() {
    let mut random = Random(1);
    let original = random.words(300);
    let other = random.words(300);
    let copy = edited(&original, 1, &mut random);
    let reformatted = Features::unsigned(original.clone(), digest(b"other case"));
    let wordless = |text: &[u8]| Features::unsigned(Vec::new(), digest(text));
    let documents = [
        of_words(original.clone()),
        of_words(original.clone()),
        reformatted,
        of_words(other.clone()),
        of_words(copy.clone()),
        of_words(copy.clone()),
        of_words([&original[100..250], &other[..200]].concat()),
        wordless(b"..."),
        wordless(b"!!!"),
        wordless(b"..."),
        of_words(original[..3].to_vec()),
        of_words(original[..3].to_vec()),
    ];
    let found = rulings(&documents, &Options::new(&[KEY]), 5);
    let (intersection, union) = jaccard(&copy, &original);
    let near = Decision::Near(0, dedup::Overlap { intersection, union });
    let expected = [
        Decision::Kept(0),
        Decision::Exact(0),
        Decision::Formatting(0),
        Decision::Kept(1),
        near.clone(),
        // Its twin was not kept: it is near the same document.
        near,
        Decision::Contained(1),
        Decision::Kept(2),
        Decision::Kept(3),
        Decision::Exact(2),
        Decision::Kept(4),
        Decision::Exact(4),
    ];
    assert_eq!(found.iter().map(|r| r.decision.clone()).collect::<Vec<_>>(), expected);
    assert_eq!((found[6].coverage.words, &found[6].coverage.by[..]), (350, &[(1, 200), (0, 150)][..]));
    assert_eq!((found[0].coverage.words, found[1].coverage.words), (0, 300));
}

#[test]
fn there_are_no_chains() {
    // Each document is near its neighbour, but the ends are far apart: only edges to kept documents count.
    let words = Random(3).words(400);
    let documents: Vec<Features> = [0, 15, 30, 45].map(|start| of_words(words[start..start + 200].to_vec())).into();
    let options = Options { spans: false, ..Options::new(&[KEY]) };
    let of: Vec<Option<u32>> = rulings(&documents, &options, 2).iter().map(|r| r.decision.of()).collect();
    assert_eq!(of, [None, Some(0), None, Some(1)]);
}

#[test]
fn every_batch_size_gives_the_same_rulings_and_they_are_true() {
    for seed in 0..4 {
        let documents = mixed(seed, 200);
        for options in [
            Options::new(&[KEY]),
            Options { spans: false, ..Options::new(&[KEY]) },
            Options { verify: false, ..Options::new(&[KEY, [7; 32]]) },
            // Word streams go to a file.
            Options { memory_bytes: 0, ..Options::new(&[KEY, [7; 32]]) },
        ] {
            let one_by_one = rulings(&documents, &options, 1);
            for batch in [2, 7, 64, 10_000] {
                assert_eq!(rulings(&documents, &options, batch), one_by_one, "seed {seed}, batches of {batch}");
            }
            let mut kept: Vec<usize> = Vec::new();
            let (mut sum_covered, mut sum_least) = (0, 0);
            for (i, ruling) in one_by_one.iter().enumerate() {
                if let Decision::Kept(ordinal) = ruling.decision {
                    assert_eq!(ordinal as usize, kept.len());
                    kept.push(i);
                }
                let other = |of: u32| &documents[kept[of as usize]];
                let own = &documents[i];
                match ruling.decision {
                    Decision::Kept(_) => {}
                    Decision::Exact(of) => assert_eq!(other(of).text_digest, own.text_digest),
                    Decision::Formatting(of) => assert!(other(of).words == own.words && other(of).text_digest != own.text_digest),
                    Decision::Near(of, overlap) if options.verify => {
                        let (intersection, union) = jaccard(&own.words, &other(of).words);
                        assert_eq!((overlap.intersection, overlap.union), (intersection, union));
                        assert!(5 * intersection >= 4 * union);
                        // No earlier kept document with a truer claim was passed over that shares a band: it would be named.
                        assert!(other(of).words != own.words);
                    }
                    Decision::Near(..) => {}
                    Decision::Contained(_) => {
                        let sum: u64 = ruling.coverage.by.iter().map(|(_, words)| words).sum();
                        assert_eq!(sum, ruling.coverage.words);
                        assert!(5 * ruling.coverage.words >= 4 * own.words.len() as u64);
                    }
                }
                // What is said to be covered is there: every covered word lies in a run of 25 that a named document has;
                // and of runs of 50 words of kept documents nothing stays uncovered, but for ends of them whose fingerprints another
                // document had first, with other words beside.
                if !matches!(ruling.decision, Decision::Exact(_) | Decision::Formatting(_)) && options.spans {
                    let in_runs = |of: &[u32], run: usize| {
                        let runs: std::collections::HashSet<&[u32]> =
                            of.iter().filter(|o| kept[**o as usize] != i).flat_map(|o| other(*o).words.windows(run)).collect();
                        let mut covered = vec![false; own.words.len()];
                        own.words
                            .windows(run)
                            .enumerate()
                            .filter(|(_, w)| runs.contains(w))
                            .for_each(|(at, _)| covered[at..at + run].fill(true));
                        covered.iter().filter(|c| **c).count() as u64
                    };
                    let named: Vec<u32> = ruling.coverage.by.iter().map(|(of, _)| *of).collect();
                    assert!(ruling.coverage.words <= in_runs(&named, 25), "seed {seed} document {i}");
                    let all: Vec<u32> = (0..kept.len() as u32).collect();
                    let (least, ends) = (in_runs(&all, 50), 24 * named.len() as u64);
                    assert!(ruling.coverage.words + ends >= least, "seed {seed} document {i}: {} of {least}", ruling.coverage.words);
                    assert!(least == 0 || ruling.coverage.words >= 25);
                    (sum_covered, sum_least) = (sum_covered + ruling.coverage.words, sum_least + least);
                }
            }
            assert!(1000 * sum_covered >= 998 * sum_least, "seed {seed}: {sum_covered} of {sum_least} words covered");
        }
    }
}

#[test]
fn recall_of_the_bands_is_that_of_the_formula() {
    for (level, seed) in [(0.95, 1), (0.9, 2), (0.8, 3)] {
        let pairs = edited_copies(level, 3000, seed);
        let (mut expected, mut found) = (0.0, 0);
        let options = Options { verify: false, spans: false, ..Options::new(&[KEY]) };
        let documents: Vec<Features> = pairs.iter().flat_map(|(a, b)| [of_words(a.clone()), of_words(b.clone())]).collect();
        for ((a, b), rulings) in pairs.iter().zip(rulings(&documents, &options, 512).chunks(2)) {
            let (intersection, union) = jaccard(a, b);
            let j = intersection as f64 / union as f64;
            assert!((j - level).abs() < 0.03);
            expected += 1.0 - (1.0 - j.powi(8)).powi(14);
            found += u32::from(rulings[1].decision.of().is_some());
        }
        let (expected, found) = (expected / pairs.len() as f64, f64::from(found) / pairs.len() as f64);
        assert!((found - expected).abs() < 0.01, "J {level}: {found:.4} found, the formula has {expected:.4}");
    }
}

#[test]
fn verification_loses_no_pair_that_reaches_the_threshold() {
    let pairs = edited_copies(0.8, 2000, 9);
    let documents: Vec<Features> = pairs.iter().flat_map(|(a, b)| [of_words(a.clone()), of_words(b.clone())]).collect();
    let with = |verify| rulings(&documents, &Options { verify, spans: false, ..Options::new(&[KEY]) }, 100);
    let (proven, unproven) = (with(true), with(false));
    let mut reached = 0;
    for (i, (a, b)) in pairs.iter().enumerate() {
        let (intersection, union) = jaccard(a, b);
        let truly = 5 * intersection >= 4 * union;
        reached += u32::from(truly);
        assert_eq!(proven[2 * i + 1].decision.of(), unproven[2 * i + 1].decision.of().filter(|_| truly), "pair {i}");
    }
    assert!(reached > 1500, "{reached} pairs reach the threshold");
}

#[test]
fn fifty_thousand_documents_of_one_template_are_not_compared_one_by_one() {
    const DOCUMENTS: usize = 50_000;
    let mut random = Random(5);
    let template = random.words(200);
    // Fields are filled in ten places: two documents share three quarters of their slots, and none is a copy of another.
    let filled = |random: &mut Random| edited(&template, 10, random);
    let mut documents: Vec<Features> = Vec::with_capacity(DOCUMENTS);
    let mut copies = Vec::new();
    for i in 0..DOCUMENTS {
        if i % 50 == 49 {
            let of = random.below(i);
            if !copies.iter().any(|(copy, _)| *copy == of) {
                let mut words = documents[of].words.clone();
                words[random.below(200)] = random.next() as u32;
                copies.push((i, of));
                documents.push(of_words(words));
                continue;
            }
        }
        documents.push(of_words(filled(&mut random)));
    }
    let sample = jaccard(&documents[0].words, &documents[1].words);
    assert!((0.5..0.75).contains(&(sample.0 as f64 / sample.1 as f64)), "two of the template share {sample:?}");
    let begun = std::time::Instant::now();
    let found = rulings(&documents, &Options { spans: false, ..Options::new(&[KEY]) }, 4096);
    println!("{DOCUMENTS} documents: {:?}", begun.elapsed());
    // It takes a second; a comparison of each with each, more than a billion, takes a quarter of an hour.
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    let kept_at: Vec<usize> = (0..DOCUMENTS).filter(|i| found[*i].decision.of().is_none()).collect();
    for (copy, of) in &copies {
        assert_eq!(found[*copy].decision.of().map(|o| kept_at[o as usize]), Some(*of), "copy {copy} of {of}");
    }
    assert_eq!(kept_at.len(), DOCUMENTS - copies.len(), "a document of the template that is no copy was removed");
}

#[test]
fn threshold_is_kept_to_by_integers() {
    let third = Threshold { numerator: 1, denominator: 3 };
    assert!(third.reached(1, 3) && !third.reached(1, 4) && third.reached(0, 0));
    assert!(third.reached(u64::MAX / 3, u64::MAX - 2));
    assert_eq!(Threshold::default().least_matches(SLOTS), 73);
}

/// The values are from `tests/reference.py`, which follows `docs/dedup.md` and shares no code.
#[test]
fn known_answers() {
    let words: Vec<u32> = (0..400).collect();
    let constants = Constants::new(&[7; 32]);
    let mut hashes = Vec::new();
    constants.shingles(&words, |h| hashes.extend_from_slice(h));
    let slots = sign(&words, &constants).unwrap();
    let few = sign(&words[..3], &constants).unwrap();
    let prints = dedup::fingerprints(&words, &constants);
    let fold = |h: u64, v: u64| (h ^ v).wrapping_mul(0x0100_0000_01b3);
    assert_eq!(
        (
            hashes[0],
            slots[..3].to_vec(),
            (0..BANDS).map(|b| dedup::band_key(&slots, b)).fold(0, fold),
            few.iter().fold(0, |h, s| fold(h, u64::from(*s))),
            prints.len(),
            prints[0].key,
            prints[0].position
        ),
        (
            16_308_503_863_155_952_190,
            vec![996_462_306, 246_199_960, 1_326_395_245],
            7_674_190_946_132_210_330,
            5_542_122_601_071_398_480,
            27,
            225_919_291_234_081,
            13
        )
    );
}

#[test]
fn kept_documents_of_earlier_epochs_are_kept_whatever_they_are_like() {
    let mut random = Random(8);
    let words = random.words(200);
    let mut twins = vec![of_words(words.clone()), of_words(edited(&words, 1, &mut random)), of_words(words)];
    let mut judge = Judge::new(Options::new(&[KEY]));
    judge.prepare(&mut twins).unwrap();
    assert_eq!(judge.keep((1, 0), &twins[0]).unwrap(), 0);
    assert_eq!(judge.keep((1, 1), &twins[1]).unwrap(), 1);
    let found = judge.judge(&[((2, 0), twins[1].clone()), ((2, 1), twins[2].clone())]).unwrap();
    assert_eq!(found.iter().map(|r| r.decision.clone()).collect::<Vec<_>>(), [Decision::Exact(1), Decision::Exact(0)]);
    assert_eq!(judge.name(1), (1, 1));
}
