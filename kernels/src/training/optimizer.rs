//! The operations of an optimizer: sums of gradients, and steps whose parts are kept by bucket.

use std::ops::Range;

use super::memory::Memory;

/// The scalars of one AdamW step.
///
/// Source: Loshchilov and Hutter 2019, <https://arxiv.org/abs/1711.05101>, algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay, on matrices only.
    pub weight_decay: f64,
    /// Factor that clipping puts on the gradient.
    pub clip_factor: f64,
    /// Steps taken before this one.
    pub step: u64,
}

/// Operations on whole buffers of gradients and master values, element by element.
///
/// Element `i` of a buffer that is written depends on element `i` of the arguments alone. No operation asks what an element is a parameter
/// of, so a buffer holds the parameters that are trained, whichever these are, and no others need be in it.
///
/// Parameters, second moment and the buckets' first moments are what lasts from step to step: with them and the gradients a step comes out
/// the same to the last bit. What a step moved is the sum of its parts, but for rounding.
pub trait OptimizerOperations: Memory {
    /// `total = sum of parts` in their order; returns the squared norm of the sum.
    fn sum_gradients(&self, total: &mut Self::Gradient, parts: &[&Self::Gradient]) -> f64;
    /// One AdamW step whose first moment is the sum of the buckets' moments.
    ///
    /// For every bucket `b`: `moments[b] = beta1 moments[b] + (1 - beta1) clip gradients[b]` (an absent
    /// gradient is zero), and `parts[b] += lr / bc1 * precondition * moments[b]`, where the
    /// preconditioner `1 / (sqrt(v / bc2) + eps)` is the one after this step's `v`. The step is the sum
    /// of what was added to `parts`, and `lr * weight_decay * theta` on `decayed` ranges, which is added
    /// to `decay_part`. `total` is the sum of the gradients.
    #[allow(clippy::too_many_arguments)]
    fn adamw(
        &self,
        hyper: AdamW,
        theta: &mut Self::Master,
        second: &mut Self::Master,
        total: &Self::Gradient,
        gradients: &[Option<&Self::Gradient>],
        moments: &mut [Self::Master],
        parts: &mut [Self::Master],
        decay_part: &mut Self::Master,
        decayed: &[Range<usize>],
    );
    /// `out = (1 - t) a + t b`.
    fn mix(&self, out: &mut Self::Master, a: &Self::Master, b: &Self::Master, t: f64);
    /// `out = sum of factors[i] * parts[i]`, as a master buffer.
    fn mean(&self, out: &mut Self::Master, parts: &[(f64, &Self::Gradient)]);
    /// `out = factor out + by x`.
    fn scale_add(&self, out: &mut Self::Master, factor: f64, x: &Self::Master, by: f64);
    /// `out = sum of factors[i] * parts[i]`, for the mean of several gradients.
    fn combine(&self, out: &mut Self::Gradient, parts: &[(f64, &Self::Gradient)]);
}
