//! An archive in memory, built step by step, for tests of what follows from a log and its objects.
//!
//! A [`World`] is a log with the keys of everybody who signs in it, and the objects that its entries name. Each step appends what the
//! operator, a contributor or the approver would append: the same functions of `rules` compute it. So a world that nobody forged passes
//! the audit, and a test states one fact about one that somebody did.
//!
//! ```
//! use testkit::World;
//!
//! // Two contributors with three documents each, one run with this credit, a pool of 100 EUR, settled and paid.
//! let mut world = World::settled(&[("anna", 0.3), ("bert", 0.1)]);
//! let payout = world.pay();
//! assert_eq!(world.balance("paid"), 10_000);
//! assert_eq!(world.archive.state.payouts[0].proposal.index, payout);
//! ```
//!
//! - `world`: the log, its keys, and entries that are made wrong on their way in
//! - `data`: contributors, epochs, submissions, verdicts, shards, claims
//! - `withdrawal`: what is taken back
//! - `run`: a run, trained or with a credit that the test gives
//! - `money`: settlement, releases, payouts, disputes, the books' close
//! - `shelf`: objects in memory that a world adds to
//! - `prose`: text with something to learn
//!
//! Steps panic where a rule forbids what they append; [`World::try_append`] gives the violation. Nothing here is for production: there are
//! no secrets, and every key derives from a number.

mod data;
mod money;
mod prose;
mod run;
mod shelf;
mod withdrawal;
mod world;

pub use data::{Document, documents};
pub use money::{DAY, TIME};
pub use prose::prose;
pub use run::{Credit, tiny};
pub use shelf::Shelf;
pub use world::World;
