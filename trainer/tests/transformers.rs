//! Exported parameters in `transformers`: the same logits. Says that it skipped where Python has no torch and transformers;
//! `ASSAY_PYTHON` names the Python.

use std::process::Command;

use kernels::{Cpu, Memory};
use trainer::{Batch, Engine, ModelConfig, config_json, write_parameters};

const SCRIPT: &str = r#"
import sys, torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
ids = torch.tensor([[int(t) for t in sys.argv[2].split(",")]])
with torch.no_grad():
    print("logits", ",".join(repr(float(x)) for x in model(ids).logits[0, -1]))
"#;

#[test]
fn exported_parameters_have_the_same_logits_in_transformers() {
    let python = std::env::var("ASSAY_PYTHON").unwrap_or("python3".into());
    let there = Command::new(&python).args(["-c", "import torch, transformers"]).output().is_ok_and(|o| o.status.success());
    if !there {
        skips::skip(skips::Need::Transformers, "logits of exported parameters", format!("{python} cannot import torch and transformers"));
        return;
    }
    for tied in [true, false] {
        let config =
            ModelConfig { layers: 2, channels: 24, heads: 4, kv_heads: 2, hidden: 40, tied, context: 64, rope_base: 1e4, norm_eps: 1e-5 };
        let backend = Cpu::<f32>::new();
        let mut engine = Engine::new(&backend, &config, 50);
        let theta: Vec<f64> = engine.layout.initial(&[3; 32]).iter().map(|x| if *x == 1.0 { 1.1 } else { 8.0 * x }).collect();
        let tokens: Vec<u32> = (0..33).map(|i| i * 7 % 50).collect();
        let mut batch = Batch::default();
        batch.push(0, 0, &tokens, tokens.iter().map(|_| -1), 0..33);
        let found = engine.last_logits(&backend.master(&theta), &batch);
        let dir = std::env::temp_dir().join(format!("assay-transformers-{}-{tied}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("model.safetensors"), write_parameters(&engine.layout, &theta).unwrap()).unwrap();
        std::fs::write(dir.join("config.json"), config_json(&config, 50)).unwrap();
        let ids: Vec<String> = tokens.iter().map(ToString::to_string).collect();
        let output = Command::new(&python).args(["-c", SCRIPT, dir.to_str().unwrap(), &ids.join(",")]).output().unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line =
            text.lines().find_map(|l| l.strip_prefix("logits ")).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let expected: Vec<f64> = line.split(',').map(|x| x.parse().unwrap()).collect();
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() < 2e-5 * largest, "tied {tied}: {a}, transformers has {b}");
        }
    }
}
