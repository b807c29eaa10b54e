//! A run's settlement: rewards, signed statements, and the reveal.

use corpus::{RunNumber, canonical};
use ledger::entry::{PoolOutcome, Reveal, Statements};
use ledger::statement::Statement;
use rules::accounting::Accounting;
use rules::settlement::{compute_before, settled_at, statements};
use rules::tables::statements_root;
use store::Class;

use crate::error::Result;
use crate::home::Home;
use crate::ingest;

/// A run that is settled.
pub struct Settled {
    /// The run.
    pub run: RunNumber,
    /// `settled`, or why the pools are on hold.
    pub outcome: PoolOutcome,
    /// What each contributor is told, and the same under the operator's signature.
    pub statements: Vec<(Statement, Vec<u8>)>,
}

/// Turns a run's credit into amounts, books them, writes one signed statement a contributor, and reveals the epoch's key.
pub async fn run(home: &mut Home, number: RunNumber) -> Result<Settled> {
    let run = home.state.run(number)?.clone();
    let before = if run.statements.is_none() { home.books()?.clone() } else { Accounting::of(home, settled_at(home, &run))? };
    let computed = compute_before(&home.view_of(&run), &run, before)?;
    let mut all = statements(home, &run, &computed)?;
    if run.statements.is_none() {
        all.iter_mut().for_each(|s| s.time = home.now);
    }
    let bar = home.listener.task("statements signed", all.len() as u64);
    let mut envelopes = Vec::with_capacity(all.len());
    for statement in &all {
        let envelope = statement.sign(home.operator())?;
        if run.statements.is_none() {
            home.objects.put(Class::Party, &envelope)?;
        }
        envelopes.push(envelope);
        bar.advance(1);
    }
    drop(bar);
    if run.statements.is_none() {
        let entry = Statements {
            time: home.now,
            epoch: run.intent.entry.epoch,
            run: number,
            pool_minor: computed.policy.pool_minor,
            currency: computed.policy.currency.clone(),
            rewards: home.objects.put(Class::Public, &computed.rewards.to_bytes()?)?,
            accrued_minor: computed.rewards.accrued_minor(),
            payable_minor: computed.rewards.payable_minor(),
            statements: envelopes.len() as u64,
            root: statements_root(&envelopes),
            outcome: computed.outcome.clone(),
        };
        home.append(vec![entry.into()]).await?;
    }
    reveal(home, run.intent.entry.epoch).await?;
    Ok(Settled { run: number, outcome: computed.outcome, statements: all.into_iter().zip(envelopes).collect() })
}

/// Opens what had to stay closed until the settlement: the dedup key, and the counts behind held-out hits.
async fn reveal(home: &mut Home, number: u32) -> Result<()> {
    if home.epoch(Some(number))?.reveal.is_some() {
        return Ok(());
    }
    let openings = ingest::judge_epoch(home, number, dedup::Device::Cpu).await?.openings;
    let entry = Reveal {
        epoch: number,
        dedup_key: corpus::Digest(home.secret(&format!("dedup key {number}"))?),
        openings: home.objects.put(Class::Public, &canonical::to_vec(&openings)?)?,
    };
    home.append(vec![entry.into()]).await?;
    Ok(())
}
