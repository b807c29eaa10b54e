//! The last signed tree head in the database, by compare-and-swap: for homes on several machines that share a Postgres.

use corpus::merkle::Tree;
use ledger::{Note, TreeHead, Verifier};

use crate::catalog::Catalog;
use crate::error::StoreError;
use crate::witness::Cosigner;

/// Asked before every witness: it signs nothing, and refuses a tree head that does not grow from the last one.
pub struct HeadKeeper {
    catalog: Catalog,
    runtime: tokio::runtime::Handle,
}

impl HeadKeeper {
    /// Keeps tree heads in the database of `catalog`; the calling thread belongs to a runtime of several threads.
    pub fn new(catalog: Catalog) -> HeadKeeper {
        HeadKeeper { catalog, runtime: tokio::runtime::Handle::current() }
    }

    async fn swap(&self, note: &Note, tree: &Tree, log: &Verifier) -> Result<(), StoreError> {
        let id = log.public.key_id().to_string();
        let refuse = |text: String| StoreError::Witness { witness: "the database".into(), text };
        let head = TreeHead::verify(note, log).map_err(|e| refuse(e.to_string()))?;
        let last = self.catalog.tree_head(&id).await?;
        if let Some((size, text)) = &last {
            let kept = Note::from_text(text).and_then(|n| TreeHead::verify(&n, log)).map_err(|e| refuse(e.to_string()))?;
            if *size > head.size || kept.root != tree.root(kept.size.min(tree.size())) {
                let text =
                    format!("a tree head of {size} entries was signed with this key, and the one of {} does not grow from it", head.size);
                return Err(refuse(format!("{text}; a restored or second copy must not sign")));
            }
            if *size == head.size {
                return Ok(());
            }
        }
        // Without what witnesses add: who goes on compares roots.
        let text = note.signed_only_by(log).map_err(|e| refuse(e.to_string()))?.to_text();
        if self.catalog.swap_tree_head(&id, last.map(|(size, _)| size), head.size, &text).await? {
            Ok(())
        } else {
            Err(refuse("another process signed a tree head with this key at the same time".into()))
        }
    }
}

impl Cosigner for HeadKeeper {
    fn cosign(&self, note: &mut Note, tree: &Tree, log: &Verifier, _: u64) -> Result<(), StoreError> {
        tokio::task::block_in_place(|| self.runtime.block_on(self.swap(note, tree, log)))
    }
}
