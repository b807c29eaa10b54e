//! Weighted training: tokens to the held-out loss that plain sampling ends with.
//!
//! `cargo run --release -p trainer --example weighted -- [useless|good] [STEPS] [SEEDS]`
//!
//! Schemes: uniform (every token equally often), stratified (Rust, prose and others equally), gradient-dot online,
//! attribution online, pilot then fixed (a quarter of the steps with uniform sampling, then weights from its credit, from the start).

mod common;

use kernels::Cpu;
use trainer::{Batch, Corpus, Order, Pricing, RunConfig, Setup, Trainer, Weights, fixed, multiply};

const FLOOR: f64 = 0.05;
const CAP: f64 = 4.0;

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
    // Shorter windows, since online weights change with each.
    (config.attribution.first_window, config.attribution.max_window, config.attribution.residual_limit) = (4, 10, 0.02);
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

/// Loss of the control documents, which no weight ever saw, by tokens; and each source's share of the tokens drawn.
struct Curve {
    points: Vec<(u64, f64)>,
    drawn: Vec<f64>,
    weights: Vec<f64>,
    credit: (Vec<f64>, Vec<u64>),
}

impl World {
    fn corpus_tokens(&self) -> Vec<u64> {
        let mut tokens = vec![0; self.corpus.buckets];
        self.corpus.documents.iter().for_each(|d| tokens[d.bucket] += d.tokens.len() as u64);
        tokens
    }

    fn run(&self, scheme: Scheme, seed: u64, steps: u64, begin: Option<Vec<f64>>) -> Curve {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let backend = Cpu::<f32>::new();
        let order = Order::new(&self.corpus, key, self.config.model.context, self.config.schedule.rows_per_step).expect("tokens");
        let corpus_tokens = self.corpus_tokens();
        let mut weights = begin.unwrap_or_else(|| vec![1.0; self.corpus.buckets]);
        if scheme == Scheme::Stratified {
            let mut sums = [0u64; 3];
            corpus_tokens.iter().zip(&self.strata).for_each(|(t, s)| sums[*s] += t);
            let all: u64 = sums.iter().sum();
            weights = self.strata.iter().map(|s| all as f64 / 3.0 / sums[*s] as f64).collect();
        }
        let weigh = |from_step: u64, weights: &[f64]| {
            let by_document = self.corpus.documents.iter().map(|d| weights[d.bucket]).collect();
            order.weigh(Weights { from_step, by_document }).expect("weights");
        };
        weigh(0, &weights);
        let setup = Setup { vocabulary: self.vocabulary, buckets: self.corpus.buckets, steps, seed: key };
        let mut trainer = Trainer::new(&backend, &self.config, setup, &self.pricing, |s| order.batches(s, 0)).expect("a run");
        let mut state = trainer.start(&trainer.layout().initial(&key));
        let mut curve = Curve {
            points: vec![(0, trainer.loss(&state, &self.control))],
            drawn: vec![0.0; self.corpus.buckets],
            weights: Vec::new(),
            credit: (Vec::new(), Vec::new()),
        };
        let online = matches!(scheme, Scheme::DotOnline | Scheme::AttributionOnline);
        let mut seen = 0;
        while state.step < steps {
            if scheme == Scheme::DotOnline {
                trainer.record();
            }
            trainer.window(&mut state, &mut |r| seen += r.tokens);
            let window = state.windows.last().expect("a window").clone();
            window.tokens.iter().zip(&mut curve.drawn).for_each(|(t, d)| *d += *t as f64);
            curve.points.push((seen, trainer.loss(&state, &self.control)));
            if online {
                let parts = trainer.accounts(&state).parts;
                let credit: Vec<f64> = if scheme == Scheme::DotOnline {
                    let mut dots = vec![0.0; self.corpus.buckets];
                    trainer.baselines().iter().for_each(|b| dots[self.corpus.documents[b.document as usize].bucket] += b.dot);
                    dots
                } else {
                    (0..self.corpus.buckets).map(|b| window.bucket_credit(b, &parts)).collect()
                };
                weights = multiply(&weights, &credit, &window.tokens, &corpus_tokens, 0.3, FLOOR, CAP);
                weigh(state.step, &weights);
            }
        }
        let accounts = trainer.accounts(&state);
        curve.credit.0 = (0..self.corpus.buckets).map(|b| accounts.bucket_credit(b)).collect();
        curve.credit.1 = (0..self.corpus.buckets).map(|b| state.windows.iter().map(|w| w.tokens[b]).sum()).collect();
        let all: f64 = curve.drawn.iter().sum();
        curve.drawn.iter_mut().for_each(|d| *d /= all);
        curve.weights = weights;
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
                    let weights = fixed(&pilot.credit.0, &pilot.credit.1, FLOOR, CAP);
                    (world.run(scheme, seed, steps, Some(weights)), pilot.points.last().expect("points").0 as f64)
                }
                _ => (world.run(scheme, seed, steps, None), 0.0),
            };
            let reached = tokens_to(&curve.points, goal);
            let percent = |tokens: Option<f64>| tokens.map_or("never".into(), |t| format!("{:.0} %", 100.0 * t / all as f64));
            let last = curve.points.last().expect("points").1;
            println!("{name:22} {seed:>5} {last:10.4} {:>18} {:>18}", percent(reached), percent(reached.map(|t| t + pilot)));
            let show = |v: &[f64]| v.iter().map(|x| format!("{x:.2}")).collect::<Vec<_>>().join(" ");
            println!("    drawn {}\n    weights {}", show(&curve.drawn), show(&curve.weights));
        }
    }
}
