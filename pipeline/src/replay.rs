//! Drawn windows, computed again by the operator.

use corpus::RunNumber;
use ledger::entry::Replay;
use ledger::history::Logged;
use rules::replay::{Replayed, replay};

use crate::error::Result;
use crate::home::Home;

/// Replays and logs the outcome; a run that was replayed before is not replayed again.
pub async fn run(home: &mut Home, number: RunNumber, sample: usize) -> Result<Replayed> {
    let run = home.state.run(number)?.clone();
    if let Some(Logged { entry: done, .. }) = run.replays.last() {
        return Ok(Replayed {
            windows: done.windows.clone(),
            of: rules::run_tables::of_run(home, &run)?.accounts.windows.len() as u64,
            outcome: done.outcome,
            differences: Vec::new(),
        });
    }
    let replayed = replay(home, &run, sample, None, &*home.listener)?;
    let entry =
        Replay { run: number, windows: replayed.windows.clone(), outcome: replayed.outcome, threads: rayon::current_num_threads() as u32 };
    home.append(vec![entry.into()]).await?;
    Ok(replayed)
}
