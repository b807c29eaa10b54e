//! The file of each rail, and what a report on it says.

use std::collections::BTreeMap;

use ledger::entry::RailName;
use rails::claim_proof::ClaimProof;
use rails::latin::latin;
use rails::merkle_distributor::{Claim, Distribution, Tree};
use rails::pain001_check::{Expectation, ExpectedTransfer};
use rails::{Payee, Payment, address, csv, hex, near, pain001, pain001_check, pain002};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Kind, Result, failure, usage};
use crate::payees::{Spelled, spelled};

/// What a rail has to know beside the payments; a TOML file, whose first line says which rail it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "rail", deny_unknown_fields)]
pub enum Rail {
    /// ISO 20022 for a bank.
    #[serde(rename = "pain.001")]
    Bank {
        /// Who pays.
        debtor_name: String,
        /// From which account.
        debtor_iban: String,
        /// The account's bank.
        debtor_bic: Option<String>,
        /// `YYYY-MM-DD`.
        execution_date: String,
        /// What stands beside each payment.
        remittance: String,
        /// Whether all of it is one line of the account.
        #[serde(default)]
        batch_booking: bool,
    },
    /// Claims on an EVM chain.
    #[serde(rename = "merkle-distributor")]
    Merkle {
        /// Its number, as in EIP-155.
        chain_id: u64,
        /// The contract, deployed with this period and not yet started.
        distributor: String,
        /// The token's contract.
        token: String,
        /// Decimals of the token, which have to be the log's.
        decimals: u8,
        /// 32 bytes in hexadecimal.
        period: String,
    },
    /// A batch for NEAR.
    #[serde(rename = "nep-141")]
    Near {
        /// The account that pays.
        sender_id: String,
        /// The token's contract.
        contract_id: String,
        /// Decimals of the token, which have to be the log's.
        decimals: u8,
        /// What registers an account with the token, in 10⁻²⁴ NEAR.
        #[serde(default = "storage_deposit")]
        storage_deposit_yocto: String,
        /// Gas of a registration.
        #[serde(default = "gas")]
        storage_deposit_gas: u64,
        /// Gas of a transfer.
        #[serde(default = "gas")]
        transfer_gas: u64,
    },
    /// Whatever people pay by hand.
    #[serde(rename = "csv")]
    Csv {},
}

fn storage_deposit() -> String {
    "1250000000000000000000".into()
}

fn gas() -> u64 {
    10_000_000_000_000
}

/// What payments are in, and when and under which name they go out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Names the message.
    pub id: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Decimals of its minor unit.
    pub exponent: u8,
    /// Seconds since 1970.
    pub time: u64,
}

/// What became of one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrived.
    Paid,
    /// It came back, and why.
    Returned(String),
}

impl Rail {
    /// Reads a rail's file.
    pub fn parse(source: &str) -> Result<Rail> {
        toml::from_str(source).map_err(|e| usage(format!("rail: {}", e.to_string().trim_end())))
    }

    /// Its name in the log.
    pub fn name(&self) -> RailName {
        match self {
            Rail::Bank { .. } => RailName::Bank,
            Rail::Merkle { .. } => RailName::MerkleDistributor,
            Rail::Near { .. } => RailName::Nep141,
            Rail::Csv {} => RailName::Csv,
        }
    }

    /// Chain and contract, where claims are made from one.
    pub fn distributor(&self) -> Option<(u64, String)> {
        match self {
            Rail::Merkle { chain_id, distributor, .. } => Some((*chain_id, distributor.to_ascii_lowercase())),
            _ => None,
        }
    }

    /// Whether it reaches a payee.
    pub fn reaches(&self, payee: &Payee) -> bool {
        matches!(
            (self, payee),
            (Rail::Csv {}, _)
                | (Rail::Bank { .. }, Payee::Bank { .. })
                | (Rail::Merkle { .. }, Payee::Evm(_))
                | (Rail::Near { .. }, Payee::Near(_))
        )
    }

    /// The bytes that go to the rail, checked against the payments as they were read back.
    pub fn file(&self, batch: &Batch, payments: &[Payment]) -> Result<Vec<u8>> {
        let bad = |e: &dyn std::fmt::Display| failure(Kind::Check, format!("{}: {e}", self.name()));
        if let Rail::Merkle { decimals, .. } | Rail::Near { decimals, .. } = self
            && *decimals != batch.exponent
        {
            let text = format!("{}: a token of {decimals} decimals, the log's {} has {}", self.name(), batch.currency, batch.exponent);
            return Err(usage(text));
        }
        let mut out = Vec::new();
        match self {
            Rail::Bank { debtor_name, debtor_iban, debtor_bic, execution_date, remittance, batch_booking } => {
                let order = pain001::Order {
                    message_id: batch.id.clone(),
                    payment_information_id: format!("{}-1", batch.id),
                    created_unix_s: i64::try_from(batch.time)?,
                    execution_date: execution_date.clone(),
                    debtor_name: latin(debtor_name).into_owned(),
                    debtor_iban: debtor_iban.split_whitespace().collect(),
                    debtor_bic: debtor_bic.clone(),
                    currency: batch.currency.clone(),
                    exponent: batch.exponent,
                    batch_booking: *batch_booking,
                    remittance: latin(remittance).into_owned(),
                };
                pain001::write(&mut out, &order, payments).map_err(|e| bad(&e))?;
                let expected = |p: &'_ Payment| match &p.payee {
                    Payee::Bank { name, iban, .. } => Some((p.reference.clone(), p.amount_minor, iban.clone(), latin(name).into_owned())),
                    _ => None,
                };
                let expected: Vec<_> = payments.iter().filter_map(expected).collect();
                let transfers = expected
                    .iter()
                    .map(|(reference, amount_minor, iban, name)| ExpectedTransfer { reference, amount_minor: *amount_minor, iban, name })
                    .collect();
                let expectation = Expectation {
                    message_id: Some(&order.message_id),
                    debtor_iban: &order.debtor_iban,
                    currency: &order.currency,
                    exponent: order.exponent,
                    transfers,
                };
                let report = pain001_check::check(&out, &expectation);
                if let Some(fault) = report.faults.first() {
                    return Err(bad(fault));
                }
            }
            Rail::Merkle { .. } => {
                let (tree, _) = self.tree(payments)?;
                serde_json::to_writer(&mut out, &tree.dump())?;
            }
            Rail::Near { sender_id, contract_id, storage_deposit_yocto, storage_deposit_gas, transfer_gas, .. } => {
                let token = near::Token {
                    sender_id: sender_id.clone(),
                    contract_id: contract_id.clone(),
                    storage_deposit_yocto: storage_deposit_yocto.clone(),
                    storage_deposit_gas: *storage_deposit_gas,
                    transfer_gas: *transfer_gas,
                };
                near::write(&mut out, &token, payments).map_err(|e| bad(&e))?;
            }
            Rail::Csv {} => csv::write(&mut out, &batch.currency, batch.exponent, payments).map_err(|e| bad(&e))?,
        }
        Ok(out)
    }

    fn tree(&self, payments: &[Payment]) -> Result<(Tree, [u8; 20])> {
        let Rail::Merkle { chain_id, distributor, token, period, .. } = self else {
            return Err(usage(format!("{}: has no claims", self.name())));
        };
        let distribution = Distribution {
            period: hex::parse(period).map_err(|e| usage(format!("period: {e}")))?,
            chain_id: *chain_id,
            distributor: address::parse(distributor).map_err(|e| usage(format!("distributor: {e}")))?,
        };
        let claim = |(index, p): (u64, &Payment)| match p.payee {
            Payee::Evm(account) => Ok(Claim { index, account, amount_minor: p.amount_minor }),
            _ => Err(usage(format!("payment {}: its payee has no address", p.reference))),
        };
        let claims = (0..).zip(payments).map(claim).collect::<Result<Vec<_>>>()?;
        let tree = Tree::new(&distribution, &claims).map_err(|e| failure(Kind::Check, e.to_string()))?;
        Ok((tree, address::parse(token).map_err(|e| usage(format!("token: {e}")))?))
    }

    /// Texts that the file has in other letters than they were given in: the payer's, then the payees'.
    pub fn spelled(&self, payments: &[Payment]) -> Vec<Spelled> {
        let Rail::Bank { debtor_name, remittance, .. } = self else { return Vec::new() };
        let own = [debtor_name, remittance].into_iter().filter_map(|text| Spelled::of(text));
        own.chain(payments.iter().flat_map(|p| spelled(&p.payee))).collect()
    }

    /// For each payment what its payee needs to claim it without asking anybody; none but for claims on a chain.
    pub fn claims(&self, payments: &[Payment]) -> Result<Vec<(String, ClaimProof)>> {
        if !matches!(self, Rail::Merkle { .. }) {
            return Ok(Vec::new());
        }
        let (tree, token) = self.tree(payments)?;
        let proof = |(index, p): (u64, &Payment)| (p.reference.clone(), ClaimProof::new(&tree, token, index));
        Ok((0..).zip(payments).map(proof).collect())
    }

    /// What a report says became of payments: a bank's `pain.002`, or a CSV file with reference, status and amount.
    pub fn report(&self, batch: &Batch, payments: &[Payment], bytes: &[u8]) -> Result<BTreeMap<String, Fate>> {
        let wrong = |e: &dyn std::fmt::Display| failure(Kind::Check, format!("report: {e}"));
        if matches!(self, Rail::Bank { .. }) && bytes.trim_ascii_start().starts_with(b"<") {
            let transfers: Vec<(&str, i128)> = payments.iter().map(|p| (p.reference.as_str(), p.amount_minor)).collect();
            let information = format!("{}-1", batch.id);
            let original = pain002::Original {
                message_id: &batch.id,
                payment_information_id: &information,
                currency: &batch.currency,
                exponent: batch.exponent,
                transfers: &transfers,
            };
            let report = pain002::read(bytes, &original).map_err(|e| wrong(&e))?;
            let fate = |t: pain002::TransferStatus| match t.outcome {
                pain002::Outcome::Paid => Some((t.reference, Fate::Paid)),
                pain002::Outcome::Rejected { reason, .. } => Some((t.reference, Fate::Returned(reason))),
                pain002::Outcome::Pending => None,
            };
            return Ok(report.transfers.into_iter().filter_map(fate).collect());
        }
        let rows = csv::read_reconciliation(bytes, batch.exponent, payments).map_err(|e| wrong(&e))?;
        let fate = |r: csv::Reconciled| match r.status {
            csv::Status::Paid => (r.reference, Fate::Paid),
            csv::Status::Returned { reason } => (r.reference, Fate::Returned(reason)),
        };
        Ok(rows.into_iter().map(fate).collect())
    }
}

/// What is kept of a batch to make its file again: the rail, the batch, and the payments with their payees' files.
#[derive(Serialize, Deserialize)]
pub struct Kept {
    /// The rail.
    pub rail: Rail,
    /// The batch.
    pub batch: Batch,
    /// Reference, amount in minor units, and the payee's file.
    pub payments: Vec<(String, String, String)>,
}

impl Kept {
    /// The payments.
    pub fn payments(&self) -> Result<Vec<Payment>> {
        let payment = |(reference, amount, payee): &(String, String, String)| -> Result<Payment> {
            let amount_minor = amount.parse().with_context(|| format!("payment {reference}"))?;
            Ok(Payment { reference: reference.clone(), amount_minor, payee: crate::payees::parse(payee)? })
        };
        self.payments.iter().map(payment).collect()
    }
}
