//! Bank files of several currencies against the schema of ISO 20022, where `rails/tests/fetch-xsd` could install it.

use std::path::Path;
use std::process::Command;

use rails::iban::check_iban;
use rails::pain001::{self, Order};
use rails::{Address, Payee, Payment};

/// A Belgian and a Kuwaiti account with this number; check digits by trial, since the check is what is measured.
fn accounts(n: u32) -> [(String, &'static str); 2] {
    let valid = |country: &str, rest: String| {
        (2..=98).map(|check| format!("{country}{check:02}{rest}")).find(|iban| check_iban(iban).is_ok()).expect("one of 97 fits")
    };
    [(valid("BE", format!("{n:012}")), "BE"), (valid("KW", format!("CBKU{n:022}")), "KW")]
}

#[test]
fn files_of_every_kind_of_currency_are_valid_under_the_schema() {
    let Ok(python) = std::env::var("ASSAY_XSD") else {
        skips::skip(skips::Need::Xsd, "bank files against the schema of pain.001", "ASSAY_XSD is not set");
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pain001");
    std::fs::create_dir_all(&folder).unwrap();
    let accounts: Vec<_> = (0..50).map(accounts).collect();
    let mut files = Vec::new();
    for (name, currency, exponent, mixed) in
        [("eur", "EUR", 2, false), ("eur-mixed", "EUR", 2, true), ("jpy", "JPY", 0, true), ("kwd", "KWD", 3, true), ("clf", "CLF", 4, true)]
    {
        let order = Order {
            message_id: format!("RUN-7-{currency}"),
            payment_information_id: format!("RUN-7-{currency}-P"),
            created_unix_s: 1_767_225_600,
            execution_date: "2026-01-02".to_owned(),
            debtor_name: "Assay Operator".to_owned(),
            debtor_iban: "DE89370400440532013000".to_owned(),
            debtor_bic: (exponent != 0).then(|| "COBADEFFXXX".to_owned()),
            currency: currency.to_owned(),
            exponent,
            batch_booking: true,
            remittance: "Reward of run 7".to_owned(),
        };
        let payment = |i: usize| {
            let (iban, country) = accounts[i % accounts.len()][usize::from(mixed && i % 3 == 1)].clone();
            let bic = i.is_multiple_of(2).then(|| "GEBABEBB".to_owned());
            let address = (!i.is_multiple_of(3)).then(|| Address {
                street: (i % 3 == 2).then(|| format!("Straße {i}")),
                postcode: (i % 3 == 2).then(|| format!("{i:05}")),
                town: "Saarbrücken".to_owned(),
            });
            let payee = Payee::Bank { name: format!("Payee O'Number {i}"), iban, bic, country: country.to_owned(), address };
            Payment { reference: format!("run-7-{i:012x}"), amount_minor: 1 + (i as i128 * 7919) % 1_000_000, payee }
        };
        let mut bytes = Vec::new();
        pain001::write(&mut bytes, &order, &(0..200).map(payment).collect::<Vec<_>>()).unwrap();
        let path = folder.join(format!("{name}.xml"));
        std::fs::write(&path, &bytes).unwrap();
        files.push(path);
    }
    let validate = |files: &[std::path::PathBuf]| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pain001_xsd.py");
        Command::new(&python).arg(script).args(files).output().unwrap()
    };
    let valid = validate(&files);
    assert!(valid.status.success(), "{}{}", String::from_utf8_lossy(&valid.stdout), String::from_utf8_lossy(&valid.stderr));
    // The validator refuses what is not.
    let broken = folder.join("broken.xml");
    let text = std::fs::read_to_string(&files[0]).unwrap().replace("<PmtMtd>TRF</PmtMtd>", "<PmtMtd>CASH</PmtMtd>");
    std::fs::write(&broken, text).unwrap();
    assert_eq!(validate(&[broken]).status.code(), Some(1));
}
