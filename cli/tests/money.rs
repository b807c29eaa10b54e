//! From a settled run to paid accounts: dispute periods, two keys, what a bank reports, clawbacks, and books that close.

mod common;

use std::fs;

use common::World;
use common::forge::end_with;
use corpus::Digest;
use ledger::Entry;
use ledger::entry::{BooksClose, DisputeResolution, PayoutProposal, PayoutReport, Release};
use serde_json::Value;
use store::{Class, Objects};

const DAY: u64 = 24 * 60 * 60;
const SETTLED: u64 = 1_700_000_000;

const BANK: &str = r#"
rail = "pain.001"
debtor_name = "Assay Test Cooperative"
debtor_iban = "DE89 3704 0044 0532 0130 00"
execution_date = "2024-02-01"
remittance = "Contributions"
"#;

/// Anna's work has a pool of its own, which follows one of the targets.
const STRATA: &str = r#"
[[stratum]]
name = "songs"
contributors = ["anna"]
pool_minor = 60000
targets = { "east" = 1 }
"#;

fn bank(name: &str, iban: &str) -> String {
    format!("kind = \"bank\"\nname = \"{name}\"\niban = \"{iban}\"\ncountry = \"{}\"\n", &iban[..2])
}

/// Bert has letters that banks do not take, and an address.
fn bert(iban: &str) -> String {
    bank("Bert Müster", iban) + "street = \"8 allée d’Étigny\"\ntown = \"Luchon\"\n"
}

struct Home {
    world: World,
}

impl Home {
    fn at(&self, time: u64, args: &[&str]) -> common::Ran {
        let time = time.to_string();
        self.world.run(&[args, &["--home", "h", "--now", &time]].concat())
    }

    fn ok(&self, time: u64, args: &[&str]) -> Value {
        self.at(time, args).ok()
    }

    fn clean(&self) {
        let report = self.world.audit("h", "0").ok();
        assert_eq!(report["audit"]["ok"], true, "{report}");
        let books = self.ok(SETTLED, &["books", "show"]);
        assert_eq!(books["trial_balance_minor"], "0");
    }

    fn balance(&self, prefix: &str) -> i128 {
        let books = self.ok(SETTLED, &["books", "show"]);
        let all = books["balances_minor"].as_object().unwrap();
        all.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, b)| b.as_str().unwrap().parse::<i128>().unwrap()).sum()
    }

    /// Index of the last dispute, payout or the like that a command named.
    fn payout(&self, time: u64, rail: &str) -> u64 {
        self.ok(time, &["payout", "propose", rail])["payout"].as_u64().unwrap()
    }
}

/// A settled run of three contributors, of whom two are one payee.
fn settled(pay: &str) -> Home {
    let home = trained(pay, &[]);
    let dry = home.ok(SETTLED, &["reward", "--dry-run"]);
    let reward = home.ok(SETTLED, &["reward"]);
    assert_eq!((&dry["rewards"], &dry["pools"]), (&reward["rewards"], &reward["pools"]));
    home
}

/// A run that is replayed and not settled yet; `more` are arguments of the epoch's opening.
fn trained(pay: &str, more: &[&str]) -> Home {
    // Bert's account is cleo's too.
    let payees =
        [bank("Anna Muster", "NL91ABNA0417164300"), bert("FR1420041010050500013M02606"), bert("FR14 2004 1010 0505 0001 3M02 606")];
    trained_with(World::new(), pay, more, &payees, ("EUR", "2"))
}

/// Anna, bert and cleo with these payees.
fn trained_with(world: World, pay: &str, more: &[&str], payees: &[String; 3], (currency, exponent): (&str, &str)) -> Home {
    let names = ["anna", "bert", "cleo"];
    world.write("pay.toml", pay);
    world.write("bank.toml", BANK);
    world.write("strata.toml", STRATA);
    let home = Home { world };
    home.ok(SETTLED, &["init", "--origin", "money.test/log", "--currency", currency, "--exponent", exponent]);
    for (name, payee) in names.iter().zip(payees) {
        home.world.write(&format!("{name}.toml"), payee);
        home.ok(SETTLED, &["contributor", "add", name, "--payee", &format!("{name}.toml")]);
    }
    let open =
        ["epoch", "open", "--target", "east=target/east", "--target", "west=target/west", "--pool-minor", "100000", "--hold-days", "10"];
    home.ok(SETTLED, &[&open[..], &["--pay", "pay.toml"], more].concat());
    for name in names {
        home.ok(SETTLED, &["submit", name, &format!("from/{name}")]);
    }
    home.ok(SETTLED, &["epoch", "close"]);
    home.ok(SETTLED, &["ingest", "--vocabulary", "400"]);
    home.ok(SETTLED, &["train", "tiny.toml"]);
    home.ok(SETTLED, &["replay"]);
    home
}

#[test]
fn from_a_settled_run_to_paid_accounts_and_closed_books() {
    let home = settled("threshold_minor = \"100\"\ncontrol_gap_ppm = 100000000\n");
    let due = SETTLED + 10 * DAY;
    assert_eq!(home.balance("held:"), 100_000);
    for name in ["anna", "bert", "cleo"] {
        home.ok(SETTLED, &["statement", "verify", &format!("h/statements/run-0/{name}.json")]);
    }
    home.at(due - 1, &["payout", "propose", "bank.toml"]).fails(1, &["nothing to pay", "dispute period: 1 of 10 days left"]);
    // Somebody doubts anna's rights: the others are paid.
    home.world.write("doubt.txt", "a letter");
    let dispute = home.ok(due, &["dispute", "open", "--contributor", "anna", "--code", "rights", "--evidence", "doubt.txt"]);
    let dispute = dispute["dispute"].as_u64().unwrap().to_string();
    let proposed = home.ok(due, &["payout", "propose", "bank.toml"]);
    let spelled = [("Bert Müster", "Bert Muester"), ("8 allée d’Étigny", "8 allee d'Etigny")]
        .map(|(given, written)| serde_json::json!({ "given": given, "written": written }));
    assert_eq!(proposed["spelled"], Value::from(spelled.to_vec()));
    let first = proposed["payout"].as_u64().unwrap();
    let list = home.ok(due, &["payout", "list"]);
    assert_eq!(
        (&list["payouts"][0]["payments"], &list["payouts"][0]["state"]),
        (&1.into(), &"proposed".into()),
        "bert and cleo are one payee"
    );
    let (paid, held) = (home.balance("payable:"), home.balance("held:"));
    assert_eq!(paid + held, 100_000);
    // Two keys.
    home.at(due, &["payout", "export", &first.to_string(), "--out", "pay.xml"]).fails(1, &["not approved"]);
    home.at(due, &["payout", "approve", &first.to_string(), "--key", "h/keys/operator.key"]).fails(3, &["signature"]);
    home.at(due, &["books", "close", "0"]).fails(1, &["not reconciled"]);
    home.ok(due, &["payout", "approve", &first.to_string(), "--key", "h/keys/approver.key"]);
    home.at(due, &["payout", "approve", &first.to_string()]).fails(3, &["approved or rejected already"]);
    assert_eq!((home.balance("payable:"), home.balance("in-flight:")), (0, paid));
    home.ok(due, &["payout", "export", &first.to_string(), "--out", "pay.xml"]);
    home.ok(due + DAY, &["payout", "export", &first.to_string(), "--out", "again.xml"]);
    let xml = fs::read_to_string(home.world.path("pay.xml")).unwrap();
    assert_eq!(xml, fs::read_to_string(home.world.path("again.xml")).unwrap());
    assert!(xml.contains("FR1420041010050500013M02606") && !xml.contains("NL91ABNA0417164300"));
    let address = "<PstlAdr><StrtNm>8 allee d'Etigny</StrtNm><TwnNm>Luchon</TwnNm><Ctry>FR</Ctry></PstlAdr>";
    assert!(xml.contains(&format!("<Cdtr><Nm>Bert Muester</Nm>{address}</Cdtr>")), "{xml}");
    // Nothing of it is in the log's objects.
    for file in common::files(&home.world.path("h/objects")) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(8).any(|w| w == b"20041010"), "{}", file.display());
    }
    a_batch_that_was_changed_is_refused(&home, first);
    // The bank says that it arrived.
    let between = |from: &str, to: &str| xml.split_once(from).unwrap().1.split_once(to).unwrap().0.to_string();
    let report = |message: &str, status: &str| {
        format!(
            "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.002.001.10\"><CstmrPmtStsRpt><GrpHdr><MsgId>R1</MsgId>\
             <CreDtTm>2024-02-02T10:00:00Z</CreDtTm></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>{message}</OrgnlMsgId>\
             <OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>{status}</GrpSts></OrgnlGrpInfAndSts></CstmrPmtStsRpt></Document>"
        )
    };
    home.world.write("foreign.xml", report("P0-other", "ACSC"));
    home.at(due, &["payout", "reconcile", &first.to_string(), "foreign.xml"]).fails(1, &["OrgnlMsgId", "P0-other"]);
    home.world.write("status.xml", report(&between("<MsgId>", "</MsgId>"), "ACSC"));
    let booked = home.ok(due, &["payout", "reconcile", &first.to_string(), "status.xml"]);
    assert_eq!(booked["settled_minor"], paid.to_string());
    assert_eq!(home.ok(due, &["payout", "reconcile", &first.to_string(), "status.xml"])["new"], 0, "told twice, booked once");
    assert_eq!((home.balance("paid"), home.balance("in-flight:")), (paid, 0));
    // Days later one comes back after all, and is paid again.
    let (reference, amount) = (between("<EndToEndId>", "<"), between("<InstdAmt Ccy=\"EUR\">", "<"));
    home.world.write("late.csv", format!("reference,status,amount,reason\r\n{reference},returned,{amount},account closed\r\n"));
    for expected in [1, 0] {
        assert_eq!(home.ok(due, &["payout", "reconcile", &first.to_string(), "late.csv"])["new"], expected);
    }
    assert_eq!((home.balance("paid"), home.balance("payable:")), (0, paid));
    let again = home.payout(due, "bank.toml").to_string();
    home.ok(due, &["payout", "approve", &again]);
    home.ok(due, &["payout", "export", &again, "--out", "again.xml"]);
    let again_xml = fs::read_to_string(home.world.path("again.xml")).unwrap();
    let message = again_xml.split_once("<MsgId>").unwrap().1.split_once('<').unwrap().0;
    home.world.write("status.xml", report(message, "ACSC"));
    home.ok(due, &["payout", "reconcile", &again, "status.xml"]);
    assert_eq!((home.balance("paid"), home.balance("payable:")), (paid, 0));
    home.ok(due, &["books", "close", "0"]);
    home.at(due, &["books", "close", "0"]).fails(3, &["period 0, expected 1"]);
    home.clean();
    // Part of what anna has is taken back, and the rest is payable once no other dispute is open.
    home.world.write("reasons.txt", "half of it was another's");
    home.at(due, &["dispute", "resolve", &dispute, "--clawback-minor", "1000000", "--reasons", "reasons.txt"])
        .fails(1, &["the policy allows"]);
    let other = home.ok(due, &["dispute", "open", "--contributor", "anna", "--code", "identity", "--evidence", "doubt.txt"]);
    home.ok(due, &["dispute", "resolve", &dispute, "--clawback-minor", "300", "--reasons", "reasons.txt"]);
    home.at(due, &["payout", "propose", "bank.toml"]).fails(1, &["nothing to pay"]);
    home.ok(due, &["dispute", "resolve", &other["dispute"].to_string(), "--reasons", "reasons.txt"]);
    let second = home.payout(due, "bank.toml");
    assert_eq!(home.balance("payable:"), held - 300);
    // Doubted between the two keys: what was reserved is not approved, and what comes back is not proposed again.
    let late = home.ok(due, &["dispute", "open", "--run", "0", "--code", "measurement", "--evidence", "doubt.txt"]);
    home.at(due, &["payout", "approve", &second.to_string()]).fails(1, &["dispute", "is open"]);
    home.ok(due, &["payout", "approve", &second.to_string(), "--reject"]);
    home.at(due, &["payout", "propose", "bank.toml"]).fails(1, &["nothing to pay", "is open: measurement"]);
    home.ok(due, &["dispute", "resolve", &late["dispute"].to_string(), "--reasons", "reasons.txt"]);
    home.at(due, &["payout", "export", &second.to_string(), "--out", "no.xml"]).fails(1, &["not approved"]);
    // Where somebody is paid cannot be changed under its digest, nor silently.
    home.at(due, &["contributor", "add", "anna", "--payee", "bert.toml"]).fails(2, &["registered with another payee"]);
    // What comes back is payable again, and is paid under another reference.
    let third = home.payout(due, "bank.toml");
    home.ok(due, &["payout", "approve", &third.to_string()]);
    home.ok(due, &["payout", "export", &third.to_string(), "--out", "third.xml"]);
    let xml = fs::read_to_string(home.world.path("third.xml")).unwrap();
    let reference = xml.split_once("<EndToEndId>").unwrap().1.split_once('<').unwrap().0.to_string();
    let amount = xml.split_once("<InstdAmt Ccy=\"EUR\">").unwrap().1.split_once('<').unwrap().0.to_string();
    assert!(reference.len() <= 35 && reference.starts_with("S0-"), "{reference}");
    home.world.write("returned.csv", format!("reference,status,amount,reason\r\n{reference},returned,{amount},account closed\r\n"));
    let back = home.ok(due, &["payout", "reconcile", &third.to_string(), "returned.csv"]);
    assert_eq!(back["returned_minor"], (held - 300).to_string());
    assert_eq!(home.balance("payable:"), held - 300);
    home.clean();
    let fourth = home.payout(due + DAY, "bank.toml");
    assert_ne!(fourth, third);
    home.ok(due + DAY, &["payout", "approve", &fourth.to_string(), "--reject"]);
    home.ok(due + DAY, &["books", "close", "1"]);
    home.clean();
    let rebuilt = home.ok(due, &["index", "rebuild"]);
    assert_eq!((&rebuilt["same"], &rebuilt["matches_log"]), (&true.into(), &true.into()), "{rebuilt}");
}

/// What is kept of a batch is changed after the approval.
fn a_batch_that_was_changed_is_refused(home: &Home, payout: u64) {
    let folder = home.world.path("h/payees");
    let files = common::files(&folder);
    let batch = files.iter().find(|f| f.to_string_lossy().ends_with(".batch.age")).unwrap();
    let file = files.iter().find(|f| f.to_string_lossy() == batch.to_string_lossy().replace(".batch.age", ".age")).unwrap();
    let (kept, other) = (fs::read(file).unwrap(), fs::read(batch).unwrap());
    fs::write(file, &other).unwrap();
    home.at(SETTLED, &["payout", "export", &payout.to_string(), "--out", "no.xml"]).fails(3, &["its bytes have the digest"]);
    fs::write(file, &kept).unwrap();
    fs::write(batch, &kept).unwrap();
    assert_ne!(home.at(SETTLED, &["payout", "export", &payout.to_string(), "--out", "no.xml"]).code, Some(0));
    fs::write(batch, &other).unwrap();
    home.ok(SETTLED, &["payout", "export", &payout.to_string(), "--out", "pay.xml"]);
}

#[test]
fn a_cooperative_may_pay_by_work_and_by_novelty_with_the_same_machinery() {
    let home = settled("[follows]\nattribution = 500000\nnovel-tokens = 250000\naccepted-works = 250000\n");
    let reward = home.ok(SETTLED, &["reward", "--dry-run"]);
    let pools = reward["pools"].as_array().unwrap();
    let minor = |v: &Value| v.as_str().unwrap().parse::<i128>().unwrap();
    assert_eq!(pools.iter().map(|p| minor(&p["pool"]["pool_minor"])).collect::<Vec<_>>(), [50_000, 25_000, 25_000]);
    for pool in pools {
        let accrued: i128 = pool["lines"].as_array().unwrap().iter().map(|l| minor(&l["accrued_minor"])).sum();
        assert_eq!(accrued, minor(&pool["pool"]["pool_minor"]), "{pool}");
    }
    let works: Vec<&str> = pools[2]["lines"].as_array().unwrap().iter().map(|l| l["weight"].as_str().unwrap()).collect();
    assert_eq!(works, ["8", "8", "8"]);
    home.clean();
}

#[test]
fn the_decimals_of_a_currency_are_those_of_iso_4217() {
    let home = Home { world: World::new() };
    let init = |more: &[&str]| {
        std::fs::remove_dir_all(home.world.path("h")).ok();
        home.at(SETTLED, &[&["init", "--origin", "money.test/log", "--currency"], more].concat())
    };
    for code in ["EUR", "XTS", "NEAR"] {
        assert_eq!(init(&[code]).ok()["currency_exponent"], 2, "{code}");
    }
    // Who gives none may not know that there are no hundredths.
    for (code, said) in [("JPY", "--exponent 0"), ("KWD", "--exponent 3"), ("CLF", "--exponent 4")] {
        init(&[code]).fails(2, &[said]);
        assert!(!home.world.path("h/assay.toml").exists(), "{code}");
    }
    for (code, decimals) in [("JPY", "0"), ("KWD", "3"), ("XAU", "6"), ("XTS", "0"), ("USDC", "6"), ("NEAR", "24")] {
        assert_eq!(init(&[code, "--exponent", decimals]).ok()["currency_exponent"].to_string(), decimals, "{code}");
    }
    for (code, decimals, said) in
        [("JPY", "2", "ISO 4217 has 0"), ("KWD", "2", "ISO 4217 has 3"), ("EUR", "6", "ISO 4217 has 2"), ("eur", "2", "\"EUR\"")]
    {
        init(&[code, "--exponent", decimals]).fails(2, &[said]);
        assert!(!home.world.path("h/assay.toml").exists(), "{code}");
    }
}

#[test]
fn bad_pay_payees_and_rails_are_refused_with_what_is_wrong() {
    let world = World::new();
    let home = Home { world };
    home.ok(SETTLED, &["init", "--origin", "money.test/log"]);
    let cases = [
        ("kind = \"bank\"\nname = \"A\"\niban = \"NL91ABNA0417164301\"\ncountry = \"NL\"\n", "IBAN"),
        ("kind = \"other\"\nreference = \"\"\n", "expected one with a letter or a digit"),
        ("kind = \"other\"\nreference = \" \\t-\"\n", "expected one with a letter or a digit"),
        ("kind = \"bank\"\nname = \"A\"\niban = \"NL91ABNA0417164300\"\ncountry = \"NL\"\nstreet = \"Dam 1\"\n", "without a town"),
        ("kind = \"bank\"\nname = \"A\"\niban = \"NL91ABNA0417164300\"\ncountry = \"NL\"\ntown = \"\"\n", "town \"\" is empty"),
        ("kind = \"bank\"\nname = \"山田\"\niban = \"NL91ABNA0417164300\"\ncountry = \"NL\"\n", "Latin letters"),
        ("kind = \"bank\"\nname = \"-\"\niban = \"NL91ABNA0417164300\"\ncountry = \"NL\"\n", "no letter and no digit"),
        ("kind = \"evm\"\naddress = \"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed\"\n", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed"),
        ("kind = \"near\"\naccount = \"Not.An.Account\"\n", "Not.An.Account"),
        ("kind = \"cash\"\n", "cash"),
        ("somewhere", "payee:"),
    ];
    for (text, said) in cases {
        home.world.write("payee.toml", text);
        home.at(SETTLED, &["contributor", "add", "anna", "--payee", "payee.toml"]).fails(2, &[said]);
    }
    let open = ["epoch", "open", "--target", "target/east", "--target", "target/west", "--pool-minor", "100000", "--pay", "pay.toml"];
    for (text, said) in [
        ("[follows]\nattribution = 900000\n", "parts of 900000 millionths"),
        ("stake_minor = \"-1\"\n", "none below 0"),
        ("shrinkage = 1\n", "shrinkage"),
        ("[follows]\nfame = 1000000\n", "fame"),
    ] {
        home.world.write("pay.toml", text);
        home.at(SETTLED, &open).fails(2, &[said]);
    }
    home.world.write("strata.toml", "[[stratum]]\nname = \"prose\"\nsources = [\"*\"]\npool_minor = 100001\n");
    home.world.write("pay.toml", "");
    home.at(SETTLED, &[&open[..], &["--strata", "strata.toml"]].concat()).fails(2, &["strata have 100001"]);
    home.world.write("rail.toml", "rail = \"pigeon\"\n");
    home.at(SETTLED, &["payout", "propose", "rail.toml"]).fails(2, &["pigeon"]);
    home.at(SETTLED, &["payout", "approve", "7"]).fails(2, &["no entry proposes it"]);
    home.at(SETTLED, &["dispute", "resolve", "7", "--reasons", "rail.toml"]).fails(2, &["no entry opened one"]);
}

#[test]
fn what_nobody_may_be_paid_for_is_held_until_it_is_decided() {
    let home = settled("control_gap_ppm = 100000000\n");
    let due = SETTLED + 10 * DAY;
    home.world.write("evidence.txt", "published earlier");
    let document = |name: &str, text: u64| {
        let found = home.ok(due, &["trace", "--text", &common::prose(text, 30)]);
        (name.to_string(), found["documents"][0].as_str().unwrap().to_string())
    };
    // Cleo says that a document of anna's is hers; anna waits, and the run's measurement is doubted.
    let (_, claimed) = document("anna", 0);
    let claim = home.ok(due, &["claim", "cleo", &claimed, "--evidence", "evidence.txt", "--kind", "prior-publication"]);
    let run = home.ok(due, &["dispute", "open", "--run", "0", "--code", "measurement", "--evidence", "evidence.txt"]);
    home.at(due, &["payout", "propose", "bank.toml"]).fails(1, &["nothing to pay", "dispute", "measurement"]);
    home.ok(due, &["dispute", "resolve", &run["dispute"].to_string(), "--reasons", "evidence.txt"]);
    home.payout(due, "bank.toml");
    let list = home.at(due, &["payout", "list"]).ok();
    assert_eq!(list["payouts"][0]["payments"], 1, "anna is not paid: {list}");
    home.ok(due, &["resolve", &claim["claim"].to_string(), "--outcome", "rejected", "--reasons", "evidence.txt"]);
    home.payout(due, "bank.toml");
    assert_eq!(home.balance("held:"), 0);
    home.clean();
}

/// A forgery that the audit has to name.
type Forge = fn(&Objects, &Entry) -> Option<Entry>;

const FORGERIES: &[(&str, Forge)] = &[
    // Before the dispute period is over.
    ("release-list", |_, e| match e {
        Entry::Release(e) => Some(Release { time: e.time - 5 * DAY, ..e.clone() }.into()),
        _ => None,
    }),
    // Somebody whom nothing holds is left out.
    ("release-list", |objects, e| match e {
        Entry::Release(e) => {
            let list = String::from_utf8(objects.get(Class::Public, &e.list).unwrap()).unwrap();
            let (first, _) = list.split_once('\n').unwrap();
            let amount = first.split_once("minor\":\"").unwrap().1.split_once('"').unwrap().0;
            let list = objects.put(Class::Public, format!("{first}\n").as_bytes()).unwrap();
            Some(Release { list, contributors: 1, total_minor: amount.parse().unwrap(), ..e.clone() }.into())
        }
        _ => None,
    }),
    ("payout-list", |_, e| match e {
        Entry::PayoutProposal(e) => Some(PayoutProposal { root: Digest::of(b"other"), ..e.clone() }.into()),
        _ => None,
    }),
    // More than an account has.
    ("books", |objects, e| match e {
        Entry::PayoutProposal(e) => {
            let list = String::from_utf8(objects.get(Class::Public, &e.list).unwrap()).unwrap();
            let list = objects.put(Class::Public, list.replacen("minor\":\"", "minor\":\"9", 1).as_bytes()).unwrap();
            Some(PayoutProposal { list, ..e.clone() }.into())
        }
        _ => None,
    }),
    // It came back to somebody who was not paid.
    ("settlement-returned", |objects, e| match e {
        Entry::PayoutReport(e) => {
            let list = String::from_utf8(objects.get(Class::Public, &e.returned).unwrap()).unwrap();
            let id = list.split_once("contributor\":\"").unwrap().1;
            let other = if id.starts_with('0') { "1" } else { "0" };
            let returned = objects.put(Class::Public, list.replacen(&id[..32], &format!("{other}{}", &id[1..32]), 1).as_bytes()).unwrap();
            Some(PayoutReport { returned, ..e.clone() }.into())
        }
        _ => None,
    }),
    ("close-balances", |_, e| match e {
        Entry::BooksClose(e) => Some(BooksClose { accounts: e.accounts + 1, ..e.clone() }.into()),
        _ => None,
    }),
    ("clawback-cap", |_, e| match e {
        Entry::DisputeResolution(e) => Some(DisputeResolution { amount_minor: 100_001, ..e.clone() }.into()),
        _ => None,
    }),
];

#[test]
fn every_forged_movement_of_money_is_found_by_its_rule() {
    let home = settled("control_gap_ppm = 100000000\n");
    let due = SETTLED + 10 * DAY;
    home.world.write("evidence.txt", "a letter");
    let dispute = home.ok(due, &["dispute", "open", "--contributor", "anna", "--code", "rights", "--evidence", "evidence.txt"]);
    let payout = home.payout(due, "bank.toml").to_string();
    home.ok(due, &["payout", "approve", &payout]);
    home.ok(due, &["payout", "export", &payout, "--out", "pay.xml"]);
    let xml = fs::read_to_string(home.world.path("pay.xml")).unwrap();
    let between = |from: &str| xml.split_once(from).unwrap().1.split_once('<').unwrap().0.to_string();
    let row = format!("{},returned,{},closed", between("<EndToEndId>"), between("<InstdAmt Ccy=\"EUR\">"));
    home.world.write("returned.csv", format!("reference,status,amount,reason\r\n{row}\r\n"));
    home.ok(due, &["payout", "reconcile", &payout, "returned.csv"]);
    home.ok(due, &["books", "close", "0"]);
    let dispute = dispute["dispute"].to_string();
    home.ok(due, &["dispute", "resolve", &dispute, "--clawback-minor", "300", "--reasons", "evidence.txt"]);
    home.clean();
    fs::rename(home.world.path("h"), home.world.path("template")).unwrap();
    for (rule, forge) in FORGERIES {
        fs::remove_dir_all(home.world.path("h")).ok();
        let mut copy = std::process::Command::new("cp");
        assert!(copy.arg("-r").args([home.world.path("template"), home.world.path("h")]).status().unwrap().success());
        end_with(&home.world, forge);
        let audit = home.world.audit("h", "0");
        let rules: Vec<&Value> = audit.json["audit"]["findings"].as_array().unwrap().iter().map(|f| &f["rule"]).collect();
        assert!(rules.contains(&&Value::from(*rule)), "{rule} is not in {}", audit.json);
    }
}

/// Minor units by contributor and pool.
fn accrued(reward: &Value, pool: usize) -> std::collections::BTreeMap<String, i128> {
    let lines = reward["pools"][pool]["lines"].as_array().unwrap();
    let line = |l: &Value| (l["contributor"].as_str().unwrap().to_string(), l["accrued_minor"].as_str().unwrap().parse().unwrap());
    lines.iter().map(line).collect()
}

#[test]
fn a_stratum_with_a_pool_is_paid_by_its_own_targets_and_anybody_can_check_it() {
    let home = trained("", &["--strata", "strata.toml"]);
    let reward = home.ok(SETTLED, &["reward"]);
    assert_eq!((&reward["pools"][0]["pool"]["stratum"], &reward["pools"][1]["pool"]["stratum"]), (&"songs".into(), &"other".into()));
    let (songs, other) = (accrued(&reward, 0), accrued(&reward, 1));
    assert_eq!((songs.values().sum::<i128>(), other.values().sum::<i128>()), (60_000, 40_000));
    // One of three has all of the one pool and nothing of the other.
    let (anna, _) = songs.iter().find(|(_, amount)| **amount == 60_000).expect("anna alone");
    assert_eq!(other[anna], 0);
    home.clean();
    // Without anything that is not public.
    let copy = home.world.path("public");
    fs::create_dir_all(copy.join("objects")).unwrap();
    for part in ["log", "log.vkey", "objects/public"] {
        let mut command = std::process::Command::new("cp");
        assert!(command.arg("-r").args([home.world.path("h").join(part), copy.join(part)]).status().unwrap().success());
    }
    for name in ["anna", "bert", "cleo"] {
        home.world.run(&["statement", "verify", &format!("h/statements/run-0/{name}.json"), "--home", "public"]).ok();
    }
}

#[test]
fn credit_goes_to_who_showed_that_a_work_is_its_own_if_the_policy_asks_for_evidence() {
    let earliest = settled("");
    let home = trained("credit_unit = \"evidence-backed\"\n", &[]);
    home.world.write("evidence.txt", "a contract");
    // All of anna's works are cleo's.
    let works: Vec<String> = (0..8)
        .map(|text| home.ok(SETTLED, &["trace", "--text", &common::prose(text, 30)])["documents"][0].as_str().unwrap().to_string())
        .collect();
    let mut claim = vec!["claim", "cleo", "--evidence", "evidence.txt", "--kind", "contract"];
    claim.extend(works.iter().map(String::as_str));
    let claim = home.ok(SETTLED, &claim)["claim"].to_string();
    home.ok(SETTLED, &["resolve", &claim, "--outcome", "upheld", "--reasons", "evidence.txt"]);
    let (before, after) = (earliest.ok(SETTLED, &["reward", "--dry-run"]), home.ok(SETTLED, &["reward"]));
    let zeros = |reward: &Value| accrued(reward, 0).values().filter(|a| **a == 0).count();
    assert_eq!((zeros(&before), zeros(&after)), (0, 1), "anna accrues nothing: {after}");
    assert_eq!(accrued(&after, 0).values().sum::<i128>(), 100_000);
    home.ok(SETTLED, &["statement", "verify", "h/statements/run-0/cleo.json"]);
    home.clean();
}

#[test]
fn what_was_settled_stays_what_it_was_when_epochs_and_accounts_follow() {
    let home = settled("control_gap_ppm = 100000000\noffset_epochs = 3\nstake_minor = \"50\"\n");
    let due = SETTLED + 10 * DAY;
    home.world.write("evidence.txt", "a letter");
    // Nearly all that anna was given is taken back, after it was paid: an offset of this epoch.
    let payout = home.payout(due, "bank.toml").to_string();
    home.ok(due, &["payout", "approve", &payout]);
    let dispute = home.ok(due, &["dispute", "open", "--contributor", "anna", "--code", "rights", "--evidence", "evidence.txt"]);
    let dispute = dispute["dispute"].to_string();
    home.ok(due, &["dispute", "resolve", &dispute, "--clawback-minor", "1000", "--reasons", "evidence.txt"]);
    assert_eq!(home.balance("due:"), -1000);
    home.clean();
    // Another account of bert's bank registers later, with an id of its own, and two more epochs open.
    home.world.write("dora.toml", bert("FR1420041010050500013M02606"));
    home.ok(due, &["contributor", "add", "dora", "--payee", "dora.toml"]);
    let open =
        ["epoch", "open", "--target", "east=target/east", "--target", "west=target/west", "--pool-minor", "50000", "--hold-days", "10"];
    home.ok(due, &[&open[..], &["--pay", "pay.toml"]].concat());
    home.world.lines("from/cleo2/more.jsonl", (0..6).map(|d| common::prose(7_000 + d, 30)), "MIT");
    home.world.lines("from/anna2/more.jsonl", (0..6).map(|d| common::prose(8_000 + d, 30)), "MIT");
    home.ok(due, &["submit", "anna", "from/anna2"]);
    home.ok(due, &["submit", "cleo", "from/cleo2"]);
    home.ok(due, &["epoch", "close"]);
    home.ok(due, &["ingest"]);
    home.ok(due, &["train", "tiny.toml"]);
    home.ok(due, &["replay", "--run", "1"]);
    let reward = home.ok(due, &["reward", "--run", "1"]);
    // What anna earns now pays back what was taken, to the operator.
    let recovered: i128 =
        reward["payees"].as_array().unwrap().iter().map(|p| p["recovered_minor"].as_str().unwrap().parse::<i128>().unwrap()).sum();
    assert_eq!((recovered, home.balance("due:")), (1000, 0), "{reward}");
    home.clean();
    home.ok(due, &[&open[..], &["--pay", "pay.toml"]].concat());
    home.ok(due, &["contributor", "add", "emil"]);
    home.clean();
    for (run, names) in [(0, vec!["anna", "bert", "cleo"]), (1, vec!["anna", "cleo"])] {
        for name in names {
            home.ok(due, &["statement", "verify", &format!("h/statements/run-{run}/{name}.json")]);
        }
    }
}

#[test]
fn chains_and_people_who_pay_by_hand_get_their_files_too() {
    let world = World::new();
    let address = ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"];
    let payees = [
        format!("kind = \"evm\"\naddress = \"{}\"\n", address[0]),
        format!("kind = \"evm\"\naddress = \"{}\"\n", address[1]),
        "kind = \"near\"\naccount = \"cleo.near\"\n".to_string(),
    ];
    let home = trained_with(world, "control_gap_ppm = 100000000\n", &[], &payees, ("USDC", "6"));
    home.ok(SETTLED, &["reward"]);
    let due = SETTLED + 10 * DAY;
    let merkle = |decimals: u8| {
        format!(
            "rail = \"merkle-distributor\"\nchain_id = 1\ndistributor = \"0x00000000000000000000000000000000000000d1\"\n\
             token = \"0x00000000000000000000000000000000000000c0\"\ndecimals = {decimals}\nperiod = \"0x{}\"\n",
            "07".repeat(32)
        )
    };
    home.world.write("wrong.toml", merkle(18));
    home.at(due, &["payout", "propose", "wrong.toml"]).fails(2, &["18 decimals", "USDC has 6"]);
    home.world.write("merkle.toml", merkle(6));
    let payout = home.payout(due, "merkle.toml").to_string();
    home.at(due, &["payout", "propose", "merkle.toml"]).fails(1, &["is not paid by merkle-distributor"]);
    home.ok(due, &["payout", "approve", &payout]);
    assert_eq!(home.ok(due, &["payout", "export", &payout, "--out", "tree.json"])["claims"], 2);
    let tree: Value = serde_json::from_slice(&fs::read(home.world.path("tree.json")).unwrap()).unwrap();
    assert_eq!((&tree["format"], tree["values"].as_array().unwrap().len()), (&"standard-v1".into(), 2));
    let mut sum = 0;
    for (name, address) in ["anna", "bert"].iter().zip(address) {
        let claim = fs::read(home.world.path(&format!("h/statements/payout-{payout}/{name}.claim.json"))).unwrap();
        let claim: rails::claim_proof::ClaimProof = serde_json::from_slice(&claim).unwrap();
        claim.verify().unwrap();
        assert_eq!(rails::address::checksummed(&claim.account), address);
        sum += claim.amount_minor;
    }
    assert_eq!(sum, home.balance("in-flight:"));
    home.world.write("near.toml", "rail = \"nep-141\"\nsender_id = \"coop.near\"\ncontract_id = \"usdc.near\"\ndecimals = 6\n");
    let payout = home.payout(due, "near.toml").to_string();
    home.ok(due, &["payout", "approve", &payout]);
    home.ok(due, &["payout", "export", &payout, "--out", "near.json"]);
    assert!(fs::read_to_string(home.world.path("near.json")).unwrap().contains("cleo.near"));
    assert_eq!(home.balance("in-flight:"), 100_000);
    home.clean();
}

#[test]
fn killed_at_any_point_a_payout_goes_on_to_books_that_balance() {
    let home = settled("control_gap_ppm = 100000000\n");
    let due = (SETTLED + 10 * DAY).to_string();
    let begun = std::time::Instant::now();
    home.ok(SETTLED, &["payout", "list"]);
    let whole = begun.elapsed().max(std::time::Duration::from_millis(20));
    let mut kills = 0;
    // Killed earlier and later, until it ends by itself; whatever it had done, it can be told again.
    let mut tell = |args: &[&str]| {
        for i in 1..=40u32 {
            let mut command = home.world.command(&[args, &["--home", "h", "--now", &due]].concat());
            let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
            std::thread::sleep(whole * i / 10);
            if child.try_wait().unwrap().is_some() {
                return;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        home.world.run(&[args, &["--home", "h", "--now", &due]].concat());
    };
    tell(&["payout", "propose", "bank.toml"]);
    let now: u64 = due.parse().unwrap();
    let payouts = || home.ok(now, &["payout", "list"])["payouts"].as_array().unwrap().clone();
    // One proposal has all of it; a second one found nothing left.
    assert_eq!((payouts().len(), &payouts()[0]["total_minor"]), (1, &"100000".into()), "{:?}", payouts());
    let payout = payouts()[0]["payout"].to_string();
    tell(&["payout", "approve", &payout]);
    tell(&["payout", "export", &payout, "--out", "pay.xml"]);
    let xml = fs::read_to_string(home.world.path("pay.xml")).unwrap();
    let mut rows = String::from("reference,status,amount,reason\r\n");
    for transfer in xml.split("<EndToEndId>").skip(1) {
        let reference = transfer.split_once('<').unwrap().0;
        let amount = transfer.split_once("<InstdAmt Ccy=\"EUR\">").unwrap().1.split_once('<').unwrap().0;
        rows += &format!("{reference},settled,{amount},\r\n");
    }
    home.world.write("settled.csv", rows);
    tell(&["payout", "reconcile", &payout, "settled.csv"]);
    tell(&["books", "close", "0"]);
    assert!(kills >= 5, "only {kills} kills in {whole:?}");
    assert_eq!((home.balance("paid"), home.balance("held:"), home.balance("in-flight:")), (100_000, 0, 0));
    home.clean();
    let rebuilt = home.ok(now, &["catalog", "rebuild"]);
    assert_eq!((&rebuilt["same"], &rebuilt["matches_log"]), (&true.into(), &true.into()), "{rebuilt}");
}
