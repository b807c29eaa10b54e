//! Rules of one text, and those that the whole file has to keep.

use corpus::date;
use ledger::amount;

use super::decimal::{Decimal, DecimalError, units_of};
use super::{Checker, Leaf, Rule};
use crate::iban::{IbanError, check_bic, check_iban, is_country};
use crate::pain001::{MAX_NAME, MAX_POSTCODE, MAX_STREET, MAX_TOWN};
use crate::text::{self, TextError};

impl Checker<'_> {
    /// The text of `leaf`; empty if the element is missing, which is a fault of its own.
    pub(super) fn value(&self, leaf: Leaf) -> Option<&str> {
        self.values[leaf as usize].as_deref()
    }

    /// Checks a text by itself.
    pub(super) fn leaf(&mut self, leaf: Leaf, text: &str) {
        match leaf {
            Leaf::MessageId => {
                self.identifier(text::check_identifier(text), text);
                if let Some(expected) = self.expected.message_id.filter(|e| *e != text) {
                    self.fault(Rule::MessageId, expected, text);
                }
            }
            Leaf::PaymentInformationId => self.identifier(text::check_identifier(text), text),
            Leaf::EndToEndId => self.identifier(text::check_reference(text), text),
            Leaf::Created if date::parse_date_time(text).is_none() => self.fault(Rule::CreationTime, "a date and time of ISO 8601", text),
            Leaf::ExecutionDate if date::parse_date(text).is_none() => self.fault(Rule::ExecutionDate, "YYYY-MM-DD", text),
            Leaf::InitiatorName | Leaf::DebtorName | Leaf::CreditorName => self.text(text, MAX_NAME),
            Leaf::CreditorStreet => self.text(text, MAX_STREET),
            Leaf::CreditorPostcode => self.text(text, MAX_POSTCODE),
            Leaf::CreditorTown => self.text(text, MAX_TOWN),
            Leaf::Remittance => self.text(text, 140),
            Leaf::Method => self.constant(Rule::PaymentMethod, "TRF", text),
            Leaf::DebtorOther => self.constant(Rule::Agent, "NOTPROVIDED", text),
            Leaf::DebtorCurrency => self.constant(Rule::Currency, self.expected.currency, text),
            Leaf::ServiceLevel | Leaf::TransferServiceLevel => self.constant(Rule::ServiceLevel, "SEPA", text),
            Leaf::BatchBooking if !matches!(text, "true" | "false") => self.fault(Rule::BatchBooking, "true or false", text),
            Leaf::DebtorIban => {
                self.iban(text);
                if text != self.expected.debtor_iban {
                    self.fault(Rule::DebtorIban, self.expected.debtor_iban, text);
                }
            }
            Leaf::CreditorIban => self.iban(text),
            Leaf::DebtorBic | Leaf::CreditorBic => {
                if let Err(e) = check_bic(text) {
                    self.fault(Rule::Bic, "a BIC of 8 or 11 characters", &e.0);
                }
            }
            Leaf::CreditorCountry if !is_country(text) => self.fault(Rule::Country, "a code of ISO 3166-1", text),
            Leaf::Amount => self.amount(text),
            // These are compared once all transfers are read, or with the transfer they stand in.
            Leaf::GroupCount | Leaf::GroupSum | Leaf::Count | Leaf::Sum | Leaf::ChargeBearer | Leaf::TransferChargeBearer => {}
            Leaf::Created | Leaf::ExecutionDate | Leaf::BatchBooking | Leaf::CreditorCountry => {}
        }
    }

    fn constant(&mut self, rule: Rule, expected: &str, found: &str) {
        if expected != found {
            self.fault(rule, expected, found);
        }
    }

    fn identifier(&mut self, result: Result<(), TextError>, text: &str) {
        match result {
            Ok(()) => {}
            Err(TextError::Empty { .. } | TextError::Length { .. }) => self.fault(Rule::IdentifierLength, "1 to 35 characters", text),
            Err(e) => self.fault(Rule::IdentifierCharacters, format!("an identifier; it {e}"), text),
        }
    }

    fn text(&mut self, text: &str, max: usize) {
        match text::check(text, max) {
            Ok(()) => {}
            Err(TextError::Empty { .. } | TextError::Length { .. }) => self.fault(Rule::TextLength, format!("1 to {max} characters"), text),
            Err(e) => self.fault(Rule::TextCharacters, format!("text of the SEPA set; it {e}"), text),
        }
    }

    fn iban(&mut self, iban: &str) {
        match check_iban(iban) {
            Ok(()) => {}
            Err(IbanError::Length { expected, .. }) => self.fault(Rule::IbanLength, format!("{expected} characters"), iban),
            Err(IbanError::CheckDigits { .. }) => self.fault(Rule::IbanCheckDigits, "remainder 1 modulo 97", iban),
            Err(e) => self.fault(Rule::IbanFormat, format!("an account; {e}"), iban),
        }
    }

    /// Form of an amount, its currency, and its part of the sum.
    fn amount(&mut self, text: &str) {
        let expected = self.expected;
        if self.amount_currency != expected.currency {
            let found = std::mem::take(&mut self.amount_currency);
            self.fault(Rule::Currency, expected.currency, &found);
        }
        let amount = match Decimal::read(text) {
            Ok(amount) => amount,
            Err(e) => {
                self.sum = None;
                match e {
                    DecimalError::Format => self.fault(Rule::AmountFormat, "digits and one point between them", text),
                    DecimalError::Limit => self.fault(Rule::AmountLimit, "at most 18 digits", text),
                }
                return;
            }
        };
        if amount.fraction != usize::from(expected.exponent) {
            self.fault(Rule::AmountDecimals, format!("{} digits after the point", expected.exponent), text);
        }
        match amount.units() {
            Some(0) => self.fault(Rule::AmountPositive, "more than 0", text),
            Some(_) => {}
            None => self.fault(Rule::AmountLimit, "at most 5 digits after the point", text),
        }
        self.sum = self.sum.zip(amount.units()).map(|(sum, units)| sum + units);
    }

    /// Compares counts, sums and dates once the whole file is read, and looks for payments that it lacks.
    pub(super) fn finish(&mut self) {
        for (leaf, rule, place) in
            [(Leaf::GroupCount, Rule::GroupCount, "GrpHdr/NbOfTxs"), (Leaf::Count, Rule::PaymentInformationCount, "PmtInf/NbOfTxs")]
        {
            let count = self.report.transfer_count.to_string();
            // Text, not number: neither a sign nor leading zeros are taken by all banks.
            if let Some(found) = self.values[leaf as usize].take().filter(|found| *found != count) {
                self.report.add(rule, || place.to_owned(), count, &found);
            }
        }
        for (leaf, rule, place) in
            [(Leaf::GroupSum, Rule::GroupControlSum, "GrpHdr/CtrlSum"), (Leaf::Sum, Rule::PaymentInformationControlSum, "PmtInf/CtrlSum")]
        {
            let Some(found) = self.values[leaf as usize].take() else { continue };
            let read = Decimal::read(&found);
            match self.sum {
                // A sum over an amount that is no number is not known; the amount is the fault.
                None if read.is_ok() => {}
                Some(sum) if read.is_ok_and(|read| read.units() == Some(sum)) => {}
                Some(sum) => {
                    let minor = units_of(1, self.expected.exponent).map_or(sum, |unit| sum / unit);
                    let expected = amount::to_decimal(minor, self.expected.exponent).unwrap_or_default();
                    self.report.add(rule, || place.to_owned(), expected, &found);
                }
                None => self.report.add(rule, || place.to_owned(), "a decimal number", &found),
            }
        }
        let created = self.value(Leaf::Created).and_then(date::parse_date_time).map(|s| s.div_euclid(86_400));
        let execution = self.value(Leaf::ExecutionDate).and_then(date::parse_date);
        if let (Some(created), Some(execution)) = (created, execution)
            && execution < created
        {
            let expected = format!("not before {}", date::date(created * 86_400).unwrap_or_default());
            let found = self.values[Leaf::ExecutionDate as usize].take().unwrap_or_default();
            self.report.add(Rule::ExecutionBeforeCreation, || "PmtInf/ReqdExctnDt/Dt".to_owned(), expected, &found);
        }
        for (payment, paid) in self.expected.transfers.iter().zip(&self.paid) {
            // Of a reference that the books have twice, which is a fault of its own, the last one counts.
            if !paid && !self.paid[self.books[payment.reference]] {
                self.report.add(Rule::MissingTransfer, || "PmtInf".to_owned(), payment.reference, "no such transfer");
            }
        }
    }
}
