//! Writes batches of NEP-141 token transfers for accounts of NEAR, as JSON that a wallet or a script signs.
//!
//! Each account is registered with the token contract first (NEP-145 `storage_deposit`; the contract gives the deposit back
//! if it was registered already), then paid by `ft_transfer` with the payment's reference as memo. The two stand in the
//! same transaction, next to each other. The actions of a transaction succeed or fail together, so a transaction that fails
//! paid nobody in it.
//!
//! The references in the memos are on chain for everybody to read.
//!
//! Source: NEP-141 and NEP-145, <https://nomicon.io/Standards>.

use std::collections::HashSet;
use std::io::Write;

use serde::{Deserialize, Serialize};

use super::text::{self, TextError};
use crate::{Payee, Payment};

/// Most actions of a transaction: `max_actions_per_receipt` of the protocol.
pub const MAX_ACTIONS: usize = 100;

/// Most gas of a transaction: `max_total_prepaid_gas`, 300 Tgas; a version of the protocol that allows more takes this too.
pub const MAX_GAS: u64 = 300_000_000_000_000;

/// What NEP-141 asks to be attached to `ft_transfer`, so that only a full access key can sign it.
const ONE_YOCTO: &str = "1";

/// Why a text is no account of NEAR.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Too short or too long.
    #[error("account {account:?}: has {found} characters, expected 2 to 64")]
    Length {
        /// Its beginning.
        account: String,
        /// In bytes.
        found: usize,
    },
    /// Outside the set.
    #[error("account {account:?}: has character {found:?}, expected a-z 0-9 - _ and .")]
    Character {
        /// The text.
        account: String,
        /// The character.
        found: char,
    },
    /// At an end or next to another.
    #[error(
        "account {account:?}: a separator at {position} stands at an end or next to another, expected single ones between letters or digits"
    )]
    Separator {
        /// The text.
        account: String,
        /// Counted from 1.
        position: usize,
    },
}

/// A batch that could not be executed as meant.
#[derive(Debug, thiserror::Error)]
pub enum NearError {
    /// A batch pays somebody.
    #[error("batch has no payments, expected at least 1")]
    Empty,
    /// Sender, contract or payee.
    #[error("{place}: {source}")]
    Account {
        /// Whose.
        place: String,
        /// Why.
        source: AccountError,
    },
    /// The contract refuses a transfer to the sender, and keeps for ever what it gets itself.
    #[error("payment {reference}: receiver is {found}, expected another account than sender, contract and system")]
    Receiver {
        /// The payment.
        reference: String,
        /// The account.
        found: String,
    },
    /// The payee has no account of NEAR.
    #[error("payment {reference}: payee is {found}, expected an account of NEAR")]
    Rail {
        /// The payment.
        reference: String,
        /// The payee's kind.
        found: &'static str,
    },
    /// A reference that does not fit all rails.
    #[error("reference {reference:?} {source}")]
    Reference {
        /// Its beginning.
        reference: String,
        /// Why.
        source: TextError,
    },
    /// One of two would be paid again.
    #[error("payment {0}: the reference occurs twice, expected once")]
    Duplicate(String),
    /// Nothing or less.
    #[error("payment {reference}: amount is {found} minor units, expected more than 0")]
    NotPositive {
        /// The payment.
        reference: String,
        /// The amount.
        found: i128,
    },
    /// Not a number of yoctoNEAR.
    #[error("storage deposit is {0:?} yoctoNEAR, expected a decimal number above 0 of at most 128 bits without leading zeros")]
    Deposit(String),
    /// One account's actions do not fit a transaction.
    #[error("gas for one account is {found}, expected {expected}")]
    Gas {
        /// The bounds.
        expected: &'static str,
        /// Both actions together.
        found: u64,
    },
    /// The file could not be written; what was written of it is to be thrown away.
    #[error("write of the file failed: {0}")]
    Write(#[from] serde_json::Error),
}

/// What the batch says besides the payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The account that signs and pays.
    pub sender_id: String,
    /// The token's contract.
    pub contract_id: String,
    /// Attached to each registration, in yoctoNEAR (10⁻²⁴), as decimal text; 1250000000000000000000 for most tokens.
    pub storage_deposit_yocto: String,
    /// Gas of a registration.
    pub storage_deposit_gas: u64,
    /// Gas of a transfer.
    pub transfer_gas: u64,
}

/// The file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Form and version of this file.
    pub format: String,
    /// In the order in which they are to be signed; each succeeds or fails by itself.
    pub transactions: Vec<Transaction>,
}

/// Actions that succeed or fail together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    /// Who signs.
    pub signer_id: String,
    /// The token's contract.
    pub receiver_id: String,
    /// At most [`MAX_ACTIONS`], of at most [`MAX_GAS`] together.
    pub actions: Vec<Action>,
}

/// A call of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Its method and arguments.
    #[serde(flatten)]
    pub call: Call,
    /// Gas that is attached; below 2⁵³, so that every reader of JSON keeps it.
    pub gas: u64,
    /// YoctoNEAR that are attached, as decimal text.
    pub deposit: String,
}

/// Method and arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method_name", content = "args", rename_all = "snake_case")]
pub enum Call {
    /// NEP-145: registers an account.
    StorageDeposit {
        /// The account.
        account_id: String,
        /// Always true: whatever exceeds the minimum comes back.
        registration_only: bool,
    },
    /// NEP-141: pays an account.
    FtTransfer {
        /// The account.
        receiver_id: String,
        /// Minor units as decimal text.
        amount: String,
        /// The payment's reference.
        memo: String,
    },
}

/// [`Batch::format`] of this version.
pub(crate) const FORMAT: &str = "near-nep141-batch-1";

/// Accepts a named account, or an implicit one of 64 hexadecimal digits, which has the form of a name.
///
/// Source: NEAR protocol, account id rules, <https://nomicon.io/DataStructures/Account#account-id-rules>.
///
/// # Errors
/// [`AccountError`].
pub fn check_account(account: &str) -> Result<(), AccountError> {
    let shown = || super::xml::shown(account.as_bytes());
    if !(2..=64).contains(&account.len()) {
        return Err(AccountError::Length { account: shown(), found: account.len() });
    }
    // As if a separator stood before the first character.
    let mut after_separator = true;
    for (i, c) in account.chars().enumerate() {
        let separator = matches!(c, '-' | '_' | '.');
        if !separator && !c.is_ascii_lowercase() && !c.is_ascii_digit() {
            return Err(AccountError::Character { account: shown(), found: c });
        }
        if separator && (after_separator || i + 1 == account.len()) {
            return Err(AccountError::Separator { account: shown(), position: i + 1 });
        }
        after_separator = separator;
    }
    Ok(())
}

/// The transactions that pay `payments`, in their order.
///
/// An account is registered before its first payment only.
///
/// # Errors
/// [`NearError`].
pub fn batch(token: &Token, payments: &[Payment]) -> Result<Batch, NearError> {
    let account = |place: &str, id: &str| check_account(id).map_err(|source| NearError::Account { place: place.to_owned(), source });
    account("sender", &token.sender_id)?;
    account("contract", &token.contract_id)?;
    let deposit = &token.storage_deposit_yocto;
    if deposit.starts_with(['0', '+']) || deposit.parse::<u128>().is_err() {
        return Err(NearError::Deposit(super::xml::shown(deposit.as_bytes())));
    }
    let pair_gas = token.storage_deposit_gas.saturating_add(token.transfer_gas);
    if token.storage_deposit_gas == 0 || token.transfer_gas == 0 {
        return Err(NearError::Gas { expected: "more than 0 for each action", found: pair_gas });
    }
    if pair_gas > MAX_GAS {
        return Err(NearError::Gas { expected: "at most 300 Tgas (300000000000000)", found: pair_gas });
    }
    if payments.is_empty() {
        return Err(NearError::Empty);
    }
    let (mut references, mut registered) = (HashSet::new(), HashSet::new());
    let mut transactions: Vec<Transaction> = Vec::new();
    let mut gas_left = 0;
    for payment in payments {
        let receiver = check_payment(token, payment)?;
        if !references.insert(payment.reference.as_str()) {
            return Err(NearError::Duplicate(payment.reference.clone()));
        }
        let mut actions = Vec::with_capacity(2);
        if registered.insert(receiver) {
            let call = Call::StorageDeposit { account_id: receiver.to_owned(), registration_only: true };
            actions.push(Action { call, gas: token.storage_deposit_gas, deposit: deposit.clone() });
        }
        let call = Call::FtTransfer {
            receiver_id: receiver.to_owned(),
            amount: payment.amount_minor.to_string(),
            memo: payment.reference.clone(),
        };
        actions.push(Action { call, gas: token.transfer_gas, deposit: ONE_YOCTO.to_owned() });
        let gas: u64 = actions.iter().map(|a| a.gas).sum();
        match transactions.last_mut() {
            Some(last) if gas <= gas_left && last.actions.len() + actions.len() <= MAX_ACTIONS => last.actions.extend(actions),
            _ => {
                gas_left = MAX_GAS;
                transactions.push(Transaction { signer_id: token.sender_id.clone(), receiver_id: token.contract_id.clone(), actions });
            }
        }
        gas_left -= gas;
    }
    Ok(Batch { format: FORMAT.to_owned(), transactions })
}

/// The account that `payment` goes to.
fn check_payment<'a>(token: &Token, payment: &'a Payment) -> Result<&'a str, NearError> {
    let reference = &payment.reference;
    text::check_reference(reference)
        .map_err(|source| NearError::Reference { reference: super::xml::shown(reference.as_bytes()), source })?;
    let Payee::Near(receiver) = &payment.payee else {
        return Err(NearError::Rail { reference: reference.clone(), found: super::csv::kind(&payment.payee) });
    };
    check_account(receiver).map_err(|source| NearError::Account { place: format!("payment {reference}"), source })?;
    if *receiver == token.sender_id || *receiver == token.contract_id || receiver == "system" {
        return Err(NearError::Receiver { reference: reference.clone(), found: receiver.clone() });
    }
    if payment.amount_minor <= 0 {
        return Err(NearError::NotPositive { reference: reference.clone(), found: payment.amount_minor });
    }
    Ok(receiver)
}

/// Writes the [`batch`] of `payments` as one line of JSON; the same input gives the same bytes.
///
/// # Errors
/// [`NearError`]; nothing is written unless it is [`NearError::Write`].
pub fn write(out: &mut impl Write, token: &Token, payments: &[Payment]) -> Result<(), NearError> {
    let batch = batch(token, payments)?;
    serde_json::to_writer(&mut *out, &batch)?;
    out.write_all(b"\n").map_err(serde_json::Error::io)?;
    Ok(())
}

#[cfg(test)]
mod tests;
