//! The names of parameters in files of Hugging Face Llama.

/// The Hugging Face name of a tensor of ours.
pub(crate) fn published(ours: &str) -> String {
    let Some((layer, part)) = ours.strip_prefix('l').and_then(|rest| rest.split_once('.')) else {
        return match ours {
            "embed" => "model.embed_tokens.weight".into(),
            "final_norm" => "model.norm.weight".into(),
            _ => "lm_head.weight".into(),
        };
    };
    let part = match part {
        "attn_norm" => "input_layernorm",
        "ffn_norm" => "post_attention_layernorm",
        "wq" => "self_attn.q_proj",
        "wk" => "self_attn.k_proj",
        "wv" => "self_attn.v_proj",
        "wo" => "self_attn.o_proj",
        "w_gate" => "mlp.gate_proj",
        "w_up" => "mlp.up_proj",
        _ => "mlp.down_proj",
    };
    format!("model.layers.{layer}.{part}.weight")
}
