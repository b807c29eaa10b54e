//! NVRTC: CUDA C++ to machine code (CUBIN) for one architecture, kept on disk.
//!
//! NVRTC is loaded by the names below rather than by `cudarc`, which panics where it is missing and takes no path.

use std::error::Error;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::{env, ptr};

use libloading::Library;

use super::{CudaError, cache};

/// The environment variable that names NVRTC's library by path.
const NVRTC_VARIABLE: &str = "ASSAY_NVRTC";

/// Libraries that are tried, newest first.
const NAMES: &[&str] = if cfg!(windows) {
    &["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"]
} else {
    &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", "/usr/local/cuda/lib64/libnvrtc.so"]
};

/// The report of registers and spills costs nothing and is what `tests/nvrtc.rs` reads.
const OPTIONS: &[&str] = &["--std=c++17", "--ptxas-options=-v"];

type Program = *mut c_void;

/// Machine code and what the compiler said of it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The CUBIN.
    pub cubin: Vec<u8>,
    /// The compiler's log: registers, shared memory and spills of each kernel.
    pub log: String,
}

/// The NVRTC library.
#[derive(Debug)]
pub struct Nvrtc {
    library: Library,
    name: String,
    version: (i32, i32),
}

impl Nvrtc {
    /// The library that `ASSAY_NVRTC` names, or the first of the usual names that loads.
    ///
    /// # Errors
    ///
    /// [`CudaError::MissingLibrary`] if none loads.
    pub fn load() -> Result<Nvrtc, CudaError> {
        let names: Vec<String> = match env::var(NVRTC_VARIABLE) {
            Ok(path) if !path.is_empty() => vec![path],
            _ => NAMES.iter().map(ToString::to_string).collect(),
        };
        let mut reason = String::new();
        for name in &names {
            // SAFETY: loading runs the library's own initialisers; the names are NVRTC's, or the operator's word.
            match unsafe { Library::new(name) } {
                Ok(library) => {
                    let mut nvrtc = Nvrtc { library, name: name.clone(), version: (0, 0) };
                    nvrtc.version = nvrtc.ask_version()?;
                    return Ok(nvrtc);
                }
                // The loader's own words are the source of the error.
                Err(error) => reason = error.source().map_or_else(|| error.to_string(), ToString::to_string),
            }
        }
        Err(CudaError::MissingLibrary {
            library: "NVRTC, the CUDA run-time compiler",
            names: names.join(", "),
            reason,
            hint: "install it (CUDA toolkit, or `pip install nvidia-cuda-nvrtc`) or set ASSAY_NVRTC to its path",
        })
    }

    /// The name under which it was found.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Major and minor version.
    pub fn version(&self) -> (i32, i32) {
        self.version
    }

    /// Compiles for an architecture such as `sm_90`.
    ///
    /// # Errors
    ///
    /// [`CudaError::Compile`] with the compiler's log if the source or the architecture is refused.
    pub fn compile(&self, name: &str, source: &str, architecture: &str) -> Result<Compiled, CudaError> {
        type Create =
            unsafe extern "C" fn(*mut Program, *const c_char, *const c_char, c_int, *const *const c_char, *const *const c_char) -> c_int;
        type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int;
        let text = |text: &str| CString::new(text).expect("source, name and options hold no zero byte");
        let (source_text, name_text) = (text(source), text(name));
        let options: Vec<CString> =
            OPTIONS.iter().map(|option| text(option)).chain([text(&format!("--gpu-architecture={architecture}"))]).collect();
        let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let create = self.function::<Create>(c"nvrtcCreateProgram")?;
        let compile = self.function::<Compile>(c"nvrtcCompileProgram")?;
        let mut program = Destroyed { nvrtc: self, program: ptr::null_mut() };
        // SAFETY: the texts end in zero and outlive the program; no headers are given.
        let code = unsafe { create(&mut program.program, source_text.as_ptr(), name_text.as_ptr(), 0, ptr::null(), ptr::null()) };
        succeeded("nvrtcCreateProgram", code)?;
        // SAFETY: the program was made above; as many options as stated.
        let code = unsafe { compile(program.program, pointers.len() as c_int, pointers.as_ptr()) };
        let log = self.content(program.program, c"nvrtcGetProgramLogSize", c"nvrtcGetProgramLog")?;
        let log = CStr::from_bytes_until_nul(&log).unwrap_or_default().to_string_lossy().into_owned();
        if code != 0 {
            let (major, minor) = self.version;
            return Err(CudaError::Compile {
                source_name: name.to_string(),
                architecture: architecture.to_string(),
                compiler: format!("NVRTC {major}.{minor}"),
                log: if log.trim().is_empty() { format!("nvrtcCompileProgram returned {code}") } else { log },
            });
        }
        let cubin = self.content(program.program, c"nvrtcGetCUBINSize", c"nvrtcGetCUBIN")?;
        Ok(Compiled { cubin, log })
    }

    /// As [`Nvrtc::compile`], from `${XDG_CACHE_HOME:-~/.cache}/assay/cuda/` if it was compiled before.
    ///
    /// A cache that cannot be read or written costs a compilation and is no error.
    pub(crate) fn compile_cached(&self, name: &str, source: &str, architecture: &str) -> Result<Vec<u8>, CudaError> {
        let (major, minor) = self.version;
        let version = format!("{major}.{minor}");
        let options = OPTIONS.join("\0");
        let key = cache::key(&[name.as_bytes(), source.as_bytes(), options.as_bytes(), version.as_bytes(), architecture.as_bytes()]);
        let path: PathBuf = cache::folder("cuda").join(format!("{key}.cubin"));
        if let Some(cubin) = cache::read(&path) {
            return Ok(cubin);
        }
        let cubin = self.compile(name, source, architecture)?.cubin;
        drop(cache::write(&path, &cubin));
        Ok(cubin)
    }

    fn ask_version(&self) -> Result<(i32, i32), CudaError> {
        let version = self.function::<unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int>(c"nvrtcVersion")?;
        let (mut major, mut minor) = (0, 0);
        // SAFETY: two integers to write to.
        succeeded("nvrtcVersion", unsafe { version(&mut major, &mut minor) })?;
        Ok((major, minor))
    }

    /// The bytes of a log or a CUBIN: their number by one function, themselves by another.
    fn content(&self, program: Program, size_name: &'static CStr, name: &'static CStr) -> Result<Vec<u8>, CudaError> {
        let size_of = self.function::<unsafe extern "C" fn(Program, *mut usize) -> c_int>(size_name)?;
        let get = self.function::<unsafe extern "C" fn(Program, *mut c_char) -> c_int>(name)?;
        let mut size = 0;
        // SAFETY: the program lives, and the second call writes as many bytes as the first one said.
        succeeded(size_name.to_str().unwrap_or_default(), unsafe { size_of(program, &mut size) })?;
        let mut content = vec![0u8; size];
        // SAFETY: as above.
        succeeded(name.to_str().unwrap_or_default(), unsafe { get(program, content.as_mut_ptr().cast()) })?;
        Ok(content)
    }

    fn function<F: Copy>(&self, name: &'static CStr) -> Result<F, CudaError> {
        // SAFETY: each caller states the type that NVRTC's manual gives for the name.
        let symbol = unsafe { self.library.get::<F>(name.to_bytes_with_nul()) };
        symbol.map(|symbol| *symbol).map_err(|error| CudaError::MissingLibrary {
            library: "NVRTC, the CUDA run-time compiler",
            names: self.name.clone(),
            reason: error.to_string(),
            hint: "install NVRTC of CUDA 12 or later",
        })
    }
}

/// Destroys a program when it goes out of scope.
struct Destroyed<'a> {
    nvrtc: &'a Nvrtc,
    program: Program,
}

impl Drop for Destroyed<'_> {
    fn drop(&mut self) {
        if self.program.is_null() {
            return;
        }
        if let Ok(destroy) = self.nvrtc.function::<unsafe extern "C" fn(*mut Program) -> c_int>(c"nvrtcDestroyProgram") {
            // SAFETY: made by nvrtcCreateProgram and destroyed once.
            unsafe { destroy(&mut self.program) };
        }
    }
}

fn succeeded(call: &'static str, code: c_int) -> Result<(), CudaError> {
    if code == 0 { Ok(()) } else { Err(CudaError::Nvrtc { call, code }) }
}
