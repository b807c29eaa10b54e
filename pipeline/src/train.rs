//! A run: intent, steps, progress, close, attribution. Killed and started again, it goes on from its last progress, or takes the steps
//! since the last whole checkpoint again.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use corpus::{Digest, RunNumber, canonical};
use kernels::Memory;
use ledger::entry::{Attribution, RunClose, RunIntent, RunOutcome, RunProgress};
use ledger::history::{Logged, Run};
use rules::checkpoints::{Checkpoints, is_whole, whole_before};
use rules::run_data::{self, Engine, RunData, steps_of};
use rules::tables::nano;
use serde_json::json;
use store::{Class, files};
use trainer::{
    Accounts, CreditRow, DocumentRow, Order, RunConfig, Sampling, SamplingRule, State, Trainer, credit_rows, document_rows, order_rows,
    read_credit, read_documents, write_credit, write_documents, write_order, write_windows,
};

use crate::error::{Kind, Result, failure, usage};
use crate::home::Home;
use crate::sampling;

/// The digest of this program's file.
static BUILD: LazyLock<Digest> =
    LazyLock::new(|| std::env::current_exe().and_then(std::fs::read).map_or(Digest::default(), |bytes| Digest::of(&bytes)));

/// Set by the first SIGINT: the run saves its state after the step that it is in.
pub static STOP: AtomicBool = AtomicBool::new(false);

/// Trains a run of an epoch, of the last one by default, or goes on with one that has no close; returns its number.
pub async fn run(home: &mut Home, config: &RunConfig, epoch: Option<u32>, pilot: bool) -> Result<RunNumber> {
    let epoch = home.epoch(epoch)?;
    let number = epoch.open.entry.epoch;
    let mut resolved = config.clone();
    if let Some(sampling) = &mut resolved.sampling {
        sampling::resolve(home, sampling)?;
    }
    let config = &resolved;
    let config_text = config.to_toml();
    let config_digest = Digest::of(config_text.as_bytes());
    let of_epoch = |r: &&Run| r.intent.entry.epoch == number && r.intent.entry.pilot == pilot && !aborted(r);
    if let Some(run) = home.state.runs.iter().rev().find(of_epoch) {
        if run.intent.entry.config == config_digest && run.attribution.is_some() {
            return Ok(run.intent.entry.run);
        }
        if run.close.is_none() && run.intent.entry.config != config_digest {
            return Err(failure(
                Kind::Check,
                format!(
                    "run {}: in progress with config {}, given {config_digest}; end it with `assay train --abort REASON` to begin another",
                    run.intent.entry.run, run.intent.entry.config
                ),
            ));
        }
    }
    let unfinished = home.state.runs.iter().rev().find(of_epoch).filter(|r| r.attribution.is_none()).cloned();
    let data = run_data::read(home, number, unfinished.as_ref().map(|r| r.intent.index), config)?;
    let order = data.order(config)?;
    let steps = steps_of(config, &order);
    let initial = data.initial(home, config)?;
    let backend = Engine::new();
    let mut trainer = data.trainer(&backend, config, &order, steps)?;
    let initial_digest = Digest::of(&backend.master_to_bytes(&backend.master(&initial)));

    let run = match &unfinished {
        Some(run) => {
            check_resumable(&run.intent.entry, initial_digest, steps)?;
            run.intent.entry.run
        }
        None => {
            let (corpus_root, documents, tokens) = epoch.corpus(home.state.next_index());
            let entry = RunIntent {
                run: RunNumber(home.state.runs.len() as u32),
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
                initial_parameters: initial_digest,
                seed: data.seed,
                contributors: data.owners.contributors.len() as u64,
                buckets: data.corpus.buckets as u64,
                pilot,
                steps,
            };
            let run = entry.run;
            home.append(vec![entry.into()]).await?;
            run
        }
    };

    let mut state = data.start(home, config, &trainer, &initial)?;
    let control_start = data.control_loss(&mut trainer, &state);
    if let Some((_, progress)) = whole_before(&home.state.runs[run.0 as usize], config, |_| true) {
        let checkpoints = Checkpoints { archive: home, backend: &backend, order: &order, config: config_digest };
        state = checkpoints.state(&trainer, progress)?;
    }
    let own = own_state(home, run);
    if let Some(bytes) = files::read_if_present(&own)? {
        // Of another run, or older than the log's: it is not gone on with.
        match trainer.load(&backend, &bytes, &config_digest.to_string()) {
            Ok(saved) if saved.step > state.step => state = saved,
            _ => files::remove(&own)?,
        }
    }
    let running = Running { run, data: &data, config, order: &order, backend: &backend, digest: config_digest.to_string() };
    let finished = train(home, &running, &mut trainer, &mut state).await?;
    if !finished {
        files::write(&own, &trainer.save(&backend, &state, &running.digest)?, 0o600)?;
        return Err(failure(Kind::Check, format!("run {run}: interrupted after step {}; the same command goes on from there", state.step)));
    }
    close(home, run, &data, &mut trainer, &state, control_start).await?;
    attribute(home, run, &data, &trainer.accounts(&state)).await?;
    files::remove(&own)?;
    Ok(run)
}

/// Where a run keeps its state while no object has it: after the last entry of progress, or where it was interrupted.
///
/// Without the file it goes on from the last checkpoint that holds the whole state.
fn own_state(home: &Home, run: RunNumber) -> PathBuf {
    home.dir.join(format!("state/run-{run}.safetensors"))
}

/// Where a run's metrics are: one JSON object a step, and one a window.
pub(crate) fn metrics_path(home: &Home, run: RunNumber) -> PathBuf {
    home.dir.join(format!("state/run-{run}.jsonl"))
}

/// Trains a pilot of a quarter of the steps with every token equally often, then the run with sampling shares after its credit.
///
/// Started again it goes on where it was, with the same table.
pub async fn pilot_then_fixed(home: &mut Home, config: &RunConfig, epoch: Option<u32>) -> Result<RunNumber> {
    let number = home.epoch(epoch)?.open.entry.epoch;
    if config.sampling.is_some() {
        return Err(usage("train --pilot: the pilot gives the sampling shares, and RUN.toml has [sampling] already"));
    }
    let mut pilot = config.clone();
    let data = run_data::read(home, number, None, &pilot)?;
    pilot.schedule.steps = (steps_of(config, &data.order(&pilot)?) / 4).max(1);
    let from = run(home, &pilot, epoch, true).await?;
    let mut sampled = config.clone();
    sampled.sampling = Some(Sampling { run: Some(from.0), ..Sampling::new(SamplingRule::FromRun) });
    run(home, &sampled, epoch, false).await
}

fn aborted(run: &Run) -> bool {
    run.close.as_ref().is_some_and(|Logged { entry: c, .. }| c.outcome != RunOutcome::Completed)
}

/// Ends an unfinished run of an epoch with a reason; it stays in the log, and nothing is paid for it.
pub async fn abort(home: &mut Home, epoch: Option<u32>, reason: &str) -> Result<RunNumber> {
    let number = home.epoch(epoch)?.open.entry.epoch;
    let run = home.state.runs.iter().rev().find(|r| r.intent.entry.epoch == number && r.close.is_none());
    let run = run.ok_or_else(|| failure(Kind::Check, format!("epoch {number}: no run is in progress")))?;
    let last = run.progress.last();
    let entry = RunClose {
        run: run.intent.entry.run,
        outcome: RunOutcome::Aborted(reason.to_string()),
        steps: last.map_or(0, |Logged { entry: p, .. }| p.step),
        checkpoint: last.map(|Logged { entry: p, .. }| p.checkpoint),
        loss_start: 0,
        loss_end: 0,
        control_start: 0,
        control_end: 0,
        drawn_from: last.and_then(|Logged { index: at, .. }| home.head_at(at.0 + 1).ok()),
    };
    let run = entry.run;
    home.append(vec![entry.into()]).await?;
    files::remove(&own_state(home, run))?;
    Ok(run)
}

/// A run goes on only where it would have gone on unbroken.
fn check_resumable(intent: &RunIntent, initial: Digest, steps: u64) -> Result<()> {
    let here = (kernels::isa().name(), rayon::current_num_threads() as u32, *BUILD);
    let there = (intent.instruction_set.as_str(), intent.threads, intent.build);
    if (intent.initial_parameters, intent.steps) != (initial, steps) {
        return Err(failure(Kind::Check, format!("run {}: parameters or steps of the intent are not those of the config", intent.run)));
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

/// The rows that the log has so far.
fn logged_credit(home: &Home, run: RunNumber) -> Result<Vec<CreditRow>> {
    match home.state.runs[run.0 as usize].progress.last() {
        Some(Logged { entry: p, .. }) => Ok(read_credit(&home.objects.get(Class::Public, &p.credit)?)?),
        None => Ok(Vec::new()),
    }
}

/// A run in progress.
struct Running<'a> {
    run: RunNumber,
    data: &'a RunData,
    config: &'a RunConfig,
    order: &'a Order<'a>,
    backend: &'a Engine,
    /// Of the config.
    digest: String,
}

/// Takes steps until the run is over (`true`) or interrupted (`false`).
async fn train(home: &mut Home, running: &Running<'_>, trainer: &mut Trainer<'_, Engine>, state: &mut State<Engine>) -> Result<bool> {
    let (run, config) = (running.run, running.config);
    let bar = home.listener.task("steps", trainer.steps());
    bar.resume(state.step);
    let mut metrics = std::fs::OpenOptions::new().create(true).append(true).open(metrics_path(home, run))?;
    let mut line = |value: serde_json::Value| std::io::Write::write_all(&mut metrics, format!("{value}\n").as_bytes());
    let (started, mut seen, mut pricing, mut residual) = (Instant::now(), 0u64, 0.0, String::from("-"));
    while state.step < trainer.steps() {
        if STOP.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let report = trainer.step(state);
        seen += report.tokens;
        let elapsed = started.elapsed().as_secs_f64();
        let rate = seen as f64 / elapsed;
        line(json!({
            "step": report.step, "loss": finite(report.loss), "grad_norm": finite(report.grad_norm), "clip_factor": finite(report.clip_factor),
            "lr": config.optimizer.lr_at(report.step, trainer.steps()), "tokens": report.tokens, "tokens_per_second": rate,
        }))?;
        bar.set(report.step + 1);
        let share = 100.0 * pricing / elapsed;
        bar.say(format!("loss {:.3}  {rate:.0} tokens/s  pricing {share:.0} %  residual {residual}", report.loss));
        if !trainer.is_full(state) {
            continue;
        }
        let before = Instant::now();
        trainer.price(state);
        pricing += before.elapsed().as_secs_f64();
        let window = state.windows.last().expect("priced above");
        let accounts = trainer.accounts(state);
        residual = format!("{:.2} %", accounts.residual_share() * 100.0);
        let parts = accounts.parts;
        line(json!({
            "window": window.index, "first_step": window.first_step, "end_step": window.end_step, "rule": window.rule.name(),
            "marked": window.marked, "drop": finite(window.drop(&parts)), "residual": finite(window.residual(&parts)),
            "pricing_seconds": before.elapsed().as_secs_f64(),
        }))?;
        let (windows, all) = (state.windows.len() as u64, &home.state.runs[run.0 as usize].progress);
        let logged = all.last().map_or(0, |Logged { entry: p, .. }| p.windows);
        if windows <= logged {
            // Steps that the run took before it was ended: they lead to what the log says already.
            if let Some(Logged { index: at, entry: p }) = all.iter().find(|Logged { entry: p, .. }| p.windows == windows) {
                state.rows.clear();
                let found = Digest::of(&trainer.save(running.backend, state, &running.digest)?);
                if found != p.state {
                    let text = format!("run {run}: entry {at} has the state {}, its steps taken again lead to {found}", p.state);
                    return Err(failure(Kind::Verification, text));
                }
            }
            continue;
        }
        if windows - logged >= config.attribution.progress_windows || state.step >= trainer.steps() {
            progress(home, running, trainer, state, logged).await?;
        }
    }
    Ok(true)
}

/// A number that JSON can hold, or null.
fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

/// Logs the windows since `logged`: their credit, then the state without it.
async fn progress(
    home: &mut Home,
    running: &Running<'_>,
    trainer: &Trainer<'_, Engine>,
    state: &mut State<Engine>,
    logged: u64,
) -> Result<()> {
    let Running { run, data, config, order, backend, ref digest } = *running;
    let parts = trainer.accounts(state).parts;
    let mut credit = logged_credit(home, run)?;
    credit.extend(credit_rows(&state.windows[logged as usize..], &parts, &state.rows, &data.owners));
    let documents = document_rows(&parts, &std::mem::take(&mut state.rows), &data.owners);
    let this = &home.state.runs[run.0 as usize];
    let before = this.progress.last();
    let (previous, steps) = (before.map(|Logged { index: at, .. }| *at), before.map_or(0, |Logged { entry: p, .. }| p.step)..state.step);
    let seen = order_rows(order, &data.corpus, &state.shares, &data.owners, config.model.context, steps);
    let file = trainer.save(backend, state, digest)?;
    let whole = is_whole(config, &this.intent.entry, this.progress.len(), state.step);
    let checkpoint =
        if whole { trainer::pack(&file)? } else { trainer::pack(&trainer.save_parameters(backend, &state.parameters(), digest)?)? };
    let entry = RunProgress {
        run,
        step: state.step,
        windows: state.windows.len() as u64,
        state: Digest::of(&file),
        checkpoint: home.objects.put(Class::Sealed, &checkpoint)?,
        credit: home.objects.put(Class::Public, &write_credit(&credit)?)?,
        documents: home.objects.put(Class::Public, &write_documents(&documents)?)?,
        order: home.objects.put(Class::Public, &write_order(&seen)?)?,
        shares: home.objects.put(Class::Public, &canonical::to_vec(&data.share_log(&state.shares))?)?,
        // The window of the last interval is drawn by the tree head that the entry about it brought forth.
        drawn_from: previous.map(|at| home.head_at((at + 1).0)).transpose()?,
    };
    home.append(vec![entry.into()]).await?;
    // A crash before this entry repeats the windows since the last one, with the same result. One before the file is replaced goes
    // on from an older state, and takes the steps since then again.
    let own = own_state(home, run);
    if whole {
        files::remove(&own)?
    } else {
        files::write(&own, &file, 0o600)?
    }
    Ok(())
}

async fn close(
    home: &mut Home,
    run: RunNumber,
    data: &RunData,
    trainer: &mut Trainer<'_, Engine>,
    state: &State<Engine>,
    control_start: f64,
) -> Result<()> {
    let this: &Run = &home.state.runs[run.0 as usize];
    if this.close.is_some() {
        return Ok(());
    }
    let Logged { index: at, entry: progress } = this.progress.last().expect("a trained run has progress").clone();
    let (loss_start, loss_end) = trainer.accounts(state).losses().ok_or_else(|| usage("a run of no steps"))?;
    let entry = RunClose {
        run,
        outcome: RunOutcome::Completed,
        steps: state.step,
        checkpoint: Some(progress.checkpoint),
        loss_start: nano(loss_start),
        loss_end: nano(loss_end),
        control_start: nano(control_start),
        control_end: nano(data.control_loss(trainer, state)),
        drawn_from: Some(home.head_at((at + 1).0)?),
    };
    home.append(vec![entry.into()]).await?;
    Ok(())
}

/// Share of the contributors' credit, by its size, that rests on documents' estimates, in millionths.
fn estimated_ppm(rows: &[CreditRow]) -> u64 {
    let mut sums: std::collections::BTreeMap<&str, (f64, bool)> = std::collections::BTreeMap::new();
    for row in rows {
        let sum = sums.entry(&row.contributor).or_default();
        *sum = (sum.0 + row.nats, row.estimated);
    }
    let all: f64 = sums.values().map(|(nats, _)| nats.abs()).sum();
    let estimated: f64 = sums.values().filter(|(_, estimated)| *estimated).map(|(nats, _)| nats.abs()).sum();
    if all > 0.0 { (1e6 * estimated / all).round() as u64 } else { 0 }
}

async fn attribute(home: &mut Home, run: RunNumber, data: &RunData, accounts: &Accounts) -> Result<()> {
    let mut documents: Vec<DocumentRow> = Vec::new();
    for Logged { entry: p, .. } in &home.state.runs[run.0 as usize].progress {
        documents.extend(read_documents(&home.objects.get(Class::Public, &p.documents)?)?);
    }
    let rows = logged_credit(home, run)?;
    let entry = Attribution {
        run,
        credit: home.objects.put(Class::Public, &write_credit(&rows)?)?,
        windows: home.objects.put(Class::Public, &write_windows(accounts, &data.owners.targets)?)?,
        documents: home.objects.put(Class::Public, &write_documents(&documents)?)?,
        rows: rows.len() as u64,
        document_rows: documents.len() as u64,
        drop: nano(accounts.drop()),
        residual: nano(accounts.residual()),
        decay: nano(accounts.decay()),
        correction: nano(accounts.correction()),
        estimated_ppm: estimated_ppm(&rows),
    };
    home.append(vec![entry.into()]).await?;
    Ok(())
}
