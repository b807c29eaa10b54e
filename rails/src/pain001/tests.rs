use super::*;
use crate::Address;

fn order() -> Order {
    Order {
        message_id: "RUN-7-1".to_owned(),
        payment_information_id: "RUN-7-1-P".to_owned(),
        created_unix_s: 1_767_225_600,
        execution_date: "2026-01-02".to_owned(),
        debtor_name: "Assay Operator".to_owned(),
        debtor_iban: "DE89370400440532013000".to_owned(),
        debtor_bic: Some("COBADEFFXXX".to_owned()),
        currency: "EUR".to_owned(),
        exponent: 2,
        batch_booking: true,
        remittance: "Reward of run 7".to_owned(),
    }
}

fn payment(reference: &str, amount_minor: i128, iban: &str, country: &str) -> Payment {
    let payee =
        Payee::Bank { name: "A. O'Neill (B/C)".to_owned(), iban: iban.to_owned(), bic: None, country: country.to_owned(), address: None };
    Payment { reference: reference.to_owned(), amount_minor, payee }
}

const FRENCH: &str = "FR1420041010050500013M02606";
const KUWAITI: &str = "KW81CBKU0000000000001234560101";

fn written(order: &Order, payments: &[Payment]) -> String {
    let mut out = Vec::new();
    let written = write(&mut out, order, payments).unwrap();
    assert_eq!(written.transfer_count, payments.len());
    String::from_utf8(out).unwrap()
}

#[test]
fn golden_bytes_of_a_sepa_transfer() {
    assert_eq!(
        written(&order(), &[payment("a-1", 1205, FRENCH, "FR")]),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09\">\n\
         <CstmrCdtTrfInitn>\n\
         <GrpHdr><MsgId>RUN-7-1</MsgId><CreDtTm>2026-01-01T00:00:00Z</CreDtTm><NbOfTxs>1</NbOfTxs><CtrlSum>12.05</CtrlSum>\
         <InitgPty><Nm>Assay Operator</Nm></InitgPty></GrpHdr>\n\
         <PmtInf>\n\
         <PmtInfId>RUN-7-1-P</PmtInfId><PmtMtd>TRF</PmtMtd><BtchBookg>true</BtchBookg><NbOfTxs>1</NbOfTxs><CtrlSum>12.05</CtrlSum>\
         <PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf><ReqdExctnDt><Dt>2026-01-02</Dt></ReqdExctnDt>\
         <Dbtr><Nm>Assay Operator</Nm></Dbtr><DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id><Ccy>EUR</Ccy></DbtrAcct>\
         <DbtrAgt><FinInstnId><BICFI>COBADEFFXXX</BICFI></FinInstnId></DbtrAgt><ChrgBr>SLEV</ChrgBr>\n\
         <CdtTrfTxInf><PmtId><EndToEndId>a-1</EndToEndId></PmtId><Amt><InstdAmt Ccy=\"EUR\">12.05</InstdAmt></Amt>\
         <Cdtr><Nm>A. O'Neill (B/C)</Nm></Cdtr>\
         <CdtrAcct><Id><IBAN>FR1420041010050500013M02606</IBAN></Id></CdtrAcct>\
         <RmtInf><Ustrd>Reward of run 7</Ustrd></RmtInf></CdtTrfTxInf>\n\
         </PmtInf>\n</CstmrCdtTrfInitn>\n</Document>\n"
    );
}

#[test]
fn an_address_has_its_town_and_country_and_is_spelled_as_banks_take_it() {
    let with = |street: Option<&str>, postcode: Option<&str>, town: &str| {
        let mut payment = payment("a", 1, FRENCH, "FR");
        if let Payee::Bank { name, address, .. } = &mut payment.payee {
            *name = "Zoé Müller".to_owned();
            *address = Some(Address { street: street.map(str::to_owned), postcode: postcode.map(str::to_owned), town: town.to_owned() });
        }
        payment
    };
    let whole = written(&order(), &[with(Some("12 Allée d’Étigny"), Some("31110"), "Luchon")]);
    let address = "<StrtNm>12 Allee d'Etigny</StrtNm><PstCd>31110</PstCd><TwnNm>Luchon</TwnNm><Ctry>FR</Ctry>";
    assert!(whole.contains(&format!("<Cdtr><Nm>Zoe Mueller</Nm><PstlAdr>{address}</PstlAdr></Cdtr>")), "{whole}");
    let short = written(&order(), &[with(None, None, "Besançon")]);
    assert!(short.contains("<PstlAdr><TwnNm>Besancon</TwnNm><Ctry>FR</Ctry></PstlAdr>"), "{short}");
    for bad in
        [with(None, None, ""), with(None, None, &"x".repeat(36)), with(Some("東京"), None, "Tokyo"), with(None, Some(&"1".repeat(17)), "A")]
    {
        assert!(matches!(write(&mut Vec::new(), &order(), &[bad]), Err(Pain001Error::Text { .. })));
    }
}

#[test]
fn service_level_and_charges_stand_where_they_hold() {
    let places = |text: &str| (text.matches("<Cd>SEPA</Cd>").count(), text.matches("SLEV").count(), text.matches("SHAR").count());
    let (inside, outside) = (payment("a", 1, FRENCH, "FR"), payment("b", 1, KUWAITI, "KW"));
    assert_eq!(places(&written(&order(), std::slice::from_ref(&inside))), (1, 1, 0));
    assert_eq!(places(&written(&order(), std::slice::from_ref(&outside))), (0, 0, 1));
    let mixed = written(&order(), &[inside.clone(), outside]);
    assert_eq!(places(&mixed), (1, 1, 1));
    assert!(mixed.find("<PmtTpInf>") > mixed.find("<CdtTrfTxInf>"));
    let dollars = Order { currency: "USD".to_owned(), ..order() };
    assert_eq!(places(&written(&dollars, &[inside])), (0, 0, 1));
}

#[test]
fn amounts_have_the_digits_of_the_currency() {
    for (currency, exponent, minor, text) in [
        ("JPY", 0, 1500, "1500"),
        ("EUR", 2, 5, "0.05"),
        ("KWD", 3, 999_999_999_999_999_999, "999999999999999.999"),
        ("CLF", 4, 12_345, "1.2345"),
    ] {
        let order = Order { currency: currency.to_owned(), exponent, debtor_bic: None, ..order() };
        let out = written(&order, &[payment("a", minor, KUWAITI, "KW")]);
        assert!(out.contains(&format!("<InstdAmt Ccy=\"{currency}\">{text}</InstdAmt>")), "{out}");
        assert_eq!(out.matches(&format!("<CtrlSum>{text}</CtrlSum>")).count(), 2);
        assert!(out.contains("<Othr><Id>NOTPROVIDED</Id></Othr>"));
    }
}

#[test]
fn what_no_bank_would_take_is_refused_before_a_byte_is_written() {
    let good = || payment("a-1", 1, FRENCH, "FR");
    let refused = |order: Order, payments: &[Payment]| {
        let mut out = Vec::new();
        let fault = write(&mut out, &order, payments).unwrap_err();
        assert!(out.is_empty());
        fault
    };
    let bad_order = |change: &dyn Fn(&mut Order)| {
        let mut order = order();
        change(&mut order);
        refused(order, &[good()])
    };
    let bad_payment = |change: &dyn Fn(&mut Payment)| {
        let mut payment = good();
        change(&mut payment);
        refused(order(), &[good(), Payment { reference: "a-2".to_owned(), ..good() }, payment])
    };
    assert!(matches!(refused(order(), &[]), Pain001Error::Empty(_)));
    assert!(matches!(bad_order(&|o| o.message_id = "x".repeat(36)), Pain001Error::Text { .. }));
    assert!(matches!(bad_order(&|o| o.payment_information_id = "/x".to_owned()), Pain001Error::Text { .. }));
    assert!(matches!(bad_order(&|o| o.debtor_name = "A & B".to_owned()), Pain001Error::Text { .. }));
    assert!(matches!(bad_order(&|o| o.remittance = "x".repeat(141)), Pain001Error::Text { .. }));
    assert!(matches!(bad_order(&|o| o.debtor_iban.replace_range(2..4, "88")), Pain001Error::Iban { .. }));
    assert!(matches!(bad_order(&|o| o.debtor_bic = Some("X".to_owned())), Pain001Error::Bic { .. }));
    assert!(matches!(bad_order(&|o| o.currency = "eur".to_owned()), Pain001Error::Currency(_)));
    assert!(matches!(bad_order(&|o| o.exponent = 6), Pain001Error::Exponent { expected: 2, found: 6, .. }));
    let unlisted = |o: &mut Order| (o.currency, o.exponent) = ("XTS".to_owned(), 6);
    assert!(matches!(bad_order(&unlisted), Pain001Error::Exponent { expected: 5, found: 6, .. }));
    assert!(matches!(bad_order(&|o| o.execution_date = "2025-12-31".to_owned()), Pain001Error::Date { .. }));
    assert!(matches!(bad_order(&|o| o.execution_date = "2026-02-30".to_owned()), Pain001Error::Date { .. }));
    assert!(matches!(bad_order(&|o| o.created_unix_s = i64::MAX / 4), Pain001Error::Date { .. }));
    assert!(matches!(bad_payment(&|p| p.reference = "a-1".to_owned()), Pain001Error::Duplicate(_)));
    assert!(matches!(bad_payment(&|p| p.reference = "a/3".to_owned()), Pain001Error::Text { .. }));
    assert!(matches!(bad_payment(&|p| p.payee = Payee::Near("a.near".to_owned())), Pain001Error::Rail { found: "near", .. }));
    assert!(matches!(bad_payment(&|p| p.amount_minor = 0), Pain001Error::NotPositive { found: 0, .. }));
    assert!(matches!(bad_payment(&|p| p.amount_minor = -1), Pain001Error::NotPositive { .. }));
    assert!(matches!(bad_payment(&|p| p.amount_minor = MAX_SEPA_MINOR + 1), Pain001Error::TooLarge { .. }));
    let bad_payee = |n: &str, i: &str, b: &str, c: &str| {
        let payee = Payee::Bank { name: n.to_owned(), iban: i.to_owned(), bic: Some(b.to_owned()), country: c.to_owned(), address: None };
        bad_payment(&move |p| p.payee = payee.clone())
    };
    assert!(matches!(bad_payee("", FRENCH, "COBADEFF", "FR"), Pain001Error::Text { .. }));
    assert!(matches!(bad_payee("A", "FR14", "COBADEFF", "FR"), Pain001Error::Iban { .. }));
    assert!(matches!(bad_payee("A", FRENCH, "COBADE", "FR"), Pain001Error::Bic { .. }));
    assert!(matches!(bad_payee("A", FRENCH, "COBADEFF", "fr"), Pain001Error::Country { .. }));
    // Each amount is within the schema's digits and their sum is not.
    let half = payment("a", 600_000_000_000_000_000, KUWAITI, "KW");
    let two = [half.clone(), Payment { reference: "b".to_owned(), ..half }];
    assert!(matches!(refused(order(), &two), Pain001Error::TooLarge { .. }));
}

#[test]
fn a_failed_write_is_reported() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let payments = [payment("a", 1, FRENCH, "FR"), payment("b", 1, FRENCH, "FR")];
    for room in [0, 100, written(&order(), &payments).len() - 1] {
        assert!(matches!(write(&mut Full(room), &order(), &payments), Err(Pain001Error::Io(_))), "{room}");
    }
}
