//! A run's model, or what the log says of an epoch's corpus, for other programs.

use anyhow::Result;
use pipeline::{exports, model};
use serde_json::json;
use store::files;

use crate::args::model::{Export, Format};
use crate::audited;
use crate::failure::{Kind, failure};
use crate::output::{Bars, Output};
use crate::place::Place;

/// Writes a model, a dataset or what is said of one.
pub fn export(place: &Place, a: Export) -> Result<Output> {
    match a.format {
        Format::Llama => {
            let w = model::export(&*place.look()?, a.run, &a.out)?;
            let names = "model.safetensors, config.json, tokenizer.json, tokenizer_config.json";
            Output::of(format!("{}: {names} of run {} after step {}", w.out, w.run, w.step), &w)
        }
        _ => corpus(place, a),
    }
}

/// Writes what the log says of an epoch's corpus.
fn corpus(place: &Place, a: Export) -> Result<Output> {
    let verified = audited::archive(&place.home)?;
    let archive = exports::Signed { archive: &verified.archive, head: &verified.head };
    let (format, out) = (a.format, &a.out);
    let number = archive.epoch(a.epoch)?.open.entry.epoch;
    if format == Format::HuggingFace {
        let w = exports::hugging_face::write(&archive, number, out, &Bars)?;
        let folder = out.display().to_string();
        return Ok(Output::new(
            format!("epoch {number}: {} documents, {} tokens in {} files below {folder}", w.documents, w.tokens, w.files),
            json!({ "epoch": number, "documents": w.documents, "tokens": w.tokens, "files": w.files, "bytes": w.bytes, "folder": folder }),
        ));
    }
    let text = match format {
        Format::EuSummary => exports::eu_summary(&archive, number)?,
        _ => {
            let value = exports::croissant(&archive, number)?;
            let missing = exports::check_croissant(&value);
            if !missing.is_empty() {
                return Err(failure(Kind::Check, format!("croissant: {}", missing.join("; "))));
            }
            serde_json::to_string_pretty(&value)? + "\n"
        }
    };
    files::write_to(out, text.as_bytes(), 0o644)?;
    let json = json!({ "epoch": number, "file": out.display().to_string() });
    Ok(Output::new(format!("epoch {number}: {}", out.display()), json).beside(out))
}
