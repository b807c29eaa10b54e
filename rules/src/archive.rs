//! What anybody can have of a home: its objects, and what its log says.

use std::sync::Arc;

use corpus::Digest;
use corpus::objects::ReadObjects;
use ledger::entry::Genesis;
use ledger::tree_head::draw_seed;
use ledger::{Epoch, Note, State, TreeHead};

use crate::error::{Result, RulesError};

/// Log and objects, read and never written.
#[derive(Clone)]
pub struct Archive {
    /// Immutable files.
    pub objects: Arc<dyn ReadObjects>,
    /// What the log says.
    pub state: State,
}

impl Archive {
    /// The genesis entry.
    ///
    /// # Panics
    /// If the log has no entry; one that was read has.
    pub fn genesis(&self) -> &Genesis {
        self.state.genesis.as_ref().expect("a log that was read has a genesis")
    }

    /// The seed that a cosigned tree head of this log gives.
    ///
    /// # Errors
    /// If it is no tree head, or its witnesses did not cosign it.
    pub fn draw_seed(&self, note: &str) -> Result<Digest> {
        let note = Note::from_text(note)?;
        let size = TreeHead::from_text(&note.text)?.size;
        Ok(draw_seed(&note, self.state.witnesses_of(size).expect("a log that was read has a genesis"))?)
    }

    /// The epoch `number`, or the last one.
    ///
    /// # Errors
    /// [`RulesError::Usage`] if there is none.
    pub fn epoch(&self, number: Option<u32>) -> Result<&Epoch> {
        let epochs = &self.state.epochs;
        let epoch = match number {
            Some(n) => epochs.get(n as usize),
            None => epochs.last(),
        };
        let name = || number.map_or("(last)".into(), |n| n.to_string());
        epoch.ok_or_else(|| RulesError::Usage(format!("epoch {}: there are {}; open one with `assay epoch open`", name(), epochs.len())))
    }
}
