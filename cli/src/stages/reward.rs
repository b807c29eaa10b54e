//! Rewards, statements and the reveal.

use anyhow::Result;
use corpus::{ContributorId, canonical};
use ledger::State;
use ledger::entry::{Reveal, Statements};
use ledger::history::Run;
use ledger::statement::Statement;
use store::Class;

use crate::failure::usage;
use crate::home::{Archive, Home};
use crate::rules::{Policy, Rewards, Tables, nano, rewards, statements_root};
use crate::stages::{epoch, ingest, replay};

/// Everything that the statements of a run say, in the order of contributor ids.
pub fn statements(state: &State, run: &Run, tables: &Tables, policy: &Policy, rewards: &Rewards, outcome: &str) -> Vec<Statement> {
    let epoch = &state.epochs[run.intent.1.epoch as usize];
    let (_, attribution) = run.attribution.as_ref().expect("rewards come from an attribution");
    let weights_sum = rewards.rewards.iter().map(|r| r.weight).sum();
    let statement = |reward: &ledger::reward::Reward| {
        let own = || epoch.submissions.iter().filter(|s| s.submission.1.contributor == reward.contributor);
        Statement {
            version: 1,
            origin: state.genesis.as_ref().map_or(String::new(), |g| g.origin.clone()),
            epoch: epoch.open.1.epoch,
            run: run.intent.1.run,
            contributor: reward.contributor,
            submissions: own().map(|s| s.submission.0).collect(),
            documents: own().map(|s| s.submission.1.documents).sum(),
            accepted: own().map(|s| s.accepted()).sum(),
            tokens: own().flat_map(|s| s.shards_before(run.intent.0)).map(|(_, s)| s.tokens).sum(),
            credit: nano(tables.credit_of(&reward.contributor)),
            credit_table: attribution.credit,
            windows_table: attribution.windows,
            policy: epoch.open.1.policy,
            pool_minor: policy.pool_minor,
            currency: policy.currency.clone(),
            weights_sum,
            reward: reward.clone(),
            outcome: outcome.to_string(),
            check: "assay statement verify FILE --home DIR".to_string(),
        }
    };
    rewards.rewards.iter().map(statement).collect()
}

/// Rewards of a run, computed from the log's tables.
pub fn compute(archive: &Archive, number: u32) -> Result<(Policy, Tables, Rewards, String)> {
    let run =
        archive.state.runs.get(number as usize).ok_or_else(|| usage(format!("run {number}: there are {}", archive.state.runs.len())))?;
    let epoch = epoch::find(archive, Some(run.intent.1.epoch))?;
    let policy = epoch::policy(archive, epoch)?;
    let tables = replay::tables(archive, run)?;
    // What belongs to everybody is paid to nobody.
    let paid = |id: &ContributorId| archive.state.contributors.get(id).is_none_or(|c| !c.registration.1.commons);
    let contributors: Vec<ContributorId> = epoch.contributors().into_iter().filter(paid).collect();
    let (rewards, outcome) = rewards(number, &tables, &contributors, run.intent.1.steps, &policy)?;
    Ok((policy, tables, rewards, outcome))
}

/// Turns a run's credit into amounts, books them, writes one signed statement a contributor, and reveals the epoch's key.
pub async fn run(home: &mut Home, number: u32) -> Result<String> {
    let (policy, accounts, rewards, outcome) = compute(home, number)?;
    let run = home.state.runs[number as usize].clone();
    let statements = statements(&home.state, &run, &accounts, &policy, &rewards, &outcome);
    let envelopes = statements.iter().map(|s| s.sign(home.operator())).collect::<Result<Vec<_>, _>>()?;
    if run.statements.is_none() {
        for envelope in &envelopes {
            home.objects.put(Class::Party, envelope)?;
        }
        let entry = Statements {
            time: home.now,
            epoch: run.intent.1.epoch,
            run: number,
            pool_minor: policy.pool_minor,
            currency: policy.currency.clone(),
            rewards: home.objects.put(Class::Public, &canonical::to_vec(&rewards)?)?,
            statements: envelopes.len() as u64,
            root: statements_root(&envelopes),
            outcome: outcome.clone(),
        };
        home.append(vec![entry.into()]).await?;
    }
    reveal(home, run.intent.1.epoch).await?;
    // Copies for their contributors.
    for (statement, envelope) in statements.iter().zip(&envelopes) {
        let path = home.dir.join(format!("statements/run-{number}/{}.json", home.name_of(&statement.contributor)));
        store::files::write(&path, envelope, 0o600)?;
    }
    Ok(outcome)
}

/// Opens what had to stay closed until the settlement: the dedup key, and the counts behind held-out hits.
async fn reveal(home: &mut Home, number: u32) -> Result<()> {
    if epoch::find(home, Some(number))?.reveal.is_some() {
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
