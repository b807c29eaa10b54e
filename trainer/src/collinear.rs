//! Documents of different payees whose gradients point the same way: paraphrases and translations of one work, for review.
//!
//! Dedup compares words and so misses text that says the same in others. Its gradients are alike all the same, and it is paid
//! for the same drop. A flag is a reason to look, never a proof: two texts of one kind may be alike without anybody's fault.

use kernels::{AttributionOperations, Matrix, ModelOperations};

use crate::batch::{Batch, Corpus, Piece, passes};
use crate::documents;
use crate::error::TrainError;
use crate::sink::Documents;
use crate::state::Parameters;
use crate::trainer::Trainer;

/// Two documents whose gradients are alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alike {
    /// The one with the smaller index.
    pub first: u32,
    /// The other.
    pub second: u32,
    /// Cosine of their sketches, each number less its mean over all documents and over its deviation.
    pub cosine: f64,
}

/// Rows of sketches that are multiplied with all others at once.
const ROWS: usize = 128;

impl<B: ModelOperations + AttributionOperations> Trainer<'_, B> {
    /// Pairs among `documents` of different owners whose cosine is at least `least`, the most alike first.
    ///
    /// Every document's gradient is taken at these parameters, over its first `tokens` tokens. `owner` says whose a
    /// document is; pairs of one owner are left out.
    ///
    /// # Errors
    /// [`TrainError::Config`] if the run keeps no sketches, or has priced no window yet.
    pub fn alike(
        &mut self,
        at: &Parameters<B>,
        corpus: &Corpus,
        documents: &[u32],
        tokens: usize,
        owner: impl Fn(u32) -> usize,
        least: f64,
    ) -> Result<Vec<Alike>, TrainError> {
        let mut sketches = self.gradient_sketches(at, corpus, documents, tokens)?;
        standardise(&mut sketches);
        let b = self.backend;
        let len = sketches.first().map_or(0, Vec::len);
        let all = b.master(&sketches.concat());
        let matrix = Matrix { offset: 0, rows: documents.len(), cols: len };
        let mut found = Vec::new();
        for start in (0..documents.len()).step_by(ROWS) {
            let end = (start + ROWS).min(documents.len());
            let mut products = b.activation((end - start) * documents.len());
            b.matmul(&mut products, &b.activation_from(&sketches[start..end].concat()), &all, matrix, end - start, false);
            for (i, row) in b.activation_to_host(&products).chunks_exact(documents.len()).enumerate() {
                let (i, first) = (start + i, documents[start + i]);
                found.extend((i + 1..documents.len()).filter(|j| row[*j] >= least && owner(first) != owner(documents[*j])).map(|j| {
                    let (a, b) = (first.min(documents[j]), first.max(documents[j]));
                    Alike { first: a, second: b, cosine: row[j] }
                }));
            }
        }
        found.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then_with(|| (a.first, a.second).cmp(&(b.first, b.second))));
        Ok(found)
    }

    /// A sketch of each document's gradient at these parameters, over its first `tokens` tokens.
    fn gradient_sketches(
        &mut self,
        at: &Parameters<B>,
        corpus: &Corpus,
        documents: &[u32],
        tokens: usize,
    ) -> Result<Vec<Vec<f64>>, TrainError> {
        let (Some(sketcher), Some(basis)) = (&mut self.sketcher, &at.basis) else {
            return Err(TrainError::Config(
                "documents' gradients are compared by their sketches: sketch_rank at least 1, and a window".into(),
            ));
        };
        let (b, context) = (self.backend, self.config.model.context);
        sketcher.use_basis(b, basis);
        self.basis = None;
        let mut found = Vec::with_capacity(documents.len());
        let rows = self.config.schedule.pass_rows();
        for some in documents.chunks(rows) {
            let mut pieces = Vec::new();
            for &document in some {
                let len = corpus.documents[document as usize].tokens.len().min(tokens);
                let runs = (0..len).step_by(context).map(|start| start..(start + context).min(len));
                pieces.extend(runs.map(|range| Piece { document: document as usize, range }));
            }
            let batches: Vec<Batch> = passes(&pieces, context, rows).into_iter().map(|p| Batch::new(corpus, p)).collect();
            let slots = documents::slots(&batches);
            let mut sketches = b.gradient(slots.len() * sketcher.len());
            for batch in &batches {
                let runs = documents::runs(batch, &slots);
                self.engine.pass(&at.theta, batch, 1.0, &mut Documents { sketcher, sketches: &mut sketches, runs });
            }
            let host = b.gradient_to_host(&sketches);
            let of = |document: &u32| slots.binary_search_by_key(document, |s| s.document).ok();
            let row = |slot: Option<usize>| {
                slot.map_or_else(|| vec![0.0; sketcher.len()], |s| host[s * sketcher.len()..][..sketcher.len()].to_vec())
            };
            found.extend(some.iter().map(|d| row(of(d))));
        }
        Ok(found)
    }
}

/// Every number less its mean over all rows and over its deviation, and every row at length 1.
///
/// Without this any two texts look alike: their gradients share what the model gets wrong everywhere.
fn standardise(rows: &mut [Vec<f64>]) {
    let n = rows.len() as f64;
    // Long documents would otherwise decide the mean.
    rows.iter_mut().for_each(|row| unit(row));
    for i in 0..rows.first().map_or(0, Vec::len) {
        let mean = rows.iter().map(|r| r[i]).sum::<f64>() / n;
        let deviation = (rows.iter().map(|r| (r[i] - mean).powi(2)).sum::<f64>() / n).sqrt();
        let factor = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
        rows.iter_mut().for_each(|r| r[i] = (r[i] - mean) * factor);
    }
    rows.iter_mut().for_each(|row| unit(row));
}

fn unit(row: &mut [f64]) {
    let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|x| *x /= length);
    }
}
