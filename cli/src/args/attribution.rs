//! Credit of contributors and documents: `assay attribution show`, `explain`.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use corpus::RunNumber;
use pipeline::attribution::{By, Sort};

/// The tables of an attribution.
#[derive(Debug, Subcommand)]
pub enum Attribution {
    Show(Show),
    Alike(Alike),
}

/// Sums by contributor, document, target or window.
#[derive(Debug, Args)]
pub struct Show {
    /// The run.
    #[arg(long, default_value_t = RunNumber(0))]
    pub run: RunNumber,
    /// The subject of a row.
    #[arg(long, value_parser = one_of(&By::NAMES), default_value = "contributor")]
    pub by: By,
    /// The order of the rows.
    #[arg(long, value_parser = one_of(&Sort::NAMES), default_value = "nats")]
    pub sort: Sort,
    /// Most rows; 0 for all.
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
}

/// Documents of different contributors whose gradients are alike: reasons to look, never verdicts.
#[derive(Debug, Args)]
pub struct Alike {
    /// The run.
    #[arg(long, default_value_t = RunNumber(0))]
    pub run: RunNumber,
    /// Least cosine of two documents' sketches.
    #[arg(long, default_value_t = 0.5)]
    pub least: f64,
    /// Compare so many documents, those with the most credit.
    #[arg(long, default_value_t = 2000)]
    pub documents: usize,
    /// First tokens of each that are compared.
    #[arg(long, default_value_t = 4096)]
    pub tokens: usize,
}

/// Show the tokens of a document that carry its credit: an explanation, never the pay.
#[derive(Debug, Args)]
pub struct Explain {
    /// The document, as in `attribution show --by document`.
    pub document: String,
    /// The run.
    #[arg(long, default_value_t = RunNumber(0))]
    pub run: RunNumber,
}

/// A parser of one of these names.
fn one_of<T: Copy + Send + Sync>(names: &'static [(&'static str, T)]) -> impl TypedValueParser<Value = T> {
    let value = |given: String| names.iter().find(|(name, _)| *name == given).expect("clap takes these names alone").1;
    PossibleValuesParser::new(names.iter().map(|(name, _)| *name)).map(value)
}
