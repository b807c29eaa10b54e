//! Files that are one text each; small ones are handed out together.

use std::collections::BTreeSet;

use rights::licence;
use rights::reservation::{Page, of_page};

use super::block::{BLOCK_BYTES, Block, Fields, Loose, Rows};
use super::columns::{Slot, Unused};
use super::{Scan, Stopped, encoding, kind};

/// Hands out a file as one row.
pub(super) fn read(name: &str, bytes: Vec<u8>, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    match encoding::decode(bytes, scan.options.encoding) {
        Ok(text) if kind::is_lfs_pointer(text.as_bytes()) => scan.problem(name, kind::lfs_refusal()),
        Ok(text) => {
            let tag = tags_of(&text);
            // A page that was saved says by its own marks what its publisher reserves; of its site nothing is known.
            let is_page = [".html", ".htm", ".xhtml"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
            let signals =
                is_page.then(|| of_page(&Page { url: "", headers: &[], html: Some(&text) })).filter(|signals| !signals.is_empty());
            let mut fields = Fields::default();
            fields[Slot::Text as usize] = Some(text.into());
            scan.loose(Loose { file: Some(name.to_string()), row: None, origin: None, tag, signals, fields })
        }
        Err(refusal) => scan.problem(name, refusal),
    }
}

/// Lines of a file in which a licence tag is looked for.
const TAG_LINES: usize = 40;

/// The expression of the licence tags in a file's first lines, as its comments have them.
fn tags_of(text: &str) -> Option<String> {
    let mut tags = BTreeSet::new();
    for (expression, behind) in text.lines().take(TAG_LINES).filter_map(licence::tag) {
        tags.insert(licence::named(expression));
        // A condition on the same line is part of what is said.
        if behind.chars().filter(|c| c.is_alphanumeric()).count() > 0 {
            tags.insert(licence::UNKNOWN.to_string());
        }
    }
    (!tags.is_empty()).then(|| licence::joined(&tags))
}

impl Scan<'_, '_> {
    /// Keeps a row until there are enough for a block.
    pub(super) fn loose(&mut self, row: Loose) -> Result<(), Stopped> {
        // A row takes memory beside its text, however short that is.
        self.pending_bytes += 512 + row.fields.iter().flatten().map(|f| f.len()).sum::<usize>();
        self.pending.push(row);
        if self.pending_bytes >= BLOCK_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands out the rows that wait.
    pub(super) fn flush(&mut self) -> Result<(), Stopped> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.pending_bytes = 0;
        let rows = Rows::Loose(std::mem::take(&mut self.pending));
        let (columns, limits) = (self.options.columns.clone(), self.options.limits.clone());
        let unused = std::mem::take(&mut self.unused);
        self.hand_out(Block { file: "".into(), rows, columns, limits, unused })
    }

    /// Hands out rows of the file `name`, behind those that wait.
    pub(super) fn rows(&mut self, name: &str, rows: Rows) -> Result<(), Stopped> {
        let (columns, limits) = (self.options.columns.clone(), self.options.limits.clone());
        self.block(Block { file: name.into(), rows, columns, limits, unused: Unused::default() })
    }
}
