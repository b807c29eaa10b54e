//! Credit inside a bucket: estimates from sketches, made to add up to the bucket's exact credit.

use std::collections::BTreeMap;
use std::ops::Range;

use kernels::{AttributionOperations, Memory};

use crate::batch::Batch;

/// A document's credit in a window; one number a pricing part, in nats a token of held-out text.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentCredit {
    /// Index of the document in the corpus.
    pub document: u32,
    /// The bucket that its gradient went to.
    pub bucket: u32,
    /// The window.
    pub window: u64,
    /// Its tokens trained on in the window; 0 where only the first moment still carries it.
    pub tokens: u32,
    /// By part.
    pub credit: Vec<f64>,
}

/// A document's place among the sketches of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Index of the document.
    pub document: u32,
    /// Its bucket.
    pub bucket: u32,
    /// Its tokens in the step.
    pub tokens: u32,
}

/// The documents of a step, waiting for the held-out gradients that they will be priced by.
pub struct Held<B: Memory> {
    /// The step.
    pub step: u64,
    /// Which of the state's bases the sketches were made with: the first step of their window.
    pub(crate) basis: u64,
    /// One a sketch, in order.
    pub(crate) slots: Vec<Slot>,
    /// `(slots, numbers of a sketch)`; the part of the step's mean gradient that is each document's.
    pub(crate) sketches: B::Gradient,
    /// What its own step's first moment took of them: `(1 - beta1) clip`.
    pub(crate) factor: f64,
}

/// The documents of a step's passes, by slot: ascending by document.
pub(crate) fn slots(batches: &[Batch]) -> Vec<Slot> {
    let mut found: BTreeMap<u32, Slot> = BTreeMap::new();
    for batch in batches {
        for (bucket, rows) in &batch.buckets {
            let first = batch.segments.partition_point(|s| s.range.start < rows.start);
            for (segment, &document) in batch.segments[first..].iter().zip(&batch.documents[first..]) {
                if segment.range.start >= rows.end {
                    break;
                }
                let slot = found.entry(document).or_insert(Slot { document, bucket: *bucket as u32, tokens: 0 });
                slot.tokens += segment.range.len() as u32;
            }
        }
    }
    found.into_values().collect()
}

/// A pass' runs by slot, ascending.
pub(crate) fn runs(batch: &Batch, slots: &[Slot]) -> Vec<(usize, Range<usize>)> {
    let place = |document: &u32| slots.binary_search_by_key(document, |s| s.document).expect("every document of a step has a slot");
    let mut runs: Vec<(usize, Range<usize>)> =
        batch.documents.iter().zip(&batch.segments).map(|(d, s)| (place(d), s.range.clone())).collect();
    runs.sort_by_key(|(slot, rows)| (*slot, rows.start));
    runs
}

/// Documents by bucket, with their estimates and the tokens that they had in the window.
pub(crate) type Estimates = BTreeMap<u32, BTreeMap<u32, (u32, Vec<f64>)>>;

/// A step of a window, for the documents that it moves with.
pub(crate) struct Moving {
    /// The step.
    pub step: u64,
    /// `lr / bias1`.
    pub rate: f64,
    /// Sketches of what the part prices the step's movement with, by the documents' basis.
    pub priced: BTreeMap<u64, Vec<f64>>,
}

/// Adds part `part`'s estimates of the documents that are held to `found`; `steps` are those of the window that were taken.
pub(crate) fn estimate<B: AttributionOperations>(
    backend: &B,
    found: &mut Estimates,
    held: &[Held<B>],
    steps: &[Moving],
    ages: impl Fn(u64, u64) -> i32,
    beta1: f64,
    (part, parts): (usize, usize),
) {
    let first_step = steps.first().map_or(0, |s| s.step);
    for held in held {
        // What each step moves of the document is priced by its own preconditioner; the sum is one vector.
        let mut vector: Vec<f64> = Vec::new();
        for step in steps.iter().filter(|s| s.step >= held.step) {
            let priced = &step.priced[&held.basis];
            let weight = held.factor * beta1.powi(ages(held.step, step.step)) * step.rate;
            vector.resize(priced.len(), 0.0);
            vector.iter_mut().zip(priced).for_each(|(sum, p)| *sum += weight * p);
        }
        let products = if vector.is_empty() { vec![0.0; held.slots.len()] } else { backend.sketch_dots(&held.sketches, &vector) };
        for (slot, product) in held.slots.iter().zip(products) {
            let document = found.entry(slot.bucket).or_default().entry(slot.document).or_insert_with(|| (0, vec![0.0; parts]));
            if part == 0 && held.step >= first_step {
                document.0 += slot.tokens;
            }
            document.1[part] += product;
        }
    }
}

/// Makes the estimates of every bucket add up to its credit: the difference is shared in proportion to their sizes.
///
/// A bucket that is credited and holds no document any more credits those of its last step, by tokens.
/// Returns the rows, by bucket and document, and the size of all differences by part.
pub(crate) fn reconcile(
    mut estimates: Estimates,
    last: &[Vec<Slot>],
    exact: &[f64],
    parts: usize,
    window: u64,
) -> (Vec<DocumentCredit>, Vec<f64>) {
    let (mut rows, mut correction) = (Vec::new(), vec![0.0; parts]);
    for (bucket, last) in last.iter().enumerate() {
        let exact = &exact[bucket * parts..][..parts];
        let mut documents = estimates.remove(&(bucket as u32)).unwrap_or_default();
        let weights: Option<Vec<f64>> = documents.is_empty().then(|| {
            documents = last.iter().map(|s| (s.document, (0, vec![0.0; parts]))).collect();
            last.iter().map(|s| f64::from(s.tokens)).collect()
        });
        for part in 0..parts {
            let sum: f64 = documents.values().map(|(_, e)| e[part]).sum();
            let off = exact[part] - sum;
            correction[part] += off.abs();
            let mut sizes: Vec<f64> = match &weights {
                Some(tokens) => tokens.clone(),
                None => documents.values().map(|(_, e)| e[part].abs()).collect(),
            };
            if sizes.iter().all(|s| *s == 0.0) {
                sizes.fill(1.0);
            }
            let total: f64 = sizes.iter().sum();
            for ((_, estimate), size) in documents.values_mut().zip(&sizes) {
                estimate[part] += off * size / total;
            }
        }
        documents.retain(|_, (tokens, credit)| *tokens > 0 || credit.iter().any(|c| *c != 0.0));
        rows.extend(documents.into_iter().map(|(document, (tokens, credit))| DocumentCredit {
            document,
            bucket: bucket as u32,
            window,
            tokens,
            credit,
        }));
    }
    (rows, correction)
}
