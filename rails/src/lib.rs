//! Payouts: who is paid what by which rail, and the files that the rails take.
//!
//! A [`Payment`] goes out by one of four rails:
//!
//! - [`pain001`] writes orders for banks; [`pain001_check`] reads them again and compares them with the books before anybody signs;
//!   [`pain002`] reads what the bank says became of them. They rest on `iban`, `latin`, `text` and `xml`
//! - [`merkle_distributor`] makes claims on a chain: one amount per account below a root that `contracts/Distributor.sol` is started with,
//!   and one [`claim_proof`] per contributor, with which anybody can have it paid; `merkle_dump` is the tree as OpenZeppelin writes it
//! - [`near`] makes batches for a token on NEAR
//! - [`csv`] is for what people pay by hand, and is how any rail can be reconciled
//!
//! Left to others: choosing the rail, keys and sending, nodes of a chain, and recording the outcome in the log.

pub mod address;
pub mod claim_proof;
pub mod csv;
pub mod hex;
pub mod iban;
pub mod latin;
pub mod merkle_distributor;
pub mod merkle_dump;
pub mod near;
pub mod pain001;
pub mod pain001_check;
pub mod pain002;
pub mod text;
mod xml;

/// One payment: all accounts of one payee in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its end-to-end identification: at most 35 of `A-Z a-z 0-9 -`, unique for ever.
    pub reference: String,
    /// Minor units, above 0.
    pub amount_minor: i128,
    /// Where it goes.
    pub payee: Payee,
}

/// A postal address, but for its country; in letters that [`latin::latin`] knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Street and number, 1 to 70 characters, if they are known.
    pub street: Option<String>,
    /// 1 to 16 characters, if it is known.
    pub postcode: Option<String>,
    /// 1 to 35 characters.
    pub town: String,
}

/// Where somebody is paid; kept encrypted outside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payee {
    /// A bank account.
    Bank {
        /// Its holder, in letters that [`latin::latin`] knows, then 1 to 70 characters.
        name: String,
        /// ISO 13616, without spaces.
        iban: String,
        /// ISO 9362, 8 or 11 characters, if it is known.
        bic: Option<String>,
        /// ISO 3166-1 alpha-2 country of the holder.
        country: String,
        /// The rest of the holder's address, if it is known: banks take none, or one that has a town and a country.
        address: Option<Address>,
    },
    /// An address of an EVM chain.
    Evm([u8; 20]),
    /// An account of NEAR.
    Near(String),
    /// Anything that people pay by hand: a reference.
    Other(String),
}
