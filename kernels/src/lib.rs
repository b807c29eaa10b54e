//! The operations that the model, its optimizer and the attribution are made of, and near-duplicate removal on a device.
//!
//! - `training`: [`ModelOperations`], [`OptimizerOperations`] and [`AttributionOperations`] name the operations, with shapes, over one
//!   [`Memory`]; [`Backend`] is all of them. [`Cpu`] is the reference, and the product on machines without an accelerator. Products
//!   come from the `gemm` crate, everything else is here.
//! - `simd`: instruction sets, and [`vectorised!`] loops for each
//! - [`cuda`]: near-duplicate removal on a CUDA device: signatures, sort of band records, verification
//! - [`emu`]: the same CUDA sources compiled by the host compiler
//!
//! What is left to others: which operation follows which (`trainer`), and where bytes rest.

pub mod cuda;
pub mod emu;
mod simd;
mod training;

pub use simd::{Isa, isa};
pub use training::{
    AdamW, AttributionOperations, Backend, Buffer, Cpu, Matrix, Memory, ModelOperations, OptimizerOperations, Real, Region, Segment, Shape,
};
