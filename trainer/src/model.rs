//! Where each parameter lies in the flat buffer, and its first value.

use std::ops::Range;

use corpus::random::SplitMix64;
use kernels::{Matrix, Shape};
use sha2::{Digest, Sha256};

use crate::config::ModelConfig;
use crate::error::TrainError;
use crate::names;

/// One named parameter; a norm's gain is a matrix of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Name, `l{layer}.` before those of a layer.
    pub name: String,
    /// Its place.
    pub matrix: Matrix,
    /// Whether weight decay applies.
    pub decayed: bool,
}

pub(crate) struct Layer {
    pub attn_norm: Matrix,
    /// Query, key and value maps, one below the other.
    pub qkv: Matrix,
    pub wo: Matrix,
    pub ffn_norm: Matrix,
    /// Gate and up maps, one below the other.
    pub gate_up: Matrix,
    pub down: Matrix,
}

/// The flat order of all parameters.
pub struct Layout {
    /// In their flat order.
    pub tensors: Vec<Tensor>,
    /// Number of parameters `P`.
    pub len: usize,
    pub(crate) embed: Matrix,
    pub(crate) layers: Vec<Layer>,
    pub(crate) final_norm: Matrix,
    pub(crate) head: Matrix,
    pub(crate) shape: Shape,
    deep: f64,
}

impl Layout {
    /// The layout of a model with `vocabulary` tokens.
    pub fn new(config: &ModelConfig, vocabulary: usize) -> Layout {
        let (c, f) = (config.channels, config.hidden);
        let head_size = c / config.heads;
        let kv = config.kv_heads * head_size;
        let mut tensors = Vec::new();
        let mut len = 0;
        let mut add = |name: String, rows: usize, cols: usize, decayed: bool| {
            let matrix = Matrix { offset: len, rows, cols };
            len += rows * cols;
            tensors.push(Tensor { name, matrix, decayed });
            matrix
        };
        let embed = add("embed".into(), vocabulary, c, true);
        let mut layers = Vec::new();
        for l in 0..config.layers {
            let attn_norm = add(format!("l{l}.attn_norm"), 1, c, false);
            let wq = add(format!("l{l}.wq"), c, c, true);
            add(format!("l{l}.wk"), kv, c, true);
            add(format!("l{l}.wv"), kv, c, true);
            let wo = add(format!("l{l}.wo"), c, c, true);
            let ffn_norm = add(format!("l{l}.ffn_norm"), 1, c, false);
            let gate = add(format!("l{l}.w_gate"), f, c, true);
            add(format!("l{l}.w_up"), f, c, true);
            let down = add(format!("l{l}.w_down"), c, f, true);
            let qkv = Matrix { rows: c + 2 * kv, ..wq };
            let gate_up = Matrix { rows: 2 * f, ..gate };
            layers.push(Layer { attn_norm, qkv, wo, ffn_norm, gate_up, down });
        }
        let final_norm = add("final_norm".into(), 1, c, false);
        let head = if config.tied { embed } else { add("lm_head".into(), vocabulary, c, true) };
        let shape = Shape { heads: config.heads, kv_heads: config.kv_heads, head_size };
        let deep = 0.02 / (2.0 * config.layers as f64).sqrt();
        Layout { tensors, len, embed, layers, final_norm, head, shape, deep }
    }

    /// All matrices as the passes use them: query, key and value maps joined, gate and up maps joined; a tied head once.
    pub(crate) fn joined(&self) -> Vec<Matrix> {
        let mut all = vec![self.embed];
        all.extend(self.layers.iter().flat_map(|l| [l.attn_norm, l.qkv, l.wo, l.ffn_norm, l.gate_up, l.down]));
        all.push(self.final_norm);
        if self.head != self.embed {
            all.push(self.head);
        }
        all
    }

    /// Ranges with weight decay, ascending.
    pub(crate) fn decayed(&self) -> Vec<Range<usize>> {
        self.tensors.iter().filter(|t| t.decayed).map(|t| t.matrix.range()).collect()
    }

    /// Ranges of the parameters whose Hugging Face names begin with one of `names`, ascending.
    ///
    /// # Errors
    /// [`TrainError::Config`] if a name is the beginning of none, or nothing is left to train.
    pub fn frozen(&self, names: &[String]) -> Result<Vec<Range<usize>>, TrainError> {
        let is = |t: &Tensor, name: &String| names::published(&t.name).starts_with(name.as_str());
        if let Some(name) = names.iter().find(|name| !self.tensors.iter().any(|t| is(t, name))) {
            let known: Vec<String> = self.tensors.iter().map(|t| names::published(&t.name)).collect();
            return Err(TrainError::Config(format!(
                "optimizer.frozen {name:?}: no parameter's name begins so; they are {}",
                known.join(", ")
            )));
        }
        let frozen: Vec<Range<usize>> =
            self.tensors.iter().filter(|t| names.iter().any(|name| is(t, name))).map(|t| t.matrix.range()).collect();
        if frozen.len() == self.tensors.len() {
            return Err(TrainError::Config("optimizer.frozen: nothing is left to train".into()));
        }
        Ok(frozen)
    }

    /// First values: gains 1, matrices normal with deviation 0.02, and `0.02 / sqrt(2 L)` where a map
    /// adds to the residual stream; each tensor from its own generator, seeded by SHA-256 of seed and name.
    ///
    /// Source: Radford et al. 2019 (GPT-2), section 2.3, for the scaling with depth.
    pub fn initial(&self, seed: &[u8; 32]) -> Vec<f64> {
        let mut values = vec![1.0; self.len];
        for tensor in self.tensors.iter().filter(|t| t.decayed) {
            let deviation = if tensor.name.ends_with(".wo") || tensor.name.ends_with(".w_down") { self.deep } else { 0.02 };
            let digest = Sha256::new().chain_update(seed).chain_update(tensor.name.as_bytes()).finalize();
            let mut random = SplitMix64(u64::from_le_bytes(digest[..8].try_into().expect("eight bytes")));
            for pair in values[tensor.matrix.range()].chunks_mut(2) {
                let (a, b) = normal_pair(&mut random);
                pair[0] = a * deviation;
                if let Some(second) = pair.get_mut(1) {
                    *second = b * deviation;
                }
            }
        }
        values
    }
}

/// Two independent standard normal numbers.
///
/// Source: Box and Muller 1958; uniform numbers from SplitMix64.
fn normal_pair(random: &mut SplitMix64) -> (f64, f64) {
    // In (0, 1]: the logarithm below needs it positive.
    let mut uniform = || ((random.next() >> 11) + 1) as f64 / (1u64 << 53) as f64;
    let radius = (-2.0 * uniform().ln()).sqrt();
    let angle = std::f64::consts::TAU * uniform();
    (radius * angle.cos(), radius * angle.sin())
}
