//! A run: intent, steps, progress, close, attribution. Killed and started again, it goes on from its last progress.

use std::sync::LazyLock;
use std::time::Instant;

use anyhow::{Context, Result};
use corpus::shard::Shard;
use corpus::{ContributorId, Digest, canonical};
use indicatif::{ProgressBar, ProgressStyle};
use kernels::{Backend, Cpu};
use ledger::entry::{Attribution, RunClose, RunIntent, RunProgress};
use ledger::history::Run;
use store::Class;
use trainer::{
    Accounts, Batch, Corpus, Document, Layout, Order, Pricing, RunConfig, State, Trainer, credit_rows, write_credit, write_windows,
};

use crate::failure::{Kind, failure, usage};
use crate::home::{Archive, Home};
use crate::rules::{Targets, control_batch, nano, pricing_halves, target_corpus};
use crate::stages::{epoch, ingest};

/// The backend of this program on a machine without an accelerator.
pub type Engine = Cpu<f32>;

/// What a run reads: documents by bucket, held-out halves, control.
pub struct RunData {
    /// Documents of all shards.
    pub corpus: Corpus,
    /// Whose bucket is which: contributors with accepted documents, by id.
    pub buckets: Vec<ContributorId>,
    /// What prices.
    pub pricing: Pricing,
    /// What only controls.
    pub control: Batch,
    /// Size of the vocabulary.
    pub vocabulary: usize,
    /// The run's seed.
    pub seed: Digest,
}

/// The digest of this program's file.
static BUILD: LazyLock<Digest> =
    LazyLock::new(|| std::env::current_exe().and_then(std::fs::read).map_or(Digest::default(), |bytes| Digest::of(&bytes)));

/// Reads what a run of `epoch` reads.
pub fn data(archive: &Archive, number: u32, config: &RunConfig) -> Result<RunData> {
    let epoch = epoch::find(archive, Some(number))?;
    let (_, draw) = epoch.draw.as_ref().ok_or_else(|| failure(Kind::Check, format!("epoch {number}: not closed yet")))?;
    let buckets = epoch.buckets();
    let mut corpus = Corpus { documents: Vec::new(), buckets: buckets.len() };
    for (at, entry) in epoch.submissions.iter().filter_map(|s| s.shard.as_ref()) {
        let shard = Shard::decode(&archive.objects.get(Class::Sealed, &entry.file)?).with_context(|| format!("shard of entry {at}"))?;
        let bucket = buckets.binary_search(&entry.contributor).expect("collected above");
        corpus.documents.extend(shard.documents.into_iter().map(|d| Document { tokens: d.tokens, key: d.commitment.0, bucket }));
    }
    let (_, tokenizer) = ingest::tokenizer(archive)?;
    let pool = epoch::pool(archive, epoch)?;
    let targets: Targets = canonical::from_slice(&archive.objects.get(Class::Public, &draw.targets)?)?;
    let encode = |text: &str| Ok(tokenizer.encode(text)?);
    let (pricing, control) = (target_corpus(&pool, &targets.pricing, encode)?, target_corpus(&pool, &targets.control, encode)?);
    for corpus in [&corpus, &pricing, &control] {
        corpus.check(tokenizer.vocabulary())?;
    }
    let pricing = pricing_halves(&pricing, config).context("pricing targets")?;
    let control = control_batch(&control, config);
    Ok(RunData { corpus, buckets, pricing, control, vocabulary: tokenizer.vocabulary(), seed: draw.seed })
}

impl RunData {
    /// The order of all steps.
    pub fn order(&self, config: &RunConfig) -> Result<Order<'_>> {
        Ok(Order::new(&self.corpus, self.seed.0, config.model.context, config.schedule.rows_per_step)?)
    }

    /// The run's trainer; batches come from `order`.
    pub fn trainer<'a>(
        &'a self,
        backend: &'a Engine,
        config: &'a RunConfig,
        order: &'a Order<'a>,
        steps: u64,
    ) -> Result<Trainer<'a, Engine>> {
        Ok(Trainer::new(backend, config, self.vocabulary, self.buckets.len(), steps, &self.pricing, |step| vec![order.batch(step)])?)
    }

    /// Weights before the first step.
    pub fn initial(&self, config: &RunConfig) -> Vec<f64> {
        Layout::new(&config.model, self.vocabulary).initial(&self.seed.0)
    }

    /// The contributors' names in tables: their ids.
    pub fn bucket_ids(&self) -> Vec<String> {
        self.buckets.iter().map(ToString::to_string).collect()
    }

    /// The credit table of `accounts`.
    pub fn credit_table(&self, accounts: &Accounts) -> Result<Vec<u8>> {
        Ok(write_credit(&credit_rows(accounts, &self.bucket_ids(), TARGET))?)
    }
}

/// The name of the one target that a pool is.
pub const TARGET: &str = "pool";

/// What a run will cost.
pub struct Estimate {
    /// Parameters.
    pub parameters: usize,
    /// Tokens that will be seen.
    pub tokens: u64,
    /// Steps.
    pub steps: u64,
    /// Buckets.
    pub buckets: usize,
    /// Bytes of buffers.
    pub memory_bytes: u64,
}

/// The sizes of a run, without running it.
pub fn estimate(archive: &Archive, config: &RunConfig, epoch: Option<u32>) -> Result<Estimate> {
    let number = epoch::find(archive, epoch)?.open.1.epoch;
    let data = data(archive, number, config)?;
    let order = data.order(config)?;
    let steps = steps_of(config, &order);
    let engine = trainer::Engine::new(&Cpu::<f32>::new(), &config.model, data.vocabulary)
        .activation_floats(config.schedule.rows_per_step * config.model.context);
    let parameters = Layout::new(&config.model, data.vocabulary).len;
    let buffers = parameters * (3 * data.buckets.len() + 10);
    let tokens = steps * (config.schedule.rows_per_step * config.model.context) as u64;
    Ok(Estimate { parameters, tokens, steps, buckets: data.buckets.len(), memory_bytes: 4 * (engine + buffers) as u64 })
}

/// Steps of a run: the config's, or one pass over the corpus.
pub fn steps_of(config: &RunConfig, order: &Order<'_>) -> u64 {
    if config.schedule.steps == 0 { order.steps_per_epoch() } else { config.schedule.steps }
}

/// Trains a run of an epoch, of the last one by default, or goes on with one that has no close; returns its number.
pub async fn run(home: &mut Home, config: &RunConfig, epoch: Option<u32>) -> Result<u32> {
    let epoch = epoch::find(home, epoch)?;
    let number = epoch.open.1.epoch;
    let config_text = config.to_toml();
    let config_digest = Digest::of(config_text.as_bytes());
    let of_epoch = |r: &&Run| r.intent.1.epoch == number && !aborted(r);
    if let Some(run) = home.state.runs.iter().rev().find(of_epoch) {
        if run.intent.1.config == config_digest && run.attribution.is_some() {
            return Ok(run.intent.1.run);
        }
        if run.close.is_none() && run.intent.1.config != config_digest {
            return Err(failure(
                Kind::Check,
                format!(
                    "run {}: in progress with config {}, given {config_digest}; end it with `assay train --abort REASON` to begin another",
                    run.intent.1.run, run.intent.1.config
                ),
            ));
        }
    }
    let data = data(home, number, config)?;
    let order = data.order(config)?;
    let steps = steps_of(config, &order);
    let initial = data.initial(config);
    let backend = Engine::new();
    let mut trainer = data.trainer(&backend, config, &order, steps)?;
    let initial_digest = Digest::of(&backend.master_to_bytes(&backend.master(&initial)));

    let unfinished = home.state.runs.iter().rev().find(of_epoch).filter(|r| r.attribution.is_none()).cloned();
    let run = match &unfinished {
        Some(run) => {
            check_resumable(&run.intent.1, initial_digest, steps)?;
            run.intent.1.run
        }
        None => {
            let (corpus_root, documents, tokens) = epoch.corpus();
            let entry = RunIntent {
                run: home.state.runs.len() as u32,
                epoch: number,
                corpus_root,
                documents,
                tokens,
                config: home.objects.put(Class::Public, config_text.as_bytes())?,
                code: env!("CARGO_PKG_VERSION").to_string(),
                build: *BUILD,
                backend: format!("cpu-{}", backend.dtype()),
                instruction_set: kernels::isa().name().to_string(),
                threads: rayon::current_num_threads() as u32,
                initial_weights: initial_digest,
                seed: data.seed,
                buckets: data.buckets.len() as u64,
                steps,
            };
            let run = entry.run;
            home.append(vec![entry.into()]).await?;
            run
        }
    };

    let mut state = trainer.start(&initial);
    let control_start = trainer.loss(&state, &data.control);
    if let Some((_, progress)) = home.state.runs[run as usize].progress.last() {
        state = trainer.load(&backend, &home.objects.get(Class::Sealed, &progress.checkpoint)?, &config_digest.to_string())?;
    }
    train(home, run, &data, config, &backend, &mut trainer, &mut state, &config_digest).await?;
    close(home, run, &data, &mut trainer, &state, control_start).await?;
    attribute(home, run, &data, &trainer.accounts(&state)).await?;
    Ok(run)
}

fn aborted(run: &Run) -> bool {
    run.close.as_ref().is_some_and(|(_, c)| c.outcome != "completed")
}

/// Ends an unfinished run of an epoch with a reason; it stays in the log, and nothing is paid for it.
pub async fn abort(home: &mut Home, epoch: Option<u32>, reason: &str) -> Result<u32> {
    let number = epoch::find(home, epoch)?.open.1.epoch;
    let run = home.state.runs.iter().rev().find(|r| r.intent.1.epoch == number && r.close.is_none());
    let run = run.ok_or_else(|| failure(Kind::Check, format!("epoch {number}: no run is in progress")))?;
    let last = run.progress.last();
    let entry = RunClose {
        run: run.intent.1.run,
        outcome: format!("aborted: {reason}"),
        steps: last.map_or(0, |(_, p)| p.step),
        checkpoint: last.map(|(_, p)| p.checkpoint),
        loss_start: 0,
        loss_end: 0,
        control_start: 0,
        control_end: 0,
        drawn_from: last.map(|(at, _)| home.head_at(at + 1)).transpose()?,
    };
    let run = entry.run;
    home.append(vec![entry.into()]).await?;
    Ok(run)
}

/// A run goes on only where it would have gone on unbroken.
fn check_resumable(intent: &RunIntent, initial: Digest, steps: u64) -> Result<()> {
    let here = (kernels::isa().name(), rayon::current_num_threads() as u32, *BUILD);
    let there = (intent.instruction_set.as_str(), intent.threads, intent.build);
    if (intent.initial_weights, intent.steps) != (initial, steps) {
        return Err(failure(Kind::Check, format!("run {}: weights or steps of the intent are not those of the config", intent.run)));
    }
    if here != there {
        return Err(failure(
            Kind::Check,
            format!(
                "run {}: begun with instruction set {}, {} threads and build {}, found {}, {} and {}",
                intent.run, there.0, there.1, there.2, here.0, here.1, here.2
            ),
        ));
    }
    Ok(())
}

fn bar(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("train {bar:30} {pos}/{len} steps  {msg}  {eta} left").expect("a valid template");
    ProgressBar::new(steps).with_style(style)
}

#[allow(clippy::too_many_arguments)]
async fn train(
    home: &mut Home,
    run: u32,
    data: &RunData,
    config: &RunConfig,
    backend: &Engine,
    trainer: &mut Trainer<'_, Engine>,
    state: &mut State<Engine>,
    digest: &Digest,
) -> Result<()> {
    let bar = bar(trainer.steps());
    bar.set_position(state.step);
    bar.reset_eta();
    let started = Instant::now();
    let mut seen = 0u64;
    while state.step < trainer.steps() {
        for _ in 0..config.attribution.progress_windows {
            let mut observe = |report: &trainer::StepReport| {
                seen += report.tokens;
                bar.set_position(report.step + 1);
                bar.set_message(format!("loss {:.3}  {:.0} tokens/s", report.loss, seen as f64 / started.elapsed().as_secs_f64()));
            };
            if !trainer.window(state, &mut observe) {
                break;
            }
        }
        let checkpoint = home.objects.put(Class::Sealed, &trainer.save(backend, state, &digest.to_string())?)?;
        let credit = home.objects.put(Class::Public, &data.credit_table(&trainer.accounts(state))?)?;
        let previous = home.state.runs[run as usize].progress.last().map(|(at, _)| *at);
        // The window of the last interval is drawn by the tree head that the entry about it brought forth.
        let drawn_from = previous.map(|at| home.head_at(at + 1)).transpose()?;
        let entry = RunProgress { run, step: state.step, windows: state.windows.len() as u64, checkpoint, credit, drawn_from };
        home.append(vec![entry.into()]).await?;
        // A crash before this entry repeats the windows since the last one, with the same result.
    }
    bar.finish_and_clear();
    Ok(())
}

async fn close(
    home: &mut Home,
    run: u32,
    data: &RunData,
    trainer: &mut Trainer<'_, Engine>,
    state: &State<Engine>,
    control_start: f64,
) -> Result<()> {
    let this: &Run = &home.state.runs[run as usize];
    if this.close.is_some() {
        return Ok(());
    }
    let (at, progress) = this.progress.last().expect("a trained run has progress").clone();
    let (loss_start, loss_end) = trainer.accounts(state).losses().ok_or_else(|| usage("a run of no steps"))?;
    let entry = RunClose {
        run,
        outcome: "completed".into(),
        steps: state.step,
        checkpoint: Some(progress.checkpoint),
        loss_start: nano(loss_start),
        loss_end: nano(loss_end),
        control_start: nano(control_start),
        control_end: nano(trainer.loss(state, &data.control)),
        drawn_from: Some(home.head_at(at + 1)?),
    };
    home.append(vec![entry.into()]).await?;
    Ok(())
}

async fn attribute(home: &mut Home, run: u32, data: &RunData, accounts: &Accounts) -> Result<()> {
    let rows = credit_rows(accounts, &data.bucket_ids(), TARGET);
    let entry = Attribution {
        run,
        credit: home.objects.put(Class::Public, &write_credit(&rows)?)?,
        windows: home.objects.put(Class::Public, &write_windows(accounts)?)?,
        rows: rows.len() as u64,
        drop: nano(accounts.drop()),
        residual: nano(accounts.residual()),
        decay: nano(accounts.decay()),
        estimated_ppm: 0,
    };
    home.append(vec![entry.into()]).await?;
    Ok(())
}
