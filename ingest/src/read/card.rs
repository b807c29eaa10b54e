//! What says which licence a dataset has: a licence file, or the card of a Hugging Face dataset.

/// What a dataset's licence is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The file, at the top of the dataset.
    pub file: String,
    /// What is in it.
    pub text: String,
    /// What it is.
    pub kind: EvidenceKind,
}

/// Kinds of evidence in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// A licence text, or a file with its SPDX id.
    LicenceFile,
    /// `README.md` with a `license` in its front matter.
    DatasetCard,
}

/// Names of files that say which licence a dataset has.
const EVIDENCE: [&str; 4] = ["LICENSE", "LICENCE", "COPYING", "UNLICENSE"];

/// Whether a file's name is that of a licence text or a notice: `LICENSE`, `LICENCE-MIT.txt`, `NOTICE`, but not `licence.rs`.
pub fn is_licence_name(name: &str) -> bool {
    is_evidence_name(name) || is_text_named(name, &["COPYRIGHT", "NOTICE"])
}

/// Whether a file's name is that of a licence text.
pub(super) fn is_evidence_name(name: &str) -> bool {
    is_text_named(name, &EVIDENCE)
}

fn is_text_named(name: &str, stems: &[&str]) -> bool {
    let upper = name.to_uppercase();
    let (stem, extension) = upper.rsplit_once('.').unwrap_or((&upper, ""));
    let text = ["", "TXT", "MD", "RST", "HTML"].contains(&extension) || extension.bytes().all(|b| b.is_ascii_digit());
    text && stems.iter().any(|known| stem.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.'])))
}

/// The `license` of a dataset card's front matter, names of known licences as SPDX ids: several are joined with `AND`, since each may hold for a part.
///
/// Source: <https://huggingface.co/docs/hub/datasets-cards>.
pub(super) fn licence_of_card(text: &str) -> Option<String> {
    let mut lines = front_matter(text)?.lines();
    let value = lines.by_ref().find_map(|line| line.strip_prefix("license:"))?.trim();
    let unquoted = |value: &str| value.trim().trim_matches(['"', '\'']).to_string();
    let several: Vec<String> = match value {
        "" => lines.map_while(|line| line.trim_start().strip_prefix("- ")).map(unquoted).collect(),
        list if list.starts_with('[') => list.trim_matches(['[', ']']).split(',').map(unquoted).collect(),
        one => vec![unquoted(one)],
    };
    let ids: Vec<&str> = several.iter().map(|name| corpus::licence::id_of(name).unwrap_or(name)).collect();
    (!ids.is_empty()).then(|| ids.join(" AND "))
}

/// The lines between the first two `---`.
pub(super) fn front_matter(text: &str) -> Option<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rest = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n"))?;
    rest.find("\n---").map(|end| &rest[..end])
}

impl Evidence {
    /// The licence that it says, in SPDX form; the names of a card are SPDX ids in small letters.
    pub fn licence(&self) -> Option<String> {
        match self.kind {
            EvidenceKind::LicenceFile => corpus::licence::detect(&self.text),
            EvidenceKind::DatasetCard => corpus::licence::parse(&licence_of_card(&self.text)?).ok(),
        }
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
        for name in ["licence.rs", "license_check.py", "licensed", "README", "text.jsonl"] {
            assert!(!is_licence_name(name), "{name}");
        }
    }

    #[test]
    fn cards_name_licences() {
        let card =
            |front: &str| Evidence { file: "README.md".into(), text: format!("---\n{front}\n---\n# A\n"), kind: EvidenceKind::DatasetCard };
        assert_eq!(card("license: apache-2.0\nlanguage: en").licence().as_deref(), Some("Apache-2.0"));
        assert_eq!(card("license:\n- cc-by-4.0\n- mit\ntags: [a]").licence().as_deref(), Some("CC-BY-4.0 AND MIT"));
        assert_eq!(card("license: [odc-by]").licence(), None, "ODC-By has a version in SPDX");
        assert_eq!(card("license: other").licence(), None);
        assert_eq!(card("language: en").licence(), None);
    }
}
