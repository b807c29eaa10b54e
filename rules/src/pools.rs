//! The pay weights that credit, novelty and number of works give under a policy, and pools divided by them.
//!
//! Everything here follows from public objects: credit tables, verdict tables, and the list of documents of a stratum that has a pool.

use std::collections::{BTreeMap, HashMap};

use corpus::credit::DocumentRow;
use corpus::{ContributorId, DocumentRef, EntryIndex};
use ledger::amount;
use ledger::entry::PoolOutcome;
use ledger::payee::PayeeId;
use ledger::reward::{self, Reward, RewardError};
use serde::{Deserialize, Serialize};

use crate::pay::{Follows, PPM, Pay};
use crate::policy::Policy;
use crate::tables::{Tables, WindowWeights};

/// A pool of one stratum, or of all documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StratumPool {
    /// The stratum, or `all`.
    pub name: String,
    /// Its number among the policy's strata; none for all documents that are in no pool of their own.
    pub stratum: Option<usize>,
    /// Minor units.
    pub pool_minor: i128,
    /// Weights of targets by name.
    pub target_weights: BTreeMap<String, u64>,
}

impl Policy {
    /// What is wrong with what it says of pay, if something is.
    pub fn fault(&self) -> Option<String> {
        let strata = self.strata.iter().filter_map(|s| s.pool_minor).fold(0, i128::saturating_add);
        if self.pool_minor < strata || self.strata.iter().any(|s| s.pool_minor.is_some_and(|p| p < 0)) {
            return Some(format!("a pool of {}, and strata have {strata} of it; expected none below 0, and no more", self.pool_minor));
        }
        let mut named = self.strata.iter().filter_map(|s| s.target_weights.as_ref()).flat_map(BTreeMap::keys);
        if let Some(unknown) = named.find(|t| !self.target_weights.contains_key(*t)) {
            return Some(format!("a stratum follows target {unknown:?}, the epoch has {:?}", self.target_weights.keys()));
        }
        self.pay.fault()
    }

    /// The pools, strata first.
    pub(crate) fn stratum_pools(&self) -> Vec<StratumPool> {
        let own = self.strata.iter().enumerate().filter_map(|(i, s)| s.pool_minor.map(|pool_minor| (i, s, pool_minor)));
        let mut pools: Vec<StratumPool> = own
            .map(|(i, s, pool_minor)| StratumPool {
                name: s.name.clone(),
                stratum: Some(i),
                pool_minor,
                target_weights: s.target_weights.clone().unwrap_or_else(|| self.target_weights.clone()),
            })
            .collect();
        let rest = self.pool_minor - pools.iter().map(|p| p.pool_minor).sum::<i128>();
        let name = if pools.is_empty() { "all" } else { "other" };
        pools.push(StratumPool { name: name.into(), stratum: None, pool_minor: rest, target_weights: self.target_weights.clone() });
        pools
    }
}

/// What is known of an accepted document beside its credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Who is paid for it.
    pub owner: ContributorId,
    /// The stratum whose pool pays it; none if no stratum of its has one.
    pub stratum: Option<usize>,
    /// Its words.
    pub words: u64,
    /// Words that no earlier document has.
    pub novel_words: u64,
}

/// What pay weights are computed from.
pub struct Measured<'a> {
    /// Credit by contributor.
    pub tables: &'a Tables,
    /// Credit by document, if somebody asks for it.
    pub documents: &'a [DocumentRow],
    /// Accepted documents.
    pub works: &'a BTreeMap<DocumentRef, Work>,
    /// Of each submission, tokens and words of its accepted documents.
    pub submissions: &'a HashMap<EntryIndex, (u64, u64)>,
    /// Whose accounts are paid, by id.
    pub contributors: &'a [ContributorId],
    /// Who is paid for each.
    pub payees: HashMap<ContributorId, PayeeId>,
    /// Weights of the windows, of which the largest is 1.
    pub window_weights: WindowWeights,
    /// Whether documents are paid one by one: strata have pools, credit is scaled, or owners changed.
    pub by_document: bool,
}

/// Pay weight and spread by contributor, in the order of contributors.
pub type PayWeights = Vec<(ContributorId, i128, i128)>;

impl Measured<'_> {
    /// Pay weights of what `follows` says, for documents of `pool`.
    pub(crate) fn pay_weights(&self, pool: &StratumPool, follows: Follows, pay: &Pay) -> Result<PayWeights, RewardError> {
        match follows {
            Follows::Attribution => self.shrunk(self.attribution(pool, pay), pool, pay),
            Follows::NovelTokens => Ok(self.counted(&self.novel_tokens(pool))),
            Follows::AcceptedWorks => {
                let mut works: HashMap<ContributorId, u64> = HashMap::new();
                self.works.values().filter(|w| w.stratum == pool.stratum).for_each(|w| *works.entry(w.owner).or_default() += 1);
                Ok(self.counted(&works))
            }
        }
    }

    fn counted(&self, of: &HashMap<ContributorId, u64>) -> PayWeights {
        self.contributors.iter().map(|id| (*id, i128::from(of.get(id).copied().unwrap_or(0)), 0)).collect()
    }

    /// Of each submission, its tokens in proportion to the novel words of the pool's documents, rounded down.
    fn novel_tokens(&self, pool: &StratumPool) -> HashMap<ContributorId, u64> {
        let mut novel: BTreeMap<(EntryIndex, ContributorId), u64> = BTreeMap::new();
        for (document, work) in self.works.iter().filter(|(_, w)| w.stratum == pool.stratum) {
            *novel.entry((document.submission, work.owner)).or_default() += work.novel_words;
        }
        let mut tokens: HashMap<ContributorId, u64> = HashMap::new();
        for ((submission, owner), words) in novel {
            let (all_tokens, all_words) = self.submissions.get(&submission).copied().unwrap_or_default();
            let part = u128::from(all_tokens) * u128::from(words) / u128::from(all_words.max(1));
            *tokens.entry(owner).or_default() += part as u64;
        }
        tokens
    }

    /// Credit times the weights of targets and windows; spreads are half of what the halves of a target's text differ by.
    fn attribution(&self, pool: &StratumPool, pay: &Pay) -> PayWeights {
        let all: u64 = pool.target_weights.values().sum();
        let target = |name: &str| pool.target_weights.get(name).map_or(0.0, |w| *w as f64 / all.max(1) as f64);
        let mut sums: HashMap<ContributorId, (f64, f64)> = HashMap::new();
        let mut add = |owner: ContributorId, factor: f64, nats: f64, halves: [f64; 2]| {
            let sum = sums.entry(owner).or_default();
            sum.0 += factor * nats;
            sum.1 += factor * (halves[0] - halves[1]) / 2.0;
        };
        if self.by_document {
            for row in self.documents {
                let Some(work) = row.document.parse().ok().and_then(|d: DocumentRef| self.works.get(&d)) else { continue };
                if work.stratum == pool.stratum {
                    let scale = if pay.novel_words_scale { work.novel_words as f64 / work.words.max(1) as f64 } else { 1.0 };
                    add(work.owner, target(&row.target) * self.window_weights.of(row.window) * scale, row.nats, [row.half(0), row.half(1)]);
                }
            }
        } else {
            for row in &self.tables.credit {
                if let Ok(owner) = row.contributor.parse() {
                    // The run's own weights of targets are these, as the same numbers.
                    add(owner, self.tables.factor(&self.window_weights, &row.target, row.window), row.nats, [row.half(0), row.half(1)]);
                }
            }
        }
        // A credit that is no number weighs nothing here; its residual holds the pool.
        let weigh = |nats: f64| reward::pay_weight(nats).unwrap_or(0);
        let line = |id: &ContributorId| {
            let (nats, spread) = sums.get(id).copied().unwrap_or_default();
            (*id, weigh(nats), weigh(spread))
        };
        self.contributors.iter().map(line).collect()
    }

    /// Moves payees above zero towards the same sum shared by novel tokens, and their accounts by theirs; payees at or below zero stay as they
    /// are. It is by payee, so that nobody gains from splitting what does harm from what helps.
    fn shrunk(&self, weights: PayWeights, pool: &StratumPool, pay: &Pay) -> Result<PayWeights, RewardError> {
        if pay.shrinkage_ppm == 0 {
            return Ok(weights);
        }
        let novel = self.novel_tokens(pool);
        let tokens_of = |id: &ContributorId| i128::from(novel.get(id).copied().unwrap_or(0));
        let mut payees: BTreeMap<PayeeId, (i128, i128)> = BTreeMap::new();
        for (id, w, _) in &weights {
            let sum = payees.entry(self.payees[id]).or_default();
            *sum = (sum.0 + w, sum.1 + tokens_of(id));
        }
        let above = payees.iter().filter(|(_, (w, _))| *w > 0);
        let (sum, tokens) = above.fold((0i128, 0i128), |(s, t), (_, (w, own))| (s + w, t + own));
        if tokens == 0 {
            return Ok(weights);
        }
        let part = i128::from(pay.shrinkage_ppm);
        let mut moved = weights.clone();
        for (payee, (w, own)) in payees.iter().filter(|(_, (w, _))| *w > 0) {
            let towards = reward::largest_remainder(sum, &[(0, *own), (1, tokens - own)])?[0].amount;
            let change = (towards - w) * part / i128::from(PPM);
            let accounts: Vec<usize> = (0..weights.len()).filter(|i| self.payees[&weights[*i].0] == *payee).collect();
            // By tokens, or by what there is where a payee has none.
            let shares: Vec<(usize, i128)> = match own {
                0 => accounts.iter().map(|i| (*i, weights[*i].1.max(0))).collect(),
                _ => accounts.iter().map(|i| (*i, tokens_of(&weights[*i].0))).collect(),
            };
            for ((i, _), share) in shares.iter().zip(reward::largest_remainder(change.abs(), &shares)?) {
                moved[*i].1 += share.amount * change.signum();
            }
        }
        Ok(moved)
    }
}

/// A part of a pool with everybody's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolPart {
    /// What it is for, and what it follows.
    pub head: PoolHead,
    /// In the order of contributors.
    pub lines: Vec<Reward>,
}

/// What a part of a pool is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolHead {
    /// The stratum, `all` or `other`.
    pub stratum: String,
    /// What it follows.
    pub follows: Follows,
    /// Minor units.
    #[serde(with = "amount")]
    pub pool_minor: i128,
    /// Whether it is divided.
    pub outcome: PoolOutcome,
    /// Sum of all pay weights.
    #[serde(rename = "weights_sum", with = "amount")]
    pub pay_weights_sum: i128,
}

/// Divides each pool in the parts that the policy says, and each part in proportion to its pay weights.
pub fn pools(policy: &Policy, measured: &Measured) -> Result<Vec<PoolPart>, RewardError> {
    let accounts = &measured.tables.accounts;
    let (residual, limit) = (accounts.residual_share(), policy.settle_limit_ppm as f64 / 1e6);
    let unexplained = !(residual.is_finite() && residual <= limit && accounts.drop() > 0.0);
    let mut parts = Vec::new();
    for pool in policy.stratum_pools() {
        let shares: Vec<(Follows, i128)> = policy.pay.follows.iter().map(|(f, p)| (*f, i128::from(*p))).collect();
        for ((follows, _), share) in shares.iter().zip(reward::largest_remainder(pool.pool_minor, &shares)?) {
            let weights = measured.pay_weights(&pool, *follows, &policy.pay)?;
            let divided = if unexplained && *follows == Follows::Attribution {
                Err(format!("held: residual {residual:.4} of a drop of {:.4} nats, settled up to {limit}", accounts.drop()))
            } else {
                match reward::allocate(share.amount, &weights) {
                    Ok(lines) => Ok(lines),
                    Err(e @ (RewardError::NoWeight(_) | RewardError::Cancelling { .. })) => Err(format!("held: {e}")),
                    Err(e) => return Err(e),
                }
            };
            let none = |&(contributor, weight, spread): &(ContributorId, i128, i128)| Reward {
                contributor,
                pay_weight: weight,
                spread,
                floor_minor: 0,
                remainder: 0,
                accrued_minor: 0,
            };
            let (lines, outcome) = match divided {
                Ok(lines) => (lines, PoolOutcome::Settled),
                Err(reason) => (weights.iter().map(none).collect(), PoolOutcome::OnHold(reason)),
            };
            let pay_weights_sum = lines.iter().map(|l| l.pay_weight).fold(0, i128::saturating_add);
            let head = PoolHead { stratum: pool.name.clone(), follows: *follows, pool_minor: share.amount, outcome, pay_weights_sum };
            parts.push(PoolPart { head, lines });
        }
    }
    Ok(parts)
}
