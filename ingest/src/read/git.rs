//! A Git repository at its HEAD: what is committed, and nothing else that lies in the folder.

use std::path::{Path, PathBuf};

use git2::{Commit, ConfigLevel, Odb, Oid, Repository, RepositoryOpenFlags};

use super::archive::{self, inner_name};
use super::kind::{self, Kind, Source};
use super::problem::{Code, Refusal};
use super::{Ended, Scan, evidence};

const FOLDER: i32 = 0o040000;
const LINK: i32 = 0o120000;
const SUBMODULE: i32 = 0o160000;
/// Largest object that lists a folder.
const TREE_BYTES: usize = 64 << 20;
/// Longest licence file or card.
const LICENCE_BYTES: usize = 4 << 20;

/// Whether a folder is a repository: one with a working tree, or a bare one.
pub(super) fn is_repository(folder: &Path) -> bool {
    folder.join(".git").symlink_metadata().is_ok()
        || folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir()
}

/// Files with which a repository reads objects of another place.
const ELSEWHERE: [&str; 3] = ["commondir", "objects/info/alternates", "objects/info/http-alternates"];
/// Most files and folders of `.git`.
const GIT_ENTRIES: usize = 1 << 20;

/// The folder with the objects of a repository, once nothing in it leads out of it.
///
/// A repository that was sent by somebody else may name any folder of this machine as its own: by a file in place of `.git`, by links, by
/// `commondir`, by alternates, or by what its config includes.
fn own_folder(folder: &Path) -> Result<PathBuf, String> {
    let git = if folder.join(".git").symlink_metadata().is_ok() { folder.join(".git") } else { folder.to_path_buf() };
    let kind = git.symlink_metadata().map_err(|e| e.to_string())?.file_type();
    if !kind.is_dir() {
        return Err("expected a folder .git, found a file or a link that names another place: clone it instead".into());
    }
    if let Some(name) = ELSEWHERE.iter().find(|name| git.join(name).symlink_metadata().is_ok()) {
        return Err(format!("expected all objects in the repository, found .git/{name}, which names another place: clone it instead"));
    }
    let mut folders = vec![git.clone()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
            let entry = entry.map_err(|e| e.to_string())?;
            seen += 1;
            if seen > GIT_ENTRIES {
                return Err(format!("more than {GIT_ENTRIES} files in .git: pack it with git gc"));
            }
            let kind = entry.file_type().map_err(|e| e.to_string())?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if !kind.is_file() {
                let name = entry.path();
                let name = name.strip_prefix(&git).unwrap_or(&name);
                return Err(format!("expected files and folders in .git, found the link or special file {}", name.display()));
            }
        }
    }
    for name in ["config", "config.worktree"] {
        let Ok(text) = std::fs::read(git.join(name)) else { continue };
        // Whatever the file's syntax makes of it: a name of a section that begins so is enough.
        let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
        let sections = text.match_indices('[').map(|(at, _)| text[at + 1..].trim_start());
        if sections.into_iter().any(|section| section.starts_with("include")) {
            return Err(format!("expected a config of its own, found one that includes others in .git/{name}"));
        }
        let keys = text.lines().map(str::trim_start).chain(text.split(']').map(str::trim_start));
        if keys.into_iter().any(|line| line.starts_with("worktree")) {
            return Err(format!("expected its files beside .git, found core.worktree in .git/{name}"));
        }
    }
    Ok(git)
}

/// Keeps the configs of machine and user out: what is read of a repository follows from its own files.
fn no_other_configs() -> Result<(), git2::Error> {
    static ONCE: std::sync::OnceLock<Result<(), String>> = std::sync::OnceLock::new();
    let levels = [ConfigLevel::ProgramData, ConfigLevel::System, ConfigLevel::XDG, ConfigLevel::Global];
    // SAFETY: these options are global to libgit2 and have to be set while no other thread uses it; this is its only user, and waits here.
    let set =
        || levels.into_iter().try_for_each(|level| unsafe { git2::opts::set_search_path(level, "") }).map_err(|e| e.message().to_string());
    ONCE.get_or_init(set).clone().map_err(|e| git2::Error::from_str(&e))
}

/// Reads the files of the commit that HEAD names.
pub(super) fn read(folder: &Path, scan: &mut Scan<'_, '_>) -> Result<(), Ended> {
    let failed = |e: git2::Error| Ended::Failed(format!("Git repository: {}", e.message()));
    let own = own_folder(folder).map_err(|reason| Ended::Failed(format!("Git repository: {reason}")))?;
    no_other_configs().map_err(failed)?;
    // A repository further up is not what was named, nor what the environment names.
    let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
    let repository = Repository::open_ext(&own, flags, &[] as &[&std::ffi::OsStr]).map_err(failed)?;
    let head = repository.head().and_then(|head| head.peel_to_commit()).map_err(failed)?;
    scan.scanned.origin = Some(format!("git:{}", head.id()));
    let objects = repository.odb().map_err(failed)?;
    let mut entries = walk(&repository, &objects, &head, scan)?;
    entries.sort();
    if scan.options.licence_is_evidence {
        let names = entries.iter().filter_map(|(path, mode, id)| Some((std::str::from_utf8(path).ok()?, *mode, *id)));
        let files: Vec<_> = names.filter(|(_, mode, _)| *mode != LINK && *mode != SUBMODULE).collect();
        let text = |id: Oid| {
            let short = objects.read_header(id).is_ok_and(|(size, _)| size <= LICENCE_BYTES);
            let blob = short.then(|| repository.find_blob(id).ok()).flatten()?;
            super::encoding::decode(blob.content().to_vec(), None).ok()
        };
        let has = |name: &str| files.binary_search_by(|(other, ..)| (*other).cmp(name)).is_ok();
        for (name, _, id) in &files {
            if let Some((form, scope)) = evidence::of(name, has) {
                scan.evidence(form, scope, name, text(*id));
            } else if matches!(kind::of(name), Kind::Tar(_) | Kind::Zip) {
                let fits = objects.read_header(*id).is_ok_and(|(size, _)| size as u64 <= scan.options.limits.text_bytes);
                let Some(blob) = fits.then(|| repository.find_blob(*id).ok()).flatten() else { continue };
                let mut content = blob.content();
                let size = content.len() as u64;
                archive::evidence(name, || Ok(Source::Nested(&mut content, size)), scan);
            }
        }
    }
    scan.begin()?;
    for (path, mode, id) in entries {
        let lossy = String::from_utf8_lossy(&path).into_owned();
        if scan.is_statement(&lossy) {
            continue;
        }
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
        let size = content.len() as u64;
        scan.nested(&lossy, &mut { content }, size)?;
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
