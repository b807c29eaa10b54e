//! A CUDA source compiled by the host compiler.
//!
//! Blocks, barriers, shuffles, shared memory and atomics come from `cuda/shim.h`; everything else, the host code that batches
//! and launches included, is what runs on a device. It is there to find mistakes where no device is, and is slow.
//!
//! Copies and launches are put off until the host waits for them, so that host code which forgets to wait gets what was in
//! memory before: bytes of `0xa5`. A write beyond the end of device memory is found when the memory is dropped.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::{env, fs, io, thread};

use libloading::Library;

use super::cache;
use super::device::{Argument, Device};
use super::source::{Kernel, Source};

/// The files that the compiler is given, beside each other.
fn files(source: &Source) -> [(&'static str, String); 4] {
    let kernels = source.kernels.iter().map(|kernel| format!("KERNEL({}),\n", kernel.name)).collect();
    [
        ("source.cu", source.text.clone()),
        ("kernels.h", kernels),
        ("shim.h", include_str!("../../cuda/shim.h").to_string()),
        ("emulated.cpp", include_str!("../../cuda/emulated.cpp").to_string()),
    ]
}

/// Fortified `longjmp` takes a change of stacks for a mistake; the kernels read four words as a vector.
const OPTIONS: &[&str] =
    &["-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-strict-aliasing", "-U_FORTIFY_SOURCE", "-Wno-unknown-pragmas"];
/// For tests: what the compiler warns of is a finding too.
const SANITIZER_OPTIONS: &[&str] = &["-fsanitize=undefined", "-fno-sanitize-recover=all", "-Wall", "-Wextra", "-Werror"];

type Launch = unsafe extern "C" fn(*const c_char, c_uint, c_uint, *mut *mut c_void) -> c_int;

/// Why the sources cannot be emulated.
#[derive(Debug, thiserror::Error)]
pub enum EmulationError {
    /// The C++ compiler is not installed.
    #[error("{compiler}: expected a C++ compiler of that name, found none ({reason}); install g++ or clang, or set CXX")]
    NoCompiler {
        /// The name that was tried.
        compiler: String,
        /// What starting it gave.
        reason: io::Error,
    },
    /// The compiler refuses the sources.
    #[error("{compiler}: expected the kernels to compile, found: {log}")]
    Compile {
        /// The compiler.
        compiler: String,
        /// What it said.
        log: String,
    },
    /// The library does not load, or a file cannot be written.
    #[error("{path}: {reason}")]
    Library {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// The library has no kernel of that name.
    #[error("{kernel}: expected a kernel of that name in the emulated sources, found none")]
    NoKernel {
        /// The name.
        kernel: &'static str,
    },
}

/// Compiles the source and returns where the library is.
fn build(source: &Source, sanitized: bool) -> Result<PathBuf, EmulationError> {
    let files = files(source);
    let compiler = env::var("CXX").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "c++".to_string());
    let version = Command::new(&compiler)
        .arg("--version")
        .output()
        .map_err(|reason| EmulationError::NoCompiler { compiler: compiler.clone(), reason })?;
    let options: Vec<&str> = OPTIONS.iter().chain(if sanitized { SANITIZER_OPTIONS } else { &[] }).copied().collect();
    let joined = options.join("\0");
    let mut parts = vec![compiler.as_bytes(), &version.stdout, joined.as_bytes()];
    parts.extend(files.iter().map(|(_, text)| text.as_bytes()));
    let folder = cache::folder("emulated").join(cache::key(&parts));
    let library = folder.join("libemulated.so");
    if library.exists() {
        return Ok(library);
    }
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |error: io::Error| EmulationError::Library { path, reason: error.to_string() }
    };
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    // Names of our own and renamed when whole: another process may be at the same.
    for (name, text) in &files {
        let path = folder.join(name);
        let part = cache::temporary(&path);
        fs::write(&part, text).and_then(|()| fs::rename(&part, &path)).map_err(failed(&path))?;
    }
    let part = cache::temporary(&library);
    let output = Command::new(&compiler)
        .args(&options)
        .arg("-o")
        .arg(&part)
        .arg(folder.join("emulated.cpp"))
        .output()
        .map_err(|reason| EmulationError::NoCompiler { compiler: compiler.clone(), reason })?;
    if !output.status.success() {
        return Err(EmulationError::Compile { compiler, log: String::from_utf8_lossy(&output.stderr).into_owned() });
    }
    fs::rename(&part, &library).map_err(failed(&library))?;
    Ok(library)
}

/// Bytes behind each piece of memory that nothing may write to.
const GUARD: usize = 256;
/// What memory holds before it is written.
const POISON: u8 = 0xa5;

/// Memory of the emulated device, or staging memory.
#[derive(Debug)]
struct Block {
    address: *mut u8,
    bytes: usize,
}

// SAFETY: the block owns its memory, which moves between threads with the one `Emulated` that all its references belong to.
unsafe impl Send for Block {}
// SAFETY: its bytes are reached through that `Emulated` alone, which is not `Sync`.
unsafe impl Sync for Block {}

impl Block {
    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes + GUARD, 256).expect("a size that memory has")
    }

    fn new(bytes: usize) -> Arc<Block> {
        let layout = Block::layout(bytes);
        // SAFETY: the layout is not empty; all of it is written before anything is read.
        let address = unsafe { alloc(layout) };
        if address.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: as above.
        unsafe { address.write_bytes(POISON, layout.size()) };
        Arc::new(Block { address, bytes })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the guard belongs to the allocation, which is freed once.
        let whole = unsafe { std::slice::from_raw_parts(self.address.add(self.bytes), GUARD) }.iter().all(|&byte| byte == POISON);
        // SAFETY: as above.
        unsafe { dealloc(self.address, Block::layout(self.bytes)) };
        assert!(whole || thread::panicking(), "a kernel wrote behind {} bytes of device memory", self.bytes);
    }
}

/// Memory that operations put off keep alive.
#[derive(Debug)]
pub struct Memory(Arc<Block>);

enum Operation {
    Copy { from: Arc<Block>, from_at: usize, to: Arc<Block>, to_at: usize, bytes: usize },
    Launch { kernel: Kernel, blocks: u32, arguments: Vec<Argument> },
}

/// A device that runs kernels on one thread of this process.
pub struct Emulated {
    launch: Launch,
    queues: [RefCell<VecDeque<Operation>>; 2],
}

impl Emulated {
    /// Compiles the source, or finds it compiled in `${XDG_CACHE_HOME:-~/.cache}/assay/emulated/`.
    ///
    /// With `sanitized` the undefined-behaviour sanitizer ends the process at the first finding.
    pub(crate) fn new(source: &Source, sanitized: bool) -> Result<Emulated, EmulationError> {
        let path = build(source, sanitized)?;
        let failed = |error: libloading::Error| EmulationError::Library { path: path.clone(), reason: error.to_string() };
        // SAFETY: our own library, whose initialisers do nothing.
        let library = unsafe { Library::new(&path) }.map_err(failed)?;
        // SAFETY: the type is that of the source.
        let launch = *unsafe { library.get::<Launch>(b"emulated_launch\0") }.map_err(failed)?;
        // Its fibers live until the process ends, and so does it.
        std::mem::forget(library);
        Ok(Emulated { launch, queues: Default::default() })
    }

    fn run(&self, operation: Operation) -> Result<(), EmulationError> {
        match operation {
            Operation::Copy { from, from_at, to, to_at, bytes } => {
                assert!(from_at + bytes <= from.bytes && to_at + bytes <= to.bytes, "a copy beyond the end of memory");
                // SAFETY: within both pieces, which are distinct allocations.
                unsafe { to.address.add(to_at).copy_from_nonoverlapping(from.address.add(from_at), bytes) };
                Ok(())
            }
            Operation::Launch { kernel, blocks, mut arguments } => {
                let mut pointers: Vec<*mut c_void> = arguments
                    .iter_mut()
                    .map(|argument| match argument {
                        Argument::U32(value) => std::ptr::from_mut(value).cast(),
                        Argument::U64(value) => std::ptr::from_mut(value).cast(),
                    })
                    .collect();
                let name = CString::new(kernel.name).expect("a name without a zero byte");
                // SAFETY: the arguments are those that the source lists; memory is alive until the host has waited.
                match unsafe { (self.launch)(name.as_ptr(), blocks, kernel.threads, pointers.as_mut_ptr()) } {
                    0 => Ok(()),
                    _ => Err(EmulationError::NoKernel { kernel: kernel.name }),
                }
            }
        }
    }

    fn push(&self, queue: usize, operation: Operation) -> Result<(), EmulationError> {
        self.queues[queue].borrow_mut().push_back(operation);
        Ok(())
    }
}

// SAFETY: each piece is an allocation of its own, aligned to 256 bytes.
unsafe impl Device for Emulated {
    type Error = EmulationError;
    type Memory = Memory;
    type Staging = Memory;

    fn queues(&self) -> usize {
        self.queues.len()
    }

    fn allocate(&self, bytes: usize) -> Result<Memory, EmulationError> {
        Ok(Memory(Block::new(bytes)))
    }

    fn stage(&self, bytes: usize) -> Result<Memory, EmulationError> {
        self.allocate(bytes)
    }

    fn address(memory: &Memory) -> u64 {
        memory.0.address as u64
    }

    fn host_address(staging: &Memory) -> *mut u8 {
        staging.0.address
    }

    fn upload(&self, queue: usize, from: &Memory, to: &Memory, at: usize, bytes: usize) -> Result<(), EmulationError> {
        self.push(queue, Operation::Copy { from: from.0.clone(), from_at: 0, to: to.0.clone(), to_at: at, bytes })
    }

    fn download(&self, queue: usize, from: &Memory, at: usize, to: &Memory, bytes: usize) -> Result<(), EmulationError> {
        self.push(queue, Operation::Copy { from: from.0.clone(), from_at: at, to: to.0.clone(), to_at: 0, bytes })
    }

    fn copy(&self, queue: usize, from: &Memory, to: &Memory, bytes: usize) -> Result<(), EmulationError> {
        self.upload(queue, from, to, 0, bytes)
    }

    fn launch(&self, queue: usize, kernel: Kernel, blocks: u32, arguments: &[Argument]) -> Result<(), EmulationError> {
        self.push(queue, Operation::Launch { kernel, blocks, arguments: arguments.to_vec() })
    }

    fn wait(&self, queue: usize) -> Result<(), EmulationError> {
        loop {
            // Taken out first: the borrow ends before the operation runs.
            let operation = self.queues[queue].borrow_mut().pop_front();
            match operation {
                Some(operation) => self.run(operation)?,
                None => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "wrote behind")]
    fn write_beyond_the_end_is_found() {
        let block = Block::new(10);
        // SAFETY: inside the guard, which belongs to the allocation.
        unsafe { block.address.add(10).write(0) };
    }
}
