//! A look at a run's model: text from it, its loss on targets and files, its weights for other programs.

use std::path::Path;

use anyhow::{Context, Result};
use corpus::bundle::Bundle;
use corpus::canonical;
use kernels::Memory;
use ledger::history::{Logged, Run};
use rules::Archive;
use rules::held_out::target_corpora;
use rules::run_data::{self, Engine};
use rules::targets::Targets;
use serde_json::json;
use store::{Class, files};
use trainer::{Corpus, Document, Drawing, RunConfig, config_json, pieces_of, pricing_passes, write_weights};

use super::Place;
use super::quickstart::epoch_targets;
use crate::args::model::{Eval, Generate};
use crate::failure::{Kind, failure, usage};
use crate::output::Output;

/// A run's weights after its last progress.
struct Model {
    config: RunConfig,
    vocabulary: usize,
    theta: <Engine as Memory>::Master,
    step: u64,
}

/// The run `number`.
pub fn run_of(archive: &Archive, number: u32) -> Result<&Run> {
    Ok(archive.state.run(number)?)
}

fn load(archive: &Archive, number: u32) -> Result<Model> {
    let run = run_of(archive, number)?;
    let Logged { entry: progress, .. } =
        run.progress.last().ok_or_else(|| failure(Kind::Check, format!("run {number}: has no checkpoint in the log yet")))?;
    let config = rules::replay::config(archive, run)?;
    let data = run_data::read(archive, run.intent.entry.epoch, Some(run.intent.index), &config)?;
    let order = data.order(&config)?;
    let backend = Engine::new();
    let trainer = data.trainer(&backend, &config, &order, run.intent.entry.steps)?;
    let state = trainer.load(&backend, &archive.objects.get(Class::Sealed, &progress.checkpoint)?, &run.intent.entry.config.to_string())?;
    Ok(Model { vocabulary: data.vocabulary, config: config.clone(), theta: state.theta, step: state.step })
}

/// Text that the model goes on with after `prompt`.
pub async fn generate(place: &Place, a: Generate) -> Result<Output> {
    let home = place.open().await?;
    let archive: &Archive = &home;
    let (run, prompt) = (a.run, a.prompt.as_str());
    let model = load(archive, run)?;
    let (_, tokenizer) = rules::tokenizer::read(archive)?;
    let prompt_tokens = tokenizer.encode(prompt)?;
    if prompt_tokens.is_empty() {
        return Err(usage("generate: expected a prompt of at least one token"));
    }
    let backend = Engine::new();
    let mut engine = trainer::Engine::new(&backend, &model.config.model, model.vocabulary);
    let drawing = Drawing { temperature: a.temperature, top: a.top, seed: a.seed };
    let tokens = trainer::generate(&mut engine, &model.theta, &prompt_tokens, a.tokens, model.config.model.context, drawing);
    let text = tokenizer.decode(&tokens)?;
    Ok(Output::new(
        format!("{prompt}{text}"),
        json!({ "run": run, "step": model.step, "prompt": prompt, "text": text, "tokens": tokens.len() }),
    ))
}

/// Loss in nats a token and bits a byte, by target or of a file.
pub async fn evaluate(place: &Place, a: Eval) -> Result<Output> {
    let home = place.open().await?;
    let archive: &Archive = &home;
    let (run, file) = (a.run, a.file.as_deref());
    let model = load(archive, run)?;
    let (_, tokenizer) = rules::tokenizer::read(archive)?;
    let sets: Vec<(String, &str, Corpus)> = match file {
        Some(path) => {
            let bundle = Bundle { secret: [0; 32], first: 0, documents: epoch_targets(path)?, redaction: None };
            let documents = bundle.prepare().map(|p| {
                let ::ingest::Encoded { tokens, learned_from: first } = tokenizer.encode_document(&p.text, p.answer_at)?;
                Ok(Document::answering(tokens, [0; 32], first))
            });
            vec![(path.display().to_string(), "file", Corpus { documents: documents.collect::<Result<_>>()?, buckets: 1 })]
        }
        None => {
            let view = archive.view_of(run_of(archive, run)?);
            let Logged { entry: draw, .. } = view.epoch.draw.as_ref().context("a run's epoch is drawn")?;
            let drawn: Targets = canonical::from_slice(&archive.objects.get(Class::Public, &draw.targets)?)?;
            let policy = view.policy()?;
            target_corpora(&view.pool()?, &drawn, &policy.target_weights, |text, answer_at| {
                let encoded = tokenizer.encode_document(text, answer_at)?;
                Ok((encoded.tokens, encoded.learned_from))
            })?
            .into_iter()
            .flat_map(|t| [(t.name.clone(), "pricing", t.pricing), (t.name, "control", t.control)])
            .collect()
        }
    };
    let backend = Engine::new();
    let mut engine = trainer::Engine::new(&backend, &model.config.model, model.vocabulary);
    let context = model.config.model.context;
    let (mut rows, mut text) = (Vec::new(), String::new());
    for (name, half, set) in &sets {
        let pieces = pieces_of(set, context, usize::MAX);
        let (mut nats, mut targets, mut bytes) = (0.0, 0usize, 0usize);
        for batch in pricing_passes(set, &pieces, context, 16) {
            nats += engine.losses(&model.theta, &batch).iter().sum::<f64>();
            targets += batch.target_count();
        }
        for piece in &pieces {
            let document = &set.documents[piece.document];
            let predicted: Vec<u32> = piece.range.clone().filter(|i| document.predicts(*i)).map(|i| document.tokens[i + 1]).collect();
            bytes += tokenizer.decode(&predicted)?.len();
        }
        let (loss, bits) = (nats / targets.max(1) as f64, nats / std::f64::consts::LN_2 / bytes.max(1) as f64);
        text += &format!("{name:<24} {half:<8} {loss:8.4} nats a token  {bits:7.4} bits a byte  {targets:>9} tokens\n");
        rows.push(
            json!({ "target": name, "half": half, "nats_per_token": loss, "bits_per_byte": bits, "tokens": targets, "bytes": bytes }),
        );
    }
    Ok(Output::new(text, json!({ "run": run, "step": model.step, "targets": rows })))
}

/// Writes the model as Hugging Face Llama: weights, config, tokenizer.
pub fn export(archive: &Archive, run: u32, out: &Path) -> Result<Output> {
    let model = load(archive, run)?;
    let backend = Engine::new();
    let engine = trainer::Engine::new(&backend, &model.config.model, model.vocabulary);
    let theta: Vec<f64> = model.theta.as_slice().iter().map(|x| f64::from(*x)).collect();
    let tokenizer = archive.state.tokenizer.as_ref().context("a run has a tokenizer")?.entry.tokenizer;
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    files::write(&out.join("model.safetensors"), &write_weights(&engine.layout, &theta)?, 0o644)?;
    files::write(&out.join("config.json"), config_json(&model.config.model, model.vocabulary).as_bytes(), 0o644)?;
    let json = archive.objects.get(Class::Public, &tokenizer)?;
    files::write(&out.join("tokenizer.json"), &json, 0o644)?;
    let tokenizer_config = ::ingest::transformers_config(&json, model.config.model.context)?;
    files::write(&out.join("tokenizer_config.json"), serde_json::to_string_pretty(&tokenizer_config)?.as_bytes(), 0o644)?;
    let text = format!(
        "{}: model.safetensors, config.json, tokenizer.json, tokenizer_config.json of run {run} after step {}",
        out.display(),
        model.step
    );
    Ok(Output::new(text, json!({ "run": run, "step": model.step, "out": out.display().to_string(), "parameters": theta.len() })))
}
