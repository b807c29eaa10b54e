//! What an epoch binds the operator to.

use std::collections::BTreeMap;

use corpus::licence::Purpose;
use corpus::{Digest, Threshold};
use filters::Filters;
use serde::{Deserialize, Serialize};

use crate::pay::Pay;
use crate::strata::Stratum;

/// What an epoch binds the operator to, as a public object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// `1`.
    pub version: u32,
    /// What a run of the epoch pays in all.
    #[serde(with = "ledger::amount")]
    pub pool_minor: i128,
    /// ISO 4217 code.
    pub currency: String,
    /// Decimals of its minor unit.
    pub currency_exponent: u8,
    /// Windows weigh in proportion to their step up to this share of the run, in thousandths.
    pub window_cap_permille: u64,
    /// Largest residual that is settled, in millionths of the drop.
    pub settle_limit_ppm: u64,
    /// Days between settlement and payment, for disputes.
    pub hold_days: u32,
    /// A pair is a near duplicate if `denominator * |A ∩ B| >= numerator * |A ∪ B|`.
    pub jaccard_numerator: u64,
    /// See `jaccard_numerator`.
    pub jaccard_denominator: u64,
    /// Weights of the held-out targets by name; credit counts in proportion to them.
    pub target_weights: BTreeMap<String, u64>,
    /// Groups of documents, the first that a document matches is its own; documents that match none are in `other`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<Stratum>,
    /// Tables of sampling shares from files that a settled run may be sampled with; otherwise the operator could choose after the draw.
    #[serde(rename = "weight_tables", default, skip_serializing_if = "Vec::is_empty")]
    pub share_tables: Vec<Digest>,
    /// What is left out for what it is like.
    #[serde(default, skip_serializing_if = "Filters::is_empty")]
    pub filters: Filters,
    /// Whether documents are excluded whose publisher's word on training is not known; none for the purpose's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_reservations: Option<UnknownReservations>,
    /// Days between settlement and payment of contributors whose documents are used under a grant, if these are more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub grant_hold_days: u32,
    /// How pools become amounts.
    #[serde(default)]
    pub pay: Pay,
}

fn is_zero(days: &u32) -> bool {
    *days == 0
}

/// The verdict on a page whose publisher's word on training is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownReservations {
    /// It is left out.
    Exclude,
    /// It is used.
    Accept,
}

/// The target that held-out documents are of if nobody says otherwise.
pub const TARGET: &str = "pool";

/// The source of a pool document: its target's name before its own source.
pub fn pool_source(target: &str, source: &str) -> String {
    format!("{target}/{source}")
}

impl Policy {
    /// The default policy for a pool.
    pub fn new(pool_minor: i128, currency: &str, currency_exponent: u8) -> Policy {
        let Threshold { numerator, denominator } = Threshold::default();
        Policy {
            version: 1,
            pool_minor,
            currency: currency.to_string(),
            currency_exponent,
            window_cap_permille: 250,
            settle_limit_ppm: 50_000,
            hold_days: 30,
            jaccard_numerator: numerator,
            jaccard_denominator: denominator,
            target_weights: BTreeMap::from([(TARGET.to_string(), 1)]),
            strata: Vec::new(),
            share_tables: Vec::new(),
            filters: Filters::default(),
            unknown_reservations: None,
            grant_hold_days: 0,
            pay: Pay::default(),
        }
    }

    /// Whether a page is left out whose publisher's word on training is not known: if nothing else is said, for every purpose but research.
    pub fn excludes_unknown_reservations(&self, purpose: Purpose) -> bool {
        match self.unknown_reservations {
            Some(said) => said == UnknownReservations::Exclude,
            None => purpose != Purpose::Research,
        }
    }
}
