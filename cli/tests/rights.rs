//! Rights, end to end: what the data says holds, and a grant alone permits more.

mod common;

use common::World;
use serde_json::Value;

const SENTENCES: [&str; 4] = [
    "The river carries old letters past the mill where nobody has worked for years and the wheel is still.",
    "A lamp stood in the third window of the post office every evening until the letters stopped to come.",
    "Seven carpenters agreed on the length of the bridge, and the eighth one measured it again in the night.",
    "Between the orchard and the quarry there is a path that only the goats and the oldest children know.",
];

/// A home with an open epoch of this purpose, and a contributor `anna` with a key of her own.
fn open(purpose: &str, more: &[&str]) -> World {
    let world = World::empty();
    for (name, text) in
        [("target/a/one.txt", "Held out text of the first source, about ships."), ("target/b/two.txt", "Held out, about trains.")]
    {
        world.write(name, text);
    }
    world.run(&["init", "--home", "h", "--origin", "rights.test/log"]).ok();
    world.run(&["key", "new", "anna", "--out", "anna.key"]).ok();
    world.run(&["contributor", "add", "anna", "--key", "anna.key", "--home", "h"]).ok();
    let opening =
        ["epoch", "open", "--target", "a=target/a", "--target", "b=target/b", "--pool-minor", "1000", "--purpose", purpose, "--home", "h"];
    world.run(&[&opening[..], more].concat()).ok();
    world
}

fn preview(world: &World, path: &str, more: &[&str]) -> Value {
    world.run(&[&["submit", "anna", path, "--dry-run", "--home", "h"][..], more].concat()).ok()
}

fn count(preview: &Value, reason: &str) -> u64 {
    preview["counts"][reason].as_u64().unwrap_or(0)
}

#[test]
fn a_card_s_licence_is_not_replaced_by_the_uploader_s() {
    let world = open("commercial", &[]);
    world.write("set/README.md", "---\nlicense: cc-by-nc-4.0 # ours\n---\n# Set\n");
    world.write("set/data.jsonl", SENTENCES.map(|s| format!("{{\"text\": \"{s}\"}}\n")).concat());
    let seen = preview(&world, "set", &["--licence", "MIT"]);
    assert_eq!((count(&seen, "accepted"), count(&seen, "licence-forbids-purpose")), (0, 4), "{seen}");
    assert_eq!(seen["licence"], "CC-BY-NC-4.0");
    let conflict = seen["licence_conflicts"][0].to_string();
    assert!(conflict.contains("README.md") && conflict.contains("--licence"), "{conflict}");
    // Without a word of its own, the declared one fills the gap.
    world.write("plain.jsonl", format!("{{\"text\": \"{}\"}}\n", SENTENCES[0]));
    assert_eq!(count(&preview(&world, "plain.jsonl", &["--licence", "MIT"]), "accepted"), 1);
}

#[test]
fn a_grant_of_the_author_permits_what_the_public_licence_does_not() {
    let world = open("commercial", &["--grant-hold-days", "90"]);
    world.write("terms.txt", "Training of models, for a share of what they earn.\n");
    let rows = SENTENCES.map(|s| format!("{{\"text\": \"{s}\", \"license\": \"CC-BY-NC-4.0\"}}\n")).concat();
    world.write("mine.jsonl", &rows);
    let submitted = world.run(&["submit", "anna", "mine.jsonl", "--key", "anna.key", "--home", "h"]).ok();
    let at = submitted["submission"].to_string();
    let grant = ["grant", "anna", &at, "0", "2", "--purpose", "commercial", "--terms", "terms.txt", "--home", "h"];
    world.run(&[&grant[..], &["--key", "anna.key"]].concat()).ok();
    // What the operator imports, under a key that it holds itself, it cannot grant.
    world.write("other.jsonl", format!("{{\"text\": \"{} Once more.\", \"license\": \"CC-BY-NC-4.0\"}}\n", SENTENCES[3]));
    let imported = world.run(&["import", "other.jsonl", "--source", "site", "--as", "commons", "--home", "h"]).ok();
    let other = imported["submission"].to_string();
    let forged = ["grant", "commons", &other, "--purpose", "commercial", "--terms", "terms.txt", "--home", "h"];
    world.run(&forged).fails(1, &["a key of the contributor's own"]);
    world.run(&["epoch", "close", "--home", "h"]).ok();
    world.run(&[&grant[..], &["--key", "anna.key"]].concat()).fails(3, &["no epoch that is open"]);
    world.run(&["ingest", "--vocabulary", "300", "--home", "h"]).ok();
    let shown = world.run(&["submission", "show", &at, "--documents", "--home", "h"]).ok();
    let verdicts: Vec<&str> = shown["rows"].as_array().unwrap().iter().map(|d| d["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["accepted", "licence-forbids-purpose", "accepted", "licence-forbids-purpose"]);
    let trace = world.run(&["trace", &format!("{at}/0"), "--home", "h"]).ok().to_string();
    assert!(trace.contains("CC-BY-NC-4.0") && trace.contains("licensed for commercial too"), "{trace}");
    world.run(&["audit", "--home", "h"]).ok();
}

fn warc(kind: &str, url: &str, date: &str, block: &str) -> String {
    format!(
        "WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: {date}\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: {}\r\n\r\n{block}\r\n\r\n",
        block.len()
    )
}

fn page(url: &str, headers: &str, body: &str) -> String {
    warc("response", url, "2024-05-01T00:00:00Z", &format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{headers}\r\n<p>{body}</p>"))
}

#[test]
fn what_publishers_reserve_is_left_out_with_its_protocol() {
    let world = open("commercial", &[]);
    let robots = |url: &str, rules: &str| {
        warc("response", url, "2024-05-02T00:00:00Z", &format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n{rules}"))
    };
    let pages = [
        page("https://open.example/a", "", SENTENCES[0]),
        page("https://closed.example/b", "", SENTENCES[1]),
        page("https://open.example/c", "TDM-Reservation: 1\r\n", SENTENCES[2]),
        page("https://unknown.example/d", "", SENTENCES[3]),
        robots("https://open.example/robots.txt", "User-agent: *\nDisallow: /private/\n"),
        robots("https://closed.example/robots.txt", "User-agent: GPTBot\nDisallow: /\n"),
    ];
    world.write("pages.warc", pages.concat());
    let seen = preview(&world, "pages.warc", &["--licence", "CC0-1.0"]);
    let reasons = ["accepted", "reserved/robots", "reserved/tdmrep", "reservation-unknown/robots"];
    assert_eq!(reasons.map(|r| count(&seen, r)), [1, 1, 1, 1], "{seen}");
    let signals = seen["opt_out_signals"].as_array().unwrap();
    let robots = signals.iter().find(|s| s["signal"] == "robots").unwrap();
    assert_eq!((&robots["revision"], &robots["reserved"], &robots["unknown"]), (&"RFC 9309".into(), &1.into(), &1.into()));
    // For research, what is not known is used; what is reserved is not.
    let research = open("research", &[]);
    research.write("pages.warc", pages.concat());
    assert_eq!(count(&preview(&research, "pages.warc", &["--licence", "CC0-1.0"]), "accepted"), 2);
}

#[test]
fn secrets_are_refused_and_personal_data_is_counted_and_never_shown() {
    let world = open("research", &[]);
    let key = "AKIAIOSFODNN7EXAMPLE";
    let rows = format!(
        "{{\"text\": \"Write to berta.quist@example.org or pay to DE89 3704 0044 0532 0130 00, says Berta Quist.\", \"author\": \"Berta Quist\"}}\n{{\"text\": \"the key is {key} and it works\"}}\n"
    );
    world.write("berta.quist@example.org.jsonl", &rows);
    let run = world.run(&["submit", "anna", "berta.quist@example.org.jsonl", "--licence", "MIT", "--dry-run", "--home", "h"]);
    let seen = run.ok();
    assert_eq!(seen["personal_data"], serde_json::json!({ "account": 1, "email": 1, "name": 1 }));
    assert_eq!(count(&seen, "unread/secret"), 1, "{seen}");
    let problems = seen["problems"].to_string();
    assert!(!problems.contains(key) && !problems.contains("berta.quist"), "{problems}");
    // The policy says what becomes of it, before anything is committed to.
    let world = World::empty();
    world.write("filters.toml", "[personal_data]\nemail = \"redact\"\naccount = \"redact\"\nname = \"exclude\"\n");
    world.write("target/a/one.txt", "Held out text.");
    world.write("target/a/two.txt", "Another one, about boats.");
    world.run(&["init", "--home", "h", "--origin", "rights.test/log"]).ok();
    world.run(&["contributor", "add", "anna", "--home", "h"]).ok();
    let open = ["epoch", "open", "--target", "a=target/a", "--pool-minor", "1000", "--filters", "filters.toml", "--home", "h"];
    world.run(&open).ok();
    world.write("rows.jsonl", rows.replace(&format!("the key is {key} and it works"), "mail x.y@example.org about the boat"));
    let seen = preview(&world, "rows.jsonl", &["--licence", "MIT"]);
    assert_eq!((count(&seen, "unread/personal-data"), count(&seen, "accepted"), &seen["masked"]), (1, 1, &1.into()), "{seen}");
}
