//! Writes payments as a table, and reads what a person says became of them.
//!
//! `cargo run --release -p rails --example payments_as_csv`

use rails::csv::{read_reconciliation, write};
use rails::{Payee, Payment};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let payment = |reference: &str, amount_minor: i128, payee: Payee| Payment { reference: reference.to_string(), amount_minor, payee };
    let payments = [
        payment("S0-ada", 125_000, Payee::Near("ada.near".to_string())),
        payment("S0-bert", 99, Payee::Other("in cash, at the office".to_string())),
    ];
    let mut table = Vec::new();
    write(&mut table, "EUR", 2, &payments)?;
    print!("{}", String::from_utf8(table)?);
    let said = "reference,status,amount,reason\r\nS0-ada,settled,1250.00,\r\nS0-bert,returned,0.99,moved away\r\n";
    for line in read_reconciliation(said.as_bytes(), 2, &payments)? {
        println!("{line:?}");
    }
    Ok(())
}
