//! What the host code needs of a device; the CUDA driver and the emulation both give it.

use super::source::Kernel;

/// An argument of a kernel; the address of device memory is a `U64`.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// 32 bits.
    U32(u32),
    /// 64 bits.
    U64(u64),
}

/// Memory, copies and launches of one device.
///
/// Work goes into queues. Work of one queue happens in its order; between queues there is no order but the host's own, by
/// [`Device::wait`]. A copy may happen at any time until its queue is waited for, so staging memory is neither written nor
/// read in between. Dropping memory waits for whatever uses it, or keeps it until then.
///
/// # Safety
///
/// Memory has the size and the alignment that is stated here, and nobody else has it.
pub unsafe trait Device {
    /// Why the device cannot do what it is asked.
    type Error;
    /// Device memory, aligned to 256 bytes.
    type Memory;
    /// Host memory that the device copies from and to by itself, aligned to 256 bytes.
    type Staging;

    /// Queues that there are.
    fn queues(&self) -> usize;
    /// Device memory of so many bytes, which hold anything.
    fn allocate(&self, bytes: usize) -> Result<Self::Memory, Self::Error>;
    /// Staging memory of so many bytes, which hold anything.
    fn stage(&self, bytes: usize) -> Result<Self::Staging, Self::Error>;
    /// Where device memory begins.
    fn address(memory: &Self::Memory) -> u64;
    /// Where staging memory begins.
    fn host_address(staging: &Self::Staging) -> *mut u8;
    /// Copies the first `bytes` of `from` to `to`, from byte `at` on.
    fn upload(&self, queue: usize, from: &Self::Staging, to: &Self::Memory, at: usize, bytes: usize) -> Result<(), Self::Error>;
    /// Copies `bytes` of `from`, from byte `at` on, to the beginning of `to`.
    fn download(&self, queue: usize, from: &Self::Memory, at: usize, to: &Self::Staging, bytes: usize) -> Result<(), Self::Error>;
    /// Copies `bytes` between the beginnings of two pieces of device memory.
    fn copy(&self, queue: usize, from: &Self::Memory, to: &Self::Memory, bytes: usize) -> Result<(), Self::Error>;
    /// Launches a kernel of the device's source with the arguments that the source lists.
    fn launch(&self, queue: usize, kernel: Kernel, blocks: u32, arguments: &[Argument]) -> Result<(), Self::Error>;
    /// Returns once all work of the queue is done.
    fn wait(&self, queue: usize) -> Result<(), Self::Error>;
}
