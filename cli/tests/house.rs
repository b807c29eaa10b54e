//! The house as `docs/architecture.md` draws it: arrows between crates, circles of files, and what may not be anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Crates from the bottom up, with those that each may name. An arrow that is not here points up, or is new and wants thought.
const ARROWS: [(&str, &[&str]); 15] = [
    ("corpus", &[]),
    ("kernels", &[]),
    ("filters", &["corpus"]),
    ("rights", &["corpus", "filters"]),
    ("ledger", &["corpus"]),
    ("ingest", &["corpus", "filters", "rights"]),
    ("dedup", &["corpus", "kernels"]),
    ("trainer", &["corpus", "kernels"]),
    ("rails", &["corpus", "ledger"]),
    ("store", &["corpus", "ledger"]),
    ("rules", &["corpus", "dedup", "filters", "ingest", "kernels", "ledger", "trainer"]),
    ("testkit", &["corpus", "dedup", "filters", "ingest", "kernels", "ledger", "rules", "trainer"]),
    ("audit", &["corpus", "dedup", "filters", "ledger", "rules", "store", "trainer"]),
    ("pipeline", &["corpus", "dedup", "filters", "ingest", "kernels", "ledger", "rails", "rights", "rules", "store", "trainer"]),
    ("cli", &["audit", "corpus", "dedup", "filters", "ingest", "ledger", "pipeline", "rails", "rights", "rules", "store", "trainer"]),
];

/// Crates for tests alone: no other crate is built from them.
const FOR_TESTS: [&str; 1] = ["skips"];

/// Crates whose files may not import each other in a circle.
const WITHOUT_CIRCLES: [&str; 6] = ["audit", "cli", "kernels", "pipeline", "rules", "trainer"];

/// The crate that tests alone are built with: nothing depends on it otherwise, so nothing of it is in a program.
const TESTS_ALONE: &str = "testkit";

/// Crates that print nothing and read no clock: what depends on the time takes it as an argument.
const PURE: [&str; 2] = ["audit", "rules"];

/// The largest share of the code that one crate may have, in percent.
const LARGEST_SHARE: usize = 15;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Rust files below a folder, with their texts.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// A source without its comments and its tests' module.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn manifest(name: &str) -> toml::Table {
    std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap().parse().unwrap()
}

#[test]
fn no_arrow_between_crates_points_up() {
    let workspace = manifest(".");
    let members: BTreeSet<&str> = workspace["workspace"]["members"].as_array().unwrap().iter().map(|m| m.as_str().unwrap()).collect();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let all: BTreeSet<&str> = known.iter().copied().chain(FOR_TESTS).collect();
    assert_eq!(members, all, "crates of the workspace and of this test");
    for (i, (name, allowed)) in ARROWS.iter().enumerate() {
        let below: BTreeSet<&str> = ARROWS[..i].iter().map(|(name, _)| *name).collect();
        assert!(allowed.iter().all(|a| below.contains(a)), "{name}: this list's own arrows point up");
        let manifest = manifest(name);
        let named = manifest.get("dependencies").and_then(|d| d.as_table()).into_iter().flatten().map(|(name, _)| name.as_str());
        let up: Vec<&str> = named.filter(|d| members.contains(d) && !allowed.contains(d)).collect();
        assert!(up.is_empty(), "{name}: names {up:?}, expected none but {allowed:?}");
    }
}

#[test]
fn nothing_but_tests_depends_on_the_archive_for_tests() {
    for (name, allowed) in ARROWS {
        assert!(!allowed.contains(&TESTS_ALONE), "{name}: this list lets it depend on {TESTS_ALONE}");
        for section in ["dependencies", "build-dependencies"] {
            let named = manifest(name).get(section).and_then(|d| d.as_table()).is_some_and(|d| d.contains_key(TESTS_ALONE));
            assert!(!named, "{name}: has {TESTS_ALONE} among its {section}, expected dev-dependencies alone");
        }
    }
}

#[test]
fn rules_and_audit_read_no_clock_and_print_nothing() {
    for name in PURE {
        for (path, text) in sources(&root().join(name).join("src")) {
            let code = code(&text);
            for word in ["SystemTime", "Instant", "println!", "eprintln!", "print!(", "sqlx", "tokio", "anyhow"] {
                assert!(!code.contains(word), "{}: has {word}", path.display());
            }
        }
    }
}

#[test]
fn no_library_prints() {
    for (name, _) in ARROWS.iter().filter(|(name, _)| *name != "cli") {
        for (path, text) in sources(&root().join(name).join("src")) {
            let code = code(&text);
            for word in ["println!", "eprintln!", "print!(", "dbg!("] {
                assert!(!code.contains(word), "{}: has {word}", path.display());
            }
        }
    }
}

#[test]
fn no_file_is_in_a_circle_of_imports() {
    for name in WITHOUT_CIRCLES {
        let folder = root().join(name).join("src");
        let files = sources(&folder);
        // A module's name from the root of its crate, by its path.
        let module = |path: &Path| -> Vec<String> {
            let relative = path.strip_prefix(&folder).unwrap().with_extension("");
            let mut parts: Vec<String> = relative.iter().map(|p| p.to_string_lossy().into_owned()).collect();
            if parts.last().is_some_and(|p| p == "mod" || p == "lib" || p == "main") {
                parts.pop();
            }
            parts
        };
        let modules: BTreeMap<Vec<String>, usize> = files.iter().enumerate().map(|(i, (path, _))| (module(path), i)).collect();
        let mut arrows: Vec<BTreeSet<usize>> = Vec::new();
        for (i, (path, text)) in files.iter().enumerate() {
            let own = module(path);
            let named = imports(&code(text), &own);
            let find = |path: &Vec<String>| (1..=path.len()).rev().find_map(|n| modules.get(&path[..n]).copied());
            // A file that declares others as its parts is no user of them.
            let part = |j: usize| module(&files[j].0).starts_with(&own);
            arrows.push(named.iter().filter_map(find).filter(|j| *j != i && !part(*j)).collect());
        }
        if let Some(circle) = circle(&arrows) {
            let names: Vec<String> = circle.iter().map(|i| files[*i].0.strip_prefix(&folder).unwrap().display().to_string()).collect();
            panic!("{name}: {} import each other", names.join(" → "));
        }
    }
}

/// Paths below the crate's root that a source names, as far as they can be told from its text.
fn imports(code: &str, own: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for prefix in ["crate::", "super::"] {
        for (at, _) in code.match_indices(prefix) {
            if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut base: Vec<String> = if prefix == "crate::" { Vec::new() } else { own[..own.len().saturating_sub(1)].to_vec() };
            let mut rest = &code[at + prefix.len()..];
            while let Some(further) = rest.strip_prefix("super::") {
                base.pop();
                rest = further;
            }
            // A tree at the prefix itself, as in `super::{a, b}`, is read as one below a path.
            let tree = rest.starts_with('{').then(|| format!("::{rest}"));
            expand(tree.as_deref().unwrap_or(rest), base, &mut found);
        }
    }
    found
}

/// The paths of a use tree: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(text: &str, mut base: Vec<String>, found: &mut Vec<Vec<String>>) {
    let mut rest = text;
    loop {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if end > 0 {
            base.push(rest[..end].to_string());
            rest = &rest[end..];
        }
        match rest.strip_prefix("::") {
            Some(further) if further.starts_with('{') => {
                let (mut depth, mut begin) = (0usize, 1);
                for (i, c) in further.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 1 => {
                            expand(further[begin..i].trim(), base.clone(), found);
                            return;
                        }
                        '}' => depth -= 1,
                        ',' if depth == 1 => {
                            expand(further[begin..i].trim(), base.clone(), found);
                            begin = i + 1;
                        }
                        _ => {}
                    }
                }
                return;
            }
            Some(further) if end > 0 => rest = further,
            _ => {
                found.push(base);
                return;
            }
        }
    }
}

/// A circle of arrows, if there is one.
fn circle(arrows: &[BTreeSet<usize>]) -> Option<Vec<usize>> {
    fn walk(at: usize, arrows: &[BTreeSet<usize>], way: &mut Vec<usize>, done: &mut BTreeSet<usize>) -> Option<Vec<usize>> {
        if let Some(begin) = way.iter().position(|w| *w == at) {
            return Some(way[begin..].iter().copied().chain([at]).collect());
        }
        if !done.insert(at) {
            return None;
        }
        way.push(at);
        let found = arrows[at].iter().find_map(|next| walk(*next, arrows, way, done));
        way.pop();
        found
    }
    let mut done = BTreeSet::new();
    (0..arrows.len()).find_map(|at| walk(at, arrows, &mut Vec::new(), &mut done))
}

#[test]
fn no_crate_has_more_than_its_share_of_the_code() {
    let lines = |name: &str| sources(&root().join(name).join("src")).iter().map(|(_, text)| text.lines().count()).sum::<usize>();
    let all: Vec<(&str, usize)> = ARROWS.iter().map(|(name, _)| (*name, lines(name))).collect();
    let total: usize = all.iter().map(|(_, n)| n).sum();
    for (name, n) in all {
        assert!(100 * n <= LARGEST_SHARE * total, "{name}: {n} of {total} lines, expected at most {LARGEST_SHARE} %");
    }
}

/// What a verifier that carries `ledger`, `rails` and the core of `rules` must not need.
const HEAVY: [&str; 9] = ["arrow", "brotli", "cc", "libgit2-sys", "lz4_flex", "parquet", "ring", "sqlx", "zstd-sys"];

/// Crates of this workspace that `rules` needs for a feature alone.
const OPTIONAL: [&str; 4] = ["dedup", "ingest", "kernels", "trainer"];

/// Names of everything that a crate with some features is built from.
fn built_from(name: &str, features: &str) -> BTreeSet<String> {
    let args = ["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}", "--no-default-features"];
    let args = args.into_iter().chain(["--package", name, "--features", features]);
    let tree = std::process::Command::new(env!("CARGO")).args(args).current_dir(root()).output().unwrap();
    assert!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_string).collect()
}

#[test]
fn what_a_small_verifier_carries_needs_no_tables_and_no_c_compiler() {
    for name in ["ledger", "rails", "rules"] {
        let tree = built_from(name, "");
        let found: Vec<&str> = HEAVY.into_iter().chain(OPTIONAL).filter(|n| tree.contains(*n)).collect();
        assert!(tree.contains("ed25519-dalek") && found.is_empty(), "{name}: needs {found:?}");
    }
}

#[test]
fn each_feature_of_rules_adds_what_its_doc_says() {
    for (feature, adds, not) in [
        ("tables", &["arrow", "parquet", "zstd-sys"][..], &["dedup", "ingest", "kernels", "libgit2-sys", "trainer"][..]),
        ("verdicts", &["arrow", "dedup"][..], &["ingest", "libgit2-sys", "trainer"][..]),
        ("replay", &["arrow", "ingest", "kernels", "libgit2-sys", "trainer"][..], &["dedup", "sqlx"][..]),
    ] {
        let tree = built_from("rules", feature);
        let missing: Vec<&&str> = adds.iter().filter(|n| !tree.contains(**n)).collect();
        let found: Vec<&&str> = not.iter().filter(|n| tree.contains(**n)).collect();
        assert!(missing.is_empty() && found.is_empty(), "rules with {feature}: {missing:?} are missing, {found:?} are not expected");
    }
}

#[test]
fn circles_and_use_trees_are_found() {
    let source = "use crate::a::{b, c::{d, e}, self};\nlet x = super::f::g(1);\nuse super::{h, i::j};";
    let found = imports(source, &["m".into(), "n".into()]);
    let found: Vec<String> = found.iter().map(|p| p.join("::")).collect();
    assert_eq!(found, ["a::b", "a::c::d", "a::c::e", "a::self", "m::f::g", "m::h", "m::i::j"]);
    let arrows = |list: &[&[usize]]| list.iter().map(|to| to.iter().copied().collect()).collect::<Vec<BTreeSet<usize>>>();
    assert_eq!(circle(&arrows(&[&[1, 2], &[2], &[]])), None);
    assert_eq!(circle(&arrows(&[&[1], &[2], &[0]])), Some(vec![0, 1, 2, 0]));
    assert_eq!(code("let a = 1; // b\n// SystemTime\nc\n#[cfg(test)]\nmod tests {\nInstant"), "let a = 1; // b\nc\n");
}
