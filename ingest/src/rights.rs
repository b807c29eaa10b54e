//! Which licence each record has, and what says so.

use std::collections::{BTreeMap, BTreeSet};

use corpus::{Digest, licence};

use crate::read::{self, EvidenceKind};

/// What a dataset's licence was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// SPDX expression of the dataset; records may have their own.
    pub licence: String,
    /// `row-field`, `licence-file`, `dataset-card`, `cargo-manifest` or `declared`.
    pub kind: String,
    /// Digest of the evidence's bytes.
    pub digest: Digest,
}

/// A dataset without a licence that can be named.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// Nothing says which licence it has.
    #[error(
        "{dataset}: no licence: expected a row field `licence` or `license`, a LICENSE file, a dataset card, or --licence; {records} records have none"
    )]
    Missing {
        /// The dataset.
        dataset: String,
        /// Records without one.
        records: u64,
    },
    /// Its LICENSE file or dataset card is none that is known.
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

/// Gives every record its licence: the row's own, else the manifest's, the licence file's or the card's, else the declared one.
pub struct Licences {
    dataset: String,
    whole: Option<Evidence>,
    /// A licence file or card that says none that is known.
    unknown_file: Option<String>,
    parsed: BTreeMap<String, Result<String, licence::LicenceError>>,
    from_rows: BTreeSet<String>,
    without: u64,
}

/// Expressions of rows that are remembered.
const REMEMBERED: usize = 10_000;

impl Licences {
    /// The licences of the dataset `name`.
    ///
    /// `manifest` is a licence that a package manifest states, with the manifest's bytes; it comes before `found`, which is evidence in a file.
    ///
    /// # Errors
    /// [`RightsError::Expression`] if the manifest or `declared` is no SPDX expression.
    pub fn new(
        name: &str,
        found: Option<&read::Evidence>,
        manifest: Option<(&str, &[u8])>,
        declared: Option<&str>,
    ) -> Result<Licences, RightsError> {
        let parse = |place: &str, expression: &str| {
            let failed = |source| RightsError::Expression { dataset: name.to_string(), place: place.to_string(), source };
            licence::parse(expression).map_err(failed)
        };
        let evidence = |licence: String, kind: &str, bytes: &[u8]| Evidence { licence, kind: kind.to_string(), digest: Digest::of(bytes) };
        let declared = declared.map(|d| Ok::<_, RightsError>(evidence(parse("--licence", d)?, "declared", d.as_bytes()))).transpose()?;
        let read = found.and_then(|e| {
            let kind = match e.kind {
                EvidenceKind::LicenceFile => "licence-file",
                EvidenceKind::DatasetCard => "dataset-card",
            };
            Some(evidence(e.licence()?, kind, e.text.as_bytes()))
        });
        let unknown_file = found.filter(|_| read.is_none()).map(|e| e.file.clone());
        let manifest =
            manifest.map(|(e, bytes)| Ok::<_, RightsError>(evidence(parse("manifest", e)?, "cargo-manifest", bytes))).transpose()?;
        Ok(Licences {
            dataset: name.to_string(),
            whole: manifest.or(read).or(declared),
            unknown_file,
            parsed: BTreeMap::new(),
            from_rows: BTreeSet::new(),
            without: 0,
        })
    }

    /// The licence of a record, whose row says `row`; none if nothing says one, which [`Licences::finish`] then refuses.
    ///
    /// # Errors
    /// If the row's is no SPDX expression: one that cannot be read is not one that the whole's may stand in for.
    pub fn of(&mut self, row: Option<&str>) -> Result<Option<String>, licence::LicenceError> {
        let Some(row) = row else {
            self.without += u64::from(self.whole.is_none());
            return Ok(self.whole.as_ref().map(|w| w.licence.clone()));
        };
        if self.parsed.len() >= REMEMBERED {
            self.parsed.clear();
        }
        let licence = self.parsed.entry(row.to_string()).or_insert_with(|| licence::parse(row)).clone()?;
        if !self.from_rows.contains(&licence) {
            self.from_rows.insert(licence.clone());
        }
        Ok(Some(licence))
    }

    /// The licence of the whole.
    ///
    /// # Errors
    /// [`RightsError`] if a record was left without one.
    pub fn finish(self) -> Result<Evidence, RightsError> {
        if self.without > 0 {
            return Err(match self.unknown_file {
                Some(file) => RightsError::UnknownText { dataset: self.dataset, file },
                None => RightsError::Missing { dataset: self.dataset, records: self.without },
            });
        }
        // All records have their own: together they are under all of these.
        Ok(self.whole.unwrap_or_else(|| {
            let several = self.from_rows.len() > 1;
            let one = |l: &String| if several && l.contains(' ') { format!("({l})") } else { l.clone() };
            let licence = self.from_rows.iter().map(one).collect::<Vec<_>>().join(" AND ");
            Evidence { digest: Digest::of(licence.as_bytes()), licence, kind: "row-field".into() }
        }))
    }
}
