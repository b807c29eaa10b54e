//! Work as leased rows: this process takes jobs until none is left, and so do workers elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use corpus::Digest;
use store::{Catalog, Class, Job, JobState, StoreError};
use tokio::sync::watch;

use crate::error::{Context, Kind, Result, failure};
use crate::home::Home;
use crate::work::{Work, Worker};

/// How long a worker that says nothing keeps a job.
pub const LEASE_MS: i64 = 30_000;
/// How often those look who wait for others.
const POLL: Duration = Duration::from_millis(200);

/// The outputs of `work`, in its order. What was done before is not done again, as long as its output is there; what failed is tried again.
pub async fn run(home: &Home, work: &[Work]) -> Result<Vec<Digest>> {
    let Some(kind) = work.first().map(Work::kind) else { return Ok(Vec::new()) };
    let inputs: Vec<String> = work.iter().map(Work::input).collect::<Result<_>>()?;
    let ids: Vec<Digest> = inputs.iter().map(|input| store::jobs::id_of(kind, input)).collect();
    let catalog = &home.catalog;
    let before = catalog.jobs_of(kind).await?;
    let lost = |id: &&Digest| before.get(*id).and_then(|j| j.output).is_some_and(|output| !home.objects.has(Class::Sealed, &output));
    catalog.forget(&ids.iter().filter(lost).copied().collect::<Vec<_>>()).await?;
    catalog.enqueue(kind, &inputs).await?;
    let bar = home.listener.task(kind, ids.len() as u64);
    let worker = Arc::new(Worker::new(home.objects.clone()));
    let (_stop, stopped) = watch::channel(false);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..threads() {
        let name = format!("{}/{n}", process());
        tasks.spawn(work_until_idle(catalog.clone(), worker.clone(), vec![kind], name, LEASE_MS, stopped.clone()));
    }
    // Rows are many and long: they are read once no more can be open than those that nobody here asked for.
    let own: BTreeSet<&Digest> = ids.iter().collect();
    let foreign = before.values().filter(|j| !own.contains(&j.id) && !is_ended(j)).count() as u64;
    loop {
        let open = catalog.open_jobs(kind).await?;
        bar.set((ids.len() as u64).saturating_sub(open.saturating_sub(foreign)));
        let after = if open <= foreign { catalog.jobs_of(kind).await? } else { BTreeMap::new() };
        let own: Vec<_> = ids.iter().filter_map(|id| after.get(id)).collect();
        if own.len() == ids.len() && own.iter().all(|j| is_ended(j)) {
            drop(bar);
            while let Some(task) = tasks.join_next().await {
                task??;
            }
            if let Some(j) = own.iter().find(|j| j.state == "poisoned") {
                let reason = j.error.as_deref().unwrap_or("no reason");
                let text = format!("job {kind} {}: failed {} times: {reason}; `assay jobs` lists it", j.id, j.failures);
                return Err(failure(Kind::Check, text));
            }
            return own.iter().map(|j| j.output.with_context(|| format!("job {kind} {}: no output", j.id))).collect();
        }
        // Ours are idle, and others hold what is left: they end it, or lose it to us.
        while let Some(task) = tasks.try_join_next() {
            task??;
        }
        if tasks.is_empty() {
            let name = format!("{}/0", process());
            tasks.spawn(work_until_idle(catalog.clone(), worker.clone(), vec![kind], name, LEASE_MS, stopped.clone()));
        }
        tokio::time::sleep(POLL.min(Duration::from_millis(20 + ids.len() as u64))).await;
    }
}

fn is_ended(job: &JobState) -> bool {
    ["done", "poisoned"].contains(&job.state.as_str())
}

/// Jobs that one process does at once.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// This process's name in the queue: machine and number.
pub fn process() -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine = machine.trim();
    format!("{}:{}", if machine.is_empty() { "localhost" } else { machine }, std::process::id())
}

/// Takes jobs of `kinds` until there is none to take now, or `stopped` says so; returns how many were done.
///
/// A worker that has to stop ends the job that it has.
pub async fn work_until_idle(
    catalog: Catalog,
    worker: Arc<Worker>,
    kinds: Vec<&'static str>,
    name: String,
    lease_ms: i64,
    stopped: watch::Receiver<bool>,
) -> Result<u64> {
    let mut done = 0;
    while !*stopped.borrow() {
        let Some(job) = catalog.lease(&kinds, &name, lease_ms).await? else { break };
        done += u64::from(attempt(&catalog, &worker, job, lease_ms).await?);
    }
    Ok(done)
}

/// Does a job that is leased; returns whether this attempt recorded its output.
async fn attempt(catalog: &Catalog, worker: &Arc<Worker>, job: Job, lease_ms: i64) -> Result<bool> {
    let (input, worker) = (job.input.clone(), worker.clone());
    let mut doing = tokio::task::spawn_blocking(move || worker.run(&input));
    let beat = Duration::from_millis((lease_ms / 4).max(1) as u64);
    let result = loop {
        tokio::select! {
            result = &mut doing => break result,
            () = tokio::time::sleep(beat) => match catalog.heartbeat(&job, lease_ms).await {
                // Somebody else has it: what this attempt makes is the same bytes, and nobody waits for them.
                Err(StoreError::Fenced { .. }) => {}
                // The next beat may be heard again.
                Err(StoreError::Sql(_)) => {}
                other => other?,
            },
        }
    };
    for tries in 1.. {
        let ended = match &result {
            Ok(Ok(output)) => catalog.complete(&job, output).await.map(|()| true),
            Ok(Err(e)) => catalog.fail(&job, &e.to_string()).await.map(|()| false),
            Err(e) => catalog.fail(&job, &e.to_string()).await.map(|()| false),
        };
        match ended {
            Err(StoreError::Fenced { .. }) => return Ok(false),
            // A database that is away for a moment is no reason to do the work again.
            Err(StoreError::Sql(_)) if tries < 10 => tokio::time::sleep(Duration::from_millis(100 * tries)).await,
            other => return Ok(other?),
        }
    }
    Ok(false)
}
