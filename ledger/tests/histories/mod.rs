//! Random histories of money: settlements, releases, payouts, reports, disputes and clawbacks, as a log would bring them.

use std::collections::BTreeMap;

pub use corpus::random::SplitMix64;
use corpus::{ContributorId, Digest, EntryIndex, RunNumber};
use ledger::books::{self, Account, Books, Movement, Transfer};
use ledger::payee::PayeeId;
use ledger::reward::{Reward, allocate};
use ledger::settlement::{Accrual, Carried, Terms, add_vintage, settle};

pub fn id(n: u64) -> ContributorId {
    ContributorId((n as u128 + 1).to_be_bytes())
}

/// Of a few accounts, some of one payee.
pub fn payee(n: u64) -> PayeeId {
    if n % 3 == 2 { PayeeId::Account(id(n)) } else { PayeeId::Shared(Digest([(n / 3) as u8; 32])) }
}

/// What has happened so far.
pub struct History {
    pub n: SplitMix64,
    pub books: Books,
    pub carried: Carried,
    /// Every movement, by its entry.
    pub log: Vec<(u64, Movement)>,
    pub accounts: u64,
    period: u32,
    terms: Terms,
    scale: i128,
    /// Proposals without an answer, and approved ones with what is not reported.
    proposed: Vec<u64>,
    in_flight: BTreeMap<u64, Vec<(ContributorId, i128)>>,
}

impl History {
    pub fn new(seed: u64) -> History {
        let mut n = SplitMix64(seed);
        let terms = Terms {
            noise_permille: n.below(3) * 1000,
            offset_periods: n.below(4) as u32,
            stake_minor: i128::from(n.below(2) * n.below(500)),
        };
        let (accounts, scale) = (1 + n.below(7), 10i128.pow(n.below(20) as u32));
        History {
            n,
            books: Books::default(),
            carried: Carried::default(),
            log: Vec::new(),
            accounts,
            period: 0,
            terms,
            scale,
            proposed: Vec::new(),
            in_flight: BTreeMap::new(),
        }
    }

    fn next_entry(&self) -> u64 {
        self.log.last().map_or(0, |(at, _)| at + 1)
    }

    /// Books a movement at the next entry.
    fn book(&mut self, movement: Movement) {
        let at = self.next_entry();
        self.books.apply(EntryIndex(at), &movement).unwrap_or_else(|e| panic!("{e} in {movement:?}"));
        self.log.push((at, movement));
    }

    /// Some accounts of a kind with parts of what they have.
    fn some(&mut self, of: fn(ContributorId) -> Account) -> Vec<(ContributorId, i128)> {
        let mut amounts = Vec::new();
        for i in 0..self.accounts {
            let available = self.books.available(of(id(i)));
            let part = if self.n.below(2) == 0 { available } else { available / 2 };
            if part > 0 && self.n.below(3) > 0 {
                amounts.push((id(i), part));
            }
        }
        amounts
    }

    /// Something happens.
    pub fn step(&mut self) {
        match self.n.below(8) {
            0 | 1 => self.settle(),
            2 => {
                let amounts = self.some(Account::OnHold);
                self.book(Movement::Post(books::release(&amounts)));
            }
            3 => {
                let (at, amounts) = (self.next_entry(), self.some(Account::Payable));
                if !amounts.is_empty() {
                    self.book(Movement::Reserve(books::propose(EntryIndex(at), &amounts)));
                    self.proposed.push(at);
                    self.in_flight.insert(at, amounts);
                }
            }
            4 => {
                if let Some(at) = self.proposed.pop() {
                    let approve = self.n.below(3) > 0;
                    self.book(if approve { Movement::Confirm(EntryIndex(at)) } else { Movement::Void(EntryIndex(at)) });
                    if !approve {
                        self.in_flight.remove(&at);
                    }
                }
            }
            5 => self.report(),
            6 => {
                let who = id(self.n.below(self.accounts));
                let payable = self.books.available(Account::Payable(who));
                self.book(Movement::Post(books::stop(who, payable)));
            }
            _ => self.claw_back(),
        }
    }

    fn settle(&mut self) {
        let weights: Vec<(ContributorId, i128, i128)> = (0..self.accounts)
            .map(|i| (id(i), (self.n.below(2_000) as i128 - 500) * self.scale, (self.n.below(200) as i128 - 100) * self.scale))
            .collect();
        let pool = i128::from(self.n.below(100_000)) * self.scale;
        let run = self.period;
        self.period += 1;
        let Ok(rewards) = allocate(pool, &weights) else {
            // A pool that is held goes in, and back at the close.
            let fund = Transfer { debit: Account::Operator, credit: Account::Pool(RunNumber(run)), amount_minor: pool };
            self.book(Movement::Post(if pool > 0 { vec![fund] } else { Vec::new() }));
            return self.book(Movement::Post(books::return_pool(RunNumber(run), pool)));
        };
        let sum = rewards.iter().map(|r| r.pay_weight).sum();
        let accrual = |(i, r): (u64, &Reward)| Accrual {
            contributor: r.contributor,
            payee: payee(i),
            accrued_minor: r.accrued_minor,
            spread_minor: r.spread_minor(pool, sum).unwrap(),
        };
        let accruals: Vec<Accrual> = (0..).zip(&rewards).map(accrual).collect();
        let stakes = |carried: &Carried| carried.stakes.values().sum::<i128>();
        let before = stakes(&self.carried);
        let settled = settle(run, &accruals, self.carried.clone(), &self.terms).unwrap();
        let payable: i128 = settled.accounts.iter().map(|a| a.payable_minor).sum();
        let kept = stakes(&settled.carried) - before + settled.operator_repaid_minor;
        assert_eq!(payable, pool - kept, "what is payable, kept and given back is the pool");
        assert!(settled.accounts.iter().all(|a| a.payable_minor >= 0));
        for v in &settled.carried.vintages {
            assert_eq!(v.offsets.values().sum::<i128>(), v.receivables.values().sum::<i128>(), "what is due is owed");
        }
        self.carried = settled.carried.clone();
        self.book(Movement::Post(books::settlement(RunNumber(run), pool, &[rewards], &settled)));
        for v in 0..self.accounts {
            let open: i128 = self.carried.vintages.iter().filter_map(|c| c.offsets.get(&payee(v))).sum();
            assert_eq!(self.books.balance(Account::Due(payee(v))), -open);
        }
        let owed: i128 = self.carried.vintages.iter().flat_map(|v| v.receivables.values()).sum();
        assert_eq!(self.books.balance(Account::Haircut), owed);
    }

    fn report(&mut self) {
        let approved: Vec<u64> = self.in_flight.keys().filter(|at| !self.proposed.contains(at)).copied().collect();
        let Some(at) = approved.first().copied() else { return };
        let amounts = self.in_flight.remove(&at).unwrap();
        let (mut settled, mut returned, mut reversed) = (0, Vec::new(), Vec::new());
        for (who, amount) in amounts {
            if self.n.below(4) == 0 {
                returned.push((who, amount));
            } else {
                settled += amount;
                // Sent back after all, with the same report or a later one.
                if self.n.below(6) == 0 {
                    reversed.push((who, amount));
                }
            }
        }
        self.book(Movement::Post(books::report(EntryIndex(at), settled, &returned, &[])));
        self.book(Movement::Post(books::report(EntryIndex(at), 0, &[], &reversed)));
        assert_eq!(self.books.balance(Account::InFlight(EntryIndex(at))), 0);
    }

    fn claw_back(&mut self) {
        let account = self.n.below(self.accounts);
        let held = self.books.available(Account::OnHold(id(account)));
        let (taken, missing) = (held / 2, i128::from(self.n.below(50)));
        if missing > 0 {
            let period = self.period;
            add_vintage(&mut self.carried.vintages, (period, period + 2), [(payee(account), missing)], [(PayeeId::Operator, missing)]);
        }
        self.book(Movement::Post(books::claw_back(id(account), payee(account), taken, missing)));
    }

    /// What holds after every event.
    pub fn check(&self) {
        assert_eq!(self.books.trial_balance(), 0);
        for i in 0..self.accounts {
            for account in [Account::OnHold(id(i)), Account::Payable(id(i)), Account::Stake(payee(i))] {
                assert!(self.books.available(account) >= 0, "{account}");
            }
        }
    }
}
