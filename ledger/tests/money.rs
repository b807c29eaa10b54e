//! What holds of money whatever happens: sums, balances, and that nobody gains from having several accounts.

mod histories;

use corpus::EntryIndex;
use histories::{History, SplitMix64, id};
use ledger::books::Books;
use ledger::payee::PayeeId;
use ledger::reward::{Reward, allocate};
use ledger::settlement::{Accrual, Carried, Terms, settle};

#[test]
fn the_books_balance_after_every_event_of_ten_thousand_histories() {
    let mut kinds = std::collections::BTreeMap::<&str, u64>::new();
    for seed in 0..10_000 {
        let mut history = History::new(seed);
        for _ in 0..30 {
            history.step();
            history.check();
        }
        // Books made again from the movements alone are the same.
        let mut again = Books::default();
        for (at, movement) in &history.log {
            again.apply(EntryIndex(*at), movement).unwrap();
            *kinds
                .entry(match movement {
                    ledger::books::Movement::Post(t) if t.is_empty() => "nothing",
                    ledger::books::Movement::Post(_) => "post",
                    ledger::books::Movement::Reserve(_) => "reserve",
                    ledger::books::Movement::Confirm(_) => "confirm",
                    ledger::books::Movement::Void(_) => "void",
                })
                .or_default() += 1;
        }
        assert_eq!(again, history.books, "seed {seed}");
    }
    assert!(kinds.values().all(|n| *n > 2_000), "{kinds:?}");
}

/// Accruals of `weights`, all accounts but the first their own payees, and what the payee of the first ones is paid.
fn of_first(pool: i128, weights: &[i128], parts: usize) -> Option<(i128, i128)> {
    let keyed: Vec<_> = (0..).zip(weights).map(|(i, w)| (id(i), *w, 0)).collect();
    let rewards = allocate(pool, &keyed).ok()?;
    let accrual = |(i, r): (usize, &Reward)| Accrual {
        contributor: r.contributor,
        payee: PayeeId::Account(if i < parts { id(0) } else { r.contributor }),
        accrued_minor: r.accrued_minor,
        spread_minor: 0,
    };
    let accruals: Vec<Accrual> = rewards.iter().enumerate().map(accrual).collect();
    let terms = Terms { noise_permille: 0, offset_periods: 1, stake_minor: 0 };
    let settled = settle(0, &accruals, Carried::default(), &terms).unwrap();
    let sum = |pick: fn(&ledger::settlement::AccountLine) -> i128| settled.accounts[..parts].iter().map(pick).sum();
    Some((sum(|a| a.accrued_minor), sum(|a| a.payable_minor)))
}

#[test]
fn splitting_an_account_changes_what_it_accrues_and_is_paid_by_less_than_a_unit_for_each_part() {
    let mut n = SplitMix64(11);
    let (mut compared, mut negative) = (0, 0);
    for _ in 0..20_000 {
        let others: Vec<i128> = (0..1 + n.below(12)).map(|_| i128::from(n.below(10_000)) - 2_000).collect();
        let own = i128::from(n.below(10_000)) - 3_000;
        let parts = 2 + n.below(6) as usize;
        // Parts of any size and sign, those that do harm apart from those that help.
        let mut split: Vec<i128> = (1..parts).map(|_| i128::from(n.below(4_000)) - 2_000).collect();
        split.push(own - split.iter().sum::<i128>());
        let pool = i128::from(n.below(1_000_000));
        let whole = of_first(pool, &[&[own][..], &others].concat(), 1);
        let apart = of_first(pool, &[&split[..], &others].concat(), parts);
        // What is split widely enough is held for everybody, which pays nobody more.
        let (Some((accrued, paid)), Some((accrued_apart, paid_apart))) = (whole, apart) else { continue };
        let bound = parts as i128;
        assert!((accrued - accrued_apart).abs() <= bound, "{own} as {split:?} beside {others:?} of {pool}: {accrued}, {accrued_apart}");
        assert!((paid - paid_apart).abs() <= bound, "{own} as {split:?} beside {others:?} of {pool}: paid {paid}, {paid_apart}");
        compared += 1;
        negative += u64::from(own < 0);
    }
    assert!(compared > 8_000 && negative > 1_000, "{compared}, {negative}");
}

#[test]
fn the_example_of_the_docs_comes_out_again() {
    let page = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/money.md")).unwrap();
    let says = |text: String| assert!(page.contains(&text), "docs/money.md does not say {text:?}");
    let rewards = allocate(100_000, &[(id(0), 3, 0), (id(1), 1, 0), (id(2), -1, 0)]).unwrap();
    let of = |pick: fn(&Reward) -> i128| rewards.iter().map(|r| pick(r).to_string().replace('-', "−")).collect::<Vec<_>>();
    let [a, b, c] = &of(|r| r.floor_minor)[..] else { panic!("three lines") };
    says(format!("floors {a}, {b} and {c} with"));
    let [a, b, c] = &of(|r| r.remainder)[..] else { panic!("three lines") };
    says(format!("remainders {a}, {b} and {c} thirds"));
    let [a, b, c] = &of(|r| r.accrued_minor)[..] else { panic!("three lines") };
    says(format!("{a}, {b} and {c} accrue"));
    let terms = Terms { noise_permille: 0, offset_periods: 4, stake_minor: 0 };
    let accruals = |amounts: [i128; 3]| {
        let accrual = |(i, accrued_minor)| Accrual { contributor: id(i), payee: PayeeId::Account(id(i)), accrued_minor, spread_minor: 0 };
        (0..).zip(amounts).map(accrual).collect::<Vec<_>>()
    };
    let first = settle(0, &accruals([100_000, 33_333, -33_333]), Carried::default(), &terms).unwrap();
    says(format!("is {} and {} minor units", first.payees[0].haircut_minor, first.payees[1].haircut_minor));
    says(format!("{} and\n{} are payable", first.payees[0].payable_minor, first.payees[1].payable_minor));
    let second = settle(1, &accruals([0, 0, 20_000]), first.carried, &terms).unwrap();
    let open: i128 = second.carried.vintages[0].offsets.values().sum();
    says(format!("{} and {}; {open} stay open", second.payees[0].repaid_minor, second.payees[1].repaid_minor));
}
