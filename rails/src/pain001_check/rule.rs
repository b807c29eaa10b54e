//! The rules and what a check reports.

/// What a fault is against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// UTF-8 and XML 1.0, complete, without a document type.
    WellFormed,
    /// Root `Document` in the namespace of pain.001.001.09, and every element in it.
    Namespace,
    /// Nothing follows the message: a file that holds itself twice is paid twice.
    SecondDocument,
    /// Only elements that we write.
    UnknownElement,
    /// Elements in the order of the schema.
    ElementOrder,
    /// Every required element.
    MissingElement,
    /// No element twice that may stand once, and one of a choice.
    RepeatedElement,
    /// `xmlns` on the root, `Ccy` on amounts, nothing else.
    Attribute,
    /// Text only in elements that hold text.
    MixedContent,
    /// Identifiers have 1 to 35 characters.
    IdentifierLength,
    /// Identifiers are of the SEPA set, slashes single and inside.
    IdentifierCharacters,
    /// The message id is the expected one.
    MessageId,
    /// An end-to-end id stands once.
    DuplicateEndToEndId,
    /// `NbOfTxs` of the group header is the number of transfers.
    GroupCount,
    /// `NbOfTxs` of the block is the number of transfers.
    PaymentInformationCount,
    /// `CtrlSum` of the group header is the sum of the amounts.
    GroupControlSum,
    /// `CtrlSum` of the block is the sum of the amounts.
    PaymentInformationControlSum,
    /// The expected currency on each amount and on the account.
    Currency,
    /// Digits after the point as the currency has.
    AmountDecimals,
    /// Digits and at most one point between them: no sign, no exponent, no space.
    AmountFormat,
    /// More than 0.
    AmountPositive,
    /// At most 18 digits, and in a SEPA transfer at most 999999999.99.
    AmountLimit,
    /// Capitals and digits, a country of the registry, its structure.
    IbanFormat,
    /// The length of the country.
    IbanLength,
    /// Remainder 1 modulo 97.
    IbanCheckDigits,
    /// The form of ISO 9362.
    Bic,
    /// Names and streets have 1 to 70 characters, towns 1 to 35, postcodes 1 to 16, remittance texts 1 to 140.
    TextLength,
    /// Names and texts are of the SEPA set.
    TextCharacters,
    /// A country of ISO 3166-1.
    Country,
    /// `YYYY-MM-DDThh:mm:ss` with `Z` or an offset.
    CreationTime,
    /// `YYYY-MM-DD`.
    ExecutionDate,
    /// Execution not before the day of creation in UTC.
    ExecutionBeforeCreation,
    /// `TRF`.
    PaymentMethod,
    /// `true` or `false`.
    BatchBooking,
    /// `NOTPROVIDED` where a bank has no BIC.
    Agent,
    /// SEPA exactly where euro go between accounts in SEPA, at one of two places.
    ServiceLevel,
    /// SLEV with the service level, SHAR without, at one of two places.
    ChargeBearer,
    /// The debtor's account is the expected one.
    DebtorIban,
    /// Every payment of the books is in the file.
    MissingTransfer,
    /// Every transfer of the file is in the books.
    ExtraTransfer,
    /// The amount is that of the books.
    Amount,
    /// The account is the payee's.
    CreditorIban,
    /// The name is the payee's.
    CreditorName,
    /// The books name each reference once; a fault here is ours and not the file's.
    Books,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule:?} at {place}: expected {expected}, found {found}")]
pub struct Fault {
    /// What it is against.
    pub rule: Rule,
    /// The path of the element, with the transfer's number from 1, or the byte.
    pub place: String,
    /// What should be there.
    pub expected: String,
    /// What is there, its beginning if it is long. Accounts are shown in full: the report is for the people who pay.
    pub found: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The first [`MAX_FAULTS`] faults, in the order of the file.
    pub faults: Vec<Fault>,
    /// All faults.
    pub fault_count: u64,
    /// Transfers in the file.
    pub transfer_count: u64,
}

/// Faults that a report lists; a file of a million transfers can have a fault in each.
pub const MAX_FAULTS: usize = 1000;

impl Report {
    /// Whether the file may be signed.
    pub fn is_clean(&self) -> bool {
        self.fault_count == 0
    }

    pub(super) fn add(&mut self, rule: Rule, place: impl FnOnce() -> String, expected: impl Into<String>, found: &str) {
        self.fault_count += 1;
        if self.faults.len() < MAX_FAULTS {
            let found = found.chars().take(100).collect();
            self.faults.push(Fault { rule, place: place(), expected: expected.into(), found });
        }
    }
}
