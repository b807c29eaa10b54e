//! The cost of a run, before it begins.

use rules::Archive;
use rules::run_data::{self, Engine};
use serde::Serialize;
use trainer::RunConfig;

use crate::error::Result;

/// What a run will cost.
#[derive(Clone, Copy, Debug, Serialize)]
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
    /// Seconds that the steps and held-out gradients will take, from one pass that was timed here.
    pub seconds: f64,
}

/// The sizes of a run, from one pass of its first step.
pub fn estimate(archive: &Archive, config: &RunConfig, epoch: Option<u32>) -> Result<Estimate> {
    let number = archive.epoch(epoch)?.open.entry.epoch;
    let data = run_data::read(archive, number, None, config)?;
    let order = data.order(config)?;
    let steps = run_data::steps_of(config, &order);
    let backend = Engine::new();
    let mut engine = trainer::Engine::new(&backend, &config.model, data.vocabulary);
    let rows = config.schedule.pass_rows();
    let activations = engine.activation_floats(rows * config.model.context);
    let parameters = engine.layout.len;
    // Two held-out gradients a part and one more of both at each end of a window, parameters, moments, sums.
    let buffers = parameters * (3 * data.corpus.buckets + 3 * data.pricing.parts.len() + 8);
    let tokens = steps * (config.schedule.rows_per_step * config.model.context) as u64;
    let theta = kernels::Memory::master(&backend, &data.initial(archive, config)?);
    let batch = order.batches(0, &data.shares(archive, config)?, config.schedule.rows_per_pass).swap_remove(0);
    let mut gradients: Vec<_> = (0..data.corpus.buckets).map(|_| kernels::Memory::gradient(&backend, parameters)).collect();
    let mut seconds = f64::INFINITY;
    for _ in 0..2 {
        let started = std::time::Instant::now();
        engine.backward(&theta, &batch, 1.0, &mut gradients);
        seconds = seconds.min(started.elapsed().as_secs_f64());
    }
    let held_out: usize = data.pricing.parts.iter().flat_map(|(_, b)| b).map(|b| b.tokens.len()).sum();
    let windows = steps as f64 / config.attribution.max_window as f64 + 8.0;
    let positions = tokens as f64 + windows * 2.0 * held_out as f64;
    let memory_bytes = 4 * (activations + buffers) as u64;
    Ok(Estimate {
        parameters,
        tokens,
        steps,
        buckets: data.corpus.buckets,
        memory_bytes,
        seconds: seconds * positions / batch.tokens.len() as f64,
    })
}
