//! What a run pays, and what its statements say.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use corpus::credit::DocumentRow;
use corpus::objects::Class;
use corpus::run_tables::read_documents;
use corpus::shard::Shard as ShardFile;
use corpus::verdict::Verdict;
use corpus::{ContributorId, DocumentRef, EntryIndex, RunNumber, canonical};
use ledger::books::Account;
use ledger::entry::{ClaimOutcome, PoolOutcome, Shard};
use ledger::history::{Epoch, Logged, Run};
use ledger::payee::PayeeId;
use ledger::settlement::{Accrual, Carried, PayeeLine, settle};
use ledger::statement::{Balance, CreditLine, Inputs, NotPayable, PoolLine, Statement, SubmissionLine, Withholding, statement_id};

use crate::accounting::{Accounting, payee_of};
use crate::archive::Archive;
use crate::bundles::verdicts;
use crate::epoch::EpochView;
use crate::error::{Context, Result};
use crate::pay::CreditUnit;
use crate::policy::Policy;
use crate::pools::{Measured, PoolPart, Work, pools};
use crate::rewards::{Member, Rewards};
use crate::run_tables;
use crate::strata::Strata;
use crate::tables::{Tables, nano};
use crate::withdrawn::DocumentList;

/// What a run pays, with what it is computed from.
pub struct Computed {
    /// The epoch's policy.
    pub policy: Policy,
    /// The run's tables.
    pub tables: Tables,
    /// Credit by document.
    pub documents: Vec<DocumentRow>,
    /// Accepted documents, with their owners.
    pub works: BTreeMap<DocumentRef, Work>,
    /// Tokens and words by submission.
    pub submissions: HashMap<EntryIndex, (u64, u64)>,
    /// Pay weights, amounts, and what is carried on.
    pub rewards: Rewards,
    /// `settled`, or why the pools are on hold.
    pub outcome: PoolOutcome,
    /// The books as they are before its settlement.
    pub before: Accounting,
}

impl Computed {
    /// As [`Rewards::lines`].
    pub fn lines(&self) -> impl Iterator<Item = &ledger::reward::Reward> {
        self.rewards.lines()
    }
}

/// The entry before which the books are what a run's settlement adds to; the next one if it is not settled.
pub fn settled_at(archive: &Archive, run: &Run) -> EntryIndex {
    run.statements.as_ref().map_or(archive.state.next_index(), |Logged { index: at, .. }| *at)
}

/// As [`compute_before`], with an epoch and books that are read for it alone.
pub fn compute(archive: &Archive, number: RunNumber) -> Result<Computed> {
    let run = archive.state.run(number)?;
    compute_before(&archive.view(Some(run.intent.entry.epoch))?, run, Accounting::of(archive, settled_at(archive, run))?)
}

/// Rewards of a run of an epoch, computed from the log's tables; of one that is settled, as they had to be at its settlement.
///
/// `before` are the books before [`settled_at`].
pub fn compute_before(view: &EpochView<'_>, run: &Run, before: Accounting) -> Result<Computed> {
    let (archive, e, policy) = (view.archive, view.epoch, view.policy()?.clone());
    let (state, at) = (&archive.state, settled_at(archive, run));
    let tables = run_tables::of_run(archive, run)?;
    let Logged { entry: attribution, .. } = run.attribution.as_ref().context("tables come from an attribution")?;
    let documents = read_documents(&archive.objects.get(Class::Public, &attribution.documents)?)?;
    // What belongs to everybody is paid to nobody.
    let is_paid = |id: &ContributorId| state.contributors.get(id).is_none_or(|c| !c.registration.entry.commons);
    let contributors: Vec<ContributorId> = e.contributors().into_iter().filter(is_paid).collect();
    let owners = owners(archive, &policy, at)?;
    let members = members(archive, e, run, &policy)?;
    let (works, submissions) = works(view, run, &owners, &members)?;
    let mut paid = contributors.clone();
    paid.extend(owners.values().filter(|id| is_paid(id)));
    paid.sort();
    paid.dedup();
    let by_document = policy.strata.iter().any(|s| s.pool_minor.is_some()) || policy.pay.novel_words_scale || !owners.is_empty();
    let measured = Measured {
        tables: &tables,
        documents: &documents,
        works: &works,
        submissions: &submissions,
        contributors: &paid,
        payees: paid.iter().map(|id| (*id, payee_of(state, id))).collect(),
        window_weights: tables.window_weights(run.intent.entry.steps, policy.window_cap_permille),
        by_document,
    };
    let parts = pools(&policy, &measured)?;
    let accruals = accruals(archive, at, &paid, &parts, &before.carried)?;
    let settlement = settle(e.open.entry.epoch, &accruals, before.carried.clone(), &policy.pay.terms())?;
    let rewards = Rewards { run: run.intent.entry.run, members, pools: parts, settlement };
    let outcome = rewards.outcome();
    Ok(Computed { policy, tables, documents, works, submissions, rewards, outcome, before })
}

/// Documents whose credit evidence gave to somebody else before entry `at`, if the policy asks for evidence.
fn owners(archive: &Archive, policy: &Policy, at: EntryIndex) -> Result<BTreeMap<DocumentRef, ContributorId>> {
    let mut owners = BTreeMap::new();
    if policy.pay.credit_unit == CreditUnit::EvidenceBacked {
        for claimed in &archive.state.claims {
            if claimed
                .resolution
                .as_ref()
                .is_some_and(|Logged { index: resolved, entry: r }| *resolved < at && r.outcome == ClaimOutcome::Upheld)
            {
                let list: DocumentList = canonical::from_slice(&archive.objects.get(Class::Public, &claimed.claim.entry.list)?)?;
                owners.extend(list.documents.into_iter().map(|d| (d, claimed.claim.entry.claimant)));
            }
        }
    }
    Ok(owners)
}

/// Documents of strata with pools of their own: from the shards, or as the settlement published them where there are no shards.
fn members(archive: &Archive, e: &Epoch, run: &Run, policy: &Policy) -> Result<Vec<Member>> {
    if policy.strata.iter().all(|s| s.pool_minor.is_none()) {
        return Ok(Vec::new());
    }
    let (strata, mut members) = (Strata::of(&policy.strata)?, Vec::new());
    let own = |stratum: usize| policy.strata.get(stratum).is_some_and(|s| s.pool_minor.is_some());
    for s in &e.submissions {
        let read = |shards: Vec<&Logged<Shard>>| -> Result<Vec<ShardFile>> {
            shards
                .iter()
                .map(|Logged { entry: shard, .. }| Ok(ShardFile::decode(&archive.objects.get(Class::Sealed, &shard.file)?)?))
                .collect()
        };
        let files = match (read(s.shards_before(run.intent.index)), &run.statements) {
            (Ok(files), _) => files,
            // Texts that were destroyed since, or somebody who has what is public alone.
            (Err(_), Some(Logged { entry: s, .. })) => {
                return Ok(Rewards::from_bytes(&archive.objects.get(Class::Public, &s.rewards)?)?.members);
            }
            // What was destroyed before the settlement is in no stratum any more, and the pool of the others pays it.
            (Err(_), None) => read(s.live_shards())?,
        };
        for d in files.iter().flat_map(|f| &f.documents) {
            let stratum = strata.find(&d.contributor, &d.source);
            if own(stratum) {
                members.push(Member { document: d.document.to_string(), stratum: stratum as u32 });
            }
        }
    }
    Ok(members)
}

type Works = (BTreeMap<DocumentRef, Work>, HashMap<EntryIndex, (u64, u64)>);

/// Accepted documents that were not taken back before the run, and tokens and words by submission.
fn works(view: &EpochView<'_>, run: &Run, owners: &BTreeMap<DocumentRef, ContributorId>, members: &[Member]) -> Result<Works> {
    let (archive, e, withdrawn) = (view.archive, view.epoch, view.withdrawn()?);
    let strata: HashMap<DocumentRef, usize> = members.iter().filter_map(|m| Some((m.reference()?, m.stratum as usize))).collect();
    let (mut works, mut submissions) = (BTreeMap::new(), HashMap::new());
    for s in e.submissions.iter().filter(|s| s.acceptance.is_some()) {
        let gone = withdrawn.before(s, run.intent.index);
        let (submission, contributor) = (s.submission.index, s.submission.entry.contributor);
        let mut words = 0;
        for row in verdicts(&*archive.objects, s)?.rows {
            if row.verdict == Verdict::Accepted && !gone.contains(&row.number) {
                let document = DocumentRef { submission, number: row.number };
                let owner = owners.get(&document).copied().unwrap_or(contributor);
                words += row.words;
                let stratum = strata.get(&document).copied();
                works.insert(document, Work { owner, stratum, words: row.words, novel_words: row.novel_words });
            }
        }
        let tokens = s.shards_before(run.intent.index).iter().map(|Logged { entry: shard, .. }| shard.tokens).sum();
        submissions.insert(submission, (tokens, words));
    }
    Ok((works, submissions))
}

/// What every account accrued over all pools, those included to whom earlier periods owe something.
fn accruals(archive: &Archive, at: EntryIndex, paid: &[ContributorId], pools: &[PoolPart], carried: &Carried) -> Result<Vec<Accrual>> {
    let state = &archive.state;
    let mut sums: BTreeMap<ContributorId, (i128, i128)> = paid.iter().map(|id| (*id, (0, 0))).collect();
    for pool in pools {
        for line in &pool.lines {
            let sum = sums.entry(line.contributor).or_default();
            sum.0 += line.accrued_minor;
            if pool.head.outcome == PoolOutcome::Settled {
                sum.1 += line.spread_minor(pool.head.pool_minor, pool.head.pay_weights_sum)?;
            }
        }
    }
    let mut known: BTreeSet<PayeeId> = sums.keys().map(|id| payee_of(state, id)).collect();
    // Who is owed something and has no account here is paid through the first that it had: later ones change nothing.
    let mut first: HashMap<PayeeId, (EntryIndex, ContributorId)> = HashMap::new();
    for (id, c) in state.contributors.iter().filter(|(_, c)| c.registration.index < at) {
        let account = first.entry(payee_of(state, id)).or_insert((c.registration.index, *id));
        *account = (*account).min((c.registration.index, *id));
    }
    let open = carried.vintages.iter().flat_map(|v| v.offsets.keys().chain(v.receivables.keys())).chain(carried.stakes.keys());
    for payee in open.filter(|p| **p != PayeeId::Operator) {
        if known.insert(*payee) {
            let (_, account) = first.get(payee).with_context(|| format!("payee {payee}: no account"))?;
            sums.insert(*account, (0, 0));
        }
    }
    let accrual = |(id, (accrued_minor, spread_minor)): (ContributorId, (i128, i128))| Accrual {
        contributor: id,
        payee: payee_of(state, &id),
        accrued_minor,
        spread_minor,
    };
    Ok(sums.into_iter().map(accrual).collect())
}

/// Everything that the statements of a run say, in the order of contributor ids.
pub fn statements(archive: &Archive, run: &Run, computed: &Computed) -> Result<Vec<Statement>> {
    let state = &archive.state;
    let e = &state.epochs[run.intent.entry.epoch as usize];
    let Logged { entry: attribution, .. } = run.attribution.as_ref().context("rewards come from an attribution")?;
    let (policy, settlement) = (&computed.policy, &computed.rewards.settlement);
    let genesis = archive.genesis();
    let time = run.statements.as_ref().map(|Logged { entry: s, .. }| s.time);
    let inputs = Inputs {
        policy: e.open.entry.policy,
        credit: attribution.credit,
        documents: attribution.documents,
        windows: attribution.windows,
        rewards: corpus::Digest::of(&computed.rewards.to_bytes()?),
    };
    let payees: HashMap<PayeeId, &PayeeLine> = settlement.payees.iter().map(|p| (p.payee, p)).collect();
    let mut pool_lines: HashMap<ContributorId, Vec<PoolLine>> = HashMap::new();
    for pool in &computed.rewards.pools {
        for reward in &pool.lines {
            pool_lines.entry(reward.contributor).or_default().push(PoolLine {
                stratum: pool.head.stratum.clone(),
                follows: pool.head.follows.to_string(),
                pool_minor: pool.head.pool_minor,
                outcome: pool.head.outcome.clone(),
                pay_weights_sum: pool.head.pay_weights_sum,
                reward: reward.clone(),
            });
        }
    }
    let mut credit = credit_lines(computed);
    let mut submitted: HashMap<ContributorId, (Vec<SubmissionLine>, Vec<NotPayable>)> = HashMap::new();
    for s in &e.submissions {
        let lines = submitted.entry(s.submission.entry.contributor).or_default();
        let (tokens, words) = computed.submissions.get(&s.submission.index).copied().unwrap_or_default();
        let Logged { entry: acceptance, .. } = s.acceptance.as_ref().context("a settled epoch is judged")?;
        let in_run = s.shards_before(run.intent.index).iter().map(|Logged { entry: shard, .. }| shard.rows).sum();
        lines.0.push(SubmissionLine {
            submission: s.submission.index,
            documents: s.submission.entry.documents,
            accepted: in_run,
            tokens,
            novel_words: acceptance.novel_words,
            words,
        });
        let not = |(reason, documents): (&String, &u64)| NotPayable {
            submission: s.submission.index,
            reason: reason.clone(),
            documents: *documents,
        };
        lines.1.extend(acceptance.counts.iter().filter(|(reason, n)| *reason != "accepted" && **n > 0).map(not));
        if s.accepted() > in_run {
            lines.1.push(NotPayable { submission: s.submission.index, reason: "withdrawn".into(), documents: s.accepted() - in_run });
        }
    }
    let books = &computed.before.books;
    let statement = |account: &ledger::settlement::AccountLine| -> Result<Statement> {
        let id = account.contributor;
        let (submissions, not_payable) = submitted.get(&id).cloned().unwrap_or_default();
        let line = payees.get(&account.payee).context("an account's payee has a line")?;
        let offset = settlement.carried.vintages.iter().filter_map(|v| v.offsets.get(&account.payee)).sum();
        Ok(Statement {
            version: 2,
            id: statement_id(&genesis.origin, run.intent.entry.run, &id),
            origin: genesis.origin.clone(),
            epoch: e.open.entry.epoch,
            run: run.intent.entry.run,
            time: time.unwrap_or(0),
            contributor: id,
            payee: account.payee,
            currency: policy.currency.clone(),
            currency_exponent: policy.currency_exponent,
            submissions,
            credit: credit.remove(&id).unwrap_or_default(),
            pools: pool_lines.remove(&id).unwrap_or_default(),
            gross_minor: account.accrued_minor,
            adjustments: (*line).clone(),
            net_minor: account.payable_minor,
            withholding: Withholding { rule: "none".into(), amount_minor: 0 },
            not_payable,
            balance: Balance {
                on_hold_minor: books.balance(Account::OnHold(id)) + account.payable_minor,
                payable_minor: books.available(Account::Payable(id)),
                offset_minor: offset,
                stake_minor: settlement.carried.stakes.get(&account.payee).copied().unwrap_or(0),
                threshold_minor: policy.pay.threshold_minor,
                hold_days: policy.hold_days,
            },
            inputs: inputs.clone(),
            outcome: computed.outcome.clone(),
            check: "assay statement verify FILE --home DIR".to_string(),
        })
    };
    settlement.accounts.iter().map(statement).collect()
}

/// Credit by owner, submission and target, over all windows.
fn credit_lines(computed: &Computed) -> HashMap<ContributorId, Vec<CreditLine>> {
    let mut sums: BTreeMap<(ContributorId, EntryIndex, &str), (u64, f64, f64)> = BTreeMap::new();
    for row in &computed.documents {
        let Ok(document) = row.document.parse::<DocumentRef>() else { continue };
        let Some(work) = computed.works.get(&document) else { continue };
        let sum = sums.entry((work.owner, document.submission, &row.target)).or_default();
        *sum = (sum.0 + row.tokens, sum.1 + row.nats, sum.2 + (row.half(0) - row.half(1)) / 2.0);
    }
    let mut lines: HashMap<ContributorId, Vec<CreditLine>> = HashMap::new();
    for ((owner, submission, target), (tokens, nats, spread)) in sums {
        let line = CreditLine { submission, target: target.to_string(), tokens, credit: nano(nats), spread: nano(spread).abs() };
        lines.entry(owner).or_default().push(line);
    }
    lines
}
