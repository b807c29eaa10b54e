//! Shards: accepted documents of one submission as tokens, in Parquet. The format is in `docs/shard-format.md`.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, BooleanArray, ListArray, StringArray, UInt32Array, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;

use crate::digest::Digest;
use crate::id::{ContributorId, DocumentRef};
use crate::merkle;
use crate::parquet_file::{self, ParquetError, TableWriter, column};
use crate::shard::record;
use crate::text;

/// The version of the bytes.
pub const VERSION: &str = "3";

/// A document with its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizedDocument {
    /// Which document.
    pub document: DocumentRef,
    /// Its commitment.
    pub commitment: Digest,
    /// Whose it is.
    pub contributor: ContributorId,
    /// Its SPDX expression.
    pub licence: String,
    /// Where it came from.
    pub source: String,
    /// Its normalised text.
    pub text: String,
    /// The byte of the text at which the answer begins, if only that is learned.
    pub answer_at: Option<u64>,
    /// Its tokens; none if the tokenizer refused it.
    pub tokens: Vec<u32>,
    /// The first token of the answer, if only that is learned.
    pub learned_from: Option<u32>,
    /// Whether the tokens give the text back; a tokenizer that changes letters does not.
    pub reversible: bool,
    /// Its salt.
    pub salt: Digest,
}

impl TokenizedDocument {
    /// The record in the shard's document tree.
    pub fn record(&self) -> Vec<u8> {
        record(&self.commitment, self.document, self.tokens.len() as u64)
    }
}

/// A shard in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The digest of the `tokenizer.json` that cut them.
    pub tokenizer: Digest,
    /// In the order of submissions, and of their numbers.
    pub documents: Vec<TokenizedDocument>,
}

/// A file that is not a shard, or not a whole one.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// Not readable as a table of the shard's columns.
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// The footer says something else than the rows.
    #[error("shard: footer says {what} {expected}, rows have {found}")]
    Footer {
        /// Which statement of the footer.
        what: &'static str,
        /// What it says.
        expected: String,
        /// What the rows give.
        found: String,
    },
    /// A text that its commitment does not open to.
    #[error("shard: document {document}: commitment says {expected}, salt and text give {found}")]
    Commitment {
        /// The document.
        document: DocumentRef,
        /// In its row.
        expected: Digest,
        /// Computed.
        found: Digest,
    },
}

/// What a shard's footer says, without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Documents.
    pub rows: u64,
    /// Tokens of all.
    pub tokens: u64,
    /// Documents without a token: the tokenizer refused them.
    pub refused: u64,
    /// Root over their records.
    pub document_root: Digest,
}

impl Footer {
    /// Reads the footer of a shard's file.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(bytes: &Bytes) -> Result<Footer, ShardError> {
        let failed = ParquetError::message;
        let (rows, metadata) = parquet_file::footer(bytes)?;
        let meta = |key: &str| {
            let found = metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
            found.ok_or_else(|| failed(format!("footer key {key} is missing")))
        };
        let tokens = meta("assay.tokens")?.parse().map_err(|e| failed(format!("footer: tokens: {e}")))?;
        let document_root = meta("assay.document_root")?.parse().map_err(|e| failed(format!("footer: {e}")))?;
        let refused = meta("assay.refused")?.parse().map_err(|e| failed(format!("footer: refused: {e}")))?;
        Ok(Footer { rows, tokens, refused, document_root })
    }
}

/// Columns in their order.
const COLUMNS: [&str; 13] = [
    "doc",
    "commitment",
    "submission",
    "contributor",
    "licence",
    "source",
    "text",
    "answer_at",
    "tokens",
    "learned_from",
    "reversible",
    "salt",
    "cluster",
];

/// A column of some documents.
fn array(name: &str, d: &[TokenizedDocument]) -> ArrayRef {
    match name {
        "doc" | "cluster" => Arc::new(StringArray::from_iter_values(d.iter().map(|d| d.document.to_string()))),
        "commitment" => Arc::new(BinaryArray::from_iter_values(d.iter().map(|d| d.commitment.0))),
        "submission" => Arc::new(UInt64Array::from_iter_values(d.iter().map(|d| d.document.submission.0))),
        "contributor" => Arc::new(StringArray::from_iter_values(d.iter().map(|d| d.contributor.to_string()))),
        "licence" => Arc::new(StringArray::from_iter_values(d.iter().map(|d| &d.licence))),
        "source" => Arc::new(StringArray::from_iter_values(d.iter().map(|d| &d.source))),
        "text" => Arc::new(StringArray::from_iter_values(d.iter().map(|d| &d.text))),
        "answer_at" => Arc::new(d.iter().map(|d| d.answer_at).collect::<UInt64Array>()),
        "tokens" => Arc::new(ListArray::new(
            Arc::new(Field::new("item", DataType::UInt32, false)),
            OffsetBuffer::from_lengths(d.iter().map(|d| d.tokens.len())),
            Arc::new(UInt32Array::from_iter_values(d.iter().flat_map(|d| d.tokens.iter().copied()))),
            None,
        )),
        "learned_from" => Arc::new(d.iter().map(|d| d.learned_from).collect::<UInt32Array>()),
        "reversible" => Arc::new(BooleanArray::from_iter(d.iter().map(|d| Some(d.reversible)))),
        "salt" => Arc::new(BinaryArray::from_iter_values(d.iter().map(|d| d.salt.0))),
        other => unreachable!("shards have no column {other}"),
    }
}

impl Shard {
    /// The root over the documents' records.
    pub fn document_root(&self) -> Digest {
        let leaves: Vec<Digest> = self.documents.iter().map(|d| merkle::leaf_hash(&d.record())).collect();
        merkle::root(&leaves)
    }

    /// Tokens of all documents.
    pub fn tokens(&self) -> u64 {
        self.documents.iter().map(|d| d.tokens.len() as u64).sum()
    }

    /// The shard as a file: the same shard, the same bytes. One without documents says that nothing is left of another.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>, ParquetError> {
        let mut out = Vec::new();
        self.write(&mut out)?;
        Ok(out)
    }

    /// Writes the bytes that [`Shard::encode`] gives, a column after the other.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write<W: Write + Send>(&self, out: W) -> Result<(), ParquetError> {
        let d = &self.documents;
        // A column may have nulls if it has some, so that shards in which no answer is marked have the schema of old ones.
        let nullable = |name: &str| match name {
            "answer_at" => d.iter().any(|d| d.answer_at.is_none()),
            "learned_from" => d.iter().any(|d| d.learned_from.is_none()),
            _ => false,
        };
        let field = |name: &str| Field::new(name, array(name, &[]).data_type().clone(), nullable(name));
        let schema: SchemaRef = Arc::new(Schema::new(COLUMNS.map(field).to_vec()));
        let footer = [
            ("assay.shard_version", VERSION.to_string()),
            ("assay.tokenizer", self.tokenizer.to_string()),
            ("assay.document_root", self.document_root().to_string()),
            ("assay.tokens", self.tokens().to_string()),
            ("assay.refused", d.iter().filter(|d| d.tokens.is_empty()).count().to_string()),
        ];
        let writer = TableWriter::new(out, schema, &footer);
        writer.write_by_column(d.len(), |field, range| array(field.name(), &d[range]))
    }

    /// Reads a shard and checks it: footer against rows, every commitment against salt and text.
    ///
    /// # Errors
    /// [`ShardError`] names what differs.
    pub fn decode(bytes: &[u8]) -> Result<Shard, ShardError> {
        let table = parquet_file::decode(bytes)?;
        let failed = ParquetError::message;
        let meta = |key: &str| table.meta(key).ok_or_else(|| failed(format!("footer key {key} is missing")));
        let differs = |what, expected: &str, found: String| ShardError::Footer { what, expected: expected.to_string(), found };
        let version = meta("assay.shard_version")?;
        if version != VERSION {
            return Err(differs("version", version, VERSION.to_string()));
        }
        let tokenizer = meta("assay.tokenizer")?.parse().map_err(|e| failed(format!("{e}")))?;
        let mut shard = Shard { tokenizer, documents: Vec::new() };
        for batch in &table.batches {
            let doc: &StringArray = column(batch, "doc")?;
            let commitment: &BinaryArray = column(batch, "commitment")?;
            let contributor: &StringArray = column(batch, "contributor")?;
            let licence: &StringArray = column(batch, "licence")?;
            let source: &StringArray = column(batch, "source")?;
            let text: &StringArray = column(batch, "text")?;
            let tokens: &ListArray = column(batch, "tokens")?;
            let answer_at: &UInt64Array = column(batch, "answer_at")?;
            let learned_from: &UInt32Array = column(batch, "learned_from")?;
            let reversible: &BooleanArray = column(batch, "reversible")?;
            let salt: &BinaryArray = column(batch, "salt")?;
            for i in 0..batch.num_rows() {
                let digest =
                    |bytes: &[u8]| bytes.try_into().map(Digest).map_err(|_| failed(format!("row {i}: a digest of {} bytes", bytes.len())));
                let list = tokens.value(i);
                let list = list
                    .as_any()
                    .downcast_ref::<UInt32Array>()
                    .ok_or_else(|| failed("column tokens: expected a list of u32".to_string()))?;
                let document = TokenizedDocument {
                    document: doc.value(i).parse().map_err(|e| failed(format!("row {i}: {e}")))?,
                    commitment: digest(commitment.value(i))?,
                    contributor: contributor.value(i).parse().map_err(|e| failed(format!("row {i}: {e}")))?,
                    licence: licence.value(i).into(),
                    source: source.value(i).into(),
                    text: text.value(i).into(),
                    answer_at: answer_at.is_valid(i).then(|| answer_at.value(i)),
                    tokens: list.values().to_vec(),
                    learned_from: learned_from.is_valid(i).then(|| learned_from.value(i)),
                    reversible: reversible.value(i),
                    salt: digest(salt.value(i))?,
                };
                let found = text::commitment(&document.salt, &document.text, document.answer_at);
                if found != document.commitment {
                    return Err(ShardError::Commitment { document: document.document, expected: document.commitment, found });
                }
                shard.documents.push(document);
            }
        }
        let (root, tokens) = (shard.document_root().to_string(), shard.tokens().to_string());
        if meta("assay.document_root")? != root {
            return Err(differs("document root", meta("assay.document_root")?, root));
        }
        if meta("assay.tokens")? != tokens {
            return Err(differs("tokens", meta("assay.tokens")?, tokens));
        }
        Ok(shard)
    }
}
