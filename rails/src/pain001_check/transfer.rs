//! Rules of one transfer: it is in the books, and its parts fit each other.

use super::decimal::{Decimal, units_of};
use super::{Checker, Leaf, Rule};
use crate::iban::in_sepa;
use crate::pain001::{MAX_SEPA_MINOR, bearer};

impl Checker<'_> {
    /// Checks the transfer that just ended.
    pub(super) fn transfer(&mut self) {
        self.scheme();
        // Taken out, so that faults can be added; the caller clears it anyway.
        let Some(reference) = self.values[Leaf::EndToEndId as usize].take() else { return };
        let Some(&i) = self.books.get(reference.as_str()) else {
            if self.strangers.insert(reference.clone()) {
                self.fault(Rule::ExtraTransfer, "a reference of the books", &reference);
            } else {
                self.fault(Rule::DuplicateEndToEndId, "each reference once", &reference);
            }
            return;
        };
        if std::mem::replace(&mut self.paid[i], true) {
            self.fault(Rule::DuplicateEndToEndId, "each reference once", &reference);
        }
        let payment = self.expected.transfers[i];
        // An amount that is no number is a fault already.
        if let Some(Ok(found)) = self.value(Leaf::Amount).map(Decimal::read)
            && (found.units().is_none() || found.units() != units_of(payment.amount_minor, self.expected.exponent))
        {
            let found = self.values[Leaf::Amount as usize].take().unwrap_or_default();
            let expected = ledger::amount::to_decimal(payment.amount_minor, self.expected.exponent).unwrap_or_default();
            self.fault(Rule::Amount, format!("{expected} for {reference}"), &found);
        }
        for (leaf, rule, expected) in
            [(Leaf::CreditorIban, Rule::CreditorIban, payment.iban), (Leaf::CreditorName, Rule::CreditorName, payment.name)]
        {
            if let Some(found) = self.values[leaf as usize].take_if(|found| found != expected) {
                self.fault(rule, format!("{expected} for {reference}"), &found);
            }
        }
    }

    /// Service level, charges and the scheme's limit.
    fn scheme(&mut self) {
        let sepa = self.expected.currency == "EUR"
            && self.value(Leaf::DebtorIban).is_some_and(in_sepa)
            && self.value(Leaf::CreditorIban).is_some_and(in_sepa);
        let levels = [Leaf::ServiceLevel, Leaf::TransferServiceLevel].map(|leaf| self.value(leaf).is_some());
        match (sepa, levels) {
            (_, [true, true]) => self.fault(Rule::ServiceLevel, "it on the block or on the transfer", "both"),
            (true, [false, false]) => self.fault(Rule::ServiceLevel, "SEPA", "none"),
            (false, [true, _] | [_, true]) => self.fault(Rule::ServiceLevel, "none: not in euro between accounts in SEPA", "one"),
            _ => {}
        }
        match [Leaf::ChargeBearer, Leaf::TransferChargeBearer].map(|leaf| self.value(leaf)) {
            [Some(_), Some(_)] => self.fault(Rule::ChargeBearer, "it on the block or on the transfer", "both"),
            [None, None] => self.fault(Rule::ChargeBearer, bearer(sepa), "none"),
            [Some(found), _] | [_, Some(found)] if found != bearer(sepa) => {
                let found = found.to_owned();
                self.fault(Rule::ChargeBearer, bearer(sepa), &found);
            }
            _ => {}
        }
        let amount = self.value(Leaf::Amount).and_then(|text| Decimal::read(text).ok()).and_then(Decimal::units);
        if sepa && amount > units_of(MAX_SEPA_MINOR, 2) {
            let found = self.value(Leaf::Amount).unwrap_or_default().to_owned();
            self.fault(Rule::AmountLimit, "at most 999999999.99 in SEPA", &found);
        }
    }
}
