//! Which tokens of a document carry its credit; an explanation, never what is paid.

use std::collections::BTreeMap;

use corpus::RunNumber;
use kernels::{Memory, OptimizerOperations};
use ledger::history::Logged;
use rules::Archive;
use rules::checkpoints::{Checkpoints, whole_before};
use rules::listener::Listener;
use rules::run_data::{self, Engine};
use serde::Serialize;
use store::Class;
use trainer::{Batch, Piece, read_documents};

use crate::error::{Context, Kind, Result, failure, usage};

/// A token, and its part of the credit.
#[derive(Clone, Debug, Serialize)]
pub struct Token {
    /// Its text.
    pub text: String,
    /// Credit in nats.
    pub nats: f64,
}

/// A document's credit in a window, by token.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The run.
    pub run: RunNumber,
    /// The document.
    pub document: String,
    /// The window in which it has most credit.
    pub window: u64,
    /// Its credit there; the tokens' parts sum to it.
    pub nats: f64,
    /// All of its tokens, in order.
    pub tokens: Vec<Token>,
}

/// Which tokens of a document carry its credit, in the window in which it has most.
///
/// The derivative of each token's loss along the preconditioned held-out gradient at the window's first parameters,
/// scaled to the document's credit in that window.
pub fn explain(archive: &Archive, run: RunNumber, document: &str, listener: &dyn Listener) -> Result<Explanation> {
    let this = archive.state.run(run)?;
    let Logged { entry: a, .. } =
        this.attribution.as_ref().ok_or_else(|| failure(Kind::Check, format!("run {run}: no attribution yet")))?;
    let rows = read_documents(&archive.objects.get(Class::Public, &a.documents)?)?;
    let mut windows: BTreeMap<u64, (f64, u64)> = BTreeMap::new();
    for row in rows.iter().filter(|r| r.document == document) {
        let window = windows.entry(row.window).or_default();
        *window = (window.0 + row.nats, window.1 + row.tokens);
    }
    let most = windows.iter().filter(|(_, (_, tokens))| *tokens > 0).max_by(|a, b| a.1.0.abs().total_cmp(&b.1.0.abs()));
    let (&window, &(nats, _)) =
        most.ok_or_else(|| usage(format!("document {document}: has no credit in run {run}; names are as in `assay attribution show`")))?;
    let config = rules::replay::config(archive, this)?;
    let data = run_data::read(archive, this.intent.entry.epoch, Some(this.intent.index), &config)?;
    let order = data.order(&config)?;
    let backend = Engine::new();
    let mut trainer = data.trainer(&backend, &config, &order, this.intent.entry.steps)?;
    let checkpoints = Checkpoints { archive, backend: &backend, order: &order, config: this.intent.entry.config };
    let mut state = match whole_before(this, &config, |p| p.windows <= window) {
        Some((_, p)) => checkpoints.state(&trainer, p)?,
        None => data.start(archive, &config, &trainer, &data.initial(archive, &config)?)?,
    };
    let bar = listener.task("steps taken again", 0);
    while (state.windows.len() as u64) < window && trainer.window(&mut state, &mut |_| bar.advance(1)) {}
    drop(bar);
    let direction = trainer.price_direction(&mut state);
    let index = data.owners.documents.iter().position(|d| d == document).context("a credited document is in the corpus")?;
    let whole = &data.corpus.documents[index];
    let pieces: Vec<Piece> = (0..whole.tokens.len())
        .step_by(config.model.context)
        .map(|start| Piece { document: index, range: start..(start + config.model.context).min(whole.tokens.len()) })
        .collect();
    let mut values = vec![0.0; whole.tokens.len()];
    let length = |v: &<Engine as Memory>::Master| v.as_slice().iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    // A step long enough to be seen in f32, short enough to be straight.
    let step = 1e-3 * length(&state.theta) / length(&direction).max(1e-30);
    let losses = |sign: f64| -> Vec<f64> {
        let mut theta = state.theta.clone();
        backend.scale_add(&mut theta, 1.0, &direction, sign * step);
        let mut engine = trainer::Engine::new(&backend, &config.model, data.vocabulary);
        pieces.iter().flat_map(|p| engine.losses(&theta, &Batch::new(&data.corpus, std::slice::from_ref(p)))).collect()
    };
    for (i, (up, down)) in losses(1.0).into_iter().zip(losses(-1.0)).enumerate() {
        // What is predicted at a position is the token after it.
        if i + 1 < values.len() {
            values[i + 1] = up - down;
        }
    }
    let sum: f64 = values.iter().sum();
    if sum != 0.0 {
        values.iter_mut().for_each(|v| *v *= nats / sum);
    }
    let (_, tokenizer) = rules::tokenizer::read(archive)?;
    let token = |(id, nats): (&u32, f64)| Ok(Token { text: tokenizer.decode(std::slice::from_ref(id))?, nats });
    let tokens = whole.tokens.iter().zip(values).map(token).collect::<Result<_>>()?;
    Ok(Explanation { run, document: document.to_string(), window, nats, tokens })
}
