//! `assay jobs` and `assay worker`: the queue as people see it, and who works on it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use pipeline::config::{catalog_place, config_of_home, objects_of};
use pipeline::jobs::{process, threads, work_until_idle};
use pipeline::work::{self, Work};
use serde_json::{Value, json};
use store::{Catalog, CatalogPlace, JobState, Objects};
use tokio::sync::watch;

use crate::args::work::{Jobs, Worker};
use crate::failure::usage;
use crate::output::{self, Output, note};
use crate::place::Place;

/// How often an idle worker looks for jobs.
const IDLE: Duration = Duration::from_millis(500);
/// Milliseconds whose ended jobs make the rate.
const RATE_MS: i64 = 60_000;

/// The catalog of a home that another process may have open.
async fn catalog_of(dir: &Path) -> Result<Catalog> {
    let config = config_of_home(dir)?;
    Catalog::open(&catalog_place(dir, &config)).await.with_context(|| format!("database {}", config.database))
}

/// Shows the queue, once or until nothing is left.
pub async fn jobs(place: &Place, a: Jobs) -> Result<Output> {
    if a.retry {
        let count = catalog_of(&place.home).await?.retry().await?;
        note(&format!("{count} jobs may be tried again"));
    }
    let config = config_of_home(&place.home)?;
    loop {
        // Each time anew: a file that nobody may write is read as it was when it was opened.
        let looked = Catalog::look(&catalog_place(&place.home, &config)).await;
        let Some(catalog) = looked.with_context(|| format!("database {}", config.database))? else {
            return Ok(Output::new(text(&[], 0, a.all), json_of(&[], 0)));
        };
        let (jobs, now) = (catalog.jobs().await?, catalog.now().await?);
        catalog.close().await;
        let open = jobs.iter().any(|j| ["ready", "leased"].contains(&j.state.as_str()));
        if !a.watch || !open {
            return Ok(Output::new(text(&jobs, now, a.all), json_of(&jobs, now)));
        }
        // The screen's beginning, and nothing below.
        output::raw(&format!("\x1b[H\x1b[J{}", text(&jobs, now, a.all)));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Counts of one kind.
#[derive(Default)]
struct Kind {
    ready: u64,
    leased: u64,
    done: u64,
    poisoned: u64,
    /// Jobs that ended within the last minute, and since when that is counted.
    recent: u64,
    since: Option<i64>,
}

impl Kind {
    /// Jobs a second within the last minute.
    fn rate(&self, now: i64) -> Option<f64> {
        let seconds = (now - self.since?).clamp(1, RATE_MS) as f64 / 1000.0;
        Some(self.recent as f64 / seconds)
    }
}

fn kinds(jobs: &[JobState], now: i64) -> BTreeMap<&str, Kind> {
    let mut kinds: BTreeMap<&str, Kind> = BTreeMap::new();
    for job in jobs {
        let kind = kinds.entry(&job.kind).or_default();
        match job.state.as_str() {
            "ready" => kind.ready += 1,
            "leased" => kind.leased += 1,
            "done" => kind.done += 1,
            _ => kind.poisoned += 1,
        }
        if let (Some(started), Some(_)) = (job.started_at, job.ended_at.filter(|e| *e >= now - RATE_MS)) {
            kind.recent += 1;
            kind.since = Some(kind.since.unwrap_or(now).min(started).max(now - RATE_MS));
        }
    }
    kinds
}

fn text(jobs: &[JobState], now: i64, all: bool) -> String {
    let mut text = String::new();
    for (name, k) in kinds(jobs, now) {
        let left = k.ready + k.leased;
        text += &format!("{name:<10} {:>6} done {:>6} waiting {:>4} at work {:>3} poisoned", k.done, k.ready, k.leased, k.poisoned);
        if let Some(rate) = k.rate(now).filter(|r| left > 0 && *r > 0.0) {
            text += &format!("   {:.1} a minute, about {:.0} s left", rate * 60.0, left as f64 / rate);
        }
        text.push('\n');
    }
    for job in jobs.iter().filter(|j| all || j.state == "leased" || j.state == "poisoned" || j.failures > 0 && j.state == "ready") {
        let seconds = job.started_at.map_or(0.0, |s| (job.ended_at.unwrap_or(now) - s).max(0) as f64 / 1000.0);
        text += &format!("{:<10} {:<8} {}… attempt {}", job.kind, job.state, &job.id.to_string()[..12], job.attempt);
        text += &match (job.state.as_str(), &job.worker, &job.error) {
            ("leased", Some(worker), _) => format!(", {worker} for {seconds:.1} s"),
            ("done", ..) => format!(", {seconds:.1} s"),
            (_, _, Some(error)) => format!(", {} failures: {error}", job.failures),
            _ => String::new(),
        };
        text.push('\n');
    }
    if text.is_empty() { "no jobs".into() } else { text }
}

fn json_of(jobs: &[JobState], now: i64) -> Value {
    let one = |j: &JobState| {
        json!({
            "id": j.id, "kind": j.kind, "input": j.input, "state": j.state, "attempt": j.attempt, "failures": j.failures, "worker": j.worker,
            "started_at": j.started_at, "ended_at": j.ended_at, "output": j.output, "error": j.error,
        })
    };
    let of = |(name, k): (&str, Kind)| {
        let rate = k.rate(now);
        let value = json!({ "ready": k.ready, "leased": k.leased, "done": k.done, "poisoned": k.poisoned, "jobs_per_second": rate });
        (name.to_string(), value)
    };
    let kinds: serde_json::Map<String, Value> = kinds(jobs, now).into_iter().map(of).collect();
    json!({ "kinds": kinds, "jobs": jobs.iter().map(one).collect::<Vec<_>>() })
}

/// Does jobs until it is told to stop by SIGINT or SIGTERM, or, if asked so, until there are none.
pub async fn worker(place: &Place, a: Worker) -> Result<Output> {
    let (catalog, objects) = match (&a.database, &a.storage) {
        (Some(database), Some(storage)) => {
            let catalog = Catalog::open(&CatalogPlace::of_url(database)).await.with_context(|| format!("database {database}"))?;
            let objects = if storage.contains("://") { Objects::in_store(storage)? } else { Objects::new(Path::new(storage)) };
            (catalog, objects)
        }
        _ => (catalog_of(&place.home).await?, objects_of(&place.home)?),
    };
    if !catalog.is_shared() {
        return Err(usage(
            "worker: the database is SQLite, which one process has for itself; `assay init --database postgres://…` lets many work",
        ));
    }
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
        let term = async {
            match &mut terminated {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = term => {}
        }
        note("stopping: the jobs at hand are ended first");
        let _ = stop.send(true);
    });
    let doer = Arc::new(work::Worker::new(objects));
    note(&format!("{}: {} jobs at once", process(), threads()));
    let mut done = 0;
    loop {
        let tasks = (0..threads()).map(|n| {
            let name = format!("{}/{n}", process());
            tokio::spawn(work_until_idle(catalog.clone(), doer.clone(), Work::KINDS.to_vec(), name, a.lease_ms, stopped.clone()))
        });
        for task in tasks.collect::<Vec<_>>() {
            done += task.await??;
        }
        let mut open = 0;
        for kind in Work::KINDS {
            open += catalog.open_jobs(kind).await?;
        }
        if *stopped.borrow() || a.exit_when_idle && open == 0 {
            return Ok(Output::new(format!("{done} jobs done"), json!({ "done": done })));
        }
        let mut stopped = stopped.clone();
        tokio::select! {
            () = tokio::time::sleep(IDLE) => {}
            _ = stopped.changed() => {}
        }
    }
}
