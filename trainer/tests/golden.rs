//! The engine and the optimizer against PyTorch (`golden/generate.py`): loss, all gradients, parameters after ten steps.

use kernels::{Cpu, Memory, Real};
use safetensors::SafeTensors;
use trainer::{Attribution, Batch, Engine, ModelConfig, Optimizer, Pricing, Rule, RunConfig, Schedule, Setup, Trainer};

const VOCABULARY: usize = 29;
/// Lengths of the runs of a step's passes, as in `generate.py`.
const RUNS: [&[usize]; 2] = [&[17, 5, 9, 1], &[3, 12, 1]];

fn config(tied: bool) -> RunConfig {
    RunConfig {
        model: ModelConfig {
            layers: 2,
            channels: 18,
            heads: 3,
            kv_heads: 1,
            hidden: 14,
            tied,
            context: 17,
            rope_base: 1e4,
            norm_eps: 1e-5,
        },
        optimizer: Optimizer {
            lr: 5e-3,
            warmup_steps: 3,
            min_lr_ratio: 0.1,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.1,
            clip_norm: 0.4,
            frozen: Vec::new(),
        },
        schedule: Schedule { steps: 10, rows_per_step: 4, rows_per_pass: 2 },
        attribution: Attribution {
            rule: Rule::Trapezoid,
            first_window: 10,
            max_window: 10,
            residual_limit: 1e9,
            pricing_tokens: 4,
            progress_windows: 1,
            whole_every: 1,
            max_buckets: 4,
            sketch_rank: 0,
            sketch_rows: 1,
            look_ahead: 1,
        },
        start: None,
        sampling: None,
    }
}

struct Golden(Vec<u8>);

impl Golden {
    fn load(tag: &str) -> Golden {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{tag}.safetensors"));
        Golden(std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }

    fn floats(&self, name: &str) -> Vec<f64> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        tensors.tensor(name).unwrap().data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
    }

    /// The passes of every step; documents of a pass are dealt to four buckets.
    fn steps(&self) -> Vec<Vec<Batch>> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let data = tensors.tensor("data").unwrap();
        let mut data = data.data().chunks_exact(4).map(|b| i32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>().into_iter();
        let mut take = |n: usize| -> Vec<i32> { data.by_ref().take(n).collect() };
        (0..10)
            .map(|_| {
                RUNS.iter()
                    .map(|runs| {
                        let n = runs.iter().sum();
                        let (tokens, targets, _, positions) = (take(n), take(n), take(n), take(n));
                        let (mut batch, mut start) = (Batch::default(), 0);
                        for (i, length) in runs.iter().enumerate() {
                            let range = start..start + length;
                            let ids: Vec<u32> = tokens[range.clone()].iter().map(|t| *t as u32).collect();
                            let positions = positions[range.clone()].iter().map(|p| *p as u32);
                            batch.push(i, i as u32, &ids, targets[range.clone()].iter().copied(), positions);
                            start = range.end;
                        }
                        batch
                    })
                    .collect()
            })
            .collect()
    }
}

/// `loss` and `gradient` are relative to the largest of each array, `update` to the length of the whole update.
fn meets<T: Real>(tag: &str, loss: f64, gradient: f64, update: f64) {
    let golden = Golden::load(tag);
    let config = config(tag == "tied");
    let backend = Cpu::<T>::new();
    let steps = golden.steps();
    let mut engine = Engine::new(&backend, &config.model, VOCABULARY);
    let tensors = engine.layout.tensors.clone();
    let values = |kind: &str| -> Vec<f64> { tensors.iter().flat_map(|t| golden.floats(&format!("{kind}.{}", t.name))).collect() };
    let (initial, last) = (values("init"), values("final"));
    let theta = backend.master(&initial);
    let targets: usize = steps[0].iter().map(Batch::target_count).sum();
    let mut gradients: Vec<_> = (0..4).map(|_| backend.gradient(initial.len())).collect();
    for batch in &steps[0] {
        engine.backward(&theta, batch, 1.0 / targets as f64, &mut gradients);
    }
    for tensor in &tensors {
        let expected = golden.floats(&format!("grad.{}", tensor.name));
        let largest = expected.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        for (i, e) in tensor.matrix.range().zip(&expected) {
            let found: f64 = gradients.iter().map(|g| g.as_slice()[i].to_f64()).sum();
            assert!((found - e).abs() <= gradient * largest, "{} [{i}]: {found:e}, PyTorch has {e:e}", tensor.name);
        }
    }
    // The pricing tokens play no part here; any will do.
    let pricing = Pricing::new(vec![(1.0, vec![vec![steps[0][0].clone()]])]).unwrap();
    let setup = Setup { vocabulary: VOCABULARY, buckets: 4, steps: 10, seed: [0; 32] };
    let mut trainer = Trainer::new(&backend, &config, setup, &pricing, |s, _| steps[s as usize].clone()).unwrap();
    let mut state = trainer.start(&initial);
    for (e, norm) in golden.floats("losses").iter().zip(golden.floats("norms")) {
        let report = trainer.step(&mut state);
        assert!((report.loss - e).abs() <= loss * e, "step {}: loss {}, PyTorch has {e}", report.step, report.loss);
        assert!(
            (report.grad_norm - norm).abs() <= 10.0 * loss * norm,
            "step {}: norm {}, PyTorch has {norm}",
            report.step,
            report.grad_norm
        );
    }
    let (mut off, mut length) = (0.0, 0.0);
    for ((found, e), start) in state.theta.as_slice().iter().zip(&last).zip(&initial) {
        off += (found.to_f64() - e).powi(2);
        length += (e - start).powi(2);
    }
    let off = (off / length).sqrt();
    assert!(off <= update, "parameters after ten steps: off by {off:e} of the update");
}

#[test]
fn float64_is_pytorch_s() {
    meets::<f64>("tied", 1e-9, 1e-9, 1e-9);
    meets::<f64>("untied", 1e-9, 1e-9, 1e-9);
}

#[test]
fn float32_is_pytorch_s_but_for_rounding() {
    meets::<f32>("tied", 1e-5, 1e-5, 1e-2);
    meets::<f32>("untied", 1e-5, 1e-5, 1e-2);
}
