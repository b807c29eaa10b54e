//! The books as the log has them: each entry that moves money, in order, with what it moves.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use corpus::objects::Class;
use corpus::{ContributorId, EntryIndex};
use ledger::State;
use ledger::books::{self, Account, Books, Movement};
use ledger::entry::{ApprovalOutcome, Dispute, DisputeResolution, PayoutApproval, PayoutProposal, PayoutReport, Release, Statements};
use ledger::history::Logged;
use ledger::payee::PayeeId;
use ledger::settlement::{Carried, add_vintage};
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::epoch::EpochView;
use crate::error::{Context, Result};
use crate::lines::{Amount, amounts};
use crate::rewards::Rewards;

/// An entry that moves money.
enum Event<'a> {
    Statements(&'a Statements),
    Release(&'a Release),
    Proposal(&'a PayoutProposal),
    Approval(&'a PayoutApproval),
    Report(&'a PayoutReport),
    Dispute(&'a Dispute),
    Resolution(&'a Dispute, &'a DisputeResolution),
    Close,
}

/// The events of some entries, in their order.
fn events(state: &State, entries: Range<EntryIndex>) -> Vec<(EntryIndex, Event<'_>)> {
    let mut events = Vec::new();
    for run in &state.runs {
        events.extend(run.statements.iter().map(|Logged { index: at, entry: e }| (*at, Event::Statements(e))));
        events.extend(run.releases.iter().map(|Logged { index: at, entry: e }| (*at, Event::Release(e))));
    }
    for payout in &state.payouts {
        events.push((payout.proposal.index, Event::Proposal(&payout.proposal.entry)));
        events.extend(payout.approval.iter().map(|Logged { index: at, entry: e }| (*at, Event::Approval(e))));
        events.extend(payout.reports.iter().map(|Logged { index: at, entry: e }| (*at, Event::Report(e))));
    }
    for disputed in &state.disputes {
        let Logged { index: opened, entry: dispute } = &disputed.dispute;
        events.push((*opened, Event::Dispute(dispute)));
        events.extend(disputed.resolution.iter().map(|Logged { index: at, entry: e }| (*at, Event::Resolution(dispute, e))));
    }
    events.extend(state.closes.iter().map(|Logged { index: at, .. }| (*at, Event::Close)));
    events.retain(|(at, _)| entries.contains(at));
    events.sort_by_key(|(at, _)| *at);
    events
}

/// Who is paid for a contributor's account.
pub fn payee_of(state: &State, id: &ContributorId) -> PayeeId {
    let payee = state.contributors.get(id).and_then(|c| c.registration.entry.payee);
    payee.map_or(PayeeId::Account(*id), PayeeId::Shared)
}

/// Whom a dispute is about, if it is about somebody.
pub fn disputed_contributor(state: &State, dispute: &Dispute) -> Option<ContributorId> {
    dispute.contributor.or_else(|| Some(state.submission(dispute.submission?)?.submission.entry.contributor))
}

/// What the books and what was carried on are, as far as the log was read.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Accounting {
    /// All balances.
    pub books: Books,
    /// Offsets, receivables and stakes.
    pub carried: Carried,
    /// Of each statements entry, what is still in its dispute period.
    pub on_hold: BTreeMap<EntryIndex, BTreeMap<ContributorId, i128>>,
    /// The first entry that it does not have.
    read: EntryIndex,
    /// Epochs for which offsets are in force under the policy of the last settlement.
    offset_epochs: u32,
    /// Of each contributor, how many disputes about it are open, and what they stopped on its way.
    stopped: BTreeMap<ContributorId, (u32, i128)>,
}

impl Accounting {
    /// The books after all entries before `before`.
    pub fn of(archive: &Archive, before: EntryIndex) -> Result<Accounting> {
        let mut accounting = Accounting::default();
        accounting.advance(archive, before, |_, _| {})?;
        Ok(accounting)
    }

    /// Goes on to the books after all entries before `before`; on the way, `each` hears what every entry moved. What it has is not read again.
    ///
    /// # Errors
    /// If an entry does not fit the books before it. These are of no use then.
    pub fn advance(&mut self, archive: &Archive, before: EntryIndex, mut each: impl FnMut(EntryIndex, Movement)) -> Result<()> {
        for (at, event) in events(&archive.state, self.read..before) {
            each(at, self.apply(archive, at, &event)?);
        }
        self.read = self.read.max(before);
        Ok(())
    }

    /// The books after all entries before `before`: those that it has go on, or begin again where they are past it.
    ///
    /// # Errors
    /// As [`Accounting::advance`].
    pub fn turn_to(&mut self, archive: &Archive, before: EntryIndex) -> Result<&mut Accounting> {
        if self.read > before {
            *self = Accounting::default();
        }
        self.advance(archive, before, |_, _| {})?;
        Ok(self)
    }

    /// The books after all entries; on the way, `each` sees them as they are before every entry whose index is in `places`.
    ///
    /// It takes the log once, however many places there are.
    ///
    /// # Errors
    /// If an entry does not fit the books before it, or `each` fails.
    pub fn before_each(
        archive: &Archive,
        places: &BTreeSet<EntryIndex>,
        mut each: impl FnMut(EntryIndex, &Accounting) -> Result<()>,
    ) -> Result<Accounting> {
        let mut accounting = Accounting::default();
        let mut places = places.iter().copied().peekable();
        for (at, event) in events(&archive.state, EntryIndex(0)..archive.state.next_index()) {
            while let Some(place) = places.next_if(|place| *place <= at) {
                each(place, &accounting)?;
            }
            accounting.apply(archive, at, &event)?;
        }
        accounting.read = EntryIndex(archive.state.size);
        places.try_for_each(|place| each(place, &accounting))?;
        Ok(accounting)
    }

    fn apply(&mut self, archive: &Archive, at: EntryIndex, event: &Event) -> Result<Movement> {
        let moved = self.movement(archive, at, event).and_then(|movement| {
            self.books.apply(at, &movement)?;
            Ok(movement)
        });
        moved.with_context(|| format!("books: entry {at}"))
    }

    fn movement(&mut self, archive: &Archive, at: EntryIndex, event: &Event) -> Result<Movement> {
        let state = &archive.state;
        let pairs = |list| -> Result<Vec<(ContributorId, i128)>> { Ok(amounts(archive, list)?.iter().map(Amount::pair).collect()) };
        Ok(match event {
            Event::Statements(e) => {
                let rewards = Rewards::from_bytes(&archive.objects.get(Class::Public, &e.rewards)?)?;
                let on_hold = rewards.settlement.accounts.iter().filter(|a| a.payable_minor > 0).map(|a| (a.contributor, a.payable_minor));
                self.on_hold.insert(at, on_hold.collect());
                let pools: Vec<_> = rewards.pools.iter().map(|p| p.lines.clone()).collect();
                let transfers = books::settlement(e.run, e.pool_minor, &pools, &rewards.settlement);
                self.carried = rewards.settlement.carried;
                self.offset_epochs = EpochView::of(archive, &state.epochs[e.epoch as usize]).policy()?.pay.offset_epochs;
                Movement::Post(transfers)
            }
            Event::Release(e) => {
                let list = amounts(archive, &e.list)?;
                let on_hold = self.on_hold.get_mut(&e.statements).context("statements that were not settled")?;
                for a in &list {
                    let left = on_hold.get_mut(&a.contributor).filter(|left| **left >= a.amount_minor);
                    *left.with_context(|| format!("{}: {} is more than is on hold", a.contributor, a.amount_minor))? -= a.amount_minor;
                }
                on_hold.retain(|_, left| *left > 0);
                Movement::Post(books::release(&list.iter().map(Amount::pair).collect::<Vec<_>>()))
            }
            Event::Proposal(e) => Movement::Reserve(books::propose(at, &pairs(&e.list)?)),
            Event::Approval(e) if e.outcome == ApprovalOutcome::Approved => Movement::Confirm(e.proposal),
            Event::Approval(e) => Movement::Void(e.proposal),
            Event::Report(e) => Movement::Post(books::report(e.proposal, e.paid_minor, &pairs(&e.returned)?, &pairs(&e.reversed)?)),
            Event::Dispute(e) => match disputed_contributor(state, e) {
                Some(id) => {
                    let payable = self.books.available(Account::Payable(id));
                    let (open, stopped) = self.stopped.entry(id).or_default();
                    (*open, *stopped) = (*open + 1, *stopped + payable);
                    Movement::Post(books::stop(id, payable))
                }
                None => Movement::Post(Vec::new()),
            },
            Event::Resolution(dispute, e) => match disputed_contributor(state, dispute) {
                Some(id) => Movement::Post(self.resolve(state, at, id, e)),
                None => Movement::Post(Vec::new()),
            },
            Event::Close => {
                let settled = state.runs.iter().filter(|r| r.statements.as_ref().is_some_and(|Logged { index: s, .. }| *s < at));
                let left = settled.map(|r| (r.intent.entry.run, self.books.balance(Account::Pool(r.intent.entry.run))));
                Movement::Post(left.flat_map(|(run, left)| books::return_pool(run, left)).collect())
            }
        })
    }

    /// What is clawed back comes from what disputes stopped, then from dispute periods, oldest first; the rest is an offset that belongs to
    /// the operator. What is left of what was stopped is payable again once no dispute about the contributor is open.
    fn resolve(&mut self, state: &State, at: EntryIndex, id: ContributorId, e: &DisputeResolution) -> Vec<books::Transfer> {
        let mut missing = e.amount_minor;
        let mut take = |from: &mut i128| {
            let taken = (*from).min(missing);
            *from -= taken;
            missing -= taken;
        };
        let (open, stopped) = self.stopped.entry(id).or_default();
        take(stopped);
        *open -= 1;
        let released = if *open == 0 { std::mem::take(stopped) } else { 0 };
        for on_hold in self.on_hold.values_mut() {
            if let Some(amount) = on_hold.get_mut(&id) {
                take(amount);
            }
            on_hold.retain(|_, left| *left > 0);
        }
        let payee = payee_of(state, &id);
        if missing > 0 {
            // Of the epoch that is open at this entry, whatever was opened since.
            let period = state.epochs.partition_point(|e| e.open.index < at).saturating_sub(1) as u32;
            let until = period.saturating_add(self.offset_epochs);
            add_vintage(&mut self.carried.vintages, (period, until), [(payee, missing)], [(PayeeId::Operator, missing)]);
        }
        let mut transfers = books::claw_back(id, payee, e.amount_minor - missing, missing);
        transfers.extend(books::release(&[(id, released)]));
        transfers
    }
}
