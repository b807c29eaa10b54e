//! Files that say which licence others have, by their names: the same in folders, repositories and archives, so that a dataset has one licence however
//! it is packed.

use std::collections::BTreeSet;

use rights::licence::{Source, UNKNOWN, joined, named, of_file};

use super::Scan;
use super::card::{self, Card};

/// How a file says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `FILE.license` beside `FILE`, as the REUSE specification has it.
    Beside,
    /// The text of a licence.
    Licence,
    /// `REUSE.toml`, with tags for other files.
    Reuse,
    /// A file in which `datasets` writes what it knows of a dataset.
    DatasetInfo,
    /// A card.
    Card,
}

/// The form of the evidence that a file is by its name, and the path that it is about; `has` tells whether the dataset has a file.
pub(super) fn of(name: &str, has: impl Fn(&str) -> bool) -> Option<(Form, &str)> {
    if let Some(beside) = name.strip_suffix(".license").filter(|beside| has(beside)) {
        return Some((Form::Beside, beside));
    }
    let (above, own) = name.rsplit_once('/').unwrap_or(("", name));
    if card::is_evidence_folder(above) {
        return Some((Form::Licence, above.rsplit_once('/').map_or("", |(folder, _)| folder)));
    }
    let form = match own {
        _ if card::is_evidence_name(own) => Form::Licence,
        "REUSE.toml" => Form::Reuse,
        "dataset_info.json" | "dataset_infos.json" => Form::DatasetInfo,
        _ if own.eq_ignore_ascii_case("README.md") => Form::Card,
        _ => return None,
    };
    Some((form, above))
}

impl Scan<'_, '_> {
    /// Remembers what the file `name` says of `scope`. A licence that is no text says something that is not known; a card may say nothing.
    pub(super) fn evidence(&mut self, form: Form, scope: &str, name: &str, text: Option<String>) {
        let licence = |text: Option<&str>| Some(text.map_or(UNKNOWN.into(), of_file));
        let (source, expression) = match form {
            Form::Beside => (Source::File, licence(text.as_deref())),
            Form::Licence => (Source::LicenceFile, licence(text.as_deref())),
            Form::Reuse => (Source::LicenceFile, licence(text.as_deref().map(tags_of).as_deref())),
            Form::DatasetInfo => (Source::DatasetCard, text.as_deref().and_then(said_by_info)),
            Form::Card => (Source::DatasetCard, text.as_deref().and_then(Card::read).and_then(|card| card.licence)),
        };
        if let Some(expression) = expression {
            self.statement(scope, source, name, expression, text.unwrap_or_default().as_bytes());
        }
    }
}

/// The licence that a file of `datasets` says; none if it says none.
fn said_by_info(text: &str) -> Option<String> {
    fn find(value: &serde_json::Value, said: &mut BTreeSet<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            match value {
                serde_json::Value::String(s) if name.eq_ignore_ascii_case("license") && !s.trim().is_empty() => drop(said.insert(named(s))),
                other => find(other, said),
            }
        }
    }
    let mut said = BTreeSet::new();
    find(&serde_json::from_str(text).ok()?, &mut said);
    (!said.is_empty()).then(|| joined(&said))
}

/// The tags that a REUSE file has for other files, as lines of their own: all of them count for its folder.
fn tags_of(text: &str) -> String {
    let values = text.lines().filter_map(|line| line.split_once("SPDX-License-Identifier").or_else(|| line.split_once("License:")));
    let value = |(_, value): (&str, &str)| value.trim_matches(|c: char| c.is_whitespace() || "=:\"'".contains(c)).to_string();
    values.map(value).filter(|v| !v.is_empty()).map(|v| format!("SPDX-License-Identifier: {v}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_is_about() {
        let has = |name: &str| name == "data/a.txt";
        for (name, found) in [
            ("LICENSE", Some((Form::Licence, ""))),
            ("data/COPYING.txt", Some((Form::Licence, "data"))),
            ("data/LICENSES/MIT.txt", Some((Form::Licence, "data"))),
            ("LICENSES/README.md", Some((Form::Licence, ""))),
            ("data/a.txt.license", Some((Form::Beside, "data/a.txt"))),
            ("data/b.txt.license", Some((Form::Licence, "data"))),
            ("data/REUSE.toml", Some((Form::Reuse, "data"))),
            ("dataset_info.json", Some((Form::DatasetInfo, ""))),
            ("data/readme.md", Some((Form::Card, "data"))),
            ("data/a.txt", None),
            ("licence.rs", None),
        ] {
            assert_eq!(of(name, has), found, "{name}");
        }
    }

    #[test]
    fn every_tag_of_a_reuse_file_counts() {
        let text = "version = 1\n[[annotations]]\npath = \"a/**\"\nSPDX-License-Identifier = \"MIT\"\n[[annotations]]\nSPDX-License-Identifier = 'CC-BY-NC-4.0'\n";
        assert_eq!(of_file(&tags_of(text)), "CC-BY-NC-4.0 AND MIT");
        assert_eq!(of_file(&tags_of("version = 1\n")), UNKNOWN);
        assert_eq!(said_by_info(r#"{"default": {"license": "mit", "features": {}}}"#).as_deref(), Some("MIT"));
        assert_eq!(said_by_info(r#"{"license": " "}"#), None);
    }
}
