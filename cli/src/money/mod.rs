//! Money: the books that the log gives, what may be paid and what is held, and the way to banks and chains.
//!
//! - `accounting`: the books as a fold over the log's entries
//! - `holds`: what keeps an amount from being paid
//! - `payouts`: propose, approve, export, reconcile
//! - `disputes`: disputes, clawbacks, and the books' close
//! - `payees`: where somebody is paid, and `vault`: what is kept encrypted
//! - `rails`: the file of each rail, and what a report says
//! - `statement`: what `reward` and `statement verify` say; `page`: a statement as a page and as a table
//! - `lines`: lists with a line an account

pub mod accounting;
pub mod disputes;
pub mod holds;
pub mod lines;
pub mod page;
pub mod payees;
pub mod payouts;
pub mod rails;
pub mod statement;
mod vault;
