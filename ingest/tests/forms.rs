//! Files that other programs wrote are read to the rows that these programs were given.

use std::collections::BTreeMap;
use std::path::Path;

use ingest::read::{Code, Limits, Options, read_all};
use serde::Deserialize;

/// What a file holds, from `forms/rows.json`.
#[derive(Deserialize)]
struct Form {
    count: usize,
    #[serde(default)]
    texts: Vec<Option<String>>,
    #[serde(default)]
    rows: Vec<serde_json::Value>,
    /// A fragment of each page.
    #[serde(default)]
    contains: Vec<String>,
    /// How often the texts are repeated.
    times: Option<usize>,
    encoding: Option<String>,
    /// A text that is about a site and no page of it.
    robots: Option<String>,
}

/// Files that are read with a flag, or that are refused and why.
fn expected_refusal(name: &str) -> Option<&'static str> {
    match name {
        "sharegpt.json" | "sharegpt.jsonl" | "messages.jsonl" | "pyarrow-messages.parquet" => Some("conversation"),
        _ => None,
    }
}

/// Whether a file is left out that is none of the data: a hidden one, or one that the dataset does not use.
fn left_out(code: Code) -> bool {
    matches!(code, Code::Hidden | Code::NotSelected)
}

fn check(name: &str, form: &Form) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms/files").join(name);
    let limits = Limits { long_window: name.starts_with("long."), ..Limits::default() };
    let encoding = form.encoding.as_ref().map(|label| label.parse().expect("an encoding"));
    let (records, problems, _) = read_all(&path, &Options { limits, encoding, ..Options::default() }).map_err(|e| e.to_string())?;
    let told = || problems.iter().take(3).map(|p| format!("{}: {} {}", p.place, p.code.name(), p.reason)).collect::<Vec<_>>().join("; ");
    if let Some(word) = expected_refusal(name) {
        let refused = records.is_empty() && problems.iter().any(|p| p.reason.contains(word));
        return if refused {
            Ok(())
        } else {
            Err(format!("expected a refusal that says {word}, found {} rows; {}", records.len(), told()))
        };
    }
    let texts: Vec<&str> = records.iter().map(|r| r.text.as_str()).collect();
    if !form.contains.is_empty() {
        let pages = form.contains.iter().filter(|fragment| !form.robots.as_ref().is_some_and(|robots| robots.contains(fragment.as_str())));
        let all = pages.into_iter().all(|fragment| texts.iter().any(|text| text.contains(fragment.as_str())));
        return if all { Ok(()) } else { Err(format!("a fragment is missing in {} pages; {}", texts.len(), told())) };
    }
    let expected: Vec<String> = if form.rows.is_empty() {
        // Rows without a text are refused, each with its place.
        let once: Vec<&String> = form.texts.iter().flatten().filter(|t| !t.trim().is_empty()).collect();
        (0..form.times.unwrap_or(1)).flat_map(|_| once.iter().map(ToString::to_string)).collect()
    } else {
        form.rows.iter().map(composed).collect()
    };
    let empty = form.texts.iter().filter(|t| t.as_ref().is_none_or(|t| t.trim().is_empty())).count();
    let whole =
        form.times.is_some() || expected.len() + empty == form.count && problems.iter().filter(|p| !left_out(p.code)).count() == empty;
    let equal = if form.times.is_some() {
        texts.len() == form.count && expected.iter().zip(&texts).all(|(a, b)| a == b)
    } else {
        texts == expected
    };
    if equal && whole {
        return Ok(());
    }
    let first = expected.iter().zip(&texts).find(|(a, b)| a != *b);
    Err(format!("expected {} rows, found {}; first difference {first:?}; {}", form.count, texts.len(), told()))
}

/// The text of a row with several fields.
fn composed(row: &serde_json::Value) -> String {
    let field = |names: &[&str]| names.iter().find_map(|name| row.get(name).and_then(|v| v.as_str())).unwrap_or_default();
    let parts = [field(&["system"]), field(&["instruction", "prompt", "question"]), field(&["input", "context"])];
    let prompt = parts.into_iter().filter(|p| !p.trim().is_empty()).collect::<Vec<_>>().join("\n");
    corpus::text::prompt_and_answer(&prompt, field(&["output", "completion", "answer"])).0
}

#[test]
fn every_file_of_other_programs_has_its_rows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms/rows.json");
    let forms: BTreeMap<String, Form> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(forms.len() >= 40, "{} files", forms.len());
    let wrong: Vec<String> = forms.iter().filter_map(|(name, form)| check(name, form).err().map(|e| format!("{name}: {e}"))).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), forms.len(), wrong.join("\n"));
}
