//! Writes ISO 20022 `pain.001.001.09`, the customer credit transfer initiation: the file that a bank takes.
//!
//! One file is one message with one payment information block: one currency, one debtor account. The same order and
//! payments give the same bytes. Everything is checked before the first byte is written, by the rules that
//! [`super::pain001_check`] reads the file by.
//!
//! A transfer has the service level SEPA and shared charges by it (SLEV) where the currency is EUR and SEPA reaches both
//! accounts; any other has no service level and each side pays its own bank (SHAR). Where all transfers of the file
//! agree, this stands once on the block, else on each transfer: the message allows either place, not both.
//!
//! A payee's address is written in its parts (structured), with town and country, or not at all: banks refuse others since
//! November 2026. A country alone is no address. Names and addresses are written in the letters that banks take, as
//! [`crate::latin`] spells them.
//!
//! Source: ISO 20022 message definition report Payments Initiation 2019; EPC132-08 for the SEPA rules, EPC153-22 for addresses.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Write};

use corpus::date;
use ledger::amount::{self, AmountError};

use super::iban::{BicError, IbanError, check_bic, check_iban, in_sepa, is_country};
use super::latin::latin;
use super::text::{self, TextError};
use crate::{Payee, Payment};

mod message;

/// The message's namespace.
pub const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";

/// Most digits of an amount and of the control sum: `totalDigits` of the schema.
pub(super) const MAX_DIGITS: u32 = 18;

/// Most digits after an amount's point: `fractionDigits` of the schema.
pub(super) const MAX_FRACTION: u8 = 5;

/// Largest amount of a SEPA credit transfer, 999 999 999.99 euro in cents (EPC132-08, instructed amount).
pub(super) const MAX_SEPA_MINOR: i128 = 99_999_999_999;

/// Longest name of a person or a business: `Max70Text`, which SEPA has instead of 140.
pub const MAX_NAME: usize = 70;
/// Longest street with its number: `StrtNm` is `Max70Text`.
pub const MAX_STREET: usize = 70;
/// Longest postcode: `PstCd` is `Max16Text`.
pub const MAX_POSTCODE: usize = 16;
/// Longest town: `TwnNm` is `Max35Text`.
pub const MAX_TOWN: usize = 35;

/// What the file says besides the payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Unique for this debtor for ever: 1 to 35 characters of the SEPA set.
    pub message_id: String,
    /// Of the one block: the same form.
    pub payment_information_id: String,
    /// When the file is made, in seconds since 1970.
    pub created_unix_s: i64,
    /// The day the bank debits the account, `YYYY-MM-DD`, not before the day of creation in UTC.
    pub execution_date: String,
    /// Who pays, and who sends the file: 1 to 70 characters of the SEPA set.
    pub debtor_name: String,
    /// The account that is debited.
    pub debtor_iban: String,
    /// Its bank, if it is known.
    pub debtor_bic: Option<String>,
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// Digits after the point of `currency`; has to be that of ISO 4217.
    pub exponent: u8,
    /// One debit for the whole file on the account's statement, not one for each transfer.
    pub batch_booking: bool,
    /// What every payee reads on the statement: 1 to 140 characters of the SEPA set.
    pub remittance: String,
}

/// An order or a payment that no bank would take.
#[derive(Debug, thiserror::Error)]
pub enum Pain001Error {
    /// A message holds at least one transfer.
    #[error("message {0}: has no payments, expected at least 1")]
    Empty(String),
    /// A name, an identifier or the remittance text.
    #[error("{place} {source}")]
    Text {
        /// Which.
        place: String,
        /// Why.
        source: TextError,
    },
    /// An account.
    #[error("{place}: {source}")]
    Iban {
        /// Whose.
        place: String,
        /// Why.
        source: IbanError,
    },
    /// A bank.
    #[error("{place}: {source}")]
    Bic {
        /// Whose.
        place: String,
        /// Why.
        source: BicError,
    },
    /// Not of ISO 3166-1.
    #[error("payment {reference}: country is {found:?}, expected a code of ISO 3166-1")]
    Country {
        /// The payment.
        reference: String,
        /// The text.
        found: String,
    },
    /// The payee has no bank account.
    #[error("payment {reference}: payee is {found}, expected a bank account")]
    Rail {
        /// The payment.
        reference: String,
        /// The payee's kind.
        found: &'static str,
    },
    /// Not the form of ISO 4217.
    #[error("currency is {0:?}, expected three capitals of ISO 4217")]
    Currency(String),
    /// Amounts would be wrong by powers of ten.
    #[error("currency {currency}: exponent is {found}, ISO 4217 or the message has {expected}")]
    Exponent {
        /// The currency.
        currency: String,
        /// Of the standard; for a code that it has not, the most that the message holds.
        expected: u8,
        /// Of the order.
        found: u8,
    },
    /// Nothing or less.
    #[error("payment {reference}: amount is {found} minor units, expected more than 0")]
    NotPositive {
        /// The payment.
        reference: String,
        /// The amount.
        found: i128,
    },
    /// More than the message or the scheme carries.
    #[error("{place}: amount is {found} minor units, expected at most {max}")]
    TooLarge {
        /// The payment, or the control sum.
        place: String,
        /// The bound.
        max: i128,
        /// The amount.
        found: i128,
    },
    /// A bank would execute one of the two or refuse both.
    #[error("payment {0}: the reference occurs twice, expected once")]
    Duplicate(String),
    /// A time that the calendar of the message does not hold.
    #[error("{place} is {found}, expected {expected}")]
    Date {
        /// Which.
        place: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A currency that ISO 4217 could have but the message could not.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The file could not be written; what was written of it is to be thrown away.
    #[error("write of the file failed: {0}")]
    Io(#[from] io::Error),
}

/// What a written file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Transfers.
    pub transfer_count: usize,
    /// Sum of their amounts.
    pub sum_minor: i128,
}

/// Writes the message for `payments`, in their order.
///
/// Memory beyond `out`'s own is one transfer's text and a table of the references.
///
/// # Errors
/// [`Pain001Error`]; nothing is written unless it is [`Pain001Error::Io`].
pub fn write(out: &mut impl Write, order: &Order, payments: &[Payment]) -> Result<Written, Pain001Error> {
    let created = check_order(order)?;
    let mut sum_minor = 0i128;
    let mut references = HashSet::with_capacity(payments.len());
    let mut sepa_count = 0;
    for payment in payments {
        let transfer = Transfer::new(order, payment)?;
        if !references.insert(transfer.reference) {
            return Err(Pain001Error::Duplicate(payment.reference.clone()));
        }
        // Cannot overflow: each is below 10^18 and memory holds fewer than 10^18 of them.
        sum_minor += payment.amount_minor;
        sepa_count += usize::from(transfer.sepa);
    }
    drop(references);
    check_size("control sum", sum_minor, limit())?;
    // `None` if each transfer has to say it for itself.
    let common_sepa = match sepa_count {
        0 if payments.is_empty() => return Err(Pain001Error::Empty(order.message_id.clone())),
        0 => Some(false),
        n if n == payments.len() => Some(true),
        _ => None,
    };

    let written = Written { transfer_count: payments.len(), sum_minor };
    let mut text = String::with_capacity(2048);
    message::head(&mut text, order, &created, written, common_sepa)?;
    for payment in payments {
        message::transfer(&mut text, order, &Transfer::new(order, payment)?, common_sepa)?;
        // One call for each transfer keeps the memory constant; a buffer below it is the caller's.
        out.write_all(text.as_bytes())?;
        text.clear();
    }
    out.write_all(message::TAIL.as_bytes())?;
    Ok(written)
}

/// Largest number of minor units that the schema's digits hold.
fn limit() -> i128 {
    10i128.pow(MAX_DIGITS) - 1
}

fn check_size(place: &str, found: i128, max: i128) -> Result<(), Pain001Error> {
    if found > max {
        return Err(Pain001Error::TooLarge { place: place.to_owned(), max, found });
    }
    Ok(())
}

/// Checks what the payments do not change; the time of creation as text.
fn check_order(order: &Order) -> Result<String, Pain001Error> {
    let text = |place: &str, result: Result<(), TextError>| result.map_err(|source| Pain001Error::Text { place: place.to_owned(), source });
    text("message id", text::check_identifier(&order.message_id))?;
    text("payment information id", text::check_identifier(&order.payment_information_id))?;
    text("debtor name", text::check(&order.debtor_name, 70))?;
    text("remittance text", text::check(&order.remittance, 140))?;
    check_iban(&order.debtor_iban).map_err(|source| Pain001Error::Iban { place: "debtor".to_owned(), source })?;
    if let Some(bic) = &order.debtor_bic {
        check_bic(bic).map_err(|source| Pain001Error::Bic { place: "debtor".to_owned(), source })?;
    }
    if order.currency.len() != 3 || !order.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Pain001Error::Currency(order.currency.clone()));
    }
    // A code that is not in the list may be newer than it; the message holds no more digits in any case.
    let expected = amount::iso4217_exponent(&order.currency).unwrap_or(order.exponent.min(MAX_FRACTION));
    if expected != order.exponent {
        return Err(Pain001Error::Exponent { currency: order.currency.clone(), expected, found: order.exponent });
    }
    let fault = |place, expected: &str, found: String| Pain001Error::Date { place, expected: expected.to_owned(), found };
    let created = date::date_time(order.created_unix_s)
        .ok_or_else(|| fault("creation time", "a time in the years 0 to 9999", order.created_unix_s.to_string()))?;
    if date::parse_date(&order.execution_date).is_none() {
        return Err(fault("execution date", "YYYY-MM-DD", order.execution_date.clone()));
    }
    // Texts of one length compare as dates do.
    if order.execution_date.as_str() < &created[..10] {
        return Err(fault("execution date", &format!("not before the creation on {}", &created[..10]), order.execution_date.clone()));
    }
    Ok(created)
}

/// A payment that passed the checks.
struct Transfer<'a> {
    reference: &'a str,
    amount_minor: i128,
    name: Cow<'a, str>,
    iban: &'a str,
    bic: Option<&'a str>,
    country: &'a str,
    address: Option<Place<'a>>,
    sepa: bool,
}

/// An address as it is written.
struct Place<'a> {
    street: Option<Cow<'a, str>>,
    postcode: Option<Cow<'a, str>>,
    town: Cow<'a, str>,
}

impl<'a> Transfer<'a> {
    fn new(order: &Order, payment: &'a Payment) -> Result<Self, Pain001Error> {
        let reference = &payment.reference;
        // Only built where something is wrong: there are a million payments.
        let place = || format!("payment {reference}");
        text::check_reference(reference)
            .map_err(|source| Pain001Error::Text { place: format!("reference {:?}", super::xml::shown(reference.as_bytes())), source })?;
        let Payee::Bank { name, iban, bic, country, address } = &payment.payee else {
            return Err(Pain001Error::Rail { reference: reference.clone(), found: super::csv::kind(&payment.payee) });
        };
        let written = |what: &str, given: &'a str, max: usize| {
            let text = latin(given);
            text::check(&text, max).map_err(|source| Pain001Error::Text { place: format!("payment {reference}: {what}"), source })?;
            Ok::<_, Pain001Error>(text)
        };
        let name = written("name", name, MAX_NAME)?;
        let address = match address {
            None => None,
            Some(address) => Some(Place {
                street: address.street.as_deref().map(|text| written("street", text, MAX_STREET)).transpose()?,
                postcode: address.postcode.as_deref().map(|text| written("postcode", text, MAX_POSTCODE)).transpose()?,
                town: written("town", &address.town, MAX_TOWN)?,
            }),
        };
        check_iban(iban).map_err(|source| Pain001Error::Iban { place: place(), source })?;
        if let Some(bic) = bic {
            check_bic(bic).map_err(|source| Pain001Error::Bic { place: place(), source })?;
        }
        if !is_country(country) {
            return Err(Pain001Error::Country { reference: reference.clone(), found: country.clone() });
        }
        if payment.amount_minor <= 0 {
            return Err(Pain001Error::NotPositive { reference: reference.clone(), found: payment.amount_minor });
        }
        let sepa = order.currency == "EUR" && in_sepa(&order.debtor_iban) && in_sepa(iban);
        let max = if sepa { MAX_SEPA_MINOR } else { limit() };
        if payment.amount_minor > max {
            return Err(Pain001Error::TooLarge { place: place(), max, found: payment.amount_minor });
        }
        Ok(Transfer { reference, amount_minor: payment.amount_minor, name, iban, bic: bic.as_deref(), country, address, sepa })
    }
}

/// Charges by the service level, or shared.
pub(super) fn bearer(sepa: bool) -> &'static str {
    if sepa { "SLEV" } else { "SHAR" }
}

#[cfg(test)]
mod tests;
