//! The order log: which tokens of which document every step saw.

use std::ops::Range;

use corpus::run_tables::OrderRow;

use crate::batch::Corpus;
use crate::order::{Order, Shares};
use crate::table::Owners;

/// What `steps` see under the shares that were given up to them.
pub fn order_rows(
    order: &Order<'_>,
    corpus: &Corpus,
    shares: &[Shares],
    owners: &Owners,
    context: usize,
    steps: Range<u64>,
) -> Vec<OrderRow> {
    let mut rows = Vec::new();
    for step in steps {
        let mut at = 0;
        for piece in order.step(step, shares) {
            rows.push(OrderRow {
                step,
                row: (at / context) as u32,
                document: owners.documents[piece.document].clone(),
                group: owners.groups[corpus.documents[piece.document].group].clone(),
                tokens: piece.range.start as u32..piece.range.end as u32,
            });
            at += piece.range.len();
        }
    }
    rows
}
