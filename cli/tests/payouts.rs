//! Payouts as commands: two keys, the rail's file, what the bank reports, disputes between the keys. Every test has a copy of one home.

mod common;

use std::fs;

use common::money::{DAY, DUE, SETTLED, bert, between, settled, status, table};
use serde_json::Value;

#[test]
fn nothing_is_proposed_before_the_dispute_period_is_over() {
    settled().at(DUE - 1, &["payout", "propose", "bank.toml"]).fails(1, &["nothing to pay", "dispute period: 1 of 10 days left"]);
}

#[test]
fn accounts_of_one_payee_are_paid_by_one_payment() {
    let home = settled();
    home.proposed("bank.toml");
    let list = home.ok(DUE, &["payout", "list"]);
    assert_eq!((&list["payouts"][0]["payments"], &list["payouts"][0]["state"]), (&2.into(), &"proposed".into()), "{list}");
}

#[test]
fn letters_that_banks_do_not_take_are_spelled_otherwise_and_said() {
    let home = settled();
    let proposed = home.ok(DUE, &["payout", "propose", "bank.toml"]);
    let spelled = [("Bert Müster", "Bert Muester"), ("8 allée d’Étigny", "8 allee d'Etigny")]
        .map(|(given, written)| serde_json::json!({ "given": given, "written": written }));
    assert_eq!(proposed["spelled"], Value::from(spelled.to_vec()));
    let payout = proposed["payout"].to_string();
    home.ok(DUE, &["payout", "approve", &payout]);
    home.ok(DUE, &["payout", "export", &payout, "--out", "pay.xml"]);
    let xml = fs::read_to_string(home.world.path("pay.xml")).unwrap();
    let address = "<PstlAdr><StrtNm>8 allee d'Etigny</StrtNm><TwnNm>Luchon</TwnNm><Ctry>FR</Ctry></PstlAdr>";
    assert!(xml.contains(&format!("<Cdtr><Nm>Bert Muester</Nm>{address}</Cdtr>")), "{xml}");
}

#[test]
fn somebody_whose_rights_are_disputed_is_not_paid_and_the_others_are() {
    let home = settled();
    home.ok(DUE, &["dispute", "open", "--contributor", "anna", "--code", "rights", "--evidence", "letter.txt"]);
    let (_, xml) = home.exported();
    assert!(xml.contains("FR1420041010050500013M02606") && !xml.contains("NL91ABNA0417164300"));
    assert_eq!(home.balance("held:") + home.balance("in-flight:"), 100_000);
}

#[test]
fn a_payout_is_not_exported_before_it_is_approved() {
    let home = settled();
    let payout = home.proposed("bank.toml");
    home.at(DUE, &["payout", "export", &payout, "--out", "pay.xml"]).fails(1, &["not approved"]);
}

#[test]
fn the_operators_key_approves_nothing() {
    let home = settled();
    let payout = home.proposed("bank.toml");
    home.at(DUE, &["payout", "approve", &payout, "--key", "h/keys/operator.key"]).fails(3, &["signature"]);
}

#[test]
fn a_payout_is_approved_once() {
    let home = settled();
    let payout = home.approved();
    home.at(DUE, &["payout", "approve", &payout]).fails(3, &["approved or rejected already"]);
}

#[test]
fn a_payout_is_exported_with_the_same_bytes_again() {
    let home = settled();
    let (payout, xml) = home.exported();
    home.ok(DUE + DAY, &["payout", "export", &payout, "--out", "again.xml"]);
    assert_eq!(fs::read_to_string(home.world.path("again.xml")).unwrap(), xml);
}

#[test]
fn where_people_are_paid_is_in_no_object() {
    let home = settled();
    home.exported();
    for file in common::files(&home.world.path("h/objects")) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(8).any(|w| w == b"20041010"), "{}", file.display());
    }
}

#[test]
fn a_batch_that_was_changed_after_its_approval_is_not_exported() {
    let home = settled();
    let payout = home.approved();
    let files = common::files(&home.world.path("h/payees"));
    let batch = files.iter().find(|f| f.to_string_lossy().ends_with(".batch.age")).unwrap();
    let file = files.iter().find(|f| f.to_string_lossy() == batch.to_string_lossy().replace(".batch.age", ".age")).unwrap();
    let (kept, other) = (fs::read(file).unwrap(), fs::read(batch).unwrap());
    let export = || home.at(DUE, &["payout", "export", &payout, "--out", "pay.xml"]);
    fs::write(file, &other).unwrap();
    export().fails(3, &["its bytes have the digest"]);
    fs::write(file, &kept).unwrap();
    fs::write(batch, &kept).unwrap();
    assert_ne!(export().code, Some(0));
    fs::write(batch, &other).unwrap();
    export().ok();
}

#[test]
fn a_report_on_another_message_is_refused() {
    let home = settled();
    let (payout, _) = home.exported();
    home.world.write("foreign.xml", status("P0-other", "ACSC"));
    home.at(DUE, &["payout", "reconcile", &payout, "foreign.xml"]).fails(1, &["OrgnlMsgId", "P0-other"]);
}

#[test]
fn a_report_that_is_told_twice_is_booked_once() {
    let home = settled();
    let (payout, xml) = home.exported();
    home.world.write("status.xml", status(between(&xml, "<MsgId>", "</MsgId>"), "ACSC"));
    for new in [2, 0] {
        assert_eq!(home.ok(DUE, &["payout", "reconcile", &payout, "status.xml"])["new"], new);
    }
    assert_eq!(home.balance("paid"), 100_000);
}

#[test]
fn what_comes_back_days_after_it_arrived_is_paid_again() {
    let home = settled();
    let (payout, xml) = home.exported();
    home.world.write("status.xml", status(between(&xml, "<MsgId>", "</MsgId>"), "ACSC"));
    home.ok(DUE, &["payout", "reconcile", &payout, "status.xml"]);
    home.world.write("late.csv", table(&xml, "returned"));
    for new in [2, 0] {
        assert_eq!(home.ok(DUE, &["payout", "reconcile", &payout, "late.csv"])["new"], new);
    }
    assert_eq!((home.balance("paid"), home.balance("payable:")), (0, 100_000));
    let (again, xml) = home.exported();
    home.world.write("status.xml", status(between(&xml, "<MsgId>", "</MsgId>"), "ACSC"));
    home.ok(DUE, &["payout", "reconcile", &again, "status.xml"]);
    assert_eq!((home.balance("paid"), home.balance("payable:")), (100_000, 0));
    home.clean();
}

#[test]
fn what_the_bank_returns_is_payable_again_under_another_reference() {
    let home = settled();
    let (payout, xml) = home.exported();
    let reference = between(&xml, "<EndToEndId>", "<");
    assert!(reference.len() <= 35 && reference.starts_with("S0-"), "{reference}");
    home.world.write("returned.csv", table(&xml, "returned"));
    assert_eq!(home.ok(DUE, &["payout", "reconcile", &payout, "returned.csv"])["returned_minor"], "100000");
    let (again, other) = home.exported();
    assert!(again != payout && between(&other, "<EndToEndId>", "<") != reference);
    home.clean();
}

#[test]
fn books_do_not_close_before_every_payment_is_reported() {
    let home = settled();
    home.proposed("bank.toml");
    home.at(DUE, &["books", "close", "0"]).fails(1, &["not reconciled"]);
}

#[test]
fn a_period_closes_once() {
    let home = settled();
    home.ok(DUE, &["books", "close", "0"]);
    home.at(DUE, &["books", "close", "0"]).fails(3, &["period 0, expected 1"]);
    home.ok(DUE, &["books", "close", "1"]);
}

/// A dispute about anna; returns its entry.
fn disputed(home: &common::money::Home) -> String {
    home.ok(DUE, &["dispute", "open", "--contributor", "anna", "--code", "rights", "--evidence", "letter.txt"])["dispute"].to_string()
}

#[test]
fn more_than_the_policy_allows_is_not_clawed_back() {
    let home = settled();
    let dispute = disputed(&home);
    home.at(DUE, &["dispute", "resolve", &dispute, "--clawback-minor", "1000000", "--reasons", "letter.txt"])
        .fails(1, &["the policy allows"]);
}

#[test]
fn what_is_left_of_a_clawback_is_paid_once_no_other_dispute_is_open() {
    let home = settled();
    let (first, second) = (disputed(&home), disputed(&home));
    home.approved();
    let left = home.balance("held:");
    home.ok(DUE, &["dispute", "resolve", &first, "--clawback-minor", "300", "--reasons", "letter.txt"]);
    home.at(DUE, &["payout", "propose", "bank.toml"]).fails(1, &["nothing to pay"]);
    home.ok(DUE, &["dispute", "resolve", &second, "--reasons", "letter.txt"]);
    home.proposed("bank.toml");
    assert_eq!(home.balance("payable:"), left - 300);
    home.clean();
}

#[test]
fn a_payout_that_is_doubted_between_the_two_keys_is_not_approved() {
    let home = settled();
    let payout = home.proposed("bank.toml");
    let dispute = home.ok(DUE, &["dispute", "open", "--run", "0", "--code", "measurement", "--evidence", "letter.txt"]);
    home.at(DUE, &["payout", "approve", &payout]).fails(1, &["dispute", "is open"]);
    home.ok(DUE, &["payout", "approve", &payout, "--reject"]);
    // What comes back is not proposed again while it is doubted, and what was rejected is not exported.
    home.at(DUE, &["payout", "propose", "bank.toml"]).fails(1, &["nothing to pay", "is open: measurement"]);
    home.at(DUE, &["payout", "export", &payout, "--out", "no.xml"]).fails(1, &["not approved"]);
    home.ok(DUE, &["dispute", "resolve", &dispute["dispute"].to_string(), "--reasons", "letter.txt"]);
    assert_ne!(home.proposed("bank.toml"), payout);
}

#[test]
fn a_claim_on_a_document_holds_its_contributor_until_it_is_decided() {
    let home = settled();
    let found = home.ok(DUE, &["trace", "--text", &common::prose(0, 30)]);
    let document = found["documents"][0].as_str().unwrap();
    let claim = home.ok(DUE, &["claim", "cleo", document, "--evidence", "letter.txt", "--kind", "prior-publication"]);
    home.proposed("bank.toml");
    assert!(home.balance("held:") > 0, "anna waits");
    home.ok(DUE, &["resolve", &claim["claim"].to_string(), "--outcome", "rejected", "--reasons", "letter.txt"]);
    home.proposed("bank.toml");
    assert_eq!(home.balance("held:"), 0);
}

#[test]
fn where_somebody_is_paid_is_not_changed_silently() {
    let home = settled();
    home.world.write("other.toml", bert("FR1420041010050500013M02606"));
    home.at(DUE, &["contributor", "add", "anna", "--payee", "other.toml"]).fails(2, &["registered with another payee"]);
}

#[test]
fn a_statement_that_was_altered_is_refused() {
    let home = settled();
    let path = home.world.path("h/statements/run-0/anna.json");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    home.world.write("changed.json", bytes);
    home.at(SETTLED, &["statement", "verify", "changed.json"]).fails(3, &["changed.json"]);
}

#[test]
fn a_statement_is_verified_against_what_is_public_alone() {
    let home = settled();
    let copy = home.world.path("public");
    fs::create_dir_all(copy.join("objects")).unwrap();
    for part in ["log", "log.vkey", "objects/public"] {
        let mut command = std::process::Command::new("cp");
        assert!(command.arg("-r").args([home.world.path("h").join(part), copy.join(part)]).status().unwrap().success());
    }
    home.world.run(&["statement", "verify", "h/statements/run-0/anna.json", "--home", "public"]).ok();
}
