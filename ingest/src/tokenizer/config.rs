//! `tokenizer_config.json`, which tells `transformers` which class reads a `tokenizer.json` and which tokens are special.
//!
//! Tried with versions 4.46 to 5.24: with this file all of them give the ids of `tokenizer.json` itself. Without it, version 4 takes the class of
//! the model's architecture, which adds tokens that the model does not have.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{TokenizerError, failed};

/// Usual names of tokens, the likeliest first.
const BEGINS: [&str; 6] = ["<|begin_of_text|>", "<s>", "<bos>", "<｜begin▁of▁sentence｜>", "<|startoftext|>", "[BOS]"];
const ENDS: [&str; 10] = [
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
    "<eos>",
    "<|im_end|>",
    "<|eot_id|>",
    "<｜end▁of▁sentence｜>",
    "<|end|>",
    "<end_of_turn>",
    "[EOS]",
];
const PADS: [&str; 6] = ["<pad>", "[PAD]", "<|padding|>", "<|pad|>", "<|finetune_right_pad_id|>", "<｜▁pad▁｜>"];

/// The `tokenizer_config.json` of a `tokenizer.json`, for a model that reads `context` tokens.
///
/// A special token is named only if the file has it as one: any other name would become a new token.
///
/// # Errors
/// [`TokenizerError`] if the file is no JSON.
pub fn transformers_config(json: &[u8], context: usize) -> Result<Value, TokenizerError> {
    let file: Value = serde_json::from_slice(json).map_err(failed)?;
    let added = file.get("added_tokens").and_then(Value::as_array);
    let special: BTreeSet<&str> = added
        .into_iter()
        .flatten()
        .filter(|t| t.get("special").and_then(Value::as_bool) == Some(true))
        .filter_map(|t| t.get("content")?.as_str())
        .collect();
    let of = |names: &[&str]| names.iter().find(|name| special.contains(**name)).map(ToString::to_string);
    let (first, last) = around(file.get("post_processor").unwrap_or(&Value::Null));
    let own = |token: &Option<String>| token.clone().filter(|t| special.contains(t.as_str()));
    // A BERT text begins with a token for the whole of it, which is no begin of a text that goes on.
    let bert = first.as_deref() == Some("[CLS]");
    let model = file.get("model").unwrap_or(&Value::Null);
    let unknown = model.get("unk_token").and_then(Value::as_str).map(str::to_string).or_else(|| {
        let id = usize::try_from(model.get("unk_id")?.as_u64()?).ok()?;
        Some(model.get("vocab")?.get(id)?.get(0)?.as_str()?.to_string())
    });
    let mut config = Map::new();
    let prefix = file.pointer("/pre_tokenizer/add_prefix_space").and_then(Value::as_bool).unwrap_or(false);
    for (key, value) in [
        ("tokenizer_class", Value::from("PreTrainedTokenizerFast")),
        ("model_max_length", Value::from(context as u64)),
        ("clean_up_tokenization_spaces", Value::from(false)),
        ("add_prefix_space", Value::from(prefix)),
        ("model_input_names", Value::from(vec!["input_ids", "attention_mask"])),
        ("padding_side", Value::from("right")),
        ("truncation_side", Value::from("right")),
    ] {
        config.insert(key.into(), value);
    }
    let tokens = [
        ("bos_token", if bert { None } else { own(&first).or_else(|| of(&BEGINS)) }),
        ("eos_token", if bert { None } else { own(&last).or_else(|| of(&ENDS)) }),
        ("unk_token", own(&unknown)),
        ("pad_token", of(&PADS)),
        ("cls_token", of(&["[CLS]"])),
        ("sep_token", of(&["[SEP]"])),
        ("mask_token", of(&["[MASK]", "<mask>"])),
    ];
    for (key, token) in tokens {
        config.extend(token.map(|t| (key.to_string(), Value::from(t))));
    }
    Ok(Value::Object(config))
}

/// The tokens that a post-processor puts before and behind a text.
fn around(processor: &Value) -> (Option<String>, Option<String>) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_string);
    match processor.get("type").and_then(Value::as_str) {
        Some("Sequence") => {
            let all = processor.get("processors").and_then(Value::as_array).into_iter().flatten().map(around);
            all.fold((None, None), |(a, b), (first, last)| (a.or(first), b.or(last)))
        }
        Some("TemplateProcessing") => {
            let pieces = processor.get("single").and_then(Value::as_array).cloned().unwrap_or_default();
            let place = pieces.iter().position(|p| p.get("Sequence").is_some());
            let token = |piece: Option<&Value>| text(piece.and_then(|p| p.pointer("/SpecialToken/id")));
            let before = place.and_then(|at| at.checked_sub(1)).and_then(|at| token(pieces.get(at)));
            (before, place.and_then(|at| token(pieces.get(at + 1))))
        }
        Some("BertProcessing" | "RobertaProcessing") => (text(processor.pointer("/cls/0")), text(processor.pointer("/sep/0"))),
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_tokens_are_those_of_the_file() {
        let json = serde_json::json!({
            "added_tokens": [
                {"id": 0, "content": "<|begin_of_text|>", "special": true}, {"id": 1, "content": "<|eot_id|>", "special": true},
                {"id": 2, "content": "<pad>", "special": false}],
            "post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<|begin_of_text|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}]},
            "model": {"type": "BPE", "unk_token": null}
        });
        let config = transformers_config(json.to_string().as_bytes(), 512).unwrap();
        assert_eq!(config["tokenizer_class"], "PreTrainedTokenizerFast");
        assert_eq!((&config["bos_token"], &config["eos_token"]), (&Value::from("<|begin_of_text|>"), &Value::from("<|eot_id|>")));
        assert!(config.get("pad_token").is_none(), "a token that is not special is not named");
        let trained = crate::train(["some text"].into_iter(), 300).unwrap();
        assert_eq!(transformers_config(&trained, 64).unwrap()["eos_token"], "<|endoftext|>");
        let bert = serde_json::json!({
            "added_tokens": [{"id": 1, "content": "[CLS]", "special": true}, {"id": 2, "content": "[SEP]", "special": true}, {"id": 0, "content": "[UNK]", "special": true}],
            "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}, "model": {"type": "WordPiece", "unk_token": "[UNK]"}
        });
        let config = transformers_config(bert.to_string().as_bytes(), 64).unwrap();
        assert!(config.get("bos_token").is_none() && config["unk_token"] == "[UNK]" && config["cls_token"] == "[CLS]");
    }
}
