//! Kernels on a CUDA device, and the host code around them.
//!
//! - `dedup`: signatures, the sort of band records and verification: batches, staging, launches
//! - `compile`: the source to machine code for the device's architecture, kept on disk
//! - `driver`: memory, copies and launches through the CUDA driver
//! - `device`: what `dedup` needs of a device; [`crate::emu`] gives it too
//! - `cache`: compiled code on disk
//!
//! The libraries are looked for when they are first needed, so one binary serves machines with and without a device.
//! The code that drives the kernels is the same under emulation. Not yet run on hardware.

pub(crate) mod cache;
mod compile;
mod dedup;
mod device;
mod driver;

pub use compile::{Compiled, NVRTC_VARIABLE, Nvrtc};
pub use dedup::{BANDS, CudaDedup, Dedup, SLOTS, Signed, Throughput};
pub use device::{Argument, Device, Kernel};
pub use driver::{Driver, device_count};

/// The source of every kernel.
pub const DEDUP_SOURCE: &str = include_str!("../../cuda/dedup.cu");

/// Why a CUDA device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CudaError {
    /// A library is not installed, or does not load.
    #[error("{library}: expected one of {names}, found none that loads ({reason}); {hint}")]
    MissingLibrary {
        /// What it is.
        library: &'static str,
        /// Names that were tried.
        names: String,
        /// What the loader said of the last one.
        reason: String,
        /// What to install.
        hint: &'static str,
    },
    /// There is no device of that number.
    #[error("device {ordinal}: expected a CUDA device of that number, found {found} devices")]
    NoDevice {
        /// The number asked for.
        ordinal: usize,
        /// Devices that there are.
        found: usize,
    },
    /// The driver refused a call, or a kernel failed.
    #[error("{call}: expected success, found {code}")]
    Driver {
        /// What was asked of it.
        call: &'static str,
        /// Its answer.
        code: String,
    },
    /// NVRTC refused a call.
    #[error("{call}: expected success, found NVRTC result {code}")]
    Nvrtc {
        /// The function.
        call: &'static str,
        /// Its answer.
        code: i32,
    },
    /// A source does not compile.
    #[error("{source_name} for {architecture}: {compiler} does not compile it: {log}")]
    Compile {
        /// The source's name.
        source_name: String,
        /// The architecture.
        architecture: String,
        /// The compiler and its version.
        compiler: String,
        /// What it said.
        log: String,
    },
}
