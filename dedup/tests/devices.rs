//! The CUDA path gives the CPU's bytes: emulated wherever there is a C++ compiler, and on a device where there is one.

mod common;

use common::*;
use dedup::{Device, Features, Index, Judge, Options, Ruling};
use kernels::cuda::{CudaError, EmulationError, device_count};
use kernels::dedup::EmulatedDedup;

fn same_everywhere(device: fn() -> Result<Device, dedup::DedupError>, name: &str) {
    let mut random = Random(11);
    let template = random.words(150);
    let documents: Vec<Features> = mixed(31, 150).into_iter().chain((0..60).map(|_| of_words(edited(&template, 4, &mut random)))).collect();
    for options in [Options::new(&[KEY, [3; 32]]), Options { verify: false, spans: false, ..Options::new(&[KEY]) }] {
        let on = |device: Device| -> (Vec<Ruling>, Vec<(String, u64)>) {
            let dir = tempfile::tempdir().unwrap();
            let mut index = Index::open(dir.path(), &options.keys).unwrap();
            let mut judge = Judge::with_base(index.view(), options.clone()).unwrap().on_device(device);
            let rulings = judge_all(&mut judge, &documents, 90, 0).unwrap();
            index.append(&judge.into_delta(), 5).unwrap();
            // Files are named by their digests.
            (rulings, index.files())
        };
        assert!(on(device().unwrap()) == on(Device::Cpu), "{name} and the CPU differ");
    }
}

#[test]
fn emulated_kernels_give_the_bytes_of_the_cpu() {
    // A compiler that refuses the kernels is a failure: only a missing one is a reason to leave them out.
    if let Err(error @ EmulationError::NoCompiler { .. }) = EmulatedDedup::new() {
        skips::skip(skips::Need::Compiler, "verdicts by emulated kernels", error);
        return;
    }
    same_everywhere(Device::emulated, "emulated kernels");
}

#[test]
fn a_cuda_device_gives_the_bytes_of_the_cpu() {
    match device_count() {
        Ok(0) => skips::skip(skips::Need::CudaDevice, "verdicts by a device", "the driver knows no device"),
        Err(error @ CudaError::MissingLibrary { .. }) => skips::skip(skips::Need::CudaDevice, "verdicts by a device", error),
        _ => same_everywhere(|| Device::cuda(0), "CUDA"),
    }
}
