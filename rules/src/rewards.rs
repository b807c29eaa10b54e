//! What a settlement publishes: everybody's pay weights and amounts, and what is carried on, as lines of canonical JSON.

use std::collections::HashMap;

use corpus::{ContributorId, DocumentRef, RunNumber};
use ledger::amount;
use ledger::entry::PoolOutcome;
use ledger::payee::PayeeId;
use ledger::reward::Reward;
use ledger::settlement::{AccountLine, Carried, PayeeLine, Settlement, add_vintage};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Result, RulesError};
use crate::lines;
use crate::pay::Follows;
use crate::pools::{PoolHead, PoolPart};

/// Everything that a settlement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewards {
    /// Which run.
    pub run: RunNumber,
    /// Documents of strata that have pools, in their order; empty if none has.
    pub members: Vec<Member>,
    /// Parts of pools with everybody's lines.
    pub pools: Vec<PoolPart>,
    /// What payees and accounts have of it, and what is carried on.
    pub settlement: Settlement,
}

/// A document and the stratum whose pool pays it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The document.
    pub document: String,
    /// The stratum's number in the policy.
    pub stratum: u32,
}

impl Member {
    /// The document's reference.
    pub fn reference(&self) -> Option<DocumentRef> {
        self.document.parse().ok()
    }
}

/// A line, under the name of what it is.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    Rewards {
        version: u32,
        run: RunNumber,
    },
    Member(Member),
    Pool(PoolHead),
    /// Of the pool before it.
    Reward(Reward),
    Payee(PayeeLine),
    Account(AccountLine),
    OperatorRepaid(Open),
    Offset(Open),
    Receivable(Open),
    Stake(Open),
}

/// An amount that is open after the settlement.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    period: u32,
    until: u32,
    payee: PayeeId,
    #[serde(with = "amount")]
    amount_minor: i128,
}

impl Rewards {
    /// `settled` if some pool is, or why the first one is on hold.
    pub fn outcome(&self) -> PoolOutcome {
        let settled = self.pools.iter().any(|p| p.head.outcome == PoolOutcome::Settled);
        if settled {
            PoolOutcome::Settled
        } else {
            self.pools.first().map_or(PoolOutcome::OnHold(String::new()), |p| p.head.outcome.clone())
        }
    }

    /// The lines of the pools that follow attribution; where none does, those of all pools.
    pub fn lines(&self) -> impl Iterator<Item = &Reward> {
        let some = self.pools.iter().any(|p| p.head.follows == Follows::Attribution);
        let of = move |p: &&PoolPart| !some || p.head.follows == Follows::Attribution;
        self.pools.iter().filter(of).flat_map(|p| &p.lines)
    }

    /// What each contributor's credit weighs, over [`Rewards::lines`].
    pub fn pay_weights(&self) -> HashMap<ContributorId, i128> {
        let mut weights = HashMap::new();
        self.lines().for_each(|r| *weights.entry(r.contributor).or_default() += r.pay_weight);
        weights
    }

    /// What accrued in all.
    pub fn accrued_minor(&self) -> i128 {
        self.settlement.accounts.iter().map(|a| a.accrued_minor).sum()
    }

    /// What is payable in all.
    pub fn payable_minor(&self) -> i128 {
        self.settlement.accounts.iter().map(|a| a.payable_minor).sum()
    }

    /// The bytes of its object.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let open = |period: u32, until: u32| {
            move |(payee, amount_minor): (&PayeeId, &i128)| Open { period, until, payee: *payee, amount_minor: *amount_minor }
        };
        let s = &self.settlement;
        let mut all = lines::write([Line::Rewards { version: 2, run: self.run }])?;
        all.extend(lines::write(self.members.iter().cloned().map(Line::Member))?);
        for pool in &self.pools {
            all.extend(lines::write([Line::Pool(pool.head.clone())])?);
            all.extend(lines::write(pool.lines.iter().cloned().map(Line::Reward))?);
        }
        all.extend(lines::write(s.payees.iter().cloned().map(Line::Payee))?);
        all.extend(lines::write(s.accounts.iter().cloned().map(Line::Account))?);
        let repaid = Open { period: 0, until: 0, payee: PayeeId::Operator, amount_minor: s.operator_repaid_minor };
        all.extend(lines::write([Line::OperatorRepaid(repaid)])?);
        for v in &s.carried.vintages {
            all.extend(lines::write(v.offsets.iter().map(open(v.period, v.until)).map(Line::Offset))?);
            all.extend(lines::write(v.receivables.iter().map(open(v.period, v.until)).map(Line::Receivable))?);
        }
        all.extend(lines::write(s.carried.stakes.iter().map(open(0, 0)).map(Line::Stake))?);
        Ok(all)
    }

    /// Reads the bytes of its object.
    pub fn from_bytes(bytes: &[u8]) -> Result<Rewards> {
        let mut read = lines::read::<Line>(bytes)?.into_iter();
        let Some(Line::Rewards { version: 2, run }) = read.next() else {
            return Err(RulesError::Check("rewards: expected a first line of version 2".into()));
        };
        let settlement = Settlement { payees: Vec::new(), accounts: Vec::new(), operator_repaid_minor: 0, carried: Carried::default() };
        let mut rewards = Rewards { run, members: Vec::new(), pools: Vec::new(), settlement };
        for line in read {
            let s = &mut rewards.settlement;
            match line {
                Line::Rewards { .. } => return Err(RulesError::Check("rewards: a second first line".into())),
                Line::Member(member) => rewards.members.push(member),
                Line::Pool(head) => rewards.pools.push(PoolPart { head, lines: Vec::new() }),
                Line::Reward(reward) => rewards.pools.last_mut().context("rewards: a line before its pool")?.lines.push(reward),
                Line::Payee(payee) => s.payees.push(payee),
                Line::Account(account) => s.accounts.push(account),
                Line::OperatorRepaid(open) => s.operator_repaid_minor = open.amount_minor,
                Line::Offset(open) => {
                    add_vintage(&mut s.carried.vintages, (open.period, open.until), [(open.payee, open.amount_minor)], [])
                }
                Line::Receivable(open) => {
                    add_vintage(&mut s.carried.vintages, (open.period, open.until), [], [(open.payee, open.amount_minor)])
                }
                Line::Stake(open) => {
                    s.carried.stakes.insert(open.payee, open.amount_minor);
                }
            }
        }
        Ok(rewards)
    }
}
