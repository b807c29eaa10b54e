//! Keys: with and without passphrases, of OpenSSH, rotated, revoked and recovered; claims under them.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use common::World;

#[test]
fn a_key_with_a_passphrase_is_used_and_never_lies_open() {
    let world = World::new();
    world.write("phrase", "correct horse\n");
    world.write("wrong", "battery staple\n");
    let made = world.run(&["key", "new", "ada", "--out", "ada.key", "--encrypt", "--passphrase-file", "phrase"]).ok();
    let text = fs::read_to_string(world.path("ada.key")).unwrap();
    assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") && !text.contains("PRIVATE+KEY"), "{text}");
    assert_eq!(fs::metadata(world.path("ada.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let shown = world.run(&["key", "show", "ada.key", "--passphrase-file", "phrase"]).ok();
    assert_eq!(shown["vkey"], made["vkey"]);
    world.run(&["key", "show", "ada.key", "--passphrase-file", "wrong"]).fails(3, &["ada.key"]);
    world.run(&["key", "show", "ada.key", "--passphrase-file", "/dev/null"]).fails(2, &["empty passphrase"]);
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    // The home's own keys too.
    for role in ["operator", "log"] {
        world.run(&["key", "protect", &format!("h/keys/{role}.key"), "--passphrase-file", "phrase"]).ok();
    }
    world.run(&["contributor", "add", "ada", "--home", "h", "--key", "ada.key", "--passphrase-file", "phrase"]).ok();
    world.run(&["contributor", "add", "ada", "--home", "h", "--passphrase-file", "wrong"]).fails(3, &["keys/log.key"]);
    // A rotated key is as well kept as the old one.
    world.run(&["key", "rotate", "operator", "--home", "h", "--passphrase-file", "phrase"]).ok();
    assert!(fs::read_to_string(world.path("h/keys/operator.key")).unwrap().starts_with("-----BEGIN AGE"));
    assert_eq!(world.audit("h", "0").ok()["audit"]["ok"], true);
    assert!(!common::files(&world.path("h/state")).iter().any(|f| fs::read(f).unwrap().starts_with(b"PRIVATE")));
}

#[test]
fn an_openssh_key_registers_and_a_comment_that_is_an_address_stays_out() {
    let world = World::new();
    let keygen = |kind: &str, name: &str, phrase: &str| {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", kind, "-N", phrase, "-C", "jane@example.org", "-f"]).arg(world.path(name));
        command.status().inspect(|s| assert!(s.success(), "ssh-keygen -t {kind}: {s}")).is_ok()
    };
    if !keygen("ed25519", "ssh", "") {
        skips::skip(skips::Need::SshKeygen, "an OpenSSH key registers", "it does not start");
        return;
    }
    let private = world.run(&["key", "import", "ssh", "--out", "jane.key"]).ok();
    let public = world.run(&["key", "import", "ssh.pub", "--out", "jane.vkey"]).ok();
    assert_eq!(private["key_id"], public["key_id"]);
    assert!(private["vkey"].as_str().unwrap().starts_with("jane+"), "{private}");
    let openssh = fs::read_to_string(world.path("ssh.pub")).unwrap();
    assert_eq!(private["openssh"].as_str().unwrap().split(' ').nth(1), openssh.split(' ').nth(1));
    assert!(keygen("ed25519", "locked", "geheim") && keygen("ecdsa", "other", ""));
    world.write("phrase", "geheim");
    world.run(&["key", "import", "locked", "--out", "locked.key", "--passphrase-file", "phrase"]).ok();
    world.run(&["key", "import", "other", "--out", "other.key"]).fails(2, &["ed25519"]);
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    let added = world.run(&["contributor", "add", "jane", "--home", "h", "--key", "jane.key"]).ok();
    assert_eq!(added["id"], private["contributor"]);
}

#[test]
fn rotated_revoked_and_recovered_keys_count_from_their_entries_on() {
    let world = World::new();
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    world.run(&["epoch", "open", "--home", "h", "--target", "target", "--pool-minor", "1000"]).ok();
    for name in ["ada", "new", "newer"] {
        world.run(&["key", "new", name, "--out", &format!("{name}.key")]).ok();
    }
    let id = world.run(&["contributor", "add", "ada", "--home", "h", "--key", "ada.key"]).ok()["id"].clone();
    world.run(&["contributor", "add", "bob", "--home", "h"]).ok();
    world.run(&["key", "rotate", "ada", "--home", "h", "--new", "new.key"]).fails(2, &["--key FILE"]);
    world.run(&["key", "rotate", "ada", "--home", "h", "--new", "new.key", "--key", "bob"]).fails(4, &["bob"]);
    world.run(&["key", "rotate", "ada", "--home", "h", "--new", "new.key", "--key", "newer.key"]).fails(3, &["signature"]);
    world.run(&["key", "rotate", "ada", "--home", "h", "--new", "new.key", "--key", "ada.key"]).ok();
    world.run(&["submit", "--home", "h", "ada", "from/anna", "--key", "ada.key"]).fails(3, &["signature"]);
    let submitted = world.run(&["submit", "--home", "h", "ada", "from/anna", "--key", "new.key"]).ok();
    world.run(&["key", "revoke", "ada", "--home", "h", "--reason", "stolen", "--key", "new.key"]).fails(2, &["stolen"]);
    let from = submitted["submission"].to_string();
    world.run(&["key", "revoke", "ada", "--home", "h", "--reason", "compromised", "--disputed-from", &from, "--key", "new.key"]).ok();
    world.run(&["submit", "--home", "h", "ada", "from/bert", "--key", "new.key"]).fails(3, &["key-revoked"]);
    world.run(&["key", "rotate", "ada", "--home", "h", "--new", "newer.key", "--key", "new.key"]).fails(3, &["key-revoked"]);
    world.run(&["key", "rotate", "ada", "--home", "h", "--new", "newer.key", "--recover"]).ok();
    world.run(&["submit", "--home", "h", "ada", "from/bert", "--key", "newer.key"]).ok();
    world.run(&["key", "rotate", "bob", "--home", "h"]).ok();
    world.run(&["submit", "--home", "h", "bob", "from/cleo"]).ok();
    let keys = world.run(&["key", "show", "--home", "h"]).ok();
    let ada = keys["keys"].as_array().unwrap().iter().find(|k| k["name"] == "ada").unwrap().clone();
    assert_eq!((&ada["holder"], &ada["revoked"]), (&id, &serde_json::Value::Null));
    // Bob claims what ada submitted first; nobody claims its own, or what is not there.
    world.write("evidence.txt", "published in 2019");
    let document = format!("{from}/0");
    world.run(&["claim", "--home", "h", "ada", &document, "--evidence", "evidence.txt", "--key", "newer.key"]).fails(2, &["own already"]);
    world.run(&["claim", "--home", "h", "bob", &format!("{from}/99"), "--evidence", "evidence.txt"]).fails(2, &["no submission has it"]);
    world.run(&["claim", "--home", "h", "bob", &document, "--evidence", "evidence.txt", "--kind", "hearsay"]).fails(2, &["hearsay"]);
    let claim =
        world.run(&["claim", "--home", "h", "bob", &document, "--evidence", "evidence.txt", "--kind", "domain"]).ok()["claim"].to_string();
    world.run(&["resolve", "--home", "h", &claim, "--outcome", "rejected", "--reasons", "evidence.txt"]).ok();
    world.run(&["resolve", "--home", "h", &claim, "--outcome", "upheld", "--reasons", "evidence.txt"]).fails(3, &["resolved already"]);
    assert_eq!(world.audit("h", "0").ok()["audit"]["ok"], true);
}

#[test]
fn rights_are_stated_in_a_file_and_kept_to() {
    let world = World::new();
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    let open = ["epoch", "open", "--home", "h", "--target", "target", "--pool-minor", "1000", "--purpose", "commercial"];
    world.run(&open).ok();
    for name in ["anna", "bert", "cleo"] {
        world.run(&["contributor", "add", name, "--home", "h"]).ok();
    }
    world.write("rights.toml", "method = \"web-scraping-crawling\"\npersonal_data = \"none\"\ndata_origin_geography = [\"AT\", \"DE\"]\nintended_data_use = [\"research\"]\n");
    world.write("expired.toml", "license_expires = \"2001-01-01\"\n");
    world.write("bad.toml", "method = \"by hand\"\n");
    world.write("unknown.toml", "owner = \"Jane\"\n");
    // What publishers reserve is read from the data, and not typed in.
    world.write("typed.toml", "[[opt_out_signals]]\nsignal = \"robots\"\nfound = \"permits\"\n");
    let submit = |name: &str, rights: &str| world.run(&["submit", "--home", "h", name, &format!("from/{name}"), "--rights", rights]);
    submit("anna", "bad.toml").fails(2, &["by hand", "web-scraping-crawling"]);
    submit("anna", "unknown.toml").fails(1, &["owner"]);
    submit("anna", "typed.toml").fails(1, &["opt_out_signals"]);
    submit("anna", "rights.toml").ok();
    submit("bert", "expired.toml").ok();
    world.run(&["submit", "--home", "h", "cleo", "from/cleo"]).ok();
    world.run(&["epoch", "close", "--home", "h"]).ok();
    let status = world.run(&["ingest", "--home", "h", "--vocabulary", "400"]).ok();
    // For research alone, and expired: neither is in a commercial corpus.
    for (name, accepted) in [("anna", 0), ("bert", 0), ("cleo", 8)] {
        assert_eq!(common::row(&status, name)["accepted"], accepted, "{name}");
    }
    assert_eq!(world.audit("h", "0").ok()["audit"]["ok"], true);
    world.run(&["export", "--home", "h", "--format", "croissant", "--out", "h/croissant.json"]).ok();
    world.run(&["export", "--home", "h", "--format", "eu-summary", "--out", "summary.md"]).ok();
    let summary = fs::read_to_string(world.path("summary.md")).unwrap();
    assert!(summary.contains("Draft from records") && summary.contains("entries"), "{summary}");
    // A policy that is announced is the next epoch's.
    let policy = common::files(&world.path("h/objects/public")).into_iter().find_map(|f| {
        let text = fs::read_to_string(f).ok()?;
        text.contains("window_cap_permille").then_some(text)
    });
    world.write("policy.json", policy.unwrap().replace("\"pool_minor\":\"1000\"", "\"pool_minor\":\"2000\""));
    world.write("why.txt", "a larger pool");
    let change = |from: &str| world.run(&["policy", "--home", "h", "policy.json", "--announcement", "why.txt", "--from-epoch", from]);
    change("0").fails(3, &["policy-future"]);
    change("1").ok();
    world.run(&open).ok();
    world.run(&["import", "--home", "h", "--source", "zoe", "--for", "zoe", "from/zoe"]).ok();
    assert_eq!(world.audit("h", "0").ok()["audit"]["ok"], true);
}
