//! The elements that [`crate::pain001`] writes, in the order of the schema of `pain.001.001.09`.
//!
//! It is a part of the schema: an element that ISO 20022 allows elsewhere but that we never write is a fault, because
//! nothing compares it with the books.

/// An element and what may be in it.
pub(super) struct Element {
    pub(super) name: &'static str,
    pub(super) content: Content,
}

/// What is in an element.
pub(super) enum Content {
    /// Text with this meaning.
    Text(Leaf),
    /// Elements in this order.
    Sequence(&'static [Child]),
    /// Exactly one of these elements.
    Choice(&'static [Child]),
}

/// An element at a place, and how often it has to stand there.
pub(super) struct Child {
    pub(super) element: &'static Element,
    pub(super) required: bool,
    pub(super) many: bool,
}

/// What a text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    MessageId,
    Created,
    GroupCount,
    GroupSum,
    InitiatorName,
    PaymentInformationId,
    Method,
    BatchBooking,
    Count,
    Sum,
    ServiceLevel,
    ExecutionDate,
    DebtorName,
    DebtorIban,
    DebtorCurrency,
    DebtorBic,
    DebtorOther,
    ChargeBearer,
    // From here on: of one transfer.
    EndToEndId,
    TransferServiceLevel,
    Amount,
    TransferChargeBearer,
    CreditorBic,
    CreditorName,
    CreditorStreet,
    CreditorPostcode,
    CreditorTown,
    CreditorCountry,
    CreditorIban,
    Remittance,
}

/// How many leaves there are.
pub(super) const LEAVES: usize = Leaf::Remittance as usize + 1;

// Macros and not functions: the borrow of a literal lasts for ever, that of a returned value does not.
macro_rules! text {
    ($name:literal, $leaf:ident) => {
        Element { name: $name, content: Content::Text(Leaf::$leaf) }
    };
}

macro_rules! sequence {
    ($name:literal, $($child:expr),+ $(,)?) => {
        Element { name: $name, content: Content::Sequence(&[$($child),+]) }
    };
}

macro_rules! one {
    ($element:expr) => {
        Child { element: &$element, required: true, many: false }
    };
}

macro_rules! optional {
    ($element:expr) => {
        Child { element: &$element, required: false, many: false }
    };
}

/// The outermost element.
pub(super) static DOCUMENT: Element = sequence!("Document", one!(INITIATION));
static INITIATION: Element = sequence!("CstmrCdtTrfInitn", one!(GROUP_HEADER), one!(PAYMENT_INFORMATION));

static GROUP_HEADER: Element = sequence!(
    "GrpHdr",
    one!(text!("MsgId", MessageId)),
    one!(text!("CreDtTm", Created)),
    one!(text!("NbOfTxs", GroupCount)),
    one!(text!("CtrlSum", GroupSum)),
    one!(sequence!("InitgPty", one!(text!("Nm", InitiatorName)))),
);

static PAYMENT_INFORMATION: Element = sequence!(
    "PmtInf",
    one!(text!("PmtInfId", PaymentInformationId)),
    one!(text!("PmtMtd", Method)),
    one!(text!("BtchBookg", BatchBooking)),
    one!(text!("NbOfTxs", Count)),
    one!(text!("CtrlSum", Sum)),
    optional!(sequence!("PmtTpInf", one!(sequence!("SvcLvl", one!(text!("Cd", ServiceLevel)))))),
    one!(sequence!("ReqdExctnDt", one!(text!("Dt", ExecutionDate)))),
    one!(sequence!("Dbtr", one!(text!("Nm", DebtorName)))),
    one!(sequence!("DbtrAcct", one!(sequence!("Id", one!(text!("IBAN", DebtorIban)))), one!(text!("Ccy", DebtorCurrency)))),
    one!(sequence!("DbtrAgt", one!(DEBTOR_INSTITUTION))),
    optional!(text!("ChrgBr", ChargeBearer)),
    Child { element: &TRANSFER, required: true, many: true },
);

static DEBTOR_INSTITUTION: Element = Element {
    name: "FinInstnId",
    content: Content::Choice(&[optional!(text!("BICFI", DebtorBic)), optional!(sequence!("Othr", one!(text!("Id", DebtorOther))))]),
};

/// Without a town or a country a bank refuses it.
static CREDITOR_ADDRESS: Element = sequence!(
    "PstlAdr",
    optional!(text!("StrtNm", CreditorStreet)),
    optional!(text!("PstCd", CreditorPostcode)),
    one!(text!("TwnNm", CreditorTown)),
    one!(text!("Ctry", CreditorCountry)),
);

/// One transfer.
pub(super) static TRANSFER: Element = sequence!(
    "CdtTrfTxInf",
    one!(sequence!("PmtId", one!(text!("EndToEndId", EndToEndId)))),
    optional!(sequence!("PmtTpInf", one!(sequence!("SvcLvl", one!(text!("Cd", TransferServiceLevel)))))),
    one!(sequence!("Amt", one!(text!("InstdAmt", Amount)))),
    optional!(text!("ChrgBr", TransferChargeBearer)),
    optional!(sequence!("CdtrAgt", one!(sequence!("FinInstnId", one!(text!("BICFI", CreditorBic)))))),
    one!(sequence!("Cdtr", one!(text!("Nm", CreditorName)), optional!(CREDITOR_ADDRESS))),
    one!(sequence!("CdtrAcct", one!(sequence!("Id", one!(text!("IBAN", CreditorIban)))))),
    one!(sequence!("RmtInf", one!(text!("Ustrd", Remittance)))),
);
