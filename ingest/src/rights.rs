//! Which licence each record has, and what says so.

use corpus::bundle::Submitted;
use corpus::{Digest, licence};

use crate::reader::Dataset;

/// What a dataset's licence was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// SPDX expression of the dataset; records may have their own.
    pub licence: String,
    /// `row-field`, `licence-file`, `cargo-manifest` or `declared`.
    pub kind: String,
    /// Digest of the evidence's bytes.
    pub digest: Digest,
}

/// A dataset without a licence that can be named.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// Nothing says which licence it has.
    #[error(
        "{dataset}: no licence: expected a row field `licence` or `license`, a LICENSE file, or --licence; {records} records have none"
    )]
    Missing {
        /// The dataset.
        dataset: String,
        /// Records without one.
        records: usize,
    },
    /// Its LICENSE file is none that is known.
    #[error("{dataset}: {file}: expected the text or the SPDX id of a known licence; name it with --licence")]
    UnknownText {
        /// The dataset.
        dataset: String,
        /// The file.
        file: String,
    },
    /// An expression that is not SPDX.
    #[error("{dataset}: {place}: {source}")]
    Expression {
        /// The dataset.
        dataset: String,
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        source: licence::LicenceError,
    },
}

/// Gives every record its licence: the row's own, else the LICENSE file's, else `declared`.
///
/// `manifest` is a licence that a package manifest states, with the manifest's bytes; it comes before the LICENSE file.
///
/// # Errors
/// [`RightsError`] if a record is left without one.
pub fn resolve(
    name: &str,
    dataset: &Dataset,
    manifest: Option<(&str, &[u8])>,
    declared: Option<&str>,
) -> Result<(Vec<Submitted>, Evidence), RightsError> {
    let parse = |place: &str, expression: &str| {
        licence::parse(expression).map_err(|source| RightsError::Expression { dataset: name.to_string(), place: place.to_string(), source })
    };
    let evidence = |licence: String, kind: &str, bytes: &[u8]| Evidence { licence, kind: kind.to_string(), digest: Digest::of(bytes) };
    let whole = match (manifest, &dataset.licence_file, declared) {
        (Some((expression, bytes)), _, _) => Some(evidence(parse("manifest", expression)?, "cargo-manifest", bytes)),
        (None, Some((file, text)), declared) => match (licence::detect(text), declared) {
            (Some(licence), _) => Some(evidence(licence, "licence-file", text.as_bytes())),
            (None, Some(declared)) => Some(evidence(parse("--licence", declared)?, "declared", declared.as_bytes())),
            (None, None) if dataset.records.iter().all(|r| r.licence.is_some()) => None,
            (None, None) => return Err(RightsError::UnknownText { dataset: name.to_string(), file: file.clone() }),
        },
        (None, None, Some(declared)) => Some(evidence(parse("--licence", declared)?, "declared", declared.as_bytes())),
        (None, None, None) => None,
    };
    let mut submitted = Vec::with_capacity(dataset.records.len());
    let mut without = 0;
    let mut from_rows: Vec<String> = Vec::new();
    for record in &dataset.records {
        let licence = match (&record.licence, &whole) {
            (Some(row), _) => {
                let licence = parse(&record.source, row)?;
                if !from_rows.contains(&licence) {
                    from_rows.push(licence.clone());
                }
                licence
            }
            (None, Some(whole)) => whole.licence.clone(),
            (None, None) => {
                without += 1;
                continue;
            }
        };
        submitted.push(Submitted { source: record.source.clone(), licence, text: record.text.clone(), answer_at: record.answer_at });
    }
    if without > 0 {
        return Err(RightsError::Missing { dataset: name.to_string(), records: without });
    }
    // All records have their own: together they are under all of these.
    let whole = whole.unwrap_or_else(|| {
        from_rows.sort();
        let joined = from_rows
            .iter()
            .map(|l| if from_rows.len() > 1 && l.contains(' ') { format!("({l})") } else { l.clone() })
            .collect::<Vec<_>>()
            .join(" AND ");
        let bytes = joined.clone();
        evidence(joined, "row-field", bytes.as_bytes())
    });
    Ok((submitted, whole))
}
