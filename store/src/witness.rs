//! A witness: it cosigns a tree head only if that one grew from the last it saw.
//!
//! Source: C2SP `tlog-witness`; here the witness of a home, which reads the log's own files instead of HTTP.

use std::path::{Path, PathBuf};

use corpus::merkle;
use ledger::{Note, SecretKey, TreeHead};

use crate::error::StoreError;
use crate::files;

/// A witness with its memory.
pub struct Witness {
    key: SecretKey,
    memory: PathBuf,
}

impl Witness {
    /// A witness whose last tree head is kept in `memory`.
    pub fn new(key: SecretKey, memory: &Path) -> Witness {
        Witness { key, memory: memory.to_path_buf() }
    }

    /// The last tree head that it cosigned.
    ///
    /// # Errors
    /// [`StoreError::Log`] if its memory is damaged.
    pub fn last(&self) -> Result<Option<TreeHead>, StoreError> {
        let Some(bytes) = files::read_if_present(&self.memory)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        TreeHead::from_text(&text).map(Some).map_err(|e| StoreError::Log { path: self.memory.clone(), text: e.to_string() })
    }

    /// Adds its cosignature to `note`, a tree head of `tree`.
    ///
    /// # Errors
    /// [`StoreError::Witness`] if the tree head is no extension of the last it cosigned.
    pub fn cosign(&self, note: &mut Note, tree: &merkle::Tree, time: u64) -> Result<(), StoreError> {
        let refuse = |text: String| StoreError::Witness { witness: self.key.name.clone(), text };
        let head = TreeHead::from_text(&note.text).map_err(|e| refuse(e.to_string()))?;
        if let Some(last) = self.last()? {
            if last.origin != head.origin || last.size > head.size {
                return Err(refuse(format!("tree head of {} entries after one of {}", head.size, last.size)));
            }
            let grown = last.size == 0
                || merkle::verify_consistency(last.size, head.size, &last.root, &head.root, &tree.consistency_proof(last.size, head.size));
            if !grown {
                return Err(refuse(format!("the tree of {} entries is not a prefix of the one of {}", last.size, head.size)));
            }
        }
        // Stored before it signs: a crash here leaves a memory of a tree head that nobody has seen.
        files::write(&self.memory, note.text.as_bytes(), 0o600)?;
        note.sign(&self.key, time);
        Ok(())
    }
}
