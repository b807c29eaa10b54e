//! Bad words about money: currencies, payees, policies of pay and rails are refused with what is wrong.

mod common;

use common::World;
use common::money::{Home, SETTLED};

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
