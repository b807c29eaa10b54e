//! Money: settlement, releases, payouts, disputes, and the close of the books.

use corpus::objects::Class;
use corpus::{ContributorId, Digest, EntryIndex, RunNumber};
use ledger::books::Account;
use ledger::entry::{
    ApprovalOutcome, BooksClose, Dispute, DisputeCode, DisputeOutcome, DisputeResolution, PayoutApproval, PayoutProposal, PayoutReport,
    RailName, Release, Statements,
};
use ledger::history::Logged;
use ledger::statement::{Statement, statement_id};
use rules::accounting::{Accounting, payee_of};
use rules::clawback::balances;
use rules::holds::{disputed, releasable};
use rules::lines::{self, Amount};
use rules::settlement::{Computed, compute, statements};
use rules::tables::statements_root;

use crate::data::documents;
use crate::run::Credit;
use crate::world::World;

/// The time of a world's first entry.
pub const TIME: u64 = 1_700_000_000;
/// Seconds of a day.
pub const DAY: u64 = 24 * 60 * 60;

impl World {
    /// One epoch with a run that is attributed and replayed: contributors with three documents each, and this credit in nats.
    pub fn replayed(credit: &[(&'static str, f64)]) -> World {
        World::new().replayed_with(credit)
    }

    /// As [`World::replayed`], in this world and under its policy.
    pub fn replayed_with(mut self, credit: &[(&'static str, f64)]) -> World {
        for (name, _) in credit {
            if !self.contributors.contains_key(*name) {
                self.register(name);
            }
        }
        self.open();
        for (seed, (name, _)) in (1..).zip(credit) {
            let epoch = self.state().epochs.len() as u64;
            self.submit(name, &documents(100 * epoch + seed, 3));
        }
        self.ingest();
        let run = self.run_with(&credit.iter().map(|(name, nats)| Credit { name, nats: *nats, spread: 0.0 }).collect::<Vec<_>>());
        self.replay(run);
        self
    }

    /// As [`World::replayed`], with the run settled and its epoch revealed.
    pub fn settled(credit: &[(&'static str, f64)]) -> World {
        World::new().settled_with(credit)
    }

    /// As [`World::settled`], in this world and under its policy.
    pub fn settled_with(self, credit: &[(&'static str, f64)]) -> World {
        let mut world = self.replayed_with(credit);
        let run = world.last_run();
        world.settle(run);
        world
    }

    /// The number of the last run.
    ///
    /// # Panics
    /// If there is none.
    pub fn last_run(&self) -> RunNumber {
        self.state().runs.last().expect("a run").intent.entry.run
    }

    /// What a run pays, or paid.
    pub fn computed(&self, run: RunNumber) -> Computed {
        compute(&self.archive, run).expect("a run that is attributed")
    }

    /// What the statements of a run say; of one that is not settled yet, as they would now.
    pub fn statements(&self, run: RunNumber) -> Vec<Statement> {
        let this = self.state().run(run).expect("a run");
        let mut all = statements(&self.archive, this, &self.computed(run)).expect("a run that is judged");
        if this.statements.is_none() {
            all.iter_mut().for_each(|s| s.time = self.now);
        }
        all
    }

    /// Turns a run's credit into amounts, signs the statements, and reveals the epoch.
    pub fn settle(&mut self, run: RunNumber) -> EntryIndex {
        let computed = self.computed(run);
        let sign = |s: &Statement| s.sign(self.operator()).expect("a statement");
        let envelopes: Vec<Vec<u8>> = self.statements(run).iter().map(sign).collect();
        for envelope in &envelopes {
            self.objects.put(Class::Party, envelope.clone());
        }
        let epoch = self.state().run(run).expect("a run").intent.entry.epoch;
        let at = self.append(Statements {
            epoch,
            run,
            pool_minor: computed.policy.pool_minor,
            currency: computed.policy.currency.clone(),
            rewards: self.objects.put(Class::Public, computed.rewards.to_bytes().expect("lines")),
            accrued_minor: computed.rewards.accrued_minor(),
            payable_minor: computed.rewards.payable_minor(),
            statements: envelopes.len() as u64,
            root: statements_root(&envelopes),
            time: self.now,
            outcome: computed.outcome,
        });
        self.reveal(epoch);
        at
    }

    /// The books after all entries.
    pub fn books(&self) -> Accounting {
        Accounting::of(&self.archive, self.state().next_index()).expect("books that follow from the log")
    }

    /// The sum over all accounts whose names begin like this.
    pub fn balance(&self, prefix: &str) -> i128 {
        self.books().books.balances().filter(|(account, _)| account.to_string().starts_with(prefix)).map(|(_, b)| b).sum()
    }

    /// What may be released of a run now.
    pub fn releasable(&self, run: RunNumber) -> Vec<Amount> {
        let this = self.state().run(run).expect("a run");
        let at = self.state().next_index();
        releasable(&self.archive.view_of(this), &self.books(), this, at, self.now).expect("a run that is settled")
    }

    /// Releases what nothing holds of the last run.
    ///
    /// # Panics
    /// If that is nothing.
    pub fn release(&mut self) -> EntryIndex {
        let run = self.last_run();
        let list = self.releasable(run);
        assert!(!list.is_empty(), "run {run}: nothing to release");
        let Logged { index: statements, .. } = self.state().run(run).expect("a run").statements.as_ref().expect("a run that is settled");
        let release = Release {
            statements: *statements,
            contributors: list.len() as u64,
            total_minor: list.iter().map(|a| a.amount_minor).sum(),
            list: self.put_list(&list),
            time: self.now,
        };
        self.append(release)
    }

    fn put_list(&self, list: &[Amount]) -> Digest {
        self.objects.put(Class::Public, lines::write(list).expect("lines"))
    }

    /// Accounts with what is payable to each, less those that somebody disputes; accounts of one payee have one reference.
    pub fn payable(&self) -> Vec<Amount> {
        let (books, at) = (self.books().books, self.state().next_index());
        let disputed = disputed(&self.archive, at).expect("disputes");
        let mut list: Vec<Amount> = Vec::new();
        let mut first = std::collections::BTreeMap::new();
        for (account, _) in books.balances() {
            let amount_minor = books.available(account);
            let Account::Payable(contributor) = account else { continue };
            if amount_minor > 0 && !disputed.contains_key(&contributor) {
                let named = *first.entry(payee_of(self.state(), &contributor)).or_insert(contributor);
                let reference = format!("{}-{at}", statement_id(&self.archive.genesis().origin, self.last_run(), &named));
                list.push(Amount { contributor, amount_minor, reference: Some(reference) });
            }
        }
        list.sort_by_key(|a| payee_of(self.state(), &a.contributor));
        list
    }

    /// Proposes to pay a list.
    pub fn propose_list(&mut self, list: &[Amount]) -> EntryIndex {
        let bytes = lines::write(list).expect("lines");
        let references: std::collections::BTreeSet<&Option<String>> = list.iter().map(|a| &a.reference).collect();
        let proposal = PayoutProposal {
            rail: RailName::Csv,
            total_minor: list.iter().map(|a| a.amount_minor).sum(),
            currency: self.archive.genesis().currency.clone(),
            transfers: references.len() as u64,
            root: lines::root(&bytes),
            list: self.objects.put(Class::Public, bytes),
            file: Digest::of(format!("the rail's file before entry {}", self.state().size).as_bytes()),
            time: self.now,
        };
        self.append(proposal)
    }

    /// Releases what is due, if something is, and proposes to pay what is payable.
    pub fn propose(&mut self) -> EntryIndex {
        if !self.releasable(self.last_run()).is_empty() {
            self.release();
        }
        let list = self.payable();
        self.propose_list(&list)
    }

    /// The approver's word on a proposal.
    pub fn approve(&mut self, proposal: EntryIndex, outcome: ApprovalOutcome) -> EntryIndex {
        let payouts = &self.state().payouts;
        let proposed = &payouts.iter().find(|p| p.proposal.index == proposal).expect("a proposal").proposal.entry;
        let (root, file, total_minor) = (proposed.root, proposed.file, proposed.total_minor);
        self.append(PayoutApproval { proposal, outcome, root, file, total_minor, time: self.now })
    }

    /// The accounts of a proposal with their amounts.
    pub fn proposed(&self, proposal: EntryIndex) -> Vec<Amount> {
        let payout = self.state().payouts.iter().find(|p| p.proposal.index == proposal).expect("a proposal");
        lines::amounts(&self.archive, &payout.proposal.entry.list).expect("a list of amounts")
    }

    /// What the rail says: these accounts are paid, these came back, and these came back after they had been paid.
    pub fn report(&mut self, proposal: EntryIndex, paid: &[Amount], returned: &[Amount], reversed: &[Amount]) -> EntryIndex {
        let sum = |list: &[Amount]| list.iter().map(|a| a.amount_minor).sum();
        let report = PayoutReport {
            proposal,
            paid_minor: sum(paid),
            returned_minor: sum(returned),
            reversed_minor: sum(reversed),
            transfers: (paid.len() + returned.len() + reversed.len()) as u64,
            returned: self.put_list(returned),
            reversed: self.put_list(reversed),
            report: Digest::of(b"the rail's report"),
            time: self.now,
        };
        self.append(report)
    }

    /// Waits for the end of the dispute period, then proposes, approves and reports the payout of all that is due; returns the proposal.
    pub fn pay(&mut self) -> EntryIndex {
        self.wait();
        let proposal = self.propose();
        self.approve(proposal, ApprovalOutcome::Approved);
        let list = self.proposed(proposal);
        self.report(proposal, &list, &[], &[]);
        proposal
    }

    /// Lets the dispute period of the policy pass.
    pub fn wait(&mut self) {
        self.now += u64::from(self.policy.hold_days) * DAY;
    }

    /// Opens a dispute about a contributor.
    pub fn dispute(&mut self, name: &str) -> EntryIndex {
        let contributor = self.id(name);
        self.dispute_about(Some(contributor), None, None)
    }

    /// Opens a dispute about what a run measured.
    pub fn dispute_run(&mut self, run: RunNumber) -> EntryIndex {
        self.dispute_about(None, None, Some(run))
    }

    /// Opens a dispute about a submission.
    pub fn dispute_submission(&mut self, submission: EntryIndex) -> EntryIndex {
        self.dispute_about(None, Some(submission), None)
    }

    fn dispute_about(&mut self, contributor: Option<ContributorId>, submission: Option<EntryIndex>, run: Option<RunNumber>) -> EntryIndex {
        let code = if run.is_some() { DisputeCode::Measurement } else { DisputeCode::Rights };
        let evidence = self.objects.put(Class::Sealed, b"a letter");
        self.append(Dispute { contributor, submission, run, code, evidence, time: self.now })
    }

    /// Resolves a dispute: the amount is due, or so much is clawed back.
    pub fn resolve(&mut self, dispute: EntryIndex, clawback_minor: Option<i128>) -> EntryIndex {
        let outcome = if clawback_minor.is_some() { DisputeOutcome::Clawback } else { DisputeOutcome::Released };
        let reasons = self.objects.put(Class::Party, b"reasons");
        self.append(DisputeResolution { dispute, outcome, amount_minor: clawback_minor.unwrap_or(0), reasons, time: self.now })
    }

    /// Closes the period of the books.
    pub fn close_books(&mut self) -> EntryIndex {
        let (bytes, accounts) = balances(&self.books()).expect("balances");
        let period = self.state().closes.len() as u32;
        let balances = self.objects.put(Class::Public, bytes);
        self.append(BooksClose { period, balances, accounts, time: self.now })
    }
}
