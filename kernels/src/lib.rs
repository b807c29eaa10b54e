//! Computation in bulk: the operations that training and its attribution are made of, and near-duplicate removal on a device.
//!
//! Two halves, of which neither knows the other:
//!
//! - `training`: [`ModelOperations`], [`OptimizerOperations`] and [`AttributionOperations`] name the operations, with shapes, over one
//!   [`Memory`]; [`Backend`] is all of them. [`Cpu`] is the reference, and the product on machines without an accelerator. Products
//!   come from the `gemm` crate, everything else is here.
//! - [`dedup`]: signatures, sort of band records and verification on a device, and the constants that it shares with the CPU's code
//!
//! and what is below both:
//!
//! - [`cuda`]: a CUDA device, or one that emulates it, as host code drives it
//! - `simd`: instruction sets, and [`vectorised!`] loops for each
//!
//! A step's way: `ModelOperations` take activations forward and back and leave gradients, `OptimizerOperations` make a step of
//! them and keep what each bucket moved, `AttributionOperations` multiply both with what prices them.
//!
//! Left to others: which operation follows which (`trainer`), what a document's words are and which pairs are compared (`dedup`),
//! and where bytes rest.

pub mod cuda;
pub mod dedup;
mod simd;
mod training;

pub use simd::{Isa, isa};
pub use training::{
    AdamW, AttributionOperations, Backend, Buffer, Cpu, Matrix, Memory, ModelOperations, OptimizerOperations, Real, Region, Segment, Shape,
};
