//! A CUDA device, and one that emulates it, as host code drives them. The kernels are those of the source that a device is given.
//!
//! - `source`: a source and its kernels
//! - `device`: [`Device`], memory, copies and launches
//! - `driver`: [`Driver`], through the CUDA driver
//! - `emulation`: [`Emulated`], the same source on this processor
//! - `compile`: a source to machine code for the device's architecture
//! - `cache`: compiled code on disk
//!
//! The libraries are looked for when they are first needed, so one binary serves machines with and without a device.
//! The code that drives the kernels is the same under emulation. Not yet run on hardware.

mod cache;
mod compile;
mod device;
mod driver;
mod emulation;
mod source;

pub use compile::{Compiled, Nvrtc};
pub use device::{Argument, Device};
pub use driver::{Driver, device_count};
pub use emulation::{Emulated, EmulationError};
pub use source::{Kernel, Source};

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
