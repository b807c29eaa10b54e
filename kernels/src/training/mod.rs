//! The operations of training and its attribution: three contracts over one memory, and the CPU that keeps them.
//!
//! - `memory`: [`Memory`], kinds of buffers and how numbers get in and out
//! - `model`: [`ModelOperations`], forward and backward passes
//! - `optimizer`: [`OptimizerOperations`], sums of gradients and AdamW
//! - `attribution`: [`AttributionOperations`], products that credit what was trained on
//! - `cpu`: [`Cpu`], which has all of them
//!
//! A function names the contracts whose operations it calls. A device may therefore run a model without being able to train one.

mod attribution;
mod cpu;
mod memory;
mod model;
mod optimizer;

pub use attribution::{AttributionOperations, Region};
pub use cpu::{Buffer, Cpu, Real};
pub use memory::Memory;
pub use model::{Matrix, ModelOperations, Segment, Shape};
pub use optimizer::{AdamW, OptimizerOperations};

/// A device that can train and price: all three contracts, under one name.
///
/// Every type that keeps them is one. Code that takes steps and prices them is bound to it; code that calls fewer operations names
/// fewer contracts.
pub trait Backend: ModelOperations + OptimizerOperations + AttributionOperations {}

impl<B: ModelOperations + OptimizerOperations + AttributionOperations> Backend for B {}
