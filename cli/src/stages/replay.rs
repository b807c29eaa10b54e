//! Drawn windows, computed again from their checkpoints and compared with the credit table.

use anyhow::{Context, Result};
use corpus::Digest;
use kernels::Backend;
use ledger::entry::Replay;
use ledger::history::Run;
use ledger::{Note, Verifier};
use store::Class;
use trainer::{Accounts, CreditRow, RunConfig, Window, credit_rows, read_credit, read_windows};

use crate::failure::{Kind, failure, usage};
use crate::home::{Archive, Home};
use crate::rules::{drawn_intervals, drawn_window};
use crate::stages::train;

/// How far a credit may be off on another build, instruction set or number of threads, as a share of the window's credits' sizes.
const TOLERANCE: f64 = 1e-3;

/// What replaying some windows found.
pub struct Replayed {
    /// Drawn windows that were computed again.
    pub windows: Vec<u64>,
    /// Windows of the run.
    pub of: u64,
    /// `bit-equal`, `within-tolerance` or `differs`.
    pub outcome: &'static str,
    /// Where it differs.
    pub differences: Vec<String>,
}

/// The seed that the tree head after a progress entry gives.
fn seed(archive: &Archive, note: &str) -> Result<Digest> {
    let witnesses = archive.genesis().witnesses.iter().map(|w| Verifier::from_vkey(w)).collect::<Result<Vec<_>, _>>()?;
    Ok(ledger::tree_head::draw_seed(&Note::from_text(note)?, &witnesses)?)
}

/// The intervals of a run: windows before and after each progress entry, the checkpoint they start from, the drawn window.
struct Interval {
    from: u64,
    to: u64,
    /// The state at its beginning; none before the first step.
    checkpoint: Option<Digest>,
    /// The state at its end.
    next: Digest,
    drawn: u64,
}

fn intervals(archive: &Archive, run: &Run) -> Result<Vec<Interval>> {
    let close = &run.close.as_ref().ok_or_else(|| failure(Kind::Check, format!("run {}: not closed yet", run.intent.1.run)))?.1;
    // The tree head at a progress entry stands in the next one, the last one's in the close.
    let notes = run.progress.iter().skip(1).map(|(_, p)| p.drawn_from.as_deref()).chain([close.drawn_from.as_deref()]);
    let mut found = Vec::new();
    let (mut from, mut checkpoint) = (0, None);
    for ((_, progress), note) in run.progress.iter().zip(notes) {
        let note = note.context("a later progress entry has the tree head of the one before")?;
        let drawn = drawn_window(&seed(archive, note)?, from, progress.windows);
        found.push(Interval { from, to: progress.windows, checkpoint, next: progress.checkpoint, drawn });
        (from, checkpoint) = (progress.windows, Some(progress.checkpoint));
    }
    Ok(found)
}

/// The windows of a run that its cosigned tree heads draw, one an interval.
pub fn drawn(archive: &Archive, run: &Run) -> Result<Vec<u64>> {
    Ok(intervals(archive, run)?.iter().map(|i| i.drawn).collect())
}

/// The accounts that the log's tables hold, and the rows of the credit table.
pub fn tables(archive: &Archive, run: &Run) -> Result<(Accounts, Vec<CreditRow>)> {
    let (_, a) = run.attribution.as_ref().ok_or_else(|| failure(Kind::Check, format!("run {}: no attribution yet", run.intent.1.run)))?;
    let credit = read_credit(&archive.objects.get(Class::Public, &a.credit)?)?;
    let accounts = read_windows(&archive.objects.get(Class::Public, &a.windows)?, &credit, run.intent.1.buckets as usize)?;
    Ok((accounts, credit))
}

/// The accounts that the log's tables hold.
pub fn accounts(archive: &Archive, run: &Run) -> Result<Accounts> {
    Ok(tables(archive, run)?.0)
}

/// The run's config, as it was carried out.
pub fn config(archive: &Archive, run: &Run) -> Result<RunConfig> {
    Ok(RunConfig::from_toml(&String::from_utf8(archive.objects.get(Class::Public, &run.intent.1.config)?)?)?)
}

/// Computes the drawn windows of `sample` intervals again, or the window `only`, and compares them with the tables.
pub fn replay(archive: &Archive, run: &Run, sample: usize, only: Option<u64>) -> Result<Replayed> {
    let (table, rows) = tables(archive, run)?;
    let intent = &run.intent.1;
    let intervals = intervals(archive, run)?;
    let of = table.windows.len() as u64;
    let chosen: Vec<(&Interval, u64)> = match only {
        Some(window) => {
            let interval = intervals
                .iter()
                .find(|i| (i.from..i.to).contains(&window))
                .ok_or_else(|| usage(format!("window {window}: run {} has {of}", intent.run)))?;
            vec![(interval, window)]
        }
        None => {
            let last = run.close.as_ref().and_then(|(_, c)| c.drawn_from.as_deref()).context("a completed run has a last tree head")?;
            drawn_intervals(&seed(archive, last)?, intervals.len(), sample)
                .into_iter()
                .map(|i| (&intervals[i], intervals[i].drawn))
                .collect()
        }
    };
    let config = config(archive, run)?;
    let data = train::data(archive, intent.epoch, &config)?;
    let order = data.order(&config)?;
    let backend = train::Engine::new();
    let mut trainer = data.trainer(&backend, &config, &order, intent.steps)?;
    // The number of threads does not change a bit of the result; products may round differently on another instruction set.
    let exact = intent.instruction_set == kernels::isa().name();
    let mut result = Replayed { windows: Vec::new(), of, outcome: "bit-equal", differences: Vec::new() };
    if table.shares.iter().map(|s| s.to_bits()).ne(data.pricing.shares().iter().map(|s| s.to_bits())) {
        result.outcome = "differs";
        result.differences.push(format!(
            "shares of the pricing halves {:?}: the drawn targets give {:?}",
            table.shares,
            data.pricing.shares()
        ));
        return Ok(result);
    }
    let steps = train::steps_of(&config, &order);
    if steps != intent.steps {
        result.outcome = "differs";
        result.differences.push(format!("{} steps: config and corpus give {steps}", intent.steps));
    }
    let initial = data.initial(&config);
    let weights = Digest::of(&backend.master_to_bytes(&backend.master(&initial)));
    if weights != intent.initial_weights {
        result.outcome = "differs";
        result.differences.push(format!("initial weights {}: seed and config give {weights}", intent.initial_weights));
    }
    for (interval, drawn) in chosen {
        let mut state = match &interval.checkpoint {
            Some(digest) => trainer.load(&backend, &archive.objects.get(Class::Sealed, digest)?, &intent.config.to_string())?,
            None => trainer.start(&initial),
        };
        // A checkpoint that has windows in it already would be compared with itself instead of computed again.
        let expected = (interval.from, table.windows.get(interval.from as usize).map(|w| w.first_step));
        let found = (state.windows.len() as u64, Some(state.step));
        if found != expected {
            result.outcome = "differs";
            result.differences.push(format!(
                "checkpoint before window {}: holds {} windows and step {}, the table says {expected:?}",
                interval.from, found.0, state.step
            ));
            continue;
        }
        // To the end of the interval, so that its checkpoint is one that these steps lead to.
        while (state.windows.len() as u64) < interval.to && trainer.window(&mut state, &mut |_| {}) {}
        if exact && Digest::of(&trainer.save(&backend, &state, &intent.config.to_string())?) != interval.next {
            result.outcome = "differs";
            result.differences.push(format!(
                "checkpoint after window {}: {} is not the state that replay leads to",
                interval.to - 1,
                interval.next
            ));
        }
        // Windows before the drawn one are computed on the way, those before them stand in the checkpoint: all are compared.
        for window in &state.windows {
            match compare(window, &table, &rows, &data.bucket_ids()) {
                Comparison::BitEqual => {}
                Comparison::Near if !exact || result.outcome == "differs" => {
                    if result.outcome == "bit-equal" {
                        result.outcome = "within-tolerance";
                    }
                }
                Comparison::Near => {
                    result.outcome = "differs";
                    result.differences.push(format!(
                        "window {}: credit differs in its last bits, on the instruction set and threads of the run",
                        window.index
                    ));
                }
                Comparison::Differs(text) => {
                    result.outcome = "differs";
                    result.differences.push(text);
                }
            }
        }
        result.windows.push(drawn);
    }
    Ok(result)
}

enum Comparison {
    BitEqual,
    Near,
    Differs(String),
}

/// Compares a window with the tables, by the numbers that they hold.
fn compare(found: &Window, table: &Accounts, rows: &[CreditRow], buckets: &[String]) -> Comparison {
    let Some(expected) = table.windows.get(found.index as usize) else {
        return Comparison::Differs(format!("window {}: not in the table", found.index));
    };
    let facts = |w: &Window| (w.first_step, w.end_step, w.rule, w.marked);
    if facts(found) != facts(expected) {
        return Comparison::Differs(format!(
            "window {}: the table says steps, rule and mark {:?}, replay gives {:?}",
            found.index,
            facts(expected),
            facts(found)
        ));
    }
    let again = credit_rows(&Accounts { shares: table.shares.clone(), windows: vec![found.clone()] }, buckets, train::TARGET);
    let rows: Vec<&CreditRow> = rows.iter().filter(|r| r.window == found.index).collect();
    let place = |r: &CreditRow| (r.contributor.clone(), r.bucket, r.target.clone(), r.half, r.tokens);
    if !again.iter().map(place).eq(rows.iter().map(|r| place(r))) {
        return Comparison::Differs(format!(
            "window {}: the table has {} rows of other contributors or tokens than the {} of the replay",
            found.index,
            rows.len(),
            again.len()
        ));
    }
    let measured = |w: &Window| -> Vec<f64> { [&w.loss_before[..], &w.loss_after, &w.decay].concat() };
    let pairs: Vec<(f64, f64)> =
        again.iter().map(|r| r.nats).zip(rows.iter().map(|r| r.nats)).chain(measured(found).into_iter().zip(measured(expected))).collect();
    let scale: f64 = again.iter().map(|r| r.nats.abs()).sum();
    let worst = pairs.iter().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    if pairs.iter().all(|(a, b)| a.to_bits() == b.to_bits()) {
        Comparison::BitEqual
    } else if worst <= TOLERANCE * scale {
        Comparison::Near
    } else {
        Comparison::Differs(format!(
            "window {}: a number of the table is off by {worst:e} nats from replay, credits are {scale:e} in all",
            found.index
        ))
    }
}

/// Replays and logs the outcome; a run that was replayed before is not replayed again.
pub async fn run(home: &mut Home, number: u32, sample: usize) -> Result<Replayed> {
    let run =
        home.state.runs.get(number as usize).cloned().ok_or_else(|| usage(format!("run {number}: there are {}", home.state.runs.len())))?;
    if let Some((_, done)) = run.replays.last() {
        let outcome = ["bit-equal", "within-tolerance", "differs"].into_iter().find(|o| *o == done.outcome).unwrap_or("differs");
        return Ok(Replayed {
            windows: done.windows.clone(),
            of: accounts(home, &run)?.windows.len() as u64,
            outcome,
            differences: Vec::new(),
        });
    }
    let replayed = replay(home, &run, sample, None)?;
    let entry = Replay {
        run: number,
        windows: replayed.windows.clone(),
        outcome: replayed.outcome.to_string(),
        threads: rayon::current_num_threads() as u32,
    };
    home.append(vec![entry.into()]).await?;
    Ok(replayed)
}
