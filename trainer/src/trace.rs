//! The record of steps and windows that exact credit is computed from.

use kernels::Memory;

use crate::order::Shares;

/// What steps and windows leave behind for [`Trainer::exact`]; two parameter-sized buffers a step.
pub(crate) struct Trace<B: Memory> {
    pub steps: Vec<TracedStep<B>>,
    pub windows: Vec<TracedWindow<B>>,
    /// The groups' shares so far.
    pub shares: Vec<Shares>,
}

pub(crate) struct TracedStep<B: Memory> {
    pub step: u64,
    /// Parameters before it.
    pub theta: B::Master,
    /// Second moment after it.
    pub second: B::Master,
    pub clip_factor: f64,
    /// `lr / bias1`.
    pub rate: f64,
}

pub(crate) struct TracedWindow<B: Memory> {
    pub index: u64,
    pub end_step: u64,
    /// Mean held-out gradient along the window's chord, by part.
    pub chords: Vec<B::Gradient>,
}
