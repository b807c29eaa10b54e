//! Parameters under the names of Hugging Face Llama: `model.safetensors` and `config.json`.
//!
//! Rotary pairs are those of the half-split layout in both, so no element moves.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

use crate::config::ModelConfig;
use crate::error::TrainError;
use crate::model::Layout;
use crate::names;

fn failed(e: impl std::fmt::Display) -> TrainError {
    TrainError::Parameters(e.to_string())
}

/// `config.json` of a model of these sizes.
pub fn config_json(config: &ModelConfig, vocabulary: usize) -> String {
    let value = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": config.channels,
        "intermediate_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.channels / config.heads,
        "max_position_embeddings": config.context,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_base,
        "hidden_act": "silu",
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": config.tied,
        "torch_dtype": "float32",
        "bos_token_id": null,
        "eos_token_id": null,
        "pad_token_id": null,
    });
    serde_json::to_string_pretty(&value).expect("a map of plain values")
}

/// The sizes and the vocabulary that a `config.json` says.
///
/// # Errors
/// [`TrainError::Parameters`] names what is missing, or what this model does not have (biases, scaled rotary angles, other activations).
pub fn read_config(text: &str) -> Result<(ModelConfig, usize), TrainError> {
    let value: Value = serde_json::from_str(text).map_err(failed)?;
    let number = |key: &str| value[key].as_u64().map(|n| n as usize).ok_or_else(|| failed(format!("config.json: {key} is missing")));
    let real = |key: &str, default: f64| value[key].as_f64().unwrap_or(default);
    let heads = number("num_attention_heads")?;
    let channels = number("hidden_size")?;
    let rope = &value["rope_parameters"];
    let scaled = [&value["rope_scaling"], rope].iter().any(|r| {
        let kind = r["rope_type"].as_str().or(r["type"].as_str()).unwrap_or("default");
        kind != "default"
    });
    let refused = [
        (value["model_type"].as_str().is_some_and(|t| t != "llama"), "model_type is not llama"),
        (value["hidden_act"].as_str().is_some_and(|a| a != "silu"), "hidden_act is not silu"),
        (value["attention_bias"] == true || value["mlp_bias"] == true, "biases are not supported"),
        (scaled, "scaled rotary angles are not supported"),
        (value["head_dim"].as_u64().is_some_and(|h| h as usize * heads != channels), "head_dim is not hidden_size / num_attention_heads"),
    ];
    if let Some((_, why)) = refused.iter().find(|(refused, _)| *refused) {
        return Err(failed(format!("config.json: {why}")));
    }
    let config = ModelConfig {
        layers: number("num_hidden_layers")?,
        channels,
        heads,
        kv_heads: value["num_key_value_heads"].as_u64().map_or(heads, |n| n as usize),
        hidden: number("intermediate_size")?,
        tied: value["tie_word_embeddings"].as_bool().unwrap_or(false),
        context: number("max_position_embeddings")?,
        rope_base: rope["rope_theta"].as_f64().unwrap_or_else(|| real("rope_theta", 10000.0)),
        norm_eps: real("rms_norm_eps", 1e-6),
    };
    Ok((config, number("vocab_size")?))
}

/// Parameters as a safetensors file of f32; `theta` is as long as the layout.
///
/// # Errors
/// [`TrainError::Parameters`] if it cannot be written down.
pub fn write_parameters(layout: &Layout, theta: &[f64]) -> Result<Vec<u8>, TrainError> {
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = layout
        .tensors
        .iter()
        .map(|t| {
            let bytes = theta[t.matrix.range()].iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
            let shape = if t.decayed { vec![t.matrix.rows, t.matrix.cols] } else { vec![t.matrix.cols] };
            (names::published(&t.name), shape, bytes)
        })
        .collect();
    let views: Result<Vec<(&str, TensorView<'_>)>, _> =
        tensors.iter().map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?))).collect();
    let views = views.map_err(|e: safetensors::SafeTensorError| failed(e))?;
    let meta = std::collections::HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize(views, Some(meta)).map_err(failed)
}

/// Parameters from a safetensors file of f32, f16, bf16 or f64.
///
/// # Errors
/// [`TrainError::Parameters`] names a tensor that is missing or has another shape.
pub fn read_parameters(layout: &Layout, bytes: &[u8]) -> Result<Vec<f64>, TrainError> {
    let tensors = SafeTensors::deserialize(bytes).map_err(failed)?;
    let mut theta = vec![0.0; layout.len];
    for t in &layout.tensors {
        let name = names::published(&t.name);
        let view = tensors.tensor(&name).map_err(|_| failed(format!("{name} is missing")))?;
        let found: usize = view.shape().iter().product();
        let columns = view.shape().last().copied().unwrap_or(0);
        if found != t.matrix.rows * t.matrix.cols || columns != t.matrix.cols {
            return Err(failed(format!("{name}: shape {:?}, expected {} x {}", view.shape(), t.matrix.rows, t.matrix.cols)));
        }
        let place = &mut theta[t.matrix.range()];
        let width = view.data().len() / found.max(1);
        for (x, b) in place.iter_mut().zip(view.data().chunks_exact(width.max(1))) {
            *x = match view.dtype() {
                Dtype::F32 => f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
                Dtype::F64 => f64::from_le_bytes(b.try_into().expect("eight bytes")),
                Dtype::BF16 => f64::from(f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16)),
                Dtype::F16 => half_to_f64(u16::from_le_bytes([b[0], b[1]])),
                other => return Err(failed(format!("{name}: numbers of type {other:?}"))),
            };
        }
    }
    if let Some(bad) = theta.iter().position(|x| !x.is_finite()) {
        let t = layout.tensors.iter().find(|t| t.matrix.range().contains(&bad)).map_or("", |t| &t.name);
        return Err(failed(format!("{t}: holds a number that is not finite")));
    }
    Ok(theta)
}

/// The value of an IEEE 754 binary16.
fn half_to_f64(bits: u16) -> f64 {
    let (sign, exponent, fraction) = (if bits >> 15 == 1 { -1.0 } else { 1.0 }, i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2f64.powi(-24),
        31 => sign * if fraction == 0.0 { f64::INFINITY } else { f64::NAN },
        _ => sign * (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(tied: bool) -> ModelConfig {
        ModelConfig { layers: 2, channels: 8, heads: 2, kv_heads: 1, hidden: 6, tied, context: 16, rope_base: 5e4, norm_eps: 1e-5 }
    }

    #[test]
    fn parameters_and_config_survive_their_files() {
        for tied in [true, false] {
            let layout = Layout::new(&config(tied), 11);
            let theta: Vec<f64> = layout.initial(&[1; 32]).iter().map(|x| f64::from(*x as f32)).collect();
            let bytes = write_parameters(&layout, &theta).unwrap();
            assert_eq!(read_parameters(&layout, &bytes).unwrap(), theta);
            assert_eq!(read_config(&config_json(&config(tied), 11)).unwrap(), (config(tied), 11));
            let other = Layout::new(&config(tied), 12);
            assert!(read_parameters(&other, &bytes).unwrap_err().to_string().contains("model.embed_tokens.weight: shape [11, 8]"));
        }
        let untied = Layout::new(&config(false), 11);
        let bytes = write_parameters(&Layout::new(&config(true), 11), &Layout::new(&config(true), 11).initial(&[1; 32])).unwrap();
        assert!(read_parameters(&untied, &bytes).unwrap_err().to_string().contains("lm_head.weight is missing"));
        assert!(read_parameters(&untied, &bytes[..20]).is_err());
    }

    #[test]
    fn models_that_are_not_this_one_are_refused() {
        let good = config_json(&config(true), 11);
        for (from, to, part) in [
            ("\"silu\"", "\"gelu\"", "hidden_act"),
            ("\"attention_bias\": false", "\"attention_bias\": true", "biases"),
            ("\"vocab_size\"", "\"vocabulary\"", "vocab_size"),
            ("\"hidden_act\"", "\"rope_scaling\": {\"rope_type\": \"llama3\"}, \"hidden_act\"", "rotary"),
        ] {
            assert!(read_config(&good.replacen(from, to, 1)).unwrap_err().to_string().contains(part), "{part}");
        }
        assert_eq!([0x3c00, 0xc000, 0x0001, 0x7bff].map(half_to_f64), [1.0, -2.0, 2f64.powi(-24), 65504.0]);
    }
}
