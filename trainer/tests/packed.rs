//! Checkpoints as they are stored: what goes in comes out, and nothing else is taken.

mod common;

use common::{config, corpus, pricing, setup};
use kernels::{Cpu, Real};
use trainer::{Corpus, Order, Pricing, RunConfig, Shares, State, TrainError, Trainer, pack};

struct World {
    config: RunConfig,
    corpus: Corpus,
    pricing: Pricing,
}

impl World {
    fn new() -> World {
        World { config: config(), corpus: corpus(40, 4, 3), pricing: pricing(&corpus(12, 1, 99)) }
    }

    /// Calls `then` with a trainer and its state after five windows, whose credit by document was taken.
    fn after_windows<T: Real, R>(&self, then: impl FnOnce(&Cpu<T>, &Order<'_>, &Trainer<'_, Cpu<T>>, State<Cpu<T>>) -> R) -> R {
        let backend = Cpu::<T>::new();
        let order = Order::new(&self.corpus, [4; 32], 16, 4).unwrap();
        let batches = |step, shares: &[Shares]| order.batches(step, shares, 0);
        let mut trainer = Trainer::new(&backend, &self.config, setup(&self.config, 4), &self.pricing, batches).unwrap();
        let mut state = trainer.start(&trainer.layout().initial(&[9; 32]));
        for _ in 0..5 {
            assert!(trainer.window(&mut state, &mut |_| {}));
        }
        state.rows.clear();
        then(&backend, &order, &trainer, state)
    }
}

/// The file, packed, with a header that `alter` changed and the tensors as they were.
fn with_header(file: &[u8], alter: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let packed = pack(file).unwrap();
    let len = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&file[8..8 + len]).unwrap();
    alter(&mut header);
    let json = header.to_string().into_bytes();
    let frame = zstd::bulk::compress(&[&(json.len() as u64).to_le_bytes()[..], &json].concat(), 1).unwrap();
    let magic = b"assay packed v1\n".len();
    let old = u64::from_le_bytes(packed[magic..magic + 8].try_into().unwrap()) as usize;
    [&packed[..magic], &(frame.len() as u64).to_le_bytes(), &frame, &packed[magic + 8 + old..]].concat()
}

fn refusal<R>(result: Result<R, TrainError>) -> String {
    result.err().expect("a checkpoint that is refused").to_string()
}

#[test]
fn a_packed_state_comes_back_to_the_last_bit_in_f32_and_f64() {
    fn back<T: Real>() {
        World::new().after_windows::<T, _>(|backend, order, trainer, state| {
            let file = trainer.save(backend, &state, "c").unwrap();
            let packed = pack(&file).unwrap();
            assert_eq!(pack(&file).unwrap(), packed);
            assert_eq!(trainer.unpack(backend, &packed, "c", |shares| order.check(shares)).unwrap(), file);
            assert!(!state.held.is_empty());
        });
    }
    back::<f32>();
    back::<f64>();
}

#[test]
fn packed_parameters_are_those_of_the_state() {
    World::new().after_windows::<f32, _>(|backend, _, trainer, state| {
        let file = trainer.save_parameters(backend, &state.parameters(), "c").unwrap();
        let unpacked = trainer.unpack(backend, &pack(&file).unwrap(), "c", |_| Ok(())).unwrap();
        let found = trainer.load_parameters(backend, &unpacked, "c").unwrap();
        assert_eq!(found.step, state.step);
        assert_eq!(trainer.save_parameters(backend, &found, "c").unwrap(), file);
        // A state has them too.
        let state_file = trainer.save(backend, &state, "c").unwrap();
        let of_state = trainer.load_parameters(backend, &state_file, "c").unwrap();
        assert_eq!(trainer.save_parameters(backend, &of_state, "c").unwrap(), file);
        // No run goes on from parameters alone.
        assert!(refusal(trainer.load(backend, &unpacked, "c")).contains("assay.run-state"));
    });
}

#[test]
fn a_header_that_announces_gigabytes_is_refused_before_they_are_taken() {
    World::new().after_windows::<f32, _>(|backend, _, trainer, state| {
        let file = trainer.save(backend, &state, "c").unwrap();
        let last = {
            let (_, header) = safetensors::SafeTensors::read_metadata(&file).unwrap();
            header.offset_keys().pop().unwrap()
        };
        // The last tensor in the file, since the others' places would have to move.
        let longer = with_header(&file, |header| {
            let from = header[&last]["data_offsets"][0].as_u64().unwrap();
            let count = 1u64 << 40;
            header[&last]["shape"] = serde_json::json!([count]);
            header[&last]["data_offsets"] = serde_json::json!([from, from + 4 * count]);
        });
        assert!(refusal(trainer.unpack(backend, &longer, "c", |_| Ok(()))).contains("expected"));
        let more = with_header(&file, |header| {
            let end = header[&last]["data_offsets"][1].as_u64().unwrap();
            header["more"] = serde_json::json!({ "dtype": "F32", "shape": [1u64 << 40], "data_offsets": [end, end + (4u64 << 40)] });
        });
        assert!(refusal(trainer.unpack(backend, &more, "c", |_| Ok(()))).contains("more: a tensor that no checkpoint of this run has"));
        // A header that is longer than any.
        let zeros = zstd::bulk::compress(&vec![0; 100_000_009], 1).unwrap();
        let header = [&b"assay packed v1\n"[..], &(zeros.len() as u64).to_le_bytes(), &zeros].concat();
        assert!(refusal(trainer.unpack(backend, &header, "c", |_| Ok(()))).contains("a header of 100000009 bytes"));
    });
}

#[test]
fn a_state_that_holds_other_documents_than_the_order_has_is_refused() {
    World::new().after_windows::<f32, _>(|backend, _, trainer, mut state| {
        let mut gone = state.held.pop().unwrap();
        let file = trainer.save(backend, &state, "c").unwrap();
        // One step fewer is a step that was skipped; one with another step's documents is nobody's.
        trainer.unpack(backend, &pack(&file).unwrap(), "c", |_| Ok(())).unwrap();
        let step = state.held.pop().unwrap().step;
        gone.step = step;
        state.held.push(gone);
        let file = trainer.save(backend, &state, "c").unwrap();
        assert!(refusal(trainer.unpack(backend, &pack(&file).unwrap(), "c", |_| Ok(()))).contains(&format!("step {step}: holds")));
    });
}

#[test]
fn shares_that_would_make_a_pass_of_any_length_are_refused() {
    World::new().after_windows::<f32, _>(|backend, order, trainer, mut state| {
        state.shares.push(Shares { from_step: 0, ppm: vec![u64::MAX] });
        let packed = pack(&trainer.save(backend, &state, "c").unwrap()).unwrap();
        assert!(refusal(trainer.unpack(backend, &packed, "c", |shares| order.check(shares))).contains("mean is above 2"));
    });
}

#[test]
fn damaged_bytes_are_refused_or_give_a_file_and_never_panic() {
    World::new().after_windows::<f32, _>(|backend, order, trainer, state| {
        let file = trainer.save(backend, &state, "c").unwrap();
        let packed = pack(&file).unwrap();
        let unpack = |bytes: &[u8]| trainer.unpack(backend, bytes, "c", |shares| order.check(shares));
        for cut in (0..packed.len()).step_by(packed.len() / 97) {
            assert!(unpack(&packed[..cut]).is_err(), "{cut} bytes were accepted");
        }
        for at in (0..packed.len()).step_by(packed.len() / 499) {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x41;
            assert!(unpack(&damaged).is_err() || unpack(&damaged).unwrap() != file, "byte {at} does not count");
        }
        assert!(refusal(unpack(&[&packed[..], &[0]].concat())).contains("1 bytes follow"));
        assert!(refusal(unpack(&file)).contains("expected a packed checkpoint"));
    });
}
