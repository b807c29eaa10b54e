//! The operations that the model, its optimizer and the attribution are made of.
//!
//! [`Backend`] names them, with shapes, once; [`Cpu`] is the reference and the product on machines
//! without an accelerator. Products come from the `gemm` crate, everything else is here.
//!
//! - `real`: the two scalar types and their vectorised exponentials
//! - `backend`: the trait, with the contract of every operation
//! - `buffer`, `loops`, `simd`: the CPU's memory, the loops that operations share, instruction sets
//! - `cpu`: products, norms, activations and the loss on the CPU
//! - `attention`: causal attention inside segments, forward and backward
//! - `optimizer`: AdamW whose first moment is kept per bucket, and what prices it
//! - `sketch`: what tells documents apart inside a bucket: row dots, projected gradients
//! - [`cuda`]: near-duplicate removal on a CUDA device: signatures, sort of band records, verification
//! - [`emu`]: the same CUDA sources compiled by the host compiler
//!
//! Results do not depend on the number of threads: work is cut into pieces of fixed size, each piece
//! is computed by one thread, and partial sums are added in the order of the pieces.
//!
//! What is left to others: which operation follows which (`trainer`), and where bytes rest.

mod attention;
mod backend;
mod buffer;
mod cpu;
pub mod cuda;
pub mod emu;
mod loops;
mod optimizer;
mod real;
mod simd;
mod sketch;

pub use backend::{AdamW, Backend, Matrix, Region, Segment, Shape};
pub use buffer::Buffer;
pub use cpu::Cpu;
pub use real::Real;
pub use simd::{Isa, isa};
