//! The trainer against float64 vectors that another implementation made (`vectors/README.md`).

use std::path::PathBuf;

use kernels::{Backend, Cpu, Memory, Real};
use safetensors::SafeTensors;
use serde_json::Value;
use trainer::{Attribution, Batch, ModelConfig, Optimizer, Pricing, Rule, RunConfig, Schedule, Setup, State, StepReport, Trainer};

fn vectors(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn floats(file: &[u8], name: &str) -> Vec<f64> {
    let tensors = SafeTensors::deserialize(file).unwrap();
    let view = tensors.tensor(name).unwrap();
    view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
}

fn ints(file: &[u8], name: &str) -> Vec<i32> {
    let tensors = SafeTensors::deserialize(file).unwrap();
    let view = tensors.tensor(name).unwrap();
    view.data().chunks_exact(4).map(|b| i32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// Rows of `t` positions cut where the document changes, sorted by `bucket` of the document; and where each position was.
fn batch(tokens: &[i32], targets: &[i32], doc: &[i32], pos: &[i32], t: usize, bucket: impl Fn(i32) -> usize) -> (Batch, Vec<usize>) {
    let mut runs = Vec::new();
    for row in 0..tokens.len() / t {
        let mut start = row * t;
        for i in row * t + 1..=(row + 1) * t {
            if i == (row + 1) * t || doc[i] != doc[start] {
                runs.push((bucket(doc[start]), doc[start] as u32, start..i));
                start = i;
            }
        }
    }
    runs.sort_by_key(|(bucket, _, _)| *bucket);
    let (mut batch, mut places) = (Batch::default(), Vec::new());
    for (bucket, document, range) in runs {
        places.extend(range.clone());
        let ids: Vec<u32> = tokens[range.clone()].iter().map(|&x| x as u32).collect();
        batch.push(bucket, document, &ids, targets[range.clone()].iter().copied(), pos[range].iter().map(|&x| x as u32));
    }
    (batch, places)
}

struct Oracle {
    json: Value,
    init: Vec<u8>,
    last: Vec<u8>,
    expected: Vec<u8>,
    steps: Vec<Vec<Batch>>,
    /// Of each step and pass, the place of each position among the rows.
    places: Vec<Vec<Vec<usize>>>,
    documents: usize,
    /// The first step with a bucket a document.
    first_by_document: Vec<Batch>,
    pricing: Pricing,
}

impl Oracle {
    fn load(tag: &str) -> Oracle {
        let json: Value = serde_json::from_slice(&vectors(&format!("{tag}.json"))).unwrap();
        let data = vectors(&format!("{tag}_data.safetensors"));
        let source = ints(&data, "doc_source");
        let (tokens, targets, doc, pos) = (ints(&data, "tokens"), ints(&data, "targets"), ints(&data, "doc"), ints(&data, "pos"));
        let (t, micro) = (24, 2 * 24);
        let cut = |step: usize, bucket: &dyn Fn(i32) -> usize| {
            (0..2)
                .map(|m| {
                    let r = (step * 2 + m) * micro..(step * 2 + m + 1) * micro;
                    batch(&tokens[r.clone()], &targets[r.clone()], &doc[r.clone()], &pos[r], t, bucket)
                })
                .unzip::<_, _, Vec<_>, Vec<_>>()
        };
        let (steps, places) = (0..8).map(|step| cut(step, &|d| source[d as usize] as usize)).unzip();
        let val = |name| ints(&data, name);
        let (pricing, _) = batch(&val("val_tokens"), &val("val_targets"), &val("val_doc"), &val("val_pos"), t, |_| 0);
        Oracle {
            json,
            init: vectors(&format!("{tag}_init.safetensors")),
            last: vectors(&format!("{tag}_final.safetensors")),
            expected: vectors(&format!("{tag}_expected.safetensors")),
            steps,
            places,
            documents: source.len(),
            first_by_document: cut(0, &|d| d as usize).0,
            pricing: Pricing::new(vec![(1.0, vec![vec![pricing]])]).unwrap(),
        }
    }

    fn config(&self, rule: Rule, window: u64) -> RunConfig {
        let (c, o) = (&self.json["config"], &self.json["optimizer"]);
        let size = |k: &str| c[k].as_u64().unwrap() as usize;
        let number = |k: &str| o[k].as_f64().unwrap();
        RunConfig {
            model: ModelConfig {
                layers: size("layers"),
                channels: size("d"),
                heads: size("heads"),
                kv_heads: size("kv_heads"),
                hidden: size("ff"),
                tied: c["tied"].as_bool().unwrap(),
                context: 24,
                rope_base: c["rope_base"].as_f64().unwrap(),
                norm_eps: c["eps"].as_f64().unwrap(),
            },
            optimizer: Optimizer {
                lr: number("lr"),
                warmup_steps: o["warmup_steps"].as_u64().unwrap(),
                min_lr_ratio: number("min_lr_ratio"),
                beta1: number("beta1"),
                beta2: number("beta2"),
                eps: number("eps"),
                weight_decay: number("weight_decay"),
                clip_norm: number("clip_norm"),
                frozen: Vec::new(),
            },
            schedule: Schedule { steps: 8, rows_per_step: 4, rows_per_pass: 2 },
            // A limit that nothing exceeds: the rule under test prices every window.
            attribution: Attribution {
                rule,
                first_window: window,
                max_window: window,
                residual_limit: 1e9,
                pricing_tokens: 66,
                progress_windows: 8,
                whole_every: 1,
                max_buckets: 4,
                sketch_rank: 0,
                sketch_rows: 1,
                look_ahead: 8,
            },
            start: None,
            sampling: None,
        }
    }

    fn trainer<'a, B: Backend>(&'a self, backend: &'a B, config: &'a RunConfig) -> Trainer<'a, B> {
        let setup = Setup { vocabulary: 40, buckets: 4, steps: 8, seed: [0; 32] };
        Trainer::new(backend, config, setup, &self.pricing, |s, _| self.steps[s as usize].clone()).unwrap()
    }

    fn run<B: Backend>(&self, backend: &B, config: &RunConfig) -> (State<B>, trainer::Accounts, Vec<StepReport>) {
        let mut trainer = self.trainer(backend, config);
        let theta: Vec<f64> = trainer.layout().tensors.iter().flat_map(|t| floats(&self.init, &t.name)).collect();
        let mut state = trainer.start(&theta);
        let mut reports = Vec::new();
        while trainer.window(&mut state, &mut |r| reports.push(*r)) {}
        let accounts = trainer.accounts(&state);
        (state, accounts, reports)
    }
}

fn close(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{what}: found {found:e}, expected {expected:e}, off by {:e}, allowed {tolerance:e}",
        found - expected
    );
}

/// Losses, norms, parameters, and credit under every rule that the trainer has, by step (windows of 1) and by chord (windows of 4).
fn meets<T: Real>(tag: &str, loss_relative: f64, credit_tolerance: impl Fn(&[f64]) -> f64, weight_tolerance: f64) {
    let oracle = Oracle::load(tag);
    let cancelled = if T::NAME == "f32" { cancellation(&oracle, &oracle.steps[0], 4) } else { vec![0.0; 4] };
    let backend = Cpu::<T>::new();
    for (rule, window, credit, decay, residual) in [
        (Rule::Trapezoid, 1, "phi_bystep_source_trap", "wd_account_trap", "trap"),
        (Rule::Simpson, 1, "phi_bystep_source_simpson", "wd_account_simpson", "simpson"),
        (Rule::Trapezoid, 4, "window_phi_source_chord_trap_k4", "window_wd_chord_trap_k4", "chord_trap_k4"),
        (Rule::Simpson, 4, "window_phi_source_chord_simpson_k4", "window_wd_chord_simpson_k4", "chord_simpson_k4"),
    ] {
        let (state, accounts, reports) = oracle.run(&backend, &oracle.config(rule, window));
        for (report, expected) in reports.iter().zip(oracle.json["per_step"].as_array().unwrap()) {
            let e = |k: &str| expected[k].as_f64().unwrap();
            close("train loss", report.loss, e("train_loss"), loss_relative * e("train_loss"));
            close("gradient norm", report.grad_norm, e("grad_norm"), loss_relative * e("grad_norm"));
            close("clip factor", report.clip_factor, e("clip_factor"), loss_relative);
        }
        let loss = floats(&oracle.expected, "val_loss");
        let (phi, wd) = (floats(&oracle.expected, credit), floats(&oracle.expected, decay));
        let tolerance = credit_tolerance(&phi);
        let mut total = 0.0;
        for (i, w) in accounts.windows.iter().enumerate() {
            assert_eq!((w.rule, w.first_step, w.end_step), (rule, i as u64 * window, (i as u64 + 1) * window));
            close("held-out loss before", w.loss_before[0], loss[w.first_step as usize], loss_relative * 4.0);
            close("held-out loss after", w.loss_after[0], loss[w.end_step as usize], loss_relative * 4.0);
            for source in 0..4 {
                let first = if i == 0 { cancelled[source] } else { 0.0 };
                close(&format!("{credit} {i} {source}"), w.credit[source], phi[i * 4 + source], tolerance + first);
            }
            close(&format!("{decay} {i}"), w.decay[0], wd[i], tolerance);
            let identity = w.credit.iter().sum::<f64>() + w.decay[0] + w.residual(&accounts.parts);
            close("efficiency identity", identity, w.drop(&accounts.parts), 1e-12);
            total += w.residual(&accounts.parts);
        }
        close(
            "residual",
            total,
            oracle.json["residual"][residual].as_f64().unwrap(),
            8.0 * tolerance + loss_relative * 8.0 + cancelled.iter().sum::<f64>(),
        );
        let theta = backend.master_to_bytes(&state.theta);
        let width = theta.len() / state.theta.as_slice().len();
        assert_eq!(width, if T::NAME == "f32" { 4 } else { 8 });
        let trainer_layout = trainer::Layout::new(&oracle.config(rule, window).model, 40);
        for tensor in &trainer_layout.tensors {
            let expected = floats(&oracle.last, &tensor.name);
            for (found, expected) in state.theta.as_slice()[tensor.matrix.range()].iter().zip(expected) {
                close(&tensor.name, found.to_f64(), expected, weight_tolerance);
            }
        }
    }
}

/// What f32 rounding of the gradients can move the credit of step 0 by, of each of `count` buckets, from the float64 gradients.
///
/// AdamW's first step divides by the size of the summed gradient. In the tied vectors the sources cancel in
/// one element of `l0.w_up` to 8e-8 out of 1e-3, so a rounding of 6e-7 of the terms (ten units in the last place) moves that quotient by
/// some per cent, whatever computes it in f32. All other steps are held to the vectors' tolerance alone.
fn cancellation(oracle: &Oracle, first: &[Batch], count: usize) -> Vec<f64> {
    const ROUNDING: f64 = 6e-7;
    let backend = Cpu::<f64>::new();
    let config = oracle.config(Rule::Simpson, 1);
    let mut engine = trainer::Engine::new(&backend, &config.model, 40);
    let theta: Vec<f64> = engine.layout.tensors.iter().flat_map(|t| floats(&oracle.init, &t.name)).collect();
    let master = backend.master(&theta);
    let targets: usize = first.iter().map(Batch::target_count).sum();
    let mut gradients: Vec<_> = (0..count).map(|_| backend.gradient(theta.len())).collect();
    for batch in first {
        engine.backward(&master, batch, 1.0 / targets as f64, &mut gradients);
    }
    let mut sources: Vec<_> = (0..4).map(|_| backend.gradient(theta.len())).collect();
    for batch in &oracle.steps[0] {
        engine.backward(&master, batch, 1.0 / targets as f64, &mut sources);
    }
    let mut held_out = [backend.gradient(theta.len())];
    engine.backward(&master, &oracle.pricing.parts[0].1[0], 1.0 / 66.0, &mut held_out);
    let mut allowed = vec![0.0; count];
    for (i, held_out) in held_out[0].as_slice().iter().enumerate() {
        let terms: Vec<f64> = sources.iter().map(|g| g.as_slice()[i]).collect();
        let sum = terms.iter().sum::<f64>().abs() + 1e-8;
        let rounding = ROUNDING * terms.iter().fold(0.0f64, |m, t| m.max(t.abs()));
        // Only where the sum keeps fewer than four digits; elsewhere the common tolerance has to do.
        if rounding > 1e-4 * sum {
            for (allowed, gradient) in allowed.iter_mut().zip(&gradients) {
                *allowed += config.optimizer.lr_at(0, 8) * (held_out * gradient.as_slice()[i] / sum).abs() * rounding / sum;
            }
        }
    }
    allowed
}

#[test]
fn float64_meets_the_untied_vectors() {
    meets::<f64>("untied", 1e-10, |_| 1e-9, 1e-9);
}

#[test]
fn float64_meets_the_tied_vectors() {
    meets::<f64>("tied", 1e-10, |_| 1e-9, 1e-9);
}

/// The vectors' README: 1e-4 relative on losses, 2e-3 of the largest credit.
fn f32_credit(phi: &[f64]) -> f64 {
    2e-3 * phi.iter().fold(0.0f64, |m, x| m.max(x.abs()))
}

#[test]
fn float32_meets_the_untied_vectors() {
    meets::<f32>("untied", 1e-4, f32_credit, 1e-3);
}

#[test]
fn float32_meets_the_tied_vectors() {
    meets::<f32>("tied", 1e-4, f32_credit, 1e-3);
}

/// Credit of every document and step without estimates, and of every position, against the ghost products of the vectors.
fn documents_meet<T: Real>(tag: &str, tolerance: impl Fn(&[f64]) -> f64) {
    let oracle = Oracle::load(tag);
    let backend = Cpu::<T>::new();
    let n = oracle.documents;
    let single = T::NAME == "f32";
    let cancelled = if single { cancellation(&oracle, &oracle.first_by_document, n) } else { vec![0.0; n] };
    for (rule, window, name) in [
        (Rule::Trapezoid, 1, "trap"),
        (Rule::Simpson, 1, "simpson"),
        (Rule::Trapezoid, 4, "chord_trap_k4"),
        (Rule::Simpson, 4, "chord_simpson_k4"),
    ] {
        let config = oracle.config(rule, window);
        let mut trainer = oracle.trainer(&backend, &config);
        let theta: Vec<f64> = trainer.layout().tensors.iter().flat_map(|t| floats(&oracle.init, &t.name)).collect();
        let mut state = trainer.start(&theta);
        trainer.record_until(&mut state, u64::MAX - 1);
        let expected = floats(&oracle.expected, &format!("phi_bybatch_doc_{name}"));
        let mut found = vec![0.0; 8 * n];
        let mut by_window = vec![0.0; 8 / window as usize * 4];
        let source = ints(&vectors(&format!("{tag}_data.safetensors")), "doc_source");
        for credit in trainer.exact(0.0) {
            found[credit.step as usize * n + credit.document as usize] += credit.credit[0];
            by_window[credit.window as usize * 4 + source[credit.document as usize] as usize] += credit.credit[0];
        }
        for (i, (found, e)) in found.iter().zip(&expected).enumerate() {
            let first = if i < n { cancelled[i] } else { 0.0 };
            close(&format!("{name} step {} document {}", i / n, i % n), *found, *e, tolerance(&expected) + first);
        }
        // The buckets' own accounts come from other products: their parts of the step.
        for w in &state.windows {
            for source in 0..4 {
                close("documents of a bucket", by_window[w.index as usize * 4 + source], w.credit[source], tolerance(&w.credit));
            }
        }
        if name == "trap" {
            let expected = floats(&oracle.expected, "ghost_token_adjoint_trap");
            let mut found = vec![0.0; expected.len()];
            trainer.adjoint_passes(0.0, |step, _, (_, products)| {
                for (pass, values) in products[0].iter().enumerate() {
                    for (value, place) in values.iter().zip(&oracle.places[step as usize][pass]) {
                        found[(step as usize * 2 + pass) * 48 + place] += value;
                    }
                }
            });
            for (i, (found, e)) in found.iter().zip(&expected).enumerate() {
                // A position has no allowance of its own: where a document needs one, its positions are not compared.
                if i < 96 && cancelled.iter().any(|c| *c > 1e-4) {
                    continue;
                }
                close(&format!("position {i}"), *found, *e, tolerance(&expected));
            }
            let baselines = trainer.baselines();
            type Pick = fn(&trainer::Baseline) -> f64;
            let picks: [(&str, Pick); 3] = [("sgd_dot", |b| b.dot), ("no_momentum", |b| b.no_momentum), ("credit_at_once", |b| b.at_once)];
            for (name, pick) in picks {
                let expected = floats(&oracle.expected, &format!("phi_bybatch_doc_{name}"));
                let mut found = vec![0.0; 8 * n];
                for b in &baselines {
                    found[b.step as usize * n + b.document as usize] += pick(b);
                }
                // What step 0's preconditioner is multiplied with, of what it is multiplied with in the account.
                let factor = if name == "credit_at_once" { floats(&oracle.expected, "h")[0] / config.optimizer.lr_at(0, 8) } else { 1.0 };
                for (i, (found, e)) in found.iter().zip(&expected).enumerate() {
                    let first = if i < n { factor * cancelled[i] } else { 0.0 };
                    close(name, *found, *e, tolerance(&expected) + first);
                }
            }
        }
    }
}

#[test]
fn float64_documents_meet_the_untied_vectors() {
    documents_meet::<f64>("untied", |_| 1e-9);
}

#[test]
fn float64_documents_meet_the_tied_vectors() {
    documents_meet::<f64>("tied", |_| 1e-9);
}

#[test]
fn float32_documents_meet_the_untied_vectors() {
    documents_meet::<f32>("untied", f32_credit);
}

#[test]
fn float32_documents_meet_the_tied_vectors() {
    documents_meet::<f32>("tied", f32_credit);
}
