//! Writes payment files of several currencies into a folder, checks each, and says how long that took.
//!
//! `cargo run --release --example files -- DIR [COUNT]`

use std::io::{BufWriter, Write};
use std::time::Instant;

use ledger::payout::iban::check_iban;
use ledger::payout::pain001::{self, Order};
use ledger::payout::pain001_check::{Expectation, ExpectedTransfer, check};
use ledger::payout::{Payee, Payment};

/// A Belgian and a Kuwaiti account with this number; check digits by trial, since the check is what is measured.
fn accounts(n: u32) -> [(String, &'static str); 2] {
    let valid = |country: &str, rest: String| {
        (2..=98).map(|check| format!("{country}{check:02}{rest}")).find(|iban| check_iban(iban).is_ok()).expect("one of 97 fits")
    };
    [(valid("BE", format!("{n:012}")), "BE"), (valid("KW", format!("CBKU{n:022}")), "KW")]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("usage: files DIR [COUNT]")?;
    let count: usize = arguments.next().map_or(Ok(100), |n| n.parse())?;
    std::fs::create_dir_all(&directory)?;
    let accounts: Vec<_> = (0..5000).map(accounts).collect();
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
            let payee = Payee::Bank { name: format!("Payee O'Number {i}"), iban, bic, country: country.to_owned() };
            Payment { reference: format!("run-7-{i:012x}"), amount_minor: 1 + (i as i128 * 7919) % 1_000_000, payee }
        };
        let payments: Vec<Payment> = (0..count).map(payment).collect();
        let path = format!("{directory}/{name}.xml");

        let start = Instant::now();
        let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(&path)?);
        let written = pain001::write(&mut out, &order, &payments)?;
        out.flush()?;
        let write_s = start.elapsed().as_secs_f64();

        let bytes = std::fs::read(&path)?;
        let start = Instant::now();
        let transfers = payments.iter().map(|p| {
            let Payee::Bank { name, iban, .. } = &p.payee else { unreachable!("all are bank accounts") };
            ExpectedTransfer { reference: &p.reference, amount_minor: p.amount_minor, iban, name }
        });
        let expectation = Expectation {
            message_id: Some(&order.message_id),
            debtor_iban: &order.debtor_iban,
            currency,
            exponent,
            transfers: transfers.collect(),
        };
        let report = check(&bytes, &expectation);
        let check_s = start.elapsed().as_secs_f64();
        if let Some(fault) = report.faults.first() {
            return Err(format!("{path}: {fault}").into());
        }
        println!(
            "{path}: {} transfers, {} bytes, written in {write_s:.2} s, checked in {check_s:.2} s",
            written.transfer_count,
            bytes.len()
        );
    }
    Ok(())
}
