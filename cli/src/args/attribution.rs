//! Credit of contributors and documents: `assay attribution show`, `explain`.

use clap::{Args, Subcommand};
use corpus::RunNumber;

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
    #[arg(long, value_enum, default_value_t = By::Contributor)]
    pub by: By,
    /// The order of the rows.
    #[arg(long, value_enum, default_value_t = Sort::Nats)]
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

/// The subject of a row of `assay attribution show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// A contributor.
    Contributor,
    /// A document.
    Document,
    /// A contributor and a target.
    Target,
    /// A window.
    Window,
}

/// The order of the rows, largest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sort {
    /// Credit.
    Nats,
    /// Half the difference of the halves.
    Spread,
    /// Tokens trained on.
    Tokens,
    /// Credit per token.
    PerToken,
    /// The name.
    Name,
}

impl From<By> for pipeline::attribution::By {
    fn from(given: By) -> pipeline::attribution::By {
        match given {
            By::Contributor => pipeline::attribution::By::Contributor,
            By::Document => pipeline::attribution::By::Document,
            By::Target => pipeline::attribution::By::Target,
            By::Window => pipeline::attribution::By::Window,
        }
    }
}

impl From<Sort> for pipeline::attribution::Sort {
    fn from(given: Sort) -> pipeline::attribution::Sort {
        match given {
            Sort::Nats => pipeline::attribution::Sort::Nats,
            Sort::Spread => pipeline::attribution::Sort::Spread,
            Sort::Tokens => pipeline::attribution::Sort::Tokens,
            Sort::PerToken => pipeline::attribution::Sort::PerToken,
            Sort::Name => pipeline::attribution::Sort::Name,
        }
    }
}
