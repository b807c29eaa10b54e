//! The rows of a run's tables: what each document and contributor is credited with, window by window.

use std::collections::BTreeMap;

use corpus::credit::{CreditRow, Credited, DocumentRow, Part, Window};

use crate::documents::DocumentCredit;

/// Whose documents and buckets these are.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    /// The contributors' names in tables.
    pub contributors: Vec<String>,
    /// Of each contributor, its bucket.
    pub buckets: Vec<usize>,
    /// Of each document, its name in tables.
    pub documents: Vec<String>,
    /// Of each document, its contributor.
    pub document_owners: Vec<usize>,
    /// The targets' names.
    pub targets: Vec<String>,
    /// The groups' names.
    pub groups: Vec<String>,
}

impl Owners {
    /// Whether the contributor has its bucket to itself, so that its credit is exact.
    pub fn alone(&self, contributor: usize) -> bool {
        self.buckets.iter().filter(|b| **b == self.buckets[contributor]).count() == 1
    }
}

/// The credit of each target: nats, and by half.
fn by_target(credit: &[f64], parts: &[Part]) -> Vec<(f64, Vec<f64>)> {
    let mut targets: Vec<(f64, Vec<f64>)> = Vec::new();
    for (credit, part) in credit.iter().zip(parts) {
        if part.target as usize == targets.len() {
            targets.push((0.0, Vec::new()));
        }
        let target = targets.last_mut().expect("parts come by target");
        target.0 += credit * part.share;
        target.1.push(*credit);
    }
    targets
}

/// The rows of all windows, in the order window, contributor, target; those who neither trained nor moved are left out.
///
/// A contributor alone in its bucket has the bucket's exact credit; one that shares has the sum of its documents'.
pub fn credit_rows(windows: &[Window], parts: &[Part], documents: &[DocumentCredit], owners: &Owners) -> Vec<CreditRow> {
    let mut shared: BTreeMap<(u64, usize), (u64, Vec<f64>)> = BTreeMap::new();
    let alone: Vec<bool> = (0..owners.contributors.len()).map(|c| owners.alone(c)).collect();
    for d in documents {
        let owner = owners.document_owners[d.document as usize];
        if !alone[owner] {
            let sum = shared.entry((d.window, owner)).or_insert_with(|| (0, vec![0.0; parts.len()]));
            sum.0 += u64::from(d.tokens);
            sum.1.iter_mut().zip(&d.credit).for_each(|(sum, c)| *sum += c);
        }
    }
    let mut rows = Vec::new();
    for window in windows {
        for (c, contributor) in owners.contributors.iter().enumerate() {
            let bucket = owners.buckets[c];
            let (tokens, credit) = match (alone[c], shared.get(&(window.index, c))) {
                (true, _) => (window.tokens[bucket], window.credit[bucket * parts.len()..][..parts.len()].to_vec()),
                (false, Some((tokens, credit))) => (*tokens, credit.clone()),
                (false, None) => continue,
            };
            for (target, (nats, halves)) in by_target(&credit, parts).into_iter().enumerate() {
                if tokens > 0 || halves.iter().any(|h| *h != 0.0) {
                    let credited = Credited {
                        contributor: contributor.clone(),
                        bucket: bucket as u32,
                        target: owners.targets[target].clone(),
                        window: window.index,
                        tokens,
                        nats,
                        halves,
                    };
                    rows.push(CreditRow { credited, estimated: !alone[c] });
                }
            }
        }
    }
    rows
}

/// The rows of the document table, in the order of `documents`, targets innermost.
pub fn document_rows(parts: &[Part], documents: &[DocumentCredit], owners: &Owners) -> Vec<DocumentRow> {
    let mut rows = Vec::new();
    for d in documents {
        for (target, (nats, halves)) in by_target(&d.credit, parts).into_iter().enumerate() {
            let credited = Credited {
                contributor: owners.contributors[owners.document_owners[d.document as usize]].clone(),
                bucket: d.bucket,
                target: owners.targets[target].clone(),
                window: d.window,
                tokens: u64::from(d.tokens),
                nats,
                halves,
            };
            rows.push(DocumentRow { document: owners.documents[d.document as usize].clone(), credited });
        }
    }
    rows
}
