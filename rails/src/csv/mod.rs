//! Payments as CSV for people, and what they say came of them.
//!
//! The form is RFC 4180: UTF-8, a header, CRLF, fields in quotes where they hold a comma, a quote or a line break.
//!
//! A spreadsheet takes a field as a formula if it begins with `=`, `+`, `-` or `@`, quoted or not, and a payee chooses
//! its name. Such a field gets an apostrophe in front, which spreadsheets take for "text". So that reading stays exact,
//! a field that begins with an apostrophe, a tab or a line break gets one too, and the reader takes one off: what is read
//! is what was written. Programs other than [`read_reconciliation`] have to do the same.

use std::collections::HashMap;
use std::io::{self, Write};

use ledger::amount::{self, AmountError};

use crate::{Payee, Payment};

/// Names of the columns that [`write()`] writes.
pub const COLUMNS: [&str; 9] = ["reference", "amount_minor", "amount", "currency", "payee_kind", "destination", "name", "bic", "country"];

/// Names of the columns that [`read_reconciliation`] reads, in any order.
pub(crate) const RECONCILIATION_COLUMNS: [&str; 4] = ["reference", "status", "amount", "reason"];

/// Bytes of a reconciliation file that are read at most.
pub const MAX_BYTES: usize = 1 << 30;

/// What came of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It arrived.
    Paid,
    /// It came back.
    Returned {
        /// Why, as the person wrote it.
        reason: String,
    },
}

/// One line of a reconciliation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// The payment.
    pub reference: String,
    /// What came of it.
    pub status: Status,
    /// Its amount, equal to that of the books.
    pub amount_minor: i128,
}

/// A file that is no reconciliation of these payments. Lines are counted from 1, at the start of a record.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// Too large to be read at once.
    #[error("file has {found} bytes, expected at most {MAX_BYTES}")]
    Size {
        /// The length.
        found: usize,
    },
    /// Not UTF-8.
    #[error("byte {at}: expected UTF-8")]
    Encoding {
        /// Offset.
        at: usize,
    },
    /// A quote within an unquoted field, text behind a closing quote, or no closing quote.
    #[error("line {line}: {found}, expected a field of RFC 4180")]
    Field {
        /// Where.
        line: usize,
        /// What is wrong.
        found: &'static str,
    },
    /// Columns are missing, unknown or there twice.
    #[error("header is {found:?}, expected the columns {RECONCILIATION_COLUMNS:?} in any order")]
    Header {
        /// The first line.
        found: Vec<String>,
    },
    /// A line of another width.
    #[error("line {line}: has {found} fields, expected {}", RECONCILIATION_COLUMNS.len())]
    Width {
        /// Where.
        line: usize,
        /// How many.
        found: usize,
    },
    /// Not a status.
    #[error("line {line}: status of {reference} is {found:?}, expected \"settled\" or \"returned\"")]
    Status {
        /// Where.
        line: usize,
        /// The payment.
        reference: String,
        /// The text.
        found: String,
    },
    /// A returned payment without a reason, or a settled one with it.
    #[error("line {line}: reason of {reference} is {found:?}, expected {expected}")]
    Reason {
        /// Where.
        line: usize,
        /// The payment.
        reference: String,
        /// What the status asks for.
        expected: &'static str,
        /// The text.
        found: String,
    },
    /// Not a payment of ours.
    #[error("line {line}: reference {reference:?} is not among the payments")]
    Unknown {
        /// Where.
        line: usize,
        /// The text.
        reference: String,
    },
    /// One payment has one outcome.
    #[error("line {line}: reference {reference} occurs twice, expected once")]
    Duplicate {
        /// Where.
        line: usize,
        /// The payment.
        reference: String,
    },
    /// Text that is no amount.
    #[error("line {line}: {source}")]
    Amount {
        /// Where.
        line: usize,
        /// Why.
        source: AmountError,
    },
    /// Another amount than that of the books.
    #[error("line {line}: amount of {reference} is {found} minor units, the books have {expected}")]
    Differs {
        /// Where.
        line: usize,
        /// The payment.
        reference: String,
        /// Of the books.
        expected: i128,
        /// Of the file.
        found: i128,
    },
    /// The file could not be written; what was written of it is to be thrown away.
    #[error("write of the file failed: {0}")]
    Io(#[from] io::Error),
}

/// The word for a payee's kind: `bank`, `evm`, `near` or `other`.
pub fn kind(payee: &Payee) -> &'static str {
    match payee {
        Payee::Bank { .. } => "bank",
        Payee::Evm(_) => "evm",
        Payee::Near(_) => "near",
        Payee::Other(_) => "other",
    }
}

/// Writes `payments` in their order under [`COLUMNS`]; the same input gives the same bytes.
///
/// Amounts stand there twice, in minor units and as decimal text of `exponent` digits. An EVM address is `0x` and 40 small
/// hexadecimal digits.
///
/// # Errors
/// [`CsvError::Amount`] for an exponent above 24, at line 0, before anything is written; [`CsvError::Io`].
pub fn write(out: &mut impl Write, currency: &str, exponent: u8, payments: &[Payment]) -> Result<(), CsvError> {
    amount::to_decimal(0, exponent).map_err(|source| CsvError::Amount { line: 0, source })?;
    let mut line = COLUMNS.join(",") + "\r\n";
    for payment in payments {
        out.write_all(line.as_bytes())?;
        line.clear();
        let decimal = amount::to_decimal(payment.amount_minor, exponent).expect("the exponent was checked");
        let hex = |address: &[u8; 20]| address.iter().fold("0x".to_owned(), |text, b| text + &format!("{b:02x}"));
        let (destination, name, bic, country) = match &payment.payee {
            Payee::Bank { name, iban, bic, country, .. } => (iban.clone(), name.as_str(), bic.as_deref().unwrap_or(""), country.as_str()),
            Payee::Evm(address) => (hex(address), "", "", ""),
            Payee::Near(account) => (account.clone(), "", "", ""),
            Payee::Other(reference) => (reference.clone(), "", "", ""),
        };
        let minor = payment.amount_minor.to_string();
        let fields = [&payment.reference, &minor, &decimal, currency, kind(&payment.payee), &destination, name, bic, country];
        for (i, field) in fields.into_iter().enumerate() {
            if i > 0 {
                line.push(',');
            }
            push_field(&mut line, field);
        }
        line.push_str("\r\n");
    }
    out.write_all(line.as_bytes())?;
    Ok(())
}

/// First characters that get an apostrophe in front.
const GUARDED: [char; 8] = ['=', '+', '-', '@', '\'', '\t', '\r', '\n'];

fn push_field(line: &mut String, field: &str) {
    let quoted = field.contains([',', '"', '\r', '\n']);
    if quoted {
        line.push('"');
    }
    if field.starts_with(GUARDED) {
        line.push('\'');
    }
    if quoted {
        line.push_str(&field.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(field);
    }
}

/// Reads what a person says came of `payments`: reference, status (`settled` or `returned`), amount, reason.
///
/// Lines keep their order; payments without a line are still open. The amount is that of the books as decimal text. CRLF and LF
/// end a line; a byte order mark is passed over, because spreadsheets write one.
///
/// # Errors
/// The first [`CsvError`] of the file: nothing of a file with a fault is to be believed.
pub fn read_reconciliation(bytes: &[u8], exponent: u8, payments: &[Payment]) -> Result<Vec<Reconciled>, CsvError> {
    let mut books: HashMap<&str, (i128, bool)> = payments.iter().map(|p| (p.reference.as_str(), (p.amount_minor, false))).collect();
    let mut records = reader::Records::new(bytes)?;
    let (_, header) = records.next()?.unwrap_or_default();
    let columns = RECONCILIATION_COLUMNS.map(|name| header.iter().position(|h| h == name));
    let (true, [Some(reference), Some(status), Some(amount), Some(reason)]) = (header.len() == columns.len(), columns) else {
        return Err(CsvError::Header { found: header });
    };
    let mut out = Vec::new();
    while let Some((line, mut fields)) = records.next()? {
        if fields.len() != columns.len() {
            return Err(CsvError::Width { line, found: fields.len() });
        }
        let [reference, status, amount, reason] = [reference, status, amount, reason].map(|i| std::mem::take(&mut fields[i]));
        let Some((expected, seen)) = books.get_mut(reference.as_str()) else {
            return Err(CsvError::Unknown { line, reference });
        };
        if std::mem::replace(seen, true) {
            return Err(CsvError::Duplicate { line, reference });
        }
        let amount_minor = amount::from_decimal(&amount, exponent).map_err(|source| CsvError::Amount { line, source })?;
        if amount_minor != *expected {
            return Err(CsvError::Differs { line, reference, expected: *expected, found: amount_minor });
        }
        let status = match (status.as_str(), reason.trim().is_empty()) {
            ("settled", true) => Status::Paid,
            ("returned", false) => Status::Returned { reason },
            ("settled", false) => return Err(CsvError::Reason { line, reference, expected: "none for a settled payment", found: reason }),
            ("returned", true) => return Err(CsvError::Reason { line, reference, expected: "one for a returned payment", found: reason }),
            _ => return Err(CsvError::Status { line, reference, found: status }),
        };
        out.push(Reconciled { reference, status, amount_minor });
    }
    Ok(out)
}

mod reader;
#[cfg(test)]
mod tests;
