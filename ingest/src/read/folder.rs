//! Folders: their files in the order of their paths; Hugging Face dataset folders, and snapshots in the hub's cache.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rights::licence::{Source as Said, UNKNOWN};

use super::card::Card;
use super::kind::{self, Kind, Source};
use super::problem::{Code, Refusal};
use super::splits::{self, Assigned};
use super::{Ended, Scan, Stopped, archive, evidence};

/// Files of a Hugging Face dataset folder that are about the data.
const ABOUT: [&str; 4] = ["dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"];
/// What the names of files begin with that Spark writes beside its own.
const MARKERS: [&str; 5] = ["_SUCCESS", "_committed_", "_started_", "_metadata", "_common_metadata"];
/// Longest licence file or card.
const TEXT_BYTES: u64 = 4 << 20;

/// Reads all files below `folder`.
pub(super) fn read(folder: &Path, scan: &mut Scan<'_, '_>) -> Result<(), Ended> {
    fs::read_dir(folder).map_err(|e| Ended::Failed(e.to_string()))?;
    let (folder, blobs) = snapshot(folder).map_err(Ended::Failed)?;
    let mut files = Vec::new();
    Walk { blobs: blobs.as_deref(), files: &mut files }.folder(&folder, "", 0, scan)?;
    files.sort();
    let text = |name: &str| {
        let path = folder.join(name);
        let short = fs::metadata(&path).is_ok_and(|m| m.len() <= TEXT_BYTES);
        let bytes = short.then(|| fs::read(&path).ok()).flatten()?;
        super::encoding::decode(bytes, None).ok()
    };
    // A card that is no text says something that is not known.
    let unreadable = || (Card { licence: Some(UNKNOWN.into()), ..Card::default() }, String::new());
    let card = files.iter().any(|f| f == "README.md").then(|| match text("README.md") {
        Some(text) => Card::read(&text).map(|card| (card, text)),
        None => Some(unreadable()),
    });
    let card = card.flatten();
    if scan.options.licence_is_evidence {
        said_by_files(&folder, &files, card.as_ref(), &text, scan);
    }
    for name in &files {
        scan.look_for_sites(name, Source::File(&folder.join(name)));
    }
    scan.begin()?;
    if let Some(reason) = card.as_ref().and_then(|(card, _)| card.broken.clone()) {
        scan.problem("README.md", Refusal::damaged(reason))?;
    }
    let assigned = assign(&files, card.as_ref().map(|(card, _)| card), &text, scan).map_err(Ended::Failed)?;
    let wanted = match (&scan.options.split, &assigned) {
        (Some(split), Some(assigned)) => Some(splits::find(split, assigned).map_err(Ended::Failed)?.to_string()),
        _ => None,
    };
    let mut splits_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (file, split) in assigned.iter().flatten() {
        splits_of.entry(file).or_default().extend(split.as_deref());
    }
    for name in &files {
        // What says the licence is no document.
        if scan.is_statement(name) {
            continue;
        }
        if assigned.is_some() {
            let about = card.is_some() && name == "README.md" || ABOUT.contains(&last(name));
            if about {
                continue;
            }
            let splits = splits_of.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            let selected = match &wanted {
                _ if splits.is_empty() => Err("left out: it is of no split of this dataset".to_string()),
                Some(wanted) if !splits.contains(&wanted.as_str()) => Err(format!("left out: it is of the split {}", splits.join(", "))),
                _ => Ok(()),
            };
            if let Err(reason) = selected {
                scan.problem(name, Refusal::new(Code::NotSelected, reason))?;
                continue;
            }
        }
        if MARKERS.iter().any(|begin| last(name).starts_with(begin)) {
            scan.problem(name, Refusal::new(Code::NotSelected, "left out: a mark that Spark leaves beside its files"))?;
            continue;
        }
        let path = folder.join(name);
        scan.file(name, Source::File(&path))?;
    }
    Ok(())
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The split of each file of a dataset; none if the folder is just files.
fn assign(
    files: &[String],
    card: Option<&Card>,
    text: &impl Fn(&str) -> Option<String>,
    scan: &Scan<'_, '_>,
) -> Result<Option<Assigned>, String> {
    let is_data =
        |name: &String| matches!(kind::of(name), Kind::Parquet | Kind::Arrow | Kind::Json(_) | Kind::Lines(_) | Kind::Delimited(..));
    let (split, config) = (&scan.options.split, scan.options.config.as_deref());
    if let Some(assigned) = splits::by_state(files, text) {
        return assigned.map(Some);
    }
    let configs = card.map(|card| &card.configs[..]).unwrap_or_default();
    if !configs.is_empty() || config.is_some() {
        return splits::by_config(splits::config(config, configs)?, files).map(Some);
    }
    if !files.iter().any(is_data) || card.is_none() && split.is_none() && !files.iter().any(|f| ABOUT.contains(&last(f))) {
        return Ok(None);
    }
    // Without a card's word all of it is taken, unless a split is asked for.
    if split.is_none() {
        return Ok(Some(files.iter().map(|f| (f.clone(), Some("train".into()))).collect()));
    }
    let (data, others): (Vec<String>, Vec<String>) = files.iter().cloned().partition(is_data);
    Ok(Some(splits::by_names(&data).into_iter().chain(others.into_iter().map(|f| (f, None))).collect()))
}

/// What says which licences the files have: licence files and tags beside files at any depth, in archives too, and the card.
fn said_by_files(
    folder: &Path,
    files: &[String],
    card: Option<&(Card, String)>,
    text: &impl Fn(&str) -> Option<String>,
    scan: &mut Scan<'_, '_>,
) {
    let has = |name: &str| files.binary_search_by(|f| f.as_str().cmp(name)).is_ok();
    // The card of the whole has been read, and may be no text.
    for name in files.iter().filter(|name| *name != "README.md") {
        match evidence::of(name, has) {
            Some((form, scope)) => scan.evidence(form, scope, name, text(name)),
            None => {
                let path = folder.join(name);
                archive::evidence(name, || Ok(Source::File(&path)), scan);
            }
        }
    }
    if let Some((card, text)) = card
        && let Some(expression) = &card.licence
    {
        scan.statement("", Said::DatasetCard, "README.md", expression.clone(), text.as_bytes());
    }
}

/// The folder that is meant and, if it is a snapshot in the cache of the hub, the folder that its links lead to.
///
/// A snapshot `datasets--ORG--NAME/snapshots/COMMIT` has links into `blobs` beside `snapshots`. Who names the folder above means the snapshot of
/// its `main`, or the only one.
fn snapshot(folder: &Path) -> Result<(PathBuf, Option<PathBuf>), String> {
    let is_cache = |folder: &Path| folder.join("blobs").is_dir() && folder.join("snapshots").is_dir();
    let mut folder = folder.to_path_buf();
    if is_cache(&folder) {
        let all: Vec<PathBuf> = fs::read_dir(folder.join("snapshots")).map_err(|e| e.to_string())?.flatten().map(|e| e.path()).collect();
        let main = fs::read_to_string(folder.join("refs/main")).ok().map(|c| folder.join("snapshots").join(c.trim()));
        folder = match (main.filter(|m| all.contains(m)), &all[..]) {
            (Some(main), _) => main,
            (None, [one]) => one.clone(),
            (None, _) => return Err(format!("expected a snapshot, found {} in the folder snapshots; name one of them", all.len())),
        };
    }
    let whole = folder.canonicalize().map_err(|e| e.to_string())?;
    let cache = whole.parent().filter(|p| p.file_name().is_some_and(|n| n == "snapshots")).and_then(Path::parent);
    let blobs = cache.filter(|c| is_cache(c)).map(|c| c.join("blobs"));
    Ok((folder, blobs))
}

/// A walk through folders. Links are not followed, since they lead out of it or round in circles, but for those of a snapshot into its own blobs.
struct Walk<'w> {
    blobs: Option<&'w Path>,
    files: &'w mut Vec<String>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, below: &str, depth: usize, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
        let deepest = scan.options.limits.depth;
        if depth > deepest {
            return scan.problem(below, Refusal::new(Code::TooDeep, format!("expected folders at most {deepest} deep")));
        }
        let mut entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(e) => return scan.problem(below, Refusal::of_io(&e)),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                scan.problem(name.to_string_lossy(), Refusal::new(Code::BadName, "expected a name in UTF-8"))?;
                continue;
            };
            let place = if below.is_empty() { name.to_string() } else { format!("{below}/{name}") };
            let in_blobs = || {
                let target = entry.path().canonicalize().ok();
                target.zip(self.blobs).is_some_and(|(target, blobs)| target.parent() == Some(blobs) && target.is_file())
            };
            match entry.file_type() {
                Ok(_) if corpus::text::shown(name) != name => {
                    let text = "expected a name without control characters and marks that turn the direction of writing";
                    scan.problem(place, Refusal::new(Code::BadName, text))?;
                }
                Ok(_) if name.starts_with('.') => scan.problem(place, Refusal::new(Code::Hidden, "hidden: left out"))?,
                Ok(kind) if kind.is_dir() => self.folder(&folder.join(name), &place, depth + 1, scan)?,
                Ok(kind) if kind.is_file() || kind.is_symlink() && in_blobs() => self.files.push(place),
                Ok(_) => scan.problem(place, Refusal::new(Code::Link, "a link or a special file: left out"))?,
                Err(e) => scan.problem(place, Refusal::of_io(&e))?,
            }
        }
        Ok(())
    }
}
