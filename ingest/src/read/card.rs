//! The card of a Hugging Face dataset: what its front matter says of licences, configs and splits; names of licence files.
//!
//! Source: <https://huggingface.co/docs/hub/datasets-cards>.

use std::collections::BTreeSet;

use rights::licence::{UNKNOWN, joined, named, reference};

use super::yaml::Yaml;

/// Words in the names of files that say which licence a folder has.
const EVIDENCE: [&str; 9] = ["license", "licence", "licenses", "licences", "copying", "copyright", "unlicense", "unlicence", "eula"];
/// Endings of programs and data, whose names say what they are about.
const OTHERS: [&str; 40] = [
    "rs", "py", "js", "ts", "go", "c", "h", "cc", "cpp", "hpp", "java", "kt", "rb", "php", "sh", "swift", "scala", "cs", "pl", "lua",
    "css", "vue", "tsx", "jsx", "mjs", "cjs", "ipynb", "jsonl", "ndjson", "parquet", "arrow", "csv", "tsv", "warc", "wet", "zst", "tar",
    "zip", "tgz", "toml",
];

/// Whether a file's name is that of a licence text or a notice: `LICENSE`, `LICENCE-MIT.txt`, `NOTICE`, but not `licence.rs`.
pub fn is_licence_name(name: &str) -> bool {
    is_evidence_name(name) || name.to_lowercase().split(|c: char| !c.is_alphanumeric()).next() == Some("notice") && !is_other(name)
}

/// Whether a file's name is that of a licence text.
pub(super) fn is_evidence_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    !is_other(name) && lower.split(|c: char| !c.is_alphanumeric()).any(|word| EVIDENCE.contains(&word))
}

/// Whether the folder that a file lies in is one of licence texts.
pub(super) fn is_evidence_folder(folder: &str) -> bool {
    let last = folder.rsplit('/').next().unwrap_or(folder);
    ["licenses", "licences", "license", "licence"].contains(&last.to_lowercase().as_str())
}

fn is_other(name: &str) -> bool {
    let lower = name.to_lowercase();
    lower.rsplit_once('.').is_some_and(|(_, ending)| OTHERS.contains(&ending))
}

/// What a card says.
#[derive(Clone, Debug, Default)]
pub(super) struct Card {
    /// The SPDX expression of its `license`, with [`UNKNOWN`] or another `LicenseRef-` for what is none; none if it says nothing.
    pub licence: Option<String>,
    /// Its `configs`.
    pub configs: Vec<Config>,
    /// Why the front matter cannot be read.
    pub broken: Option<String>,
}

/// A config of a dataset: a name for some of its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    pub name: String,
    pub default: bool,
    /// The folder that paths begin at.
    pub data_dir: Option<String>,
    /// Patterns of files by split; none if the card leaves it to the names of files.
    pub data_files: Option<Vec<(String, Vec<String>)>>,
}

/// The lines between the first two lines `---`; all that follows if there is only one.
pub(super) fn front_matter(text: &str) -> Option<String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
    let mut lines = text.lines();
    lines.next().filter(|line| line.trim_end() == "---")?;
    Some(lines.take_while(|line| line.trim_end() != "---").map(|line| format!("{line}\n")).collect())
}

impl Card {
    /// The card of a `README.md`; none if it has no front matter.
    pub fn read(text: &str) -> Option<Card> {
        let front = front_matter(text)?;
        Some(match Yaml::parse(&front) {
            Ok(yaml) => Card { licence: licence_of(&yaml), configs: configs_of(&yaml), broken: None },
            // What it would have said is not known, so what it says of licences is not either.
            Err(reason) => Card {
                licence: front.to_lowercase().contains("licen").then(|| UNKNOWN.to_string()),
                configs: Vec::new(),
                broken: Some(format!("expected YAML in its front matter, found {reason}")),
            },
        })
    }
}

/// The licence of a card: everything that it says under a name of licences, at any depth, in letters of any size. All of it counts, since each may
/// hold for a part.
fn licence_of(yaml: &Yaml) -> Option<String> {
    let mut said = BTreeSet::new();
    statements(yaml, &mut said);
    (!said.is_empty()).then(|| joined(&said))
}

fn statements(yaml: &Yaml, said: &mut BTreeSet<String>) {
    match yaml {
        Yaml::Map(members) => {
            let own = members.iter().find(|(name, _)| name.eq_ignore_ascii_case("license_name")).and_then(|(_, v)| v.text());
            let is_other = members.iter().any(|(_, value)| value.texts().iter().any(|t| t.eq_ignore_ascii_case("other")));
            for (name, value) in members.iter().filter(|(_, value)| *value != Yaml::Null) {
                let lower = name.to_ascii_lowercase();
                match lower.as_str() {
                    // A link names where it stands; what is behind it is not here.
                    "license_link" | "license_url" | "license_details" => {}
                    "license_name" if is_other => {}
                    "license" | "licence" | "licenses" | "licences" | "license_name" => values(value, own, said),
                    _ => statements(value, said),
                }
            }
        }
        Yaml::List(list) => list.iter().for_each(|item| statements(item, said)),
        _ => {}
    }
}

/// What one field says: names of licences, or something that is not known.
fn values(value: &Yaml, own: Option<&str>, said: &mut BTreeSet<String>) {
    match value {
        // A licence of the card's own has a name and is none of the list, whatever the name is.
        Yaml::Text(name) if name.eq_ignore_ascii_case("other") => drop(said.insert(reference(own.unwrap_or(name)))),
        Yaml::Text(name) => drop(said.insert(named(name))),
        Yaml::List(list) if !list.is_empty() => list.iter().for_each(|item| values(item, own, said)),
        _ => drop(said.insert(UNKNOWN.to_string())),
    }
}

fn configs_of(yaml: &Yaml) -> Vec<Config> {
    let list = match yaml.get("configs") {
        Some(Yaml::List(list)) => list.clone(),
        Some(one @ Yaml::Map(_)) => vec![one.clone()],
        _ => return Vec::new(),
    };
    list.iter()
        .map(|config| Config {
            name: config.get("config_name").and_then(Yaml::text).unwrap_or("default").to_string(),
            default: config.get("default").and_then(Yaml::text).is_some_and(|t| t.eq_ignore_ascii_case("true")),
            data_dir: config.get("data_dir").and_then(Yaml::text).map(str::to_string),
            data_files: config.get("data_files").map(data_files_of),
        })
        .collect()
}

fn data_files_of(yaml: &Yaml) -> Vec<(String, Vec<String>)> {
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_string).collect::<Vec<String>>();
    match yaml {
        Yaml::Map(splits) => splits.iter().map(|(split, paths)| (split.clone(), owned(paths.texts()))).collect(),
        Yaml::List(list) if list.iter().any(|item| item.get("split").is_some() || item.get("path").is_some()) => {
            let mut found: Vec<(String, Vec<String>)> = Vec::new();
            for item in list {
                let split = item.get("split").and_then(Yaml::text).unwrap_or("train").to_string();
                let paths = item.get("path").map(|paths| owned(paths.texts())).unwrap_or_default();
                match found.iter_mut().find(|(name, _)| *name == split) {
                    Some((_, known)) => known.extend(paths),
                    None => found.push((split, paths)),
                }
            }
            found
        }
        other => vec![("train".to_string(), owned(other.texts()))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_names() {
        for name in ["LICENSE", "license.txt", "LICENSE-MIT", "LICENSE-2.0", "COPYING.md", "NOTICE"] {
            assert!(is_licence_name(name), "{name}");
        }
        for name in ["LICENSE.pdf", "DATA_LICENSE", "license agreement.docx", "COPYRIGHT", "EULA.txt"] {
            assert!(is_evidence_name(name), "{name}");
        }
        for name in ["licence.rs", "license_check.py", "licensed", "README", "text.jsonl", "licenses.jsonl"] {
            assert!(!is_licence_name(name), "{name}");
        }
    }

    #[test]
    fn cards_name_licences_in_every_form() {
        let licence = |front: &str| Card::read(&format!("---\n{front}\n---\n# A\n")).unwrap().licence;
        assert_eq!(licence("license: apache-2.0\nlanguage: en").as_deref(), Some("Apache-2.0"));
        assert_eq!(licence("license: cc-by-nc-4.0 # as agreed").as_deref(), Some("CC-BY-NC-4.0"));
        assert_eq!(licence("license:\n- cc-by-4.0\n- mit\ntags: [a]").as_deref(), Some("CC-BY-4.0 AND MIT"));
        assert_eq!(licence("license: [mit, 'cc-by-sa-4.0']").as_deref(), Some("CC-BY-SA-4.0 AND MIT"));
        assert_eq!(licence("license: odc-by").as_deref(), Some("LicenseRef-odc-by"), "ODC-By has a version in SPDX");
        assert_eq!(licence("license: other\nlicense_name: our-terms\nlicense_link: LICENSE").as_deref(), Some("LicenseRef-our-terms"));
        assert_eq!(licence("license: other\nlicense_name: mit").as_deref(), Some("LicenseRef-mit"), "a name is no licence");
        assert_eq!(licence("License: mit\nlicenses: [cc-by-nc-4.0]").as_deref(), Some("CC-BY-NC-4.0 AND MIT"));
        assert_eq!(licence("license: [mit, {id: x}]").as_deref(), Some("LicenseRef-unknown AND MIT"));
        assert_eq!(licence("dataset_info:\n  license: cc-by-nc-4.0").as_deref(), Some("CC-BY-NC-4.0"));
        assert_eq!(licence("license: other").as_deref(), Some("LicenseRef-other"));
        assert_eq!(licence("license: {a: b}").as_deref(), Some(UNKNOWN));
        assert_eq!(licence("license: [mit").as_deref(), Some(UNKNOWN), "what is broken says nothing that permits");
        assert_eq!(licence("language: en"), None);
        assert!(Card::read("# A page\nlicense: mit\n").is_none());
    }

    #[test]
    fn configs_name_the_files_of_each_split() {
        let front = "configs:\n- config_name: a\n  default: true\n  data_files:\n  - split: train\n    path: [\"x/*.jsonl\", y.jsonl]\n  - split: dev\n    path: z.csv\n- config_name: b\n  data_dir: other\n";
        let card = Card::read(&format!("---\n{front}---\n")).unwrap();
        let files = vec![("train".into(), vec!["x/*.jsonl".to_string(), "y.jsonl".into()]), ("dev".into(), vec!["z.csv".into()])];
        assert_eq!(card.configs[0], Config { name: "a".into(), default: true, data_dir: None, data_files: Some(files) });
        assert_eq!(card.configs[1].data_dir.as_deref(), Some("other"));
    }
}
