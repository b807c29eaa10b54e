//! Which files of a Hugging Face dataset folder are which split: by its card, by what `save_to_disk` wrote, or by their names.
//!
//! Source: <https://huggingface.co/docs/hub/datasets-data-files-configuration> and the library `datasets`, whose order of rules this is.

use globset::GlobBuilder;
use serde::Deserialize;

use super::card::Config;

/// Names of a split that mean the same; the first is its own.
const ALIASES: [&[&str]; 3] = [&["train", "training"], &["validation", "valid", "val", "dev"], &["test", "testing", "eval", "evaluation"]];

/// A file of a dataset, and its split; none if the dataset does not use it.
pub(super) type Assigned = Vec<(String, Option<String>)>;

/// The name that a split is known by.
fn own_name(split: &str) -> &str {
    ALIASES.iter().find(|names| names.contains(&split)).map_or(split, |names| names[0])
}

/// The split that `wanted` means, of those that there are.
///
/// # Errors
/// The splits that there are.
pub(super) fn find<'s>(wanted: &str, files: &'s Assigned) -> Result<&'s str, String> {
    let mut names: Vec<&str> = files.iter().filter_map(|(_, split)| split.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    let exact = names.iter().find(|name| **name == wanted);
    let alias = || names.iter().find(|name| own_name(name) == own_name(wanted));
    exact.or_else(alias).copied().ok_or_else(|| match names[..] {
        [] => format!("split {wanted:?} does not exist; no file of this dataset is of a split"),
        _ => format!("split {wanted:?} does not exist; this dataset has {}", names.join(", ")),
    })
}

/// The config that `wanted` names, or the default one: the one that says so, that is called `default`, or the only one.
///
/// # Errors
/// The configs that there are.
pub(super) fn config<'c>(wanted: Option<&str>, configs: &'c [Config]) -> Result<&'c Config, String> {
    let names = || configs.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    match wanted {
        Some(wanted) => configs.iter().find(|c| c.name == wanted).ok_or_else(|| {
            format!("config {wanted:?} does not exist; this dataset has {}", if configs.is_empty() { "none".into() } else { names() })
        }),
        None => {
            let default = configs.iter().find(|c| c.default).or_else(|| configs.iter().find(|c| c.name == "default"));
            match (default, configs) {
                (Some(config), _) | (None, [config]) => Ok(config),
                _ => Err(format!("expected one config or a default one, found {}; name one with --config", names())),
            }
        }
    }
}

/// Files by the patterns of a card's config.
///
/// # Errors
/// A pattern that is none.
pub(super) fn by_config(config: &Config, files: &[String]) -> Result<Assigned, String> {
    let inside = |path: &str| match &config.data_dir {
        Some(folder) => format!("{}/{path}", folder.trim_matches('/').trim_start_matches("./")),
        None => path.to_string(),
    };
    let Some(splits) = &config.data_files else {
        // Without patterns, the names of files below its folder decide.
        let below = inside("");
        let (own, others): (Vec<String>, Vec<String>) =
            files.iter().cloned().partition(|f| below == "/" || f.starts_with(below.trim_start_matches('/')));
        return Ok(by_names(&own).into_iter().chain(others.into_iter().map(|f| (f, None))).collect());
    };
    // A file may be of several splits.
    let mut splits_of: Vec<Vec<&String>> = vec![Vec::new(); files.len()];
    for (split, patterns) in splits {
        for pattern in patterns {
            let pattern = inside(pattern.trim_start_matches("./"));
            let glob = GlobBuilder::new(&pattern).literal_separator(true).build();
            let glob = glob.map_err(|e| format!("the card's pattern {pattern:?} of split {split}: {e}"))?.compile_matcher();
            let mut matched = false;
            for (_, of) in files.iter().zip(&mut splits_of).filter(|(file, _)| glob.is_match(file)) {
                matched = true;
                if !of.contains(&split) {
                    of.push(split);
                }
            }
            if !matched && !pattern.contains(['*', '?', '[', '{']) {
                return Err(format!("the card's file {pattern:?} of split {split} does not exist in the folder"));
            }
        }
    }
    let each = |(file, of): (&String, Vec<&String>)| {
        let none = of.is_empty().then(|| (file.clone(), None));
        of.into_iter().map(|split| (file.clone(), Some(split.clone()))).chain(none).collect::<Vec<_>>()
    };
    Ok(files.iter().zip(splits_of).flat_map(each).collect())
}

/// Files by their names: shards that name their split, else a keyword as a word of a folder or a file, else all of them are `train`.
pub(super) fn by_names(files: &[String]) -> Assigned {
    let sharded: Vec<Option<String>> = files.iter().map(|f| split_of_shard(f).map(str::to_string)).collect();
    if sharded.iter().any(Option::is_some) {
        return files.iter().cloned().zip(sharded).collect();
    }
    let keyed: Vec<Option<String>> = files.iter().map(|f| split_of_words(f).map(str::to_string)).collect();
    if keyed.iter().any(Option::is_some) {
        return files.iter().cloned().zip(keyed).collect();
    }
    files.iter().map(|f| (f.clone(), Some("train".to_string()))).collect()
}

/// The split of `data/NAME-00000-of-00001.EXTENSION`.
fn split_of_shard(file: &str) -> Option<&str> {
    let name = file.strip_prefix("data/").filter(|name| !name.contains('/'))?;
    let (stem, _) = name.split_once('.')?;
    let (stem, of) = stem.rsplit_once("-of-")?;
    let (split, number) = stem.rsplit_once('-')?;
    let digits = |text: &str| text.len() >= 5 && text.bytes().all(|b| b.is_ascii_digit());
    (number.len() == 5 && digits(number) && digits(of) && !split.is_empty()).then_some(split)
}

/// The split whose keyword is a word of a path, the last of its parts first.
fn split_of_words(file: &str) -> Option<&'static str> {
    let is_word = |part: &str| {
        let words = part.split(|c: char| "-._ ".contains(c) || c.is_ascii_digit());
        words.into_iter().find_map(|word| ALIASES.iter().find(|names| names.contains(&word)).map(|names| names[0]))
    };
    file.rsplit('/').find_map(is_word)
}

/// What `Dataset.save_to_disk` says of its files.
#[derive(Deserialize)]
struct State {
    _data_files: Vec<DataFile>,
    #[serde(default)]
    _split: Option<String>,
}

#[derive(Deserialize)]
struct DataFile {
    filename: String,
}

/// What `DatasetDict.save_to_disk` says of its folders.
#[derive(Deserialize)]
struct Splits {
    splits: Vec<String>,
}

/// Files by what `save_to_disk` wrote; none if it wrote nothing. `text` gives the text of a file.
///
/// # Errors
/// What is wrong with what it wrote.
pub(super) fn by_state(files: &[String], text: impl Fn(&str) -> Option<String>) -> Option<Result<Assigned, String>> {
    let named = |name: &str| files.iter().any(|f| f == name);
    let listed = if named("dataset_dict.json") {
        let splits: Result<Splits, _> = serde_json::from_str(&text("dataset_dict.json").unwrap_or_default());
        match splits {
            Ok(splits) => splits.splits.into_iter().map(|split| (format!("{split}/"), Some(split))).collect::<Vec<_>>(),
            Err(e) => return Some(Err(format!("dataset_dict.json: expected the names of splits, found {e}"))),
        }
    } else if named("state.json") {
        vec![(String::new(), None)]
    } else {
        return None;
    };
    let mut assigned: Assigned = files.iter().map(|f| (f.clone(), None)).collect();
    for (folder, split) in listed {
        let name = format!("{folder}state.json");
        let state: State = match text(&name).as_deref().map(serde_json::from_str) {
            Some(Ok(state)) => state,
            Some(Err(e)) => return Some(Err(format!("{name}: expected the list of its files, found {e}"))),
            None => return Some(Err(format!("{name} does not exist, which dataset_dict.json names the folder of"))),
        };
        let split = split.or(state._split).unwrap_or_else(|| "train".into());
        for file in state._data_files {
            let path = format!("{folder}{}", file.filename);
            match assigned.iter_mut().find(|(name, _)| *name == path) {
                Some((_, of)) => *of = Some(split.clone()),
                None => return Some(Err(format!("{path} does not exist, which {name} names"))),
            }
        }
    }
    Some(Ok(assigned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    fn of<'a>(assigned: &'a Assigned, split: &str) -> Vec<&'a str> {
        assigned.iter().filter(|(_, s)| s.as_deref() == Some(split)).map(|(f, _)| f.as_str()).collect()
    }

    #[test]
    fn names_of_files_tell_splits() {
        let files = names(&[
            "data/train-00000-of-00002.parquet",
            "data/train-00001-of-00002.parquet",
            "data/extra-00000-of-00001.parquet",
            "x.csv",
        ]);
        let assigned = by_names(&files);
        assert_eq!(of(&assigned, "train").len(), 2);
        assert_eq!(of(&assigned, "extra").len(), 1);
        let assigned = by_names(&names(&["my_data/a.jsonl", "sets/dev.jsonl", "test1/b.jsonl", "training-set.jsonl"]));
        assert_eq!(of(&assigned, "validation"), ["sets/dev.jsonl"]);
        assert_eq!(of(&assigned, "test"), ["test1/b.jsonl"]);
        assert_eq!(of(&assigned, "train"), ["training-set.jsonl"]);
        assert_eq!(of(&by_names(&names(&["a.csv", "contest.csv"])), "train").len(), 2, "a word, not its letters");
    }

    #[test]
    fn cards_tell_splits_and_unknown_ones_name_those_that_exist() {
        let files = names(&["data/a.jsonl", "data/b/c.jsonl", "raw/x.jsonl", "holdout/b.jsonl"]);
        let data_files =
            vec![("train".to_string(), vec!["data/*.jsonl".to_string()]), ("test".to_string(), vec!["holdout/**".to_string()])];
        let config = Config { name: "default".into(), data_files: Some(data_files), ..Config::default() };
        let assigned = by_config(&config, &files).unwrap();
        assert_eq!(of(&assigned, "train"), ["data/a.jsonl"], "a star does not go into folders");
        assert_eq!(find("evaluation", &assigned), Ok("test"));
        assert!(find("dev", &assigned).unwrap_err().contains("has test, train"));
        let other = Config { name: "b".into(), data_dir: Some("data".into()), ..Config::default() };
        assert_eq!(of(&by_config(&other, &files).unwrap(), "train").len(), 2);
        assert_eq!(super::config(Some("b"), &[config.clone(), other.clone()]).unwrap().name, "b");
        assert_eq!(super::config(None, &[other.clone(), config.clone()]).unwrap().name, "default");
        assert!(super::config(Some("c"), &[config, other]).unwrap_err().contains("default, b"));
    }

    #[test]
    fn saved_datasets_list_their_files() {
        let files = names(&[
            "dataset_dict.json",
            "test/cache-1.arrow",
            "test/data-0.arrow",
            "test/state.json",
            "train/data-0.arrow",
            "train/state.json",
        ]);
        let text = |name: &str| {
            Some(
                if name == "dataset_dict.json" {
                    r#"{"splits": ["train", "test"]}"#
                } else {
                    r#"{"_data_files": [{"filename": "data-0.arrow"}]}"#
                }
                .to_string(),
            )
        };
        let assigned = by_state(&files, text).unwrap().unwrap();
        assert_eq!((of(&assigned, "train"), of(&assigned, "test")), (vec!["train/data-0.arrow"], vec!["test/data-0.arrow"]));
        assert!(by_state(&files[..2], text).unwrap().unwrap_err().contains("does not exist"));
        assert!(by_state(&names(&["a.txt"]), text).is_none());
    }
}
