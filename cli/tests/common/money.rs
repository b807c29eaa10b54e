//! A home with a settled run, of three contributors of whom two are one payee.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use super::{Ran, World};

pub const DAY: u64 = 24 * 60 * 60;
/// When the run is settled.
pub const SETTLED: u64 = 1_700_000_000;
/// When its dispute period is over.
pub const DUE: u64 = SETTLED + 10 * DAY;

const BANK: &str = r#"
rail = "pain.001"
debtor_name = "Assay Test Cooperative"
debtor_iban = "DE89 3704 0044 0532 0130 00"
execution_date = "2024-02-01"
remittance = "Contributions"
"#;

/// Whatever the control documents say; the pool is settled if credit is.
const PAY: &str = "threshold_minor = \"100\"\ncontrol_gap_ppm = 100000000\n";

pub fn bank(name: &str, iban: &str) -> String {
    format!("kind = \"bank\"\nname = \"{name}\"\niban = \"{iban}\"\ncountry = \"{}\"\n", &iban[..2])
}

/// Bert has letters that banks do not take, and an address.
pub fn bert(iban: &str) -> String {
    bank("Bert Müster", iban) + "street = \"8 allée d’Étigny\"\ntown = \"Luchon\"\n"
}

/// A world with a home `h` in it.
pub struct Home {
    pub world: World,
}

impl Home {
    pub fn at(&self, time: u64, args: &[&str]) -> Ran {
        let time = time.to_string();
        self.world.run(&[args, &["--home", "h", "--now", &time]].concat())
    }

    #[track_caller]
    pub fn ok(&self, time: u64, args: &[&str]) -> Value {
        self.at(time, args).ok()
    }

    /// The audit finds nothing, and the books balance.
    #[track_caller]
    pub fn clean(&self) {
        let report = self.world.audit("h", "0").ok();
        assert_eq!(report["audit"]["ok"], true, "{report}");
        let books = self.ok(SETTLED, &["books", "show"]);
        assert_eq!(books["trial_balance_minor"], "0");
    }

    /// The sum over all accounts whose names begin like this.
    pub fn balance(&self, prefix: &str) -> i128 {
        let books = self.ok(SETTLED, &["books", "show"]);
        let all = books["balances_minor"].as_object().unwrap();
        all.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, b)| b.as_str().unwrap().parse::<i128>().unwrap()).sum()
    }

    /// Proposes a payout when it is due.
    #[track_caller]
    pub fn proposed(&self, rail: &str) -> String {
        self.ok(DUE, &["payout", "propose", rail])["payout"].to_string()
    }

    /// Proposes and approves a payout by bank.
    #[track_caller]
    pub fn approved(&self) -> String {
        let payout = self.proposed("bank.toml");
        self.ok(DUE, &["payout", "approve", &payout]);
        payout
    }

    /// Proposes, approves and exports a payout by bank; returns it with its file.
    #[track_caller]
    pub fn exported(&self) -> (String, String) {
        let payout = self.approved();
        self.ok(DUE, &["payout", "export", &payout, "--out", "pay.xml"]);
        (payout, std::fs::read_to_string(self.world.path("pay.xml")).unwrap())
    }
}

/// What stands between two texts of a bank's file, the first time.
pub fn between<'x>(xml: &'x str, from: &str, to: &str) -> &'x str {
    xml.split_once(from).unwrap().1.split_once(to).unwrap().0
}

/// The bank's word on a whole message.
pub fn status(message: &str, status: &str) -> String {
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.002.001.10\"><CstmrPmtStsRpt><GrpHdr><MsgId>R1</MsgId>\
         <CreDtTm>2024-02-02T10:00:00Z</CreDtTm></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>{message}</OrgnlMsgId>\
         <OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>{status}</GrpSts></OrgnlGrpInfAndSts></CstmrPmtStsRpt></Document>"
    )
}

/// A table that says that each payment of a bank's file came back, or arrived.
pub fn table(xml: &str, word: &str) -> String {
    let row = |transfer: &str| {
        let reference = transfer.split_once('<').unwrap().0;
        let reason = if word == "returned" { "account closed" } else { "" };
        format!("{reference},{word},{},{reason}\r\n", between(transfer, "<InstdAmt Ccy=\"EUR\">", "<"))
    };
    let rows: String = xml.split("<EndToEndId>").skip(1).map(row).collect();
    format!("reference,status,amount,reason\r\n{rows}")
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(from.join(".")).arg(to).status().unwrap();
    assert!(copied.success(), "{} was not copied", from.display());
}

/// A settled run. The home is made once in a test's process; every test has a copy.
pub fn settled() -> Home {
    static TEMPLATE: LazyLock<PathBuf> = LazyLock::new(|| {
        // Bert's account is cleo's too.
        let payees =
            [bank("Anna Muster", "NL91ABNA0417164300"), bert("FR1420041010050500013M02606"), bert("FR14 2004 1010 0505 0001 3M02 606")];
        let home = trained_with(World::new(), &payees, ("EUR", "2"));
        home.ok(SETTLED, &["reward"]);
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("settled-{}", env!("CARGO_CRATE_NAME")));
        std::fs::remove_dir_all(&kept).ok();
        std::fs::create_dir_all(&kept).unwrap();
        copy(home.world.dir.path(), &kept);
        kept
    });
    let home = Home { world: World { dir: tempfile::tempdir().unwrap() } };
    copy(&TEMPLATE, home.world.dir.path());
    home
}

/// A run that is replayed and not settled yet, of anna, bert and cleo with these payees.
pub fn trained_with(world: World, payees: &[String; 3], (currency, exponent): (&str, &str)) -> Home {
    let names = ["anna", "bert", "cleo"];
    world.write("pay.toml", PAY);
    world.write("bank.toml", BANK);
    world.write("letter.txt", "a letter");
    let home = Home { world };
    home.ok(SETTLED, &["init", "--origin", "money.test/log", "--currency", currency, "--exponent", exponent]);
    for (name, payee) in names.iter().zip(payees) {
        home.world.write(&format!("{name}.toml"), payee);
        home.ok(SETTLED, &["contributor", "add", name, "--payee", &format!("{name}.toml")]);
    }
    let targets = ["--target", "east=target/east", "--target", "west=target/west"];
    let terms = ["--pool-minor", "100000", "--hold-days", "10", "--pay", "pay.toml"];
    home.ok(SETTLED, &[&["epoch", "open"][..], &targets, &terms].concat());
    for name in names {
        home.ok(SETTLED, &["submit", name, &format!("from/{name}")]);
    }
    home.ok(SETTLED, &["epoch", "close"]);
    home.ok(SETTLED, &["ingest", "--vocabulary", "400"]);
    home.ok(SETTLED, &["train", "tiny.toml"]);
    home.ok(SETTLED, &["replay"]);
    home
}
