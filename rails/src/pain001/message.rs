//! The elements of the message, in the order of the schema.

use ledger::amount::{AmountError, push_decimal, to_decimal};

use super::{NAMESPACE, Order, Transfer, Written, bearer};

const SEPA_LEVEL: &str = "<PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf>";

/// What follows the last transfer.
pub(super) const TAIL: &str = "</PmtInf>\n</CstmrCdtTrfInitn>\n</Document>\n";

/// From the declaration to the first transfer.
pub(super) fn head(out: &mut String, order: &Order, created: &str, written: Written, common_sepa: Option<bool>) -> Result<(), AmountError> {
    let count = written.transfer_count.to_string();
    let sum = to_decimal(written.sum_minor, order.exponent)?;
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Document xmlns=\"");
    out.push_str(NAMESPACE);
    out.push_str("\">\n<CstmrCdtTrfInitn>\n<GrpHdr>");
    leaf(out, "MsgId", &order.message_id);
    leaf(out, "CreDtTm", created);
    leaf(out, "NbOfTxs", &count);
    leaf(out, "CtrlSum", &sum);
    out.push_str("<InitgPty>");
    leaf(out, "Nm", &order.debtor_name);
    out.push_str("</InitgPty></GrpHdr>\n<PmtInf>\n");
    leaf(out, "PmtInfId", &order.payment_information_id);
    leaf(out, "PmtMtd", "TRF");
    leaf(out, "BtchBookg", if order.batch_booking { "true" } else { "false" });
    leaf(out, "NbOfTxs", &count);
    leaf(out, "CtrlSum", &sum);
    if common_sepa == Some(true) {
        out.push_str(SEPA_LEVEL);
    }
    out.push_str("<ReqdExctnDt>");
    leaf(out, "Dt", &order.execution_date);
    out.push_str("</ReqdExctnDt><Dbtr>");
    leaf(out, "Nm", &order.debtor_name);
    out.push_str("</Dbtr><DbtrAcct><Id>");
    leaf(out, "IBAN", &order.debtor_iban);
    out.push_str("</Id>");
    leaf(out, "Ccy", &order.currency);
    out.push_str("</DbtrAcct><DbtrAgt>");
    match &order.debtor_bic {
        Some(bic) => institution(out, bic),
        // The bank knows itself by the IBAN; the element is required all the same.
        None => out.push_str("<FinInstnId><Othr><Id>NOTPROVIDED</Id></Othr></FinInstnId>"),
    }
    out.push_str("</DbtrAgt>");
    if let Some(sepa) = common_sepa {
        leaf(out, "ChrgBr", bearer(sepa));
    }
    out.push('\n');
    Ok(())
}

/// One transfer, on one line.
pub(super) fn transfer(out: &mut String, order: &Order, transfer: &Transfer<'_>, common_sepa: Option<bool>) -> Result<(), AmountError> {
    out.push_str("<CdtTrfTxInf><PmtId>");
    leaf(out, "EndToEndId", transfer.reference);
    out.push_str("</PmtId>");
    if common_sepa.is_none() && transfer.sepa {
        out.push_str(SEPA_LEVEL);
    }
    out.push_str("<Amt><InstdAmt Ccy=\"");
    out.push_str(&order.currency);
    out.push_str("\">");
    push_decimal(out, transfer.amount_minor, order.exponent)?;
    out.push_str("</InstdAmt></Amt>");
    if common_sepa.is_none() {
        leaf(out, "ChrgBr", bearer(transfer.sepa));
    }
    if let Some(bic) = transfer.bic {
        out.push_str("<CdtrAgt>");
        institution(out, bic);
        out.push_str("</CdtrAgt>");
    }
    out.push_str("<Cdtr>");
    leaf(out, "Nm", &transfer.name);
    if let Some(address) = &transfer.address {
        out.push_str("<PstlAdr>");
        for (name, text) in [("StrtNm", &address.street), ("PstCd", &address.postcode)] {
            if let Some(text) = text {
                leaf(out, name, text);
            }
        }
        leaf(out, "TwnNm", &address.town);
        leaf(out, "Ctry", transfer.country);
        out.push_str("</PstlAdr>");
    }
    out.push_str("</Cdtr><CdtrAcct><Id>");
    leaf(out, "IBAN", transfer.iban);
    out.push_str("</Id></CdtrAcct><RmtInf>");
    leaf(out, "Ustrd", &order.remittance);
    out.push_str("</RmtInf></CdtTrfTxInf>\n");
    Ok(())
}

fn institution(out: &mut String, bic: &str) {
    out.push_str("<FinInstnId>");
    leaf(out, "BICFI", bic);
    out.push_str("</FinInstnId>");
}

/// An element of `text`, which has passed a check of its characters: none of them needs escaping.
fn leaf(out: &mut String, name: &str, text: &str) {
    debug_assert!(!text.contains(['<', '>', '&']), "checked text holds no markup");
    for part in ["<", name, ">", text, "</", name, ">"] {
        out.push_str(part);
    }
}
