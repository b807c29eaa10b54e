//! Every kernel compiles for the architectures that matter, without spilling registers to memory.

use kernels::cuda::{CudaError, Nvrtc};
use kernels::dedup::source;

/// The number that stands before `unit` in a line of the log.
fn number_before(line: &str, unit: &str) -> Option<u32> {
    line[..line.find(unit)?].split_whitespace().last()?.parse().ok()
}

/// The library, or nothing and a word about it. One that `ASSAY_NVRTC` names has to load.
fn nvrtc(test: &str) -> Option<Nvrtc> {
    let named = std::env::var("ASSAY_NVRTC").is_ok_and(|name| !name.is_empty());
    match Nvrtc::load() {
        Err(error @ CudaError::MissingLibrary { .. }) if !named => {
            skips::skip(skips::Need::Nvrtc, test, error);
            None
        }
        nvrtc => Some(nvrtc.unwrap_or_else(|error| panic!("{error}"))),
    }
}

#[test]
fn kernels_compile_without_spills() {
    let Some(nvrtc) = nvrtc("compiling kernels for devices") else { return };
    let (major, minor) = nvrtc.version();
    println!("{} {major}.{minor}", nvrtc.name());
    let source = source();
    for architecture in ["sm_80", "sm_90"] {
        let compiled = nvrtc.compile(source.name, &source.text, architecture).unwrap_or_else(|error| panic!("{error}"));
        assert!(compiled.cubin.starts_with(b"\x7fELF"), "a CUBIN is an ELF file");
        assert!(!compiled.log.contains("warning"), "{}", compiled.log);
        let mut kernel = "";
        let mut reported = Vec::new();
        for line in compiled.log.lines() {
            if let Some((_, rest)) = line.split_once("Compiling entry function '") {
                kernel = rest.split('\'').next().unwrap_or_default();
            }
            if let Some(stores) = number_before(line, " bytes spill stores") {
                let loads = number_before(line, " bytes spill loads").expect("loads beside stores");
                let stack = number_before(line, " bytes stack frame").expect("the stack beside stores");
                assert_eq!((stores, loads, stack), (0, 0, 0), "{kernel} for {architecture}: spill stores, loads, stack frame");
                reported.push(kernel);
            }
            if let Some(registers) = number_before(line, " registers") {
                println!(
                    "{architecture} {kernel}: {registers} registers, {} bytes shared",
                    number_before(line, " bytes smem").unwrap_or(0)
                );
            }
        }
        if reported.is_empty() {
            let test = format!("spills of kernels for {architecture}");
            skips::skip(skips::Need::Nvrtc, &test, format!("{} {major}.{minor} does not report registers", nvrtc.name()));
        } else {
            for kernel in source.kernels {
                assert!(reported.contains(&kernel.name), "{architecture}: nothing reported for {}", kernel.name);
            }
        }
    }
}

#[test]
fn source_that_does_not_compile_is_quoted() {
    let Some(nvrtc) = nvrtc("errors of a compilation") else { return };
    let error = nvrtc.compile("broken.cu", "__global__ void f() { undeclared(); }", "sm_80").unwrap_err().to_string();
    assert!(error.contains("broken.cu for sm_80") && error.contains("undeclared"), "{error}");
}
