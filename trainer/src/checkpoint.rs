//! A run's state as one safetensors file: `theta`, `second`, `moment.<bucket>`, the open window's buffers, the
//! sketches that are held, the credit that nobody has taken yet, and the rest as JSON in the header.
//!
//! The same state gives the same bytes.

use std::collections::{BTreeMap, HashMap};

use corpus::credit::Window;
use kernels::Memory;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::documents::{DocumentCredit, Held, Slot};
use crate::error::TrainError;
use crate::order::Shares;
use crate::shares::Earned;
use crate::state::{Open, State};
use crate::trainer::Trainer;

/// The key of the header's JSON; one key, since a header's map has no order of its own.
const META: &str = "assay.run-state.v3";

#[derive(Serialize, Deserialize)]
struct Meta {
    config_digest: String,
    step: u64,
    next_window: u64,
    windows: Vec<Window>,
    losses: Vec<u64>,
    open: Option<OpenMeta>,
    held: Vec<HeldMeta>,
    bases: Vec<u64>,
    last: Vec<Vec<SlotMeta>>,
    /// First step and millionths.
    #[serde(rename = "weights")]
    shares: Vec<(u64, Vec<u64>)>,
    /// Bits of the nats, and tokens.
    earned: Vec<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct OpenMeta {
    first_step: u64,
    length: u64,
    tokens: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct HeldMeta {
    step: u64,
    basis: u64,
    slots: Vec<SlotMeta>,
    factor: u64,
}

/// Document, bucket and tokens.
type SlotMeta = (u32, u32, u32);

fn slot_meta(slots: &[Slot]) -> Vec<SlotMeta> {
    slots.iter().map(|s| (s.document, s.bucket, s.tokens)).collect()
}

fn slots_of(meta: &[SlotMeta]) -> Vec<Slot> {
    meta.iter().map(|&(document, bucket, tokens)| Slot { document, bucket, tokens }).collect()
}

fn failed(e: impl std::fmt::Display) -> TrainError {
    TrainError::Checkpoint(e.to_string())
}

impl<B: Memory> Trainer<'_, B> {
    /// The state as a file; `config_digest` names the run that it belongs to.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] if it cannot be written down.
    pub fn save(&self, backend: &B, state: &State<B>, config_digest: &str) -> Result<Vec<u8>, TrainError> {
        let open = state.open.as_ref();
        let meta = Meta {
            config_digest: config_digest.to_string(),
            step: state.step,
            next_window: state.next_window,
            windows: state.windows.clone(),
            losses: state.losses.iter().map(|x| x.to_bits()).collect(),
            open: open.map(|o| OpenMeta { first_step: o.first_step, length: o.length, tokens: o.tokens.clone() }),
            held: state
                .held
                .iter()
                .map(|h| HeldMeta { step: h.step, basis: h.basis, slots: slot_meta(&h.slots), factor: h.factor.to_bits() })
                .collect(),
            bases: state.bases.keys().copied().collect(),
            last: state.last.iter().map(|l| slot_meta(l)).collect(),
            shares: state.shares.iter().map(|w| (w.from_step, w.ppm.clone())).collect(),
            earned: state.earned.iter().map(|e| (e.nats.to_bits(), e.tokens)).collect(),
        };
        let meta = HashMap::from([(META.to_string(), serde_json::to_string(&meta).map_err(failed)?)]);
        let dtype = if backend.dtype() == "f32" { Dtype::F32 } else { Dtype::F64 };
        let (len, parts) = (self.layout().len, self.part_count());
        let mut buffers: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        let mut master = |name: String, values: &B::Master| buffers.push((name, dtype, vec![len], backend.master_to_bytes(values)));
        master("theta".into(), &state.theta);
        master("second".into(), &state.second);
        for (bucket, moment) in state.moments.iter().enumerate() {
            master(format!("moment.{bucket:05}"), moment);
        }
        if let Some(open) = open {
            master("window.theta".into(), &open.first_theta);
            master("window.second".into(), &open.first_second);
            master("window.decay".into(), &open.decay_part);
            for (bucket, part) in open.parts.iter().enumerate() {
                master(format!("window.part.{bucket:05}"), part);
            }
        }
        for held in state.held.iter().filter(|h| !h.slots.is_empty()) {
            let shape = vec![held.slots.len(), self.sketch_len()];
            buffers.push((format!("held.{:09}", held.step), dtype, shape, backend.gradient_to_bytes(&held.sketches)));
        }
        for (step, basis) in &state.bases {
            let values: Vec<u8> = basis.flat().flat_map(f64::to_le_bytes).collect();
            buffers.push((format!("basis.{step:09}"), Dtype::F64, vec![values.len() / 8], values));
        }
        if !state.rows.is_empty() {
            let places = state.rows.iter().flat_map(|r| [r.document, r.bucket, r.window as u32, r.tokens]);
            let places = places.flat_map(u32::to_le_bytes).collect();
            let credit = state.rows.iter().flat_map(|r| &r.credit).flat_map(|c| c.to_le_bytes()).collect();
            buffers.push(("rows.places".into(), Dtype::U32, vec![state.rows.len(), 4], places));
            buffers.push(("rows.credit".into(), Dtype::F64, vec![state.rows.len(), parts], credit));
        }
        let views: Result<Vec<(&str, TensorView<'_>)>, _> = buffers
            .iter()
            .map(|(name, dtype, shape, bytes)| TensorView::new(*dtype, shape.clone(), bytes).map(|v| (name.as_str(), v)))
            .collect();
        safetensors::serialize(views.map_err(failed)?, Some(meta)).map_err(failed)
    }

    /// The inverse of [`Trainer::save`].
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] if the file is damaged, of another run, or of another model.
    pub fn load(&self, backend: &B, bytes: &[u8], config_digest: &str) -> Result<State<B>, TrainError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(failed)?;
        let meta = header.metadata().as_ref().and_then(|m| m.get(META)).ok_or_else(|| failed(format!("no key {META} in its header")))?;
        let meta: Meta = serde_json::from_str(meta).map_err(failed)?;
        if meta.config_digest != config_digest {
            return Err(failed(format!("belongs to the run config {}, expected {config_digest}", meta.config_digest)));
        }
        let (parts, buckets) = (self.part_count(), self.buckets());
        let whole = |w: &Window| {
            w.tokens.len() == buckets
                && w.credit.len() == buckets * parts
                && [&w.loss_before, &w.loss_after, &w.decay, &w.correction].iter().all(|l| l.len() == parts)
        };
        if let Some(window) = meta.windows.iter().find(|w| !whole(w)) {
            return Err(failed(format!("window {}: not of {buckets} buckets and {parts} pricing parts", window.index)));
        }
        let slots = meta.last.iter().flatten().chain(meta.held.iter().flat_map(|h| &h.slots));
        if meta.last.len() != buckets || slots.clone().any(|s| s.1 as usize >= buckets) {
            return Err(failed(format!("documents of other buckets than the run's {buckets}")));
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(failed)?;
        let read = |name: &str, count: usize| {
            let view = tensors.tensor(name).map_err(failed)?;
            let found: usize = view.shape().iter().product();
            if found != count || format!("{:?}", view.dtype()).to_lowercase() != backend.dtype() {
                return Err(failed(format!(
                    "{name}: expected {count} numbers of {}, found {found} of {:?}",
                    backend.dtype(),
                    view.dtype()
                )));
            }
            Ok(view.data().to_vec())
        };
        let len = self.layout().len;
        let master = |name: &str| Ok::<_, TrainError>(backend.master_from_bytes(&read(name, len)?));
        let by_bucket = |name: &str| (0..buckets).map(|b| master(&format!("{name}.{b:05}"))).collect::<Result<Vec<_>, _>>();
        let open = match meta.open {
            Some(o) if o.tokens.len() == buckets => Some(Open {
                first_step: o.first_step,
                length: o.length,
                first_theta: master("window.theta")?,
                first_second: master("window.second")?,
                parts: by_bucket("window.part")?,
                decay_part: master("window.decay")?,
                tokens: o.tokens,
            }),
            Some(o) => return Err(failed(format!("its open window is of {} buckets, expected {buckets}", o.tokens.len()))),
            None => None,
        };
        let mut held = Vec::new();
        for h in meta.held {
            let count = h.slots.len() * self.sketch_len();
            let sketches =
                if count == 0 { backend.gradient(0) } else { backend.gradient_from_bytes(&read(&format!("held.{:09}", h.step), count)?) };
            held.push(Held { step: h.step, basis: h.basis, slots: slots_of(&h.slots), sketches, factor: f64::from_bits(h.factor) });
        }
        let mut bases = BTreeMap::new();
        for step in meta.bases {
            let view = tensors.tensor(&format!("basis.{step:09}")).map_err(failed)?;
            let values: Vec<f64> = view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes"))).collect();
            let basis = self.basis_from_flat(&values).ok_or_else(|| failed(format!("basis of step {step}: of another model")))?;
            bases.insert(step, basis);
        }
        let open_at = open.as_ref().map(|o: &Open<B>| o.first_step).filter(|_| self.sketch_len() > 0);
        if let Some(step) = held.iter().map(|h| h.basis).chain(open_at).find(|step| !bases.contains_key(step)) {
            return Err(failed(format!("the basis of step {step} is missing")));
        }
        Ok(State {
            step: meta.step,
            theta: master("theta")?,
            second: master("second")?,
            moments: by_bucket("moment")?,
            next_window: meta.next_window,
            windows: meta.windows,
            losses: meta.losses.into_iter().map(f64::from_bits).collect(),
            open,
            held,
            bases,
            last: meta.last.iter().map(|l| slots_of(l)).collect(),
            rows: rows(&tensors, parts)?,
            shares: meta.shares.into_iter().map(|(from_step, ppm)| Shares { from_step, ppm }).collect(),
            earned: meta.earned.into_iter().map(|(nats, tokens)| Earned { nats: f64::from_bits(nats), tokens }).collect(),
        })
    }
}

fn rows(tensors: &SafeTensors<'_>, parts: usize) -> Result<Vec<DocumentCredit>, TrainError> {
    let (Ok(places), Ok(credit)) = (tensors.tensor("rows.places"), tensors.tensor("rows.credit")) else { return Ok(Vec::new()) };
    let count = places.data().len() / 16;
    if places.dtype() != Dtype::U32 || credit.dtype() != Dtype::F64 || credit.data().len() != count * parts * 8 {
        return Err(failed(format!("rows: {count} places, and credit of another number or {parts} parts")));
    }
    let number = |b: &[u8]| u32::from_le_bytes(b.try_into().expect("four bytes"));
    let credit: Vec<f64> = credit.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes"))).collect();
    let row = |(place, credit): (&[u8], &[f64])| DocumentCredit {
        document: number(&place[..4]),
        bucket: number(&place[4..8]),
        window: u64::from(number(&place[8..12])),
        tokens: number(&place[12..]),
        credit: credit.to_vec(),
    };
    Ok(places.data().chunks_exact(16).zip(credit.chunks_exact(parts)).map(row).collect())
}
