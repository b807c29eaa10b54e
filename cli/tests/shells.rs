//! Daily use from shells: commands that only look, pipes that end, outputs that are no files, and homes of any name.

mod common;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use common::World;

/// Somebody who owns nothing here.
const NOBODY: u32 = 65534;

/// A home whose last epoch is ingested.
fn ingested(world: &World, home: &str) {
    let run = |args: &[&str]| world.run(&[args, &["--home", home]].concat()).ok();
    closed(world, home);
    run(&["ingest", "--vocabulary", "300"]);
}

/// A home whose epoch is closed and not judged.
fn closed(world: &World, home: &str) {
    let run = |args: &[&str]| world.run(&[args, &["--home", home]].concat()).ok();
    run(&["init", "--origin", "shells.test/log"]);
    run(&["contributor", "add", "anna"]);
    run(&["contributor", "add", "bert"]);
    run(&["epoch", "open", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"]);
    run(&["submit", "anna", "from/anna"]);
    run(&["submit", "bert", "from/bert"]);
    run(&["epoch", "close"]);
}

fn plain(world: &World, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(args).current_dir(world.dir.path()).env("XDG_STATE_HOME", world.path("state-home"));
    command
}

#[track_caller]
fn succeeded(output: &Output) {
    assert!(output.status.success(), "{:?}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// Changes the mode of everything below `root`.
fn each(root: &Path, change: &dyn Fn(u32) -> u32) {
    let mode = fs::metadata(root).unwrap().permissions().mode();
    fs::set_permissions(root, fs::Permissions::from_mode(change(mode))).unwrap();
    if root.is_dir() {
        fs::read_dir(root).unwrap().for_each(|e| each(&e.unwrap().path(), change));
    }
}

/// Commands that only look at a home whose epoch is ingested.
const LOOKS: [&[&str]; 12] = [
    &["status"],
    &["status", "anna"],
    &["books", "show"],
    &["payout", "list"],
    &["submission", "show", "5"],
    &["submission", "show", "5", "--documents", "--replay"],
    &["key", "show"],
    &["jobs"],
    &["prove", "5/0", "--out", "/dev/null"],
    &["export", "--format", "croissant", "--out", "/dev/null"],
    &["trace", "5/0"],
    &["train", "tiny.toml", "--dry-run"],
];

#[test]
fn looking_needs_no_environment() {
    let world = World::new();
    ingested(&world, "h");
    for look in LOOKS {
        let output = world.command(&[look, &["--home", "h"]].concat()).env_remove("XDG_STATE_HOME").env_remove("HOME").output().unwrap();
        succeeded(&output);
    }
}

#[test]
fn looking_takes_no_lock() {
    let world = World::new();
    ingested(&world, "h");
    let lock = fs::File::open(world.path("h/state/lock")).unwrap();
    lock.lock().unwrap();
    for look in LOOKS {
        world.run(&[look, &["--home", "h"]].concat()).ok();
    }
    world.run(&["contributor", "add", "cleo", "--home", "h"]).fails(1, &["in use by another process"]);
}

#[test]
fn looking_changes_no_file() {
    let world = World::new();
    ingested(&world, "h");
    let seen = || -> Vec<(PathBuf, std::time::SystemTime)> {
        let modified = |path: PathBuf| (path.clone(), fs::metadata(&path).unwrap().modified().unwrap());
        common::files(&world.path("h")).into_iter().map(modified).collect()
    };
    let before = seen();
    for look in LOOKS {
        world.run(&[look, &["--home", "h"]].concat()).ok();
        assert_eq!(seen(), before, "{look:?}");
    }
}

#[test]
fn looking_needs_no_write_access() {
    let world = World::new();
    ingested(&world, "h");
    each(world.dir.path(), &|mode| mode | 0o444 | ((mode & 0o100) / 0o100 * 0o111));
    each(&world.path("h"), &|mode| mode & !0o222);
    // The build's folder may be closed to others.
    let copy = world.path("assay");
    fs::copy(env!("CARGO_BIN_EXE_assay"), &copy).unwrap();
    // Root may write where the mode says nobody may.
    let others = fs::metadata(&copy).map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap() == 0;
    for look in LOOKS {
        let mut command = if others { Command::new("setpriv") } else { Command::new(&copy) };
        if others {
            let id = NOBODY.to_string();
            command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(&copy);
        }
        let output = command.args(look).args(["--home", "h"]).current_dir(world.dir.path()).env_remove("HOME").output().unwrap();
        succeeded(&output);
    }
    each(&world.path("h"), &|mode| mode | 0o200);
}

/// Looks until `writer` ends; returns the sizes of the log that were seen, and whether it was killed.
fn watch(world: &World, mut writer: Child, kill_after: Option<usize>) -> (Vec<u64>, bool) {
    let mut sizes = Vec::new();
    while writer.try_wait().unwrap().is_none() {
        let status = world.run(&["status", "--home", "h"]).ok();
        world.run(&["books", "show", "--home", "h"]).ok();
        world.run(&["trace", "5/0", "--home", "h"]).ok();
        sizes.push(status["log_size"].as_u64().unwrap());
        if kill_after == Some(sizes.len()) {
            writer.kill().unwrap();
        }
    }
    (sizes, writer.wait().unwrap().signal() == Some(9))
}

/// Looks while a writer works, which is killed after so many looks, and in the end is let to finish.
fn looking_beside(world: &World, writer: &[&str], kills: &[usize]) {
    let mut killed = 0;
    for kill_after in kills.iter().copied().map(Some).chain([None]) {
        let writer = plain(world, writer).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (sizes, was_killed) = watch(world, writer, kill_after);
        assert!(sizes.is_sorted(), "{sizes:?}");
        killed += usize::from(was_killed);
        world.run(&["status", "--home", "h"]).ok();
    }
    assert!(killed > 0, "{writer:?} was done before the first of {kills:?} looks");
    world.audit("h", "1").ok();
}

#[test]
fn looking_answers_while_another_process_ingests_and_is_killed() {
    let world = World::new();
    closed(&world, "h");
    looking_beside(&world, &["ingest", "--home", "h", "--vocabulary", "300"], &[1, 2, 3]);
}

#[test]
fn looking_answers_while_another_process_trains_and_is_killed() {
    let world = World::new();
    ingested(&world, "h");
    looking_beside(&world, &["train", "tiny.toml", "--home", "h"], &[2, 5]);
}

#[test]
fn a_dry_run_registers_nobody_and_sends_nothing() {
    let world = World::new();
    world.run(&["init", "--home", "h", "--origin", "shells.test/log"]).ok();
    world.run(&["epoch", "open", "--home", "h", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"]).ok();
    let before = fs::read(world.path("h/log/checkpoint")).unwrap();
    let shown = world.run(&["import", "--source", "test", "--for", "anna", "from/anna", "--dry-run", "--home", "h"]).ok();
    assert_eq!(shown["documents"], 8);
    assert_eq!(fs::read(world.path("h/log/checkpoint")).unwrap(), before);
}

#[test]
fn a_submission_is_shown_by_its_commitment_too() {
    let world = World::new();
    ingested(&world, "h");
    let shown = |entry: &str| world.run(&["submission", "show", entry, "--home", "h"]).ok();
    assert_eq!(shown("4"), shown("5"));
    world.run(&["submission", "show", "3", "--home", "h"]).fails(2, &["no submission"]);
}

#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let world = World::new();
    ingested(&world, "h");
    for args in [
        &["status", "--home", "h"][..],
        &["status", "--home", "h", "--json"],
        &["--help"],
        &["--version"],
        &["status", "--home", "none", "--json"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = plain(&world, args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked") && !said.contains("pipe"), "{args:?}: {said}");
        assert_eq!(output.status.code(), Some(if args.contains(&"none") { 2 } else { 0 }), "{args:?}: {said}");
    }
}

#[test]
fn closed_errors_are_no_reason_to_panic() {
    let world = World::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = plain(&world, &["status", "--home", "none"]).stdout(Stdio::null()).stderr(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_full_device_is_an_error_of_its_own() {
    let world = World::new();
    ingested(&world, "h");
    for args in [&["status", "--home", "h"][..], &["status", "--home", "h", "--json"], &["--help"], &["--version"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = plain(&world, args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(4) && said.contains("standard output"), "{args:?}: {:?} {said}", output.status);
    }
}

#[test]
fn the_version_has_the_programs_name() {
    let output = plain(&World::empty(), &["--version"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("assay {}\n", env!("CARGO_PKG_VERSION")));
}

const CROISSANT: [&str; 6] = ["export", "--format", "croissant", "--home", "h", "--out"];

/// What `export` writes to a plain file.
fn croissant(world: &World) -> Vec<u8> {
    world.run(&[&CROISSANT[..], &["plain.json"]].concat()).ok();
    fs::read(world.path("plain.json")).unwrap()
}

#[test]
fn a_file_is_written_through_a_link() {
    let world = World::new();
    ingested(&world, "h");
    world.write("real", "a longer text than any other, so that a part of it would stay: ".repeat(1000));
    symlink("real", world.path("link")).unwrap();
    world.run(&[&CROISSANT[..], &["link"]].concat()).ok();
    assert!(fs::symlink_metadata(world.path("link")).unwrap().is_symlink());
    assert_eq!(fs::read(world.path("real")).unwrap(), croissant(&world));
}

#[test]
fn a_file_is_written_into_a_pipe_with_a_name() {
    let world = World::new();
    ingested(&world, "h");
    assert!(Command::new("mkfifo").arg(world.path("pipe")).status().unwrap().success());
    let reader = std::thread::spawn({
        let path = world.path("pipe");
        move || fs::read(path).unwrap()
    });
    world.run(&[&CROISSANT[..], &["pipe"]].concat()).ok();
    assert_eq!(reader.join().unwrap(), croissant(&world));
    assert!(fs::metadata(world.path("pipe")).unwrap().file_type().is_fifo());
}

#[test]
fn a_file_on_stdout_is_all_that_stdout_has() {
    let world = World::new();
    ingested(&world, "h");
    let output = plain(&world, &[&CROISSANT[..], &["/dev/stdout"]].concat()).output().unwrap();
    assert_eq!(output.stdout, croissant(&world));
    let file = fs::File::create(world.path("taken")).unwrap();
    succeeded(&plain(&world, &[&CROISSANT[..], &["/dev/stdout"]].concat()).stdout(file).output().unwrap());
    assert_eq!(fs::read(world.path("taken")).unwrap(), croissant(&world));
}

#[test]
fn a_full_device_as_a_file_is_an_error() {
    let world = World::new();
    ingested(&world, "h");
    world.run(&[&CROISSANT[..], &["/dev/full"]].concat()).fails(4, &["/dev/full"]);
    assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device());
}

#[test]
fn a_home_may_have_an_odd_path() {
    let world = World::new();
    let names: [&[u8]; 8] = [b"a%20b", b"a b", b"what?x=y", b"a#b", b"100%25", b"line\nfeed", b"not \xff UTF-8", b"file:x?mode=memory"];
    for name in names {
        let name = OsString::from_vec(name.to_vec());
        let run = |args: &[&str]| {
            let mut command = plain(&world, args);
            command.env("XDG_STATE_HOME", world.path(&format!("state-of-{}", name.len())).join(&name));
            succeeded(&command.arg("--home").arg(&name).output().unwrap());
        };
        run(&["init", "--origin", "odd.test/log"]);
        run(&["contributor", "add", "anna"]);
        run(&["epoch", "open", "--target", "target/east", "--target", "target/west", "--pool-minor", "1000"]);
        run(&["submit", "anna", "from/anna"]);
        run(&["epoch", "close"]);
        run(&["ingest", "--vocabulary", "300"]);
        run(&["status"]);
        run(&["jobs"]);
        run(&["catalog", "rebuild"]);
        run(&["audit"]);
        assert!(world.dir.path().join(&name).join("index.db").is_file(), "{name:?}");
    }
    let known = |name: &OsStr| names.iter().any(|n| name.as_bytes() == *n) || ["from", "target", "tiny.toml"].iter().any(|n| name == *n);
    let strange: Vec<OsString> = fs::read_dir(world.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    let strange: Vec<&OsString> = strange.iter().filter(|n| !known(n) && !n.as_bytes().starts_with(b"state-of-")).collect();
    assert!(strange.is_empty(), "{strange:?}");
}
