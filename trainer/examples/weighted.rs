//! Weighted training: tokens to the held-out loss that plain sampling ends with.
//!
//! `cargo run --release -p trainer --example weighted -- [useless|good] [STEPS] [SEEDS]`
//!
//! Schemes: uniform (every token equally often), stratified (Rust, prose and others equally), gradient-dot online,
//! attribution online, pilot then fixed (a quarter of the steps with uniform sampling, then shares from its credit, from the start).

mod common;

use kernels::Cpu;
use trainer::{Batch, Corpus, Earned, Online, Order, Pricing, RunConfig, Setup, ShareRule, Shares, Trainer};

const FLOOR: f64 = 0.05;
const CAP: f64 = 4.0;
const RATE: f64 = 0.3;

struct World {
    config: RunConfig,
    corpus: Corpus,
    strata: Vec<usize>,
    pricing: Pricing,
    control: Vec<Batch>,
    vocabulary: usize,
}

fn world(useless: bool) -> World {
    let mut config = RunConfig::from_toml(common::SMALL_RUN).expect("a run");
    // Shorter windows, since online shares change with each.
    (config.attribution.first_window, config.attribution.max_window, config.attribution.residual_limit) = (4, 10, 0.02);
    // A source has a bucket of its own, so its documents' estimates add up to its exact credit, however rough they are.
    config.attribution.sketch_rank = 1;
    let rust = common::crates(6 + 4, 60_000, 100_000);
    let (unseen, rust) = rust.split_at(4);
    let prose = common::kind("prose", &["md"], &[], 4, 100_000);
    let (unseen_prose, prose) = prose.split_at(2);
    let c = common::kind("c", &["c", "h"], &["zstd-sys"], 2, 100_000);
    let mut sources: Vec<&common::Source> = rust.iter().chain(prose).chain(&c).collect();
    let good = sources.len();
    // Two useless sources, as large as all others together: those whose words are shuffled below.
    let bindings = common::kind("bindings", &["rs"], &["libc-", "linux-raw-sys"], 2, 500_000);
    if useless {
        sources.extend(&bindings);
    }
    let tokenizer = common::tokenizer(&sources, 1024);
    let mut corpus = common::corpus(&sources, &tokenizer, sources.len());
    corpus.documents.iter_mut().for_each(|d| d.group = d.bucket);
    let mut state = 12345u64;
    for d in corpus.documents.iter_mut().filter(|d| d.bucket >= good) {
        for i in (1..d.tokens.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            d.tokens.swap(i, (state >> 33) as usize % (i + 1));
        }
    }
    let strata = (0..sources.len())
        .map(|i| {
            if i < 6 {
                0
            } else if i < 8 {
                1
            } else {
                2
            }
        })
        .collect();
    let half = |rust: &[common::Source], prose: &common::Source| {
        let all: Vec<&common::Source> = rust.iter().chain([prose]).collect();
        common::corpus(&all, &tokenizer, 1)
    };
    let pricing = common::pricing(&half(&unseen[..2], &unseen_prose[0]), &config);
    let control = common::halves(&half(&unseen[2..], &unseen_prose[1]), &config);
    World { config, corpus, strata, pricing, control, vocabulary: tokenizer.vocabulary() }
}

#[derive(Clone, Copy, PartialEq)]
enum Scheme {
    Uniform,
    Stratified,
    DotOnline,
    AttributionOnline,
    Pilot,
}

/// Loss of the control documents, which no weight ever saw, by tokens; and each source's share of the tokens sampled.
struct Curve {
    points: Vec<(u64, f64)>,
    sampled: Vec<f64>,
    shares: Vec<u64>,
    earned: Vec<Earned>,
}

impl World {
    fn rule(&self) -> ShareRule {
        ShareRule::new(&self.corpus, &vec![FLOOR; self.corpus.buckets], CAP).expect("a rule")
    }

    fn run(&self, scheme: Scheme, seed: u64, steps: u64, begin: Option<Vec<u64>>) -> Curve {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let backend = Cpu::<f32>::new();
        let order = Order::new(&self.corpus, key, self.config.model.context, self.config.schedule.rows_per_step).expect("tokens");
        let rule = self.rule();
        let mut shares = begin;
        if scheme == Scheme::Stratified {
            let tokens = self.corpus.group_tokens();
            let mut sums = [0u64; 3];
            tokens.iter().zip(&self.strata).for_each(|(t, s)| sums[*s] += t);
            let all: u64 = sums.iter().sum();
            shares = Some(self.strata.iter().map(|s| all * 1_000_000 / 3 / sums[*s]).collect());
        }
        let setup = Setup { vocabulary: self.vocabulary, buckets: self.corpus.buckets, steps, seed: key };
        let mut trainer = Trainer::new(&backend, &self.config, setup, &self.pricing, |s, w| order.batches(s, w, 0)).expect("a run");
        if scheme == Scheme::AttributionOnline {
            trainer.follow(Online::new(&self.corpus, rule.clone(), RATE, 1)).expect("credit by document");
        }
        let mut state = trainer.start(&trainer.layout().initial(&key));
        state.shares.extend(shares.map(|ppm| Shares { from_step: 0, ppm }));
        let mut curve = Curve {
            points: vec![(0, trainer.loss(&state, &self.control))],
            sampled: vec![0.0; self.corpus.buckets],
            shares: Vec::new(),
            earned: Vec::new(),
        };
        let mut seen = 0;
        while state.step < steps {
            if scheme == Scheme::DotOnline {
                trainer.record();
            }
            trainer.window(&mut state, &mut |r| seen += r.tokens);
            let window = state.windows.last().expect("a window").clone();
            window.tokens.iter().zip(&mut curve.sampled).for_each(|(t, d)| *d += *t as f64);
            curve.points.push((seen, trainer.loss(&state, &self.control)));
            state.rows.clear();
            if scheme == Scheme::DotOnline {
                let mut earned: Vec<Earned> = window.tokens.iter().map(|&tokens| Earned { nats: 0.0, tokens }).collect();
                trainer.baselines().iter().for_each(|b| earned[self.corpus.documents[b.document as usize].group].nats += b.dot);
                let equal = vec![1_000_000; self.corpus.buckets];
                let ppm = rule.multiplied(state.shares.last().map_or(&equal, |w| &w.ppm), &earned, RATE);
                state.shares.push(Shares { from_step: state.step, ppm });
            }
        }
        let accounts = trainer.accounts(&state);
        let tokens = |b: usize| state.windows.iter().map(|w| w.tokens[b]).sum();
        curve.earned = (0..self.corpus.buckets).map(|b| Earned { nats: accounts.bucket_credit(b), tokens: tokens(b) }).collect();
        let all: f64 = curve.sampled.iter().sum();
        curve.sampled.iter_mut().for_each(|d| *d /= all);
        curve.shares = state.shares.last().map_or_else(Vec::new, |w| w.ppm.clone());
        curve
    }
}

/// Tokens at which a curve first is at `loss`, between its points; none if it never is.
fn tokens_to(curve: &[(u64, f64)], loss: f64) -> Option<f64> {
    let at = curve.windows(2).find(|w| w[1].1 <= loss)?;
    let (a, b) = (at[0], at[1]);
    Some(a.0 as f64 + (b.0 - a.0) as f64 * ((a.1 - loss) / (a.1 - b.1)).clamp(0.0, 1.0))
}

fn main() {
    let mix = std::env::args().nth(1).unwrap_or("useless".into());
    let number = |i: usize, default: u64| std::env::args().nth(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (steps, seeds) = (number(2, 200), number(3, 3));
    let world = world(mix == "useless");
    let pilot_steps = steps / 4;
    println!("{mix} mix: {} sources, {} tokens, {steps} steps of {} tokens", world.corpus.buckets, world.corpus.tokens(), 64 * 64);
    println!("{:22} {:>5} {:>10} {:>18} {:>18}", "scheme", "seed", "final loss", "tokens to uniform's", "with its pilot");
    for seed in 0..seeds {
        let uniform = world.run(Scheme::Uniform, seed, steps, None);
        let (all, goal) = *uniform.points.last().expect("points");
        for (name, scheme) in [
            ("uniform", Scheme::Uniform),
            ("stratified", Scheme::Stratified),
            ("gradient-dot online", Scheme::DotOnline),
            ("attribution online", Scheme::AttributionOnline),
            ("pilot then fixed", Scheme::Pilot),
        ] {
            let (curve, pilot) = match scheme {
                Scheme::Uniform => (world.run(scheme, seed, steps, None), 0.0),
                Scheme::Pilot => {
                    let pilot = world.run(Scheme::Uniform, seed + 100, pilot_steps, None);
                    (world.run(scheme, seed, steps, Some(world.rule().fixed(&pilot.earned))), pilot.points.last().expect("points").0 as f64)
                }
                _ => (world.run(scheme, seed, steps, None), 0.0),
            };
            let reached = tokens_to(&curve.points, goal);
            let percent = |tokens: Option<f64>| tokens.map_or("never".into(), |t| format!("{:.0} %", 100.0 * t / all as f64));
            let last = curve.points.last().expect("points").1;
            println!("{name:22} {seed:>5} {last:10.4} {:>18} {:>18}", percent(reached), percent(reached.map(|t| t + pilot)));
            let show = |v: &[f64]| v.iter().map(|x| format!("{x:.2}")).collect::<Vec<_>>().join(" ");
            let shares: Vec<f64> = curve.shares.iter().map(|w| *w as f64 / 1e6).collect();
            println!("    sampled {}\n    shares {}", show(&curve.sampled), show(&shares));
        }
    }
}
