//! All operations on the CPU: the reference, and the product on machines without an accelerator.
//!
//! - `memory`: [`Cpu`] and its [`Buffer`]s
//! - `real`: the two scalar types and their vectorised exponentials
//! - `loops`: what operations share
//! - `model`, `attention`: passes of the model
//! - `optimizer`: AdamW whose first moment is kept per bucket
//! - `attribution`: what tells buckets, positions and documents apart
//!
//! Results do not depend on the number of threads: work is cut into pieces of fixed size, each piece is computed by one thread, and
//! partial sums are added in the order of the pieces.

mod attention;
mod attribution;
mod loops;
mod memory;
mod model;
mod optimizer;
mod real;

pub use memory::{Buffer, Cpu};
pub use real::Real;
