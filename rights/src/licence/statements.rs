//! What says which licence a document has, and what all of it comes to.
//!
//! Every statement that covers a document counts: its row's, its file's, the package manifest's, the card's, and that of each folder it lies in.
//! What all of them permit is permitted, so no order between them is needed. What the uploader declares fills a gap and never overrides.

use std::collections::{BTreeMap, BTreeSet};

use corpus::{Digest, licence};

use super::{joined, named};

/// Where a statement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A field of a row.
    RowField,
    /// A tag in a file, or beside it in `NAME.license`.
    File,
    /// A licence file in a folder.
    LicenceFile,
    /// The card of a Hugging Face dataset.
    DatasetCard,
    /// The manifest of a Rust package.
    CargoManifest,
    /// What the uploader says.
    Declared,
}

impl Source {
    /// The source in the log.
    pub fn name(self) -> &'static str {
        match self {
            Source::RowField => "row-field",
            Source::File => "file",
            Source::LicenceFile => "licence-file",
            Source::DatasetCard => "dataset-card",
            Source::CargoManifest => "cargo-manifest",
            Source::Declared => "declared",
        }
    }
}

/// Something that says which licence documents have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Where it stands.
    pub source: Source,
    /// Its file, or `rows`, or `--licence`.
    pub place: String,
    /// The SPDX expression that it is read as.
    pub expression: String,
    /// Digest of the bytes that say it.
    pub digest: Digest,
}

/// A statement about everything at or below a path of the dataset; an empty path is all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scoped {
    /// The path.
    pub scope: String,
    /// What is said about it.
    pub statement: Statement,
}

impl Scoped {
    fn covers(&self, file: &str) -> bool {
        self.scope.is_empty() || file.strip_prefix(self.scope.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
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

/// What is said of a whole dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// SPDX expression of all documents together; each has its own.
    pub expression: String,
    /// What it was read from, one for each source.
    pub statements: Vec<Statement>,
    /// Statements about one document that differ, as two texts; each pair once.
    pub conflicts: Vec<(String, String)>,
}

/// Gives every record the licence that all statements about it come to.
pub struct Licences {
    dataset: String,
    scoped: Vec<Scoped>,
    declared: Option<Statement>,
    /// By file, row and tag, what they come to.
    known: BTreeMap<(String, String, String), String>,
    /// Expressions of rows and files, a few of them.
    rows: BTreeSet<String>,
    tags: BTreeSet<String>,
    all: BTreeSet<String>,
    conflicts: BTreeSet<(String, String)>,
    used_declared: bool,
    without: u64,
}

/// Combinations that are remembered, expressions of rows that are listed, and conflicts that are shown.
const REMEMBERED: usize = 10_000;
const LISTED: usize = 32;
/// Longest expression of a whole dataset.
const EXPRESSION_BYTES: usize = 900;

impl Licences {
    /// The licences of the dataset `name`, of which `found` is said.
    ///
    /// `manifest` is a licence that a package manifest states, with the manifest's bytes.
    ///
    /// # Errors
    /// [`RightsError::Expression`] if the manifest's or `declared` is no SPDX expression.
    pub fn new(name: &str, found: Vec<Scoped>, manifest: Option<(&str, &[u8])>, declared: Option<&str>) -> Result<Licences, RightsError> {
        let parse = |place: &str, expression: &str| {
            let failed = |source| RightsError::Expression { dataset: name.to_string(), place: place.to_string(), source };
            licence::id_of(expression).map_or_else(|| licence::parse(expression), |id| Ok(id.to_string())).map_err(failed)
        };
        let mut scoped = found;
        if let Some((expression, bytes)) = manifest {
            let statement = Statement {
                source: Source::CargoManifest,
                place: "Cargo.toml".into(),
                expression: parse("manifest", expression)?,
                digest: Digest::of(bytes),
            };
            scoped.push(Scoped { scope: String::new(), statement });
        }
        let declared = declared.map(|d| {
            let expression = parse("--licence", d)?;
            Ok(Statement { source: Source::Declared, place: "--licence".into(), expression, digest: Digest::of(d.as_bytes()) })
        });
        Ok(Licences {
            dataset: name.to_string(),
            scoped,
            declared: declared.transpose()?,
            known: BTreeMap::new(),
            rows: BTreeSet::new(),
            tags: BTreeSet::new(),
            all: BTreeSet::new(),
            conflicts: BTreeSet::new(),
            used_declared: false,
            without: 0,
        })
    }

    /// The licence of a record of `file`, whose row says `row` and whose file says `tag`; empty if nothing says one, which [`Licences::finish`]
    /// then refuses.
    pub fn of(&mut self, file: &str, row: Option<&str>, tag: Option<&str>) -> String {
        let key = (file.to_string(), row.unwrap_or_default().to_string(), tag.unwrap_or_default().to_string());
        if let Some(known) = self.known.get(&key) {
            self.without += u64::from(known.is_empty());
            return known.clone();
        }
        let expression = self.intersection(file, row, tag);
        self.without += u64::from(expression.is_empty());
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(key, expression.clone());
        if self.all.len() <= LISTED && !expression.is_empty() {
            self.all.insert(expression.clone());
        }
        expression
    }

    fn intersection(&mut self, file: &str, row: Option<&str>, tag: Option<&str>) -> String {
        let mut said: Vec<(String, String)> = Vec::new();
        for (list, what, value) in [(&mut self.rows, "a row", row), (&mut self.tags, "a file's tag", tag)] {
            let Some(value) = value else { continue };
            let expression = named(value);
            if list.len() < LISTED {
                list.insert(expression.clone());
            }
            said.push((expression, what.to_string()));
        }
        let covering = self.scoped.iter().filter(|s| s.covers(file)).map(|s| &s.statement);
        said.extend(covering.map(|s| (s.expression.clone(), format!("{} ({})", s.place, s.source.name()))));
        if let (Some(declared), true) = (&self.declared, said.is_empty()) {
            self.used_declared = true;
            return declared.expression.clone();
        }
        let expression = joined(&said.iter().map(|(expression, _)| expression.clone()).collect());
        // What is declared is shown where it differs, and changes nothing.
        said.extend(self.declared.iter().map(|d| (d.expression.clone(), "--licence, which only fills what is absent".to_string())));
        let texts: Vec<(&String, String)> = said.iter().map(|(expression, what)| (expression, format!("{what}: {expression}"))).collect();
        for pair in texts.windows(2) {
            if pair[0].0 != pair[1].0 && self.conflicts.len() < LISTED {
                self.conflicts.insert((pair[0].1.clone(), pair[1].1.clone()));
            }
        }
        expression
    }

    /// What is said of the whole.
    ///
    /// # Errors
    /// [`RightsError`] if a record was left without a licence.
    pub fn finish(self) -> Result<Stated, RightsError> {
        if self.without > 0 {
            return Err(RightsError::Missing { dataset: self.dataset, records: self.without });
        }
        let mut expression = joined(&self.all);
        if expression.len() > EXPRESSION_BYTES || self.all.len() > LISTED {
            expression = "LicenseRef-several".into();
        }
        let mut by_source: BTreeMap<Source, Vec<Statement>> = BTreeMap::new();
        let of_list = |source: Source, place: &str, list: &BTreeSet<String>| {
            let expression = joined(list);
            (!list.is_empty()).then(|| Statement { source, place: place.into(), digest: Digest::of(expression.as_bytes()), expression })
        };
        let rows = of_list(Source::RowField, "rows", &self.rows);
        let tags = of_list(Source::File, "files", &self.tags);
        let declared = self.declared.filter(|_| self.used_declared);
        for statement in self.scoped.into_iter().map(|s| s.statement).chain(rows).chain(tags).chain(declared) {
            by_source.entry(statement.source).or_default().push(statement);
        }
        Ok(Stated {
            expression,
            statements: by_source.into_values().map(together).collect(),
            conflicts: self.conflicts.into_iter().collect(),
        })
    }
}

/// Statements of one source as one: their evidence in order.
fn together(mut statements: Vec<Statement>) -> Statement {
    if statements.len() == 1 {
        return statements.remove(0);
    }
    let expressions: BTreeSet<String> = statements.iter().map(|s| s.expression.clone()).collect();
    let digests: Vec<&[u8]> = statements.iter().map(|s| &s.digest.0[..]).collect();
    let mut expression = joined(&expressions);
    if expression.len() > EXPRESSION_BYTES {
        expression = "LicenseRef-several".into();
    }
    let place = if statements.len() > 1 { format!("{} and {} more", statements[0].place, statements.len() - 1) } else { String::new() };
    Statement { source: statements[0].source, place, expression, digest: Digest::of_parts(&digests) }
}

#[cfg(test)]
mod tests {
    use super::super::UNKNOWN;
    use super::*;

    fn scoped(scope: &str, source: Source, expression: &str) -> Scoped {
        let statement = Statement { source, place: format!("{scope}/LICENSE"), expression: expression.into(), digest: Digest::default() };
        Scoped { scope: scope.into(), statement }
    }

    #[test]
    fn every_statement_counts_and_the_declared_one_fills_gaps_alone() {
        let found = vec![scoped("", Source::DatasetCard, "CC-BY-NC-4.0"), scoped("a/b", Source::LicenceFile, "MIT")];
        let mut licences = Licences::new("x", found, None, Some("mit")).unwrap();
        assert_eq!(licences.of("a/b/c.txt", None, None), "CC-BY-NC-4.0 AND MIT");
        assert_eq!(licences.of("a/bc.txt", Some("cc-by-4.0"), None), "CC-BY-4.0 AND CC-BY-NC-4.0");
        assert_eq!(licences.of("d.txt", None, Some("no licence at all")), format!("CC-BY-NC-4.0 AND {}", named("no licence at all")));
        let stated = licences.finish().unwrap();
        assert!(stated.statements.iter().all(|s| s.source != Source::Declared));
        assert!(stated.conflicts.iter().any(|(a, b)| a.contains("CC-BY-NC-4.0") && b.contains("--licence")), "{:?}", stated.conflicts);

        let mut licences = Licences::new("x", vec![], None, Some("MIT")).unwrap();
        assert_eq!(licences.of("a.txt", None, None), "MIT");
        assert_eq!(licences.of("a.jsonl", Some("Apache-2.0 OR MIT"), None), "Apache-2.0 OR MIT");
        assert_eq!(licences.finish().unwrap().statements.len(), 2);
    }

    #[test]
    fn what_says_nothing_is_refused_and_what_is_unknown_stays_unknown() {
        let mut licences = Licences::new("x", vec![], None, None).unwrap();
        assert_eq!(licences.of("a", None, None), "");
        assert!(licences.finish().unwrap_err().to_string().contains("1 records"));
        let mut licences = Licences::new("x", vec![scoped("", Source::LicenceFile, UNKNOWN)], None, Some("MIT")).unwrap();
        assert_eq!(licences.of("a", None, None), UNKNOWN);
        assert!(Licences::new("x", vec![], None, Some("mine alone")).is_err());
    }
}
