//! WARC and WET: crawled pages, one row each, with their address as origin.
//!
//! `conversion` records are text already; of `response` and `resource` records HTML is turned into text and plain text is taken as it is.
//! Records about others (`warcinfo`, `request`, `metadata`, `revisit`, `continuation`) hold no document.
//!
//! Source: ISO 28500:2017 (WARC 1.1), sections 4 to 6; RFC 9112, sections 2 and 7.1, for what `response` records hold.

use std::io::{BufRead, BufReader, Read};

use rights::reservation::Page;

use super::block::{Fields, Loose};
use super::columns::Slot;
use super::html;
use super::limits::Limits;
use super::problem::{Code, Refusal};
use super::sites::{self, FILE_BYTES, Sites};
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
    date: String,
}

impl Header {
    /// The address without its brackets, or nothing.
    fn address(&self) -> &str {
        self.uri.as_deref().unwrap_or_default().trim_matches(['<', '>'])
    }
}

/// Remembers what the sites of `reader`'s pages say about training; what cannot be read is named when its pages are.
pub(super) fn look_for_sites(reader: impl Read, limits: &Limits, sites: &mut Sites) {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    while let Ok(Some(header)) = read_header(&mut reader) {
        let taken = matches!(header.kind.as_str(), "response" | "resource") && header.length <= FILE_BYTES as u64 * 4;
        // What a licence file is, its media type alone says; so every short page is looked at, and no text is made of it.
        let block = if taken { read_block(&mut reader, header.length) } else { pass(&mut reader, header.length) };
        let Ok(block) = block.and_then(|block| end_of_record(&mut reader).map(|()| block)) else { return };
        if !taken {
            continue;
        }
        let mut body = block;
        let response = match header.content_type.starts_with("application/http").then(|| Response::take(&mut body)).transpose() {
            Ok(response) => response,
            Err(_) => continue,
        };
        let (status, media) = response.as_ref().map_or((200, &header.content_type), |r| (r.status, &r.content_type));
        let media = media.split(';').next().unwrap_or_default().trim();
        let Some(kind) = sites::Kind::of(header.address(), media) else { continue };
        // Bodies of pages are as they came: only a file about a site is decoded here.
        let body = match &response {
            Some(response) => response.decoded(body, limits),
            None => Ok(body),
        };
        if let Ok(body) = body {
            sites.add(kind, header.address(), &header.date, status, body);
        }
    }
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
        // What is about a site is no page of it.
        if matches!(sites::Kind::of(header.address(), ""), Some(sites::Kind::Robots | sites::Kind::Tdmrep)) {
            continue;
        }
        if !page {
            let text = format!("a record of type {:?}, expected one that WARC knows", header.kind);
            scan.problem(place, Refusal::new(Code::Unsupported, text))?;
            continue;
        }
        let text = if header.length > most {
            Err(Refusal::new(Code::TooLong, format!("a record of {} bytes, expected at most {most}", header.length)))
        } else {
            text_of(&header, block, &scan.options.limits)
        };
        match text {
            Ok(content) => {
                let page = Page { url: header.address(), headers: &content.headers, html: content.html.as_deref() };
                let signals = Some(scan.sites.of(&page, &header.date));
                let mut fields = Fields::default();
                fields[Slot::Text as usize] = Some(content.text.into());
                let origin = header.uri.as_ref().map(|_| header.address().to_string());
                scan.loose(Loose { file: Some(name.to_string()), row: Some(number), origin, tag: None, signals, fields })?;
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
            "warc-date" => header.date = value.to_string(),
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

/// A page's text, and what says something about it.
struct Content {
    text: String,
    headers: Vec<(String, String)>,
    /// Its HTML, if it is a page of that kind.
    html: Option<String>,
}

/// An HTTP response without its body.
struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    /// In small letters.
    content_type: String,
}

/// The text of a record.
fn text_of(header: &Header, block: Vec<u8>, limits: &Limits) -> Result<Content, Refusal> {
    let plain = |text: String| Content { text, headers: Vec::new(), html: None };
    if header.kind == "conversion" {
        return super::encoding::decode(block, None).map(plain);
    }
    if !header.content_type.starts_with("application/http") {
        let (text, html) = page(&header.content_type, &block)?;
        return Ok(Content { html, ..plain(text) });
    }
    let mut body = block;
    let response = Response::take(&mut body)?;
    let body = response.decoded(body, limits)?;
    if !(200..300).contains(&response.status) {
        let text = format!("an HTTP response with status {}, expected 200 to 299", response.status);
        return Err(Refusal::new(Code::Unsupported, text));
    }
    let (text, html) = page(&response.content_type, &body)?;
    Ok(Content { text, headers: response.headers, html })
}

impl Response {
    /// The response that `block` is, of which the body as it was received stays.
    fn take(block: &mut Vec<u8>) -> Result<Response, Refusal> {
        // Pages that were fetched by HTTP/2 are written down in the form of HTTP/1.1, but for the version.
        if block.starts_with(b"HTTP/2 ") {
            block.splice(..b"HTTP/2 ".len(), *b"HTTP/1.1 ");
        }
        let mut lines = [httparse::EMPTY_HEADER; HEADER_LINES];
        let mut response = httparse::Response::new(&mut lines);
        let mut parser = httparse::ParserConfig::default();
        parser.allow_spaces_after_header_name_in_responses(true).allow_obsolete_multiline_headers_in_responses(true);
        parser.ignore_invalid_headers_in_responses(true);
        let head = match parser.parse_response(&mut response, block) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) => return Err(Refusal::damaged("an HTTP response whose header does not end")),
            Err(e) => return Err(Refusal::damaged(format!("expected an HTTP response, found {e}"))),
        };
        let headers: Vec<(String, String)> =
            response.headers.iter().map(|h| (h.name.to_string(), String::from_utf8_lossy(h.value).trim().to_string())).collect();
        let content_type = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("content-type")).map_or("", |(_, v)| v).to_ascii_lowercase();
        let status = response.code.unwrap_or_default();
        block.drain(..head);
        Ok(Response { status, headers, content_type })
    }

    /// The response's `body` without chunks and encodings.
    ///
    /// Crawlers undo encodings and leave their headers: a body that is not encoded as its header says is taken as it is.
    fn decoded(&self, mut body: Vec<u8>, limits: &Limits) -> Result<Vec<u8>, Refusal> {
        let field = |name: &str| {
            let found: Vec<&str> = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect();
            found.join(",").to_ascii_lowercase()
        };
        let transfer = field("transfer-encoding");
        if transfer.contains("chunked") {
            match unchunked(&body) {
                Ok(content) => body = content,
                Err(refusal) if begins_a_chunk(&body) => return Err(refusal),
                Err(_) => {}
            }
        }
        // The last that was applied is undone first.
        let codings = format!("{},{transfer}", field("content-encoding"));
        let codings = codings.split(',').map(str::trim).filter(|c| !["", "identity", "chunked"].contains(c)).rev();
        for (i, coding) in codings.enumerate() {
            match uncoded(coding, &body, limits) {
                Ok(content) => body = content,
                Err(refusal) if i == 0 && refusal.code == Code::Damaged && is_plain(&body) => break,
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(body)
    }
}

/// Whether a body that should be encoded is a text as it stands.
fn is_plain(body: &[u8]) -> bool {
    let control = |b: &u8| *b < 0x20 && !b.is_ascii_whitespace();
    std::str::from_utf8(body).is_ok() || !body[..body.len().min(512)].iter().any(control)
}

/// A body without its outermost encoding.
///
/// Source: RFC 9110, section 8.4.1; RFC 7932 for `br`; RFC 8878 for `zstd`.
fn uncoded(coding: &str, body: &[u8], limits: &Limits) -> Result<Vec<u8>, Refusal> {
    let most = limits.line_bytes();
    let all = |reader: &mut dyn Read| -> Result<Vec<u8>, Refusal> {
        let mut content = Vec::new();
        let allowed = limits.allowed(body.len() as u64).min(most);
        let read = reader.take(allowed + 1).read_to_end(&mut content);
        limits.expansion(body.len() as u64, content.len() as u64)?;
        read.map_err(|e| Refusal::damaged(format!("expected a body in {coding}, found {e}")))?;
        if content.len() as u64 > most {
            return Err(Refusal::new(Code::TooLong, format!("a page of more than {most} bytes")));
        }
        Ok(content)
    };
    match coding {
        // Servers that compress piece by piece make several members.
        "gzip" | "x-gzip" => all(&mut flate2::read::MultiGzDecoder::new(body)),
        // Meant as zlib's form, and sent without its frame by some.
        "deflate" => all(&mut flate2::read::ZlibDecoder::new(body)).or_else(|e| match e.code {
            Code::Damaged => all(&mut flate2::read::DeflateDecoder::new(body)),
            _ => Err(e),
        }),
        "br" => all(&mut brotli::Decompressor::new(body, 1 << 16)),
        "zstd" => all(&mut zstd::Decoder::new(body).map_err(|e| Refusal::of_io(&e))?),
        other => {
            let text = format!("content encoding {other:?}, expected gzip, deflate, br, zstd or none");
            Err(Refusal::new(Code::Unsupported, text))
        }
    }
}

/// The text of a page, and its HTML.
fn page(content_type: &str, body: &[u8]) -> Result<(String, Option<String>), Refusal> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let charset = content_type.split(';').skip(1).find_map(|p| p.trim().strip_prefix("charset=")).map(|c| c.trim_matches(['"', '\'']));
    match media {
        "text/html" | "application/xhtml+xml" => {
            let html = decode(body, charset, true)?;
            Ok((html::text_of(&html)?, Some(html)))
        }
        "text/plain" | "text/markdown" => Ok((decode(body, charset, false)?, None)),
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
        if label.is_none() {
            let at = std::str::from_utf8(body).err().map_or(0, |e| e.valid_up_to());
            return Err(super::encoding::no_text(body, at));
        }
        return Err(Refusal::new(Code::Encoding, format!("expected {}, found bytes that are none of it", used.name())));
    }
    Ok(text.into_owned())
}

/// Whether a body begins with the size of a chunk on a line of its own.
fn begins_a_chunk(body: &[u8]) -> bool {
    let end = memchr::memmem::find(&body[..body.len().min(64)], b"\r\n");
    let size = end.map(|end| &body[..end]).and_then(|line| line.split(|b| *b == b';').next()).map(<[u8]>::trim_ascii);
    size.is_some_and(|size| !size.is_empty() && size.len() <= 16 && size.iter().all(u8::is_ascii_hexdigit))
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
