//! How long a settlement takes for so many contributors: allocation, netting, statements with their root, the books, and the files of all rails.
//!
//! `cargo run --release -p rails --example million -- 10000 100000 1000000` prints a row of seconds for each number.

use std::io::Write;
use std::time::Instant;

use corpus::{ContributorId, Digest, EntryIndex, RunNumber, merkle};
use ledger::SecretKey;
use ledger::books::{Books, Movement, settlement};
use ledger::entry::PoolOutcome;
use ledger::key::Algorithm;
use ledger::payee::PayeeId;
use ledger::reward::{Reward, allocate};
use ledger::settlement::{Accrual, Carried, Settlement, Terms, settle};
use ledger::statement::{Balance, CreditLine, Inputs, PoolLine, Statement, SubmissionLine, Withholding, statement_id};
use rails::merkle_distributor::{Claim, Distribution, Tree};
use rails::pain001::{Order, write as write_pain001};
use rails::pain001_check::{Expectation, ExpectedTransfer, check};
use rails::{Payee, Payment, csv, near};
use rayon::prelude::*;

const POOL_MINOR: i128 = 10_000_000_000;

fn id(n: usize) -> ContributorId {
    ContributorId(Digest::of(&n.to_be_bytes()).0[..16].try_into().expect("sixteen bytes"))
}

/// A tenth has credit below zero, a fifth shares its payee with its neighbour.
fn weights(n: usize) -> Vec<(ContributorId, i128, i128)> {
    let weight = |i: usize| {
        let random = u64::from_be_bytes(Digest::of(&(i as u64).to_le_bytes()).0[..8].try_into().expect("eight bytes"));
        let size = i128::from(random % 1_000_000_000);
        (id(i), if random.is_multiple_of(10) { -size / 4 } else { size }, size / 20)
    };
    let mut all: Vec<_> = (0..n).into_par_iter().map(weight).collect();
    all.par_sort_unstable();
    all
}

fn statement(i: usize, reward: &Reward, settled: &Settlement, place: &std::collections::HashMap<PayeeId, usize>, sum: i128) -> Statement {
    let account = &settled.accounts[i];
    let digest = Digest::of(b"input");
    let credit = |target: &str| CreditLine { submission: EntryIndex(9), target: target.into(), tokens: 1000, credit: 12_345, spread: 99 };
    Statement {
        version: 2,
        id: statement_id("bench.example/log", RunNumber(0), &account.contributor),
        origin: "bench.example/log".into(),
        epoch: 0,
        run: RunNumber(0),
        time: 1_700_000_000,
        contributor: account.contributor,
        payee: account.payee,
        currency: "EUR".into(),
        currency_exponent: 2,
        submissions: vec![SubmissionLine {
            submission: EntryIndex(9),
            documents: 3,
            accepted: 2,
            tokens: 2000,
            novel_words: 900,
            words: 1000,
        }],
        credit: vec![credit("east"), credit("west")],
        pools: vec![PoolLine {
            stratum: "all".into(),
            follows: "attribution".into(),
            pool_minor: POOL_MINOR,
            outcome: PoolOutcome::Settled,
            pay_weights_sum: sum,
            reward: reward.clone(),
        }],
        gross_minor: account.accrued_minor,
        adjustments: settled.payees[place[&account.payee]].clone(),
        net_minor: account.payable_minor,
        withholding: Withholding { rule: "none".into(), amount_minor: 0 },
        not_payable: Vec::new(),
        balance: Balance {
            on_hold_minor: account.payable_minor,
            payable_minor: 0,
            offset_minor: 0,
            stake_minor: 0,
            threshold_minor: 100,
            hold_days: 30,
        },
        inputs: Inputs { policy: digest, credit: digest, documents: digest, windows: digest, rewards: digest },
        outcome: PoolOutcome::Settled,
        check: "assay statement verify FILE --home DIR".into(),
    }
}

/// An IBAN with right check digits.
fn iban(n: usize) -> String {
    let body = format!("{n:018}");
    // `DE00` behind the body, D = 13 and E = 14; ISO 7064 mod 97-10.
    let rest = format!("{body}131400").bytes().fold(0u64, |r, b| (r * 10 + u64::from(b - b'0')) % 97);
    format!("DE{:02}{body}", 98 - rest)
}

/// A file that is counted and thrown away.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn main() {
    println!(
        "| contributors | allocate | net | books | statements, signed, and their root | pain.001 written and checked | Merkle tree | NEP-141 | CSV | all, s | peak MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for n in std::env::args().skip(1).map(|a| a.parse::<usize>().expect("a number of contributors")) {
        row(n);
    }
}

fn row(n: usize) {
    let weights = weights(n);
    let begun = Instant::now();
    let mut last = begun;
    let mut times = Vec::new();
    let mut lap = || {
        times.push(last.elapsed().as_secs_f64());
        last = Instant::now();
    };
    let rewards = allocate(POOL_MINOR, &weights).expect("a pool that is settled");
    let sum: i128 = rewards.iter().map(|r| r.pay_weight).sum();
    lap();
    let accrual = |(i, r): (usize, &Reward)| Accrual {
        contributor: r.contributor,
        payee: if i % 10 < 2 { PayeeId::Shared(Digest::of(&(i / 10).to_be_bytes())) } else { PayeeId::Account(r.contributor) },
        accrued_minor: r.accrued_minor,
        spread_minor: r.spread_minor(POOL_MINOR, sum).expect("a spread"),
    };
    let accruals: Vec<Accrual> = rewards.iter().enumerate().map(accrual).collect();
    let terms = Terms { noise_permille: 1000, offset_periods: 4, stake_minor: 0 };
    let settled = settle(0, &accruals, Carried::default(), &terms).expect("a settlement");
    lap();
    let mut books = Books::default();
    let transfers = settlement(RunNumber(0), POOL_MINOR, std::slice::from_ref(&rewards), &settled);
    books.apply(EntryIndex(0), &Movement::Post(transfers)).expect("books that balance");
    assert_eq!(books.trial_balance(), 0);
    lap();
    let operator = SecretKey::from_seed("bench", Algorithm::Ed25519, &[1; 32]);
    let place = settled.payees.iter().enumerate().map(|(i, p)| (p.payee, i)).collect();
    let leaf = |i: usize| {
        let signed = statement(i, &rewards[i], &settled, &place, sum).sign(&operator).expect("a statement");
        merkle::leaf_hash(&signed)
    };
    let leaves: Vec<Digest> = (0..n).into_par_iter().map(leaf).collect();
    let root = merkle::root(&leaves);
    lap();
    let payment = |(i, a): (usize, &ledger::settlement::AccountLine)| Payment {
        reference: format!("{}-77", statement_id("bench.example/log", RunNumber(0), &a.contributor)),
        amount_minor: a.payable_minor,
        payee: Payee::Bank { name: "Anna Muster".into(), iban: iban(i), bic: None, country: "DE".into(), address: None },
    };
    let payments: Vec<Payment> = settled.accounts.iter().enumerate().filter(|(_, a)| a.payable_minor > 0).map(payment).collect();
    last = Instant::now();
    let order = Order {
        message_id: "P77".into(),
        payment_information_id: "P77-1".into(),
        created_unix_s: 1_700_000_000,
        execution_date: "2023-12-01".into(),
        debtor_name: "Cooperative".into(),
        debtor_iban: "DE89370400440532013000".into(),
        debtor_bic: None,
        currency: "EUR".into(),
        exponent: 2,
        batch_booking: true,
        remittance: "Contributions".into(),
    };
    let mut file = Vec::new();
    write_pain001(&mut file, &order, &payments).expect("a message");
    let transfer = |p: &'static Payment| match &p.payee {
        Payee::Bank { name, iban, .. } => ExpectedTransfer { reference: &p.reference, amount_minor: p.amount_minor, iban, name },
        _ => unreachable!("all are banks"),
    };
    let payments: &'static [Payment] = payments.leak();
    let expectation = Expectation {
        message_id: Some("P77"),
        debtor_iban: &order.debtor_iban,
        currency: "EUR",
        exponent: 2,
        transfers: payments.iter().map(transfer).collect(),
    };
    assert!(check(&file, &expectation).is_clean());
    drop(file);
    times.push(last.elapsed().as_secs_f64());
    let address = |i: usize| -> [u8; 20] { Digest::of(&i.to_be_bytes()).0[..20].try_into().expect("twenty bytes") };
    let claims: Vec<Claim> =
        payments.iter().enumerate().map(|(i, p)| Claim { index: i as u64, account: address(i), amount_minor: p.amount_minor }).collect();
    let distribution = Distribution { period: [7; 32], chain_id: 1, distributor: [9; 20] };
    last = Instant::now();
    let tree = Tree::new(&distribution, &claims).expect("a tree");
    assert_eq!(tree.total_minor(), claims.iter().map(|c| c.amount_minor).sum::<i128>());
    times.push(last.elapsed().as_secs_f64());
    drop((tree, claims));
    let named = |(i, p): (usize, &Payment)| Payment { payee: Payee::Near(format!("a{i}.near")), ..p.clone() };
    let accounts: Vec<Payment> = payments.iter().enumerate().map(named).collect();
    let token = near::Token {
        sender_id: "coop.near".into(),
        contract_id: "usdc.near".into(),
        storage_deposit_yocto: "1250000000000000000000".into(),
        storage_deposit_gas: 10_000_000_000_000,
        transfer_gas: 10_000_000_000_000,
    };
    last = Instant::now();
    near::write(&mut Count(0), &token, &accounts).expect("a batch");
    times.push(last.elapsed().as_secs_f64());
    drop(accounts);
    last = Instant::now();
    csv::write(&mut Count(0), "EUR", 2, payments).expect("a table");
    times.push(last.elapsed().as_secs_f64());
    let all: f64 = times.iter().sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0);
    let cells: Vec<String> = times.iter().map(|t| format!("{t:.2}")).collect();
    println!("| {n} | {} | {all:.1} | {} |", cells.join(" | "), peak >> 10);
    assert_ne!(root, Digest::default());
}
