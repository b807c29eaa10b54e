//! The state of a run between two steps: everything that a checkpoint keeps.

use std::collections::BTreeMap;

use corpus::credit::Window;
use kernels::Memory;

use crate::documents::{DocumentCredit, Held, Slot};
use crate::order::Shares;
use crate::shares::Earned;
use crate::sketch::Basis;

/// Everything a run needs to go on, to the last bit, in mid-window too.
pub struct State<B: Memory> {
    /// Steps taken.
    pub step: u64,
    /// Parameters.
    pub theta: B::Master,
    /// Second moment.
    pub second: B::Master,
    /// First moment of each bucket; the optimizer's is their sum.
    pub moments: Vec<B::Master>,
    /// Length of the next window.
    pub next_window: u64,
    /// Windows priced so far.
    pub windows: Vec<Window>,
    /// Training loss of each step; not a number where a step was skipped.
    pub losses: Vec<f64>,
    /// The window that is not priced yet.
    pub open: Option<Open<B>>,
    /// Documents whose gradients are still in the first moment.
    pub held: Vec<Held<B>>,
    /// What the sketches of the held documents were made with, by the first step of their window.
    pub(crate) bases: BTreeMap<u64, Basis>,
    /// Of each bucket, the documents of the last step that had any.
    pub(crate) last: Vec<Vec<Slot>>,
    /// Credit by document of the windows priced since the caller took it.
    pub rows: Vec<DocumentCredit>,
    /// How often groups are seen, ascending by first step; empty for every document once a pass.
    pub shares: Vec<Shares>,
    /// What groups were credited with since the shares changed, where they follow credit.
    pub earned: Vec<Earned>,
}

/// A run's parameters after a step, and what documents' gradients are compared with there.
pub struct Parameters<B: Memory> {
    /// Steps taken.
    pub step: u64,
    /// Parameters.
    pub theta: B::Master,
    /// What sketches are made with from here on; none without credit by document.
    pub(crate) basis: Option<Basis>,
}

impl<B: Memory> State<B> {
    /// A copy of the parameters.
    pub fn parameters(&self) -> Parameters<B> {
        Parameters { step: self.step, theta: self.theta.clone(), basis: self.bases.last_key_value().map(|(_, basis)| basis.clone()) }
    }
}

impl<B: Memory> From<State<B>> for Parameters<B> {
    fn from(mut state: State<B>) -> Parameters<B> {
        Parameters { step: state.step, theta: state.theta, basis: state.bases.pop_last().map(|(_, basis)| basis) }
    }
}

/// A window that is not priced yet.
pub struct Open<B: Memory> {
    /// Its first step.
    pub first_step: u64,
    /// Its number of steps.
    pub length: u64,
    /// Its first parameters.
    pub first_theta: B::Master,
    /// The second moment before its first step.
    pub first_second: B::Master,
    /// What each bucket has moved.
    pub parts: Vec<B::Master>,
    /// What weight decay has moved.
    pub decay_part: B::Master,
    /// Tokens trained on, by bucket.
    pub tokens: Vec<u64>,
}
