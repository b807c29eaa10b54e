use super::*;
use corpus::random::SplitMix64;

fn token() -> Token {
    Token {
        sender_id: "pay.example.near".to_owned(),
        contract_id: "usdt.tether-token.near".to_owned(),
        storage_deposit_yocto: "1250000000000000000000".to_owned(),
        storage_deposit_gas: 5_000_000_000_000,
        transfer_gas: 7_000_000_000_000,
    }
}

fn payment(n: u64, account: &str) -> Payment {
    Payment { reference: format!("run-1-{n}"), amount_minor: 1_000_000 + i128::from(n), payee: Payee::Near(account.to_owned()) }
}

#[test]
fn golden_bytes_of_one_payment() {
    let mut out = Vec::new();
    write(&mut out, &token(), &[payment(1, "alice.near")]).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        concat!(
            r#"{"format":"near-nep141-batch-1","transactions":[{"signer_id":"pay.example.near","receiver_id":"usdt.tether-token.near","actions":["#,
            r#"{"method_name":"storage_deposit","args":{"account_id":"alice.near","registration_only":true},"#,
            r#""gas":5000000000000,"deposit":"1250000000000000000000"},"#,
            r#"{"method_name":"ft_transfer","args":{"receiver_id":"alice.near","amount":"1000001","memo":"run-1-1"},"#,
            r#""gas":7000000000000,"deposit":"1"}]}]}"#,
            "\n"
        )
    );
}

#[test]
fn transactions_keep_the_limits_and_pay_everybody_once() {
    let mut random = SplitMix64(7);
    for _ in 0..200 {
        let mut token = token();
        token.storage_deposit_gas = 1 + random.below(MAX_GAS / 2);
        token.transfer_gas = 1 + random.below(MAX_GAS / 2);
        if random.below(2) == 0 {
            // So little gas that the number of actions is what binds.
            (token.storage_deposit_gas, token.transfer_gas) = (1 + random.below(1000), 1 + random.below(1000));
        }
        let payments: Vec<Payment> = (0..1 + random.below(300)).map(|n| payment(n, &format!("a{}.near", random.below(200)))).collect();
        let mut out = Vec::new();
        write(&mut out, &token, &payments).unwrap();
        let read: Batch = serde_json::from_slice(&out).unwrap();
        let mut paid = Vec::new();
        let mut registered = HashSet::new();
        for transaction in &read.transactions {
            assert!((1..=MAX_ACTIONS).contains(&transaction.actions.len()));
            assert!(transaction.actions.iter().map(|a| a.gas).sum::<u64>() <= MAX_GAS);
            for action in &transaction.actions {
                match &action.call {
                    Call::StorageDeposit { account_id, registration_only } => {
                        assert!(*registration_only && registered.insert(account_id.clone()));
                        assert_eq!(action.deposit, token.storage_deposit_yocto);
                    }
                    Call::FtTransfer { receiver_id, amount, memo } => {
                        assert!(registered.contains(receiver_id), "{receiver_id} is paid before it is registered");
                        assert_eq!(action.deposit, "1");
                        paid.push(Payment {
                            reference: memo.clone(),
                            amount_minor: amount.parse().unwrap(),
                            payee: Payee::Near(receiver_id.clone()),
                        });
                    }
                }
            }
        }
        assert_eq!(paid, payments);
    }
}

#[test]
fn accounts_follow_the_rules_of_the_protocol() {
    for good in ["aa", "alice.near", "1_4m_n0t-al1c3.near", "a-b.c_d", &"0a".repeat(32), "0x0123456789012345678901234567890123456789"] {
        assert_eq!(check_account(good), Ok(()), "{good}");
    }
    for bad in ["", "a", &"a".repeat(65), "é"] {
        let fault = check_account(bad);
        assert!(matches!(fault, Err(AccountError::Length { .. } | AccountError::Character { .. })), "{bad}");
    }
    for bad in ["Alice.near", "a b", "a+b", "ali\u{441}e.near"] {
        assert!(matches!(check_account(bad), Err(AccountError::Character { .. })), "{bad}");
    }
    for bad in [".a", "a.", "a..b", "a-_b", "_a", "b-", "--"] {
        assert!(matches!(check_account(bad), Err(AccountError::Separator { .. })), "{bad}");
    }
}

#[test]
fn what_could_not_be_executed_is_refused() {
    let fault = |token: Token, payments: &[Payment]| batch(&token, payments).unwrap_err();
    let one = [payment(1, "alice.near")];
    assert!(matches!(fault(token(), &[]), NearError::Empty));
    assert!(matches!(fault(token(), &[one[0].clone(), one[0].clone()]), NearError::Duplicate(_)));
    for receiver in ["pay.example.near", "usdt.tether-token.near", "system"] {
        assert!(matches!(fault(token(), &[payment(1, receiver)]), NearError::Receiver { .. }));
    }
    assert!(matches!(fault(token(), &[payment(1, "Bob")]), NearError::Account { .. }));
    assert!(matches!(fault(Token { sender_id: "x".to_owned(), ..token() }, &one), NearError::Account { .. }));
    assert!(matches!(fault(token(), &[Payment { amount_minor: 0, ..one[0].clone() }]), NearError::NotPositive { .. }));
    assert!(matches!(fault(token(), &[Payment { reference: "a b".to_owned(), ..one[0].clone() }]), NearError::Reference { .. }));
    assert!(matches!(fault(token(), &[Payment { payee: Payee::Evm([0; 20]), ..one[0].clone() }]), NearError::Rail { found: "evm", .. }));
    for deposit in ["", "0", "01", "-1", "+1", "1.5", "1e21", "340282366920938463463374607431768211456"] {
        assert!(matches!(fault(Token { storage_deposit_yocto: deposit.to_owned(), ..token() }, &one), NearError::Deposit(_)), "{deposit}");
    }
    assert!(matches!(fault(Token { transfer_gas: 0, ..token() }, &one), NearError::Gas { .. }));
    assert!(matches!(fault(Token { transfer_gas: MAX_GAS, ..token() }, &one), NearError::Gas { .. }));
    assert!(matches!(fault(Token { transfer_gas: u64::MAX, ..token() }, &one), NearError::Gas { .. }));
}
