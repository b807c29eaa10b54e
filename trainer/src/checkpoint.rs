//! A run's state as one safetensors file: `theta`, `second`, `moment.<bucket>`, and the rest as JSON in the header.
//!
//! The same state gives the same bytes.

use std::collections::HashMap;

use kernels::Backend;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::account::Window;
use crate::error::TrainError;
use crate::run::{State, Trainer};

/// The key of the header's JSON; one key, since a header's map has no order of its own.
const META: &str = "assay.run-state.v1";

#[derive(Serialize, Deserialize)]
struct Meta {
    config_digest: String,
    step: u64,
    next_window: u64,
    windows: Vec<Window>,
    losses: Vec<u64>,
}

fn failed(e: impl std::fmt::Display) -> TrainError {
    TrainError::Checkpoint(e.to_string())
}

impl<B: Backend> Trainer<'_, B> {
    /// The state as a file; `config_digest` names the run that it belongs to.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] if it cannot be written down.
    pub fn save(&self, backend: &B, state: &State<B>, config_digest: &str) -> Result<Vec<u8>, TrainError> {
        let meta = Meta {
            config_digest: config_digest.to_string(),
            step: state.step,
            next_window: state.next_window,
            windows: state.windows.clone(),
            losses: state.losses.iter().map(|x| x.to_bits()).collect(),
        };
        let meta = HashMap::from([(META.to_string(), serde_json::to_string(&meta).map_err(failed)?)]);
        let mut buffers = vec![
            ("theta".to_string(), backend.master_to_bytes(&state.theta)),
            ("second".to_string(), backend.master_to_bytes(&state.second)),
        ];
        for (bucket, moment) in state.moments.iter().enumerate() {
            buffers.push((format!("moment.{bucket:05}"), backend.master_to_bytes(moment)));
        }
        let dtype = if backend.dtype() == "f32" { Dtype::F32 } else { Dtype::F64 };
        let len = self.layout().len;
        let views: Result<Vec<(&str, TensorView<'_>)>, _> =
            buffers.iter().map(|(name, bytes)| TensorView::new(dtype, vec![len], bytes).map(|v| (name.as_str(), v))).collect();
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
        let halves = self.halves();
        let whole = |w: &Window| {
            w.tokens.len() == self.buckets()
                && w.credit.len() == self.buckets() * halves
                && [&w.loss_before, &w.loss_after, &w.decay].iter().all(|l| l.len() == halves)
        };
        if let Some(window) = meta.windows.iter().find(|w| !whole(w)) {
            return Err(failed(format!("window {}: not of {} buckets and {halves} halves", window.index, self.buckets())));
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(failed)?;
        let len = self.layout().len;
        let read = |name: &str| {
            let view = tensors.tensor(name).map_err(failed)?;
            if view.shape() != [len] || format!("{:?}", view.dtype()).to_lowercase() != backend.dtype() {
                return Err(failed(format!(
                    "{name}: expected {len} numbers of {}, found {:?} of {:?}",
                    backend.dtype(),
                    view.shape(),
                    view.dtype()
                )));
            }
            Ok(backend.master_from_bytes(view.data()))
        };
        let moments = (0..self.buckets()).map(|b| read(&format!("moment.{b:05}"))).collect::<Result<_, _>>()?;
        Ok(State {
            step: meta.step,
            theta: read("theta")?,
            second: read("second")?,
            moments,
            next_window: meta.next_window,
            windows: meta.windows,
            losses: meta.losses.into_iter().map(f64::from_bits).collect(),
        })
    }
}
