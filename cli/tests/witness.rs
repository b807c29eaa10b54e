//! A witness elsewhere: over HTTP and by files; a log that shrinks or forks, a witness that does not answer.

mod common;

use std::fs;
use std::io::BufRead;
use std::process::{Child, Stdio};

use common::World;

/// A running witness.
struct Served {
    child: Child,
    url: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn serve(world: &World, listen: &str) -> Served {
    let args = ["witness", "serve", "--listen", listen, "--key", "w.key", "--log", "h/log.vkey", "--state", "memory"];
    let mut child = world.command(&args).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let url =
        line.split_whitespace().find(|w| w.starts_with("http://")).unwrap_or_else(|| panic!("{line}")).trim_end_matches(',').to_string();
    Served { child, url }
}

/// A port that was free a moment ago.
fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A home whose genesis waits for the witness, which is not there yet.
fn begun(world: &World, port: u16) -> String {
    let vkey = world.run(&["witness", "key", "w.example", "--out", "w.key"]).ok()["vkey"].as_str().unwrap().to_string();
    world.write("w.vkey", &vkey);
    let witness = format!("http://127.0.0.1:{port}=w.vkey");
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log", "--witness", &witness]).fails(3, &["w.example"]);
    witness
}

#[test]
fn nothing_is_published_before_the_witness_has_cosigned_and_everything_after() {
    let world = World::new();
    let port = port();
    let witness = begun(&world, port);
    assert!(!world.path("h/log/checkpoint").exists());
    let served = serve(&world, &format!("127.0.0.1:{port}"));
    assert_eq!(served.url, format!("http://127.0.0.1:{port}"));
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log", "--witness", &witness]).ok();
    world.run(&["contributor", "add", "anna", "--home", "h"]).ok();
    let audit = world.run(&["audit", "--home", "h"]).ok();
    assert!(audit["audit"]["level"].as_str().unwrap().contains("witnessed by 2"), "{audit}");

    // Without its witness the log is read and not written; what was signed waits, and is published first afterwards.
    drop(served);
    world.run(&["contributor", "add", "bert", "--home", "h"]).fails(3, &["w.example"]);
    let size = |home: &str| fs::read_to_string(world.path(home).join("log/checkpoint")).unwrap().lines().nth(1).unwrap().to_string();
    assert_eq!(size("h"), "2");
    world.run(&["status", "--home", "h"]);
    let _served = serve(&world, &format!("127.0.0.1:{port}"));
    world.run(&["contributor", "add", "bert", "--home", "h"]);
    assert_eq!(size("h"), "3", "the entry that waited was written once");
    assert_eq!(world.run(&["audit", "--home", "h"]).ok()["audit"]["ok"], true);

    // An older copy of the home is a fork to the witness, wherever it runs.
    assert!(std::process::Command::new("cp").args(["-r", "h", "copy"]).current_dir(world.dir.path()).status().unwrap().success());
    world.run(&["contributor", "add", "cleo", "--home", "h"]).ok();
    let elsewhere =
        world.command(&["contributor", "add", "dora", "--home", "copy"]).env("XDG_STATE_HOME", world.path("elsewhere")).output().unwrap();
    assert_eq!(elsewhere.status.code(), Some(3), "{}", String::from_utf8_lossy(&elsewhere.stderr));
    assert_eq!(size("copy"), "3");
    let evidence: Vec<_> = common::files(&world.path("memory")).into_iter().filter(|p| p.to_string_lossy().contains("evidence")).collect();
    assert_eq!(evidence.len(), 1, "{evidence:?}");
    // Both tree heads of four entries, each signed by the log.
    let text = fs::read_to_string(&evidence[0]).unwrap();
    assert_eq!(text.matches("\n4\n").count(), 2, "{text}");
    assert_eq!(text.matches("\u{2014} test.invalid/log ").count(), 2);
}

#[test]
fn a_witness_without_a_network_answers_files_and_names_what_is_wrong() {
    let world = World::new();
    world.run(&["witness", "key", "w.example", "--out", "w.key"]).ok();
    world.run(&["witness", "key", "w.example", "--out", "w.key"]).fails(2, &["w.key"]);
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log"]).ok();
    let cosign = |request: &str| {
        world.run(&["witness", "cosign", request, "--key", "w.key", "--log", "h/log.vkey", "--state", "memory", "--out", "line"])
    };
    let head = fs::read_to_string(world.path("h/log/checkpoint")).unwrap();
    world.write("first", format!("old 0\n\n{head}"));
    let line = cosign("first").ok()["cosignature"].as_str().unwrap().to_string();
    assert!(line.starts_with("\u{2014} w.example "), "{line}");
    cosign("first").fails(3, &["409", "1 entries"]);
    world.write("again", format!("old 1\n\n{head}"));
    cosign("again").ok();
    for (text, part) in [
        (format!("old 2\n\n{head}"), "400"),
        (format!("old 1\n\n{}", head.replace("test.invalid/log\n", "other.invalid/log\n")), "404"),
        (format!("old 1\n\n{}", head.replace("\n1\n", "\n2\n")), "403"),
        ("nonsense".to_string(), "400"),
    ] {
        world.write("bad", text);
        cosign("bad").fails(3, &[part]);
    }
    world
        .run(&["witness", "cosign", "first", "--key", "h/keys/log.key", "--log", "h/log.vkey", "--state", "memory"])
        .fails(1, &["witness key"]);
    world.run(&["init", "--home", "x", "--origin", "x", "--witness", "w.vkey"]).fails(2, &["URL=VKEY"]);
}

#[test]
fn a_quorum_publishes_a_draw_waits_for_all_and_a_witness_is_asked_by_files() {
    let world = World::new();
    let vkey = world.run(&["witness", "key", "far.example", "--out", "far.key"]).ok()["vkey"].as_str().unwrap().to_string();
    world.write("policy", format!("witness far {vkey}\ngroup either any home far\nquorum either\n"));
    world.write("none", "quorum none\n");
    world.run(&["init", "--home", "x", "--origin", "test.invalid/x", "--witness-policy", "none"]).fails(3, &["witness-policy"]);
    world.run(&["init", "--home", "h", "--origin", "test.invalid/log", "--witness-policy", "policy"]).ok();
    world.run(&["import", "--home", "h", "--source", "anna", "--for", "anna", "from/anna"]).fails(2, &["epoch"]);
    world.run(&["epoch", "open", "--home", "h", "--target", "target", "--pool-minor", "1000"]).ok();
    world.run(&["import", "--home", "h", "--source", "anna", "--for", "anna", "from/anna"]).ok();
    let audit = world.run(&["audit", "--home", "h"]).ok();
    assert!(audit["audit"]["level"].as_str().unwrap().contains("witnessed by 1"), "{audit}");
    // The close draws: nobody may choose whose cosignatures count.
    world.run(&["epoch", "close", "--home", "h"]).fails(3, &["far.example", "state/witnesses/far/request"]);
    world.run(&["epoch", "close", "--home", "h"]).fails(3, &["far.example"]);
    let cosign = |out: &str| {
        let request = "h/state/witnesses/far/request";
        let args = ["witness", "cosign", request, "--key", "far.key", "--log", "h/log.vkey", "--state", "memory", "--out", out];
        world.run(&args).ok();
    };
    // Somebody else's answer is none.
    world.write("h/state/witnesses/far/answer", "\u{2014} far.example AAAAAAAA\n");
    world.run(&["epoch", "close", "--home", "h"]).fails(3, &["far.example"]);
    cosign("h/state/witnesses/far/answer");
    world.run(&["epoch", "close", "--home", "h"]).ok();
    let audit = world.run(&["audit", "--home", "h"]).ok();
    assert_eq!(audit["audit"]["ok"], true, "{audit}");
    // Without the witness that is lost: the old ones cosign the change, and then the home's own alone.
    world.write("own", "quorum home\n");
    world.run(&["witness", "change", "own", "--home", "h"]).ok();
    world.run(&["contributor", "add", "bert", "--home", "h"]).ok();
    let audit = world.run(&["audit", "--home", "h"]).ok();
    assert!(audit["audit"]["level"].as_str().unwrap().contains("witnessed by 1"), "{audit}");
}
