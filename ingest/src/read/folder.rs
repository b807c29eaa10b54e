//! Folders: their files in the order of their paths; Hugging Face dataset folders.

use std::fs;
use std::path::Path;

use super::card::{self, EvidenceKind};
use super::kind::{self, Kind, Source};
use super::problem::{Code, Refusal};
use super::{Ended, Evidence, Scan, Stopped};

/// Files of a Hugging Face dataset folder that are about the data.
const ABOUT: [&str; 4] = ["dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"];

/// Reads all files below `folder`.
pub(super) fn read(folder: &Path, scan: &mut Scan<'_, '_>) -> Result<(), Ended> {
    fs::read_dir(folder).map_err(|e| Ended::Failed(e.to_string()))?;
    let mut files = Vec::new();
    walk(folder, "", 0, &mut files, scan)?;
    files.sort();
    let is_data = |name: &String| matches!(kind::of(name), Kind::Parquet | Kind::Arrow | Kind::Lines(_) | Kind::Delimited(..));
    let card = files.iter().find(|f| *f == "README.md").map(|f| fs::read_to_string(folder.join(f)).unwrap_or_default());
    let has_card = card.as_ref().is_some_and(|c| card::front_matter(c).is_some());
    // A folder with a card or the files of `save_to_disk`, and with tables, is a dataset; any other has texts.
    let is_dataset = files.iter().any(is_data) && (has_card || files.iter().any(|f| ABOUT.contains(&last(f))));
    let mut left_out = None;
    if scan.options.licence_is_evidence {
        let top = files.iter().filter(|f| !f.contains('/') && card::is_evidence_name(f));
        for name in top {
            if let Ok(text) = fs::read_to_string(folder.join(name)) {
                scan.scanned.evidence = Some(Evidence { file: name.clone(), text, kind: EvidenceKind::LicenceFile });
                left_out = Some(name.clone());
                break;
            }
        }
        if let (true, None, Some(text)) = (is_dataset, &scan.scanned.evidence, &card)
            && card::licence_of_card(text).is_some()
        {
            let (file, text) = ("README.md".to_string(), text.clone());
            scan.scanned.evidence = Some(Evidence { file, text, kind: EvidenceKind::DatasetCard });
        }
    }
    scan.begin()?;
    for name in files.into_iter().filter(|f| Some(f) != left_out.as_ref()) {
        let about = has_card && name == "README.md" || ABOUT.contains(&last(&name));
        if is_dataset && (about || !is_of_split(&name, scan.options.split.as_deref())) {
            continue;
        }
        let path = folder.join(&name);
        scan.file(&name, Source::File(&path))?;
    }
    Ok(())
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Whether a file's path names a split as one of its words: `train-00000-of-00001.parquet`, `train/data-00000.arrow`.
fn is_of_split(name: &str, split: Option<&str>) -> bool {
    split.is_none_or(|split| name.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == split))
}

/// Finds the files below a folder; links are not followed, since they lead out of it or round in circles.
fn walk(folder: &Path, below: &str, depth: usize, files: &mut Vec<String>, scan: &mut Scan<'_, '_>) -> Result<(), Stopped> {
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
        match entry.file_type() {
            Ok(_) if name.starts_with('.') => scan.problem(place, Refusal::new(Code::Hidden, "hidden: left out"))?,
            Ok(kind) if kind.is_dir() => walk(&folder.join(name), &place, depth + 1, files, scan)?,
            Ok(kind) if kind.is_file() => files.push(place),
            Ok(_) => scan.problem(place, Refusal::new(Code::Link, "a link or a special file: left out"))?,
            Err(e) => scan.problem(place, Refusal::of_io(&e))?,
        }
    }
    Ok(())
}
