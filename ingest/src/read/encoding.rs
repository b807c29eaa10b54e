//! In which encoding a text is: by its byte order mark or by what the reader was told, never by a guess. A guess only names, in a refusal,
//! what the bytes look like.
//!
//! Source: WHATWG Encoding Standard, section 6.1, for marks; Unicode 16.0, section 3.10, for UTF-32, which that standard leaves out.

use std::io::Read;

use encoding_rs::{Decoder, DecoderResult};

use super::problem::{Carried, Code, Refusal};

/// An encoding that a text is turned into UTF-8 from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One of the WHATWG standard.
    Standard(&'static encoding_rs::Encoding),
    /// UTF-32, with the least byte first or last.
    Utf32 {
        /// Whether the least byte comes first.
        little_endian: bool,
    },
}

impl Encoding {
    /// The encoding's name.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Standard(encoding) => encoding.name(),
            Encoding::Utf32 { little_endian: true } => "UTF-32LE",
            Encoding::Utf32 { little_endian: false } => "UTF-32BE",
        }
    }

    /// The encoding of a byte order mark, and the mark's length.
    fn of_mark(bytes: &[u8]) -> Option<(Encoding, usize)> {
        // The mark of UTF-32LE begins with that of UTF-16LE.
        match bytes {
            [0xff, 0xfe, 0, 0, ..] => Some((Encoding::Utf32 { little_endian: true }, 4)),
            [0, 0, 0xfe, 0xff, ..] => Some((Encoding::Utf32 { little_endian: false }, 4)),
            _ => encoding_rs::Encoding::for_bom(bytes).map(|(encoding, length)| (Encoding::Standard(encoding), length)),
        }
    }
}

impl std::str::FromStr for Encoding {
    type Err = String;
    fn from_str(label: &str) -> Result<Encoding, String> {
        match label.to_ascii_lowercase().as_str() {
            "utf-32le" | "utf-32" | "utf32" => Ok(Encoding::Utf32 { little_endian: true }),
            "utf-32be" => Ok(Encoding::Utf32 { little_endian: false }),
            _ => encoding_rs::Encoding::for_label(label.as_bytes())
                .map(Encoding::Standard)
                .ok_or_else(|| format!("encoding {label:?}: expected a label such as UTF-16LE, windows-1252, Shift_JIS or gb18030")),
        }
    }
}

/// Bytes that are looked at for a mark, or for the zeros of an encoding without one.
const HEAD_BYTES: u64 = 4096;

/// `reader` in UTF-8 without a mark: decoded from `given`, else as its mark says, else as it is.
///
/// Bytes that are not of the encoding end it with an error.
pub(super) fn utf8<'a>(mut reader: Box<dyn Read + 'a>, given: Option<Encoding>) -> Result<Box<dyn Read + 'a>, Refusal> {
    let mut head = Vec::new();
    // What comes before an error is text too.
    let failed = reader.by_ref().take(HEAD_BYTES).read_to_end(&mut head).err();
    let (encoding, mark) = chosen(&head, given)?;
    let rest = std::io::Cursor::new(head.split_off(mark)).chain(Failing(failed)).chain(reader);
    Ok(match encoding {
        Some(encoding) if encoding != Encoding::Standard(encoding_rs::UTF_8) => Box::new(Transcoded::new(rest, encoding)),
        _ => Box::new(rest),
    })
}

/// Gives an error once, if there is one, and then nothing.
pub(super) struct Failing(pub Option<std::io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// The text of bytes, without a mark.
pub(super) fn decode(mut bytes: Vec<u8>, given: Option<Encoding>) -> Result<String, Refusal> {
    let (encoding, mark) = chosen(&bytes[..bytes.len().min(HEAD_BYTES as usize)], given)?;
    bytes.drain(..mark);
    match encoding {
        Some(encoding) if encoding != Encoding::Standard(encoding_rs::UTF_8) => {
            let mut text = Vec::new();
            Transcoded::new(&bytes[..], encoding).read_to_end(&mut text).map_err(|e| Refusal::of_io(&e))?;
            String::from_utf8(text).map_err(Refusal::damaged)
        }
        _ => String::from_utf8(bytes).map_err(|e| not_utf8(e.as_bytes(), e.utf8_error().valid_up_to())),
    }
}

/// What bytes that begin with `head` are decoded from, and the length of their mark.
fn chosen(head: &[u8], given: Option<Encoding>) -> Result<(Option<Encoding>, usize), Refusal> {
    match (Encoding::of_mark(head), given) {
        (Some((mark, length)), None) => Ok((Some(mark), length)),
        (Some((mark, length)), Some(given)) if mark == given => Ok((Some(given), length)),
        (Some((mark, _)), Some(given)) => {
            Err(Refusal::new(Code::Encoding, format!("expected {}, found the byte order mark of {}", given.name(), mark.name())))
        }
        (None, Some(given)) => Ok((Some(given), 0)),
        (None, None) => match without_mark(head) {
            Some(name) => {
                let text =
                    format!("expected UTF-8, found what looks like {name} without a byte order mark; name it with --encoding {name}");
                Err(Refusal::new(Code::Encoding, text))
            }
            None => Ok((None, 0)),
        },
    }
}

/// The wide encoding that the zeros of a text's first bytes look like: ASCII letters have them at the same place each time.
fn without_mark(head: &[u8]) -> Option<&'static str> {
    let whole = head.len() / 4 * 4;
    if whole < 8 {
        return None;
    }
    let zeros = |phase: usize, step: usize| head[phase..whole].iter().step_by(step).filter(|b| **b == 0).count();
    let of_four = whole / 4;
    let most = |count: usize, of: usize| count * 10 >= of * 7;
    if most(zeros(1, 4), of_four) && most(zeros(2, 4), of_four) && most(zeros(3, 4), of_four) && zeros(0, 4) == 0 {
        return Some("UTF-32LE");
    }
    if most(zeros(0, 4), of_four) && most(zeros(1, 4), of_four) && most(zeros(2, 4), of_four) && zeros(3, 4) == 0 {
        return Some("UTF-32BE");
    }
    if most(zeros(1, 2), whole / 2) && zeros(0, 2) == 0 {
        return Some("UTF-16LE");
    }
    (most(zeros(0, 2), whole / 2) && zeros(1, 2) == 0).then_some("UTF-16BE")
}

/// The refusal of bytes that are not UTF-8 from `at` on, with the encoding that they look like and the flag that names it.
pub(super) fn not_utf8(bytes: &[u8], at: usize) -> Refusal {
    let refusal = no_text(bytes, at);
    match refusal.reason.rsplit_once("; it looks like ") {
        Some((_, name)) => Refusal::new(Code::Encoding, format!("{}; name it with --encoding {name}", refusal.reason)),
        None => refusal,
    }
}

/// The same where the form itself says its encoding, and no flag does.
pub(super) fn no_text(bytes: &[u8], at: usize) -> Refusal {
    let found = format!("expected UTF-8, found byte 0x{:02x} at offset {at}", bytes[at]);
    // Zero bytes are of no text; of a long one, the first megabyte from there on tells enough.
    if memchr::memchr(0, bytes).is_some() {
        return Refusal::new(Code::Encoding, format!("{found} and bytes of zero: this is no text"));
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Allow);
    detector.feed(&bytes[at..bytes.len().min(at + (1 << 20))], true);
    let name = detector.guess(None, chardetng::Utf8Detection::Deny).name();
    Refusal::new(Code::Encoding, format!("{found}; it looks like {name}"))
}

/// Bytes on their way from an encoding to UTF-8.
struct Transcoded<R> {
    inner: R,
    from: From,
    name: &'static str,
    /// Bytes that were read and not decoded yet.
    input: Vec<u8>,
    /// Whether the input has ended.
    ended: bool,
    /// Text that was decoded, and how much of it was given.
    output: Vec<u8>,
    given: usize,
    done: bool,
}

enum From {
    Standard(Decoder),
    Utf32 { little_endian: bool },
}

impl<R: Read> Transcoded<R> {
    fn new(inner: R, encoding: Encoding) -> Transcoded<R> {
        let from = match encoding {
            Encoding::Standard(standard) => From::Standard(standard.new_decoder_without_bom_handling()),
            Encoding::Utf32 { little_endian } => From::Utf32 { little_endian },
        };
        let name = encoding.name();
        Transcoded { inner, from, name, input: Vec::new(), ended: false, output: Vec::new(), given: 0, done: false }
    }

    /// Decodes some more.
    fn fill(&mut self) -> std::io::Result<()> {
        let from = self.input.len();
        self.input.resize(from + (1 << 16), 0);
        let read = self.inner.read(&mut self.input[from..]);
        self.input.truncate(from + *read.as_ref().unwrap_or(&0));
        self.ended = read? == 0;
        self.output.clear();
        self.given = 0;
        let wrong = || std::io::Error::from(Carried(Code::Encoding, format!("expected {}, found bytes that are none of it", self.name)));
        match &mut self.from {
            From::Standard(decoder) => {
                self.output.resize(decoder.max_utf8_buffer_length_without_replacement(self.input.len()).unwrap_or(1 << 18), 0);
                let (result, read, written) = decoder.decode_to_utf8_without_replacement(&self.input, &mut self.output, self.ended);
                self.output.truncate(written);
                self.input.drain(..read);
                match result {
                    DecoderResult::Malformed(..) => return Err(wrong()),
                    DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
                }
            }
            From::Utf32 { little_endian } => {
                let whole = self.input.len() / 4 * 4;
                for unit in self.input[..whole].chunks_exact(4) {
                    let unit: [u8; 4] = unit.try_into().expect("four bytes");
                    let unit = if *little_endian { u32::from_le_bytes(unit) } else { u32::from_be_bytes(unit) };
                    let letter = char::from_u32(unit).ok_or_else(wrong)?;
                    self.output.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
                self.input.drain(..whole);
                if self.ended && !self.input.is_empty() {
                    return Err(wrong());
                }
            }
        }
        self.done = self.ended && self.input.is_empty();
        Ok(())
    }
}

impl<R: Read> Read for Transcoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.given == self.output.len() {
            if self.done {
                return Ok(0);
            }
            self.fill()?;
        }
        let count = buffer.len().min(self.output.len() - self.given);
        buffer[..count].copy_from_slice(&self.output[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, mark: bool) -> Vec<u8> {
        mark.then_some(0xfeff).into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    }

    fn utf32(text: &str, mark: bool) -> Vec<u8> {
        mark.then_some('\u{feff}').into_iter().chain(text.chars()).flat_map(|c| (c as u32).to_be_bytes()).collect()
    }

    #[test]
    fn marked_texts_are_decoded_in_pieces_and_at_once() {
        let text = "Füße, 日本語, \u{1f600}\n".repeat(9000);
        for bytes in [utf16(&text, true), utf32(&text, true), [b"\xef\xbb\xbf", text.as_bytes()].concat(), text.clone().into_bytes()] {
            assert_eq!(decode(bytes.clone(), None).unwrap(), text);
            let mut read = String::new();
            utf8(Box::new(&bytes[..]), None).unwrap().read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
    }

    #[test]
    fn what_has_no_mark_is_named_and_not_guessed() {
        let reason = |bytes: &[u8]| decode(bytes.to_vec(), None).unwrap_err().reason;
        assert!(reason(&utf16("a plain text, é", false)).contains("--encoding UTF-16LE"));
        assert!(reason(&utf32("a plain text", false)).contains("--encoding UTF-32BE"));
        let (bytes, _, _) = encoding_rs::WINDOWS_1251.encode("Привет, как дела, это русский текст");
        assert!(reason(&bytes).contains("--encoding windows-1251"), "{}", reason(&bytes));
        assert_eq!(decode(bytes.to_vec(), Some("windows-1251".parse().unwrap())).unwrap(), "Привет, как дела, это русский текст");
        assert!(reason(b"\x89PNG\0\0").contains("no text"));
    }

    #[test]
    fn broken_texts_are_refused() {
        let mut cut = utf16("text", true);
        cut.pop();
        assert!(decode(cut, None).unwrap_err().reason.contains("UTF-16LE"));
        assert!(decode([&utf32("x", true)[..], &[0, 0x11, 0, 0]].concat(), None).unwrap_err().reason.contains("UTF-32BE"));
        assert!(decode(utf16("x", true), Some("utf-8".parse().unwrap())).unwrap_err().reason.contains("mark of UTF-16LE"));
        assert!("utf-9".parse::<Encoding>().unwrap_err().contains("utf-9"));
    }
}
