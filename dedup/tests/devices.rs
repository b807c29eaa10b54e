//! The CUDA path gives the CPU's bytes: emulated wherever there is a C++ compiler, and on a device where there is one.

mod common;

use common::*;
use dedup::{Device, Features, Index, Judge, Options, Ruling};

fn same_everywhere(device: fn() -> Result<Device, dedup::DedupError>, name: &str) {
    if let Err(e) = device() {
        println!("skipped: {name}: {e}");
        return;
    }
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
    same_everywhere(Device::emulated, "emulated kernels");
}

#[test]
fn a_cuda_device_gives_the_bytes_of_the_cpu() {
    same_everywhere(|| Device::cuda(0), "CUDA");
}
