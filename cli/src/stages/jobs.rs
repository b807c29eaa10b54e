//! Work as leased rows: worker tasks take jobs until none is left.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use store::Index;

use crate::failure::{Kind, failure};

/// Runs `work` on every input, by `workers` tasks, and returns the outputs in the order of `inputs`. What failed before is tried again.
///
/// An input that was done before is not done again, as long as `still_there` finds its output.
pub async fn run<W>(
    index: &Index,
    kind: &str,
    inputs: &[String],
    workers: usize,
    now: u64,
    still_there: impl Fn(&str) -> bool,
    work: W,
) -> Result<Vec<String>>
where
    W: Fn(&str) -> Result<String> + Send + Sync + 'static,
{
    let known = |jobs: &[store::JobState], input: &str| jobs.iter().find(|j| j.input == input).and_then(|j| j.output.clone());
    let before = index.jobs(kind).await?;
    for input in inputs {
        let failed = before.iter().any(|j| j.input == *input && j.state == "failed");
        if failed || known(&before, input).is_some_and(|output| !still_there(&output)) {
            index.forget(kind, input).await?;
        }
        index.enqueue(kind, input).await?;
    }
    let work = Arc::new(work);
    let tasks: Vec<_> = (0..workers.max(1))
        .map(|n| {
            let (index, kind, work) = (index.clone(), kind.to_string(), work.clone());
            tokio::spawn(async move {
                let name = format!("{}-{n}", std::process::id());
                while let Some(job) = index.lease(&kind, &name, now).await? {
                    let (input, work) = (job.input.clone(), work.clone());
                    match tokio::task::spawn_blocking(move || work(&input)).await {
                        Ok(Ok(output)) => index.complete(&job, &output).await?,
                        Ok(Err(e)) => index.fail(&job, &format!("{e:#}")).await?,
                        Err(e) => index.fail(&job, &e.to_string()).await?,
                    }
                }
                Ok::<(), store::StoreError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let mut after = index.jobs(kind).await?;
    // Another process may still hold one of these; its lease ends or its output comes.
    while inputs.iter().any(|i| after.iter().any(|j| j.input == *i && j.state == "leased")) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        after = index.jobs(kind).await?;
    }
    if let Some(failed) = after.iter().find(|j| inputs.contains(&j.input) && j.state == "failed") {
        return Err(failure(
            Kind::Check,
            format!("job {kind} {}: failed {} times: {}", failed.input, failed.attempt, failed.error.as_deref().unwrap_or("no reason")),
        ));
    }
    inputs.iter().map(|i| known(&after, i).ok_or_else(|| anyhow!("job {kind} {i}: no output"))).collect()
}
