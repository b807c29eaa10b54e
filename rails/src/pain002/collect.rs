//! The walk through a report: texts by their path, the rest passed over.

use super::{Pain002Error, Reading, Reason, Reported};
use crate::xml::{Node, Xml, XmlError, shown};

/// A text of a message element is never longer; what is longer is refused before it is kept.
const MAX_TEXT: usize = 4096;

/// Texts of the message or of the block, until they are complete.
#[derive(Default)]
struct Header {
    id: Option<String>,
    name: Option<String>,
    count: Option<String>,
    sum: Option<String>,
    code: Option<String>,
    reason: Reason,
    /// Whether it was compared already, as it is before its first part is.
    done: bool,
}

const GROUP: &str = "OrgnlGrpInfAndSts";
const BLOCK: &str = "OrgnlPmtInfAndSts";
const TRANSFER: &str = "TxInfAndSts";

/// Reads the report into `reading`.
pub(super) fn read(mut xml: Xml<'_>, reading: &mut Reading<'_>) -> Result<(), Pain002Error> {
    // Paths below `Document/CstmrPmtStsRpt`.
    let mut path: Vec<String> = Vec::new();
    let (mut group, mut block, mut transfer) = (Header::default(), Header::default(), Reported::default());
    let mut groups = 0;
    let mut message_id = None;
    let mut text = String::new();
    loop {
        match xml.next()? {
            Node::Open(tag, inside) => {
                let name = tag.local_name();
                // An element of another namespace is never taken for one of ours.
                path.push(if inside { shown(name.as_ref()) } else { String::new() });
                text.clear();
                let places: Vec<&str> = path.iter().map(String::as_str).collect();
                match places[..] {
                    [_, GROUP] => {
                        groups += 1;
                        if groups > 1 {
                            return Err(Pain002Error::Repeated { place: "CstmrPmtStsRpt".to_owned(), element: GROUP });
                        }
                    }
                    [_, BLOCK] => {
                        finish_group(reading, &mut group)?;
                        block = Header::default();
                    }
                    [_, BLOCK, TRANSFER] => {
                        finish_block(reading, &mut block)?;
                        transfer = Reported::default();
                    }
                    [_, BLOCK, TRANSFER, "OrgnlTxRef", "Amt", "InstdAmt"] => {
                        let currency = tag.try_get_attribute("Ccy").map_err(|e| XmlError::Syntax { at: 0, found: e.to_string() })?;
                        transfer.currency = currency.map(|a| shown(&a.value));
                    }
                    _ => {}
                }
            }
            Node::Text(piece) => {
                text.push_str(&piece);
                if text.len() > MAX_TEXT {
                    let element = path.last().cloned().unwrap_or_default();
                    return Err(XmlError::Syntax { at: 0, found: format!("more than {MAX_TEXT} bytes of text in {element}") }.into());
                }
            }
            Node::Close => {
                let places: Vec<&str> = path.iter().map(String::as_str).collect();
                let value = || text.trim().to_owned();
                match places[..] {
                    [_, "GrpHdr", "MsgId"] => once(&mut message_id, value(), "GrpHdr", "MsgId")?,
                    [_, GROUP, "OrgnlMsgId"] => once(&mut group.id, value(), GROUP, "OrgnlMsgId")?,
                    [_, GROUP, "OrgnlMsgNmId"] => once(&mut group.name, value(), GROUP, "OrgnlMsgNmId")?,
                    [_, GROUP, "OrgnlNbOfTxs"] => once(&mut group.count, value(), GROUP, "OrgnlNbOfTxs")?,
                    [_, GROUP, "OrgnlCtrlSum"] => once(&mut group.sum, value(), GROUP, "OrgnlCtrlSum")?,
                    [_, GROUP, "GrpSts"] => once(&mut group.code, value(), GROUP, "GrpSts")?,
                    [_, GROUP, "StsRsnInf", ref rest @ ..] => reason(&mut group.reason, rest, &text),
                    [_, GROUP] => finish_group(reading, &mut group)?,
                    [_, BLOCK, "OrgnlPmtInfId"] => once(&mut block.id, value(), BLOCK, "OrgnlPmtInfId")?,
                    [_, BLOCK, "OrgnlNbOfTxs"] => once(&mut block.count, value(), BLOCK, "OrgnlNbOfTxs")?,
                    [_, BLOCK, "OrgnlCtrlSum"] => once(&mut block.sum, value(), BLOCK, "OrgnlCtrlSum")?,
                    [_, BLOCK, "PmtInfSts"] => once(&mut block.code, value(), BLOCK, "PmtInfSts")?,
                    [_, BLOCK, "StsRsnInf", ref rest @ ..] => reason(&mut block.reason, rest, &text),
                    [_, BLOCK] => finish_block(reading, &mut block)?,
                    [_, BLOCK, TRANSFER, "OrgnlEndToEndId"] => once(&mut transfer.reference, value(), TRANSFER, "OrgnlEndToEndId")?,
                    [_, BLOCK, TRANSFER, "TxSts"] => once(&mut transfer.code, value(), TRANSFER, "TxSts")?,
                    [_, BLOCK, TRANSFER, "StsRsnInf", ref rest @ ..] => reason(&mut transfer.reason, rest, &text),
                    [_, BLOCK, TRANSFER, "OrgnlTxRef", "Amt", "InstdAmt"] => once(&mut transfer.amount, value(), TRANSFER, "InstdAmt")?,
                    [_, BLOCK, TRANSFER] => reading.transfer(std::mem::take(&mut transfer))?,
                    _ => {}
                }
                path.pop();
                text.clear();
            }
            Node::End => break,
        }
    }
    finish_group(reading, &mut group)?;
    reading.message_id = message_id.ok_or_else(|| missing("GrpHdr", "MsgId"))?;
    Ok(())
}

fn missing(place: &str, element: &'static str) -> Pain002Error {
    Pain002Error::Missing { place: place.to_owned(), element }
}

/// Keeps a text that may be there once: with a second one it would be open which of them the bank means.
fn once(slot: &mut Option<String>, value: String, place: &str, element: &'static str) -> Result<(), Pain002Error> {
    if slot.replace(value).is_some() {
        return Err(Pain002Error::Repeated { place: place.to_owned(), element });
    }
    Ok(())
}

/// Code and words of a reason; there may be several, and words in several lines.
fn reason(reason: &mut Reason, place: &[&str], text: &str) {
    match place {
        ["Rsn", "Cd" | "Prtry"] if reason.code.is_empty() => reason.code = text.trim().to_owned(),
        ["AddtlInf"] if reason.detail.is_empty() => reason.detail = text.trim().to_owned(),
        // Bounded, as banks may repeat themselves.
        ["AddtlInf"] if reason.detail.len() < MAX_TEXT => {
            reason.detail.push(' ');
            reason.detail.push_str(text.trim());
        }
        _ => {}
    }
}

/// Compares what identifies the message; all of it stands before the first block.
fn finish_group(reading: &mut Reading<'_>, group: &mut Header) -> Result<(), Pain002Error> {
    if std::mem::replace(&mut group.done, true) {
        return late(group, GROUP, "GrpSts");
    }
    let id = group.id.take().ok_or_else(|| missing(GROUP, "OrgnlMsgId"))?;
    foreign("OrgnlMsgId", reading.original.message_id, &id, id == reading.original.message_id)?;
    let name = group.name.take().ok_or_else(|| missing(GROUP, "OrgnlMsgNmId"))?;
    foreign("OrgnlMsgNmId", "pain.001", &name, name.starts_with("pain.001"))?;
    if let Some(count) = &group.count {
        reading.count("the message", count)?;
    }
    if let Some(sum) = &group.sum {
        reading.sum("the message", sum)?;
    }
    reading.group = reading.stated(group.code.take(), "the message", &group.reason)?;
    Ok(())
}

/// As [`finish_group`], for the block, before its first transfer.
fn finish_block(reading: &mut Reading<'_>, block: &mut Header) -> Result<(), Pain002Error> {
    if std::mem::replace(&mut block.done, true) {
        return late(block, BLOCK, "PmtInfSts");
    }
    let id = block.id.take().ok_or_else(|| missing(BLOCK, "OrgnlPmtInfId"))?;
    foreign("OrgnlPmtInfId", reading.original.payment_information_id, &id, id == reading.original.payment_information_id)?;
    if std::mem::replace(&mut reading.block_seen, true) {
        return Err(Pain002Error::Duplicate(format!("payment information {id}")));
    }
    if let Some(count) = &block.count {
        reading.count("the block", count)?;
    }
    if let Some(sum) = &block.sum {
        reading.sum("the block", sum)?;
    }
    reading.block = reading.stated(block.code.take(), "the block", &block.reason)?;
    Ok(())
}

/// A status that came after it was looked for must not be lost.
fn late(header: &Header, place: &'static str, element: &'static str) -> Result<(), Pain002Error> {
    if header.code.is_none() { Ok(()) } else { Err(Pain002Error::Late { place, element }) }
}

fn foreign(element: &'static str, expected: &str, found: &str, same: bool) -> Result<(), Pain002Error> {
    if same { Ok(()) } else { Err(Pain002Error::Foreign { element, expected: expected.to_owned(), found: found.to_owned() }) }
}
