//! How files are read: flags that several commands share.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ingest::Limits;
use ingest::read::{Columns, Encoding, Options};
use pipeline::gather::Source;
use pipeline::stated_rights::StatedRights;

use crate::failure::usage;

/// Columns and limits.
#[derive(Clone, Debug, Args)]
pub struct Columned {
    /// Field or column with the text; default: `text`, `content`, `body` and the like.
    #[arg(long, value_name = "NAME")]
    pub text_column: Option<String>,
    /// Field or column with what the answerer is told before; default: `system` or `system_prompt`.
    #[arg(long, value_name = "NAME")]
    pub system_column: Option<String>,
    /// Field or column with what is asked, of which nothing is learned.
    #[arg(long, value_name = "NAME", requires = "answer_column")]
    pub prompt_column: Option<String>,
    /// Field or column with what is asked about, which follows the question; default: `input` or `context`.
    #[arg(long, value_name = "NAME")]
    pub input_column: Option<String>,
    /// Field or column with what is answered.
    #[arg(long, value_name = "NAME", requires = "prompt_column")]
    pub answer_column: Option<String>,
    /// Field or column with the SPDX expression; default: `licence` or `license`.
    #[arg(long, value_name = "NAME", visible_alias = "license-column")]
    pub licence_column: Option<String>,
    /// Field or column that says where a text comes from; default: `source`, `url` or `origin`.
    #[arg(long, value_name = "NAME")]
    pub source_column: Option<String>,
    /// Field or column with the row's id; default: `id`.
    #[arg(long, value_name = "NAME")]
    pub id_column: Option<String>,
    /// Only files of this split of a Hugging Face dataset, such as `train`; or the array of this name in a JSON file that has several.
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// Files of this config of a Hugging Face dataset; default: the one that its card says.
    #[arg(long, value_name = "NAME")]
    pub config: Option<String>,
    /// Encoding of texts, JSON and CSV without a byte order mark, such as `windows-1252` or `UTF-16LE`; default: UTF-8.
    #[arg(long, value_name = "LABEL")]
    pub encoding: Option<Encoding>,
    /// Take up to 2 GiB of memory for the window of a zstd file; the default is 128 MiB.
    #[arg(long)]
    pub long_window: bool,
    /// Longest document, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().document_bytes)]
    pub max_document_bytes: u64,
    /// Most records.
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().records)]
    pub max_records: u64,
    /// Most bytes that one byte of a compressed file or of a table may become, beyond the first 64 MiB.
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().ratio)]
    pub max_ratio: u64,
}

impl Columned {
    /// How that is read.
    pub fn options(&self, licence_is_evidence: bool) -> Options {
        let columns = Columns {
            text: self.text_column.clone(),
            system: self.system_column.clone(),
            prompt: self.prompt_column.clone(),
            input: self.input_column.clone(),
            answer: self.answer_column.clone(),
            licence: self.licence_column.clone(),
            origin: self.source_column.clone(),
            id: self.id_column.clone(),
        };
        let (document_bytes, records, ratio) = (self.max_document_bytes, self.max_records, self.max_ratio);
        let limits = Limits { document_bytes, records, ratio, long_window: self.long_window, ..Limits::default() };
        Options { columns, limits, split: self.split.clone(), config: self.config.clone(), encoding: self.encoding, licence_is_evidence }
    }
}

/// A dataset with its rights.
#[derive(Clone, Debug, Args)]
pub struct Reading {
    /// A file or a folder: JSON lines, CSV, TSV, Parquet, Arrow, WARC, WET, tar, zip, text and source files, a Hugging Face dataset folder, or
    /// a Git repository, which is read at its HEAD.
    pub path: PathBuf,
    /// Licence of what says none itself: it fills gaps, and overrides no row, file, card or folder.
    #[arg(long, visible_alias = "license")]
    pub licence: Option<String>,
    /// What else is stated of its rights: a TOML file, as in docs/ledger-format.md.
    #[arg(long, value_name = "FILE")]
    pub rights: Option<PathBuf>,
    /// Columns and limits.
    #[command(flatten)]
    pub columned: Columned,
}

impl Reading {
    /// The dataset; `origin` is a name for where all of it comes from.
    pub fn source(self, origin: Option<&str>) -> Result<Source> {
        if let Some(name) = origin.filter(|o| o.is_empty() || o.len() > 100 || !o.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(usage(format!("--source {name:?}: expected at most 100 visible ASCII characters")));
        }
        Ok(Source {
            options: self.columned.options(true),
            path: self.path,
            declared: self.licence,
            stated: self.rights.as_deref().map(StatedRights::read).transpose()?.unwrap_or_default(),
            origin: origin.map(|name| format!("import:{name}")),
            prefix: origin.map(|name| format!("{name}/")),
            ..Source::default()
        })
    }
}
