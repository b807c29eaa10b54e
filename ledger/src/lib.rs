//! The transparency log's contents and rules: pure, with no database, runtime or file system.
//!
//! - `key`, `note`, `tree_head`: Ed25519 keys, signed notes and cosigned tree heads, verified strictly
//! - `proof`, `document_proof`: that an entry, or a document and its verdict, is in the log, for anybody who has its key
//! - `witness`: what a witness is asked, and when it cosigns
//! - `witness_policy`: which witnesses there are, and how many of them make a tree head valid
//! - `tile`: where entries and hashes lie in a tiled log
//! - `envelope`, `entry`: what an entry is and what it may say
//! - `history`: epochs, submissions and runs with what became of them
//! - `state`: the log replayed entry by entry; every rule about order, signers and references
//! - `reward`, `settlement`: from pay weights to amounts, and from these to what is payable, by `payee`
//! - `books`: double entry
//! - `statement`: what one contributor is told, signed
//! - `amount`: minor units as text
//!
//! The files that banks and chains take are in `rails`; what follows from shards, verdicts and runs is in `rules`.

pub mod amount;
pub mod books;
pub mod document_proof;
pub mod entry;
pub mod envelope;
pub mod history;
pub mod key;
pub mod note;
pub mod payee;
pub mod proof;
pub mod proof_file;
pub mod reward;
pub mod settlement;
pub mod state;
pub mod statement;
pub mod tile;
pub mod tree_head;
pub mod witness;
pub mod witness_policy;
// Used by rewards alone.
mod wide;

pub use document_proof::DocumentProof;
pub use entry::Entry;
pub use envelope::Envelope;
pub use history::{Contributor, Epoch, Run, Submitted};
pub use key::{KeyError, PublicKey, SecretKey};
pub use note::{Note, NoteError, Verifier};
pub use proof::{EntryProof, ProofError};
pub use state::{State, Violation};
pub use tree_head::TreeHead;
pub use witness_policy::WitnessPolicy;
