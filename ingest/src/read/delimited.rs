//! CSV and TSV with a header: RFC 4180, fields in quotes may hold line breaks.
//!
//! Between fields stands what the name says, or else the tab, semicolon or comma that makes the header name a text: spreadsheets name all of these `.csv`.

use std::io::{BufRead, BufReader, Read};

use csv_core::ReadRecordResult;

use super::block::{Fields, Loose};
use super::columns::{Columns, SLOTS, Slot, both};
use super::encoding::not_utf8;
use super::problem::{Code, Refusal};
use super::{Scan, Stopped};

/// Most fields of a record.
const MOST_FIELDS: usize = 4096;

/// Hands out the records of `reader`, whose first record names the columns.
pub(super) fn read(name: &str, delimiter: u8, reader: impl Read, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let delimiter = match reader.fill_buf() {
        Ok(head) => delimiter_of(head, delimiter, &scan.options.columns),
        Err(e) => return scan.problem(name, Refusal::of_io(&e)),
    };
    let mut records = Records {
        reader,
        core: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
        longest: usize::try_from(scan.options.limits.line_bytes()).unwrap_or(usize::MAX),
        bytes: vec![0; 1 << 16],
        ends: vec![0; MOST_FIELDS + 1],
        count: 0,
        line: 1,
        begun: 1,
    };
    match records.next() {
        Ok(false) => return scan.problem(name, Refusal::new(Code::Empty, "empty, expected a header and records")),
        Err(refusal) => return scan.problem(format!("{name}:1"), refusal),
        Ok(true) => {}
    }
    let header: Vec<String> =
        records.fields().map(|f| String::from_utf8_lossy(f.strip_prefix(b"\xef\xbb\xbf").unwrap_or(f)).trim().to_string()).collect();
    let slots: Vec<_> = header.iter().map(|f| scan.options.columns.slot(f).map(|(slot, rank)| (slot as usize, rank))).collect();
    if let Err(missing) = scan.options.columns.check(&header) {
        return scan.problem(name, missing);
    }
    scan.options.columns.unused(&header).for_each(|name| scan.unused.note(name));
    for number in 1.. {
        match records.next() {
            Ok(false) if number == 1 => return scan.problem(name, Refusal::new(Code::Empty, "a header without records")),
            Ok(false) => break,
            Ok(true) => {}
            // Where the next record begins is not known any more.
            Err(refusal) => return scan.problem(format!("{name}:{}", records.begun), refusal),
        }
        match fields(&records, &slots) {
            Ok(fields) => {
                scan.loose(Loose { file: Some(name.to_string()), row: Some(number), origin: None, tag: None, signals: None, fields })?
            }
            Err(refusal) => scan.problem(format!("{name}:{}", records.begun), refusal)?,
        }
    }
    Ok(())
}

/// What stands between the fields of a header, of which `head` has the first bytes.
fn delimiter_of(head: &[u8], named: u8, columns: &Columns) -> u8 {
    let line = String::from_utf8_lossy(&head[..memchr::memchr(b'\n', head).unwrap_or(head.len())]).into_owned();
    let names_a_text = |delimiter: u8| {
        let names = line.split(char::from(delimiter)).map(|f| f.trim_matches(|c: char| c == '"' || c.is_whitespace()).to_string());
        columns.check(&names.collect::<Vec<_>>()).is_ok()
    };
    [named, b'\t', b';', b','].into_iter().find(|d| names_a_text(*d)).unwrap_or(named)
}

/// The records of a file. `csv` itself bounds no record and counts lines wrongly where they end in two characters.
struct Records<R> {
    reader: BufReader<R>,
    core: csv_core::Reader,
    /// Most bytes of a record.
    longest: usize,
    /// The last record's fields one behind the other, where each ends, and their number.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
    /// The line that is read, and that on which the last record began.
    line: u64,
    begun: u64,
}

impl<R: Read> Records<R> {
    /// Reads the next record; says whether there was one.
    fn next(&mut self) -> Result<bool, Refusal> {
        self.pass_blank_lines()?;
        self.begun = self.line;
        let (mut written, mut in_file, mut quotes) = (0, true, 0);
        self.count = 0;
        loop {
            let buffer = self.reader.fill_buf().map_err(|e| Refusal::of_io(&e))?;
            let ended = buffer.is_empty();
            let (result, read, wrote, ends) = self.core.read_record(buffer, &mut self.bytes[written..], &mut self.ends[self.count..]);
            self.line += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
            quotes += memchr::memchr_iter(b'"', &buffer[..read]).count();
            self.reader.consume(read);
            written += wrote;
            self.count += ends;
            match result {
                // At the end of the file an open quote ends too, with all that came after it inside.
                ReadRecordResult::Record if ended && quotes % 2 == 1 => return Err(Refusal::damaged("a quote that is not closed")),
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
                ReadRecordResult::InputEmpty if ended && !in_file => return Err(Refusal::damaged("the file ends inside a record")),
                ReadRecordResult::InputEmpty => in_file = !ended,
                ReadRecordResult::OutputFull if self.bytes.len() < self.longest => {
                    self.bytes.resize((self.bytes.len() * 2).min(self.longest), 0)
                }
                ReadRecordResult::OutputFull => {
                    let text =
                        format!("a record of more than {} bytes: a quote that is not closed; what follows was not read", self.longest);
                    return Err(Refusal::new(Code::TooLong, text));
                }
                ReadRecordResult::OutputEndsFull => return Err(Refusal::damaged(format!("a record of more than {MOST_FIELDS} fields"))),
            }
        }
    }

    /// Empty lines are no records, and the second half of a line's end is one.
    fn pass_blank_lines(&mut self) -> Result<(), Refusal> {
        loop {
            let buffer = self.reader.fill_buf().map_err(|e| Refusal::of_io(&e))?;
            let blank = buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            self.line += memchr::memchr_iter(b'\n', &buffer[..blank]).count() as u64;
            let ended = buffer.is_empty() || blank < buffer.len();
            self.reader.consume(blank);
            if ended {
                return Ok(());
            }
        }
    }

    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count).map(|i| &self.bytes[if i == 0 { 0 } else { self.ends[i - 1] }..self.ends[i]])
    }
}

/// The fields of a record by slot.
fn fields<R: Read>(record: &Records<R>, slots: &[Option<(usize, usize)>]) -> Result<Fields<'static>, Refusal> {
    if record.count != slots.len() {
        return Err(Refusal::damaged(format!("expected {} fields, found {}", slots.len(), record.count)));
    }
    let mut fields = Fields::default();
    let mut ranks = [usize::MAX; SLOTS];
    for (field, slot) in record.fields().zip(slots) {
        let Some((slot, rank)) = *slot else { continue };
        // An empty field says nothing, except where it is the text.
        let licence = slot == Slot::Licence as usize;
        if rank >= ranks[slot] && !licence || field.is_empty() && slot != Slot::Text as usize {
            continue;
        }
        ranks[slot] = rank;
        let text = String::from_utf8(field.to_vec()).map_err(|e| not_utf8(e.as_bytes(), e.utf8_error().valid_up_to()))?;
        fields[slot] = Some(both(fields[slot].take().filter(|_| licence), text.into()));
    }
    Ok(fields)
}
