//! What may be done with a document, as far as it can be read from what lies beside it.
//!
//! - `licence`: which licence a text is, which one a record has, and what says so
//! - `reservation`: what a publisher's machine-readable statements say about training
//!
//! Files are read elsewhere; what an epoch's purpose makes of it is judged elsewhere.

pub mod licence;
pub mod reservation;

pub use licence::{Licences, RightsError, Stated};
