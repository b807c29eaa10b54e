//! Drawn windows, computed again from their checkpoints and compared with the credit table.

use std::collections::BTreeSet;

use corpus::objects::Class;
use corpus::{Digest, canonical};
use kernels::Memory;
use ledger::entry::ReplayOutcome;
use ledger::history::{Logged, Run};
use trainer::{
    CreditRow, DocumentCredit, DocumentRow, RunConfig, State, Window, credit_rows, document_rows, order_rows, read_documents, write_order,
};

use crate::archive::Archive;
use crate::checkpoints::{Checkpoints, is_whole};
use crate::draws::{drawn_intervals, intervals};
use crate::error::{Context, Result, RulesError};
use crate::listener::Listener;
use crate::run_data::{self, Engine, RunData};
use crate::run_tables;
use crate::tables::Tables;

/// How far a credit may be off on another build, instruction set or number of threads, as a share of the window's credits' sizes.
const TOLERANCE: f64 = 1e-3;

/// What replaying some windows found.
pub struct Replayed {
    /// Drawn windows that were computed again.
    pub windows: Vec<u64>,
    /// Windows of the run.
    pub of: u64,
    /// How they compare with the run's.
    pub outcome: ReplayOutcome,
    /// Where it differs.
    pub differences: Vec<String>,
}

/// Windows that even quarter points left with more than the limit unexplained: they are replayed whatever is drawn.
pub fn marked(tables: &Tables) -> Vec<u64> {
    tables.accounts.windows.iter().filter(|w| w.marked).map(|w| w.index).collect()
}

/// The run's config, as it was carried out.
pub fn config(archive: &Archive, run: &Run) -> Result<RunConfig> {
    Ok(RunConfig::from_toml(&String::from_utf8(archive.objects.get(Class::Public, &run.intent.entry.config)?)?)?)
}

/// Computes the drawn windows of `sample` intervals and those with marked ones again, or the window `only`, and compares them with
/// the tables.
///
/// Steps are taken from the last checkpoint before it that holds the whole state; what they lead to on the way is compared too.
pub fn replay(archive: &Archive, run: &Run, sample: usize, only: Option<u64>, listener: &dyn Listener) -> Result<Replayed> {
    let table = run_tables::of_run(archive, run)?;
    let intent = &run.intent.entry;
    let intervals = intervals(archive, run)?;
    let of = table.accounts.windows.len() as u64;
    let place = |window: u64| intervals.iter().position(|i| (i.from..i.to).contains(&window));
    // Intervals by their place, and the window that is computed again for.
    let chosen: Vec<(usize, u64)> = match only {
        Some(window) => {
            vec![(place(window).ok_or_else(|| RulesError::Usage(format!("window {window}: run {} has {of}", intent.run)))?, window)]
        }
        None => {
            let last = run
                .close
                .as_ref()
                .and_then(|Logged { entry: c, .. }| c.drawn_from.as_deref())
                .context("a completed run has a last tree head")?;
            let drawn = drawn_intervals(&archive.draw_seed(last)?, intervals.len(), sample);
            let mut chosen: Vec<(usize, u64)> = drawn.into_iter().map(|i| (i, intervals[i].drawn)).collect();
            for window in marked(&table) {
                let place = place(window).context("every window is in an interval")?;
                if chosen.iter().all(|(c, _)| *c != place) {
                    chosen.push((place, window));
                }
            }
            chosen
        }
    };
    let config = config(archive, run)?;
    let data = run_data::read(archive, intent.epoch, Some(run.intent.index), &config)?;
    let order = data.order(&config)?;
    let backend = Engine::new();
    let mut trainer = data.trainer(&backend, &config, &order, intent.steps)?;
    // The number of threads does not change a bit of the result; products may round differently on another instruction set.
    let exact = intent.instruction_set == kernels::isa().name();
    let mut result = Replayed { windows: Vec::new(), of, outcome: ReplayOutcome::BitEqual, differences: Vec::new() };
    let parts = data.pricing.of();
    if table.accounts.parts != parts || table.targets != data.owners.targets {
        result.outcome = ReplayOutcome::Differs;
        result.differences.push(format!("pricing parts {:?}: the drawn targets give {parts:?}", table.accounts.parts));
        return Ok(result);
    }
    let steps = run_data::steps_of(&config, &order);
    if steps != intent.steps {
        result.outcome = ReplayOutcome::Differs;
        result.differences.push(format!("{} steps: config and corpus give {steps}", intent.steps));
    }
    let initial = data.initial(archive, &config)?;
    let parameters = Digest::of(&backend.master_to_bytes(&backend.master(&initial)));
    if parameters != intent.initial_parameters {
        result.outcome = ReplayOutcome::Differs;
        result.differences.push(format!("initial parameters {}: seed and config give {parameters}", intent.initial_parameters));
    }
    let checkpoints = Checkpoints { archive, backend: &backend, order: &order, config: intent.config };
    // A replay begins where the whole state is, which may be some intervals before the one that is drawn.
    let starts = |i: usize| i == 0 || is_whole(&config, intent, i - 1, run.progress[i - 1].entry.step);
    let wanted: BTreeSet<usize> = chosen.iter().flat_map(|(c, _)| (0..=*c).rev().find(|i| starts(*i)).unwrap_or(0)..=*c).collect();
    let end_step = |i: usize| run.progress[i].entry.step;
    let bar = listener.task("steps replayed", wanted.iter().map(|i| end_step(*i) - i.checked_sub(1).map_or(0, end_step)).sum());
    let mut reached: Option<(usize, State<Engine>)> = None;
    for i in wanted {
        let (interval, Logged { entry: progress, .. }) = (&intervals[i], &run.progress[i]);
        let mut state = match reached.take() {
            _ if i == 0 => data.start(archive, &config, &trainer, &initial)?,
            _ if starts(i) => checkpoints.state(&trainer, &run.progress[i - 1].entry)?,
            Some((end, state)) if end == i => state,
            // The interval before it did not come out, which was said.
            _ => continue,
        };
        // A checkpoint that has windows in it already would be compared with itself instead of computed again.
        let expected = (interval.from, table.accounts.windows.get(interval.from as usize).map(|w| w.first_step));
        let found = (state.windows.len() as u64, Some(state.step));
        if found != expected {
            result.outcome = ReplayOutcome::Differs;
            result.differences.push(format!(
                "checkpoint before window {}: holds {} windows and step {}, the table says {expected:?}",
                interval.from, found.0, state.step
            ));
            continue;
        }
        // To the end of the interval, so that its checkpoint is one that these steps lead to.
        while (state.windows.len() as u64) < interval.to && trainer.window(&mut state, &mut |_| bar.advance(1)) {}
        // The run gave its documents' credit to the log before it saved its state.
        let rows = std::mem::take(&mut state.rows);
        if exact && let Some(text) = checkpoints.difference(&trainer, progress, starts(i + 1), &state)? {
            result.outcome = ReplayOutcome::Differs;
            result.differences.push(format!("after window {}: {text}", interval.to - 1));
        }
        // Weights that follow credit may differ in a millionth where credit differs in its last bits.
        if exact || state.shares.iter().all(|w| w.from_step == 0) {
            let log = canonical::to_vec(&data.share_log(&state.shares))?;
            let seen =
                order_rows(&order, &data.corpus, &state.shares, &data.owners, config.model.context, found.1.unwrap_or(0)..state.step);
            for (what, expected, bytes) in [("sampling shares", interval.shares, log), ("order log", interval.order, write_order(&seen)?)] {
                if Digest::of(&bytes) != expected {
                    result.outcome = ReplayOutcome::Differs;
                    result.differences.push(format!("windows from {}: the {what} {expected} is not what the steps lead to", interval.from));
                }
            }
        }
        // Windows before the drawn one are computed on the way, those before them stand in the checkpoint: all are compared.
        let documents = read_documents(&archive.objects.get(Class::Public, &interval.documents)?)?;
        let found = Found { state: &state, rows: &rows, data: &data, from: interval.from };
        for comparison in compare(&found, &table, &documents) {
            match comparison {
                Comparison::BitEqual => {}
                Comparison::Near(_) if !exact || result.outcome == ReplayOutcome::Differs => {
                    if result.outcome == ReplayOutcome::BitEqual {
                        result.outcome = ReplayOutcome::WithinTolerance;
                    }
                }
                Comparison::Near(what) => {
                    result.outcome = ReplayOutcome::Differs;
                    result.differences.push(format!("{what}: differs in its last bits, on the instruction set of the run"));
                }
                Comparison::Differs(text) => {
                    result.outcome = ReplayOutcome::Differs;
                    result.differences.push(text);
                }
            }
        }
        result.windows.extend(chosen.iter().filter(|(c, _)| *c == i).map(|(_, window)| *window));
        reached = Some((i + 1, state));
    }
    if only.is_none() {
        // The steps of their intervals were all taken above.
        let more: Vec<u64> = marked(&table).into_iter().filter(|w| !result.windows.contains(w)).collect();
        result.windows.extend(more);
    }
    Ok(result)
}

enum Comparison {
    BitEqual,
    Near(String),
    Differs(String),
}

/// A state that a replay led to; windows from `from` on were computed again.
struct Found<'f> {
    state: &'f State<Engine>,
    /// Credit by document of those windows.
    rows: &'f [DocumentCredit],
    data: &'f RunData,
    from: u64,
}

/// Compares windows, credit by contributor and credit by document with the tables, by the numbers that they hold.
fn compare(found: &Found<'_>, table: &Tables, documents: &[DocumentRow]) -> Vec<Comparison> {
    let (parts, owners) = (&table.accounts.parts, &found.data.owners);
    let mut all = Vec::new();
    for window in &found.state.windows {
        all.push(compare_window(window, table));
        // Documents' rows of earlier windows went to the log with their interval, and with them the credit of those who share a bucket.
        let again = window.index >= found.from;
        let expected: Vec<&CreditRow> = table.credit.iter().filter(|r| r.window == window.index && (again || !r.estimated)).collect();
        let rows = credit_rows(std::slice::from_ref(window), parts, found.rows, owners);
        let rows: Vec<&CreditRow> = rows.iter().filter(|r| r.window == window.index && (again || !r.estimated)).collect();
        let place = |r: &CreditRow| (r.contributor.clone(), r.bucket, r.target.clone(), r.tokens, r.estimated, r.halves.len());
        let same = rows.iter().map(|r| place(r)).eq(expected.iter().map(|r| place(r)));
        let numbers = rows.iter().zip(&expected).flat_map(|(a, b)| pairs((a.nats, &a.halves), (b.nats, &b.halves)));
        all.push(judge(format!("window {}, credit", window.index), same, numbers.collect()));
    }
    let rows = document_rows(parts, found.rows, owners);
    let place =
        |r: &DocumentRow| (r.document.clone(), r.contributor.clone(), r.bucket, r.target.clone(), r.window, r.tokens, r.halves.len());
    let same = rows.iter().map(place).eq(documents.iter().map(place));
    let numbers = rows.iter().zip(documents).flat_map(|(a, b)| pairs((a.nats, &a.halves), (b.nats, &b.halves)));
    all.push(judge(format!("windows from {}, documents", found.from), same, numbers.collect()));
    all
}

fn pairs(a: (f64, &[f64]), b: (f64, &[f64])) -> Vec<(f64, f64)> {
    std::iter::once((a.0, b.0)).chain(a.1.iter().copied().zip(b.1.iter().copied())).collect()
}

/// Whether the pairs, found and expected, are equal; sizes are compared with the sum of what was found.
fn judge(what: String, same_places: bool, pairs: Vec<(f64, f64)>) -> Comparison {
    if !same_places {
        return Comparison::Differs(format!("{what}: the table has rows of others, or other tokens, than the replay"));
    }
    let scale: f64 = pairs.iter().map(|(a, _)| a.abs()).sum();
    let worst = pairs.iter().map(|(a, b)| (a - b).abs()).fold(0.0, |m: f64, d| if d.is_nan() { f64::NAN } else { m.max(d) });
    if pairs.iter().all(|(a, b)| a.to_bits() == b.to_bits()) {
        Comparison::BitEqual
    } else if worst <= TOLERANCE * scale {
        Comparison::Near(what)
    } else {
        Comparison::Differs(format!("{what}: a number of the table is off by {worst:e} nats from replay, {scale:e} are in all"))
    }
}

fn compare_window(found: &Window, table: &Tables) -> Comparison {
    let Some(expected) = table.accounts.windows.get(found.index as usize) else {
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
    let measured = |w: &Window| -> Vec<f64> { [&w.loss_before[..], &w.loss_after, &w.decay, &w.correction].concat() };
    judge(format!("window {}", found.index), true, measured(found).into_iter().zip(measured(expected)).collect())
}
