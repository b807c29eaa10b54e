//! The documents of an epoch as a Hugging Face dataset folder: Parquet files and a card, which `datasets` reads as they are.
//!
//! The card says under which log entries they lie, so that whoever has the log can check that nothing was added or left out. Salts stay
//! with the operator: they would open commitments.
//!
//! Source: <https://huggingface.co/docs/hub/datasets-cards>, <https://huggingface.co/docs/hub/datasets-manual-configuration>.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::RecordBatch;
use corpus::EntryIndex;
use corpus::parquet_file::{self, TableWriter};
use ledger::history::Logged;
use rules::listener::Listener;
use store::{Class, files};

use super::Signed;
use crate::error::{Context, Kind, Result, failure, usage};

/// The column that is left out.
const SECRET: &str = "salt";

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Documents.
    pub documents: u64,
    /// Tokens.
    pub tokens: u64,
    /// Parquet files.
    pub files: usize,
    /// Bytes of them.
    pub bytes: u64,
}

/// Writes the files in use of epoch `number` to `out`, which has to be empty.
pub fn write(archive: &Signed<'_>, number: u32, out: &Path, listener: &dyn Listener) -> Result<Written> {
    if out.read_dir().is_ok_and(|mut d| d.next().is_some()) {
        return Err(usage(format!("{}: expected an empty folder", out.display())));
    }
    let e = archive.epoch(Some(number))?;
    let live = e.files_before(EntryIndex::MAX);
    let waiting = e.submissions.iter().filter(|s| !s.is_sharded()).count();
    if live.is_empty() || waiting > 0 {
        let text = format!("epoch {number}: {} files in use, {waiting} submissions wait for theirs; run `assay ingest`", live.len());
        return Err(failure(Kind::Check, text));
    }
    std::fs::create_dir_all(out.join("data")).with_context(|| out.display().to_string())?;
    let bar = listener.task("files", live.len() as u64);
    let (mut rows, mut tokens, mut bytes, mut licences) = (0, 0, 0, BTreeMap::<String, u64>::new());
    for (i, file) in live.iter().enumerate() {
        let table = parquet_file::decode(&archive.objects.get(Class::Sealed, &file.file)?)?;
        let mut written = Vec::new();
        let schema = table.batches.first().context("a file in use has rows")?.schema();
        let kept: Vec<usize> = (0..schema.fields().len()).filter(|c| schema.field(*c).name() != SECRET).collect();
        let footer: Vec<(&str, String)> = table.metadata.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        let mut writer = TableWriter::new(&mut written, schema.project(&kept)?.into(), &footer);
        for batch in &table.batches {
            writer.write(&batch.project(&kept)?)?;
            count_licences(batch, &mut licences)?;
        }
        writer.finish()?;
        let path = out.join(format!("data/train-{i:05}-of-{:05}.parquet", live.len()));
        files::write(&path, &written, 0o644)?;
        (rows, tokens, bytes) = (rows + file.rows, tokens + file.tokens, bytes + written.len() as u64);
        bar.advance(1);
    }
    drop(bar);
    files::write(&out.join("README.md"), card(archive, number, rows, tokens, &licences)?.as_bytes(), 0o644)?;
    Ok(Written { documents: rows, tokens, files: live.len(), bytes })
}

fn count_licences(batch: &RecordBatch, licences: &mut BTreeMap<String, u64>) -> Result<()> {
    let column: &arrow::array::StringArray = parquet_file::column(batch, "licence")?;
    for licence in column.iter().flatten() {
        match licences.get_mut(licence) {
            Some(count) => *count += 1,
            None => drop(licences.insert(licence.to_string(), 1)),
        }
    }
    Ok(())
}

fn card(archive: &Signed<'_>, number: u32, rows: u64, tokens: u64, licences: &BTreeMap<String, u64>) -> Result<String> {
    let head = archive.head.clone();
    let Logged { entry: tokenizer, .. } = archive.state.tokenizer.as_ref().context("shards have a tokenizer")?;
    // The hub knows single ids in small letters; several, or an expression, are `other`.
    let one = licences.keys().next().filter(|l| licences.len() == 1 && !l.contains(' ')).map(|l| l.to_lowercase());
    let mut text = String::from("---\n");
    text += &match one {
        Some(id) => format!("license: {id}\n"),
        None => "license: other\nlicense_name: per-document\n".to_string(),
    };
    text += "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*.parquet\n---\n\n";
    text += &format!(
        "# {}, epoch {number}\n\n{rows} documents, {tokens} tokens; each has its licence in the column `licence`:\n\n",
        head.origin
    );
    text += "| licence | documents |\n|---|---|\n";
    for (licence, count) in licences {
        text += &format!("| {licence} | {count} |\n");
    }
    text += &format!(
        "\nTokens are those of the `tokenizer.json` with SHA-256 `{}`. `doc` is the submission's log entry and the document's number in it, \
         `commitment` what was committed to before the epoch closed. The record is the log {} of {} entries with root `{}`: `assay audit` \
         checks every link from a contributor's signature to these rows.\n",
        tokenizer.tokenizer, head.origin, head.size, head.root
    );
    Ok(text)
}
