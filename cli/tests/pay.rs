//! The way of a cent: from a settled run to paid accounts and closed books, by bank, by chain and by hand, killed at any point.

mod common;

use std::fs;

use common::World;
use common::money::{DUE, Home, SETTLED, between, settled, status, table, trained_with};
use serde_json::Value;

#[test]
fn from_a_settled_run_to_paid_accounts_and_closed_books() {
    let home = settled();
    assert_eq!(home.balance("held:"), 100_000);
    for name in ["anna", "bert", "cleo"] {
        home.ok(SETTLED, &["statement", "verify", &format!("h/statements/run-0/{name}.json")]);
    }
    let payout = home.proposed("bank.toml");
    assert_eq!((home.balance("payable:"), home.balance("held:")), (100_000, 0));
    home.ok(DUE, &["payout", "approve", &payout, "--key", "h/keys/approver.key"]);
    assert_eq!((home.balance("payable:"), home.balance("in-flight:")), (0, 100_000));
    home.ok(DUE, &["payout", "export", &payout, "--out", "pay.xml"]);
    let xml = fs::read_to_string(home.world.path("pay.xml")).unwrap();
    home.world.write("status.xml", status(between(&xml, "<MsgId>", "</MsgId>"), "ACSC"));
    let booked = home.ok(DUE, &["payout", "reconcile", &payout, "status.xml"]);
    assert_eq!(booked["settled_minor"], "100000");
    assert_eq!((home.balance("paid"), home.balance("in-flight:")), (100_000, 0));
    home.ok(DUE, &["books", "close", "0"]);
    home.clean();
    let rebuilt = home.ok(DUE, &["catalog", "rebuild"]);
    assert_eq!((&rebuilt["same"], &rebuilt["matches_log"]), (&true.into(), &true.into()), "{rebuilt}");
}

#[test]
fn what_a_dry_run_says_is_what_is_settled() {
    let home = settled();
    let (dry, again) = (home.ok(SETTLED, &["reward", "--dry-run"]), home.ok(SETTLED, &["reward"]));
    assert_eq!((&dry["rewards"], &dry["pools"]), (&again["rewards"], &again["pools"]));
}

/// A settled run of two contributors with addresses on a chain, and one with an account on another.
fn on_chains(addresses: &[&str; 2]) -> Home {
    let payees = [
        format!("kind = \"evm\"\naddress = \"{}\"\n", addresses[0]),
        format!("kind = \"evm\"\naddress = \"{}\"\n", addresses[1]),
        "kind = \"near\"\naccount = \"cleo.near\"\n".to_string(),
    ];
    let home = trained_with(World::new(), &payees, ("USDC", "6"));
    home.ok(SETTLED, &["reward"]);
    home
}

#[test]
fn chains_and_people_who_pay_by_hand_get_their_files_too() {
    let addresses = ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"];
    let home = on_chains(&addresses);
    let merkle = |decimals: u8| {
        format!(
            "rail = \"merkle-distributor\"\nchain_id = 1\ndistributor = \"0x00000000000000000000000000000000000000d1\"\n\
             token = \"0x00000000000000000000000000000000000000c0\"\ndecimals = {decimals}\nperiod = \"0x{}\"\n",
            "07".repeat(32)
        )
    };
    home.world.write("wrong.toml", merkle(18));
    home.at(DUE, &["payout", "propose", "wrong.toml"]).fails(2, &["18 decimals", "USDC has 6"]);
    home.world.write("merkle.toml", merkle(6));
    let payout = home.proposed("merkle.toml");
    home.at(DUE, &["payout", "propose", "merkle.toml"]).fails(1, &["is not paid by merkle-distributor"]);
    home.ok(DUE, &["payout", "approve", &payout]);
    assert_eq!(home.ok(DUE, &["payout", "export", &payout, "--out", "tree.json"])["claims"], 2);
    let tree: Value = serde_json::from_slice(&fs::read(home.world.path("tree.json")).unwrap()).unwrap();
    assert_eq!((&tree["format"], tree["values"].as_array().unwrap().len()), (&"standard-v1".into(), 2));
    let mut sum = 0;
    for (name, address) in ["anna", "bert"].iter().zip(addresses) {
        let claim = fs::read(home.world.path(&format!("h/statements/payout-{payout}/{name}.claim.json"))).unwrap();
        let claim: rails::claim_proof::ClaimProof = serde_json::from_slice(&claim).unwrap();
        claim.verify().unwrap();
        assert_eq!(rails::address::checksummed(&claim.account), address);
        sum += claim.amount_minor;
    }
    assert_eq!(sum, home.balance("in-flight:"));
    home.world.write("near.toml", "rail = \"nep-141\"\nsender_id = \"coop.near\"\ncontract_id = \"usdc.near\"\ndecimals = 6\n");
    let payout = home.proposed("near.toml");
    home.ok(DUE, &["payout", "approve", &payout]);
    home.ok(DUE, &["payout", "export", &payout, "--out", "near.json"]);
    assert!(fs::read_to_string(home.world.path("near.json")).unwrap().contains("cleo.near"));
    assert_eq!(home.balance("in-flight:"), 100_000);
    home.clean();
}

#[test]
fn killed_at_any_point_a_payout_goes_on_to_books_that_balance() {
    let home = settled();
    let due = DUE.to_string();
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
    let payouts = || home.ok(DUE, &["payout", "list"])["payouts"].as_array().unwrap().clone();
    // One proposal has all of it; a second one found nothing left.
    assert_eq!((payouts().len(), &payouts()[0]["total_minor"]), (1, &"100000".into()), "{:?}", payouts());
    let payout = payouts()[0]["payout"].to_string();
    tell(&["payout", "approve", &payout]);
    tell(&["payout", "export", &payout, "--out", "pay.xml"]);
    home.world.write("settled.csv", table(&fs::read_to_string(home.world.path("pay.xml")).unwrap(), "settled"));
    tell(&["payout", "reconcile", &payout, "settled.csv"]);
    tell(&["books", "close", "0"]);
    assert!(kills >= 5, "only {kills} kills in {whole:?}");
    assert_eq!((home.balance("paid"), home.balance("held:"), home.balance("in-flight:")), (100_000, 0, 0));
    home.clean();
    let rebuilt = home.ok(DUE, &["catalog", "rebuild"]);
    assert_eq!((&rebuilt["same"], &rebuilt["matches_log"]), (&true.into(), &true.into()), "{rebuilt}");
}
