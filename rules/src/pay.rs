//! What a policy says of pay.

use std::collections::BTreeMap;

use ledger::amount;
use ledger::settlement::Terms;
use serde::{Deserialize, Serialize};

/// One, in millionths.
pub(crate) const PPM: u64 = 1_000_000;

/// How pools become amounts, as a part of a policy; integers, so that nobody rounds otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pay {
    /// Parts of each pool that follow attribution, novel tokens or the number of accepted works, in millionths; together one.
    pub follows: BTreeMap<Follows, u64>,
    /// Whose credit a document is.
    pub credit_unit: CreditUnit,
    /// Whether a document's credit counts in proportion to its novel words.
    pub novel_words_scale: bool,
    /// How far pay weights above zero move towards pay by novel tokens, in millionths.
    pub shrinkage_ppm: u64,
    /// The least that is paid at once.
    #[serde(with = "amount")]
    pub threshold_minor: i128,
    /// What is kept of a payee's earnings to cover what it may lose later.
    #[serde(with = "amount")]
    pub stake_minor: i128,
    /// A net below zero is an offset beyond so many thousandths of its spread.
    pub noise_permille: u64,
    /// Epochs after its own in which an offset is in force.
    pub offset_epochs: u32,
    /// The most of what somebody was ever paid or holds that one clawback takes, in millionths.
    pub clawback_cap_ppm: u64,
    /// Largest gap between the drops of pricing and control targets that holds nothing, in millionths of the drop.
    pub control_gap_ppm: u64,
}

impl Default for Pay {
    fn default() -> Pay {
        Pay {
            follows: BTreeMap::from([(Follows::Attribution, PPM)]),
            credit_unit: CreditUnit::EarliestClaim,
            novel_words_scale: false,
            shrinkage_ppm: 0,
            threshold_minor: 0,
            stake_minor: 0,
            noise_permille: 2000,
            offset_epochs: 4,
            clawback_cap_ppm: PPM,
            control_gap_ppm: 500_000,
        }
    }
}

/// What a part of a pool follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Follows {
    /// Credit for the measured drop of held-out loss.
    Attribution,
    /// Tokens in proportion to the words that nobody had before.
    NovelTokens,
    /// The number of accepted documents.
    AcceptedWorks,
}

impl std::fmt::Display for Follows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Follows::Attribution => "attribution",
            Follows::NovelTokens => "novel-tokens",
            Follows::AcceptedWorks => "accepted-works",
        })
    }
}

/// Whose credit a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CreditUnit {
    /// Who committed to it first.
    EarliestClaim,
    /// Who showed by evidence that it is its own: claims that were upheld before the settlement.
    EvidenceBacked,
}

impl Pay {
    /// What is wrong with it, if something is.
    pub fn fault(&self) -> Option<String> {
        let sum = self.follows.values().fold(0u64, |n, p| n.saturating_add(*p));
        if sum != PPM || self.follows.values().any(|p| *p == 0) {
            return Some(format!("follows: parts of {sum} millionths, expected {PPM}, none of them 0"));
        }
        if self.shrinkage_ppm > PPM || self.clawback_cap_ppm > PPM {
            return Some(format!("shrinkage {} and clawback cap {}, expected at most {PPM}", self.shrinkage_ppm, self.clawback_cap_ppm));
        }
        if self.threshold_minor < 0 || self.stake_minor < 0 {
            return Some(format!("threshold {} and stake {}, expected none below 0", self.threshold_minor, self.stake_minor));
        }
        None
    }

    /// What it says of negative credit.
    pub fn terms(&self) -> Terms {
        Terms { noise_permille: self.noise_permille, offset_periods: self.offset_epochs, stake_minor: self.stake_minor }
    }
}
