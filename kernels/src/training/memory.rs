//! A device's memory: which numbers are kept apart, and how they get there and back.

use std::ops::Range;

/// Buffers of a device, of three kinds.
///
/// Activations live for a pass, gradients for a step, master values for a run. The kinds may differ in type: a device may compute in
/// shorter numbers than it learns in. A buffer is flat, has the length that it was made with, and is there until it is dropped.
///
/// Operations on one backend happen in the order of their calls, as far as anybody can tell: a device may put work off, and whatever
/// brings numbers to the host waits for the work that they come from.
///
/// The contracts of the operations extend this one and each other not at all: [`ModelOperations`](crate::ModelOperations),
/// [`OptimizerOperations`](crate::OptimizerOperations) and [`AttributionOperations`](crate::AttributionOperations).
/// In all of them `N` is the number of token positions of a pass, in one flat order in which every document's run is contiguous;
/// `C` channels, `V` vocabulary. A buffer may be larger than what an operation uses of it; an operation panics if one is too small.
/// Every operation sums in a fixed order: the same inputs give the same bits whatever the number of threads.
pub trait Memory: Send + Sync {
    /// Activations and their gradients (bf16 on accelerators).
    type Activation: Send + Sync;
    /// Gradients of parameters, summed in full precision.
    type Gradient: Send + Sync;
    /// Trained parameters, moments and everything that is priced.
    type Master: Send + Sync + Clone;

    /// `"f32"` or `"f64"`: the type of master values, and of gradients as bytes.
    fn dtype(&self) -> &'static str;

    /// Zeroed activations.
    fn activation(&self, len: usize) -> Self::Activation;
    /// Activations copied from the host, rounded to their type.
    fn activation_from(&self, values: &[f64]) -> Self::Activation;
    /// Activations on the host.
    fn activation_to_host(&self, src: &Self::Activation) -> Vec<f64>;
    /// Sets every element to zero.
    fn clear_activation(&self, dst: &mut Self::Activation);

    /// Zeroed gradients.
    fn gradient(&self, len: usize) -> Self::Gradient;
    /// A gradient on the host.
    fn gradient_to_host(&self, src: &Self::Gradient) -> Vec<f64>;
    /// Sets elements of a gradient to zero.
    fn clear_gradient(&self, dst: &mut Self::Gradient, range: Range<usize>);
    /// A gradient as little-endian bytes of [`Memory::dtype`]; a checkpoint keeps them.
    fn gradient_to_bytes(&self, src: &Self::Gradient) -> Vec<u8>;
    /// The inverse of [`Memory::gradient_to_bytes`], to the last bit; `bytes` has the buffer's exact size.
    fn gradient_from_bytes(&self, bytes: &[u8]) -> Self::Gradient;

    /// Master values copied from the host, rounded to their type.
    fn master(&self, values: &[f64]) -> Self::Master;
    /// Zeroed master values.
    fn master_zeros(&self, len: usize) -> Self::Master;
    /// Master values as little-endian bytes of [`Memory::dtype`]; a checkpoint keeps them.
    fn master_to_bytes(&self, src: &Self::Master) -> Vec<u8>;
    /// The inverse of [`Memory::master_to_bytes`], to the last bit; `bytes` has the buffer's exact size.
    fn master_from_bytes(&self, bytes: &[u8]) -> Self::Master;
}
