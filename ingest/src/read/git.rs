//! A Git repository at its HEAD: what is committed, and nothing else that lies in the folder.

use std::path::Path;

use git2::{Commit, Odb, Oid, Repository, RepositoryOpenFlags};

use super::archive::inner_name;
use super::card::{self, EvidenceKind};
use super::kind::Source;
use super::problem::{Code, Refusal};
use super::{Ended, Evidence, Scan};

/// What a file that Git LFS keeps elsewhere begins with.
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";

const FOLDER: i32 = 0o040000;
const LINK: i32 = 0o120000;
const SUBMODULE: i32 = 0o160000;
/// Largest object that lists a folder.
const TREE_BYTES: usize = 64 << 20;

/// Whether a folder is a repository: one with a working tree, or a bare one.
pub(super) fn is_repository(folder: &Path) -> bool {
    folder.join(".git").exists() || folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir()
}

/// Reads the files of the commit that HEAD names.
pub(super) fn read(folder: &Path, scan: &mut Scan<'_, '_>) -> Result<(), Ended> {
    let failed = |e: git2::Error| Ended::Failed(format!("Git repository: {}", e.message()));
    // A repository further up is not what was named.
    let repository = Repository::open_ext(folder, RepositoryOpenFlags::NO_SEARCH, &[] as &[&std::ffi::OsStr]).map_err(failed)?;
    let head = repository.head().and_then(|head| head.peel_to_commit()).map_err(failed)?;
    scan.scanned.origin = Some(format!("git:{}", head.id()));
    let objects = repository.odb().map_err(failed)?;
    let mut entries = walk(&repository, &objects, &head, scan)?;
    entries.sort();
    let mut left_out = None;
    if scan.options.licence_is_evidence {
        let names = entries.iter().filter_map(|(path, mode, id)| Some((std::str::from_utf8(path).ok()?, *mode, *id)));
        for (name, _, id) in names.filter(|(name, mode, _)| *mode != LINK && !name.contains('/') && card::is_evidence_name(name)) {
            let text = repository.find_blob(id).ok().and_then(|b| String::from_utf8(b.content().to_vec()).ok());
            if let Some(text) = text {
                scan.scanned.evidence = Some(Evidence { file: name.to_string(), text, kind: EvidenceKind::LicenceFile });
                left_out = Some(name.as_bytes().to_vec());
                break;
            }
        }
    }
    scan.begin()?;
    entries.retain(|(path, ..)| Some(path) != left_out.as_ref());
    for (path, mode, id) in entries {
        let lossy = String::from_utf8_lossy(&path).into_owned();
        let refusal = match (mode, inner_name(&path, scan.options.limits.depth)) {
            (_, Err(refusal)) => Some(refusal),
            (LINK, _) => Some(Refusal::new(Code::Link, "a link: left out")),
            (SUBMODULE, _) => {
                Some(Refusal::new(Code::Link, format!("a submodule at commit {id}: left out; read it as a repository of its own")))
            }
            _ => None,
        };
        if let Some(refusal) = refusal {
            scan.problem(lossy, refusal)?;
            continue;
        }
        // The size is known before the content is in memory.
        let blob = objects.read_header(id).and_then(|(size, _)| {
            let fits = size as u64 <= scan.options.limits.text_bytes;
            if fits { repository.find_blob(id).map(Some) } else { Ok(None) }
        });
        let blob = match blob {
            Ok(Some(blob)) => blob,
            Ok(None) => {
                scan.problem(lossy, Refusal::new(Code::TooLong, "larger than a dataset may be"))?;
                continue;
            }
            Err(e) => {
                scan.problem(lossy, Refusal::damaged(e.message()))?;
                continue;
            }
        };
        let content = blob.content();
        if content.starts_with(LFS) {
            scan.problem(lossy, Refusal::new(Code::Unsupported, "a Git LFS pointer: left out; its content is not in the repository"))?;
            continue;
        }
        let size = content.len() as u64;
        scan.file(&lossy, Source::Nested(&mut { content }, size))?;
    }
    Ok(())
}

/// Path, kind and id of every file of a commit.
///
/// A folder may list itself many times over, so entries are counted; libgit2's own walk would not end, nor bound its recursion.
fn walk(repository: &Repository, objects: &Odb<'_>, head: &Commit<'_>, scan: &mut Scan<'_, '_>) -> Result<Vec<(Vec<u8>, i32, Oid)>, Ended> {
    let failed = |e: git2::Error| Ended::Failed(format!("Git repository: {}", e.message()));
    let mut entries = Vec::new();
    let mut folders = vec![(Vec::new(), head.tree_id(), 0)];
    let mut seen = 0u64;
    while let Some((path, id, depth)) = folders.pop() {
        let place = || String::from_utf8_lossy(&path).into_owned();
        if depth > scan.options.limits.depth {
            let deepest = scan.options.limits.depth;
            scan.problem(place(), Refusal::new(Code::TooDeep, format!("expected folders at most {deepest} deep")))?;
            continue;
        }
        let (size, _) = objects.read_header(id).map_err(failed)?;
        if size > TREE_BYTES {
            scan.problem(place(), Refusal::new(Code::TooMany, format!("a folder's list of {size} bytes, expected at most {TREE_BYTES}")))?;
            continue;
        }
        for entry in repository.find_tree(id).map_err(failed)?.iter() {
            seen += 1;
            if seen > scan.options.limits.records {
                return Err(Ended::Failed(format!("more than {} files and folders", scan.options.limits.records)));
            }
            let name = [&path[..], entry.name_bytes()].concat();
            match entry.filemode_raw() & 0o170000 {
                FOLDER => folders.push(([&name[..], b"/"].concat(), entry.id(), depth + 1)),
                kind => entries.push((name, kind, entry.id())),
            }
        }
    }
    Ok(entries)
}
