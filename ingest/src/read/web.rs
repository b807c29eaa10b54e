//! WARC and WET: crawled pages, one row each, with their address as origin.
//!
//! `conversion` records are text already; of `response` and `resource` records HTML is turned into text and plain text is taken as it is.
//! Records about others (`warcinfo`, `request`, `metadata`, `revisit`, `continuation`) hold no document.
//!
//! Source: ISO 28500:2017 (WARC 1.1), sections 4 to 6; RFC 9112, sections 2 and 7.1, for what `response` records hold.

use std::io::{BufRead, BufReader, Read};

use super::block::{Fields, Loose};
use super::columns::Slot;
use super::html;
use super::problem::{Code, Refusal};
use super::{Scan, Stopped};

/// Longest line of a header.
const LINE_BYTES: u64 = 1 << 16;
/// Most lines of a header.
const HEADER_LINES: usize = 256;

/// Records about others.
const OTHERS: [&str; 5] = ["warcinfo", "request", "metadata", "revisit", "continuation"];

/// What a record's header says, as far as it matters here.
#[derive(Debug, Default)]
struct Header {
    kind: String,
    length: u64,
    content_type: String,
    uri: Option<String>,
}

/// Hands out the pages of `reader`.
pub(super) fn read(name: &str, reader: impl Read, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let most = scan.options.limits.line_bytes();
    let mut pages = 0;
    for number in 1.. {
        let place = format!("{name}#{number}");
        let header = match read_header(&mut reader) {
            Ok(Some(header)) => header,
            Ok(None) if pages == 0 => return scan.problem(name, Refusal::new(Code::Empty, "expected WARC records with pages, found none")),
            Ok(None) => return Ok(()),
            // Where the next record begins is not known any more.
            Err(refusal) => return scan.problem(place, refusal),
        };
        let page = matches!(header.kind.as_str(), "conversion" | "response" | "resource");
        let block = if page && header.length <= most { read_block(&mut reader, header.length) } else { pass(&mut reader, header.length) };
        let block = match block.and_then(|block| end_of_record(&mut reader).map(|()| block)) {
            Ok(block) => block,
            Err(refusal) => return scan.problem(place, refusal),
        };
        if OTHERS.contains(&header.kind.as_str()) {
            continue;
        }
        pages += 1;
        if !page {
            let text = format!("a record of type {:?}, expected one that WARC knows", header.kind);
            scan.problem(place, Refusal::new(Code::Unsupported, text))?;
            continue;
        }
        let text = if header.length > most {
            Err(Refusal::new(Code::TooLong, format!("a record of {} bytes, expected at most {most}", header.length)))
        } else {
            text_of(&header, block, most)
        };
        match text {
            Ok(text) => {
                let mut fields = Fields::default();
                fields[Slot::Text as usize] = Some(text.into());
                let origin = header.uri.map(|uri| uri.trim_matches(['<', '>']).to_string());
                scan.loose(Loose { file: Some(name.to_string()), row: Some(number), origin, fields })?;
            }
            Err(refusal) => scan.problem(place, refusal)?,
        }
    }
    Ok(())
}

/// A line without its end; `None` at the end of the input.
fn line(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>, Refusal> {
    let mut line = Vec::new();
    let read = reader.take(LINE_BYTES).read_until(b'\n', &mut line).map_err(|e| Refusal::of_io(&e))?;
    if read == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(Refusal::damaged(format!("expected a header line of at most {LINE_BYTES} bytes with its end")));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(line))
}

fn read_header(reader: &mut impl BufRead) -> Result<Option<Header>, Refusal> {
    let Some(version) = line(reader)? else { return Ok(None) };
    if !version.starts_with(b"WARC/1.") {
        return Err(Refusal::damaged(format!(
            "expected WARC/1.0 or WARC/1.1, found {:?}",
            String::from_utf8_lossy(&version[..version.len().min(40)])
        )));
    }
    let (mut header, mut length) = (Header::default(), None);
    for _ in 0..HEADER_LINES {
        let Some(line) = line(reader)? else { return Err(Refusal::damaged("the file ends inside a record's header")) };
        if line.is_empty() {
            header.length = length.ok_or_else(|| Refusal::damaged("a record without Content-Length"))?;
            return Ok(Some(header));
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        // A folded line goes on with the value before it, none of which matter here.
        let Some((field, value)) = line.split_once(':').filter(|_| !line.starts_with([' ', '\t'])) else { continue };
        let value = value.trim();
        match field.trim().to_ascii_lowercase().as_str() {
            "warc-type" => header.kind = value.to_ascii_lowercase(),
            "content-length" => {
                length = Some(value.parse().map_err(|_| Refusal::damaged(format!("Content-Length {value:?}, expected a number")))?);
            }
            "content-type" => header.content_type = value.to_ascii_lowercase(),
            "warc-target-uri" => header.uri = Some(value.to_string()),
            _ => {}
        }
    }
    Err(Refusal::damaged(format!("a header of more than {HEADER_LINES} lines")))
}

fn read_block(reader: &mut impl BufRead, length: u64) -> Result<Vec<u8>, Refusal> {
    let mut block = Vec::new();
    let read = reader.take(length).read_to_end(&mut block).map_err(|e| Refusal::of_io(&e))?;
    if (read as u64) < length {
        return Err(Refusal::damaged(format!("Content-Length {length}, the file has {read} bytes more")));
    }
    Ok(block)
}

/// Reads past a block that is not needed.
fn pass(reader: &mut impl BufRead, length: u64) -> Result<Vec<u8>, Refusal> {
    let passed = std::io::copy(&mut reader.take(length), &mut std::io::sink()).map_err(|e| Refusal::of_io(&e))?;
    if passed < length {
        return Err(Refusal::damaged(format!("Content-Length {length}, the file has {passed} bytes more")));
    }
    Ok(Vec::new())
}

/// Reads the empty lines between records; a last record without them is whole all the same.
fn end_of_record(reader: &mut impl BufRead) -> Result<(), Refusal> {
    loop {
        let buffer = reader.fill_buf().map_err(|e| Refusal::of_io(&e))?;
        let blank = buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let ended = buffer.is_empty() || blank < buffer.len();
        reader.consume(blank);
        if ended {
            return Ok(());
        }
    }
}

/// The text of a record.
fn text_of(header: &Header, mut block: Vec<u8>, most: u64) -> Result<String, Refusal> {
    if header.kind == "conversion" {
        return super::text::decode(block);
    }
    if !header.content_type.starts_with("application/http") {
        return page(&header.content_type, &block);
    }
    // Pages that were fetched by HTTP/2 are written down in the form of HTTP/1.1, but for the version.
    if let Some(rest) = block.strip_prefix(b"HTTP/2 ").map(<[u8]>::to_vec) {
        block = [b"HTTP/1.1 ", &rest[..]].concat();
    }
    let mut lines = [httparse::EMPTY_HEADER; HEADER_LINES];
    let mut response = httparse::Response::new(&mut lines);
    let mut parser = httparse::ParserConfig::default();
    parser.allow_spaces_after_header_name_in_responses(true).allow_obsolete_multiline_headers_in_responses(true);
    parser.ignore_invalid_headers_in_responses(true);
    let head = match parser.parse_response(&mut response, &block) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Err(Refusal::damaged("an HTTP response whose header does not end")),
        Err(e) => return Err(Refusal::damaged(format!("expected an HTTP response, found {e}"))),
    };
    let field = |name: &str| {
        let found = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
        found.map_or(String::new(), |h| String::from_utf8_lossy(h.value).trim().to_ascii_lowercase())
    };
    let code = response.code.unwrap_or_default();
    if !(200..300).contains(&code) {
        return Err(Refusal::new(Code::Unsupported, format!("an HTTP response with status {code}, expected 200 to 299")));
    }
    let mut body = block[head..].to_vec();
    // Crawlers undo encodings and leave their headers: a body that is not encoded as its header says is taken as it is.
    if field("transfer-encoding").contains("chunked")
        && let Ok(content) = unchunked(&body)
    {
        body = content;
    }
    match field("content-encoding").as_str() {
        "" | "identity" => {}
        _ if !body.starts_with(&[0x1f, 0x8b]) && std::str::from_utf8(&body).is_ok() => {}
        "gzip" | "x-gzip" => {
            let mut decoded = Vec::new();
            let decoder = flate2::read::GzDecoder::new(&body[..]);
            decoder.take(most + 1).read_to_end(&mut decoded).map_err(|e| Refusal::of_io(&e))?;
            if decoded.len() as u64 > most {
                return Err(Refusal::new(Code::TooLong, format!("a page of more than {most} bytes")));
            }
            body = decoded;
        }
        other => return Err(Refusal::new(Code::Unsupported, format!("content encoding {other:?}, expected gzip or none"))),
    }
    page(&field("content-type"), &body)
}

/// The text of a page.
fn page(content_type: &str, body: &[u8]) -> Result<String, Refusal> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let charset = content_type.split(';').skip(1).find_map(|p| p.trim().strip_prefix("charset=")).map(|c| c.trim_matches(['"', '\'']));
    match media {
        "text/html" | "application/xhtml+xml" => html::text_of(&decode(body, charset, true)?),
        "text/plain" | "text/markdown" => decode(body, charset, false),
        "" => Err(Refusal::new(Code::Unsupported, "no content type, expected text")),
        other => Err(Refusal::new(Code::Unsupported, format!("{other}: expected HTML or plain text"))),
    }
}

/// Text in the encoding that a mark, the header or the page names; in none of these, UTF-8.
///
/// Source: WHATWG Encoding Standard, sections 4.2 and 6; HTML Standard, section 13.2.3.2, for the order.
fn decode(body: &[u8], charset: Option<&str>, html: bool) -> Result<String, Refusal> {
    let in_page = || html.then(|| html::charset(&body[..body.len().min(1024)])).flatten();
    let label = charset.map(str::to_string).or_else(in_page);
    let encoding = match &label {
        None => encoding_rs::UTF_8,
        Some(label) => encoding_rs::Encoding::for_label(label.as_bytes())
            .ok_or_else(|| Refusal::new(Code::Encoding, format!("expected an encoding that is known, found {label:?}")))?,
    };
    let (text, used, wrong) = encoding.decode(body);
    if wrong {
        return Err(Refusal::new(Code::Encoding, format!("expected {}, found bytes that are none of it", used.name())));
    }
    Ok(text.into_owned())
}

/// The content of a body in chunks.
fn unchunked(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let wrong = || Refusal::damaged("expected chunks with their sizes");
    let (mut content, mut rest) = (Vec::new(), body);
    loop {
        let end = memchr::memmem::find(rest, b"\r\n").ok_or_else(wrong)?;
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|l| l.split(';').next());
        let size = size.and_then(|s| usize::from_str_radix(s.trim(), 16).ok()).ok_or_else(wrong)?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Ok(content);
        }
        let chunk = rest.get(..size).ok_or_else(wrong)?;
        content.extend_from_slice(chunk);
        rest = rest[size..].strip_prefix(b"\r\n").ok_or_else(wrong)?;
    }
}
