//! A run's state as one safetensors file: `theta`, `second`, `moment.<bucket>`, the open window's buffers, the
//! sketches that are held, the credit that nobody has taken yet, and the rest as JSON in the header. A file of parameters has
//! `theta`, and `basis` if documents are credited.
//!
//! The same state gives the same bytes. How they are stored: `packed`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use corpus::credit::Window;
use kernels::Memory;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::documents::{self, DocumentCredit, Held, Slot};
use crate::error::TrainError;
use crate::order::Shares;
use crate::packed;
use crate::shares::Earned;
use crate::sketch::Basis;
use crate::state::{Open, Parameters, State};
use crate::trainer::Trainer;

/// The key of the header's JSON; one key, since a header's map has no order of its own.
const META: &str = "assay.run-state.v3";

/// The same of a file of parameters.
const PARAMETERS: &str = "assay.run-parameters.v1";

#[derive(Serialize, Deserialize)]
struct ParametersMeta {
    config_digest: String,
    step: u64,
    basis: bool,
}

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

/// A tensor's name, type, shape and bytes.
type Buffer = (String, Dtype, Vec<usize>, Vec<u8>);

fn file(key: &str, meta: &impl Serialize, buffers: &[Buffer]) -> Result<Vec<u8>, TrainError> {
    let meta = HashMap::from([(key.to_string(), serde_json::to_string(meta).map_err(failed)?)]);
    let views: Result<Vec<(&str, TensorView<'_>)>, _> = buffers
        .iter()
        .map(|(name, dtype, shape, bytes)| TensorView::new(*dtype, shape.clone(), bytes).map(|v| (name.as_str(), v)))
        .collect();
    safetensors::serialize(views.map_err(failed)?, Some(meta)).map_err(failed)
}

/// A header's JSON under `key`, if it has that.
fn meta<M: for<'de> Deserialize<'de>>(header: &Metadata, key: &str) -> Result<Option<M>, TrainError> {
    let json = header.metadata().as_ref().and_then(|m| m.get(key));
    json.map(|json| serde_json::from_str(json).map_err(failed)).transpose()
}

fn of_run(found: &str, expected: &str) -> Result<(), TrainError> {
    if found == expected { Ok(()) } else { Err(failed(format!("belongs to the run config {found}, expected {expected}"))) }
}

fn basis_bytes(basis: &Basis) -> (Vec<usize>, Vec<u8>) {
    let bytes: Vec<u8> = basis.flat().flat_map(f64::to_le_bytes).collect();
    (vec![bytes.len() / 8], bytes)
}

/// A tensor that a file has to have: name, type and count of numbers.
type Expected = (String, Dtype, usize);

/// The header has these tensors and no others.
fn check_tensors(header: &Metadata, expected: &[Expected]) -> Result<(), TrainError> {
    for (name, dtype, count) in expected {
        let info = header.info(name).ok_or_else(|| failed(format!("{name}: missing")))?;
        // That shapes fit their bytes was checked when the header was read.
        let found: usize = info.shape.iter().product();
        if (info.dtype, found) != (*dtype, *count) {
            return Err(failed(format!("{name}: expected {count} numbers of {dtype:?}, found {found} of {:?}", info.dtype)));
        }
    }
    let names: BTreeSet<&str> = expected.iter().map(|(name, ..)| name.as_str()).collect();
    match header.offset_keys().into_iter().find(|name| !names.contains(name.as_str())) {
        Some(name) => Err(failed(format!("{name}: a tensor that no checkpoint of this run has"))),
        None => Ok(()),
    }
}

fn shares_of(meta: &Meta) -> Vec<Shares> {
    meta.shares.iter().map(|(from_step, ppm)| Shares { from_step: *from_step, ppm: ppm.clone() }).collect()
}

/// The type of master values and of gradients as bytes.
fn dtype(backend: &impl Memory) -> Dtype {
    if backend.dtype() == "f32" { Dtype::F32 } else { Dtype::F64 }
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
        let dtype = dtype(backend);
        let (len, parts) = (self.layout().len, self.part_count());
        let mut buffers: Vec<Buffer> = Vec::new();
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
            let (shape, bytes) = basis_bytes(basis);
            buffers.push((format!("basis.{step:09}"), Dtype::F64, shape, bytes));
        }
        if !state.rows.is_empty() {
            let places = state.rows.iter().flat_map(|r| [r.document, r.bucket, r.window as u32, r.tokens]);
            let places = places.flat_map(u32::to_le_bytes).collect();
            let credit = state.rows.iter().flat_map(|r| &r.credit).flat_map(|c| c.to_le_bytes()).collect();
            buffers.push(("rows.places".into(), Dtype::U32, vec![state.rows.len(), 4], places));
            buffers.push(("rows.credit".into(), Dtype::F64, vec![state.rows.len(), parts], credit));
        }
        file(META, &meta, &buffers)
    }

    /// The state's parameters as a file; `config_digest` names the run that they belong to.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] if they cannot be written down.
    pub fn save_parameters(&self, backend: &B, parameters: &Parameters<B>, config_digest: &str) -> Result<Vec<u8>, TrainError> {
        let Parameters { step, theta, basis } = parameters;
        let meta = ParametersMeta { config_digest: config_digest.to_string(), step: *step, basis: basis.is_some() };
        let theta: Buffer = ("theta".into(), dtype(backend), vec![self.layout().len], backend.master_to_bytes(theta));
        let basis = basis.as_ref().map(|basis| {
            let (shape, bytes) = basis_bytes(basis);
            ("basis".to_string(), Dtype::F64, shape, bytes)
        });
        file(PARAMETERS, &meta, &[theta].into_iter().chain(basis).collect::<Vec<_>>())
    }

    /// The file of a checkpoint that is stored packed, a state's or one of parameters. Its header is checked before memory is taken for
    /// its tensors: they are this run's and no others, and as many documents are held as the order has in those steps. `check` sees the
    /// sampling shares before the order is asked under them.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] if the bytes are damaged, of another run, or of another model; what `check` says.
    pub fn unpack(
        &self,
        backend: &B,
        packed: &[u8],
        config_digest: &str,
        check: impl FnOnce(&[Shares]) -> Result<(), TrainError>,
    ) -> Result<Vec<u8>, TrainError> {
        packed::unpack(packed, |header| {
            if let Some(meta) = meta::<ParametersMeta>(header, PARAMETERS)? {
                return self.check_parameters(backend, header, &meta, config_digest);
            }
            let meta = self.check_state(header, config_digest)?;
            let shares = shares_of(&meta);
            check(&shares)?;
            for held in &meta.held {
                let expected = documents::slots(&(self.batches)(held.step, &shares));
                if slots_of(&held.slots) != expected {
                    return Err(failed(format!(
                        "step {}: holds {} documents, the order has {}",
                        held.step,
                        held.slots.len(),
                        expected.len()
                    )));
                }
            }
            check_tensors(header, &self.expected(backend, &meta))
        })
    }

    fn check_parameters(&self, backend: &B, header: &Metadata, meta: &ParametersMeta, config_digest: &str) -> Result<(), TrainError> {
        of_run(&meta.config_digest, config_digest)?;
        let theta = ("theta".to_string(), dtype(backend), self.layout().len);
        let basis = meta.basis.then(|| ("basis".to_string(), Dtype::F64, self.basis_len()));
        check_tensors(header, &[theta].into_iter().chain(basis).collect::<Vec<_>>())
    }

    /// The parameters of a file, which may be a state's.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] if the file is damaged, of another run, or of another model.
    pub fn load_parameters(&self, backend: &B, bytes: &[u8], config_digest: &str) -> Result<Parameters<B>, TrainError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(failed)?;
        let Some(meta) = meta::<ParametersMeta>(&header, PARAMETERS)? else {
            return Ok(self.load(backend, bytes, config_digest)?.into());
        };
        self.check_parameters(backend, &header, &meta, config_digest)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(failed)?;
        let theta = backend.master_from_bytes(tensors.tensor("theta").map_err(failed)?.data());
        let basis = meta.basis.then(|| self.basis(tensors.tensor("basis").map_err(failed)?.data())).transpose()?;
        Ok(Parameters { step: meta.step, theta, basis })
    }

    fn basis(&self, bytes: &[u8]) -> Result<Basis, TrainError> {
        let values: Vec<f64> = bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes"))).collect();
        self.basis_from_flat(&values).ok_or_else(|| failed("a basis of another model"))
    }

    /// The header's JSON, if it is that of a state of this run.
    fn check_state(&self, header: &Metadata, config_digest: &str) -> Result<Meta, TrainError> {
        let meta: Meta = meta(header, META)?.ok_or_else(|| failed(format!("no key {META} in its header")))?;
        of_run(&meta.config_digest, config_digest)?;
        let (parts, buckets) = (self.part_count(), self.buckets());
        let whole = |w: &Window| {
            w.tokens.len() == buckets
                && w.credit.len() == buckets * parts
                && [&w.loss_before, &w.loss_after, &w.decay, &w.correction].iter().all(|l| l.len() == parts)
        };
        if let Some(window) = meta.windows.iter().find(|w| !whole(w)) {
            return Err(failed(format!("window {}: not of {buckets} buckets and {parts} pricing parts", window.index)));
        }
        if meta.step > self.steps() || meta.losses.len() as u64 != meta.step {
            return Err(failed(format!("step {} with {} losses, of a run of {} steps", meta.step, meta.losses.len(), self.steps())));
        }
        let slots = meta.last.iter().flatten().chain(meta.held.iter().flat_map(|h| &h.slots));
        if meta.last.len() != buckets || slots.clone().any(|s| s.1 as usize >= buckets) {
            return Err(failed(format!("documents of other buckets than the run's {buckets}")));
        }
        if let Some(open) = meta.open.as_ref().filter(|o| o.tokens.len() != buckets) {
            return Err(failed(format!("its open window is of {} buckets, expected {buckets}", open.tokens.len())));
        }
        let held = meta.held.iter().map(|h| h.step).collect::<Vec<_>>();
        if !held.is_sorted_by(|a, b| a < b) || held.last().is_some_and(|last| *last >= meta.step) {
            return Err(failed(format!("holds documents of steps {held:?}, expected ascending steps before {}", meta.step)));
        }
        let from = meta.open.as_ref().map_or(meta.step, |o| o.first_step);
        let look_ahead = self.config.attribution.look_ahead;
        if let Some(step) = held.first().filter(|step| step.saturating_add(look_ahead) <= from) {
            return Err(failed(format!("holds documents of step {step}, which are priced for {look_ahead} steps, at step {from}")));
        }
        let open_at = meta.open.as_ref().map(|o| o.first_step).filter(|_| self.sketch_len() > 0);
        let used: BTreeSet<u64> = meta.held.iter().map(|h| h.basis).chain(open_at).collect();
        let bases: BTreeSet<u64> = meta.bases.iter().copied().collect();
        if let Some(step) = used.iter().find(|step| !bases.contains(step)) {
            return Err(failed(format!("the basis of step {step} is missing")));
        }
        if let Some(step) = bases.iter().find(|step| !used.contains(step) && **step != meta.step) {
            return Err(failed(format!("the basis of step {step} is nobody's")));
        }
        Ok(meta)
    }

    /// The tensors of a state whose credit by document was taken.
    fn expected(&self, backend: &B, meta: &Meta) -> Vec<Expected> {
        let (dtype, len, buckets) = (dtype(backend), self.layout().len, self.buckets());
        let mut expected = vec![("theta".to_string(), dtype, len), ("second".to_string(), dtype, len)];
        expected.extend((0..buckets).map(|b| (format!("moment.{b:05}"), dtype, len)));
        if meta.open.is_some() {
            expected.extend(["theta", "second", "decay"].map(|name| (format!("window.{name}"), dtype, len)));
            expected.extend((0..buckets).map(|b| (format!("window.part.{b:05}"), dtype, len)));
        }
        let held = meta.held.iter().filter(|h| !h.slots.is_empty());
        expected.extend(held.map(|h| (format!("held.{:09}", h.step), dtype, h.slots.len() * self.sketch_len())));
        expected.extend(meta.bases.iter().map(|step| (format!("basis.{step:09}"), Dtype::F64, self.basis_len())));
        expected
    }

    /// The inverse of [`Trainer::save`].
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] if the file is damaged, of another run, or of another model.
    pub fn load(&self, backend: &B, bytes: &[u8], config_digest: &str) -> Result<State<B>, TrainError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(failed)?;
        let meta = self.check_state(&header, config_digest)?;
        let (parts, buckets, shares) = (self.part_count(), self.buckets(), shares_of(&meta));
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
            Some(o) => Some(Open {
                first_step: o.first_step,
                length: o.length,
                first_theta: master("window.theta")?,
                first_second: master("window.second")?,
                parts: by_bucket("window.part")?,
                decay_part: master("window.decay")?,
                tokens: o.tokens,
            }),
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
            bases.insert(step, self.basis(view.data())?);
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
            shares,
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
