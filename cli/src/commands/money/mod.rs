//! Money as people see it: what payouts, disputes and statements say, and a statement as a page and as a table.

pub mod disputes;
pub mod page;
pub mod payouts;
pub mod statement;
