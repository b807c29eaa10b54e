//! Where an epoch stands, what its contributors are told at any time, and what a run came to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use corpus::objects::Class;
use corpus::verdict::Verdict;
use corpus::{ContributorId, DocumentRef, RunNumber};
use ledger::entry::Acceptance;
use ledger::history::{Logged, Submitted};
use rules::Archive;
use rules::rewards::Rewards;
use serde::{Serialize, Serializer};

use crate::error::Result;

/// How far an epoch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It takes submissions.
    Open,
    /// The seed is drawn.
    Closed,
    /// Every submission has its verdicts.
    Judged,
    /// A run has begun.
    #[serde(rename = "in training")]
    InTraining,
    /// The run's credit is in the log.
    Attributed,
    /// Amounts are in the log.
    Settled,
}

impl Stage {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Open => "open",
            Stage::Closed => "closed",
            Stage::Judged => "judged",
            Stage::InTraining => "in training",
            Stage::Attributed => "attributed",
            Stage::Settled => "settled",
        }
    }
}

/// How far epoch `number` is, by its last run.
pub fn stage(archive: &Archive, number: u32) -> Stage {
    let e = &archive.state.epochs[number as usize];
    let run = archive.state.runs.iter().rev().find(|r| r.intent.entry.epoch == number);
    match (run, &e.draw) {
        (Some(run), _) if run.statements.is_some() => Stage::Settled,
        (Some(run), _) if run.attribution.is_some() => Stage::Attributed,
        (Some(_), _) => Stage::InTraining,
        (None, Some(_)) if e.submissions.iter().all(|s| s.acceptance.is_some()) => Stage::Judged,
        (None, Some(_)) => Stage::Closed,
        (None, None) => Stage::Open,
    }
}

/// What one contributor is told at any time.
#[derive(Clone, Debug, Serialize)]
pub struct ContributorRow {
    /// Its id.
    pub id: ContributorId,
    /// Its name in this home.
    pub name: String,
    /// Licences of its submissions.
    pub licence: String,
    /// Documents submitted.
    pub documents: u64,
    /// Documents accepted.
    pub accepted: u64,
    /// Documents that duplicate earlier ones.
    pub duplicates: u64,
    /// Documents kept out for other reasons.
    pub rejected: u64,
    /// Whose documents they duplicate, with their number.
    pub duplicate_of: Vec<(String, u64)>,
    /// Tokens in its shards.
    pub tokens: u64,
    /// Credit in nats, before window weights.
    pub credit_nats: f64,
    /// Half the difference of the two halves' attributions: how far credit may be off.
    pub credit_spread_nats: f64,
    /// Pay weight, in 10⁻⁹ nats.
    #[serde(rename = "weight", serialize_with = "number")]
    pub pay_weight: i128,
    /// Share of the pools, signed.
    #[serde(serialize_with = "number")]
    pub accrued_minor: i128,
    /// What is payable of it.
    #[serde(serialize_with = "number")]
    pub payable_minor: i128,
}

/// A number where every JSON reader keeps it exactly, and decimal text where not.
pub fn number<S: Serializer>(n: &i128, serializer: S) -> Result<S::Ok, S::Error> {
    match i64::try_from(*n) {
        Ok(small) if small.abs() <= corpus::canonical::MAX_INTEGER => serializer.serialize_i64(small),
        _ => serializer.collect_str(n),
    }
}

/// One row per contributor of `number`'s epoch, by id; amounts are there once run `run` is settled.
///
/// # Errors
/// If an object that the log names cannot be read.
pub fn contributors(
    archive: &Archive,
    number: u32,
    run: Option<RunNumber>,
    name: impl Fn(&ContributorId) -> String,
) -> Result<Vec<ContributorRow>> {
    let e = archive.epoch(Some(number))?;
    let measured = run.map(|run| Measured::of(archive, run)).transpose()?.unwrap_or_default();
    let mut own: BTreeMap<ContributorId, Vec<&Submitted>> = BTreeMap::new();
    for s in &e.submissions {
        own.entry(s.submission.entry.contributor).or_default().push(s);
    }
    let mut rows = Vec::new();
    for (id, own) in own {
        let mut originals = Vec::new();
        // Only tables that have duplicates are read.
        for s in own.iter().filter(|s| s.acceptance.as_ref().is_some_and(|a| has_duplicates(&a.entry))) {
            let table = rules::bundles::verdicts(&*archive.objects, s)?;
            let owner = |d: &DocumentRef| archive.state.submission(d.submission).map(|s| s.submission.entry.contributor);
            originals.extend(table.rows.iter().filter_map(|r| r.of.as_ref().and_then(owner)).map(|o| name(&o)));
        }
        let documents: u64 = own.iter().map(|s| s.submission.entry.documents).sum();
        let (accepted, duplicates) = (own.iter().map(|s| s.accepted()).sum::<u64>(), originals.len() as u64);
        let judged = own.iter().all(|s| s.acceptance.is_some());
        let mut licences: Vec<&str> = own.iter().map(|s| s.submission.entry.rights.license_to_use.as_str()).collect();
        licences.sort_unstable();
        licences.dedup();
        let (credit_nats, credit_spread_nats) = measured.credit.get(&id).copied().unwrap_or_default();
        let (accrued_minor, payable_minor) = measured.amounts.get(&id).copied().unwrap_or_default();
        rows.push(ContributorRow {
            id,
            name: name(&id),
            licence: licences.join("; "),
            documents,
            accepted,
            duplicates,
            rejected: if judged { documents - accepted - duplicates } else { 0 },
            duplicate_of: count(originals),
            tokens: own.iter().map(|s| s.tokens()).sum(),
            credit_nats,
            credit_spread_nats,
            pay_weight: measured.pay_weights.get(&id).copied().unwrap_or_default(),
            accrued_minor,
            payable_minor,
        });
    }
    Ok(rows)
}

/// Whether verdicts name documents that others of them duplicate.
fn has_duplicates(acceptance: &Acceptance) -> bool {
    let others = |(reason, n): (&String, &u64)| *n > 0 && reason != Verdict::Accepted.code() && !reason.starts_with("unread/");
    acceptance.counts.iter().any(others)
}

/// What a run measured and pays, by contributor.
#[derive(Default)]
struct Measured {
    /// Credit in nats, and its spread.
    credit: HashMap<ContributorId, (f64, f64)>,
    /// What credit weighs in pay.
    pay_weights: HashMap<ContributorId, i128>,
    /// Accrued and payable, in minor units; none before the settlement.
    amounts: HashMap<ContributorId, (i128, i128)>,
}

impl Measured {
    /// Of a settled run as its settlement published it, of one that is attributed as its settlement would be now, of others nothing.
    fn of(archive: &Archive, number: RunNumber) -> Result<Measured> {
        let run = archive.state.run(number)?;
        if run.attribution.is_none() {
            return Ok(Measured::default());
        }
        let (credit, rewards) = match &run.statements {
            Some(Logged { entry: s, .. }) => {
                let rewards = Rewards::from_bytes(&archive.objects.get(Class::Public, &s.rewards)?)?;
                (rules::run_tables::of_run(archive, run)?.credits(), rewards)
            }
            None => {
                let computed = rules::settlement::compute(archive, number)?;
                (computed.tables.credits(), computed.rewards)
            }
        };
        let amounts = match &run.statements {
            // Commons have credit and no account.
            Some(_) => rewards.settlement.accounts.iter().map(|a| (a.contributor, (a.accrued_minor, a.payable_minor))).collect(),
            None => HashMap::new(),
        };
        Ok(Measured { credit, pay_weights: rewards.pay_weights(), amounts })
    }
}

/// How often each name occurs, most frequent first.
fn count(names: Vec<String>) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, n)| Reverse(*n));
    counts
}

/// The numbers of a completed run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RunFacts {
    /// The run.
    pub run: RunNumber,
    /// Pricing loss before the first step, in nats per token.
    pub loss_start: f64,
    /// After the last.
    pub loss_end: f64,
    /// Drop of the control targets' loss.
    pub control_drop: f64,
    /// Sum over windows of the residual's size, as a share of the drop.
    #[serde(rename = "attribution_residual")]
    pub residual: f64,
}

/// Loss before and after, residual and control of run `number`, from its entries; none before its attribution.
pub fn run_facts(archive: &Archive, number: RunNumber) -> Result<Option<RunFacts>> {
    let run = &archive.state.runs[number.0 as usize];
    let (Some(Logged { entry: close, .. }), Some(_)) = (&run.close, &run.attribution) else { return Ok(None) };
    let accounts = rules::run_tables::of_run(archive, run)?.accounts;
    let nats = |nano: i64| nano as f64 / 1e9;
    Ok(Some(RunFacts {
        run: number,
        loss_start: nats(close.loss_start),
        loss_end: nats(close.loss_end),
        control_drop: nats(close.control_start) - nats(close.control_end),
        residual: accounts.residual_share(),
    }))
}
