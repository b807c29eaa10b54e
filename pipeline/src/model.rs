//! A run's model: text from it, its loss on targets and files, its parameters for other programs, and others' parameters to start from.

use std::path::Path;

use corpus::bundle::{Bundle, Submitted};
use corpus::{Digest, RunNumber, canonical};
use kernels::Memory;
use ledger::history::Logged;
use rules::Archive;
use rules::checkpoints::Checkpoints;
use rules::held_out::target_corpora;
use rules::run_data::{self, Engine};
use rules::targets::Targets;
use serde::Serialize;
use store::{Class, files};
use trainer::{
    Corpus, Decoding, Document, Parameters, RunConfig, Start, config_json, pieces_of, pricing_passes, read_config, write_parameters,
};

use crate::error::{Context, Kind, Result, failure, usage};

/// A run's parameters after its last progress.
struct Model {
    config: RunConfig,
    vocabulary: usize,
    theta: <Engine as Memory>::Master,
    step: u64,
}

fn load(archive: &Archive, number: RunNumber) -> Result<Model> {
    let run = archive.state.run(number)?;
    let Logged { entry: progress, .. } =
        run.progress.last().ok_or_else(|| failure(Kind::Check, format!("run {number}: has no checkpoint in the log yet")))?;
    let config = rules::replay::config(archive, run)?;
    let data = run_data::read(archive, run.intent.entry.epoch, Some(run.intent.index), &config)?;
    let order = data.order(&config)?;
    let backend = Engine::new();
    let trainer = data.trainer(&backend, &config, &order, run.intent.entry.steps)?;
    let checkpoints = Checkpoints { archive, backend: &backend, order: &order, config: run.intent.entry.config };
    let Parameters { theta, step, .. } = checkpoints.parameters(&trainer, progress)?;
    Ok(Model { vocabulary: data.vocabulary, config: config.clone(), theta, step })
}

/// Text that a model went on with.
#[derive(Clone, Debug, Serialize)]
pub struct Generated {
    /// The run.
    pub run: RunNumber,
    /// After which step.
    pub step: u64,
    /// What the text begins with.
    pub prompt: String,
    /// What follows.
    pub text: String,
    /// Tokens of it.
    pub tokens: usize,
}

/// At most `count` tokens that the model of a run goes on with after `prompt`.
pub fn generate(archive: &Archive, run: RunNumber, prompt: &str, count: usize, decoding: Decoding) -> Result<Generated> {
    let model = load(archive, run)?;
    let (_, tokenizer) = rules::tokenizer::read(archive)?;
    let prompt_tokens = tokenizer.encode(prompt)?;
    if prompt_tokens.is_empty() {
        return Err(usage("generate: expected a prompt of at least one token"));
    }
    let backend = Engine::new();
    let mut engine = trainer::Engine::new(&backend, &model.config.model, model.vocabulary);
    let tokens = trainer::generate(&mut engine, &model.theta, &prompt_tokens, count, model.config.model.context, decoding);
    Ok(Generated { run, step: model.step, prompt: prompt.to_string(), text: tokenizer.decode(&tokens)?, tokens: tokens.len() })
}

/// A model's loss on some documents.
#[derive(Clone, Debug, Serialize)]
pub struct Loss {
    /// The target, or the file.
    pub target: String,
    /// `pricing`, `control` or `file`.
    pub half: &'static str,
    /// Loss in nats a token.
    pub nats_per_token: f64,
    /// The same in bits a byte of the tokens' text.
    pub bits_per_byte: f64,
    /// Tokens that are predicted.
    pub tokens: usize,
    /// Bytes of their text.
    pub bytes: usize,
}

/// A model's losses.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// The run.
    pub run: RunNumber,
    /// After which step.
    pub step: u64,
    /// By target and half, or of a file.
    pub targets: Vec<Loss>,
}

/// Losses of a run's model on its epoch's targets, or on the documents of a file, which is named.
pub fn evaluate(archive: &Archive, run: RunNumber, file: Option<(String, Vec<Submitted>)>) -> Result<Evaluation> {
    let model = load(archive, run)?;
    let (_, tokenizer) = rules::tokenizer::read(archive)?;
    let sets: Vec<(String, &str, Corpus)> = match file {
        Some((name, documents)) => {
            let bundle = Bundle { secret: [0; 32], first: 0, documents, redaction: None };
            let documents = bundle.prepare().map(|p| {
                let ingest::Encoded { tokens, learned_from: first } = tokenizer.encode_document(&p.text, p.answer_at)?;
                Ok(Document::answering(tokens, [0; 32], first))
            });
            vec![(name, "file", Corpus { documents: documents.collect::<Result<_>>()?, buckets: 1 })]
        }
        None => {
            let view = archive.view_of(archive.state.run(run)?);
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
    let mut targets = Vec::new();
    for (target, half, set) in sets {
        let pieces = pieces_of(&set, context, usize::MAX);
        let (mut nats, mut tokens, mut bytes) = (0.0, 0usize, 0usize);
        for batch in pricing_passes(&set, &pieces, context, 16) {
            nats += engine.losses(&model.theta, &batch).iter().sum::<f64>();
            tokens += batch.target_count();
        }
        for piece in &pieces {
            let document = &set.documents[piece.document];
            let predicted: Vec<u32> = piece.range.clone().filter(|i| document.predicts(*i)).map(|i| document.tokens[i + 1]).collect();
            bytes += tokenizer.decode(&predicted)?.len();
        }
        let (nats_per_token, bits_per_byte) = (nats / tokens.max(1) as f64, nats / std::f64::consts::LN_2 / bytes.max(1) as f64);
        targets.push(Loss { target, half, nats_per_token, bits_per_byte, tokens, bytes });
    }
    Ok(Evaluation { run, step: model.step, targets })
}

/// A model that was written.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// The run.
    pub run: RunNumber,
    /// After which step.
    pub step: u64,
    /// The folder.
    pub out: String,
    /// Its parameters.
    pub parameters: usize,
}

/// Writes the model as Hugging Face Llama: parameters, config, tokenizer.
pub fn export(archive: &Archive, run: RunNumber, out: &Path) -> Result<Written> {
    let model = load(archive, run)?;
    let backend = Engine::new();
    let engine = trainer::Engine::new(&backend, &model.config.model, model.vocabulary);
    let theta: Vec<f64> = model.theta.as_slice().iter().map(|x| f64::from(*x)).collect();
    let tokenizer = archive.state.tokenizer.as_ref().context("a run has a tokenizer")?.entry.tokenizer;
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    files::write(&out.join("model.safetensors"), &write_parameters(&engine.layout, &theta)?, 0o644)?;
    files::write(&out.join("config.json"), config_json(&model.config.model, model.vocabulary).as_bytes(), 0o644)?;
    let json = archive.objects.get(Class::Public, &tokenizer)?;
    files::write(&out.join("tokenizer.json"), &json, 0o644)?;
    let tokenizer_config = ingest::transformers_config(&json, model.config.model.context)?;
    files::write(&out.join("tokenizer_config.json"), serde_json::to_string_pretty(&tokenizer_config)?.as_bytes(), 0o644)?;
    Ok(Written { run, step: model.step, out: out.display().to_string(), parameters: theta.len() })
}

/// Gives a folder's parameters to `put`, which keeps them, and names them in the run's config, whose sizes have to be theirs.
pub fn start_from(put: impl FnOnce(&[u8]) -> Result<Digest>, dir: &Path, config: &mut RunConfig) -> Result<()> {
    let text = String::from_utf8_lossy(&files::read(&dir.join("config.json"))?).into_owned();
    let (mut sizes, _) = read_config(&text)?;
    // Rows may be shorter than the longest that the model was made for.
    sizes.context = config.model.context;
    if sizes != config.model {
        return Err(usage(format!("{}: the model is {sizes:?}, RUN.toml says {:?}", dir.display(), config.model)));
    }
    let bytes = files::read(&dir.join("model.safetensors"))?;
    let digest = Digest::of(&bytes).to_string();
    if let Some(start) = config.start.as_ref().filter(|s| s.parameters != digest) {
        return Err(usage(format!("{}: parameters {digest}, RUN.toml says {}", dir.display(), start.parameters)));
    }
    put(&bytes)?;
    config.start = Some(Start { parameters: digest });
    Ok(())
}
