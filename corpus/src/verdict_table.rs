//! Verdict tables as Parquet.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, ListArray, RecordBatch, StringArray, StructArray, UInt32Array, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};

use crate::digest::Digest;
use crate::parquet_file::{self, ParquetError, column};
use crate::verdict::{Cover, Decision, Measure, Verdict, VerdictRow, VerdictTable};

/// Footer key of the submission's log index.
const SUBMISSION: &str = "assay.submission";

/// Lists of `{document, words}`.
fn covers(rows: &[VerdictRow]) -> ListArray {
    let all: Vec<&Cover> = rows.iter().flat_map(|r| &r.covered_by).collect();
    let fields = vec![Field::new("document", DataType::Utf8, false), Field::new("words", DataType::UInt64, false)];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(all.iter().map(|c| c.document.to_string()))),
        Arc::new(UInt64Array::from_iter_values(all.iter().map(|c| c.words))),
    ];
    let items = StructArray::new(fields.into(), columns, None);
    let field = Field::new("item", items.data_type().clone(), false);
    ListArray::new(Arc::new(field), OffsetBuffer::from_lengths(rows.iter().map(|r| r.covered_by.len())), Arc::new(items), None)
}

fn covers_of(list: &ArrayRef) -> Result<Vec<Cover>, String> {
    let items = list.as_any().downcast_ref::<StructArray>().ok_or("expected structs")?;
    let documents = items.column_by_name("document").and_then(|c| c.as_any().downcast_ref::<StringArray>()).ok_or("no documents")?;
    let words = items.column_by_name("words").and_then(|c| c.as_any().downcast_ref::<UInt64Array>()).ok_or("no words")?;
    (0..items.len())
        .map(|i| Ok(Cover { document: documents.value(i).parse().map_err(|e| format!("{e}"))?, words: words.value(i) }))
        .collect()
}

impl VerdictTable {
    /// The table as Parquet.
    ///
    /// # Errors
    /// If it has no rows.
    pub fn encode(&self) -> Result<Vec<u8>, ParquetError> {
        let r = &self.rows;
        let measured =
            |pick: fn(&Measure) -> u64| -> ArrayRef { Arc::new(r.iter().map(|r| r.filtered.as_ref().map(pick)).collect::<UInt64Array>()) };
        let columns: [(&str, ArrayRef); 13] = [
            ("number", Arc::new(UInt32Array::from_iter_values(r.iter().map(|r| r.number)))),
            ("commitment", Arc::new(BinaryArray::from_iter_values(r.iter().map(|r| r.commitment.0)))),
            ("verdict", Arc::new(StringArray::from_iter_values(r.iter().map(|r| r.verdict.code())))),
            ("of", Arc::new(StringArray::from_iter(r.iter().map(|r| r.of.map(|d| d.to_string()))))),
            ("intersection", Arc::new(UInt64Array::from_iter_values(r.iter().map(|r| r.intersection)))),
            ("union", Arc::new(UInt64Array::from_iter_values(r.iter().map(|r| r.union)))),
            ("words", Arc::new(UInt64Array::from_iter_values(r.iter().map(|r| r.words)))),
            ("hit", Arc::new(BinaryArray::from_iter(r.iter().map(|r| r.hit.map(|h| h.0))))),
            ("novel_words", Arc::new(UInt64Array::from_iter_values(r.iter().map(|r| r.novel_words)))),
            ("covered_by", Arc::new(covers(r))),
            ("rule", Arc::new(r.iter().map(|r| r.filtered.as_ref().map(|m| &m.rule)).collect::<StringArray>())),
            ("measured", measured(|m| m.measured)),
            ("limit", measured(|m| m.limit)),
        ];
        let nullable = ["of", "hit", "rule", "measured", "limit"];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, nullable.contains(&n))))
            .expect("columns of one length");
        parquet_file::encode(&[batch], &[(SUBMISSION, self.submission.to_string())])
    }

    /// The inverse of [`VerdictTable::encode`].
    ///
    /// # Errors
    /// If the file is not a verdict table.
    pub fn decode(bytes: &[u8]) -> Result<VerdictTable, ParquetError> {
        let table = parquet_file::decode(bytes)?;
        let failed = ParquetError::message;
        let submission =
            table.meta(SUBMISSION).and_then(|s| s.parse().ok()).ok_or_else(|| failed(format!("footer key {SUBMISSION} is missing")))?;
        let mut rows = Vec::new();
        for batch in &table.batches {
            let number: &UInt32Array = column(batch, "number")?;
            let commitment: &BinaryArray = column(batch, "commitment")?;
            let verdict: &StringArray = column(batch, "verdict")?;
            let of: &StringArray = column(batch, "of")?;
            let intersection: &UInt64Array = column(batch, "intersection")?;
            let union: &UInt64Array = column(batch, "union")?;
            let words: &UInt64Array = column(batch, "words")?;
            let hit: &BinaryArray = column(batch, "hit")?;
            let novel_words: &UInt64Array = column(batch, "novel_words")?;
            let covered_by: &ListArray = column(batch, "covered_by")?;
            let rule: &StringArray = column(batch, "rule")?;
            let measured: &UInt64Array = column(batch, "measured")?;
            let limit: &UInt64Array = column(batch, "limit")?;
            for i in 0..batch.num_rows() {
                let digest =
                    |bytes: &[u8]| bytes.try_into().map(Digest).map_err(|_| failed(format!("row {i}: a digest of {} bytes", bytes.len())));
                let commitment = digest(commitment.value(i))?;
                let decision = Decision {
                    verdict: Verdict::from_code(verdict.value(i))
                        .ok_or_else(|| failed(format!("row {i}: unknown verdict {:?}", verdict.value(i))))?,
                    of: if of.is_null(i) { None } else { Some(of.value(i).parse().map_err(|e| failed(format!("row {i}: {e}")))?) },
                    intersection: intersection.value(i),
                    union: union.value(i),
                    words: words.value(i),
                    hit: if hit.is_null(i) { None } else { Some(digest(hit.value(i))?) },
                    novel_words: novel_words.value(i),
                    covered_by: covers_of(&covered_by.value(i)).map_err(|e| failed(format!("row {i}: covered_by: {e}")))?,
                    filtered: rule.is_valid(i).then(|| Measure {
                        rule: rule.value(i).into(),
                        measured: measured.value(i),
                        limit: limit.value(i),
                    }),
                };
                rows.push(VerdictRow { number: number.value(i), commitment, decision });
            }
        }
        Ok(VerdictTable { submission, rows })
    }
}
