//! Reads ISO 20022 `pain.002`, the customer payment status report: what a bank says came of a `pain.001` of ours.
//!
//! The bank may state a status for the message, for the payment information block, or for single transfers; the narrowest
//! one that is stated holds. Elements that say nothing about this are passed over. Versions .03 and .10 have the same
//! elements here.
//!
//! Source: ISO 20022 message definition report Payments Initiation 2019, pain.002.001.10.

use std::collections::HashMap;

use super::xml::Xml;

pub use super::xml::XmlError;
use ledger::amount::{self, AmountError};

mod collect;

/// Namespaces of the versions that are read.
pub(crate) const NAMESPACES: [&str; 2] =
    ["urn:iso:std:iso:20022:tech:xsd:pain.002.001.10", "urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"];

/// Bytes of a report that are read at most.
pub const MAX_BYTES: u64 = 1 << 32;

/// Elements that are open at once at most: reports nest references of references, but not deeper.
const MAX_DEPTH: usize = 64;

/// What came of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money left the debtor's account for good: ACSC or ACCC.
    Paid,
    /// It did not and will not: RJCT or CANC.
    Rejected {
        /// The code of ISO's external status reasons (`AC04`: closed account), the bank's own one, or nothing.
        reason: String,
        /// What the bank adds in words.
        detail: String,
    },
    /// Anything in between, or nothing is said of it.
    Pending,
}

/// The outcome of one transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferStatus {
    /// Its end-to-end id.
    pub reference: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Where the bank says so.
    pub stated: Level,
}

/// Of what a status is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing: the transfer is pending for want of a status.
    None,
    /// The whole message.
    Group,
    /// The block.
    PaymentInformation,
    /// The transfer itself.
    Transfer,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// The bank's identifier of the report.
    pub message_id: String,
    /// All expected transfers in their order.
    pub transfers: Vec<TransferStatus>,
}

/// The message that the report should be about.
#[derive(Clone, Debug)]
pub struct Original<'a> {
    /// Of the message.
    pub message_id: &'a str,
    /// Of its block.
    pub payment_information_id: &'a str,
    /// Of all amounts.
    pub currency: &'a str,
    /// Digits after the point of `currency`.
    pub exponent: u8,
    /// Reference and amount in minor units of every transfer.
    pub transfers: &'a [(&'a str, i128)],
}

/// A report that is none, or not of this message, or that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Pain002Error {
    /// No XML of a pain.002.
    #[error("status report: {0}")]
    Xml(#[from] XmlError),
    /// A required element is not there.
    #[error("status report: {place} has no {element}")]
    Missing {
        /// Where.
        place: String,
        /// Its name.
        element: &'static str,
    },
    /// An element that may stand once.
    #[error("status report: {place} has {element} twice, expected once")]
    Repeated {
        /// Where.
        place: String,
        /// Its name.
        element: &'static str,
    },
    /// A status behind the parts that it is the whole of, where the schema does not allow it.
    #[error("status report: {element} of {place} stands behind its parts, expected before them")]
    Late {
        /// Where.
        place: &'static str,
        /// Its name.
        element: &'static str,
    },
    /// The report is about another message.
    #[error("status report: {element} is {found:?}, expected {expected:?}")]
    Foreign {
        /// OrgnlMsgId, OrgnlMsgNmId or OrgnlPmtInfId.
        element: &'static str,
        /// Ours.
        expected: String,
        /// The bank's.
        found: String,
    },
    /// Not a transfer of the message.
    #[error("status report: OrgnlEndToEndId {0:?} is not in the message")]
    Unknown(String),
    /// A transfer or a block has one status.
    #[error("status report: {0} is reported twice, expected once")]
    Duplicate(String),
    /// A code that says nothing we know.
    #[error("status report: status of {place} is {found:?}, expected a code of ISO 20022")]
    Status {
        /// Of what.
        place: String,
        /// The code.
        found: String,
    },
    /// A whole that is final cannot have a part that came out otherwise.
    #[error("status report: {part} is {found} although {whole} is {expected}")]
    Contradiction {
        /// The message or the block.
        whole: String,
        /// Its code.
        expected: String,
        /// The block or the transfer.
        part: String,
        /// Its code.
        found: String,
    },
    /// An amount, a count or a sum that is not that of the message.
    #[error("status report: {element} of {place} is {found:?}, the message has {expected:?}")]
    Differs {
        /// Its name.
        element: &'static str,
        /// Of what.
        place: String,
        /// Ours.
        expected: String,
        /// The bank's.
        found: String,
    },
    /// The expectation is no message of ours.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

/// Reads a report about `original`.
///
/// # Errors
/// The first [`Pain002Error`]: nothing of a report with a fault is to be believed.
pub fn read(bytes: &[u8], original: &Original<'_>) -> Result<StatusReport, Pain002Error> {
    let xml = Xml::open(bytes, &NAMESPACES, MAX_BYTES, MAX_DEPTH)?;
    let mut reading = Reading::new(original)?;
    collect::read(xml, &mut reading)?;
    Ok(reading.finish())
}

/// What a code of ISO's external group and transaction statuses means for the money.
fn outcome(code: &str, place: &str, reason: &Reason) -> Result<Outcome, Pain002Error> {
    Ok(match code {
        "ACSC" | "ACCC" => Outcome::Paid,
        "RJCT" | "CANC" => Outcome::Rejected { reason: reason.code.clone(), detail: reason.detail.clone() },
        // Accepted in some degree, received, in part, pending, presented, blocked: the money may still go or stay.
        "ACCP" | "ACFC" | "ACIS" | "ACPD" | "ACSP" | "ACTC" | "ACWC" | "ACWP" | "BLCK" | "PART" | "PATC" | "PDNG" | "PRES" | "RCVD" => {
            Outcome::Pending
        }
        _ => return Err(Pain002Error::Status { place: place.to_owned(), found: code.to_owned() }),
    })
}

/// Why, as far as the bank says it; the first reason with a code, and all words.
#[derive(Clone, Debug, Default)]
struct Reason {
    code: String,
    detail: String,
}

/// A status that is stated.
#[derive(Clone, Debug)]
struct Stated {
    code: String,
    outcome: Outcome,
}

/// What is known of the report so far.
struct Reading<'a> {
    original: &'a Original<'a>,
    index: HashMap<&'a str, usize>,
    message_id: String,
    group: Option<Stated>,
    block: Option<Stated>,
    block_seen: bool,
    transfers: Vec<Option<Stated>>,
    seen: Vec<bool>,
}

/// The texts of one transfer's status.
#[derive(Debug, Default)]
struct Reported {
    reference: Option<String>,
    code: Option<String>,
    amount: Option<String>,
    currency: Option<String>,
    reason: Reason,
}

impl<'a> Reading<'a> {
    fn new(original: &'a Original<'a>) -> Result<Self, Pain002Error> {
        amount::to_decimal(0, original.exponent)?;
        let index: HashMap<&str, usize> = original.transfers.iter().enumerate().map(|(i, t)| (t.0, i)).collect();
        assert_eq!(index.len(), original.transfers.len(), "a message of ours has each reference once");
        let count = original.transfers.len();
        Ok(Reading {
            original,
            index,
            message_id: String::new(),
            group: None,
            block: None,
            block_seen: false,
            transfers: vec![None; count],
            seen: vec![false; count],
        })
    }

    /// A status, which must not differ from that of the whole it is a part of.
    fn stated(&self, code: Option<String>, part: &str, reason: &Reason) -> Result<Option<Stated>, Pain002Error> {
        let Some(code) = code else { return Ok(None) };
        let stated = Stated { outcome: outcome(&code, part, reason)?, code };
        for (whole, name) in [(&self.group, "the message"), (&self.block, "the block")] {
            if let Some(whole) = whole.as_ref().filter(|w| w.outcome != Outcome::Pending)
                && std::mem::discriminant(&whole.outcome) != std::mem::discriminant(&stated.outcome)
            {
                let (expected, found) = (whole.code.clone(), stated.code);
                return Err(Pain002Error::Contradiction { whole: name.to_owned(), expected, part: part.to_owned(), found });
            }
        }
        Ok(Some(stated))
    }

    /// Takes one transfer's status.
    fn transfer(&mut self, reported: Reported) -> Result<(), Pain002Error> {
        let place = || "TxInfAndSts".to_owned();
        let reference = reported.reference.ok_or_else(|| Pain002Error::Missing { place: place(), element: "OrgnlEndToEndId" })?;
        let Some(&i) = self.index.get(reference.as_str()) else { return Err(Pain002Error::Unknown(reference)) };
        if std::mem::replace(&mut self.seen[i], true) {
            return Err(Pain002Error::Duplicate(format!("transfer {reference}")));
        }
        let place = format!("transfer {reference}");
        if let Some(found) = reported.amount {
            self.amount("InstdAmt", &place, self.original.transfers[i].1, &found)?;
        }
        if let Some(found) = reported.currency.filter(|c| c != self.original.currency) {
            return Err(Pain002Error::Differs { element: "Ccy", place, expected: self.original.currency.to_owned(), found });
        }
        self.transfers[i] = self.stated(reported.code, &place, &reported.reason)?;
        Ok(())
    }

    /// Compares an amount as a number: banks add and drop zeros at the end.
    fn amount(&self, element: &'static str, place: &str, expected_minor: i128, found: &str) -> Result<(), Pain002Error> {
        let expected = amount::to_decimal(expected_minor, self.original.exponent)?;
        let trimmed = |text: &str| match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text.to_owned(),
        };
        if trimmed(found) != trimmed(&expected) {
            return Err(Pain002Error::Differs { element, place: place.to_owned(), expected, found: found.to_owned() });
        }
        Ok(())
    }

    fn count(&self, place: &str, found: &str) -> Result<(), Pain002Error> {
        let expected = self.original.transfers.len().to_string();
        if found != expected {
            let found = found.to_owned();
            return Err(Pain002Error::Differs { element: "OrgnlNbOfTxs", place: place.to_owned(), expected, found });
        }
        Ok(())
    }

    fn sum(&self, place: &str, found: &str) -> Result<(), Pain002Error> {
        self.amount("OrgnlCtrlSum", place, self.original.transfers.iter().map(|t| t.1).sum(), found)
    }

    fn finish(self) -> StatusReport {
        let transfers = self.original.transfers.iter().zip(self.transfers).map(|((reference, _), own)| {
            let levels = [(own, Level::Transfer), (self.block.clone(), Level::PaymentInformation), (self.group.clone(), Level::Group)];
            let found = levels.into_iter().find_map(|(stated, level)| stated.map(|s| (s.outcome, level)));
            let (outcome, stated) = found.unwrap_or((Outcome::Pending, Level::None));
            TransferStatus { reference: (*reference).to_owned(), outcome, stated }
        });
        let transfers = transfers.collect();
        StatusReport { message_id: self.message_id, transfers }
    }
}

#[cfg(test)]
mod tests;
