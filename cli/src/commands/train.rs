//! Runs: trained, ended, looked at, replayed.

use anyhow::{Context, Result};
use corpus::RunNumber;
use ledger::entry::ReplayOutcome;
use pipeline::status::run_facts;
use pipeline::{Snapshot, estimate, model, replay, sampling, train};
use serde_json::json;
use store::{Class, files};
use trainer::{RunConfig, Sampling, SamplingRule};

use super::{attribution, exact};
use crate::args::train::{Replay, Train, TrainLook};
use crate::failure::{Kind, usage};
use crate::output::Output;
use crate::place::Place;

/// Trains, or with a further word looks at a run.
pub async fn train(place: &Place, a: Train) -> Result<Output> {
    match &a.look {
        Some(TrainLook::Inspect(look)) => return attribution::inspect(&place.look()?, look.run, look.step),
        Some(TrainLook::Sampled(look)) => return attribution::sampled(&place.look()?, look.run),
        None => {}
    }
    if let Some(reason) = a.abort {
        let mut home = place.open().await?;
        let number = train::abort(&mut home, a.epoch, &reason).await?;
        return Ok(Output::new(format!("run {number}: aborted"), json!({ "run": number, "outcome": format!("aborted: {reason}") })));
    }
    let path = a.run.ok_or_else(|| usage("train: expected a RUN.toml"))?;
    let mut config = RunConfig::from_toml(&String::from_utf8_lossy(&files::read(&path)?)).with_context(|| path.display().to_string())?;
    if let Some(from) = a.shares_from_run {
        config.sampling = Some(Sampling { run: Some(from), ..Sampling::new(SamplingRule::FromRun) });
    }
    if let Some(sampling) = &mut config.sampling {
        // A file is named from the RUN.toml that names it.
        sampling.file = sampling.file.take().map(|file| path.with_file_name(file));
    }
    if a.dry_run {
        let home = place.look()?;
        if let Some(dir) = a.parameters {
            model::start_from(|bytes| home.make(Class::Sealed, bytes), &dir, &mut config)?;
        }
        // A run does so itself.
        if let Some(sampling) = &mut config.sampling {
            sampling::resolve_looking(&home, sampling)?;
        }
        let e = estimate::estimate(&home, &config, a.epoch)?;
        let text = format!(
            "{} parameters, {} steps of {} tokens in all, {} buckets, {} MiB of buffers, about {:.0} s",
            e.parameters,
            e.steps,
            e.tokens,
            e.buckets,
            e.memory_bytes >> 20,
            e.seconds
        );
        return Output::of(text, &e);
    }
    let mut home = place.open().await?;
    if let Some(dir) = a.parameters {
        model::start_from(|bytes| Ok(home.objects.put(Class::Sealed, bytes)?), &dir, &mut config)?;
    }
    let number = if a.pilot {
        train::pilot_then_fixed(&mut home, &config, a.epoch).await?
    } else {
        train::run(&mut home, &config, a.epoch, false).await?
    };
    run_output(&home, number)
}

fn run_output(home: &Snapshot, number: RunNumber) -> Result<Output> {
    let facts = run_facts(home, number)?.context("an attributed run has facts")?;
    let text = format!(
        "run {number}: held-out loss {:.4} to {:.4} nats a token, control dropped by {:.4}, residual {:.2} % of the drop",
        facts.loss_start,
        facts.loss_end,
        facts.control_drop,
        100.0 * facts.residual
    );
    Output::of(text, &facts)
}

/// Computes windows again, and says whether they are what the table has.
pub async fn replay(place: &Place, a: Replay) -> Result<Output> {
    let (run, window) = (a.run, a.window);
    let home = place.look()?;
    let this = home.state.run(run)?.clone();
    // The first replay of what was drawn goes into the log; every other one only looks.
    let result = if window.is_some() || !this.replays.is_empty() {
        rules::replay::replay(&home, &this, a.sample, window, &*home.listener)?
    } else {
        replay::run(&mut place.open().await?, run, a.sample).await?
    };
    let mut text =
        format!("run {run}: windows {:?} of {} replayed: {}\n{}", result.windows, result.of, result.outcome, result.differences.join("\n"));
    let mut exact = Vec::new();
    for window in result.windows.iter().filter(|_| a.documents) {
        let found = pipeline::exact::window(&home, &this, *window, &*home.listener)?;
        text += &exact::text(&home, &found)?;
        exact.push(found);
    }
    let exit = if result.outcome == ReplayOutcome::Differs { Kind::Verification as u8 } else { 0 };
    let json = json!({
        "run": run, "windows": result.windows, "of": result.of, "outcome": result.outcome, "differences": result.differences,
        "exact": exact,
    });
    Ok(Output::new(text, json).exiting(exit))
}
