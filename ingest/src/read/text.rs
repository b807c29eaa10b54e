//! Files that are one text each; small ones are handed out together.

use super::block::{BLOCK_BYTES, Block, Fields, Loose, Rows};
use super::columns::Slot;
use super::problem::{Code, Refusal};
use super::{Scan, Stopped};

/// Hands out a file as one row.
pub(super) fn read(name: &str, bytes: Vec<u8>, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    match decode(bytes) {
        Ok(text) => {
            let mut fields = Fields::default();
            fields[Slot::Text as usize] = Some(text.into());
            scan.loose(Loose { file: Some(name.to_string()), row: None, origin: None, fields })
        }
        Err(refusal) => scan.problem(name, refusal),
    }
}

/// The text of bytes, without a byte order mark.
pub(super) fn decode(bytes: Vec<u8>) -> Result<String, Refusal> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Refusal::new(Code::Encoding, "expected UTF-8, found the byte order mark of UTF-16"));
    }
    let wrong = |e: std::string::FromUtf8Error| {
        let at = e.utf8_error().valid_up_to();
        Refusal::new(Code::Encoding, format!("expected UTF-8, found byte 0x{:02x} at offset {at}", e.as_bytes()[at]))
    };
    let mut text = String::from_utf8(bytes).map_err(wrong)?;
    if text.starts_with('\u{feff}') {
        text.drain(..3);
    }
    Ok(text)
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
        self.hand_out(Block { file: "".into(), rows, columns, limits })
    }
}
