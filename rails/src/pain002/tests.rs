use super::*;
use corpus::random::SplitMix64;

const TRANSFERS: [(&str, i128); 3] = [("a-1", 1234), ("a-2", 500), ("a-3", 1)];

fn original() -> Original<'static> {
    Original { message_id: "MSG-1", payment_information_id: "PMT-1", currency: "EUR", exponent: 2, transfers: &TRANSFERS }
}

fn report(group: &str, blocks: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Document xmlns=\"{}\"><CstmrPmtStsRpt><GrpHdr><MsgId>BANK-9</MsgId>\
         <CreDtTm>2026-01-01T00:00:00Z</CreDtTm></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>MSG-1</OrgnlMsgId>\
         <OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>{group}</OrgnlGrpInfAndSts>{blocks}</CstmrPmtStsRpt></Document>",
        NAMESPACES[0]
    )
}

fn block(inner: &str) -> String {
    format!("<OrgnlPmtInfAndSts><OrgnlPmtInfId>PMT-1</OrgnlPmtInfId>{inner}</OrgnlPmtInfAndSts>")
}

fn transfer(reference: &str, inner: &str) -> String {
    format!("<TxInfAndSts><StsId>s</StsId><OrgnlEndToEndId>{reference}</OrgnlEndToEndId>{inner}</TxInfAndSts>")
}

fn outcomes(text: &str) -> Vec<(Outcome, Level)> {
    let report = read(text.as_bytes(), &original()).unwrap();
    assert_eq!(report.message_id, "BANK-9");
    assert_eq!(report.transfers.iter().map(|t| t.reference.as_str()).collect::<Vec<_>>(), ["a-1", "a-2", "a-3"]);
    report.transfers.into_iter().map(|t| (t.outcome, t.stated)).collect()
}

fn rejected(reason: &str, detail: &str) -> Outcome {
    Outcome::Rejected { reason: reason.to_owned(), detail: detail.to_owned() }
}

#[test]
fn the_narrowest_status_holds() {
    let text = report(
        "<OrgnlNbOfTxs>3</OrgnlNbOfTxs><OrgnlCtrlSum>17.350</OrgnlCtrlSum><GrpSts>PART</GrpSts>",
        &block(
            &[
                "<PmtInfSts>PART</PmtInfSts>",
                &transfer(
                    "a-2",
                    "<TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>account</AddtlInf><AddtlInf>closed &amp; gone</AddtlInf></StsRsnInf>\
                     <OrgnlTxRef><Amt><InstdAmt Ccy=\"EUR\">5.00</InstdAmt></Amt></OrgnlTxRef>",
                ),
                &transfer("a-1", "<TxSts>ACSC</TxSts><OrgnlTxRef><Amt><InstdAmt Ccy=\"EUR\">12.34</InstdAmt></Amt></OrgnlTxRef>"),
            ]
            .concat(),
        ),
    );
    assert_eq!(
        outcomes(&text),
        [
            (Outcome::Paid, Level::Transfer),
            (rejected("AC04", "account closed & gone"), Level::Transfer),
            (Outcome::Pending, Level::PaymentInformation)
        ]
    );
}

#[test]
fn a_status_of_the_whole_holds_for_all_transfers() {
    assert_eq!(outcomes(&report("<GrpSts>ACCC</GrpSts>", "")), vec![(Outcome::Paid, Level::Group); 3]);
    let text = report("<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Prtry>X1</Prtry></Rsn></StsRsnInf>", "");
    assert_eq!(outcomes(&text), vec![(rejected("X1", ""), Level::Group); 3]);
    let text = report("", &block("<PmtInfSts>ACSC</PmtInfSts>"));
    assert_eq!(outcomes(&text), vec![(Outcome::Paid, Level::PaymentInformation); 3]);
    assert_eq!(outcomes(&report("", "")), vec![(Outcome::Pending, Level::None); 3]);
    for code in ["ACTC", "ACCP", "ACSP", "ACWC", "PDNG", "RCVD", "PART"] {
        let text = report(&format!("<GrpSts>{code}</GrpSts>"), "");
        assert_eq!(outcomes(&text), vec![(Outcome::Pending, Level::Group); 3], "{code}");
    }
}

#[test]
fn prefixes_the_older_version_and_foreign_elements_are_read() {
    let text = report("<GrpSts>ACSC</GrpSts>", "").replace(NAMESPACES[0], NAMESPACES[1]);
    assert_eq!(outcomes(&text), vec![(Outcome::Paid, Level::Group); 3]);
    let prefixed = report("<GrpSts>ACSC</GrpSts>", "").replace("</", "\u{1}").replace("<?", "\u{2}").replace('<', "<n:");
    let prefixed = prefixed.replace('\u{1}', "</n:").replace('\u{2}', "<?").replace("xmlns=", "xmlns:n=");
    assert_eq!(outcomes(&prefixed), vec![(Outcome::Paid, Level::Group); 3]);
    // A status in another namespace is no status.
    let text = report("<GrpSts xmlns='x'>RJCT</GrpSts>", "");
    assert_eq!(outcomes(&text), vec![(Outcome::Pending, Level::None); 3]);
}

#[test]
fn reports_that_are_not_of_this_message_are_refused() {
    let fault = |text: String| read(text.as_bytes(), &original()).unwrap_err();
    let good = report("", &block(&transfer("a-1", "<TxSts>ACSC</TxSts>")));
    assert!(matches!(fault(good.replace("MSG-1", "MSG-2")), Pain002Error::Foreign { element: "OrgnlMsgId", .. }));
    assert!(matches!(fault(good.replace("pain.001.001.09", "pain.008.001.02")), Pain002Error::Foreign { element: "OrgnlMsgNmId", .. }));
    assert!(matches!(fault(good.replace("PMT-1", "PMT-2")), Pain002Error::Foreign { element: "OrgnlPmtInfId", .. }));
    assert!(matches!(fault(good.replace("a-1", "a-9")), Pain002Error::Unknown(_)));
    assert!(matches!(fault(good.replace("ACSC", "XXXX")), Pain002Error::Status { .. }));
    assert!(matches!(fault(good.replace("<OrgnlMsgId>MSG-1</OrgnlMsgId>", "")), Pain002Error::Missing { element: "OrgnlMsgId", .. }));
    assert!(matches!(fault(good.replace("OrgnlEndToEndId", "OrgnlInstrId")), Pain002Error::Missing { .. }));
    assert!(matches!(fault(good.replace("<MsgId>BANK-9</MsgId>", "")), Pain002Error::Missing { element: "MsgId", .. }));
    assert!(matches!(fault(good.replace("002.001.10", "002.001.99")), Pain002Error::Xml(XmlError::Namespace { .. })));
    let twice = transfer("a-1", "<TxSts>ACSC</TxSts>").repeat(2);
    assert!(matches!(fault(report("", &block(&twice))), Pain002Error::Duplicate(_)));
    assert!(matches!(fault(report("", &block("").repeat(2))), Pain002Error::Duplicate(_)));
    let late = [transfer("a-1", ""), "<PmtInfSts>RJCT</PmtInfSts>".to_owned()].concat();
    assert!(matches!(fault(report("", &block(&late))), Pain002Error::Late { .. }));
    let codes = transfer("a-1", "<TxSts>ACSC</TxSts><TxSts>RJCT</TxSts>");
    assert!(matches!(fault(report("", &block(&codes))), Pain002Error::Repeated { element: "TxSts", .. }));
    assert!(matches!(fault(report("<OrgnlNbOfTxs>2</OrgnlNbOfTxs>", "")), Pain002Error::Differs { element: "OrgnlNbOfTxs", .. }));
    assert!(matches!(fault(report("<OrgnlCtrlSum>17.36</OrgnlCtrlSum>", "")), Pain002Error::Differs { element: "OrgnlCtrlSum", .. }));
    for (amount, element) in [("Ccy=\"EUR\">12.35", "InstdAmt"), ("Ccy=\"USD\">12.34", "Ccy"), ("Ccy=\"EUR\">1234", "InstdAmt")] {
        let reference = format!("<OrgnlTxRef><Amt><InstdAmt {amount}</InstdAmt></Amt></OrgnlTxRef>");
        let text = report("", &block(&transfer("a-1", &reference)));
        assert!(matches!(fault(text), Pain002Error::Differs { element: e, .. } if e == element), "{amount}");
    }
}

#[test]
fn a_part_does_not_contradict_a_final_whole() {
    let fault = |text: String| read(text.as_bytes(), &original()).unwrap_err();
    for (group, code) in [("ACSC", "RJCT"), ("RJCT", "ACSC"), ("RJCT", "PDNG"), ("ACSC", "ACSP")] {
        let status = format!("<GrpSts>{group}</GrpSts>");
        let text = report(&status, &block(&transfer("a-1", &format!("<TxSts>{code}</TxSts>"))));
        assert!(matches!(fault(text), Pain002Error::Contradiction { .. }), "{group} {code}");
        let text = report(&status, &block(&format!("<PmtInfSts>{code}</PmtInfSts>")));
        assert!(matches!(fault(text), Pain002Error::Contradiction { .. }), "{group} {code}");
    }
    let text = report("<GrpSts>ACCP</GrpSts>", &block(&transfer("a-1", "<TxSts>RJCT</TxSts>")));
    assert_eq!(outcomes(&text)[0], (rejected("", ""), Level::Transfer));
}

#[test]
fn damaged_bytes_never_panic_nor_settle_what_was_rejected() {
    let good = report("<GrpSts>RJCT</GrpSts>", &block(&transfer("a-1", "<TxSts>RJCT</TxSts>")));
    let mut random = SplitMix64(8);
    for _ in 0..20_000 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..1 + random.below(3) {
            let i = random.below(bytes.len() as u64) as usize;
            match random.below(3) {
                0 => bytes[i] = random.next() as u8,
                1 => drop(bytes.drain(i..(i + 1 + random.below(40) as usize).min(bytes.len()))),
                _ => bytes.insert(i, *random.pick(b"<>/&\"= ;!?-[]")),
            }
        }
        if let Ok(report) = read(&bytes, &original()) {
            assert!(report.transfers.iter().all(|t| t.outcome != Outcome::Paid));
        }
    }
    let deep = report(&"<a>".repeat(100_000), "");
    assert!(matches!(read(deep.as_bytes(), &original()), Err(Pain002Error::Xml(XmlError::Depth { .. }))));
    let long = report(&format!("<GrpSts>{}</GrpSts>", "A".repeat(10_000)), "");
    assert!(matches!(read(long.as_bytes(), &original()), Err(Pain002Error::Xml(XmlError::Syntax { .. }))));
}
