//! The CUDA driver, through `cudarc`.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaFunction, CudaStream, DriverError, result, sys};
use cudarc::nvrtc::Ptx;

use super::CudaError;
use super::compile::Nvrtc;
use super::device::{Argument, Device};
use super::source::{Kernel, Source};

/// Streams: one copies in, one computes, one copies out.
const STREAMS: usize = 3;

/// CUDA devices of this machine.
///
/// # Errors
///
/// [`CudaError::MissingLibrary`] without a driver, [`CudaError::Driver`] if it answers with anything but a number.
pub fn device_count() -> Result<usize, CudaError> {
    // SAFETY: loads the driver's library under its own names, and nothing is called. `cudarc` panics if it is missing.
    if !unsafe { sys::is_culib_present() } {
        return Err(CudaError::MissingLibrary {
            library: "the CUDA driver",
            names: if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so, libcuda.so.1" }.to_string(),
            reason: "not on the loader's path".to_string(),
            hint: "install the NVIDIA driver (580 or later for CUDA 13); a container has to be given the device",
        });
    }
    match CudaContext::device_count() {
        Ok(count) => Ok(count.max(0) as usize),
        Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => Ok(0),
        Err(error) => Err(failed("cuDeviceGetCount")(error)),
    }
}

fn failed(call: &'static str) -> impl Fn(DriverError) -> CudaError {
    move |error| CudaError::Driver { call, code: format!("{:?}", error.0) }
}

/// A CUDA device with the kernels of a source loaded.
#[derive(Debug)]
pub struct Driver {
    streams: Vec<Arc<CudaStream>>,
    /// By the kernels' names.
    functions: BTreeMap<&'static str, CudaFunction>,
    context: Arc<CudaContext>,
}

impl Driver {
    pub(crate) fn new(ordinal: usize, source: &Source) -> Result<Driver, CudaError> {
        let found = device_count()?;
        if ordinal >= found {
            return Err(CudaError::NoDevice { ordinal, found });
        }
        let context = CudaContext::new(ordinal).map_err(failed("cuDevicePrimaryCtxRetain"))?;
        let nvrtc = Nvrtc::load()?;
        let (major, minor) = context.compute_capability().map_err(failed("cuDeviceGetAttribute"))?;
        let cubin = nvrtc.compile_cached(source.name, &source.text, &format!("sm_{major}{minor}"))?;
        let module = context.load_module(Ptx::from_binary(cubin)).map_err(failed("cuModuleLoadData"))?;
        let load = |kernel: &Kernel| Ok((kernel.name, module.load_function(kernel.name).map_err(failed("cuModuleGetFunction"))?));
        let functions = source.kernels.iter().map(load).collect::<Result<_, CudaError>>()?;
        let streams = (0..STREAMS).map(|_| context.new_stream().map_err(failed("cuStreamCreate"))).collect::<Result<_, _>>()?;
        Ok(Driver { streams, functions, context })
    }

    /// The device's name and architecture.
    pub(crate) fn describe(&self) -> Result<String, CudaError> {
        let name = self.context.name().map_err(failed("cuDeviceGetName"))?;
        let (major, minor) = self.context.compute_capability().map_err(failed("cuDeviceGetAttribute"))?;
        Ok(format!("{name} (sm_{major}{minor})"))
    }

    fn bind(&self) -> Result<(), CudaError> {
        self.context.bind_to_thread().map_err(failed("cuCtxSetCurrent"))
    }
}

/// Device memory.
#[derive(Debug)]
pub struct Memory {
    address: sys::CUdeviceptr,
    context: Arc<CudaContext>,
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Whatever went wrong before, work under way may still use it.
        self.context.record_err(self.context.synchronize());
        // SAFETY: allocated by `allocate`, freed once, and the device is idle.
        self.context.record_err(unsafe { result::free_sync(self.address) });
    }
}

/// Page-locked host memory.
#[derive(Debug)]
pub struct Staging {
    address: *mut c_void,
    context: Arc<CudaContext>,
}

// SAFETY: it owns what it points to, and the driver's memory belongs to no thread.
unsafe impl Send for Staging {}

impl Drop for Staging {
    fn drop(&mut self) {
        self.context.record_err(self.context.synchronize());
        // SAFETY: allocated by `stage`, freed once, and the device is idle.
        self.context.record_err(unsafe { result::free_host(self.address) });
    }
}

// SAFETY: the driver aligns to 256 bytes on the device and to a page on the host.
unsafe impl Device for Driver {
    type Error = CudaError;
    type Memory = Memory;
    type Staging = Staging;

    fn queues(&self) -> usize {
        self.streams.len()
    }

    fn allocate(&self, bytes: usize) -> Result<Memory, CudaError> {
        self.bind()?;
        // SAFETY: nothing reads it before it is written. The driver refuses an allocation of nothing.
        let address = unsafe { result::malloc_sync(bytes.max(1)) }.map_err(failed("cuMemAlloc"))?;
        Ok(Memory { address, context: self.context.clone() })
    }

    fn stage(&self, bytes: usize) -> Result<Staging, CudaError> {
        self.bind()?;
        // Not write-combined: results are read from it.
        // SAFETY: as above.
        let address = unsafe { result::malloc_host(bytes.max(1), 0) }.map_err(failed("cuMemHostAlloc"))?;
        Ok(Staging { address, context: self.context.clone() })
    }

    fn address(memory: &Memory) -> u64 {
        memory.address
    }

    fn host_address(staging: &Staging) -> *mut u8 {
        staging.address.cast()
    }

    fn upload(&self, queue: usize, from: &Staging, to: &Memory, at: usize, bytes: usize) -> Result<(), CudaError> {
        self.bind()?;
        let stream = self.streams[queue].cu_stream();
        // SAFETY: by the contract of `Device`, the bytes are there on both sides and stay until the queue is waited for.
        unsafe { sys::cuMemcpyHtoDAsync_v2(to.address + at as u64, from.address, bytes, stream) }
            .result()
            .map_err(failed("cuMemcpyHtoDAsync"))
    }

    fn download(&self, queue: usize, from: &Memory, at: usize, to: &Staging, bytes: usize) -> Result<(), CudaError> {
        self.bind()?;
        let stream = self.streams[queue].cu_stream();
        // SAFETY: as for `upload`.
        unsafe { sys::cuMemcpyDtoHAsync_v2(to.address, from.address + at as u64, bytes, stream) }
            .result()
            .map_err(failed("cuMemcpyDtoHAsync"))
    }

    fn copy(&self, queue: usize, from: &Memory, to: &Memory, bytes: usize) -> Result<(), CudaError> {
        self.bind()?;
        let stream = self.streams[queue].cu_stream();
        // SAFETY: as for `upload`.
        unsafe { sys::cuMemcpyDtoDAsync_v2(to.address, from.address, bytes, stream) }.result().map_err(failed("cuMemcpyDtoDAsync"))
    }

    fn launch(&self, queue: usize, kernel: Kernel, blocks: u32, arguments: &[Argument]) -> Result<(), CudaError> {
        self.bind()?;
        let mut pointers: Vec<*mut c_void> = arguments
            .iter()
            .map(|argument| match argument {
                Argument::U32(value) => (value as *const u32).cast_mut().cast(),
                Argument::U64(value) => (value as *const u64).cast_mut().cast(),
            })
            .collect();
        let (function, stream) = (self.functions[kernel.name].cu_function(), self.streams[queue].cu_stream());
        // SAFETY: the arguments are those of the kernel's source, which the emulation checks with the same host code; the driver
        // copies them before it returns.
        unsafe { result::launch_kernel(function, (blocks, 1, 1), (kernel.threads, 1, 1), 0, stream, &mut pointers) }
            .map_err(failed(kernel.name))
    }

    fn wait(&self, queue: usize) -> Result<(), CudaError> {
        self.streams[queue].synchronize().map_err(failed("cuStreamSynchronize"))
    }
}
