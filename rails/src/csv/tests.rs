use super::reader::Records;
use super::*;
use corpus::random::SplitMix64;

fn payment(reference: &str, amount_minor: i128, payee: Payee) -> Payment {
    Payment { reference: reference.to_owned(), amount_minor, payee }
}

fn written(payments: &[Payment]) -> String {
    let mut out = Vec::new();
    write(&mut out, "EUR", 2, payments).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn golden_lines_of_every_kind() {
    let bank = Payee::Bank {
        name: "-Smith, \"J\"".to_owned(),
        iban: "DE89370400440532013000".to_owned(),
        bic: Some("COBADEFFXXX".to_owned()),
        country: "DE".to_owned(),
        address: None,
    };
    let payments = [
        payment("a-1", 1234, bank),
        payment("a-2", 5, Payee::Evm([0xab; 20])),
        payment("a-3", 100, Payee::Near("alice.near".to_owned())),
        payment("-4", 1, Payee::Other("=HYPERLINK(\"x\")".to_owned())),
        payment("a-5", 1, Payee::Other("'quoted".to_owned())),
    ];
    assert_eq!(
        written(&payments),
        "reference,amount_minor,amount,currency,payee_kind,destination,name,bic,country\r\n\
         a-1,1234,12.34,EUR,bank,DE89370400440532013000,\"'-Smith, \"\"J\"\"\",COBADEFFXXX,DE\r\n\
         a-2,5,0.05,EUR,evm,0xabababababababababababababababababababab,,,\r\n\
         a-3,100,1.00,EUR,near,alice.near,,,\r\n\
         '-4,1,0.01,EUR,other,\"'=HYPERLINK(\"\"x\"\")\",,,\r\n\
         a-5,1,0.01,EUR,other,''quoted,,,\r\n"
    );
    assert!(write(&mut Vec::new(), "EUR", 25, &payments).is_err());
}

#[test]
fn no_field_begins_as_a_formula_and_all_read_back() {
    let mut random = SplitMix64(5);
    for _ in 0..2000 {
        let texts: Vec<String> = (0..4)
            .map(|_| {
                (0..random.below(6)).map(|_| *random.pick(&['=', '+', '-', '@', '\'', '"', ',', '\r', '\n', '\t', 'a', 'é', ' '])).collect()
            })
            .collect();
        let payments: Vec<Payment> = texts.iter().map(|t| payment(t, 7, Payee::Other(t.clone()))).collect();
        let text = written(&payments);
        let mut records = Records::new(text.as_bytes()).unwrap();
        records.next().unwrap();
        for t in &texts {
            let (_, fields) = records.next().unwrap().unwrap();
            assert_eq!((fields[0].as_str(), fields[5].as_str(), fields.len()), (t.as_str(), t.as_str(), 9), "{text:?}");
            let mut field = String::new();
            push_field(&mut field, t);
            assert!(!field.strip_prefix('"').unwrap_or(&field).starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{field:?}");
        }
        assert!(records.next().unwrap().is_none());
    }
}

fn books() -> Vec<Payment> {
    ["a", "-b", "c"].map(|r| payment(r, 150, Payee::Other(r.to_owned()))).to_vec()
}

#[test]
fn a_reconciliation_is_read_in_any_column_order() {
    let text = "\u{feff}status,reason,reference,amount\nreturned,\"account\nclosed\",'-b,1.50\r\nsettled,,a,1.50";
    assert_eq!(
        read_reconciliation(text.as_bytes(), 2, &books()).unwrap(),
        [
            Reconciled { reference: "-b".to_owned(), status: Status::Returned { reason: "account\nclosed".to_owned() }, amount_minor: 150 },
            Reconciled { reference: "a".to_owned(), status: Status::Paid, amount_minor: 150 },
        ]
    );
}

#[test]
fn faults_of_a_reconciliation_are_named_with_their_line() {
    let fault = |lines: &str| read_reconciliation(format!("reference,status,amount,reason\n{lines}").as_bytes(), 2, &books()).unwrap_err();
    assert!(matches!(fault("x,settled,1.50,\n"), CsvError::Unknown { line: 2, .. }));
    assert!(matches!(fault("a,settled,1.50,\na,settled,1.50,\n"), CsvError::Duplicate { line: 3, .. }));
    assert!(matches!(fault("a,settled,1.51,\n"), CsvError::Differs { expected: 150, found: 151, .. }));
    assert!(matches!(fault("a,settled,1.5,\n"), CsvError::Amount { .. }));
    assert!(matches!(fault("a,paid,1.50,\n"), CsvError::Status { .. }));
    assert!(matches!(fault("a,returned,1.50,\n"), CsvError::Reason { .. }));
    assert!(matches!(fault("a,settled,1.50,why\n"), CsvError::Reason { .. }));
    assert!(matches!(fault("a,settled,1.50\n"), CsvError::Width { found: 3, .. }));
    assert!(matches!(fault("\n"), CsvError::Width { found: 1, .. }));
    assert!(matches!(fault("a,\"settled,1.50,\n"), CsvError::Field { .. }));
    assert!(matches!(fault("a,\"settled\"x,1.50,\n"), CsvError::Field { .. }));
    assert!(matches!(fault("a,set\"tled,1.50,\n"), CsvError::Field { .. }));
    for header in ["", "reference,status,amount\n", "reference,status,amount,reason,x\n", "reference,status,status,reason\n"] {
        assert!(matches!(read_reconciliation(header.as_bytes(), 2, &books()), Err(CsvError::Header { .. })), "{header}");
    }
    assert!(matches!(read_reconciliation(b"a\xff", 2, &books()), Err(CsvError::Encoding { at: 1 })));
}

#[test]
fn damaged_bytes_never_panic() {
    let good = b"reference,status,amount,reason\r\na,settled,1.50,\r\n'-b,returned,1.50,\"no, \"\"really\"\"\"\r\n";
    let mut random = SplitMix64(6);
    for _ in 0..20_000 {
        let mut bytes = good.to_vec();
        for _ in 0..1 + random.below(4) {
            let i = random.below(bytes.len() as u64) as usize;
            match random.below(3) {
                0 => bytes[i] = *random.pick(b"\",\r\n'\xff a"),
                1 => bytes.truncate(i + 1),
                _ => bytes.insert(i, *random.pick(b"\",\r\n'")),
            }
        }
        let _ = read_reconciliation(&bytes, 2, &books());
    }
}
